"""What every Keras recipe shares: the loop over epochs, its decisions, its checkpoints.

A run is a generator of events: whoever shows progress pulls them; whoever stops pulling, or presses Ctrl-C, ends it, and
the next run goes on from the last epoch border. That it then computes the very same weights rests on three things:

1. the order of samples, their random versions and dropout depend on seed and epoch alone, never on what was drawn before;
2. every decision (rate, best epoch, stop) is a function of the history, see ``decisions.py``;
3. a checkpoint holds all else that moves: weights, batch statistics, the optimizer's moments.

Keras's own loop and callbacks keep the second kind in objects that its checkpoints do not save, and cannot stop between
two steps; so the loop is ours and each step Keras's (docs/decisions/100).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, TrainingError
from mien.training.checkpoints import Checkpoints
from mien.training.decisions import Epoch, FitOptions, best_epoch, rate_after, stops
from mien.training.keras_backend import load_keras

__all__ = [
    "EpochDone",
    "Fitted",
    "Samples",
    "Step",
    "class_weights",
    "compile_model",
    "evaluate",
    "fit",
    "no_number",
    "optimizer_called",
    "predict",
    "running_mean",
    "seed_epoch",
    "start",
]

Inputs = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What is learnt from.

    Args:
        inputs: rows and an epoch -> ``(n, …)`` float32; the same for the same rows and epoch, whatever was asked before.
            Validation asks for epoch 0: no random version.
        targets: ``(n,)`` class numbers, or whatever the loss compares with.
        weights: ``(n,)`` how much each sample counts; None for all alike.
    """

    inputs: Callable[[NDArray[np.intp], int], Inputs]
    targets: NDArray[Any]
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, slots=True)
class Step:
    """One batch is learnt.

    Args:
        epoch: from 1.
        epochs: how many there are at most.
        index: which batch of the epoch, from 1.
        total: how many there are.
        loss: mean of the epoch so far.
    """

    epoch: int
    epochs: int
    index: int
    total: int
    loss: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One epoch is learnt, validated and safe on disk.

    Args:
        epoch: its line of the history.
        epochs: how many there are at most.
        best: which is the best so far.
    """

    epoch: Epoch
    epochs: int
    best: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a run came to; the model holds the best epoch's weights.

    Args:
        history: every epoch, in order.
        best: the epoch of least validation loss, from 1.
        stopped_early: whether validation stopped it before the last epoch.
    """

    history: tuple[Epoch, ...]
    best: int
    stopped_early: bool


def start(seed: int, *, threads: int = 0) -> Any:
    """Keras with all its random numbers fixed; to be called before a model is built."""
    keras = load_keras(threads=threads)
    keras.utils.set_random_seed(seed)
    return keras


def fit(
    model: Any, training: Samples, validation: Samples, folder: Path, options: FitOptions
) -> Generator[Step | EpochDone, None, Fitted]:
    """Train ``model`` from its checkpoint in ``folder``, or from the start, until its last or its best epoch.

    Args:
        model: a Keras model, not compiled; its output is what ``options.loss`` takes.
        training: shuffled and altered anew in every epoch.
        validation: never learnt from; its loss decides which epoch is the best.
        folder: where checkpoints and the history are kept.
        options: how.

    Raises:
        TrainingError: the loss is no number any more, or a checkpoint cannot be written; the last one stays.
        InputError: nothing to learn from or to validate with, or a checkpoint of another model.
    """
    if not len(training) or not len(validation):
        raise InputError(
            f"expected samples to learn from and to validate with, got {len(training)} and {len(validation)}"
        )
    compile_model(model, options)
    kept = Checkpoints(folder)
    history = kept.restore(model)
    while len(history) < options.epochs and not stops(history, options):
        number, began = len(history) + 1, time.perf_counter()
        rate = rate_after(history, options)
        model.optimizer.learning_rate.assign(rate)
        learnt = yield from _learn(model, training, number, options)
        held = evaluate(model, validation, options.batch)
        seconds = round(time.perf_counter() - began, 3)
        done = Epoch(
            number, rate, learnt["loss"], held["loss"], learnt.get("accuracy"), held.get("accuracy"), seconds=seconds
        )
        if not math.isfinite(done.val_loss):
            raise no_number(number, "in validation")
        history = [*history, done]
        kept.save(model, history, best=best_epoch(history) == number)
        yield EpochDone(done, options.epochs, best_epoch(history))
    kept.load_best(model)
    return Fitted(tuple(history), best_epoch(history), stopped_early=len(history) < options.epochs)


def compile_model(model: Any, options: FitOptions) -> None:
    """Give the model its loss and metrics, unless they are its own, and a fresh optimizer that has all its variables."""
    named = {"loss": options.loss, "metrics": ["accuracy"]} if options.loss else {}
    model.compile(optimizer_called(options), **named)
    model.optimizer.build(model.trainable_variables)


def optimizer_called(options: FitOptions) -> Any:
    """A fresh optimizer of Keras."""
    keras = load_keras()
    makers = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    }
    return makers[options.optimizer](options.rate)


def evaluate(model: Any, samples: Samples, batch: int) -> dict[str, float]:
    """Loss and metrics of the model over ``samples`` as they are."""
    means: dict[str, float] = {}
    seen = 0
    for rows in _batches(np.arange(len(samples)), batch):
        model.reset_metrics()  # Keras's own versions differ in whether a batch counts alone
        found = model.test_on_batch(samples.inputs(rows, 0), samples.targets[rows], return_dict=True)
        means, seen = running_mean(means, seen, found, len(rows)), seen + len(rows)
    return means


def predict(model: Any, inputs: Callable[[NDArray[np.intp], int], Inputs], count: int, batch: int = 32) -> Inputs:
    """The model's outputs ``(count, k)`` float32 for rows 0 … count - 1."""
    parts = [model.predict_on_batch(inputs(rows, 0)) for rows in _batches(np.arange(count), batch)]
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def class_weights(targets: NDArray[np.integer[Any]], classes: int) -> NDArray[np.float32]:
    """A weight per sample ``(n,)``, so that every class counts alike and the mean weight is 1."""
    counts = np.bincount(targets, minlength=classes)
    each = len(targets) / (classes * np.maximum(counts, 1))
    weights: NDArray[np.float32] = each[targets].astype(np.float32)
    return weights


def _learn(model: Any, samples: Samples, number: int, options: FitOptions) -> Generator[Step, None, dict[str, float]]:
    """One epoch; returns the mean loss and metrics over it."""
    seed_epoch(options.seed, number)
    order = np.random.default_rng([options.seed, number]).permutation(len(samples)).astype(np.intp)
    batches = list(_batches(order, options.batch))
    means: dict[str, float] = {}
    seen = 0
    for index, rows in enumerate(batches, 1):
        weights = None if samples.weights is None else samples.weights[rows]
        model.reset_metrics()
        found = model.train_on_batch(samples.inputs(rows, number), samples.targets[rows], weights, return_dict=True)
        means, seen = running_mean(means, seen, found, len(rows)), seen + len(rows)
        if not math.isfinite(means["loss"]):
            raise no_number(number, f"at step {index} of {len(batches)}")
        yield Step(number, options.epochs, index, len(batches), means["loss"])
    return means


def seed_epoch(seed: int, epoch: int) -> None:
    """Fix the backend's own random numbers: torch's dropout draws from them, whatever seeds Keras keeps."""
    load_keras().utils.set_random_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))


def running_mean(means: Mapping[str, float], seen: int, found: Mapping[str, Any], count: int) -> dict[str, float]:
    """The means over ``seen`` samples, with ``count`` more."""
    share = count / (seen + count)
    return {name: (1 - share) * means.get(name, 0.0) + share * float(value) for name, value in found.items()}


def _batches(rows: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """``rows`` in pieces of ``size``; a last piece of one row joins the one before: batch statistics need two."""
    cuts = list(range(size, len(rows), size))
    if cuts and len(rows) - cuts[-1] == 1:
        cuts.pop()
    yield from np.split(rows, cuts)


def no_number(epoch: int, where: str) -> TrainingError:
    """What is raised when a loss is no number any more; says which checkpoint is kept."""
    kept = f"the checkpoint of epoch {epoch - 1} is kept" if epoch > 1 else "there is no checkpoint yet"
    return TrainingError(
        f"the loss is no number any more in epoch {epoch} {where}; {kept}: go on with a tenth of the rate"
        " (--resume --rate), and look whether pictures or labels are odd"
    )
