"""The region classifier and its fully convolutional form: one network in three shapes, equal where they must be."""

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.training.fitting import start
from mien.training.region_networks import (
    conversion_difference,
    copy_weights,
    fully_convolutional,
    region_classifier,
    region_onnx,
    weights_of,
)
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions
from tests.fakes.region import astronaut_network


@pytest.fixture(scope="module")
def classifier():
    """With random weights, biases too: zeros would hide a bias that was forgotten."""
    start(0, threads=1)
    model = region_classifier()
    draw = np.random.default_rng(0)
    for name in ("conv1", "conv2", "dense1", "dense2", "logits"):
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel, draw.normal(0, 0.1, bias.shape)])
    return model


@pytest.fixture(scope="module")
def network(classifier, tmp_path_factory):
    """Its fully convolutional form in ONNX Runtime."""
    file = tmp_path_factory.mktemp("region") / "region.onnx"
    file.write_bytes(region_onnx(weights_of(classifier)))
    return OnnxNetwork(file, RuntimeOptions(threads=1))


def scaled(pixels):
    """Pixels as the ONNX form takes them."""
    return ((pixels.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)


def test_it_has_552194_parameters(classifier):
    """As many as the seed's, in either form."""
    assert classifier.count_params() == 552_194
    assert fully_convolutional(176, 176).count_params() == 552_194
    assert fully_convolutional(176, 176).output_shape == (None, 37, 37, 2)


def test_all_forms_agree_on_one_window(classifier, network, astronaut):
    """On 32 × 32 pixels the converted form's softmax is the classifier's answer, in Keras and in ONNX."""
    windows = np.stack([astronaut[y : y + 32, x : x + 32] for y, x in ((0, 0), (90, 200), (300, 100))])
    ours = np.asarray(classifier.predict_on_batch(windows.astype(np.float32)))
    converted = fully_convolutional(32, 32)
    copy_weights(classifier, converted)
    logits = np.asarray(converted.predict_on_batch(windows.astype(np.float32)))[:, 0, 0]
    np.testing.assert_allclose(softmax(logits), ours, atol=1e-4)
    exported = network.run(scaled(windows))[0][:, :, 0, 0]
    np.testing.assert_allclose(exported, logits, atol=1e-4)


def test_the_heads_agree_everywhere_on_a_picture(classifier, astronaut):
    """Given the same 8 × 8 patch of features, dense layers and convolutions say the same, at every place."""
    assert conversion_difference(classifier, astronaut[:120, 100:276]) < 1e-4


def test_the_exported_form_is_the_converted_one(classifier, network, astronaut):
    """ONNX and Keras agree on a picture whose sides are no multiples of 4, and on a batch."""
    pictures = np.stack([astronaut[:67, :101], astronaut[200:267, 50:151]])
    converted = fully_convolutional(67, 101)
    copy_weights(classifier, converted)
    ours = np.asarray(converted.predict_on_batch(pictures.astype(np.float32)))
    exported = network.run(scaled(pictures))[0]
    assert exported.shape == (2, 2, 9, 18)
    np.testing.assert_allclose(exported.transpose(0, 2, 3, 1), ours, atol=1e-4)


def test_a_trained_network_knows_the_face(tmp_path, astronaut):
    """Trained weights survive the conversion: the face's window leads, one of the background does not."""
    (tmp_path / "region.onnx").write_bytes(astronaut_network())
    trained = OnnxNetwork(tmp_path / "region.onnx", RuntimeOptions(threads=1))
    from mien.media.crops import crop_context

    boxes = np.array([[176, 71, 272, 167], [380, 300, 480, 400]], np.float32)
    logits = trained.run(scaled(crop_context(astronaut, boxes, size=32, context=0)))[0][:, :, 0, 0]
    lead = logits[:, 1] - logits[:, 0]
    assert lead[0] > 2
    assert lead[1] < -2


def test_less_than_a_window_is_refused():
    """A picture without a whole window is named with its size."""
    with pytest.raises(InputError, match="got 40 × 31"):
        fully_convolutional(31, 40)


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)
