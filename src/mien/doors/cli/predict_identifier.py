"""``mien predict`` with an identifier: who is on pictures of one person each, by a trained model alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import ImageError, SpaceMismatchError
from mien.doors.cli.command import Session
from mien.doors.cli.pictures import find, readable, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.core.faces import Picture
    from mien.core.protocols import Embedder, Network
    from mien.zoo.catalog import WeightRecord

    Pixels = NDArray[np.uint8]
    Vector = NDArray[np.float32]

__all__ = ["answers"]

UNKNOWN = "unknown"


def answers(
    session: Session, record: WeightRecord, network: Network, targets: list[str]
) -> tuple[list[dict[str, Any]], list[Pixels]]:
    """One row per picture or stored vector, and the faces as the embedder saw them (none with vectors among them)."""
    packs = [Path(t) for t in targets if t.endswith(".npz")]
    others = [t for t in targets if not t.endswith(".npz")]
    rows: list[dict[str, Any]] = [row for pack in packs for row in _of_pack(record, network, pack)]
    chips: list[Pixels] = []
    if others:
        for path, chip, vector in _embedded(session, record, others):
            rows.append(_row(record, network.run(vector[None])[0][0].tolist(), shown(path), path.parent.name))
            chips.append(chip)
    return rows, chips if not packs else []


def _of_pack(record: WeightRecord, network: Network, file: Path) -> Iterator[dict[str, Any]]:
    """The vectors of a pack; those of its test side if it has one."""
    from mien.datasets.packs import read_embeddings

    pack = read_embeddings(file)
    if pack.space is None or pack.space.id != record.space:
        theirs = "an unknown space" if pack.space is None else pack.space.id
        raise SpaceMismatchError(f"{record.name} takes vectors of {record.space}, {shown(file)} has those of {theirs}")
    asked = pack.split == "test" if (pack.split == "test").any() else pack.split == pack.split
    probabilities = network.run(pack.embeddings[asked])[0].tolist()
    for answer, name, label in zip(probabilities, pack.files[asked], pack.labels[asked], strict=True):
        yield _row(record, answer, str(name), str(label))


def _embedded(session: Session, record: WeightRecord, targets: list[str]) -> Iterator[tuple[Path, Pixels, Vector]]:
    """Each picture's largest face and its vector; a picture of exactly the chip's size is a face that was cut before."""
    from mien.wiring.bootstrap import embedder as make

    embedder = make(**session.given | {"embedder": record.space.rpartition("-")[0]})
    if embedder.space.id != record.space:
        raise SpaceMismatchError(
            f"{record.name} was trained with vectors of {record.space}, {embedder.space.name} now makes {embedder.space.id}:"
            " embed the pictures again and train anew"
        )
    for path, picture in readable(session, find(session, targets), "naming people", chip=160):
        try:
            yield path, *_face(session, embedder, picture)
        except ImageError as error:
            session.fail(f"mien: {shown(path)}: {error}")


def _face(session: Session, embedder: Embedder, picture: Picture) -> tuple[Pixels, Vector]:
    import numpy as np

    from mien.core.faces import Faces

    size = embedder.crop(np.zeros((1, 1, 3), np.uint8), Faces.empty()).shape[1]
    if picture.pixels.shape[:2] == (size, size):
        return picture.pixels, embedder.embed_chips(picture.pixels[None])[0]
    face = session.house.detector.at_scale(picture.scale).detect(picture.pixels).sorted("size")[:1]
    if not len(face):
        raise ImageError("no face found; try a smaller --min-face")
    return embedder.crop(picture.pixels, face)[0], embedder.embed(picture.pixels, face)[0]


def _row(record: WeightRecord, answer: list[float], picture: str, label: str) -> dict[str, Any]:
    best = max(range(len(answer)), key=answer.__getitem__)
    named = record.classes[best] if answer[best] >= record.threshold else UNKNOWN
    truth = label if label in record.classes else None
    return {
        "picture": picture,
        "class": named,
        "probability": round(answer[best], 4),
        "likeliest": record.classes[best],
        "probabilities": {name: round(value, 4) for name, value in zip(record.classes, answer, strict=True)},
        "truth": truth,
        "right": None if truth is None else truth == named,
    }
