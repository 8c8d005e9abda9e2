"""The command line: what it says, to whom, and with which exit code."""

import json
import os
import shlex
import subprocess
import sys
from html import unescape

import pytest

from qa.cli import cli
from qa.paths import MODEL

COMMANDS = [
    "serve",
    "ask",
    "rebuild",
    "verify",
    "rollback",
    "check",
    "evaluate",
    "info",
    "doctor",
    "report",
    "train",
]


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


def test_terminal_without_chinese_is_told_code_points(shipped_index):
    env = {**os.environ, "QA_INDEX": str(shipped_index), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "qa", "ask", "逾期会坐牢吗"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "\\u" in done.stdout


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


def ask(runner, question: str) -> str:
    return runner.invoke(cli, ["ask", question]).output


def in_order(output: str, *words: str) -> bool:
    places = [output.find(word) for word in words]
    return -1 not in places and places == sorted(places)


@pytest.mark.usefixtures("shipped")
def test_ask_says_danger_first_then_whom_to_call_then_all_else(runner):
    output = ask(runner, "不想活了。短信里的链接能点吗？逾期会坐牢吗？")
    assert output.startswith("您的命比任何债都要紧。")
    order = [
        "  12356  ",
        "  120  ",
        "主题：mental-health",
        "您问了两件事",
        "第一问：“",
        "第二问：“",
    ]
    assert in_order(output, *order)
    assert "已找到依据" not in output
    assert output.count("  12356  ") == 1


@pytest.mark.usefixtures("shipped")
def test_ask_replies_to_thanks_and_gives_the_phones(runner):
    output = ask(runner, "谢谢")
    assert in_order(output, "不客气。", "12348")
    assert "没有回答这个问题" not in output


@pytest.mark.usefixtures("shipped")
def test_ask_says_what_was_searched_above_the_answer(runner):
    output = ask(runner, "司法却认要多久内做")
    assert in_order(output, "已按“司法确认要多久内做”查找", "1. ")
    assert "已按" not in ask(runner, "短信里的链接能点吗")


@pytest.mark.usefixtures("shipped")
def test_ask_answers_several_questions_in_their_order(runner, answering):
    asked = "短信里的链接能点吗？还有，逾期会坐牢吗？"
    order = ["您问了两件事", "第一问：“", "1. ", "第二问：“", "2. ", "也可能有用", "3. "]
    assert in_order(ask(runner, asked), *order)
    answering(quotes=lambda answer: answer.quotes[:1], parts=("[b]甲[/b]", "乙"))
    output = ask(runner, asked)
    assert in_order(output, "第一问：“[b]甲[/b]”", "1. ", "第二问：“乙”", "这一问没有另外列出指引")


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
def test_evaluate_prints_each_system_with_n_and_interval(runner):
    result = runner.invoke(cli, ["evaluate", "--json"])
    systems = json.loads(result.stdout)["systems"]
    assert set(systems) == {"plain", "sparse", "dense", "fused"}
    for scores in systems.values():
        assert scores["n"] == 492
        low, high = scores["interval"]["hit@1"]
        assert low <= scores["hit@1"] <= high


@pytest.fixture
def few(tmp_path):
    """Three judged questions about the shipped guidance, one of them without an answer."""
    (tmp_path / "qrels").mkdir()
    texts = {"1": "短信里的链接能点吗", "2": "收到通知要多久内回复", "3": "红烧肉怎么做"}
    rows = [json.dumps({"_id": id, "text": text}) for id, text in texts.items()]
    (tmp_path / "queries.jsonl").write_text("\n".join(rows), "utf-8")
    qrels = "1\tnotice-link-app\t1\n2\trespond-how-fast\t1\n3\tnone\t0\n"
    (tmp_path / "qrels/test.tsv").write_text(qrels, "utf-8")
    return tmp_path


@pytest.mark.usefixtures("shipped")
def test_evaluate_shows_tables_and_writes_a_report(runner, few):
    page = few / "报告.html"
    arguments = ["evaluate", "--fold", "test", "--judged", str(few), "--robust", "--misses"]
    result = runner.invoke(cli, [*arguments, "--html", str(page)])
    assert result.exit_code == 0, result.output
    for words in ("fused", "不答的比例", "校准误差", "换一种写法", "字间加空格", "其中至少一个"):
        assert words in result.output
    html = page.read_text("utf-8")
    command = shlex.join(
        ["qa", "evaluate", "--fold", "test", "--misses", "--robust", "--judged", str(few)]
    )
    assert f"{command} --html {shlex.quote(str(page))}" in unescape(html)


def test_evaluate_measures_a_collection_without_an_index(runner, few):
    documents = [
        {"_id": "notice-link-app", "title": "", "text": "短信里的链接不要点。"},
        {"_id": "respond-how-fast", "text": "收到通知以后尽早回复。"},
    ]
    (few / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)), "utf-8")
    result = runner.invoke(cli, ["evaluate", "--data", str(few), "--fold", "test", "--json"])
    found = json.loads(result.stdout)
    assert found["passages"] == 2
    assert found["systems"]["fused"]["hit@1"] == 1
    assert found["systems"]["fused"]["recall@100"] == 1


def test_evaluate_with_another_model_builds_in_memory(runner, few, corpus_folder):
    arguments = ["evaluate", "--judged", str(few), "--fold", "test", "--json"]
    corpus = ["--corpus", str(corpus_folder)]
    result = runner.invoke(cli, [*arguments, *corpus, "--model", str(MODEL)])
    assert json.loads(result.stdout)["passages"] > 3
    result = runner.invoke(cli, [*arguments, *corpus])
    assert result.exit_code == 1
    assert "qa rebuild" in result.output


def test_evaluate_names_the_faulty_line(runner, few):
    (few / "qrels/test.tsv").write_text("1\treply\n", "utf-8")
    result = runner.invoke(cli, ["evaluate", "--judged", str(few), "--fold", "test"])
    assert result.exit_code == 1
    assert "test.tsv:1" in result.output


def test_serve_builds_an_index_when_there_is_none(runner, corpus_folder, tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr("qa.web.server.serve", served.append)
    arguments = ["serve", "--corpus", str(corpus_folder), "--index", str(tmp_path / "i")]
    result = runner.invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "i/CURRENT").is_file()
    assert served[0].index == tmp_path / "i"
