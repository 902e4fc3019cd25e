"""What a run decides between two epochs, each a function of its history alone: so a resumed run decides the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from mien.core.errors import SettingError

__all__ = ["OPTIMIZERS", "SCHEDULES", "Epoch", "FitOptions", "best_epoch", "rate_after", "stops"]

Optimizer = Literal["adam", "adamw", "rmsprop", "sgd"]
Schedule = Literal["plateau", "cosine", "constant"]
OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)
SCHEDULES: tuple[str, ...] = get_args(Schedule)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of a history.

    Args:
        number: from 1.
        rate: learning rate.
        loss: mean over the training samples while they were learnt.
        val_loss: over the validation samples afterwards.
        accuracy: as ``loss``; None where the task has none.
        val_accuracy: as ``val_loss``.
        active: share of the triplets that were not yet as far apart as they should be; None where there are none.
        seconds: it took, validation and all; no decision looks at it.
    """

    number: int
    rate: float
    loss: float
    val_loss: float
    accuracy: float | None = None
    val_accuracy: float | None = None
    active: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a network is fitted.

    Args:
        epochs: at most so many.
        batch: samples per step.
        optimizer: ``"adam"``, ``"adamw"``, ``"rmsprop"`` or ``"sgd"`` (with Nesterov momentum 0.9).
        rate: learning rate to begin with.
        schedule: ``"plateau"`` halves the rate when validation stops improving, ``"cosine"`` lets it fall to a hundredth
            over all epochs, ``"constant"`` leaves it.
        plateau: epochs without a better validation loss after which the rate is halved.
        patience: epochs without a better validation loss after which the run stops; 0 never stops it.
        seed: for order, random versions, first weights and dropout.
        loss: as Keras names it; empty for a model that computes its own (``compute_loss``).

    Raises:
        SettingError: a value out of range.
    """

    epochs: int = 60
    batch: int = 32
    optimizer: str = "adam"
    rate: float = 1e-3
    schedule: str = "plateau"
    plateau: int = 4
    patience: int = 10
    seed: int = 0
    loss: str = "sparse_categorical_crossentropy"

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.plateau) < 1 or self.patience < 0 or self.seed < 0:
            raise SettingError(
                f"epochs {self.epochs}, batch {self.batch} and plateau {self.plateau} must be 1 or more, patience"
                f" {self.patience} and seed {self.seed} 0 or more"
            )
        if not 0 < self.rate < 10:
            raise SettingError(f"rate {self.rate:g} must lie between 0 and 10; 0.001 suits adam")
        if self.optimizer not in OPTIMIZERS or self.schedule not in SCHEDULES:
            raise SettingError(
                f"optimizer {self.optimizer!r} must be one of {', '.join(OPTIMIZERS)},"
                f" schedule {self.schedule!r} one of {', '.join(SCHEDULES)}"
            )


def best_epoch(history: Sequence[Epoch]) -> int:
    """The number of the epoch with the least validation loss, the first of several; 0 before the first."""
    return min(history, key=lambda e: e.val_loss).number if history else 0


def stops(history: Sequence[Epoch], options: FitOptions) -> bool:
    """Whether validation has not improved for ``patience`` epochs."""
    return bool(options.patience) and len(history) - best_epoch(history) >= options.patience


def rate_after(history: Sequence[Epoch], options: FitOptions) -> float:
    """The learning rate of the epoch that follows."""
    if options.schedule == "cosine":
        share = 0.5 * (1 + math.cos(math.pi * len(history) / options.epochs))
        return options.rate * (0.01 + 0.99 * share)
    if options.schedule == "constant":
        return options.rate
    return float(options.rate * 0.5 ** _plateaus(history, options.plateau))


def _plateaus(history: Sequence[Epoch], patience: int) -> int:
    """How often ``patience`` epochs in a row brought no better validation loss."""
    found, waited, best = 0, 0, math.inf
    for epoch in history:
        waited = 0 if epoch.val_loss < best else waited + 1
        best = min(best, epoch.val_loss)
        if waited == patience:
            found, waited = found + 1, 0
    return found
