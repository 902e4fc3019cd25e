"""What recipes of classifiers get from the house: backbones, networks, and how faces are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien.core.errors import SettingError

if TYPE_CHECKING:
    from mien.doors.cli.command import Session
    from mien.training.classifier import Tools
    from mien.training.pictures import Cut
    from mien.zoo.catalog import Alignment

__all__ = ["recipe_tools"]

CONTEXT = 0.5
"""How much of its surroundings a face is shown with, where the backbone has no rule of its own: Nikolaev's k."""


def recipe_tools(session: Session, backbone: str, *, faces: bool, context: float | None) -> Tools:
    """What the recipe gets from the house."""
    from mien.training.backbones import EFFICIENTNET_LITE0, OnnxFile
    from mien.training.classifier import Tools

    if context is not None and not faces:
        raise SettingError(f"--context {context:g} is about faces: add --faces")
    house = session.house
    onnx = None
    if backbone in house.catalog.names("embedder"):
        record = house.catalog.get(backbone)
        if record.members and record.format == "ensemble":
            raise SettingError(f"--backbone {backbone} is several networks; choose one of {', '.join(record.members)}")
        (path,) = house.weights(backbone).values()
        onnx = OnnxFile(record, path, house.network(path))
    lite0 = house.weights(EFFICIENTNET_LITE0)["backbone"] if backbone == EFFICIENTNET_LITE0 else None

    def cut(size: int, alignment: Alignment | None) -> Cut:
        return _cut(session, size, alignment, (faces, context))

    return Tools(house.settings.models_folder, house.settings.cache_dir, house.network, cut, onnx, lite0)


def _cut(session: Session, size: int, alignment: Alignment | None, wanted: tuple[bool, float | None]) -> Cut:
    from mien.training.pictures import Cut
    from mien.zoo.catalog import Alignment

    faces, context = wanted
    if not faces:
        return Cut(size, Alignment("box"))
    own = alignment is not None and alignment.kind == "box" and context is None
    grown = Alignment("extended", context=CONTEXT if context is None else context)
    return Cut(size, alignment if own and alignment is not None else grown, session.house.detector)
