"""Where a recipe is: what it tells whoever shows it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from mien.training.fitting import EpochDone, Fitted, Step

__all__ = ["Event", "Progress", "fitted", "telling"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a recipe is.

    Args:
        stage: as a progress bar names it.
        index: how many are done.
        total: of how many.
    """

    stage: str
    index: int
    total: int


Event = Progress | EpochDone


def telling(stage: str, work: Generator[tuple[int, int], None, Result]) -> Generator[Event, None, Result]:
    """``work`` with what it yields said as progress of ``stage``; returns what it returns."""
    while True:
        try:
            index, total = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Progress(stage, index, total)


def fitted(stage: str, work: Generator[Step | EpochDone, None, Fitted]) -> Generator[Event, None, Fitted]:
    """``work`` with its steps said as progress; returns what it returns."""
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            result: Fitted = end.value
            return result
        yield Progress(f"{stage} {event.epoch}", event.index, event.total) if isinstance(event, Step) else event
