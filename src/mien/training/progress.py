"""Where a recipe is: what it tells whoever shows it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from mien.training.fitting import EpochDone, Fitted, Step

__all__ = ["Event", "Progress", "learning", "telling"]

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


def telling(
    stage: str, work: Generator[tuple[int, int], None, Result], before: int = 0, rounds: int = 1
) -> Generator[Event, None, Result]:
    """``work`` with what it yields said as progress of ``stage``; returns what it returns.

    Args:
        stage: as a progress bar names it.
        work: yields how many are done, of how many.
        before: rounds of as many that were done before.
        rounds: how many there are in all.
    """
    while True:
        try:
            index, total = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Progress(stage, before * total + index, rounds * total)


def learning(stage: str, work: Generator[Step | EpochDone, None, Fitted]) -> Generator[Event, None, Fitted]:
    """``work`` with its steps said as progress of ``stage``, all epochs as one; returns what it returns."""
    while True:
        try:
            event = next(work)
        except StopIteration as end:
            fitted: Fitted = end.value
            return fitted
        if isinstance(event, Step):
            yield Progress(stage, (event.epoch - 1) * event.total + event.index, event.epochs * event.total)
        else:
            yield event
