"""The loop that every Keras recipe shares: decisions, checkpoints, resuming, faults."""

import errno
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import InputError, SettingError, TrainingError
from mien.training.checkpoints import Checkpoints
from mien.training.decisions import Epoch, FitOptions, best_epoch, rate_after, stops
from mien.training.fitting import EpochDone, Samples, Step, class_weights, compile_model, evaluate, fit, start

RNG = np.random.default_rng(7)
POINTS = RNG.normal(size=(60, 8)).astype(np.float32)
SIDES = (POINTS[:, 0] + 0.5 * POINTS[:, 1] > 0).astype(np.intp)


def history(*losses: float) -> list[Epoch]:
    return [Epoch(i, 0.001, 1.0, loss) for i, loss in enumerate(losses, 1)]


def samples(rows: slice) -> Samples:
    """Points with noise that depends on row and epoch alone."""
    points = POINTS[rows]

    def inputs(chosen, epoch):
        noise = [np.random.default_rng([epoch, int(row)]).normal(size=8) for row in chosen]
        return (points[chosen] + (0.1 * np.array(noise) if epoch else 0)).astype(np.float32)

    return Samples(inputs, SIDES[rows])


def network():
    """A network with everything that moves: batch statistics, dropout, an optimizer's moments."""
    keras = start(3)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(2, activation="softmax"),
        ]
    )


def run(folder: Path, options: FitOptions, *, steps: int = 10**9):
    """Train until the end, or break off after so many events; returns the weights."""
    model = network()
    events = fit(model, samples(slice(0, 40)), samples(slice(40, 60)), folder, options)
    for index, _ in enumerate(events, 1):
        if index == steps:
            events.close()
            break
    return [np.array(w) for w in model.get_weights()]


def lines(folder: Path) -> list[str]:
    """The history without its times."""
    return [line.rpartition(",")[0] for line in (folder / "history.csv").read_text().splitlines()]


def test_the_best_epoch_is_the_first_with_the_least_validation_loss():
    """Of equal losses the earlier epoch counts; before the first there is none."""
    assert best_epoch([]) == 0
    assert best_epoch(history(0.5, 0.3, 0.4, 0.3)) == 2


def test_a_run_stops_after_so_many_epochs_without_improvement():
    """Patience counts from the best epoch; 0 means never."""
    assert stops(history(0.3, 0.4, 0.5), FitOptions(patience=2))
    assert not stops(history(0.3, 0.4), FitOptions(patience=2))
    assert not stops(history(0.3, 0.4, 0.5), FitOptions(patience=0))


def test_the_rate_is_halved_at_each_plateau():
    """Two plateaus of two epochs leave a quarter; an improvement in between starts the count anew."""
    options = FitOptions(rate=0.8, plateau=2)
    assert rate_after(history(0.3, 0.4, 0.4), options) == pytest.approx(0.4)
    assert rate_after(history(0.3, 0.4, 0.2, 0.4), options) == pytest.approx(0.8)
    assert rate_after(history(0.3, 0.4, 0.4, 0.4, 0.4), options) == pytest.approx(0.2)


def test_a_cosine_falls_from_the_rate_to_a_hundredth():
    """It begins at the rate, only falls, and the last epoch is near a hundredth of it."""
    options = FitOptions(rate=1.0, schedule="cosine", epochs=50)
    rates = [rate_after(history(*[0.5] * n), options) for n in range(50)]
    assert rates[0] == pytest.approx(1)
    assert all(a > b for a, b in pairwise(rates))
    assert rates[-1] == pytest.approx(0.01, abs=0.002)
    assert rate_after(history(0.1, 0.2), FitOptions(rate=0.5, schedule="constant")) == 0.5


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 0}, {"rate": 0}, {"optimizer": "best"}, {"schedule": "x"}, {"patience": -1}]
)
def test_options_out_of_range_are_refused(wrong):
    """A value that cannot work is named."""
    with pytest.raises(SettingError, match=str(next(iter(wrong)))):
        FitOptions(**wrong)


def test_classes_count_alike_whatever_their_sizes():
    """The weights of each class add up to the same, and their mean is 1."""
    weights = class_weights(np.array([0, 0, 0, 1]), 2)
    assert weights[:3].sum() == pytest.approx(weights[3:].sum())
    assert weights.mean() == pytest.approx(1)


def test_an_interrupted_run_resumes_to_the_same_weights(tmp_path):
    """Broken off in the middle of an epoch, whatever the optimizer, a run ends with the weights of an unbroken one."""
    for optimizer in ("adam", "sgd"):
        options = FitOptions(epochs=6, batch=8, optimizer=optimizer, plateau=1, patience=0, seed=5)
        whole = run(tmp_path / f"{optimizer}-whole", options)
        broken = tmp_path / f"{optimizer}-broken"
        run(broken, options, steps=15)  # in the third epoch: 5 steps and a border each
        resumed = run(broken, options)
        assert max(np.abs(a - b).max() for a, b in zip(whole, resumed, strict=True)) <= 1e-5
        assert lines(broken) == lines(tmp_path / f"{optimizer}-whole")


def test_a_run_ends_with_the_weights_of_its_best_epoch(tmp_path):
    """What validation says of the returned model is the least loss of the history."""
    model = network()
    held = samples(slice(40, 60))
    events = list(fit(model, samples(slice(0, 40)), held, tmp_path, FitOptions(epochs=5, batch=8)))
    least = min(e.epoch.val_loss for e in events if isinstance(e, EpochDone))
    assert evaluate(model, held, 8)["loss"] == pytest.approx(least, abs=1e-6)
    assert sum(isinstance(e, Step) for e in events) == 25


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_checkpoint(tmp_path):
    """NaN in the third epoch stops the run there; the checkpoint of the second stays as it was."""
    good = samples(slice(0, 40))

    def inputs(rows, epoch):
        found = good.inputs(rows, epoch)
        return np.where((epoch == 3) & np.isin(rows, [7])[:, None], np.float32("nan"), found)

    events = fit(network(), Samples(inputs, good.targets), samples(slice(40, 60)), tmp_path, FitOptions(batch=8))
    done = []
    with pytest.raises(TrainingError, match=r"epoch 3 at step \d of 5; the checkpoint of epoch 2 is kept"):
        done.extend(e for e in events if isinstance(e, EpochDone))
    model = network()
    compile_model(model, FitOptions())
    assert len(Checkpoints(tmp_path).restore(model)) == 2
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_a_full_disk_leaves_the_checkpoint_before_intact(tmp_path, monkeypatch):
    """When an epoch border cannot be written, the last one still resumes, to the same weights."""
    options = FitOptions(epochs=4, batch=8, patience=0)
    whole = run(tmp_path / "whole", options)
    broken = tmp_path / "broken"
    run(broken, options, steps=12)  # two borders are written
    before = (broken / "last.npz").read_bytes()

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(TrainingError, match=r"no space left on device; the checkpoint before it is intact"):
            run(broken, options)
    assert (broken / "last.npz").read_bytes() == before
    assert sorted(p.name for p in broken.iterdir()) == ["best.npz", "history.csv", "last.npz"]
    resumed = run(broken, options)
    assert max(np.abs(a - b).max() for a, b in zip(whole, resumed, strict=True)) <= 1e-5


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    """Weights are never poured into a network that they do not fit."""
    run(tmp_path, FitOptions(epochs=1))
    keras = start(0)
    other = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(2, activation="softmax")])
    with pytest.raises(InputError, match="checkpoint of another network"):
        list(fit(other, samples(slice(0, 40)), samples(slice(40, 60)), tmp_path, FitOptions()))


def test_a_damaged_checkpoint_is_named(tmp_path):
    """A file cut short is no checkpoint, and says so."""
    run(tmp_path, FitOptions(epochs=1))
    last = tmp_path / "last.npz"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"last\.npz cannot be read as a checkpoint"):
        run(tmp_path, FitOptions(epochs=2))
