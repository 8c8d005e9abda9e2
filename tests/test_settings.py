"""Flag, else variable, else default; a value that cannot be used is named."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from qa import paths
from qa.errors import SettingInvalid
from qa.info import gather
from qa.settings import Settings, variable, without_secrets

DEFAULTS = {
    "corpus": paths.CORPUS,
    "index": paths.INDEX,
    "model": "",
    "host": "127.0.0.1",
    "port": 8000,
    "workers": 1,
    "threads": 4,
    "k": 3,
    "max_k": 20,
    "max_question_chars": 2000,
    "max_body_bytes": 65536,
    "time_limit_ms": 2000,
    "rate_limit": "60/minute;1000/hour",
    "rate_storage": "memory://",
    "cors": "",
    "hosts": "",
    "proxies": 0,
    "feedback": "",
    "log_format": "auto",
    "log_level": "info",
    "metrics": "local",
    "exit_url": "https://www.baidu.com/",
}
OTHERS = {
    "corpus": "/x",
    "index": "/y",
    "model": "m",
    "host": "0.0.0.0",
    "port": 9000,
    "workers": 2,
    "threads": 8,
    "k": 5,
    "max_k": 30,
    "max_question_chars": 500,
    "max_body_bytes": 2048,
    "time_limit_ms": 500,
    "rate_limit": "off",
    "rate_storage": "redis://localhost",
    "cors": "https://example.org",
    "hosts": "example.org",
    "proxies": 1,
    "feedback": "off",
    "log_format": "json",
    "log_level": "debug",
    "metrics": "all",
    "exit_url": "https://example.org/",
}


def test_defaults(monkeypatch):
    for name in ("QA_INDEX", "QA_FEEDBACK", "QA_RATE_LIMIT", "QA_TIME_LIMIT_MS"):
        monkeypatch.delenv(name)
    assert Settings.load().model_dump() == DEFAULTS


@pytest.mark.parametrize("name", DEFAULTS)
def test_variable_over_default_and_flag_over_variable(monkeypatch, name):
    monkeypatch.setenv(variable(name), str(OTHERS[name]))
    settings = Settings.load()
    assert str(getattr(settings, name)) == str(OTHERS[name])
    assert getattr(Settings.load(**{name: DEFAULTS[name]}), name) == DEFAULTS[name]


@pytest.mark.parametrize("name", DEFAULTS)
def test_flag_that_was_not_given_leaves_the_variable(monkeypatch, name):
    monkeypatch.setenv(variable(name), str(OTHERS[name]))
    assert Settings.load(**{name: None}) == Settings.load()


def test_variable_names():
    assert variable("port") == "QA_PORT"
    assert variable("max_question_chars") == "QA_MAX_QUESTION_CHARS"


def test_origin_says_flag_variable_or_default(monkeypatch):
    monkeypatch.setenv("QA_K", "5")
    monkeypatch.setenv("QA_PORT", "9000")
    settings = Settings.load(port=9001)
    flags = {"port": 9001, "k": None}
    assert settings.origin("port", flags) == "--port"
    assert settings.origin("k", flags) == "QA_K"
    assert settings.origin("threads", flags) == "default"


@pytest.mark.parametrize(
    ("name", "value", "chinese", "english"),
    [
        ("QA_PORT", "abc", "应是整数", "valid integer"),
        ("QA_PORT", "80.5", "应是整数", "valid integer"),
        ("QA_PORT", "65536", "不能大于 65535", "less than or equal to 65535"),
        ("QA_PORT", "-1", "不能小于 0", "greater than or equal to 0"),
        ("QA_WORKERS", "0", "不能小于 1", "greater than or equal to 1"),
        ("QA_THREADS", "65", "不能大于 64", "less than or equal to 64"),
        ("QA_K", "21", "不能大于 20", "less than or equal to 20"),
        ("QA_MAX_K", "0", "不能小于 1", "greater than or equal to 1"),
        ("QA_MAX_QUESTION_CHARS", "20001", "不能大于 20000", "less than or equal to 20000"),
        ("QA_MAX_BODY_BYTES", "1023", "不能小于 1024", "greater than or equal to 1024"),
    ],
    ids=lambda value: value if value.isascii() else "",
)
def test_bad_variable_is_named_with_its_value(monkeypatch, name, value, chinese, english):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid) as caught:
        Settings.load()
    assert f"设置 {name} 的值 {value!r} 不能用：{chinese}。" in str(caught.value)
    assert caught.value.english.startswith(f"{name} = {value!r} cannot be used: ")
    assert english in caught.value.english


@pytest.mark.parametrize(
    ("name", "value", "flag"),
    [("port", 70000, "--port"), ("max_k", 0, "--max-k"), ("workers", "many", "--workers")],
)
def test_bad_flag_is_named_as_it_is_typed(monkeypatch, name, value, flag):
    monkeypatch.setenv(variable(name), "1")
    with pytest.raises(SettingInvalid, match=f"设置 {flag} 的值 {value!r} 不能用") as caught:
        Settings.load(**{name: value})
    assert caught.value.english.startswith(f"{flag} = {value!r} cannot be used")


def test_good_flag_hides_a_bad_variable(monkeypatch):
    monkeypatch.setenv("QA_PORT", "abc")
    assert Settings.load(port=9000).port == 9000


def test_settings_cannot_be_changed():
    settings = Settings.load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(SettingInvalid, match="nonsense"):
        Settings.load(nonsense=1)


def test_other_variables_are_no_business_of_ours(monkeypatch):
    monkeypatch.setenv("QA_SOMETHING_ELSE", "1")
    assert not hasattr(Settings.load(), "something_else")


def test_paths_are_paths(monkeypatch):
    monkeypatch.setenv("QA_CORPUS", "some/folder")
    assert Settings.load().corpus == Path("some/folder")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_in_chinese(name):
    assert re.search("[\u4e00-\u9fff]", Settings.model_fields[name].description)


def test_a_default_k_above_its_maximum_is_refused():
    with pytest.raises(SettingInvalid, match="max_k = 2"):
        Settings.load(k=3, max_k=2)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch):
    monkeypatch.setenv("QA_INDEX", "")
    monkeypatch.setenv("QA_PORT", "")
    settings = Settings.load()
    assert (settings.index, settings.port) == (paths.INDEX, 8000)
    assert settings.origin("index", {}) == "default"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "foo", "https://a b"])
def test_way_out_is_a_web_address(monkeypatch, address):
    monkeypatch.setenv("QA_EXIT_URL", address)
    with pytest.raises(SettingInvalid, match="QA_EXIT_URL.*网址"):
        Settings.load()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://:secret@host:6379", "redis://host:6379"),
        ("postgresql+psycopg://u:secret@host/name", "postgresql+psycopg://host/name"),
        ("postgresql://host/name?user=u&password=secret", "postgresql://host/name"),
        ("memory://", "memory://"),
        ("60/minute;1000/hour", "60/minute;1000/hour"),
    ],
)
def test_secrets_of_an_address_are_not_shown(address, shown):
    assert without_secrets(address) == shown


def test_info_shows_no_password(monkeypatch):
    monkeypatch.setenv("QA_RATE_STORAGE", "redis://:secret@host:6379")
    monkeypatch.setenv("QA_FEEDBACK", "postgresql://host/name?password=secret")
    report = str(gather(Settings.load(), {}))
    assert "redis://host:6379" in report
    assert "secret" not in report
