"""Candidates, their evidence and their order."""

from qa.answer import Engine
from qa.corpus import read
from qa.index import build, load
from qa.index.build import HeldOut
from qa.rank import FEATURES, QUESTION_FEATURES, RETRIEVAL_FEATURES, TOPIC_FEATURES
from qa.rebuild import rebuild
from qa.search import Query, gather, search


def query(engine: Engine, text: str) -> Query:
    return Query(engine.segmenter.segment(text), engine.encoder.encode_query(text))


def test_the_topic_whose_variant_was_asked_comes_first(small_engine):
    hits = search(small_engine.index, query(small_engine, "链接能不能点啊"), 3)
    assert hits[0].passage.topic == "fake"
    assert len(hits) == 3
    assert hits[0].score == max(hit.score for hit in hits)


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
    held = variant(index, "fake")
    query = Query(held.segments, held.vector)
    column = FEATURES.index("topic")
    seen, unseen = (
        dict(zip(topics(index, found), found.features[:, column], strict=True))["fake"]
        for found in (gather(index, query), gather(index, query, held))
    )
    assert unseen < seen


def variant(index, topic: str) -> HeldOut:
    """Return a topic's first variant; titles stand before all variants."""
    return [held for held in index.held_out if held.label == topic][1]


def topics(index, found) -> list[str]:
    return [index.passages[rows[0]].topic for rows in found.rows]


def test_every_hit_says_what_its_score_was_made_of(small_engine):
    hit = search(small_engine.index, query(small_engine, "链接"), 1)[0]
    assert tuple(hit.evidence) == FEATURES


def test_a_plain_file_says_only_what_retrieval_knows_of_it(
    corpus_folder, tmp_path, segmenter, encoder
):
    (corpus_folder / "guidance/plain.txt").write_text("链接里有病毒。", "utf-8")
    rebuild(corpus_folder, tmp_path / "index", segmenter, encoder, lambda *_: None)
    engine = Engine(load(tmp_path / "index", segmenter, encoder), segmenter, encoder)
    hits = search(engine.index, query(engine, "链接里有病毒吗"), 20)
    plain = next(hit for hit in hits if hit.passage.topic == "plain")
    assert tuple(plain.evidence) == RETRIEVAL_FEATURES
    assert plain.score < 1


def test_what_speaks_for_none_of_them_is_gathered_once_a_question(small_engine):
    found = gather(small_engine.index, query(small_engine, "红烧肉怎么做好吃"))
    assert found.question.shape == (len(QUESTION_FEATURES),)
    about = dict(zip(QUESTION_FEATURES, found.question, strict=True))
    asked = gather(small_engine.index, query(small_engine, "链接能不能点"))
    other = dict(zip(QUESTION_FEATURES, asked.question, strict=True))
    assert about["off_topic"] > other["off_topic"]
    assert about["off_topic_grams"] > other["off_topic_grams"]
    assert 0 <= other["unknown_words"] < about["unknown_words"] <= 1


def test_a_topic_s_evidence_is_highest_for_its_own_question(small_engine):
    found = gather(small_engine.index, query(small_engine, "链接能不能点"))
    names = topics(small_engine.index, found)
    for name in TOPIC_FEATURES:
        column = found.features[:, FEATURES.index(name)]
        assert names[int(column.argmax())] == "fake"
    for name in ("margin", "wording_margin"):
        margins = dict(zip(names, found.features[:, FEATURES.index(name)], strict=True))
        assert margins["fake"] > 0 > max(margins["reply"], margins["credit"])


def test_a_training_question_is_no_neighbour_of_its_own(corpus_folder, segmenter, encoder):
    index = build(read(corpus_folder), segmenter, encoder, {}, lambda *_: None)
    held = variant(index, "fake")
    query = Query(held.segments, held.vector)
    for name in ("question_cosine", "question_grams"):
        column = FEATURES.index(name)
        seen, unseen = (
            dict(zip(topics(index, found), found.features[:, column], strict=True))["fake"]
            for found in (gather(index, query), gather(index, query, held))
        )
        assert unseen < seen


def test_another_section_is_shown_where_it_is_clearly_nearer(engine):
    hits = search(engine.index, query(engine, "离婚时欠条上说的债归谁还"), 3)
    assert any(hit.passage.heading for hit in hits)


def test_a_synonym_of_the_question_changes_what_is_found(engine):
    without = engine.index.sparse(engine.segmenter.segment("我被告了")).bm25
    found = engine.index.sparse(engine.segmenter.question("我被告了")).bm25
    assert "起诉" in engine.index.passages[int(found.argmax())].text
    assert (found != without).any()
