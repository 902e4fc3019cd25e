"""``mien enroll``: learn people from photographs, or before a camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import MienError, SettingError
from mien.doors.cli.command import DETECTING, GATE, KEEPING, NAMING, Exit, Session, command
from mien.doors.cli.enrol_camera import Before, enrol_by_camera
from mien.doors.cli.pictures import find, readable, shown
from mien.doors.cli.watch import Port, Preview

if TYPE_CHECKING:
    from mien.recognition.enrolment import Enrolment, EnrolOptions

__all__ = ["Photos", "Wait", "from_photos", "register"]

Photos = Annotated[list[str] | None, typer.Argument(metavar="PHOTO…", help="Photographs, folders, patterns.")]
Wait = Annotated[float, typer.Option(min=1, help="Seconds before the camera; then the views there are will do.")]
Face = Annotated[int | None, typer.Option(help="Which face of a picture with several, 1 = leftmost.")]
Similar = Annotated[
    bool, typer.Option("--allow-similar", help="Learn a face that looks like somebody who is known (twins).")
]
Unlike = Annotated[bool, typer.Option("--allow-unlike", help="Learn a face that is unlike the person's photos so far.")]
At = Annotated[
    str | None,
    typer.Option(
        "--camera", metavar="SOURCE", help="Before a camera instead: 0, rtsp://…, a video; it tells what to do."
    ),
]

COLUMNS = ("picture", "accepted", "name", "why")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "enroll", DETECTING, NAMING, GATE, KEEPING, panel="People")(enroll)


def enroll(
    session: Session,
    name: Annotated[str | None, typer.Argument(help="The person's name, in any script.")] = None,
    photos: Photos = None,
    from_folder: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="A folder with a folder per person instead.")
    ] = None,
    camera: At = None,
    wait: Wait = 60,
    preview: Preview = False,
    port: Port = None,
    face: Face = None,
    allow_similar: Similar = False,
    allow_unlike: Unlike = False,
) -> int | None:
    """Learn people from photographs or before a camera; they are known from the next call on."""
    options = session.house.enrol_options(face=face, allow_similar=allow_similar, allow_unlike=allow_unlike)
    if camera is None:
        work = list(_work(session, name, photos, from_folder))
        return None if from_photos(session, work, options) else Exit.FAILED
    if name is None or photos or from_folder is not None:
        raise SettingError("expected NAME --camera SOURCE alone, e.g. mien enroll Ada --camera 0")
    outcomes = enrol_by_camera(session, Before(name, camera, wait, options, preview, port))
    return None if all(outcome.accepted for outcome in outcomes) else Exit.FAILED


def from_photos(session: Session, work: Sequence[tuple[str, Sequence[Path]]], options: EnrolOptions) -> list[Enrolment]:
    """Learn names from their photographs and tell what became of each; those that went in."""
    outcomes: list[tuple[str, Enrolment]] = []
    accepted: list[Enrolment] = []
    try:
        for person, paths in work:
            for _, picture in readable(session, paths, f"enrolling {shown(person)}", chip=160):
                outcomes += [(person, o) for o in session.house.recognizer.enroll(person, [picture], options=options)]
    finally:  # a full disk or a second Ctrl-C ends the run: what is in the gallery is told all the same
        accepted = _tell(session, outcomes) if outcomes else []
    return accepted


def _tell(session: Session, outcomes: list[tuple[str, Enrolment]]) -> list[Enrolment]:
    """Print what became of the photographs, the refused ones last; those that went in."""
    accepted = [o for _, o in outcomes if o.accepted]
    ordered = sorted(outcomes, key=lambda pair: not pair[1].accepted)
    people = len({o.person.id for o in accepted if o.person is not None})
    title = f"{len(accepted)} of {len(outcomes)} photos enrolled; people: {people}"
    data = [o.to_dict() | {"asked_for": asked} for asked, o in ordered]
    session.out.table(title, [_row(asked, o) for asked, o in ordered], columns=COLUMNS, data=data)
    for asked in dict.fromkeys(asked for asked, _ in outcomes):
        if not any(o.accepted for name, o in outcomes if name == asked):
            session.out.problem(f"{shown(asked)}: no photo was good enough, not enrolled with this run")
    session.failed += len(outcomes) - len(accepted)
    return accepted


def _work(
    session: Session, name: str | None, photos: list[str] | None, folder: Path | None
) -> Iterator[tuple[str, Sequence[Path]]]:
    """Names and their photographs."""
    if folder is not None:
        if name or photos:
            raise SettingError("--from DIR takes names and photos from the folder: leave NAME and PHOTO out")
        yield from _folder_per_person(session, folder)
        return
    if not name or not photos:
        raise SettingError("expected NAME PHOTO…, NAME --camera 0, or --from DIR, e.g. mien enroll Ada ada.jpg")
    yield name, find(session, photos)


def _folder_per_person(session: Session, folder: Path) -> Iterator[tuple[str, Sequence[Path]]]:
    from mien.datasets.folders import person_folders

    found = person_folders(folder)
    for problem in found.problems:
        session.fail(f"{shown(problem.name)}: {problem.reason}")
    if not found.photos:
        raise MienError(f"no folder with pictures in {shown(folder)}: expected a folder per person, DIR/Ada/1.jpg")
    yield from found.photos.items()


def _row(asked: str, outcome: Enrolment) -> dict[str, Any]:
    reasons = "; ".join(r.words() for r in outcome.reasons)
    return {
        "picture": shown(outcome.source),
        "accepted": outcome.accepted,
        "name": asked if outcome.person is None else outcome.person.name,
        "why": reasons or (f"but: {outcome.warning}" if outcome.warning else ""),
    }
