"""Detectors and embedders that a user brings: added once, then named like ours."""

import re

import cv2
import numpy as np
import pytest

from mien.zoo.catalog import Catalog
from tests.fakes.brought import embedder_file
from tests.fakes.single_shot import scrfd_file, yunet_file

ADD = ("models", "add", "white.onnx", "--name", "white", "--kind", "detector")


@pytest.fixture
def white(home):
    """A picture of a white square of 8 pixels, which the small networks take for a face of 32."""
    pixels = np.zeros((240, 320, 3), np.uint8)
    pixels[80:88, 160:168] = 255
    cv2.imwrite(str(home / "square.png"), pixels)
    return "square.png"


@pytest.mark.parametrize(("family", "data"), [("yunet", yunet_file()), ("scrfd", scrfd_file())])
def test_a_detector_is_brought_and_used(mien, home, white, family, data):
    """One command takes the file in and shows its licence, --detector NAME uses it with the usual limits, export keeps it."""
    (home / "white.onnx").write_bytes(data)
    added = mien(*ADD, "--format", family, "--licence", "of the test", "--json")
    assert added.code == 0, added.err
    assert added.json()[0]["licence"] == "of the test"
    (picture,) = mien("detect", white, "--detector", "white", "--score-threshold", "0.9", "--json").json()
    (face,) = picture["faces"]
    assert face["box"] == [148, 68, 32, 32]
    assert face["keypoints"]["nose"] == [164, 84]
    (picture,) = mien("detect", white, "--detector", "white", "--min-face", "40", "--json").json()
    assert picture["faces"] == []
    assert mien("models", "export", "white", "out").code == 0
    assert f'format = "{family}"' in (home / "out" / "white.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (ADD, 2, "--format is '': with --kind detector expected yunet or scrfd"),
        ((*ADD, "--format", "mtcnn"), 2, "expected yunet or scrfd"),
        (("models", "add", "white.onnx", "--format", "yunet"), 2, "expected facenet or arcface or sface"),
        ((*ADD, "--format", "scrfd"), 1, "does not give what a scrfd network gives"),
        (("detect", "square.png", "--detector", "yunet"), 1, "mien models pull yunet downloads it .licence: MIT"),
        (("detect", "square.png", "--detector", "white"), 2, "unknown; choose one of mtcnn, haar"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(mien, home, white, words, code, why):
    """A missing format, a wrong one, weights that are not here: one line with what to do."""
    (home / "white.onnx").write_bytes(yunet_file())
    result = mien(*words)
    assert result.code == code
    assert len(result.err.strip().splitlines()) == 1
    assert re.search(why, result.err)


@pytest.mark.parametrize("embedder", ["facenet", "dlib"])
def test_people_are_named_from_yunets_landmarks(mien, photo, shared_data, embedder):
    """Boxes and landmarks of YuNet serve enrolment and naming without MTCNN, for boxes and for aligned faces."""
    yunet = shared_data / "models" / "yunet" / "yunet_n_dynamic.onnx"
    assert mien("models", "add", yunet, "--name", "yunet-n", "--kind", "detector", "--format", "yunet").code == 0
    photo("ada.jpg")
    photo("again.jpg", change=lambda image: image[:, ::-1])
    using = ("--detector", "yunet-n", "--embedder", embedder)
    enrolled = mien("enroll", "Ada", "ada.jpg", *using)
    assert enrolled.code == 0, enrolled.err
    (picture,) = mien("who", "again.jpg", *using, "--json").json()
    assert [face["match"]["name"] for face in picture["faces"]] == ["Ada"]


@pytest.mark.parametrize(("family", "mean", "scale"), [("arcface", 127.5, 127.5), ("sface", 0.0, 1.0)])
def test_an_embedder_is_brought_and_used(mien, home, photo, family, mean, scale):
    """--format says how a family aligns and feeds faces; what else is said goes before it; the embedder then names people."""
    (home / "face.onnx").write_bytes(embedder_file(batch=1))
    add = ("models", "add", "face.onnx", "--format", family)
    added = mien(*add, "--name", "mine")
    assert added.code == 0, added.err
    record = Catalog(home / "data" / "models").get("mine")
    assert record.alignment.template == "arcface-112"
    assert (record.preprocessing.size, record.preprocessing.channels) == (112, "rgb")
    assert (record.preprocessing.mean, record.preprocessing.scale) == ((mean,) * 3, scale)
    assert mien(*add, "--name", "other", "--bgr", "--align", "box+10").code == 0
    other = Catalog(home / "data" / "models").get("other")
    assert (other.preprocessing.channels, other.alignment.margin, other.preprocessing.mean[0]) == ("bgr", 10, mean)
    photo("ada.jpg")
    photo("darker.jpg", change=lambda image: (image * 0.8).astype(np.uint8))
    assert mien("enroll", "Ada", "ada.jpg", "--embedder", "mine").code == 0
    named = mien("who", "darker.jpg", "--embedder", "mine", "--threshold", "0.9", "--margin", "0", "--json")
    (picture,) = named.json()
    assert [face["match"]["name"] for face in picture["faces"]] == ["Ada"]
