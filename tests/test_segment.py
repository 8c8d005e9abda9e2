"""Words, sub-words and grams; the dictionary and its faults."""

import io
import tempfile
from concurrent.futures import ThreadPoolExecutor

import jieba
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qa.errors import CorpusInvalid
from qa.paths import CORPUS
from qa.segment import DICTIONARY, STOP_WORDS, Segmenter, _Jieba

WORDS = "调解 100 n\n短信 100 n\n诉前 100 n\n回复 100 n\n收到 100 n\n"


@pytest.fixture
def small_jieba(monkeypatch):
    """Give jieba five words of its own, so that a segmenter opens at once."""
    monkeypatch.setattr(_Jieba, "get_dict_file", lambda _: io.BytesIO(WORDS.encode()))


@pytest.fixture
def folder(tmp_path, small_jieba):
    """A dictionary of two words, two stop words."""
    (tmp_path / DICTIONARY).write_text("# 词典\n停息挂账\n诉前调解 50\n", "utf-8")
    (tmp_path / STOP_WORDS).write_text("# 停用词\n的\n了\n", "utf-8")
    return tmp_path


def words(segmenter, text):
    return [word for word, _ in segmenter.segment(text).words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("我的花呗逾期了", ["我", "的", "花呗", "逾期", "了"], id="huabei"),
        pytest.param("借呗要起诉我", ["借呗", "要", "起诉", "我"], id="jiebei"),
        pytest.param("诉前调解是什么", ["诉前调解", "是", "什么"], id="pre-action-mediation"),
        pytest.param("特邀调解员打电话", ["特邀调解员", "打电话"], id="invited-mediator"),
        pytest.param("申请司法确认", ["申请", "司法确认"], id="judicial-confirmation"),
        pytest.param("信用卡最低还款", ["信用卡", "最低还款"], id="minimum-payment"),
        pytest.param("停息挂账可信吗", ["停息挂账", "可信", "吗"], id="interest-stop"),
        pytest.param("人民调解委员会", ["人民调解委员会"], id="people-s-mediation"),
        pytest.param("爆通讯录", ["爆通讯录"], id="contact-bombing"),
        pytest.param("360借条", ["360借条"], id="digits-and-chinese"),
        pytest.param("个性化分期还款协议", ["个性化分期还款协议"], id="longest-wins"),
    ],
)
def test_domain_words_are_cut_whole(segmenter, text, expected):
    assert words(segmenter, text) == expected


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        pytest.param("訴前調解", "诉前调解", id="traditional"),
        pytest.param("花 呗", "花呗", id="space"),
        pytest.param("３６０借條", "360借条", id="full-width"),
        pytest.param("停息\u200b挂账", "停息挂账", id="zero-width"),
    ],
)
def test_spelling_does_not_change_the_words(segmenter, typed, plain):
    assert words(segmenter, typed) == words(segmenter, plain) == [plain]


def test_words_carry_their_place_and_punctuation_is_dropped(segmenter):
    cut = segmenter.segment("“花呗”，逾期 3 天！")
    assert cut.normalised.text == "“花呗”,逾期3天!"
    assert cut.words == (("花呗", 1), ("逾期", 5), ("3", 7), ("天", 8))


@given(st.text(st.one_of(st.characters(), st.sampled_from("花呗逾期诉前调解 ,。\ud800\u0301"))))
@hypothesis_settings(deadline=None)
def test_every_word_stands_where_it_says(segmenter, text):
    cut = segmenter.segment(text)
    end = 0
    for word, start in cut.words:
        assert start >= end
        end = start + len(word)
        assert cut.normalised.text[start:end] == word
    assert segmenter.segment(text) == cut


def test_sub_words_are_the_shorter_words_inside(segmenter):
    assert segmenter.segment("诉前调解").sub_words == ("诉前", "调解", "诉前调")


def test_tokens_are_words_sub_words_and_characters_of_longer_chinese_words(segmenter):
    assert segmenter.tokens("诉前调解要app") == (
        *("诉前调解", "要", "app"),
        *("诉前", "调解", "诉前调"),
        *"诉前调解",
    )


def test_stop_words_are_left_out_of_terms_only(segmenter):
    cut = segmenter.segment("我的花呗和借呗")
    assert cut.terms == ("花呗", "借呗")
    assert [word for word, _ in cut.words] == ["我", "的", "花呗", "和", "借呗"]
    assert cut.tokens == ("我", "的", "花呗", "和", "借呗", *"花呗借呗")
    assert cut.grams(1) == tuple("我的花呗和借呗")


def test_terms_keep_repeats(segmenter):
    assert segmenter.segment("花呗，花呗").terms == ("花呗", "花呗")


@pytest.mark.parametrize(
    "text", ["的了吗", "", "？！…", "\u200b"], ids=["stop", "empty", "!", "zw"]
)
def test_nothing_to_search_gives_no_terms(segmenter, text):
    assert segmenter.segment(text).terms == ()


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        pytest.param("花呗", 1, ("花", "呗"), id="single"),
        pytest.param("借呗贷", 2, ("借", "呗", "贷", "借呗", "呗贷"), id="pairs"),
        pytest.param(
            "借呗贷", 9, ("借", "呗", "贷", "借呗", "呗贷", "借呗贷"), id="shorter-than-n"
        ),
        pytest.param("调，解", 2, ("调", "解"), id="not-across-punctuation"),
        pytest.param("打12368吧", 2, ("打", "12368", "吧"), id="number-whole"),
        pytest.param("App下载", 2, ("app", "下", "载", "下载"), id="latin-whole"),
        pytest.param("a_b", 2, ("a", "b"), id="underscore-parts"),
        pytest.param("", 2, (), id="nothing"),
    ],
)
def test_grams(segmenter, text, longest, expected):
    assert segmenter.segment(text).grams(longest) == expected


def test_opening_and_cutting_write_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert words(Segmenter(CORPUS), "停息挂账") == ["停息挂账"]
    assert list(tmp_path.iterdir()) == []


def test_two_segmenters_share_no_words(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    assert words(Segmenter(folder), "停息挂账") == ["停息挂账"]
    assert words(Segmenter(tmp_path / "empty"), "停息挂账") == ["停", "息", "挂", "账"]


def test_dictionary_and_stop_words_are_folded_like_the_text(folder):
    (folder / DICTIONARY).write_text("停息掛賬\nＡＢ贷\n", "utf-8")
    (folder / STOP_WORDS).write_text("麼\n", "utf-8")
    segmenter = Segmenter(folder)
    assert words(segmenter, "停息挂账ab贷") == ["停息挂账", "ab贷"]
    assert segmenter.segment("么").terms == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(DICTIONARY, "停息挂账\n诉前调解 50\n借呗\n", id="word-added"),
        pytest.param(DICTIONARY, "停息挂账\n诉前调解 51\n", id="frequency-changed"),
        pytest.param(DICTIONARY, "诉前调解 50\n停息挂账\n", id="order-changed"),
        pytest.param(STOP_WORDS, "的\n", id="stop-word-removed"),
        pytest.param(STOP_WORDS, "的\n了\n停息挂账\n", id="stop-word-added"),
    ],
)
def test_sha256_changes_with_the_dictionary(folder, name, text):
    before = Segmenter(folder).sha256
    (folder / name).write_text(text, "utf-8")
    assert Segmenter(folder).sha256 != before


def test_sha256_knows_a_word_from_a_stop_word(folder):
    (folder / STOP_WORDS).write_text("", "utf-8")
    before = Segmenter(folder).sha256
    (folder / STOP_WORDS).write_text((folder / DICTIONARY).read_text("utf-8"), "utf-8")
    (folder / DICTIONARY).write_text("", "utf-8")
    assert Segmenter(folder).sha256 != before


def test_sha256_does_not_change_with_comments_and_line_ends(folder):
    before = Segmenter(folder).sha256
    (folder / DICTIONARY).write_bytes("\ufeff停息挂账 \r\n\r\n# 别的\r\n诉前调解 50\r\n".encode())
    assert Segmenter(folder).sha256 == before


@pytest.mark.parametrize("frequency", ["多", "1.5", "-3", "1e3"], ids=["word", "float", "-", "e"])
def test_bad_frequency_is_named_by_file_and_line(folder, frequency):
    (folder / DICTIONARY).write_text(f"# 词典\n\n诉前调解 50\n停息挂账 {frequency}\n", "utf-8")
    with pytest.raises(CorpusInvalid) as caught:
        Segmenter(folder)
    (fault,) = caught.value.faults
    assert (fault.path, fault.line) == ("dictionary.txt", 4)
    assert str(fault) == "dictionary.txt:4: 词频必须是整数。"


@pytest.mark.parametrize("name", [DICTIONARY, STOP_WORDS])
def test_line_that_is_not_utf8_is_named(folder, name):
    (folder / name).write_bytes("词\n".encode() * 9000 + "调解".encode("gb18030") + b"\n")
    with pytest.raises(CorpusInvalid) as caught:
        Segmenter(folder)
    (fault,) = caught.value.faults
    assert (fault.path, fault.line) == (name, 9001)
    assert "not UTF-8" in caught.value.english


def test_frequency_and_tag_of_jieba_s_format_are_accepted(folder):
    (folder / DICTIONARY).write_text("停息挂账 100 n\n", "utf-8")
    assert words(Segmenter(folder), "停息挂账") == ["停息挂账"]


def test_open_takes_the_corpus_s_own_dictionary_else_the_shipped_one(folder, tmp_path, segmenter):
    (tmp_path / "bare").mkdir()
    assert Segmenter.open(folder).sha256 == Segmenter(folder).sha256
    assert Segmenter.open(tmp_path / "bare").sha256 == segmenter.sha256


def synonym_groups() -> list[list[str]]:
    lines = (CORPUS / "synonyms.txt").read_text("utf-8").splitlines()
    return [line.split() for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("group", synonym_groups())
def test_every_word_of_a_group_brings_every_other(segmenter, group):
    assert len(group) >= 2
    for word in group:
        assert len(word) >= 2
        found = segmenter.question(f"我想问{word}的事")
        for other in group:
            words = {w for w, _ in segmenter.segment(other).words}
            assert other in found.normalised.text or words <= set(found.synonyms)


def test_only_questions_get_synonyms(segmenter):
    assert segmenter.segment("我被告了").synonyms == ()
    assert "起诉" in "".join(segmenter.question("我被告了").synonyms)


def test_a_corpus_without_synonyms_has_none(tmp_path):
    assert Segmenter(tmp_path).question("我被告了").synonyms == ()


def test_the_hash_of_a_segmenter_changes_with_its_synonyms(tmp_path):
    before = Segmenter(tmp_path).sha256
    (tmp_path / "synonyms.txt").write_text("网贷 网络贷款\n", "utf-8")
    assert Segmenter(tmp_path).sha256 != before


def test_a_hotline_inside_a_longer_number_is_not_a_word(segmenter):
    words = [word for word, _ in segmenter.segment("1234567和12345").words]
    assert words == ["1234567", "和", "12345"]


def test_the_dictionary_is_read_as_jieba_reads_it():
    theirs = jieba.Tokenizer()
    with theirs.get_dict_file() as file:
        expected = theirs.gen_pfdict(file)
    ours = _Jieba()
    ours.initialize()
    assert (ours.FREQ, ours.total) == expected


def test_one_thread_does_not_see_what_another_remembers(segmenter):
    with segmenter.remembering(), ThreadPoolExecutor(1) as pool:
        first = segmenter.segment("花呗逾期怎么办")
        assert pool.submit(segmenter.segment, "花呗逾期怎么办").result() is not first


def test_an_inner_block_forgets_nothing_of_the_outer(segmenter):
    with segmenter.remembering():
        first = segmenter.segment("花呗逾期怎么办")
        with segmenter.remembering():
            assert segmenter.segment("花呗逾期怎么办") is first
        assert segmenter.segment("花呗逾期怎么办") is first


def test_a_text_is_cut_once_while_remembering_and_forgotten_after(segmenter):
    with segmenter.remembering():
        first = segmenter.segment("花呗逾期怎么办")
        assert segmenter.segment("花呗逾期怎么办") is first
    again = segmenter.segment("花呗逾期怎么办")
    assert again == first
    assert again is not first
