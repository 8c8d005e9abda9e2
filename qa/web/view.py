"""How a person wants the pages shown: in which language, how large. No cookie remembers it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Flask, g, request

from qa.answer import chinese_count, chinese_place
from qa.normalise import to_traditional
from qa.paths import WEB
from qa.web.present import chinese_day

# As it stands in addresses -> the language tag of HTML, its own name for itself.
LANGUAGES = {"hans": ("zh-CN", "简体"), "hant": ("zh-Hant", "繁體"), "en": ("en", "English")}
WORDS = WEB / "words.toml"
GUIDANCE_TAG = "zh-CN"  # of what is quoted, whatever the language of the page
# What browsers ask for -> the language that they are given.
_ASKED_FOR = {"zh-tw": "hant", "zh-hk": "hant", "zh-mo": "hant", "zh-hant": "hant"}
_ASKED_FOR |= {"zh": "hans", "en": "en"}


@dataclass(frozen=True)
class View:
    """What was chosen by links of the page, else by the browser's settings."""

    language: str  # a key of LANGUAGES
    large: bool
    chosen: bool  # whether the language was chosen by a link: links then keep it

    @property
    def tag(self) -> str:
        """The language tag of the page."""
        return LANGUAGES[self.language][0]

    @property
    def english(self) -> bool:
        """Whether the page speaks English."""
        return self.language == "en"

    @property
    def address(self) -> dict[str, str]:
        """The parameters by which links keep this view; other links add them too."""
        language = {"lang": self.language} if self.chosen else {}
        return language | ({"text": "large"} if self.large else {})

    @property
    def others(self) -> list[tuple[str, str, dict[str, str]]]:
        """Return (name, language tag, parameter) of the page in the other languages."""
        return [
            (name, tag, {"lang": language})
            for language, (tag, name) in LANGUAGES.items()
            if language != self.language
        ]

    @property
    def other_size(self) -> dict[str, str]:
        """The parameter of the page in the other size of text."""
        return {"text": "normal" if self.large else "large"}

    def say(self, key: str, **values: object) -> str:
        """Return what the page says at ``section.name`` of ``web/words.toml``."""
        return _said(self, key).format(**values)

    def count(self, number: int) -> str:
        """Return how many: 两, 2."""
        return str(number) if self.english else self.own(chinese_count(number))

    def place(self, number: int) -> str:
        """Return the place in a list, from 1: 二, 2."""
        return str(number) if self.english else chinese_place(number)

    def day(self, day: str) -> str:
        """Return an ISO 8601 day as the page's readers write it: 2026年11月24日."""
        return day if self.english else chinese_day(day)

    def own(self, chinese: str) -> str:
        """Return a sentence of this service, in simplified Chinese, in the page's own script."""
        return to_traditional(chinese, "s2tw") if self.language == "hant" else chinese


def add_views(app: Flask) -> None:
    """Let the templates of an application speak the view's language, and its links keep it."""
    app.context_processor(lambda: {"view": current(), "say": current().say})

    @app.url_defaults
    def keep(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint != "static" and request:
            for name, value in current().address.items():
                values.setdefault(name, value)


def current() -> View:
    """Return the view of the request."""
    if "view" not in g:
        asked = request.args.get("lang", "")
        chosen = asked in LANGUAGES
        language = asked if chosen else asked_for()
        g.view = View(language, request.args.get("text") == "large", chosen)
    view: View = g.view
    return view


def asked_for() -> str:
    """Return the first language that the browser asks for by name; "*" names none."""
    for tag, quality in request.accept_languages:
        parts = tag.lower().split("-")
        for length in range(len(parts), 0, -1):
            found = _ASKED_FOR.get("-".join(parts[:length]))
            if found and quality:
                return found
    return "hans"


@cache
def _said(view: View, key: str) -> str:
    section, name = key.split(".")
    return view.own(_words()[section][name]["en" if view.english else "zh"])


@cache
def _words() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return tomllib.loads(WORDS.read_text("utf-8"))
