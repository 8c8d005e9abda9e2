"""Each form of a question: what it changes, and that it changes the same thing in every run."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypinyin import Style, pinyin

from qa.evaluate import perturb
from qa.evaluate.judged import Judged
from qa.evaluate.perturb import FORMS, Asked, Writer, asked, lot
from qa.evaluate.wording import FILLERS, JOINS, LOOK_ALIKES, OTHER_DEBTS, STORIES
from qa.normalise import normalise
from qa.pinyin import sound

QUESTION = "收到调解通知，3天内要回APP吗？"
PAIRS = {frozenset(pair) for pair in LOOK_ALIKES}


@pytest.fixture(scope="module")
def writer(segmenter):
    return Writer(segmenter)


def judged(text: str, id: str = "q", *topics: str) -> Judged:
    return Judged(id, text, "answerable", frozenset(topics or {"t"}))


def many(writer, form: str, text: str = QUESTION) -> set[str]:
    """What a form makes of one text, asked under many ids."""
    return {writer.write(form, judged(text, str(i))) for i in range(40)}


def test_traditional(writer):
    (text,) = many(writer, "traditional")
    assert text == "收到調解通知，3天內要回APP嗎？"
    assert normalise(text).text == normalise(QUESTION).text


def test_full_width(writer):
    assert many(writer, "full_width") == {"收到调解通知，３天内要回ＡＰＰ吗？"}
    assert many(writer, "full_width", "a b") == {"ａ\u3000ｂ"}


def test_homophone_replaces_one_or_two_words_by_others_that_the_same_keys_give(writer):
    texts = many(writer, "homophone")
    assert len(texts) > 5
    for text in texts:
        changed = [
            i for i, pair in enumerate(zip(text, QUESTION, strict=True)) if len(set(pair)) > 1
        ]
        assert changed
        for i in changed:
            keys = [
                set(pinyin(character, heteronym=True, style=Style.NORMAL)[0])
                for character in (text[i], QUESTION[i])
            ]
            assert keys[0] & keys[1], text


def test_homophones_are_words_first_and_characters_where_there_are_none(writer):
    assert writer.homophones("调解")[0] == "调节"
    assert all(sound(word) == "tiaojie" for word in writer.homophones("调解"))
    assert all(
        sound(word) == sound("征信") and word != "征信" for word in writer.homophones("征信")
    )


def test_homophones_of_a_word_that_has_none_change_one_character(writer):
    found = writer.homophones("调解协议书")
    assert found
    for other in found:
        assert sum(a != b for a, b in zip(other, "调解协议书", strict=True)) == 1


def test_shape_replaces_one_or_two_characters_by_look_alikes(writer):
    text = "贷款未还，会拆吗"
    for other in many(writer, "shape", text):
        changed = [frozenset(pair) for pair in zip(text, other, strict=True) if len(set(pair)) == 2]
        assert 1 <= len(changed) <= 2
        assert set(changed) <= PAIRS


def test_the_look_alikes_are_many_and_no_pair_stands_twice():
    assert len(PAIRS) == len(LOOK_ALIKES) >= 60
    assert {frozenset(pair) for pair in ("贷货", "末未", "己已", "帐账", "偿尝", "拆折")} <= PAIRS
    assert all(first != second for first, second in LOOK_ALIKES)


def test_missing_leaves_one_chinese_character_out(writer):
    for text in many(writer, "missing"):
        assert len(text) == len(QUESTION) - 1
        assert "3天" in text or "3内" in text
        assert "APP" in text


def test_doubled_types_one_chinese_character_twice(writer):
    for text in many(writer, "doubled"):
        assert len(text) == len(QUESTION) + 1
        assert re.search(r"([\u4e00-\u9fff])\1", text)


def test_spaced(writer):
    assert many(writer, "spaced", "要还 吗") == {"要 还 吗"}


def test_pinyin_leaves_one_word_as_it_was_keyed(writer):
    texts = many(writer, "pinyin")
    # 调解通知 is one word of the shipped dictionary.
    assert texts == {"收到tiaojietongzhi，3天内要回APP吗？", "shoudao调解通知，3天内要回APP吗？"}


def test_story_tells_the_question_in_the_middle_or_at_the_end(writer):
    texts = many(writer, "story")
    assert all(QUESTION in text for text in texts)
    assert len({text.endswith(QUESTION) for text in texts}) == 2


def test_the_stories_are_long_diverse_and_half_speak_of_other_debts():
    assert len(set(STORIES)) == 24
    assert all(80 <= len(story.replace("{}", "")) <= 200 for story in STORIES)
    assert all(story.count("{}") == 1 for story in STORIES)
    assert sum(story.endswith("{}") for story in STORIES) == 12
    debts = [bool(re.search("贷|欠|借", story)) for story in STORIES]
    assert debts == [True] * OTHER_DEBTS + [False] * (len(STORIES) - OTHER_DEBTS)


def test_filler_is_polite_before_and_after(writer):
    assert len(set(FILLERS)) == 16
    for text in many(writer, "filler"):
        before, after = text.split(QUESTION)
        assert (before, after) in FILLERS


def test_filler_and_what_follows_do_not_run_into_a_question_without_an_end(writer):
    assert all("吗，" in text for text in many(writer, "filler", "要还吗"))


def test_two_joins_questions_of_different_topics():
    questions = [judged("甲？", "1", "a"), judged("乙", "2", "a", "b"), judged("丙？", "3", "c")]
    found = {message.questions[0].id: message for message in asked(None, "two", questions)}
    assert found["1"].questions == (questions[0], questions[2])
    assert found["2"].questions == (questions[1], questions[2])
    texts = {join.format("甲？", "丙？") for join in JOINS}
    assert found["1"].text in texts


def test_two_needs_another_topic():
    assert asked(None, "two", [judged("甲？", "1", "a"), judged("乙", "2", "a")]) == []


def test_a_question_that_a_form_does_not_change_is_not_asked_in_it(writer):
    questions = [judged("贷款吗", "1"), judged("额", "2")]
    assert asked(writer, "shape", questions) == [
        Asked(writer.write("shape", questions[0]), (questions[0],))
    ]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_depends_on_the_question_alone(segmenter, form):
    first, second = Writer(segmenter), Writer(segmenter)
    assert first.write(form, judged(QUESTION)) == second.write(form, judged(QUESTION))


def test_the_lot_is_the_same_in_every_process():
    drawn = lot("shape", "reply-1").integers(1_000_000, size=3).tolist()
    assert drawn == [63547, 274617, 102998]


@settings(deadline=None)
@given(st.text(max_size=30), st.sampled_from(sorted(FORMS)))
def test_no_text_breaks_a_form(writer, text, form):
    assert isinstance(writer.write(form, judged(text)), str)


def test_a_form_is_described():
    assert all(perturb.FORMS[form].__doc__ for form in FORMS)
