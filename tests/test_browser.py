"""A person with a browser: types a question, reads the answer. Scripts are off unless said."""

import os
import re
import shutil
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

ASKED = "收到调解短信后几天内要回复？"
OFF_TOPIC = "红烧肉怎么做才好吃"
DANGER = "欠了花呗还不上，不想活了。短信里的链接能点吗？逾期会坐牢吗？"
THANKS = "谢谢"
MISSPELT = "司法却认要多久内做"
TWO = "短信里的链接能点吗？还有，逾期会坐牢吗？"
PATHS = ("", "topics", "topics/respond-how-fast", "topics/court-payment-order/checklist")
# Those with the most text: what is on one page here, the others are too.
LONGEST = ("interest-disclosure-2026", "deadline-court", "scam-agent-tricks")
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


def watched(context):
    """A page that notes its requests and complaints."""
    page = context.new_page()
    page.requested, page.complaints = [], []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    return page


@pytest.fixture
def page(browser):
    """A page at the narrowest width that must do, scripts off."""
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 320, "height": 640}, locale="zh-CN"
    )
    yield watched(context)
    context.close()


@pytest.fixture
def scripted(browser):
    """A page on a desktop, scripts on."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        locale="zh-CN",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = watched(context)
    yield page
    assert page.complaints == []
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
    page.get_by_role("navigation", name="站内").get_by_role("link", name="全部指引").click()
    page.get_by_role("navigation", name="各章").get_by_text("及时回应与不理会的后果").click()
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
    for path in (*PATHS, "nothing", "?lang=en", "?lang=hant&text=large"):
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


def test_nothing_is_wider_than_a_page_at_twice_the_size(browser, start):
    """At 200 % zoom a phone of 320 px is 160 px wide for the layout; a desktop of 1280 is 640."""
    context = browser.new_context(viewport={"width": 640, "height": 400}, locale="zh-CN")
    page = context.new_page()
    for path in PATHS:
        page.goto(f"{start}{path}?text=large")
        assert page.evaluate("document.documentElement.scrollWidth") <= 640
    context.close()


STATES = {
    "answered": ASKED,
    "uncertain": "调解员说要来我家怎么办",
    "unanswered": OFF_TOPIC,
    "danger": DANGER,
    "reply": THANKS,
    "searched": MISSPELT,
    "several": TWO,
    "empty": "",
    "too-long": "长" * 2001,
}


@pytest.mark.parametrize(
    ("scheme", "width", "view"),
    [("light", 320, "?lang=hans"), ("dark", 1280, "?lang=en&text=large")],
)
def test_axe_finds_nothing_on_any_page(browser, start, scheme, width, view):
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    page, found = context.new_page(), {}

    def look(name):
        result = Axe().run(page)
        found[name] = [one["id"] for one in result.response["violations"]]

    for path in (*PATHS, "docs", "nothing"):
        page.goto(start + path + view)
        look(path or "start")
    for name, question in STATES.items():
        page.goto(start + view)
        page.locator("#question").fill(question)
        page.locator(".ask button").click()
        look(name)
    page.goto(start + view)
    page.locator("#question").fill(ASKED)
    page.locator(".ask button").click()
    # Sent as without scripts, which would answer in place.
    with page.expect_navigation():
        page.evaluate(
            "(() => { const form = document.querySelector('.feedback form'); form.target = '_self';"
            " form.append(Object.assign(document.createElement('input'),"
            " { name: 'helpful', value: 'yes' })); form.submit() })()"
        )
    assert page.url.startswith(start + "feedback")
    look("thanks")
    context.close()
    assert found == dict.fromkeys(found, [])
    assert len(found) == len(PATHS) + 3 + len(STATES)


def test_what_one_thinks_of_an_answer_opens_thanks_beside_it(page, start):
    ask(page, start, ASKED)
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="有帮助").first.click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("谢谢，已经记下了")
    expect(page.get_by_role("heading", level=1)).to_have_text("找到了对应的指引")
    assert opened.value.evaluate("document.referrer") == ""
    for one in (page, opened.value):
        assert_fits(one)


def test_thanks_take_the_form_s_place_where_scripts_run(scripted, start):
    ask(scripted, start, ASKED)
    scripted.get_by_text("没有帮助").click()
    scripted.get_by_label("看不懂").check()
    with scripted.expect_response("**/feedback") as answered:
        scripted.get_by_role("button", name="提交").click()
    assert answered.value.status == 204
    assert "question" not in answered.value.request.post_data
    expect(scripted.get_by_role("status")).to_have_text("谢谢，已经记下了")
    expect(scripted.get_by_role("button", name="提交")).to_have_count(0)


def test_axe_would_find_a_fault(scripted, start):
    """The control: the rules do run."""
    scripted.goto(start)
    scripted.evaluate("document.querySelector('label').remove()")
    assert "label" in [one["id"] for one in Axe().run(scripted).response["violations"]]


def test_keyboard_goes_through_a_page_in_reading_order_and_is_always_seen(scripted, start):
    scripted.goto(start + "topics/mental-health")
    ring = "getComputedStyle(document.activeElement).outlineStyle"
    places = []
    for _ in range(200):
        scripted.keyboard.press("Tab")
        if scripted.evaluate("document.activeElement === document.body"):
            break
        assert scripted.evaluate(ring) != "none"
        box = scripted.evaluate(
            "(() => { const e = document.activeElement, r = e.getBoundingClientRect();"
            " const top = e.closest('.top, .skip') ? -1e6 : scrollY;"
            " return [r.top + top, r.left, r.height, r.top] })()"
        )
        assert box[3] >= 0, "hidden behind the top"
        places.append(box[:2])
    assert len(places) > 10
    assert places[1:] == sorted(places[1:], key=lambda place: round(place[0]))


@pytest.mark.parametrize("topic", LONGEST)
def test_checklist_is_one_page_of_paper(scripted, start, topic):
    scripted.goto(f"{start}topics/{topic}/checklist")
    paper = scripted.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page[^s]", paper)) == 1


def test_printed_answer_has_no_form_and_no_buttons(page, start):
    ask(page, start, ASKED)
    page.emulate_media(media="print")
    expect(page.locator("article .quoted").first).to_be_visible()
    expect(page.get_by_text("不是针对您个人情况的法律意见")).to_be_visible()
    for one in page.locator("form, .exit, .whole > summary").all():
        expect(one).to_be_hidden()


def test_forced_colours_keep_the_edges_of_what_can_be_pressed(browser, start):
    context = browser.new_context(forced_colors="active", locale="zh-CN")
    page = context.new_page()
    page.goto(start)
    width = page.evaluate("getComputedStyle(document.querySelector('.ask button')).borderTopWidth")
    assert width == "1px"
    context.close()


def test_language_and_size_stay_while_one_goes_on(page, start):
    page.goto(start)
    page.get_by_role("link", name="English").click()
    page.get_by_role("link", name="Larger text").click()
    page.get_by_label("Your question").fill(ASKED)
    page.get_by_role("button", name="Find guidance").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Found guidance that answers this")
    page.get_by_role("button", name="繁體").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("找到了對應的指引")
    assert urlsplit(page.url).query == "lang=hant&text=large"
    assert_fits(page)


def test_script_only_adds_comfort_and_fetches_nothing_from_elsewhere(scripted, start):
    ask(scripted, start, ASKED)
    expect(scripted.get_by_role("heading", level=1)).to_have_text("找到了对应的指引")
    assert {urlsplit(url)[:2] for url in scripted.requested} == {urlsplit(start)[:2]}
    assert scripted.url == start


def test_quotation_is_copied_with_its_source_and_the_topic_s_address(scripted, start):
    ask(scripted, start, ASKED)
    button = scripted.locator("[data-copy]").first
    button.click()
    expect(button).to_have_text("已复制")
    copied = scripted.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("收到通知后多久必须回复？\n\n")
    assert "核对日期：" in copied
    assert copied.endswith(f"{start}topics/respond-how-fast")
    assert ASKED not in copied


def test_questions_are_remembered_only_where_wished_and_erased_at_once(scripted, start):
    ask(scripted, start, ASKED)
    scripted.goto(start)
    expect(scripted.get_by_role("heading", name="您问过的")).to_be_hidden()
    assert scripted.evaluate("localStorage.length") == 0
    scripted.get_by_label("在这台设备上记住我问过的问题").check()
    ask(scripted, start, ASKED)
    scripted.goto(start)
    scripted.get_by_role("button", name=ASKED).click()
    expect(scripted.get_by_label("您的问题")).to_have_value(ASKED)
    scripted.get_by_role("button", name="全部删除").click()
    expect(scripted.get_by_role("button", name=ASKED)).to_be_hidden()
    assert scripted.evaluate("localStorage.getItem('questions')") == "[]"
    scripted.get_by_label("在这台设备上记住我问过的问题").uncheck()
    assert scripted.evaluate("localStorage.length") == 0


@pytest.mark.parametrize("way", ["click", "escape"])
def test_leaving_quickly_leaves_nothing_to_go_back_to(scripted, start, way):
    scripted.route("https://www.baidu.com/", lambda route: route.fulfill(body="weather"))
    scripted.goto("about:blank")
    ask(scripted, start, ASKED)
    expect(scripted.get_by_role("heading", level=1)).to_have_text("找到了对应的指引")
    if way == "click":
        scripted.get_by_role("link", name="快速离开").click()
    else:
        for _ in range(3):
            scripted.keyboard.press("Escape")
    scripted.wait_for_url("https://www.baidu.com/")
    assert "Referer" not in scripted.evaluate("document.referrer")
    scripted.go_back()
    expect(scripted.get_by_role("heading", name="找到了对应的指引")).to_have_count(0)


def test_button_says_that_the_search_is_on(scripted, start):
    scripted.goto(start)
    scripted.get_by_label("您的问题").fill(ASKED)
    # Kept from going on, so that the page can be looked at.
    scripted.evaluate(
        "sent = [], document.querySelector('form.ask').addEventListener('submit',"
        " event => { sent.push(event.defaultPrevented); event.preventDefault() })"
    )
    scripted.get_by_role("button", name="查找指引").click()
    busy = scripted.get_by_role("button", name="正在查找……")
    expect(busy).to_have_attribute("aria-disabled", "true")
    busy.press("Enter")
    assert scripted.evaluate("sent") == [False, True], "sent once"
