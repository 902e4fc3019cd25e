"""What the pages share: the house and its recognizer, made once for all browsers, and how the app was started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from mien.jobs.deliverer import Deliverer
from mien.recognition.recognizer import Recognizer
from mien.store.access import User
from mien.store.gallery import SqlGallery
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings

__all__ = [
    "AppOptions",
    "configure",
    "deliverer",
    "forget",
    "gallery",
    "gallery_place",
    "house",
    "now",
    "options",
    "recognizer",
]


@dataclass(frozen=True, slots=True)
class AppOptions:
    """How the app was started.

    Args:
        given: settings of the command line.
        login: whether somebody has to log in; without it everybody who reaches the app is an admin.
        language: of the pages, unless somebody chooses another; empty asks the browser.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    login: bool = True
    language: str = ""


class _Started:
    """Of this process: Streamlit runs the pages in it again and again, and passes them nothing."""

    options = AppOptions()
    delivery: Deliverer | None = None


def configure(options: AppOptions) -> None:
    """Say how the app is started, before its pages run."""
    _Started.options = options


def options() -> AppOptions:
    """How the app was started."""
    return _Started.options


def house() -> House:
    """Everything that the settings wire together, with its gallery open; one for all browsers."""
    return _house(tuple(sorted(options().given.items())))


def gallery() -> SqlGallery:
    """The gallery, in which whoever is logged in at this browser works: the audit names them."""
    user: User | None = st.session_state.get("user")
    known = house().gallery
    return known if user is None else known.acting_as(user.name)


def recognizer() -> Recognizer:
    """The recognizer of the house, its networks loaded, over ``gallery``."""
    made = _recognizer(house())
    return Recognizer(made.detector, made.embedder, made.identifier, gallery(), made.limits)


def deliverer() -> Deliverer:
    """What brings places outside up to date in the background; one for all browsers."""
    return _deliverer(house())


def gallery_place() -> str:
    """Where the gallery is, for people."""
    from mien.store.places import without_password

    return without_password(house().settings.database_url)


def forget() -> None:
    """Close the gallery and make everything anew at the next use."""
    if _Started.delivery is not None:
        _Started.delivery.stop()
        _Started.delivery = None
    house().close()
    st.cache_resource.clear()


def now() -> datetime:
    """The present by this machine's clock, in UTC."""
    return datetime.now(UTC)


@st.cache_resource(show_spinner=False)
def _house(given: tuple[tuple[str, Any], ...]) -> House:
    made = House(load_settings(**dict(given)))
    _ = made.gallery  # opened here, under the lock of the cache
    return made


@st.cache_resource(show_spinner="…", hash_funcs={House: id})
def _recognizer(made: House) -> Recognizer:
    return made.recognizer


@st.cache_resource(show_spinner=False, hash_funcs={House: id})
def _deliverer(made: House) -> Deliverer:
    _Started.delivery = Deliverer(made.post)
    _Started.delivery.start()
    return _Started.delivery
