"""Questions as typed, answers as given."""

import dataclasses
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.answer import NOTICE, Question, to_json
from qa.errors import BadK, NotFound, QuestionEmpty, QuestionTooLong
from qa.settings import Settings

SETTINGS = Settings(max_question_chars=50, max_k=5)


def ask(engine, text, k=3):
    return engine.ask(Question.parse(text, k, Settings()))


@pytest.mark.parametrize("raw", ["", "  \n\t", "\u200b\u200f", "\x00", "\ud800", "\u3000"])
def test_nothing_to_read_is_an_empty_question(raw):
    with pytest.raises(QuestionEmpty):
        Question.parse(raw, 3, SETTINGS)


def test_a_long_question_is_refused_with_both_numbers():
    with pytest.raises(QuestionTooLong, match=r"51 字，最多 50 字"):
        Question.parse("问" * 51, 3, SETTINGS)


@pytest.mark.parametrize("k", [0, -1, 6, 10**9])
def test_k_outside_its_range_is_refused(k):
    with pytest.raises(BadK, match="1 到 5"):
        Question.parse("调解", k, SETTINGS)


@given(st.text(max_size=60))
def test_a_parsed_question_can_always_be_written_as_utf8(raw):
    try:
        question = Question.parse(raw, 3, SETTINGS)
    except (QuestionEmpty, QuestionTooLong):
        return
    assert question.text.encode()
    assert question.text.strip() == question.text


def test_an_answered_question_quotes_the_passage_as_it_stands(small_engine, corpus_folder):
    answer = ask(small_engine, "链接能不能点")
    passage = answer.quotes[0].passage
    assert passage.topic == "fake"
    assert passage.text in (corpus_folder / "guidance/c1/fake.md").read_text("utf-8")
    assert passage.sources == ("反电信网络诈骗法 第二十条",)


def test_a_highlight_is_a_whole_sentence_of_the_text_as_shown(engine):
    for quote in ask(engine, "收到花呗的调解短信，三天内要我回电话，怎么办").quotes:
        for start, end in quote.highlights:
            sentence = quote.passage.text[start:end]
            assert sentence.strip() == sentence
            assert sentence[-1] in "。！？”）" or quote.passage.text[end : end + 1] in ("", "\n")


def test_the_readmes_question_finds_its_passages_within_three(engine):
    answer = ask(engine, "收到花呗的调解短信，三天内要我回电话，怎么办")
    topics = {quote.passage.topic for quote in answer.quotes}
    assert answer.status != "unanswered"
    assert topics & {"respond-how-fast", "notice-first-steps"}


def test_traditional_and_full_width_questions_get_the_same_answer(engine):
    plain = ask(engine, "收到调解短信3天内要回电话吗")
    folded = ask(engine, "收到調解短信３天內要回電話嗎")
    assert [q.passage.id for q in plain.quotes] == [q.passage.id for q in folded.quotes]
    assert plain.confidence == folded.confidence


def test_an_unanswered_question_gets_contacts_and_no_passage(engine):
    answer = ask(engine, "红烧肉怎么做才好吃")
    assert answer.status == "unanswered"
    assert answer.quotes == ()
    assert {"12368", "12348"} <= {contact.number for contact in answer.contacts}


@pytest.mark.parametrize("text", ["😀😀", "的了吗呢", "......", "asdfgh", "ສະບາຍດີ", "1234567"])
def test_questions_without_content_are_unanswered(engine, text):
    assert ask(engine, text).status == "unanswered"


def test_related_topics_are_those_of_the_first_topic_and_not_shown(small_engine):
    answer = ask(small_engine, "几天内要回电话", k=1)
    assert answer.quotes[0].passage.topic == "reply"
    assert [topic.id for topic in answer.related] == ["fake", "credit"]


def test_the_same_question_gives_the_same_answer(engine):
    first, second = (to_json(ask(engine, "逾期会坐牢吗")) for _ in range(2))
    assert first == second


def test_the_same_question_gives_the_same_answer_in_another_process(shipped_index):
    code = (
        "import json; from qa.answer import *; from qa.settings import Settings\n"
        "s = Settings.load(); e = Engine.open(s)\n"
        "print(json.dumps(to_json(e.ask(Question.parse('催收上门怎么办', 3, s)))))"
    )
    env = {**os.environ, "QA_INDEX": str(shipped_index)}
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1


def test_json_has_the_fields_of_the_contract(small_engine):
    data = to_json(ask(small_engine, "链接能不能点"))
    assert list(data) == [
        "question", "status", "confidence", "passages", "related", "contacts", "index", "notice",
    ]  # fmt: skip
    assert list(data["passages"][0]) == [
        "rank", "score", "topic", "id", "title", "heading", "text", "highlights", "sources",
        "reviewed", "url",
    ]  # fmt: skip
    assert data["notice"] == NOTICE
    assert data["index"]["passages"] == len(small_engine.index)


def test_a_topic_is_its_whole_document_in_order(small_engine):
    topic, passages = small_engine.topic("reply")
    assert topic.title == "收到通知后多久必须回复？"
    assert [passage.heading for passage in passages] == ["", "怎么做"]
    with pytest.raises(NotFound):
        small_engine.topic("none")


def test_an_answer_cannot_be_changed(small_engine):
    answer = ask(small_engine, "链接")
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.status = "answered"


def test_plain_files_answer_by_their_sections(tmp_path, segmenter, encoder):
    from qa import index
    from qa.answer import Engine
    from qa.rebuild import rebuild

    (tmp_path / "texts").mkdir()
    text = "一、征信\n逾期记录会进征信。\n---\n二、链接\n不要点短信里的链接。\n"
    (tmp_path / "texts/notes.txt").write_text(text, "utf-8")
    rebuild(tmp_path / "texts", tmp_path / "i", segmenter, encoder, lambda *_: None)
    engine = Engine(index.load(tmp_path / "i", segmenter, encoder), segmenter, encoder)
    answer = ask(engine, "征信上有逾期")
    assert answer.quotes[0].passage.heading == "一、征信"
    assert len(answer.quotes) == 2  # each section of a plain file is a topic of its own
