"""Labelled sets as a whole: every picture looked at, divided into sides, multiplied by versions."""

from __future__ import annotations

import itertools
import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SettingError
from mien.datasets.augmentation import Augmentation, version_stem
from mien.datasets.labelled import LabelledSet, Part
from mien.datasets.packs import TrainTest
from mien.datasets.survey import Look, Survey, look
from mien.jobs.frame_manifest import videos_of_frames
from mien.jobs.manifest import RowFile
from mien.jobs.running import Event, run
from mien.media.crops import crop_boxes
from mien.media.images import ReadOptions, printable, write_image, write_whole
from mien.media.transforms import LIBRARY

__all__ = [
    "AUGMENTED",
    "SPLIT",
    "How",
    "Placed",
    "Plan",
    "augment",
    "divide",
    "look_over",
    "plan_versions",
    "videos_in",
]

How = Literal["link", "copy", "list"]
Pixels = NDArray[np.uint8]

SPLIT = "split.csv"
AUGMENTED = "augmentation.json"

_KEPT = {".jpg", ".jpeg", ".png", ".webp"}
"""Endings that a version takes over from its picture; it is a PNG otherwise."""


class Placed(NamedTuple):
    """One row of ``split.csv``: where a picture went and which pictures it must stay with.

    ``file`` is its path below the target, ``source`` that below the source, both with ``/``; ``group`` is a number.
    """

    file: str
    label: str
    side: Part
    group: int
    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Which versions are made of which pictures.

    Args:
        versions: row of the picture and number of the version, from 1.
        kept: rows that go into the target as they are.
        asked: what was asked for, for the record (``{"per_image": 5}``).
    """

    versions: tuple[tuple[int, int], ...]
    kept: tuple[int, ...]
    asked: Mapping[str, int]


def look_over(found: LabelledSet, options: ReadOptions | None = None) -> Iterator[Event[Look]]:
    """Look at every picture of a set, stage ``"look"``; what cannot be read is told and passed over."""
    return run(range(len(found)), lambda row: look(found.read(row, options)), stage="look", name=_name(found))


def videos_in(found: LabelledSet) -> dict[str, str]:
    """Name -> video where a manifest of frames lies in the set's folder.

    Raises:
        InputError: a manifest of frames with rows that are none.
    """
    return {} if found.arrays else videos_of_frames(found.root)


def divide(seen: Survey, sides: Sequence[Part], target: Path, *, how: How = "link") -> Iterator[Event[Placed]]:
    """Put each readable picture into ``target/side/Class/…`` and write ``split.csv`` there.

    Args:
        seen: the set, looked at.
        sides: of each row of ``seen.rows``.
        target: another folder; what is there already is passed over.
        how: ``"link"`` makes hard links and copies where the disk has none; ``"list"`` writes ``split.csv`` only.

    Raises:
        SettingError: ``target`` lies in the set's folder or holds another division.
    """
    _keep_apart(seen.found, target)
    group = dict(zip(seen.rows, seen.groups().tolist(), strict=True))
    found = seen.readable
    rows = [
        Placed(file, found.labels[i], sides[i], group[row], found.names[i], seen.looks[row].sha256)
        for i, (row, file) in enumerate(zip(seen.rows, _files(found, sides), strict=True))
    ]
    _refuse_strays(target, {row.file for row in rows} if how != "list" else set())
    rows_of = {placed.file: row for placed, row in zip(rows, seen.rows, strict=True)}

    def work(row: Placed) -> Placed:
        if how != "list":
            place(seen.found, rows_of[row.file], target / row.file, link=how == "link")
        file.add(row)
        return row

    file = RowFile(target / SPLIT, [Placed._fields])
    try:
        yield from run(rows, work, stage="divide", name=lambda row: printable(row.source))
    finally:
        file.close()


def plan_versions(
    found: LabelledSet,
    *,
    per_image: int | None = None,
    total: int | None = None,
    originals: bool = False,
    seed: int = 0,
) -> Plan:
    """So many versions of each picture, or so many of pictures drawn at random; of a divided set its train side only.

    Args:
        per_image: versions of each picture.
        total: versions in all, of pictures drawn with equal chances; one may be drawn twice, with different versions.
        originals: the pictures themselves go into the target too; validation and test pictures always do, unaltered.
        seed: of the draw.

    Raises:
        SettingError: not one of ``per_image`` and ``total``.
        InputError: nothing to make versions of.
    """
    if (per_image is None) == (total is None):
        raise SettingError(
            "give either --per-image N, versions of each picture, or --total N, of pictures drawn at random"
        )
    rows = [row for row, side in enumerate(found.sides) if side in {"", "train"}]
    if not rows:
        raise InputError(f"{printable(found.root)} has no pictures to train with; only those are altered")
    kept = tuple(row for row, side in enumerate(found.sides) if originals or side not in {"", "train"})
    if per_image is not None:
        return Plan(tuple((row, n) for row in rows for n in range(1, per_image + 1)), kept, {"per_image": per_image})
    made: dict[int, int] = {}
    drawn: list[tuple[int, int]] = []
    for row in np.random.default_rng(seed).choice(rows, total or 0).tolist():
        made[row] = made.get(row, 0) + 1
        drawn.append((row, made[row]))
    return Plan(tuple(drawn), kept, {"total": total or 0})


def augment(found: LabelledSet, target: Path, plan: Plan, augmentation: Augmentation) -> Iterator[Event[str]]:
    """Write versions as ``target/[side/]Class/picture~a1.jpg`` and, beside them, ``augmentation.json``: how they were made.

    A version depends on the seed, its picture's name and its number alone, so that a run that was stopped, or a set that
    has grown, goes on with what is missing. Results are the files' paths below ``target``.

    Raises:
        SettingError: ``target`` lies in the set's folder, or holds versions made otherwise.
    """
    _keep_apart(found, target)
    files = _files(found, found.sides)
    _record(target, {"library": LIBRARY, **plan.asked, **augmentation.settings()})

    def make(version: tuple[int, int]) -> str:
        row, number = version
        file = _version_file(files[row], number)
        pixels = found.read(row).pixels
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        write_image(
            target / file, augmentation.one(pixels, (zlib.crc32(_stable(files[row], found.sides[row])), number))
        )
        return file

    def keep(row: int) -> str:
        place(found, row, target / files[row], link=True)
        return files[row]

    yield from run(
        plan.versions,
        make,
        stage="augment",
        name=lambda version: printable(found.path(version[0])),
        skip=_there(target, lambda version: _version_file(files[version[0]], version[1])),
    )
    yield from run(
        plan.kept,
        keep,
        stage="keep",
        name=_name(found),
        skip=_there(target, lambda row: files[row]),
    )


def packed(found: LabelledSet, *, size: int | None = None) -> Iterator[Event[Pixels]]:
    """The pixels of every picture, scaled to a square of ``size`` if asked for, stage ``"read"``; ``join_pack`` packs them."""

    def work(row: int) -> Pixels:
        pixels = found.read(row).pixels
        if size is None:
            return pixels
        height, width = pixels.shape[:2]
        whole = np.array([[0, 0, width, height]], np.float32)
        scaled: Pixels = crop_boxes(pixels, whole, size=size, margin=0)[0]
        return scaled

    return run(range(len(found)), work, stage="read", name=_name(found))


def join_pack(found: LabelledSet, pictures: Mapping[int, Pixels]) -> TrainTest:
    """Pictures by row as one pack; whatever is not for testing is for training.

    Raises:
        InputError: no pictures, or of different sizes.
    """
    shapes = sorted({pixels.shape[:2] for pixels in pictures.values()})
    if len(shapes) != 1:
        sizes = ", ".join(f"{width}×{height}" for height, width in shapes[:4])
        raise InputError(
            f"{printable(found.root)}: expected pictures of one size, got {len(shapes)} ({sizes}); scale them with --size 160,"
            " or run align first"
        )
    sides = {test: [row for row in sorted(pictures) if (found.sides[row] == "test") == test] for test in (False, True)}
    train, test = (
        np.array([pictures[row] for row in rows], np.uint8).reshape(-1, *shapes[0], 3) for rows in sides.values()
    )
    labels, test_labels = (np.array([found.labels[row] for row in rows], str) for rows in sides.values())
    return TrainTest(train, labels, test, test_labels)


def place(found: LabelledSet, row: int, target: Path, *, link: bool) -> None:
    """One picture into another folder: a hard link if asked for and possible, else a copy; arrays become PNG files."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if found.arrays:
        write_image(target, found.read(row).pixels)
        return
    source = found.path(row)
    if target.exists():
        if target.samefile(source):
            return
        target.unlink()
    if link:
        try:
            target.hardlink_to(source.resolve())
        except OSError:  # another disk, or one without links
            link = False
    if not link:
        shutil.copy2(source, target)


def _files(found: LabelledSet, sides: Sequence[Part]) -> list[str]:
    """Where each picture goes below a target: side, label, the folders below its class, its name.

    Names that would meet (``Cat/1.jpg`` and ``cat/1.jpg`` merged, train and test divided anew) are numbered.
    """
    taken: set[str] = set()
    files = []
    for row, side in enumerate(sides):
        name = PurePosixPath(found.names[row])
        inner = name.parts[2 if found.sides[row] else 1 :] or name.parts[-1:]
        path = PurePosixPath(*([side] if side else []), printable(found.labels[row]), *inner)
        ending = ".png" if found.arrays else path.suffix
        stem = path.name if found.arrays else path.stem
        numbered = itertools.chain([stem], (f"{stem}-{n}" for n in itertools.count(2)))
        files.append(next(f for s in numbered if (f := str(path.with_name(s + ending))).casefold() not in taken))
        taken.add(files[-1].casefold())
    return files


def _version_file(file: str, number: int) -> str:
    path = PurePosixPath(file)
    ending = path.suffix if path.suffix.lower() in _KEPT else ".png"
    return str(path.with_name(f"{version_stem(path.stem, number)}{ending}"))


def _stable(file: str, side: Part) -> bytes:
    """What a version depends on: the label and the name in its class, wherever the set lies and on whichever side."""
    return file.removeprefix(f"{side}/").encode("utf-8", "surrogateescape")


def _there(target: Path, file: Callable[..., str]) -> Callable[..., str]:
    return lambda item: "is there already" if (target / file(item)).is_file() else ""


def _record(target: Path, settings: Mapping[str, object]) -> None:
    """Write down how versions are made; a folder of versions made otherwise is refused."""
    path = target / AUGMENTED
    target.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{printable(path)} cannot be read; remove it or choose another folder") from error
        other = sorted(key for key in before.keys() | settings.keys() if before.get(key) != settings.get(key))
        if other:
            raise SettingError(
                f"{printable(target)} holds versions made with other settings ({', '.join(other)}); choose another folder"
            )
    write_whole(path, json.dumps(dict(settings), indent=2).encode())


def _refuse_strays(target: Path, wanted: set[str]) -> None:
    """Refuse a target with pictures of another division: they would stand on a side where they were not put."""
    sides = [target / side for side in ("train", "val", "test")]
    there = (path for side in sides if side.is_dir() for path in side.rglob("*") if path.is_file())
    stray = next((path for path in there if path.relative_to(target).as_posix() not in wanted), None)
    if stray is not None:
        raise SettingError(
            f"{printable(target)} holds another division ({printable(stray.relative_to(target))} is not of this one); choose"
            " another folder"
        )


def _keep_apart(found: LabelledSet, target: Path) -> None:
    if not found.arrays and target.resolve().is_relative_to(found.root.resolve()):
        raise SettingError(
            f"the target {printable(target)} lies in the source {printable(found.root)} and would be taken for a class; choose"
            " a folder outside"
        )


def _name(found: LabelledSet) -> Callable[[int], str]:
    return lambda row: printable(found.path(row))
