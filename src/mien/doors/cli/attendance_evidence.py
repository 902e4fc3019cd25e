"""``mien attendance evidence``: crops kept of sightings, of people who allow it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.doors.cli.attendance_times import now
from mien.doors.cli.command import EVIDENCE, Session, command
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.core.answers import Match
    from mien.core.attendance import Sighting
    from mien.core.faces import Faces, Picture
    from mien.jobs.watch import Event, Watched

__all__ = ["crop_of_event", "crops_of", "purge_old", "register"]


def register(attendance: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Crops kept of sightings, of people who allow it.")
    attendance.add_typer(group, name="evidence")
    command(group, "list", reads=True)(list_crops)
    command(group, "show", reads=True)(show)
    command(group, "purge", EVIDENCE[1:], reads=True)(purge)


def list_crops(session: Session) -> None:
    """What is kept, of whom and since when."""
    rows = [
        {
            "sighting": crop.sighting_id,
            "at": crop.at.astimezone().isoformat(timespec="seconds"),
            "camera": crop.camera,
            "who": " or ".join(crop.who),
            "kept": crop.kept.astimezone().isoformat(timespec="seconds"),
            "bytes": crop.size,
        }
        for crop in session.house.gallery.evidence.crops()
    ]
    columns = ("sighting", "at", "camera", "who", "kept", "bytes")
    session.out.table(f"{len(rows)} crops", rows, columns=columns)


def show(
    session: Session,
    sighting: Annotated[str, typer.Argument(metavar="SIGHTING", help="Its id, or how it begins.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.jpg", help="Where to write the crop.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a file that is there.")] = False,
) -> None:
    """Write the crop of one sighting into a file."""
    from mien.attendance.sinks.files import write_whole

    jpeg = session.house.gallery.evidence.crop(sighting)
    write_whole(out, lambda place: _write(place, jpeg), replace=replace)
    session.out.table("written", [{"file": shown(out), "bytes": len(jpeg)}], columns=("file", "bytes"))


def _write(place: Path, content: bytes) -> None:
    place.write_bytes(content)


def purge(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Forget crops that were kept for longer than --evidence-days."""
    gone = purge_old(session, dry_run=dry_run)
    row = {"crops": gone[0], "bytes": gone[1], "deleted": not dry_run}
    session.out.table("would go" if dry_run else "deleted", [row], columns=tuple(row))


def purge_old(session: Session, *, dry_run: bool = False) -> tuple[int, int]:
    """Forget what was kept for too long; how many crops, and bytes."""
    days = session.house.settings.evidence_days
    gone = session.house.gallery.evidence.purge(now() - timedelta(days=days), dry_run=dry_run)
    for note in gone.notes:
        session.out.note(note)
    return gone.crops, gone.bytes


def crops_of(picture: Picture, faces: Faces, sightings: list[Sighting]) -> dict[str, bytes]:
    """A crop by sighting's id; row for row with ``faces``, in pixels of the original. The log keeps what is allowed."""
    from mien.media.crops import crop_jpegs

    jpegs = crop_jpegs(picture.pixels, faces.scaled(picture.scale).boxes)
    return {sighting.id: jpeg for sighting, jpeg in zip(sightings, jpegs, strict=True)}


def crop_of_event(watched: Watched | None, event: Event) -> bytes | None:
    """The face that an event is about, in the last look; None where it is not to be seen, or nothing was looked at.

    Somebody who has left may be told of while another face stands on their track: that one is nobody's evidence.
    """
    import numpy as np

    from mien.media.crops import crop_jpegs

    if watched is None or watched.picture is None or watched.faces.track_ids is None:
        return None
    (rows,) = np.nonzero(watched.faces.track_ids == event.track_id)
    here = [row for row in rows.tolist() if watched.faces.matches and _same(watched.faces.matches[row], event.match)]
    faces = watched.faces[np.array(here[:1], int)]
    jpegs = crop_jpegs(watched.picture.pixels, faces.scaled(watched.picture.scale).boxes)
    return jpegs[0] if jpegs else None


def _same(one: Match, other: Match | None) -> bool:
    """Whether two decisions name the same person, or people."""
    if other is None or (one.decision, one.person_id) != (other.decision, other.person_id):
        return False
    return one.decision != "ambiguous" or one.candidates == other.candidates
