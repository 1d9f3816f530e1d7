#!/usr/bin/python3
"""Times a program from its start to its end, as a shell would wait for it.

    tests/bench/start.py SPAWNS PROGRAM [ARGUMENT...]

Prints "start case=PROGRAM ms_median=.. ms_min=..": the clock on the wall from before the process is
made until it is waited for. The first tenth (at least one) is not counted: files come into memory.
"""

import os
import statistics
import sys
import time


def spawn(command, null):
    began = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)])
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    taken = time.perf_counter() - began
    if status:
        sys.exit(f"start: {' '.join(command)} ended with status {status}")
    return 1e3 * taken


def main():
    count, command = int(sys.argv[1]), sys.argv[2:]
    null = os.open(os.devnull, os.O_RDWR)
    for _ in range(count // 10 + 1):
        spawn(command, null)
    times = [spawn(command, null) for _ in range(count)]
    print(f"start case={os.path.basename(command[0])} ms_median={statistics.median(times):.3f} "
          f"ms_min={min(times):.3f}")


if __name__ == "__main__":
    main()
