"""``mien calibrate``: the threshold for a wanted stranger rate, from one's own gallery and faces of strangers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import DETECTING, NAMING, Session, command
from mien.doors.cli.pictures import find, readable, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.core.people import Calibration
    from mien.recognition.calibration import Threshold

__all__ = ["register"]

COLUMNS = ("", "threshold", "one stranger in", "templates", "FAR of one comparison", "own pairs lost")
TOLD = 5
"""How many pictures that look like somebody in the gallery are named."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "calibrate", DETECTING, NAMING, panel="People", reads=True)(calibrate)


@dataclass
class _Strangers:
    """What was found in the pictures of strangers."""

    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    faceless: int = 0
    enrolled: int = 0


def calibrate(
    session: Session,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="STRANGERS…", help="Pictures, folders, patterns: people who are not in the gallery."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and tell, store nothing.")] = False,
    allow_small: Annotated[
        bool, typer.Option("--allow-small", help="Store it although the strangers are too few for the rate wanted.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Forget the calibration kept with the gallery; the catalog's counts again.")
    ] = False,
) -> None:
    """Measure how alike strangers look to the people enrolled; kept with the gallery, used from then on. Alone: tell what is kept."""
    from mien.recognition.calibration import derive_threshold

    house = session.house
    if remove:
        _remove(session, given=bool(pictures) or dry_run or allow_small)
        return
    if not pictures:
        _tell_kept(session)
        return
    if house.settings.threshold is not None:
        raise SettingError("--threshold is given by hand: then nothing follows from a calibration; leave it out")
    space = house.embedder.space
    templates, _, people = house.gallery.vectors(space)
    if not len(templates):
        raise InputError("the gallery has nobody to compare strangers with: enrol people first (mien enroll)")
    paths = find(session, pictures)
    found = _gather(session, paths)
    if session.interrupted:
        session.out.note("nothing was stored")
        return
    if not found.vectors:
        raise InputError(f"no usable face of a stranger in {len(paths)} pictures: nothing to measure")
    made = _measured(session, found, _named(pictures))
    before = _threshold(session)
    after = derive_threshold(made, strangers=house.settings.strangers, templates=len(templates))
    _warn_alike(session, found, before)
    if not (dry_run or allow_small or after.supported):
        raise InputError(_too_few(after, len(found.vectors)))
    if not dry_run:
        house.gallery.set_calibration(made, [person.id for person in people])
    _tell(session, made, (before, after), stored=not dry_run)


def _remove(session: Session, *, given: bool) -> None:
    """Take the calibration of the embedder's space back, and tell what is in force then."""
    if given:
        raise SettingError(
            "--remove takes a calibration back and measures nothing: give it no pictures and no other switch"
        )
    space = session.house.embedder.space
    if not session.house.gallery.remove_calibration(space):
        raise InputError(f"the gallery keeps no calibration of its own for {space.id}: nothing to remove")
    _tell_kept(session)


def _gather(session: Session, paths: list[Path]) -> _Strangers:
    """The largest usable face of each picture; photographs that were enrolled are left out."""
    import numpy as np

    from mien.recognition.recognizer import largest_usable

    house, found = session.house, _Strangers()
    space = house.embedder.space
    for path, picture in readable(session, paths, "finding strangers", chip=160):
        owners = house.gallery.find_photo(picture.sha256, space) if picture.sha256 else []
        if owners:
            found.enrolled += 1
            session.out.note(f"left out: {shown(path)} is a photograph that {owners[0][0].name} was enrolled from")
            continue
        face = largest_usable(house.recognizer.find(picture))
        if face.embeddings is None or not len(face):
            found.faceless += 1
            continue
        found.vectors.append(np.asarray(face.embeddings[0], np.float32))
        found.names.append(shown(path))
    if found.faceless:
        session.out.note(f"{found.faceless} pictures without a usable face were left out")
    return found


def _measured(session: Session, found: _Strangers, named: str) -> Calibration:
    import numpy as np

    from mien.evaluation.calibration import calibrate_gallery

    house = session.house
    space = house.embedder.space
    templates, owners, people = house.gallery.vectors(space)
    data = (
        f"{len(templates)} templates of {len(people)} people of this gallery, {len(found.vectors)} strangers from {named}; "
        f"detector {house.settings.detector}"
    )
    about = (space, data, datetime.now(UTC).date().isoformat())
    return calibrate_gallery(
        templates, owners, np.stack(found.vectors), known=house.catalog.calibration(space.id), about=about
    )


def _threshold(session: Session) -> Threshold | None:
    """What is in force now; None where nothing is known about the space."""
    try:
        return session.house.recognizer.threshold()
    except SettingError:
        return None


def _warn_alike(session: Session, found: _Strangers, before: Threshold | None) -> None:
    """Strangers who would be named today: people of the gallery by mistake, or what a calibration is for."""
    import numpy as np

    from mien.core.vectors import similarities

    if before is None:
        return
    templates, owners, people = session.house.gallery.vectors(session.house.embedder.space)
    cosines = similarities(np.stack(found.vectors), templates)
    best = cosines.max(axis=1)
    alike = np.flatnonzero(best >= before.similarity)
    for i in alike[np.argsort(-best[alike])][:TOLD].tolist():
        name = people[int(owners[int(cosines[i].argmax())])].name
        session.out.note(f"{found.names[i]} looks like {name} ({best[i]:.2f}): take it out if it shows {name}")
    if len(alike) > TOLD:
        session.out.note(f"… and {len(alike) - TOLD} more of {len(found.names)} reach {before.similarity:.3f}")


def _named(pictures: list[str]) -> str:
    """Where the strangers come from, in a few words."""
    names = list(dict.fromkeys(Path(s).resolve().name for s in pictures))
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _too_few(after: Threshold, strangers: int) -> str:
    needed = math.ceil(10 / (after.far or 1) / max(after.templates, 1))
    return (
        f"not stored: {after.caveat}; about {needed:,} strangers are needed, {strangers:,} were found (--allow-small stores "
        "it all the same)"
    )


def _tell(session: Session, made: Calibration, thresholds: tuple[Threshold | None, Threshold], *, stored: bool) -> None:
    before, after = thresholds
    rows = [_row("before", before)] if before is not None else []
    rows.append(_row("now" if stored else "would be", after))
    data = {"calibration": made.to_dict(), "thresholds": rows, "stored": stored}
    session.out.table(f"calibration of {made.space_id}", rows, columns=COLUMNS, data=data)
    _measured_on(session, rows)
    if after.caveat:
        session.out.note(after.caveat)


def _measured_on(session: Session, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        session.out.text(f"{row['']}: measured on {row['measured on'] or 'nothing: given by hand'}")


def _row(what: str, threshold: Threshold) -> dict[str, Any]:
    known = threshold.calibration
    return {
        "": what,
        "threshold": round(threshold.similarity, 4),
        "one stranger in": threshold.strangers,
        "templates": threshold.templates,
        "FAR of one comparison": "" if threshold.far is None else f"{threshold.far:.1e}",
        "own pairs lost": None if threshold.genuine_lost is None else round(threshold.genuine_lost, 4),
        "measured on": "" if known is None else f"{known.data}, {known.date}",
    }


def _tell_kept(session: Session) -> None:
    """What is kept with the gallery, and what follows from it."""
    house = session.house
    kept = house.gallery.calibration(house.embedder.space)
    now = _threshold(session)
    rows = [] if now is None else [_row("now", now)]
    data = {"calibration": None if kept is None else kept.to_dict(), "thresholds": rows}
    title = "the gallery's own calibration" if kept is not None else "no calibration of this gallery's own"
    session.out.table(title, rows, columns=COLUMNS, data=data)
    _measured_on(session, rows)
    if kept is None:
        session.out.note("mien calibrate STRANGERS… makes one: pictures of people who are not in the gallery")
