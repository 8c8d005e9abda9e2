import re
import signal
import time
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from qa import timing
from qa.errors import IndexCorrupt
from qa.index import current
from qa.settings import Settings
from qa.timing import STAGES
from qa.web import create_app

ASKED = "收到调解短信后几天内要回复？"
LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def serving(small_engine, index_folder):
    def make(**changes):
        settings = Settings.load(index=index_folder, **changes)
        return create_app(settings, small_engine).test_client()

    return make


def values(text):
    """Return every sample: (name, labels in order) → value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def read(client):
    response = client.get("/metrics")
    assert response.status_code == 200
    return values(response.text)


def test_counts_answers_by_outcome_and_errors_by_code(client):
    client.get("/ask", query_string={"q": ASKED})
    client.get("/ask", query_string={"q": "谢谢"})
    client.get("/ask", query_string={"q": "红烧肉怎么做"})
    client.get("/ask", query_string={"q": ""})
    client.get("/nothing")
    found = read(client)
    assert found["qa_answers_total", "false", "answered"] == 1
    assert found["qa_answers_total", "false", "reply"] == 1
    assert found["qa_answers_total", "false", "unanswered"] == 1
    assert found["qa_errors_total", "question_empty"] == 1
    assert found["qa_errors_total", "not_found"] == 1
    assert found["qa_requests_total", "200"] == 3
    assert found["qa_request_seconds_count",] == 5
    assert found["qa_requests_in_progress",] == 1  # that of /metrics itself


def test_times_every_stage_and_the_whole(client):
    client.get("/ask", query_string={"q": ASKED})
    found = read(client)
    parts = [found["qa_stage_seconds_sum", stage] for stage in STAGES]
    assert all(found["qa_stage_seconds_count", stage] >= 1 for stage in STAGES)
    assert found["qa_stage_seconds_count", "whole"] == 1
    assert 0 < sum(parts) <= found["qa_stage_seconds_sum", "whole"]


def test_a_stage_that_fails_is_not_timed_and_costs_nothing_unwatched():
    seen = []
    timing.watch(lambda name, seconds: seen.append(name))
    with pytest.raises(KeyError), timing.stage("search"):
        raise KeyError
    timing.watch(None)
    with timing.stage("rank"):
        pass
    assert seen == []


def test_says_which_build_serves_and_how_old_it_is(serving, index_folder):
    found = read(serving())
    age = time.time() - (index_folder / "CURRENT").stat().st_mtime
    assert found["qa_build_info", current(index_folder).current] == 1
    assert found["qa_build_age_seconds",] == pytest.approx(age, abs=5)
    assert (found["qa_ready",], found["qa_build_is_previous",]) == (1, 0)


def test_without_an_index_there_is_a_metric_to_alert_on(tmp_path):
    client = create_app(Settings.load(index=tmp_path / "none")).test_client()
    found = read(client)
    assert found["qa_ready",] == 0
    assert not [key for key in found if key[0].startswith("qa_build")]


def test_a_build_that_is_replaced_leaves_no_series(serving, small_engine):
    client = serving()
    before = small_engine.index.manifest.build
    read(client)
    object.__setattr__(
        small_engine.index,
        "manifest",
        small_engine.index.manifest.model_copy(update={"passages": 99}),
    )
    builds = [key[1] for key in read(client) if key[0] == "qa_build_info"]
    assert len(builds) == 1
    assert builds != [before]


def test_reloads_are_counted(app):
    from qa.web.observe import metrics_of

    metrics_of(app).reloaded(well=True)
    metrics_of(app).reloaded(well=False)
    found = read(app.test_client())
    assert (found["qa_reloads_total", "ok"], found["qa_reloads_total", "failed"]) == (1, 1)


@pytest.mark.parametrize(
    ("metrics", "address", "headers", "status"),
    [
        pytest.param("local", "127.0.0.1", {}, 200, id="this-machine"),
        pytest.param("local", "::1", {}, 200, id="this-machine-v6"),
        pytest.param("local", "192.0.2.1", {}, 404, id="another"),
        pytest.param("local", "127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, 404, id="proxy"),
        pytest.param("all", "192.0.2.1", {}, 200, id="all"),
        pytest.param("off", "127.0.0.1", {}, 404, id="off"),
    ],
)
def test_who_may_read(serving, metrics, address, headers, status):
    client = serving(metrics=metrics)
    there = {"REMOTE_ADDR": address}
    assert client.get("/metrics", headers=headers, environ_base=there).status_code == status


def test_ready_but_with_what_to_look_at(small_engine, index_folder, monkeypatch):
    monkeypatch.setenv("QA_FEEDBACK", "sqlite:////proc/nowhere/feedback.db")
    object.__setattr__(small_engine, "fault", IndexCorrupt("坏了 /secret", "broken /secret"))
    client = create_app(Settings.load(index=index_folder), small_engine).test_client()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert [one["code"] for one in response.json["warnings"]] == [
        "previous_build",
        "feedback_unwritable",
    ]
    assert "qa rebuild" in response.json["warnings"][0]["detail"]
    assert "/secret" not in response.text
    english = client.get("/readyz", headers={"Accept-Language": "en"}).json["warnings"]
    assert english[0]["detail"].startswith("Something is wrong with the index")


def test_ready_says_where_another_build_is_on_disk(serving, small_engine, index_folder):
    client = serving()
    assert client.get("/readyz").json["warnings"] == []
    (index_folder / "CURRENT").write_text('{"current": "0123456789abcdef", "previous": null}')
    assert [one["code"] for one in client.get("/readyz").json["warnings"]] == ["other_build"]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        pytest.param(lambda f: (f / "CURRENT").unlink(), "index_missing", "还没有索引", id="none"),
        pytest.param(lambda f: (f / "CURRENT").write_text("x"), "index_corrupt", "损坏", id="bad"),
    ],
)
def test_not_ready_says_why_and_what_to_do(index_folder, change, code, says):
    change(index_folder)
    response = create_app(Settings.load(index=index_folder)).test_client().get("/readyz")
    assert (response.status_code, response.json["code"]) == (503, code)
    assert says in response.json["detail"]
    assert "qa rebuild" in response.json["detail"]
    assert str(index_folder) not in response.text


def test_several_workers_add_up_also_after_one_is_killed(running, shipped_index):
    with running(shipped_index) as process:
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        for _ in range(12):
            _fetch(f"{address}ask?q={quote(ASKED)}")
        before = values(_fetch(f"{address}metrics"))
        process.send_signal(signal.SIGHUP)  # replaces both workers
        time.sleep(3)
        _fetch(f"{address}ask?q={quote(ASKED)}")
        after = values(_fetch(f"{address}metrics"))
    assert before["qa_answers_total", "false", "answered"] == 12
    assert after["qa_answers_total", "false", "answered"] == 13
    assert after["qa_requests_in_progress",] == 1
    assert len([key for key in after if key[0] == "qa_build_info"]) == 1


def _fetch(address):
    with urlopen(Request(address), timeout=30) as reply:
        return reply.read().decode()
