"""Not fooled by a photograph, on the command line."""

import json

import cv2
import numpy as np
import pytest

from mien.store.gallery import open_gallery
from mien.zoo.convert.graph import Graph
from tests.fakes.videos import write_video

MONDAY = "2026-03-02T08:05+01:00"
COURSE = ("--zone", "Europe/Berlin", "--weekdays", "mon", "--from", "08:00", "--to", "09:30", "--since", "2026-02-01")
BRING = ("--name", "minifasnet", "--kind", "classifier", "--classes", "live,spoof", "--align", "context+0.5")


def narrowed(picture, degrees):
    """A photograph turned about its upright axis, far away: narrower, nothing else."""
    width = round(picture.shape[1] * np.cos(np.radians(degrees)))
    small = cv2.resize(picture, (width, picture.shape[0]), interpolation=cv2.INTER_AREA)
    left = (picture.shape[1] - width) // 2
    return np.pad(small, ((0, 0), (left, picture.shape[1] - width - left), (0, 0)), constant_values=120)


@pytest.fixture
def held_up(home, astronaut):
    """Ada's photograph in front of the camera: straight for a second, then turned away slowly, five seconds in all."""
    face = astronaut[:256, 96:416]
    angles = [0.0] * 10 + [min(3.0 * n, 62.0) for n in range(40)]
    return write_video(home / "held.mp4", [narrowed(face, a) for a in angles], [n / 10 for n in range(50)])


@pytest.fixture
def course(mien, home, photo):
    """A course with Ada, who is enrolled."""
    mien("enroll", "Ada", photo("ada.jpg"))
    (home / "class.csv").write_text("name\nAda\n", encoding="utf-8")
    assert mien("attendance", "session", "add", "Algebra", *COURSE).code == 0
    assert mien("attendance", "roster", "import", "class.csv", "--session", "Algebra").code == 0


def model(live):
    """An ONNX classifier that says the same of every picture."""
    graph = Graph()
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "pixels"), axis=1)
    bias = graph.constant(np.array([5.0, 0.0] if live else [0.0, 5.0]))
    out = graph.add("Gemm", flat, graph.constant(np.zeros((2, 3))), bias, transB=1)
    return graph.to_onnx("same", {"pixels": ("n", 3, 32, 32)}, {out: ("n", 2)})


def decisions(home):
    """Of all sightings in the log, and the people they name."""
    with open_gallery(home / "data" / "mien.db") as gallery:
        return {(s.decision, s.person_id) for s in gallery.attendance.sightings()}


def status(mien):
    report = mien("attendance", "report", "Algebra", "--since", "2026-03-01", "--until", "2026-03-07", "--json").json()
    return {entry["name"]: entry["status"] for entry in report["entries"]}


def watched(mien, clip, *words):
    result = mien("attendance", "watch", clip, "--at", MONDAY, "--json", *words)
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def test_a_photograph_fools_who_does_not_ask(mien, held_up, course):
    """Without a check it marks Ada: that is what the checks are for."""
    watched(mien, held_up)
    assert status(mien) == {"Ada": "present"}


def test_a_photograph_does_not_turn_its_head(mien, home, held_up, course):
    """Asked by name, flat, written as a spoof with the reason, and nobody is marked."""
    lines = watched(mien, held_up, "--liveness", "challenge")
    asked = [line["why"] for line in lines if line["event"] == "asked" and line["name"] == "Ada"]
    assert asked[0] == "look straight into the camera"
    assert "turn your head slowly" in asked[1]
    (spoof,) = [line for line in lines if line["event"] == "spoof"]
    assert "movement of the nose" in spoof["match"]["reasons"][-1]["words"]
    assert decisions(home) == {("spoof", None)}
    assert status(mien) == {"Ada": "absent"}


def test_a_model_that_was_brought_judges_looks(mien, home, held_up, course):
    """One that says spoof marks nobody; one that says live lets Ada be marked."""
    (home / "m.onnx").write_bytes(model(live=False))
    assert mien("models", "add", "m.onnx", *BRING).code == 0
    watched(mien, held_up, "--liveness", "passive")
    assert decisions(home) == {("spoof", None)}
    assert status(mien) == {"Ada": "absent"}
    (home / "m.onnx").write_bytes(model(live=True))
    assert mien("models", "add", "m.onnx", *BRING, "--replace").code == 0
    watched(mien, held_up, "--liveness", "passive")
    assert status(mien) == {"Ada": "present"}


def test_the_command_that_brings_the_model_is_told(mien, held_up):
    """Without the model: what is missing, and the command as it must be typed."""
    result = mien("watch", held_up, "--liveness", "passive")
    assert result.code == 2
    assert "mien models add FILE.onnx --name minifasnet --kind classifier --classes live,spoof" in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "classifier"), "--classes come together"),
        (("--classes", "a,b"), "--classes come together"),
        (("--kind", "dog"), "expected embedder, detector or classifier"),
        (("--kind", "classifier", "--classes", "a,b", "--activation", "x"), "softmax, sigmoid or none"),
        (("--kind", "classifier", "--classes", "a,b", "--align", "context+x"), "context+SHARE"),
        (("--kind", "classifier", "--classes", "a,b,c"), "one for each of a, b, c"),
    ],
)
def test_models_that_cannot_be_added(mien, home, words, said):
    """What was typed, and what was expected."""
    (home / "m.onnx").write_bytes(model(live=True))
    result = mien("models", "add", "m.onnx", *words)
    assert result.code != 0
    assert said in result.err


def test_a_model_is_evaluated_on_a_folder_per_kind(mien, home, photo):
    """A model that calls everything live refuses nobody and stops nothing; the record names it and its policy."""
    photo("faces/live/a.png")
    photo("faces/print/b.png", change=lambda a: a[:, ::-1])
    (home / "all-live.onnx").write_bytes(model(live=True))
    asked = ("eval", "liveness", "faces", "--out", "out")
    assert "no classifier is called 'minifasnet'" in mien(*asked).err
    assert mien("models", "add", "all-live.onnx", *BRING).code == 0
    result = mien(*asked, "--json")
    assert result.code == 0, result.err
    found = result.json()["figures"]["pictures"]
    assert (found["bpcer"]["share"], found["apcer"]["print"]["share"], found["acer"]) == (0, 1, 0.5)
    assert result.json()["subject"]["classifier"] == "minifasnet"
    assert "--live names the folder" in mien("eval", "liveness", "faces", "--out", "o", "--live", "real").err
