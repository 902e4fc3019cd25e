"""P-, R- and O-Net in Keras: the published weights say the same in them, and only what should be learnt from is."""

import numpy as np
import pytest

from mien.core.errors import WeightsError
from mien.training.mtcnn_losses import StageLoss, task_figures
from mien.training.mtcnn_networks import SIDES, STAGES, as_published, cascade_arrays, cascade_network, load_arrays
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from mien.zoo.convert.mtcnn import build_onet, build_pnet, build_rnet, read_arrays
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions
from mien.zoo.weights import originals

BUILDERS = {"pnet": build_pnet, "rnet": build_rnet, "onet": build_onet}
SIZES = {"pnet": 6632, "rnet": 100_178, "onet": 389_040}
"""Parameters of the published networks: the first two without a landmark head."""


@pytest.fixture(scope="module")
def published(cache_dir):
    """Arrays of the published networks."""
    house = House(load_settings(cache_dir=cache_dir))
    files = originals(house.catalog.get("mtcnn"), **house.places)
    return {stage: read_arrays(files[stage].read_bytes()) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_published_weights_say_the_same_in_keras_and_converted(stage, published, astronaut, tmp_path):
    """On windows of a photograph, within 1e-4; and taking them out again gives the very arrays."""
    model = cascade_network(stage)
    load_arrays(model, published[stage])
    assert all(np.array_equal(a, b) for a, b in zip(cascade_arrays(model), published[stage], strict=True))
    assert sum(a.size for a in published[stage]) == SIZES[stage]
    side = SIDES[stage]
    windows = [astronaut[y : y + side, x : x + side] for y in range(60, 160, 20) for x in range(180, 260, 20)]
    pixels = np.stack(windows).astype(np.float32)
    ours = as_published(stage, np.asarray(model.predict_on_batch(pixels)))
    file = tmp_path / "network.onnx"
    file.write_bytes(BUILDERS[stage](cascade_arrays(model)))
    network = OnnxNetwork(file, RuntimeOptions(threads=1))
    theirs = network.run(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))[0].reshape(len(pixels), -1)
    theirs = np.concatenate([1 / (1 + np.exp(-theirs[:, :1])), theirs[:, 1:]], axis=1)
    assert np.abs(ours - theirs).max() < 1e-4


def test_arrays_of_another_network_are_refused(published):
    """With what was expected."""
    with pytest.raises(WeightsError, match="rnet: expected 16 arrays"):
        load_arrays(cascade_network("rnet"), published["pnet"])


def batch():
    """Ten samples that all have labels of every kind, and what a network says of them."""
    draw = np.random.default_rng(0)
    labels = draw.uniform(0, 1, (10, 15)).astype(np.float32)
    labels[:, 0] = np.arange(10) % 2
    return labels, draw.normal(0, 1, (10, 16)).astype(np.float32)


def gradient(loss, labels, outputs):
    """Of the mean loss with respect to what the network says, and the loss of each sample."""
    import torch

    given = torch.tensor(outputs, requires_grad=True)
    loss(torch.tensor(labels), given).backward()
    return given.grad.numpy(), loss.per_sample(torch.tensor(labels), given).detach().numpy()


def test_only_the_hardest_samples_carry_gradient():
    """Seven of ten, those with the largest losses; the other three none at all, and without mining all ten do."""
    labels, outputs = batch()
    found, each = gradient(StageLoss(mining=0.7), labels, outputs)
    carry = np.abs(found).max(axis=1) > 0
    assert set(np.flatnonzero(carry)) == set(np.argsort(-each)[:7])
    assert (np.abs(gradient(StageLoss(mining=None), labels, outputs)[0]).max(axis=1) > 0).all()


def test_the_trained_network_itself_is_moved_by_the_hardest_samples_alone():
    """Taking the easy samples out of a batch changes no gradient of any weight."""
    import torch

    model = cascade_network("pnet", mining=0.5)
    draw = np.random.default_rng(1)
    pixels = draw.uniform(0, 255, (8, 12, 12, 3)).astype(np.float32)
    labels = np.full((8, 15), np.nan, np.float32)
    labels[:, 0] = np.arange(8) % 2

    def moved(rows, loss):
        model.zero_grad()
        loss(torch.tensor(labels[rows]), model(torch.tensor(pixels[rows]), training=True)).backward()
        return [v.value.grad.clone() for v in model.trainable_variables if v.value.grad is not None]

    each = StageLoss(mining=None).per_sample(torch.tensor(labels), model(torch.tensor(pixels)))
    hard = np.argsort(-each.detach().numpy())[:4]
    mined, alone = moved(np.arange(8), StageLoss(mining=0.5)), moved(hard, StageLoss(mining=None))
    assert len(mined) == len(alone) > 0
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(mined, alone, strict=True))


def test_a_sample_costs_what_it_has_labels_for():
    """Each task alone and together, by the paper's formulas and weights; no gradient for what nobody knows."""
    labels, outputs = batch()
    lead = outputs[:, 1] - outputs[:, 0]
    entropy = -np.log(np.where(labels[:, 0] > 0, 1 / (1 + np.exp(-lead)), 1 / (1 + np.exp(lead))))
    offsets, landmarks = ((outputs[:, a + 1 : b + 1] - labels[:, a:b]) ** 2 for a, b in ((1, 5), (5, 15)))
    for known, expected in (
        ((0,), entropy),
        (range(1, 5), 0.5 * offsets.sum(axis=1)),
        (range(5, 15), 0.25 * landmarks.sum(axis=1)),
        (range(15), entropy + 0.5 * offsets.sum(axis=1) + 0.25 * landmarks.sum(axis=1)),
    ):
        told = np.full_like(labels, np.nan)
        told[:, list(known)] = labels[:, list(known)]
        found, each = gradient(StageLoss((1, 0.5, 0.25), mining=None), told, outputs)
        assert np.allclose(each, expected, atol=1e-5)
        unknown = sorted(set(range(1, 15)) - set(known))
        assert not found[:, [u + 1 for u in unknown]].any()
        assert np.isfinite(found).all()


def test_o_net_weighs_landmarks_double():
    """1 / 0.5 / 0.5 for P- and R-Net, 1 / 0.5 / 1 for O-Net, as the networks are made."""
    import torch

    labels = np.full((1, 15), np.nan, np.float32)
    labels[:, 5:] = 0
    outputs = np.ones((1, 16), np.float32)
    costs = {
        stage: float(
            cascade_network(stage).compute_loss(None, torch.tensor(labels), torch.tensor(outputs), training=True)
        )
        for stage in STAGES
    }
    assert costs == {"pnet": 5.0, "rnet": 5.0, "onet": 10.0}


def test_task_figures_count_what_is_known():
    """Accuracy over known classes, recall over faces, errors over known shares; NaN where none is known."""
    labels, outputs = np.full((3, 15), np.nan, np.float32), np.zeros((3, 16), np.float32)
    labels[:2, 0] = [1, 0]
    outputs[:2, 1] = [1, 1]
    labels[2, 1:5] = 0.5
    figures = task_figures(labels, outputs)
    assert figures["accuracy"] == 0.5
    assert figures["recall"] == 1
    assert figures["offsets"] == pytest.approx(0.5)
    assert np.isnan(figures["landmarks"])


def test_dropout_is_for_learning_alone():
    """Two answers to the same window differ while learning; afterwards they are one, and the arrays are as many."""
    model = cascade_network("rnet", dropout=0.5)
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 24, 24, 3)).astype(np.float32)
    learning = [np.asarray(model(pixels, training=True).detach()) for _ in range(2)]
    finished = [np.asarray(model(pixels, training=False).detach()) for _ in range(2)]
    assert not np.array_equal(*learning)
    np.testing.assert_array_equal(*finished)
    assert [a.shape for a in cascade_arrays(model)] == [a.shape for a in cascade_arrays(cascade_network("rnet"))]
