"""Who works at this browser: a name and a password, and what their role lets them do."""

from __future__ import annotations

import time

import streamlit as st

from mien.core.errors import InputError
from mien.doors.webapp.state import gallery, now, options
from mien.doors.webapp.words import t
from mien.store.access import User

__all__ = ["confirmed", "enter", "may", "nobody_yet", "page", "shown", "who"]

_PAUSE = 1.0
"""Seconds after a wrong password: guessing from one browser stays slow, whatever argon2 costs."""


def nobody_yet() -> bool:
    """Whether the app was never set up: somebody is to log in, and there is nobody who could."""
    return options().login and who() is None and not gallery().access.users()


def who() -> User | None:
    """Who is logged in at this browser; an admin without a name where no login is asked for.

    A password that was changed, or a user who was removed, ends the login at the next click.
    """
    if not options().login:
        return User("", "", "admin", now(), now())
    held: User | None = st.session_state.get("user")
    if held is None:
        return None
    found = next((u for u in gallery().access.users() if u.id == held.id), None)
    if found is None or found.changed != held.changed:
        st.session_state.pop("user")
        return None
    return found


def may(role: str) -> bool:
    """Whether whoever is at this browser may do what ``role`` may."""
    user = who()
    return user is not None and user.may("admin" if role == "admin" else "operator" if role == "operator" else "viewer")


def enter(user: User) -> None:
    """Log somebody in at this browser."""
    st.session_state["user"] = user


def page() -> None:
    """Asks for a name and a password."""
    st.title(t("login.title"))
    with st.form("login"):
        name = st.text_input(t("login.name"), autocomplete="username")
        password = st.text_input(t("login.password"), type="password", autocomplete="current-password")
        sent = st.form_submit_button(t("login.enter"), type="primary")
    if not sent:
        return
    user = gallery().access.log_in(name, password) if name.strip() else None
    if user is None:
        time.sleep(_PAUSE)
        st.error(t("login.wrong"), icon=":material/error:")
        return
    enter(user)
    st.rerun()


def confirmed(key: str) -> bool:
    """Whether whoever is logged in has just typed their password again; where nobody logs in, a click is enough."""
    user = who()
    if user is None:
        return False
    if not options().login:
        return st.button(t("login.confirm"), key=f"{key}-confirm")
    password = st.text_input(t("login.password"), type="password", key=f"{key}-password")
    if not st.button(t("login.confirm"), key=f"{key}-confirm"):
        return False
    if gallery().access.log_in(user.name, password) is None:
        time.sleep(_PAUSE)
        st.error(t("login.wrong"))
        return False
    return True


def shown(user: User) -> None:
    """Who is logged in, and the way out; in the sidebar."""
    if not options().login:
        st.caption(t("login.open"))
        return
    st.caption(t("login.as", name=user.name), help=t(f"roles.{user.role}"))
    with st.popover(t("login.own_password")):
        _own_password(user)
    if st.button(t("login.leave")):
        st.session_state.clear()
        st.rerun()


def _own_password(user: User) -> None:
    old = st.text_input(t("login.old"), type="password", autocomplete="current-password")
    new = st.text_input(t("login.new"), type="password", autocomplete="new-password")
    if not st.button(t("login.change")):
        return
    access = gallery().access
    if access.log_in(user.name, old) is None:
        time.sleep(_PAUSE)
        raise InputError(t("login.wrong"))
    enter(access.set_password(user.name, new))
    st.success(t("login.changed"))
