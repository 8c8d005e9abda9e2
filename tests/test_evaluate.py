"""The metrics' arithmetic, on cases worked by hand, and the judged questions themselves."""

import json

import pytest

from qa.corpus import read
from qa.errors import JudgedInvalid
from qa.evaluate import Judged, evaluate, read_judged, score
from qa.normalise import normalise
from qa.paths import CORPUS

JUDGED = CORPUS / "judged"


def judged(*topics: str) -> Judged:
    return Judged("q", "问题", "answerable", frozenset(topics))


def test_scores_of_three_questions_worked_by_hand():
    questions = [judged("a"), judged("b", "c"), judged("d")]
    rankings = [["a", "x"], ["x", "c", "b"], ["x", "y", "z", "d"]]
    scores = score(questions, rankings)
    assert scores.n == 3
    assert scores.hit1 == pytest.approx(1 / 3)
    assert scores.hit3 == pytest.approx(2 / 3)
    assert scores.mrr10 == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)


def test_a_topic_below_the_tenth_place_counts_for_nothing():
    scores = score([judged("a")], [[*map(str, range(10)), "a"]])
    assert (scores.hit1, scores.hit3, scores.mrr10) == (0, 0, 0)


def test_no_questions_score_zero():
    assert score([], []).to_json() == {"n": 0, "hit@1": 0, "hit@3": 0, "MRR@10": 0}


def write_judged(folder, queries: str, qrels: str):
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text(queries, "utf-8")
    (folder / "qrels/dev.tsv").write_text(qrels, "utf-8")
    return folder


def test_judged_questions_are_read_in_beirs_shape(tmp_path):
    queries = (
        '{"_id": "1", "text": "甲"}\n{"_id": "2", "text": "乙", "metadata": {"kind": "far"}}\n'
    )
    qrels = "query-id\tcorpus-id\tscore\n1\treply\t1\n1\tfake\t1\n2\tnone\t0\n"
    first, second = read_judged(write_judged(tmp_path / "j", queries, qrels), "dev")
    assert (first.topics, first.kind) == (frozenset({"reply", "fake"}), "answerable")
    assert (second.topics, second.kind) == (frozenset(), "far")


@pytest.mark.parametrize(
    ("queries", "qrels", "place"),
    [
        pytest.param("{", "", r"queries\.jsonl:1", id="bad-json"),
        pytest.param('{"text": "甲"}', "", r"queries\.jsonl:1", id="no-id"),
        pytest.param("", "query-id\tcorpus-id\tscore\n1\treply\n", r"dev\.tsv:2", id="two-columns"),
        pytest.param("", "1\treply\tyes\n", r"dev\.tsv:1", id="score-not-a-number"),
    ],
)
def test_a_faulty_line_is_named(tmp_path, queries, qrels, place):
    with pytest.raises(JudgedInvalid, match=place):
        read_judged(write_judged(tmp_path / "j", queries, qrels), "dev")


def test_a_missing_fold_is_named(tmp_path):
    with pytest.raises(JudgedInvalid, match=r"dev\.tsv"):
        read_judged(tmp_path, "dev")


def test_all_systems_are_scored_side_by_side(small_engine):
    questions = [Judged("1", "链接能点吗", "answerable", frozenset({"fake"}))]
    evaluation = evaluate(small_engine, [*questions, Judged("2", "zzz", "far", frozenset())], "dev")
    assert list(evaluation.systems) == ["sparse", "dense", "fused"]
    assert all(scores.n == 1 for scores in evaluation.systems.values())
    assert evaluation.chapters["第一章"].hit1 == 1
    assert sum(evaluation.statuses["far"].values()) == 1
    assert json.dumps(evaluation.to_json())


def test_a_miss_is_listed_with_what_was_found(small_engine):
    wrong = Judged("1", "链接能不能点", "answerable", frozenset({"credit"}))
    (miss,) = evaluate(small_engine, [wrong], "dev").misses
    assert miss.question is wrong
    assert miss.found[0] == "fake"


@pytest.mark.parametrize("fold", ["dev", "test"])
def test_every_topic_has_four_judged_questions_in_each_fold(fold):
    topics = [document.id for document in read(CORPUS).documents]
    questions = [question for question in read_judged(JUDGED, fold) if question.topics]
    assert {topic for question in questions for topic in question.topics} <= set(topics)
    for topic in topics:
        assert sum(topic in question.topics for question in questions) >= 4, topic


def test_the_folds_share_no_question():
    dev, test = ({q.text for q in read_judged(JUDGED, fold)} for fold in ("dev", "test"))
    assert not dev & test


def trigrams(text: str) -> frozenset[str]:
    folded = normalise(text).text
    return frozenset(folded[i : i + 3] for i in range(max(len(folded) - 2, 1)))


def test_no_judged_question_is_learned_from_nor_nearly_so():
    corpus = read(CORPUS)
    learned = [question for d in corpus.documents for question in (d.title, *d.questions)]
    learned += [question.text for question in corpus.off_topic]
    grams: dict[str, list[frozenset[str]]] = {}
    for cut in map(trigrams, learned):
        for gram in cut:
            grams.setdefault(gram, []).append(cut)
    for question in (q for fold in ("dev", "test") for q in read_judged(JUDGED, fold)):
        cut = trigrams(question.text)
        for other in (other for gram in cut for other in grams.get(gram, [])):
            assert len(cut & other) / len(cut | other) < 0.6, question.text


def test_the_shipped_service_answers_most_dev_questions(engine):
    scores = evaluate(engine, read_judged(JUDGED, "dev"), "dev").systems["fused"]
    assert scores.hit1 >= 0.82
    assert scores.hit3 >= 0.94
