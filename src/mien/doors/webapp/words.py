"""The texts of the pages, all in ``texts/``: one file per language, the same keys in each."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

import streamlit as st

from mien.core.reasons import Reason
from mien.doors.webapp.state import options

__all__ = ["LANGUAGES", "choose_language", "language", "phrase", "say_advice", "say_reason", "t", "texts"]

TEXTS = Path(__file__).with_name("texts")
LANGUAGES = {"en": "English", "vi": "Tiếng Việt"}
_FALLBACK = "en"


@functools.cache
def texts(code: str) -> dict[str, str]:
    """The texts of one language by key, e.g. ``people.title``."""
    found: dict[str, Any] = tomllib.loads((TEXTS / f"{code}.toml").read_text(encoding="utf-8"))
    return {f"{page}.{name}": words for page, of_page in found.items() for name, words in of_page.items()}


def language() -> str:
    """The language of this browser: as chosen, as the app was started, or as the browser asks."""
    asked = st.session_state.get("language") or st.query_params.get("lang") or options().language
    wanted = str(asked or (st.context.locale or "")).split("-")[0]
    return wanted if wanted in LANGUAGES else _FALLBACK


def choose_language() -> None:
    """The control that chooses it."""
    codes = list(LANGUAGES)
    chosen = st.selectbox(
        "Language · Ngôn ngữ", codes, index=codes.index(language()), format_func=LANGUAGES.__getitem__, key="_language"
    )
    if chosen != language():
        st.session_state["language"] = chosen
        st.rerun()


def t(key: str, **values: object) -> str:
    """The text with this key in the language of this browser."""
    words = texts(language())[key]
    return words.format(**values) if values else words


def phrase(words: str) -> str:
    """What another room says, in the language of this browser; as it is where nobody has translated it."""
    key = f"phrases.{words}"
    return texts(language()).get(key, words)


def say_reason(reason: Reason) -> str:
    """Why a face is refused or not named, without the options of the command line."""
    key = f"reasons.{reason.what} {reason.side}"
    known = texts(language()).get(key) or texts(language()).get(f"reasons.{reason.what}")
    if known is None:
        return reason.words().split("; if ")[0].split(" (mien ")[0]
    return known.format(measured=reason.measured or 0.0, limit=reason.limit or 0.0, words=reason.words())


def say_advice(kind: str, words: str) -> str:
    """What somebody before a camera is to do."""
    return texts(language()).get(f"advice.{kind}", words)
