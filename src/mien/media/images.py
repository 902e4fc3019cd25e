"""Pictures from files and bytes, and back: size guards, scaled decode, clear errors.

Orientation, colour and bit depth are settled here once: what leaves is ``(H, W, 3)`` uint8 RGB, upright.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, MissingExtraError, TooManyPixelsError
from mien.core.faces import Picture, check_image
from mien.media.decoders import FORMATS, Header, Reduction, decode, read_header, sniff, taken

__all__ = [
    "READABLE_SUFFIXES",
    "ReadOptions",
    "decode_image",
    "printable",
    "read_image",
    "taken_at",
    "write_image",
    "write_whole",
]

READABLE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".pbm",
        ".pgm",
        ".ppm",
        ".pnm",
        ".heic",
        ".heif",
    }
)
"""Lower-case endings that a folder is searched for; a file named outright is read whatever its ending."""

_WRITABLE = {
    ".png": [],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}

_LONGEST_SIDE = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}
"""Pixels; what libjpeg and WebP can hold."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How pictures are read.

    Args:
        max_megapixels: larger pictures are refused before a pixel is decoded.
        min_face: side of the smallest face wanted, pixels of the original; None decodes every picture whole.
        detector_min: pixels such a face must still have in the decoded picture: 20 to find it, but the embedder's chip
            size (112 … 160) where it is to be recognised as well as possible.
        reduce_above: megapixels; smaller JPEGs are always decoded whole, they are quick anyway.
    """

    max_megapixels: float = 100.0
    min_face: float | None = None
    detector_min: float = 20.0
    reduce_above: float = 2.0


def read_image(path: str | os.PathLike[str], options: ReadOptions = ReadOptions()) -> Picture:
    """The picture in a file, upright RGB; its ``source`` is the path and its ``sha256`` that of the file's bytes.

    The format is told by the content, never by the name.

    Raises:
        ImageError: one line saying why it cannot be read: no such file, a directory, no permission, a dangling or
            circular link, empty, no picture, damaged, ends early, or too large.
        MissingExtraError: HEIC without the extra.
    """
    name = printable(path)
    with _said_in_one_line(name):
        data = _read_bytes(path)
    return decode_image(data, source=os.fspath(path), options=options)


def decode_image(data: bytes, *, source: str = "", options: ReadOptions = ReadOptions()) -> Picture:
    """The picture in ``data``, the bytes of a file of any known format; see ``read_image``.

    Args:
        source: what the picture is called in ``Picture.source`` and in errors.
    """
    name = printable(source) if source else "the picture"
    try:
        header = read_header(data, _kind(data))
        _check_size(header, options)
        reduction = _reduction(header, options)
        pixels = decode(data, header, reduction)
    except ImageError as error:
        raise type(error)(f"cannot read {name}: {error}") from error
    return Picture(pixels, 1 / reduction, source, hashlib.sha256(data).hexdigest())


def taken_at(data: bytes) -> datetime | None:
    """When the picture in ``data`` was taken, as it says itself, aware; None if it does not, or is no picture."""
    kind = sniff(data[:32])
    try:
        return None if kind is None else taken(read_header(data, kind))
    except (ImageError, MissingExtraError):
        return None


def write_image(path: str | os.PathLike[str], pixels: NDArray[np.uint8]) -> None:
    """Write ``(H, W, 3)`` uint8 RGB as PNG, JPEG or WebP (by the ending): the whole file appears at once or not at all.

    Raises:
        ImageError: an ending that is not written, more pixels than the format holds, or a place that cannot be written
            to.
    """
    height, width = check_image(pixels).shape[:2]
    target = Path(path)
    if target.suffix.lower() not in _WRITABLE:
        raise ImageError(
            f"cannot write {printable(path)}: expected an ending of {', '.join(_WRITABLE)}, got {target.suffix!r}"
        )
    longest = _LONGEST_SIDE.get(target.suffix.lower(), math.inf)
    if max(height, width) > longest:
        raise ImageError(
            f"cannot write {printable(path)}: {width} × {height} pixels, the format holds {longest} on a side; write .png"
        )
    settings = _WRITABLE[target.suffix.lower()]
    encoded = cv2.imencode(target.suffix.lower(), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)[1]
    try:
        write_whole(target, encoded.tobytes())
    except OSError as error:
        why = "its folder is not there" if isinstance(error, FileNotFoundError) else _why(error)
        raise ImageError(f"cannot write {printable(path)}: {why}") from error


def printable(name: str | os.PathLike[str]) -> str:
    r"""A file name for messages and tables: on one line, with escapes for what cannot be shown (a newline as ``\n``)."""
    return "".join(c if c.isprintable() else _escaped(c) for c in os.fspath(name))


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is no UTF-8, kept by os.fsdecode
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def _read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file that begins like a picture; nothing more than its head is read of anything else."""
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ImageError("it is not a regular file")
        head = file.read(32)
        _kind(head)
        return head + file.read()


def _open_without_waiting(path: str, flags: int) -> int:
    """As ``os.open``, but a named pipe does not block."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _kind(data: bytes) -> str:
    kind = sniff(data[:32])
    if kind is not None:
        return kind
    if not data:
        raise ImageError("the file is empty")
    found = "a PDF" if data.startswith(b"%PDF") else "no picture by its content"
    raise ImageError(f"it is {found}; expected {', '.join(FORMATS)}")


def _check_size(header: Header, options: ReadOptions) -> None:
    megapixels = header.width * header.height / 1e6
    if megapixels > options.max_megapixels:
        raise TooManyPixelsError(
            f"{header.width} × {header.height} are {megapixels:.1f} megapixels, more than the {options.max_megapixels:g}"
            " allowed; raise --max-megapixels to read it"
        )


def _reduction(header: Header, options: ReadOptions) -> Reduction:
    """The largest reduction that leaves the smallest wanted face ``detector_min`` pixels."""
    small = header.width * header.height <= options.reduce_above * 1e6
    if header.format != "JPEG" or options.min_face is None or small:
        return 1
    fits: tuple[Reduction, ...] = (8, 4, 2)
    return next((n for n in fits if options.min_face / n >= options.detector_min), 1)


@contextmanager
def _said_in_one_line(name: str) -> Iterator[None]:
    """Turn what opening a file can raise into one clear line."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"cannot read {name}: {error}") from error
    except OSError as error:
        raise ImageError(f"cannot read {name}: {_why(error)}") from error
    except ValueError as error:  # a NUL in the name
        raise ImageError(f"cannot read {name}: no file can have this name") from error


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and error.filename is not None and Path(error.filename).is_symlink():
        return f"the link points to {printable(Path(error.filename).readlink())}, which is not there"
    known = {
        errno.ENOENT: "there is no such file",
        errno.EISDIR: "it is a directory, not a file",
        errno.EACCES: "no permission",
        errno.EPERM: "no permission",
        errno.ELOOP: "its links lead in a circle",
        errno.ENOTDIR: "a part of the path is a file, not a directory",
        errno.ENAMETOOLONG: "the name is too long",
        errno.ENOSPC: "the disk is full",
        errno.EROFS: "the disk is read-only",
    }
    return known.get(error.errno or 0, (error.strerror or str(error)).lower())


def write_whole(target: Path, data: bytes) -> None:
    """Write a file so that it appears complete or not at all: beside ``target``, then moved into place.

    Raises:
        OSError: with the name of ``target``, which the system does not tell when a disk is full.
    """
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        error.filename = str(target)
        raise
    finally:
        part.unlink(missing_ok=True)
