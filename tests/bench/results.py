"""Records of rows: a file of JSON lines to resume from, lines for the eye, Markdown for docs."""

import json
import os

from rows import GROUPS
import scan


def load(path):
    """{(group, row): record}; the last record of a row counts."""
    if not path or not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        records = [json.loads(line) for line in file if line.strip()]
    return {(record["group"], record["row"]): record for record in records}


def append(path, record):
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()


def number(value):
    return f"{value:.1f}" if value >= 100 else f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def notes(record):
    """What else the sides said: threads and layout of PyTorch, share of the machine's peak."""
    if record["group"] in ("start", "screen", "threads", "precision"):
        return ""
    said = []
    ours = record["sides"][0]
    if "conv_gflops" in ours:
        share = 100 * float(ours["conv_gflops"]) / float(ours["peak_gflops"])
        said.append(f"convolutions at {share:.0f} % of the peak")
    theirs = record["sides"][-1]
    if "threads" in theirs:
        how = theirs.get("layout") or theirs.get("by") or ""
        count = theirs["threads"]
        said.append(f"PyTorch {how}, {count} thread{'' if count == '1' else 's'}")
    return "; ".join(said)


def line(record):
    """One line of the terminal's table."""
    if "skipped" in record:
        return f"{record['row']:62} left out: {record['skipped']}"
    values = "".join(f"{number(value):>10}" for value in record["values"])
    if "ratio" in record:
        values += (f"{record['ratio']:>8.2f}  {record['low']:.2f}..{record['high']:.2f}"
                   f"  {notes(record)}")
    return f"{record['row']:62}{values}"


def heading(group):
    titles = f"{group.first:>10}" + (f"{group.second:>10}   ratio" if group.second else "")
    return f"\n{group.title + ', ' + group.unit:62}{titles}"


def grid(records):
    """The scan: a line a side and batch, a column a width; how many times faster continuo is."""
    yield "| image | batch | " + " | ".join(f"A = {width}" for width in scan.WIDTHS) + " |"
    yield "|---|---|" + "---|" * len(scan.WIDTHS)
    for side in scan.SIDES:
        for batch in scan.BATCHES:
            cells = []
            for width in scan.WIDTHS:
                record = records.get(("scan", scan.Case(width, batch, side).name()), {})
                cells.append(f"{record['ratio']:.2f}" if "ratio" in record else
                             "left out" if record else "")
            yield f"| {side} x {side} | {batch} | " + " | ".join(cells) + " |"
    left = [f"{record['row']}: {record['skipped']}" for record in records.values()
            if "skipped" in record]
    if left:
        yield "\nLeft out, for both: " + "; ".join(left) + "."


def rows_table(group, records):
    columns = [f"{group.first}, {group.unit}"]
    if group.second:
        columns += [f"{group.second}, {group.unit}", "ratio (of the rounds)", ""]
    yield "| | " + " | ".join(columns) + " |"
    yield "|---|" + "---|" * len(columns)
    for record in records.values():
        if "skipped" in record:
            yield f"| {record['row']} | left out: {record['skipped']}" + " |" * len(columns)
            continue
        cells = [number(value) for value in record["values"]]
        if "ratio" in record:
            cells += [f"{record['ratio']:.2f} ({record['low']:.2f} to {record['high']:.2f})",
                      notes(record)]
        yield f"| {record['row']} | " + " | ".join(cells) + " |"


def markdown(records):
    """The tables of all groups that have records."""
    for name, group in GROUPS.items():
        some = {key: record for key, record in records.items() if key[0] == name}
        if not some:
            continue
        commits = sorted({record["commit"] for record in some.values()})
        loads = [record["load"] for record in some.values()]
        yield f"### {group.title}\n"
        yield (f"`scripts/bench --only {name}`, version {', '.join(commits)}; load of the machine "
               f"before a row {min(loads):.1f} to {max(loads):.1f}.\n")
        yield from grid(some) if name == "scan" else rows_table(group, some)
        yield ""
