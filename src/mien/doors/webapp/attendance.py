"""The page Attendance: today, the week, questions, corrections with a reason, exports, and the state of places outside."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import streamlit as st

from mien.attendance.zones import find_zone, instant
from mien.core.attendance import Correction, Entry, Meeting, Register, Session, Status
from mien.core.errors import MienError
from mien.doors.webapp import login, outside, sessions
from mien.doors.webapp.state import gallery, now
from mien.doors.webapp.words import say_reason, t
from mien.jobs.registers import open_questions, register_of, week_of

__all__ = ["page"]

_BY_HAND: tuple[Status, ...] = ("present", "late", "left", "absent", "excused")
_BACK = timedelta(days=60)
"""How far back open questions are looked for."""


def page() -> None:
    """Everything on the page."""
    st.title(t("attendance.title"))
    log = gallery().attendance
    known = {s.id: s for s in log.sessions()}
    chosen = None
    if known:
        names = {key: session.name for key, session in known.items()}
        chosen = st.selectbox(t("attendance.session"), list(names), format_func=names.__getitem__, key="book-session")
    shown: dict[str, Callable[[], None]] = {}
    if chosen is not None:
        session = known[chosen]
        shown |= {
            t("attendance.today"): lambda: _today(session),
            t("attendance.week"): lambda: _week(session),
            t("attendance.export"): lambda: _export(session),
        }
    shown[t("attendance.questions", count=len(_questions()))] = _answer
    shown[t("outside.title")] = outside.view
    if login.may("operator"):
        shown[t("sessions.title")] = lambda: sessions.view(known.get(chosen or ""))
    if not known:
        st.info(t("attendance.none"))
    for tab, view in zip(st.tabs(list(shown)), shown.values(), strict=True):
        with tab:
            view()


def _today(session: Session) -> None:
    """The last meeting there was, line by line, and corrections."""
    first, last = now() - timedelta(days=7), now()
    register = register_of(gallery().attendance, session, first, last, now=now())
    if not register.meetings:
        st.info(t("attendance.not_met", name=session.name))
        return
    keys = [meeting.key for meeting in reversed(register.meetings)]
    key = st.selectbox(t("attendance.meeting"), keys, key="book-meeting")
    meeting = next(m for m in register.meetings if m.key == key)
    lines = {e.person_id: e for e in register.entries if e.meeting == key}
    if not lines:
        st.info(t("attendance.empty_roster"))
        return
    here = sum(entry.attended for entry in lines.values())
    st.metric(t("attendance.here"), t("attendance.of", here=here, all=len(lines)))
    names = {p.id: p.name for p in register.people}
    st.dataframe([_row(names[i], entry, session) for i, entry in lines.items()], width="stretch", hide_index=True)
    if login.may("operator"):
        _correct(session, meeting, lines, names)


def _row(name: str, entry: Entry, session: Session) -> dict[str, str]:
    zone = find_zone(session.zone)

    def clock(at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(zone):%H:%M}"

    by_hand = "" if entry.correction is None else f"{entry.correction.by}: {entry.correction.reason}"
    why = "; ".join(say_reason(reason) for reason in entry.reasons)
    return {
        t("people.name"): name,
        t("attendance.mark"): t(f"status.{entry.status}"),
        t("attendance.came"): clock(entry.arrived),
        t("attendance.last_seen"): clock(entry.last_seen),
        t("attendance.by_hand"): by_hand or why,
    }


def _correct(session: Session, meeting: Meeting, lines: dict[str, Entry], names: dict[str, str]) -> None:
    """A mark changed by hand, with its reason; the old one is kept beside it."""
    with st.form("correct", clear_on_submit=True):
        st.markdown(f"**{t('attendance.correct')}**")
        who = st.selectbox(
            t("people.name"), list(lines), index=None, format_func=names.__getitem__, placeholder=t("people.choose")
        )
        status = st.selectbox(t("attendance.mark"), _BY_HAND, format_func=lambda s: t(f"status.{s}"))
        at = st.time_input(t("attendance.came"), value=None)
        reason = st.text_input(t("attendance.reason"))
        sent = st.form_submit_button(t("attendance.save"), type="primary")
    if not sent:
        return
    if who is None or not reason.strip():
        st.warning(t("attendance.incomplete"))
        return
    log = gallery().attendance
    arrived = None if at is None else instant(meeting.date, at, find_zone(session.zone))
    old = lines[who]
    made = Correction(
        session.id, meeting.key, who, status, reason, log.actor, now(), arrived, old.status, old.arrived
    )  # fmt: skip
    log.correct([made])
    st.rerun()


def _week(session: Session) -> None:
    """Check marks or times of one week, a column per meeting."""
    from mien.attendance.tables import table

    left, right = st.columns(2)
    day = left.date_input(t("attendance.week_of"), value=now().astimezone(find_zone(session.zone)).date())
    form = right.radio(
        t("attendance.shows"), ("marks", "times"), horizontal=True, format_func=lambda f: t(f"forms.{f}")
    )
    first, last = week_of(session, day)
    register = register_of(gallery().attendance, session, first, last, now=now())
    if not register.meetings:
        st.info(t("attendance.no_meeting"))
        return
    shown = table(register, "marks" if form == "marks" else "times")
    rows = [{column: row.get(column, "") for column in shown.columns} for row in shown.rows]
    st.dataframe(rows, width="stretch", hide_index=True)
    if shown.note:
        st.caption(t("attendance.legend"))


def _export(session: Session) -> None:
    """The register between two dates as an Excel workbook or a CSV file."""
    left, right = st.columns(2)
    today = now().astimezone(find_zone(session.zone)).date()
    since = left.date_input(t("attendance.since"), value=today - timedelta(days=30))
    until = right.date_input(t("attendance.until"), value=today)
    zone = find_zone(session.zone)
    first, last = since, until + timedelta(days=1)
    begin = datetime(first.year, first.month, first.day, tzinfo=zone)
    end = datetime(last.year, last.month, last.day, tzinfo=zone) - timedelta(microseconds=1)
    if begin > end:
        st.warning(t("attendance.swapped"))
        return
    register = register_of(gallery().attendance, session, begin, end, now=now())
    st.write(t("attendance.holds", meetings=len(register.meetings), people=len(register.people)))
    name = f"{session.name} {first} {until}"
    try:
        workbook = _written(register, ".xlsx")
        st.download_button(t("attendance.excel"), workbook, file_name=f"{name}.xlsx", icon=":material/table:")
    except MienError as error:
        st.warning(str(error))
    st.download_button(t("attendance.csv"), _written(register, ".csv"), file_name=f"{name}.csv", mime="text/csv")


def _written(register: Register, suffix: str) -> bytes:
    from mien.attendance.sinks.csv_file import CsvSink
    from mien.attendance.sinks.excel import ExcelSink

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"register{suffix}"
        sink = ExcelSink(path) if suffix == ".xlsx" else CsvSink(path, "entries")
        sink.write(register)
        return path.read_bytes()


def _questions() -> list[tuple[Session, str, tuple[str, ...], tuple[str, ...], str]]:
    """Open questions: session, meeting, who it may be, sightings, camera."""
    found = open_questions(gallery().attendance, now() - _BACK, now(), now=now())
    return [
        (s, q.meeting, q.candidates, tuple(seen.id for seen in q.sightings), q.sightings[0].camera) for s, q in found
    ]


def _answer() -> None:
    """A face that may be either of two people: somebody who knows them says who it was."""
    waiting = _questions()
    if not waiting:
        st.success(t("attendance.no_questions"), icon=":material/check:")
        return
    names = {p.id: p.name for p in gallery().people()}
    for number, (session, meeting, candidates, ids, camera) in enumerate(waiting):
        st.markdown(t("attendance.question", session=session.name, meeting=meeting, camera=camera))
        if not login.may("operator"):
            continue
        choices: list[tuple[str, str | None]] = [(names.get(c, c), c) for c in candidates]
        choices.append((t("attendance.nobody"), None))
        for (label, person), column in zip(choices, st.columns(len(choices)), strict=True):
            if column.button(label, key=f"answer-{number}-{ids[0]}-{label}"):
                gallery().attendance.answer(ids, person)
                st.rerun()
