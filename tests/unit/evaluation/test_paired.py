"""McNemar's test on the decisions of two records."""

import pytest

from mien.core.errors import InputError
from mien.evaluation.paired import mcnemar, read_decisions


def decided(words):
    """R and w: the pairs that were decided rightly and wrongly."""
    return {(f"{i}a", f"{i}b"): letter == "r" for i, letter in enumerate(words)}


def test_only_pairs_decided_differently_count():
    """By hand: 1 against 5 of six coins is 2 (1 + 6) / 64; agreement changes nothing."""
    test = mcnemar(decided("rrrw" + "r" + "wwwww"), decided("rrrw" + "w" + "rrrrr"))
    assert (test.pairs, test.first_only, test.second_only) == (10, 1, 5)
    assert test.p == pytest.approx(14 / 64)


def test_no_difference_is_no_evidence():
    """Equal decisions have p 1."""
    assert mcnemar(decided("rw"), decided("rw")).p == 1


def test_other_pairs_are_refused():
    """Each record's own pairs are counted."""
    with pytest.raises(InputError, match="1 pairs are of the first record alone, 0 of the second"):
        mcnemar(decided("rw"), decided("r"))


@pytest.mark.parametrize(
    ("text", "says"),
    [("a,b\n1,2\n", "expected the columns"), ("left,right,decided\na,b,maybe\n", "expected the columns")],
)
def test_another_csv_is_refused(tmp_path, text, says):
    """One line with what was expected."""
    (tmp_path / "pairs.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_decisions(tmp_path / "pairs.csv")
    with pytest.raises(InputError, match="cannot read"):
        read_decisions(tmp_path / "none.csv")
