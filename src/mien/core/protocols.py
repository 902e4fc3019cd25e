"""Every plug of the house on one page. Rooms on the same floor meet here and are joined by ``wiring/bootstrap.py``.

Plugs hold no state between calls and may be shared by threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Match
from mien.core.attendance import (
    Answer,
    Correction,
    Delivered,
    Finding,
    Opening,
    Place,
    Register,
    Session,
    Sighting,
)
from mien.core.faces import Faces, Picture
from mien.core.library import Claim, Content, FaceQuery, FaceTable, FileState, LibraryFace, Seen, SeenCounts
from mien.core.people import Calibration, EmbeddingSpace, Person, Template, Vectors
from mien.core.reasons import Trace

__all__ = [
    "AttendanceLog",
    "Channel",
    "Classifier",
    "Clock",
    "Detector",
    "Embedder",
    "Explainer",
    "Gallery",
    "Identifier",
    "Known",
    "Library",
    "LivenessCheck",
    "Narrowing",
    "Network",
    "Refiner",
    "Sink",
]


class Network(Protocol):
    """Arrays in, arrays out: a loaded model whatever the runtime."""

    def run(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Run one batch ``(n, …)``; every output has n rows, in the order of the model's outputs. n may be 0."""
        ...


class Detector(Protocol):
    """Image in, faces out."""

    @property
    def name(self) -> str:
        """What a user calls it, e.g. ``"mtcnn"``."""
        ...

    def detect(self, image: NDArray[np.uint8]) -> Faces:
        """Faces of one image ``(H, W, 3)`` uint8 RGB, surest first; no face is an empty table.

        Raises:
            ImageError: if ``image`` is no such array.
        """
        ...

    def at_scale(self, scale: float) -> Detector:
        """The same detector for images with ``scale`` pixels per pixel of the original: limits of size shrink along.

        A photograph that was decoded at half size (``Picture.scale`` 0.5) is searched with ``at_scale(0.5)``, so that
        ``min_face`` is in pixels of the original whatever was decoded.
        """
        ...

    def detect_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """One table per image, equal to ``detect`` on each; sizes may differ."""
        ...


@runtime_checkable
class Refiner(Protocol):
    """A detector that can start from boxes instead of searching the whole image."""

    def refine(self, image: NDArray[np.uint8], faces: Faces) -> Faces:
        """Boxes, scores and landmarks found near the given boxes, in their order; those that are no face any more are gone.

        ``track_ids`` stay with their rows; columns that were measured on the former boxes go.
        """
        ...


@runtime_checkable
class Explainer(Protocol):
    """A detector that can say why it let a face go."""

    def explain(self, image: NDArray[np.uint8]) -> Trace:
        """All windows it considered in ``image``, how far each came and why no further."""
        ...


class Embedder(Protocol):
    """Image and faces in, unit vectors out; cuts the crops that its own space asks for."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space of every vector it returns."""
        ...

    @property
    def needs_landmarks(self) -> bool:
        """Whether ``faces`` must carry landmarks."""
        ...

    def crop(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.uint8]:
        """The chips it would embed, ``(n, size, size, 3)`` uint8 RGB."""
        ...

    def embed(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.float32]:
        """``(n, d)`` float32 vectors of unit length, one per face; ``(0, d)`` without faces.

        Raises:
            InputError: if landmarks are needed and missing.
        """
        ...

    def embed_chips(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``(n, d)`` float32 unit vectors of chips ``(n, size, size, 3)`` uint8 RGB that were cut before."""
        ...


class Classifier(Protocol):
    """Image and faces in, probabilities out."""

    @property
    def name(self) -> str:
        """What a user calls it."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """What each column means, e.g. ``("live", "spoof")``."""
        ...

    def classify(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.float32]:
        """``(n, k)`` float32 probabilities, one row per face; ``(0, k)`` without faces."""
        ...


class Known(Protocol):
    """What an identifier reads of a gallery."""

    def vectors(self, space: EmbeddingSpace) -> Vectors:
        """All vectors of ``space`` ``(n, d)``, the index of each one's owner ``(n,)``, and the owners.

        Kept in memory until the ``revision`` changes; the arrays are read-only.

        Raises:
            SpaceMismatchError: the gallery has templates, but none of this space; says how to embed them again.
        """
        ...

    def calibration(self, space: EmbeddingSpace) -> Calibration | None:
        """The user's own calibration for this space, if they made one."""
        ...


@runtime_checkable
class Narrowing(Protocol):
    """A gallery that may be too large to be compared with whole, and then says who can matter."""

    def count(self, space: EmbeddingSpace) -> int:
        """How many vectors of ``space`` there are."""
        ...

    def near(self, space: EmbeddingSpace, queries: NDArray[np.float32], *, people: int, floor: float) -> Vectors | None:
        """Vectors of so many most alike ``people`` per query and of all who reach ``floor``; None: take ``vectors``."""
        ...


class Identifier(Protocol):
    """Faces with embeddings in, decisions out."""

    def identify(self, faces: Faces, among: Known) -> tuple[Match, ...]:
        """One decision per face of one picture; ``faces`` carry embeddings and their space. One identity at most once."""
        ...


class Gallery(Known, Protocol):
    """The people that are known. Every write is one transaction; reads see only committed ones."""

    def people(self) -> list[Person]:
        """Everybody, ordered by name; ``templates`` counts those of any space."""
        ...

    def person(self, who: str) -> Person:
        """The person with this id, this name or a former id (merged people leave a pointer).

        Raises:
            NotFoundError: naming close names.
        """
        ...

    def add(self, name: str, templates: Sequence[Template]) -> tuple[Person, list[Template]]:
        """Templates for the person of this name, who is created if need be: all of them or none.

        Raises:
            DuplicateError: a photograph and box that the person already has in that space.
        """
        ...

    def templates(self, who: str | None = None, space: EmbeddingSpace | None = None) -> list[Template]:
        """Templates of one person or of everybody, of one space or of all, oldest first."""
        ...

    def find_photo(self, sha256: str, space: EmbeddingSpace) -> list[tuple[Person, Template]]:
        """Templates of ``space`` enrolled from a photograph with this digest."""
        ...

    def revision(self) -> int:
        """A number that grows with every committed change, by any process."""
        ...


class Library(Protocol):
    """Files, the faces in them, and who works on which. Every write is one transaction; indexers anywhere may share it."""

    def note(self, seen: Sequence[Seen], *, root: bytes, stamp: str) -> SeenCounts:
        """Compare files found on the disk with what is known, and have those wait that need work."""
        ...

    def paths(self) -> Iterator[list[tuple[int, bytes, str]]]:
        """Every file's row, path and state, page by page."""
        ...

    def mark_gone(self, seqs: Sequence[int]) -> None:
        """Note that files are no longer on the disk; what they held is kept for when it turns up elsewhere."""
        ...

    def claim(self, holder: str, *, root: bytes, limit: int, lease: float) -> list[Claim]:
        """Take up to ``limit`` files that wait below ``root`` and that nobody holds, for ``lease`` seconds."""
        ...

    def renew(self, holder: str, *, lease: float) -> None:
        """Hold what ``holder`` has for another ``lease`` seconds."""
        ...

    def release(self, holder: str, *, crashed: bool = False) -> int:
        """Give back what ``holder`` has; how many files. A file that several holders ended over fails."""
        ...

    def holders(self, root: bytes) -> list[str]:
        """Who holds files below ``root``, or held them when it ended."""
        ...

    def waiting(self, root: bytes) -> int:
        """How many files below ``root`` wait, in whoever's hands."""
        ...

    def known(self, claim: Claim, sha256: str, stamp: str) -> bool:
        """Settle a claim without work if these bytes were searched with these settings before."""
        ...

    def put(self, claim: Claim, content: Content, *, stamp: str, detector: str) -> bool:
        """Write what a file holds and give it back; False, and nothing written, if somebody else has it by now."""
        ...

    def fail(self, claim: Claim, reason: str, *, state: FileState = "failed") -> bool:
        """Note why a file could not be used and give it back; False if somebody else has it by now."""
        ...

    def faces(self, space: EmbeddingSpace, query: FaceQuery | None = None) -> Iterator[FaceTable]:
        """Faces of pictures that are there, page by page, all of one picture together."""
        ...

    def with_paths(self, faces: Sequence[LibraryFace]) -> list[LibraryFace]:
        """The faces with the files that hold them."""
        ...


class AttendanceLog(Protocol):
    """Sessions, rosters, and what was seen and said: only ever added to. Every write is one transaction."""

    def sessions(self) -> list[Session]:
        """Every session, in the order in which they were added."""
        ...

    def roster(self, session_id: str) -> list[Place]:
        """Who should come, and those who no longer should, ordered by name."""
        ...

    def openings(self, session_id: str) -> list[Opening]:
        """What was opened and closed by hand, in the order in which it was."""
        ...

    def append(self, sightings: Sequence[Sighting], *, crops: Mapping[str, bytes] | None = None) -> int:
        """Write sightings, all or none; how many were new: an id that is there already is passed over.

        Args:
            sightings: what was seen.
            crops: JPEG by the sighting's id: kept as evidence if everybody it may show allows it, else forgotten.

        Raises:
            NotFoundError: a person who is not in the gallery (any more).
        """
        ...

    def sightings(self, since: datetime, until: datetime) -> list[Sighting]:
        """Those seen between two moments, in the order in which they came in."""
        ...

    def answers(self) -> list[Answer]:
        """Who ambiguous sightings were, in the order in which it was said."""
        ...

    def corrections(self, session_id: str) -> list[Correction]:
        """Marks made by hand, in the order in which they were made."""
        ...


class Sink(Protocol):
    """Where a register is written to. Writing the same register again changes nothing."""

    @property
    def name(self) -> str:
        """What a user calls the place, e.g. the file's name."""
        ...

    def write(self, register: Register) -> None:
        """Put the register there, all of it or nothing.

        Raises:
            MienError: it cannot be written; says why and what to do.
        """
        ...


class Channel(Protocol):
    """A place outside that is kept up to date entry by entry, and that others may write in too."""

    @property
    def name(self) -> str:
        """What a user calls the place."""
        ...

    def deliver(
        self, register: Register, put: Mapping[str, str], withdrawn: Collection[str] = ()
    ) -> Iterator[Delivered]:
        """Bring the place up to date; yields after each request what it has settled, for the caller to remember.

        What stands there is read first and compared three ways: what we had put, what is found, what the register
        says. What somebody else changed is left and reported as an ``Edit``. Doing it again after a loss of ``put``
        changes nothing there: an item that stands there already as wanted counts as put.

        Args:
            register: what should stand there.
            put: value by key of what we had put there, as ``Delivered.put`` gave it. The key of a person's item ends with
                a slash and their id; one that begins with ``~`` is a note of the channel's own.
            withdrawn: ids of people who were removed: whatever of ``put`` belongs to them goes from the place.

        Raises:
            DeliveryError: the place does not take it; what was yielded before is done.
        """
        ...

    def check(self) -> list[Finding]:
        """Look at everything that delivery needs, in the order in which a user sets it up; stops where nothing more
        can be told. Writes nothing.
        """
        ...


class LivenessCheck(Protocol):
    """Tells living faces from pictures of faces, in one stream; belongs to that stream."""

    def check(self, picture: Picture, faces: Faces) -> Faces:
        """The faces of the next frame, as ``Follower.follow`` gives them, with ``liveness``, NaN where nothing is known
        yet; the match of one that is no living face becomes ``spoof`` and keeps its candidates and reasons.
        """
        ...

    def instruction(self, track_id: int) -> str:
        """What the person on this track is to do now, e.g. ``"look straight into the camera"``; empty for nothing."""
        ...


class Clock(Protocol):
    """The time, so that tests can give their own."""

    def now(self) -> datetime:
        """An aware datetime."""
        ...
