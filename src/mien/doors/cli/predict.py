"""``mien predict``: ask a trained model about pictures: a classifier what they are, an identifier who is on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import ImageError, InputError, SettingError
from mien.doors.cli.command import DETECTING, Session, command
from mien.doors.cli.pictures import find, readable, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.classifiers.network import NetworkClassifier
    from mien.core.protocols import Network
    from mien.training.pictures import Cut
    from mien.zoo.catalog import WeightRecord

    Pixels = NDArray[np.uint8]

__all__ = ["register"]

MOST = 60
"""Pictures on a sheet."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "predict", DETECTING, panel="Your own models", reads=True)(predict)


def predict(
    session: Session,
    model: Annotated[str, typer.Argument(help="A model's name, or its ONNX file with the record beside it.")],
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET…", help="Pictures, folders or patterns; embeddings for an identifier."),
    ],
    draw: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a sheet of pictures with their answers, the wrong ones first."),
    ] = None,
) -> None:
    """What or who pictures show, by a model you trained; where folders are named after classes, also whether that is right."""
    from mien.classifiers.network import ClassifierOptions, NetworkClassifier
    from mien.doors.cli.predict_identifier import answers

    record, network = _open(session, model)
    if record.kind == "identifier":
        rows, chips = answers(session, record, network, targets)
    else:
        classifier = NetworkClassifier(network, ClassifierOptions.from_record(record))
        rows, chips = _classified(session, classifier, targets)
    if draw is not None and rows:
        if not chips:
            raise SettingError("--draw needs pictures: embeddings hold none; give the folder that was embedded")
        _sheet(draw, rows, chips)
    known = [row for row in rows if row["truth"] is not None]
    if known:
        right = sum(row["right"] for row in known)
        session.out.note(f"{right} of {len(known)} right ({right / len(known):.4f}), by the names of their folders")
    columns = ("picture", "class", "probability", *(("truth", "right") if known else ()))
    session.out.table(f"{len(rows)} pictures", rows, columns=columns)


def _classified(
    session: Session, classifier: NetworkClassifier, targets: list[str]
) -> tuple[list[dict[str, Any]], list[Pixels]]:
    """One row per picture, and the pictures as the network saw them."""
    cut = _cut(session, classifier)
    names: list[Path] = []
    chips: list[Pixels] = []
    for path, picture in readable(session, find(session, targets), "read"):
        try:
            chips.append(cut.chip(picture.pixels))
            names.append(path)
        except ImageError as error:
            session.fail(f"mien: {shown(path)}: {error}")
    return _rows(classifier, names, chips), chips


def _open(session: Session, model: str) -> tuple[WeightRecord, Network]:
    """A classifier or identifier by name, or by its file."""
    from mien.zoo.catalog import Catalog
    from mien.zoo.weights import ensure

    house = session.house
    file = Path(model)
    if file.suffix in {".pkl", ".pickle", ".joblib"}:
        raise InputError(
            f"{shown(model)} is a pickle, which could run any code and is never opened; train anew from its data (mien train)"
        )
    folder = file.parent if file.suffix == ".onnx" else house.settings.models_folder
    if file.suffix == ".onnx" and not file.with_suffix(".toml").is_file():
        raise InputError(f"{shown(file.with_suffix('.toml'))} is not there: a model needs its record beside it")
    name = file.stem if file.suffix == ".onnx" else model
    record = Catalog(folder).get(name)
    if record.kind not in {"classifier", "identifier"}:
        raise SettingError(f"{name} is no classifier or identifier but of the kind {record.kind}; see mien models list")
    (path,) = ensure(record, cache=house.settings.cache_dir, models=folder).values()
    return record, house.network(path)


def _cut(session: Session, classifier: NetworkClassifier) -> Cut:
    """Faces where it was trained on faces, whole pictures otherwise; its record says how they are cut."""
    from mien.training.pictures import Cut
    from mien.zoo.catalog import Alignment

    how = classifier.options
    detector = None if how.alignment == Alignment("box") else session.house.detector
    return Cut(how.preprocessing.size, how.alignment, detector)


def _rows(classifier: NetworkClassifier, names: list[Path], chips: list[Pixels]) -> list[dict[str, Any]]:
    import numpy as np

    if not chips:
        return []
    classes = classifier.classes
    rows = []
    for path, answer in zip(names, classifier.classify_chips(np.stack(chips)).tolist(), strict=True):
        best = max(range(len(classes)), key=answer.__getitem__)
        truth = path.parent.name if path.parent.name in classes else None
        rows.append(
            {
                "picture": shown(path),
                "class": classes[best],
                "probability": round(answer[best], 4),
                "probabilities": {name: round(value, 4) for name, value in zip(classes, answer, strict=True)},
                "truth": truth,
                "right": None if truth is None else truth == classes[best],
            }
        )
    return rows


def _sheet(file: Path, rows: list[dict[str, Any]], chips: list[Pixels]) -> None:
    """Pictures as the network saw them: the surest mistakes first, then the least sure answers."""
    from mien.media.drawing import contact_sheet
    from mien.media.images import write_image

    wrong = sorted((i for i, row in enumerate(rows) if row["right"] is False), key=lambda i: -rows[i]["probability"])
    others = sorted(
        (i for i, row in enumerate(rows) if row["right"] is not False), key=lambda i: rows[i]["probability"]
    )
    chosen = [*wrong, *others][:MOST]
    mark = {True: "✓ ", False: "✗ ", None: ""}
    words = [f"{mark[rows[i]['right']]}{rows[i]['class']} {rows[i]['probability']:.2f}" for i in chosen]
    write_image(file, contact_sheet([chips[i] for i in chosen], words))
