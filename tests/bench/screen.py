#!/usr/bin/python3
"""Measures what the live screen costs: the share of one processor that the main thread of continuo
takes (Lua, the screen, reading the run folder) while other threads train.

    tests/bench/screen.py SECONDS PROGRAM

Prints "screen case=.. share_percent=.. seconds=..". The net of the benchmark (A = 16, K = N = 2,
Euler, 28 x 28, batch 128) trains on noise under a terminal of 120 x 40; the first three seconds are
not counted.
"""

import fcntl
import os
import pty
import signal
import struct
import sys
import tempfile
import termios
import threading
import time

SCRIPT = """
local x, labels, state = {}, {}, 12345
local function random()
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 2147483648
end
for i = 1, 1280 do
    local rows = {}
    for r = 1, 28 do
        local row = {}
        for c = 1, 28 do row[c] = 2 * random() - 1 end
        rows[r] = row
    end
    x[i], labels[i] = { rows }, math.floor(10 * random())
end
local data = cn.data.memory{ x = x, labels = labels, classes = 10 }
local net = cn.net.continuous{ input = { 1, 28, 28 }, width = 16, nodes = 2, steps = 2 }
cn.train{ net = net, data = data, epochs = 1000, batch = 128, name = "screen" }:wait()
"""


def drain(terminal, seen):
    """Reads what the program draws, as a terminal does, until it ends."""
    try:
        while data := os.read(terminal, 65536):
            seen[0] += len(data)
    except OSError:
        pass


def processor_seconds(process):
    """Of the main thread alone."""
    with open(f"/proc/{process}/task/{process}/schedstat", encoding="ascii") as file:
        return 1e-9 * int(file.read().split()[0])


def main():
    seconds, program = float(sys.argv[1]), os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "screen.lua")
        with open(script, "w", encoding="utf-8") as file:
            file.write(SCRIPT)
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(folder)
            os.environ["TERM"] = "xterm-256color"
            os.execv(program, [program, "run", script])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        seen = [0]
        threading.Thread(target=drain, args=(terminal, seen), daemon=True).start()
        time.sleep(3)
        drawn, used, began = seen[0], processor_seconds(process), time.monotonic()
        time.sleep(seconds)
        used, taken = processor_seconds(process) - used, time.monotonic() - began
        drawn = seen[0] - drawn
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
        if not drawn:
            sys.exit("screen: the program drew nothing while it was measured")
        print(f"screen case=120x40 share_percent={100 * used / taken:.3f} seconds={taken:.2f} "
              f"kilobytes={drawn / 1e3:.1f}")


if __name__ == "__main__":
    main()
