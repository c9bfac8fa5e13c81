"""Line charts as SVG, drawn with nothing but Python.

In: a title, the names of the axes, series of points. Out: the text of an SVG. Axes may be logarithmic.
"""

import math
from html import escape

WIDTH, HEIGHT = 640, 360
FONT = 'font-family="sans-serif" font-size="12"'
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50
# Distinct also for who does not see red and green apart, on white and on black.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00"]


class Axis:
    """Numbers to a place between two ends."""

    def __init__(self, values, ends, logarithmic):
        self.logarithmic = logarithmic
        self.first, self.last = ends
        least, most = min(values), max(values)
        if logarithmic:
            self.least, self.most = math.log10(least), math.log10(most)
        else:
            self.least, self.most = 0.0, most
        if self.least == self.most:
            self.most = self.least + 1

    def at(self, value):
        value = math.log10(value) if self.logarithmic else value
        share = (value - self.least) / (self.most - self.least)
        return self.first + share * (self.last - self.first)

    def ticks(self):
        if self.logarithmic:
            powers = range(math.floor(self.least), math.ceil(self.most) + 1)
            ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            inside = [tick for tick in ticks if self.least <= math.log10(tick) <= self.most]
            few = [tick for tick in inside if f"{tick:e}".startswith("1")]
            return few if len(few) >= 3 else inside
        step = 10.0 ** math.floor(math.log10(self.most))
        while self.most / step < 4:
            step /= 2
        return [step * number for number in range(int(self.most / step) + 1)]


def number(value):
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def chart(title, axes, series, logarithmic=(True, False)):
    """`axes`: the names of x and y; `series`: {name: [(x, y), ...]}."""
    points = [point for line in series.values() for point in line]
    x = Axis([p[0] for p in points], (LEFT, WIDTH - RIGHT), logarithmic[0])
    y = Axis([p[1] for p in points], (HEIGHT - BOTTOM, TOP), logarithmic[1])
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for tick in x.ticks():
        at, base = x.at(tick), HEIGHT - BOTTOM
        out.append(f'<path d="M{at:.1f} {TOP}V{base}" stroke="#dddddd"/>')
        out.append(f'<text x="{at:.1f}" y="{base + 16}" text-anchor="middle">{number(tick)}</text>')
    for tick in y.ticks():
        at = y.at(tick)
        out.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(
        f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(axes[0])}</text>'
    )
    out.append(f'<text x="{LEFT}" y="35" fill="#555555">{escape(axes[1])}</text>')
    for index, (name, line) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        places = [(x.at(a), y.at(b)) for a, b in line]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        top = TOP + 16 + 16 * index
        out.append(
            f'<text x="{WIDTH - RIGHT - 6}" y="{top}" text-anchor="end" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return "\n".join([*out, "</svg>"]) + "\n"
