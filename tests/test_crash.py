"""A rebuild may be killed, its disk may fail, its files may rot: the service answers."""

import errno
import json
import logging
import os
import subprocess
import sys

import pytest

from qa import index
from qa.answer import Engine
from qa.cli import cli
from qa.errors import IndexCorrupt, IndexMissing, IndexStale, IndexUnwritable
from qa.index.folder import BUILDS, CURRENT, written
from qa.index.store import MANIFEST
from qa.rebuild import rebuild
from qa.settings import Settings
from tests.conftest import silent


@pytest.fixture
def two_builds(corpus_folder, index_folder, segmenter, encoder):
    """An index folder whose build in service and previous build differ in one file."""
    document = corpus_folder / "guidance/c1/reply.md"
    document.write_text(document.read_text("utf-8").replace("再尽早", "再尽快"), "utf-8")
    rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert index.current(index_folder).previous
    return index_folder


def spoil(path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def files_of(folder, build):
    return sorted(p for p in (folder / BUILDS / build).rglob("*") if p.is_file())


def test_kills_and_faults_lose_nothing_and_unsafe_writers_are_caught():
    command = [sys.executable, "-m", "bench.soak_kills", "--each", "1", "--json"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    rows = {row["scenario"]: row for row in json.loads(done.stdout)}
    unsafe = {name for name in rows if name.startswith("unsafe")}
    assert len(unsafe) == 3
    assert len(rows) - len(unsafe) == 5
    for name in rows.keys() - unsafe:
        found = rows[name]
        assert (found["loss"], found["damage"], found["unclear"], found["stuck"]) == (0, 0, 0, 0)
        # Where nothing has changed nothing is written, and no write can be cut in two.
        least = 3 if name == "unchanged corpus" else 4
        assert min(found["kills"], found["faults"]) >= least
    assert all(rows[name]["loss"] > 0 for name in unsafe)
    assert done.returncode == 0


def test_every_damaged_file_is_named_and_the_previous_build_serves(
    two_builds, segmenter, encoder, caplog
):
    pointer = index.current(two_builds)
    files = files_of(two_builds, pointer.current)
    assert len(files) > 40
    for number, path in enumerate(files):
        whole = path.read_bytes()
        spoil(path, number * 7919 % len(whole))
        with pytest.raises(IndexCorrupt, match=path.name):
            index.load(two_builds, segmenter, encoder)
        path.write_bytes(whole[:-1])
        caplog.clear()
        found = index.serving(two_builds, segmenter, encoder)
        assert found.index.manifest.build == pointer.previous
        assert path.name in str(found.fault)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        path.write_bytes(whole)
    assert index.serving(two_builds, segmenter, encoder).fault is None


def test_any_byte_of_the_pointer_may_rot_and_the_build_in_service_serves_on(
    two_builds, segmenter, encoder
):
    pointer, whole = index.current(two_builds), (two_builds / CURRENT).read_bytes()
    for place in range(len(whole)):
        spoil(two_builds / CURRENT, place)
        with pytest.raises(IndexCorrupt, match=CURRENT):
            index.current(two_builds)
        if place % 7 == 0:
            found = index.serving(two_builds, segmenter, encoder)
            assert found.index.manifest.build in (pointer.current, pointer.previous)
            assert CURRENT in str(found.fault)
        (two_builds / CURRENT).write_bytes(whole)


@pytest.mark.parametrize("rest", [b"", None], ids=["empty", "deleted"])
def test_without_a_pointer_the_build_last_in_service_serves(two_builds, segmenter, encoder, rest):
    index.rollback(two_builds, segmenter, encoder)
    pointer = index.current(two_builds)
    (two_builds / CURRENT).unlink()
    if rest is not None:
        (two_builds / CURRENT).write_bytes(rest)
    found = index.serving(two_builds, segmenter, encoder)
    assert found.index.manifest.build == pointer.current
    assert CURRENT in str(found.fault)


def test_when_no_build_is_whole_the_one_in_service_is_named(two_builds, segmenter, encoder):
    pointer = index.current(two_builds)
    for build, name in ((pointer.current, "topics.jsonl"), (pointer.previous, "keys.txt")):
        spoil(two_builds / BUILDS / build / name, 5)
    with pytest.raises(IndexCorrupt, match="topics.jsonl"):
        index.serving(two_builds, segmenter, encoder)


def test_a_switch_while_a_build_is_read_is_followed(two_builds, segmenter, encoder, monkeypatch):
    real, pointer = index.store.load_build, index.current(two_builds)

    def switch_meanwhile(*arguments):
        monkeypatch.setattr("qa.index.store.load_build", real)
        index.rollback(two_builds, segmenter, encoder)
        raise IndexCorrupt("没了", "gone")

    monkeypatch.setattr("qa.index.store.load_build", switch_meanwhile)
    found = index.serving(two_builds, segmenter, encoder)
    assert found.index.manifest.build == pointer.previous
    assert found.fault is None


def test_an_engine_says_why_another_build_serves(shipped_index, copy_of):
    folder = copy_of(shipped_index, "damaged")
    (folder / CURRENT).write_text("{}", "utf-8")
    engine = Engine.open(Settings.load(index=folder))
    assert CURRENT in str(engine.fault)
    assert engine.by_words.fault is engine.fault


def test_a_rebuild_over_a_damaged_build_keeps_the_whole_one_before_it(
    corpus_folder, two_builds, segmenter, encoder
):
    before = index.current(two_builds)
    spoil(two_builds / BUILDS / before.current / "keys.txt", 0)
    (corpus_folder / "guidance/c1/more.txt").write_text("一段新的文字。", "utf-8")
    rebuild(corpus_folder, two_builds, segmenter, encoder, silent)
    assert index.current(two_builds).previous == before.previous
    assert not any(build.damaged for build in index.verify(two_builds))


def test_a_rebuild_over_a_damaged_pointer_keeps_a_whole_build(
    corpus_folder, two_builds, segmenter, encoder
):
    before = index.current(two_builds)
    (two_builds / CURRENT).write_text("{}", "utf-8")
    rebuild(corpus_folder, two_builds, segmenter, encoder, silent)
    assert index.current(two_builds) == before


def test_a_build_that_never_served_does_not_become_the_previous_one(
    corpus_folder, index_folder, segmenter, encoder, copy_of, tmp_path
):
    document = corpus_folder / "guidance/c1/reply.md"
    text = document.read_text("utf-8")
    document.write_text(text.replace("再尽早", "再尽快"), "utf-8")
    other = rebuild(corpus_folder, tmp_path / "other", segmenter, encoder, silent).build
    copy_of(tmp_path / "other" / BUILDS / other, f"index/{BUILDS}/{other}")
    document.write_text(text, "utf-8")
    rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert index.current(index_folder).previous is None


@pytest.mark.parametrize(
    ("number", "said", "mend"),
    [
        (errno.ENOSPC, "磁盘已满", "腾出空间"),
        (errno.EROFS, "磁盘只读", "挂载方式"),
        (errno.EIO, "Input/output error", "检查磁盘"),
    ],
)
def test_an_error_of_the_disk_says_what_to_do(tmp_path, number, said, mend):
    with pytest.raises(IndexUnwritable, match=f"{said}.*{mend}"), written(tmp_path):
        raise OSError(number, os.strerror(number))


def test_a_second_process_is_refused_and_breaks_nothing(corpus_folder, two_builds):
    before = index.current(two_builds)
    places = ["--corpus", str(corpus_folder), "--index", str(two_builds)]
    command = [sys.executable, "-m", "qa", "rebuild", *places]
    with index.locked(two_builds):
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 1
    assert "另一个 qa rebuild 正在写入" in done.stderr
    assert index.current(two_builds) == before
    assert not any(build.damaged for build in index.verify(two_builds))


def test_rollback_goes_back_and_forth(two_builds, segmenter, encoder):
    before = index.current(two_builds)
    after = index.rollback(two_builds, segmenter, encoder)
    assert after == index.current(two_builds) == index.Pointer(before.previous, before.current)
    assert index.load(two_builds, segmenter, encoder).manifest.build == before.previous
    assert index.rollback(two_builds, segmenter, encoder) == before


def test_rollback_refuses_without_a_previous_build(index_folder, segmenter, encoder):
    with pytest.raises(IndexMissing, match="没有上一份索引"):
        index.rollback(index_folder, segmenter, encoder)


def test_rollback_makes_no_folder(tmp_path, segmenter, encoder):
    with pytest.raises(IndexMissing):
        index.rollback(tmp_path / "none", segmenter, encoder)
    assert not (tmp_path / "none").exists()


def test_rollback_refuses_a_damaged_build(two_builds, segmenter, encoder):
    before = index.current(two_builds)
    spoil(two_builds / BUILDS / before.previous / "keys.txt", 0)
    with pytest.raises(IndexCorrupt, match="keys.txt"):
        index.rollback(two_builds, segmenter, encoder)
    assert index.current(two_builds) == before


def test_rollback_refuses_a_build_of_another_model(two_builds, segmenter, encoder):
    encoder.sha256 = "d" * 64
    with pytest.raises(IndexStale, match="编码模型"):
        index.rollback(two_builds, segmenter, encoder)


def test_verify_counts_every_file_of_both_builds(two_builds, runner):
    done = runner.invoke(cli, ["verify", "--index", str(two_builds), "--json"])
    report, pointer = json.loads(done.output), index.current(two_builds)
    assert done.exit_code == 0
    assert report["healthy"] is True
    assert [build["build"] for build in report["builds"]] == [pointer.current, pointer.previous]
    for build in report["builds"]:
        files = files_of(two_builds, build["build"])
        assert build["files"] == len(files)
        assert build["size"] == sum(file.stat().st_size for file in files)


@pytest.mark.parametrize("role", ["current", "previous"])
@pytest.mark.parametrize("name", ["vectors.faiss", "words/data.csc.index.npy", MANIFEST])
def test_verify_names_what_is_damaged_and_the_mend(two_builds, runner, role, name):
    path = two_builds / BUILDS / getattr(index.current(two_builds), role) / name
    spoil(path, path.stat().st_size - 2)
    done = runner.invoke(cli, ["verify", "--index", str(two_builds)])
    assert done.exit_code == 1
    assert f"{name} 缺失或已损坏" in done.output
    assert "qa rebuild" in done.output


def test_verify_names_a_damaged_pointer(two_builds, runner):
    spoil(two_builds / CURRENT, 3)
    done = runner.invoke(cli, ["verify", "--index", str(two_builds)])
    assert done.exit_code == 1
    assert CURRENT in done.stderr


def test_verify_says_that_all_is_well(index_folder, runner):
    done = runner.invoke(cli, ["verify", "--index", str(index_folder)])
    assert done.exit_code == 0
    assert "每个字节都对" in done.output


def test_the_command_rollback_says_what_serves(monkeypatch, runner):
    pointer = index.Pointer("a" * 16, "b" * 16)
    monkeypatch.setattr("qa.index.rollback", lambda *_: pointer)
    assert "已退回索引 aaaaaaaaaaaaaaaa" in runner.invoke(cli, ["rollback"]).output
    said = runner.invoke(cli, ["rollback", "--json"]).output
    assert json.loads(said) == {"current": "a" * 16, "previous": "b" * 16}
