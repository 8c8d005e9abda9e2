"""A person with a browser: types a question, reads the answer. JavaScript is off."""

import os
import shutil
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

ASKED = "收到调解短信后几天内要回复？"
OFF_TOPIC = "红烧肉怎么做才好吃"
DANGER = "欠了花呗还不上，不想活了。短信里的链接能点吗？逾期会坐牢吗？"
THANKS = "谢谢"
MISSPELT = "司法却认要多久内做"
TWO = "短信里的链接能点吗？还有，逾期会坐牢吗？"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None and os.environ.get("CI") == "true":
        pytest.fail("no Chromium: apt-get install chromium")
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page at the narrowest width that must do, with its requests and complaints."""
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 320, "height": 640}, locale="zh-CN"
    )
    page = context.new_page()
    page.requested, page.complaints = [], []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    yield page
    context.close()


def ask(page, start, question):
    page.goto(start)
    page.get_by_label("您的问题").fill(question)
    page.get_by_role("button", name="查找指引").click()


def assert_fits(page):
    expect(page.locator("footer")).to_be_visible()  # else the next page may have no root yet
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320, f"scrolls sideways: {width} px"


def test_answer_is_read_on_the_page_of_the_question(page, start):
    ask(page, start, ASKED)
    expect(page.get_by_role("heading", level=1)).to_have_text("找到了对应的指引")
    article = page.get_by_role("article")
    expect(article.get_by_role("heading", level=2)).to_have_text("收到通知后多久必须回复？")
    expect(article.locator("mark").first).to_be_visible()
    expect(article.get_by_text("核对日期")).to_be_visible()


def test_question_is_in_no_address(page, start):
    ask(page, start, ASKED)
    assert page.url == start
    assert not any("%" in url or "q=" in url for url in page.requested)


def test_nothing_is_fetched_from_elsewhere_and_nothing_is_blocked(page, start):
    ask(page, start, ASKED)
    page.goto(start + "topics/hotline-list")
    origins = {urlsplit(url)[:2] for url in page.requested}
    assert origins == {urlsplit(start)[:2]}
    assert page.complaints == []


def test_whole_guidance_opens_in_place(page, start):
    ask(page, start, ASKED)
    article = page.get_by_role("article")
    article.get_by_text("查看完整指引").click()
    expect(article.get_by_role("heading", name="怎么做")).to_be_visible()
    assert_fits(page)


def test_unanswered_question_leads_to_people(page, start):
    ask(page, start, OFF_TOPIC)
    expect(page.get_by_role("heading", level=1)).to_have_text("目前的指引没有回答这个问题")
    expect(page.get_by_role("link", name="12348")).to_have_attribute("href", "tel:12348")
    expect(page.get_by_label("换个说法再问一次")).to_have_value(OFF_TOPIC)


def test_danger_is_on_the_first_screen_with_lines_to_call(page, start):
    ask(page, start, DANGER)
    first = page.get_by_role("link", name="12356 全国统一心理援助热线")
    expect(first).to_have_attribute("href", "tel:12356")
    expect(first).to_be_in_viewport()
    assert first.bounding_box()["height"] >= 44
    expect(page.locator(".danger + article .quoted")).to_be_visible()
    assert page.url == start


def test_thanks_get_a_reply_and_an_empty_form(page, start):
    ask(page, start, THANKS)
    expect(page.get_by_text("不客气。")).to_be_visible()
    expect(page.get_by_label("您的问题")).to_have_value("")


def test_both_questions_are_answered_in_the_open(page, start):
    ask(page, start, TWO)
    expect(page.get_by_role("heading", name="您问了两件事")).to_be_visible()
    for place, article in zip(("第一问", "第二问"), page.get_by_role("article").all(), strict=True):
        expect(article.get_by_role("heading", level=3).first).to_contain_text(place)
        expect(article.locator(".quoted")).to_be_visible()


def test_mistake_is_announced_and_leads_to_the_field(page, start):
    ask(page, start, "  ")
    expect(page).to_have_title("错误：问答")
    page.get_by_role("alert").get_by_role("link").click()
    assert page.url == start + "#question"
    expect(page.get_by_label("您的问题")).to_be_focused()


def test_keyboard_alone_asks_a_question(page, start):
    page.goto(start)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到主要内容")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(ASKED)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("找到了对应的指引")


def test_topic_is_found_by_chapter(page, start):
    page.goto(start)
    page.get_by_text("及时回应与不理会的后果").click()
    page.get_by_role("link", name="收到通知后多久必须回复？").click()
    assert page.url == start + "topics/respond-how-fast"
    expect(page.get_by_role("heading", level=1)).to_have_text("收到通知后多久必须回复？")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways_on_a_small_phone(page, start, scheme):
    page.emulate_media(color_scheme=scheme)
    for question in (
        ASKED,
        OFF_TOPIC,
        DANGER,
        THANKS,
        MISSPELT,
        TWO,
        "",
        "长" * 2001,
        "https://" + "x" * 300,
    ):
        ask(page, start, question)
        assert_fits(page)
    for path in ("", "topics/respond-how-fast", "topics/mental-health", "nothing"):
        page.goto(start + path)
        assert_fits(page)


def test_text_is_large_and_well_spaced(page, start):
    ask(page, start, ASKED)
    size, line = page.evaluate(
        "(() => { const s = getComputedStyle(document.querySelector('.quoted p'));"
        " return [parseFloat(s.fontSize), parseFloat(s.lineHeight)] })()"
    )
    assert size >= 16
    assert line >= 1.7 * size
