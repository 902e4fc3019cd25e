"""The page System: who may log in, backup and restore; for admins."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from mien.doors.webapp import login
from mien.doors.webapp.state import forget, gallery, house, now
from mien.doors.webapp.words import t
from mien.store.access import ROLES, User

__all__ = ["page"]


def page() -> None:
    """Everything on the page."""
    st.title(t("system.title"))
    users, backup, restore = st.tabs([t("system.users"), t("system.backup"), t("system.restore")])
    with users:
        _users()
    with backup:
        _backup()
    with restore:
        _restore()


def _users() -> None:
    access = gallery().access
    for user in access.users():
        with st.expander(f"{user.name} · {t(f'roles.{user.role}')}"):
            _user(user)
    with st.form("new-user", clear_on_submit=True):
        st.markdown(f"**{t('system.new_user')}**")
        name = st.text_input(t("login.name"), autocomplete="off")
        role = st.selectbox(t("system.role"), ROLES, format_func=lambda r: t(f"roles.{r}"))
        password = st.text_input(t("login.new"), type="password", autocomplete="new-password")
        if st.form_submit_button(t("system.add_user"), type="primary"):
            access.add_user(name, role, password)
            st.rerun()


def _user(user: User) -> None:
    access, me = gallery().access, login.who()
    with st.form(f"user-{user.id}"):
        role = st.selectbox(
            t("system.role"), ROLES, index=ROLES.index(user.role), format_func=lambda r: t(f"roles.{r}")
        )
        password = st.text_input(t("system.other_password"), type="password", autocomplete="new-password")
        if st.form_submit_button(t("attendance.save")):
            if role != user.role:
                access.set_role(user.name, role)
            if password:
                access.set_password(user.name, password)
            st.rerun()
    if (me is None or me.id != user.id) and st.button(t("system.remove_user", name=user.name), key=f"out-{user.id}"):
        access.remove_user(user.name)
        st.rerun()


def _backup() -> None:
    """One file with everything, made when it is asked for."""
    from mien.jobs.backup import back_up

    st.write(t("system.backup_holds"))
    if st.button(t("system.make_backup"), type="primary"):
        with st.spinner(t("system.working")), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "backup.zip"
            people = back_up(house().backup_places, path, made=now())
            st.session_state["backup"] = (f"mien {now().astimezone():%Y-%m-%d %H%M}.zip", path.read_bytes(), people)
    if "backup" in st.session_state:
        name, data, people = st.session_state["backup"]
        st.success(t("system.backup_made", people=people, megabytes=f"{len(data) / 1e6:.1f}"))
        st.download_button(t("system.download_backup"), data, file_name=name, mime="application/zip")


def _restore() -> None:
    """A backup put in the place of what is here; checked first, and only with the password once more."""
    from mien.jobs.backup import restore

    if "restored" in st.session_state:
        st.success(st.session_state.pop("restored"), icon=":material/check:")
    st.warning(t("system.restore_warning"), icon=":material/warning:")
    file = st.file_uploader(t("system.restore_file"), type=["zip"])
    if file is None or not login.confirmed("restore"):
        return
    with st.spinner(t("system.working")), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backup.zip"
        path.write_bytes(file.getvalue())
        places = house().backup_places
        done = restore(path, places, replace=True, at=now())
        aside = "" if done.aside is None else t("system.aside", name=done.aside.name)
        forget()
        st.session_state["restored"] = t("system.restored", people=done.people) + f" {aside}"
        st.rerun()
