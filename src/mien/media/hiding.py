"""Faces made unrecognisable in pixels, and what else a photograph says of itself when it is written again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.core.errors import ImageError, SettingError
from mien.core.faces import check_image
from mien.media.images import printable, write_whole

__all__ = ["Style", "hide", "write_published"]

Style = Literal["mosaic", "blur", "fill"]

_CELLS = 6
"""Cells across a hidden face in a mosaic: too few to tell people apart (networks need 12 pixels to find a face at all)."""

_FILL = (128, 128, 128)
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_MAKER_NOTE, _USER_COMMENT = 0x927C, 0x9286
_EXIF, _GPS = 0x8769, 0x8825
_LEFT_OUT = {0x0112, 0x02BC, 0x83BB, 0x8649, 0x010E, *range(0x9C9B, 0x9CA0), _EXIF, _GPS, 0xA005}
"""Orientation (the copy is upright), XMP, IPTC, Photoshop's, descriptions; and pointers, whose contents follow."""


def hide(pixels: NDArray[np.uint8], boxes: NDArray[np.float32], style: Style = "mosaic") -> NDArray[np.uint8]:
    """A copy of ``(H, W, 3)`` uint8 RGB in which the ellipse around each box shows nothing of what was there.

    Args:
        pixels: the picture.
        boxes: ``(n, 4)`` in its pixels; the ellipse touches the corners of each, so that hair and chin are covered too.
        style: ``mosaic``: the mean colours of six cells across; ``blur``: the same, smoothed; ``fill``: one grey.

    Raises:
        SettingError: another style.
    """
    if style not in get_args(Style):
        raise SettingError(f"style is {style!r}; choose {', '.join(get_args(Style))}")
    out = check_image(pixels).copy()
    height, width = out.shape[:2]
    for x1, y1, x2, y2 in boxes.astype(float):
        half_w, half_h = (x2 - x1) / 2 * 2**0.5, (y2 - y1) / 2 * 2**0.5
        centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
        left, top = max(int(centre_x - half_w), 0), max(int(centre_y - half_h), 0)
        right, bottom = min(int(np.ceil(centre_x + half_w)), width), min(int(np.ceil(centre_y + half_h)), height)
        if right <= left or bottom <= top:
            continue
        patch = out[top:bottom, left:right]
        mask = np.zeros(patch.shape[:2], np.uint8)
        centre = (round(centre_x - left), round(centre_y - top))
        cv2.ellipse(mask, centre, (max(round(half_w), 1), max(round(half_h), 1)), 0, 0, 360, 255, -1)
        patch[mask > 0] = _instead(patch, style)[mask > 0]
    return out


def _instead(patch: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
    if style == "fill":
        return np.full_like(patch, _FILL)
    height, width = patch.shape[:2]
    cells = cv2.resize(patch, (min(_CELLS, width), min(_CELLS, height)), interpolation=cv2.INTER_AREA)
    how = cv2.INTER_NEAREST if style == "mosaic" else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cells, (width, height), interpolation=how), np.uint8)


def write_published(target: Path, pixels: NDArray[np.uint8], original: bytes, *, strip: bool) -> None:
    """Write a picture that was changed, with what the original says of itself or without.

    What may show the faces again, or name them, never goes along: the thumbnail, the camera's own notes, comments, XMP and
    IPTC. The colour profile always does.

    Args:
        target: ends in .jpg, .png or .webp.
        pixels: ``(H, W, 3)`` uint8 RGB, upright.
        original: bytes of the file it was read from.
        strip: leave out time, camera and place as well.

    Raises:
        ImageError: an ending that is not written, or a place that cannot be written to.
    """
    kind = _FORMATS.get(target.suffix.lower())
    if kind is None:
        raise ImageError(f"cannot write {printable(target)}: expected an ending of {', '.join(_FORMATS)}")
    more: dict[str, object] = {"quality": 95} if kind != "PNG" else {}
    profile, exif = _about(original)
    if profile:
        more["icc_profile"] = profile
    if exif is not None and not strip:
        more["exif"] = exif.tobytes()
    encoded = io.BytesIO()
    try:
        Image.fromarray(check_image(pixels)).save(encoded, kind, **more)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, encoded.getvalue())
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot write {printable(target)}: {error}") from error


def _about(original: bytes) -> tuple[bytes | None, Image.Exif | None]:
    """Colour profile and EXIF of a file, upright and without what could show or name a face."""
    try:
        with Image.open(io.BytesIO(original)) as image:
            profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA", "P"} else None
            exif = image.getexif()
    except (OSError, SyntaxError, ValueError):  # HEIC and other files that Pillow alone does not open
        return None, None
    if not exif:
        return profile, None
    kept = Image.Exif()
    for tag, value in exif.items():
        if tag not in _LEFT_OUT:
            kept[tag] = value
    inner = {t: v for t, v in exif.get_ifd(_EXIF).items() if t not in {_MAKER_NOTE, _USER_COMMENT}}
    kept.get_ifd(_EXIF).update(inner)
    kept.get_ifd(_GPS).update(exif.get_ifd(_GPS))
    return profile, kept
