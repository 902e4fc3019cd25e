"""Random versions of a picture, the same ones for the same seed: written beside the originals, or made while training.

Which version comes out depends on the seed and a key (say epoch and picture) alone, never on what was made before: a
training run that was stopped goes on with the versions it would have seen, and pictures may be made in any order, in any
process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SettingError
from mien.media.transforms import Change, transform

__all__ = ["AugmentOptions", "Augmentation", "source_stem", "version_stem"]

Pixels = NDArray[np.uint8]

_VERSION = re.compile(r"^(?P<source>.+?)(?:~a\d+)+$")
_SHARES = ("mirror", "upend", "invert", "blurred")
_NOT_ONE = ("zoom", "contrast", "shift", "brightness", "noise")


@dataclass(frozen=True, slots=True)
class AugmentOptions:
    """How much pictures are altered at most; every number is drawn evenly from its range, 0 switches a transform off.

    The defaults keep a face recognisable: reflection, small rotations, magnification, shift, colour inversion (Nikolaev's
    me / not me classifier names these), and the shear, light, blur and noise of real cameras.

    Args:
        mirror: share of versions with left and right changed.
        upend: share of versions upside down; faces seldom are.
        rotation: up to so many degrees to either side.
        zoom: 0.15 scales by 0.85 to 1.15.
        shift: up to this share of the width and of the height.
        shear: up to so many degrees to either side.
        brightness: up to this share of the range lighter or darker.
        contrast: 0.25 multiplies by 0.75 to 1.25.
        invert: share of versions that are negatives.
        blurred: share of versions that are blurred.
        blur: standard deviation up to this share of the shorter side.
        noise: standard deviation up to this share of the range.

    Raises:
        SettingError: a value outside its range.
    """

    mirror: float = 0.5
    upend: float = 0.0
    rotation: float = 15.0
    zoom: float = 0.15
    shift: float = 0.1
    shear: float = 5.0
    brightness: float = 0.15
    contrast: float = 0.25
    invert: float = 0.05
    blurred: float = 0.2
    blur: float = 0.01
    noise: float = 0.02

    def __post_init__(self) -> None:
        for each in fields(self):
            value, top = getattr(self, each.name), _top(each.name)
            if not 0 <= value <= top:
                raise SettingError(f"augmentation: {each.name} must lie between 0 and {top:g}, got {value:g}")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Makes versions of pictures; holds no state, may be pickled and shared.

    Args:
        options: how much.
        seed: two runs with one seed make the same versions.
    """

    options: AugmentOptions = field(default_factory=AugmentOptions)
    seed: int = 0

    def change(self, key: Sequence[int], side: int) -> Change:
        """The numbers of one version of a picture whose shorter side is ``side`` pixels.

        Args:
            key: which version of which picture: numbers from 0, e.g. ``(epoch, row)``.
            side: the blur goes by it.
        """
        given, draw = self.options, np.random.default_rng([self.seed, *key])

        def about(middle: float, spread: float) -> float:
            return float(draw.uniform(middle - spread, middle + spread))

        def chance(share: float) -> bool:
            return bool(draw.random() < share)

        # The order is part of the seed's promise: new transforms are drawn last.
        return Change(
            mirror=chance(given.mirror),
            upend=chance(given.upend),
            rotation=about(0, given.rotation),
            zoom=about(1, given.zoom),
            shift_x=about(0, given.shift),
            shift_y=about(0, given.shift),
            shear=about(0, given.shear),
            brightness=about(0, given.brightness),
            contrast=about(1, given.contrast),
            invert=chance(given.invert),
            blur=float(chance(given.blurred)) * draw.uniform(0, given.blur) * side,
            noise=float(draw.uniform(0, given.noise)),
            noise_seed=int(draw.integers(2**32)),
        )

    def one(self, pixels: Pixels, key: Sequence[int]) -> Pixels:
        """One version of ``(H, W, 3)`` uint8 RGB: a new array of the same size.

        Raises:
            ImageError: no such array.
        """
        return transform(pixels, self.change(key, min(pixels.shape[:2])))

    def batch(self, images: Pixels, rows: Sequence[int] | NDArray[np.intp], epoch: int) -> Pixels:
        """A version of each of ``(n, H, W, 3)`` uint8 RGB, for one epoch of training.

        Args:
            images: a batch.
            rows: which picture of the data set each is, so that shuffling changes nothing.
            epoch: another epoch, other versions.

        Raises:
            InputError: not one row per picture.
        """
        if len(rows) != len(images):
            raise InputError(f"expected {len(images)} rows, one per picture, got {len(rows)}")
        out = np.empty_like(images)
        for i, row in enumerate(rows):
            out[i] = self.one(images[i], (epoch, int(row)))
        return out

    def settings(self) -> dict[str, float]:
        """What makes this augmentation, for a record beside its results."""
        return {"seed": self.seed, **asdict(self.options)}


def version_stem(stem: str, number: int) -> str:
    """The name of a version, counted from 1: ``Ada_0001`` -> ``Ada_0001~a1``."""
    return f"{stem}~a{number}"


def source_stem(stem: str) -> str:
    """The name of the picture that a version was made of; a name that is none's is its own."""
    found = _VERSION.match(stem)
    return stem if found is None else found["source"]


def _top(name: str) -> float:
    if name in _SHARES:
        return 1.0
    if name in _NOT_ONE:
        return 0.9
    return {"rotation": 180.0, "shear": 45.0, "blur": 0.2}[name]
