"""How long a rebuild takes, and at what: python bench/rebuild.py [--runs 2] [--corpus FOLDER].

Three rebuilds, each a new process, the quickest of some runs of each: with nothing to reuse, after
nothing changed, and after one document changed. Stages are processor time, since some run side by
side; each is without the stages that it calls.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from threading import local
from typing import Any

from qa.paths import CORPUS

# Stage -> the functions that it is, as module, owner in the module or "", name.
STAGES = {
    "read": [("qa.rebuild", "", "read")],
    "cut": [("qa.segment", "Segmenter", "_cut")],
    "encode": [("qa.embed", "StaticEncoder", "encode_query")],
    "features": [("qa.classify", "", "_matrix")],
    "solve": [("qa.classify", "_System", "of"), ("qa.classify", "_System", "solve")],
    "vocabulary": [("qa.index.build", "", "_vocabulary")],
    "evidence": [("qa.calibrate", "", "_judged"), ("qa.index.build", "", "_similar")],
    "rank": [("qa.calibrate", "", "fit_choice"), ("qa.calibrate", "", "fit_logistic")],
    "write": [("qa.index.store", "", "_write")],
    "verify": [("qa.index.store", "", "load_build")],
}
SPENT: Counter[str] = Counter()
_OPEN = local()  # what the stages called within the open one have taken, innermost last


def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that counts its own processor time for a stage."""

    @wraps(function)
    def measured(*arguments: Any, **named: Any) -> Any:
        inner = _OPEN.__dict__.setdefault("inner", [])
        inner.append(0.0)
        start = time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            taken = time.thread_time() - start
            SPENT[stage] += taken - inner.pop()
            if inner:
                inner[-1] += taken

    return measured


def one(corpus: Path, folder: Path) -> None:
    """Rebuild in this process, and print what each stage took as JSON."""
    start = time.perf_counter()
    from qa.embed import open_encoder
    from qa.rebuild import rebuild
    from qa.segment import Segmenter

    for stage, places in STAGES.items():
        for module, owner, name in places:
            holder = getattr(sys.modules[module], owner) if owner else sys.modules[module]
            function = timed(stage, getattr(holder, name))
            setattr(holder, name, staticmethod(function) if name == "of" else function)
    segmenter = Segmenter.open(corpus)
    encoder = open_encoder("", segmenter)
    SPENT["start"] = time.process_time()
    rebuild(corpus, folder, segmenter, encoder, lambda *_: None)
    SPENT["other"] = time.process_time() - sum(SPENT.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": time.perf_counter() - start, "peak": peak, **SPENT}))


def measure(corpus: Path, folder: Path) -> dict[str, float]:
    """Return what ``one`` prints, in a new process."""
    command = [sys.executable, __file__, "--corpus", str(corpus), "--one", str(folder)]
    found: dict[str, float] = json.loads(subprocess.check_output(command))
    return found


def change(corpus: Path, number: int) -> None:
    """Add a sentence, another each time, to the first document."""
    from qa.corpus import read

    document = read(corpus).documents[0]
    with (corpus / document.path).open("a", encoding="utf-8") as file:
        file.write(f"\n这是第 {number} 次改动。\n")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--corpus", type=Path, default=CORPUS)
    arguments.add_argument("--runs", type=int, default=2)
    arguments.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        one(options.corpus, options.one)
        return
    found: dict[str, list[dict[str, float]]] = {"full": [], "unchanged": [], "one changed": []}
    with tempfile.TemporaryDirectory() as temporary:
        corpus, folder = Path(temporary, "corpus"), Path(temporary, "index")
        shutil.copytree(options.corpus, corpus)
        for number in range(options.runs):
            shutil.rmtree(folder, ignore_errors=True)
            found["full"].append(measure(corpus, folder))
            found["unchanged"].append(measure(corpus, folder))
            change(corpus, number)
            found["one changed"].append(measure(corpus, folder))
    quickest = {name: min(runs, key=lambda run: run["wall"]) for name, runs in found.items()}
    load = os.getloadavg()[0]
    print(f"n={options.runs}, load {load:.1f}; seconds of processor time, but for the wall")
    print(f"{'':12}" + "".join(f"{name:>13}" for name in quickest))
    for stage in ("start", *STAGES, "other"):
        print(f"{stage:12}" + "".join(f"{run.get(stage, 0):13.2f}" for run in quickest.values()))
    print(f"{'wall':12}" + "".join(f"{run['wall']:13.2f}" for run in quickest.values()))
    print(f"{'peak, MB':12}" + "".join(f"{run['peak']:13.0f}" for run in quickest.values()))


if __name__ == "__main__":
    main()
