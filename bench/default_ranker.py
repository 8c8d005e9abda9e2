"""Fit the ranker that serves where no document has question variants (qa.rank.DEFAULT_RANKER).

    qa train --without-corpus --data DATA --out FOLDER
    python bench/default_ranker.py FOLDER

The encoder must not have seen the corpus: an operator's own text is new to it too. Candidates are
judged by retrieval alone; thresholds are quantiles of the confidence of answerable questions.
"""

import sys

import numpy as np

from qa import index
from qa.calibrate import OFFSET, SLOPE, fit
from qa.corpus import OFF_TOPIC, read
from qa.embed import open_encoder
from qa.paths import CORPUS
from qa.rank import RETRIEVAL_FEATURES
from qa.search import Query, gather
from qa.segment import Segmenter

STEP = 3  # every third training question


def main(model: str) -> None:
    segmenter = Segmenter(CORPUS)
    encoder = open_encoder(model, segmenter)
    built = index.build(read(CORPUS), segmenter, encoder, {}, lambda *_: None)
    # As learned: the correction that fit adds was measured on the shipped corpus only.
    retrieval = fit(built).retrieval.calibrated(1 / SLOPE, -OFFSET / SLOPE)
    training = built.training
    assert training is not None
    judged: list[tuple[bool, float, bool]] = []  # (answerable, confidence, first is right)
    for place in range(0, len(training.labels), STEP):
        query = Query(training.segments[place], training.vectors[place])
        candidates = gather(built, query, (training, place))
        chances = retrieval.probabilities(candidates.features[:, : len(RETRIEVAL_FEATURES)])
        first = int(chances.argmax())
        topic = built.passages[candidates.rows[first][0]].topic
        label = training.labels[place]
        judged.append((label != OFF_TOPIC, float(chances[first]), topic == label))
    answerable, confidence, right = (np.array(column) for column in zip(*judged, strict=True))
    print("features ", RETRIEVAL_FEATURES)
    print("weights  ", tuple(round(weight, 2) for weight in retrieval.weights))
    print("bias     ", round(retrieval.bias, 2))
    for share in (0.02, 0.05, 0.1, 0.2):
        threshold = float(np.quantile(confidence[answerable], share))
        refused = float((confidence[~answerable] < threshold).mean())
        print(
            f"uncertain from {threshold:.3f}: refuses {share:.0%} of answerable "
            f"(n = {answerable.sum()}), {refused:.0%} of off-topic (n = {(~answerable).sum()})"
        )
    for threshold in (0.1, 0.15, 0.2, 0.3, 0.5):
        kept = confidence >= threshold
        print(f"answered from {threshold}: first right {right[kept].mean():.2f} (n = {kept.sum()})")


if __name__ == "__main__":
    main(sys.argv[1])
