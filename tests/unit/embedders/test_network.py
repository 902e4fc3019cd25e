"""One network embedder, told by its options how to feed any network."""

from dataclasses import replace

import numpy as np
import pytest

from mien.core.errors import InputError, WeightsError
from mien.core.faces import Faces
from mien.core.geometry import DLIB_150
from mien.core.vectors import unit
from mien.embedders.network import EmbedderOptions, NetworkEmbedder
from mien.zoo.catalog import Alignment, Catalog, Preprocessing

OPTIONS = EmbedderOptions(
    name="fake",
    weights="00",
    dimensions=6,
    preprocessing=Preprocessing(20, (10.0, 20.0, 30.0), 2.0),
    alignment=Alignment("box", margin=4),
)


class FakeNetwork:
    """Gives the mean of the left and of the right half of each channel; remembers the batches it was fed."""

    def __init__(self, axis=3):
        self.batches = []
        self.axis = axis

    def run(self, batch):
        self.batches.append(batch)
        spatial = tuple(i for i in (1, 2, 3) if i != (1 if self.axis == 3 else 3))
        halves = np.split(batch, 2, axis=self.axis)
        return (np.concatenate([half.mean(axis=spatial) for half in halves], axis=1),)


def chips(n=2, size=20):
    return np.random.default_rng(n).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_pixels_are_prepared_as_the_record_says():
    """Channels come first, the mean is subtracted per channel, the difference divided by the scale."""
    network = FakeNetwork()
    NetworkEmbedder(network, OPTIONS).embed_chips(chips())
    expected = (chips().astype(np.float32) - [10, 20, 30]) / 2
    np.testing.assert_allclose(network.batches[0], expected.transpose(0, 3, 1, 2), rtol=1e-6)
    assert network.batches[0].dtype == np.float32


def test_bgr_and_channels_last():
    """A network that wants BGR, channels last, gets them so; the mean is in its own order."""
    network = FakeNetwork(axis=2)
    how = replace(OPTIONS.preprocessing, channels="bgr", layout="nhwc")
    NetworkEmbedder(network, replace(OPTIONS, preprocessing=how)).embed_chips(chips())
    np.testing.assert_allclose(network.batches[0], (chips()[..., ::-1] - np.array([10, 20, 30])) / 2, rtol=1e-6)


def test_batches_are_bounded():
    """However many chips there are, the network never sees more than a batch at once."""
    network = FakeNetwork()
    vectors = NetworkEmbedder(network, replace(OPTIONS, batch=8)).embed_chips(chips(19))
    assert [len(batch) for batch in network.batches] == [8, 8, 3]
    np.testing.assert_allclose(vectors, NetworkEmbedder(FakeNetwork(), OPTIONS).embed_chips(chips(19)), rtol=1e-6)


def test_flip_makes_mirror_images_equal():
    """With flip averaging a face and its mirror image have one vector."""
    flipping = NetworkEmbedder(FakeNetwork(), replace(OPTIONS, flip=True))
    plain = NetworkEmbedder(FakeNetwork(), OPTIONS)
    mirrored = chips()[:, :, ::-1]
    np.testing.assert_allclose(flipping.embed_chips(chips()), flipping.embed_chips(mirrored), atol=1e-6)
    assert np.abs(plain.embed_chips(chips()) - plain.embed_chips(mirrored)).max() > 1e-3


def test_vectors_are_centred():
    """With a centre, it is subtracted from the unit vector and what is left brought to unit length."""
    centre = (0.1, -0.2, 0.3, 0.0, 0.2, 0.1)
    plain = NetworkEmbedder(FakeNetwork(), OPTIONS).embed_chips(chips())
    moved = NetworkEmbedder(FakeNetwork(), replace(OPTIONS, centre=centre)).embed_chips(chips())
    np.testing.assert_allclose(moved, unit(plain - np.array(centre, np.float32)), atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "01"},
        {"flip": True},
        {"centre": (0.1, 0.0, 0.0, 0.0, 0.0, 0.0)},
        {"alignment": Alignment("box", margin=5)},
        {"alignment": Alignment("landmarks", template="dlib-150")},
        {"preprocessing": Preprocessing(20, (10.0, 20.0, 30.0), 2.0, "bgr")},
        {"preprocessing": Preprocessing(20, (10.0, 20.0, 31.0), 2.0)},
        {"preprocessing": Preprocessing(24, (10.0, 20.0, 30.0), 2.0)},
    ],
)
def test_whatever_changes_vectors_changes_the_space(change):
    """Two embedders whose vectors cannot be compared never share a space."""
    assert replace(OPTIONS, **change).space.id != OPTIONS.space.id


def test_the_batch_size_does_not_change_the_space():
    """How many chips run at once is no part of the space."""
    assert replace(OPTIONS, batch=3).space == OPTIONS.space


def test_the_margin_is_even_on_all_sides():
    """A margin of 4 of 20 pixels grows a box by a quarter of its mean side, the same number of pixels each way."""
    image = np.zeros((100, 100, 3), np.uint8)
    image[25:75, 35:65] = 255  # the box (40, 30, 60, 70) and 5 pixels around; 3.75 are wanted
    faces = Faces(boxes=np.array([[40, 30, 60, 70]], np.float32), scores=np.ones(1))
    chip = NetworkEmbedder(FakeNetwork(), OPTIONS).crop(image, faces)[0]
    assert chip.min() == 255
    wider = replace(OPTIONS, alignment=Alignment("box", margin=8))
    assert NetworkEmbedder(FakeNetwork(), wider).crop(image, faces)[0].min() == 0


def test_landmarks_land_on_the_template():
    """A face whose landmarks are the template's, shifted, is cut without any scaling, for any chip size."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 220, 3), dtype=np.uint8)
    shift = np.array([30, 20], np.float32)
    faces = Faces(boxes=np.array([[30, 20, 180, 170]]), scores=np.ones(1), landmarks=(DLIB_150 + shift)[None])
    options = replace(OPTIONS, preprocessing=Preprocessing(150), alignment=Alignment("landmarks", template="dlib-150"))
    chip = NetworkEmbedder(FakeNetwork(), options).crop(image, faces)[0]
    assert np.abs(chip[5:-5, 5:-5].astype(int) - image[25:165, 35:175]).max() <= 1


def test_a_network_of_another_width_is_refused():
    """A network that gives another number of values than the record says is refused."""
    with pytest.raises(WeightsError, match="mend its record"):
        NetworkEmbedder(FakeNetwork(), replace(OPTIONS, dimensions=5)).embed_chips(chips())


@pytest.mark.parametrize("bad", [chips(size=21), chips().astype(np.float32), chips()[0]])
def test_other_chips_are_refused(bad):
    """Chips of another size, type or rank are refused."""
    with pytest.raises(InputError, match="takes chips"):
        NetworkEmbedder(FakeNetwork(), OPTIONS).embed_chips(bad)


def test_unknown_templates_and_batches_are_refused():
    """Options that cannot work are refused where they are made."""
    with pytest.raises(InputError, match="dlib-150"):
        replace(OPTIONS, alignment=Alignment("landmarks", template="mine"))
    with pytest.raises(InputError, match="6 numbers, got 2"):
        replace(OPTIONS, centre=(0.0, 1.0))
    with pytest.raises(InputError, match="batch"):
        replace(OPTIONS, batch=0)


def test_a_detector_is_no_embedder():
    """A record of another kind cannot be made an embedder."""
    with pytest.raises(WeightsError, match="mtcnn is no embedder"):
        EmbedderOptions.from_record(Catalog().get("mtcnn"))
