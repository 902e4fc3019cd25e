"""The photographs of the demo, read out of two packages that pip downloads and nobody installs.

NASA's portrait of Eileen Collins is in scikit-image's wheel (public domain); the White House portraits of Barack Obama
and Joe Biden are in the source archive of face_recognition 1.3.0 (works of the US government). Each is checked by its
sha256; what is in the cache is never fetched again.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import InputError
from mien.media.images import printable, write_whole

__all__ = ["DEMO_PICTURES", "demo_pictures"]

_TIMEOUT = 300.0  # seconds for one download
_Sha256 = str


@dataclass(frozen=True, slots=True)
class _Archive:
    """A package, how pip is told to fetch it unbuilt, and the pictures in it.

    Args:
        requirement: what pip is asked for.
        form: pip's option that settles between wheel and source archive.
        folder: where the pictures lie in the archive, after the top folder of a source archive.
        pictures: name and digest of each.
    """

    requirement: str
    form: tuple[str, str]
    folder: str
    pictures: tuple[tuple[str, _Sha256], ...]


_ARCHIVES = (
    _Archive(
        "scikit-image",
        ("--only-binary", ":all:"),
        "skimage/data",
        (("astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),),
    ),
    _Archive(
        "face_recognition==1.3.0",
        ("--no-binary", "face_recognition"),
        "tests/test_images",
        (
            ("obama.jpg", "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6"),
            ("obama2.jpg", "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6"),
            ("obama3.jpg", "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3"),
            ("biden.jpg", "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c"),
        ),
    ),
)

DEMO_PICTURES = tuple(name for archive in _ARCHIVES for name, _ in archive.pictures)
"""File names of the demo photographs."""


def demo_pictures(cache: Path) -> dict[str, Path]:
    """The demo photographs by file name, in the folder ``cache``; those that are not there yet are fetched with pip.

    Raises:
        InputError: pip or the network fails, or a picture is not the one we know; nothing of it stays in the cache.
    """
    for archive in _ARCHIVES:
        if not all(_is_known(cache / name, digest) for name, digest in archive.pictures):
            _fetch(archive, cache)
    return {name: cache / name for name in DEMO_PICTURES}


def _is_known(path: Path, digest: _Sha256) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _fetch(archive: _Archive, cache: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _download(archive, Path(folder))
        files = sorted(Path(folder).iterdir())
        if len(files) != 1:
            raise InputError(f"pip brought {len(files)} files for {archive.requirement}, expected one")
        found = {name: _member(files[0], f"{archive.folder}/{name}") for name, _ in archive.pictures}
    cache.mkdir(parents=True, exist_ok=True)
    for name, digest in archive.pictures:
        if hashlib.sha256(found[name]).hexdigest() != digest:
            raise InputError(f"{name} in {archive.requirement} is not the picture this demo knows (its sha256 differs)")
        write_whole(cache / name, found[name])


def _download(archive: _Archive, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", *archive.form, "--dest", str(folder)]
    command += ["--quiet", "--disable-pip-version-check", archive.requirement]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)  # noqa: S603 (fixed words)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{_told(archive)}: no answer within {_TIMEOUT:.0f} s; try again later") from error
    except subprocess.CalledProcessError as error:
        if "No module named pip" in error.stderr:
            raise InputError(f"{_told(archive)}: this Python has no pip; run: {sys.executable} -m ensurepip") from error
        said = [line for line in error.stderr.splitlines() if line.startswith("ERROR")] or error.stderr.splitlines()
        raise InputError(f"{_told(archive)}: {printable((said or ['pip failed'])[-1])}; is there a network?") from error


def _told(archive: _Archive) -> str:
    names = ", ".join(name for name, _ in archive.pictures)
    return f"cannot fetch the demo photographs {names} (pip download {archive.requirement})"


def _member(file: Path, name: str) -> bytes:
    """The bytes of one member of a wheel or source archive; nothing else is unpacked."""
    try:
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as wheel:
                return wheel.read(name)
        with tarfile.open(file) as source:
            inner = next(n for n in source.getnames() if n.split("/", 1)[-1] == name)
            handle = source.extractfile(inner)
            return b"" if handle is None else handle.read()
    except (KeyError, StopIteration, tarfile.TarError, zipfile.BadZipFile) as error:
        raise InputError(f"{file.name} holds no {name}") from error
