"""A folder per class, sides above the classes, arrays in an npz: one set with names, labels and sides, or a clear refusal."""

import numpy as np
import pytest

from mien.core.errors import ImageError, InputError
from mien.datasets.labelled import LabelledSet, read_labelled, require_classes
from mien.media.images import write_image


@pytest.fixture
def put(tmp_path, astronaut):
    """Writes a real picture under each name given."""

    def write(*names):
        for i, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, astronaut[i : i + 40, 200:240])
        return tmp_path

    return write


def test_a_folder_per_class(put):
    """Classes and pictures come in natural order, with targets that count the classes."""
    found = read_labelled(put("dogs/d10.png", "dogs/d2.png", "cats/c.png", "cats/more/c.png"))
    assert found.classes == ("cats", "dogs")
    assert found.names == ("cats/c.png", "cats/more/c.png", "dogs/d2.png", "dogs/d10.png")
    assert found.targets.tolist() == [0, 0, 1, 1]
    assert set(found.sides) == {""}
    assert found.read(2).pixels.shape == (40, 40, 3)


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_sides_above_the_classes(put, val):
    """train, val and test are sides, whichever of their names they bear, and ``side`` gives one of them."""
    found = read_labelled(put("train/cats/a.png", "train/dogs/b.png", f"{val}/cats/c.png", "test/dogs/d.png"))
    assert found.sides == ("train", "train", "val", "test")
    assert found.counts == {"cats": 2, "dogs": 2}
    assert found.side("val").names == (f"{val}/cats/c.png",)


def test_a_class_called_test_among_others_is_a_class(put):
    """Where other folders stand beside ``test`` it is a class like them."""
    found = read_labelled(put("test/a.png", "cats/b.png"))
    assert found.classes == ("cats", "test")
    assert set(found.sides) == {""}


def test_labels_that_differ_in_case(put):
    """Refused with both spellings and their counts; merged on request into the more frequent one, across sides too."""
    root = put("train/cat/a.png", "train/cat/b.png", "test/Cat/c.png", "test/dog/d.png")
    with pytest.raises(InputError, match=r"cat \(2\) and Cat \(1\).*--merge-case"):
        read_labelled(root)
    assert read_labelled(root, merge_case=True).counts == {"cat": 3, "dog": 1}


def test_one_class_or_few_pictures_are_no_training_set(put):
    """One class only, and two pictures of a class, are refused with what to do."""
    with pytest.raises(InputError, match=r"one class only \(cats\)"):
        require_classes(read_labelled(put("cats/a.png", "cats/b.png", "cats/c.png")))
    found = read_labelled(put("dogs/a.png", "dogs/b.png"))
    with pytest.raises(InputError, match=r"too few pictures of dogs \(2\); each class needs 3"):
        require_classes(found)
    require_classes(found, least=2)
    many = LabelledSet(found.root, tuple("abcdefgh"), tuple("abcdefgh"), ("",) * 8)
    with pytest.raises(InputError, match=r"a \(1\), b \(1\), c \(1\), d \(1\), e \(1\) and 3 more classes"):
        require_classes(many)


def test_corrupt_files_are_found_by_reading(put):
    """A damaged file is in the set and fails when it is read, by its name."""
    root = put("cats/a.png", "dogs/b.png")
    (root / "cats" / "z.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is cut off")
    found = read_labelled(root)
    with pytest.raises(ImageError, match=r"z\.jpg"):
        found.read(found.names.index("cats/z.jpg"))


def test_a_picture_in_no_class_is_reported(put):
    """A picture beside the classes is named among the problems."""
    (problem,) = read_labelled(put("cats/a.png", "b.png")).problems
    assert "lies in no class's folder" in problem.reason


def test_no_folder_no_classes(tmp_path):
    """A place that is not there, and a folder without classes, say what was expected."""
    with pytest.raises(InputError, match="expected a folder with a folder per class"):
        read_labelled(tmp_path / "nowhere")
    with pytest.raises(InputError, match="found none"):
        read_labelled(tmp_path)


@pytest.mark.parametrize(
    ("x", "y", "test_x", "test_y"),
    [
        ("trainX", "trainy", "testX", "testy"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("arr_0", "arr_1", "arr_2", "arr_3"),
    ],
)
def test_arrays_of_an_npz(tmp_path, astronaut, x, y, test_x, test_y):
    """The names of three habits are read, with their sides."""
    chips = np.stack([astronaut[:32, i : i + 32] for i in range(5)])
    labels = np.array(["me", "you", "me"])
    np.savez(tmp_path / "s.npz", **{x: chips[:3], y: labels, test_x: chips[3:], test_y: labels[:2]})
    found = read_labelled(tmp_path / "s.npz")
    assert found.sides == ("train",) * 3 + ("test",) * 2
    assert found.labels == ("me", "you", "me", "me", "you")
    assert found.names[0] == "train/0000"
    assert np.array_equal(found.read(4).pixels, chips[4])
    assert np.array_equal(found.side("test").read(0).pixels, chips[3])


def test_grey_arrays_and_numbered_labels(tmp_path):
    """Grey pictures get three channels; numbers get the names in ``classes``."""
    grey = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    np.savez(tmp_path / "s.npz", images=grey, labels=np.array([[1], [0]]), classes=np.array(["cat", "dog"]))
    found = read_labelled(tmp_path / "s.npz")
    assert found.labels == ("dog", "cat")
    assert np.array_equal(found.read(1).pixels[..., 2], grey[1])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": np.zeros((2, 4, 4, 3)), "labels": np.arange(2)}, "float64.*astype"),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.arange(3)}, "expected 2 labels"),
        (
            {"images": np.zeros((1, 4, 4), np.uint8), "labels": np.array([7]), "classes": np.array(["a"])},
            "beyond the 1",
        ),
        ({"pixels": np.zeros(3)}, "got the arrays pixels"),
    ],
)
def test_arrays_that_are_no_labelled_pictures(tmp_path, arrays, words):
    """Each wrong npz says what was expected and what was found."""
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(InputError, match=words):
        read_labelled(tmp_path / "s.npz")


def test_the_cats_and_dogs(shared_data):
    """The real set: 2,000 pictures to train and 400 to test, balanced."""
    found = read_labelled(shared_data / "cats-dogs")
    assert found.counts == {"cats": 1200, "dogs": 1200}
    assert len(found.side("test")) == 400
