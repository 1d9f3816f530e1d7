"""Sums the cases of all test programs from meson's logs: the last line of scripts/test."""

import json
import sys

passed = failed = skipped = 0
for path in sys.argv[1:]:
    for line in open(path):
        test = json.loads(line)
        case = {"ok": 0, "not ok": 0, "skip": 0}
        for text in test.get("stdout", "").splitlines():
            if text.startswith("ok "):
                case["skip" if "# SKIP" in text else "ok"] += 1
            elif text.startswith("not ok "):
                case["not ok"] += 1
        whole = test["result"] in ("OK", "EXPECTEDFAIL")
        if not any(case.values()):
            case["skip" if test["result"] == "SKIP" else "ok" if whole else "not ok"] = 1
        elif not whole and case["not ok"] == 0:
            case["not ok"] = 1  # crashed or timed out between cases
        if case["not ok"]:
            print("failed:", path.split("/")[0], test["name"], test["result"])
        passed, failed, skipped = (passed + case["ok"], failed + case["not ok"],
                                   skipped + case["skip"])
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(1 if failed or not passed else 0)
