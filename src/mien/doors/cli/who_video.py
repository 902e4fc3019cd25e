"""``mien who clip.mp4``: the people in videos and when they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import ImageError, InputError, SettingError
from mien.doors.cli.command import Exit, Session
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.jobs.follow import SightingList, Span
    from mien.media.video_writer import VideoWriter

__all__ = ["COLUMNS", "are_videos", "who_in_videos"]

COLUMNS = ("video", "from", "to", "decision", "name", "similarity", "tracks", "frames", "why")


def are_videos(paths: Sequence[str]) -> bool:
    """Whether videos are meant.

    Raises:
        SettingError: photographs and videos at once.
    """
    from mien.media.video import is_video

    videos = [is_video(path) for path in paths]
    if any(videos) and not all(videos):
        raise SettingError("photographs and videos give different tables; ask for each in a run of its own")
    return any(videos)


def who_in_videos(session: Session, paths: Sequence[str], *, draw: Path | None, srt: Path | None) -> int | None:
    """Follow the faces of each video and print who was seen from when to when; the exit code, None for the session's."""
    from mien.jobs.follow import subtitles
    from mien.media.images import write_whole

    _check_targets(paths, draw, srt)
    rows: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    for path in paths:
        if session.interrupted:
            break
        name, failed = shown(path), session.failed
        spans = _followed(session, path, draw)
        rows += [_row(name, span) for span in spans]
        data.append({"video": name, "whole": session.failed == failed, "spans": [span.to_dict() for span in spans]})
        if srt is not None:
            write_whole(srt, subtitles(spans).encode())
    named = len({row["name"] for row in rows} - {""})
    count = "1 video" if len(data) == 1 else f"{len(data)} videos"
    columns = (*COLUMNS[:5], "class", *COLUMNS[5:]) if session.house.classifiers else COLUMNS
    session.out.table(f"{named} people named in {count}", rows, columns=columns, data=data)
    return Exit.FAILED if session.failed == len(paths) and not rows else None


def _check_targets(paths: Sequence[str], draw: Path | None, srt: Path | None) -> None:
    """Refuse, before any work, files that cannot be written or would take the place of a video."""
    for option, target in (("--draw", draw), ("--srt", srt)):
        if target is None:
            continue
        if len(paths) > 1:
            raise SettingError(f"{option} {shown(target)} is one file for {len(paths)} videos; give one video")
        if any(target.resolve() == Path(path).resolve() for path in paths):
            raise SettingError(f"{option} {shown(target)} would replace the video itself; choose another name")
        if not target.parent.is_dir():
            raise InputError(f"cannot write {shown(target)}: there is no folder {shown(target.parent)}; make it first")


def _followed(session: Session, path: str, draw: Path | None) -> list[Span]:
    """The spans of one video; of one that is damaged, those before the damage."""
    from mien.jobs.follow import SightingList
    from mien.media.video_writer import VideoWriter

    sightings = SightingList()
    try:
        with ExitStack() as stack:
            writer = None if draw is None else stack.enter_context(VideoWriter(draw))
            _follow(session, path, sightings, writer)
    except ImageError as error:
        session.fail(f"mien: {error}")
    return sightings.spans()


def _follow(session: Session, path: str, sightings: SightingList, writer: VideoWriter | None) -> None:
    from mien.jobs.follow import follow
    from mien.media.drawing import draw_faces
    from mien.media.video import VideoFile

    house = session.house
    with VideoFile(path, max_megapixels=house.settings.max_megapixels) as video, session.out.steps() as at:
        for picture, faces in session.each(follow(video, house.follower(), sightings)):
            time = picture.time or 0.0
            at(f"following {shown(path)}, seconds", int(time), int(video.duration))
            if writer is not None:
                writer.write(draw_faces(picture.pixels, faces.scaled(picture.scale)), time)


def _row(name: str, span: Span) -> dict[str, Any]:
    return {
        "video": name,
        "from": span.start,
        "to": span.end,
        "decision": span.match.decision,
        "name": span.who if span.match.decision == "match" else "",
        "class": "; ".join(f"{a.label} {a.probability:.2f}" for a in span.attributes),
        "similarity": span.similarity,
        "tracks": " ".join(map(str, span.track_ids)),
        "frames": span.frames,
        "why": "; ".join(reason.words() for reason in span.match.reasons),
    }
