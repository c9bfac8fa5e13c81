"""The results as tables in Markdown, and between the markers of a page.

In: the results. Out: text; pages of which the parts between `<!-- NAME -->` and `<!-- /NAME -->` are replaced.
"""

from shared import fail

MB = 1e6
KIB_IN_MB = 1024 / 1e6


def machine(results):
    """One sentence: what ran where."""
    facts = results["machine"]
    parts = [
        f"{facts['processors']} processors ({facts['model']})",
        f"{facts['memory_gb']:.0f} GB of memory",
        f"Linux {facts['kernel']}" if facts["system"] == "Linux" else facts["system"],
        f"firstseen {facts['commit']}",
        *(f"{name} {version}" for name, version in sorted(facts["versions"].items())),
    ]
    missing = "".join(f" Not measured: {reason}." for reason in results["missing"])
    return f"Measured on {facts['date']}: " + ", ".join(parts) + "." + missing


def threads_of(name):
    last = name.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 1


def ours(row, threads):
    return row["runs"].get(f"firstseen {threads}")


def shown(name):
    """`DuckDB 2` as `DuckDB, 2 threads`."""
    head, _, last = name.rpartition(" ")
    if not last.isdigit():
        return f"`{name}`" if name.startswith("grep") else name
    return f"{head}, {last} thread{'s' if last != '1' else ''}"


def table(results):
    """Each work by firstseen and by its rivals."""
    out = [
        "| work | run | seconds | query alone | GB/s | alerts | peak memory | firstseen is faster by |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in results["rows"]:
        work = f"{row['work']}, {row['bytes'] / MB:.0f} MB"
        for name, run in row["runs"].items():
            faster = ""
            if not name.startswith("firstseen"):
                faster = f"{run['seconds'] / ours(row, threads_of(name))['seconds']:.2f}"
            cells = [
                work,
                shown(name),
                f"{run['seconds']:.3f}",
                f"{run['query']:.3f}" if "query" in run else "",
                f"{row['bytes'] / run['seconds'] / 1e9:.2f}",
                f"{run['alerts']:,}" if isinstance(run.get("alerts"), int) else "",
                f"{run['peak'] * KIB_IN_MB:.0f} MB",
                faster,
            ]
            out.append(f"| {' | '.join(cells)} |")
            work = ""
    return "\n".join(out)


def short_table(results):
    """The README's: firstseen beside DuckDB, and beside what only filters or unpacks."""
    out = ["| work | firstseen | beside it | ratio |", "| --- | ---: | --- | ---: |"]
    for row in results["rows"]:
        work = f"{row['work']}, {row['bytes'] / MB:.0f} MB"
        for name, run in row["runs"].items():
            if name.startswith(("firstseen", "chDB", "read", "jaq")):
                continue
            own = ours(row, threads_of(name))
            ratio = run["seconds"] / own["seconds"]
            beside = f"{shown(name)} {run['seconds']:.2f} s"
            out.append(f"| {work} | {own['seconds']:.2f} s | {beside} | {ratio:.2f} |")
            work = ""
    return "\n".join(out)


STAGES = ["read", "inflate", "scan", "keys", "order", "decide", "output", "other"]


def stage_table(results):
    """Shares of CPU time, and latency."""
    work = results["stages"]
    out = ["| stage | " + " | ".join(work) + " |", "| --- |" + " ---: |" * len(work)]
    for stage in STAGES:
        shares = (
            of["stage_cpu_seconds"][stage] / max(of["cpu_seconds"], 1e-9) for of in work.values()
        )
        out.append(f"| {stage} | " + " | ".join(f"{share * 100:.0f} %" for share in shares) + " |")
    cpu = (f"{of['cpu_seconds']:.3f} s" for of in work.values())
    out.append("| CPU time | " + " | ".join(cpu) + " |")
    for kind, name in (
        ("all", "one event"),
        ("matched", "one that matches"),
        ("alerted", "an alert"),
    ):
        for rank in ("p50", "p99"):
            cells = []
            for of in work.values():
                latency = of["latency"][kind]
                cells.append(f"{latency[f'{rank}_us']:.1f} us" if latency else "")
            out.append(f"| {name}, {rank} | " + " | ".join(cells) + " |")
    return "\n".join(out)


def start_table(results):
    out = ["| one event that alerts | time | CPU time |", "| --- | ---: | ---: |"]
    for name, of in results["start"].items():
        out.append(f"| {name} | {of['ms']:.0f} ms | {of['cpu_ms']:.0f} ms |")
    return "\n".join(out)


def build_table(results):
    out = ["| from nothing, crates downloaded | CPU time |", "| --- | ---: |"]
    for name, of in results["builds"].items():
        out.append(f"| {name} | {of['cpu']:.0f} s |")
    return "\n".join(out)


def replaced(path, parts):
    """Replaces the parts of a page that are between markers."""
    text = path.read_text()
    for name, part in parts.items():
        first, last = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        if text.count(first) != 1 or text.count(last) != 1:
            fail(f"{path}: not one pair of markers {first.strip()} and {last.strip()}")
        before, rest = text.split(first)
        text = before + first + part + "\n" + last + rest.split(last)[1]
    path.write_text(text)
