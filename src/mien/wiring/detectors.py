"""Detectors from settings: ours by name, and those of the models folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import SettingError

if TYPE_CHECKING:
    from mien.core.protocols import Detector
    from mien.detectors.mtcnn.detector import MtcnnDetector
    from mien.wiring.bootstrap import House

__all__ = ["open_detector", "open_mtcnn_detector"]

TILE = 4096
"""Side of the tiles that pictures beyond ``TILED_ABOVE`` megapixels are searched in, pixels."""
TILED_ABOVE = 40.0
CASCADE = ("pnet", "rnet", "onet")
"""The networks of MTCNN, by which its weights are told from those of other detectors."""


def open_detector(house: House) -> Detector:
    """The detector that the settings name; huge pictures are searched in tiles.

    Raises:
        SettingError: no such detector.
    """
    from mien.detectors.tiled import TiledDetector

    makers: dict[str, Callable[[House], Detector]] = {"mtcnn": open_mtcnn_detector, "haar": _haar}
    others = [name for name in house.catalog.names("detector") if house.catalog.get(name).roles != CASCADE]
    makers |= {name: _of_format(house, name) for name in others if name not in makers}
    name = house.settings.detector
    if name not in makers:
        cascade = name in house.catalog.names("detector")
        hint = f"; {name} are weights of MTCNN: --detector mtcnn --weights {name}" if cascade else ""
        raise SettingError(f"detector {name!r} is unknown; choose one of {', '.join(makers)}{hint}")
    return TiledDetector(makers[name](house), side=TILE, above=TILED_ABOVE)


def open_mtcnn_detector(house: House) -> MtcnnDetector:
    """MTCNN as the settings want it: a detector, and what refines the boxes of others."""
    from mien.detectors.mtcnn.detector import open_mtcnn
    from mien.detectors.mtcnn.options import MtcnnOptions

    s = house.settings
    options = MtcnnOptions(
        min_face=s.min_face,
        max_face=s.max_face,
        factor=s.pyramid_factor,
        thresholds=(s.pnet_threshold, s.rnet_threshold, s.onet_threshold),
        mode=s.mtcnn_mode,
    )
    return open_mtcnn(_cascade_files(house), options=options, runtime=house.runtime)


def _cascade_files(house: House) -> dict[str, Path]:
    """The three networks that ``weights`` names: the published ones, or those of ``mien train mtcnn``.

    Raises:
        SettingError: no weights of that name, or not of a cascade.
    """
    name = house.settings.weights
    cascades = [each for each in house.catalog.names("detector") if house.catalog.get(each).roles == CASCADE]
    if name not in cascades:
        raise SettingError(f"weights {name!r} are no cascade of MTCNN; choose one of {', '.join(cascades)}")
    return house.weights(name)


def _haar(house: House) -> Detector:
    """Haar's boxes, refined by MTCNN's last two networks, which add the landmarks that alignment needs."""
    from mien.detectors.haar import HaarDetector
    from mien.detectors.refined import RefinedDetector
    from mien.wiring.classifiers import haar_options

    return RefinedDetector(HaarDetector(haar_options(house.settings)), open_mtcnn_detector(house))


def _of_format(house: House, name: str) -> Callable[[House], Detector]:
    """What opens a detector of the catalog that is neither MTCNN nor Haar: one network, or a sliding window."""
    from mien.zoo.catalog import SINGLE_SHOT

    return _single_shot if house.catalog.get(name).format in SINGLE_SHOT else _sliding_window


def _single_shot(house: House) -> Detector:
    """YuNet or SCRFD; their boxes have landmarks, nothing refines them."""
    from mien.detectors.scrfd import SCRFD
    from mien.detectors.single_shot import SingleShotDetector, SingleShotOptions
    from mien.detectors.yunet import YUNET

    s = house.settings
    record = house.catalog.get(s.detector)
    (file,) = house.weights(record.name).values()
    head = {"yunet": YUNET, "scrfd": SCRFD}[record.format]
    threshold = record.tuning.get("threshold", head.threshold) if s.score_threshold is None else s.score_threshold
    options = SingleShotOptions(min_face=s.min_face, max_face=s.max_face, threshold=threshold)
    return SingleShotDetector(record.name, house.network(file), head, options)


def _sliding_window(house: House) -> Detector:
    """A trained sliding window's boxes, refined by MTCNN's last two networks, as Haar's are."""
    from mien.detectors.refined import RefinedDetector
    from mien.detectors.sliding_window import SlidingWindowDetector, SlidingWindowOptions

    s = house.settings
    record = house.catalog.get(s.detector)
    (file,) = house.weights(record.name).values()
    options = SlidingWindowOptions(min_face=s.min_face, max_face=s.max_face, factor=s.pyramid_factor)
    options = options.tuned(record.tuning)
    if s.score_threshold is not None:
        options = replace(options, threshold=s.score_threshold)
    found = SlidingWindowDetector(record.name, house.network(file), options)
    return RefinedDetector(found, open_mtcnn_detector(house))
