"""A gallery in one ``.npz`` file and back: arrays and a JSON text, no pickles.

The file holds ``manifest`` (uint8, the JSON in UTF-8) and for each space ``vectors_0``, ``vectors_1`` … ``(n, d)``
float32, in the order of the manifest's spaces; the templates of the manifest are in the order of the rows.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select

from mien.core.errors import InputError, NotFoundError, StoreError
from mien.core.people import Calibration, EmbeddingSpace, Person, Template
from mien.store import identities, records
from mien.store.names import ID_LENGTH, clean_name, is_id_prefix
from mien.store.reports import Imported
from mien.store.schema import pointers, templates

__all__ = ["Parcel", "pack", "read_parcel", "unpack", "write_parcel"]

_FORMAT = "mien gallery"
_VERSION = 1

_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError),  # cut short or altered
    *(NotImplementedError, RuntimeError),  # a ZIP of a kind that zipfile does not read, or an encrypted one
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),  # values that are not there or of another kind
)
"""What reading a file raises that is no export, or a damaged one (found by altering bytes at random)."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Everything a gallery knows.

    Args:
        people: everybody.
        pointers: former id -> id.
        templates: oldest first.
        calibrations: each with the ids of the people it was measured on.
        active_space: id of the space that is searched; empty for none.
    """

    people: tuple[Person, ...]
    pointers: dict[str, str]
    templates: tuple[Template, ...]
    calibrations: tuple[tuple[Calibration, tuple[str, ...]], ...]
    active_space: str


# Gallery -> parcel -> file


def pack(connection: Connection) -> Parcel:
    """Everything the gallery knows at this moment."""
    former = connection.execute(select(pointers.c.former_id, pointers.c.person_id))
    return Parcel(
        people=tuple(identities.read_people(connection)),
        pointers={row.former_id: row.person_id for row in former},
        templates=tuple(records.read_templates(connection)),
        calibrations=tuple(records.read_calibrations(connection)),
        active_space=records.active_space_id(connection),
    )


def write_parcel(parcel: Parcel, path: Path) -> None:
    """Write the file, or leave what was there untouched.

    Raises:
        StoreError: it cannot be written.
    """
    spaces = list(dict.fromkeys(t.space for t in parcel.templates))
    arrays = {f"vectors_{i}": _vectors_of(parcel, space) for i, space in enumerate(spaces)}
    manifest = json.dumps(_manifest(parcel, spaces), ensure_ascii=False, allow_nan=False)
    arrays["manifest"] = np.frombuffer(manifest.encode(), np.uint8)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            try:
                np.savez(file, allow_pickle=False, **arrays)
                file.close()
                Path(file.name).replace(path)
            except BaseException:
                file.close()  # Windows deletes no open file
                Path(file.name).unlink()
                raise
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}); name a folder that exists and has space") from error


def _vectors_of(parcel: Parcel, space: EmbeddingSpace) -> NDArray[Any]:
    return np.stack([t.embedding for t in parcel.templates if t.space == space])


def _manifest(parcel: Parcel, spaces: Sequence[EmbeddingSpace]) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "active_space": parcel.active_space,
        "people": [{"id": p.id, "name": p.name, "created": p.created.isoformat()} for p in parcel.people],
        "pointers": parcel.pointers,
        "spaces": [{"id": s.id, **asdict(s)} for s in spaces],
        "templates": [_template_record(t, spaces.index(t.space)) for t in parcel.templates],
        "calibrations": [{**c.to_dict(), "people": measured_on} for c, measured_on in parcel.calibrations],
    }


def _template_record(template: Template, space: int) -> dict[str, Any]:
    return {
        "id": template.id,
        "person": template.person_id,
        "space": space,
        "source": template.source,
        "photo_sha256": template.photo_sha256,
        "box_xyxy": template.box,
        "quality": template.quality,
        "detector": template.detector,
        "created": template.created.isoformat() if template.created else None,
    }


# File -> parcel -> gallery


def read_parcel(path: Path) -> Parcel:
    """The content of a file, every value checked.

    Raises:
        NotFoundError: no such file.
        InputError: no export of ours, a newer one, or values that cannot be right.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file):  # np.load would speak of pickles
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            manifest = json.loads(arrays["manifest"].tobytes().decode())
            vectors = [arrays[f"vectors_{i}"] for i in range(len(manifest["spaces"]))]
        return _parcel(manifest, vectors)
    except FileNotFoundError:
        raise NotFoundError(f"no file {path}; give the path of an export (mien people export)") from None
    except InputError as error:
        raise InputError(f"{path} was not imported: {error}") from error
    except _UNREADABLE as error:
        raise InputError(f"{path} is no export of a gallery ({error}); make one with: mien people export") from error


def _parcel(manifest: Mapping[str, Any], vectors: Sequence[NDArray[np.float32]]) -> Parcel:
    if manifest["format"] != _FORMAT or manifest["version"] > _VERSION:
        raise InputError(f"it is version {manifest['version']} of {manifest['format']!r}; upgrade mien to read it")
    spaces = [_space(record) for record in manifest["spaces"]]
    _check_counts(manifest["templates"], vectors)
    rows = [iter(v) for v in vectors]
    parcel = Parcel(
        people=tuple(_person(record) for record in manifest["people"]),
        pointers={_id(former): _id(person_id) for former, person_id in manifest["pointers"].items()},
        templates=tuple(_template(r, spaces[r["space"]], next(rows[r["space"]])) for r in manifest["templates"]),
        calibrations=tuple(
            (records.calibration_from(record), tuple(map(_id, record["people"]))) for record in manifest["calibrations"]
        ),
        active_space=str(manifest["active_space"]),
    )
    _check_references(parcel)
    return parcel


def _check_counts(templates: Sequence[Mapping[str, Any]], vectors: Sequence[NDArray[np.float32]]) -> None:
    for space, rows in enumerate(vectors):
        count = sum(record["space"] == space for record in templates)
        if len(rows) != count:
            raise InputError(f"it has {count} templates but {len(rows)} rows of vectors in space {space}")


def _id(text: str) -> str:
    if len(text) != ID_LENGTH or not is_id_prefix(text):
        raise InputError(f"expected an id like {identities.new_id()}, got {text!r}")
    return text


def _person(record: Mapping[str, Any]) -> Person:
    return Person(_id(record["id"]), clean_name(record["name"]), _aware(record["created"]))


def _space(record: Mapping[str, Any]) -> EmbeddingSpace:
    space = EmbeddingSpace(
        name=str(record["name"]),
        dimensions=int(record["dimensions"]),
        weights=str(record["weights"]),
        alignment=str(record["alignment"]),
        preprocessing=str(record["preprocessing"]),
    )
    if space.id != record["id"]:
        raise InputError(f"the space {record['id']} was altered: its parts give {space.id}")
    return space


def _template(record: Mapping[str, Any], space: EmbeddingSpace, embedding: NDArray[np.float32]) -> Template:
    x1, y1, x2, y2 = map(float, record["box_xyxy"])
    template = Template(
        embedding=embedding,
        space=space,
        source=str(record["source"]),
        photo_sha256=str(record["photo_sha256"]),
        box=(x1, y1, x2, y2),
        quality={str(name): float(value) for name, value in record["quality"].items()},
        detector=str(record["detector"]),
        id=_id(record["id"]),
        person_id=_id(record["person"]),
        created=_aware(record["created"]),
    )
    records.check_template(template)
    return template


def _aware(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise InputError(f"expected a time with its zone, got {text}")
    return time


def _check_references(parcel: Parcel) -> None:
    ids = {person.id for person in parcel.people}
    named = {
        *parcel.pointers.values(),
        *(t.person_id for t in parcel.templates),
        *(person_id for _, measured_on in parcel.calibrations for person_id in measured_on),
    }
    if named - ids:
        raise InputError(f"it names people it does not hold: {', '.join(sorted(named - ids))}")


def unpack(connection: Connection, parcel: Parcel) -> Imported:
    """Add what is not there yet. People are the same by id, else by name; a template is the same by id or by its face.

    Raises:
        InputError: a name that abbreviates the id of somebody here.
    """
    before = len(identities.read_people(connection))
    ids = {person.id: _settle(connection, person) for person in parcel.people}
    after = len(identities.read_people(connection))
    known = identities.living_and_former_ids(connection)
    new_pointers = {**parcel.pointers, **{old: new for old, new in ids.items() if old != new}}
    for former_id, person_id in new_pointers.items():
        if former_id not in known:
            connection.execute(insert(pointers).values(former_id=former_id, person_id=ids.get(person_id, person_id)))
    if parcel.active_space in {t.space.id for t in parcel.templates} and not records.active_space_id(connection):
        records.set_active_space_id(connection, parcel.active_space)
    added = _unpack_templates(connection, [replace(t, person_id=ids[t.person_id]) for t in parcel.templates])
    for calibration, measured_on in parcel.calibrations:
        if records.read_calibration(connection, calibration.space_id) is None:
            records.write_calibration(connection, calibration, [ids[i] for i in measured_on])
    return Imported(people=after - before, templates=added, skipped=len(parcel.templates) - added)


def _settle(connection: Connection, person: Person) -> str:
    """The id under which the person lives here, after creating them if need be."""
    known = identities.known_id(connection, person.id, person.name)
    if known is not None:
        return known
    identities.create_person(connection, person.id, identities.free_name(connection, person.name), person.created)
    return person.id


def _unpack_templates(connection: Connection, given: Sequence[Template]) -> int:
    t = templates.c
    known_ids = set(connection.execute(select(t.id)).scalars())
    faces = select(t.person_id, t.space_id, t.photo_sha256, t.x1, t.y1, t.x2, t.y2).where(t.photo_sha256 != "")
    known_faces = {tuple(row) for row in connection.execute(faces)}
    rows = []
    for template in given:
        face = records.face_of(template)
        if template.id not in known_ids and face not in known_faces:
            rows.append(records.template_row(template))
            known_ids.add(template.id)
            known_faces |= {face} if template.photo_sha256 else set()
    for space in dict.fromkeys(template.space for template in given):
        records.register_space(connection, space)
    if rows:
        connection.execute(insert(templates), rows)
    return len(rows)
