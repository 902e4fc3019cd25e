"""Several processes that share one socket: started, replaced when they die, ended together.

Our own in place of uvicorn's supervisor: that one asks its processes in turn whether they live and waits for the answer, also
of one that has just died; here the system tells at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.process import parent_process

import uvicorn

from mien.core.errors import MienError

__all__ = ["keep_serving"]

_AGAIN_AFTER = 0.5
"""Seconds between looks, and before a process that died is replaced: one that dies at once must not fill the machine."""

_CANNOT_START = 3
"""uvicorn's exit code for an application that does not start: it would not the next time either."""


def keep_serving(config: uvicorn.Config, listening: socket.socket, count: int) -> None:
    """Keep ``count`` processes serving until SIGINT or SIGTERM; what they took is finished first.

    Raises:
        MienError: they cannot start; the log says why.
    """
    ended = threading.Event()
    before = {s: signal.signal(s, lambda *_: ended.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    context = multiprocessing.get_context("spawn")  # never forked: threads and networks do not survive that

    def start() -> SpawnProcess:
        process = context.Process(target=_serve, args=(config, listening), name="mien-serve")
        process.start()
        return process

    processes = [start() for _ in range(count)]
    try:
        _watch(processes, start, ended)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(processes: list[SpawnProcess], start: Callable[[], SpawnProcess], ended: threading.Event) -> None:
    """Replace processes that die, until it is ended."""
    while not ended.is_set():
        wait([process.sentinel for process in processes], _AGAIN_AFTER)
        for place, process in enumerate(processes):
            if process.is_alive() or ended.is_set():
                continue
            if process.exitcode == _CANNOT_START:
                raise MienError("the service cannot start; what stands above says why")
            ended.wait(_AGAIN_AFTER)
            processes[place] = start()


def _serve(config: uvicorn.Config, listening: socket.socket) -> None:
    """What one process does."""
    config.configure_logging()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:  # Ctrl-C reaches every process of the terminal; uvicorn has ended gracefully by now
        return


def _end_with_parent() -> None:
    """A process whose parent was killed ends too."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
