"""``mien search``: who is where in the library."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, NotFoundError, SettingError
from mien.doors.cli.command import DETECTING, NAMING, Session, command
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.core.library import FaceQuery
    from mien.core.people import EmbeddingSpace
    from mien.jobs.search import Found

__all__ = ["COLUMNS", "library_space", "register", "row_of", "tell", "write_sheet"]

COLUMNS = ("file", "at", "taken", "decision", "name", "similarity", "face", "group")
"""Of a table; CSV has the box too."""
_BOX = ("x", "y", "width", "height", "confidence")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "search", DETECTING, NAMING, panel="Library", reads=True)(search)


Sheet = Annotated[
    Path | None, typer.Option("--sheet", metavar="FILE.jpg", help="Write the faces found as one contact sheet.")
]


def search(
    session: Session,
    person: Annotated[
        list[str] | None, typer.Option(metavar="WHO", help="Somebody known; give it again for more.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(metavar="FACE.jpg", help="Faces like the largest one of a picture.")
    ] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="Faces of nobody known.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Pictures taken then or later: 2024, 2024-07-31.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Pictures taken then or before.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many faces.")] = 100,
    sheet: Sheet = None,
) -> None:
    """Find people in the indexed library: where somebody is, faces like a given one, or who is unknown."""
    from mien.core.library import FaceQuery
    from mien.jobs.search import with_paths

    if sum((bool(person), like is not None, unknown)) > 1:
        raise SettingError("choose one of --person, --like and --unknown")
    query = FaceQuery(since=_time(since), until=_time(until, end=True))
    space = library_space(session)
    found = _like(session, like, space, query) if like else _known(session, person or [], unknown, space, query)
    hits = list(islice(found, limit + 1))
    if len(hits) > limit:
        session.out.note(f"only the first {limit} are shown; more with --limit")
    tell(session, with_paths(session.house.gallery.library, hits[:limit]), sheet)


def tell(session: Session, found: Sequence[Found], sheet: Path | None, title: str = "") -> None:
    """Print faces of the library, and write their sheet if one was asked for."""
    names = {p.id: p.name for p in session.house.gallery.people()}
    rows = [row_of(one, names) for one in found]
    columns = COLUMNS if session.out.format == "table" else (*COLUMNS, *_BOX)
    pictures = len({one.face.content for one in found})
    session.out.table(
        title or f"{len(rows)} faces in {pictures} pictures",
        rows,
        columns=columns,
        data=[
            {**row, **one.face.to_dict(), "files": [shown(os.fsdecode(p)) for p in one.face.paths]}
            for row, one in zip(rows, found, strict=True)
        ],
    )
    if sheet is not None:
        write_sheet(session, found, names, sheet)


def row_of(one: Found, names: dict[str, str]) -> dict[str, Any]:
    """A face of the library as a row."""
    x1, y1, x2, y2 = one.face.box
    decision = "named" if one.by_hand else "" if one.match is None else one.match.decision
    return {
        "file": shown(os.fsdecode(one.face.paths[0])) if one.face.paths else "",
        "at": None if one.face.span is None else f"{one.face.span[0]:.0f}–{one.face.span[1]:.0f} s",
        "taken": None if one.face.taken is None else one.face.taken.astimezone().isoformat(" ", "minutes")[:16],
        "decision": decision,
        "name": names.get(one.person_id or "", ""),
        "similarity": one.similarity,
        "face": one.face.id[:8],
        "group": (one.face.group_id or "")[:8],
        "x": round(x1),
        "y": round(y1),
        "width": round(x2 - x1),
        "height": round(y2 - y1),
        "confidence": one.face.score,
    }


def library_space(session: Session) -> EmbeddingSpace:
    """The space that the library is searched in: that of the embedder asked for, or of the people that are known.

    Raises:
        NotFoundError: nothing is indexed, or not with this embedder.
    """
    house = session.house
    spaces = house.gallery.library.spaces()
    if not spaces:
        raise NotFoundError("the library has no faces yet; index a folder first: mien index DIR")
    space = house.known_embedder.space
    if space not in spaces:
        names = " or ".join(sorted({f"--embedder {s.name}" for s in spaces}))
        raise NotFoundError(
            f"the library was indexed with another embedder; add {names}, or index with {space.name} again"
        )
    return space


def _known(
    session: Session, people: Sequence[str], unknown: bool, space: EmbeddingSpace, query: FaceQuery
) -> Iterator[Found]:
    from mien.jobs.search import named

    house = session.house
    wanted = {house.gallery.person(who).id for who in people}
    for one in named(house.gallery.library, house.gallery, house.identifier, space, query):
        decision = None if one.match is None else one.match.decision
        if (one.person_id in wanted) if wanted else (decision == "unknown") if unknown else True:
            yield one


def _like(session: Session, path: Path, space: EmbeddingSpace, query: FaceQuery) -> Iterable[Found]:
    """Faces like that of a picture: surely, or perhaps, the same person."""
    from mien.jobs.search import alike
    from mien.recognition.recognizer import largest_usable

    house = session.house
    faces = house.recognizer.find(house.read(path, chip=160))
    largest = largest_usable(faces)
    if largest.embeddings is None or not len(largest):
        raise InputError(f"no usable face in {shown(path)}; give a picture of one face, larger or sharper")
    if len(faces) > 1:
        session.out.note(f"{len(faces)} faces in {shown(path)}; the largest is looked for")
    library = house.gallery.library
    least = house.identifier.threshold_for(space, house.gallery, templates=1).similarity
    sure = house.identifier.threshold_for(space, house.gallery, templates=max(library.counts().faces, 1)).similarity
    session.out.note(
        f"from {sure:.2f} on at most one search in {house.identifier.options.strangers} finds a stranger; from {least:.2f} to"
        " there it may be somebody alike"
    )
    return alike(library, largest.embeddings[0], space, least=least, query=query)


def _time(text: str | None, *, end: bool = False) -> datetime | None:
    """A year, a month, a day or a time, local; the end of it where wanted.

    Raises:
        SettingError: anything else.
    """
    if text is None:
        return None
    parts = text.strip().split("-")
    try:
        if len(parts) == 1 and len(text) == 4:
            begins, after = datetime(int(text), 1, 1), datetime(int(text) + 1, 1, 1)  # noqa: DTZ001 - local, made aware below
        elif len(parts) == 2:
            year, month = int(parts[0]), int(parts[1])
            begins, after = datetime(year, month, 1), datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001
        else:
            begins = datetime.fromisoformat(text)
            after = begins + (timedelta(days=1) if len(text) <= 10 else timedelta(seconds=1))
    except ValueError:
        raise SettingError(f"{text!r} is no date; give 2024, 2024-07, 2024-07-31 or 2024-07-31T18:30") from None
    return (after if end else begins).astimezone()


def write_sheet(session: Session, found: Sequence[Found], names: dict[str, str], target: Path) -> None:
    """Cut the faces out of their files and put them on one sheet, under their id and name."""
    from mien.jobs.library_faces import cut
    from mien.media.drawing import contact_sheet
    from mien.media.images import write_image

    tiles, words = [], []
    for one, chip in cut(found, session.house.read_options(chip=160)):
        if chip is None:
            session.fail(f"mien: the file of face {one.face.id[:8]} cannot be read any more; index again")
            continue
        tiles.append(chip)
        words.append(" ".join(filter(None, (one.face.id[:8], names.get(one.person_id or "", "")))))
    if tiles:
        write_image(target, contact_sheet(tiles, words, tile_size=160))
        session.out.note(f"{len(tiles)} faces in {shown(target)}")
