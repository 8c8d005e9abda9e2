"""No change makes the service worse unnoticed: dev against the recorded intervals."""

import json
from functools import reduce
from pathlib import Path

import pytest

from qa.evaluate import evaluate, read_judged
from qa.paths import CORPUS

GATE = json.loads((Path(__file__).parent / "data/gate.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def measured(engine):
    """What ``qa evaluate --fold dev --json`` prints."""
    return evaluate(engine, read_judged(CORPUS / "judged", GATE["fold"]), GATE["fold"]).to_json()


@pytest.mark.parametrize("name", GATE["bounds"])
def test_no_measure_is_worse_than_its_recorded_interval(measured, name):
    bound = GATE["bounds"][name]
    found = reduce(dict.__getitem__, bound["path"], measured)
    value = found["value"] if isinstance(found, dict) else found
    low, high = bound["interval"]
    advice = f"{name} is {value}, recorded {bound['value']} in {low} to {high} (bench/gate.py)"
    assert value >= low if bound["side"] == "at least" else value <= high, advice


def test_the_gate_watches_ranking_refusals_and_confidence():
    sides = {name: bound["side"] for name, bound in GATE["bounds"].items()}
    assert sides == {
        "hit@1": "at least",
        "hit@3": "at least",
        "MRR@10": "at least",
        "unanswerable refused": "at least",
        "near refused": "at least",
        "far refused": "at least",
        "answerable refused": "at most",
        "calibration error": "at most",
    }
