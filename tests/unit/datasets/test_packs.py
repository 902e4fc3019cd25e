"""Packs come back as they were written, the tutorials' are read, and nothing is unpickled."""

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.core.people import EmbeddingSpace
from mien.datasets.packs import (
    Embeddings,
    TrainTest,
    read_embeddings,
    read_train_test,
    write_embeddings,
    write_train_test,
)

SPACE = EmbeddingSpace("facenet", 4, "ab" * 32, "box+32@160", "(x-127.5)/128 rgb")
NAMES = np.array(["Đức Nguyễn", "Ada", "Ada"])


@pytest.fixture
def pack():
    """Three vectors of two people, one of them to test with."""
    vectors = np.eye(3, 4, dtype=np.float32)
    return Embeddings(vectors, NAMES, np.array(["a.jpg", "b\n.jpg", ""]), np.array(["train", "train", "test"]), SPACE)


def test_embeddings_come_back(tmp_path, pack):
    """Vectors, names in any script, files, sides and space are read as written, with the documented array names."""
    write_embeddings(tmp_path / "e.npz", pack)
    again = read_embeddings(tmp_path / "e.npz")
    for column in ("embeddings", "labels", "files", "split"):
        assert np.array_equal(getattr(again, column), getattr(pack, column))
    assert again.space == SPACE
    with np.load(tmp_path / "e.npz") as file:
        assert set(file.files) == {"embeddings", "labels", "files", "split", "space"}
    assert [p.name for p in tmp_path.iterdir()] == ["e.npz"]


@pytest.mark.parametrize("named", [True, False])
def test_the_tutorials_packs_are_read(tmp_path, pack, named):
    """faces-dataset.npz and face-dataset-embedding.npz are read in their well-known order, with and without names."""
    chips = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    four = TrainTest(chips, NAMES[:2], chips[:1], NAMES[2:])
    if named:
        write_train_test(tmp_path / "f.npz", four)
        write_train_test(tmp_path / "e.npz", pack.train_test())
    else:
        np.savez_compressed(tmp_path / "f.npz", four.train, four.train_labels, four.test, four.test_labels)
        parts = pack.train_test()
        np.savez_compressed(tmp_path / "e.npz", parts.train, parts.train_labels, parts.test, parts.test_labels)
    faces = read_train_test(tmp_path / "f.npz")
    assert np.array_equal(faces.train, chips)
    assert faces.test_labels.tolist() == ["Ada"]
    vectors = read_embeddings(tmp_path / "e.npz")
    assert np.array_equal(vectors.embeddings, pack.embeddings)
    assert vectors.split.tolist() == ["train", "train", "test"]
    assert vectors.space is None


def test_pickled_labels_are_refused(tmp_path):
    """Labels saved as objects would have to be unpickled: refused, with the remedy."""
    np.savez(tmp_path / "p.npz", np.zeros((1, 4)), np.array(["a"], object), np.zeros((1, 4)), np.array(["a"], object))
    with pytest.raises(InputError, match=r"labels.astype\(str\)"):
        read_train_test(tmp_path / "p.npz")


def test_what_is_no_pack(tmp_path):
    """A missing file, text, a cut file, a single array and other arrays each have their line."""
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "whole.npz", x=np.zeros(300))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    (tmp_path / "empty.npz").touch()
    expected = {
        "none.npz": "no such file",
        "text.npz": "no .npz file",
        "cut.npz": "no .npz file, or damaged",
        "empty.npz": "no .npz file",
        "one.npy": "single array",
        "other.npz": "expected the arrays trainX, trainy, testX, testy .or arr_0 … arr_3., got x",
    }
    for name, words in expected.items():
        for read in (read_embeddings, read_train_test):
            with pytest.raises(InputError, match=words):
                read(tmp_path / name)


def test_a_damaged_space_is_refused(tmp_path, pack):
    """A space that is no JSON, or has other fields, is an error rather than a space of nobody."""
    for words in ("{", '{"name": 1}', "[1]"):
        columns = {"embeddings": pack.embeddings, "labels": pack.labels, "files": pack.files, "split": pack.split}
        np.savez(tmp_path / "s.npz", **columns, space=np.array(words))
        with pytest.raises(InputError, match="space cannot be read"):
            read_embeddings(tmp_path / "s.npz")


def test_columns_must_fit(tmp_path, pack):
    """Columns of different length are refused in the making, and a place that cannot be written to is an error."""
    with pytest.raises(InputError, match="n labels"):
        Embeddings(pack.embeddings, pack.labels[:2], pack.files, pack.split)
    with pytest.raises(InputError, match="one label per row"):
        TrainTest(pack.embeddings, NAMES[:1], pack.embeddings, NAMES)
    with pytest.raises(InputError, match="rows of one shape"):
        TrainTest(pack.embeddings, NAMES, pack.embeddings[:, :2], NAMES)
    with pytest.raises(InputError, match="cannot write"):
        write_embeddings(tmp_path / "none" / "e.npz", pack)
