"""The normal form, and the exact way back to the text as typed."""

import time
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qa.normalise import join_lines, normalise

# Any code point, lone surrogates included, with the difficult ones drawn often.
DIFFICULT = (
    " \n\t\u3000\x00\x85\u0301\u0316\u0345\u200b\u202e\ufeff\ud800\udfff①Ａﬁ㍿ﷺ¨ｶﾞ한ᄀ\u1161說乾〇𠮷"
)
ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from(DIFFICULT)), max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("ＡＢＣ１２３", "abc123", id="full-width"),
        pytest.param("App", "app", id="upper-case"),
        pytest.param("①⑩", "110", id="circled-numbers"),
        pytest.param("ﬁ㍿", "fi株式会社", id="compatibility-forms"),
        pytest.param("銀行說要起訴我", "银行说要起诉我", id="traditional"),
        pytest.param("臺灣後面", "台湾后面", id="traditional-by-character"),
        pytest.param("后面", "后面", id="simplified-stays"),
        pytest.param("⼀", "一", id="radical"),
        pytest.param("〇", "〇", id="ideographic-zero"),
        pytest.param("收 到  调\u3000解", "收到调解", id="spaces-between-chinese"),
        pytest.param("花呗 app 里 的", "花呗app里的", id="spaces-beside-chinese"),
        pytest.param("new  card \t no", "new card no", id="runs-of-spaces"),
        pytest.param("  a b\n", "a b", id="spaces-at-the-ends"),
        pytest.param("１２ ３", "12 3", id="space-between-numbers"),
        pytest.param("a\x00b", "a b", id="nul-is-a-space"),
        pytest.param("调\x00解", "调解", id="nul-between-chinese"),
        pytest.param("调\u200b解\ufeff", "调解", id="zero-width"),
        pytest.param("\u202e调解\u202c", "调解", id="bidi"),
        pytest.param("\ud800调\udfff", "调", id="lone-surrogates"),
        pytest.param("cafe\u0301", "café", id="composed"),
        pytest.param("调\u0301解", "调解", id="mark-that-composes-with-nothing"),
        pytest.param("\u0301", "", id="mark-alone"),
        pytest.param("İ", "i", id="lower-case-in-two"),
        pytest.param("𠮷", "𠮷", id="beyond-the-bmp"),
        pytest.param("？！，。", "?!,。", id="punctuation"),
    ],
)
def test_normal_form(text, expected):
    assert normalise(text).text == expected


@pytest.mark.parametrize(
    ("text", "starts", "ends"),
    [
        pytest.param("", (), (), id="nothing"),
        pytest.param("调解", (0, 1), (1, 2), id="plain"),
        pytest.param(" 调 解 ", (1, 3), (2, 4), id="spaces-dropped"),
        pytest.param("a  b", (0, 1, 3), (1, 2, 4), id="first-space-of-a-run"),
        pytest.param("㍿a", (0, 0, 0, 0, 1), (1, 1, 1, 1, 2), id="one-to-four"),
        pytest.param("xe\u0301y", (0, 1, 3), (1, 3, 4), id="two-to-one"),
        pytest.param("\u200b調\ufeff解", (1, 3), (2, 4), id="format-characters-dropped"),
    ],
)
def test_offsets(text, starts, ends):
    found = normalise(text)
    assert (found.starts, found.ends) == (starts, ends)


def test_span_leads_back_to_what_was_typed():
    typed = "說：花 唄ＡＰＰ"
    found = normalise(typed)
    assert found.text == "说:花呗app"
    assert typed[slice(*found.span(2, 4))] == "花 唄"
    assert typed[slice(*found.span(4, 7))] == "ＡＰＰ"


@given(ANY_TEXT)
@example("")
@hypothesis_settings(deadline=None)
def test_every_character_comes_from_exactly_its_span(text):
    """Spans follow each other; each gives back its characters; what lies between gives nothing."""
    found = normalise(text)
    assert len(found.text) == len(found.starts) == len(found.ends)
    end = 0
    for start in dict.fromkeys(found.starts):
        here = [i for i, other in enumerate(found.starts) if other == start]
        assert normalise(text[end:start]).text == ""
        end = found.ends[here[0]]
        assert start < end <= len(text)
        assert {found.ends[i] for i in here} == {end}
        came = "".join(found.text[i] for i in here)
        assert normalise(text[start:end]).text == came.strip()
    assert normalise(text[end:]).text == ""


@given(ANY_TEXT, ANY_TEXT)
@hypothesis_settings(deadline=None)
def test_what_stands_before_a_line_only_moves_its_places(before, line):
    """Of a line the same is kept, from the same places, whatever the line before it holds."""
    assume(not line or not unicodedata.combining(line[0]))
    alone, together = normalise(line), normalise(f"{before}\n{line}")
    begin = len(before) + 1
    here = [i for i, start in enumerate(together.starts) if start >= begin]
    assert "".join(together.text[i] for i in here) == alone.text
    assert [together.starts[i] - begin for i in here] == list(alone.starts)
    assert [together.ends[i] - begin for i in here] == list(alone.ends)


@given(ANY_TEXT)
@hypothesis_settings(deadline=None)
def test_normal_form_is_stable_and_can_be_encoded(text):
    folded = normalise(text).text
    assert normalise(folded).text == folded
    assert folded.encode("utf-8").decode("utf-8") == folded
    assert folded == folded.strip()
    assert "  " not in folded


@pytest.mark.parametrize("marks", ["\u0301", "\u0301\u0316"], ids=["one-class", "two-classes"])
def test_a_hundred_thousand_combining_marks_are_one_character_in_no_time(marks):
    text = "e" + marks * (100_000 // len(marks)) + "调"
    begin = time.process_time()
    found = normalise(text)
    assert time.process_time() - begin < 2  # NFKC of the whole run takes 6 s
    assert (found.text, found.starts, found.ends) == ("é调", (0, 100_001), (100_001, 100_002))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param(["收到", "通知"], "收到通知", id="chinese"),
        pytest.param(["read", "the notice"], "read the notice", id="english"),
        pytest.param(["打开", "App"], "打开App", id="mixed"),
        pytest.param([" a ", "", "b"], "a b", id="empty-line"),
    ],
)
def test_wrapped_lines_join_as_they_read(lines, expected):
    assert join_lines(lines) == expected
