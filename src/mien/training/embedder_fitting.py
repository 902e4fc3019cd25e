"""The loop in which an embedder learns: batches of P people with K pictures each, validated on people who are not learnt.

The same promises as ``fitting``: a run that was stopped goes on from the last epoch border to the very same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SettingError
from mien.core.vectors import similarities
from mien.training.checkpoints import Checkpoints
from mien.training.decisions import Epoch, FitOptions, best_epoch, rate_after, stops
from mien.training.embedder_losses import (
    LOSSES,
    SELECTIONS,
    arcface_loss,
    centre_loss,
    share_active,
    triplet_loss,
)
from mien.training.fitting import EpochDone, Fitted, Step, no_number, optimizer_called, running_mean, seed_epoch

__all__ = ["WIDE", "Learner", "MetricOptions", "PeopleSamples", "batches", "fit_embedder", "margin_left"]

WIDE = 1.0
"""The margin that validation asks for: so wide that it tells epochs apart also where the one that is learnt is kept by all."""

Rows = NDArray[np.intp]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """What is learnt by comparing.

    Args:
        loss: ``"triplet"``, ``"arcface"`` or ``"centre"``.
        selection: of negatives: ``"semi-hard"`` or ``"hard"``.
        margin: between squared distances; FaceNet's 0.2.
        people: P, in each batch.
        pictures: K, of each of them.

    Raises:
        SettingError: a value out of range.
    """

    loss: str = "triplet"
    selection: str = "semi-hard"
    margin: float = 0.2
    people: int = 8
    pictures: int = 4

    def __post_init__(self) -> None:
        if self.loss not in LOSSES or self.selection not in SELECTIONS:
            raise SettingError(
                f"loss {self.loss!r} must be one of {', '.join(LOSSES)}, selection {self.selection!r} one of"
                f" {', '.join(SELECTIONS)}"
            )
        if self.people < 2 or self.pictures < 2 or not 0 < self.margin < 4:
            raise SettingError(
                f"people {self.people} and pictures {self.pictures} of a batch must be 2 or more, margin {self.margin:g}"
                " between 0 and 4 (squared distances of unit vectors)"
            )


@dataclass(frozen=True, slots=True, eq=False)
class PeopleSamples:
    """Pictures of people.

    Args:
        inputs: rows and an epoch -> ``(n, …)`` float32, the same for the same rows and epoch; epoch 0: no random version.
        people: ``(n,)`` whose each is, 0 to k - 1.
    """

    inputs: Callable[[Rows, int], Floats]
    people: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """Two Keras models that share their weights.

    Args:
        fitted: what the loss is put on.
        embedder: gives embeddings of unit length.
    """

    fitted: Any
    embedder: Any

    def embed(self, inputs: Callable[[Rows, int], Floats], count: int, batch: int = 64) -> Floats:
        """``(count, d)`` float32 of unit length, of pictures as they are."""
        parts = [
            np.asarray(self.embedder.predict_on_batch(inputs(np.arange(i, min(i + batch, count), dtype=np.intp), 0)))
            for i in range(0, count, batch)
        ]
        return np.concatenate(parts).astype(np.float32)


def batches(people: Rows, how: MetricOptions, *, seed: int, epoch: int) -> Iterator[Rows]:
    """Rows of each batch of an epoch: P people, K pictures each; as many as it takes to see each picture about once.

    Nobody comes twice in a batch. Pictures of a person are drawn without repetition until all were drawn; who has fewer
    than K gives some twice (in other random versions).
    """
    random = np.random.default_rng([seed, epoch])
    of = [np.flatnonzero(people == person) for person in range(int(people.max()) + 1)]
    decks: list[list[int]] = [[] for _ in of]
    queue: list[int] = []
    for _ in range(max(1, math.ceil(len(people) / (how.people * how.pictures)))):
        rows: list[int] = []
        chosen: list[int] = []
        while len(chosen) < how.people:
            if not any(person not in chosen for person in queue):
                queue += random.permutation(len(of)).tolist()
            person = next(p for p in queue if p not in chosen)
            queue.remove(person)
            chosen.append(person)
            rows += _drawn(decks[person], of[person], how.pictures, random)
        yield np.array(rows, np.intp)


def _drawn(deck: list[int], own: Rows, count: int, random: np.random.Generator) -> list[int]:
    """``count`` rows from the deck, which is filled up anew when it runs out; none twice if there are that many."""
    picked: list[int] = []
    while len(picked) < count:
        fresh = [row for row in deck if row not in picked] if len(picked) < len(own) else deck
        if not fresh:
            deck += random.permutation(own).tolist()
            continue
        picked.append(fresh[0])
        deck.remove(fresh[0])
    return picked


def fit_embedder(
    learner: Learner,
    sides: tuple[PeopleSamples, PeopleSamples],
    folder: Path,
    options: FitOptions,
    how: MetricOptions,
) -> Generator[Step | EpochDone, None, Fitted]:
    """Train from the checkpoint in ``folder``, or from the start, until the last or the best epoch.

    Args:
        learner: its models are changed; they hold the best epoch's weights at the end.
        sides: people to learn from, and others whose ``margin_left`` chooses the epoch.
        folder: where checkpoints and the history are kept.
        options: epochs, rate and so on; its batch and loss are not looked at.
        how: loss and batches.

    Raises:
        TrainingError: the loss is no number any more, or a checkpoint cannot be written; the last one stays.
        InputError: a checkpoint of another model.
    """
    training, validation = sides
    model = learner.fitted
    losses = {"triplet": triplet_loss(how.margin, how.selection), "arcface": arcface_loss, "centre": centre_loss}
    metrics = [share_active(how.margin, how.selection)] if how.loss == "triplet" else []
    model.compile(optimizer_called(options), loss=losses[how.loss], metrics=metrics)
    model.optimizer.build(model.trainable_variables)
    kept = Checkpoints(folder)
    history = kept.restore(model)
    while len(history) < options.epochs and not stops(history, options):
        number, began = len(history) + 1, time.perf_counter()
        rate = rate_after(history, options)
        model.optimizer.learning_rate.assign(rate)
        learnt = yield from _learn(model, training, number, (options, how))
        left, nearest = margin_left(learner.embed(validation.inputs, len(validation.people)), validation.people, WIDE)
        if not math.isfinite(left):
            raise no_number(number, "in validation")
        seconds = round(time.perf_counter() - began, 3)
        active = learnt.get("active")
        done = Epoch(number, rate, learnt["loss"], left, None, nearest, active, seconds)
        history = [*history, done]
        kept.save(model, history, best=best_epoch(history) == number)
        yield EpochDone(done, options.epochs, best_epoch(history))
    kept.load_best(model)
    return Fitted(tuple(history), best_epoch(history), stopped_early=len(history) < options.epochs)


def _learn(
    model: Any, samples: PeopleSamples, number: int, by: tuple[FitOptions, MetricOptions]
) -> Generator[Step, None, dict[str, float]]:
    """One epoch; returns the mean loss and share of active triplets over it."""
    options, how = by
    seed_epoch(options.seed, number)
    all_rows = list(batches(samples.people, how, seed=options.seed, epoch=number))
    means: dict[str, float] = {}
    for index, rows in enumerate(all_rows, 1):
        model.reset_metrics()
        found = model.train_on_batch(samples.inputs(rows, number), samples.people[rows], return_dict=True)
        means = running_mean(means, index - 1, found, 1)
        if not math.isfinite(means["loss"]):
            raise no_number(number, f"at step {index} of {len(all_rows)}")
        yield Step(number, options.epochs, index, len(all_rows), means["loss"])
    return means


def margin_left(embeddings: Floats, people: Rows, margin: float) -> tuple[float, float]:
    """How far people are from being told apart: by every pair of one person, with the nearest picture of anybody else.

    Args:
        embeddings: ``(n, d)`` of unit length.
        people: ``(n,)``.
        margin: between squared distances.

    Returns:
        Mean of what each pair lacks (smaller is better), and the share of pictures whose nearest other one is of the same
        person.

    Raises:
        InputError: nobody has two pictures, or all are of one person.
    """
    distances = 2 - 2 * similarities(embeddings, embeddings)
    same = people[:, None] == people[None, :]
    pairs = same & ~np.eye(len(people), dtype=bool)
    if not pairs.any() or same.all():
        raise InputError("expected two people or more to validate with, one of them on two pictures")
    nearest = np.where(same, np.inf, distances).min(axis=1)
    lacking = np.maximum(distances - nearest[:, None] + margin, 0)[pairs]
    own = np.where(pairs, distances, np.inf).min(axis=1)
    has_pair = pairs.any(axis=1)
    return float(lacking.mean()), float((own < nearest)[has_pair].mean())
