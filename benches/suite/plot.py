"""Line charts as SVG, drawn with nothing but Python.

In: a title, the names of the axes, series of points. Out: the text of an SVG. Axes may be logarithmic.
"""

import math
from html import escape

WIDTH, HEIGHT = 640, 400
FONT = 'font-family="sans-serif" font-size="12"'
LEFT, RIGHT, BOTTOM = 70, 30, 50
# The title, a line for each series, and the name of the axis are above the lines.
TITLE, LINE = 20, 16
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
            # The highest line is not cut off by the frame.
            step = self.step(most)
            self.least, self.most = 0.0, step * math.ceil(most / step)
        if self.least == self.most:
            self.most = self.least + 1

    @staticmethod
    def step(most):
        step = 10.0 ** math.floor(math.log10(most)) if most > 0 else 1.0
        while most / step < 4:
            step /= 2
        return step

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
        step = self.step(self.most)
        return [step * number for number in range(int(self.most / step) + 1)]


def number(value):
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def chart(title, axes, series, logarithmic=(True, False)):
    """`axes`: the names of x and y; `series`: {name: [(x, y), ...]}."""
    top = TITLE + LINE * (len(series) + 1) + 10
    points = [point for line in series.values() for point in line]
    x = Axis([p[0] for p in points], (LEFT, WIDTH - RIGHT), logarithmic[0])
    y = Axis([p[1] for p in points], (HEIGHT - BOTTOM, top), logarithmic[1])
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="{TITLE}" font-size="14">{escape(title)}</text>',
    ]
    for tick in x.ticks():
        at, base = x.at(tick), HEIGHT - BOTTOM
        out.append(f'<path d="M{at:.1f} {top}V{base}" stroke="#dddddd"/>')
        out.append(f'<text x="{at:.1f}" y="{base + 16}" text-anchor="middle">{number(tick)}</text>')
    for tick in y.ticks():
        at = y.at(tick)
        out.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(
        f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(axes[0])}</text>'
    )
    out.append(f'<text x="{LEFT}" y="{top - 6}" fill="#555555">{escape(axes[1])}</text>')
    for index, (name, line) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        places = [(x.at(a), y.at(b)) for a, b in line]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        row = TITLE + LINE * (index + 1)
        out.append(
            f'<path d="M{LEFT} {row - 4}h18" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{LEFT + 24}" y="{row}">{escape(name)}</text>'
        )
    return "\n".join([*out, "</svg>"]) + "\n"
