"""Me and not me in front of a camera, in a video, in photographs: a classifier asked about every face."""

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.zoo.convert.graph import Graph
from tests.fakes.videos import write_video

BRING = ("--kind", "classifier", "--align", "extended+0.5", "--mean", "0", "--scale", "255")


def light_or_dark(threshold=0.3):
    """An ONNX classifier of chips 32 × 32: ``dark`` or ``light``, by their mean."""
    graph = Graph()
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "pixels"), axis=1)
    weights, bias = np.array([[-20.0] * 3, [20.0] * 3]), np.array([60 * threshold, -60 * threshold])
    out = graph.add("Gemm", flat, graph.constant(weights), graph.constant(bias), transB=1)
    return graph.to_onnx("light", {"pixels": ("n", 3, 32, 32)}, {out: ("n", 2)})


def moving(astronaut, count, *, light=1.0):
    frames = [np.roll(astronaut, 3 * n, axis=1)[:256, 96:416] for n in range(count)]
    return [(frame * light).astype(np.uint8) for frame in frames]


@pytest.fixture
def model(home, mien):
    """The classifier, in the models folder under the name ``lit``."""
    (home / "lit.onnx").write_bytes(light_or_dark())
    assert mien("models", "add", "lit.onnx", *BRING, "--classes", "dark,light").code == 0


@pytest.fixture
def clip(home, astronaut):
    """A face moves for three seconds; for a single frame of them the light fails."""
    pictures = moving(astronaut, 15) + moving(astronaut, 16, light=0.3)[15:] + moving(astronaut, 30)[16:]
    return write_video(home / "clip.mp4", pictures, [n / 10 for n in range(30)])


def lines_of(result):
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def told(result):
    return [(line["event"], line["attribute"] and line["attribute"]["class"]) for line in lines_of(result)]


def test_a_face_is_classified_once(mien, clip, model):
    """With nobody enrolled: one event for the face, none that it is unknown, and the count at the end."""
    result = mien("watch", clip, "--classifier", "lit", "--json")
    assert told(result) == [("classified", "light"), ("ended", None)]
    first, last = lines_of(result)
    assert first["attribute"]["probabilities"]["light"] > 0.6
    assert last["classes"] == {"lit": {"light": 1}}
    assert last["unknown"] == 0
    assert "nobody is enrolled" not in result.err


def test_for_people(mien, clip, model):
    """A line with its time, then how many faces of which class."""
    result = mien("watch", clip, "--classifier", "lit", "--detector", "haar")
    assert ": light (" in result.out.splitlines()[0]
    assert "1 faces, by lit" in result.out
    assert "people seen" not in result.out


def test_a_change_for_good_is_told(mien, home, astronaut, model):
    """Once the light stays off the face is another class, and what was said before stands with it."""
    pictures = moving(astronaut, 15) + moving(astronaut, 40, light=0.3)[15:]
    write_video(home / "off.mp4", pictures, [n / 10 for n in range(40)])
    events = lines_of(mien("watch", "off.mp4", "--classifier", "lit", "--json"))[:-1]
    labels = [
        (line["attribute"]["class"], line["was"]) for line in events if line["track_id"] == events[-1]["track_id"]
    ]
    assert labels[-1][0] == "dark"
    assert len(labels) <= 2


def test_names_and_classes_at_once(mien, photo, clip, model):
    """Who is enrolled is named as ever, and the class is told with the name."""
    mien("enroll", "Ada", photo("ada.jpg"))
    lines = lines_of(mien("watch", clip, "--classifier", "lit", "--json"))
    assert [(line["event"], line["name"]) for line in lines[:2]] == [("arrived", "Ada"), ("classified", "Ada")]


def test_photographs_and_videos(mien, photo, clip, model):
    """Both commands tell the class of every face, in tables and as JSON; a video's spans have it, too."""
    photo("a.png")
    rows = list(csv.DictReader(io.StringIO(mien("detect", "a.png", "--classifier", "lit", "--csv").out)))
    assert rows[0]["class"].startswith("light ")
    (answer,) = mien("who", "a.png", "--classifier", "lit", "--json").json()
    assert answer["faces"][0]["attributes"][0]["class"] == "light"
    (video,) = mien("who", clip, "--classifier", "lit", "--json").json()
    assert [a["class"] for a in video["spans"][0]["attributes"]] == ["light"]


def test_what_is_drawn(mien, home, photo, model):
    """The drawing differs from the one without a classifier: the class stands beside the face."""
    photo("a.png")
    mien("detect", "a.png", "--draw", "without")
    mien("detect", "a.png", "--draw", "with", "--classifier", "lit")
    assert not np.array_equal(cv2.imread("without/a.jpg"), cv2.imread("with/a.jpg"))


def test_a_file_with_its_record_and_several_at_once(mien, home, clip, model):
    """FILE.onnx is as good as a name; two classifiers are two events and two counts."""
    (home / "mine").mkdir()
    for suffix in ("onnx", "toml"):
        (home / "mine" / f"lit.{suffix}").write_bytes((home / "data" / "models" / f"lit.{suffix}").read_bytes())
    assert told(mien("watch", clip, "--classifier", "mine/lit.onnx", "--json"))[0] == ("classified", "light")
    (home / "dusk.onnx").write_bytes(light_or_dark(threshold=0.9))
    mien("models", "add", "dusk.onnx", *BRING, "--classes", "dusk,day")
    lines = lines_of(mien("watch", clip, "--classifier", "lit,dusk", "--json"))
    assert lines[-1]["classes"] == {"lit": {"light": 1}, "dusk": {"dusk": 1}}


def test_context_goes_before_the_record(mien, home, photo, model, astronaut):
    """A face on a dark ground is light when seen alone, and dark with enough around it."""

    def on_black(a):
        dark = np.zeros_like(a)
        dark[60:180, 170:280] = a[60:180, 170:280]
        return dark

    photo("black.png", change=on_black)
    answers = {}
    for context in ("0", "1.5"):
        (entry,) = mien("detect", "black.png", "--classifier", "lit", "--context", context, "--json").json()
        answers[context] = [face["attributes"][0]["class"] for face in entry["faces"]]
    assert answers == {"0": ["light"], "1.5": ["dark"]}


def test_the_haar_cascade_looks_for_near_faces(mien, home, astronaut, photo, model):
    """Before a classifier it looks for faces from 100 pixels on; --min-face says otherwise."""
    photo("small.png", change=lambda a: cv2.resize(a, (256, 256), interpolation=cv2.INTER_AREA))
    words = ("detect", "small.png", "--detector", "haar", "--json")

    def count(*more):
        return len(mien(*words, *more).json()[0]["faces"])

    assert count() == 1
    assert count("--classifier", "lit") == 0
    assert count("--classifier", "lit", "--min-face", "30") == 1


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--classifier", "nowhere.onnx"), 1, "nowhere.onnx is not there"),
        (("--classifier", "bare.onnx"), 1, "mien models add bare.onnx --kind classifier"),
        (("--classifier", "facenet"), 2, "facenet is no classifier but a kind of embedder"),
        (("--classifier", "nobody"), 1, "nobody"),
        (("--context", "0.5"), 2, "add --classifier NAME"),
        (("--classifier", "lit", "--context", "-1"), 2, "context (--context) is -1"),
        (("--haar-factor", "3"), 2, "haar_factor (--haar-factor) is 3"),
    ],
)
def test_what_cannot_be_asked(mien, home, clip, model, words, code, line):
    """One line with the value and the remedy."""
    Path("bare.onnx").write_bytes(light_or_dark())
    result = mien("watch", clip, *words)
    assert (result.code, line in result.err.replace("\n", " ")) == (code, True), result.err
