"""The pages in each language and size, the checklist, the way out; without a browser."""

import re
import tomllib
from html import unescape
from html.parser import HTMLParser

import pytest

from qa.feedback import REASONS
from qa.paths import WEB
from qa.settings import Settings
from qa.web import create_app
from qa.web.view import LANGUAGES, View

ASKED = "收到调解短信后几天内要回复？"
TWO = "短信里的链接能点吗？还有，逾期会坐牢吗？"
OFF_TOPIC = "红烧肉怎么做才好吃"
HAN = re.compile("[\u4e00-\u9fff]")
PATHS = ["/", "/topics", "/topics/mental-health", "/topics/court-payment-order/checklist"]


class OutsideChinese(HTMLParser):
    """Reads what stands in no element whose language is Chinese."""

    def __init__(self):
        super().__init__()
        self.read, self.open = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in {"meta", "link", "input"}:
            self.open.append(dict(attributes).get("lang", "").startswith("zh"))

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, text):
        if not any(self.open):
            self.read.append(text)


def words():
    return tomllib.loads((WEB / "words.toml").read_text("utf-8"))


def without_quotations(page: str) -> str:
    """The text of a page outside what is marked as Chinese."""
    reader = OutsideChinese()
    reader.feed(page)
    return "".join(reader.read)


def test_everything_is_said_in_both_languages_and_with_the_same_blanks():
    for section, said in words().items():
        for name, word in said.items():
            assert set(word) == {"zh", "en"}, f"{section}.{name}"
            blanks = [sorted(re.findall(r"\{\w+\}", word[language])) for language in ("zh", "en")]
            assert blanks[0] == blanks[1], f"{section}.{name}"
            assert word["en"], f"{section}.{name}"


def test_nothing_is_kept_that_no_page_says():
    used = "".join(path.read_text("utf-8") for path in (WEB / "templates").glob("*.html"))
    for section, said in words().items():
        for name in said:
            if name not in REASONS:
                assert re.search(rf"""["']{section}\.{name}["']""", used), f"{section}.{name}"


def test_reasons_are_the_same_for_those_who_choose_and_those_who_count():
    assert {code: words()["feedback"][code]["zh"] for code in REASONS} == REASONS


@pytest.mark.parametrize("path", PATHS)
def test_english_pages_say_no_chinese_but_what_they_quote(client, path):
    page = client.get(path, query_string={"lang": "en"}).text
    assert '<html lang="en">' in page
    left = without_quotations(page)
    assert not HAN.search(left), HAN.findall(left)


@pytest.mark.parametrize("question", [ASKED, TWO, OFF_TOPIC, "谢谢", "不想活了", ""])
def test_english_answers_say_no_chinese_but_what_they_quote(client, question):
    page = client.post("/?lang=en", data={"question": question}, headers={"Accept": "text/html"})
    text = without_quotations(re.sub(r"<textarea.*?</textarea>", "", page.text, flags=re.DOTALL))
    assert not HAN.search(text), HAN.findall(text)


def test_what_is_quoted_stays_simplified_on_a_traditional_page(client):
    page = client.post("/?lang=hant", data={"question": "短信里的链接能点吗"}).text
    assert '<html lang="zh-Hant">' in page
    assert "找到了對應的指引" in page
    assert "核對日期" in page
    assert "短信里的链接、二维码" in re.sub("<[^>]*>", "", page)
    assert '<div class="quoted" lang="zh-CN">' in page


@pytest.mark.parametrize(
    ("asked_for", "tag"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("en-GB,en;q=0.9", "en"),
        ("fr", "zh-CN"),
        ("*", "zh-CN"),
        ("de,*;q=0.1", "zh-CN"),
        ("zh-Hant-TW", "zh-Hant"),
        ("en-US", "en"),
        ("en;q=0,zh-TW", "zh-Hant"),
        ("", "zh-CN"),
    ],
)
def test_language_follows_the_browser(client, asked_for, tag):
    page = client.get("/", headers={"Accept-Language": asked_for}).text
    assert f'<html lang="{tag}">' in page


def test_chosen_language_and_size_go_along_with_every_link(client):
    page = client.get("/topics/mental-health?lang=en&text=large").text
    inside = re.findall(r'(?:href|action)="(/(?!static)[^"#]*)', page)
    kept = [address for address in inside if "lang=en" in address and "text=large" in address]
    changed = [address for address in inside if address not in kept]
    assert len(kept) > 5
    # What remains are the other languages, and the other size.
    assert [unescape(address).partition("?")[2] for address in changed] == [
        "text=normal&lang=en",
        "lang=hans&text=large",
        "lang=hant&text=large",
    ]


def test_language_that_nobody_chose_is_in_no_link(client):
    page = client.get("/topics", headers={"Accept-Language": "en"}).text
    assert 'href="/topics/mental-health"' in page


def test_answer_is_shown_in_another_language_by_asking_again(client):
    page = client.post("/", data={"question": ASKED}).text
    form = re.search(r'<form method="post" class="display".*?</form>', page, re.DOTALL)[0]
    assert f'<input type="hidden" name="question" value="{ASKED}">' in form
    assert re.findall('formaction="([^"]*)"', form) == ["/?text=large", "/?lang=hant", "/?lang=en"]
    again = client.post("/?lang=en", data={"question": ASKED}).text
    assert "Found guidance that answers this" in again


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("hans", ["您问了两件事", "第一问：“短信里的链接能点吗?”"]),
        ("hant", ["您問了兩件事", "第一問：“短信里的链接能点吗?”"]),
        ("en", ["You asked 2 things", "Question 1: “"]),
    ],
)
def test_several_questions_are_counted_in_the_page_s_language(client, lang, said):
    page = client.post(f"/?lang={lang}", data={"question": TWO}).text
    page = unescape(re.sub("<[^>]*>", "", page))
    for words_of_it in said:
        assert words_of_it in page


def test_mistakes_are_said_in_the_language_of_the_page(client):
    browser = {"Accept": "text/html"}
    empty = [client.post(f"/?lang={one}", data={}, headers=browser).text for one in LANGUAGES]
    lost = [client.get(f"/nothing?lang={one}", headers=browser).text for one in LANGUAGES]
    for said, pages in {
        ("请先输入您的问题", "請先輸入您的問題", "The question is empty"): empty,
        ("没有这个页面", "沒有這個頁面", "There is nothing here"): lost,
    }.items():
        for text, page in zip(said, pages, strict=True):
            assert text in page


def test_large_type_is_a_class_of_the_page(client):
    assert '<html lang="zh-CN" class="large">' in client.get("/?text=large").text
    assert 'class="large"' not in client.get("/?text=normal").text


def test_days_are_written_as_each_language_writes_them():
    views = [View(language, False, True) for language in LANGUAGES]
    days = [view.day("2026-01-02") for view in views]
    assert days == ["2026年1月2日", "2026年1月2日", "2026-01-02"]


def test_way_out_is_the_first_thing_after_the_name_and_follows_the_setting(settings, engine):
    changed = settings.model_copy(update={"exit_url": "https://example.com/weather"})
    page = create_app(changed, engine).test_client().get("/topics/mental-health").text
    exits = re.findall(r'<a class="exit" href="([^"]*)" rel="noreferrer"', page)
    assert exits == ["https://example.com/weather"]
    assert page.index('class="exit"') < page.index("<main")


def test_exit_has_a_default_that_is_no_page_about_debt():
    assert Settings().exit_url == "https://www.baidu.com/"


def test_checklist_ticks_steps_and_leaves_the_rest_as_it_stands(client, engine):
    page = client.get("/topics/court-payment-order/checklist").text
    _, passages = engine.topic("court-payment-order")
    steps = re.findall(r"^\d+\. (.*)$", "\n".join(p.text for p in passages), re.MULTILINE)
    ticked = re.findall(r'<ul class="boxes">(.*?)</ul>', page, re.DOTALL)
    ticked = [re.sub("<[^>]*>", "", item) for part in ticked for item in part.split("</li>")]
    assert [item for item in ticked if item] == steps
    assert "<li>拒收没有用" in page, "an item is no step"
    assert "核对日期" in page
    assert "12368" in page.partition('class="numbers"')[2]


def test_checklist_ticks_items_where_there_are_no_steps(small_app):
    page = small_app.test_client().get("/topics/fake/checklist").text
    assert '<ul class="boxes"><li>法院不会要验证码。</li>' in page


def test_who_asks_too_often_keeps_the_question_and_gets_numbers_to_call(settings, engine):
    changed = settings.model_copy(update={"rate_limit": "1/minute"})
    client = create_app(changed, engine).test_client()
    browser = {"Accept": "text/html"}
    client.post("/", data={"question": ASKED}, headers=browser)
    refused = client.post("/", data={"question": ASKED}, headers=browser)
    assert refused.status_code == 429
    assert f">\n{ASKED}</textarea>" in refused.text
    assert re.findall('href="tel:([0-9]+)"', refused.text) == ["110", "120", "12356"]


def test_share_link_holds_the_topic_alone(client):
    page = client.get("/topics/mental-health").text
    assert 'data-share="/topics/mental-health"' in page


@pytest.fixture
def small_app(settings, small_engine):
    return create_app(settings, small_engine)
