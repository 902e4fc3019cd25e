"""``mien watch``: who is in front of a camera, told as it happens."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import ImageError
from mien.doors.cli.asking import Asking
from mien.doors.cli.attendance_times import now
from mien.doors.cli.command import CLASSIFYING, DETECTING, LIVENESS, NAMING, Session, command

if TYPE_CHECKING:
    from mien.core.protocols import LivenessCheck
    from mien.doors.preview import Preview as PreviewServer
    from mien.jobs.attributes import AttributeTeller
    from mien.jobs.watch import Event, Watched, Watcher
    from mien.media.sources import Source

__all__ = [
    "COLUMNS",
    "Clock",
    "Fps",
    "Live",
    "Look",
    "Once",
    "Port",
    "Preview",
    "Seconds",
    "Single",
    "What",
    "clock_of",
    "look",
    "preview_of",
    "register",
    "row",
    "summary",
]

Clock = Callable[[float, datetime], str]

COLUMNS = ("at", "time", "event", "name", "similarity", "track", "was", "since", "until", "why", "class")

What = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A webcam's number (0), rtsp://… or http://…, a video, a folder of frames."),
]
Single = Annotated[bool, typer.Option("--single", help="Look at the largest face only.")]
Seconds = Annotated[float | None, typer.Option("--for", metavar="SECONDS", help="End after so long.", min=0)]
Live = Annotated[bool, typer.Option("--live", help="Play a file at its own speed, as a camera would.")]
Fps = Annotated[float, typer.Option("--fps", help="Frames per second of a folder without a manifest.", min=0.001)]
Once = Annotated[bool, typer.Option("--once", help="End when the camera is lost, instead of connecting again.")]


Preview = Annotated[bool, typer.Option("--preview", help="Show the stream in the browser, on this machine only.")]
Port = Annotated[
    int | None, typer.Option(help="The preview's port, 8477 if left out; 0 takes a free one.", min=0, max=65535)
]


@dataclass(frozen=True, slots=True)
class Look:
    """How a source is looked at.

    Args:
        single: the largest face only.
        seconds: end after so long; None goes on.
        liveness: tells living faces from pictures of faces.
        heard: gets every event.
        after: called after every look.
        screen: shows what is seen.
        before: gets every look before its events are heard.
        teller: knows afterwards what classifiers said.
    """

    heard: Callable[[Event], None]
    single: bool = False
    seconds: float | None = None
    liveness: LivenessCheck | None = None
    after: Callable[[], None] | None = None
    screen: PreviewServer | None = None
    before: Callable[[Watched], None] | None = None
    teller: AttributeTeller | None = None


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "watch", DETECTING, NAMING, CLASSIFYING, LIVENESS, panel="People", reads=True)(watch)


def watch(
    session: Session,
    what: What,
    single: Single = False,
    seconds: Seconds = None,
    live: Live = False,
    fps: Fps = 25.0,
    once: Once = False,
    away: Annotated[float, typer.Option(help="Seconds unseen after which somebody has left.", min=0, max=3600)] = 5.0,
    preview: Preview = False,
    port: Port = None,
) -> int | None:
    """Name the people in front of a camera: a line whenever somebody arrives, leaves or is unknown. Ctrl-C ends it.

    With --classifier also what each face is, e.g. me or not me.
    """
    from mien.jobs.attributes import AttributeTeller
    from mien.jobs.watch import Watcher, WatcherOptions
    from mien.media.sources import SourceOptions

    session.out.header(COLUMNS)
    with session.house.source(what, SourceOptions(live=live, rate=fps, once=once)) as source:
        liveness = session.house.liveness()
        watcher, teller = Watcher(WatcherOptions(away=away), live_only=liveness is not None), AttributeTeller()
        clock = clock_of(source)

        def heard(event: Event) -> None:
            session.out.line(
                f"{clock(event.time, event.at)}  {event.words()}", row(event), columns=COLUMNS, data=event.to_dict()
            )

        with preview_of(session, source, wanted=preview, port=port) as screen:
            how = Look(heard, single, seconds, liveness, screen=screen, teller=teller)
            ended = look(session, source, watcher, how)
        summary(session, watcher, ended, clock, teller.counts())
    return None


def look(session: Session, source: Source, watcher: Watcher, how: Look) -> Event:
    """Watch a source until it ends, Ctrl-C or the time given; the event of its end, which nobody has heard yet.

    Raises:
        ImageError: the source never gave a picture and never will.
    """
    from mien.jobs.watch import Event
    from mien.jobs.watch import watch as watched_of

    if source.state.name == "connecting":
        session.out.note(f"connecting to {source.name}; Ctrl-C ends the watch")
    if not session.house.classifiers and not session.house.gallery.people():
        session.out.note("nobody is enrolled yet, so everybody is unknown: mien enroll NAME PHOTO")
    follower = session.house.follower()
    begin, pictures, reason, clock = source.time, 0, "", clock_of(source)
    asking = Asking(session.out, how.liveness, clock, COLUMNS)
    looks = watched_of(source, follower, watcher, liveness=how.liveness, single=how.single, teller=how.teller)
    for watched in _until_stopped(session, looks):
        pictures += watched.picture is not None
        if how.before is not None:
            how.before(watched)
        for event in watched.events:
            how.heard(event)
        told = (event for event in watched.events if event.kind != "still there")
        lines = [f"{clock(event.time, event.at)}  {event.words()}" for event in told]
        lines += asking.tell(watched, source.moment(source.time))
        if how.screen is not None:
            _put_on(how.screen, watched, lines, source.state.words())
        if how.after is not None:
            how.after()
        if how.seconds is not None and source.time - begin >= how.seconds:
            reason = f"{how.seconds:g} s are over"
            break
    if session.interrupted:
        session.interrupted, reason = False, "stopped"
    return Event("ended", source.time, now(), reason=reason or _end(session, source, pictures))


def _until_stopped(session: Session, looks: Iterator[Watched]) -> Iterator[Watched]:
    """Looks until Ctrl-C, or until a service manager asks to end (SIGTERM): the end is as orderly either way."""
    if threading.current_thread() is not threading.main_thread():
        yield from session.each(looks)
        return
    before = signal.signal(signal.SIGTERM, session.on_interrupt)
    try:
        yield from session.each(looks)
    finally:
        signal.signal(signal.SIGTERM, before)


def _put_on(screen: PreviewServer, watched: Watched, lines: list[str], state: str) -> None:
    for line in lines:
        screen.tell(line)
    screen.show(watched.picture, watched.faces, state)


def _end(session: Session, source: Source, pictures: int) -> str:
    """Why a source has ended of itself."""
    state = source.state
    if state.name != "lost":
        return f"{source.name} is over after {pictures} pictures"
    if not pictures:
        raise ImageError(state.reason if source.name in state.reason else f"cannot watch {source.name}: {state.reason}")
    session.fail(f"mien: {state.reason}")
    return state.reason


@contextmanager
def preview_of(session: Session, source: Source, *, wanted: bool, port: int | None) -> Iterator[PreviewServer | None]:
    """The preview, if it is wanted; a port that is named wants it.

    Raises:
        SettingError: the port cannot be had.
    """
    if not wanted and port is None:
        yield None
        return
    from mien.doors.preview import PORT
    from mien.doors.preview import Preview as PreviewServer

    with PreviewServer(PORT if port is None else port) as server:
        session.out.note(f"{source.name} can be seen at {server.url}, on this machine only")
        yield server


def clock_of(source: Source) -> Clock:
    """How a moment is shown, given its time and its label: by the wall clock for cameras, else as minutes and seconds."""
    if source.recorded:
        return lambda time, _at: f"{int(time) // 60:02d}:{time % 60:04.1f}"
    return lambda _time, at: f"{at.astimezone():%H:%M:%S}"


def row(event: Event) -> dict[str, Any]:
    """An event as a row of ``COLUMNS``."""
    return {
        "at": event.at.astimezone().isoformat(timespec="milliseconds"),
        "time": event.time,
        "event": event.kind,
        "name": event.name,
        "similarity": None if event.match is None else event.match.similarity,
        "track": event.track_id,
        "was": event.was,
        "since": None if event.since is None else event.since.astimezone().isoformat(timespec="milliseconds"),
        "until": None if event.until is None else event.until.astimezone().isoformat(timespec="milliseconds"),
        "why": event.reason or _why(event),
        "class": "" if event.attribute is None else f"{event.attribute.label} {event.attribute.probability:.2f}",
    }


def _why(event: Event) -> str:
    """The reasons of the decision; it is not what a classifier's answer is about."""
    match = None if event.kind == "classified" else event.match
    return "" if match is None else "; ".join(reason.words() for reason in match.reasons)


def summary(
    session: Session,
    watcher: Watcher,
    ended: Event,
    clock: Clock,
    classes: Mapping[str, Mapping[str, int]] | None = None,
) -> None:
    """Who was seen from when to when, and how many faces of which class: tables, or with ``--json`` part of the last line.

    Args:
        session: where to.
        watcher: of the source.
        ended: why.
        clock: shows moments.
        classes: how many tracks were of which class, by classifier.
    """
    classes = classes or {}
    if session.out.format != "table":
        data = {**ended.to_dict(), "people": [p.to_dict() for p in watcher.people], "unknown": watcher.strangers}
        session.out.line("", row(ended), columns=COLUMNS, data={**data, "classes": classes})
        return
    session.out.note(ended.reason)
    if watcher.people or not classes:
        strangers = f", {watcher.strangers} unknown faces" if watcher.strangers else ""
        people = [
            {"name": p.name, "from": clock(p.first_time, p.first), "to": clock(p.time, p.last), "stays": p.stays}
            for p in watcher.people
        ]
        session.out.table(f"{len(people)} people seen{strangers}", people, columns=("name", "from", "to", "stays"))
    for classifier, labels in classes.items():
        rows = [{"class": label, "faces": count} for label, count in labels.items()]
        session.out.table(f"{sum(labels.values())} faces, by {classifier}", rows, columns=("class", "faces"))
