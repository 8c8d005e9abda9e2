"""The versioned routes, batches, topics, explanations, entity tags, and their description."""

import json
import logging
import re
import time
from html import unescape
from pathlib import Path

import pytest
from flask import Flask

from qa.answer import Engine, Question, to_json
from qa.normalise import normalise
from qa.rank import FEATURES, RETRIEVAL_FEATURES
from qa.settings import Settings
from qa.web import reference
from qa.web.incoming import DEEPEST
from qa.web.openapi import document
from qa.web.wire import (
    MOST_QUESTIONS,
    AskResponse,
    BatchResponse,
    Problem,
    TopicList,
    WholeTopic,
)

ROOT = Path(__file__).parents[1]
ASKED = "短信里的链接能点吗"
DANGER = "欠了花呗还不上，不想活了"
BATCH = "/api/v1/ask:batch"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {"Content-Type": "application/json"}
PASSAGE_KEYS = ["rank", "score", "topic", "id", "title", "heading", "text"]
PASSAGE_KEYS += ["highlights", "sources", "reviewed", "part", "url"]
HOSTILE = [
    pytest.param("<script>alert(1)</script><img src=x onerror=alert(2)>短信", id="html"),
    pytest.param("{{7*7}}{% for x in ().__class__ %}短信{% endfor %}${7*7}", id="template-syntax"),
    pytest.param("短信\r\nSet-Cookie: a=b\r\n\r\n<html>", id="line-ends"),
    pytest.param("短信\u202e\u2066点能接链\u2069\u202c\u200f", id="bidi-controls"),
    pytest.param("点 http://ｃоurt.gov.cn/@аpple.com 这个链接吗", id="homoglyph-link"),
]


def get(client, path="/ask", headers=None, **query):
    return client.get(path, query_string=query, headers=headers)


def refused(response) -> Problem:
    assert response.mimetype == "application/problem+json"
    problem = Problem.model_validate(response.json)
    assert problem.status == response.status_code
    return problem


def test_versioned_address_answers_as_the_plain_one_does(client):
    assert get(client, "/api/v1/ask", q=ASKED, k=2).data == get(client, q=ASKED, k=2).data
    posted = [client.post(path, json={"question": ASKED}) for path in ("/ask", "/api/v1/ask")]
    assert posted[0].data == posted[1].data == get(client, q=ASKED).data


def test_answer_without_explanation_is_as_it_always_was(client, engine, settings):
    response = get(client, q=ASKED)
    answer = to_json(engine.ask(Question.parse(ASKED, 3, settings)))
    dumped = json.dumps(answer, ensure_ascii=False, separators=(",", ":")) + "\n"
    assert response.data.decode() == dumped
    assert [list(passage) for passage in answer["passages"]] == [PASSAGE_KEYS] * 3
    assert get(client, q=ASKED, explain="0").data == response.data


def test_explanation_gives_the_evidence_and_the_words_that_were_found(client, engine):
    reply = get(client, q=ASKED, k=2, explain="1")
    AskResponse.model_validate_json(reply.data)
    posted = client.post("/ask", json={"question": ASKED, "k": 2, "explain": True})
    assert posted.data == reply.data
    hits = engine.rank(ASKED, 2)
    for passage, hit in zip(reply.json["passages"], hits, strict=True):
        explained = passage["explain"]
        assert explained["features"] == {n: round(v, 4) for n, v in hit.evidence.items()}
        assert set(explained["features"]) == set(FEATURES)
        shown = normalise(passage["title"] + passage["heading"] + passage["text"]).text
        assert explained["matched"]
        assert all(word in shown and word in ASKED for word in explained["matched"])
    assert {"短信", "链接"} <= set(reply.json["passages"][0]["explain"]["matched"])
    without = [{n: v for n, v in p.items() if n != "explain"} for p in reply.json["passages"]]
    assert without == get(client, q=ASKED, k=2).json["passages"]


def test_passage_that_only_a_danger_brings_has_no_evidence(client):
    (first, *_) = get(client, q=DANGER, explain="true").json["passages"]
    assert (first["topic"], first["explain"]["features"]) == ("mental-health", {})


def test_every_feature_is_documented():
    page = (ROOT / "docs/http.md").read_text("utf-8")
    assert set(RETRIEVAL_FEATURES) < set(FEATURES)
    for feature in FEATURES:
        assert f"`{feature}`" in page, feature


@pytest.mark.parametrize("explain", ["2", "yes", "", "True", "１"])
def test_explain_is_yes_or_no(client, explain):
    problem = refused(get(client, q=ASKED, explain=explain))
    assert (problem.code, "explain" in problem.detail) == ("bad_request", True)


@pytest.mark.parametrize("explain", [1, "true", None, []])
def test_explain_in_json_is_true_or_false(client, explain):
    problem = refused(client.post("/ask", json={"question": ASKED, "explain": explain}))
    assert (problem.code, "explain" in problem.detail) == ("malformed_json", True)


def test_batch_is_answered_in_order_as_one_by_one(client):
    items = [{"question": ASKED, "k": 1}, {"question": "谢谢"}, {"question": DANGER}]
    items += [{"question": "红烧肉怎么做", "explain": True}]
    response = client.post(BATCH, json={"questions": items})
    BatchResponse.model_validate_json(response.data)
    alone = [client.post("/ask", json=item).json for item in items]
    assert response.json == {"answers": alone}


@pytest.mark.parametrize(
    ("item", "code"),
    [
        pytest.param({"question": " "}, "question_empty", id="empty"),
        pytest.param({"question": "问" * 2001}, "question_too_long", id="too-long"),
        pytest.param({"question": "x", "k": 0}, "bad_k", id="k"),
        pytest.param({"question": "x", "q": 1}, "unknown_field", id="unknown-field"),
        pytest.param({"question": 3}, "malformed_json", id="a-number"),
        pytest.param("x", "bad_batch", id="not-an-object"),
    ],
)
def test_bad_item_refuses_the_batch_and_is_named(client, monkeypatch, item, code):
    monkeypatch.setattr(Engine, "ask", lambda *_: pytest.fail("nothing is answered"))
    response = client.post(BATCH, json={"questions": [{"question": "x"}, item]})
    problem = refused(response)
    assert (problem.code, problem.pointer) == (code, "#/questions/1")
    assert problem.detail.startswith("#/questions/1：")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"questions": []}, id="none"),
        pytest.param({"questions": {"question": "x"}}, id="an-object"),
        pytest.param({"questions": None}, id="null"),
        pytest.param({"questions": [{"question": "x"}] * (MOST_QUESTIONS + 1)}, id="too-many"),
    ],
)
def test_batch_of_another_shape_is_refused(client, body):
    problem = refused(client.post(BATCH, json=body))
    assert (problem.code, problem.pointer) == ("bad_batch", None)
    assert str(MOST_QUESTIONS) in problem.detail


@pytest.mark.parametrize(
    ("method", "options", "code"),
    [
        pytest.param("POST", {"json": {"question": "x"}}, "unknown_field", id="a-single-question"),
        pytest.param("POST", {"json": {}, "query_string": "k=1"}, "unknown_field", id="parameter"),
        pytest.param("POST", {"json": ["x"]}, "malformed_json", id="a-list"),
        pytest.param("POST", {"data": "questions=x"}, "wrong_content_type", id="a-form"),
        pytest.param("POST", {"json": {"questions": "x" * 70000}}, "body_too_large", id="large"),
        pytest.param("GET", {}, "method_not_allowed", id="get"),
    ],
)
def test_batch_is_as_strict_as_ask(client, method, options, code):
    assert refused(client.open(BATCH, method=method, **options)).code == code


def test_largest_batch_is_taken(client, monkeypatch):
    short = {"questions": [{"question": "谢谢"}] * MOST_QUESTIONS}
    assert len(client.post(BATCH, json=short).json["answers"]) == MOST_QUESTIONS


def test_topics_are_those_of_the_index_in_order(client, engine):
    reply = client.get("/api/v1/topics")
    TopicList.model_validate_json(reply.data)
    chapters = reply.json["chapters"]
    assert len({chapter["title"] for chapter in chapters}) == len(chapters) > 1
    listed = [(c["title"], t["id"], t["title"]) for c in chapters for t in c["topics"]]
    assert listed == [(t.chapter, t.id, t.title) for t in engine.index.topics]
    assert client.get(chapters[0]["topics"][0]["url"]).status_code == 200
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", chapters[0]["topics"][0]["reviewed"])


def test_topic_is_given_whole_in_reading_order(client, engine):
    reply = client.get("/api/v1/topics/respond-how-fast")
    whole = WholeTopic.model_validate_json(reply.data)
    topic, passages = engine.topic("respond-how-fast")
    assert (whole.id, whole.title, whole.chapter) == (topic.id, topic.title, topic.chapter)
    assert [(p.id, p.heading, p.text) for p in whole.passages] == [
        (p.id, p.heading, p.text) for p in passages
    ]
    assert (tuple(whole.sources), whole.reviewed) == (passages[0].sources, passages[0].reviewed)
    assert [other.topic for other in whole.related] == list(topic.related)


def test_topic_that_is_not_there_is_a_problem_for_browsers_too(client):
    response = client.get("/api/v1/topics/nothing", headers=BROWSER)
    assert refused(response).code == "not_found"
    assert refused(client.get("/api/nothing", headers=BROWSER)).code == "not_found"


TAGGED = ["/ask?q=x", "/api/v1/ask?q=x", "/api/v1/topics", "/api/v1/topics/hotline-list"]


@pytest.mark.parametrize("path", TAGGED)
def test_what_the_client_has_is_not_sent_again(client, path):
    first = client.get(path)
    tag = first.headers["ETag"]
    assert re.fullmatch('"[0-9a-f]{32}"', tag)
    assert client.get(path).headers["ETag"] == tag
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == "private, no-cache"
    other = client.get(path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.data) == (200, first.data)
    assert other.headers["Cache-Control"] == "private, no-cache"


def test_nothing_is_searched_for_what_the_client_has(client, monkeypatch):
    tag = get(client, q=ASKED).headers["ETag"]
    monkeypatch.setattr(Engine, "ask", lambda *_: pytest.fail("searched"))
    assert get(client, headers={"If-None-Match": tag}, q=ASKED).status_code == 304


def test_tag_changes_with_what_the_answer_depends_on(client, engine, monkeypatch, settings):
    def tag(**query):
        return get(client, q=query.pop("q", ASKED), **query).headers["ETag"]

    alike = {tag(), tag(k=settings.k), tag(explain="0"), tag(explain="false"), tag(q=f" {ASKED}\n")}
    others = [tag(k=1), tag(explain="1"), tag(q=ASKED + "？"), tag(q=ASKED + "\u200b")]
    assert len(alike) == 1
    assert len({*alike, *others}) == 5
    monkeypatch.setattr(type(engine.index.manifest), "build", "0" * 16, raising=False)
    assert tag() not in alike


def test_answer_made_for_want_of_time_is_not_kept(client, answering):
    answering(limited=True)
    response = get(client, q=ASKED)
    assert response.json["limited"] is True
    assert "ETag" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


def test_only_get_and_only_what_went_well_is_tagged(client):
    for response in (
        client.post("/ask", json={"question": ASKED}),
        client.post("/", data={"question": ASKED}),
        client.get("/topics/hotline-list"),
        client.get("/ask", headers={"If-None-Match": "*"}),
        client.get("/api/v1/topics/nothing", headers={"If-None-Match": "*"}),
        client.get("/readyz"),
    ):
        assert response.status_code != 304
        assert "ETag" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"


def nested(levels: int) -> bytes:
    return b'{"question":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_json_is_as_deep_as_it_may_be_and_no_deeper(client):
    most = refused(client.post("/ask", data=nested(DEEPEST), headers=JSON))
    more = refused(client.post("/ask", data=nested(DEEPEST + 1), headers=JSON))
    assert most.detail.startswith("question 必须是字符串")
    assert more.detail.startswith(f"JSON 嵌套超过 {DEEPEST} 层")


def test_brackets_inside_a_string_are_no_levels(client):
    question = '短信\\"[[[[[[[[[[[[{{{{{{{{{{{{' + '"' * 9
    assert client.post("/ask", json={"question": question}).status_code == 200


@pytest.mark.parametrize(
    "unit", [b'"', b'\\"', b'"[', b"\\"], ids=["quote", "escaped", "open", "bs"]
)
def test_depth_is_found_in_one_pass(client, unit):
    body = unit * (60000 // len(unit))
    begin = time.process_time()
    assert refused(client.post("/ask", data=body, headers=JSON)).code == "malformed_json"
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(b"q=\xe8\xb0\x83", id="bytes-of-utf8"),
        pytest.param(b"q=\xb5\xf7", id="bytes-of-gbk"),
        pytest.param(b"q=%B5%F7", id="percent-encoded-gbk"),
        pytest.param(b"q=%E8%B0", id="cut-off"),
    ],
)
def test_address_that_is_not_percent_encoded_utf8_is_refused_with_a_hint(client, query):
    response = client.get("/ask", environ_overrides={"QUERY_STRING": query.decode("latin-1")})
    problem = refused(response)
    assert (problem.code, "%E8%B0%83" in problem.detail) == ("bad_request", True)


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("DELETE", "/api/v1/ask", {}, 405),
        ("POST", "/api/v1/topics", {}, 405),
        ("POST", "/api/v1/ask", {"json": {"question": "x" * 70000}}, 413),
        ("POST", "/api/v1/ask", {"data": "x"}, 415),
        ("GET", "/api/v2/ask", {}, 404),
        ("POST", BATCH, {"json": {}}, 400),
    ],
)
def test_problems_of_every_status_speak_both_languages(client, method, path, options, status):
    for language, letters in (("zh-CN", "[\u4e00-\u9fff]"), ("en", "^[\x00-\x7f]+$")):
        headers = {**BROWSER, "Accept-Language": language}
        response = client.open(path, method=method, headers=headers, **options)
        problem = refused(response)
        assert problem.status == status
        assert re.search(letters, problem.title)
        assert re.search(letters, problem.detail)
        assert response.headers["Content-Language"].startswith(language[:2])


def test_json_is_given_whatever_a_program_says_it_takes(client):
    for accept in ("text/plain", "text/html", "application/xml;q=0.9", "nonsense"):
        response = client.get("/ask?q=x", headers={"Accept": accept})
        assert (response.status_code, response.mimetype) == (200, "application/json")


@pytest.mark.parametrize("question", HOSTILE)
def test_hostile_text_is_text_and_is_logged_nowhere(client, caplog, question):
    caplog.set_level(logging.DEBUG)
    answer = client.post("/ask", json={"question": question})
    page = client.post("/", data={"question": question}, headers=BROWSER)
    assert (answer.status_code, page.status_code) == (200, 200)
    assert answer.json["question"] == question
    for response in (answer, page):
        assert "Set-Cookie" not in response.headers
        assert "短信" not in str(response.headers)
    assert question.replace("\r\n", "\n") in unescape(page.text)
    assert not re.search(r"<script(?![^>]+src=)|<img|onerror=[^&]*>", page.text)
    assert not re.search(r'href="[^"]*(gov\.cn|apple)', page.text)
    assert question[:6] not in caplog.text
    assert "alert" not in caplog.text


@pytest.mark.parametrize("asked_for", ["zh-CN,en;q=0.5", "zh-TW,en;q=0.5"])
def test_errors_are_chinese_where_any_chinese_is_preferred(client, asked_for):
    response = client.get("/ask", headers={"Accept-Language": asked_for})
    assert response.headers["Content-Language"] == "zh-CN"


def test_a_hundred_thousand_marks_are_refused_at_once(client, caplog):
    caplog.set_level(logging.DEBUG)
    marks = "短" + "\u0301" * 100_000
    begin = time.process_time()
    api = client.post("/ask", json={"question": marks})
    page = client.post("/", data={"question": marks}, headers=BROWSER)
    assert time.process_time() - begin < 3
    assert (refused(api).code, page.status_code) == ("body_too_large", 400)
    assert "\u0301" not in caplog.text


def test_as_many_marks_as_are_taken_are_answered(client):
    marks = "短信" + "\u0301\u0316" * 999
    response = client.post("/ask", data=json.dumps({"question": marks}), headers=JSON)
    assert response.json["question"] == marks


def test_committed_description_is_the_one_that_is_served():
    kept = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))
    assert kept == document(Settings.model_construct()), "stale: run make openapi"


def test_description_names_the_codes_that_a_route_really_gives(client):
    described = client.get("/openapi.json").json["paths"]["/api/v1/ask:batch"]["post"]["responses"]
    for body, status, code in (
        ({}, "400", "bad_batch"),
        ({"questions": [{"question": ""}]}, "400", "question_empty"),
        ({"questions": "x" * 70000}, "413", "body_too_large"),
    ):
        assert client.post(BATCH, json=body).json["code"] == code
        assert code in described[status]["content"]["application/problem+json"]["examples"]


def test_page_of_the_description_has_every_route_object_and_code(client):
    described = client.get("/openapi.json").json
    response = client.get("/docs")
    text = unescape(re.sub(r"<[^>]*>", "", response.text))
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in text
            assert operation["summary"] in text
            for sample in operation.get("x-codeSamples", ()):
                assert sample["source"] in text
    for name, schema in described["components"]["schemas"].items():
        assert f'id="object-{name}"' in response.text
        assert set(schema["properties"]) <= set(text.split())
    for code in described["components"]["examples"]:
        assert f'id="error-{code}"' in response.text


def test_page_of_the_description_stands_alone_and_its_links_lead_somewhere(client):
    page = client.get("/docs").text
    assert "<script" not in page
    assert "style=" not in page
    assert all(link.startswith(("/", "#")) for link in re.findall(r'(?:href|src)="([^"]+)"', page))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert page.lstrip().startswith('<!doctype html>\n<html lang="en">')


@pytest.mark.parametrize(
    ("schema", "kind", "limits"),
    [
        (
            {"type": "integer", "minimum": 1, "maximum": 20, "default": 3},
            "integer",
            "1 to 20, default 3",
        ),
        ({"type": "string", "minLength": 1}, "string", "at least 1 characters"),
        (
            {"type": "array", "items": {"$ref": "#/x/Y"}, "maxItems": 2},
            "list of Y",
            "at most 2 items",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null", ""),
        ({"enum": ["a", "b"]}, '"a" or "b"', ""),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number", ""),
        (
            {"type": "array", "prefixItems": [{"type": "integer"}] * 2},
            "list of integer and integer",
            "",
        ),
    ],
)
def test_types_are_said_as_people_say_them(schema, kind, limits):
    assert (reference._kind(schema), reference._limits(schema)) == (kind, limits)


def test_application_can_be_made_without_an_index(tmp_path):
    from qa.web import create_app

    app = create_app(Settings.load(index=tmp_path / "nothing"))
    assert isinstance(app, Flask)
    client = app.test_client()
    for path in ("/api/v1/topics", "/api/v1/topics/x", "/api/v1/ask?q=x"):
        assert refused(client.get(path)).code == "index_missing"
    assert client.get("/docs").status_code == 200
