"""Recall of a cascade at a number of false finds: read off the curve, never beyond it."""

from dataclasses import dataclass

import numpy as np
import pytest

from mien.core.errors import ImageError
from mien.core.faces import Faces
from mien.core.protocols import Network
from mien.datasets.annotations import MarkedPicture
from mien.evaluation.detection import Truth, detection_curve
from mien.training.mtcnn_evaluation import choose_networks, judge_cascade, recall_at
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from mien.zoo.runtime import Workers

BOXES = np.array([[180, 65, 268, 173], [400, 20, 410, 32]], np.float32)


def test_recall_at_a_number_of_false_finds():
    """Right, wrong, right, wrong, by falling score: one face before the first false find, both after it."""
    faces = np.array([[0, 0, 20, 20], [100, 0, 120, 20]], np.float32)
    wrong = faces + 50
    found = Faces(np.stack([faces[0], wrong[0], faces[1], wrong[1]]), np.array([0.9, 0.8, 0.7, 0.6], np.float32))
    curve = detection_curve([found], [Truth(faces, np.ones(2, bool))])
    assert recall_at(curve, 0) == pytest.approx(0.5)
    assert recall_at(curve, 1) == pytest.approx(1.0)
    assert recall_at(curve, 99) == pytest.approx(1.0)


def test_nothing_found_is_no_recall():
    """An empty table gives 0, not an error."""
    curve = detection_curve([Faces.empty()], [Truth(BOXES, np.ones(2, bool))])
    assert recall_at(curve, 5) == 0


def test_the_published_cascade_is_judged_by_faces_it_searches_for(cache_dir, tmp_path, astronaut):
    """The face is found, the badge below the smallest size is ignored, a picture that cannot be read takes no part."""
    house = House(load_settings(cache_dir=cache_dir, threads=1))
    networks = {stage: house.network(file) for stage, file in house.weights("mtcnn").items()}
    marked = [MarkedPicture(tmp_path / name, "", BOXES) for name in ("a.png", "gone.png")]

    def read(path):
        if path.stem == "gone":
            raise ImageError("gone")
        return astronaut

    events = judge_cascade(marked, read, networks, (20.0, Workers(1)))
    steps = []
    while True:
        try:
            steps.append(next(events))
        except StopIteration as end:
            judged = end.value
            break
    assert steps[-1] == (2, 2)
    assert judged.pictures == 1
    assert judged.curve.faces == 1
    assert judged.figures == {
        "AP": 1.0,
        "recall at 0.1 false per picture": 1.0,
        "recall at 1 false per picture": 1.0,
    }


@dataclass
class Changed:
    """A network that is surer of every window than it was, or less sure."""

    network: Network
    lead: float

    def run(self, pixels):
        (outputs,) = self.network.run(pixels)
        outputs = outputs.copy()
        outputs[:, 0] += np.float32(self.lead)
        return (outputs,)


def test_networks_that_do_harm_are_not_kept(cache_dir, tmp_path, astronaut):
    """An R-Net that lets nothing through is refused; P- and O-Net that do no worse stay."""
    house = House(load_settings(cache_dir=cache_dir, threads=1))
    published = {stage: house.network(file) for stage, file in house.weights("mtcnn").items()}
    leads = {"pnet": 0.1, "rnet": -50.0, "onet": 0.1}
    trained = {stage: Changed(published[stage], lead) for stage, lead in leads.items()}
    marked = [MarkedPicture(tmp_path / "a.png", "", BOXES)]
    events = choose_networks(marked, lambda _: astronaut, (published, trained), (20.0, Workers(1)))
    steps = []
    while True:
        try:
            steps.append(next(events))
        except StopIteration as end:
            kept = end.value
            break
    assert kept == ("pnet", "onet")
    assert steps[0] == (0, 4)
    assert steps[-1] == (4, 4)
