"""An article that nobody prepared: indexed by its own sections, and asked about."""

import shutil
from pathlib import Path

import pytest

from qa.answer import Engine, Question
from qa.corpus import read
from qa.paths import CORPUS
from qa.rebuild import rebuild
from qa.settings import Settings

ARTICLE = Path(__file__).parents[2] / "shared/guidance/original.txt"
SECTIONS = ["引言", "一、理解", "二、及时", "三、明确", "四、积极", "五、总结"]

pytestmark = pytest.mark.skipif(
    not ARTICLE.is_file(), reason="the original article is not part of this repository"
)


@pytest.fixture(scope="module")
def article_engine(tmp_path_factory, engine):
    folder = tmp_path_factory.mktemp("article")
    (folder / "texts").mkdir()
    shutil.copy(ARTICLE, folder / "texts")
    rebuild(folder / "texts", folder / "index", engine.segmenter, engine.encoder, lambda *_: None)
    return Engine.open(Settings.load(corpus=folder / "texts", index=folder / "index"))


def test_its_headings_become_its_sections(article_engine):
    headings = list(dict.fromkeys(p.heading for p in article_engine.index.passages))
    assert [h[: len(s)] for h, s in zip(headings, SECTIONS, strict=True)] == SECTIONS


@pytest.mark.parametrize(
    ("question", "section"),
    [
        pytest.param("调解是强制性的法律行动吗", "一、", id="compulsory"),
        pytest.param("调解和诉讼相比快不快", "一、", id="faster-than-court"),
        pytest.param("收到调解信息要准备哪些材料", "二、", id="documents"),
        pytest.param("没有在规定时间内回复会怎样", "二、", id="no-reply"),
        pytest.param("怎么保护个人信息不泄露", "二、", id="privacy"),
        pytest.param("高额罚息和违约金怎么核实", "三、", id="penalty"),
        pytest.param("可以找律师帮忙吗", "三、", id="lawyer"),
        pytest.param("协商前要做什么准备", "四、", id="prepare"),
        pytest.param("谈不下去了怎么办，可以暂停吗", "四、", id="pause"),
        pytest.param("能不能向亲友借款或者分期付款", "四、", id="borrow"),
    ],
)
def test_a_question_about_it_finds_its_section(article_engine, question, section):
    answer = article_engine.ask(Question.parse(question, 3, Settings()))
    assert answer.status != "unanswered"
    assert section in [quote.passage.heading[: len(section)] for quote in answer.quotes][:2]


@pytest.mark.parametrize("question", ["红烧肉怎么做", "明天北京天气", "asdfgh"])
def test_a_question_that_it_does_not_touch_is_unanswered(article_engine, question):
    assert article_engine.ask(Question.parse(question, 3, Settings())).status == "unanswered"


def test_beside_the_guidance_it_neither_pushes_nor_is_pushed_out(tmp_path, engine):
    mixed = tmp_path / "corpus"
    shutil.copytree(CORPUS / "guidance", mixed / "guidance")
    for name in ("chapters.yaml", "dictionary.txt", "stopwords.txt", "synonyms.txt"):
        shutil.copy(CORPUS / name, mixed)
    shutil.copy(ARTICLE, mixed / "guidance/original.txt")
    rebuild(mixed, tmp_path / "index", engine.segmenter, engine.encoder, lambda *_: None)
    both = Engine.open(Settings.load(corpus=mixed, index=tmp_path / "index"))
    asked = Question.parse("短信里的链接能点吗", 3, Settings())
    assert both.ask(asked).quotes[0].passage.topic == "notice-link-click"
    exact = Question.parse("怎样使用先肯定后建议的表达途径", 5, Settings())
    assert "original" in {quote.passage.topic for quote in both.ask(exact).quotes}


def test_the_reader_takes_it_as_one_document_of_short_passages(tmp_path):
    shutil.copy(ARTICLE, tmp_path)
    (document,) = read(tmp_path).documents
    assert all(len(passage.text) <= 320 for passage in document.passages)
