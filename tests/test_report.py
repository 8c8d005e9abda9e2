"""The HTML report: well formed, complete, and nothing in it that calls out."""

import datetime
import re
from html.parser import HTMLParser

import pytest

from qa.evaluate import Judged, evaluate
from qa.evaluate.metrics import Bin, Estimate
from qa.evaluate.report import interval, page, plot, points, share

NOW = datetime.datetime(2026, 11, 24, 9, 5)
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Tree(HTMLParser):
    """Raises AssertionError where tags do not nest; keeps tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def evaluation(small_engine):
    judged = [
        Judged("1", "链接能不能点", "answerable", frozenset({"fake"})),
        Judged("3", "征信<b>&逾期", "answerable", frozenset({"reply"})),
        Judged("2", "zzz", "far", frozenset()),
    ]
    return evaluate(small_engine, judged, "dev", robust=True)


def test_the_page_is_well_formed_and_holds_the_numbers(evaluation):
    tree = Tree(page(evaluation, "qa evaluate --robust", NOW))
    fused = evaluation.systems["fused"]
    for words in (
        f"{fused['nDCG@10'].value:.3f}",
        f"{fused['hit@1'].low:.3f} 至 {fused['hit@1'].high:.3f}",
        f"{evaluation.calibration.value:.3f}",
        evaluation.build,
        "characters",
        "2026-11-24 09:05",
        "qa evaluate --robust",
        "第一章",
        "夹在长故事里",
        "其中至少一个有答案",
        "征信<b>&逾期",
    ):
        assert words in tree.text, words
    assert tree.tags.count("circle") >= len(plot(evaluation.bins))


def test_the_page_needs_nothing_from_elsewhere(evaluation):
    html = page(evaluation, "qa evaluate", NOW)
    tree = Tree(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(tree.tags)
    assert not {"src", "href", "xlink:href", "onload"} & {name for name, _ in tree.attributes}
    assert not re.search(r"https?:|//\w|url\(|@import", html)


def test_a_page_without_forms_chapters_or_unanswerable_questions(small_engine):
    judged = [Judged("1", "链接能不能点", "answerable", frozenset({"fake"}))]
    tree = Tree(page(evaluate(small_engine, judged, "dev"), "qa evaluate", NOW))
    assert "换一种写法" not in tree.text
    assert "没有答案的。" not in tree.text


def test_nothing_judged_is_a_page_of_dashes(small_engine):
    assert "–" in Tree(page(evaluate(small_engine, [], "dev"), "qa evaluate", NOW)).text


def test_the_plot_counts_downwards_and_leaves_empty_bins_out():
    full, other = Bin(0.9, 1.0, 4, 1.0, 0.75), Bin(0.4, 0.5, 1, 0.5, 0.0)
    first, second = plot((full, other, Bin(0, 0.1, 0, 0.0, 0.0)))
    assert (first.x, first.y, first.radius, first.column) == (360, 90, 15, 70)
    assert (second.x, second.y, second.radius, second.column) == (180, 360, 7.5, 17.5)
    assert second.diagonal == 180


def test_numbers_are_written_as_people_read_them():
    assert (share(0.5), share(None)) == ("0.500", "–")
    assert (points(0.0123), points(-0.02), points(-0.0), points(None)) == (
        "+1.2",
        "−2.0",
        "0.0",
        "–",
    )
    assert interval(Estimate(1, None)) == ""
    assert interval(Estimate(9, 0.1, -0.02, 0.3), True) == "−2.0 至 +30.0"
