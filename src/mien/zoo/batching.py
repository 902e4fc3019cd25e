"""Runs of many threads joined into one: a ``Network`` around a ``Network``.

Nobody waits for company: while one run is under way the batches of other threads gather, and whoever is next takes all of
them along. Alone, a run is as quick as without. What it brings is in benchmarks/results (service).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Event, Lock, Semaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.protocols import Network

__all__ = ["JoiningNetwork"]

Outputs = tuple[NDArray[np.float32], ...]


@dataclass(eq=False, slots=True)
class _Call:
    """What one thread wants run, and what came of it."""

    batch: NDArray[Any]
    done: Event = field(default_factory=Event)
    outputs: Outputs | None = None
    error: BaseException | None = None

    def result(self) -> Outputs:
        if self.error is not None:
            raise self.error
        if self.outputs is None:
            raise InputError("a joined run gave this call nothing")
        return self.outputs


class JoiningNetwork:
    """Joins what threads want run at the same time, as long as the rows have one shape and type.

    Args:
        network: does the work; every output has a row for each row of the batch.
        rows: at most so many rows in one run; a larger batch of one call is run as it is.
        runs: how many runs may be under way at once.
    """

    def __init__(self, network: Network, *, rows: int = 8, runs: int = 1) -> None:
        if rows < 1 or runs < 1:
            raise InputError(f"rows {rows} and runs {runs} must be 1 or more")
        self.network = network
        self.rows = rows
        self._running = Semaphore(runs)
        self._waiting: deque[_Call] = deque()
        self._lock = Lock()

    def run(self, batch: NDArray[Any]) -> Outputs:
        """Run one batch ``(n, …)``, perhaps with those of other threads; errors as the network's own."""
        call = _Call(batch)
        with self._lock:
            self._waiting.append(call)
        with self._running:
            if not call.done.is_set():
                self._run_some(call)
        return call.result()

    def _run_some(self, mine: _Call) -> None:
        """Run what waits and goes together, ``mine`` among it."""
        calls = self._take(mine)
        if not calls:  # another thread has taken it along and is running it
            mine.done.wait()
            return
        try:
            self._run(calls)
        finally:
            for call in calls:
                call.done.set()

    def _take(self, mine: _Call) -> list[_Call]:
        """``mine`` and others of its shape and type that wait, oldest first; empty if it was taken already."""
        with self._lock:
            if mine not in self._waiting:
                return []
            self._waiting.remove(mine)
            taken, rows = [mine], len(mine.batch)
            for call in tuple(self._waiting):
                like = call.batch.shape[1:] == mine.batch.shape[1:] and call.batch.dtype == mine.batch.dtype
                if like and rows + len(call.batch) <= self.rows:
                    self._waiting.remove(call)
                    taken.append(call)
                    rows += len(call.batch)
            return taken

    def _run(self, calls: list[_Call]) -> None:
        try:
            outputs = self.network.run(calls[0].batch if len(calls) == 1 else np.concatenate([c.batch for c in calls]))
        except Exception as error:  # noqa: BLE001 - each thread must see what its own batch brings about
            if len(calls) == 1:
                calls[0].error = error
                return
            for call in calls:  # one of them is to blame: the others must not suffer
                self._run([call])
            return
        first = 0
        for call in calls:
            last = first + len(call.batch)
            call.outputs = tuple(output[first:last] for output in outputs)
            first = last
