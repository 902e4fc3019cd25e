"""Places outside that are kept up to date (Google Sheets, files, webhooks): how they do, and what to do where they do not."""

from __future__ import annotations

import streamlit as st

from mien.core.attendance import Target
from mien.doors.webapp import login
from mien.doors.webapp.state import deliverer, gallery, house
from mien.doors.webapp.words import t

__all__ = ["view"]


def view() -> None:
    """Each place with its state; a check that says exactly what is missing; delivery at once."""
    states = gallery().outbox.states()
    if not states:
        st.info(t("outside.none"))
        return
    for state in states:
        st.markdown(f"**{state.target.name}** ({state.target.kind})")
        if state.error:
            since = "" if state.since is None else f"{state.since.astimezone():%Y-%m-%d %H:%M}"
            st.error(
                t("outside.trouble", since=since, why=state.error, waiting=state.waiting),
                icon=":material/sync_problem:",
            )
        elif state.delivered is None:
            st.info(t("outside.never"))
        else:
            st.success(t("outside.fine", at=f"{state.delivered.astimezone():%Y-%m-%d %H:%M}"), icon=":material/check:")
        if login.may("operator"):
            _act(state.target)


def _act(target: Target) -> None:
    check, send = st.columns(2)
    if check.button(t("outside.check"), key=f"check-{target.id}"):
        with st.spinner(t("outside.checking")):
            for finding in house().channel(target).check():
                show = st.success if finding.ok else st.error
                show(f"{finding.name}: {finding.words}", icon=":material/check:" if finding.ok else ":material/error:")
    if send.button(t("outside.deliver"), key=f"send-{target.id}"):
        deliverer().wake()
        st.info(t("outside.sent"))
