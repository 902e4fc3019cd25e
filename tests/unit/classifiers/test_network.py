"""Faces to probabilities: how a network is fed and what its outputs mean."""

import numpy as np
import pytest

from mien.classifiers.network import ClassifierOptions, NetworkClassifier
from mien.core.errors import InputError, WeightsError
from mien.core.faces import Faces
from mien.zoo.catalog import Alignment, Preprocessing, WeightRecord

TWO = ("live", "spoof")
IMAGE = np.zeros((40, 60, 3), np.uint8)
IMAGE[10:30, 20:40] = (200, 100, 50)
FACES = Faces(boxes=[[20, 10, 40, 30], [0, 0, 10, 10]], scores=[1, 1])


class FakeNetwork:
    """Keeps what it was given; gives rows of what it was told, or the mean of each channel."""

    def __init__(self, row=None):
        self.row, self.batches = row, []

    def run(self, batch):
        self.batches.append(batch)
        means = batch.mean(axis=(2, 3)) if batch.shape[1] == 3 else batch.mean(axis=(1, 2))
        return (means if self.row is None else np.tile(np.float32(self.row), (len(batch), 1)),)


def classifier(network, classes=TWO, *, activation="softmax", alignment=None, batch=32, **preprocessing):
    how = Preprocessing(8, **({"mean": (0, 0, 0), "scale": 1.0} | preprocessing))
    options = ClassifierOptions("mine", classes, how, alignment or Alignment(), activation, batch)
    return NetworkClassifier(network, options)


@pytest.mark.parametrize(
    ("row", "activation", "expected"),
    [
        ([0.0, np.log(3)], "softmax", [0.25, 0.75]),
        ([1000.0, 0.0], "softmax", [1, 0]),
        ([0.3, 0.7], "none", [0.3, 0.7]),
        ([0.9], "none", [0.1, 0.9]),
        ([np.log(4)], "sigmoid", [0.2, 0.8]),
        ([-1e6], "sigmoid", [1, 0]),
    ],
)
def test_outputs_become_probabilities(row, activation, expected):
    """One row per face; a single output is that of the second class."""
    found = classifier(FakeNetwork(row), activation=activation).classify(IMAGE, FACES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [expected, expected], atol=1e-6)


def test_pixels_are_fed_as_the_record_says():
    """Channel order, mean, scale and layout; the face's colour arrives as wanted."""
    network = FakeNetwork()
    made = classifier(
        network, ("a", "b", "c"), activation="none", channels="bgr", mean=(50, 0, 100), scale=10.0, layout="nhwc"
    )
    np.testing.assert_allclose(made.classify(IMAGE, FACES[0]), [[0, 10, 10]], atol=1e-5)
    assert network.batches[0].shape == (1, 8, 8, 3)


def test_context_shows_the_surroundings():
    """Twice the box: the face in the middle, what is around it in the corners."""
    chip = classifier(FakeNetwork(), alignment=Alignment("context", context=1.0)).crop(IMAGE, FACES[0])[0]
    assert chip[4, 4].tolist() == [200, 100, 50]
    assert chip[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [[0, 0, 0]] * 4


def test_an_extended_crop_shows_the_surroundings_up_to_the_border():
    """The face at the border keeps its place there: nothing is filled in."""
    white = np.full((40, 60, 3), 255, np.uint8)
    chips = classifier(FakeNetwork(), alignment=Alignment("extended", context=0.5)).crop(white, FACES)
    assert chips.min() == 255
    chip = classifier(FakeNetwork(), alignment=Alignment("extended", context=0.5)).crop(IMAGE, FACES[0])[0]
    assert (chip[3:5, 3:5] == (200, 100, 50)).all()
    assert chip[[0, -1], 3].max() == 0


def test_batches_are_bounded():
    """Seventy faces are three runs of at most 32, and the same numbers."""
    network = FakeNetwork()
    found = classifier(network, ("a", "b", "c"), activation="none").classify(IMAGE, FACES[[0, 1] * 35])
    assert [len(b) for b in network.batches] == [32, 32, 6]
    np.testing.assert_allclose(found[::2], np.tile(found[:1], (35, 1)))


def test_nobody_is_an_empty_table():
    """No face, no run, k columns."""
    network = FakeNetwork()
    assert classifier(network).classify(IMAGE, Faces.empty()).shape == (0, 2)
    assert not network.batches


def test_a_network_that_gives_something_else_is_named():
    """Three numbers for two classes: mend the record."""
    with pytest.raises(WeightsError, match=r"should give \(2, 2\).*gave \(2, 3\)"):
        classifier(FakeNetwork()).classify(IMAGE, FACES)


@pytest.mark.parametrize(
    "wrong", [{"classes": ("one",)}, {"alignment": Alignment("landmarks", template="dlib-150")}, {"batch": 0}]
)
def test_options_that_cannot_work(wrong):
    """They are refused with their value."""
    with pytest.raises(InputError):
        classifier(FakeNetwork(), **wrong)


def test_chips_of_another_size_are_refused():
    """The size it takes is named."""
    with pytest.raises(InputError, match=r"\(n, 8, 8, 3\)"):
        classifier(FakeNetwork()).classify_chips(np.zeros((1, 9, 9, 3), np.uint8))


def test_a_record_says_all_of_it():
    """A classifier's record becomes its options; an embedder's is refused."""
    record = WeightRecord(
        "mine", "classifier", "onnx", "", "", classes=TWO, activation="sigmoid", preprocessing=Preprocessing(8),
        alignment=Alignment("context", context=0.5),
    )  # fmt: skip
    options = ClassifierOptions.from_record(record)
    assert (options.classes, options.activation, options.alignment.context) == (TWO, "sigmoid", 0.5)
    with pytest.raises(WeightsError, match="no classifier"):
        ClassifierOptions.from_record(WeightRecord("facenet", "embedder", "onnx", "", ""))
