"""The classifier recipe end to end: trained small on real pictures, stopped, resumed, refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.classifiers.network import ClassifierOptions, NetworkClassifier
from mien.core.errors import DuplicateError, ImageError, InputError, SettingError, TrainingError
from mien.core.faces import Faces
from mien.datasets.labelled import read_labelled
from mien.media.images import read_image
from mien.training.classifier import Recipe, Tools, train_classifier
from mien.training.decisions import FitOptions
from mien.training.exporting import check_equal
from mien.training.pictures import Cut, Reading, beside
from mien.training.progress import Progress
from mien.zoo.catalog import Alignment, Catalog
from mien.zoo.runtime import OnnxNetwork

SMALL = Recipe("tiles", size=32, augment=1, threads=1, fit=FitOptions(epochs=4, batch=8, rate=3e-3, patience=0))


def whole(size, alignment):
    return Cut(size, Alignment("box"))


def tools(folder: Path) -> Tools:
    return Tools(folder / "models", folder / "cache", OnnxNetwork, whole)


def finish(events):
    """What a recipe returns, and how many events it told."""
    count = 0
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value, count
        count += 1


def train(source: Path, folder: Path, recipe: Recipe = SMALL, test: Path | None = None):
    found = beside(read_labelled(source), None if test is None else read_labelled(test))
    return finish(train_classifier(found, folder / "run", recipe, tools(folder)))[0]


@pytest.fixture(scope="module")
def trained(tiles, tmp_path_factory):
    """The small network, trained on the tiles, and where."""
    folder = tmp_path_factory.mktemp("trained")
    return train(tiles, folder), folder


def test_a_small_network_learns_real_pictures_and_the_catalog_finds_it(trained, tiles):
    """Tiles of two photographs are told apart, by the classifier that the models folder holds, from the file on."""
    result, folder = trained
    record = Catalog(folder / "models").get("tiles")
    assert record.classes == ("cat", "coffee")
    assert record == replace(result.record, folder=folder / "models")
    network = OnnxNetwork(folder / "models" / "tiles.onnx")
    classifier = NetworkClassifier(network, ClassifierOptions.from_record(record))
    chips = np.stack([read_image(p).pixels[::2, ::2] for p in sorted((tiles / "coffee").iterdir())])
    answers = classifier.classify_chips(chips)
    assert answers.shape == (24, 2)
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert result.figures["balanced_accuracy"] >= 0.8


def test_the_export_says_what_the_trained_network_says(trained):
    """On real pictures both differ by less than 1e-4, in a batch of any size."""
    result, folder = trained
    assert 0 <= result.figures["settings"]["export_difference"] <= 1e-4
    network = OnnxNetwork(folder / "models" / "tiles.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3)).astype(np.float32)
    one_by_one = np.concatenate([network.run(pixels[i : i + 1])[0] for i in range(7)])
    assert np.allclose(network.run(pixels)[0], one_by_one, atol=1e-6)
    with pytest.raises(TrainingError, match=r"differs from the trained one by 0\.01"):
        check_equal(np.zeros((2, 2), np.float32), np.full((2, 2), 0.01, np.float32))


def test_the_report_has_what_a_reader_needs(trained):
    """Figures, counts, settings, a warning where no test pictures were given, and pictures that are there."""
    result, folder = trained
    page = result.report.read_text()
    assert "There were no test pictures" in page
    for line in ("| class | pictures | precision | recall | F1 |", "| train | 19 | 19 |", "| backbone | none |"):
        assert line in page
    assert {p.name for p in (folder / "run").iterdir()} >= {"loss.png", "accuracy.png", "confusion.png", "roc.png"}
    assert json.loads((folder / "run" / "report.json").read_text()) == result.figures
    assert ("mistakes.jpg" in page) == (folder / "run" / "mistakes.jpg").is_file()


def test_a_stopped_run_resumes_to_the_same_network(trained, tiles, tmp_path):
    """Broken off in the third epoch and resumed, it ends in the very bytes that an unbroken run ends in."""
    events = train_classifier(read_labelled(tiles), tmp_path / "run", SMALL, tools(tmp_path))
    for event in events:
        if event == Progress("learn", 12, 20):  # the second of five steps of the third of four epochs
            events.close()
            break
    with pytest.raises(SettingError, match="holds a run: --resume"):
        train(tiles, tmp_path)
    with pytest.raises(SettingError, match=r"augment 1 \(now 0\)"):
        train(tiles, tmp_path, replace(SMALL, resume=True, augment=0))
    resumed = train(tiles, tmp_path, replace(SMALL, resume=True))
    _, folder = trained
    pixels = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3)).astype(np.float32)
    ours, theirs = (OnnxNetwork(f / "models" / "tiles.onnx").run(pixels)[0] for f in (tmp_path, folder))
    assert np.abs(ours - theirs).max() <= 1e-5
    assert resumed.figures["val_loss"] == pytest.approx(trained[0].figures["val_loss"], abs=1e-5)


def test_a_name_that_is_taken_is_refused_before_anything_is_trained(trained, tiles):
    """Weights of one's own are never overwritten unasked."""
    _, folder = trained
    events = train_classifier(read_labelled(tiles), folder / "other", SMALL, tools(folder))
    with pytest.raises(DuplicateError, match="--replace"):
        next(events)
    assert not (folder / "other").exists()


def test_test_pictures_are_judged_and_never_learnt(tiles, tmp_path):
    """The report is about the pictures of --test, none of which is among those to learn from or to choose with."""
    test = tmp_path / "test"
    for name in ("cat", "coffee"):
        (test / name).mkdir(parents=True)
        for file in sorted((tiles / name).iterdir())[:4]:
            shutil.copy(file, test / name)
    train_side = tmp_path / "train"
    for name in ("cat", "coffee"):
        (train_side / name).mkdir(parents=True)
        for file in sorted((tiles / name).iterdir())[4:]:
            shutil.copy(file, train_side / name)
    recipe = replace(SMALL, fit=replace(SMALL.fit, epochs=1))
    figures = train(train_side, tmp_path / "a", recipe, test).figures
    assert figures["judged_on"] == "8 test pictures"
    assert figures["pictures_of"]["test"] == {"cat": 4, "coffee": 4}
    with pytest.raises(InputError, match=r"leak: .* --allow-leak"):
        train(tiles, tmp_path / "b", recipe, test)
    allowed = train(tiles, tmp_path / "c", replace(recipe, reading=Reading(allow_leak=True)), test)
    assert len(allowed.figures["leaks"]) == 8  # each tile beside its copy
    assert "LEAK ALLOWED" in allowed.report.read_text()


def test_one_class_only_is_refused(tiles, tmp_path):
    """There is nothing to tell apart."""
    shutil.copytree(tiles / "cat", tmp_path / "one" / "cat")
    with pytest.raises(InputError, match="one class only"):
        train(tmp_path / "one", tmp_path)


def test_a_picture_in_two_classes_is_refused(tiles, tmp_path):
    """It could only be learnt wrong; both files are named."""
    shutil.copytree(tiles, tmp_path / "set")
    shutil.copy(tmp_path / "set" / "cat" / "03.png", tmp_path / "set" / "coffee" / "cup.png")
    with pytest.raises(InputError, match=r"1 pictures? .* two classes at once: .*03\.png and .*cup\.png"):
        train(tmp_path / "set", tmp_path)


def test_corrupt_files_are_left_out_and_reported(tiles, tmp_path):
    """A damaged picture is named once with its reason, and counted in the report; the others are learnt from."""
    shutil.copytree(tiles, tmp_path / "set")
    (tmp_path / "set" / "cat" / "99.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    figures = train(tmp_path / "set", tmp_path, replace(SMALL, fit=replace(SMALL.fit, epochs=1))).figures
    assert [p["name"].endswith("99.png") for p in figures["left_out"]] == [True]
    assert "99.png" not in figures["left_out"][0]["reason"]
    assert "\n1 left out:\n" in next(tmp_path.rglob("report.md")).read_text(encoding="utf-8")
    assert sum(figures["pictures_of"]["train"].values()) + sum(figures["pictures_of"]["val"].values()) == 48


def test_a_backbone_may_learn_too_once_its_head_has(tiles, tmp_path, monkeypatch):
    """Head first, then all together with a small rate; the better of both is exported as one network."""
    from mien.training import backbones
    from mien.training.keras_backend import load_keras

    real = load_keras().applications.MobileNet

    def blank(*, weights, include_top, input_shape):
        return real(weights=None, include_top=include_top, input_shape=input_shape, alpha=0.25)

    blank.__module__ = real.__module__
    monkeypatch.setattr(backbones, "applications", lambda: {"mobilenet": blank})
    recipe = replace(SMALL, backbone="mobilenet", unfreeze=1, fit=replace(SMALL.fit, epochs=2))
    figures = train(tiles, tmp_path, recipe).figures
    assert (tmp_path / "run" / "unfrozen" / "last.npz").is_file()
    assert figures["settings"]["export_difference"] <= 1e-4
    assert (tmp_path / "cache" / "features").is_dir()


class EveryoneButCups:
    """Finds a small and a large face in cats, none in coffee."""

    name = "fake"

    def detect(self, image):
        if image[..., 2].mean() > image[..., 0].mean():
            return Faces.empty()
        return Faces(np.array([[0, 0, 10, 10], [8, 8, 40, 40]], np.float32), np.array([0.9, 0.8], np.float32))


def test_the_largest_face_is_cut_and_pictures_without_one_are_left_out(astronaut):
    """With a detector a chip shows the larger box; a picture without a face is an error of that picture."""
    cut = Cut(32, Alignment("box"), EveryoneButCups())
    warm = astronaut[:64, :64] // 2 + np.array([90, 40, 0], np.uint8)
    assert np.array_equal(cut.chip(warm), warm[8:40, 8:40])
    with pytest.raises(ImageError, match="no face"):
        cut.chip(np.ascontiguousarray(warm[..., ::-1]))
