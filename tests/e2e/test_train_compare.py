"""Backbones compared from the command line, on real photographs."""

import csv
import io

import pytest

from tests.unit.training.conftest import write_tiles


@pytest.fixture
def kinds(home):
    """Tiles of two photographs, a folder per class."""
    from skimage import data

    write_tiles(home / "kinds" / "coffee", data.coffee(), side=64, count=10)
    write_tiles(home / "kinds" / "cat", data.chelsea(), side=64, count=10)
    return home / "kinds"


def test_compare_and_go_on(mien, kinds, home):
    """One command leaves a report and says what failed; with --resume it reads what is done, as JSON and as CSV."""
    given = ("train", "compare", kinds, "--out", "out", "--seeds", "1", "--augment", "0", "--epochs", "2")
    first = mien(*given, "--backbones", "none,resnet99", "--threads", "1")
    assert first.code == 3  # some failed
    assert "run 1 of 2: none, augment 0, seed 0: validation loss" in first.err
    assert "resnet99, augment 0, seed 0: backbone 'resnet99' is unknown" in first.err
    assert "compared" in first.out
    assert "| none | 0 | 16 | 1 |" in (home / "out" / "report.md").read_text()
    assert (home / "out" / "report.html").is_file()
    taken = mien(*given, "--backbones", "none")
    assert (taken.code, "--resume goes on" in taken.err) == (2, True)
    again = mien(*given, "--backbones", "none", "--resume", "--json")
    assert (again.code, "done before" in again.err) == (0, True)
    told = again.json()
    assert told["kinds"][0]["val_loss"]["deviation"] is None
    assert told["best"] == {"none": "none-augment0-all-seed0"}
    table = mien(*given, "--backbones", "none", "--resume", "--csv", "--quiet")
    assert table.err == ""
    (row,) = csv.DictReader(io.StringIO(table.out))
    assert float(row["validation loss"]) == pytest.approx(told["kinds"][0]["val_loss"]["mean"], abs=1e-3)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--augment", "0,many"), "--augment '0,many': expected whole numbers with commas between, such as 0,5,15"),
        (("--augment", "5,5"), "--augment '5,5': expected one or more, each once"),
        (("--sizes", "500"), "--sizes 500: expected 2 to 16"),
        (("--backbones", ","), "--backbones ''"),
        (("--context", "0.5"), "add --faces"),
    ],
)
def test_options_that_cannot_work_are_one_line(mien, kinds, more, line):
    """Each is answered with the value and the remedy, and leaves nothing behind."""
    result = mien("train", "compare", kinds, "--out", "out", "--backbones", "none", *more)
    assert result.code == 2
    assert line in result.err.replace("\n", " ")
    assert not (kinds.parent / "out").exists()
