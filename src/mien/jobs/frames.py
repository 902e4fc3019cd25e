"""Videos of people become a folder of still frames per person, with a manifest that says which frame is whose and when."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from mien.core.errors import ImageError, MissingExtraError, SettingError
from mien.core.faces import Picture
from mien.core.protocols import Detector
from mien.datasets.videos import person_videos
from mien.jobs.frame_manifest import FrameManifest, FrameRow
from mien.jobs.running import Event, Skipped, run
from mien.media.images import printable, write_image
from mien.media.video import VideoFile
from mien.recognition.quality import QualityLimits, measure

__all__ = ["FrameOptions", "UsableFace", "take_frames"]

_LONGEST = 7 * 86_400.0  # seconds: what claims to be longer is damaged
_OTHER_PLAN = (
    "keeps the frames it has, which were spread over other videos of this person; remove them and their rows in the"
    " manifest to spread anew"
)
_TRIES = (0.0, 0.25, 0.4, -0.25, -0.4)
"""Where in its stretch of video a usable frame is looked for: shares of the stretch, from the middle."""


@dataclass(frozen=True, slots=True)
class FrameOptions:
    """Where in the videos frames are taken; give exactly one of the first three.

    Args:
        per_person: so many, evenly spread over all videos of a person.
        per_video: so many, evenly spread over each video.
        every: seconds from one frame to the next, from the start of each video.
        max_megapixels: videos with larger frames are refused.

    Raises:
        SettingError: none or several are given, or one that is not above 0.
    """

    per_person: int | None = None
    per_video: int | None = None
    every: float | None = None
    max_megapixels: float = 100.0

    def __post_init__(self) -> None:
        given = [v for v in (self.per_person, self.per_video, self.every) if v is not None]
        if len(given) != 1:
            raise SettingError("choose one of --per-person, --per-video and --every")
        if given[0] <= 0:
            raise SettingError(f"expected a number of frames, or seconds, above 0, got {given[0]}")

    @property
    def words(self) -> str:
        """The choice in words, as the manifest keeps it."""
        if self.every is not None:
            return f"every {self.every:g} s"
        return f"{self.per_video} per video" if self.per_person is None else f"{self.per_person} per person"


@dataclass(frozen=True, slots=True)
class UsableFace:
    """Whether a picture has a face that is good enough to be learnt.

    Args:
        detector: finds the faces.
        limits: what one of them must reach.
    """

    detector: Detector
    limits: QualityLimits

    def __call__(self, picture: Picture) -> bool:
        """Whether any face passes every limit."""
        faces = self.detector.at_scale(picture.scale).detect(picture.pixels)
        return any(q.usable for q in measure(picture, faces, limits=self.limits).quality or ())


class _Clip(NamedTuple):
    """One video that can be read."""

    person: str
    path: Path
    video: str
    duration: float


class _Place(NamedTuple):
    """Where a frame is wanted: ``time`` in the middle of a stretch of ``width`` seconds; frames are named ``stem``@…s."""

    clip: _Clip
    stem: str
    time: float
    width: float


def take_frames(
    source: Path, target: Path, *, options: FrameOptions, usable: Callable[[Picture], bool] | None = None
) -> Iterator[Event[FrameRow | None]]:
    """Take still frames out of the videos of ``source`` into ``target/Person/video@12.480s.jpg``.

    ``datasets.videos`` says whose a video is. Beside the frames stands ``manifest.csv`` (see ``jobs.frame_manifest``);
    it grows with each frame, so that a run that was stopped goes on where it was and a second one does nothing. Videos
    added later get their share; those that were sampled before stay as they are, told by a ``Skipped`` of the stage
    ``"plan"``. Every video is opened first (stage ``"look"``); the results of the stage ``"frames"`` are manifest rows.

    Args:
        usable: what a frame must be; if it is not, four others of its stretch are tried, then none is taken.

    Raises:
        InputError: ``source`` holds no video, or ``target`` cannot be written to.
        SettingError: ``target`` holds frames chosen otherwise; no reader of videos is installed.
    """
    clips: list[_Clip] = []

    def look(owned: tuple[str, Path]) -> None:
        clips.append(_look(*owned, source, options))

    videos = [(person, path) for person, paths in person_videos(source).items() for path in paths]
    yield from run(videos, look, stage="look", name=lambda owned: printable(owned[1]))
    with FrameManifest(target, options.words + (" with a face" if usable else "")) as manifest:
        places = _places(clips, options)
        kept = _sampled_otherwise(places, manifest)
        for index, video in enumerate(kept, 1):
            yield Skipped("plan", index, len(kept), printable(video), _OTHER_PLAN)
        places = [place for place in places if place.clip.video not in kept]
        with _Taker(target, manifest, usable) as taker:
            yield from run(places, taker.take, stage="frames", name=_name, skip=taker.reason_to_skip)


def _look(person: str, path: Path, source: Path, options: FrameOptions) -> _Clip:
    """Open a video and ask how long it is."""
    try:
        with VideoFile(path, max_megapixels=options.max_megapixels) as video:
            video.at(0.0)
            if video.duration > _LONGEST:
                raise ImageError(
                    f"cannot read {printable(path)}: it claims {video.duration / 3600:.0f} hours; damaged?"
                )
            below = path.relative_to(source) if path != source else Path(path.name)
            return _Clip(person, path, below.as_posix(), video.duration)
    except MissingExtraError as error:  # no video can be read: said once
        raise SettingError(str(error)) from error


def _places(clips: Sequence[_Clip], options: FrameOptions) -> list[_Place]:
    """Every place where a frame is wanted, by person and video, in rising order of time."""
    places: list[_Place] = []
    for _, owned in itertools.groupby(clips, key=lambda clip: clip.person):
        clips_of_one = list(owned)
        stems = _stems(clips_of_one)
        for clip, times, width in _spread(clips_of_one, options):
            places.extend(_Place(clip, stems[clip.path], round(t, 3), width) for t in times)
    return places


def _spread(clips: Sequence[_Clip], options: FrameOptions) -> Iterator[tuple[_Clip, list[float], float]]:
    """For each video of one person the times wanted, and how far they lie apart."""
    total = sum(clip.duration for clip in clips)
    before = 0.0
    for clip in clips:
        if options.every is not None:
            yield clip, _steps(0.0, clip.duration, options.every, phase=0.0), options.every
        elif options.per_video is not None:
            width = clip.duration / options.per_video
            yield clip, _steps(0.0, clip.duration, width, phase=0.5), width
        else:  # a person's videos as one, in which this one begins at ``before``
            width = total / (options.per_person or 1)
            yield clip, _steps(before, before + clip.duration, width, phase=0.5), width
        before += clip.duration


def _steps(begin: float, end: float, width: float, *, phase: float) -> list[float]:
    """The times (k + ``phase``) · ``width`` that lie in [begin, end), counted from ``begin``."""
    first, after = (math.ceil(edge / width - phase) for edge in (begin, end))
    return [max((k + phase) * width - begin, 0.0) for k in range(first, after)]


def _stems(clips: Sequence[_Clip]) -> Mapping[Path, str]:
    """A name for the frames of each video of one person; videos of one name get different ones."""
    stems: dict[Path, str] = {}
    for clip in clips:
        stem = printable(clip.path.stem)
        numbered = (f"{stem}-{n}" for n in itertools.count(2))
        stems[clip.path] = next(s for s in itertools.chain([stem], numbered) if s not in stems.values())
    return stems


def _sampled_otherwise(places: Sequence[_Place], manifest: FrameManifest) -> list[str]:
    """Videos whose frames were taken at other places, because their person had other videos then."""
    wanted: dict[str, set[float]] = {}
    for place in places:
        wanted.setdefault(place.clip.video, set()).add(place.time)
    return [video for video, times in wanted.items() if manifest.wanted(video) - times]


class _Taker:
    """Takes frames place by place, with one video open at a time; a context manager.

    Args:
        target: where the folder per person goes.
        manifest: of ``target``.
        usable: what a frame must be; None takes any.
    """

    def __init__(self, target: Path, manifest: FrameManifest, usable: Callable[[Picture], bool] | None) -> None:
        self._target = target
        self._manifest = manifest
        self._usable = usable
        self._video: VideoFile | None = None
        self._broken: set[Path] = set()

    def reason_to_skip(self, place: _Place) -> str:
        """Why there is nothing to do; empty if there is."""
        if place.clip.path in self._broken:
            return "the video cannot be read so far"
        return "is there already" if self._manifest.done(place.clip.video, place.time) else ""

    def take(self, place: _Place) -> FrameRow:
        """Take the frame of one place, if it has one, and remember it.

        Raises:
            ImageError: the video cannot be read there; nothing further is tried with it.
        """
        try:
            row = self._best(place)
        except ImageError:
            self._broken.add(place.clip.path)
            raise
        self._manifest.add(row)
        return row

    def _best(self, place: _Place) -> FrameRow:
        """The first usable frame of a place that no other place has, written; else a row without a file."""
        video = self._opened(place.clip.path)
        clip = place.clip
        for share in _TRIES if self._usable else _TRIES[:1]:
            picture = video.at(min(max(place.time + share * place.width, 0.0), clip.duration))
            time = round(picture.time or 0.0, 3)
            file = f"{clip.person}/{place.stem}@{time:.3f}s.jpg"
            if self._manifest.is_taken(file) or (self._usable and not self._usable(picture)):
                continue
            (self._target / clip.person).mkdir(parents=True, exist_ok=True)
            write_image(self._target / file, picture.pixels)
            return FrameRow(file, clip.person, clip.video, time, place.time, self._manifest.taken)
        return FrameRow("", clip.person, clip.video, place.time, place.time, self._manifest.taken)

    def _opened(self, path: Path) -> VideoFile:
        if self._video is None or self._video.name != str(path):
            self.__exit__()
            self._video = VideoFile(path, max_megapixels=math.inf)  # its size was looked at before
        return self._video

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._video is not None:
            self._video.close()
        self._video = None


def _name(place: _Place) -> str:
    return printable(place.clip.path)
