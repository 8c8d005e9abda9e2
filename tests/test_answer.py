"""Questions as typed, answers as given."""

import dataclasses
import json
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


ODD = " \n\t\u3000\x00\x1b\x85\u0301\u200b\u202e\u2066\ufeff\ud800\udfff①Ａ說乾〇𠮷<{&"


@given(st.text(st.one_of(st.characters(), st.sampled_from(ODD)), max_size=60), st.integers())
def test_whatever_is_typed_is_refused_by_name_or_kept_as_it_can_be_read(raw, k):
    try:
        question = Question.parse(raw, k, SETTINGS)
    except BadK:
        assert not 1 <= k <= SETTINGS.max_k
        return
    except QuestionTooLong:
        assert len(raw) > SETTINGS.max_question_chars
        return
    except QuestionEmpty:
        assert not any(character.isalnum() for character in raw)
        return
    assert 1 <= len(question.text) <= SETTINGS.max_question_chars
    assert question.text.encode().decode() == question.text.strip() == question.text
    rest = iter(raw)  # nothing is added, nothing is moved
    assert all(character in rest for character in question.text)
    assert Question.parse(question.text, k, SETTINGS) == question


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
        "question", "status", "confidence", "passages", "related", "contacts", "urgent", "reply",
        "understood", "parts", "limited", "index", "notice",
    ]  # fmt: skip
    assert list(data["passages"][0]) == [
        "rank", "score", "topic", "id", "title", "heading", "text", "highlights", "sources",
        "reviewed", "part", "url",
    ]  # fmt: skip
    nothing = (data["urgent"], data["reply"], data["understood"], data["parts"])
    assert nothing == (None, None, None, [])
    assert data["passages"][0]["part"] is None
    assert data["notice"] == NOTICE
    assert data["index"]["passages"] == len(small_engine.index)


def test_an_answer_is_plain_data_that_json_holds(engine):
    for text in ("你好啊", "我不想活了", "司法却认是什么", "调解要收费吗？另外，逾期会坐牢吗？"):
        data = to_json(ask(engine, text))
        assert json.loads(json.dumps(data, ensure_ascii=False)) == data


def test_ranks_count_from_one_and_scores_fall(engine):
    quotes = ask(engine, "收到花呗的调解短信，三天内要我回电话，怎么办", k=10).quotes
    assert [quote.rank for quote in quotes] == list(range(1, 11))
    scores = [quote.score for quote in quotes]
    assert scores == sorted(scores, reverse=True)


# Messages that ask nothing


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("您好啊", "greeting", id="greeting"),
        pytest.param("在吗？", "greeting", id="greeting-with-a-mark"),
        pytest.param("老師您好", "greeting", id="traditional"),
        pytest.param("Hello!", "greeting", id="english-greeting"),
        pytest.param("你好", "greeting", id="the-commonest-greeting"),
        pytest.param("大家好", "greeting", id="greeting-to-all"),
        pytest.param("nihao", "greeting", id="greeting-in-pinyin"),
        pytest.param("谢谢", "thanks", id="thanks"),
        pytest.param("谢谢啦，拜拜", "thanks", id="thanks-and-goodbye"),
        pytest.param("xiexie", "thanks", id="thanks-in-pinyin"),
        pytest.param("再见", "thanks", id="goodbye"),
        pytest.param("thank you", "thanks", id="english-thanks"),
        pytest.param("你是机器人吗", "about", id="robot"),
        pytest.param("转人工", "about", id="to-a-person"),
        pytest.param("asdfgh", "unreadable", id="keys"),
        pytest.param("😀😀", "unreadable", id="emoji"),
        pytest.param("1234567", "unreadable", id="number"),
        pytest.param("……！！", "unreadable", id="marks"),
        pytest.param("How do I know this message is real?", "other-language", id="english"),
        pytest.param("ສະບາຍດີ", "other-language", id="lao"),
        pytest.param("Привет, помогите", "other-language", id="russian"),
        pytest.param("مرحبا", "other-language", id="arabic"),
    ],
)
def test_a_message_that_asks_nothing_gets_a_reply_and_no_passage(engine, text, kind):
    answer = ask(engine, text)
    assert answer.urgent is None
    assert answer.reply is not None
    assert answer.reply.kind == kind
    assert answer.quotes == answer.related == answer.parts == ()
    assert (answer.status, answer.confidence, answer.understood) == ("unanswered", 0, None)
    assert to_json(answer)["reply"] == {"kind": kind, "says": answer.reply.says}


def test_every_shipped_phrase_of_a_reply_gets_a_reply(engine):
    phrases = [phrase for rule in engine.index.replies for phrase in rule.phrases]
    missed = [phrase for phrase in phrases if ask(engine, phrase).reply is None]
    assert missed == []


@pytest.mark.parametrize("text", ["你好，收到调解短信几天内要回", "收到调解短信几天内要回，谢谢啦"])
def test_courtesies_beside_a_question_change_nothing(engine, text):
    plain, polite = (ask(engine, t) for t in ("收到调解短信几天内要回", text))
    assert polite.reply is None
    assert [q.passage.id for q in polite.quotes] == [q.passage.id for q in plain.quotes]


# Typing errors and pinyin


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        pytest.param("司法却认是什么意思", "司法确认是什么意思", id="sound"),
        pytest.param("xinyongka yuqi hui zuolao ma", "信用卡逾期会坐牢吗", id="pinyin"),
        pytest.param("司法确认是什么意思", None, id="nothing-to-put-right"),
        pytest.param("司法確認是什麼意思", None, id="folding-is-no-repair"),
        pytest.param(" 司法 确认是什么意思 ", None, id="spaces-are-no-repair"),
    ],
)
def test_a_question_put_right_says_how_it_was_understood(engine, text, understood):
    answer = ask(engine, text)
    assert answer.understood == understood
    assert answer.question.text == text.strip()  # as typed, whatever it was taken for


def test_a_question_put_right_is_answered_as_the_right_one(engine):
    right, wrong = (ask(engine, t) for t in ("司法确认是什么意思", "司法却认是什么意思"))
    assert [q.passage.id for q in wrong.quotes] == [q.passage.id for q in right.quotes]
    assert wrong.confidence == right.confidence


def test_nothing_is_understood_otherwise_where_there_is_danger(engine):
    answer = ask(engine, "wo bu xiang huo le")
    assert answer.urgent.kind == "self-harm"
    assert answer.understood is None


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        (question, topic)
        for topic, questions in {
            "reply": ["几天内要回电话", "三天不回会怎样"],
            "fake": ["链接能不能点", "点了链接怎么补救"],
            "credit": ["征信上的逾期能删掉吗", "花钱修复征信靠谱吗"],
        }.items()
        for question in questions
    ],
)
def test_a_small_corpus_answers_its_own_variants(small_engine, question, topic):
    assert ask(small_engine, question, k=1).quotes[0].passage.topic == topic


# The same bytes


MESSAGES = (
    "催收上门怎么办",
    "司法却认是什么",
    "我不想活了",
    "谢谢",
    "调解要收费吗？另外，逾期会坐牢吗？",
)


def qa(*arguments: str, **environment: str) -> bytes:
    command = [sys.executable, "-m", "qa", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, check=True).stdout


@pytest.mark.parametrize("text", MESSAGES)
def test_the_same_question_gives_the_same_bytes_in_two_processes(shipped_index, engine, text):
    first, second = (
        qa("ask", "--json", text, QA_INDEX=str(shipped_index), PYTHONHASHSEED=seed)
        for seed in ("1", "2")
    )
    assert first == second
    assert json.loads(first) == json.loads(json.dumps(to_json(ask(engine, text))))


def test_a_rebuild_into_another_folder_gives_the_same_bytes(corpus_folder, tmp_path):
    asked = ("链接能不能点", "花钱修复征信靠谱吗？另外，几天内要回电话？", "不想活了", "你好啊")
    answers = []
    for name in ("one", "two"):
        qa("rebuild", "--corpus", str(corpus_folder), QA_INDEX=str(tmp_path / name))
        answers.append([qa("ask", "--json", text, QA_INDEX=str(tmp_path / name)) for text in asked])
    assert answers[0] == answers[1]
    assert json.loads(answers[0][0])["passages"]


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
