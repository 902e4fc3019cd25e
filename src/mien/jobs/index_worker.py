"""What one indexer does: take files, find the faces in them, write them down, until none is left."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import socket
import stat
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mien.core.errors import ImageError
from mien.core.faces import Faces, Picture
from mien.core.library import Claim, Content, FileKind
from mien.core.protocols import Library
from mien.jobs.appearances import Appearances
from mien.jobs.library_scan import Root
from mien.jobs.running import ITEM_FAULTS, insist
from mien.media.images import ReadOptions, decode_image, printable, taken_at
from mien.media.video import VideoFile

__all__ = ["Beat", "Bench", "FileDone", "FileFailed", "IndexPlan", "IndexWork"]

_CHUNK = 2**20
_TRIES = 3
_LOST = {errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT}
"""What reading says when the disk, and not the file, is at fault."""


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What an indexing is about; the same for all its workers.

    Args:
        root: the folder.
        stamp: stands for the settings faces are found with.
        every: seconds between the frames of a video that are searched.
        lease: seconds a file is held without a sign of life.
        batch: files taken at a time.
        run: stands for this run in the names of those who hold its files.
    """

    root: Root
    stamp: str
    every: float = 2.0
    lease: float = 120.0
    batch: int = 4
    run: str = field(default_factory=lambda: secrets.token_hex(4))


@dataclass(frozen=True, slots=True)
class Bench:
    """What a worker works with.

    Args:
        library: where files are taken and results go.
        find: faces with quality and embeddings, in pixels of the original.
        detector: its name.
        read: how photographs are decoded.
        same: the cosine from which two looks in one video are one person; None never joins them.
    """

    library: Library
    find: Callable[[Picture], Faces]
    detector: str
    read: ReadOptions
    same: float | None


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life: nothing was finished."""


@dataclass(frozen=True, slots=True)
class FileDone:
    """A file is in the library.

    Args:
        path: in bytes.
        kind: photograph or video.
        faces: how many were found.
        known: its bytes were in the library already, it was not searched.
    """

    path: bytes
    kind: FileKind
    faces: int
    known: bool = False


@dataclass(frozen=True, slots=True)
class FileFailed:
    """A file that cannot be used.

    Args:
        path: in bytes.
        reason: why.
        gone: it is no longer there.
    """

    path: bytes
    reason: str
    gone: bool = False


Told = Beat | FileDone | FileFailed


@dataclass(frozen=True, slots=True)
class IndexWork:
    """The work of an indexing, as an engine starts it in each worker; picklable if ``bench`` is.

    Args:
        bench: makes what a worker works with, from settings.
        plan: what is indexed.
    """

    bench: Callable[[], AbstractContextManager[Bench]]
    plan: IndexPlan

    def __call__(self, worker: str) -> Generator[Told]:
        """Events until no file waits; when closed, the file at hand goes back.

        Raises:
            MienError: the folder is not there, on this machine; or the database.
        """
        self.plan.root.check()
        holder = f"{socket.gethostname()}:{os.getpid()}:{self.plan.run}:{worker}"[-120:]
        with self.bench() as bench:
            yield Beat()
            try:
                yield from _Worker(bench, self.plan, holder).work()
            finally:
                insist(lambda: bench.library.release(holder))


class _Worker:
    def __init__(self, bench: Bench, plan: IndexPlan, holder: str) -> None:
        self._bench = bench
        self._plan = plan
        self._holder = holder
        self._renewed = time.monotonic()

    def work(self) -> Generator[Told]:
        library, plan = self._bench.library, self._plan
        while True:
            claims = insist(self._claim)
            self._renewed = time.monotonic()
            for claim in claims:
                yield from self._one(claim)
                self._renew()
            if claims:
                continue
            if not library.waiting(plan.root.path):
                return
            yield Beat()  # others hold what is left: it is theirs, unless they end
            time.sleep(0.5)

    def _claim(self) -> list[Claim]:
        plan = self._plan
        return self._bench.library.claim(self._holder, root=plan.root.path, limit=plan.batch, lease=plan.lease)

    def _renew(self) -> None:
        if time.monotonic() - self._renewed > self._plan.lease / 6:
            insist(lambda: self._bench.library.renew(self._holder, lease=self._plan.lease))
            self._renewed = time.monotonic()

    def _one(self, claim: Claim) -> Generator[Told]:
        try:
            yield from self._video(claim) if claim.kind == "video" else self._photo(claim)
        except ITEM_FAULTS as error:
            yield self._failed(claim, str(error))
        except MemoryError:
            yield self._failed(claim, "there is not enough memory to read it")
        except OSError as error:
            yield self._unread(claim, error)

    def _failed(self, claim: Claim, reason: str) -> FileFailed:
        insist(lambda: self._bench.library.fail(claim, reason))
        return FileFailed(claim.path, reason)

    def _unread(self, claim: Claim, error: OSError) -> FileFailed:
        """A file that cannot be opened or read: it is gone, or its disk is, or it may not be."""
        if isinstance(error, FileNotFoundError | NotADirectoryError) or error.errno in _LOST:
            self._plan.root.check()
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            if self._plan.root.names:  # a disk in the folder may be on other machines only: the next look at it tells
                return self._failed(claim, f"{_shown(claim)} is no longer there, or not on {socket.gethostname()}")
            insist(lambda: self._bench.library.fail(claim, "", state="gone"))
            return FileFailed(claim.path, "it is no longer there", gone=True)
        return self._failed(claim, f"cannot read {_shown(claim)}: {(error.strerror or str(error)).lower()}")

    # photographs

    def _photo(self, claim: Claim) -> Generator[Told]:
        data, claim = _read_whole(claim)
        sha256 = hashlib.sha256(data).hexdigest()
        if self._known(claim, sha256):
            yield FileDone(claim.path, "photo", 0, known=True)
            return
        picture = decode_image(data, source=os.fsdecode(claim.path), options=self._bench.read)
        faces = self._bench.find(picture)
        taken = taken_at(data) or _time(claim.modified)
        yield from self._put(claim, Content(sha256, "photo", picture.original_size, faces, taken=taken))

    # videos

    def _video(self, claim: Claim) -> Generator[Told]:
        before = os.stat(claim.path)  # noqa: PTH116 - in bytes
        claim = replace(claim, size=before.st_size, modified=before.st_mtime_ns)
        digest = hashlib.sha256()
        with open(claim.path, "rb") as file:  # noqa: PTH123 - in bytes
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                if file.tell() % (64 * _CHUNK) == 0:
                    self._renew()
                    yield Beat()
        sha256 = digest.hexdigest()
        if self._known(claim, sha256):
            yield FileDone(claim.path, "video", 0, known=True)
            return
        content = yield from self._watched(claim, sha256)
        if not _same(before, os.stat(claim.path)):  # noqa: PTH116 - in bytes
            raise ImageError(f"{_shown(claim)} changed while it was read; index again when it is finished")
        yield from self._put(claim, content)

    def _watched(self, claim: Claim, sha256: str) -> Generator[Told, None, Content]:
        """Search a frame every few seconds; what is one person's, as far as they stay in sight, is one face."""
        seen = Appearances(self._bench.same, gap=2.5 * self._plan.every)
        with VideoFile(os.fsdecode(claim.path), max_megapixels=self._bench.read.max_megapixels) as video:
            duration, at, size = video.duration, 0.0, (0, 0)
            while at < duration:
                try:
                    picture = video.at(at)
                except ImageError:
                    if at == 0.0:
                        raise
                    break  # it ends earlier than it says: what there is counts
                size = picture.size
                seen.add(self._bench.find(picture), at, min(at + self._plan.every, duration))
                at += self._plan.every
                self._renew()
                yield Beat()
            faces, spans = seen.table()
            taken = video.taken or _time(claim.modified)
        return Content(sha256, "video", size, faces, spans, taken, duration)

    # what became of them

    def _known(self, claim: Claim, sha256: str) -> bool:
        return insist(lambda: self._bench.library.known(claim, sha256, self._plan.stamp))

    def _put(self, claim: Claim, content: Content) -> Generator[Told]:
        library, detector = self._bench.library, self._bench.detector
        if insist(lambda: library.put(claim, content, stamp=self._plan.stamp, detector=detector)):
            yield FileDone(claim.path, claim.kind, len(content.faces))


def _read_whole(claim: Claim) -> tuple[bytes, Claim]:
    """The bytes of a file, all of one state of it, and the claim with the size and time they have.

    Raises:
        ImageError: it is no regular file, or changes all the time.
        OSError: it cannot be read.
    """
    for _ in range(_TRIES):
        with open(claim.path, "rb") as file:  # noqa: PTH123 - in bytes
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise ImageError(f"cannot read {_shown(claim)}: it is not a regular file")
            data = file.read()
            after = os.fstat(file.fileno())
        if _same(before, after) and len(data) == after.st_size:
            return data, replace(claim, size=after.st_size, modified=after.st_mtime_ns)
        time.sleep(0.2)
    raise ImageError(f"{_shown(claim)} changes while it is read; index again when it is finished")


def _same(a: os.stat_result, b: os.stat_result) -> bool:
    return (a.st_size, a.st_mtime_ns, a.st_ino) == (b.st_size, b.st_mtime_ns, b.st_ino)


def _shown(claim: Claim) -> str:
    return printable(os.fsdecode(claim.path))


def _time(modified: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(modified / 1e9, UTC)
    except (OverflowError, ValueError, OSError):  # a file system that claims the year 30000
        return None
