"""The form, ``/ask`` and what surrounds them, without a server."""

import io
import json
import logging
import re
from html import unescape

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from qa import errors
from qa.answer import Engine, Question, to_json
from qa.corpus import Contact, Reply, Urgent, blocks
from qa.paths import WEB
from qa.settings import Settings
from qa.web import create_app, present
from qa.web.openapi import document
from qa.web.problems import TITLES, examples
from qa.web.wire import Alive, AskResponse, Problem, Ready

ASKED = "收到调解短信后几天内要回复？"
OFF_TOPIC = "红烧肉怎么做才好吃"
DANGER = "欠了花呗还不上，不想活了。短信里的链接能点吗？逾期会坐牢吗？"
THANKS = "谢谢"
MISSPELT = "司法却认要多久内做"
TWO = "短信里的链接能点吗？还有，逾期会坐牢吗？"
SECRET = "张三身份证110101199003071234被催收"
JSON = {"Content-Type": "application/json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
DEEP = b'{"question": ' + b"[" * 30000 + b"]" * 30000 + b"}"

REFUSED = [
    pytest.param("GET", "/ask", {}, "question_empty", id="no-question"),
    pytest.param("GET", "/ask?q=%20%00%E3%80%80", {}, "question_empty", id="only-space"),
    pytest.param("POST", "/ask", {"json": {"k": 3}}, "question_empty", id="no-question-in-json"),
    pytest.param("POST", "/ask", {"json": {"question": ""}}, "question_empty", id="empty"),
    pytest.param("GET", "/ask?q=" + "x" * 2001, {}, "question_too_long", id="too-long"),
    pytest.param("GET", "/ask?q=x&k=abc", {}, "bad_k", id="k-is-a-word"),
    pytest.param("GET", "/ask?q=x&k=0", {}, "bad_k", id="k-is-zero"),
    pytest.param("GET", "/ask?q=x&k=%EF%BC%93", {}, "bad_k", id="k-is-full-width"),
    pytest.param("GET", "/ask?q=x&k=1000000000", {}, "bad_k", id="k-is-huge"),
    pytest.param("POST", "/ask", {"json": {"question": "x", "k": True}}, "bad_k", id="k-is-true"),
    pytest.param("POST", "/ask", {"json": {"question": "x", "k": 3.0}}, "bad_k", id="k-is-float"),
    pytest.param("POST", "/ask", {"json": {"question": "x", "k": "3"}}, "bad_k", id="k-is-text"),
    pytest.param("POST", "/ask", {"json": {"question": "x", "k": None}}, "bad_k", id="k-is-null"),
    pytest.param("POST", "/ask", {"json": {"question": "x", "k": 10**9}}, "bad_k", id="k-json"),
    pytest.param("POST", "/ask", {"json": ["x"]}, "malformed_json", id="a-list"),
    pytest.param("POST", "/ask", {"json": {"question": 3}}, "malformed_json", id="a-number"),
    pytest.param("POST", "/ask", {"data": b"", "headers": JSON}, "malformed_json", id="nothing"),
    pytest.param("POST", "/ask", {"data": b"{", "headers": JSON}, "malformed_json", id="cut-off"),
    pytest.param("POST", "/ask", {"data": DEEP, "headers": JSON}, "malformed_json", id="deep"),
    pytest.param(
        "POST",
        "/ask",
        {"data": b'{"question": "x", "k": NaN}', "headers": JSON},
        "malformed_json",
        id="not-a-number",
    ),
    pytest.param(
        "POST",
        "/ask",
        {"data": b'{"question": "x", "k": ' + b"9" * 5000 + b"}", "headers": JSON},
        "malformed_json",
        id="five-thousand-digits",
    ),
    pytest.param(
        "POST",
        "/ask",
        {"data": b'{"question": "a", "question": "b"}', "headers": JSON},
        "malformed_json",
        id="the-same-field-twice",
    ),
    pytest.param(
        "POST",
        "/ask",
        {"data": '{"question": "几天"}'.encode("gbk"), "headers": JSON},
        "malformed_json",
        id="bytes-in-another-encoding",
    ),
    pytest.param(
        "POST",
        "/ask",
        {"data": b'{"question": "x"}', "content_type": "application/json; charset=gbk"},
        "malformed_json",
        id="another-charset",
    ),
    pytest.param("GET", "/ask?question=x", {}, "unknown_field", id="unknown-parameter"),
    pytest.param("GET", "/ask?q=x&q=y", {}, "unknown_field", id="parameter-twice"),
    pytest.param("POST", "/ask", {"json": {"q": "x"}}, "unknown_field", id="unknown-field"),
    pytest.param("POST", "/ask?k=1", {"json": {"question": "x"}}, "unknown_field", id="both"),
    pytest.param("POST", "/ask", {"data": {"question": "x"}}, "wrong_content_type", id="a-form"),
    pytest.param("POST", "/ask", {"data": b"{}"}, "wrong_content_type", id="no-content-type"),
    pytest.param("POST", "/ask", {"json": {"question": "x" * 66000}}, "body_too_large", id="body"),
    pytest.param("DELETE", "/ask", {}, "method_not_allowed", id="delete"),
    pytest.param("GET", "/nothing-here", {}, "not_found", id="no-such-page"),
    pytest.param("GET", "/topics/nothing-here", {}, "not_found", id="no-such-topic"),
    pytest.param("GET", "/topics//hotline-list?q=x", {}, "not_found", id="no-redirect"),
]


@pytest.fixture
def broken(client, monkeypatch):
    """A client whose engine fails with a message that quotes the question."""

    def fail(self, question):
        raise RuntimeError(question.text)

    monkeypatch.setattr(Engine, "ask", fail)
    return client


@pytest.fixture
def without_index(tmp_path):
    app = create_app(Settings.load(index=tmp_path / "nothing"))
    return app.test_client()


def tags_out(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


@pytest.mark.parametrize(("method", "path", "options", "code"), REFUSED)
def test_refuses_with_a_problem_that_names_the_code(client, method, path, options, code):
    response = client.open(path, method=method, **options)
    problem = Problem.model_validate(response.json)
    assert response.mimetype == "application/problem+json"
    assert (problem.code, problem.status) == (code, response.status_code)
    assert 400 <= response.status_code < 500
    assert re.search(r"[\u4e00-\u9fff]", problem.detail)


def test_detail_is_english_where_english_is_preferred(client):
    chinese = client.get("/ask", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    english = client.get("/ask", headers={"Accept-Language": "en-GB,en;q=0.9,zh;q=0.5"})
    assert english.json["detail"].startswith("The question is empty.")
    assert chinese.json["detail"] == client.get("/ask").json["detail"] != english.json["detail"]


def test_method_not_allowed_says_which_are(client):
    allowed = client.delete("/ask").headers["Allow"]
    assert {"GET", "POST"} <= set(allowed.split(", "))


def test_fault_of_the_program_is_unexpected_and_says_nothing_of_itself(broken):
    response = broken.get("/ask", query_string={"q": SECRET})
    assert (response.status_code, response.json["code"]) == (500, "unexpected")
    assert SECRET not in response.text
    assert "RuntimeError" not in response.text


def test_every_code_over_http_has_a_title_and_an_example(settings, client):
    listed = client.get("/openapi.json").json["components"]["examples"]
    kinds = [*errors.QuestionError.__subclasses__(), *errors.RequestError.__subclasses__()]
    kinds += [*errors.IndexProblem.__subclasses__(), *errors.ModelError.__subclasses__()]
    assert {kind.code for kind in kinds} <= set(listed)
    assert {error.code for error in examples(settings)} == set(TITLES)
    for code, example in listed.items():
        assert Problem.model_validate(example["value"]).code == code


def test_get_and_post_give_the_same_answer(client, engine, settings):
    got = client.get("/ask", query_string={"q": ASKED, "k": "2"})
    posted = client.post("/ask", json={"question": ASKED, "k": 2})
    assert got.data == posted.data
    assert got.json == to_json(engine.ask(Question.parse(ASKED, 2, settings)))


def test_answer_is_what_the_description_says(client):
    for question in (ASKED, OFF_TOPIC, DANGER, THANKS, MISSPELT, TWO):
        AskResponse.model_validate_json(client.get("/ask", query_string={"q": question}).data)


def test_json_is_utf8_and_not_escaped(client):
    response = client.get("/ask", query_string={"q": ASKED})
    assert response.mimetype == "application/json"
    assert ASKED.encode() in response.data
    assert b"\\u" not in response.data


def test_k_defaults_to_the_setting_and_bounds_the_passages(client, settings):
    default = client.get("/ask", query_string={"q": ASKED}).json["passages"]
    one = client.get("/ask", query_string={"q": ASKED, "k": 1}).json["passages"]
    assert len(default) == settings.k
    assert one == default[:1]


def test_unanswered_has_phones_in_place_of_passages(client):
    answer = client.get("/ask", query_string={"q": OFF_TOPIC}).json
    assert (answer["status"], answer["passages"]) == ("unanswered", [])
    assert {"number", "name", "for"} == set(answer["contacts"][0])


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("\ud800几天\udfff要回", id="lone-surrogates"),
        pytest.param("几天\x00要回\x1b[2J", id="control-characters"),
        pytest.param("😭🆘🙏", id="emoji"),
        pytest.param("的了吗呢", id="stop-words"),
        pytest.param("\u202e" + "e\u0301" * 500, id="marks-and-direction"),
        pytest.param("{{ 7*7 }}{% raw %}<script>", id="template-syntax"),
    ],
)
def test_odd_questions_are_answered(client, question):
    response = client.post("/ask", data=json.dumps({"question": question}), headers=JSON)
    assert response.status_code == 200
    AskResponse.model_validate_json(response.data)


@trials(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"question": st.text()}, optional={"k": st.integers() | st.text() | st.floats()}
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_no_body_makes_the_server_fail(client, body):
    response = client.post("/ask", data=body, headers=JSON)
    assert response.status_code < 500
    model = AskResponse if response.status_code == 200 else Problem
    model.model_validate_json(response.data)


@trials(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=300), st.text(max_size=12))
def test_no_address_makes_the_server_fail(client, question, k):
    typed = {"q": question.encode("utf-8", "replace"), "k": k.encode("utf-8", "replace")}
    assert client.get("/ask", query_string=typed).status_code < 500
    assert client.post("/", data={"question": typed["q"]}).status_code < 500


def test_nothing_that_was_typed_is_logged(broken, client, without_index, caplog):
    caplog.set_level(logging.DEBUG)
    for one in (client, without_index, broken):
        one.get("/ask", query_string={"q": SECRET})
        one.get("/ask", query_string={"q": SECRET, "k": SECRET, SECRET: "1"})
        one.post("/ask", json={"question": SECRET, SECRET: 1})
        one.post("/ask", json={"question": SECRET * 200})
        one.post("/", data={"question": SECRET})
        one.get(f"/topics/{SECRET}")
    logged = str([vars(record) for record in caplog.records])
    assert "'endpoint': 'ask_query'" in logged
    assert "'code': 'unknown_field'" in logged
    assert not any(part in logged for part in ("张三", "110101", "催收", "%E5%BC%A0"))


def test_question_is_logged_by_status_topics_and_time(client, engine, caplog):
    caplog.set_level(logging.INFO, "qa")
    client.get("/ask", query_string={"q": ASKED, "k": 1})
    (record,) = caplog.records
    assert record.message == "request"
    assert (record.method, record.route, record.status) == ("GET", "/ask", 200)
    assert (record.answers, record.topics) == (["answered"], ["respond-how-fast"])
    assert (record.build, record.limited) == (engine.index.manifest.build, False)
    assert record.ms > 0


KEPT = ("/ask?q=x", "/static/style.css")  # by a browser; all else is kept by nobody


@pytest.mark.parametrize(
    "path",
    ["/", "/ask?q=x", "/ask", "/topics/hotline-list", "/nothing", "/healthz", "/static/style.css"],
)
def test_every_response_is_locked_down(client, path):
    with client.get(path) as response:
        headers = response.headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in headers
    assert (headers["Cache-Control"] == "no-store") == (path not in KEPT)


def test_alive_without_an_index_but_not_ready(without_index):
    response = without_index.get("/readyz")
    Alive.model_validate(without_index.get("/healthz").json)
    assert (response.status_code, response.json["code"]) == (503, "index_missing")
    assert "nothing" not in response.json["detail"], "names no folder"
    assert response.headers["Retry-After"]


def test_not_ready_is_said_to_programs_and_to_people(without_index):
    asked = without_index.get("/ask?q=x")
    page = without_index.get("/", headers=BROWSER)
    assert (asked.status_code, asked.json["code"]) == (503, "index_missing")
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert "暂时不能查询" in page.text


def test_ready_names_the_build(client, engine):
    ready = Ready.model_validate(client.get("/readyz").json)
    assert ready.index.build == engine.index.manifest.build


def test_index_that_appears_later_is_found(tmp_path, shipped_index, monkeypatch):
    monkeypatch.setattr("qa.web.standby.RETRY_SECONDS", 0)
    # One that opens beside the request would make it say "not ready" once more.
    monkeypatch.setattr("qa.web.standby._watch", lambda standby: None)
    client = create_app(Settings.load(index=tmp_path / "index")).test_client()
    assert client.get("/readyz").status_code == 503
    (tmp_path / "index").symlink_to(shipped_index)
    assert client.get("/readyz").status_code == 200


def test_description_lists_every_route_and_method(app):
    described = {
        (path, method.upper())
        for path, methods in app.test_client().get("/openapi.json").json["paths"].items()
        for method in methods
    }
    served = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    assert described == served


def test_description_follows_the_settings():
    fields = document(Settings(k=2, max_k=5, max_question_chars=99))["components"]["schemas"]
    asked = fields["AskRequest"]["properties"]
    assert (asked["k"]["default"], asked["k"]["maximum"]) == (2, 5)
    assert asked["question"]["maxLength"] == 99
    assert fields["AskRequest"]["additionalProperties"] is False


def test_every_reference_of_the_description_leads_somewhere(client):
    description = client.get("/openapi.json").json
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(description)):
        place = description
        for part in reference.split("/"):
            place = place[part]


def test_form_answers_on_the_same_page(client):
    response = client.post("/", data={"question": ASKED}, headers=BROWSER)
    assert response.status_code == 200
    assert "找到了对应的指引" in response.text
    assert ASKED in tags_out(response.text)
    assert "<mark>" in response.text
    assert "核对日期" in response.text


def test_page_quotes_the_passage_as_it_stands(client, engine, settings):
    passage = engine.ask(Question.parse(ASKED, 1, settings)).quotes[0].passage
    shown = tags_out(client.post("/", data={"question": ASKED}).text)
    for _, start, end in blocks(passage.text):
        assert passage.text[start:end] in shown
    for source in passage.sources:
        assert source in shown


def test_states_of_an_answer_look_different(client, engine, monkeypatch):
    ranker = type(engine.index.ranker)
    pages = {}
    for status in ("answered", "uncertain", "unanswered"):
        monkeypatch.setattr(ranker, "status", lambda self, confidence, status=status: status)
        pages[status] = client.post("/", data={"question": ASKED}).text
    assert "谨慎参考" in pages["uncertain"]
    assert "目前的指引没有回答这个问题" in tags_out(pages["unanswered"])
    assert "<article" not in pages["unanswered"]
    for status, page in pages.items():
        assert ('href="tel:12348"><' in page or 'id="phones"' in page) == (status != "answered")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        pytest.param(" \r\n ", "请先输入您的问题", id="empty"),
        pytest.param("问<b>" * 501, "问题太长：共 2004 字", id="too-long"),
    ],
)
def test_form_keeps_what_was_typed_and_says_what_to_mend(client, typed, said):
    response = client.post("/", data={"question": typed}, headers=BROWSER)
    assert response.status_code == 400
    assert "<title>错误：问答</title>" in response.text
    assert f'<a href="#question">{said}' in response.text
    assert 'aria-invalid="true"' in response.text
    kept = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", response.text, re.DOTALL)
    assert unescape(kept[1]) == typed.replace("\r\n", "\n")


def test_form_counts_a_line_end_once(client, settings):
    typed = "问\r\n" * (settings.max_question_chars // 2)
    assert client.post("/", data={"question": typed}).status_code == 200


def test_form_gives_back_a_whole_contract_that_was_pasted(client):
    typed = "问" * 100_000
    response = client.post("/", data={"question": typed}, headers=BROWSER)
    assert (response.status_code, typed in response.text) == (400, True)
    assert "问题太长：共 100000 字" in response.text


def test_form_says_when_far_too_much_was_pasted(client):
    response = client.post("/", data={"question": "x" * (1 << 20)}, headers=BROWSER)
    assert response.status_code == 413
    assert 'role="alert"' in response.text


def test_body_without_a_length_is_cut_at_the_limit_and_refused(client, settings):
    body = b'{"question": "x"}' + b" " * settings.max_body_bytes
    response = client.post(
        "/ask",
        input_stream=io.BytesIO(body),
        headers=JSON,
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert response.json["code"] == "body_too_large"


def test_programs_get_problems_from_the_form_too(client):
    response = client.post("/", data={"question": ""})
    assert response.mimetype == "application/problem+json"


def test_browsers_get_a_page_where_there_is_none(client):
    response = client.get("/nothing", headers=BROWSER)
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert "没有这个页面" in response.text
    assert client.get("/ask", headers=BROWSER).mimetype == "application/problem+json"


def test_html_in_a_question_is_text(client):
    for typed in ("<script>alert(1)</script>" * 2, "<script>" + "x" * 2000, "{{ 7*7 }}"):
        page = client.post("/", data={"question": typed}, headers=BROWSER).text
        assert page.count("<script") == 1, "the page's own"
        assert typed in unescape(page)


def page_of(client, question: str) -> str:
    return client.post("/", data={"question": question}, headers=BROWSER).text


def in_order(page: str, *words: str) -> bool:
    places = [page.find(word) for word in words]
    return -1 not in places and places == sorted(places)


def test_danger_comes_first_in_json_beyond_k(client):
    answer = client.get("/ask", query_string={"q": DANGER, "k": 2}).json
    assert (answer["status"], answer["urgent"]["kind"]) == ("answered", "self-harm")
    assert [contact["number"] for contact in answer["contacts"]] == ["12356", "120", "110"]
    assert [(p["topic"], p["part"]) for p in answer["passages"]][:3] == [
        ("mental-health", None),
        ("notice-link-click", 1),
        ("criminal-boundary", 2),
    ]
    assert len(answer["passages"]) == 1 + 2 * 2


def test_without_danger_or_remark_json_has_null_and_an_empty_list(client):
    answer = client.get("/ask", query_string={"q": ASKED}).json
    assert [answer[name] for name in ("urgent", "reply", "understood")] == [None] * 3
    assert answer["parts"] == []
    assert {passage["part"] for passage in answer["passages"]} == {None}


def test_page_begins_with_danger_then_help_lines_then_passages(client):
    page = page_of(client, DANGER)
    lines = [f'<li><a href="tel:{number}"><strong>{number}' for number in ("12356", "120", "110")]
    about, rest = "压力太大、想不开怎么办？</span></h2>", "您问了两件事</h2>"
    assert in_order(page, '<main id="main"', 'class="danger"', *lines, about, rest, "第二问：“")
    assert re.search(r'<main [^>]*>\s*<section class="danger"', page)
    assert "全国统一心理援助热线" in page
    assert "您的命比任何债都要紧。先别一个人待着" in re.sub(r"</?[^>]+>|\n", "", page)
    assert "找到了对应的指引" not in page


def test_nothing_that_is_quoted_is_folded_where_there_is_danger(client):
    page = page_of(client, "欠了花呗还不上，不想活了")
    assert page.count('class="quoted"') > 1
    assert re.findall(r'<details class="(\w+)"', page) == ["whole"] * page.count("<details")


def test_danger_without_its_topics_in_the_index_still_comes_first(client, answering):
    answering(quotes=())
    page = page_of(client, DANGER)
    assert in_order(page, 'class="danger"', 'href="tel:12356"', "您写的是")


def test_reply_is_a_plain_message_then_the_form_then_phones(client):
    answer = client.get("/ask", query_string={"q": THANKS}).json
    page = page_of(client, THANKS)
    assert (answer["reply"]["kind"], answer["passages"]) == ("thanks", [])
    assert in_order(page, 'class="reply"', "不客气", '<form class="ask"', 'id="phones"')
    assert "没有回答这个问题" not in tags_out(page)
    assert 'class="caution' not in page


def test_what_was_searched_stands_above_the_answer(client):
    answer = client.get("/ask", query_string={"q": MISSPELT}).json
    assert answer["understood"] == "司法确认要多久内做"
    page = page_of(client, MISSPELT)
    assert in_order(page, MISSPELT, "已按“司法确认要多久内做”查找", "<article")
    assert "已按" not in page_of(client, ASKED)


def test_what_was_searched_is_not_said_where_it_was_typed(client, answering):
    answering(understood=ASKED)
    assert "已按" not in page_of(client, ASKED)


def test_each_of_several_questions_stands_over_its_passage(client):
    answer = client.get("/ask", query_string={"q": TWO}).json
    page = page_of(client, TWO)
    assert answer["parts"] == ["短信里的链接能点吗?", "还有,逾期会坐牢吗?"]
    heads = [f"第{n}问：“{part}”" for n, part in zip("一二", answer["parts"], strict=True)]
    titles = [passage["title"] for passage in answer["passages"][:2]]
    order = ["您问了两件事", heads[0], titles[0], heads[1], titles[1], "也可能有用"]
    assert in_order(tags_out(page), *order)
    assert page.count("<article") == 2


def test_question_without_a_passage_of_its_own_says_so(client, answering):
    answering(quotes=lambda answer: answer.quotes[:1])
    shown = tags_out(page_of(client, TWO))
    assert in_order(shown, "第一问", "第二问", "这一问没有另外列出指引")
    assert "也可能有用" not in shown


def test_html_in_what_was_searched_is_text(client, answering):
    answering(parts=("<b>甲</b>", "<b>乙</b>"), understood="<b>丙</b>")
    page = page_of(client, ASKED)
    for text in ("第一问：“<b>甲</b>”", "第二问：“<b>乙</b>”", "已按“<b>丙</b>”查找"):
        assert text in unescape(page)
    assert "<b>" not in page


def test_html_in_what_is_said_is_text(client, answering):
    answering(urgent=Urgent("x", "<b>先。</b>后", (CONTACT,), (), (), (), 0.0))
    page = page_of(client, ASKED)
    assert "<b>" not in page
    assert "<b>先。</b>后" in unescape(re.sub(r"</?(h1|p)\b[^>]*>|\n", "", page))
    answering(urgent=None, reply=Reply("x", "<b>好</b>", ()))
    assert "<b>" not in page_of(client, ASKED)


def test_topic_shows_the_whole_document(client, engine):
    topic, passages = engine.topic("respond-how-fast")
    page = client.get("/topics/respond-how-fast").text
    shown = tags_out(page)
    for passage in passages:
        assert passage.heading in shown
        for _, start, end in blocks(passage.text):
            assert passage.text[start:end] in shown
    for other in topic.related:
        assert f'href="/topics/{other}"' in page


def test_contents_list_every_topic_by_chapter(client, engine):
    page = client.get("/topics").text
    chapters = present.chapters(engine.index.topics)
    titles = [title for title, _ in chapters]
    assert re.findall(r'<h2 id="chapter-\d+">(.*?)</h2>', page) == titles
    assert re.findall(r'href="#chapter-\d+">(.*?)</a>', page) == titles
    for topic in engine.index.topics:
        assert f'<a href="/topics/{topic.id}">{topic.title}</a>' in page


def test_start_page_lists_what_is_often_asked_in_every_chapter(client, engine):
    page = client.get("/").text
    often = [topic for topic in engine.index.topics if topic.often]
    assert re.findall(r'<dd><a href="/topics/([\w-]+)">', page) == [topic.id for topic in often]
    assert re.findall(r"<dt>(.*?)</dt>", page) == [t for t, _ in present.chapters(often)]
    assert f"查看全部指引（{len(engine.index.topics)} 篇）" in page


def test_first_two_of_each_chapter_stand_in_where_nothing_is_marked(small_engine):
    (one, two), (other,) = (found for _, found in present.often(small_engine.index.topics))
    assert (one.id, two.id, other.id) == ("fake", "reply", "credit")


def test_start_page_lists_whom_to_call(client, engine):
    page = client.get("/").text
    for contact in engine.index.contacts:
        assert f'<a href="tel:{contact.number}">{contact.number}</a>' in page
        assert contact.purpose in page


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("/", None),
        ("/", ASKED),
        ("/", OFF_TOPIC),
        ("/", DANGER),
        ("/", THANKS),
        ("/", MISSPELT),
        ("/", TWO),
        ("/", ""),
        ("/topics/mental-health", None),
    ],
)
def test_pages_have_landmarks_and_neutral_titles(client, path, typed):
    answered = client.get(path, headers=BROWSER)
    if typed is not None:
        answered = client.post(path, data={"question": typed}, headers=BROWSER)
    page = answered.text
    assert '<html lang="zh-CN">' in page
    assert page.count("<h1") == page.count("<main") == page.count("<footer") == 1
    assert '<a class="skip" href="#main">' in page
    assert '<label for="question">' in page
    assert re.search("<title>[错误：回答指引问 -]+</title>", page)
    assert "不是针对您个人情况的法律意见" in page
    assert re.findall("<script[^>]*>", page) == [re.search("<script[^>]*>", page)[0]]
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_first_page_weighs_at_most_30_kilobytes(client):
    page = client.get("/")
    linked = set(re.findall(r'(?:href|src)="/static/([^"?]+)', page.text))
    assert linked == {"style.css", "favicon.svg", "page.js"}
    weight = len(page.data) + sum((WEB / "static" / name).stat().st_size for name in linked)
    assert weight <= 30_000


def test_static_files_are_kept_and_named_by_content(client):
    (address,) = re.findall(r'href="(/static/style\.css[^"]+)"', client.get("/").text)
    assert re.fullmatch(r"/static/style\.css\?v=[0-9a-f]{8}", address)
    with client.get(address) as response:
        assert "max-age=31536000" in response.headers["Cache-Control"]


def luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *[("ink", back, 4.5) for back in ("paper", "sheet", "tint", "mark", "care-tint")],
        *[(front, back, 4.5) for front in ("soft", "accent") for back in ("paper", "sheet")],
        *[("wrong", back, 4.5) for back in ("paper", "sheet")],
        ("soft", "tint", 4.5),
        ("accent", "mark", 4.5),
        ("on-accent", "accent", 4.5),
        ("care", "care-tint", 4.5),
        ("edge", "sheet", 3),
        ("edge", "paper", 3),
    ],
)
def test_colours_stand_out(scheme, front, back, least):
    style = (WEB / "static" / "style.css").read_text("utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    tokens = dict(re.findall(r"--([\w-]+): #([0-9a-f]+);", block))
    light, dark = sorted((luminance(tokens[front]), luminance(tokens[back])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least


CONTACT = Contact(number="12348", name="", purpose="", shown=True)


def groups(text: str, highlights=(), contacts=()):
    return present._groups(present._lines(text, highlights, contacts))


def test_lines_of_a_kind_are_one_list_that_starts_where_it_starts():
    steps, item, text = groups("3. 先核实\n4. 再回复\n- 别点链接\n　- 也别扫码")
    assert (steps.kind, steps.start, len(steps.lines)) == ("step", 3, 2)
    assert (item.kind, text.kind) == ("item", "text")
    assert text.lines[0].nested
    assert text.lines[0].stretches[0].runs[0].text == "也别扫码"


def test_list_that_starts_again_is_another_list():
    first, second = groups("1. 甲\n2. 乙\n1. 丙")
    assert (len(first.lines), second.start, len(second.lines)) == (2, 1, 1)


def test_numbers_inside_a_highlight_can_be_called():
    text = "先别点。拨12348问，不是123480。"
    (group,) = groups(text, [(4, 11)], [CONTACT])
    before, marked, after = group.lines[0].stretches
    assert (before.marked, marked.marked, after.marked) == (False, True, False)
    assert [run.number for run in marked.runs] == ["", "12348", ""]
    assert [run.number for run in after.runs] == [""]


def test_emergency_numbers_can_be_called_where_one_is_told_to():
    text = "有危险就拨110或120，第110条不算，报110，打120天也不算。"
    runs = groups(text)[0].lines[0].stretches[0].runs
    assert [run.number for run in runs if run.number] == ["110", "120", "110"]


def test_parts_of_every_passage_add_up_to_its_text(engine):
    for passage in engine.index.passages:
        spans = [passage.text[a:b] for _, a, b in blocks(passage.text)]
        lines = present._lines(passage.text, [(2, 9)], engine.index.contacts)
        shown = ["".join(r.text for s in line.stretches for r in s.runs) for _, _, line in lines]
        assert [span.lstrip("　- ") for span in spans] == [line.lstrip("　- ") for line in shown]


@pytest.mark.parametrize(
    ("day", "shown"), [("2026-11-24", "2026年11月24日"), ("2026-01-02", "2026年1月2日"), ("x", "x")]
)
def test_days_are_written_as_chinese_readers_write_them(day, shown):
    assert present.chinese_day(day) == shown
