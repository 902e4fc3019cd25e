"""Backbones: EfficientNet-Lite0 as published, embedders of the catalog, keras.applications without a network."""

import numpy as np
import pytest

from mien.core.errors import SettingError, WeightsError
from mien.training import backbones
from mien.training.backbones import OnnxBackbone, OnnxFile, open_keras, prepared
from mien.training.exporting import to_onnx
from mien.training.fitting import start
from mien.training.networks import head_on, joined, small_cnn
from mien.zoo.catalog import Catalog
from mien.zoo.runtime import OnnxNetwork
from mien.zoo.weights import ensure

CATS = {281, 282, 285}  # tabby, tiger cat, Egyptian cat
CUPS = {504, 967, 968}  # coffee mug, espresso, cup
ROCKETS = {657, 744, 812}  # missile, projectile, space shuttle


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """The middle seven eighths of a picture, ``(1, size, size, 3)``, as ImageNet is looked at."""
    import cv2

    side = int(min(pixels.shape[:2]) * 0.875)
    y, x = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return cv2.resize(pixels[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)[None]


@pytest.fixture(scope="module")
def lite0_file(tmp_path_factory):
    """The verified weights of EfficientNet-Lite0."""
    folder = tmp_path_factory.mktemp("weights")
    return ensure(Catalog().get("efficientnet-lite0"), cache=folder, models=folder)["backbone"]


def test_efficientnet_lite0_names_scikit_images_pictures(lite0_file):
    """The likeliest of 1,000 classes is a cat, an espresso or a cup, a rocket's kind."""
    from skimage import data

    from mien.training.efficientnet_lite import efficientnet_lite0, read_weights

    model = efficientnet_lite0(read_weights(lite0_file), top=True)
    for pixels, expected in ((data.chelsea(), CATS), (data.coffee(), CUPS), (data.rocket(), ROCKETS)):
        logits = model.predict_on_batch(square(pixels, 224).astype(np.float32))[0]
        assert int(logits.argmax()) in expected
        assert set(np.argsort(logits)[::-1][:3].tolist()) & expected


def test_foreign_weights_are_refused(lite0_file, tmp_path):
    """A file that is no PyTorch weights, and weights of another network, are named."""
    from mien.training.efficientnet_lite import efficientnet_lite0, read_weights

    rubbish = tmp_path / "x.pth"
    rubbish.write_bytes(b"rubbish" * 100)
    with pytest.raises(WeightsError, match=r"x\.pth is no file of PyTorch weights"):
        read_weights(rubbish)
    weights = read_weights(lite0_file)
    del weights["_conv_head.weight"]
    with pytest.raises(WeightsError, match=r"_conv_head\.weight is missing"):
        efficientnet_lite0(weights, size=64)
    weights["_conv_stem.weight"] = np.zeros((16, 3, 3, 3), np.float32)
    with pytest.raises(WeightsError, match="no weights of EfficientNet-Lite0"):
        efficientnet_lite0(weights, size=64)


def test_an_embedder_with_a_head_becomes_one_network(cache_dir, astronaut):
    """The frozen network of dlib with a head on it: the joined ONNX says what both say one after the other."""
    start(0)
    record = Catalog().get("dlib")
    (path,) = ensure(record, cache=cache_dir, models=cache_dir).values()
    backbone = OnnxBackbone(OnnxFile(record, path, OnnxNetwork(path)))
    chips = np.stack([astronaut[y : y + 150, x : x + 150] for y, x in ((40, 150), (0, 0), (200, 200))])
    features = backbone.features(chips)
    head = head_on(features, 3)
    exported = OnnxNetwork(write(cache_dir, backbone.export(head)))
    ours = head.predict_on_batch(features)
    assert exported.run(prepared(chips, backbone.preprocessing))[0] == pytest.approx(ours, abs=1e-5)
    assert ours.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def write(folder, data):
    """A model that is gone when the session is."""
    import tempfile
    from pathlib import Path

    file = Path(tempfile.mkdtemp()) / "joined.onnx"
    file.write_bytes(data)
    return file


def test_a_detector_is_no_backbone(cache_dir):
    """Only what gives one vector per picture is."""
    with pytest.raises(SettingError, match="mtcnn is no embedder"):
        OnnxBackbone(OnnxFile(Catalog().get("mtcnn"), cache_dir, None))


def test_an_unknown_backbone_is_answered_with_those_there_are():
    """The message lists the networks of keras.applications."""
    start(0)
    with pytest.raises(SettingError, match=r"'resnet99' is unknown; choose none, facenet, .*resnet50.*vgg16"):
        open_keras("resnet99")


def test_weights_that_cannot_be_fetched_are_named_with_their_place(monkeypatch, tmp_path):
    """Without a network the error says which file goes where."""
    keras = start(0)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def offline(origin):
        raise Exception(f"URL fetch failure on {origin}: None -- [Errno -2] Name or service not known")  # noqa: TRY002

    url = "https://example.org/keras-applications/resnet/resnet50_notop.h5"
    monkeypatch.setattr(backbones, "applications", lambda: {"resnet50": lambda **_: offline(url)})
    with pytest.raises(WeightsError) as caught:
        open_keras("ResNet50")
    assert f"download {url} elsewhere and put it into {tmp_path / 'models'} as resnet50_notop.h5" in str(caught.value)
    assert keras.backend.backend()


def test_a_network_of_keras_applications_is_prepared_for_raw_pixels(monkeypatch):
    """MobileNet takes 0–255 and scales them itself; its features stand under a head that exports as one network."""
    keras = start(0)
    real = keras.applications.MobileNet

    def blank(*, weights, include_top, input_shape):
        return real(weights=None, include_top=include_top, input_shape=input_shape, alpha=0.25)

    blank.__module__ = real.__module__
    monkeypatch.setattr(backbones, "applications", lambda: {"mobilenet": blank})
    backbone = open_keras("MobileNet", size=64)
    chips = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    features = backbone.features(chips)
    bare = backbone.model.layers[-2]
    scaled = bare.predict_on_batch(chips.astype(np.float32) / 127.5 - 1)
    assert features == pytest.approx(np.asarray(scaled).mean(axis=(1, 2)), abs=1e-4)
    head = head_on(features, 2)
    exported = OnnxNetwork(write(None, backbone.export(head)))
    assert exported.run(chips.astype(np.float32))[0] == pytest.approx(
        np.asarray(joined(backbone.model, head).predict_on_batch(chips.astype(np.float32))), abs=1e-4
    )


def test_the_wide_head_has_the_seeds_size():
    """On VGG16 at 250 pixels two dense layers of 1,024 leave 27 million weights to train, as Nikolaev counts."""
    start(0)
    head = head_on(np.zeros((2, 7 * 7 * 512), np.float32), 2, "wide")
    trained = sum(int(np.prod(v.shape)) for v in head.trainable_variables)
    assert trained == 25088 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 2 + 2
    assert round(trained / 1e6) == 27


def test_the_small_network_has_the_parameters_it_says():
    """98,418 for two classes, and the export takes any batch."""
    start(0)
    model = small_cnn(32, 2)
    assert model.count_params() == 98_418
    assert OnnxNetwork(write(None, to_onnx(model))).run(np.zeros((5, 32, 32, 3), np.float32))[0].shape == (5, 2)
