"""``mien cluster`` and ``mien groups``: who the unknown faces of the library are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import DuplicateError, InputError, NotFoundError, SettingError
from mien.doors.cli.command import DETECTING, GATE, NAMING, Session, command
from mien.doors.cli.search import Sheet, library_space, tell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.core.library import FaceTable, LibraryFace
    from mien.core.people import EmbeddingSpace, Person
    from mien.store.library_groups import FaceGroup

__all__ = ["register"]

Number = Annotated[str, typer.Argument(metavar="GROUP", help="Its number, as `mien groups list` tells it.")]
Faces = Annotated[list[str], typer.Argument(metavar="FACE…", help="Ids of faces, six characters or more of each.")]


def register(app: typer.Typer) -> None:
    """Add the command and the group of commands."""
    command(app, "cluster", DETECTING, NAMING, GATE, panel="Library")(cluster)
    groups = typer.Typer(no_args_is_help=True, help="Groups of unknown faces: list, show, name, merge, split, correct.")
    app.add_typer(groups, name="groups", rich_help_panel="Library")
    command(groups, "list", reads=True)(list_groups)
    command(groups, "show", DETECTING, NAMING, reads=True)(show)
    command(groups, "name", DETECTING, NAMING, GATE)(name)
    command(groups, "merge")(merge)
    command(groups, "split")(split)
    command(groups, "apart")(apart)
    command(groups, "not")(is_not)


def cluster(
    session: Session,
    near: Annotated[
        float | None, typer.Option(min=-1.0, max=1.0, help="A cosine given by hand from which two faces are near.")
    ] = None,
) -> None:
    """Put the unknown faces of the library into groups; groups that are there are kept, new faces join them."""
    from mien.jobs.cluster import group, unknown
    from mien.recognition.clustering import ClusterOptions, near_enough

    house = session.house
    space = library_space(session)
    library = house.gallery.library
    found = unknown(library, house.gallery, house.identifier, space)
    if near is None:
        calibration = house.gallery.calibration(space) or house.catalog.calibration(space.id)
        if calibration is None:
            raise SettingError(f"nothing is known about strangers in the space {space.name}; give a cosine: --near 0.7")
        near = near_enough(calibration, len(found.faces), strangers=house.settings.strangers)
    grouped = group(found, library.apart(), options=ClusterOptions(near), limits=house.limits)
    placed = library.groups.place(grouped.old, grouped.new)
    row = {
        "unknown faces": len(found.faces),
        "newly placed": placed,
        "new groups": len(grouped.new),
        "groups": len(library.groups.all()),
        "in none": grouped.alone,
        "near from": near,
    }
    session.out.table("unknown faces grouped", [row], columns=tuple(row))
    session.out.note(
        "see them with: mien groups list, mien groups show 1 --sheet 1.jpg; name one with: mien groups name 1 NAME"
    )


def list_groups(session: Session) -> None:
    """Every group, the largest first."""
    rows = [_row(group) for group in session.house.gallery.library.groups.all()]
    session.out.table(f"{len(rows)} groups", rows, columns=("group", "faces", "made", "by hand"))


def _row(group: FaceGroup) -> dict[str, Any]:
    made = group.made.isoformat("T", "seconds")
    return {"group": group.number, "faces": group.faces, "made": made, "by hand": group.by_hand, "id": group.id}


def show(session: Session, number: Number, sheet: Sheet = None) -> None:
    """The faces of a group."""
    from mien.jobs.search import Found, with_paths

    library = session.house.gallery.library
    group = library.groups.get(number)
    faces = [face for table in _tables(session, group) for face in table.faces]
    tell(session, with_paths(library, [Found(face) for face in faces]), sheet, f"group {group.number}")


def _tables(session: Session, group: FaceGroup) -> list[FaceTable]:
    from mien.core.library import FaceQuery

    return list(session.house.gallery.library.faces(library_space(session), FaceQuery(group_id=group.id)))


def name(
    session: Session,
    number: Number,
    who: Annotated[str, typer.Argument(metavar="NAME", help="A new person, or one who is known.")],
    allow_unlike: Annotated[
        bool, typer.Option("--allow-unlike", help="Also where the faces are unlike the person's photographs.")
    ] = False,
) -> None:
    """Say who a group is: all its faces get the name, the best become templates through the gate."""
    from mien.jobs.cluster import templates_of

    house = session.house
    library = house.gallery.library
    group = library.groups.get(number)
    tables = _tables(session, group)
    faces = library.with_paths([face for table in tables for face in table.faces])
    vectors = {face.id: table.vectors[i] for table in tables for i, face in enumerate(table.faces)}
    if not faces:
        raise InputError(f"group {group.number} has no faces on this disk; index it again")
    space = library_space(session)
    if not allow_unlike:
        _check_alike(session, who, list(vectors.values()), space)
    learnt = 0
    person: Person | None = None
    for template in templates_of(faces, vectors, space, house.limits):
        try:
            person, _ = house.gallery.add(who, [template])
            learnt += 1
        except DuplicateError:  # this very face is enrolled
            person = house.gallery.person(who)
    if person is None:
        raise InputError(f"group {group.number} gave no template")
    named = library.groups.name([face.id for face in faces], person.id)
    row = {"name": person.name, "id": person.id, "faces": named, "templates": learnt}
    session.out.table(f"group {group.number} is {person.name}", [row], columns=tuple(row))


def _check_alike(session: Session, who: str, vectors: list[NDArray[np.float32]], space: EmbeddingSpace) -> None:
    """Refuse to teach a known person faces that are no nearer to theirs than a stranger's.

    Raises:
        InputError: they are not.
    """
    import numpy as np

    house = session.house
    try:
        own = [t.embedding for t in house.gallery.templates(who, space)]
    except NotFoundError:
        return
    level = house.identifier.stranger_level(space, house.gallery)
    nearest = float((np.stack(vectors) @ np.stack(own).T).max()) if own else 1.0
    if level is not None and nearest < level:
        raise InputError(
            f"these faces are as unlike {who}'s photographs ({nearest:.2f}) as a stranger's ({level:.2f}); if they are theirs"
            " all the same: --allow-unlike"
        )


def merge(
    session: Session,
    keep: Annotated[str, typer.Argument(metavar="KEEP", help="The group that stays.")],
    gone: Annotated[str, typer.Argument(metavar="GONE", help="The group that becomes part of it.")],
) -> None:
    """Make two groups one."""
    row = _row(session.house.gallery.library.groups.merge(keep, gone))
    session.out.table("merged", [row], columns=("group", "faces"))


def split(session: Session, number: Number, faces: Faces) -> None:
    """Take faces out of a group into one of their own."""
    row = _row(session.house.gallery.library.groups.split(number, faces))
    session.out.table("a new group", [row], columns=("group", "faces"))


def apart(
    session: Session,
    face: Annotated[str, typer.Argument(metavar="FACE", help="A face.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another face.")],
) -> None:
    """Say that two faces are not the same person: remembered for ever, whatever groups are made."""
    session.house.gallery.library.groups.tell_apart(face, other)
    session.out.note("they will never be in one group")


def is_not(
    session: Session,
    face: Annotated[str, typer.Argument(metavar="FACE", help="A face.")],
    who: Annotated[str, typer.Argument(metavar="WHO", help="Somebody it is not.")],
) -> None:
    """Say that a face is not somebody: remembered for ever; a template made of it goes, and with it what it misled."""
    gallery = session.house.gallery
    refused = gallery.library.groups.refuse(face, who)
    gone = [t for t in gallery.templates(who) if t.photo_sha256 == refused.sha256 and _same_place(t.box, refused)]
    for template in gone:
        gallery.remove_template(template.id)
    name = gallery.person(who).name
    row = {"face": refused.id[:8], "is not": name, "templates removed": len(gone)}
    session.out.table("remembered", [row], columns=tuple(row))


def _same_place(box: tuple[float, float, float, float], face: LibraryFace) -> bool:
    """Whether a template's box is the face's, found again or the same."""
    width = min(box[2], face.box[2]) - max(box[0], face.box[0])
    height = min(box[3], face.box[3]) - max(box[1], face.box[1])
    shared = max(width, 0.0) * max(height, 0.0)
    area = (box[2] - box[0]) * (box[3] - box[1]) + (face.box[2] - face.box[0]) * (face.box[3] - face.box[1])
    return shared > 0.5 * (area - shared)
