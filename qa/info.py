"""What is installed, which index and model are in use, where, and whether they are well."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from qa import __version__
from qa.answer import open_tools
from qa.errors import QAError
from qa.index import current, load
from qa.settings import Settings, without_secrets

_LIBRARIES = ("faiss-cpu", "bm25s", "jieba", "numpy", "flask", "sentence-transformers", "torch")


def gather(settings: Settings, flags: dict[str, Any]) -> dict[str, Any]:
    """Return the report of ``qa info``: plain data, with ``healthy`` and the ``problem`` if any."""
    report: dict[str, Any] = {
        "versions": {"qa": __version__, "python": sys.version.split()[0], **_versions()},
        "settings": [
            {
                "name": name,
                "value": without_secrets(str(getattr(settings, name))),
                "origin": settings.origin(name, flags),
                "help": field.description or "",
            }
            for name, field in type(settings).model_fields.items()
        ],
        "index": {"folder": str(settings.index)},
        "model": {"name": settings.model or "（自带模型）"},
        "healthy": True,
        "problem": None,
    }
    try:
        segmenter, encoder = open_tools(settings)
        report["model"].update(name=encoder.name, dim=encoder.dim, sha256=encoder.sha256)
        pointer = current(settings.index)
        manifest = load(settings.index, segmenter, encoder).manifest
        report["index"].update(build=pointer.current, previous=pointer.previous)
        report["index"].update(manifest.model_dump(exclude={"files", "versions"}))
    except QAError as error:
        report.update(healthy=False, problem=str(error))
    return report


def _versions() -> dict[str, str]:
    """Return the versions of the libraries, read without importing them."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "未安装"
    return found
