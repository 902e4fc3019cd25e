"""``mien people reembed``: the gallery into another embedding space; compare, switch, roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import DETECTING, Exit, Session, ask, command
from mien.doors.cli.folders import follow
from mien.doors.cli.pictures import find, shown

if TYPE_CHECKING:
    from mien.core.people import EmbeddingSpace
    from mien.jobs.reembed import Carried
    from mien.recognition.leave_one_out import Known

__all__ = ["register"]

COLUMNS = (
    "space",
    "searched",
    "faces",
    "compared",
    "alone",
    "named",
    "unknown",
    "ambiguous",
    "wrong",
    "nearest is own",
)


def register(people: typer.Typer) -> None:
    """Add the command to ``mien people``."""
    command(people, "reembed", DETECTING, reads=True)(reembed)


def reembed(
    session: Session,
    to: Annotated[
        str, typer.Option(metavar="SPACE", help="The embedder whose space it goes into, e.g. dlib or one of yours.")
    ] = "",
    photos: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Photographs to look in, by their content; may be given several times."),
    ] = None,
    switch: Annotated[bool, typer.Option("--switch", help="Search the new space from now on.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Search the space again that was searched before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int | None:
    """Embed everybody anew for another embedder, beside what there is; nothing changes until --switch, and --back undoes it.

    From the photographs that were kept (--keep-photos at enrolment), or that are still where they were, or in --photos.
    Stopped, it goes on where it was.
    """
    gallery = session.house.gallery
    if back:
        if to or photos or switch:
            raise SettingError("--back stands alone: it takes the space that was searched before the last switch")
        former = gallery.reembedding.former()
        if former is None:
            raise InputError("the gallery was never switched to another space; there is no way back to take")
        return _switch(session, former, yes=yes)
    if not to:
        raise SettingError("expected --to SPACE, the embedder to change to, e.g. --to dlib; or --back")
    old = gallery.active_space()
    if old is None:
        raise InputError(
            "nobody is enrolled yet, so there is nothing to embed again; mien enroll NAME PHOTO --embedder ..."
        )
    new = _embed(session, _source(session, old, to), to, photos or [])
    if session.interrupted:
        return None
    if switch:
        return _switch(session, new, yes=yes)
    if new != gallery.active_space():
        session.out.note(
            f"not switched: {old.id} is searched as before; switch with: mien people reembed --to {to} --switch"
        )
    return None


def _source(session: Session, old: EmbeddingSpace, to: str) -> EmbeddingSpace:
    """The space to carry over: the one that is searched, or the former one where the searched one is the goal already."""
    former = session.house.gallery.reembedding.former()
    searched = session.house.embedder_called(_name(session, to)).space == old
    return former if searched and former is not None else old


def _name(session: Session, to: str) -> str:
    """The embedder that ``--to`` names, by its name or the id of its space.

    Raises:
        SettingError: none.
    """
    names = session.house.catalog.names("embedder")
    if to in names:
        return to
    name = to.rpartition("-")[0]
    if name in names and session.house.embedder_called(name).space.id == to:
        return name
    raise SettingError(f"no embedder is called {to!r}; choose one of {', '.join(names)}")


def _embed(session: Session, old: EmbeddingSpace, to: str, photos: list[str]) -> EmbeddingSpace:
    """Embed what is missing and tell how everybody came over; the new space."""
    from mien.jobs.reembed import Photographs, carried, reembed

    house = session.house
    embedder = house.embedder_called(_name(session, to))
    if embedder.space == old:
        raise SettingError(f"--to {to}: the gallery is in the space {old.id} already; name another embedder")
    files = find(session, photos) if photos else []
    photographs = Photographs(house.gallery, house.detector, house.read_options(chip=160), files)
    done = follow(session, reembed(house.gallery, embedder, photographs, of=old))
    session.out.note(f"{len(done)} faces embedded again into {embedder.space.id}")
    people = carried(house.gallery, old, embedder.space)
    _tell_carried(session, people)
    _tell_compared(session, (old, embedder.space), people)
    return embedder.space


def _tell_carried(session: Session, people: list[Carried]) -> None:
    """Who needs a new photograph, and who has fewer faces than before."""
    lost = [p.person.name for p in people if not p.there]
    fewer = [f"{p.person.name} ({p.there} of {p.faces})" for p in people if 0 < p.there < p.faces]
    if lost:
        session.out.problem(f"a new photograph is needed of {len(lost)}: {', '.join(map(shown, lost))}")
    if fewer:
        session.out.note(f"with fewer faces than before: {', '.join(map(shown, fewer))}")


def _tell_compared(session: Session, spaces: tuple[EmbeddingSpace, EmbeddingSpace], people: list[Carried]) -> None:
    """How well the gallery knows its own faces in both spaces, each face asked about as if it were not there."""
    from mien.jobs.reembed import compare

    gallery = session.house.gallery
    active = gallery.active_space()
    counts = {use.space.id: use.templates for use in gallery.spaces()}
    bars = [_bar(session, space, counts.get(space.id, 0)) for space in spaces]
    rows = [
        _row(known, space.id, searched=space == active, faces=counts.get(space.id, 0))
        for space, known in zip(spaces, compare(gallery, [bar for bar, _ in bars]), strict=True)
    ]
    data = {
        "spaces": rows,
        "needs_a_new_photo": [p.person.name for p in people if not p.there],
        "with_fewer_faces": {p.person.name: [p.there, p.faces] for p in people if 0 < p.there < p.faces},
    }
    session.out.table("each face asked about as if it were not there", rows, columns=COLUMNS, data=data)
    for _, caveat in bars:
        if caveat:
            session.out.note(caveat)


def _bar(session: Session, space: EmbeddingSpace, templates: int) -> Any:
    """What a name needs in a space, and what is to be said about it."""
    from mien.jobs.reembed import Bar
    from mien.wiring.identifiers import open_cosine

    identifier = open_cosine(session.house, space)
    try:
        threshold = identifier.threshold_for(space, session.house.gallery, templates=templates)
    except SettingError as error:
        return Bar(space, 2.0, 0.0), str(error)
    margin = identifier.margin_for(space, session.house.gallery, threshold.similarity)
    return Bar(space, threshold.similarity, margin), threshold.caveat


def _row(known: Known, space: str, *, searched: bool, faces: int) -> dict[str, Any]:
    return {
        "space": space,
        "searched": searched,
        "faces": faces,
        "compared": known.faces,
        "named": known.named,
        "unknown": known.unknown,
        "ambiguous": known.ambiguous,
        "wrong": known.wrong,
        "nearest is own": known.nearest,
        "alone": known.alone,
    }


def _switch(session: Session, space: EmbeddingSpace, *, yes: bool) -> int | None:
    """Search ``space`` from now on, after saying whom that costs."""
    from mien.jobs.reembed import carried

    gallery = session.house.gallery
    before = gallery.active_space()
    if before == space:
        session.out.note(f"{space.id} is searched already")
        return None
    lost = [] if before is None else [p.person.name for p in carried(gallery, before, space) if not p.there]
    if lost and not yes:
        question = f"{len(lost)} people have no face in {space.id} and would be unknown: {', '.join(map(shown, lost))}. Switch?"
        if not ask(question):
            session.out.note("not switched")
            return Exit.FAILED
    gallery.set_active_space(space)
    session.out.note(
        f"{space.id} is searched from now on, where no --embedder is named; programs that are running must be started anew;"
        " back with: mien people reembed --back"
    )
    return None
