"""The app put together: who is there, which pages they may see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from mien.core.errors import MienError
from mien.doors.webapp import attendance, first, lab, live, login, people, photos, style, system
from mien.doors.webapp.words import choose_language, t
from mien.store.access import User

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

__all__ = ["run"]


_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" fill="#0b5394"/>'
    '<circle cx="11" cy="13" r="2" fill="#fff"/><circle cx="21" cy="13" r="2" fill="#fff"/>'
    '<path d="M10 20q6 6 12 0" fill="none" stroke="#fff" stroke-width="2.5" stroke-linecap="round"/></svg>'
)
"""Drawn here: for a symbol of its own fonts Streamlit would have the browser ask a host outside."""


def run() -> None:
    """One run of the page that a browser asks for; a known error becomes one line."""
    st.set_page_config(page_title="mien", page_icon=_ICON, layout="wide")
    style.apply()
    try:
        _run()
    except MienError as error:
        st.error(str(error), icon=":material/error:")


def _run() -> None:
    fresh = login.nobody_yet()
    user = None if fresh else login.who()
    if user is None:
        st.navigation(
            _pages(_EVERYBODY), position="hidden"
        )  # so that addresses of pages are known before the login too
        with st.sidebar:
            choose_language()
        if fresh:
            first.password_page()
        else:
            login.page()
        return
    chosen = st.navigation(_pages(user), position="hidden" if style.is_kiosk() else "sidebar")
    if not style.is_kiosk():
        with st.sidebar:
            login.shown(user)
            choose_language()
    chosen.run()


_EVERYBODY = User("", "", "admin", datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
"""Whose pages are all there are."""


def _pages(user: User) -> list[StreamlitPage]:
    """What somebody may see; the first is where they come in."""
    shown = [
        st.Page(attendance.page, title=t("attendance.title"), icon=":material/fact_check:", url_path="attendance"),
        st.Page(photos.page, title=t("photos.title"), icon=":material/photo_library:", url_path="photos"),
        st.Page(people.page, title=t("people.title"), icon=":material/groups:", url_path="people"),
    ]
    if user.may("operator"):
        shown.insert(0, st.Page(live.page, title=t("live.title"), icon=":material/videocam:", url_path="live"))
        shown.append(st.Page(lab.page, title=t("lab.title"), icon=":material/science:", url_path="lab"))
    if user.may("admin"):
        shown.append(st.Page(system.page, title=t("system.title"), icon=":material/settings:", url_path="system"))
        start = st.Page(first.page, title=t("first.title"), icon=":material/flag:", url_path="start")
        shown.insert(0 if st.session_state.get("fresh") else len(shown), start)

    def come_in() -> None:
        st.switch_page(shown[0], query_params=dict(st.query_params))

    # Streamlit takes its address from the page where one comes in, so that one is a page of its own.
    return [*shown, st.Page(come_in, title="mien", url_path="home", default=True, visibility="hidden")]
