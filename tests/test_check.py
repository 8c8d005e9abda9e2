"""The editor's linter: every rule fires where it should and nowhere else."""

import datetime

import pytest

from qa.corpus import check, read
from qa.paths import CORPUS

TODAY = datetime.date(2026, 11, 24)
REPLY, FAKE, CREDIT = "guidance/c1/reply.md", "guidance/c1/fake.md", "guidance/c2/credit.md"
LEAD = "法律没有统一的回复时间。"  # line 9 of reply.md


@pytest.fixture
def edit(corpus_folder):
    """Return a function that replaces words of one file and checks the corpus."""

    def replace_and_check(name: str, old: str, new: str, today: datetime.date = TODAY):
        path = corpus_folder / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), "utf-8")
        return check(read(corpus_folder), today)

    return replace_and_check


def test_a_clean_corpus_has_no_faults(corpus_folder):
    assert check(read(corpus_folder), TODAY) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "english"),
    [
        pytest.param(REPLY, "[fake, credit]", "[fake, gone]", 7, "no topic gone", id="related"),
        pytest.param(REPLY, "[fake, credit]", "[reply]", 7, "related to itself", id="itself"),
        pytest.param(FAKE, "reviewed: 2026-11-24\n", "", 3, "no review date", id="not-reviewed"),
        pytest.param(FAKE, "2026-11-24", "2026-11-25", 6, "in the future", id="future-review"),
        pytest.param(FAKE, "2026-11-24", "2025-11-23", 6, "over 12 months", id="old-review"),
        pytest.param(
            FAKE,
            "网址看着像法院",
            "链接能不能点啊",
            4,
            "1 pairs of questions are nearly the same",
            id="questions-alike",
        ),
        pytest.param(
            CREDIT,
            "征信上的逾期能删掉吗",
            "三天 不回會怎樣",
            4,
            "already in guidance/c1/reply.md",
            id="question-of-another-topic",
        ),
        pytest.param(
            FAKE,
            "核实之前不要点链接。",
            "《刑法》第二十条说不要点。",
            8,
            "cites an article of 刑法",
            id="law-not-in-sources",
        ),
        pytest.param(
            FAKE,
            "核实之前不要点链接。",
            "《反电信网络诈骗法》第二十一条说不要点。",
            8,
            "cites 第二十一条",
            id="article-not-in-sources",
        ),
        pytest.param(REPLY, LEAD, "长" * 321 + "。", 9, "322 characters", id="too-long"),
        pytest.param(REPLY, LEAD, "保证能减免。", 9, 'phrase "保证能减免"', id="phrase"),
        pytest.param(REPLY, LEAD, "15日内要回。", 9, '"15日" stands without', id="number"),
        pytest.param(REPLY, LEAD, "最高 24 %。", 9, '"24 %" stands without', id="rate"),
        pytest.param(REPLY, LEAD, "打12399问。", 9, "12399 is no known contact", id="hotline"),
        pytest.param(
            REPLY,
            LEAD,
            "打法院的消费者投诉热线（12368）问。",
            9,
            "12368 is called",
            id="hotline-misnamed-before",
        ),
        pytest.param(
            REPLY, LEAD, "打12348反诈热线问。", 9, "12348 is called 反诈热线", id="misnamed-after"
        ),
        pytest.param(
            CREDIT,
            "花钱修复征信的多半是骗局。",
            "- 法院不会要验证码。\n- 已经转了钱的，马上打110。",
            12,
            "nearly the same as guidance/c1/fake.md:12",
            id="passages-alike",
        ),
    ],
)
def test_rule_fires_once_and_names_the_line(edit, name, old, new, line, english):
    (fault,) = edit(name, old, new)
    assert (fault.path, fault.line) == (name, line)
    assert english in fault.english
    assert any("\u4e00" <= character <= "\u9fff" for character in fault.chinese)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param(FAKE, "2026-11-24", "2025-11-24", id="reviewed-a-year-ago"),
        pytest.param(
            FAKE,
            "核实之前不要点链接。",
            "《反电信网络诈骗法》第二十条说不要点。",
            id="article-in-sources",
        ),
        pytest.param(FAKE, "核实之前不要点链接。", "《刑法》很重要。", id="law-without-article"),
        pytest.param(REPLY, LEAD, "长" * 294 + "。", id="longest"),
        pytest.param(REPLY, LEAD, "据公开报道，15日内要回。", id="number-with-support"),
        pytest.param(REPLY, LEAD, "回 3 次电话。", id="number-without-unit"),
        pytest.param(
            REPLY, LEAD, "想核实，法院诉讼服务热线（12368）能答。", id="hotline-by-its-name"
        ),
        pytest.param(REPLY, LEAD, "打12348公共法律服务热线问。", id="hotline-name-after"),
        pytest.param(REPLY, LEAD, "打12348问。", id="hotline-without-a-name"),
        pytest.param(REPLY, LEAD, "案号是（2026）第12399号。", id="number-that-is-no-hotline"),
        pytest.param(REPLY, "[fake, credit]", "[]", id="related-to-none"),
    ],
)
def test_rule_is_silent(edit, name, old, new):
    assert edit(name, old, new) == []


def test_every_article_and_every_number_is_reported(edit):
    articles = edit(FAKE, "核实之前不要点链接。", "《反电信网络诈骗法》第一条、第二条。")
    both = edit(CREDIT, "的多半是骗局", "3天、5年内删掉的多半是骗局")
    assert [fault.english for fault in articles] == [
        "cites 第一条, which is not among the sources.",
        "cites 第二条, which is not among the sources.",
    ]
    assert [fault.english for fault in both if fault.path == CREDIT] == [
        '"3天" stands without its law or "据公开报道".',
        '"5年内" stands without its law or "据公开报道".',
    ]


def test_faults_come_in_the_order_of_files_and_lines(corpus_folder, edit):
    edit(CREDIT, "2026-11-24", "2020-01-01")
    edit(REPLY, LEAD, "15日内要回，保证能减免。")
    found = edit(REPLY, "[fake, credit]", "[gone]")
    assert [(f.path, f.line) for f in found] == [(REPLY, 7), (REPLY, 9), (REPLY, 9), (CREDIT, 6)]


def test_question_variants_may_be_alike_once_in_a_hundred_pairs(corpus_folder):
    path = corpus_folder / FAKE
    different = ["".join(chr(0x4E00 + 4 * i + j) for j in range(4)) for i in range(15)]
    questions = [*different, different[0] + "吗"]  # 1 of 120 pairs
    start, end = "questions: [", "]\nsources: [反"
    text = path.read_text("utf-8")
    old = text[text.index(start) + len(start) : text.index(end)]
    path.write_text(text.replace(old, ", ".join(questions)), "utf-8")
    assert check(read(corpus_folder), TODAY) == []


def test_a_file_without_front_matter_needs_neither_review_nor_sources(corpus_folder):
    path = corpus_folder / "guidance" / "mine.txt"
    path.write_text("三、本店热线\n请打95599，15日内答复。\n", "utf-8")
    assert check(read(corpus_folder), TODAY) == []


def test_review_dates_are_judged_by_the_current_day_unless_told(corpus_folder):
    (corpus_folder / FAKE).write_text(
        (corpus_folder / FAKE).read_text("utf-8").replace("2026-11-24", "9999-12-31"), "utf-8"
    )
    assert [(f.path, f.line) for f in check(read(corpus_folder))][:1] == [(FAKE, 6)]


def test_the_shipped_corpus_passes_check():
    corpus = read(CORPUS)
    day = max(document.reviewed for document in corpus.documents)
    assert [str(fault) for fault in check(corpus, datetime.date.fromisoformat(day))] == []


def test_every_shipped_topic_has_forty_questions():
    counts = {document.id: len(document.questions) for document in read(CORPUS).documents}
    assert {id: count for id, count in counts.items() if count < 40} == {}


def test_a_hotline_given_for_something_else_is_a_fault(corpus_folder):
    contacts = "- {number: '12378', name: 投诉热线, for: 投诉银行, words: [投诉, 银行]}\n"
    contacts += "- {number: '110', name: 报警, for: 报警}\n"
    (corpus_folder / "contacts.yaml").write_text(contacts, "utf-8")
    page = corpus_folder / "guidance/c1/reply.md"
    page.write_text(page.read_text("utf-8") + "3. 查征信打12378。\n", "utf-8")
    (fault,) = check(read(corpus_folder), datetime.date(2026, 11, 25))
    assert "投诉银行" in fault.chinese
    page.write_text(page.read_text("utf-8").replace("查征信打", "投诉打"), "utf-8")
    assert check(read(corpus_folder), datetime.date(2026, 11, 25)) == []
