"""``mien frames``: still frames out of videos, a folder per person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.doors.cli.command import DETECTING, GATE, Session, command
from mien.doors.cli.folders import follow
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.jobs.frame_manifest import FrameRow
    from mien.jobs.frames import UsableFace

__all__ = ["register"]

COLUMNS = ("person", "frames", "videos", "without")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "frames", DETECTING, GATE, panel="Folders")(frames)


def _seconds(text: str | float) -> float:
    """``0.5`` or ``0.5s``."""
    try:
        return float(str(text).removesuffix("s"))
    except ValueError as error:
        raise typer.BadParameter(f"expected seconds, e.g. 0.5, got {text!r}") from error


def frames(
    session: Session,
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Videos: a folder per person, or Name.mp4, Name_2.mp4 …")
    ],
    target: Annotated[Path, typer.Argument(metavar="DST", help="Where the folder per person goes.")],
    per_person: Annotated[
        int | None,
        typer.Option(min=1, help="Frames for each person, evenly over all their videos; 50 if nothing is said."),
    ] = None,
    per_video: Annotated[int | None, typer.Option(min=1, help="Frames of each video, evenly.")] = None,
    every: Annotated[
        float | None, typer.Option(parser=_seconds, metavar="SECONDS", help="A frame every so many seconds instead.")
    ] = None,
    faces_only: Annotated[
        bool, typer.Option("--faces-only", help="Only frames with a face good enough to learn.")
    ] = False,
) -> int | None:
    """Take still frames out of videos: DST/Person/video@12.480s.jpg and a manifest. Goes on where it was stopped."""
    from mien.jobs.frames import FrameOptions, take_frames

    if per_video is None and every is None:
        per_person = per_person or 50
    options = FrameOptions(per_person, per_video, every, session.house.settings.max_megapixels)
    usable = _usable(session) if faces_only else None
    done = follow(session, take_frames(source, target, options=options, usable=usable))
    rows = [event.result for event in done if event.result is not None]
    taken = sum(1 for row in rows if row.file)
    session.out.table(
        f"{taken} frames taken into {shown(target)}",
        _by_person(rows),
        columns=COLUMNS,
        data=[row._asdict() for row in rows],
    )
    return None


def _usable(session: Session) -> UsableFace:
    from mien.jobs.frames import UsableFace

    return UsableFace(session.house.detector, session.house.limits)


def _by_person(rows: Iterable[FrameRow]) -> list[dict[str, str | int]]:
    """How many frames each person got now, from how many videos, and how many places had none to take."""
    found = list(rows)
    frames_of = Counter(row.person for row in found if row.file)
    without = Counter(row.person for row in found if not row.file)
    videos = Counter(person for person, _ in {(row.person, row.video) for row in found if row.file})
    people = dict.fromkeys(row.person for row in found)
    return [{"person": p, "frames": frames_of[p], "videos": videos[p], "without": without[p]} for p in people]
