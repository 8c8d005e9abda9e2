"""Record what a later change may not fall below (tests/data/gate.json).

    qa evaluate --fold dev --json | python bench/gate.py

`make gate` rebuilds the index first. tests/test_gate.py fails when a measure lies outside its
recorded 95 % interval on the wrong side. Record again when a change is meant to move the numbers,
in the same commit, and say so in docs/evaluation.md.
"""

import datetime
import json
import sys
from pathlib import Path

GATE = Path(__file__).parents[1] / "tests/data/gate.json"
FUSED = ("systems", "fused")
# Where each lies in the JSON; the higher the better.
AT_LEAST = {
    "hit@1": (*FUSED, "hit@1"),
    "hit@3": (*FUSED, "hit@3"),
    "MRR@10": (*FUSED, "MRR@10"),
    "unanswerable refused": ("refused", "unanswerable"),
    "near refused": ("refused", "near"),
    "far refused": ("refused", "far"),
}
# The lower the better.
AT_MOST = {
    "answerable refused": ("refused", "answerable"),
    "calibration error": ("calibration_error",),
}


def bound(evaluation: dict, path: tuple[str, ...], side: str) -> dict:
    *parents, last = path
    for parent in parents:
        evaluation = evaluation[parent]
    found = evaluation[last]
    if isinstance(found, dict):
        value, interval = found["value"], [found["low"], found["high"]]
    else:
        value, interval = found, evaluation["interval"][last]
    return {"path": path, "side": side, "value": value, "interval": interval}


def main() -> None:
    evaluation = json.load(sys.stdin)
    bounds = {name: bound(evaluation, path, "at least") for name, path in AT_LEAST.items()}
    bounds |= {name: bound(evaluation, path, "at most") for name, path in AT_MOST.items()}
    record = {
        "fold": evaluation["fold"],
        "build": evaluation["build"],
        "model": evaluation["model"],
        "recorded": datetime.date.today().isoformat(),
        "bounds": bounds,
    }
    GATE.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    print(f"{GATE}: {len(bounds)} bounds of build {record['build']}")


if __name__ == "__main__":
    main()
