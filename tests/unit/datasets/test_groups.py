"""Groups that a user brings."""

import pytest

from mien.core.errors import InputError
from mien.datasets.groups import read_groups

NAMES = ["Ada/1.jpg", "Ada/2.jpg", "Bob/1.jpg"]


def table(tmp_path, text):
    (tmp_path / "groups.csv").write_text(text, encoding="utf-8")
    return tmp_path / "groups.csv"


def test_by_picture_and_by_person(tmp_path):
    """A column names pictures or people; what is not said is empty; every other column is a way to group."""
    by_picture = table(tmp_path, "picture,light,camera\nAda/2.jpg,dark,door\nBob/1.jpg,,hall\n")
    assert read_groups(by_picture, NAMES) == {"light": ["", "dark", ""], "camera": ["", "door", "hall"]}
    by_person = table(tmp_path, "Person,age\nAda,30-40\n")
    assert read_groups(by_person, NAMES) == {"age": ["30-40", "30-40", ""]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("light\ndark\n", "expected a column picture or person"),
        ("picture\nAda/1.jpg\n", "one or more to group by"),
        ("picture,light\nAda/1.jpg\n", ":2: expected 2 cells, got 1"),
        ("picture,light\n1.jpg,dark\n", "says nothing of any of the 3 pictures; its picture should be as 'Ada/1.jpg'"),
    ],
)
def test_a_file_that_does_not_fit_is_said(tmp_path, text, words):
    """One line with what was expected."""
    with pytest.raises(InputError, match=words):
        read_groups(table(tmp_path, text), NAMES)
