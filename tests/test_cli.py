"""The command line: what it says, to whom, and with which exit code."""

import json
import os
import subprocess
import sys

import pytest

from qa.cli import cli

COMMANDS = ["serve", "ask", "rebuild", "check", "evaluate", "info", "train"]


@pytest.fixture
def shipped(monkeypatch, shipped_index):
    monkeypatch.setenv("QA_INDEX", str(shipped_index))


def test_help_lists_every_command(runner):
    output = runner.invoke(cli, ["--help"]).output
    assert set(COMMANDS) == set(cli.commands)
    assert all(command in output for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_help(command):
    assert cli.commands[command].help
    for parameter in cli.commands[command].params:
        assert parameter.param_type_name == "argument" or parameter.help, parameter.name


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from qa.cli import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'faiss', 'numpy', 'jieba', 'flask'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


def test_ask_imports_nothing_that_only_a_rebuild_needs(shipped_index):
    code = (
        "import sys; from qa.cli import cli\n"
        "try: cli(['ask', '逾期会坐牢吗'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sentence_transformers', 'sklearn', 'flask'}\n"
        "print(heavy & set(sys.modules), file=sys.stderr)"
    )
    env = {**os.environ, "QA_INDEX": str(shipped_index)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


@pytest.mark.usefixtures("shipped")
def test_ask_prints_passages_sources_and_the_notice(runner):
    output = runner.invoke(cli, ["ask", "短信里的链接能点吗"]).output
    assert "依据：" in output
    assert "核对日期：2026-" in output
    assert "不是针对您个人情况的法律意见" in output


@pytest.mark.usefixtures("shipped")
def test_ask_says_whom_to_call_when_there_is_no_guidance(runner):
    output = runner.invoke(cli, ["ask", "红烧肉怎么做"]).output
    assert "目前的指引没有回答这个问题" in output
    assert "12348" in output


@pytest.mark.usefixtures("shipped")
def test_ask_json_is_the_answer_of_the_endpoint(runner, client):
    printed = runner.invoke(cli, ["ask", "逾期会坐牢吗", "-k", "2", "--json"]).output
    served = client.get("/ask", query_string={"q": "逾期会坐牢吗", "k": "2"}).get_json()
    assert json.loads(printed) == served


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["ask", " "], "请先输入您的问题", id="empty"),
        pytest.param(["ask", "调解", "-k", "0"], "1 到 20", id="k"),
        pytest.param(["ask", "调解"], "qa rebuild", id="no-index"),
        pytest.param(["ask", "调解", "--model", "no/such/folder"], "模型", id="no-model"),
        pytest.param(["rebuild", "--corpus", "no-such-folder"], "no-such-folder", id="no-corpus"),
        pytest.param(["serve", "--port", "99999"], "--port", id="bad-port"),
        pytest.param(["train", "--data", "none", "--out", "out"], "none", id="no-data"),
    ],
)
def test_a_fault_is_one_sentence_on_stderr_and_exit_1(runner, arguments, words):
    result = runner.invoke(cli, arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["nothing"], ["ask"], ["ask", "甲", "--what"]])
def test_a_usage_error_exits_2(runner, arguments):
    assert runner.invoke(cli, arguments).exit_code == 2


def test_rebuild_reports_what_it_did_and_check_what_is_wrong(runner, corpus_folder, tmp_path):
    arguments = ["--corpus", str(corpus_folder)]
    result = runner.invoke(cli, ["rebuild", *arguments, "--index", str(tmp_path / "i")])
    assert "3 个主题" in result.output
    (corpus_folder / "guidance/c1/bad.md").write_text("---\ntitle: 无尾\n", "utf-8")
    result = runner.invoke(cli, ["check", *arguments])
    assert result.exit_code == 1
    assert "guidance/c1/bad.md:1" in result.output
    (corpus_folder / "dictionary.txt").write_text("花呗 很多\n", "utf-8")
    assert "dictionary.txt:1" in runner.invoke(cli, ["check", *arguments]).output


def test_rebuild_json_is_for_programs(runner, corpus_folder, tmp_path):
    arguments = [
        "rebuild",
        "--corpus",
        str(corpus_folder),
        "--index",
        str(tmp_path / "i"),
        "--json",
    ]
    report = json.loads(runner.invoke(cli, arguments).stdout)
    assert (report["topics"], report["questions"], report["reused"]) == (3, 12, 0)


@pytest.mark.usefixtures("shipped")
def test_info_says_where_each_setting_came_from(runner, monkeypatch):
    monkeypatch.setenv("QA_K", "5")
    report = json.loads(runner.invoke(cli, ["info", "--json"]).stdout)
    origins = {row["name"]: row["origin"] for row in report["settings"]}
    assert (origins["k"], origins["port"]) == ("QA_K", "default")
    assert report["healthy"] is True
    assert report["index"]["topics"] == 123


def test_info_without_an_index_says_so_and_exits_1(runner):
    result = runner.invoke(cli, ["info"])
    assert result.exit_code == 1
    assert "qa rebuild" in result.output


@pytest.mark.usefixtures("shipped")
def test_evaluate_prints_each_system_with_n(runner):
    result = runner.invoke(cli, ["evaluate", "--json"])
    systems = json.loads(result.stdout)["systems"]
    assert set(systems) == {"sparse", "dense", "fused"}
    assert all(scores["n"] == 492 for scores in systems.values())


def test_serve_builds_an_index_when_there_is_none(runner, corpus_folder, tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr("qa.web.server.serve", served.append)
    arguments = ["serve", "--corpus", str(corpus_folder), "--index", str(tmp_path / "i")]
    result = runner.invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "i/CURRENT").is_file()
    assert served[0].index == tmp_path / "i"
