"""A folder of photographs per person becomes a folder of aligned faces per person, and that becomes embeddings."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, InputError, SettingError
from mien.core.faces import Faces, Picture
from mien.core.geometry import ARCFACE_112
from mien.core.people import EmbeddingSpace
from mien.core.protocols import Detector, Embedder
from mien.datasets.folders import People, person_folders
from mien.datasets.near_duplicates import groups, video_of
from mien.datasets.packs import Embeddings, TrainTest
from mien.datasets.splits import Side, split
from mien.jobs.frame_manifest import videos_of_frames
from mien.jobs.manifest import Manifest, Row, cut_of
from mien.jobs.running import ITEM_FAULTS, Done, Event, Failed, Skipped, run
from mien.media.crops import align, crop_boxes
from mien.media.images import ReadOptions, printable, read_image, write_image
from mien.media.measures import perceptual_hash

__all__ = ["AlignOptions", "EmbedOptions", "Embedded", "align_folder", "chips_pack", "embed_folder", "join"]

Pixels = NDArray[np.uint8]
_SIDES: tuple[Side, ...] = ("train", "test")


@dataclass(frozen=True, slots=True)
class AlignOptions:
    """How faces are cut out of a folder of photographs.

    Args:
        size: side of a chip, pixels.
        margin: pixels of the chip around the box (``media.crops.crop_boxes``); not used with ``landmarks``.
        landmarks: turn and scale each face by its five landmarks instead of cutting its box.
        split: share of each person's photographs to train with; None makes no train and test folders.
        shuffle: go through the photographs in random order.
        seed: of the order and the split.
        read: how pictures are read.
    """

    size: int = 160
    margin: int = 32
    landmarks: bool = False
    split: float | None = None
    shuffle: bool = False
    seed: int = 0
    read: ReadOptions = field(default_factory=ReadOptions)

    @property
    def cut(self) -> str:
        """How chips are cut, in a word: chips cut otherwise never mix in one folder."""
        how = "arcface-112" if self.landmarks else f"box+{self.margin}"
        return f"{how}@{self.size}{'' if self.split is None else ' split'}"


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """How a folder is embedded.

    Args:
        batch_size: chips that go through the network at once.
        read: how pictures are read.
    """

    batch_size: int = 32
    read: ReadOptions = field(default_factory=ReadOptions)


class Embedded(NamedTuple):
    """One embedded face: its vector ``(d,)`` float32, whose it is, its file, and its side (or empty)."""

    embedding: NDArray[np.float32]
    label: str
    file: str
    side: str


class _Photo(NamedTuple):
    """One photograph: whose, where it is below ``root``, the name of its chip, and its side (or empty)."""

    person: str
    path: Path
    root: Path
    stem: str
    side: str = ""

    @property
    def source(self) -> str:
        """The path below the root, as the manifest and the packs know it."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def chip(self) -> str:
        """Where the chip goes below the target."""
        return "/".join([*([self.side] if self.side else []), self.person, f"{self.stem}.png"])


def align_folder(
    source: Path, target: Path, *, detector: Detector, options: AlignOptions = AlignOptions()
) -> Iterator[Event[Row | None]]:
    """Cut the largest face out of each photograph of ``source/Person/`` into ``target/[train|test/]Person/name.png``.

    Beside the chips stands ``manifest.csv`` (see ``jobs.manifest``); it grows with each chip, so that a run that was
    stopped goes on where it was; later runs add new photographs and cut those anew that were edited. With a split every photograph is looked at first
    (stage ``"compare"``), so that near-duplicates and frames of one video land on the same side; each person who could
    not be split is told by a ``Skipped`` of the stage ``"split"``. The results of stage ``"align"`` are manifest rows.

    Raises:
        InputError: ``source`` holds no folder per person.
        SettingError: ``target`` lies in ``source`` or holds chips cut otherwise; a split outside 0 to 1; landmarks
            wanted from a detector that has none.
    """
    _keep_apart(source, target)
    people = person_folders(source)
    yield from _problems(people)
    with Manifest(target, options.cut) as manifest:
        photos = _photos(people, source, stems=_stems(manifest))
        if options.split is not None:
            photos = yield from _placed(photos, manifest, options)
        if options.shuffle:
            photos = [photos[i] for i in np.random.default_rng(options.seed).permutation(len(photos))]

        def work(photo: _Photo) -> Row:
            row = _align(photo, target, detector, options)
            manifest.add(row)
            return row

        def skip(photo: _Photo) -> str:
            there = photo.chip in manifest.rows and _is_newer(target / photo.chip, photo.path)
            return "is there already" if there else ""

        yield from run(photos, work, stage="align", name=_name, skip=skip)


def _placed(
    photos: list[_Photo], manifest: Manifest, options: AlignOptions
) -> Generator[Event[Row | None], None, list[_Photo]]:
    """The photographs that can be read, with their sides; what was placed by an earlier run stays where it is."""
    hashes: dict[_Photo, int] = {}

    def look(photo: _Photo) -> None:
        hashes[photo] = perceptual_hash(
            read_image(photo.path, replace(options.read, min_face=160, reduce_above=0)).pixels
        )

    yield from run(photos, look, stage="compare", name=_name)
    seen = list(hashes)
    before = {row.source: row.split for row in manifest.rows.values()}
    sides = split(
        [photo.person for photo in seen],
        groups(list(hashes.values()), _videos(seen)),
        share=options.split or 0.0,
        seed=options.seed,
        placed=[next((side for side in _SIDES if side == before.get(photo.source)), None) for photo in seen],
    )
    for index, (person, reason) in enumerate(sides.unsplit.items(), 1):
        yield Skipped("split", index, len(sides.unsplit), person, reason)
    return [photo._replace(side=side) for photo, side in zip(seen, sides.sides, strict=True)]


def _videos(photos: Sequence[_Photo]) -> list[tuple[Path, str] | None]:
    """The video that each photograph is a frame of: by the manifest of frames beside the people, else by its name."""
    known = {root: videos_of_frames(root) for root in {photo.root for photo in photos}}
    return [
        (photo.root, known[photo.root][photo.source]) if photo.source in known[photo.root] else _guessed_video(photo)
        for photo in photos
    ]


def _guessed_video(photo: _Photo) -> tuple[Path, str] | None:
    """Frames of one name in one folder."""
    video = video_of(photo.path.stem)
    return None if video is None else (photo.path.parent, video)


def _align(photo: _Photo, target: Path, detector: Detector, options: AlignOptions) -> Row:
    picture = read_image(photo.path, options.read)
    face = _largest(picture, detector)
    chip = _cut(picture.pixels, face, options)
    file = target / photo.chip
    file.parent.mkdir(parents=True, exist_ok=True)
    write_image(file, chip)
    x1, y1, x2, y2 = (round(v, 2) for v in face.scaled(1 / picture.scale).boxes[0].tolist())
    score = round(float(face.scores[0]), 4)
    return Row(photo.chip, photo.person, photo.side, photo.source, picture.sha256, x1, y1, x2, y2, score, options.cut)


def _largest(picture: Picture, detector: Detector) -> Faces:
    """The largest face of a picture, a table of one row."""
    faces = detector.at_scale(picture.scale).detect(picture.pixels)
    if not len(faces):
        raise InputError(
            f"{printable(picture.source)}: no face found by {detector.name}; try a smaller --min-face, or detect --explain"
        )
    return faces.sorted("size")[:1]


def _cut(pixels: Pixels, face: Faces, options: AlignOptions) -> Pixels:
    if not options.landmarks:
        boxed: Pixels = crop_boxes(pixels, face.boxes, size=options.size, margin=options.margin)[0]
        return boxed
    if face.landmarks is None:
        raise SettingError("this detector finds no landmarks to align by; use one that does (mtcnn), or --margin")
    aligned: Pixels = align(pixels, face.landmarks, ARCFACE_112 * np.float32(options.size / 112), options.size)[0]
    return aligned


def embed_folder(
    source: Path, *, embedder: Embedder, detector: Detector | None = None, options: EmbedOptions = EmbedOptions()
) -> Iterator[Event[Embedded]]:
    """Embed every picture of ``source/[train|test/]Person/``; ``join`` makes one pack of the results.

    A picture of exactly the chip's size is a face that was cut before and is embedded as it is, in batches. From any
    other the detector's largest face is cut; without a detector it is reported.

    Raises:
        InputError: ``source`` holds no folder per person.
        SettingError: ``align_folder`` cut its chips otherwise than the embedder's space asks for: their vectors would
            lie in no space that anything else lives in.
    """
    _check_cut(source, embedder)
    size = embedder.crop(np.zeros((1, 1, 3), np.uint8), Faces.empty()).shape[1]
    photos: list[_Photo] = []
    for side, people in _sides(source).items():
        yield from _problems(people)
        photos += _photos(people, source, side)
    batch: list[tuple[Pixels, int]] = []  # chips that wait, with the index of their photograph

    def done(index: int, vector: NDArray[np.float32]) -> Done[Embedded]:
        photo = photos[index]
        return Done(
            "embed", index + 1, len(photos), _name(photo), Embedded(vector, photo.person, photo.source, photo.side)
        )

    for index, photo in enumerate(photos):
        try:
            picture = read_image(photo.path, options.read)
            if picture.pixels.shape[:2] == (size, size):
                batch.append((picture.pixels, index))
            else:
                yield done(index, _embed_photograph(picture, embedder, detector, size))
        except ITEM_FAULTS as error:
            yield Failed("embed", index + 1, len(photos), _name(photo), str(error))
        if len(batch) >= options.batch_size or (batch and index + 1 == len(photos)):
            vectors = embedder.embed_chips(np.stack([chip for chip, _ in batch]))
            yield from (done(i, vector) for (_, i), vector in zip(batch, vectors, strict=True))
            batch.clear()


def _check_cut(source: Path, embedder: Embedder) -> None:
    """Refuse chips that the manifest says were cut otherwise; chips of unknown origin are taken on trust."""
    wanted = embedder.space.alignment
    found = cut_of(source).removesuffix(" split")
    if found not in {"", wanted}:
        raise SettingError(
            f"{printable(source)} holds faces cut as {found}, but {embedder.space.name} wants {wanted}: cut them so with"
            " align, or embed the photographs themselves"
        )


def _embed_photograph(
    picture: Picture, embedder: Embedder, detector: Detector | None, size: int
) -> NDArray[np.float32]:
    if detector is None:
        width, height = picture.size
        raise ImageError(
            f"{printable(picture.source)}: expected a chip of {size} × {size} pixels, got {width} × {height}; align first,"
            " or give a detector"
        )
    vector: NDArray[np.float32] = embedder.embed(picture.pixels, _largest(picture, detector))[0]
    return vector


def join(results: Sequence[Embedded], space: EmbeddingSpace) -> Embeddings:
    """One pack of all results, ready for ``datasets.packs.write_embeddings``."""
    vectors = np.stack([r.embedding for r in results]) if results else np.zeros((0, space.dimensions), np.float32)
    labels, files, sides = (np.array([getattr(r, name) for r in results], str) for name in ("label", "file", "side"))
    return Embeddings(vectors, labels, files, sides, space)


def chips_pack(source: Path) -> TrainTest:
    """All chips of ``source/[train|test/]Person/`` as the tutorials' ``faces-dataset.npz``; without sides all train.

    Raises:
        InputError: no folder per person, or chips of different size.
    """
    chips: dict[str, list[Pixels]] = {"train": [], "test": []}
    labels: dict[str, list[str]] = {"train": [], "test": []}
    for side, people in _sides(source).items():
        for photo in _photos(people, source):
            chips[side or "train"].append(read_image(photo.path).pixels)
            labels[side or "train"].append(photo.person)
    shapes = {chip.shape for part in chips.values() for chip in part}
    if len(shapes) != 1:
        raise InputError(f"{printable(source)}: expected chips of one size, got {sorted(shapes)}; run align first")
    x, test_x = (np.array(chips[s], np.uint8).reshape(-1, *next(iter(shapes))) for s in _SIDES)
    return TrainTest(x, np.array(labels["train"], str), test_x, np.array(labels["test"], str))


def _keep_apart(source: Path, target: Path) -> None:
    if target.resolve().is_relative_to(source.resolve()):
        raise SettingError(
            f"the target {printable(target)} lies in the source {printable(source)} and would be taken for a person;"
            " choose a folder outside"
        )


def _sides(source: Path) -> dict[str, People]:
    """People below ``source/train`` and ``source/test`` where these are all it holds, else below ``source`` itself."""
    there = [side for side in _SIDES if (source / side).is_dir()]
    folders = (
        {entry.name for entry in source.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
        if there
        else set()
    )
    if not there or folders - set(_SIDES):
        return {"": person_folders(source)}
    return {side: person_folders(source / side) for side in there}


def _photos(
    people: People, root: Path, side: str = "", stems: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> list[_Photo]:
    """Every photograph with a name for its chip; those of one name (a.jpg, a.png, A.png) get different ones.

    Args:
        people: their photographs.
        root: the folder they lie below.
        side: train, test or empty.
        stems: names given by earlier runs, by person and source; they stay, even where the photograph has gone.
    """
    photos = []
    for person, paths in people.photos.items():
        given = stems.get(person, {})
        taken = {stem.casefold() for stem in given.values()}
        for path in paths:
            stem = given.get(path.relative_to(root).as_posix()) or _free_stem(path, taken)
            taken.add(stem.casefold())
            photos.append(_Photo(person, path, root, stem, side))
    return photos


def _free_stem(path: Path, taken: set[str]) -> str:
    """A name for the chip of ``path`` that differs from those ``taken`` by more than upper and lower case."""
    stem = printable(path.stem)
    numbered = (f"{stem}-{n}" for n in itertools.count(2))
    names = itertools.chain([stem, f"{stem}-{path.suffix[1:].lower()}"], numbered)
    return next(name for name in names if name.casefold() not in taken)


def _stems(manifest: Manifest) -> dict[str, dict[str, str]]:
    """The names of the chips that are there, by person and source."""
    stems: dict[str, dict[str, str]] = {}
    for row in manifest.rows.values():
        stems.setdefault(row.person, {})[row.source] = PurePosixPath(row.chip).stem
    return stems


def _is_newer(chip: Path, photograph: Path) -> bool:
    """Whether chip and photograph are there and the chip is not the older one."""
    return chip.is_file() and photograph.is_file() and chip.stat().st_mtime_ns >= photograph.stat().st_mtime_ns


def _problems(people: People) -> Iterator[Failed]:
    """What the search for photographs had to leave out."""
    for index, problem in enumerate(people.problems, 1):
        yield Failed("find", index, len(people.problems), problem.name, problem.reason)


def _name(photo: _Photo) -> str:
    return printable(photo.path)
