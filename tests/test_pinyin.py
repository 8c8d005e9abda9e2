"""Characters as they sound, and sounds as they are typed."""

import pytest

from qa.pinyin import MOST_READINGS, fold, readings, sound


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        pytest.param("司法确认", "sifaqueren", id="word"),
        pytest.param("花呗", "huabei", id="product"),
        pytest.param("银行", "yinhang", id="reading-by-its-word"),
        pytest.param("还款", "huankuan", id="other-reading-by-its-word"),
        pytest.param("律师", "lvshi", id="ü-is-typed-v"),
        pytest.param("女儿", "nver", id="ü-after-n"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_word_is_typed_without_tones_and_spaces(word, typed):
    assert sound(word) == typed


@pytest.mark.parametrize(
    ("character", "expected"),
    [("还", ("hai", "huan")), ("调", ("diao", "tiao")), ("行", ("xing", "hang")), ("法", ("fa",))],
)
def test_a_character_has_its_common_readings(character, expected):
    assert set(expected) <= set(readings(character))


@pytest.mark.parametrize("character", "还调行着和差重都乐")
def test_readings_are_few_and_each_stands_once(character):
    found = readings(character)
    assert 1 <= len(found) <= MOST_READINGS
    assert len(set(found)) == len(found)
    assert all(reading.isascii() and reading.islower() for reading in found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("zhi", "zi", id="zh-z"),
        pytest.param("chong", "cong", id="ch-c"),
        pytest.param("shi", "si", id="sh-s"),
        pytest.param("jing", "jin", id="ng-n"),
        pytest.param("zhengxing", "zenxin", id="all-at-once"),
    ],
)
def test_what_many_do_not_hear_is_folded(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("hua", "fa"), ("ni", "li"), ("yu", "yi"), ("", "a")])
def test_what_everybody_hears_is_kept(one, other):
    assert fold(one) != fold(other)


@pytest.mark.parametrize("pinyin", ["zhuangshang", "huabei", "lvshihan", ""])
def test_folding_twice_changes_nothing_more(pinyin):
    assert fold(fold(pinyin)) == fold(pinyin)
