"""Photographs and videos for publishing: faces made unrecognisable, all of them, all but the known, or only some people's.

Where there is doubt a face is hidden: somebody is kept only by a sure name, and in videos what was seen a moment before or
after is hidden in between too.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Match
from mien.core.errors import ImageError
from mien.core.faces import Faces, Picture
from mien.core.geometry import iou
from mien.jobs.running import Event, run
from mien.media.hiding import Style, hide, write_published
from mien.media.images import ReadOptions, decode_image, printable
from mien.media.video import VideoFile, is_video
from mien.media.video_writer import VideoWriter

__all__ = ["BlurOptions", "Blurred", "Finders", "blur", "hidden"]

_AROUND = 8
"""Frames before and after one whose faces are hidden in it too."""
_OVERLAPS = 0.2
"""Intersection over union from which boxes of neighbouring frames are one face."""
_WRITTEN_AS = {".jpg": ".jpg", ".jpeg": ".jpeg", ".png": ".png", ".webp": ".webp"}

Finder = Callable[[Picture], Faces]


@dataclass(frozen=True, slots=True)
class BlurOptions:
    """What is hidden, and how.

    Args:
        only: ids of the people who are hidden; None hides everybody but ``keep``.
        keep: ids of the people who are not hidden; ``everybody_known`` keeps all that are named.
        everybody_known: whether whoever is named is kept.
        style: see ``media.hiding``.
        margin: how far a box grows before it is hidden, as a share of it.
        strip: leave time, camera and place out of photographs.
        max_megapixels: larger pictures are refused.
    """

    only: frozenset[str] | None = None
    keep: frozenset[str] = frozenset()
    everybody_known: bool = False
    style: Style = "mosaic"
    margin: float = 0.1
    strip: bool = False
    max_megapixels: float = 100.0


@dataclass(frozen=True, slots=True)
class Finders:
    """Who finds the faces, in pixels of the original, with matches where people are told apart.

    Args:
        photo: of photographs.
        video: makes one for a video, which gets its frames in order.
    """

    photo: Finder
    video: Callable[[], Finder]


@dataclass(frozen=True, slots=True)
class Blurred:
    """A file that was written.

    Args:
        target: where.
        hidden: faces hidden; of a video, in how many frames any was.
        kept: faces that were kept, likewise.
    """

    target: Path
    hidden: int
    kept: int


def blur(files: list[tuple[Path, Path]], finders: Finders, options: BlurOptions) -> Generator[Event[Blurred]]:
    """Write each file again with its faces hidden.

    Args:
        files: source and target; the target's ending may become one that is written.
        finders: who finds the faces.
        options: what is hidden, and how.
    """

    def work(pair: tuple[Path, Path]) -> Blurred:
        source, target = pair
        return (
            _video(source, target, finders, options) if is_video(source) else _photo(source, target, finders, options)
        )

    yield from run(files, work, stage="hiding faces", name=lambda pair: printable(pair[0]))


def hidden(faces: Faces, options: BlurOptions) -> NDArray[np.bool_]:
    """Which faces are hidden, ``(n,)``.

    Of everybody but some: all that are not surely one of them. Of some people only: who is, or may be, one of them.
    """
    if faces.matches is None:
        return np.ones(len(faces), bool)
    if options.only is not None:
        return np.array([bool(_may_be(match) & options.only) for match in faces.matches], bool)
    return np.array([not _is_kept(match, options) for match in faces.matches], bool)


def _is_kept(match: Match, options: BlurOptions) -> bool:
    return match.person_id is not None and (options.everybody_known or match.person_id in options.keep)


def _may_be(match: Match) -> set[str]:
    """Ids of the people a face may be: those that reach the threshold, whatever was decided."""
    return {c.person_id for c in match.candidates if c.similarity >= match.threshold}


def _photo(source: Path, target: Path, finders: Finders, options: BlurOptions) -> Blurred:
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {printable(source)}: {(error.strerror or str(error)).lower()}") from error
    picture = decode_image(data, source=os.fspath(source), options=ReadOptions(options.max_megapixels))
    faces = finders.photo(picture)
    which = hidden(faces, options)
    target = target.with_suffix(_WRITTEN_AS.get(target.suffix.lower(), ".jpg"))
    pixels = hide(picture.pixels, _grown(faces.boxes[which], options), options.style)
    write_published(target, pixels, data, strip=options.strip)
    return Blurred(target, int(which.sum()), int((~which).sum()))


def _grown(boxes: NDArray[np.float32], options: BlurOptions) -> NDArray[np.float32]:
    sides = boxes[:, 2:] - boxes[:, :2]
    grow = sides * np.float32(options.margin)
    return np.concatenate([boxes[:, :2] - grow, boxes[:, 2:] + grow], axis=1)


@dataclass(frozen=True, slots=True)
class _Frame:
    picture: Picture
    hide: NDArray[np.float32]
    keep: NDArray[np.float32]


def _video(source: Path, target: Path, finders: Finders, options: BlurOptions) -> Blurred:
    target = target.with_suffix(".mp4")
    target.parent.mkdir(parents=True, exist_ok=True)
    frames_hidden = frames_kept = 0
    with (
        VideoFile(source, max_megapixels=options.max_megapixels) as video,
        VideoWriter(target) as writer,
        closing(_surrounded(video.frames(), finders.video(), options)) as frames,
    ):
        for frame, boxes in frames:
            frames_hidden += bool(len(boxes))
            frames_kept += bool(len(frame.keep))
            pixels = hide(frame.picture.pixels, _grown(boxes, options), options.style)
            writer.write(pixels, frame.picture.time)
    return Blurred(target, frames_hidden, frames_kept)


def _surrounded(
    pictures: Iterator[Picture], find: Finder, options: BlurOptions
) -> Generator[tuple[_Frame, NDArray[np.float32]]]:
    """Each frame with the boxes to hide in it: its own, and those of frames around it that none of its own covers."""
    around: deque[_Frame] = deque()
    at = 0  # the place in ``around`` of the next frame to be given
    for picture in pictures:
        faces = find(picture)
        which = hidden(faces, options)
        around.append(_Frame(picture, faces.boxes[which], faces.boxes[~which]))
        if len(around) - at > _AROUND:
            yield around[at], _boxes(around, at)
            at += 1
            if at > _AROUND:
                around.popleft()
                at -= 1
    while at < len(around):
        yield around[at], _boxes(around, at)
        at += 1


def _boxes(around: deque[_Frame], at: int) -> NDArray[np.float32]:
    """What is hidden in one frame; of its neighbours' faces, the nearest in time first, those it does not show itself."""
    frame = around[at]
    boxes = frame.hide
    order = sorted((i for i in range(len(around)) if i != at and abs(i - at) <= _AROUND), key=lambda i: abs(i - at))
    for i in order:
        others = around[i].hide
        if not len(others):
            continue
        covered = np.concatenate([boxes, frame.keep])
        fresh = others if not len(covered) else others[iou(others, covered).max(axis=1) < _OVERLAPS]
        boxes = np.concatenate([boxes, fresh])
    return boxes
