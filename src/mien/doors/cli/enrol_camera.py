"""Learning somebody who stands before a camera: what to do is told line by line, nothing is stored before the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mien.core.errors import MienError, SettingError
from mien.doors.cli.command import Session
from mien.doors.cli.pictures import shown
from mien.doors.cli.watch import preview_of

if TYPE_CHECKING:
    from mien.core.faces import Picture
    from mien.media.sources import Source
    from mien.recognition.enrolment import Enrolment, EnrolOptions
    from mien.recognition.guidance import Guide, Shot

__all__ = ["Before", "enrol_by_camera"]

_COLUMNS = ("view", "accepted", "at", "sharpness", "size", "turn", "why")
_APART = 0.2
"""Seconds between two frames that are looked at, and of a folder of frames without times: views do not change faster."""

_ROUNDING = 1e-6
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Before:
    """Who stands before which camera.

    Args:
        name: the person's.
        source: a webcam's number, an address, a video, a folder of frames.
        patience: seconds after which it ends with the views there are.
        options: what the gate asks for.
        preview: show the stream in the browser.
        port: the preview's; None for the usual one.
    """

    name: str
    source: str
    patience: float
    options: EnrolOptions
    preview: bool = False
    port: int | None = None


def enrol_by_camera(session: Session, before: Before) -> list[Enrolment]:
    """Collect the views and store them, all or none; what became of each, empty if it was broken off.

    Raises:
        MienError: no view that could be learnt, or two people; nothing was stored.
    """
    from mien.recognition.guidance import GuideOptions, guide_of

    if before.options.face is not None:
        raise SettingError("--face counts the faces of a photograph; before a camera there is to be one")
    guide = guide_of(session.house.recognizer, GuideOptions(patience=before.patience))
    _collect(session, before, guide)
    if session.interrupted:
        session.out.note("nothing was stored")
        return []
    if guide.state == "refused":
        raise MienError(f"{shown(before.name)} was not enrolled: somebody else came before the camera; start again")
    pictures = [_named(shot) for shot in guide.shots]
    outcomes = session.house.recognizer.enroller.enroll_together(before.name, pictures, options=before.options)
    _tell(session, before, list(zip(guide.shots, outcomes, strict=True)))
    return outcomes


def _collect(session: Session, before: Before, guide: Guide) -> None:
    """Show the guide frame after frame until it has what it wants, and the person what to do.

    Raises:
        MienError: it ended without a straight view.
    """
    from mien.media.sources import SourceOptions
    from mien.recognition.guidance import told
    from mien.recognition.quality import measure

    speaker = _Speaker(session)
    with (
        session.house.source(before.source, SourceOptions(rate=1 / _APART)) as source,
        preview_of(session, source, wanted=before.preview, port=before.port) as screen,
    ):
        for picture in session.each(_frames(source, before.patience)):
            if picture is None:
                speaker.say(source.state.words(), source.state.words())
                continue
            faces = session.house.detector.at_scale(picture.scale).detect(picture.pixels)
            advice = guide.see(picture, measure(picture, faces, limits=before.options.limits))
            speaker.say(advice.kind, advice.words)
            if screen is not None:
                screen.show(picture, faces.scaled(1 / picture.scale), advice.words)
            if guide.state != "looking":
                break
        lost = f"; {source.state.words()}" if source.state.name == "lost" else ""
    if session.interrupted or guide.state == "refused":
        return
    if not guide.shots:
        raise MienError(f"{shown(before.name)} was not enrolled: no straight view{lost}; at last: {speaker.last}")
    if guide.missing:
        session.out.note(f"not seen: {told(guide.missing)}{lost}")


class _Speaker:
    """Says what changes, unless it changes back at once."""

    def __init__(self, session: Session) -> None:
        self.last = "no picture came"
        self._session = session
        self._said = self._before = ""

    def say(self, kind: str, words: str) -> None:
        """Print the words if their kind is new and was there in the frame before too, or is the first or last there is."""
        if kind != self._said and (kind == self._before or not self._said or kind in {"done", "refused"}):
            self._session.out.note(words)
            self._said = kind
        self.last = self.last if kind == "done" else words
        self._before = kind


def _frames(source: Source, patience: float) -> Iterator[Picture | None]:
    """Frames a moment apart; None for each second without any. Ends with the source, or with the patience."""
    due = 0.0
    while not source.ended and source.time < 2 * patience:
        picture = source.newest(1.0)
        if picture is None:
            if source.ended or source.time > patience:
                return
            yield None
        elif (picture.time or 0.0) >= due - _ROUNDING:
            due = (picture.time or 0.0) + _APART
            yield picture


def _named(shot: Shot) -> Picture:
    """The frame under a name that tells where its template comes from."""
    from mien.recognition.guidance import told

    picture = shot.picture
    return replace(picture, source=f"{picture.source} at {picture.time or 0.0:.1f} s, {told([shot.view])}")


def _tell(session: Session, before: Before, taken: list[tuple[Shot, Enrolment]]) -> None:
    stored = sum(outcome.accepted for _, outcome in taken)
    rows = [_row(shot, outcome) for shot, outcome in taken]
    title = f"{shown(before.name)}: {stored} views enrolled"
    data = [row | outcome.to_dict() for row, (_, outcome) in zip(rows, taken, strict=True)]
    session.out.table(title, rows, columns=_COLUMNS, data=data)
    if not stored:
        session.failed += len(taken)
        session.out.problem(f"{shown(before.name)} was not enrolled: a view was refused, and they go in together")


def _row(shot: Shot, outcome: Enrolment) -> dict[str, Any]:
    reasons = "; ".join(reason.words() for reason in outcome.reasons)
    return {
        "view": shot.view,
        "accepted": outcome.accepted,
        "at": round(shot.picture.time or 0.0, 2),
        "sharpness": round(shot.quality.sharpness, 1),
        "size": round(shot.quality.size),
        "turn": round(shot.quality.yaw),
        "why": reasons or (f"but: {outcome.warning}" if outcome.warning else ""),
    }
