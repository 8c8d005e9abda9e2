import io
import json
import logging
import sys
import threading

import pytest

from qa import logs

NUMBER = "110105194912310021"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def logged(monkeypatch):
    """Return a function that sets the pipeline up and returns what reads its lines."""
    root, package = logging.getLogger(), logging.getLogger("qa")
    kept = (root.handlers[:], root.level, package.level, logging.raiseExceptions)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)

    def set_up(style="json", level="info", stream=None):
        stream = stream or io.StringIO()
        logs.set_up(style, level, stream)
        return stream.getvalue

    yield set_up
    logging.captureWarnings(False)
    root.handlers[:], logging.raiseExceptions = kept[0], kept[3]
    root.setLevel(kept[1])
    package.setLevel(kept[2])


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_line_is_one_json_object_with_its_fields(logged):
    read = logged()
    logging.getLogger("qa.web").info("request", extra={"status": 200, "topics": ["a", "b"]})
    line = json.loads(read())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "qa.web",
        "status": 200,
        "topics": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("style", "stream", "is_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("text", io.StringIO, False),
        ("json", Terminal, True),
    ],
)
def test_people_get_text_and_programs_json(logged, style, stream, is_json):
    read = logged(style, stream=stream())
    logging.getLogger("qa").warning("中文")
    assert read().startswith("{") == is_json
    assert "中文" in read()


def test_every_library_goes_through_the_same_pipeline(logged):
    read = logged()
    for name in ("gunicorn.error", "flask-limiter", "py.warnings", "anything"):
        logging.getLogger(name).error("identity %s", NUMBER)
    lines = [json.loads(line) for line in read().splitlines()]
    assert [line["event"] for line in lines] == ["identity [身份证号]"] * 4


def test_levels_are_the_packages_own_and_warnings_of_others(logged):
    read = logged(level="error")
    logging.getLogger("qa.web").warning("ours")
    logging.getLogger("other").info("theirs")
    assert read() == ""


@pytest.mark.parametrize(
    "field",
    [
        NUMBER,
        int(NUMBER),
        {"deep": [{"er": NUMBER}]},
        {NUMBER: 1},
        (NUMBER,),
        NUMBER.encode(),
        ValueError(NUMBER),
    ],
    ids=["text", "whole-number", "nested", "key", "tuple", "bytes", "object"],
)
@pytest.mark.parametrize("style", ["json", "text"])
def test_every_value_is_masked(logged, style, field):
    read = logged(style)
    logging.getLogger("qa").info("x", extra={"field": field})
    assert NUMBER not in read()
    assert "身份证号" in read()


@pytest.mark.parametrize("style", ["json", "text"])
def test_an_exception_is_its_traceback_without_any_message(logged, style):
    read = logged(style)
    error = ValueError("问的是花呗")
    error.__cause__ = raised(KeyError("问的是借呗"))
    logging.getLogger("gunicorn.error").error("failed", exc_info=raised(error))
    assert "ValueError" in read()
    assert "KeyError" in read()
    assert "test_logs.py" in read()
    assert "问的" not in read()


def test_builds_and_request_ids_are_left_but_only_of_their_form(logged):
    read = logged()
    extra = {"build": "1380013800000000", "request_id": "1" * 32}
    logging.getLogger("qa").info("x", extra=extra)
    logging.getLogger("qa").info("x", extra={"build": "13800138000"})
    first, second = map(json.loads, read().splitlines())
    assert first.items() >= extra.items()
    assert second["build"] == "[电话]"


def test_a_line_that_cannot_be_made_prints_nothing_of_it(logged, capsys):
    logged()
    logging.getLogger("qa").info("%d", NUMBER)
    assert NUMBER not in capsys.readouterr().err


def test_a_thread_that_dies_is_logged_without_its_message(logged, capsys):
    read = logged()

    said = "问的是花呗"

    def die():
        raise ValueError(said)

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    assert "ValueError" in json.loads(read())["trace"]
    assert "花呗" not in read() + capsys.readouterr().err
