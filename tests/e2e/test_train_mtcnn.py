"""Weights of one's own for MTCNN from the command line: marked photographs in, ``--weights NAME`` out."""

import numpy as np
import pytest

from mien.training import mtcnn_networks
from tests.fakes.region import FACE, write_marked

QUICK = ("--epochs", "1", "--samples", "160", "--batch", "32", "--negatives", "20", "--threads", "1")
STAGES = ("pnet", "rnet", "onet")


@pytest.fixture
def boxes(home):
    """The file of boxes of four photographs of the astronaut."""
    return write_marked(home / "photos")


@pytest.mark.slow
def test_train_on_from_the_published_weights_and_find_faces_with_them(mien, boxes, home):
    """Every network moves, the converted ones say the same, and the astronaut is found with landmarks; resumed alike."""
    words = ("train", "mtcnn", boxes, "--out", "run", "--name", "mine", "--from", "pretrained", *QUICK, "--json")
    result = mien(*words)
    assert result.code == 0, result.err
    assert "rnet epoch 1 of 1: loss" in result.err
    figures = result.json()
    assert [each["network"] for each in figures["networks"]] == list(STAGES)
    for each in figures["networks"]:
        assert 1e-5 < each["moved"] < 0.2
        assert each["export_difference"] < 1e-4
        assert (each["samples"]["landmark"] > 0) == (each["network"] == "onet")
        assert each["kept"]
    assert figures["published"]["AP"] == 1
    assert figures["facts"]["points"] == "pseudo-labelled by the pretrained O-Net"
    assert figures["judged"]["AP"] == 1
    for name in ("report.md", "report.json", "pnet.png", "rnet.png", "onet.png", "curve.png"):
        assert (home / "run" / name).stat().st_size > 500, name
    assert "pseudo-labelled" in (home / "data" / "models" / "mine.toml").read_text(encoding="utf-8")
    found = mien("detect", home / "photos" / "plain.png", "--weights", "mine", "--json")
    (face, *_) = found.json()[0]["faces"]
    x, y, width, height = face["box"]
    assert abs(x + width / 2 - (FACE[0] + FACE[2]) / 2) < 15
    assert abs(y + height / 2 - (FACE[1] + FACE[3]) / 2) < 20
    mistaken = mien("detect", home / "photos" / "plain.png", "--detector", "mine")
    assert "--detector mtcnn --weights mine" in mistaken.err.replace("\n", " ")
    published = mien("detect", home / "photos" / "plain.png", "--json").json()[0]["faces"][0]
    assert published["confidence"] != face["confidence"]
    resumed = mien(*words, "--resume").json()
    assert resumed["networks"] == figures["networks"]


@pytest.mark.slow
def test_networks_that_do_harm_are_put_back_and_said(mien, boxes, home, monkeypatch):
    """Where only P-Net does no harm, R- and O-Net are the published ones to the byte; table, report and record say so."""

    def choose(*_):
        yield 0, 1
        return ("pnet",)

    monkeypatch.setattr("mien.training.mtcnn.choose_networks", choose)
    words = ("train", "mtcnn", boxes, "--out", "run", "--from", "pretrained", *QUICK)
    result = mien(*words)
    assert result.code == 0, result.err
    assert "put back" in result.out
    assert "rnet, onet" in result.out
    models, run = home / "data" / "models", home / "run"
    for stage in ("rnet", "onet"):
        assert (models / f"run-{stage}.onnx").read_bytes() == (run / f"published-{stage}.onnx").read_bytes()
    assert (models / "run-pnet.onnx").read_bytes() == (run / "pnet.onnx").read_bytes()
    assert "With rnet, onet as trained" in (run / "report.md").read_text(encoding="utf-8")
    assert "rnet, onet as published" in (models / "run.toml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_from_scratch_on_real_photographs_losses_fall(mien, home, shared_data):
    """Eight photographs of WIDER: every network's loss falls, and their landmarks are said to be a network's."""
    wider = shared_data / "wider"
    lines = ["file,x1,y1,x2,y2"]
    from mien.datasets.annotations import read_wider

    pictures = wider / "WIDER_train" / "images"
    marked, _ = read_wider(wider / "wider_face_split" / "wider_face_train.mat", pictures=pictures)
    for picture in marked[::38]:
        boxes = picture.boxes[picture.usable]
        lines += [f"{picture.path.relative_to(pictures)},{','.join(f'{v:g}' for v in box)}" for box in boxes]
    (home / "some.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = mien(
        *("train", "mtcnn", "some.csv", "--pictures", pictures, "--out", "run", "--validation", "0.2"),
        *("--epochs", "3", "--samples", "900", "--batch", "32", "--negatives", "30", "--threads", "1", "--json"),
    )
    assert result.code == 0, result.err
    for each in result.json()["networks"]:
        assert each["losses"][-1] < each["losses"][0], each["network"]
        assert each["moved"] is None
        assert each["samples"]["landmark"] > 0


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(mien, boxes, home, monkeypatch):
    """Stopped after P-Net, resumed: the same networks as without the stop."""
    words = ("train", "mtcnn", boxes, "--from", "pretrained", *QUICK, "--json")
    whole = mien(*words, "--out", "whole").json()
    begin = mtcnn_networks.cascade_network

    def stop(stage, **options):
        if stage == "rnet":
            raise KeyboardInterrupt
        return begin(stage, **options)

    with monkeypatch.context() as patched:
        patched.setattr("mien.training.mtcnn.cascade_network", stop)
        assert mien(*words, "--out", "stopped").code == 130
    assert mien(*words, "--out", "stopped").code == 2
    resumed = mien(*words, "--out", "stopped", "--resume").json()
    for one, other in zip(whole["networks"], resumed["networks"], strict=True):
        assert one["val_losses"] == other["val_losses"]
    models = home / "data" / "models"
    for stage in STAGES:
        assert (models / f"whole-{stage}.onnx").read_bytes() == (models / f"stopped-{stage}.onnx").read_bytes()


def test_landmarks_from_a_file(mien, boxes, home):
    """CelebA's lists are learnt from instead of the pretrained network's guesses, and the record says so."""
    (home / "points.txt").write_text("1\nnames\nplain.png 205 105 243 105 224 128 208 145 240 145\n", encoding="utf-8")
    (home / "list_bbox_celeba.txt").write_text("1\nnames\nplain.png 180 65 88 108\n", encoding="utf-8")
    words = ("--landmarks", "points.txt", "--landmark-pictures", "photos", "--validation", "0.3")
    result = mien("train", "mtcnn", boxes, "--out", "run", *words, *QUICK, "--json")
    assert result.code == 0, result.err
    figures = result.json()
    assert figures["facts"]["points"] == "from points.txt"
    assert all(each["samples"]["landmark"] > 0 for each in figures["networks"])
    assert "landmarks from points.txt" in (home / "data" / "models" / "run.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--name", "mtcnn"), "are weights of mien's own"),
        (("--name", "../x"), "cannot be a name"),
        (("--validation", "1"), "must lie between 0 and 1"),
        (("--from", "yesterday"), "must be scratch or pretrained"),
        (("--mining", "0"), "must be above 0"),
        (("--test-pictures", "."), "goes with --test"),
        (("--landmark-pictures", "."), "go with --landmarks"),
        (("--landmarks", "x.txt"), "needs --landmark-pictures"),
        (("--smallest", "5"), "must be 12 or more"),
    ],
)
def test_options_that_cannot_work_are_one_line(mien, boxes, home, more, line):
    """Each is answered with the value and the remedy, and leaves nothing behind."""
    result = mien("train", "mtcnn", boxes, "--out", "run", *more)
    assert result.code == 2
    assert line in result.err.replace("\n", " ")
    assert not (home / "run").exists()


def test_boxes_without_area_and_pictures_that_are_not_there(mien, home):
    """WIDER's own list has both: a face of no size is named by file and line, an absent picture passed over; exit code 3."""
    write_marked(home / "photos")
    lines = ["nowhere/gone.jpg", "1", "1 2 10 20 2 0 0 0 0 0"]
    for name, x in (("plain", 180), ("mirrored", 244), ("grey", 180), ("darker", 244)):
        lines += [f"{name}.png", "2", f"{x} 65 88 108 0 0 0 0 0 0", "300 300 0 12 0 0 0 0 0 0"]
    (home / "wider_face_train_bbx_gt.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ("train", "mtcnn", "wider_face_train_bbx_gt.txt", "--pictures", "photos", "--out", "run", *QUICK, "--json")
    result = mien(*words)
    assert result.code == 3, result.err
    said = result.err.replace("\n", " ")
    assert said.count("left out:") == 4
    assert "wider_face_train_bbx_gt.txt" in said
    assert len(result.json()["networks"]) == len(STAGES)


def test_a_mat_file_of_something_else_is_one_line(mien, boxes, home):
    """Neither WIDER's nor readable: the file is named and nothing is left behind."""
    (home / "wider_face_train.mat").write_bytes(b"no matlab file " * 50)
    result = mien("train", "mtcnn", "wider_face_train.mat", "--pictures", boxes.parent, "--out", "run", *QUICK)
    assert result.code in {1, 2}
    assert "wider_face_train.mat cannot be read as MATLAB file" in result.err.replace("\n", " ")
    assert not (home / "run").exists()


def test_weights_that_are_no_cascade_are_refused(mien, boxes):
    """Unknown ones, and those of something else, with the ones that there are."""
    for name in ("mine", "facenet"):
        result = mien("detect", boxes.parent / "plain.png", "--weights", name)
        assert result.code == 2
        assert f"weights '{name}' are no cascade of MTCNN; choose one of mtcnn" in result.err.replace("\n", " ")


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_checkpoint(mien, boxes, home, monkeypatch):
    """One line with the step and what to do."""
    monkeypatch.setattr("mien.training.mtcnn._relit", lambda chips, _: np.full(chips.shape, np.nan, np.float32))
    result = mien("train", "mtcnn", boxes, "--out", "run", *QUICK)
    assert result.code == 1
    assert "the loss is no number any more in epoch 1 at step 1" in result.err.replace("\n", " ")
    assert not (home / "data" / "models" / "run.toml").exists()
