"""What a message is: danger by phrases, courtesies, replies, and the windows that may ask."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qa.corpus import Reply, Urgent, read
from qa.message import LONGEST_GAP, Rules, sentence_spans, windows
from qa.normalise import normalise
from qa.paths import CORPUS


def urgent(kind: str, *phrases: str, lookalikes: tuple[str, ...] = ()) -> Urgent:
    return Urgent(kind, "说", (), (), phrases, lookalikes, 0.0)


SELF_HARM = urgent("self-harm", "不想活", "结束…生命", lookalikes=("不想活动", "累死", "弄死我"))
THREAT = urgent("threat", "弄死我")
RULES = Rules(
    (SELF_HARM, THREAT),
    (
        Reply("greeting", "您好。", ("你好", "在吗", "hello")),
        Reply("thanks", "不客气。", ("谢谢", "thank you", "好的")),
        Reply("about", "是。", ("你是谁",)),
        Reply("unreadable", "没看懂。", ()),
        Reply("other-language", "只懂中文。", ()),
    ),
)


def kind(text: str) -> str | None:
    found = RULES.danger(normalise(text).text)
    return found and found.kind


# Danger


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("我真的不想活了", "self-harm", id="phrase"),
        pytest.param("不 想 活", "self-harm", id="spaces"),
        pytest.param("結束生命", "self-harm", id="traditional"),
        pytest.param("结束生命", "self-harm", id="gap-of-none"),
        pytest.param("结束我自己的生命", "self-harm", id="gap-of-four"),
        pytest.param("结束我自己这条生命", None, id="gap-of-five"),
        pytest.param("结束了,生命", None, id="gap-across-a-mark"),
        pytest.param("结束_生命", None, id="gap-across-an-underscore"),
        pytest.param("生命结束", None, id="other-order"),
        pytest.param("他要弄死我", "threat", id="second-rule"),
        pytest.param("要弄死我,不想活了", "self-harm", id="the-gravest-first"),
        pytest.param("不想活动", None, id="lookalike"),
        pytest.param("不想活动,也不想活", "self-harm", id="lookalike-and-phrase"),
        pytest.param("不想累死活", None, id="what-stood-around-does-not-meet"),
        pytest.param("结束累死生命", None, id="nor-across-a-gap"),
        pytest.param("弄死我", "threat", id="lookalikes-are-a-rule-s-own"),
        pytest.param("收到调解短信", None, id="nothing"),
        pytest.param("", None, id="empty"),
    ],
)
def test_danger_by_phrases(text, expected):
    assert kind(text) == expected


def test_a_lookalike_may_have_a_gap():
    rules = Rules((urgent("a", "去死", lookalikes=("让…去死",)),), ())
    assert rules.danger("让他们去死") is None
    assert rules.danger("我去死") is not None


def test_three_dots_are_a_gap_too():
    rules = Rules((urgent("a", "结束...生命"),), ())
    assert rules.danger("结束他的生命") is not None


def test_marks_of_a_phrase_are_no_pattern():
    rules = Rules((urgent("a", "想.死", "a+"),), ())
    assert rules.danger("想去死") is None
    assert rules.danger("想.死") is not None
    assert rules.danger("aaa") is None


@given(st.text("一二三四五六七八", max_size=8))
def test_a_gap_is_as_long_as_it_says(between):
    assert (kind(f"结束{between}生命") is not None) == (len(between) <= LONGEST_GAP)


def test_no_rules_no_danger():
    assert Rules((), ()).danger("不想活") is None


# Courtesies


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("你好,征信怎么查", "征信怎么查", id="before"),
        pytest.param("征信怎么查?谢谢", "征信怎么查?", id="after"),
        pytest.param("你好啊!征信怎么查?谢谢啦~", "征信怎么查?", id="both"),
        pytest.param("征信怎么查", "征信怎么查", id="none"),
        pytest.param("你好征信怎么查", "你好征信怎么查", id="not-a-clause-of-its-own"),
        pytest.param("说谢谢,征信怎么查", "说谢谢,征信怎么查", id="more-than-a-courtesy"),
        pytest.param("你好", "你好", id="nothing-else"),
        pytest.param("你好,谢谢!", "你好,谢谢!", id="nothing-else-twice"),
        pytest.param("", "", id="empty"),
        pytest.param(",,", ",,", id="marks"),
    ],
)
def test_courtesies_are_dropped_but_never_everything(text, left):
    assert RULES.without_courtesies(text) == left


@given(st.lists(st.sampled_from(["你好", "谢谢", "征信", "怎么查", "啊", ",", "?", "。", " "])))
@hypothesis_settings(deadline=None)
def test_what_is_left_is_made_of_what_was_there(parts):
    text = normalise("".join(parts)).text
    left = RULES.without_courtesies(text)
    assert bool(left) == bool(text)
    rest = iter(text)
    assert all(character in rest for character in left)  # in order
    assert left.count("征信") == text.count("征信")


# Replies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("你好", "greeting", id="greeting"),
        pytest.param("你好啊,在吗?", "greeting", id="particles-and-marks"),
        pytest.param("hello!", "greeting", id="latin"),
        pytest.param("谢谢", "thanks", id="thanks"),
        pytest.param("thank you", "thanks", id="two-latin-words"),
        pytest.param("好的好的", "thanks", id="twice"),
        pytest.param("你是谁呀", "about", id="about"),
        pytest.param("你好,征信", None, id="a-question-beside"),
        pytest.param("征信", None, id="two-characters"),
        pytest.param("死", None, id="one-character"),
        pytest.param("逾期app", None, id="mixed"),
        pytest.param("qwrtp", "unreadable", id="keys"),
        pytest.param("12345", "unreadable", id="number"),
        pytest.param("?!…", "unreadable", id="marks"),
        pytest.param("😀", "unreadable", id="emoji"),
        pytest.param("", "unreadable", id="empty"),
        pytest.param("is this message real", "other-language", id="english"),
        pytest.param("привет", "other-language", id="cyrillic"),
        pytest.param("こんにちは", "other-language", id="kana"),
        pytest.param("안녕하세요", "other-language", id="hangul"),
        pytest.param("สวัสดี", "other-language", id="thai"),
        pytest.param("短信里的链接 https://a.example/b?c=1234567890 能点吗", None, id="an-address"),
        pytest.param("is the 短 message real", "other-language", id="one-character-in-english"),
    ],
)
def test_what_is_said_to_a_message_that_asks_nothing(text, expected):
    found = RULES.reply(normalise(text).text)
    assert (found and found.kind) == expected


def test_without_replies_nothing_is_said():
    for text in ("你好", "asdf", "is this real", ""):
        assert Rules((), ()).reply(text) is None


@pytest.fixture(scope="module")
def shipped() -> Rules:
    corpus = read(CORPUS)
    return Rules(corpus.urgent, corpus.replies)


def test_every_shipped_phrase_of_a_reply_is_one(shipped):
    for rule in shipped.replies:
        for phrase in rule.phrases:
            assert shipped.reply(normalise(phrase).text) in shipped.replies


def test_no_shipped_phrase_of_a_danger_is_hidden_by_its_own_lookalikes(shipped):
    hidden = [
        phrase
        for rule in shipped.urgent
        for phrase in rule.phrases
        if shipped.danger(normalise(phrase.replace("…", "").replace("_", " ")).text) is None
    ]
    assert hidden == []


def test_a_long_run_of_courtesies_takes_no_time(shipped):
    text = "谢谢好的嗯嗯" * 300
    assert shipped.reply(text + "征") is None
    assert shipped.reply(text).kind == "thanks"


# Windows


def texts(message: str) -> set[str]:
    return {window.text for window in windows(message)}


def test_the_sentences_and_the_clauses_that_ask_are_windows():
    message = "去年借了三万,后来失业了。法院来短信,要不要回电话?"
    found = {window.text: window.asks for window in windows(message)}
    assert found == {
        "去年借了三万,后来失业了。": False,
        "法院来短信,要不要回电话?": True,
        "要不要回电话?": True,
    }


def test_a_single_clause_has_no_window():
    assert windows("要不要回电话") == windows("") == []


def test_windows_of_fewer_than_three_characters_are_left_out():
    assert "啥?" not in texts("短信来了。啥?")


def sentences(message: str) -> list[str]:
    return [message[start:end] for start, end in sentence_spans(message)]


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        pytest.param("甲。乙!丙?丁;戊", ["甲。", "乙!", "丙?", "丁;", "戊"], id="marks"),
        pytest.param("收费吗?!多久", ["收费吗?!", "多久"], id="marks-in-a-row"),
        pytest.param("调解收费吗,另外征信能删吗", ["调解收费吗,", "征信能删吗"], id="anew"),
        pytest.param("第一,收费吗,第二,多久", ["收费吗,", "多久"], id="numbered-in-words"),
        pytest.param("1.收费吗 2.多久", ["收费吗 ", "多久"], id="numbered"),
        pytest.param("欠了1.5万", ["欠了1.5万"], id="a-number-is-no-numbering"),
        pytest.param("第一次来调解", ["第一次来调解"], id="first-time"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_sentences(message, parts):
    assert sentences(message) == parts


@pytest.mark.parametrize(
    "text",
    [
        "要不要回电话", "这是真的吗", "怎么查", "如何申请", "什么是调解", "几天内回", "多久能删",
        "能否延期", "谁来还", "可以不还吗", "还是不去", "是否收费", "会不会坐牢", "短信是真的不",
        "这咋办", "哪个法院管", "两者有区别",
    ],
)  # fmt: skip
def test_asks(text):
    (window,) = [one for one in windows(f"我借了钱。{text}") if one.sentence == 1]
    assert window.asks


@pytest.mark.parametrize(
    "text", ["我借了三万", "怎么能这样对我", "怎么会这样", "他们天天打电话", "我很着急", "失业了"]
)
def test_does_not_ask(text):
    (window,) = [one for one in windows(f"我借了钱。{text}") if one.sentence == 1]
    assert not window.asks


PIECES = st.lists(
    st.sampled_from(
        [
            "借了三万",
            "要不要回",
            "真的吗",
            "我",
            ",",
            "。",
            "?",
            "另外",
            "第二,",
            "1.",
            " ",
            ":",
            "abc",
        ]
    ),
    max_size=25,
)


@given(PIECES)
@hypothesis_settings(deadline=None)
def test_spans_point_into_the_message(parts):
    message = normalise("".join(parts)).text
    found = windows(message)
    for window in found:
        assert 0 <= window.start < window.end <= len(message)
        assert window.text in message[window.start : window.end]
        assert window.text != message
    assert len({(window.start, window.end) for window in found}) == len(found)


@given(st.text(max_size=80))
@hypothesis_settings(deadline=None)
def test_any_text_has_windows_and_sentences(text):
    message = normalise(text).text
    assert "".join(sentences(message)) in message or len(sentences(message)) > 1
    assert all(window.text.strip() == window.text for window in windows(message))


def test_a_line_of_commas_has_few_windows():
    assert len(windows("要不要还," * 200)) <= 32
