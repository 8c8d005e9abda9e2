"""Whether a message speaks of self-harm, violence or threats: by phrases, else by what it is like.

Missing a cry for help is worse than giving a help line to somebody who needs none, so either is
enough. Phrases are sure and readable; the classifier, learned from examples, knows what no list of
phrases holds (docs/evaluation.md, "Danger").
"""

from __future__ import annotations

from qa.classify import TopicClassifier
from qa.corpus import NO_DANGER, Urgent
from qa.message import Rules
from qa.segment import Segmenter

# Chosen on messages written for it (docs/evaluation.md, "Danger").
LEAST = 0.2  # what the score of a danger must reach
# A few characters are like much: only a high score counts there.
SHORT, LEAST_SHORT = 8, 0.6


def danger(
    rules: Rules, classifier: TopicClassifier | None, segmenter: Segmenter, *readings: str
) -> Urgent | None:
    """Return the danger that a message speaks of, if any.

    Args:
        readings: the normalised message, as written and as put right.
    """
    for text in readings:
        if found := rules.danger(text):
            return found
    if classifier is None:
        return None
    scores = _scores(classifier, segmenter, readings[-1])
    least = LEAST_SHORT if len(readings[-1]) < SHORT else LEAST
    sure = [
        (score, rule)
        for rule in rules.urgent
        if (score := scores.get(rule.kind, 0.0)) >= least
        and score - scores.get(NO_DANGER, 0.0) > rule.margin
    ]
    return max(sure, key=lambda pair: pair[0])[1] if sure else None


def _scores(classifier: TopicClassifier, segmenter: Segmenter, text: str) -> dict[str, float]:
    scores = classifier.scores(segmenter.segment(text), None)
    return dict(zip(classifier.classes, map(float, scores), strict=True))
