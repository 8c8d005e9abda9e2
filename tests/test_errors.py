"""The tree of errors: unique codes, both languages, and the docstring that draws it."""

import re

import pytest

from qa import errors
from qa.errors import CorpusInvalid, Fault, QAError

CHINESE = re.compile("[\u4e00-\u9fff]")
# One of every error that makes its own message.
EXAMPLES = [
    errors.QuestionEmpty(),
    errors.QuestionTooLong(2001, 2000),
    errors.BadK(20),
    errors.MalformedJson("不是 JSON。", "Not JSON."),
    errors.UnknownField(["question", "k"]),
    errors.NotFound(),
    errors.MethodNotAllowed(),
    errors.BodyTooLarge(65536),
    errors.AddressTooLong(),
    errors.BadRequest(),
    errors.WrongContentType(),
    errors.BadBatch(32),
    errors.FeedbackInvalid(),
    errors.TooManyRequests(30),
    errors.Overloaded(),
    errors.Unexpected(),
    CorpusInvalid([Fault("a.md", 3, "没有正文。", "no text.")]),
]


def descendants(kind: type[QAError]) -> list[type[QAError]]:
    return [c for child in kind.__subclasses__() for c in (child, *descendants(child))]


KINDS = descendants(QAError)
LEAVES = [kind for kind in KINDS if not kind.__subclasses__()]


def drawn_tree() -> list[tuple[str, str, int | None, str]]:
    """Return (name, parent, status, first word after it) of each line of the docstring's tree."""
    found = []
    path = ["QAError"]
    pattern = r"^((?:[│ ] {3})*)[├└]── (\w+) +(?:(\d{3}) +)?(\w+)"
    for prefix, name, status, word in re.findall(pattern, errors.__doc__, re.MULTILINE):
        depth = len(prefix) // 4 + 1
        path[depth:] = [name]
        found.append((name, path[depth - 1], int(status) if status else None, word))
    return found


def test_the_tree_in_the_docstring_is_the_tree_in_code():
    drawn = {(name, parent) for name, parent, _, _ in drawn_tree()}
    assert drawn == {(kind.__name__, kind.__base__.__name__) for kind in KINDS}
    assert len(drawn_tree()) == len(KINDS) == 34


def test_the_docstring_gives_every_leaf_s_code():
    drawn = {name: word for name, _, _, word in drawn_tree()}
    assert {kind.__name__: kind.code for kind in LEAVES} == {
        kind.__name__: drawn[kind.__name__] for kind in LEAVES
    }


def test_the_docstring_gives_every_status_and_children_inherit_it():
    drawn: dict[str, int | None] = {}
    for name, parent, status, _ in drawn_tree():
        drawn[name] = status or drawn.get(parent)
    wrong = {k.__name__: k.status for k in KINDS if drawn[k.__name__] not in (None, k.status)}
    assert wrong == {}
    assert [name for name, status in drawn.items() if status is None] == ["RequestError"]


def test_every_error_that_is_raised_has_its_own_code():
    codes = [kind.code for kind in LEAVES]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in codes)
    assert "error" not in codes


def test_every_class_is_exported_by_name_and_documented():
    assert all(getattr(errors, kind.__name__) is kind for kind in KINDS)
    assert all(kind.__doc__ for kind in KINDS)


def test_every_class_with_its_own_message_has_an_example_here():
    own = {kind for kind in KINDS if "__init__" in vars(kind)}
    assert own == {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)
def test_message_is_said_in_both_languages(example):
    assert CHINESE.search(str(example))
    assert str(example)[-1] in "。”"
    assert not CHINESE.search(example.english)
    assert example.english[-1] == "."


@pytest.mark.parametrize(
    ("error", "chinese", "english"),
    [
        pytest.param(
            errors.QuestionTooLong(2001, 2000),
            "问题太长：共 2001 字，最多 2000 字。",
            "The question has 2001 characters; at most 2000 are allowed.",
            id="too-long",
        ),
        pytest.param(
            errors.BadK(20), "1 到 20 的整数。", "a whole number from 1 to 20.", id="bad-k"
        ),
        pytest.param(
            errors.BodyTooLarge(65536), "最多 65536 字节。", "at most 65536 bytes", id="body"
        ),
        pytest.param(
            errors.UnknownField(["question", "k"]), "question, k。", "question, k.", id="unknown"
        ),
        pytest.param(
            errors.MalformedJson("不是 JSON。", "Not JSON."),
            '不是 JSON。请发送 UTF-8 编码的 JSON 对象，例如 {"question": "…", "k": 3}。',
            'Not JSON. Send a UTF-8 JSON object such as {"question": "…", "k": 3}.',
            id="malformed",
        ),
        pytest.param(errors.Unexpected(), "12348", "12348", id="unexpected"),
    ],
)
def test_message_names_the_limits(error, chinese, english):
    assert chinese in str(error)
    assert english in error.english


def test_any_other_error_says_what_it_was_given():
    error = errors.IndexMissing("还没有索引。", "There is no index.")
    assert (str(error), error.english) == ("还没有索引。", "There is no index.")
    assert (error.code, error.status) == ("index_missing", 503)
    assert isinstance(error, errors.IndexProblem)


def test_invalid_corpus_carries_every_fault():
    faults = [Fault("a.md", 3, "没有正文。", "no text."), Fault("b.md", 1, "是空的。", "empty.")]
    error = CorpusInvalid(faults)
    assert error.faults == tuple(faults)
    assert str(error) == (
        "语料有 2 处错误，请改正后重试（正在使用的索引没有变动）：\n"
        "  a.md:3: 没有正文。\n"
        "  b.md:1: 是空的。"
    )
    assert error.english.endswith(":\n  a.md:3: no text.\n  b.md:1: empty.")
