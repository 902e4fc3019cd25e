"""A video in, who is seen in it from when to when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mien.core.answers import Attribute, Match
from mien.core.faces import Faces, Picture
from mien.core.reasons import Reason
from mien.media.video import Video
from mien.recognition.follower import Follower

__all__ = ["SightingList", "Span", "follow", "subtitles"]


@dataclass(frozen=True, slots=True)
class Span:
    """Somebody seen for a while.

    Args:
        match: the decision on who it was.
        start: when the first frame is shown, seconds.
        end: when the last frame ends.
        similarity: the best cosine with that person; None where nothing was compared.
        track_ids: the tracks that were joined: several, if the person was away for less than the gap that is bridged.
        frames: in how many frames.
        attributes: what classifiers said of the track last.
    """

    match: Match
    start: float
    end: float
    similarity: float | None
    track_ids: tuple[int, ...]
    frames: int
    attributes: tuple[Attribute, ...] = ()

    @property
    def who(self) -> str:
        """The name, or the decision (``"unknown"`` …)."""
        return self.match.name

    def to_dict(self) -> dict[str, Any]:
        """The span for JSON; times in seconds."""
        return {
            "who": self.who if self.match.decision == "match" else None,
            "decision": self.match.decision,
            "person_id": self.match.person_id,
            "from": round(self.start, 3),
            "to": round(self.end, 3),
            "similarity": None if self.similarity is None else round(self.similarity, 4),
            "track_ids": list(self.track_ids),
            "frames": self.frames,
            "match": self.match.to_dict(),
            "attributes": [attribute.to_dict() for attribute in self.attributes],
        }


@dataclass(slots=True)
class _Run:
    """Frames in a row with one track: from when to when, seconds, and how many."""

    start: float
    end: float
    frames: int = 0


@dataclass(slots=True)
class _Sighted:
    """What is known of one track."""

    match: Match
    runs: list[_Run] = field(default_factory=list)
    best: dict[str | None, float] = field(default_factory=dict)  # similarity to each person it was taken for
    attributes: tuple[Attribute, ...] = ()

    @property
    def frames(self) -> int:
        return sum(run.frames for run in self.runs)

    def spans(self, track_id: int) -> Iterator[Span]:
        similarity = self.best.get(self.match.person_id, self.match.similarity)
        shared = self.attributes
        return (Span(self.match, run.start, run.end, similarity, (track_id,), run.frames, shared) for run in self.runs)


class SightingList:
    """Collects the frames of one stream and makes spans of them.

    Args:
        least: tracks of fewer frames are left out: what is a face for one frame seldom is one.
        gap: seconds that somebody may be away within one span.
    """

    def __init__(self, *, least: int = 3, gap: float = 1.0) -> None:
        self._least = least
        self._gap = gap
        self._tracks: dict[int, _Sighted] = {}
        self._shown: tuple[int, ...] = ()  # tracks of the last frame

    def add(self, faces: Faces, time: float) -> None:
        """Note the faces of the next frame, as ``Follower.follow`` gives them."""
        self.end(time)
        ids = [] if faces.track_ids is None else faces.track_ids.tolist()
        told = faces.attributes or ((),) * len(ids)
        for track_id, match, attributes in zip(ids, faces.matches or (), told, strict=True):
            track = self._tracks.setdefault(track_id, _Sighted(match))
            track.match, track.attributes = match, attributes or track.attributes
            if match.similarity is not None:
                person = match.person_id
                track.best[person] = max(track.best.get(person, -1.0), match.similarity)
            if track_id not in self._shown:
                track.runs.append(_Run(time, time))
            track.runs[-1].frames += 1
        self._shown = tuple(ids)

    def end(self, time: float) -> None:
        """Say until when the last frame is shown."""
        for track_id in self._shown:
            run = self._tracks[track_id].runs[-1]
            run.end = max(run.end, time)

    def spans(self) -> list[Span]:
        """Who was seen from when to when, in order of time; strangers one by one.

        The last decision on a track holds for all of it. Of two tracks in one frame that were taken for one person, the
        less like one is unknown.
        """
        kept = {i: track for i, track in self._tracks.items() if track.frames >= self._least}
        people: dict[str, list[Span]] = {}
        for track_id, track in _each_once(kept).items():
            key = track.match.person_id or f"track {track_id}"
            people.setdefault(key, []).extend(track.spans(track_id))
        joined = (span for spans in people.values() for span in self._joined(spans))
        return sorted(joined, key=lambda span: (span.start, span.end, span.track_ids))

    def _joined(self, spans: Sequence[Span]) -> Iterator[Span]:
        """Spans of one person, those that follow each other closely made one."""
        ordered = sorted(spans, key=lambda span: span.start)
        current = ordered[0]
        for span in ordered[1:]:
            if span.start - current.end > self._gap:
                yield current
                current = span
            else:
                current = _join(current, span)
        yield current


def follow(video: Video, follower: Follower, sightings: SightingList) -> Iterator[tuple[Picture, Faces]]:
    """Follow the faces of a video; every frame with its faces, which are in ``sightings`` by then.

    Raises:
        ImageError: the video is damaged or ends early; what came before is in ``sightings``.
    """
    for picture in video.frames():
        faces = follower.follow(picture)
        sightings.add(faces, picture.time or 0.0)
        yield picture, faces
    sightings.end(video.duration)


def subtitles(spans: Sequence[Span]) -> str:
    """The spans as SubRip text (``.srt``): who is seen, while they are."""
    blocks = [
        f"{number}\n{_srt_time(span.start)} --> {_srt_time(span.end)}\n{_srt_who(span)}\n"
        for number, span in enumerate(spans, 1)
    ]
    return "\n".join(blocks)


def _srt_who(span: Span) -> str:
    """A name as it is, a decision in words."""
    return span.who if span.match.decision == "match" else span.who.replace("_", " ")


def _srt_time(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d},{milliseconds % 1000:03d}"


def _join(a: Span, b: Span) -> Span:
    """Two spans of one person as one, with the surer decision, and the attributes of the longer that has some."""
    surer = max(a, b, key=lambda span: span.similarity or -1.0)
    longer = max(a, b, key=lambda span: (bool(span.attributes), span.frames))
    ids = tuple(dict.fromkeys(a.track_ids + b.track_ids))
    end, frames = max(a.end, b.end), a.frames + b.frames
    return Span(surer.match, a.start, end, surer.similarity, ids, frames, longer.attributes)


def _each_once(tracks: dict[int, _Sighted]) -> dict[int, _Sighted]:
    """The tracks, nobody named twice at one time: the track most like a person keeps the name."""
    named: dict[str, list[_Run]] = {}
    settled = dict(tracks)
    for track_id, track in sorted(tracks.items(), key=lambda item: -(item[1].match.similarity or -1.0)):
        person = track.match.person_id
        if person is None:
            continue
        taken = named.setdefault(person, [])
        if any(a.start < b.end and b.start < a.end for a in taken for b in track.runs):
            settled[track_id] = replace(track, match=_refused(track.match))
        else:
            taken.extend(track.runs)
    return settled


def _refused(match: Match) -> Match:
    """The decision on a face whose person is another face of the same frames."""
    text = f"{match.name} is another face of the same frames, more like them"
    reason = Reason("assignment", "identity given once per frame", setting="--no-once", text=text)
    return Match("unknown", match.candidates, match.threshold, match.margin, (*match.reasons, reason))
