"""Unknown faces become groups, a group becomes a person, and what people correct stays corrected."""

import numpy as np
import pytest


@pytest.fixture
def library(mien, photo, home):
    """One face in three photographs, indexed."""
    photo("photos/a.png")
    photo("photos/b.png", change=lambda p: p[:, ::-1])
    photo("photos/c.png", change=lambda p: np.clip(p * 0.8, 0, 255).astype(np.uint8))
    mien("index", "photos", "--min-face", 80)
    return home / "photos"


def test_a_group_is_named_and_corrected(mien, library, photo):
    """Grouped, named, learnt; one face is told not to be her, and a new photograph and a new run respect all of it."""
    first = mien("cluster", "--json").json()[0]
    assert (first["new groups"], first["in none"]) == (1, 0)
    assert mien("cluster", "--json").json()[0]["newly placed"] == 0
    assert mien("groups", "list", "--json").json()[0]["faces"] == 3
    faces = mien("groups", "show", 1, "--json").json()
    named = mien("groups", "name", 1, "Eileen", "--json").json()[0]
    assert (named["faces"], named["templates"]) == (3, 3)
    assert mien("groups", "list", "--json").json() == []
    assert mien("people", "list", "--json").json()[0]["library"] == 3
    wrong = faces[0]["face"]
    told = mien("groups", "not", wrong, "Eileen", "--json").json()[0]
    assert told["templates removed"] == 1
    photo("photos/d.png", change=lambda p: p[20:, 20:])
    mien("index", "photos", "--min-face", 80)
    mien("cluster")
    hers = {face["face"] for face in mien("search", "--person", "Eileen", "--json").json()}
    assert wrong not in hers
    assert len(hers) == 3


def test_faces_told_apart_are_never_together_again(mien, library):
    """After `apart` and another run the two faces are in different groups, or in none."""
    mien("cluster")
    one, other, _ = (face["face"] for face in mien("groups", "show", 1, "--json").json())
    mien("groups", "apart", one, other)
    mien("cluster")
    group = {face["face"]: face["group"] for face in mien("search", "--json").json()}
    assert group[one]
    assert group[one] != group[other]
    assert "no group" in mien("groups", "show", 77).err
