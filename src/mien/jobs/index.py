"""Every picture and video of a folder once: what is new or changed is searched, the rest is known.

The work list stands in the database. Whatever ends in the middle, a worker, this process, the machine, what was finished is
kept, and the next run goes on with what is left.
"""

from __future__ import annotations

import functools
import os
import socket
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from mien.core.errors import InputError
from mien.core.library import SeenCounts
from mien.core.protocols import Library
from mien.jobs.engines import Ended, Engine
from mien.jobs.index_worker import FileDone, FileFailed, IndexWork
from mien.jobs.library_scan import Root, find_gone, look
from mien.jobs.running import insist

__all__ = ["Indexed", "Looked", "index", "look_at_disk"]

_PORTION = 500


@dataclass(frozen=True, slots=True)
class Looked:
    """What is on the disk.

    Args:
        counts: files by what they need.
        gone: rows of files that are no longer there.
        problems: folders and files that cannot be looked at, in bytes, with the reason.
    """

    counts: SeenCounts
    gone: tuple[int, ...] = ()
    problems: tuple[tuple[bytes, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Indexed:
    """A step of an indexing: a file is done or cannot be used, a worker ended, or only time went by.

    Args:
        done: how many files this run has settled.
        total: how many there are to settle, as far as is known.
        what: what happened; None for time going by.
    """

    done: int
    total: int
    what: FileDone | FileFailed | Ended | None


def look_at_disk(work: IndexWork, library: Library, *, emptied: bool = False) -> Generator[int, None, Looked]:
    """Compare the disk with the library and have those files wait that need work; yields how many were looked at.

    Args:
        work: what is indexed.
        library: what is known.
        emptied: whether a folder without any file of those that were there may be as it should.

    Raises:
        InputError: the folder had files and has none any more.
        MienError: its disk is gone.
    """
    root = work.plan.root
    _free_dead(library, root)
    problems: list[tuple[bytes, str]] = []
    counts, looked = SeenCounts(), 0
    for portion in look(root, problems):
        counts += library.note(portion, root=root.path, stamp=work.plan.stamp)
        looked += len(portion)
        yield looked
    gone, there = find_gone(root, library)
    root.check()
    if gone and not there and not emptied:
        raise InputError(
            f"{root.shown} held {len(gone)} files and holds none of them now; is its disk there? If they were deleted: --emptied"
        )
    for start in range(0, len(gone), _PORTION):
        library.mark_gone(gone[start : start + _PORTION])
    return Looked(counts, tuple(gone), tuple(problems))


def _free_dead(library: Library, root: Root) -> None:
    """Give back what processes of this machine hold that are no more; others' leases end by themselves."""
    for holder in library.holders(root.path):
        host, _, rest = holder.partition(":")
        pid = rest.partition(":")[0]
        if host == socket.gethostname() and pid.isdigit() and not _alive(int(pid)):
            library.release(holder)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # there signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def index(work: IndexWork, library: Library, engine: Engine) -> Generator[Indexed]:
    """Settle every file that waits; closing the generator stops the workers after the file each is at.

    Args:
        work: what is indexed, and with what.
        library: for looking at the whole; workers open their own.
        engine: where the workers run.

    Raises:
        MienError: the disk is gone, or the database; what was done is kept.
    """
    root = work.plan.root.path
    done, left, asked = 0, library.waiting(root), time.monotonic()
    if not left:
        return
    with closing(engine.run(work)) as events:
        for event in events:
            if isinstance(event, FileDone | FileFailed):
                done += 1
                left -= 1
            if isinstance(event, Ended):
                _free_crashed(library, root, event.worker)
            if time.monotonic() - asked > 2.0:  # another indexer takes its share, or brings more
                left, asked = library.waiting(root), time.monotonic()
            told = event if isinstance(event, FileDone | FileFailed | Ended) else None
            yield Indexed(done, done + max(left, 0), told)


def _free_crashed(library: Library, root: bytes, worker: str) -> None:
    for holder in library.holders(root):
        if holder.endswith(f":{worker}"):
            insist(functools.partial(library.release, holder, crashed=True))
