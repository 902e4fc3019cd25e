"""LFW's list of pairs."""

from pathlib import Path

import pytest

from mien.core.errors import InputError
from mien.datasets.pairs import read_lfw_pairs

TWO_FOLDS = """2\t2
Ada\t1\t2
Ben\t1\t2
Ada\t1\tBen\t1
Ada\t2\tCy\t1
Cy\t1\t2
Ben\t1\t3
Ben\t2\tCy\t2
Ada\t1\tCy\t2
"""
SHOWN = {"Ada": 2, "Ben": 3, "Cy": 2}


@pytest.fixture
def pictures(tmp_path):
    """A folder per person with as many (empty) pictures as the list needs."""
    for name, count in SHOWN.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(1, count + 1):
            (tmp_path / "images" / name / f"{name}_{number:04d}.jpg").touch()
    return tmp_path / "images"


def written(folder: Path, text: str) -> Path:
    file = folder / "pairs.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_folds_pairs_and_people_are_read(tmp_path, pictures):
    """Every pair must be read with its fold, its kind and the pictures it names."""
    pairs = read_lfw_pairs(written(tmp_path, TWO_FOLDS), pictures=pictures)
    assert pairs.fold.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.names == ("Ada", "Ben", "Cy")
    assert (len(pairs), pairs.folds, pairs.dropped, pairs.missing) == (8, 2, 0, ())
    assert [pairs.pictures[i].name for i in (pairs.left[3], pairs.right[3])] == ["Ada_0002.jpg", "Cy_0001.jpg"]
    assert (pairs.same == (pairs.people[pairs.left] == pairs.people[pairs.right])).all()


def test_pairs_of_missing_pictures_are_counted(tmp_path, pictures):
    """Pairs with a picture that is not there must be left out and counted, and the rest keep their folds."""
    gone = pictures / "Cy" / "Cy_0002.jpg"
    gone.unlink()
    pairs = read_lfw_pairs(written(tmp_path, TWO_FOLDS), pictures=pictures)
    assert (pairs.missing, pairs.dropped) == ((gone,), 3)
    assert pairs.fold.tolist() == [0, 0, 0, 0, 1]
    assert gone not in pairs.pictures


def test_strict_stops_at_missing_pictures(tmp_path, pictures):
    """Asked to be strict, the reader must stop and name a picture."""
    (pictures / "Cy" / "Cy_0002.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 7 pictures are missing, e.g. .*Cy_0002.jpg"):
        read_lfw_pairs(written(tmp_path, TWO_FOLDS), pictures=pictures, strict=True)


def test_first_line_with_one_number_is_one_fold(tmp_path, pictures):
    """The development lists, which have no folds, must be read as one."""
    pairs = read_lfw_pairs(written(tmp_path, "1\nAda 1 2\nAda 1 Ben 1\n"), pictures=pictures)
    assert (len(pairs), pairs.folds) == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected 'folds pairs'"),
        ("Ada 1 2\n", "expected 'folds pairs'"),
        ("1 0\n", "expected 'folds pairs'"),
        ("1 1\nAda one 2\nAda 1 Ben 1\n", r":2: expected 'name n1 n2'"),
        ("1 1\nAda 1 2\n", "announces 2 pairs, got 1"),
        ("1 1\nAda 1 Ben 1\nAda 1 2\n", "pair 1 should show one person"),
        ("1 1\nAda 1 2\nAda 1 Ada 2\n", "pair 2 should show two people"),
    ],
)
def test_lists_that_are_none_are_refused(tmp_path, pictures, text, message):
    """A damaged or foreign list must be refused, naming the place and what was expected."""
    with pytest.raises(InputError, match=message):
        read_lfw_pairs(written(tmp_path, text), pictures=pictures)


@pytest.mark.shared
def test_official_list_is_read(shared_data):
    """The four official folds must hold 600 pairs each over 3,074 pictures, none missing."""
    lfw = shared_data / "lfw"
    pairs = read_lfw_pairs(lfw / "pairs.txt", pictures=lfw / "images", strict=True)
    assert (len(pairs), pairs.folds, len(pairs.pictures), pairs.same.sum()) == (2400, 4, 3074, 1200)
