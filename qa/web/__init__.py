"""The web form and ``/ask``: a question over HTTP → ``Engine.ask`` → HTML or JSON.

The only importer of flask and gunicorn; no retrieval here. Importing the package loads neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# prometheus_client's own variable: where the metrics of several workers add up. It is looked for
# when that library is first imported, so only ``create_app`` and what comes after may do so.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

if TYPE_CHECKING:
    from flask import Flask

    from qa.answer import Engine
    from qa.settings import Settings


def create_app(settings: Settings, engine: Engine | None = None) -> Flask:
    """Return the application; see ``qa.web.app``."""
    from qa.web.app import create_app

    return create_app(settings, engine)
