"""What every long job shares: one item after the other, a bad one is reported and the rest goes on.

A job is a generator of events. Whoever shows them (a progress bar, a log, a web page) pulls them one by one; whoever
stops pulling, or presses Ctrl-C, ends the job between two items: each item is finished or not begun, what was finished
stays, and the next run passes over it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mien.core.errors import InputError, MissingExtraError, StoreAwayError, StoreBusyError

__all__ = ["ITEM_FAULTS", "Done", "Event", "Failed", "Skipped", "insist", "run"]

ITEM_FAULTS = (InputError, MissingExtraError)
"""Errors that concern one item; wrong settings, missing weights or a broken store end the whole job."""

_BUSY = 600.0
"""Seconds that a long job waits for others to leave the store."""
_PAUSE = 0.5

Item = TypeVar("Item")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class _Step:
    """Where a job is.

    Args:
        stage: what is being done, as a progress bar names it, e.g. ``"align"``.
        index: which item this is, from 1.
        total: how many there are in this stage.
        name: the item as the user knows it, printable on one line.
    """

    stage: str
    index: int
    total: int
    name: str


@dataclass(frozen=True, slots=True)
class Done(_Step, Generic[Result_co]):
    """An item is finished and its result is safe."""

    result: Result_co


@dataclass(frozen=True, slots=True)
class Skipped(_Step):
    """An item that an earlier run finished, or that there is nothing to do for."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed(_Step):
    """An item that cannot be used; the others go on."""

    reason: str


Event = Done[Result_co] | Skipped | Failed


def run(
    items: Sequence[Item],
    work: Callable[[Item], Result_co],
    *,
    stage: str,
    name: Callable[[Item], str] = str,
    skip: Callable[[Item], str] = lambda _: "",
) -> Iterator[Event[Result_co]]:
    """Do ``work`` for every item and tell what became of it.

    Args:
        items: in order.
        work: raises one of ``ITEM_FAULTS`` for an item that cannot be used; anything else ends the job.
        stage: said in every event.
        name: how the user knows an item.
        skip: why an item needs no work; empty if it does.
    """
    for index, item in enumerate(items, 1):
        at = (stage, index, len(items), name(item))
        if reason := skip(item):
            yield Skipped(*at, reason)
            continue
        try:
            result = work(item)
        except ITEM_FAULTS as error:
            yield Failed(*at, str(error))
        else:
            yield Done(*at, result)


def insist(change: Callable[[], Result_co], *, patience: float = _BUSY) -> Result_co:
    """What a change of the store returns; while others keep the store busy, it is asked again.

    A store that is away has been waited for already.

    Args:
        change: one transaction.
        patience: seconds.

    Raises:
        StoreBusyError: it is busy for longer than the patience.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return change()
        except StoreAwayError:
            raise
        except StoreBusyError:
            if time.monotonic() > end:
                raise
        time.sleep(_PAUSE)
