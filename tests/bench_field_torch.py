#!/usr/bin/python3
"""Times PyTorch on gradients of small dense vector fields: forward through all steps, the mean
square of the final state, backward, gradients set to None before.

    /usr/bin/python3 tests/bench_field_torch.py

Prints a line per case, the same cases as bench_field:

    torch case=field:2-64-64-2:rk4:n20:b32:t1 ms_median=.. ms_min=.. rss_mb=.. threads=.. by=..

It is meant to be beaten fairly: the stages are written out in a loop of plain operations, as few as
the scheme allows (its last stage, which no step reads, is left out); torchdiffeq is tried too where
it is installed, and the better of the two is printed, on the better of one and two threads. `t1` in
the name of a case belongs to bench_field: it takes --threads to match.
"""

import argparse
import resource
import statistics
import time

import torch

try:
    import torchdiffeq
except ImportError:
    torchdiffeq = None

CASES = [([2, 64, 64, 2], "rk4", 20, 32), ([2, 64, 64, 2], "rk4", 20, 256),
         ([2, 64, 64, 2], "rk4", 10, 2048), ([2, 50, 2], "dopri54", 20, 1)]
A = {"rk4": [[], [1 / 2], [0, 1 / 2], [0, 0, 1]],
     "dopri54": [[], [1 / 5], [3 / 40, 9 / 40], [44 / 45, -56 / 15, 32 / 9],
                 [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
                 [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656]]}
B = {"rk4": [1 / 6, 1 / 3, 1 / 3, 1 / 6],
     "dopri54": [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84]}
TORCHDIFFEQ = {"rk4": "rk4"}  # its rk4 is the 3/8 rule, of the same cost


def make_field(widths):
    layers = []
    for n, (a, b) in enumerate(zip(widths, widths[1:])):
        layers += ([torch.nn.Tanh()] if n else []) + [torch.nn.Linear(a, b)]
    return torch.nn.Sequential(*layers)


def loop(field, x, scheme, steps):
    h = 1.0 / steps
    for _ in range(steps):
        slopes = []
        for row in A[scheme]:
            y = x
            for a, k in zip(row, slopes):
                if a:
                    y = torch.add(y, k, alpha=h * a)
            slopes.append(field(y))
        for b, k in zip(B[scheme], slopes):
            if b:
                x = torch.add(x, k, alpha=h * b)
    return x


def library(field, x, scheme, steps):
    return torchdiffeq.odeint(lambda t, y: field(y), x, torch.tensor([0.0, 1.0]),
                              method=TORCHDIFFEQ[scheme], options={"step_size": 1.0 / steps})[-1]


def measure(call, seconds):
    call()
    times, begin = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1, help="of bench_field, for the names")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each way to run a case")
    parser.add_argument("--only", default="", help="part of a case's name")
    given = parser.parse_args()
    torch.manual_seed(1)
    for widths, scheme, steps, batch in CASES:
        name = (f"field:{'-'.join(map(str, widths))}:{scheme}:n{steps}:b{batch}"
                f":t{given.threads}")
        if given.only not in name:
            continue
        field, x = make_field(widths), torch.randn(batch, widths[0])
        ways = {"loop": loop}
        if torchdiffeq and scheme in TORCHDIFFEQ:
            ways["torchdiffeq"] = library
        best = None
        for way, run in ways.items():
            for threads in (1, 2):
                torch.set_num_threads(threads)

                def gradient():
                    field.zero_grad(set_to_none=True)
                    run(field, x, scheme, steps).square().mean().backward()

                times = measure(gradient, given.seconds)
                if best is None or statistics.median(times) < statistics.median(best[0]):
                    best = times, threads, way
        times, threads, way = best
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"torch case={name} ms_median={1e3 * statistics.median(times):.5f} "
              f"ms_min={1e3 * min(times):.5f} rss_mb={memory} threads={threads} by={way}",
              flush=True)


if __name__ == "__main__":
    main()
