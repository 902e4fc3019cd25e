"""What a measurement was made with: the digest of every network that settings bring into play."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.wiring.bootstrap import House

__all__ = ["finding_weights", "weights_of"]

_MTCNN = "mtcnn"


def finding_weights(house: House) -> dict[str, str]:
    """sha256 by record and role of what finds faces, MTCNN's networks among them where they refine its boxes."""
    from mien.detectors.refined import RefinedDetector

    s = house.settings
    inner = getattr(house.detector, "inner", house.detector)
    refined = (s.weights,) if isinstance(inner, RefinedDetector) else ()
    return weights_of(house, s.weights if s.detector == _MTCNN else s.detector, *refined)


def weights_of(house: House, *names: str) -> dict[str, str]:
    """sha256 by record and role of the files behind these names, members of a fusion among them.

    Args:
        house: the settings.
        names: of detectors, embedders, classifiers; what is no record (a file) is passed over.
    """
    from mien.zoo.files import sha256_of

    wanted = dict.fromkeys(name for given in names for name in _with_members(house, given))
    return {f"{name}/{role}": sha256_of(file) for name in wanted for role, file in house.weights(name).items()}


def _with_members(house: House, name: str) -> list[str]:
    """The record itself, or the records a fusion is made of."""
    if name not in house.catalog.names():
        return []
    record = house.catalog.get(name)
    if record.format == "ensemble":
        return [each for member in record.members for each in _with_members(house, member)]
    return [name]
