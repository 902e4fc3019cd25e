"""What the commands that train share: a bar per stage, a line per epoch, Ctrl-C that loses nothing."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mien.doors.cli.command import Session
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.training.fitting import EpochDone
    from mien.training.progress import Event

__all__ = ["run_recipe"]

Result = TypeVar("Result")


def run_recipe(session: Session, recipe: Generator[Event, None, Result], out: Path) -> Result | None:
    """What the recipe returns; None if it was interrupted."""
    from mien.training.progress import Progress

    done: list[Result] = []
    stage = ""

    def events() -> Any:
        done.append((yield from recipe))

    with session.out.steps() as at:
        for event in session.each(events()):
            if isinstance(event, Progress):
                stage = event.stage
                at(stage, event.index, event.total)
            else:
                session.out.note(_epoch(event, stage))
    if not done:
        session.out.note(f"--resume goes on from the last epoch border in {shown(out)}")
    return done[0] if done else None


def _epoch(event: EpochDone, stage: str) -> str:
    """One line, e.g. ``epoch 3 of 60: loss 0.512, validation 0.498, accuracy 0.770 (best so far)``; the network before it."""
    line = event.epoch
    best = " (best so far)" if event.best == line.number else ""
    accuracy = "" if line.val_accuracy is None else f", accuracy {line.val_accuracy:.3f}"
    which = stage.removeprefix("learn ") + " " if stage.startswith("learn ") else ""
    return f"{which}epoch {line.number} of {event.epochs}: loss {line.loss:.4f}, validation {line.val_loss:.4f}{accuracy}{best}"
