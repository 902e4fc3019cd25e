"""``mien people``: who is known, and what becomes of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.core.errors import InputError
from mien.doors.cli import people_reembed
from mien.doors.cli.command import Exit, Session, ask, command
from mien.doors.cli.library import faces_of, library_counts
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.core.people import Person
    from mien.store.disclosure import Disclosure
    from mien.store.erasure import Receipt
    from mien.store.evidence import Purged

__all__ = ["register"]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

Who = Annotated[str, typer.Argument(metavar="WHO", help="A name or an id (its first 6 characters will do).")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    people = typer.Typer(no_args_is_help=True, help="The people that are known: list, rename, merge, remove, export.")
    app.add_typer(people, name="people", rich_help_panel="People")
    for function in (
        list_people,
        show,
        consent,
        rename,
        merge,
        remove,
        verify_removal,
        disclose,
        export,
        import_people,
    ):
        name = function.__name__.removesuffix("_people").replace("_", "-")
        command(people, name, reads=function is not import_people)(function)
    people_reembed.register(people)


def list_people(session: Session) -> None:
    """Everybody that is known."""
    people = session.house.gallery.people()
    seen = library_counts(session)
    rows = [
        {"name": p.name, "id": p.id, "photos": p.templates, "since": p.created.isoformat("T", "seconds")}
        | ({} if seen is None else {"library": seen.get(p.id, 0)})
        for p in people
    ]
    columns = ("name", "id", "photos", *(() if seen is None else ("library",)), "since")
    session.out.table(f"{len(rows)} people", rows, columns=columns)


def show(session: Session, who: Who) -> None:
    """One person's templates and where each came from."""
    person = session.house.gallery.person(who)
    kept = session.house.gallery.pictures.sizes(person.id)
    rows = [
        {
            "template": t.id,
            "photo": shown(t.source),
            "box": ",".join(f"{v:.0f}" for v in t.box),
            "space": t.space.id,
            "detector": t.detector,
            "sharpness": t.quality.get("sharpness"),
            "kept": t.id in kept,
            "since": None if t.created is None else t.created.isoformat("T", "seconds"),
        }
        for t in session.house.gallery.templates(person.id)
    ]
    columns = ("template", "photo", "box", "space", "detector", "sharpness", "kept", "since")
    data = {"id": person.id, "name": person.name, "since": person.created.isoformat(), "templates": rows}
    session.out.table(f"{person.name}, {person.id}", rows, columns=columns, data=data)


def consent(
    session: Session,
    who: Who,
    evidence: Annotated[
        Literal["yes", "no"] | None, typer.Option(help="May crops of them be kept as evidence of sightings?")
    ] = None,
    photos: Annotated[
        Literal["yes", "no"] | None,
        typer.Option(help="May photographs they are enrolled from be kept (--keep-photos)?"),
    ] = None,
) -> None:
    """What a person allows; without an option it is only shown. Taken back, what was kept goes at once."""
    kept = session.house.gallery.evidence
    if evidence is not None:
        _tell_gone(session, kept.set_consent(who, allowed=evidence == "yes"), "crops")
    if photos is not None:
        _tell_gone(session, session.house.gallery.pictures.allow(who, allowed=photos == "yes"), "photographs")
    found = kept.consent(who)
    row = {
        "name": found.person.name,
        "evidence": "yes" if found.evidence else "no",
        "said": None if found.at is None else found.at.isoformat(timespec="seconds"),
        "by": found.by,
        "crops": found.crops,
        "photos": {None: "nothing said", True: "yes", False: "no"}[found.pictures],
        "kept": found.photographs,
    }
    session.out.table("consent", [row], columns=tuple(row))


def _tell_gone(session: Session, gone: Purged, what: str) -> None:
    if gone.crops:
        session.out.note(f"{gone.crops} {what} were deleted")
    for note in gone.notes:
        session.out.note(note)


def rename(session: Session, who: Who, name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a person another name; the id stays."""
    person = session.house.gallery.rename(who, name)
    session.out.table("renamed", [{"name": person.name, "id": person.id}], columns=("name", "id"))


def merge(
    session: Session,
    keep: Annotated[str, typer.Argument(metavar="KEEP", help="Who stays: a name or an id.")],
    gone: Annotated[str, typer.Argument(metavar="GONE", help="Who becomes part of them.")],
    yes: Yes = False,
) -> int | None:
    """Make two people one; the other id keeps pointing to the one that stays."""
    one, other = session.house.gallery.person(keep), session.house.gallery.person(gone)
    if not yes and not ask(
        f"{other.name} becomes part of {one.name} for good. They {_alike(session, one, other)}. Merge?"
    ):
        session.out.note("nobody was merged")
        return Exit.FAILED
    person = session.house.gallery.merge(one.id, other.id)
    row = {"name": person.name, "id": person.id, "photos": person.templates}
    session.out.table("merged", [row], columns=("name", "id", "photos"))
    return None


def _alike(session: Session, one: Person, other: Person) -> str:
    """How near two people's nearest templates are, in words."""
    import numpy as np

    gallery = session.house.gallery
    near = [
        float(np.dot(a.embedding, b.embedding))
        for a in gallery.templates(one.id)
        for b in gallery.templates(other.id)
        if a.space == b.space
    ]
    return f"are alike by {max(near):.2f}" if near else "have no templates in one space to compare"


def remove(
    session: Session,
    who: Who,
    photo: Annotated[
        str | None, typer.Option(metavar="TEMPLATE", help="Forget this one photo only, as `people show` names it.")
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the receipt into a file too, for verify-removal.")
    ] = None,
    yes: Yes = False,
) -> int | None:
    """Forget a person, or one photo of theirs: nothing is left behind, and the receipt says what went."""
    person = session.house.gallery.person(who)
    if photo is not None:
        _remove_photo(session, person, photo)
        return None
    if receipt is not None:
        _check_receipt(receipt)
    if not yes and not ask(f"Forget {person.name} ({person.templates} photos) for ever?"):
        session.out.note("nothing was removed")
        return Exit.FAILED
    alike = faces_of(session, person)
    code = _tell_receipt(session, session.house.gallery.remove(person.id, alike=alike), receipt)
    _tell_models(session, person)
    return code


def _tell_models(session: Session, person: Person) -> None:
    """Models that were trained with the person's faces: they are retired, but their files still hold what was learnt."""
    for record in session.house.catalog.all():
        if person.id in record.people:
            session.out.problem(
                f"{record.name} was trained with faces of {person.name} and names nobody any more; its files still hold what it"
                f" learnt. Train it anew (mien train identifier EMBEDDINGS --name {record.name} --enrolled --replace) or delete"
                f" {record.name}.onnx and {record.name}.toml in {shown(session.house.settings.models_folder)} and in its report's"
                " folder; the embeddings and their pictures are yours to delete too"
            )


def verify_removal(
    session: Session,
    what: Annotated[str, typer.Argument(metavar="FILE.json", help="A receipt of `people remove`, or the id in it.")],
    receipt: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the new receipt into a file too.")
    ] = None,
) -> int | None:
    """Look again for somebody who was removed while another program had the gallery open."""
    if receipt is not None:
        _check_receipt(receipt)
    return _tell_receipt(session, session.house.gallery.verify_removal(_ids_of(what)), receipt)


def _ids_of(what: str) -> list[str]:
    """The ids of a receipt, or the one that was typed.

    Raises:
        InputError: no receipt.
    """
    path = Path(what)
    if not path.is_file():
        if path.suffix:
            raise InputError(f"no file {shown(path)}; give the receipt of a removal, or the id in it")
        return [what]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [str(content["person_id"]), *(str(i) for i in content["ids"] if i != content["person_id"])]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{shown(path)} is no receipt of a removal; write one with --receipt") from error


def _check_receipt(path: Path) -> None:
    """Before anything is removed: a receipt that cannot be written would be lost."""
    if path.exists():
        raise InputError(f"{shown(path)} is there already; choose another name for the receipt")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {shown(path.parent)} for the receipt; make it first")


def _tell_receipt(session: Session, receipt: Receipt, path: Path | None) -> int | None:
    """Print the receipt and write it into a file, if one was asked for; the exit code."""
    from mien.media.images import write_whole

    row = receipt.to_dict()
    rows = [
        {"what": key, "value": value if isinstance(value, str | int | float) else _flat(value)}
        for key, value in row.items()
    ]
    session.out.table("receipt", rows, columns=("what", "value"), data=row)
    if path is not None:
        write_whole(path, json.dumps(row, ensure_ascii=False, indent=2).encode())
    if not receipt.verified:
        again = receipt.person_id if path is None else shown(path)
        session.out.problem(f"not verified; close other programs, then: mien people verify-removal {again}")
    return None if receipt.verified else Exit.FAILED


def _remove_photo(session: Session, person: Person, photo: str) -> None:
    """Take one template back; its id may be shortened."""
    found = [t.id for t in session.house.gallery.templates(person.id) if t.id.startswith(photo)]
    if len(found) != 1:
        raise InputError(f"{person.name} has {len(found)} photos whose id begins with {photo!r}; see mien people show")
    left = session.house.gallery.remove_template(found[0])
    row = {"name": left.name, "id": left.id, "photos": left.templates}
    session.out.table("one photo forgotten", [row], columns=("name", "id", "photos"))


def disclose(
    session: Session,
    who: Who,
    path: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Where to.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a file that is there.")] = False,
) -> None:
    """Write everything that is stored about one person into a ZIP file, for them: about.json, crops and photos."""
    from mien.attendance.sinks.files import write_whole

    told = session.house.gallery.disclose(who)
    content = told.to_dict()
    write_whole(path, lambda place: _write_zip(place, told), replace=replace)
    counts = {kind: len(rows) for kind, rows in content.items() if isinstance(rows, list)}
    row = {"file": shown(path), "name": told.name, **{kind: count for kind, count in counts.items() if count}}
    session.out.table("disclosed", [row], columns=tuple(row))
    for reason, sightings in told.withheld.items():
        session.out.note(f"{len(sightings)} crops are not in it: {reason}")


def _write_zip(place: Path, told: Disclosure) -> None:
    import zipfile

    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("about.json", json.dumps(told.to_dict(), ensure_ascii=False, indent=2))
        for sighting, jpeg in told.crops.items():
            file.writestr(f"crops/{hashlib.sha256(sighting.encode()).hexdigest()[:16]}.jpg", jpeg)
        for picture, jpeg in told.photos.items():
            file.writestr(f"photos/{picture}.jpg", jpeg)


def export(session: Session, path: Annotated[Path, typer.Argument(metavar="FILE.npz", help="Where to.")]) -> None:
    """Write everybody into one .npz file: arrays and JSON, no pickles; photographs that were kept stay here."""
    session.house.gallery.export(path)
    count = len(session.house.gallery.people())
    session.out.table("exported", [{"file": shown(path), "people": count}], columns=("file", "people"))


def import_people(
    session: Session, path: Annotated[Path, typer.Argument(metavar="FILE.npz", help="An export.")]
) -> None:
    """Take in an export: all of it or nothing."""
    taken = session.house.gallery.import_(path)
    row = {"file": shown(path), "people": taken.people, "templates": taken.templates, "known already": taken.skipped}
    session.out.table("imported", [row], columns=tuple(row))


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(v) for v in value)
    return "" if value is None else str(value)
