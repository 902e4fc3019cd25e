"""Encoded bytes to RGB pixels, one small reader per family of formats; ``images`` adds files, limits and names.

JPEG goes through libjpeg-turbo (simplejpeg): the fastest decoder measured, it can decode at 1/2, 1/4 and 1/8, and it
returns libjpeg's complaints instead of printing them. Everything else goes through Pillow.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from mien.core.errors import ImageError, MissingExtraError

__all__ = ["FORMATS", "Header", "decode", "read_header", "sniff", "taken"]

FORMATS = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "PNM", "HEIC")
"""What can be read; PNM: .pbm, .pgm, .ppm; HEIC with the extra ``heic``."""

Pixels = NDArray[np.uint8]
Reduction = Literal[1, 2, 4, 8]

_READERS: dict[str, Callable[..., ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "PNM": PpmImagePlugin.PpmImageFile,
}
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    RuntimeError,
    Image.DecompressionBombError,
)
"""What Pillow raises on damaged data; its plugins know no narrower class."""

_quiet_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself before a pixel is decoded.

    Args:
        format: one of ``FORMATS``.
        width, height: pixels as stored, before EXIF orientation.
        opened: Pillow's view of the bytes, not decoded yet.
    """

    format: str
    width: int
    height: int
    opened: ImageFile.ImageFile


def sniff(head: bytes) -> str | None:
    """The format of a file that begins with ``head`` (16 bytes are enough), whatever its name; None if not a picture."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PNM"
    return "HEIC" if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS else None


def read_header(data: bytes, kind: str) -> Header:
    """Size and format from the first bytes of ``data``; no pixel is decoded and no large buffer allocated.

    Raises:
        ImageError: the header is damaged.
        MissingExtraError: HEIC without pillow-heif.
    """
    reader = _heic_reader() if kind == "HEIC" else _READERS[kind]
    try:
        with _quietly():
            opened = reader(io.BytesIO(data))
            if kind != "PNG":  # whose EXIF may follow the pixels: asking for it would decode them
                opened.getexif()  # kept by Pillow, so that its warnings stay in here
    except _DAMAGE as error:
        raise ImageError(f"the {kind} header is damaged or ends early ({_one_line(error)})") from error
    return Header(kind, opened.width, opened.height, opened)


def taken(header: Header) -> datetime | None:
    """When a picture was taken, as its EXIF says, aware; None if it does not say, or nothing that can be a time.

    A time without its zone (EXIF had none before 2.31) is taken as this machine's local time. PNG is not asked: its EXIF
    may follow the pixels.
    """
    if header.format == "PNG":
        return None
    try:
        with _quietly():
            exif = header.opened.getexif()
            inner = exif.get_ifd(0x8769)
            said = str(inner.get(0x9003) or inner.get(0x9004) or exif.get(0x0132) or "").strip("\0 ")
            zone = str(inner.get(0x9011) or inner.get(0x9012) or "").strip("\0 ")
        local = datetime.strptime(said, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - its zone follows
        return datetime.fromisoformat(f"{local.isoformat()}{zone}").astimezone()
    except (*_DAMAGE, OverflowError):  # no time, or rubbish in its place
        return None


def decode(data: bytes, header: Header, reduction: Reduction) -> Pixels:
    """``(H, W, 3)`` uint8 RGB, EXIF orientation applied once; ``reduction`` > 1 is for JPEG only.

    16-bit samples are scaled to 8, transparency is laid over white, of several frames the first is taken.

    Raises:
        ImageError: the data end early or are damaged.
    """
    try:
        if header.format == "JPEG":
            return _decode_jpeg(data, header.opened, reduction)
        return _pillow_pixels(header.opened)
    except _DAMAGE as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"the {header.format} data are damaged or end early ({_one_line(error)})") from error


def _decode_jpeg(data: bytes, opened: ImageFile.ImageFile, reduction: Reduction) -> Pixels:
    orientation = opened.getexif().get(0x0112, 1)
    if opened.mode == "CMYK":  # Adobe's inverted inks: Pillow knows them, libjpeg-turbo's colour conversion does not
        return _reduced_by_pillow(opened, reduction)
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", **_smallest(opened, reduction))
    except ValueError as complaint:
        if "Premature end" in str(complaint):
            raise ImageError("the JPEG data end early: the file is truncated") from complaint
        return _reduced_by_pillow(opened, reduction)  # stray bytes and the like: readable all the same
    return _oriented(pixels, orientation)


def _smallest(opened: ImageFile.ImageFile, reduction: Reduction) -> dict[str, int]:
    """Arguments for simplejpeg, which decodes to the smallest size that has these sides; 0 asks for the whole."""
    if reduction == 1:
        return {"min_width": 0, "min_height": 0}
    return {"min_width": -(-opened.width // reduction), "min_height": -(-opened.height // reduction)}


def _reduced_by_pillow(opened: ImageFile.ImageFile, reduction: Reduction) -> Pixels:
    opened.draft(None, (-(-opened.width // reduction), -(-opened.height // reduction)))
    return _pillow_pixels(opened)


def _oriented(pixels: Pixels, orientation: int) -> Pixels:
    """``pixels`` turned and mirrored as EXIF tag 0x0112 asks (EXIF 2.32, 4.6.4 A); unknown values change nothing."""
    if orientation in {5, 6, 7, 8}:
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else cv2.flip(pixels, flip)


def _pillow_pixels(opened: ImageFile.ImageFile) -> Pixels:
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        with _quietly(), _libtiff_muted():
            opened.load()
    else:
        opened.load()
    with _quietly():
        image = ImageOps.exif_transpose(opened)  # TIFF turns itself while loading and then has no tag left
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        return _scaled_grey(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _scaled_grey(image: Image.Image) -> Pixels:
    """Grey of 16 bits as RGB: 65535 becomes 255."""
    if not image.mode.startswith("I;16") and not (image.mode == "I" and _fits_16_bits(image)):
        raise ImageError(
            f"pixels of 32 bits (mode {image.mode}) have no known white; save the picture with 8 or 16 bits"
        )
    grey = np.asarray(image).astype(np.uint32)
    return np.repeat(((grey + 128) // 257).astype(np.uint8)[..., None], 3, axis=2)


def _fits_16_bits(image: Image.Image) -> bool:
    low, high = image.getextrema()
    return isinstance(low, int) and isinstance(high, int) and low >= 0 and high <= 0xFFFF


def _heic_reader() -> Callable[..., ImageFile.ImageFile]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise MissingExtraError("HEIC pictures", "heic") from error
    reader: Callable[..., ImageFile.ImageFile] = HeifImageFile
    return reader


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Pillow's warnings about odd metadata from the user; short, as the filters belong to the whole process."""
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _libtiff_muted() -> Iterator[None]:
    """Send file descriptor 2 nowhere: libtiff prints complaints about damaged data there and cannot be told not to.

    What other threads print in these milliseconds is lost too; compressed TIFF is rare enough to bear it.
    """
    try:
        kept = os.dup(2)
    except OSError:  # nobody listens anyway
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
