"""One bounded queue to a fixed number of working threads; what is too much is refused at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from mien.doors.service.problems import ProblemError

__all__ = ["ClientGoneError", "Work"]

Result = TypeVar("Result")


class ClientGoneError(Exception):
    """Whoever asked has hung up; nobody waits for the answer."""


class Work:
    """Pictures are worked on here, a few at once, the others wait in line. Belongs to one event loop.

    Args:
        workers: threads.
        waiting: how many tasks may wait.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self.workers = workers
        self.most = workers + waiting
        self.taken = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="mien-serve")

    @property
    def waiting(self) -> int:
        """How many tasks wait in line now."""
        return max(0, self.taken - self.workers)

    def must_have_room(self) -> None:
        """Refuse at once what could not even wait.

        Raises:
            ProblemError: ``busy``.
        """
        if self.taken >= self.most:
            raise ProblemError("busy", f"{self.taken} pictures are worked on or wait already")

    async def run(self, task: Callable[[], Result], gone: Awaitable[None] | None = None) -> Result:
        """The result of ``task``, run in one of the threads in its turn.

        Args:
            task: what to do.
            gone: done when whoever asked has hung up: a task that has not begun is then dropped.

        Raises:
            ProblemError: ``busy``, at once.
            ClientGoneError: whoever asked has hung up before it began.
        """
        self.must_have_room()
        self.taken += 1
        loop = asyncio.get_running_loop()
        future = self._pool.submit(task)
        future.add_done_callback(lambda _: _tell(loop, self._left))
        if gone is None:
            return await asyncio.wrap_future(future)
        return await _unless_gone(future, gone)

    def _left(self) -> None:
        self.taken -= 1

    def close(self) -> None:
        """Finish what was taken; nothing more is taken."""
        self._pool.shutdown(wait=True)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    """Call back in the loop's thread, unless the loop has ended meanwhile."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(what)


async def _unless_gone(future: Future[Result], gone: Awaitable[None]) -> Result:
    """The future's result; if ``gone`` comes first and it has not begun, it never will."""
    watch: asyncio.Future[None] = asyncio.ensure_future(gone)
    waiting = asyncio.wrap_future(future)
    try:
        both: set[asyncio.Future[Any]] = {watch, waiting}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done() and future.cancel():
            raise ClientGoneError
        return await waiting
    finally:
        watch.cancel()
