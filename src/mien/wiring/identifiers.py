"""Identifiers from settings: by cosine, by a vote of the nearest, or one that was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien.core.errors import SettingError

if TYPE_CHECKING:
    from mien.core.people import Calibration, EmbeddingSpace
    from mien.recognition.identification import CosineIdentifier, IdentifyOptions
    from mien.wiring.bootstrap import House

__all__ = ["open_cosine", "open_identifier"]


def open_identifier(house: House) -> CosineIdentifier:
    """Vectors to decisions, as sure as the settings ask.

    Raises:
        SettingError: no such identifier.
    """
    from mien.recognition.identification import CosineIdentifier
    from mien.recognition.knn import KnnIdentifier, KnnOptions

    s = house.settings
    options = _options(house)
    calibration = house.catalog.calibration(house.known_embedder.space.id)
    if s.identifier == "knn":
        return KnnIdentifier(calibration, options, KnnOptions(k=s.k))
    if s.identifier != "cosine":
        return _trained(house, calibration, options)
    return CosineIdentifier(calibration, options)


def open_cosine(house: House, space: EmbeddingSpace) -> CosineIdentifier:
    """The plain identifier for a space, as sure as the settings ask."""
    from mien.recognition.identification import CosineIdentifier

    return CosineIdentifier(house.catalog.calibration(space.id), _options(house))


def _options(house: House) -> IdentifyOptions:
    from mien.recognition.identification import IdentifyOptions

    s = house.settings
    return IdentifyOptions(strangers=s.strangers, threshold=s.threshold, margin=s.margin, top=s.top, once=s.once)


def _trained(house: House, calibration: Calibration | None, options: IdentifyOptions) -> CosineIdentifier:
    """An identifier of the models folder.

    Raises:
        SettingError: nobody trained one of this name, or a pickle was named.
    """
    from mien.recognition.trained import TrainedIdentifier, TrainedOptions

    name = house.settings.identifier
    if name.endswith((".pkl", ".pickle", ".joblib")):
        raise SettingError(
            f"identifier {name!r} is a pickle, which could run any code and is never opened; train it anew from its"
            " embeddings: mien train identifier EMBEDDINGS"
        )
    trained = house.catalog.names("identifier")
    if name not in trained:
        raise SettingError(
            f"identifier {name!r} is unknown; choose one of {', '.join(('cosine', 'knn', *trained))}, or train one: mien"
            " train identifier EMBEDDINGS"
        )
    record = house.catalog.get(name)
    (file,) = house.weights(name).values()
    about = TrainedOptions(name, record.people, record.classes, record.space, record.threshold)
    return TrainedIdentifier(house.network(file), about, calibration, options)
