"""One build of everything that is searched: made, saved, verified and loaded here.

The only importer of faiss and bm25s, and the only place that knows rows.
"""

from qa.index.build import Index, Manifest, Topic, build, manifest, searched_text
from qa.index.store import current, load, locked, save

__all__ = [
    "Index",
    "Manifest",
    "Topic",
    "build",
    "current",
    "load",
    "locked",
    "manifest",
    "save",
    "searched_text",
]
