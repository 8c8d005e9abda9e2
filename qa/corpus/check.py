"""An editor's linter: what reading allows but the guidance must not have, by file and line."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from itertools import combinations

from qa.corpus.model import Corpus, Document, Passage
from qa.corpus.split import LONGEST_PASSAGE, sentences
from qa.errors import Fault
from qa.normalise import normalise

LONGEST_REVIEW_AGE = datetime.timedelta(days=365)
# Shares of common character trigrams (Jaccard) from which two texts count as the same.
NEAR_PASSAGES = 0.7
NEAR_QUESTIONS = 0.6
# Of all pairs of a document's question variants, how many may be nearly the same.
MOST_NEAR_QUESTIONS = 0.01

_ARTICLE = re.compile(r"第[一二三四五六七八九十百千零〇\d]+条")
_CITED_LAW = re.compile(r"《([^《》]+)》")
# Deadlines, rates and sums that decide what a person does.
_NUMBER = re.compile(r"\d+(?:\.\d+)?\s*(?:日|天|个工作日|个月|年内|倍|%|％|万元|元|小时内)")
_SUPPORT = re.compile(r"《|据公开报道|第[一二三四五六七八九十百千零〇\d]+条|〔\d+〕")
# Short public service numbers: 12xxx, 95xxx, 96xxx, 110, 119, 120.
_HOTLINE = re.compile(r"(?<![\d第.])(?:12[0-9]{3}|9[56][0-9]{3}|11[0-9]|120)(?![\d日天年月元%万])")
# The name beside a number: "……热线（12348" or "12348……热线".
_NAME_BEFORE = re.compile(r"([\u4e00-\u9fff]{2,16}热线)[（(：:]?$")
_NAME_AFTER = re.compile(r"[）)]?([\u4e00-\u9fff]{2,16}?热线)")

_Fault = Callable[[str, str], Fault]


def check(corpus: Corpus, today: datetime.date | None = None) -> list[Fault]:
    """Return every fault, in the order of files and lines; an empty list means none.

    Args:
        today: the day against which review dates are judged; the current day if not given.
    """
    day = today or datetime.date.today()
    ids = {document.id for document in corpus.documents}
    faults = [
        fault
        for document in corpus.documents
        for fault in [
            *_related(document, ids),
            *_review(document, day),
            *_questions(document),
            *_sources(document),
            *(f for passage in document.passages for f in _passage(document, passage, corpus)),
        ]
    ]
    faults += _near_passages(corpus)
    faults += _repeated_questions(corpus)
    return sorted(faults, key=lambda fault: (fault.path, fault.line))


def _related(document: Document, ids: set[str]) -> Iterator[Fault]:
    for id in document.related:
        if id not in ids:
            yield _fault(document, "related", f"related 里的 {id} 不存在。", f"no topic {id}.")
        elif id == document.id:
            yield _fault(document, "related", "related 指向自己。", "related to itself.")


def _review(document: Document, today: datetime.date) -> Iterator[Fault]:
    if not document.lines:
        return  # a file without front matter promises no review
    if document.reviewed is None:
        yield _fault(document, "title", "缺少 reviewed（核对日期）。", "no review date.")
        return
    reviewed = datetime.date.fromisoformat(document.reviewed)
    if reviewed > today:
        yield _fault(document, "reviewed", "核对日期在将来。", "the review date is in the future.")
    elif today - reviewed > LONGEST_REVIEW_AGE:
        yield _fault(document, "reviewed", "核对日期超过12个月。", "reviewed over 12 months ago.")


def _questions(document: Document) -> Iterator[Fault]:
    """Report question variants that are nearly the same as each other."""
    grams = [_trigrams(question) for question in document.questions]
    pairs = list(combinations(range(len(grams)), 2))
    near = [(a, b) for a, b in pairs if _jaccard(grams[a], grams[b]) >= NEAR_QUESTIONS]
    if pairs and len(near) / len(pairs) > MOST_NEAR_QUESTIONS:
        a, b = near[0]
        first, second = document.questions[a], document.questions[b]
        yield _fault(
            document,
            "questions",
            f"问法过于雷同：{len(near)} 对，例如“{first}”与“{second}”。",
            f"{len(near)} pairs of questions are nearly the same.",
        )


def _sources(document: Document) -> Iterator[Fault]:
    """Report laws that the text cites by article and ``sources`` does not name."""
    if not document.lines:
        return  # a file without front matter has no sources to name them in
    listed = "\n".join(document.sources)
    for passage in document.passages:
        for start, end in sentences(passage.text):
            sentence = passage.text[start:end]
            if not _ARTICLE.search(sentence):
                continue
            laws = _CITED_LAW.findall(sentence)
            for law in laws:
                if law not in listed:
                    yield Fault(
                        document.path,
                        passage.line,
                        f"正文引用了《{law}》的条文，sources 里没有。",
                        f"cites an article of {law}, which is not among the sources.",
                    )
            for article in _ARTICLE.findall(sentence):
                if article not in listed:
                    yield Fault(
                        document.path,
                        passage.line,
                        f"正文引用了{article}，sources 里没有。",
                        f"cites {article}, which is not among the sources.",
                    )


def _passage(document: Document, passage: Passage, corpus: Corpus) -> Iterator[Fault]:
    def fault(chinese: str, english: str) -> Fault:
        return Fault(document.path, passage.line, chinese, english)

    if len(passage.text) > LONGEST_PASSAGE:
        yield fault(
            f"这一段有 {len(passage.text)} 字，手机上太长，请分段。",
            f"{len(passage.text)} characters are too long for a phone.",
        )
    for phrase in corpus.never:
        if phrase in passage.text:
            yield fault(f"出现了禁用说法“{phrase}”。", f'the phrase "{phrase}" is never written.')
    if document.sources and not _SUPPORT.search(passage.text):
        for number in _NUMBER.findall(passage.text):
            yield fault(
                f"“{number}”没有写明依据（法条或“据公开报道”）。",
                f'"{number}" stands without its law or "据公开报道".',
            )
    if document.lines:
        yield from _hotlines(fault, passage, corpus)


def _hotlines(fault: _Fault, passage: Passage, corpus: Corpus) -> Iterator[Fault]:
    """Report numbers that the table of contacts does not have, or describes in another way."""
    contacts = {contact.number: contact for contact in corpus.contacts}
    for found in _HOTLINE.finditer(passage.text):
        number = found.group()
        if number not in contacts:
            yield fault(f"电话 {number} 不在 contacts.yaml 里。", f"{number} is no known contact.")
            continue
        before = _NAME_BEFORE.search(passage.text, 0, found.start())
        beside = before or _NAME_AFTER.match(passage.text, found.end())
        name = beside.group(1) if beside else ""
        full = contacts[number].name
        if name and not (full.endswith(name) or name.endswith(full[-6:])):
            yield fault(
                f"{number} 的名称“{name}”与 contacts.yaml 的“{full}”不同。",
                f"{number} is called {name}, not as in contacts.yaml.",
            )
        words = contacts[number].words
        said = f"{passage.title}{passage.heading}{passage.text}"
        if words and not any(word in said for word in words):
            yield fault(
                f"{number} 是用来{contacts[number].purpose}的，这一段没有提到。",
                f"what {number} is for ({', '.join(words)}) is not said in this passage.",
            )


def _near_passages(corpus: Corpus) -> Iterator[Fault]:
    paths = {document.id: document.path for document in corpus.documents}
    cut = [(passage, _trigrams(passage.text)) for passage in corpus.passages]
    for (first, a), (second, b) in combinations(cut, 2):
        if _jaccard(a, b) >= NEAR_PASSAGES:
            where = f"{paths[first.topic]}:{first.line}"
            chinese, english = f"与 {where} 几乎相同。", f"nearly the same as {where}."
            yield Fault(paths[second.topic], second.line, chinese, english)


def _repeated_questions(corpus: Corpus) -> Iterator[Fault]:
    seen: dict[str, Document] = {}
    for document in corpus.documents:
        for question in document.questions:
            key = normalise(question).text
            if key in seen:
                yield _fault(
                    document,
                    "questions",
                    f"问法“{question}”已用于 {seen[key].path}。",
                    f"the question is already in {seen[key].path}.",
                )
            seen.setdefault(key, document)


def _fault(document: Document, key: str, chinese: str, english: str) -> Fault:
    return Fault(document.path, document.lines.get(key, 1), chinese, english)


def _trigrams(text: str) -> frozenset[str]:
    folded = normalise(text).text
    return frozenset(folded[i : i + 3] for i in range(max(len(folded) - 2, 1)))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    small, large = sorted((len(a), len(b)))
    if small < large * min(NEAR_QUESTIONS, NEAR_PASSAGES):
        return 0.0  # cannot reach either limit
    common = len(a & b)
    return common / (len(a) + len(b) - common)
