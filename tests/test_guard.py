"""Who may ask how often and from where; the headers of every response."""

import logging
import re

import pytest
from limits.errors import StorageError
from limits.storage import MemoryStorage

from qa.errors import SettingInvalid
from qa.settings import Settings
from qa.web import create_app
from qa.web.guard import COUNTED
from qa.web.guard import client as counted_as
from qa.web.server import serve
from qa.web.wire import Problem

ASKED = "短信里的链接能点吗"
BATCH = "/api/v1/ask:batch"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SITE = "https://example.org"


class Unreachable(MemoryStorage):
    """A storage that is down, or was a moment ago."""

    STORAGE_SCHEME = ["unreachable"]
    down = True

    def acquire_entry(self, *args, **options):
        if self.down:
            raise StorageError(ConnectionError("no route to redis"))
        return super().acquire_entry(*args, **options)

    def check(self):
        return not self.down


@pytest.fixture
def serving(tmp_path, engine):
    """Return a function: a client of an application with these settings."""

    def make(**settings):
        return create_app(Settings.load(**settings), engine).test_client()

    return make


def ask(client, address="192.0.2.1", **headers):
    environ = {"REMOTE_ADDR": address}
    return client.get("/ask?q=x", environ_overrides=environ, headers=headers)


def statuses(*responses):
    return [response.status_code for response in responses]


def test_one_address_asks_so_often_and_others_go_on(serving):
    client = serving(rate_limit="2/minute")
    assert statuses(*(ask(client) for _ in range(4))) == [200, 200, 429, 429]
    assert ask(client, "192.0.2.2").status_code == 200


def test_refusal_says_how_long_to_wait(serving):
    client = serving(rate_limit="1/minute")
    ask(client)
    response = ask(client, **{"Accept-Language": "en"})
    problem = Problem.model_validate(response.json)
    seconds = response.headers["Retry-After"]
    assert (problem.code, response.mimetype) == ("too_many_requests", "application/problem+json")
    assert 1 <= int(seconds) <= 61
    assert f"Wait {seconds} seconds" in problem.detail
    assert response.headers["Cache-Control"] == "no-store"


def test_browser_gets_a_page_that_says_so(serving):
    client = serving(rate_limit="1/minute")
    client.post("/", data={"question": ASKED}, headers=BROWSER)
    response = client.post("/", data={"question": ASKED}, headers=BROWSER)
    assert (response.status_code, response.mimetype) == (429, "text/html")
    assert "这个网络问得太频繁" in response.text
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(("method", "path"), sorted(COUNTED))
def test_every_way_to_ask_counts_against_one_limit(serving, method, path):
    client = serving(rate_limit="1/minute")
    if path not in {rule.rule for rule in client.application.url_map.iter_rules()}:
        pytest.skip(f"no {path} here")
    assert client.open(path, method=method).status_code != 429
    assert statuses(client.get("/ask?q=x"), client.head("/ask?q=x")) == [429, 429]


def test_what_costs_nothing_is_never_counted(serving):
    client = serving(rate_limit="1/minute")
    paths = ("/", "/healthz", "/readyz", "/openapi.json", "/docs", "/static/style.css")
    paths += ("/api/v1/topics", "/api/v1/topics/hotline-list", "/topics/hotline-list", "/nothing")
    for path in paths:
        for _ in range(2):
            with client.get(path) as response:
                assert response.status_code != 429, path
    assert client.options("/ask").status_code == 200
    assert statuses(ask(client), ask(client)) == [200, 429]
    assert client.get("/readyz").status_code == 200


def test_batch_counts_as_often_as_it_has_questions(serving):
    client = serving(rate_limit="5/minute")
    four = {"questions": [{"question": "谢谢"}] * 4}
    assert statuses(client.post(BATCH, json=four), client.post(BATCH, json=four)) == [200, 429]
    one = {"questions": [{"question": "谢谢"}]}  # the refused batch took nothing
    assert statuses(client.post(BATCH, json=one), client.post(BATCH, json=one)) == [200, 429]


def test_batch_that_cannot_be_read_counts_once(serving):
    client = serving(rate_limit="2/minute")
    bad = [client.post(BATCH, json=["x"]), client.post(BATCH, data=b"{", content_type="text/plain")]
    assert statuses(*bad, client.post(BATCH, json=[])) == [400, 415, 429]


def test_several_limits_hold_together(serving):
    client = serving(rate_limit="2/minute;3/hour")
    assert statuses(*(ask(client) for _ in range(3))) == [200, 200, 429]


def test_no_limit_where_it_is_off(serving):
    client = serving(rate_limit="off")
    assert set(statuses(*(ask(client) for _ in range(100)))) == {200}


def test_by_default_a_person_is_never_stopped_and_a_script_soon():
    assert Settings.model_fields["rate_limit"].default == "60/minute;1000/hour"


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7:4711"),
        ("", "unknown"),
    ],
)
def test_a_network_of_version_six_counts_as_one_address(app, address, counted):
    with app.test_request_context("/", environ_overrides={"REMOTE_ADDR": address}):
        assert counted_as() == counted


@pytest.mark.parametrize("value", ["many", "60", "60/moment", "0/minute", "60/minute;x", "-1/hour"])
def test_limit_that_cannot_be_kept_stops_the_start(value):
    with pytest.raises(SettingInvalid, match=f"QA_RATE_LIMIT.*{re.escape(value)}.*off") as caught:
        serve(Settings.load(rate_limit=value, port=0))
    assert caught.value.english.startswith("QA_RATE_LIMIT = ")


@pytest.mark.parametrize("value", ["nonsense", "nowhere://x", ""])
def test_storage_that_is_not_known_stops_the_start(value):
    settings = Settings.load(rate_limit="1/minute", rate_storage=value or "redis", port=0)
    with pytest.raises(SettingInvalid, match="QA_RATE_STORAGE.*redis://"):
        serve(settings)


def test_storage_that_is_down_takes_nothing_down_and_is_logged_once(serving, monkeypatch, caplog):
    monkeypatch.setattr(Unreachable, "down", True)
    client = serving(rate_limit="2/minute", rate_storage="unreachable://")
    assert statuses(*(ask(client) for _ in range(3))) == [200, 200, 429]
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "storage unreachable" in caplog.text


def test_proxies_are_believed_when_they_were_counted(serving):
    client = serving(rate_limit="1/minute", proxies=1)
    first = ask(client, "127.0.0.1", **{"X-Forwarded-For": "192.0.2.1"})
    other = ask(client, "127.0.0.1", **{"X-Forwarded-For": "192.0.2.2"})
    # What the asker wrote into the header stands before what the proxy wrote.
    forged = ask(client, "127.0.0.1", **{"X-Forwarded-For": "192.0.2.3, 192.0.2.1"})
    assert statuses(first, other, forged) == [200, 200, 429]


def test_proxies_are_not_believed_and_are_warned_of_once_when_nobody_told(serving, caplog):
    client = serving(rate_limit="1/minute")
    for_one, for_other = ({"X-Forwarded-For": f"192.0.2.{n}"} for n in (1, 2))
    replies = [ask(client, "127.0.0.1", **headers) for headers in (for_one, for_other, for_one)]
    assert statuses(*replies) == [200, 429, 429]
    (line,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "QA_PROXIES" in line
    assert "192.0.2" not in caplog.text


@pytest.mark.parametrize(
    ("proxies", "address", "headers"),
    [
        (0, "127.0.0.1", {}),
        (0, "192.0.2.9", {"X-Forwarded-For": "192.0.2.1"}),
        (1, "127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}),
    ],
)
def test_no_warning_where_nothing_is_wrong(serving, caplog, proxies, address, headers):
    ask(serving(proxies=proxies), address, **headers)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_https_is_asked_for_only_where_it_was_used(serving):
    secure = {"X-Forwarded-Proto": "https"}
    plain, behind = serving(), serving(proxies=1)
    name = "Strict-Transport-Security"
    assert name not in plain.get("/", headers=secure).headers
    assert name not in behind.get("/").headers
    assert behind.get("/", headers=secure).headers[name] == "max-age=31536000"
    assert name in plain.get("/", base_url="https://localhost").headers


def test_only_our_hosts_are_served(serving):
    client = serving(hosts="example.org, .example.com")
    hosts = {"example.org": 200, "example.org:8000": 200, "a.example.com": 200, "evil.test": 400}
    for host, status in hosts.items():
        for path in ("/", "/ask?q=x", "/healthz", "/static/style.css"):
            with client.get(path, headers={"Host": host}) as response:
                assert response.status_code == status, (host, path)
    problem = client.get("/ask?q=x", headers={"Host": "evil.test"})
    browser = client.get("/", headers={"Host": "evil.test", **BROWSER})
    assert (problem.json["code"], "QA_HOSTS" in problem.json["detail"]) == ("bad_request", True)
    assert (browser.status_code, browser.json) == (400, problem.json)
    assert "evil.test" not in problem.text


def test_any_host_is_served_by_default(serving):
    assert serving().get("/healthz", headers={"Host": "evil.test"}).status_code == 200


def test_host_that_a_proxy_hands_on_is_checked(serving):
    client = serving(hosts="example.org", proxies=1)
    handed = {"Host": "127.0.0.1:8000", "X-Forwarded-Host": "example.org"}
    assert client.get("/", headers=handed).status_code == 200
    assert client.get("/", headers=handed | {"X-Forwarded-Host": "evil.test"}).status_code == 400


def preflight(client, path, origin=SITE, method="POST"):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type",
    }
    return client.options(path, headers=headers).headers


def test_no_other_site_may_call_by_default(serving):
    client = serving()
    assert "Access-Control-Allow-Origin" not in preflight(client, "/ask")
    assert "Access-Control-Allow-Origin" not in ask(client, Origin=SITE).headers


def test_sites_on_the_list_may_call_the_api_alone(serving):
    client = serving(cors=f"{SITE}, http://localhost:3000")
    for path in ("/ask", "/api/v1/ask", BATCH):
        allowed = preflight(client, path)
        assert allowed["Access-Control-Allow-Origin"] == SITE
        assert "POST" in allowed["Access-Control-Allow-Methods"]
        assert allowed["Access-Control-Allow-Headers"].lower() == "content-type"
        assert allowed["Access-Control-Max-Age"] == "600"
    for path in ("/", "/topics/hotline-list", "/readyz", "/feedback"):
        assert "Access-Control-Allow-Origin" not in preflight(client, path)
    answer = ask(client, Origin=SITE).headers
    assert answer["Access-Control-Allow-Origin"] == SITE
    assert {"ETag", "Retry-After"} <= set(answer["Access-Control-Expose-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.parametrize("origin", ["https://evil.test", "https://example.org.evil.test", "null"])
def test_sites_that_are_not_on_the_list_may_not(serving, origin):
    client = serving(cors=SITE)
    assert "Access-Control-Allow-Origin" not in preflight(client, "/ask", origin)
    assert "Access-Control-Allow-Origin" not in ask(client, Origin=origin).headers


@pytest.mark.parametrize("origin", [SITE, "https://evil.test", None])
def test_caches_are_told_that_the_origin_matters(serving, origin):
    headers = {"Origin": origin} if origin else {}
    assert "Origin" in ask(serving(cors=SITE), **headers).headers["Vary"]


def test_problems_can_be_read_by_sites_on_the_list(serving):
    client = serving(cors=SITE, rate_limit="1/minute")
    ask(client, Origin=SITE)
    refused = ask(client, Origin=SITE)
    assert refused.status_code == 429
    assert refused.headers["Access-Control-Allow-Origin"] == SITE


def test_star_lets_every_site_call(serving):
    reply = ask(serving(cors="*"), Origin="https://anything.test")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cors", "example.org"),
        ("cors", "https://example.org/"),
        ("cors", "https://example.org/path"),
        ("cors", f"*, {SITE}"),
        ("cors", "https://*.example.org"),
        ("cors", "ftp://example.org"),
        ("hosts", "https://example.org"),
        ("hosts", "example.org:8000"),
        ("hosts", "*"),
        ("hosts", "exa mple.org"),
    ],
)
def test_lists_that_cannot_be_meant_stop_the_start(monkeypatch, name, value):
    monkeypatch.setenv(f"QA_{name.upper()}", value)
    with pytest.raises(SettingInvalid, match=f"QA_{name.upper()}.*用逗号隔开") as caught:
        Settings.load()
    assert "between commas" in caught.value.english


@pytest.mark.parametrize("value", ["", "*", SITE, "http://localhost:3000,https://[::1]:8443"])
def test_origins_that_can_be_meant(value):
    assert Settings.load(cors=value).cors == value


PATHS = ["/", "/ask?q=x", "/ask", "/api/v1/topics", "/docs", "/topics/hotline-list", "/nothing"]
PATHS += ["/healthz", "/readyz", "/openapi.json", "/static/style.css"]


@pytest.mark.parametrize("path", PATHS)
def test_headers_lock_every_response_down_and_set_no_cookie(client, path):
    with client.get(path) as response:
        headers = response.headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert "Set-Cookie" not in headers


def test_no_way_of_asking_sets_a_cookie(client):
    for reply in (
        client.post("/", data={"question": ASKED}),
        client.post("/ask", json={"question": ASKED}),
        client.post(BATCH, json={"questions": [{"question": ASKED}]}),
        client.post("/ask", data=b"{"),
    ):
        assert "Set-Cookie" not in reply.headers


def test_refusals_are_logged_without_question_or_address(serving, caplog):
    caplog.set_level(logging.INFO, "qa")
    client = serving(rate_limit="1/minute")
    environ = {"REMOTE_ADDR": "192.0.2.1"}
    for _ in range(2):
        client.get("/ask", query_string={"q": ASKED}, environ_overrides=environ)
    ours = "\n".join(str(vars(r)) for r in caplog.records if r.name.startswith("qa"))
    assert caplog.records[-1].code == "too_many_requests"
    assert caplog.records[-1].route == "/ask"
    assert "192.0.2" not in ours
    assert "链接" not in ours


def test_an_address_of_version_six_opens_to_itself_alone(serving):
    client = serving(cors="http://[::1]:3000")
    allowed = "Access-Control-Allow-Origin"
    assert ask(client, Origin="http://[::1]:3000").headers[allowed] == "http://[::1]:3000"
    for stranger in ("http://1:3000.evil.test", "http://[::1]:3000.evil.test", "http://:"):
        assert allowed not in ask(client, Origin=stranger).headers
