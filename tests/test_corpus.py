"""Files → documents and passages: reading, Markdown, plain text, splitting, and every fault."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qa.corpus import (
    NO_DANGER,
    Chapter,
    Contact,
    Example,
    OffTopic,
    Rendering,
    Reply,
    Urgent,
    blocks,
    read,
    renderings,
    sentences,
)
from qa.corpus.split import LONGEST_PASSAGE, Block, Section, passages
from qa.errors import CorpusInvalid, CorpusMissing
from qa.paths import CORPUS

HEAD = "---\nid: a\ntitle: 甲\n---\n"
RULES = ("urgent.yaml", "urgent.tsv", "replies.yaml", "lookalikes.txt")
ORIGINAL = Path(__file__).parents[2] / "shared" / "guidance" / "original.txt"


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def document(folder: Path, content: str | bytes, name: str = "guidance/c/a.md"):
    (found,) = read(write(folder, {name: content})).documents
    return found


def shown(folder: Path, content: str | bytes, name: str = "guidance/c/a.md"):
    """Return (heading, text, line) of each passage of one file."""
    return [(p.heading, p.text, p.line) for p in document(folder, content, name).passages]


def faults(folder: Path, files: dict[str, str | bytes]):
    with pytest.raises(CorpusInvalid) as caught:
        read(write(folder, files))
    return caught.value.faults


# Reading


def test_prepared_document_is_read_whole(corpus_folder):
    reply = next(d for d in read(corpus_folder).documents if d.id == "reply")
    assert reply.title == "收到通知后多久必须回复？"
    assert reply.questions[:2] == ("几天内要回电话", "三天不回会怎样")
    assert (reply.chapter, reply.path) == ("c1", "guidance/c1/reply.md")
    assert (reply.reviewed, reply.related) == ("2026-11-24", ("fake", "credit"))
    assert reply.lines["questions"] == 4
    assert reply.lines["related"] == 7


def test_passages_carry_their_document_s_title_sources_and_place(corpus_folder):
    reply = next(d for d in read(corpus_folder).documents if d.id == "reply")
    lead, steps = reply.passages
    assert (lead.heading, lead.line) == ("", 9)
    assert lead.text == "法律没有统一的回复时间。短信里的时间多半是对方自己定的。"
    assert (steps.heading, steps.line) == ("怎么做", 13)
    assert steps.text == "1. 先看是谁发的。\n2. 再尽早回复一次。"
    assert {p.sources for p in reply.passages} == {("人民法院在线调解规则 第二十四条",)}
    assert {(p.topic, p.group, p.title) for p in reply.passages} == {
        ("reply", "reply", "收到通知后多久必须回复？")
    }


def test_documents_stand_in_the_order_of_chapters_then_of_paths(corpus_folder):
    (corpus_folder / "chapters.yaml").write_text("c2: 第二章\nc1: 第一章\n", "utf-8")
    write(corpus_folder, {"guidance/loose.md": "文。", "guidance/a-unknown/x.md": "文。"})
    ids = [d.id for d in read(corpus_folder).documents]
    assert ids == ["credit", "fake", "reply", "a-unknown-x", "loose"]


def test_chapters_off_topic_contacts_and_phrases_are_read(corpus_folder):
    contacts = '# 电话\n- {number: "12368", name: 热线, for: 核实, shown: true}\n'
    contacts += "- {number: 110, name: 报警, for: 危险}\n"
    write(corpus_folder, {"contacts.yaml": contacts, "never-write.txt": "# 禁\n包过\n\n稳赢\n"})
    corpus = read(corpus_folder)
    assert corpus.chapters == (Chapter("c1", "第一章"), Chapter("c2", "第二章"))
    assert corpus.off_topic[0] == OffTopic("near", "怎么开通花呗")
    assert corpus.contacts == (
        Contact("12368", "热线", "核实", True),
        Contact("110", "报警", "危险", False),
    )
    assert corpus.never == ("包过", "稳赢")


def test_a_folder_s_missing_files_are_the_shipped_ones(tmp_path):
    corpus = read(write(tmp_path, {"a.md": "文。"}))
    assert corpus.chapters[0].id == "c1-first-steps"
    assert "12368" in {contact.number for contact in corpus.contacts}
    assert {off_topic.kind for off_topic in corpus.off_topic} == {"near", "far"}
    assert corpus.never


CONTACTS = """
- {number: "110", name: 报警, for: 危险}
- {number: "12356", name: 心理援助, for: 难受, shown: true, words: [心理]}
"""
URGENT = """
# 危险
- kind: self-harm
  says: " 先打电话。 "
  numbers: "12356 110"
  topics: a b
  phrases: >-
    不想活
    结束…生命
  lookalikes: 不想活动
  margin: -0.5
- {kind: threat, says: 报警。, numbers: "110", topics: a, phrases: 弄死我}
"""


def test_rules_about_danger_are_read_with_their_contacts(tmp_path):
    corpus = read(
        write(tmp_path, {"a.md": "文。", "contacts.yaml": CONTACTS, "urgent.yaml": URGENT})
    )
    police = Contact("110", "报警", "危险", False)
    helpline = Contact("12356", "心理援助", "难受", True, ("心理",))
    assert corpus.urgent == (
        Urgent(
            kind="self-harm",
            says="先打电话。",
            contacts=(helpline, police),  # in the order of the rule
            topics=("a", "b"),
            phrases=("不想活", "结束…生命"),
            lookalikes=("不想活动",),
            margin=-0.5,
        ),
        Urgent("threat", "报警。", (police,), ("a",), ("弄死我",), (), 0.0),
    )


def test_a_single_number_needs_no_quotes(tmp_path):
    rule = "- {kind: a, says: 甲, numbers: 110, topics: a, phrases: 乙}\n"
    corpus = read(write(tmp_path, {"a.md": "文。", "urgent.yaml": rule, "urgent.tsv": "a\t丙\n"}))
    assert [contact.number for contact in corpus.urgent[0].contacts] == ["110"]


def test_examples_of_danger_are_read(tmp_path):
    tsv = "self-harm\t不想活了 \nnone\t累死了\nthreat\t要弄死我\n"
    files = {"a.md": "文。", "contacts.yaml": CONTACTS, "urgent.yaml": URGENT, "urgent.tsv": tsv}
    assert read(write(tmp_path, files)).examples == (
        Example("self-harm", "不想活了"),
        Example(NO_DANGER, "累死了"),
        Example("threat", "要弄死我"),
    )


def test_replies_are_read(tmp_path):
    replies = (
        "- {kind: greeting, says: 您好。, phrases: [你好, 在 吗]}\n- {kind: about, says: 是。}\n"
    )
    corpus = read(write(tmp_path, {"a.md": "文。", "replies.yaml": replies}))
    assert corpus.replies == (
        Reply("greeting", "您好。", ("你好", "在 吗")),
        Reply("about", "是。", ()),
    )


def test_lookalikes_are_read_group_by_group(tmp_path):
    corpus = read(
        write(tmp_path, {"a.md": "文。", "lookalikes.txt": "# 形近\n己已巳 末未\n\n末沫\n"})
    )
    assert corpus.lookalikes == {
        "己": "已巳",
        "已": "己巳",
        "巳": "己已",
        "末": "未沫",
        "未": "末",
        "沫": "末",
    }


def test_a_folder_without_rules_has_the_shipped_ones(corpus_folder):
    ours, shipped = read(corpus_folder), read(CORPUS)
    for name in ("urgent", "examples", "replies", "lookalikes"):
        assert getattr(ours, name) == getattr(shipped, name)
        assert getattr(ours, name)


def test_rules_of_a_folder_replace_the_shipped_ones(corpus_folder):
    rules = {"urgent.tsv": "none\t甲\n", "replies.yaml": "- {kind: greeting, says: 好}\n"}
    corpus = read(write(corpus_folder, rules | {"lookalikes.txt": "末未\n"}))
    assert corpus.examples == (Example(NO_DANGER, "甲"),)
    assert [reply.kind for reply in corpus.replies] == ["greeting"]
    assert set(corpus.lookalikes) == {"末", "未"}
    assert corpus.urgent == read(CORPUS).urgent


def test_the_shipped_rules_fit_together():
    corpus = read(CORPUS)
    topics = {document.id for document in corpus.documents}
    kinds = [rule.kind for rule in corpus.urgent]
    assert kinds == ["self-harm", "violence", "threat"]
    for rule in corpus.urgent:
        assert rule.contacts
        assert set(rule.topics) <= topics
        assert rule.contacts[0].number in rule.says
    assert {example.kind for example in corpus.examples} == {*kinds, NO_DANGER}
    texts = [example.text for example in corpus.examples]
    assert len(texts) == len(set(texts))
    assert {"greeting", "thanks", "about", "help", "unreadable", "other-language"} == {
        reply.kind for reply in corpus.replies
    }


def test_loose_lookalikes_are_no_guidance(tmp_path):
    corpus = read(write(tmp_path, {"a.md": "文。", "lookalikes.txt": "末未\n"}))
    assert [document.id for document in corpus.documents] == ["a"]


def test_renderings_are_read_and_are_no_part_of_the_corpus(corpus_folder):
    before = read(corpus_folder).sha256
    assert renderings(corpus_folder) == ()
    write(corpus_folder, {"english.tsv": "能点吗\tMay I tap it?\n 回吗 \t Reply? \n"})
    assert renderings(corpus_folder) == (
        Rendering("能点吗", "May I tap it?"),
        Rendering("回吗", "Reply?"),
    )
    assert read(corpus_folder).sha256 == before


@pytest.mark.parametrize(
    ("content", "line", "english"),
    [
        pytest.param("甲\ta\n乙\n", 2, "a tab, English", id="no-tab"),
        pytest.param("甲\ta\tb\n", 1, "a tab, English", id="two-tabs"),
        pytest.param("甲\t \n", 1, "a tab, English", id="no-english"),
        pytest.param("甲\ta\n\n乙\tb\n", 2, "a tab, English", id="empty-line"),
        pytest.param("甲\ta\n乙\tb\n甲\tc\n", 3, "stands above", id="twice"),
        pytest.param(b"\n\xff", 2, "not UTF-8", id="bytes"),
    ],
)
def test_fault_of_a_rendering_is_named_by_file_and_line(tmp_path, content, line, english):
    with pytest.raises(CorpusInvalid) as caught:
        renderings(write(tmp_path, {"english.tsv": content}))
    (fault,) = caught.value.faults
    assert (fault.path, fault.line) == ("english.tsv", line)
    assert english in fault.english
    assert re.search("[\u4e00-\u9fff]", fault.chinese)


def test_the_shipped_renderings_name_no_judged_question():
    judged = (CORPUS / "judged" / "queries.jsonl").read_text("utf-8").splitlines()
    asked = {json.loads(line)["text"] for line in judged}
    rendered = renderings(CORPUS)
    assert len(rendered) > 6000
    assert not asked & {one.chinese for one in rendered}


def test_only_text_files_that_are_not_hidden_are_documents(tmp_path):
    files = {"a.md": "甲。", "b.TXT": "乙。", "c.MD": "丙。", "d/e.txt": "丁。"}
    others = {".x.md": "x", ".git/y.md": "x", "z.html": "x", "w.md~": "x", "v": "x"}
    ids = [d.id for d in read(write(tmp_path, files | others)).documents]
    assert ids == ["a", "b", "c", "d-e"]


def test_dictionary_and_lists_beside_loose_guidance_are_not_guidance(tmp_path):
    lists = {"dictionary.txt": "词\n", "stopwords.txt": "的\n", "never-write.txt": "包过\n"}
    corpus = read(write(tmp_path, {"a.md": "文。"} | lists))
    assert [d.id for d in corpus.documents] == ["a"]
    assert corpus.never == ("包过",)


def test_files_beside_the_guidance_folder_are_not_guidance(tmp_path):
    corpus = read(write(tmp_path, {"guidance/a.md": "文。", "README.md": "说明。"}))
    assert [d.path for d in corpus.documents] == ["guidance/a.md"]


@pytest.mark.parametrize("make", [False, True], ids=["no-folder", "no-document"])
def test_missing_corpus_is_named(tmp_path, make):
    folder = tmp_path / "mine"
    if make:
        write(folder, {"guidance/notes.html": "x"})
    with pytest.raises(CorpusMissing) as caught:
        read(folder)
    assert str(folder) in str(caught.value)
    assert str(folder) in caught.value.english


def test_folder_that_may_not_be_listed_is_a_fault(tmp_path, monkeypatch):
    write(tmp_path, {"guidance/a.md": "文。", "guidance/closed/b.md": "文。"})
    scandir = os.scandir

    def closed(path):  # a mode would not stop root
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(CorpusInvalid) as caught:
        read(tmp_path)
    assert "guidance/closed" in str(caught.value)


# Identity


def test_passage_id_is_the_topic_and_eight_digits_of_heading_and_text(tmp_path):
    # printf '\n文。' | sha256sum; printf '怎么做\n1. 看。' | sha256sum
    found = document(tmp_path, HEAD + "文。\n\n## 怎么做\n\n1. 看。\n").passages
    assert [p.id for p in found] == ["a#aad2ae23", "a#015ae9c8"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("## 怎么做", "## 先看\n\n新的一节。\n\n## 怎么做", id="section"),
        pytest.param("title: 收到", "title: 刚收到", id="title"),
        pytest.param("法律没有", "法律里没有", id="lead-reworded"),
        pytest.param("related: [fake, credit]\n", "", id="front-matter-shorter"),
    ],
)
def test_passage_id_stays_when_something_before_it_changes(corpus_folder, before, after):
    file = corpus_folder / "guidance" / "c1" / "reply.md"
    steps = next(p for p in read(corpus_folder).passages if p.heading == "怎么做")
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), "utf-8")
    assert steps.id in {p.id for p in read(corpus_folder).passages}


def test_passage_ids_stay_when_a_long_passage_is_inserted_before_them(tmp_path):
    first, second, new = "甲" * 300 + "。", "乙" * 300 + "。", "丙" * 300 + "。"
    before = [p.id for p in document(tmp_path, f"{HEAD}{first}\n\n{second}\n").passages]
    after = [p.id for p in document(tmp_path, f"{HEAD}{new}\n\n{first}\n\n{second}\n").passages]
    assert len(before) == 2
    assert after[1:] == before


def test_sha256_follows_the_content_and_not_the_place(corpus_folder, copy_of):
    assert read(corpus_folder).sha256 == read(copy_of(corpus_folder, "copy")).sha256


@pytest.mark.parametrize(
    "name",
    [
        "guidance/c1/fake.md",
        "chapters.yaml",
        "off-topic.tsv",
        "guidance/c1/new.md",
        "lookalikes.txt",
        "urgent.tsv",
        "replies.yaml",
        "urgent.yaml",
    ],
)
def test_sha256_changes_with_every_file(corpus_folder, name):
    rules = {file: (CORPUS / file).read_bytes() for file in RULES}
    before = read(write(corpus_folder, rules)).sha256
    with (corpus_folder / name).open("a", encoding="utf-8") as file:
        file.write(
            {
                "chapters.yaml": "c3: 三\n",
                "lookalikes.txt": "# 多一行\n",
                "off-topic.tsv": "far\t你好\n",
                "replies.yaml": "# 多一行\n",
                "urgent.tsv": "none\t多一行\n",
                "urgent.yaml": "# 多一行\n",
            }.get(name, "\n多一段。\n")
        )
    assert read(corpus_folder).sha256 != before


def test_sha256_changes_with_a_file_s_name(corpus_folder):
    write(corpus_folder, {"guidance/c1/one.md": "文。"})
    before = read(corpus_folder).sha256
    shutil.move(corpus_folder / "guidance/c1/one.md", corpus_folder / "guidance/c1/two.md")
    assert read(corpus_folder).sha256 != before


# Faults


def head(*lines: str) -> str:
    return "\n".join(["---", "id: a", "title: 甲", *lines, "---", "文。", ""])


@pytest.mark.parametrize(
    ("content", "line", "english"),
    [
        pytest.param("---\nid: a\n---\n文。\n", 1, "the field title is missing", id="no-title"),
        pytest.param("---\nid: a\ntitle:\n---\n文。\n", 3, "title: Input", id="title-null"),
        pytest.param("---\nid: a\ntitle: ' '\n---\n文。\n", 3, "at least 1 char", id="title-blank"),
        pytest.param("---\nid: a\ntitle: 12\n---\n文。\n", 3, "valid string", id="title-number"),
        pytest.param(head("colour: red"), 4, "the field colour is not known", id="unknown-field"),
        pytest.param(head("title: 乙"), 4, "title is given twice", id="field-twice"),
        pytest.param(head("questions: 几天"), 4, "valid list", id="questions-text"),
        pytest.param(
            head("sources: [一]", "questions: [1]"), 5, "valid string", id="question-number"
        ),
        pytest.param(head("questions: [几天, ' ']"), 4, "at least 1 char", id="question-blank"),
        pytest.param(head("related: {b: c}"), 4, "valid list", id="related-mapping"),
        pytest.param(head("reviewed: 昨天"), 4, "valid date", id="date-words"),
        pytest.param(head("reviewed: 2026-02-30"), 4, "out of range", id="date-impossible"),
        pytest.param(head("reviewed: 2026-02-20 10:00:00"), 4, "valid date", id="date-with-time"),
        pytest.param(head("1: 一"), 4, "Keys should be strings", id="key-number"),
        pytest.param(
            head("sources: [一", "reviewed: 2026-11-24"), 5, "invalid YAML", id="bad-yaml"
        ),
        pytest.param(head("sources: !!python/name:os.x"), 4, "invalid YAML", id="yaml-tag"),
        pytest.param("---\n- a\n---\n文。\n", 1, "must be `key: value`", id="head-list"),
        pytest.param("---\n---\n文。\n", 1, "must be `key: value`", id="head-empty"),
        pytest.param("---\nid: a\ntitle: 甲\n文。\n", 1, "not closed", id="head-open"),
        pytest.param(
            "---\nid: b\ntitle: 甲\n---\n文。\n", 2, "not the file name", id="id-not-name"
        ),
        pytest.param("---\nid: a/b\ntitle: 甲\n---\n文。\n", 2, "match pattern", id="id-path"),
        pytest.param(head()[: -len("文。\n")], 5, "no text below the head", id="no-text"),
        pytest.param("", 1, "the file is empty", id="empty"),
        pytest.param(" \n\u3000\n", 1, "the file is empty", id="blank"),
        pytest.param("# 只有标题\n", 1, "no text", id="heading-only"),
        pytest.param(b"\xff\xfe-\x00-\x00", 1, "not UTF-8", id="utf-16"),
        pytest.param("文。\n\n逾期".encode("gb18030"), 1, "not UTF-8", id="gb18030"),
        pytest.param(head().encode() + b"\n\xe6\x96", 7, "not UTF-8", id="cut-character"),
        pytest.param(head() + "\n文\x00。", 7, "control character", id="nul"),
        pytest.param(head() + "\n文\x1b[1m。", 7, "control character", id="escape"),
        pytest.param(head("sources: ['\x80']"), 4, "control character", id="c1-control"),
        pytest.param(head("sources: ['\uffff']"), 4, "control character", id="not-a-character"),
    ],
)
def test_fault_is_named_by_file_and_line(tmp_path, content, line, english):
    (fault,) = faults(tmp_path, {"guidance/c/a.md": content})
    assert (fault.path, fault.line) == ("guidance/c/a.md", line)
    assert english in fault.english
    assert re.search("[\u4e00-\u9fff]", fault.chinese)


RULE = '- {kind: a, says: 甲, numbers: "110", topics: a, phrases: 乙}'


@pytest.mark.parametrize(
    ("name", "content", "line", "english"),
    [
        pytest.param("chapters.yaml", "- c1\n", 1, "`folder: title`", id="chapters-list"),
        pytest.param("chapters.yaml", "# 章\n", 1, "`folder: title`", id="chapters-none"),
        pytest.param("chapters.yaml", "c1: 一\nc2: 2\n", 2, "`folder: title`", id="chapter-number"),
        pytest.param("chapters.yaml", "c1: 一\nc1: 二\n", 2, "given twice", id="chapter-twice"),
        pytest.param("chapters.yaml", "c1: 一\nc2: ]\n", 2, "invalid YAML", id="chapters-yaml"),
        pytest.param("chapters.yaml", "", 1, "empty", id="chapters-empty"),
        pytest.param("off-topic.tsv", "near\t离婚\n红烧肉\n", 2, "near or far", id="no-kind"),
        pytest.param("off-topic.tsv", "near\t离婚\nmid\t车\n", 2, "near or far", id="other-kind"),
        pytest.param("off-topic.tsv", "far\t \n", 1, "near or far", id="no-question"),
        pytest.param("off-topic.tsv", "far\t车\n\nfar\t船\n", 2, "near or far", id="empty-line"),
        pytest.param("off-topic.tsv", b"far\t\xff\n", 1, "not UTF-8", id="off-topic-bytes"),
        pytest.param("contacts.yaml", "a: b\n", 1, "number, name and for", id="contacts-mapping"),
        pytest.param("contacts.yaml", "# 无\n", 1, "number, name and for", id="contacts-none"),
        pytest.param(
            "contacts.yaml",
            '- {number: "1", name: 甲, for: 乙}\n- number: "2"\n  name: 丙\n',
            2,
            "number, name and for",
            id="contact-without-purpose",
        ),
        pytest.param(
            "contacts.yaml",
            '- {number: "1", name: 甲, for: 乙, shown: 也许}\n',
            1,
            "shown is true or false",
            id="contact-shown-words",
        ),
        pytest.param("contacts.yaml", "- {number: 1\n", 2, "invalid YAML", id="contacts-yaml"),
        pytest.param("never-write.txt", b"\n\xff", 2, "not UTF-8", id="phrases-bytes"),
        pytest.param("urgent.tsv", "none\t甲\n乙\n", 2, "one of none, self-harm", id="no-tab"),
        pytest.param("urgent.tsv", "none\t甲\nfar\t乙\n", 2, "one of none", id="example-kind"),
        pytest.param("urgent.tsv", "none\t \n", 1, "one of none", id="example-empty"),
        pytest.param("urgent.tsv", "none\t甲\n\nnone\t乙\n", 2, "one of none", id="examples-gap"),
        pytest.param("urgent.tsv", b"none\t\xff\n", 1, "not UTF-8", id="examples-bytes"),
        pytest.param("urgent.tsv", "", 1, "empty", id="examples-none"),
        pytest.param("urgent.yaml", "a: b\n", 1, "missing", id="urgent-mapping"),
        pytest.param("urgent.yaml", "- 甲\n", 1, "dictionary", id="urgent-words"),
        pytest.param("urgent.yaml", "- {kind: a\n", 2, "invalid YAML", id="urgent-yaml"),
        pytest.param("urgent.yaml", b"\n\xff", 2, "not UTF-8", id="urgent-bytes"),
        pytest.param("urgent.yaml", f"{RULE}\n- kind: b\n", 2, "says is missing", id="no-words"),
        pytest.param("urgent.yaml", RULE.replace("乙", "乙, more: 1"), 1, "more is", id="field"),
        pytest.param("urgent.yaml", RULE.replace("kind: a", "kind: A B"), 1, "kind:", id="kind"),
        pytest.param("urgent.yaml", RULE.replace("甲", "' '"), 1, "says:", id="says-blank"),
        pytest.param("urgent.yaml", RULE.replace("110", "999"), 1, "no contact 999", id="number"),
        pytest.param(
            "urgent.yaml", RULE.replace("乙", "乙, margin: 多"), 1, "margin:", id="margin-words"
        ),
        pytest.param("urgent.yaml", RULE.replace("乙", "''"), 1, "phrases", id="no-phrases"),
        pytest.param("replies.yaml", "a: b\n", 1, "missing", id="replies-mapping"),
        pytest.param("replies.yaml", "- {kind: a, says: 1}\n", 1, "says:", id="says-number"),
        pytest.param(
            "replies.yaml",
            "- {kind: a, says: 好}\n- {kind: b, says: 好, phrases: 你好}\n",
            2,
            "phrases:",
            id="reply-phrases-words",
        ),
        pytest.param("replies.yaml", "- kind: a\n  says: ]\n", 2, "invalid YAML", id="reply-yaml"),
        pytest.param("replies.yaml", b"\xff", 1, "not UTF-8", id="replies-bytes"),
        pytest.param("lookalikes.txt", "# 形\n末未 己\n", 2, "two characters", id="group-of-one"),
        pytest.param("lookalikes.txt", b"\n\xff", 2, "not UTF-8", id="lookalikes-bytes"),
    ],
)
def test_fault_of_a_list_is_named_by_file_and_line(tmp_path, name, content, line, english):
    (fault,) = faults(tmp_path, {"guidance/a.md": "文。", name: content})
    assert (fault.path, fault.line) == (name, line)
    assert english in fault.english
    assert re.search("[\u4e00-\u9fff]", fault.chinese)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("guidance/c/a.md", "guidance/d/a.md", id="prepared"),
        pytest.param("guidance/b c.md", "guidance/b-c.txt", id="by-path"),
    ],
)
def test_duplicate_id_is_named_at_the_second_file(tmp_path, first, second):
    content = HEAD + "文。\n" if first.endswith("/a.md") else "文。\n"
    (fault,) = faults(tmp_path, {first: content, second: content})
    assert fault.path == second
    assert fault.line == (2 if content != "文。\n" else 1)
    assert first in fault.chinese
    assert first in fault.english


def test_repeated_passage_is_named_with_the_line_of_the_first(tmp_path):
    body = "## 要注意\n\n别点。\n\n## 别的\n\n文。\n\n## 要注意\n\n别点。\n"
    (fault,) = faults(tmp_path, {"guidance/c/a.md": HEAD + body})
    assert (fault.path, fault.line) == ("guidance/c/a.md", 15)
    assert fault.english == "repeats the passage of line 7."


def test_same_text_under_another_heading_is_no_repeat(tmp_path):
    found = document(tmp_path, HEAD + "## 要注意\n\n别点。\n\n## 怎么做\n\n别点。\n").passages
    assert len({p.id for p in found}) == 2


def test_faults_of_several_files_are_reported_at_once_in_order(tmp_path):
    files = {
        "guidance/c/b.md": b"\xff",
        "guidance/c/a.md": head("colour: red"),
        "guidance/c/d.md": "文。",
        "off-topic.tsv": "x",
        "chapters.yaml": "- c1\n",
        "contacts.yaml": "1\n",
    }
    found = faults(tmp_path, files)
    assert [(fault.path, fault.line) for fault in found] == [
        ("chapters.yaml", 1),
        ("contacts.yaml", 1),
        ("guidance/c/a.md", 4),
        ("guidance/c/b.md", 1),
        ("off-topic.tsv", 1),
    ]


def test_invalid_corpus_lists_every_fault_in_both_languages(tmp_path):
    files = {"guidance/c/a.md": head("colour: red"), "guidance/c/b.md": b"\xff"}
    with pytest.raises(CorpusInvalid) as caught:
        read(write(tmp_path, files))
    assert str(caught.value).splitlines()[1:] == [
        "  guidance/c/a.md:4: 不认识的字段 colour。",
        "  guidance/c/b.md:1: 不是 UTF-8 编码，请另存为 UTF-8。",
    ]
    assert caught.value.english.splitlines()[1:] == [
        "  guidance/c/a.md:4: the field colour is not known.",
        "  guidance/c/b.md:1: not UTF-8; save it as UTF-8.",
    ]


# Markdown


@pytest.mark.parametrize(
    ("content", "title"),
    [
        pytest.param("# 标题\n\n首段。\n\n## 节\n\n文。\n", "标题", id="first-heading"),
        pytest.param("标题\n====\n\n首段。\n", "标题", id="underlined"),
        pytest.param("## 标题\n\n首段。\n\n### 节\n\n文。\n", "标题", id="second-level"),
        pytest.param("# 甲 `乙` **丙**\n\n首段。\n", "甲 乙 丙", id="marks-dropped"),
        pytest.param("# 一\n\n甲。\n\n# 二\n\n乙。\n", "my file", id="two-on-one-level"),
        pytest.param("首段。\n\n## 节\n\n文。\n", "my file", id="text-first"),
        pytest.param("首段。\n", "my file", id="no-heading"),
    ],
)
def test_title_without_front_matter(tmp_path, content, title):
    found = document(tmp_path, content, "more/my file.md")
    assert (found.id, found.title, found.chapter) == ("more-my-file", title, "")


def test_unprepared_file_is_one_group_per_section(tmp_path):
    found = document(tmp_path, "# 标题\n\n甲。\n\n## 节\n\n乙。\n\n### 小\n\n丙。\n", "x.md")
    assert [(p.heading, p.text, p.group) for p in found.passages] == [
        ("", "甲。", "x#0"),
        ("节", "乙。", "x#1"),
        ("节 / 小", "丙。", "x#2"),
    ]
    assert (found.questions, found.sources, found.reviewed, found.lines) == ((), (), None, {})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("收到\n通知。\n", [("", "收到通知。", 5)], id="wrapped-lines"),
        pytest.param("Read\nit.\n", [("", "Read it.", 5)], id="wrapped-english"),
        pytest.param(
            "甲\\*乙 &amp; [链](http://a) **粗**`码`<b>标</b>\n",
            [("", "甲*乙 & 链 粗码标", 5)],
            id="inline-marks",
        ),
        pytest.param("甲。\n\n乙。\n", [("", "甲。\n乙。", 5)], id="paragraphs-packed"),
        pytest.param("1. 一\n2. 二\n", [("", "1. 一\n2. 二", 5)], id="steps"),
        pytest.param("7. 七\n8. 八\n", [("", "7. 七\n8. 八", 5)], id="steps-from-seven"),
        pytest.param("* 甲\n* 乙\n", [("", "- 甲\n- 乙", 5)], id="items"),
        pytest.param(
            "1. 一\n   - 甲\n     1. 子\n   - 乙\n2. 二\n",
            [("", "1. 一\n　- 甲\n　　1. 子\n　- 乙\n2. 二", 5)],
            id="nested-lists",
        ),
        pytest.param("- 甲\n\n  续。\n- 乙\n", [("", "- 甲\n续。\n- 乙", 5)], id="item-of-two"),
        pytest.param("> 引\n> 文。\n", [("", "引文。", 5)], id="quotation"),
        pytest.param(
            "甲。\n\n## 表\n\n| 项 | 价 |\n|---|---|\n| 一 | 2 |\n| 三 | 4 |\n",
            [("", "甲。", 5), ("表", "项 | 价\n一 | 2\n三 | 4", 9)],
            id="table",
        ),
        pytest.param("```sh\na = 1\n\n# b\n```\n", [("", "a = 1\n\n# b", 5)], id="code"),
        pytest.param("甲。\n\n    缩进\n", [("", "甲。\n缩进", 5)], id="indented-code"),
        pytest.param("甲。\n\n---\n\n乙。\n", [("", "甲。\n乙。", 5)], id="rule"),
        pytest.param("## 怎么做\n\n1. 看。\n", [("怎么做", "1. 看。", 7)], id="sole-heading"),
        pytest.param(
            "# 甲\n\n文。\n\n## 节\n\n乙。\n", [("", "文。", 7), ("节", "乙。", 11)], id="title"
        ),
        pytest.param("## 空\n\n## 节\n\n乙。\n", [("节", "乙。", 9)], id="section-without-text"),
        pytest.param(
            "## A\n\n甲。\n\n# B\n\n乙。\n", [("A", "甲。", 7), ("B", "乙。", 11)], id="falling"
        ),
    ],
)
def test_markdown_as_shown(tmp_path, body, expected):
    assert shown(tmp_path, HEAD + body) == expected


def test_heading_called_none_is_a_heading(tmp_path):
    found = shown(tmp_path, "# None\n\n甲。\n\n## x\n\n乙。\n\n# y\n\n丙。\n", "a.md")
    assert [heading for heading, _, _ in found] == ["None", "None / x", "y"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("\ufeff" + HEAD + "甲。\n\n- 乙\n", id="byte-order-mark"),
        pytest.param((HEAD + "甲。\n\n- 乙\n").replace("\n", "\r\n"), id="crlf"),
        pytest.param((HEAD + "甲。\n\n- 乙\n").replace("\n", "\r"), id="cr"),
        pytest.param(HEAD.replace("---", "---  ") + "甲。\n\n- 乙", id="spaces-after-fences"),
    ],
)
def test_marks_of_other_editors_change_nothing(tmp_path, content):
    found = document(tmp_path, content)
    assert (found.id, found.title, found.lines) == ("a", "甲", {"id": 2, "title": 3})
    assert [(p.text, p.line) for p in found.passages] == [("甲。\n- 乙", 5)]


# Plain text

ARTICLE = """
引言
收到调解通知时不少人会着急。先弄清是谁发来的。
第二段写的是背景。
---
一、先核实
短信里的网址不要点。
(1)打官方电话核实
(2)保存截图
---
二、再回应
尽早回应一次，说明情况，
并约好下次联系的时间。
---
"""


def test_plain_headings_are_told_by_their_form(tmp_path):
    assert shown(tmp_path, ARTICLE, "article.txt") == [
        ("引言", "收到调解通知时不少人会着急。先弄清是谁发来的。\n第二段写的是背景。", 3),
        ("一、先核实", "短信里的网址不要点。\n(1)打官方电话核实\n(2)保存截图", 7),
        ("二、再回应", "尽早回应一次，说明情况，\n并约好下次联系的时间。", 12),
    ]


def test_plain_file_is_titled_by_its_name_and_grouped_by_section(tmp_path):
    found = document(tmp_path, ARTICLE, "调解 指引.TXT")
    assert (found.id, found.title) == ("调解-指引", "调解 指引")
    assert [p.group for p in found.passages] == [f"调解-指引#{i}" for i in range(3)]


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        pytest.param("第一章 总则\n文字。\n", ["第一章 总则"], id="chapter"),
        pytest.param("（一）范围\n文字。\n", ["（一）范围"], id="parenthesis"),
        pytest.param("范围\n\n较长的一段文字。\n", ["范围"], id="short-line-alone"),
        pytest.param("较长的一行文字在上面\n\n短。\n", [""], id="longer-than-what-follows"),
        pytest.param("一、这是一句话。\n文字。\n", [""], id="sentence"),
        pytest.param("一、" + "长" * 40 + "\n文字。\n", [""], id="too-long"),
        pytest.param("文字。\n一、末尾\n", [""], id="nothing-follows"),
        pytest.param("1. 先看看\n文字在这里。\n", [""], id="step"),
        pytest.param("---\n范围\n较长的一段文字。\n", ["范围"], id="after-a-rule"),
    ],
)
def test_plain_heading_rule(tmp_path, text, headings):
    assert [heading for heading, _, _ in shown(tmp_path, text, "a.txt")] == headings


def test_front_matter_of_a_plain_file_is_text(tmp_path):
    found = document(tmp_path, "---\ntitle: 甲\n---\n文。\n", "a.txt")
    assert found.title == "a"
    assert "title: 甲" in found.passages[0].text


def test_unprepared_article_becomes_its_six_sections(tmp_path):
    if not ORIGINAL.is_file():
        pytest.skip("shared/guidance/original.txt is not beside this repository")
    found = document(tmp_path, ORIGINAL.read_bytes(), "original.txt")
    assert list(dict.fromkeys(p.heading for p in found.passages)) == [
        "引言",
        "一、理解调解的本质与意义",
        "二、及时响应调解请求",
        "三、明确自身权益与责任",
        "四、积极参与协商过程",
        "五、总结与展望",
    ]
    assert max(len(p.text) for p in found.passages) <= LONGEST_PASSAGE


# Sentences, blocks, passages


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("甲。乙！丙？", ["甲。", "乙！", "丙？"], id="plain"),
        pytest.param(
            "他说：“别理。等着。”就挂了。好。",
            ["他说：“别理。等着。”就挂了。", "好。"],
            id="quotes",
        ),
        pytest.param("他说：“别理。”", ["他说：“别理。”"], id="ends-inside-quotes"),
        pytest.param("“甲。”乙说。“丙！”", ["“甲。”乙说。", "“丙！”"], id="two-quotes"),
        pytest.param("“说‘好。’的。”完。", ["“说‘好。’的。”完。"], id="nested-quotes"),
        pytest.param(
            "见附件（共两页。）再签。完。", ["见附件（共两页。）再签。", "完。"], id="brackets"
        ),
        pytest.param("“甲。乙。", ["“甲。", "乙。"], id="quote-left-open"),
        pytest.param("甲。）乙。", ["甲。）", "乙。"], id="bracket-never-opened"),
        pytest.param("真的？！好……嗯。", ["真的？！", "好……", "嗯。"], id="runs-of-marks"),
        pytest.param("没有句号", ["没有句号"], id="no-mark"),
        pytest.param("甲\n乙。", ["甲", "乙。"], id="line-ends"),
        pytest.param("1. 先看。再打。", ["先看。", "再打。"], id="step"),
        pytest.param("- 项。", ["项。"], id="item"),
        pytest.param("Pay 3.5 now. Call.", ["Pay 3.5 now.", "Call."], id="latin"),
        pytest.param("  甲。  乙。  ", ["甲。", "乙。"], id="spaces"),
        pytest.param("", [], id="nothing"),
        pytest.param(" \n ", [], id="blank"),
    ],
)
def test_sentences(text, expected):
    assert [text[start:end] for start, end in sentences(text)] == expected


def test_blocks_tell_steps_items_and_text_and_leave_out_the_marker():
    text = "先看。\n1. 一。\n12) 十二。\n- 甲\n• 乙\n\n3.5 倍\n1、无空格"
    assert [(kind, text[start:end]) for kind, start, end in blocks(text)] == [
        ("text", "先看。"),
        ("step", "一。"),
        ("step", "十二。"),
        ("item", "甲"),
        ("item", "乙"),
        ("text", "3.5 倍"),
        ("text", "1、无空格"),
    ]


def cut(*texts: str) -> list[Block]:
    return list(passages(Section("", tuple(Block(t, i + 1) for i, t in enumerate(texts)))))


def test_blocks_are_packed_up_to_the_longest_passage():
    a, b, c = "甲" * 100, "乙" * 219, "丙"  # with the line end between them, a and b are 320
    assert cut(a, b, c) == [Block(f"{a}\n{b}", 1), Block(c, 3)]
    assert cut(a, b + "乙") == [Block(a, 1), Block(b + "乙", 2)]


def test_long_paragraph_is_cut_between_sentences_into_equal_parts():
    sentence = "甲" * 99 + "。"
    assert [p.text for p in cut(sentence * 4)] == [sentence * 2, sentence * 2]


def test_one_long_sentence_stays_whole():
    text = "甲" * 500 + "。"
    assert cut(text) == [Block(text, 1)]


def test_one_long_step_stays_whole():
    step = "1. " + "先看清是谁发的。" * 60
    assert cut("开头。", step, "结尾。") == [Block("开头。", 1), Block(step, 2), Block("结尾。", 3)]


SENTENCE = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "“", "（", "他说：“甲。"]),
    st.integers(1, 400).map("字".__mul__),
    st.sampled_from(["。", "！", "……", "", " "]),
    st.sampled_from(["", "”", "）", "\n"]),
)
BLOCK = st.builds(
    "{}{}".format,
    st.sampled_from(["", "1. ", "- ", "12) "]),
    st.lists(SENTENCE, min_size=1, max_size=8).map("".join),
)


@given(st.lists(BLOCK, min_size=1, max_size=6))
@example(["“甲。" * 200])
@hypothesis_settings(deadline=None)
def test_no_sentence_is_ever_cut_and_no_text_lost(texts):
    found = [block.text for block in cut(*texts)]
    squeezed = re.sub(r"\s", "", "".join(texts))
    assert re.sub(r"\s", "", "".join(found)) == squeezed
    for text in texts:
        for start, end in sentences(text):
            assert any(text[start:end] in passage for passage in found)


@given(st.lists(BLOCK, min_size=1, max_size=6))
@hypothesis_settings(deadline=None)
def test_no_step_is_ever_cut_and_only_what_cannot_be_cut_is_long(texts):
    found = [block.text for block in cut(*texts)]
    for text in texts:
        if re.match(r"\d+[.)] |- ", text):
            assert any(text in passage for passage in found)
    for passage in found:
        if len(passage) > LONGEST_PASSAGE:
            assert passage in texts or len(sentences(passage)) == 1


@pytest.mark.parametrize("name", ["？.txt", "off-topic.txt"])
def test_a_file_name_that_makes_no_id_is_a_fault(tmp_path, name):
    (tmp_path / name).write_text("一段话。", "utf-8")
    with pytest.raises(CorpusInvalid, match=f"{name}:1"):
        read(tmp_path)
