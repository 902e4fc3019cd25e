"""``mien who`` and ``mien verify``: name the people in photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import CLASSIFYING, DETECTING, NAMING, Exit, Session, command
from mien.doors.cli.detect import CLASSES, LANDMARKS, Paths, classes_of, face_rows
from mien.doors.cli.pictures import drawn_path, find, prepare_folder, readable, shown
from mien.doors.cli.who_video import are_videos, who_in_videos

if TYPE_CHECKING:
    from mien.core.answers import Match
    from mien.core.faces import Faces, Picture

__all__ = ["COLUMNS", "draw_named", "named_rows", "register", "tell_unlearnt"]

COLUMNS = ("picture", "face", "decision", "name", "similarity", "margin", "why")
PLACE = ("x", "y", "width", "height", "confidence", *LANDMARKS)
FULL_COLUMNS = (*COLUMNS[:-1], "candidates", *PLACE, "why")
"""Those of --csv and of --top."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "who", DETECTING, NAMING, CLASSIFYING, panel="Pictures", reads=True)(who)
    command(app, "verify", DETECTING, NAMING, panel="Pictures", reads=True)(verify)


def who(
    session: Session,
    paths: Paths,
    top: Annotated[int | None, typer.Option(min=1, help="How many candidates each answer carries (3).")] = None,
    draw: Annotated[
        Path | None,
        typer.Option("--draw", metavar="DIR", help="Write annotated pictures into this folder; a video: to FILE.mp4."),
    ] = None,
    srt: Annotated[
        Path | None, typer.Option("--srt", metavar="FILE", help="Write who is seen when as subtitles of the video.")
    ] = None,
) -> int | None:
    """Say who is in photographs, or in videos and when: a name, ambiguous, or unknown."""
    session.given["top"] = top
    if are_videos(paths):
        return who_in_videos(session, paths, draw=draw, srt=srt)
    if srt is not None:
        raise SettingError("--srt writes subtitles: give a video, e.g. mien who clip.mp4 --srt clip.srt")
    recognizer = session.house.recognizer
    tell_unlearnt(session)
    pictures = find(session, paths)
    if draw is not None:
        prepare_folder(draw, pictures)
    rows: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    taken: set[Path] = set()
    for path, picture in readable(session, pictures, "naming people", chip=160):
        faces = session.house.classified(picture, recognizer.identify(picture))
        data.append({"picture": shown(path), "faces": faces.to_dicts()})
        rows += named_rows(shown(path), faces)
        if draw is not None:
            draw_named(drawn_path(draw, path, taken), picture, faces)
    columns = COLUMNS if session.out.format == "table" and top is None else FULL_COLUMNS
    if session.house.classifiers:
        columns = (*columns[:4], CLASSES, *columns[4:])
    named = sum(row["decision"] == "match" for row in rows)
    title = f"{len(rows)} faces in {len(data)} pictures, {named} named"
    session.out.table(title, rows, columns=columns, data=data + session.unread)
    return None if data else Exit.FAILED


def tell_unlearnt(session: Session) -> None:
    """Say whom a trained identifier can never name, because they were enrolled since."""
    from mien.recognition.trained import TrainedIdentifier

    house = session.house
    if not isinstance(house.identifier, TrainedIdentifier):
        return
    names = house.identifier.unlearnt(house.gallery, house.known_embedder.space)
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        session.out.note(
            f"{house.identifier.trained.name} does not know {', '.join(names[:3])}{more}, enrolled since: train it anew:"
            f" {house.identifier.trained.refit}"
        )


def named_rows(name: str, faces: Faces) -> list[dict[str, Any]]:
    """One table row per face with the decision."""
    rows = face_rows(name, faces)
    for row, match in zip(rows, faces.matches or (), strict=True):
        row |= {
            "name": match.name if match.decision == "match" else "",
            "decision": match.decision,
            "similarity": match.similarity,
            "margin": match.margin,
            "candidates": ", ".join(f"{c.name} {c.similarity:.2f}" for c in match.candidates),
            "why": "; ".join(r.words() for r in match.reasons),
        }
    return rows


def draw_named(target: Path, picture: Picture, faces: Faces) -> None:
    """Write the picture with boxes and names, in the pixels it was decoded at."""
    from mien.media.drawing import draw_faces
    from mien.media.images import write_image

    said = zip(faces.numbers, faces.matches or (), classes_of(faces), strict=True)
    labels = [f"{number} {label(match)}{classes}" for number, match, classes in said]
    write_image(target, draw_faces(picture.pixels, faces.scaled(picture.scale), labels))


def label(match: Match) -> str:
    """What is written beside a face."""
    if match.decision == "match":
        return f"{match.name} {match.similarity:.2f}"
    if match.decision == "ambiguous":
        return " or ".join(f"{c.name} {c.similarity:.2f}" for c in match.candidates[:2]) + "?"
    return match.decision.replace("_", " ")


def verify(
    session: Session,
    first: Annotated[str, typer.Argument(metavar="A", help="A photograph.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another photograph.")],
) -> int:
    """Say whether two photographs show the same person. Exit code 0 same, 10 different, 11 no usable face."""
    a, b = (session.house.read(path, chip=160) for path in (first, second))
    result = session.house.recognizer.verify(a, b)
    answer = {None: "no usable face", True: "same person", False: "different people"}[result.same]
    row = {"answer": answer, "similarity": result.similarity, "threshold": result.threshold, "note": result.note}
    data = row | {"same": result.same, "faces": [f.to_dicts() for f in result.faces]}
    session.out.table(f"{shown(first)} and {shown(second)}", [row], columns=tuple(row), data=data)
    return {None: Exit.NO_FACE, True: Exit.OK, False: Exit.DIFFERENT}[result.same]
