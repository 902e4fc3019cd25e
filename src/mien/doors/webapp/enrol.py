"""Learning somebody before a camera, the browser's or one of this computer: guided, view by view."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from mien.core.faces import Picture
from mien.doors.webapp import camera_desk
from mien.doors.webapp.camera_desk import Desk
from mien.doors.webapp.faces_view import choose_name, tell_enrolments
from mien.doors.webapp.state import house, recognizer
from mien.doors.webapp.words import say_advice, t
from mien.jobs.stations import EnrolStation
from mien.media.sources import Source
from mien.recognition.guidance import GuideOptions, Shot, guide_of, told

__all__ = ["by_camera"]

_PATIENCE = 90.0
"""Seconds, as a person who reads what to do needs them; the command line has 60."""


def by_camera(key: str) -> None:
    """The camera, what to do now, and in the end what was learnt."""
    name = choose_name(t("people.name"), f"{key}-camera-name")
    if not name:
        st.caption(t("enrol.name_first"))
        return
    ready = recognizer()

    def make(source: Source) -> EnrolStation:
        guide = guide_of(ready, GuideOptions(patience=_PATIENCE))
        return EnrolStation(source, guide, house().detector, house().limits)

    desk = camera_desk.camera_of(f"{key}-camera", make, (name,), again=False)
    if desk is None:
        st.caption(t("enrol.how"))
        return
    _look(desk, name)


@st.fragment(run_every=0.5)
def _look(desk: Desk[EnrolStation], name: str) -> None:
    """What to do now; once every view is there, they go in together."""
    camera_desk.picture(desk)
    scene, guide = desk.station.scene, desk.station.guide
    camera_desk.tell_state(replace(scene, instructions=tuple(say_advice(*a) for a in desk.station.advice)))
    wanted = len(guide.options.views)
    seen = len(guide.shots)
    st.progress(seen / wanted, t("enrol.views", seen=seen, wanted=wanted))
    if guide.state == "looking" and desk.station.running:
        if seen and st.button(t("enrol.enough")):
            desk.station.close()
            _learn(desk, name)
        return
    _learn(desk, name)


def _learn(desk: Desk[EnrolStation], name: str) -> None:
    """Take the views in, all or none, once."""
    shots = desk.station.guide.shots
    if not shots:
        st.warning(t("enrol.nothing"), icon=":material/block:")
        return
    if desk.outcome is None:
        pictures = [_named(shot) for shot in shots]
        desk.outcome = recognizer().enroller.enroll_together(name, pictures, options=house().enrol_options())
    tell_enrolments(desk.outcome)
    if all(outcome.accepted for outcome in desk.outcome):
        st.success(t("enrol.known", name=name), icon=":material/check:")


def _named(shot: Shot) -> Picture:
    """The frame under a name that tells where its template comes from."""
    return replace(shot.picture, source=f"{shot.picture.source}, {told([shot.view])}")
