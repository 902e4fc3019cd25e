"""A face detector of one's own from the command line: photographs with marked faces in, ``--detector NAME`` out."""

import json

import pytest

from tests.fakes.region import write_marked

QUICK = (
    "--epochs",
    "5",
    "--batch",
    "32",
    "--versions",
    "40",
    "--negatives",
    "120",
    "--threads",
    "1",
    "--validation",
    "0.3",
)


@pytest.fixture
def boxes(home):
    """The file of boxes of four photographs of the astronaut."""
    return write_marked(home / "photos")


@pytest.mark.slow
def test_train_a_detector_and_find_faces_with_it(mien, boxes, home):
    """Two rounds, a report with its pictures, and a detector that finds the astronaut with landmarks."""
    result = mien("train", "region", boxes, "--out", "run", "--name", "hers", "--hard", "10", *QUICK, "--json")
    assert result.code == 0, result.err
    figures = result.json()
    assert figures["facts"]["parameters"] == 552_194
    assert figures["facts"]["head_difference"] < 1e-4
    assert max(each["export_difference"] for each in figures["rounds"]) < 1e-4
    assert figures["rounds"][1]["samples"] >= figures["rounds"][0]["samples"]
    assert figures["rounds"][0]["val_accuracy"] > 0.8
    for name in (
        "report.md",
        "cuts.png",
        "whole.png",
        "heat.png",
        "samples.png",
        "examples.png",
        "loss1.png",
        "loss2.png",
    ):
        assert (home / "run" / name).stat().st_size > 500, name
    assert json.loads((home / "run" / "report.json").read_text(encoding="utf-8")) == figures
    found = mien("detect", home / "photos" / "plain.png", "--detector", "hers", "--min-face", "60", "--json")
    (face, *_) = found.json()[0]["faces"]
    x, y, width, height = face["box"]
    assert abs(x + width / 2 - 224) < 15
    assert abs(y + height / 2 - 115) < 20
    assert face["keypoints"]["left_eye"][0] < face["keypoints"]["right_eye"][0]
    resumed = mien(
        "train", "region", boxes, "--out", "run", "--name", "hers", "--hard", "10", *QUICK, "--json", "--resume"
    )
    assert resumed.json()["rounds"][1]["val_loss"] == figures["rounds"][1]["val_loss"]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--name", "mtcnn"), "is a detector of mien's own"),
        (("--name", "../x"), "cannot be a name"),
        (("--validation", "1"), "must lie between 0 and 1"),
        (("--test-pictures", "."), "goes with --test"),
        (("--smallest", "0"), "must be 1 or more"),
    ],
)
def test_options_that_cannot_work_are_one_line(mien, boxes, home, more, line):
    """Each is answered with the value and the remedy, and leaves nothing behind."""
    result = mien("train", "region", boxes, "--out", "run", *more)
    assert result.code == 2
    assert line in result.err.replace("\n", " ")
    assert not (home / "run").exists()


def test_boxes_in_the_wrong_order_stop_before_anything_is_learnt(mien, boxes, home):
    """The line of the file and the command that mends it are named."""
    boxes.write_text(boxes.read_text(encoding="utf-8") + "plain.png,90,90,20,20\n", encoding="utf-8")
    result = mien("train", "region", boxes, "--out", "run")
    assert result.code == 1
    assert "boxes.csv:6" in result.err
    assert "--fix" in result.err
    assert not (home / "run").exists()


@pytest.mark.slow
def test_photographs_learnt_from_and_judged_with_stop_the_run(mien, boxes, home):
    """One of them under another name: nothing is learnt; with --allow-leak it is, and the report says so first."""
    (home / "later").mkdir()
    (home / "later" / "new.png").write_bytes((boxes.parent / "grey.png").read_bytes())
    (home / "later.csv").write_text("file,x1,y1,x2,y2\nnew.png,180,65,268,173\n", encoding="utf-8")
    given = ("train", "region", boxes, "--test", "later.csv", "--test-pictures", "later", "--out", "run")
    stopped = mien(*given)
    assert stopped.code == 1
    assert "new.png is photos/grey.png" in "".join(stopped.err.split("\n")).replace(f"{home}/", "")
    assert "--allow-leak" in stopped.err
    assert not (home / "run").exists()
    allowed = mien(*given, "--allow-leak", "--hard", "0", "--epochs", "1", "--threads", "1")
    assert "leaks were allowed: 1" in allowed.err
    assert "**LEAK ALLOWED: 1 in both" in (home / "run" / "report.md").read_text(encoding="utf-8")


def test_a_folder_that_is_not_widers_is_said(mien, boxes):
    """With what was expected in it."""
    result = mien("train", "region", boxes.parent, "--out", "run")
    assert result.code == 1
    assert "expected WIDER_train/images" in result.err


def test_a_detector_nobody_trained_is_unknown(mien, boxes):
    """The ones that are there are named."""
    result = mien("detect", boxes.parent / "plain.png", "--detector", "hers")
    assert result.code == 2
    assert "choose one of mtcnn, haar" in result.err
