#!/usr/bin/python3
"""Times PyTorch on the continuous net: one training step (forward, loss, backward, SGD with
momentum 0.9 and weight decay 5e-4) and one evaluation forward, on one batch.

    /usr/bin/python3 tests/bench_torch.py --scheme rk4 --nodes 2 --steps 2

Prints a line per case, the same cases as bench_train:

    torch case=train:rk4:w16:k2:n2:1x28x28:b128:t2 ms_median=.. ms_min=.. calls=.. rss_mb=..
        threads=.. layout=..

It is meant to be beaten fairly: plain modules, one per cell; norms that keep running statistics
the cheapest way PyTorch has (one update a visit); gradients set to None; the multi-tensor SGD.
Which number of threads and which memory layout are fastest differs from case to case: scripts/bench
tries them, each in a process of its own, because channels_last breaks the memory of some PyTorch
versions at some sizes. rss_mb is the peak of the process so far.
"""

import argparse
import os
import resource
import statistics
import sys
import time

# Threads that spin for the next task serve PyTorch best, but only while nobody else works.
os.environ.setdefault("OMP_WAIT_POLICY", "passive" if "--passive" in sys.argv else "active")

import torch
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference"))
sys.dont_write_bytecode = True
import continuous

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=0, help="0: nodes")
    parser.add_argument("--scheme", default="euler", choices=continuous.TABLEAUX)
    parser.add_argument("--unit", default="post", choices=["post", "pre"])
    parser.add_argument("--input", type=int, nargs=3, default=[1, 28, 28], metavar=("C", "H", "W"))
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--budget", type=float, default=0,
                        help="milliseconds for the measured calls of a case; 0: no limit")
    parser.add_argument("--layout", default="contiguous", choices=LAYOUTS)
    parser.add_argument("--only", default="both", choices=["both", "train", "eval"])
    parser.add_argument("--passive", action="store_true",
                        help="waiting threads sleep: for machines shared with others")
    given = parser.parse_args()
    given.steps = given.steps or given.nodes
    return given


class Contender:
    def __init__(self, given, layout):
        torch.manual_seed(1)
        config = continuous.Config(
            input=tuple(given.input), classes=given.classes, width=given.width, unit=given.unit,
            scheme=given.scheme, steps=given.steps, nodes=given.nodes, norm_update="visit",
            precision="f32")
        layout = LAYOUTS[layout]
        self.net = continuous.ContinuousNet(config).to(memory_format=layout)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9,
                                         weight_decay=5e-4, foreach=True)
        self.x = torch.randn(given.batch, *given.input).contiguous(memory_format=layout)
        self.labels = torch.randint(0, given.classes, (given.batch,))

    def train(self):
        self.net.train()
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.net(self.x), self.labels).backward()
        self.optimizer.step()

    @torch.inference_mode()
    def eval(self):
        self.net.eval()
        return self.net(self.x)


def times(work, repeats, budget=0.0):
    """Milliseconds of each call, after two that are not counted; at least one."""
    limit = budget or float("inf")
    began = time.perf_counter()
    for call in range(2):
        if call == 0 or 1e3 * (time.perf_counter() - began) < limit:
            work()
    result, began = [], time.perf_counter()
    while len(result) < repeats:
        start = time.perf_counter()
        if result and 1e3 * (start - began) > limit:
            break
        work()
        result.append(1e3 * (time.perf_counter() - start))
    return result


def main():
    given = options()
    torch.set_num_threads(given.threads)
    case = (f"{given.scheme}:w{given.width}:k{given.nodes}:n{given.steps}:"
            f"{'x'.join(map(str, given.input))}:b{given.batch}:t{given.threads}")
    for kind in ("train", "eval") if given.only == "both" else (given.only,):
        work = getattr(Contender(given, given.layout), kind)
        taken = times(work, given.repeats, given.budget)
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"torch case={kind}:{case} ms_median={statistics.median(taken):.4f} "
              f"ms_min={min(taken):.4f} calls={len(taken)} rss_mb={rss:.0f} "
              f"threads={given.threads} layout={given.layout}", flush=True)


if __name__ == "__main__":
    main()
