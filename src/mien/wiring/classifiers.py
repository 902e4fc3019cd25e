"""Classifiers of faces from settings: by name or by file, with the crop and the search that they ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import InputError, SettingError
from mien.zoo.catalog import Alignment, Catalog

if TYPE_CHECKING:
    from mien.classifiers.network import NetworkClassifier
    from mien.detectors.haar import HaarOptions
    from mien.wiring.bootstrap import House
    from mien.wiring.settings import Settings

__all__ = ["haar_options", "open_classifier", "open_classifiers"]

LIVE_FACE, LIVE_FACTOR = 100.0, 1.3
"""Smallest face, pixels, and scale factor of the Haar cascade before a classifier: Nikolaev's me / not me detector."""
USUAL_FACTOR = 1.1


def open_classifiers(house: House) -> tuple[NetworkClassifier, ...]:
    """Those that the settings name, in their order."""
    s = house.settings
    names = dict.fromkeys(name.strip() for name in s.classifier.split(",") if name.strip())
    if s.context is not None and not names:
        raise SettingError(f"--context {s.context:g} says what a classifier is shown: add --classifier NAME")
    return tuple(open_classifier(house, name, context=s.context) for name in names)


def open_classifier(house: House, name: str, *, context: float | None = None) -> NetworkClassifier:
    """The classifier of this name, or that of an ONNX file whose record lies beside it.

    Args:
        house: where networks run, and where models are looked for.
        name: as ``mien models list`` has it, or ``FILE.onnx``.
        context: the share by which a face's box grows on each side, whatever the record says; None leaves that to it.

    Raises:
        InputError: a file without its record.
        SettingError: weights of another kind.
        NotFoundError: no such name.
    """
    from mien.classifiers.network import ClassifierOptions, NetworkClassifier
    from mien.zoo.weights import ensure

    file = Path(name) if name.endswith(".onnx") else None
    catalog, key = (house.catalog, name) if file is None else (_beside(file), file.stem)
    record = catalog.get(key)
    if record.kind != "classifier":
        raise SettingError(f"{name} is no classifier but a kind of {record.kind}; mien models list shows all")
    places = house.places if file is None else {**house.places, "models": file.parent}
    (path,) = ensure(record, **places).values()
    options = ClassifierOptions.from_record(record)
    if context is not None:
        options = replace(options, alignment=_grown(options.alignment, context))
    return NetworkClassifier(house.network(path), options)


def _beside(file: Path) -> Catalog:
    """The models of the folder that a file lies in."""
    if not file.is_file():
        raise InputError(f"{file} is not there: expected an ONNX file, or the name of a classifier (mien models list)")
    if not file.with_suffix(".toml").is_file():
        raise InputError(
            f"{file.with_suffix('.toml')} is not there: a classifier needs its record beside it. To make one: mien models "
            f"add {file} --kind classifier --classes me,not_me --align extended+0.5 (and --mean, --scale, --activation "
            f"if they differ), then --classifier {file.stem}"
        )
    return Catalog(file.parent)


def _grown(how: Alignment, context: float) -> Alignment:
    """A square stays one; everything else becomes the box, grown on each side up to the border."""
    if how.kind == "context":
        return Alignment("context", context=2 * context)
    return Alignment("extended", context=context)


def haar_options(settings: Settings) -> HaarOptions:
    """How the Haar cascade searches; before a classifier coarser and for near faces only, unless the settings say more."""
    from mien.detectors.haar import HaarOptions

    live = bool(settings.classifier)
    near = live and "min_face" not in settings.model_fields_set
    factor = settings.haar_factor or (LIVE_FACTOR if live else USUAL_FACTOR)
    smallest = LIVE_FACE if near else settings.min_face
    return HaarOptions(smallest, settings.max_face, factor, settings.haar_neighbours)
