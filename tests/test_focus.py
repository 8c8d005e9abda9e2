"""Long messages: the question inside a story, and two questions in one message."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qa.answer import Engine, Question
from qa.focus import APART, Found, find
from qa.message import Window
from qa.normalise import normalise
from qa.search import search
from qa.settings import Settings

STORY = (
    "我在厂里打工，每个月工资四千多，房租一千二，家里还有两个孩子读书。前年装修的时候借了一笔钱，"
    "一开始都按时还，今年活少，拖了两个月。昨天下午有人给我发了一条信息。{}"
)
TWO = "调解要收费吗？另外，逾期会坐牢吗？"


def found(engine: Engine, text: str, k: int = 5) -> tuple[list[Found], list[Window]]:
    return find(engine.index, normalise(text).text, engine._query, k)


def topics(hits: list[Found]) -> list[str]:
    return [one.hit.passage.topic for one in hits]


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("调解要不要收费？", "mediation-fee"),
        ("短信里的链接能不能点？", "notice-link-click"),
        ("司法确认是什么意思？", "judicial-confirm"),
        ("逾期会不会坐牢？", "criminal-boundary"),
    ],
)
def test_a_question_inside_a_story_is_answered(engine, question, topic):
    assert topics(found(engine, question)[0])[0] == topic
    hits, parts = found(engine, STORY.format(question), 3)
    assert topic in topics(hits)
    assert parts == []


def test_a_harmless_story_gets_no_helpline(engine):
    for text in (STORY.format("调解要不要收费？"), STORY.format("调解要不要收费？谢谢各位老师。")):
        assert engine.ask(Question.parse(text, 3, Settings())).urgent is None


def test_two_questions_are_both_answered_in_their_order(engine):
    hits, parts = found(engine, TWO)
    assert [part.text for part in parts] == ["调解要收费吗?", "逾期会坐牢吗?"]
    assert topics(hits)[:2] == ["mediation-fee", "criminal-boundary"]
    assert [one.part for one in hits] == [0, 1, *[None] * 8]
    message = normalise(TWO).text
    assert all(part.text == message[part.start : part.end] for part in parts)


def test_two_questions_the_other_way_round(engine):
    hits, parts = found(engine, "逾期会坐牢吗？另外，调解要收费吗？")
    assert topics(hits)[:2] == ["criminal-boundary", "mediation-fee"]
    assert [part.text for part in parts] == ["逾期会坐牢吗?", "调解要收费吗?"]


def test_the_same_question_twice_is_one(engine):
    hits, parts = found(engine, "逾期会坐牢吗？我很怕。逾期会不会坐牢啊？")
    assert parts == []
    assert {one.part for one in hits} == {None}


def test_an_answer_numbers_the_questions_from_one(engine):
    answer = engine.ask(Question.parse(TWO, 5, Settings()))
    assert answer.parts == ("调解要收费吗?", "逾期会坐牢吗?")
    assert [quote.part for quote in answer.quotes] == [1, 2, *[None] * 8]
    assert [quote.rank for quote in answer.quotes] == [*range(1, 11)]


@pytest.mark.parametrize(
    "text",
    ["调解要收费吗", "逾期会坐牢吗？", "收到短信,要不要回电话", "红烧肉怎么做", "逾期", "zzz"],
)
def test_a_short_message_is_searched_as_it_stands(engine, text):
    message = normalise(text).text
    hits, parts = found(engine, text)
    assert parts == []
    assert [one.hit for one in hits] == search(engine.index, engine._query(message), 5)
    assert {one.part for one in hits} == {None}


def test_a_long_message_without_a_question_is_searched_as_a_whole(engine):
    text = "我" * 40
    hits, parts = found(engine, text)
    assert parts == []
    assert [one.hit for one in hits] == search(engine.index, engine._query(text), 5)


MESSAGES = [TWO, STORY.format("调解要不要收费？"), STORY.format(TWO), "逾期，" * 30, "？。，" * 20]


@pytest.mark.parametrize("text", MESSAGES, ids=["two", "story", "both", "commas", "marks"])
def test_the_same_message_gives_the_same_list(engine, text):
    (hits, parts), (again, parts_again) = (found(engine, text) for _ in range(2))
    assert [(one.hit, one.part) for one in hits] == [(one.hit, one.part) for one in again]
    assert parts == parts_again


@pytest.mark.parametrize("k", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("text", MESSAGES, ids=["two", "story", "both", "commas", "marks"])
def test_at_most_k_hits_a_question_and_one_of_a_group(engine, text, k):
    hits, parts = found(engine, text, k)
    groups = [one.hit.passage.group for one in hits]
    assert len(groups) == len(set(groups)) <= k * max(len(parts), 1)
    assert all(0 <= one.hit.score <= 1 for one in hits)
    rest = [one.hit.score for one in hits[APART * len(parts) :]]
    assert rest == sorted(rest, reverse=True)


@pytest.mark.parametrize("k", [2, 5])
def test_every_part_that_is_named_has_its_hit(engine, k):
    for text in MESSAGES:
        hits, parts = found(engine, text, k)
        assert {one.part for one in hits if one.part is not None} == set(range(len(parts)))


def test_of_two_questions_each_has_its_hit_though_one_is_wanted(engine):
    answer = engine.ask(Question.parse(TWO, 1, Settings()))
    assert [quote.part for quote in answer.quotes] == [1, 2]


@given(
    st.lists(st.sampled_from(["链接能点吗", "征信", "几天内要回", "？", "，", "。", "另外", "啊"]))
)
@hypothesis_settings(deadline=None, max_examples=40)
def test_any_message_has_a_list(engine, parts):
    hits, several = found(engine, "".join(parts), 3)
    assert len(hits) <= 3 * max(len(several), 1)
    assert len(several) != 1
