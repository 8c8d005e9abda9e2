"""The docs say what is there: every setting, command, route, error code and JSON key, and the
README's own examples."""

import json
import re
import shlex
from pathlib import Path

import pytest

from qa import errors
from qa.answer import Question, to_json
from qa.cli import cli
from qa.settings import Settings, variable

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text("utf-8")
BOTH = pytest.mark.parametrize("readme", [README, CHINESE], ids=["english", "chinese"])
EXAMPLE = re.compile(r"```\n\.venv/bin/(qa ask .+)\n```\n\n\w+\n\n```\n(.+?)\n```", re.S)
HTTP_EXAMPLE = re.compile(r"```\ncurl .+? -d '(.+?)'\n```\n\n.+?\n\n```json\n(.+?)\n```", re.S)
# Raised by a command, never sent over HTTP.
COMMAND_LINE_ONLY = {
    "setting_invalid",
    "corpus_missing",
    "feedback_error",
    "judged_invalid",
    "training_data_missing",
    "index_locked",
    "index_unwritable",
}


def codes(kind=errors.QAError) -> set[str]:
    own = {kind.code} if "code" in vars(kind) and kind is not errors.QAError else set()
    return own.union(*(codes(child) for child in kind.__subclasses__()))


@BOTH
def test_every_setting_is_documented(readme):
    for name in Settings.model_fields:
        assert f"`{variable(name)}`" in readme, name


@BOTH
def test_every_command_and_its_flags_are_documented(readme):
    for name, command in cli.commands.items():
        assert f"`qa {name}" in readme, name
        for option in (o for p in command.params for o in p.opts if o.startswith("--")):
            assert option in readme, f"{name} {option}"


@BOTH
def test_every_route_is_documented(readme, app):
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            path = rule.rule if rule.rule != "/" else "GET /`"
            assert path in readme, rule.rule


def test_every_error_code_is_documented():
    assert codes() > COMMAND_LINE_ONLY
    for code in codes() - COMMAND_LINE_ONLY:
        assert f"`{code}`" in README, code


def test_every_json_key_is_in_the_readmes_example(engine):
    (body, reply) = HTTP_EXAMPLE.search(README).groups()
    asked = json.loads(body)
    answer = engine.ask(Question.parse(asked["question"], asked["k"], Settings()))
    assert keys(json.loads(reply)) == keys(to_json(answer))


def keys(value) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


@BOTH
def test_the_readmes_commands_print_what_it_says(readme, runner, monkeypatch, shipped_index):
    monkeypatch.setenv("QA_INDEX", str(shipped_index))
    examples = EXAMPLE.findall(readme)
    assert examples
    for command, printed in examples:
        result = runner.invoke(cli, shlex.split(command)[1:])
        assert result.output.rstrip() == printed


@BOTH
def test_the_readmes_request_gets_the_reply_that_it_says(readme, client):
    body, printed = HTTP_EXAMPLE.search(readme).groups()
    reply = client.post("/ask", data=body, content_type="application/json").get_json()
    assert comparable(reply) == comparable(json.loads(printed))


def comparable(reply: dict) -> dict:
    """Leave out what other library versions may change: the build, and the last decimals."""
    passages = [{**p, "score": round(p["score"], 1)} for p in reply["passages"]]
    confidence = round(reply["confidence"], 1)
    index = {"passages": reply["index"]["passages"]}
    return {**reply, "passages": passages, "confidence": confidence, "index": index}


def test_every_link_inside_the_repository_leads_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_architecture_page_has_every_module():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    modules = {p.stem for p in (ROOT / "qa").glob("*.py")} - {"__init__", "__main__"}
    modules |= {p.parent.name for p in (ROOT / "qa").glob("*/__init__.py")}
    for module in modules:
        assert f"`{module}`" in page, module


def test_the_readme_has_the_two_commands():
    assert "\nmake serve\n" in README
    assert "\nmake test\n" in README


def test_every_sentence_of_the_coverage_table_stands_in_its_document():
    document, quoted = "", 0
    for line in (ROOT / "docs/coverage.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 3 or set(cells[0]) <= {"-"} and cells[0] or cells[0] == "Topic":
            continue
        if link := re.search(r"\]\(\.\./(.+?)\)", cells[0]):
            document = (ROOT / link[1]).read_text("utf-8")
        for part in cells[2].split(" … "):
            assert part in document, part
        quoted += 1
    assert quoted >= 470
