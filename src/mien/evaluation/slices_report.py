"""Groups in a record and its report: every column that a user brought, at one operating threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.reporting import markdown_table
from mien.evaluation.slices import verification_slices
from mien.evaluation.verification import impostor_tail
from mien.evaluation.verification_report import Judged

__all__ = ["SliceRules", "slices_page", "warnings_of", "with_slices"]

_KINDS = {"missed": "pairs of one person that are refused", "accepted": "pairs of two people that are accepted"}


@dataclass(frozen=True, slots=True)
class SliceRules:
    """At which point groups are judged, and what is wanted there.

    Args:
        far: the false accept rate over all pictures that sets the one threshold.
        target_miss: share of the pairs of one person that may be refused, in every group.
        target_far: share of the pairs of two people of a group that may be accepted.
    """

    far: float = 1e-3
    target_miss: float = 0.05
    target_far: float = 1e-3


def with_slices(
    judged: Judged,
    embeddings: NDArray[np.float32],
    groups: Mapping[str, Sequence[str]],
    rules: SliceRules,
) -> Judged:
    """The same verification, its record with the errors of every group.

    Args:
        judged: whose record grows.
        embeddings: what it was judged by.
        groups: for each column the group of every picture.
        rules: threshold and targets.

    Raises:
        InputError: too few pairs of strangers for ``rules.far``.
    """
    tail = impostor_tail(embeddings, judged.pairs.people, share=min(1.0, 1.01 * rules.far))
    threshold = tail.threshold_at(rules.far)
    slices = {
        column: {
            name: {kind: each.to_dict() for kind, each in both.items()}
            for name, both in verification_slices(
                embeddings,
                judged.pairs,
                labels,
                threshold=threshold,
                targets=(rules.target_miss, rules.target_far),
            ).items()
        }
        for column, labels in groups.items()
    }
    protocol = {
        **judged.record.protocol,
        "slices": {
            "columns": list(groups),
            "threshold": f"one for all, at FAR {rules.far:g} over all pictures",
            "target_miss": rules.target_miss,
            "target_far": rules.target_far,
        },
    }
    figures = {**judged.record.figures, "slices": {"cosine": threshold, **slices}}
    return replace(judged, record=replace(judged.record, protocol=protocol, figures=figures))


def warnings_of(slices: Mapping[str, Any]) -> list[str]:
    """A line per group that misses a target, for sure."""
    lines = []
    for column, groups in _columns(slices):
        for name, both in groups.items():
            lines += [
                f"{column} {name}: {each['words']} of the {_KINDS[kind]}, the target is {each['target']:g}"
                for kind, each in both.items()
                if each["verdict"] == "misses"
            ]
    return lines


def slices_page(slices: Mapping[str, Any]) -> str:
    """Tables of all columns, as a part of a report."""
    first = (
        f"## By group, at one threshold\n\nCosine {slices['cosine']:.4f} for everybody. A target is missed where the whole 95 % "
        "interval lies above it; false accepts within a group share people, so that their interval is too narrow."
    )
    parts = [first]
    for column, groups in _columns(slices):
        rows = (
            [
                name,
                *(
                    cell
                    for kind in _KINDS
                    for cell in (f"{both[kind]['trials']:,}", both[kind]["words"], both[kind]["verdict"])
                ),
            ]
            for name, both in groups.items()
        )
        head = [column, "pairs of one person", "refused", "", "pairs of two people", "accepted", ""]
        parts.append(markdown_table(head, rows))
    warned = warnings_of(slices)
    if warned:
        parts.append("Targets missed:\n\n" + "\n".join(f"- {line}" for line in warned))
    return "\n\n".join(parts)


def _columns(slices: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(column, groups) for column, groups in slices.items() if column != "cosine"]
