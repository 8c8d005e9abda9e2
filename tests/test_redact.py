import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.redact import is_card_number, is_identity_number, redact
from tests import notices

SEEDS = st.integers(0, 2**32).map(random.Random)
# What may stand around a number in a sentence: no digits, no letters of a number.
AROUND = st.text("，。 我的是号码abc：\n（）", max_size=6)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("证号11010519491231002X。", "证号[身份证号]。", id="identity"),
        pytest.param("证号11010519491231002x", "证号[身份证号]", id="small-x"),
        pytest.param("１１０１０５１９４９１２３１００２Ｘ", "[身份证号]", id="full-width"),
        pytest.param("110105 1949 1231 002X", "[身份证号]", id="spaced"),
        pytest.param("110105194912310021", "[身份证号]", id="mistyped-check-digit"),
        pytest.param("130503670401001", "[身份证号]", id="of-fifteen-digits"),
        pytest.param("卡4111 1111 1111 1111", "卡[银行卡号]", id="card"),
        pytest.param("4111-1111-1111-1111", "[银行卡号]", id="card-with-dashes"),
        pytest.param("打13800138000", "打[电话]", id="mobile"),
        pytest.param("+86 138-0013-8000", "[电话]", id="mobile-abroad"),
        pytest.param("010-65901234转801", "[电话]", id="landline-and-extension"),
        pytest.param("（0755）26901234", "[电话]", id="landline-in-brackets"),
        pytest.param("电话是6590 1234", "电话是[电话]", id="local-number"),
        pytest.param("13800138000 110105194912310021", "[电话] [身份证号]", id="side-by-side"),
        pytest.param("写信到li.si@example.com吧", "写信到[邮箱]吧", id="mail"),
        pytest.param("尊敬的张三先生：", "尊敬的[姓名]先生：", id="greeted"),
        pytest.param("尊敬的欧阳小明，", "尊敬的[姓名]，", id="long-surname"),
        pytest.param("被申请人：李小明，男", "被申请人：[姓名]，男", id="party"),
        pytest.param("借款人王芳", "借款人[姓名]", id="borrower"),
        pytest.param("被申请人（债务人）：赵敏。", "被申请人（债务人）：[姓名]。", id="two-roles"),
        pytest.param("阿依古丽·买买提女士", "阿依古丽·买买提女士", id="unlabelled-is-not-found"),
        pytest.param("姓名：阿依古丽·买买提", "姓名：[姓名]", id="name-with-a-dot"),
        pytest.param("（2026）京0105民诉前调12345号", "[案号]", id="case"),
        pytest.param("〔2025〕沪 0115 民初 88 号之一", "[案号]", id="case-with-spaces"),
        pytest.param("2026京0105民初12号", "[案号]", id="case-without-brackets"),
    ],
)
def test_masks(text, masked):
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "respond-how-fast,notice-link-click",
        "build 305cc06be9bd9667 and 13812345678a0b1c",
        "2026-11-25T01:01:08.162763Z",
        "2026年11月24日第3号通知",
        "ms=12345.678 port=8000 pid=1234567",
        "listening on 127.0.0.1:8000, 192.168.100.200",
        "12368 12378 96110 12348 12363、110、010-12368、95188、400-820-8888",
        "尊敬的客户，您好",
        "申请人在收到通知后可以申请调解",
        "123456789012345678",  # 18 digits, neither a date nor a check digit
        "4111111111111112",  # fails Luhn's check
        'File "/srv/qa/answer.py", line 123, in ask',
    ],
)
def test_leaves(text):
    assert redact(text) == text


@given(SEEDS, AROUND, AROUND)
@settings(deadline=None)
def test_no_number_survives_whatever_stands_around_it(source, before, after):
    for make in (notices.identity, notices.old_identity, notices.card, notices.mobile):
        number = notices.written(source, make(source))
        masked = redact(before + number + after)
        assert number not in masked
        assert not re.search(r"\d{4}", masked)


@given(SEEDS)
@settings(deadline=None)
def test_no_private_item_of_a_notice_survives_but_its_street(source):
    made = notices.notice(source)
    masked = redact(made.text)
    assert [part for part in made.private if part in masked] == [made.unique]
    assert redact(masked) == masked


@given(st.text())
def test_takes_any_text(text):
    assert isinstance(redact(text), str)


@given(SEEDS, st.integers(0, 16), st.integers(1, 9))
def test_a_changed_digit_is_no_check_digit(source, place, change):
    number = notices.identity(source)
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    assert is_identity_number(number)
    outside = "99" + wrong[2:]  # of no province: only the check digit can speak for it
    if wrong[6:14] == number[6:14]:
        assert is_identity_number(outside) == (_check(outside) == outside[17])


@given(SEEDS, st.integers(13, 19), st.integers(0, 12), st.integers(1, 9))
def test_luhn_finds_every_single_wrong_digit(source, length, place, change):
    number = notices.card(source, length)
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    assert is_card_number(number)
    assert not is_card_number(wrong)


def _check(number: str) -> str:
    weighted = zip(notices.WEIGHTS, number, strict=False)
    return "10X98765432"[sum(weight * int(digit) for weight, digit in weighted) % 11]
