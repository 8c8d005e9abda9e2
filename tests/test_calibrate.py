"""The ranker is learned from questions that neither it nor the encoder has seen."""

from qa import calibrate, index
from qa.corpus import OFF_TOPIC, read
from qa.rank import DEFAULT_RANKER


def build(corpus_folder, segmenter, encoder):
    return index.build(read(corpus_folder), segmenter, encoder, {}, lambda *_: None)


def test_every_question_is_judged_as_if_it_were_not_in_the_index(
    corpus_folder, segmenter, encoder, monkeypatch
):
    asked = []
    gather = calibrate.gather

    def spy(built, query, training=None):
        asked.append(training)
        return gather(built, query, training)

    monkeypatch.setattr(calibrate, "gather", spy)
    built = build(corpus_folder, segmenter, encoder)
    calibrate.fit(built)
    assert [place for _, place in asked] == list(range(len(built.training.labels)))
    assert all(training is built.training for training, _ in asked)


def test_questions_that_the_encoder_has_seen_do_not_count(
    corpus_folder, segmenter, encoder, monkeypatch
):
    seen = {"几天内要回电话", "链接能不能点"}
    monkeypatch.setattr(type(encoder), "has_seen", lambda self, text: text in seen)
    built = build(corpus_folder, segmenter, encoder)
    places = calibrate._unseen(built.training)
    assert len(places) == len(built.training.labels) - 2
    assert not any(built.training.seen[place] for place in places)


def test_an_encoder_that_has_seen_all_leaves_all(corpus_folder, segmenter, encoder, monkeypatch):
    monkeypatch.setattr(type(encoder), "has_seen", lambda self, text: True)
    built = build(corpus_folder, segmenter, encoder)
    assert len(calibrate._unseen(built.training)) == len(built.training.labels)
    assert calibrate.fit(built).topic is not None


def test_off_topic_questions_are_learned_as_a_class(corpus_folder, segmenter, encoder):
    built = build(corpus_folder, segmenter, encoder)
    assert built.training.labels.count(OFF_TOPIC) == 4


def test_without_question_variants_the_default_serves(tmp_path, segmenter, encoder):
    (tmp_path / "a.txt").write_text("征信记录不会删除。", "utf-8")
    assert calibrate.fit(build(tmp_path, segmenter, encoder)) is DEFAULT_RANKER
