"""The wheel, installed away from the checkout: corpus, templates and model are inside."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
INSIDE = [
    "qa/evaluate/report.html",
    "qa/model/model.safetensors",
    "qa/assets/corpus/guidance/c3-respond-in-time/respond-how-fast.md",
    "qa/assets/corpus/synonyms.txt",
    "qa/assets/web/templates/ask.html",
    "qa/assets/web/static/style.css",
]
ASK = """
import json, qa.paths
from qa.cli import cli
from qa.settings import Settings
from qa.web import create_app
assert qa.paths.INSTALLED, qa.paths.PACKAGE
cli(["rebuild"], standalone_mode=False)
client = create_app(Settings.load()).test_client()
reply = client.post("/ask", json={"question": "收到花呗的调解短信，三天内要我回电话，怎么办"})
topics = [passage["topic"] for passage in reply.get_json()["passages"]]
page = client.get("/").status_code
print(json.dumps([reply.status_code, topics, page]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # What builds it is there: the tests fetch nothing.
    command = [*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*command, str(folder), str(ROOT)], check=True, timeout=300)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_carries_corpus_templates_and_model_and_nothing_built(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert set(INSIDE) <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"qa"}
    assert not [name for name in names if "CURRENT" in name or "__pycache__" in name]


def test_the_wheel_carries_every_file_of_the_corpus_but_what_only_training_reads(wheel):
    inside = "qa/assets/corpus/"
    names = zipfile.ZipFile(wheel).namelist()
    found = {name.removeprefix(inside).split("/")[0] for name in names if name.startswith(inside)}
    assert found == {path.name for path in (ROOT / "corpus").iterdir()} - {"english.tsv"}


def test_the_installed_wheel_answers_away_from_the_checkout(wheel, tmp_path):
    """The package comes from the wheel, its dependencies from this environment."""
    target = tmp_path / "installed"
    command = [*PIP, "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*command, str(target), str(wheel)], check=True, timeout=300)
    env = {**os.environ, "PYTHONPATH": str(target), "QA_INDEX": str(tmp_path / "index")}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    status, topics, page = json.loads(done.stdout.splitlines()[-1])
    assert (status, page) == (200, 200)
    assert set(topics) & {"respond-how-fast", "notice-first-steps"}
