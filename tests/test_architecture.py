"""The import arrows of docs/architecture.md, checked on every test run."""

import ast
from pathlib import Path

import pytest

QA = Path(__file__).parents[1] / "qa"

# Lowest first: a module may import from earlier rows only.
LAYERS = [
    {"errors"},
    {"paths"},
    {"settings", "normalise", "pinyin", "feedback", "redact", "timing"},
    {"segment", "logs"},
    {"corpus", "embed", "repair"},
    {"classify", "rank", "message"},
    {"index", "danger"},
    {"search"},
    {"calibrate", "highlight", "focus"},
    {"answer"},
    {"rebuild", "evaluate", "web", "info", "doctor", "train"},
    {"terminal", "client"},
    {"cli"},
    {"__main__"},
]
# Each outside library has one door.
DOORS = {
    "jieba": "segment",
    "opencc": "normalise",
    "pypinyin": "pinyin",
    "jinja2": "evaluate",
    "sentence_transformers": "embed",
    "safetensors": "embed",
    "faiss": "index",
    "bm25s": "index",
    "threadpoolctl": "classify",
    "markdown_it": "corpus",
    "yaml": "corpus",
    "rich": "terminal",
    "flask": "web",
    "flask_cors": "web",
    "flask_limiter": "web",
    "limits": "web",
    "werkzeug": "web",
    "gunicorn": "web",
    "waitress": "web",
    "sqlalchemy": "feedback",
    "structlog": "logs",
    "packaging": "doctor",
    "prometheus_client": "web",
}
MODULES = sorted(set().union(*LAYERS))


def files(module: str) -> list[Path]:
    folder = QA / module
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [QA / f"{module}.py"]


def imports(module: str) -> set[str]:
    """Dotted names imported anywhere in a module, function bodies included."""
    names: set[str] = set()
    for path in files(module):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: import by the full name"
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_every_module_has_a_layer():
    found = {p.stem for p in QA.glob("*.py")} | {p.parent.name for p in QA.glob("*/__init__.py")}
    assert found - {"__init__", "assets"} == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_lower_layers_only(module):
    row = next(i for i, layer in enumerate(LAYERS) if module in layer)
    allowed = set().union(*LAYERS[:row]) | {module}
    inside = {name.split(".")[1] for name in imports(module) if name.startswith("qa.")}
    assert inside & set(MODULES) <= allowed


@pytest.mark.parametrize(("library", "door"), DOORS.items())
def test_library_enters_by_one_door(library, door):
    users = {m for m in MODULES if library in {name.split(".")[0] for name in imports(m)}}
    assert users <= {door}


@pytest.mark.parametrize("module", MODULES)
def test_only_paths_knows_where_files_are(module):
    if module != "paths":
        assert not any("__file__" in path.read_text("utf-8") for path in files(module))
