"""Candidates, their evidence and their order."""

from qa.answer import Engine
from qa.corpus import read
from qa.index import build
from qa.rank import FEATURES
from qa.search import Query, gather, search


def query(engine: Engine, text: str) -> Query:
    return Query(engine.segmenter.segment(text), engine.encoder.encode_query(text))


def test_the_topic_whose_variant_was_asked_comes_first(small_engine):
    hits = search(small_engine.index, query(small_engine, "链接能不能点啊"), 3)
    assert hits[0].passage.topic == "fake"
    assert [hit.rank for hit in hits] == [1, 2, 3]


def test_scores_are_probabilities_in_falling_order(small_engine):
    hits = search(small_engine.index, query(small_engine, "征信逾期能删吗"), 3)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_at_most_one_passage_of_a_topic(small_engine):
    hits = search(small_engine.index, query(small_engine, "链接 征信 回复"), 20)
    topics = [hit.passage.topic for hit in hits]
    assert len(topics) == len(set(topics))


def test_the_lead_is_shown_unless_another_section_is_clearly_nearer(small_engine):
    first = search(small_engine.index, query(small_engine, "链接能不能点"), 1)[0]
    assert first.passage.heading == ""


def test_more_hits_than_there_are_topics_cannot_be_had(small_engine):
    assert len(search(small_engine.index, query(small_engine, "征信"), 20)) <= 3


def test_nothing_known_still_gives_a_deterministic_list(small_engine):
    first = search(small_engine.index, query(small_engine, "zzz"), 3)
    second = search(small_engine.index, query(small_engine, "zzz"), 3)
    assert first == second


def test_ties_are_broken_by_passage_id(small_engine):
    hits = search(small_engine.index, query(small_engine, "zzz"), 3)
    pairs = [(-hit.score, hit.passage.id) for hit in hits]
    assert pairs == sorted(pairs)


def test_a_training_question_is_judged_as_if_it_were_not_in_the_index(
    corpus_folder, segmenter, encoder
):
    index = build(read(corpus_folder), segmenter, encoder, {}, lambda *_: None)
    place = index.training.labels.index("fake") + 1  # its first variant, after the title
    query = Query(index.training.segments[place], index.training.vectors[place])
    column = FEATURES.index("topic")
    seen, unseen = (
        dict(zip(topics(index, found), found.features[:, column], strict=True))["fake"]
        for found in (gather(index, query), gather(index, query, (index.training, place)))
    )
    assert unseen < seen


def topics(index, found) -> list[str]:
    return [index.passages[rows[0]].topic for rows in found.rows]


def test_every_hit_says_what_its_score_was_made_of(small_engine):
    hit = search(small_engine.index, query(small_engine, "链接"), 1)[0]
    assert {"cosine", "bm25", "word_share", "gram_share", "topic", "margin", "off_topic"} <= set(
        hit.evidence
    )


def test_another_section_is_shown_where_it_is_clearly_nearer(engine):
    hits = search(engine.index, query(engine, "离婚时欠条上说的债归谁还"), 3)
    assert any(hit.passage.heading for hit in hits)


def test_a_synonym_of_the_question_changes_what_is_found(engine):
    without = engine.index.sparse(engine.segmenter.segment("我被告了")).bm25
    found = engine.index.sparse(engine.segmenter.question("我被告了")).bm25
    assert "起诉" in engine.index.passages[int(found.argmax())].text
    assert (found != without).any()
