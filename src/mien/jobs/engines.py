"""Where the workers of a long job run: in this process, or in processes of their own on this machine (``ray_engine``: on many).

A job hands over one callable that makes an iterator of events; each worker calls it with a name of its own and works until
it finds nothing more to do. What they share is the database, where they claim their work: an engine only starts them, hands
their events on and says when one ended without being asked.
"""

from __future__ import annotations

import multiprocessing
import secrets
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from mien.core.errors import MienError

__all__ = ["Ended", "Engine", "Finished", "Here", "Processes", "Raised", "Work", "portable"]

Work = Callable[[str], Generator[Any]]
"""Makes a worker's events from its name; picklable, holds settings and never sessions. Closing the generator stops the work."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker that ended without being asked: killed, out of memory, or by a fault.

    Args:
        worker: its name.
        how: in words, e.g. ``"signal 9"``.
    """

    worker: str
    how: str


class Engine(Protocol):
    """Runs workers; whoever stops pulling its events stops them."""

    def run(self, work: Work) -> Generator[Any]:
        """The events of all workers as they come, and an ``Ended`` for each that ended without being asked.

        Raises:
            MienError: what a worker raised of our tree; the others are stopped.
        """
        ...


class Here:
    """One worker, in this process."""

    def run(self, work: Work) -> Generator[Any]:
        """See ``Engine``."""
        with closing(work("here")) as events:
            yield from events


class Processes:
    """Workers in processes of their own, spawned, each with what the work needs loaded once.

    A worker that ends without being asked is replaced. Workers end by themselves when this process is gone, however it went.

    Args:
        workers: how many.
        patience: seconds that a stopped worker may take to finish what it is at.
    """

    def __init__(self, workers: int, *, patience: float = 20.0) -> None:
        self._workers = workers
        self._patience = patience

    def run(self, work: Work) -> Generator[Any]:
        """See ``Engine``."""
        crew = _Crew(work)
        try:
            for _ in range(self._workers):
                crew.start()
            while crew.hands:
                for hand in crew.ready():
                    yield from crew.hear(hand)
        finally:
            crew.stop(self._patience)


@dataclass(eq=False)
class _Hand:
    """A worker as its parent sees it."""

    name: str
    process: SpawnProcess
    line: Connection
    began: bool = False  # it has said something: what it needs is loaded


@dataclass(frozen=True, slots=True)
class Finished:
    """A worker found nothing more to do."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A worker met an error of our tree."""

    error: MienError


class _Crew:
    """The workers of one run."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._context = multiprocessing.get_context("spawn")
        self._stillborn = 0
        self.hands: list[_Hand] = []

    def start(self) -> None:
        """One worker more."""
        name = secrets.token_hex(
            4
        )  # of its own among all machines: in containers, process numbers are the same everywhere
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self._work, name, theirs), name=name, daemon=True)
        process.start()
        theirs.close()  # else the line would not break when the worker is gone
        self.hands.append(_Hand(name, process, ours))

    def ready(self) -> list[_Hand]:
        """Those that have something to say, or are gone."""
        lines = {hand.line: hand for hand in self.hands}
        return [lines[line] for line in wait(list(lines), timeout=1.0) if isinstance(line, Connection)]

    def hear(self, hand: _Hand) -> Iterator[Any]:
        """What a worker says; one that is gone is replaced."""
        try:
            said = hand.line.recv()
        except (EOFError, ConnectionError):
            yield self._lost(hand)
            return
        if isinstance(said, Raised):
            raise said.error
        if isinstance(said, Finished):
            self._dismiss(hand)
            return
        hand.began = True
        self._stillborn = 0
        yield said

    def _lost(self, hand: _Hand) -> Ended:
        self._dismiss(hand)
        code = hand.process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._stillborn += not hand.began
        if self._stillborn > 2:
            raise MienError(f"worker processes end before they begin ({how}); fewer may do: --workers 1")
        self.start()
        return Ended(hand.name, how)

    def _dismiss(self, hand: _Hand) -> None:
        self.hands.remove(hand)
        hand.line.close()
        hand.process.join(timeout=10)

    def stop(self, patience: float) -> None:
        """Ask all to end, and end those that do not."""
        for hand in self.hands:
            with suppress(OSError):
                hand.line.send(None)
        for hand in self.hands:
            hand.process.join(timeout=patience)
            if hand.process.is_alive():
                hand.process.terminate()
                hand.process.join(timeout=5)
            hand.line.close()


def _work(work: Work, name: str, line: Connection) -> None:
    """What a worker process does: send events until there are none, it is told to stop, or nobody listens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    try:
        with closing(work(name)) as events:
            for event in events:
                line.send(event)
                if line.poll():  # told to stop, or the parent is gone
                    return
        line.send(Finished())
    except (BrokenPipeError, ConnectionError, EOFError):  # the parent is gone
        return
    except MienError as error:
        with suppress(OSError):
            line.send(Raised(portable(error)))


def portable(error: MienError) -> MienError:
    """The error as one that can be sent to another process: errors with arguments of their own become plain ones."""
    try:
        return type(error)(str(error))
    except TypeError:
        return next(kind(str(error)) for kind in type(error).__mro__[1:] if issubclass(kind, MienError))
