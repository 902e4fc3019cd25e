"""The first start: a password, a try of the camera, the first person. No command line is needed."""

from __future__ import annotations

import streamlit as st

from mien.core.errors import MienError
from mien.doors.webapp import enrol, login, people
from mien.doors.webapp.state import gallery, gallery_place
from mien.doors.webapp.words import t

__all__ = ["page", "password_page"]


def password_page() -> None:
    """Asks whoever starts the app first for the password of the admin."""
    st.title(t("first.welcome"))
    st.write(t("first.what"))
    with st.form("first-password"):
        name = st.text_input(t("login.name"), value="admin", autocomplete="username")
        password = st.text_input(t("login.new"), type="password", autocomplete="new-password")
        again = st.text_input(t("login.again"), type="password", autocomplete="new-password")
        sent = st.form_submit_button(t("first.make_password"), type="primary")
    st.caption(t("first.where", place=gallery_place()))
    if not sent:
        return
    if password != again:
        st.error(t("login.differ"), icon=":material/error:")
        return
    try:
        user = gallery().access.add_user(name, "admin", password)
    except MienError as error:
        st.error(str(error), icon=":material/error:")
        return
    login.enter(user)
    st.session_state["fresh"] = True
    st.rerun()


def page() -> None:
    """What comes after the password: the camera, then the first person."""
    st.title(t("first.title"))
    st.write(t("first.next"))
    st.subheader(t("first.camera"))
    enrol.by_camera("first")
    st.subheader(t("first.photos"))
    people.add_by_photos()
