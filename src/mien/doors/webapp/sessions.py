"""Sessions and rosters, on the page Attendance: what attendance is taken of, and who should come."""

from __future__ import annotations

from datetime import time, timedelta

import streamlit as st

from mien.attendance.schedule import local_day
from mien.attendance.zones import find_zone
from mien.core.attendance import Kind, Rules, Session
from mien.doors.webapp.state import gallery, now
from mien.doors.webapp.words import t

__all__ = ["view"]

_KINDS: tuple[Kind, ...] = ("course", "day", "ad hoc")
_USUAL_ZONE = "Asia/Ho_Chi_Minh"


def view(session: Session | None) -> None:
    """The roster of the session that is chosen, and a new session."""
    if session is not None:
        _roster(session)
    _new()


def _roster(session: Session) -> None:
    log = gallery().attendance
    st.subheader(t("sessions.roster", name=session.name))
    here = {p.person.id: p.person for p in log.roster(session.id) if p.until is None}
    people = {p.id: p.name for p in gallery().people()}
    with st.form("roster"):
        chosen = st.multiselect(
            t("sessions.who"),
            list(people),
            default=list(here),
            format_func=people.__getitem__,
            placeholder=t("people.choose"),
        )
        new = st.text_area(t("sessions.new_names"), help=t("sessions.new_help"))
        sent = st.form_submit_button(t("attendance.save"), type="primary")
    if not sent:
        return
    names = [line.strip() for line in new.splitlines() if line.strip()]
    today = local_day(session, now())
    log.set_roster(session.id, [*chosen, *names], since=today, gone_from=today)
    st.rerun()


def _new() -> None:
    st.subheader(t("sessions.new"))
    zone = st.context.timezone or _USUAL_ZONE
    kind = st.radio(t("sessions.kind"), _KINDS, format_func=lambda k: t(f"kinds.{k}"), key="new-kind")
    with st.form("new-session"):
        name = st.text_input(t("sessions.name"))
        zone = st.text_input(t("sessions.zone"), value=zone)
        days: list[int] = []
        start: time | None = None
        end: time | None = None
        if kind == "course":
            days = st.multiselect(
                t("sessions.days"),
                list(range(7)),
                format_func=lambda d: t(f"days.{d}"),
                placeholder=t("people.choose"),
            )
        if kind != "ad hoc":
            left, right = st.columns(2)
            start = left.time_input(t("sessions.start"), value=time(8) if kind == "course" else None)
            end = right.time_input(t("sessions.end"), value=time(9, 30) if kind == "course" else None)
        late = st.number_input(t("sessions.late"), min_value=0, max_value=240, value=10)
        camera = st.text_input(t("sessions.camera"), help=t("live.camera_help"))
        sent = st.form_submit_button(t("sessions.add"), type="primary")
    if not sent:
        return
    made = Session(
        name=name,
        kind=kind,
        zone=zone,
        weekdays=tuple(sorted(days)),
        start=start,
        end=end,
        first=now().astimezone(find_zone(zone)).date(),
        cameras=tuple(part.strip() for part in camera.split(",") if part.strip()),
        rules=Rules(late_after=timedelta(minutes=int(late))),
    )
    gallery().attendance.add_session(made)
    st.rerun()
