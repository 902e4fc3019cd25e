"""Workers on the machines of a Ray cluster.

The cluster is spoken to by a process of its own: Ray writes to the stdout of whoever talks to it, and may end them when the
cluster goes away. Each worker is an actor that works while it is asked for events and holds its files until it is asked
again, so that a run that ends leaves nobody at work. What they share is the database, as everywhere (``engines``).
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from mien.core.errors import MienError, MissingExtraError, SettingError
from mien.jobs.engines import Ended, Finished, Processes, Raised, Work

__all__ = ["OnRay"]

_PORTION = 1.0
"""Seconds of events that a worker hands over at a time."""
_PATIENCE = 20.0
"""Seconds that stopped workers may take to finish what they are at."""
_REACH = 10.0
"""Seconds to wait for the port of a cluster."""
_JOIN = 90.0
"""Seconds that a cluster may take to let us in."""
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""What a client of gRPC, which Ray speaks, says first (RFC 9113, 3.4): the preface, and settings that change nothing."""
_SETTINGS = 4
"""The kind of frame that a server says first; it is the fourth byte."""


class OnRay:
    """Workers on a Ray cluster, one per processor unless fewer or more are asked for.

    A worker that ends without being asked is replaced, on whichever machine has room. One whose machine cannot do the work
    (no folder, no database there) is not, and the others go on.

    Args:
        address: ``HOST:PORT`` of the cluster's head; this machine belongs to the cluster. ``ray://HOST:PORT`` from outside.
        workers: how many; 0 takes one per processor of the cluster.
        most: never more.
        join: seconds that the cluster may take to let us in.

    Raises:
        MissingExtraError: Ray is not installed.
        SettingError: no address, or no cluster is there.
    """

    def __init__(self, address: str, *, workers: int = 0, most: int = sys.maxsize, join: float = _JOIN) -> None:
        if not _installed():
            raise MissingExtraError("clusters", "ray")
        _check_reachable(address)
        self._address = address
        self._workers = workers
        self._most = most
        self._join = join

    def run(self, work: Work) -> Generator[Any]:
        """See ``Engine``; ``None`` among the events is time going by."""
        speaker = Processes(1, patience=2 * _PATIENCE)
        with closing(speaker.run(_Cluster(work, self._address, self._workers, self._most, self._join))) as events:
            yield from events


def _installed() -> bool:
    try:
        return find_spec("ray") is not None
    except ValueError:  # it was made unimportable
        return False


def _check_reachable(address: str) -> None:
    """Ray itself waits for minutes where nobody answers.

    Raises:
        SettingError: it is no address, nobody listens there, or something else does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise SettingError(
            f"--address is {address!r}: expected HOST:PORT of a Ray cluster, as `ray start --head` prints it"
        )
    try:
        greeted = _is_greeted(host.strip("[]"), int(port))
        why = "" if greeted else "something else listens there"
    except (OSError, OverflowError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
    if why:
        raise SettingError(f"no Ray cluster answers at {address} ({why}); start one there: ray start --head")


def _is_greeted(host: str, port: int) -> bool:
    """Whether who listens there speaks gRPC."""
    with socket.create_connection((host, port), timeout=_REACH) as line:
        line.sendall(_GREETING)
        said = line.recv(4)
    return said[3:] == bytes([_SETTINGS])


@dataclass(frozen=True, slots=True)
class _Cluster:
    """All workers of a run as the work of one process, the only one that speaks with the cluster; see ``OnRay``."""

    work: Work
    address: str
    workers: int
    most: int
    join: float

    def __call__(self, name: str) -> Generator[Any]:
        """Events of all workers; when closed, they stop after the file each is at.

        Raises:
            MienError: the cluster does not take us, or no worker is left.
        """
        del name  # each worker has its own
        _hush()
        ray = _connect(self.address, self.join)
        try:
            count = self.workers or int(ray.cluster_resources().get("CPU", 0))
            if not count:
                raise MienError(
                    f"the Ray cluster at {self.address} has no processors; start nodes that have: ray start"
                )
            crew = _Crew(ray, self.work)
            try:
                for _ in range(min(count, self.most)):
                    crew.start()
                while crew.hands:
                    yield None
                    for hand in crew.ready():
                        yield from crew.hear(hand)
            finally:
                crew.stop()
        finally:
            ray.shutdown()


def _hush() -> None:
    """Keep what Ray says of itself off this program's stdout: that is for results."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_SCHEDULER_EVENTS", "0")


def _connect(address: str, patience: float) -> Any:
    """Ray, joined to the cluster; it knows no deadline, so that it is asked in a thread.

    Raises:
        MienError: the cluster does not take us, or not in time.
    """
    import ray

    said: list[BaseException | None] = []

    def join() -> None:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            said.append(None)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told by who waits
            said.append(error)

    asking = threading.Thread(target=join, daemon=True)
    asking.start()
    asking.join(patience)
    error = said[0] if said else TimeoutError(f"it has not let us in for {patience:g} s")
    if error is not None:
        raise MienError(f"the Ray cluster at {address} cannot be joined: {_first_line(error)}") from error
    return ray


@dataclass(eq=False)
class _Hand:
    """A worker as the run sees it."""

    name: str
    actor: Any
    told: Any  # the reference to what it says next
    began: bool = False  # it has said something: what it needs is loaded


class _Crew:
    """The workers of one run."""

    def __init__(self, ray: Any, work: Work) -> None:
        self._ray = ray
        self._work = ray.put(work)
        self._kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Worker)
        self._stillborn = 0
        self.hands: list[_Hand] = []

    def start(self) -> None:
        """One worker more, as soon as a machine has room."""
        name = secrets.token_hex(4)
        actor = self._kind.remote(self._work, name)
        self.hands.append(_Hand(name, actor, actor.tell.remote()))

    def ready(self) -> list[_Hand]:
        """Those that have something to say, or are gone."""
        by_reference = {hand.told: hand for hand in self.hands}
        references = list(by_reference)
        self._ray.wait(references, num_returns=1, timeout=1.0)
        there, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        return [by_reference[reference] for reference in there]

    def hear(self, hand: _Hand) -> Iterator[Any]:
        """What a worker says; one that is gone is replaced."""
        if hand not in self.hands:  # dismissed meanwhile
            return
        try:
            said = self._ray.get(hand.told)
        except self._ray.exceptions.RayError as error:
            yield self._lost(hand, error)
            return
        hand.began = True
        self._stillborn = 0
        for event in said:
            if isinstance(event, Finished):
                self._finish(hand)
            elif isinstance(event, Raised):
                self._dismiss(hand)
                if not self.hands:
                    raise event.error
                yield Ended(hand.name, str(event.error))
            else:
                yield event
        if hand in self.hands:
            hand.told = hand.actor.tell.remote()

    def _finish(self, hand: _Hand) -> None:
        """It found nothing more to do: neither would those that wait for a machine."""
        self.hands.remove(hand)  # the actor ends when nobody knows it any more
        for other in [h for h in self.hands if not h.began]:
            self._dismiss(other)

    def _lost(self, hand: _Hand, error: Exception) -> Ended:
        self._dismiss(hand)
        how = _how(error)
        self._stillborn += not hand.began
        if self._stillborn > 2:
            raise MienError(f"workers on the cluster end before they begin: {how}")
        self.start()
        return Ended(hand.name, how)

    def _dismiss(self, hand: _Hand) -> None:
        self.hands.remove(hand)
        self._ray.kill(hand.actor)

    def stop(self) -> None:
        """Ask all to end, and end those that do not."""
        if not self.hands:
            return
        with suppress(self._ray.exceptions.RayError):
            stopped = [hand.actor.stop.remote() for hand in self.hands if hand.began]
            self._ray.wait(stopped or [self._ray.put(None)], num_returns=len(stopped) or 1, timeout=_PATIENCE)
            for hand in self.hands:
                self._ray.kill(hand.actor)


class _Worker:
    """One worker, an actor on some machine of the cluster.

    Args:
        work: what is to be done.
        name: its name.
    """

    def __init__(self, work: Work, name: str) -> None:
        self._events = work(name)

    def tell(self) -> list[Any]:
        """Work for about a second: what happened meanwhile."""
        told: list[Any] = []
        until = time.monotonic() + _PORTION
        try:
            for event in self._events:
                told.append(event)
                if time.monotonic() > until:
                    return told
            told.append(Finished())
        except MienError as error:
            told.append(Raised(MienError(f"on {socket.gethostname()}: {error}")))
        return told

    def stop(self) -> None:
        """Give back what it holds."""
        self._events.close()


def _how(error: Exception) -> str:
    """Why a worker is no more, in words."""
    said = str(error)
    if "node has died" in said:
        return "its machine does not answer any more"
    if "ActorUnavailable" in type(error).__name__:
        return "it does not answer any more"
    if "OOM" in said and "low on memory" in said:
        return "its machine ran out of memory"
    if "worker process has died" in said:
        return "its process was killed"
    return said.strip().splitlines()[-1].strip()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
