"""The page Live: a camera with boxes and names, who arrived, and what it means for the session that is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from mien.core.attendance import Opening, Session
from mien.doors.webapp import camera_desk, login, style
from mien.doors.webapp.camera_desk import Desk
from mien.doors.webapp.state import deliverer, gallery, house, now, recognizer
from mien.doors.webapp.words import t
from mien.jobs.stations import WatchStation

if TYPE_CHECKING:
    from collections.abc import Callable

    from mien.media.sources import Source

__all__ = ["page"]

_KEY = "live"
_NONE = ""
Liveness = Literal["off", "challenge", "passive"]


def page() -> None:
    """Everything on the page; in a kiosk the camera and who arrived only, as they were set before.

    What a kiosk leaves out leaves its place empty: a camera that moved up on the page would be stopped by the browser.
    """
    kiosk = style.is_kiosk()
    camera_desk.keep("live-session", "live-liveness", "live-camera-name", f"{_KEY}-which", f"{_KEY}-address")
    with st.container():
        if not kiosk:
            st.title(t("live.title"))
            _settings()
    session = _session()
    liveness: Liveness = st.session_state.get("live-liveness", house().settings.liveness)
    camera = _camera_name(session)
    seen, beside = st.columns([2, 1])
    with seen:
        desk = camera_desk.camera_of(_KEY, _maker(session, liveness, camera), _wish(session, liveness), ask=not kiosk)
        if desk is not None:
            _look(desk)
    with beside:
        st.subheader(t("live.here"))
        if desk is not None:
            _arrived(desk, session)
    _kiosk_switch(kiosk=kiosk)


def _settings() -> None:
    """Which session, whether faces must be alive, what the camera is called."""
    names = {_NONE: t("live.no_session")} | {s.id: s.name for s in gallery().attendance.sessions()}
    left, middle, right = st.columns(3)
    left.selectbox(t("live.session"), list(names), format_func=names.__getitem__, key="live-session")
    kinds = ["off", "challenge"]
    if house().settings.liveness_model in house().catalog.names("classifier"):
        kinds.append("passive")
    at = kinds.index(house().settings.liveness) if house().settings.liveness in kinds else 0
    middle.selectbox(
        t("live.liveness"), kinds, index=at, format_func=lambda kind: t(f"living.{kind}"), key="live-liveness"
    )
    st.session_state.setdefault("live-camera-name", "door")
    right.text_input(t("live.camera_name"), help=t("live.camera_help"), key="live-camera-name")
    session = _session()
    if session is not None:
        _opening(session)


def _session() -> Session | None:
    chosen = st.session_state.get("live-session", _NONE)
    return next((s for s in gallery().attendance.sessions() if s.id == chosen), None)


def _camera_name(session: Session | None) -> str:
    """As it is called here; a session that counts certain cameras only is given the first of them."""
    named = str(st.session_state.get("live-camera-name") or "door").strip()
    if session is not None and session.cameras and named not in session.cameras:
        return session.cameras[0]
    return named


def _opening(session: Session) -> None:
    """Whether the session is open, and a way to open it."""
    from mien.attendance.schedule import check_opening, meeting_at

    log = gallery().attendance
    if meeting_at(session, log.openings(session.id), now()) is not None:
        return
    st.info(t("live.not_open", name=session.name))
    if st.button(t("live.open", name=session.name)):
        opening = Opening(session.id, now(), "open")
        check_opening(session, log.openings(session.id), opening)
        log.open_or_close(opening)
        st.rerun()


def _wish(session: Session | None, liveness: Liveness) -> tuple[object, ...]:
    return (session is None, liveness, _camera_name(session))


def _maker(session: Session | None, liveness: Liveness, camera: str) -> Callable[[Source], WatchStation]:
    """What makes a station for a source, by what is chosen."""
    recognizer()  # its networks are loaded here, not in the camera's thread
    log = None if session is None else gallery().attendance
    delivery = None if session is None else deliverer()

    def make(source: Source) -> WatchStation:
        from mien.jobs.attend import SightingWriter

        writer = None if log is None or delivery is None else SightingWriter(log, written=delivery.wake)
        check = house().liveness(liveness)
        return WatchStation(source, house().follower(), liveness=check, writer=writer, camera=camera)

    return make


@st.fragment(run_every=1.0)
def _look(desk: Desk[WatchStation]) -> None:
    """The picture, what people are to do, and what hinders."""
    camera_desk.picture(desk)
    camera_desk.tell_state(desk.station.scene)
    if desk.station.trouble:
        st.error(t("live.trouble", why=desk.station.trouble), icon=":material/error:")


@st.fragment(run_every=1.0)
def _arrived(desk: Desk[WatchStation], session: Session | None) -> None:
    """Everybody who arrived, the last one first, and how they stand in the session."""
    people = desk.station.people
    if not people:
        st.write(t("live.nobody"))
    standing = _standing(session)
    for person in reversed(people):
        words = t("live.arrived", name=person.name, at=f"{person.first.astimezone():%H:%M}")
        mark = "" if session is None else f" · {standing.get(person.person_id, t('live.no_roster'))}"
        st.html(f'<p class="mien-arrived">{camera_desk.escaped(words + mark)}</p>')
    if desk.station.strangers:
        st.caption(f"{t('live.strangers')}: {desk.station.strangers}")
    if not style.is_kiosk():
        with st.expander(t("live.news")):
            for event in desk.station.events[:20]:
                st.write(f"{event.at.astimezone():%H:%M:%S} {event.words()}")


def _standing(session: Session | None) -> dict[str, str]:
    """How everybody on the roster stands in the meeting that is open now, by person."""
    from mien.jobs.registers import register_of

    if session is None:
        return {}
    register = register_of(gallery().attendance, session, now(), now(), now=now())
    return {entry.person_id: t(f"status.{entry.status}") for entry in register.entries}


def _kiosk_switch(*, kiosk: bool) -> None:
    """Into the kiosk with a click; out of it with the password of whoever set it up."""
    if not kiosk:
        if st.button(t("live.kiosk"), icon=":material/fullscreen:"):
            st.query_params["kiosk"] = "1"
            st.rerun()
        return
    with st.popover(t("live.leave_kiosk")):
        if login.confirmed("kiosk"):
            del st.query_params["kiosk"]
            st.rerun()
