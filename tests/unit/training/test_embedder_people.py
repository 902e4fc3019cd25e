"""People to learn from: what cannot be used is told, sides share nobody, impossible batches are answered."""

import numpy as np
import pytest

from mien.core.errors import InputError, SettingError
from mien.datasets.labelled import read_labelled
from mien.media.images import write_image
from mien.training.embedder_people import Division, check_batches, divided, read_people
from mien.training.pictures import Cut
from mien.zoo.catalog import Alignment

CUT = Cut(16, Alignment("box"))


def folder(root, counts, *, seed=0):
    """Pictures of noise, so many of each person."""
    random = np.random.default_rng(seed)
    for person, count in counts.items():
        for i in range(count):
            path = root / person / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, random.integers(0, 256, (24, 24, 3), np.uint8))
    return root


def read(root):
    reading = read_people(read_labelled(root), CUT)
    try:
        while True:
            next(reading)
    except StopIteration as end:
        return end.value


def test_who_has_one_picture_is_left_out_and_told(tmp_path):
    """People with two pictures or more are kept; damaged and single pictures and copies are told with the reason."""
    root = folder(tmp_path, {"Ada": 3, "Bob": 2, "Cy": 1})
    (root / "Ada" / "bad.png").write_bytes(b"\x89PNG nothing")
    (root / "Bob" / "copy.png").write_bytes((root / "Bob" / "0.png").read_bytes())
    pictures = read(root)
    assert pictures.classes == ("Ada", "Bob")
    assert np.bincount(pictures.targets).tolist() == [3, 2]
    told = {p.name.rpartition("/")[2]: p.reason for p in pictures.problems}
    assert "one usable picture only" in told["Cy"]
    assert "the same picture as" in told["copy.png"]
    assert "bad.png" in told


def test_one_person_only_is_answered(tmp_path):
    """One person cannot be told from anybody: the folder and what to add are named."""
    with pytest.raises(InputError, match=r"two people or more .* got 1 \(Ada\).*add a folder per person"):
        read(folder(tmp_path, {"Ada": 4, "Bob": 1}))


def test_one_picture_of_two_people_is_refused(tmp_path):
    """A picture that lies in two people's folders can only be learnt wrong."""
    root = folder(tmp_path, {"Ada": 3, "Bob": 3})
    (root / "Bob" / "again.png").write_bytes((root / "Ada" / "1.png").read_bytes())
    with pytest.raises(InputError, match="one picture of two people"):
        read(root)


def test_sides_share_nobody(tmp_path):
    """Every person lies on one side with all pictures; the same seed divides the same, another otherwise."""
    pictures = read(folder(tmp_path, {f"P{i}": 2 + i % 3 for i in range(12)}))
    found = divided(pictures, Division(0.2, 0.25, 1))
    sides = [{found.sides[i] for i in np.flatnonzero(found.targets == person)} for person in range(12)]
    assert all(len(side) == 1 for side in sides)
    assert [sum(s == {side} for s in sides) for side in ("train", "val", "test")] == [7, 2, 3]
    assert divided(pictures, Division(0.2, 0.25, 1)).sides == found.sides
    assert divided(pictures, Division(0.2, 0.25, 2)).sides != found.sides


def test_too_few_people_for_the_sides(tmp_path):
    """Four people cannot be divided in three sides of two: what is missing and what to give instead."""
    pictures = read(folder(tmp_path, {f"P{i}": 2 for i in range(4)}))
    with pytest.raises(InputError, match=r"4 people are too few.*--test 0"):
        divided(pictures, Division())
    assert set(divided(pictures, Division(0.3, 0)).sides) == {"train", "val"}
    assert set(divided(pictures, Division(0, 0)).sides) == {"train"}
    with pytest.raises(SettingError, match="shares of the people"):
        Division(0.5, 0.5)


def test_batches_that_cannot_be_are_answered(tmp_path):
    """More people than there are, or more pictures than anybody has, is refused with the number; fewer of some is said."""
    pictures = read(folder(tmp_path, {f"P{i}": 2 + i for i in range(5)}))
    with pytest.raises(SettingError, match="--people 6: there are 5"):
        check_batches(pictures, 6, 2)
    with pytest.raises(SettingError, match="--pictures 7: nobody has more than 6"):
        check_batches(pictures, 3, 7)
    assert check_batches(pictures, 3, 4) == (
        "2 of 5 people have fewer than 4 pictures: some of theirs come twice in a batch"
    )
    assert check_batches(pictures, 3, 2) == ""
