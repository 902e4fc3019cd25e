"""``mien index``: every picture and video of a folder, searched once."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import DETECTING, Exit, Session, Setting, command
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.core.library import RunCounts
    from mien.jobs.engines import Engine
    from mien.jobs.index import Looked
    from mien.jobs.index_worker import IndexWork

__all__ = ["register"]

_EMBEDDER = (Setting("embedder", str, "facenet, dlib, facenet+dlib, or one you added.", "Naming people"),)
_WORTH_A_PROCESS = 8
"""Files; fewer are done before another process has loaded its networks."""
_SAY_EVERY = 30.0
"""Seconds between lines of progress where there is no terminal to draw a bar on."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "index", DETECTING, _EMBEDDER, panel="Library")(index)


def index(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of photographs and videos.")],
    workers: Annotated[int, typer.Option(min=0, help="Processes that search; 0 takes one per core.")] = 0,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where they run: on this machine, or on a Ray cluster (--address).")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="HOST:PORT of the Ray cluster; the folder is at the same path on its machines.")
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds between the frames of a video that are searched.")
    ] = 2.0,
    forget_gone: Annotated[
        bool,
        typer.Option("--forget-gone", help="Delete the faces of files that are no longer there, with their names."),
    ] = False,
    emptied: Annotated[
        bool, typer.Option("--emptied", help="The folder may be empty now: its disk is there, its files were deleted.")
    ] = False,
) -> int | None:
    """Find the faces in every picture and video of a folder, once; goes on where it was stopped. Then: mien search."""
    from mien.jobs.engines import Here, Processes
    from mien.jobs.index import look_at_disk
    from mien.jobs.index_worker import IndexPlan, IndexWork
    from mien.jobs.library_scan import Root
    from mien.wiring.indexing import BenchMaker, index_stamp, ray_engine

    house = session.house
    if (engine == "ray") != (address is not None):
        raise SettingError("--engine ray and --address HOST:PORT belong together; leave both out for this machine")
    root = Root.at(folder)
    if address is not None:
        ray_engine(house.settings, address)  # what is wrong with it is told before the disk is looked at
        root = root.shared()
    library = house.gallery.library
    plan = IndexPlan(root, index_stamp(house, every), every)
    looked = _look(session, look_at_disk(IndexWork(BenchMaker(house.settings), plan), library, emptied=emptied))
    if not looked.counts.work + looked.counts.known and not looked.gone:
        raise InputError(f"no pictures and no videos in {shown(folder)}")
    most = math.ceil(library.waiting(root.path) / _WORTH_A_PROCESS) or 1
    if address is not None:
        bench = BenchMaker(house.settings, space=house.recognizer.embedder.space.id)
        runs: Engine = ray_engine(house.settings, address, workers=workers, most=most)
    else:
        count = min(workers or os.cpu_count() or 1, most)
        bench = BenchMaker(house.settings, threads=0 if count == 1 else 1)
        runs = Here() if count == 1 else Processes(count)
    tally = _run(session, IndexWork(bench, plan), runs)
    if forget_gone:
        tally.forgotten = library.forget_gone([seq for page in library.paths() for seq, _, _ in page])
    return _tell(session, plan.root.path, looked, tally)


@dataclass
class _Tally:
    """What a run did, as the database has it: what a worker did last before it ended it told nobody."""

    counts: RunCounts
    seconds: float
    forgotten: int = 0

    @property
    def rate(self) -> float:
        """Files searched per second."""
        return self.counts.searched / self.seconds if self.seconds else 0.0


def _look(session: Session, looking: Generator[int, None, Looked]) -> Looked:
    """Go over the disk; how many files were seen is shown meanwhile."""
    with session.out.steps() as at:
        while True:
            try:
                seen = next(looking)
            except StopIteration as end:
                looked: Looked = end.value
                return looked
            at("looking for files", seen, seen)


def _run(session: Session, work: IndexWork, engine: Engine) -> _Tally:
    """Settle what waits, and show how fast it goes and how long it will take."""
    from mien.jobs.engines import Ended
    from mien.jobs.index import index as run

    library, start = session.house.gallery.library, time.monotonic()
    said, told = start, set[str]()
    events = run(work, library, engine)
    with session.out.steps(rate="files") as at:
        for event in session.each(events):
            at("searching", event.done, event.total)
            if isinstance(event.what, Ended):
                if event.what.how not in told:  # of many machines, many may say the same
                    session.out.note(f"a worker ended ({event.what.how}); others go on with its files")
                told.add(event.what.how)
            if not session.out.draws and time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                session.out.note(_progress(event.done, event.total, said - start))
    events.close()
    return _Tally(library.run_counts(work.plan.root.path, work.plan.run), time.monotonic() - start)


def _progress(done: int, total: int, seconds: float) -> str:
    rate = done / seconds
    left = (total - done) / rate if rate else 0.0
    return f"{done:,} of {total:,} files, {rate:.1f} files/s, {_duration(left)} left"


def _duration(seconds: float) -> str:
    """``42 s``, ``7 min``, ``3 h 20 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _tell(session: Session, root: bytes, looked: Looked, tally: _Tally) -> int | None:
    """What was done, what the library holds now, and what cannot be read, with the reason."""
    library = session.house.gallery.library
    counts = library.counts()
    below = os.path.join(root, b"")  # noqa: PTH118 - in bytes
    unread = [(s.path, s.reason) for s in library.status(["failed"]) if s.path.startswith(below)]
    row: dict[str, Any] = {
        "new": looked.counts.new,
        "changed": looked.counts.changed,
        "gone": len(looked.gone),
        "searched": tally.counts.searched,
        "moved or copied": tally.counts.known,
        "unreadable": len(unread) + len(looked.problems),
        "waiting": library.waiting(root),
        "seconds": round(tally.seconds, 1),
        "files/s": round(tally.rate, 2),
    }
    if tally.forgotten:
        row["forgotten"] = tally.forgotten
    failures = [{"file": shown(os.fsdecode(path)), "reason": reason} for path, reason in (*unread, *looked.problems)]
    title = f"{counts.photos:,} photographs, {counts.videos:,} videos and {counts.faces:,} faces in the library"
    held = {"photos": counts.photos, "videos": counts.videos, "faces": counts.faces, "gone": counts.gone}
    session.out.table(title, [row], columns=tuple(row), data={**row, "library": held, "unreadable files": failures})
    for failure in failures:
        named = failure["file"] in failure["reason"]
        session.fail(f"mien: {failure['reason']}" if named else f"mien: {failure['file']}: {failure['reason']}")
    return Exit.FAILED if failures and not counts.photos + counts.videos else None
