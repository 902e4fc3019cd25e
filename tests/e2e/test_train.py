"""Training from the command line: folders in, a model out, asked about pictures, on real photographs."""

import csv
import io

import pytest

from tests.unit.training.conftest import write_tiles

QUICK = ("--epochs", "12", "--rate", "0.01", "--batch", "8", "--patience", "0", "--threads", "1")


@pytest.fixture
def kinds(home):
    """Tiles of two photographs, a folder per class."""
    from skimage import data

    write_tiles(home / "kinds" / "coffee", data.coffee(), side=64, count=16)
    write_tiles(home / "kinds" / "cat", data.chelsea(), side=64, count=16)
    return home / "kinds"


def test_train_a_classifier_and_ask_it(mien, kinds, home):
    """One command trains on a frozen backbone, a second asks the model about a folder and tells right from wrong."""
    given = (
        "train",
        "classifier",
        kinds,
        "--out",
        "run",
        "--name",
        "tile",
        "--backbone",
        "dlib",
        "--augment",
        "0",
        *QUICK,
    )
    result = mien(*given, "--json")
    assert result.code == 0, result.err
    assert result.json()["balanced_accuracy"] >= 0.8
    assert "epoch 12 of 12" in result.err
    again = mien(*given)
    assert (again.code, "are there already" in again.err) == (1, True)
    resumed = mien(*given, "--resume", "--quiet", "--json")
    assert resumed.json()["accuracy"] == result.json()["accuracy"]
    answers = mien("predict", "tile", kinds / "cat", kinds / "coffee", "--draw", "sheet.png", "--csv")
    rows = list(csv.DictReader(io.StringIO(answers.out)))
    assert len(rows) == 32
    assert sum(row["right"] == "yes" for row in rows) >= 26
    assert "of 32 right" in answers.err
    assert (home / "sheet.png").is_file()
    by_file = mien("predict", "run/tile.onnx", kinds / "cat" / "00.png", "--json").json()
    assert by_file[0]["probabilities"].keys() == {"cat", "coffee"}


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--backbone", "resnet99"), "backbone 'resnet99' is unknown"),
        (("--backbone", "facenet+dlib"), "is several networks; choose one of facenet, dlib"),
        (("--context", "0.5"), "add --faces"),
        (("--unfreeze", "3"), "needs a backbone in Keras"),
        (("--rate", "0"), "rate 0 must lie between"),
        (("--validation", "1.5"), "must lie between 0 and 1"),
        (("--name", "../x"), "cannot be a name"),
    ],
)
def test_options_that_cannot_work_are_one_line(mien, kinds, more, line):
    """Each is answered with the value and the remedy, and leaves nothing behind."""
    result = mien("train", "classifier", kinds, "--out", "run", *more)
    assert result.code == 2
    assert line in result.err.replace("\n", " ")
    assert not (kinds.parent / "run").exists()


def test_predicting_with_what_is_no_classifier(mien, kinds):
    """An embedder is told from a classifier, a file without its record is named."""
    err = mien("predict", "facenet", kinds).err
    assert "facenet is no classifier" in err
    assert "embedder" in err
    (kinds / "x.onnx").write_bytes(b"")
    assert "x.toml is not there" in mien("predict", kinds / "x.onnx", kinds).err.replace("\n", "")
