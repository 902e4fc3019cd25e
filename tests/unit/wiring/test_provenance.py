"""A record names the digest of every network that took part."""

import hashlib
from types import SimpleNamespace

import pytest

from mien.detectors.refined import RefinedDetector
from mien.detectors.tiled import TiledDetector
from mien.wiring.provenance import finding_weights, weights_of
from tests.fakes.plugs import FakeDetector


@pytest.fixture
def house(tmp_path):
    """Settings and a catalog of one detector, two cascades, two embedders and their fusion; each file holds its own name."""

    def make(detector="mtcnn", weights="mtcnn", *, refined=False):
        def files(name):
            (tmp_path / name).write_text(name, encoding="utf-8")
            return {"net": tmp_path / name}

        formats = {"both": SimpleNamespace(format="ensemble", members=("a", "b"))}
        catalog = SimpleNamespace(
            names=lambda kind="": ("haar", "mtcnn", "mine", "a", "b", "both"),
            get=lambda name: formats.get(name, SimpleNamespace(format="onnx", members=())),
        )
        inner = RefinedDetector(FakeDetector(), FakeDetector()) if refined else FakeDetector()
        settings = SimpleNamespace(detector=detector, weights=weights)
        return SimpleNamespace(settings=settings, catalog=catalog, detector=TiledDetector(inner), weights=files)

    return make


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()


def test_the_cascade_is_the_one_that_the_settings_name(house):
    """A trained cascade is named as itself, not as the published one."""
    assert finding_weights(house()) == {"mtcnn/net": digest("mtcnn")}
    assert finding_weights(house(weights="mine")) == {"mine/net": digest("mine")}


def test_what_refines_boxes_took_part(house):
    """Haar's boxes go through a cascade: both are named."""
    found = finding_weights(house("haar", "mine", refined=True))
    assert found == {"haar/net": digest("haar"), "mine/net": digest("mine")}


def test_a_fusion_is_its_members(house):
    """Each member has its digest; what is no record of the catalog is passed over."""
    assert weights_of(house(), "both", "file.onnx") == {"a/net": digest("a"), "b/net": digest("b")}
