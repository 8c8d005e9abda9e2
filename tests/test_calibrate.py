"""The ranker is learned from questions that neither it nor the encoder has seen."""

import sys

import numpy as np
import pytest

from qa import calibrate, index
from qa.corpus import OFF_TOPIC, read
from qa.rank import (
    DEFAULT_CHOICE,
    DEFAULT_RANKER,
    DEFAULT_WORD_CHOICE,
    DEFAULT_WORD_RANKER,
    FEATURES,
    QUESTION_FEATURES,
)


def build(corpus_folder, segmenter, encoder):
    return index.build(read(corpus_folder), segmenter, encoder, {}, lambda *_: None)


def test_every_question_is_judged_as_if_it_were_not_in_the_index(
    corpus_folder, segmenter, encoder, monkeypatch
):
    asked = []
    gather = calibrate.gather

    def spy(built, query, held=None):
        asked.append(held)
        return gather(built, query, held)

    monkeypatch.setattr(calibrate, "gather", spy)
    monkeypatch.setattr(calibrate, "FEWEST_QUESTIONS", 0)
    built = build(corpus_folder, segmenter, encoder)
    calibrate.fit(built)
    assert asked == list(built.held_out)
    assert [held.place for held in asked] == list(range(len(built.classifier.labels)))


def test_questions_that_the_encoder_has_seen_do_not_count(
    corpus_folder, segmenter, encoder, monkeypatch
):
    whole = build(corpus_folder, segmenter, encoder)
    seen = {"几天内要回电话", "链接能不能点"}
    monkeypatch.setattr(type(encoder), "has_seen", lambda self, text: text in seen)
    built = build(corpus_folder, segmenter, encoder)
    assert len(built.held_out) == len(whole.held_out) - 2
    texts = {held.segments.normalised.text for held in built.held_out}
    assert not texts & seen


def test_an_encoder_that_has_seen_all_leaves_all(corpus_folder, segmenter, encoder, monkeypatch):
    monkeypatch.setattr(type(encoder), "has_seen", lambda self, text: True)
    built = build(corpus_folder, segmenter, encoder)
    assert len(built.held_out) == len(built.classifier.labels)
    assert calibrate.fit(built).topic is not None


def test_no_more_are_held_out_than_it_takes(corpus_folder, segmenter, encoder, monkeypatch):
    monkeypatch.setattr(sys.modules["qa.index.build"], "MOST_HELD_OUT", 6)
    built = build(corpus_folder, segmenter, encoder)
    assert len(built.held_out) <= 6 < len(built.classifier.labels)
    assert len({held.label for held in built.held_out}) > 2


def test_off_topic_questions_are_learned_as_a_class(corpus_folder, segmenter, encoder):
    built = build(corpus_folder, segmenter, encoder)
    assert [held.label for held in built.held_out].count(OFF_TOPIC) == 4


def test_without_question_variants_the_default_serves(tmp_path, segmenter, encoder):
    (tmp_path / "a.txt").write_text("征信记录不会删除。", "utf-8")
    built = build(tmp_path, segmenter, encoder)
    assert calibrate.fit(built) is DEFAULT_RANKER
    assert calibrate.fit(built, by_words=True) is DEFAULT_WORD_RANKER


def test_the_ranker_has_the_correction_and_the_thresholds_that_were_chosen(
    corpus_folder, segmenter, encoder
):
    ranker = calibrate.fit(build(corpus_folder, segmenter, encoder))
    assert (ranker.topic.slope, ranker.topic.offset) == (calibrate.SLOPE, calibrate.OFFSET)
    assert (ranker.answered, ranker.uncertain) == (calibrate.ANSWERED, calibrate.UNCERTAIN)
    assert 0 < ranker.uncertain < ranker.answered < 1


def test_a_training_question_is_judged_among_the_topics_that_are_known(
    corpus_folder, segmenter, encoder
):
    (corpus_folder / "guidance/plain.txt").write_text("链接里有病毒。", "utf-8")
    built = build(corpus_folder, segmenter, encoder)
    for held in built.held_out:
        judged = calibrate._judged(built, held)
        assert judged.features.shape[1] == len(FEATURES)
        assert judged.question.shape == (len(QUESTION_FEATURES),)
        assert not np.isnan(judged.features).any()  # the plain file takes no part
        assert len(judged.features) == 3
        assert (judged.right is None) == (held.label == OFF_TOPIC)


def test_too_few_questions_to_learn_from_leave_the_shipped_weights(
    corpus_folder, segmenter, encoder
):
    built = build(corpus_folder, segmenter, encoder)
    ranker = calibrate.fit(built)
    assert ranker.retrieval == DEFAULT_RANKER.retrieval
    assert ranker.topic.weights == DEFAULT_CHOICE.weights
    by_words = calibrate.fit(built, by_words=True)
    assert by_words.retrieval == DEFAULT_WORD_RANKER.retrieval
    assert by_words.topic.weights == DEFAULT_WORD_CHOICE.weights


@pytest.mark.parametrize("fewest", [0, 200], ids=["learned", "default"])
def test_by_words_no_vector_counts_and_nothing_is_said_to_answer(
    corpus_folder, segmenter, encoder, monkeypatch, fewest
):
    monkeypatch.setattr(calibrate, "FEWEST_QUESTIONS", fewest)
    ranker = calibrate.fit(build(corpus_folder, segmenter, encoder), by_words=True)
    for name, weight in zip(FEATURES, ranker.topic.weights, strict=True):
        assert (weight == 0) == name.endswith("cosine"), name
    for name, weight in zip(QUESTION_FEATURES, ranker.topic.none, strict=True):
        assert weight == 0 or not name.endswith("cosine"), name
    assert ranker.retrieval.weights[FEATURES.index("cosine")] == 0
    assert ranker.status(1.0) == "uncertain"
    assert ranker.uncertain == calibrate.UNCERTAIN
    assert (ranker.topic.slope, ranker.topic.offset) == (
        calibrate.WORD_SLOPE,
        calibrate.WORD_OFFSET,
    )
