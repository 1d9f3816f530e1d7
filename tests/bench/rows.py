"""What is measured: groups of rows, each a contest of two commands (or one command alone)."""

import os
import sys
from dataclasses import dataclass, field

import scan

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TORCH = "/usr/bin/python3"  # Debian's, which python3-torch belongs to


@dataclass
class Row:
    group: str
    name: str
    first: list
    second: list = field(default_factory=list)
    value: str = "ms_median"  # the field of a program's line that is compared
    # The second is measured with that one of these choices of options that is fastest in a trial.
    choices: list = field(default_factory=list)
    trial: list = field(default_factory=list)
    skip: str = ""  # why the row cannot be measured


@dataclass
class Group:
    title: str
    first: str
    second: str  # "": nothing to compare with
    unit: str
    rows: object  # function of the plan


@dataclass
class Plan:
    """How long and with what."""
    build: str
    repeats: int
    seconds: float  # for the measured calls of one run
    step_seconds: float  # longest step that the scan takes

    def program(self, name):
        return os.path.join(self.build, name)

    def limits(self):
        return ["--repeats", str(self.repeats), "--budget", str(round(1e3 * self.seconds))]


NETS = [("A=16, K=2, 28x28x1", ["--width", "16", "--nodes", "2", "--input", "1", "28", "28"]),
        ("A=16, K=8, 32x32x3", ["--width", "16", "--nodes", "8", "--input", "3", "32", "32"]),
        ("A=64, K=2, 28x28x1", ["--width", "64", "--nodes", "2", "--input", "1", "28", "28"])]
KINDS = {"train": "training step", "eval": "evaluation"}
SCHEMES = {"euler": "Euler", "rk4": "RK4"}


def ours(plan, *options):
    return [plan.program("tests/bench_train"), *plan.limits(), *options]


def torch(plan, *options):
    return [TORCH, os.path.join(TESTS, "bench_torch.py"), *plan.limits(), *options]


def beside_torch(plan, group, name, options, skip="", value="ms_median", threads=()):
    """A row of bench_train and bench_torch with the same options."""
    threads = threads or sorted({1, os.cpu_count()})
    return Row(group, name, ours(plan, *options), torch(plan, *options), value,
               [("--threads", str(count), "--layout", layout) for count in threads
                for layout in ("contiguous", "channels_last")],
               ["--repeats", "3", "--budget", str(round(5e2 * plan.seconds))], skip)


def each_net(kinds=tuple(KINDS)):
    """(name, options) of every net, scheme and kind."""
    for net, options in NETS:
        for scheme, spoken in SCHEMES.items():
            for kind in kinds:
                yield (f"{KINDS[kind]}, {net}, {spoken}",
                       [*options, "--scheme", scheme, "--only", kind])


def net_rows(plan):
    rows = [beside_torch(plan, "net", name, options) for name, options in each_net()]
    for row in rows:
        row.first += ["--rate", "yes"]
    return rows


def memory_rows(plan):
    few = ["--repeats", "2", "--only", "train", "--scheme", "rk4"]
    rows = []
    for net, options in NETS:
        for policy in ("full", "stages", "steps"):
            row = beside_torch(plan, "memory", f"RK4 training step, {net}, memory = \"{policy}\"",
                               [*options, *few], value="rss_mb")
            row.first += ["--memory", policy]
            rows.append(row)
    return rows


def field_rows(plan):
    cases = {"2-64-64-2:rk4:n20:b32:": "2-64-64-2 tanh, RK4, 20 steps, batch 32",
             "2-64-64-2:rk4:n20:b256:": "2-64-64-2 tanh, RK4, 20 steps, batch 256",
             "2-64-64-2:rk4:n10:b2048:": "2-64-64-2 tanh, RK4, 10 steps, batch 2048",
             "2-50-2:dopri54:n20:b1:": "2-50-2 tanh, Dormand-Prince, 20 steps, batch 1"}
    seconds = ["--seconds", str(plan.seconds / 4)]
    program, script = plan.program("tests/bench_field"), os.path.join(TESTS, "bench_field_torch.py")
    return [Row("field", f"gradient of {spoken}", [program, *seconds, "--only", case],
                [TORCH, script, *seconds, "--only", case],
                skip="" if os.path.exists(script) else "there is no bench_field_torch.py")
            for case, spoken in cases.items()]


def thread_rows(plan):
    return [Row("threads", name, ours(plan, *options, "--threads", "2"),
                ours(plan, *options, "--threads", "1")) for name, options in each_net()]


def precision_rows(plan):
    return [Row("precision", name, ours(plan, *options, "--precision", "f32"),
                ours(plan, *options, "--precision", "f64")) for name, options in each_net()]


def timer(name, *arguments):
    return [sys.executable, os.path.join(TESTS, "bench", name), *arguments]


def start_rows(plan):
    spawns = str(10 * plan.repeats)
    return [Row("start", "continuo -e ''",
                timer("start.py", spawns, plan.program("app/continuo"), "-e", ""),
                timer("start.py", spawns, "/bin/true"))]


def screen_rows(plan):
    return [Row("screen", "live screen while a net trains",
                timer("screen.py", str(4 * plan.seconds), plan.program("app/continuo")),
                value="share_percent")]


def scan_rows(plan):
    # Beyond a second more threads are the faster ones, and a trial of one would take long.
    return [beside_torch(plan, "scan", case.name(), case.options(),
                         case.too_large(plan.step_seconds),
                         threads=[os.cpu_count()] if case.seconds() > 1 else ())
            for case in scan.cases()]


GROUPS = {
    "net": Group("Training and evaluation", "continuo", "PyTorch", "ms", net_rows),
    "memory": Group("Peak memory of the process", "continuo", "PyTorch", "MB", memory_rows),
    "field": Group("Gradients of small fields", "continuo", "PyTorch", "ms", field_rows),
    "threads": Group("Two threads over one", "2 threads", "1 thread", "ms", thread_rows),
    "precision": Group("f64 over f32", "f32", "f64", "ms", precision_rows),
    "start": Group("Start to end of the program", "continuo", "/bin/true", "ms", start_rows),
    "screen": Group("Share of a processor that shows the screen", "continuo", "", "%", screen_rows),
    "scan": Group("Training steps over sizes", "continuo", "PyTorch", "ms", scan_rows),
}
