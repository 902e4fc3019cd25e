"""Whether two records over the same pairs differ by more than chance: McNemar's test on what only one of them decided rightly.

McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika 12
(1947), in its exact form: pairs that both decide alike tell nothing; of the others each is as likely to be decided
rightly by one as by the other, if the two are equally good.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import InputError, MissingExtraError
from mien.media.images import printable

__all__ = ["PairedTest", "mcnemar", "read_decisions"]

Decisions = Mapping[tuple[str, str], bool]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """What the pairs say of two records.

    Args:
        pairs: decided by both.
        first_only: decided rightly by the first record alone.
        second_only: decided rightly by the second record alone.
        p: two-sided probability of so uneven a division, or a more uneven one, if both are equally good.
    """

    pairs: int
    first_only: int
    second_only: int
    p: float


def mcnemar(first: Decisions, second: Decisions) -> PairedTest:
    """The exact test over the pairs of two records.

    Args:
        first: whether each pair was decided rightly.
        second: the same of the other record.

    Raises:
        InputError: the two are not over the same pairs.
        MissingExtraError: without SciPy.
    """
    if first.keys() != second.keys():
        raise InputError(
            f"{len(first.keys() - second.keys())} pairs are of the first record alone, {len(second.keys() - first.keys())} of the "
            "second: expected the same pairs; measure both again"
        )
    try:
        from scipy.stats import binomtest
    except ModuleNotFoundError:
        raise MissingExtraError("the test of a difference", "lab") from None
    one = sum(right and not second[pair] for pair, right in first.items())
    other = sum(second[pair] and not right for pair, right in first.items())
    p = float(binomtest(one, one + other).pvalue) if one + other else 1.0
    return PairedTest(len(first), one, other, p)


def read_decisions(file: Path) -> Decisions:
    """Each pair of a ``pairs.csv`` of ``mien eval verification``, by its two pictures: decided rightly or not.

    Raises:
        InputError: it cannot be read or is no such file.
    """
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            rows = list(csv.DictReader(lines))
        found = {(row["left"], row["right"]): {"right": True, "wrong": False}[row["decided"]] for row in rows}
    except OSError as error:
        raise InputError(f"cannot read {printable(file)}: {(error.strerror or str(error)).lower()}") from error
    except (KeyError, csv.Error) as error:
        raise InputError(
            f"{printable(file)}: expected the columns left, right and decided (right or wrong), as mien eval verification "
            f"writes them: {error}"
        ) from error
    return found
