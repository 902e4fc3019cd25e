"""``mien attendance watch``: from a camera into the book."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.core.errors import MienError
from mien.doors.cli.attendance_evidence import crop_of_event, purge_old
from mien.doors.cli.attendance_sinks import Background
from mien.doors.cli.attendance_times import now, read_moment
from mien.doors.cli.command import DETECTING, EVIDENCE, LIVENESS, NAMING, Exit, Session, command
from mien.doors.cli.watch import (
    COLUMNS,
    Clock,
    Fps,
    Live,
    Look,
    Once,
    Port,
    Preview,
    Seconds,
    Single,
    What,
    clock_of,
    look,
    preview_of,
    row,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mien.attendance.book import Records
    from mien.core.attendance import Entry, Sighting
    from mien.jobs.attend import Outcome, SightingWriter
    from mien.jobs.watch import Event, Watched
    from mien.media.sources import Source

__all__ = ["register"]

_PATIENCE = 30.0
"""Seconds that the end waits for a log that cannot be written."""


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "watch", DETECTING, NAMING, LIVENESS, EVIDENCE)(watch)


def watch(
    session: Session,
    what: What,
    camera: Annotated[str | None, typer.Option(help="What sessions call it; the source itself if left out.")] = None,
    every: Annotated[float, typer.Option(help="Seconds between two sightings of one face that stays.", min=1)] = 60.0,
    away: Annotated[float, typer.Option(help="Seconds unseen after which somebody has left.", min=0, max=60)] = 5.0,
    at: Annotated[str | None, typer.Option("--at", help="When a recording began; now if left out.")] = None,
    single: Single = False,
    seconds: Seconds = None,
    live: Live = False,
    fps: Fps = 25.0,
    once: Once = False,
    preview: Preview = False,
    port: Port = None,
    no_deliver: Annotated[bool, typer.Option("--no-deliver", help="Leave places outside alone meanwhile.")] = False,
) -> int | None:
    """Take attendance from a camera: everybody it sees is written into the book, until Ctrl-C."""
    from mien.jobs.attend import SightingWriter
    from mien.jobs.watch import Watcher, WatcherOptions
    from mien.media.sources import SourceOptions

    began = None if at is None else read_moment(at, "--at")
    session.out.header(COLUMNS)
    with session.house.source(what, SourceOptions(live=live, rate=fps, once=once, began=began)) as source:
        liveness = session.house.liveness()
        watcher = Watcher(WatcherOptions(away=away, every=every), live_only=liveness is not None)
        with (
            Background(session, wanted=not no_deliver) as outside,
            SightingWriter(session.house.gallery.attendance, written=outside.wake) as writer,
        ):
            desk = Desk(session, source, writer, camera=camera or _camera_name(source), run=_run_name(began))
            before = desk.look if session.house.settings.evidence else None
            if before is not None:
                purge_old(session)
            with preview_of(session, source, wanted=preview, port=port) as screen:

                def after() -> None:
                    desk.tell()
                    outside.tell()

                how = Look(desk.hear, single, seconds, liveness, after, screen, before)
                ended = look(session, source, watcher, how)
            for event in watcher.finish():
                desk.write(event)
            unwritten = desk.close()
        summary(session, watcher, ended, desk.clock)
    session.out.note(f"{desk.written} sightings written")
    return Exit.FAILED if unwritten else None


def _camera_name(source: Source) -> str:
    """Short enough to be typed: ``camera 0``, the address, or a recording's file name."""
    if source.name.isdigit():
        return f"camera {source.name}"
    return source.name if "://" in source.name else Path(source.name).name


def _run_name(began: datetime | None) -> str:
    """A recording of a known moment, watched again, adds nothing; whatever is seen now is new."""
    return uuid.uuid4().hex if began is None else began.isoformat()


class Desk:
    """Where events become sightings, and what they mean for the book is told."""

    def __init__(self, session: Session, source: Source, writer: SightingWriter, *, camera: str, run: str) -> None:
        self.clock: Clock = clock_of(source)
        self.written = 0
        self._session = session
        self._writer = writer
        self._camera, self._run = camera, run
        self._names: dict[str, str] = {}  # of people, by id
        self._times: dict[str, float] = {}  # of the source, by sighting that is not written yet
        self._said: dict[str, str] = {}  # what the book said last, by person
        self._trouble = ""
        self._seen: Watched | None = None  # only where crops are wanted

    def look(self, watched: Watched) -> None:
        """Remember the last look, for crops of the faces its events are about."""
        self._seen = watched

    def hear(self, event: Event) -> None:
        """An event of the watch: told, unless it only repeats, and written."""
        if event.kind != "still there":
            words = f"{self.clock(event.time, event.at)}  {event.words()}"
            self._session.out.line(words, row(event), columns=COLUMNS, data=event.to_dict())
        self.write(event)

    def write(self, event: Event) -> None:
        """Have the sighting that an event is written, if it is one."""
        from mien.jobs.attend import sighting_of

        sighting = sighting_of(event, camera=self._camera, run=self._run)
        if sighting is not None:
            self._names[event.person_id or ""] = event.name
            self._times[sighting.id] = event.time
            self._writer.put(sighting, crop_of_event(self._seen, event))

    def tell(self) -> None:
        """What became of sightings since the last time."""
        for outcome in self._writer.outcomes():
            self._tell(outcome)
        trouble = self._writer.trouble
        if bool(trouble) != bool(self._trouble):
            out = self._session.out
            if trouble:
                out.problem(f"{self._writer.waiting} sightings wait in memory until they can be written: {trouble}")
            else:
                out.note("the sightings that waited are written")
        self._trouble = trouble

    def close(self) -> int:
        """Wait for what is not written yet; how many sightings never were."""
        unwritten = self._writer.close(_PATIENCE)
        self.tell()
        if unwritten:
            self._session.out.problem(f"mien: {unwritten} sightings could not be written and are lost: {self._trouble}")
        return unwritten

    def _tell(self, outcome: Outcome) -> None:
        sighting = outcome.sighting
        time = self._times.pop(sighting.id, 0.0)
        if outcome.refused:
            self._session.fail(f"a sighting was not written: {outcome.refused}")
            return
        self.written += 1
        means = "; ".join(self._meaning(sighting))
        person = sighting.person_id or sighting.decision
        if means and self._said.get(person) != means:
            self._said[person] = means
            self._line(sighting, time, means)

    def _line(self, sighting: Sighting, time: float, means: str) -> None:
        name = self._names.get(sighting.person_id or "", "")
        at = sighting.at.astimezone()
        line = {
            "at": at.isoformat(timespec="milliseconds"),
            "time": time,
            "event": "written",
            "name": name,
            "why": means,
        }
        data = {**line, "person_id": sighting.person_id, "sighting": sighting.id, "camera": sighting.camera}
        words = f"{self.clock(time, sighting.at)}    {name or sighting.decision}: {means}"
        self._session.out.line(words, line, columns=COLUMNS, data={**data, "name": name or None})

    def _meaning(self, sighting: Sighting) -> list[str]:
        """What a sighting means for each session that is open, or why it means nothing to any."""
        from mien.attendance.book import unassigned
        from mien.core.attendance import Session as Course
        from mien.jobs.registers import records_of

        log, at = self._session.house.gallery.attendance, sighting.at
        try:
            books = [records_of(log, course, at, at) for course in log.sessions()]
            said = [line for records in books for line in _marked(records, sighting)]
            never = records_of(log, Course("no session", "ad hoc", "UTC"), at, at)
            left = [u.why for u in unassigned([never, *books], at, at) if u.sighting.id == sighting.id]
        except MienError as error:
            return [f"written, but the book cannot be read now: {error}"]
        if sighting.decision == "ambiguous" and not left:
            return ["a question: mien attendance questions"]
        return said or [f"{why}; kept as an unassigned sighting" for why in left]


def _marked(records: Records, sighting: Sighting) -> Iterator[str]:
    """How the person of a sighting stands in a session that was open then."""
    from mien.attendance.book import keep

    course, at = records.session, sighting.at
    if course.cameras and sighting.camera not in course.cameras:
        return
    register = keep(records, at, at, now=max(now(), at))
    covering = {meeting.key for meeting in register.meetings if meeting.covers(at)}
    for entry in register.entries:
        if entry.person_id == sighting.person_id and entry.meeting in covering:
            yield f"{_standing(entry)} in {course.name}"


def _standing(entry: Entry) -> str:
    if entry.correction is not None:
        return f"{entry.status}, by hand,"
    if entry.status == "late" and entry.late_by is not None:
        return f"late by {entry.late_by.total_seconds() / 60:.0f} min"
    if not entry.attended and entry.reasons:
        return f"not marked yet ({'; '.join(reason.words() for reason in entry.reasons)})"
    return entry.status
