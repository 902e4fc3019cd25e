"""Learning by comparing: batches of people, triplets chosen online, resuming, faults."""

from itertools import product

import numpy as np
import pytest

from mien.core.errors import InputError, SettingError, TrainingError
from mien.core.vectors import unit
from mien.training.decisions import FitOptions
from mien.training.embedder_figures import compare, supported
from mien.training.embedder_fitting import (
    WIDE,
    Learner,
    MetricOptions,
    PeopleSamples,
    batches,
    fit_embedder,
    margin_left,
)
from mien.training.embedder_losses import (
    ANGLE,
    CENTRE,
    SCALE,
    arcface_loss,
    centre_loss,
    learner,
    share_active,
    triplet_loss,
)
from mien.training.fitting import EpochDone, Step, start

RNG = np.random.default_rng(5)
PEOPLE = np.repeat(np.arange(6), [5, 4, 3, 6, 4, 2]).astype(np.intp)
MIDDLES = RNG.normal(size=(6, 10))
POINTS = (MIDDLES[PEOPLE] + 1.2 * RNG.normal(size=(len(PEOPLE), 10))).astype(np.float32)


def by_hand(labels, vectors, margin, selection):
    """What every pair lacks, by three loops."""
    d = ((vectors[:, None] - vectors[None]) ** 2).sum(-1)
    n = range(len(labels))
    found = []
    for a, p in product(n, n):
        if a == p or labels[a] != labels[p]:
            continue
        others = [d[a, k] for k in n if labels[k] != labels[a]]
        farther = [x for x in others if x > d[a, p]]
        negative = min(others) if selection == "hard" else min(farther) if farther else max(others)
        found.append(max(d[a, p] - negative + margin, 0.0))
    return np.array(found)


@pytest.mark.parametrize("selection", ["semi-hard", "hard"])
def test_triplets_are_those_chosen_by_hand(selection):
    """Loss and share of active triplets are what three loops over anchor, positive and negative give."""
    keras = start(0)
    vectors = unit(POINTS)
    expected = by_hand(PEOPLE, vectors, 0.2, selection)
    labels, embeddings = keras.ops.convert_to_tensor(PEOPLE), keras.ops.convert_to_tensor(vectors)
    loss = float(triplet_loss(0.2, selection)(labels, embeddings))
    share = float(share_active(0.2, selection)(labels, embeddings))
    active = expected > 0
    assert 0 < active.sum() < len(active)
    assert loss == pytest.approx(expected[active].mean(), abs=1e-5)
    assert share == pytest.approx(active.mean(), abs=1e-6)


def test_people_far_apart_lack_nothing():
    """Where every negative is farther than the margin asks, there is no loss and no active triplet."""
    keras = start(0)
    vectors = keras.ops.convert_to_tensor(np.eye(4, dtype=np.float32)[[0, 0, 1, 1]])
    labels = keras.ops.convert_to_tensor(np.array([0, 0, 1, 1]))
    assert float(triplet_loss(0.2, "hard")(labels, vectors)) == 0
    assert float(share_active(0.2, "semi-hard")(labels, vectors)) == 0


def test_arcface_adds_its_angle_to_the_true_class():
    """The loss is softmax cross-entropy with the true class's angle made larger, by the paper's formula."""
    keras = start(0)
    cosines = RNG.uniform(-0.8, 0.9, (5, 3)).astype(np.float32)
    labels = np.array([0, 1, 2, 1, 0])
    logits = SCALE * cosines.astype(float)
    rows = np.arange(5)
    logits[rows, labels] = SCALE * np.cos(np.arccos(cosines[rows, labels].astype(float)) + ANGLE)
    expected = (np.log(np.exp(logits).sum(1)) - logits[rows, labels]).mean()
    found = arcface_loss(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(cosines))
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_centre_loss_is_softmax_and_distance():
    """Cross-entropy of the logits and a share of half the squared distance to the own centre."""
    keras = start(0)
    logits, distances = RNG.normal(size=(4, 3)), RNG.uniform(0, 9, (4, 3))
    labels = np.array([2, 0, 1, 1])
    rows = np.arange(4)
    softmax = (np.log(np.exp(logits).sum(1)) - logits[rows, labels]).mean()
    expected = softmax + CENTRE * 0.5 * distances[rows, labels].mean()
    found = np.concatenate([logits, distances], 1).astype(np.float32)
    loss = centre_loss(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(found))
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_a_batch_is_people_times_pictures():
    """Each batch has P people, nobody twice, K pictures each; who has fewer gives some twice; seed and epoch decide."""
    how = MetricOptions(people=4, pictures=3)
    found = list(batches(PEOPLE, how, seed=1, epoch=2))
    assert len(found) == 2
    for rows in found:
        people, counts = np.unique(PEOPLE[rows], return_counts=True)
        assert (len(people), set(counts)) == (4, {3})
        for person in people:
            own = rows[PEOPLE[rows] == person]
            assert len(set(own.tolist())) >= min(3, int((person == PEOPLE).sum()))
    again = list(batches(PEOPLE, how, seed=1, epoch=2))
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    other = list(batches(PEOPLE, how, seed=1, epoch=3))
    assert not all(np.array_equal(a, b) for a, b in zip(found, other, strict=True))


def toy(loss="triplet"):
    """A linear embedder with what the loss needs on it."""
    keras = start(3)
    given = keras.layers.Input((10,))
    raw_out = keras.layers.Dense(6)(given)
    raw = keras.Model(given, raw_out)
    embedder = keras.Model(given, keras.layers.UnitNormalization()(raw_out))
    out = np.asarray(raw.predict_on_batch(POINTS))
    means = np.stack([out[k == PEOPLE].mean(0) for k in range(6)]).astype(np.float32)
    return Learner(learner(loss, raw, embedder, means), embedder)


def samples(spoilt_at=None):
    calls = []

    def inputs(rows, epoch):
        calls.append(epoch)
        noise = np.random.default_rng([epoch]).normal(size=(len(POINTS), 10))[rows] if epoch else 0
        found = (POINTS[rows] + 0.1 * np.asarray(noise)).astype(np.float32)
        if spoilt_at is not None and epoch and len([c for c in calls if c]) == spoilt_at:
            found[0] = np.nan
        return found

    return PeopleSamples(inputs, PEOPLE)


HOW = MetricOptions(people=4, pictures=3)
OPTIONS = FitOptions(epochs=4, rate=1e-2, schedule="constant", patience=0)


def run(folder, loss="triplet", *, training=None, stop_after=None, how=HOW):
    it = toy(loss)
    fitting = fit_embedder(it, (training or samples(), samples()), folder, OPTIONS, how)
    epochs = []
    try:
        while True:
            event = next(fitting)
            if isinstance(event, EpochDone):
                epochs.append(event.epoch)
                if len(epochs) == stop_after:
                    fitting.close()
                    return it, epochs, None
            else:
                assert isinstance(event, Step)
    except StopIteration as end:
        return it, epochs, end.value


@pytest.mark.parametrize("loss", ["triplet", "arcface", "centre"])
def test_each_loss_brings_people_together(tmp_path, loss):
    """With each loss validation gets better, and the best epoch's weights are what is left."""
    how = MetricOptions(loss, people=4, pictures=3)
    before, _ = margin_left(toy(loss).embed(samples().inputs, len(PEOPLE)), PEOPLE, WIDE)
    it, epochs, fitted = run(tmp_path, loss, how=how)
    after, _ = margin_left(it.embed(samples().inputs, len(PEOPLE)), PEOPLE, WIDE)
    assert after < before
    assert after == pytest.approx(min(e.val_loss for e in epochs), abs=1e-6)
    assert fitted.best == min(epochs, key=lambda e: e.val_loss).number
    assert all((e.active is not None) == (loss == "triplet") for e in epochs)
    assert "active" in (tmp_path / "history.csv").read_text().splitlines()[0]


def test_a_stopped_run_comes_to_the_same_weights(tmp_path):
    """Stopped at an epoch border and resumed, a run has the very weights of one that was not stopped."""
    whole, _, _ = run(tmp_path / "whole")
    run(tmp_path / "parts", stop_after=2)
    parts, epochs, _ = run(tmp_path / "parts")
    assert [e.number for e in epochs] == [3, 4]
    for one, other in zip(whole.embedder.get_weights(), parts.embedder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_no_number_names_the_step(tmp_path):
    """The epoch and step are named, and the last good checkpoint is kept."""
    with pytest.raises(TrainingError, match=r"epoch 2 at step 1 of 2; the checkpoint of epoch 1 is kept"):
        run(tmp_path, training=samples(spoilt_at=3))
    it, epochs, _ = run(tmp_path)
    assert [e.number for e in epochs] == [2, 3, 4]
    assert all(np.isfinite(w).all() for w in it.embedder.get_weights())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"loss": "cosine"}, "triplet, arcface, centre"),
        ({"people": 1}, "2 or more"),
        ({"margin": 0}, "between 0 and 4"),
    ],
)
def test_options_that_cannot_be(given, said):
    """A value out of range is named with what was expected."""
    with pytest.raises(SettingError, match=said):
        MetricOptions(**given)


def test_validation_needs_two_people():
    """Nobody can be told from nobody."""
    with pytest.raises(InputError, match="two people"):
        margin_left(unit(POINTS[:5]), PEOPLE[:5], 0.2)


def test_rates_before_and_after_are_those_of_the_pairs():
    """TAR at a supported FAR is counted over all pairs; a better embedder has a gain, with an interval around it."""
    people = np.repeat(np.arange(12), 6).astype(np.intp)
    middles = RNG.normal(size=(12, 20))
    noise = RNG.normal(size=(len(people), 20))
    worse, better = unit(middles[people] + 1.5 * noise), unit(middles[people] + 0.5 * noise)
    assert supported(people) == (0.1, 0.01)
    rows = compare(worse, better, people, draws=100)
    left, right = np.triu_indices(len(people), 1)
    cosines, same = (worse @ worse.T)[left, right], (people[left] == people[right])
    impostors = np.sort(cosines[~same])[::-1]
    assert rows[1].before == pytest.approx((cosines[same] > impostors[int(0.01 * len(impostors))]).mean(), abs=1e-6)
    assert rows[1].gain_interval[0] > 0
    assert rows[1].gain_interval[0] <= rows[1].after - rows[1].before <= rows[1].gain_interval[1]
    folds = (people % 2).astype(np.intp)
    apart = compare(worse, better, people, within=folds, draws=10)
    halves = folds[left] == folds[right]
    impostors = np.sort(cosines[~same & halves])[::-1]
    expected = (cosines[same] > impostors[int(0.01 * len(impostors))]).mean()
    assert apart[1].before == pytest.approx(expected, abs=1e-6)
    with pytest.raises(InputError, match="too few"):
        compare(worse[:6], better[:6], people[:6])
