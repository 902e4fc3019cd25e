"""Train an identifier from the command line, ask it, use it live, and take one of its people away; on real faces."""

import json
import shutil

import numpy as np
import pytest

from mien.datasets.packs import Embeddings, read_embeddings, write_embeddings

PEOPLE = {"0001": "0001_00_00_0", "0004": "0004_", "0005": "0005_00_00_0", "0006": "0006_00_00_0"}
FEW = ("--kind", "svm", "--name", "guard", "--rounds", "0", "--false-accepts", "0.1", "--threads", "1")


@pytest.fixture
def faces(home, shared_data):
    """Five webcam pictures each of three people, a folder per person."""
    for person in ("0001", "0004", "0005"):
        folder = home / "faces" / person
        folder.mkdir(parents=True)
        for picture in sorted((shared_data / "nuaa" / "ClientRaw" / person).glob("*.jpg"))[::5][:5]:
            shutil.copy(picture, folder)
    return home / "faces"


@pytest.fixture
def trained(mien, faces):
    """Enrolled and trained, with the folder ``faces``; people left out are the strangers."""
    assert mien("enroll", "--from", faces, "--quiet", "--allow-similar").code in {0, 3}
    assert mien("embed", faces, "--out", "e.npz", "--quiet").code == 0
    result = mien("train", "identifier", "e.npz", *FEW, "--json")
    assert result.code == 0, result.err
    return result.json()


@pytest.mark.shared
@pytest.mark.slow
def test_from_photographs_to_a_name_and_back(mien, faces, home, trained):
    """Trained, asked, used by who, kept by a new name, retired by a removal, trained anew without them."""
    picture = next((faces / "0001").iterdir())
    assert trained["out_of_fold"]["accuracy"] >= 0.9

    asked = mien("predict", "guard", faces, "--draw", "sheet.png", "--json")
    assert (asked.code, (home / "sheet.png").is_file()) == (0, True)
    assert sum(row["right"] for row in asked.json()) >= 13
    assert mien("predict", "guard", "e.npz", "--json").json()[0]["truth"] == "0001"

    named = mien("who", picture, "--identifier", "guard", "--json").json()[0]["faces"]
    assert "0001" in {face["match"]["name"] for face in named}
    mien("people", "rename", "0001", "Ann")
    named = mien("who", picture, "--identifier", "guard", "--json").json()[0]["faces"]
    assert "Ann" in {face["match"]["name"] for face in named}

    removed = mien("people", "remove", "0005", "--yes")
    assert "guard was trained with faces of 0005" in removed.err
    retired = mien("who", picture, "--identifier", "guard")
    assert (retired.code, "guard is retired: 1 of its 3 people" in retired.err) == (1, True)
    without = ("--enrolled", "--replace", "--strangers", "e.npz", "--false-accepts", "0.2")
    again = mien("train", "identifier", "e.npz", *FEW, *without)
    assert again.code == 0, again.err
    assert "left out, not in the gallery: 0005" in again.err
    named = mien("who", picture, "--identifier", "guard", "--json").json()[0]["faces"]
    assert "Ann" in {face["match"]["name"] for face in named}


@pytest.fixture
def made(home):
    """Vectors that look like FaceNet's: twelve people, eight faces each, a space of that name."""
    order = np.random.default_rng(0)
    centres = np.repeat(order.normal(size=(12, 128)), 8, axis=0)
    vectors = centres + 0.7 * order.normal(size=(96, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.repeat([f"p{i}" for i in range(12)], 8)
    pack = Embeddings(vectors.astype(np.float32), labels, labels, np.full(96, ""), None)
    write_embeddings(home / "made.npz", pack)
    return home / "made.npz"


def test_a_file_that_says_no_space_needs_to_be_told(mien, made):
    """The tutorials' files: refused, and taken with whose vectors they are, if that fits."""
    told = mien("train", "identifier", made, "--rounds", "0")
    assert (told.code, "--vectors-of facenet" in told.err) == (1, True)
    wrong = mien("train", "identifier", made, "--rounds", "0", "--vectors-of", "facenet")
    assert (wrong.code, "expected embeddings of shape" in wrong.err) == (1, True)


def test_train_ask_and_report_as_json_csv_and_table(mien, made, home):
    """Vectors of dlib's length, as dlib's: every format, the report's files, and a model that answers."""
    common = ("train", "identifier", made, "--kind", "linear", "--vectors-of", "dlib", "--false-accepts", "0.05")
    first = mien(*common, "--rounds", "1", "--json")
    assert first.code == 0, first.err
    assert {row["kind"] for row in first.json()["comparison"]} == {"svm", "knn", "linear", "cosine"}
    folder = home / "identifier-linear"
    assert {"report.md", "report.json", "people.png", "linear.onnx", "linear.toml"} <= {
        f.name for f in folder.iterdir()
    }
    assert json.loads((folder / "report.json").read_text())["identifier"] == "linear"
    assert "12 of 12 people are not in the gallery" in first.err
    assert mien(*common, "--rounds", "0").code == 1
    csv = mien(*common, "--rounds", "0", "--replace", "--csv", "--quiet")
    assert (csv.code, csv.err, csv.out.splitlines()[0]) == (0, "", "what,value")
    pack = read_embeddings(made)
    told = mien("predict", "linear", made)
    assert (told.code, "vectors of dlib-" in told.err) == (1, True)
    from mien import embedder

    write_embeddings(
        "d.npz", Embeddings(pack.embeddings, pack.labels, pack.files, pack.split, embedder(embedder="dlib").space)
    )
    answers = mien("predict", "linear", "d.npz", "--json").json()
    assert sum(row["right"] for row in answers) >= 90
    drawn = mien("predict", "linear", "d.npz", "--draw", "x.png")
    assert (drawn.code, "embeddings hold none" in drawn.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("who", "x.jpg", "--identifier", "nobody"), 2, "identifier 'nobody' is unknown; choose one of cosine, knn"),
        (("who", "x.jpg", "--identifier", "svm.pkl"), 2, "is a pickle"),
        (("predict", "svm.joblib", "x.jpg"), 1, "is a pickle"),
        (("train", "identifier", "made.npz", "--kind", "forest"), 2, "choose svm, knn or linear"),
        (("train", "identifier", "made.npz", "--name", "cosine"), 2, "one without training"),
        (("train", "identifier", "made.npz", "--false-accepts", "0"), 2, "a share between 0 and 1"),
        (("train", "identifier", "made.npz", "--group-by", "("), 2, "no regular expression"),
        (("train", "identifier", "made.npz", "--pictures", "nowhere"), 2, "is no folder"),
        (("train", "identifier", "made.npz", "--at-least", "2"), 2, "3 faces of a person"),
        (("train", "identifier", "nothing.npz"), 1, "no such file"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(mien, made, photo, words, code, said):
    """Exit code and remedy, never a traceback."""
    photo("x.jpg")
    result = mien(*words)
    assert (result.code, said in result.err) == (code, True), result.err
