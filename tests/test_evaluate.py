"""Judged questions are read, asked and scored; and the judged questions themselves."""

import gzip
import json

import pytest

from qa.corpus import read
from qa.errors import JudgedInvalid
from qa.evaluate import (
    DEPTH_ELSEWHERE,
    FORMS,
    Judged,
    _compared,
    _Reply,
    engine_of,
    evaluate,
    read_collection,
    read_judged,
    read_typed,
    score,
)
from qa.evaluate.perturb import Asked
from qa.evaluate.systems import Systems
from qa.normalise import normalise
from qa.paths import CORPUS
from qa.search import search

JUDGED = CORPUS / "judged"
FAR = Judged("2", "zzz", "far", frozenset())


def judged(*topics: str) -> Judged:
    return Judged("q", "问题", "answerable", frozenset(topics))


def test_scores_of_three_questions_worked_by_hand():
    questions = [judged("a"), judged("b", "c"), judged("d")]
    rankings = [["a", "x"], ["x", "c", "b"], ["x", "y", "z", "d"]]
    scores = score(questions, rankings)
    assert scores.n == 3
    assert scores["hit@1"].value == pytest.approx(1 / 3)
    assert scores["hit@3"].value == pytest.approx(2 / 3)
    assert scores["recall@5"].value == pytest.approx(1)
    assert scores["MRR@10"].value == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)


def test_no_questions_have_no_scores():
    found = score([], []).to_json()
    assert found["n"] == 0
    assert found["hit@1"] is None
    assert found["interval"]["hit@1"] == [None, None]


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
    "header",
    ["query-id\tcorpus-id\tscore\n", "query_id\tdoc_id\trelevance\n", "qid\tpid\tscore\n", ""],
)
def test_headers_that_beir_files_have_are_passed_over(tmp_path, header):
    folder = write_judged(tmp_path / "j", '{"_id": "1", "text": "甲"}\n', f"{header}1\ta\t1\n")
    assert [question.topics for question in read_judged(folder, "dev")] == [{"a"}]


def test_any_grade_above_zero_is_relevant(tmp_path):
    qrels = "1\ta\t2\n1\tb\t0\n1\tc\t-1\n1\td\t1\n"
    folder = write_judged(tmp_path / "j", '{"_id": 1, "text": "甲", "title": ""}\n', qrels)
    assert [question.topics for question in read_judged(folder, "dev")] == [{"a", "d"}]


def test_gzipped_questions_are_read_too(tmp_path):
    folder = write_judged(tmp_path / "j", "", "1\ta\t1\n")
    (folder / "queries.jsonl").unlink()
    (folder / "queries.jsonl.gz").write_bytes(gzip.compress('{"_id": "1", "text": "甲"}'.encode()))
    assert [question.text for question in read_judged(folder, "dev")] == ["甲"]


@pytest.mark.parametrize(
    ("queries", "qrels", "place"),
    [
        pytest.param("{", "", r"queries\.jsonl:1", id="bad-json"),
        pytest.param('{"text": "甲"}', "", r"queries\.jsonl:1", id="no-id"),
        pytest.param("[]", "", r"queries\.jsonl:1", id="not-an-object"),
        pytest.param(
            '{"_id": "1", "text": "甲"}\n{"_id": "2", "text": "甲", "metadata": []}\n\n',
            "",
            r"queries\.jsonl:3",
            id="empty-line",
        ),
        pytest.param(
            '{"_id": "1", "text": "甲", "metadata": "far"}', "", r"queries\.jsonl:1", id="metadata"
        ),
        pytest.param("", "query-id\tcorpus-id\tscore\n1\treply\n", r"dev\.tsv:2", id="two-columns"),
        pytest.param("", "1\treply\tyes\n", r"dev\.tsv:1", id="score-not-a-number"),
        pytest.param(
            "", "1\ta\t1\nquery-id\tcorpus-id\tscore\n", r"dev\.tsv:2", id="header-below-the-top"
        ),
    ],
)
def test_a_faulty_line_is_named(tmp_path, queries, qrels, place):
    with pytest.raises(JudgedInvalid, match=place):
        read_judged(write_judged(tmp_path / "j", queries, qrels), "dev")


def test_a_broken_archive_and_bytes_that_are_not_utf8_are_named(tmp_path):
    folder = write_judged(tmp_path / "j", "", "1\ta\t1\n")
    (folder / "queries.jsonl").write_bytes(b'{"_id": "1", "text": "a"}\n\xff')
    with pytest.raises(JudgedInvalid, match=r"queries\.jsonl:2"):
        read_judged(folder, "dev")
    (folder / "queries.jsonl.gz").write_bytes(gzip.compress(b"{}")[:-4])
    with pytest.raises(JudgedInvalid, match=r"queries\.jsonl\.gz:1"):
        read_judged(folder, "dev")


def test_typed_forms_are_read_where_there_are_any(tmp_path):
    assert read_typed(tmp_path, [judged("a")]) == []
    (tmp_path / "typed.tsv").write_text("q\t问体\nelsewhere\t别的\nq\t问题题\n", "utf-8")
    question = judged("a")
    assert read_typed(tmp_path, [question]) == [(question, "问体"), (question, "问题题")]


@pytest.mark.parametrize("line", ["q", "q\t ", "q\ta\tb"])
def test_a_faulty_typed_line_is_named(tmp_path, line):
    (tmp_path / "typed.tsv").write_text(f"q\t问体\n{line}\n", "utf-8")
    with pytest.raises(JudgedInvalid, match=r"typed\.tsv:2"):
        read_typed(tmp_path, [])


def test_a_missing_fold_is_named(tmp_path):
    with pytest.raises(JudgedInvalid, match=r"dev\.tsv"):
        read_judged(tmp_path, "dev")


def test_all_systems_are_scored_side_by_side(small_engine):
    questions = [Judged("1", "链接能点吗", "answerable", frozenset({"fake"}))]
    evaluation = evaluate(small_engine, [*questions, FAR], "dev")
    assert list(evaluation.systems) == ["plain", "sparse", "dense", "fused"]
    assert all(scores.n == 1 for scores in evaluation.systems.values())
    assert evaluation.chapters["第一章"]["hit@1"].value == 1
    assert sum(evaluation.statuses["far"].values()) == 1
    assert json.dumps(evaluation.to_json())


def test_plain_words_know_no_synonyms_and_no_parts_of_words(small_engine):
    systems = Systems(small_engine, 10)
    assert systems.plain(small_engine.query("链接"))[0] == "fake"
    # 验证码 is a word of FAKE; 验证, a part of it, is found by sparse alone.
    query = small_engine.query("验证")
    assert systems.plain(query) == []
    assert systems.sparse(query)[0] == "fake"


def test_a_ranking_by_score_is_the_same_however_deep_it_is_sought(small_engine):
    query = small_engine.query("征信链接回复时间")
    full = Systems(small_engine, 100).sparse(query)
    assert len(full) == 3
    for depth in (1, 2, 3):
        assert Systems(small_engine, depth).sparse(query) == full[:depth]


def test_refusals_are_counted_for_every_kind(small_engine):
    questions = [
        Judged("1", "链接能点吗", "answerable", frozenset({"fake"})),
        Judged("3", "征信能删吗", "answerable", frozenset({"credit"})),
        Judged("4", "啊", "near", frozenset()),
        FAR,
    ]
    found = evaluate(small_engine, questions, "dev")
    assert {kind: share.n for kind, share in found.refused.items()} == {
        "answerable": 2,
        "unanswerable": 2,
        "near": 1,
        "far": 1,
    }
    assert found.auroc.n == found.calibration.n == sum(bin.n for bin in found.bins) == 4
    for kind, counts in found.statuses.items():
        share = counts["unanswered"] / sum(counts.values())
        assert found.refused[kind].value == share


def test_a_miss_is_listed_with_what_was_found(small_engine):
    wrong = Judged("1", "链接能不能点", "answerable", frozenset({"credit"}))
    (miss,) = evaluate(small_engine, [wrong], "dev").misses
    assert miss.question is wrong
    assert miss.found[0] == "fake"


def test_nothing_judged_is_no_fault(small_engine):
    found = evaluate(small_engine, [], "dev", robust=True).to_json()
    assert found["systems"]["fused"]["hit@1"] is None
    assert found["robustness"] == {}


def test_other_forms_are_asked_and_compared(small_engine):
    questions = [
        Judged("1", "链接能不能点", "answerable", frozenset({"fake"})),
        Judged("3", "征信上的逾期能删吗", "answerable", frozenset({"credit"})),
        FAR,
    ]
    typed = [(questions[0], "连接能不能点"), (questions[2], "zz")]
    found = evaluate(small_engine, questions, "dev", robust=True, typed=typed).robustness
    assert set(found) <= {*FORMS, "two", "typed"}
    assert found["spaced"].hit3.n == 2
    assert found["spaced"].drop.value == 0
    assert found["typed"].hit3.n == 1
    assert "full_width" not in found
    both, either = found["two"].hit3, found["two"].either3
    assert both.n == either.n == 2
    assert both.value <= either.value


def reply(*topics: str, status: str = "answered") -> _Reply:
    return _Reply(topics, 0.5, status, questions=1)


def test_a_drop_is_what_the_form_loses():
    message = Asked("问体", (Judged("1", "问题", "answerable", frozenset({"a"})),))
    replies = [
        reply("a"),
        reply("x", "a"),
        reply("x", status="unanswered"),
        reply("x", "y", "z", "a"),
    ]
    found = _compared([message] * 4, replies, {"1": True})
    assert (found.hit1.value, found.hit3.value, found.refused.value) == (0.25, 0.5, 0.25)
    assert (found.drop.value, found.either3) == (0.5, None)
    assert _compared([message], [reply("a")], {"1": False}).drop.value == -1


def test_two_questions_in_one_message_must_both_be_answered():
    pair = (
        Judged("1", "甲", "answerable", frozenset({"a"})),
        Judged("2", "乙", "answerable", frozenset({"b"})),
    )
    replies = [reply("a", "x", "b"), reply("b", "x", "y"), reply("x", "a", "y")]
    found = _compared([Asked("甲？乙", pair)] * 3, replies, {"1": True, "2": True})
    assert found.hit1.value == pytest.approx(2 / 3)
    assert found.hit3.value == pytest.approx(1 / 3)
    assert found.either3.value == 1
    assert found.drop.value == pytest.approx(2 / 3)
    assert found.to_json()["either@3"]["n"] == 3


def test_a_deeper_ranking_has_the_same_best_hits(small_engine):
    query = small_engine.query("链接能不能点")
    three = search(small_engine.index, query, 3)
    assert search(small_engine.index, query, 100)[:3] == three


COLLECTION = {
    "d1": {"title": "链接", "text": "短信里的链接能点吗"},
    "d2": {"text": "征信上的逾期能删吗"},
    "d3": {"title": "", "text": "几天内要回复"},
}


@pytest.fixture
def beir(tmp_path):
    """A folder in BEIR's shape with three documents and two questions."""
    queries = '{"_id": "1", "text": "链接点吗"}\n{"_id": "2", "text": "征信逾期"}\n'
    folder = write_judged(
        tmp_path / "beir", queries, "query-id\tcorpus-id\tscore\n1\td1\t1\n2\td2\t2\n"
    )
    lines = "\n".join(json.dumps({"_id": id, **row}) for id, row in COLLECTION.items())
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


def test_a_collection_is_indexed_in_memory_and_its_questions_answered(beir, segmenter, encoder):
    engine = engine_of(read_collection(beir), segmenter, encoder, lambda *_: None)
    found = evaluate(engine, read_judged(beir, "dev"), "dev", depth=DEPTH_ELSEWHERE)
    assert found.passages == 3
    assert found.systems["fused"]["hit@1"].value == 1
    assert found.systems["plain"]["recall@100"].value == 1
    assert found.chapters == {}
    assert found.refused["unanswerable"].n == 0
    assert found.auroc.value is None


def test_an_engine_in_memory_answers_like_the_one_in_service(
    corpus_folder, small_engine, segmenter, encoder
):
    engine = engine_of(read(corpus_folder), segmenter, encoder, lambda *_: None)
    assert engine.rank("链接能点吗", 3) == small_engine.rank("链接能点吗", 3)
    # The name in service covers the files as well, which one in memory does not have.
    assert engine.index.manifest.corpus_sha256 == small_engine.index.manifest.corpus_sha256


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        pytest.param('{"_id": "a", "text": "甲"}\n{"_id": "a", "text": "乙"}', 2, id="id-twice"),
        pytest.param('{"_id": "a"}', 1, id="no-text"),
        pytest.param('{"_id": "a", "text": "甲"}\nx', 2, id="not-json"),
    ],
)
def test_a_faulty_document_is_named(tmp_path, lines, place):
    (tmp_path / "corpus.jsonl").write_text(lines, "utf-8")
    with pytest.raises(JudgedInvalid, match=rf"corpus\.jsonl:{place}"):
        read_collection(tmp_path)


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
    assert scores["hit@1"].value >= 0.82
    assert scores["hit@3"].value >= 0.94
