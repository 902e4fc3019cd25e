"""What a passive liveness model leaves behind: errors by kind of attack, picture by picture and over successive ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.evaluation.charts import draw_distributions
from mien.evaluation.liveness import LivenessFigures, equal_error, figures
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.evaluation.reporting import conditions, digest, markdown_table, protocol_words, subject_words

__all__ = ["LivenessRules", "Scored", "liveness_page", "liveness_record", "presentations"]

_EDGES = [round(i / 50, 2) for i in range(51)]


@dataclass(frozen=True, slots=True)
class Scored:
    """One picture.

    Args:
        name: below the folder, ``kind/…``.
        kind: of attack, or the name of what is live.
        score: probability that the face is live; None where no face was found.
    """

    name: str
    kind: str
    score: float | None

    @property
    def folder(self) -> str:
        """Where it lies: successive pictures of one folder are one presentation."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class LivenessRules:
    """How liveness is judged.

    Args:
        live: which kind is live; all others are attacks.
        threshold: what reaches it is taken for a living face.
        frames: successive pictures whose mean decides together.
    """

    live: str
    threshold: float
    frames: int = 5


def presentations(scored: Sequence[Scored], frames: int) -> list[Scored]:
    """The mean of so many successive pictures of one folder, of those with a face; what is left over is left out."""
    by_folder: dict[tuple[str, str], list[float]] = {}
    for each in scored:
        if each.score is not None:
            by_folder.setdefault((each.kind, each.folder), []).append(each.score)
    return [
        Scored(f"{folder}/{i // frames}", kind, float(np.mean(own[i : i + frames])))
        for (kind, folder), own in by_folder.items()
        for i in range(0, len(own) - frames + 1, frames)
    ]


def liveness_record(
    scored: Sequence[Scored], rules: LivenessRules, *, protocol: Mapping[str, Any], subject: Mapping[str, Any]
) -> Record:
    """Errors at the one threshold, and the equal error rate, put into a record.

    A living face that is not found is refused; an attack whose face is not found does not pass.

    Args:
        scored: every picture.
        rules: what is live, threshold, frames.
        protocol: what is to be said of the data.
        subject: what was measured.

    Raises:
        InputError: no living faces, or no attacks.
    """
    kinds = sorted({each.kind for each in scored})
    if rules.live not in kinds or len(kinds) < 2:
        raise InputError(
            f"expected a folder {rules.live!r} of living faces and one or more of attacks, got {', '.join(kinds) or 'none'}; "
            "--live names the folder of living faces"
        )
    together = presentations(scored, rules.frames)
    found: dict[str, Any] = {"pictures": _judged(scored, rules), "presentations": None}
    if {each.kind for each in together} == set(kinds):
        found["presentations"] = _judged(together, rules)
    found["without_face"] = {kind: sum(e.kind == kind and e.score is None for e in scored) for kind in kinds}
    found["scores"] = {
        kind: np.histogram([e.score for e in scored if e.kind == kind and e.score is not None], _EDGES)[0].tolist()
        for kind in kinds
    }
    stated = {
        **protocol,
        "pictures": {kind: sum(each.kind == kind for each in scored) for kind in kinds},
        "pictures_digest": digest(each.name for each in scored),
        "live": rules.live,
        "threshold": rules.threshold,
        "frames": rules.frames,
        "face": "the largest",
        "failed_detection": "a living face that is not found is refused, an attack that is not found does not pass",
        "seed": None,
    }
    return Record("liveness", stated, subject, found, this_machine(), installed_versions())


def liveness_page(record: Record, folder: Path) -> list[str]:
    """The report as paragraphs; ``scores.png`` is drawn into ``folder``.

    Raises:
        MissingExtraError: without matplotlib.
    """
    rules, found = record.protocol, record.figures
    draw_distributions(found["scores"], _EDGES, folder / "scores.png", marks={"threshold": rules["threshold"]})
    parts = [
        f"# Liveness: {record.subject.get('classifier', '')} on {rules.get('data', '')}",
        (
            "BPCER: living faces that are refused. APCER: attacks that pass, by kind; the worst counts. ACER: the mean of the "
            f"worst APCER and the BPCER. All at the threshold {rules['threshold']:g}; 95 % in brackets, as if trials were "
            "independent, which successive pictures are not."
        ),
    ]
    for name, title in (
        ("pictures", "Picture by picture"),
        ("presentations", f"Over {rules['frames']} successive ones"),
    ):
        parts.append(f"## {title}\n\n{_table(found[name])}" if found[name] else f"## {title}\n\nToo few in a row.")
    without = ", ".join(f"{kind} {n}" for kind, n in found["without_face"].items())
    return [
        *parts,
        f"Without a face: {without}.",
        "![Scores](scores.png)",
        "## Protocol\n\n" + protocol_words(record),
        "## What was measured\n\n" + subject_words(record),
        conditions(record),
    ]


def _judged(scored: Sequence[Scored], rules: LivenessRules) -> dict[str, Any]:
    """Errors at the threshold, and the equal error rate of those with a face."""
    live = _scores(scored, rules.live)
    attacks = {kind: _scores(scored, kind) for kind in sorted({e.kind for e in scored} - {rules.live})}
    told: LivenessFigures = figures(live, attacks, rules.threshold)
    every = np.concatenate(list(attacks.values()))
    seen = live[np.isfinite(live)], every[np.isfinite(every)]
    cut, rate = equal_error(*seen) if len(seen[0]) and len(seen[1]) else (None, None)
    return {**told.to_dict(), "equal_error": rate, "equal_error_threshold": cut}


def _scores(scored: Sequence[Scored], kind: str) -> NDArray[np.float64]:
    return np.array([-np.inf if e.score is None else e.score for e in scored if e.kind == kind], np.float64)


def _table(found: Mapping[str, Any]) -> str:
    rows = [["living faces refused (BPCER)", *_cells(found["bpcer"])]]
    rows += [[f"{kind} passed (APCER)", *_cells(share)] for kind, share in found["apcer"].items()]
    rows.append(["ACER", "", f"{found['acer']:.4f}", ""])
    if found["equal_error"] is not None:
        rows.append(["EER", "", f"{found['equal_error']:.4f}", f"at {found['equal_error_threshold']:.3f}"])
    return markdown_table(["", "of", "share", "95 %"], rows)


def _cells(share: Mapping[str, Any]) -> list[str]:
    return [f"{share['count']} of {share['of']}", f"{share['share']:.4f}", f"{share['low']:.4f} – {share['high']:.4f}"]
