"""The sentence that is marked is the one nearest to the question."""

import pytest

from qa.highlight import Highlighter
from qa.search import Query

TEXT = "法院不会要验证码。链接核实之前不要点。征信记录不会删除。"


@pytest.fixture
def marked(segmenter, encoder):
    highlighter = Highlighter(segmenter, encoder)

    def mark(question: str, text: str = TEXT) -> list[str]:
        query = Query(segmenter.segment(question), encoder.encode_query(question))
        return [text[start:end] for start, end in highlighter.spans(query, text)]

    return mark


def test_the_nearest_sentence_is_marked_wherever_it_stands(marked):
    assert marked("链接能点吗") == ["链接核实之前不要点。"]
    assert marked("征信能删除吗") == ["征信记录不会删除。"]


def test_nothing_is_marked_where_nothing_is_near(marked):
    assert marked("zzz") == []


def test_a_text_without_a_sentence_has_no_mark(marked):
    assert marked("链接", "- ") == []


def test_without_a_vector_the_words_decide_and_nothing_is_encoded(segmenter, encoder):
    highlighter = Highlighter(segmenter, encoder)
    query = Query(segmenter.segment("征信记录能删除吗"), None)
    spans = highlighter.spans(query, TEXT)
    assert [TEXT[start:end] for start, end in spans] == ["征信记录不会删除。"]
    assert highlighter.spans(Query(segmenter.segment("zzz"), None), TEXT) == ()
    assert encoder.encoded == []
