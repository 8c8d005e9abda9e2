"""How well judged questions are answered. The owner of corpus/judged.

``judged`` reads the questions, ``collection`` makes engines to measure, ``systems`` rank,
``metrics`` measure, ``perturb`` asks in other forms, ``report`` shows; here they come together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qa.answer import Engine
from qa.evaluate import metrics
from qa.evaluate.collection import engine_of, read_collection
from qa.evaluate.judged import HEADER, Judged, read_judged, read_typed
from qa.evaluate.metrics import Bin, Estimate
from qa.evaluate.perturb import FORMS, TWO, TYPED, Asked, Writer, asked
from qa.evaluate.systems import FUSED, SYSTEMS, Systems
from qa.index.build import Progress

__all__ = [
    "DEPTH",
    "DEPTH_ELSEWHERE",
    "FORMS",
    "HEADER",
    "STATUSES",
    "SYSTEMS",
    "Evaluation",
    "Judged",
    "Miss",
    "Robustness",
    "Scores",
    "engine_of",
    "evaluate",
    "read_collection",
    "read_judged",
    "read_typed",
    "score",
]

STATUSES = ("answered", "uncertain", "unanswered")
REFUSED = STATUSES[-1]
# How many topics a ranking has: of the guidance, no more than ``search`` gathers for an answer, so
# that all is as answered; of a collection of documents, as many as recall@100 needs.
DEPTH = 30
DEPTH_ELSEWHERE = 100


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over n judged questions that the guidance answers, by the names of the measures."""

    n: int
    estimates: dict[str, Estimate]

    def __getitem__(self, name: str) -> Estimate:
        return self.estimates[name]

    def to_json(self) -> dict[str, Any]:
        """Return the values by name, and the intervals apart."""
        estimates = {name: estimate.to_json() for name, estimate in self.estimates.items()}
        return {
            "n": self.n,
            **{name: estimate["value"] for name, estimate in estimates.items()},
            "interval": {name: [e["low"], e["high"]] for name, e in estimates.items()},
        }


@dataclass(frozen=True, slots=True)
class Miss:
    """A question whose first passage does not answer it."""

    question: Judged
    found: tuple[str, ...]  # the first three topics

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "id": self.question.id,
            "text": self.question.text,
            "expected": sorted(self.question.topics),
            "found": list(self.found),
        }


@dataclass(frozen=True, slots=True)
class Robustness:
    """How the questions that a form changes are answered in that form.

    In the form "two", hit@1 counts a first passage that answers either question, hit@3 two that
    are both answered by the first three (by the first six, three for each, where the engine saw
    and marked two questions), and the drop is against both asked apart.
    """

    hit1: Estimate
    hit3: Estimate
    refused: Estimate
    drop: Estimate  # of hit@3 as first asked − hit@3 in this form, paired by question
    either3: Estimate | None = None  # of "two": either question is answered by the first three

    def to_json(self) -> dict[str, Any]:
        """Return plain data by the field's names."""
        named = {"hit@1": self.hit1, "hit@3": self.hit3, "refused": self.refused}
        named["drop"] = self.drop
        if self.either3:
            named["either@3"] = self.either3
        return {"n": self.hit3.n, **{name: e.to_json() for name, e in named.items()}}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What ``qa evaluate`` reports on one fold."""

    fold: str
    build: str
    model: str
    passages: int
    depth: int  # of the rankings
    systems: dict[str, Scores]  # plain, sparse, dense, fused
    chapters: dict[str, Scores]  # of the fused system; none where the corpus has no chapters
    statuses: dict[str, dict[str, int]]  # kind of question -> status -> how many
    # The share refused: "answerable" (wrongly), "unanswerable" (rightly), then each kind of these.
    refused: dict[str, Estimate]
    auroc: Estimate  # of confidence: answerable questions against unanswerable ones
    calibration: Estimate  # expected calibration error; an unanswerable question is never right
    bins: tuple[Bin, ...]
    misses: tuple[Miss, ...]
    robustness: dict[str, Robustness]  # by form; empty unless asked for

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        return {
            "fold": self.fold,
            "build": self.build,
            "model": self.model,
            "passages": self.passages,
            "systems": {name: scores.to_json() for name, scores in self.systems.items()},
            "chapters": {name: scores.to_json() for name, scores in self.chapters.items()},
            "statuses": self.statuses,
            "refused": {name: share.to_json() for name, share in self.refused.items()},
            "auroc": self.auroc.to_json(),
            "calibration_error": self.calibration.to_json(),
            "bins": [bin.to_json() for bin in self.bins],
            "robustness": {form: found.to_json() for form, found in self.robustness.items()},
            "misses": [miss.to_json() for miss in self.misses],
        }


@dataclass(frozen=True, slots=True)
class _Reply:
    """What the engine made of one text."""

    topics: tuple[str, ...]  # best first
    confidence: float
    status: str
    questions: int  # how many it was seen to ask

    def first_answers(self, question: Judged, k: int) -> bool:
        """Tell whether one of the first k topics answers a question."""
        return any(topic in question.topics for topic in self.topics[:k])


def evaluate(
    engine: Engine,
    judged: Sequence[Judged],
    fold: str,
    *,
    depth: int = DEPTH,
    robust: bool = False,
    typed: Sequence[tuple[Judged, str]] = (),
    progress: Progress = lambda what, done, of: None,
) -> Evaluation:
    """Return what one fold of judged questions says of an engine.

    Args:
        depth: how many topics are ranked for a question.
        robust: ask the answerable questions in every other form too.
        typed: forms written by people, of some of the questions; asked when ``robust``.
    """
    systems = Systems(engine, depth, progress)
    replies = []
    for i, question in enumerate(judged, 1):
        replies.append(_reply(systems, question.text))
        progress("ask", i, len(judged))
    rankings = _rankings(systems, judged, replies, progress)
    answerable = [question for question in judged if question.topics]
    right = [reply.first_answers(q, 1) for q, reply in zip(judged, replies, strict=True)]
    confidence = np.array([reply.confidence for reply in replies])
    positive = np.array([bool(question.topics) for question in judged], bool)
    return Evaluation(
        fold=fold,
        build=engine.index.manifest.build,
        model=engine.encoder.name,
        passages=len(engine.index),
        depth=depth,
        systems={name: score(answerable, ranking, depth) for name, ranking in rankings.items()},
        chapters=_chapters(engine, answerable, rankings[FUSED], depth),
        statuses=_statuses(judged, replies),
        refused=_refused(judged, replies),
        auroc=metrics.auroc_estimate(confidence[positive], confidence[~positive]),
        calibration=metrics.calibration_estimate(confidence, np.array(right, bool)),
        bins=tuple(metrics.reliability(confidence, np.array(right, bool))),
        misses=_misses(answerable, rankings[FUSED]),
        robustness=_robustness(systems, judged, replies, typed, progress) if robust else {},
    )


def score(
    judged: Sequence[Judged], rankings: Sequence[Sequence[str]], depth: int = DEPTH
) -> Scores:
    """Return the measures of ranked topics, best first, one list per question."""
    rows = [
        metrics.measures(ranking, question.topics, depth)
        for question, ranking in zip(judged, rankings, strict=True)
    ]
    names = metrics.measures((), {""}, depth)
    columns = {name: [row[name] for row in rows] for name in names}
    return Scores(len(rows), metrics.table_estimates(columns))


def _reply(systems: Systems, text: str) -> _Reply:
    findings = systems.engine.read(text, systems.depth)
    topics = systems.fused(one.hit for one in findings.found)
    asked = max(len(findings.parts), 1)
    return _Reply(tuple(topics), findings.confidence, findings.status, asked)


def _rankings(
    systems: Systems, judged: Sequence[Judged], replies: Sequence[_Reply], progress: Progress
) -> dict[str, list[Sequence[str]]]:
    """Return each system's ranking of each answerable question."""
    rankings: dict[str, list[Sequence[str]]] = {name: [] for name in (*SYSTEMS, FUSED)}
    for i, (question, reply) in enumerate(zip(judged, replies, strict=True), 1):
        if question.topics:
            query = systems.engine.query(question.text)
            for name, rank in SYSTEMS.items():
                rankings[name].append(rank(systems, query))
            rankings[FUSED].append(reply.topics)
        progress("compare", i, len(judged))
    return rankings


def _chapters(
    engine: Engine, answerable: Sequence[Judged], rankings: Sequence[Sequence[str]], depth: int
) -> dict[str, Scores]:
    """Score each chapter's questions; one counts in every chapter that has a right topic."""
    chapters: dict[str, list[int]] = {}
    if not any(topic.chapter for topic in engine.index.topics):
        return {}
    for i, question in enumerate(answerable):
        known = (engine.index.topic.get(topic) for topic in question.topics)
        for chapter in {topic.chapter if topic else "-" for topic in known}:
            chapters.setdefault(chapter, []).append(i)
    return {
        chapter: score([answerable[i] for i in places], [rankings[i] for i in places], depth)
        for chapter, places in sorted(chapters.items())
    }


def _statuses(judged: Sequence[Judged], replies: Sequence[_Reply]) -> dict[str, dict[str, int]]:
    """Count the statuses given to each kind of question."""
    counts: dict[str, dict[str, int]] = {}
    for question, reply in zip(judged, replies, strict=True):
        kind = counts.setdefault(question.kind, dict.fromkeys(STATUSES, 0))
        kind[reply.status] += 1
    return counts


def _refused(judged: Sequence[Judged], replies: Sequence[_Reply]) -> dict[str, Estimate]:
    groups: dict[str, list[bool]] = {"answerable": [], "unanswerable": []}
    for question, reply in zip(judged, replies, strict=True):
        # A collection without kinds calls all its questions answerable.
        kinds = {"unanswerable", question.kind} - {"answerable"}
        for name in ["answerable"] if question.topics else sorted(kinds):
            groups.setdefault(name, []).append(reply.status == REFUSED)
    return {name: metrics.mean_estimate(refused) for name, refused in groups.items()}


def _misses(answerable: Sequence[Judged], rankings: Sequence[Sequence[str]]) -> tuple[Miss, ...]:
    return tuple(
        Miss(question, tuple(ranking[:3]))
        for question, ranking in zip(answerable, rankings, strict=True)
        if not ranking or ranking[0] not in question.topics
    )


def _robustness(
    systems: Systems,
    judged: Sequence[Judged],
    replies: Sequence[_Reply],
    typed: Sequence[tuple[Judged, str]],
    progress: Progress,
) -> dict[str, Robustness]:
    """Ask the answerable questions in every form, and compare with how they were first asked."""
    writer = Writer(systems.engine.segmenter)
    before = {
        question.id: reply.first_answers(question, 3)
        for question, reply in zip(judged, replies, strict=True)
    }
    answerable = [question for question in judged if question.topics]
    messages = {form: asked(writer, form, answerable) for form in (*FORMS, TWO)}
    messages[TYPED] = [Asked(text, (question,)) for question, text in typed if question.topics]
    total, done, found = sum(map(len, messages.values())), 0, {}
    for form, forms in messages.items():
        answers = []
        for message in forms:
            answers.append(_reply(systems, message.text))
            progress("forms", done := done + 1, total)
        if forms:
            found[form] = _compared(forms, answers, before)
    return found


def _compared(
    messages: Sequence[Asked], replies: Sequence[_Reply], before: dict[str, bool]
) -> Robustness:
    pairs = list(zip(messages, replies, strict=True))
    first = [any(r.first_answers(q, 1) for q in m.questions) for m, r in pairs]
    every = [all(r.first_answers(q, 3 * r.questions) for q in m.questions) for m, r in pairs]
    either = [any(r.first_answers(q, 3) for q in m.questions) for m, r in pairs]
    was = [all(before[question.id] for question in message.questions) for message in messages]
    drop = np.array(was, np.float64) - np.array(every, np.float64)
    joined = any(len(message.questions) > 1 for message in messages)
    return Robustness(
        hit1=metrics.mean_estimate(first),
        hit3=metrics.mean_estimate(every),
        refused=metrics.mean_estimate([reply.status == REFUSED for reply in replies]),
        drop=metrics.mean_estimate(drop),
        either3=metrics.mean_estimate(either) if joined else None,
    )
