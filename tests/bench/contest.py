"""A contest: two programs by turns (A B A B ...), each run in its own process, so that a slow spell
of the machine hits both. A program prints one line, "who case=.. key=value ..."."""

import os
import statistics
import subprocess


class Failed(Exception):
    """A program that did not do its work; the text says which and why."""


def run(command, timeout):
    """The fields of the line that a program prints."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"{os.path.basename(command[0])} was not done after {timeout:.0f} s") from None
    lines = [line for line in done.stdout.splitlines() if " case=" in line]
    if done.returncode or len(lines) != 1:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise Failed(f"{' '.join(command)} gave {len(lines)} results and status "
                     f"{done.returncode}, saying: {said}")
    return dict(word.split("=", 1) for word in lines[0].split()[1:])


def settle(row, timeout):
    """The second program's command with the choice of options that was fastest in a trial, each in
    a process of its own; a choice that fails is none."""
    if not row.choices:
        return row.second
    tried, failure = {}, None
    for choice in row.choices:
        try:
            tried[choice] = float(run([*row.second, *row.trial, *choice], timeout)["ms_min"])
        except Failed as failed:
            failure = failed
    if not tried:
        raise failure
    return [*row.second, *min(tried, key=tried.get)]


def hold(row, rounds, timeout, tell=lambda number: None):
    """Runs the rounds of a row; returns its record. The ratio is second over first, so that it
    says how many times faster (or smaller) the first is."""
    second = settle(row, timeout)
    commands = [row.first] + ([second] if second else [])
    fields, values = [], []
    for number in range(rounds):
        tell(number)
        fields = [run(command, timeout) for command in commands]
        values.append([float(side[row.value]) for side in fields])
    record = {"group": row.group, "row": row.name, "rounds": rounds, "sides": fields,
              "values": [statistics.median(column) for column in zip(*values)]}
    if second:
        each = sorted(b / a for a, b in values)
        record.update(ratio=statistics.median(each), low=each[0], high=each[-1])
    return record
