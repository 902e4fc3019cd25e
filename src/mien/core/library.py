"""What a library of photographs and videos is made of: files, what is in them, faces, groups of unknown faces."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Quality
from mien.core.faces import Faces
from mien.core.people import EmbeddingSpace

__all__ = [
    "Claim",
    "Content",
    "FaceQuery",
    "FaceTable",
    "FileKind",
    "FileState",
    "FileStatus",
    "LibraryCounts",
    "LibraryFace",
    "RunCounts",
    "Seen",
    "SeenCounts",
]

FileKind = Literal["photo", "video"]
FileState = Literal["waiting", "done", "failed", "gone"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as a look at the disk finds it.

    Args:
        path: absolute, in bytes as the system has it: names need not be Unicode.
        kind: by the ending of its name.
        size: bytes.
        modified: nanoseconds since 1970, as the file system says.
    """

    path: bytes
    kind: FileKind
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class SeenCounts:
    """What a look at the disk found against what was known.

    Args:
        new: files never seen.
        changed: files whose size or time is another, or that were found with other settings.
        known: files that need no work.
        again: files that wait from before, or could not be read before.
    """

    new: int = 0
    changed: int = 0
    known: int = 0
    again: int = 0

    def __add__(self, other: SeenCounts) -> SeenCounts:
        return SeenCounts(
            self.new + other.new, self.changed + other.changed, self.known + other.known, self.again + other.again
        )

    @property
    def work(self) -> int:
        """Files that have to be read."""
        return self.new + self.changed + self.again


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that one worker has taken for itself until its lease ends.

    Args:
        seq: the file's row.
        holder: who took it.
        path, kind, size, modified: as in ``Seen``.
    """

    seq: int
    holder: str
    path: bytes
    kind: FileKind
    size: int
    modified: int


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What was found in a file; kept once however many files hold the same bytes.

    Args:
        sha256: of the bytes, hex.
        kind: photograph or video.
        size: width and height of the original, upright.
        faces: in pixels of the original, with quality and embeddings.
        spans: for each face of a video when it is first seen, until when, and when its box was taken, seconds; None for a
            photograph.
        taken: when, as the file says; aware, None if it does not.
        seconds: how long a video is.
    """

    sha256: str
    kind: FileKind
    size: tuple[int, int]
    faces: Faces
    spans: tuple[tuple[float, float, float], ...] | None = None
    taken: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A file of the library and how it fares.

    Args:
        path: in bytes.
        state: waiting, done, failed or gone.
        reason: why it failed, or is done without a search; empty otherwise.
    """

    path: bytes
    state: FileState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """What the workers of one run have done.

    Args:
        photos: that were searched.
        videos: likewise.
        known: files of both kinds whose bytes had been searched before.
    """

    photos: int
    videos: int
    known: int

    @property
    def searched(self) -> int:
        """Files that were searched."""
        return self.photos + self.videos


@dataclass(frozen=True, slots=True)
class LibraryFace:
    """One face of the library, without its vector.

    Args:
        id: never changes, also when the file is searched again or edited.
        content: row of what the file holds: faces of one photograph share it.
        sha256: of the file's bytes.
        kind: photograph or video.
        box: x1, y1, x2, y2 in pixels of the original.
        score: how sure the detector was.
        quality: what the gate measured; its reasons are those against naming the face.
        span: when it is first seen in a video, until when, and when the box was taken, seconds.
        taken: when the picture was taken, or the file was last changed if it does not say; aware.
        person_id: who people said it is; None if nobody did.
        group_id: the group of unknown faces it belongs to; None for none.
        paths: the files that hold it.
    """

    id: str
    content: int
    sha256: str
    kind: FileKind
    box: tuple[float, float, float, float]
    score: float
    quality: Quality
    span: tuple[float, float, float] | None = None
    taken: datetime | None = None
    person_id: str | None = None
    group_id: str | None = None
    paths: tuple[bytes, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The face for JSON, without its files."""
        return {
            "face": self.id,
            "kind": self.kind,
            "box": [round(v, 1) for v in self.box],
            "confidence": round(self.score, 4),
            "from": None if self.span is None else round(self.span[0], 2),
            "to": None if self.span is None else round(self.span[1], 2),
            "taken": None if self.taken is None else self.taken.isoformat(),
            "group": self.group_id,
        }


@dataclass(frozen=True, slots=True, eq=False)
class FaceTable:
    """Faces of the library with their vectors, whole photographs at a time.

    Args:
        space: of the vectors.
        faces: one record per face.
        vectors: ``(n, d)`` float32 of unit length, in the same order.
        refused: for each face the ids of people who it is not, as people said.
    """

    space: EmbeddingSpace
    faces: tuple[LibraryFace, ...]
    vectors: NDArray[np.float32]
    refused: dict[str, frozenset[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True, slots=True)
class FaceQuery:
    """Which faces are wanted; all conditions must hold.

    Args:
        since: of pictures taken at this time or later.
        until: of pictures taken before.
        person_id: those that people said are this person.
        group_id: those of this group of unknown faces.
        unnamed: those that people gave no name.
        kind: of photographs, or of videos.
    """

    since: datetime | None = None
    until: datetime | None = None
    person_id: str | None = None
    group_id: str | None = None
    unnamed: bool = False
    kind: FileKind | None = None


@dataclass(frozen=True, slots=True)
class LibraryCounts:
    """How much the library holds.

    Args:
        photos: photographs that are on the disk and were searched.
        videos: likewise.
        waiting: files that wait to be searched.
        failed: files that could not be read.
        gone: files that are no longer there.
        faces: faces of what is there.
        named: those that people gave a name.
    """

    photos: int
    videos: int
    waiting: int
    failed: int
    gone: int
    faces: int
    named: int
