"""One build of everything that is searched: made, saved, verified and loaded here.

The only importer of faiss and bm25s, and the only place that knows rows.
"""

from qa.index.build import Index, Manifest, Topic, build, manifest, searched_text
from qa.index.folder import CURRENT, Pointer, current, locked, switched
from qa.index.store import Serving, Verified, load, rollback, save, serving, tidy, verify

__all__ = [
    "CURRENT",
    "Index",
    "Manifest",
    "Pointer",
    "Serving",
    "Topic",
    "Verified",
    "build",
    "current",
    "load",
    "locked",
    "manifest",
    "rollback",
    "save",
    "searched_text",
    "serving",
    "switched",
    "tidy",
    "verify",
]
