"""Holds the house to its plan: includes point downwards only, headers form no cycle, no file is
longer than 800 lines. Prints TAP."""

import os
import re
import sys

top = sys.argv[1]
# lowest first; a file may include its own level and those before it
engine = ["base", "kernels", "depth", "ode", "nets", "learn", "study", "run"]
levels = [f"engine/{name}" for name in engine] + ["lua/plot", "lua", "app"]
lua_users = re.compile(r"^(lua/(?!plot/)|app/repl|app/edit|app/script|app/main|app/complete|app/context|app/version)")


def level_of(path):
    for index, prefix in enumerate(levels):
        if path.startswith(prefix + "/"):
            return index
    return None


files = {}
for folder in ("engine", "lua", "app"):
    for root, _, names in os.walk(os.path.join(top, folder)):
        for name in names:
            if name.endswith((".c", ".h", ".def")):
                path = os.path.join(root, name)
                files[os.path.relpath(path, top)] = open(path, encoding="utf-8").read()

upward, graph, long, foreign = [], {}, [], []
for path, text in sorted(files.items()):
    if text.count("\n") > 800:
        long.append(f"{path}: {text.count(chr(10))} lines")
    graph[path] = []
    for included in re.findall(r'^#include "([^"]+)"', text, re.M):
        target = next((c for c in ("engine/" + included, included) if c in files), None)
        if target is None:
            upward.append(f"{path} includes {included}, which is not ours")
            continue
        if target.endswith(".h"):
            graph[path].append(target)
        if level_of(target) > level_of(path):
            upward.append(f"{path} includes {target}")
    if re.search(r"#include <(lua|lauxlib|lualib)", text) and not lua_users.match(path):
        foreign.append(f"{path} includes Lua")
    if re.search(r"#include <(n?curses|readline)", text) and not path.startswith("app/"):
        foreign.append(f"{path} includes the terminal")

cycles, done = [], set()


def visit(path, trail):
    if path in trail:
        cycles.append(" -> ".join(trail[trail.index(path):] + [path]))
        return
    if path not in done:
        for target in graph[path]:
            visit(target, trail + [path])
        done.add(path)


for path in graph:
    if path.endswith(".h"):
        visit(path, [])

claims = [("includes point downwards only", upward), ("headers form no cycle", cycles),
          ("no file is longer than 800 lines", long),
          ("Lua and the terminal stay where they belong", foreign)]
print(f"1..{len(claims)}")
for number, (claim, faults) in enumerate(claims, 1):
    print("not ok" if faults else "ok", number, claim)
    for fault in faults:
        print("#", fault)
