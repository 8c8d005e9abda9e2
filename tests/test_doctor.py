"""What `qa doctor` finds wrong with a machine, and the mend it gives."""

import json
import os
import shutil
import socket
from collections import namedtuple

import pytest

from qa import doctor, index
from qa.cli import cli
from qa.errors import FeedbackError, ModelMissing
from qa.index.folder import BUILDS

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def well(settings, tmp_path, monkeypatch):
    """Settings with which all is well, whatever else this machine is doing."""
    monkeypatch.setattr(doctor, "available_mb", lambda: 8000)
    return settings.model_copy(update={"feedback": "off", "port": 0})


def check(settings, name):
    return next(one for one in doctor.examine(settings) if one.name == name)


def changed(settings, **changes):
    return settings.model_copy(update=changes)


def test_all_is_well(well):
    assert {one.state for one in doctor.examine(well)} == {"ok"}


def test_whatever_is_wrong_has_a_mend(well, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "available_mb", lambda: 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, 0))
    broken = changed(well, index=tmp_path / "none", host="0.0.0.0", workers=2)
    found = [one for one in doctor.examine(broken) if one.state != "ok"]
    assert {one.name for one in found} >= {"索引", "磁盘", "内存", "域名"}
    assert all(one.mend for one in found)


def test_an_old_python(well, monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (4, 0))
    assert check(well, "Python").state == "fault"


@pytest.mark.parametrize(
    ("needed", "says"),
    [("no-such-package-here>=1", "没有安装 no-such-package-here"), ("numpy<1", "需要 <1")],
)
def test_a_package_that_is_missing_or_too_old(well, monkeypatch, needed, says):
    monkeypatch.setattr(doctor, "requires", lambda name: [needed])
    found = check(well, "依赖")
    assert found.state == "fault"
    assert says in found.says


def test_packages_of_extras_are_not_needed(well, monkeypatch):
    monkeypatch.setattr(doctor, "requires", lambda name: ['no-such-package; extra == "train"'])
    assert check(well, "依赖").state == "ok"


def test_a_clock_that_is_wrong(well, monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_YEAR", 3000)
    assert check(well, "时钟").state == "fault"


def test_a_model_that_is_missing(well, monkeypatch):
    def missing(name, segmenter):
        raise ModelMissing("找不到模型。请检查 QA_MODEL。", "No model.")

    monkeypatch.setattr(doctor, "open_encoder", missing)
    found = check(well, "编码模型")
    assert (found.state, found.mend) == ("fault", "请检查 QA_MODEL。")


def test_no_index_is_a_warning_and_a_damaged_one_a_fault(well, tmp_path, shipped_index):
    assert check(changed(well, index=tmp_path / "none"), "索引").state == "warning"
    shutil.copytree(shipped_index, tmp_path / "index")
    build = tmp_path / "index" / BUILDS / index.current(shipped_index).current
    os.truncate(build / "topics.jsonl", 10)
    found = check(changed(well, index=tmp_path / "index"), "索引")
    assert found.state == "fault"
    assert "topics.jsonl" in found.says


def test_guidance_changed_since_the_build(well, monkeypatch):
    class Other:
        sha256 = "another"

    monkeypatch.setattr(doctor, "read", lambda folder: Other())
    found = check(well, "索引")
    assert (found.state, found.mend) == ("warning", "运行 qa rebuild。")


def test_a_folder_that_cannot_be_written(well, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert check(well, "磁盘").state == "warning"


def test_a_port_that_is_taken_and_one_that_is_not_ours(well):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = check(changed(well, port=taken.getsockname()[1]), "端口")
    assert found.state == "warning"  # the service itself may be what listens
    assert check(changed(well, host="192.0.2.1"), "端口").state == "fault"


def test_memory_is_that_of_the_machine_or_of_the_container(tmp_path):
    proc, group = tmp_path / "meminfo", tmp_path / "group"
    assert doctor.available_mb(proc, group) is None
    proc.write_text("MemTotal: 4096000 kB\nMemAvailable: 2048000 kB\n")
    assert doctor.available_mb(proc, group) == 2000
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("0\n")
    assert doctor.available_mb(proc, group) == 2000
    (group / "memory.max").write_text(str(300 << 20))
    (group / "memory.current").write_text(str(200 << 20))
    assert doctor.available_mb(proc, group) == 100


def test_too_little_memory_for_the_workers(well, monkeypatch):
    monkeypatch.setattr(doctor, "available_mb", lambda: doctor.WORKER_MB * 2)
    assert check(changed(well, workers=2), "内存").state == "ok"
    assert check(changed(well, workers=3), "内存").state == "fault"


def test_a_feedback_database_that_cannot_be_opened(well, monkeypatch):
    def closed(address):
        raise FeedbackError("打不开。", "It cannot be opened.")

    monkeypatch.setattr(doctor.Feedback, "open", closed)
    assert check(changed(well, feedback=""), "反馈数据库").state == "warning"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"host": "0.0.0.0"}, "域名"),
        ({"host": "0.0.0.0", "hosts": "qa.example.org", "proxies": 1}, "反向代理"),
        ({"workers": 2, "rate_limit": "60/minute"}, "次数限制"),
    ],
)
def test_settings_that_do_not_go_together(well, changes, name):
    found = check(changed(well, **changes), name)
    assert found.state == "warning"
    assert "QA_" in found.mend


# The command line


def test_doctor_prints_a_line_for_each_check(runner, monkeypatch, shipped_index):
    monkeypatch.setenv("QA_INDEX", str(shipped_index))
    monkeypatch.setenv("QA_FEEDBACK", "off")
    monkeypatch.setattr(doctor, "available_mb", lambda: 8000)
    done = runner.invoke(cli, ["doctor", "--port", "0"])
    assert done.exit_code == 0, done.output
    assert "✓ 索引" in done.output
    found = json.loads(runner.invoke(cli, ["doctor", "--port", "0", "--json"]).output)
    assert "索引" in json.dumps(found, ensure_ascii=False)


def test_doctor_exits_1_on_a_fault_and_prints_the_mend(runner, monkeypatch, shipped_index):
    monkeypatch.setenv("QA_INDEX", str(shipped_index))
    monkeypatch.setattr(doctor, "available_mb", lambda: 1)
    done = runner.invoke(cli, ["doctor", "--port", "0"])
    assert done.exit_code == 1
    assert "✗ 内存" in done.output
    assert "QA_WORKERS" in done.output
