"""The pipelines with real weights on real pictures; small shares of what benchmarks/ measures whole."""

from dataclasses import replace

import numpy as np
import pytest

from mien.datasets.annotations import read_wider
from mien.datasets.pairs import read_lfw_pairs
from mien.evaluation.pipeline import VerificationOptions, detect_all, detection_curves, evaluate_verification
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings

pytestmark = [pytest.mark.shared, pytest.mark.weights]


@pytest.fixture
def house(cache_dir):
    return House(load_settings(cache_dir=cache_dir))


def test_faces_of_the_easy_list_are_found(house, shared_data):
    """MTCNN must find most faces of WIDER's easy list, and easy must not be harder than hard."""
    wider = shared_data / "wider"
    split = wider / "wider_face_split"
    pictures = wider / "WIDER_val" / "images"
    marked, _ = read_wider(split / "wider_face_val.mat", pictures=pictures, lists=split / "ground_truth")
    marked = marked[::22]
    curves = detection_curves(detect_all(house.detector, marked, read=read_image), marked)
    assert curves["easy"].average_precision > 0.8
    assert curves["easy"].average_precision >= curves["hard"].average_precision


def test_pairs_are_told_apart(house, shared_data):
    """FaceNet behind MTCNN must decide nearly all of 40 official pairs rightly and lose no face."""
    lfw = shared_data / "lfw"
    pairs = read_lfw_pairs(lfw / "pairs.txt", pictures=lfw / "images")
    few = np.arange(len(pairs)) % 60 == 0
    rows, kept = np.unique(np.concatenate([pairs.left[few], pairs.right[few]])), few.sum()
    smaller = replace(
        pairs,
        pictures=tuple(pairs.pictures[i] for i in rows),
        people=pairs.people[rows],
        left=np.searchsorted(rows, pairs.left[few]),
        right=np.searchsorted(rows, pairs.right[few]),
        same=pairs.same[few],
        fold=pairs.fold[few],
    )
    options = VerificationOptions(far=(1e-2,), draws=100)
    result = evaluate_verification(house.detector, house.embedder, smaller, read=read_image, options=options)
    assert kept == 40
    assert result.missed == 0
    assert result.folds.mean > 0.95
    assert result.roc.auc > 0.98
