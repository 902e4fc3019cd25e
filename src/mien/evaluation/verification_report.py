"""What verification leaves behind: figures of the whole pipeline and of the embedder alone, curves, the pairs one by one."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets.pairs import Pairs
from mien.evaluation.charts import draw_distributions, draw_roc
from mien.evaluation.distributions import score_spread
from mien.evaluation.pipeline import Verification, VerificationOptions, verify
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.evaluation.reporting import conditions, digest, markdown_table, percent, protocol_words, subject_words
from mien.evaluation.verification import pair_similarity
from mien.media.images import write_whole

__all__ = ["Judged", "check_rates", "found_pairs", "judge_pairs", "verification_page", "worst_pairs", "write_pairs"]

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Verification with its record.

    Args:
        record: protocol, subject, figures.
        pipeline: every pair; pictures without a face count as the options say.
        embedder: only pairs of which both faces were found; None where that leaves too little to judge.
        similarity: ``(n,)`` cosine of each pair, -1 where a face was not found.
        pairs: which were judged.
    """

    record: Record
    pipeline: Verification
    embedder: Verification | None
    similarity: NDArray[np.float32]
    pairs: Pairs = field(repr=False)


def check_rates(pairs: Pairs, far: Sequence[float]) -> None:
    """Refuse false accept rates that these pictures cannot support, before any work is done.

    Raises:
        InputError: a rate below 10 / N; says the smallest one.
    """
    counts = np.bincount(pairs.people).astype(np.int64)
    possible = int(counts.sum() ** 2 - (counts**2).sum()) // 2
    low = [rate for rate in far if not 0 < rate < 1 or rate * possible < 10]
    if low:
        raise InputError(
            f"FAR {', '.join(f'{rate:g}' for rate in low)} cannot be measured: {possible:,} pairs of pictures of different "
            f"people support {10 / max(possible, 1):.2g} and more (ten false accepts must be expected); add pictures"
        )


def found_pairs(embeddings: Vectors, pairs: Pairs) -> Pairs:
    """The pairs of which both faces were found: what the embedder alone is judged by."""
    found = np.asarray(embeddings.any(axis=1))
    kept = found[pairs.left] & found[pairs.right]
    return replace(pairs, left=pairs.left[kept], right=pairs.right[kept], same=pairs.same[kept], fold=pairs.fold[kept])


def judge_pairs(
    embeddings: Vectors,
    pairs: Pairs,
    *,
    protocol: Mapping[str, Any],
    subject: Mapping[str, Any],
    options: VerificationOptions | None = None,
) -> Judged:
    """Judge the pairs twice, whole pipeline and embedder alone, and put the figures into a record.

    Args:
        embeddings: ``(p, d)`` float32 of the pictures of ``pairs``; zeros where no face was found.
        pairs: which pictures to compare.
        protocol: what is to be said of the data, e.g. ``data`` and ``seed``; the rules are added.
        subject: what was measured.
        options: how to judge.

    Raises:
        InputError: no face found in any picture.
    """
    if not embeddings.any():
        raise InputError(f"no face was found in any of the {len(pairs.pictures)} pictures: there is nothing to judge")
    options = options or VerificationOptions()
    pipeline = verify(embeddings, pairs, options=options)
    embedder = _alone(embeddings, pairs, options)
    figures = pipeline.figures()
    figures |= {
        "equal_error": pipeline.roc.equal_error,
        "refused_far": [f"{far:g}" for far in options.far if far not in pipeline.tar],
        "embedder_only": None if embedder is None else _short(embedder, len(found_pairs(embeddings, pairs))),
        "scores": score_spread(embeddings, pairs),
    }
    record = Record(
        task="verification",
        protocol={**protocol, **_rules(pairs, options)},
        subject=subject,
        figures=figures,
        machine=this_machine(),
        versions=installed_versions(),
    )
    return Judged(record, pipeline, embedder, pair_similarity(embeddings, pairs.left, pairs.right), pairs)


def worst_pairs(judged: Judged, count: int = 12) -> tuple[list[int], list[int]]:
    """Rows of the least alike pairs of one person, and of the most alike ones of two; without a face comes last."""
    similarity, same = judged.similarity, judged.pairs.same
    found = similarity > -1
    lost = np.flatnonzero(same & found)
    taken = np.flatnonzero(~same & found)
    return (
        lost[np.argsort(similarity[lost], kind="stable")][:count].tolist(),
        taken[np.argsort(-similarity[taken], kind="stable")][:count].tolist(),
    )


def write_pairs(judged: Judged, names: Sequence[str], file: Path) -> None:
    """Every pair as CSV: left, right, same, fold, similarity (empty without a face), right decision."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["left", "right", "same", "fold", "similarity", "decided"])
    p = judged.pairs
    for i in range(len(p)):
        cosine = judged.similarity[i]
        writer.writerow(
            [
                names[p.left[i]],
                names[p.right[i]],
                int(p.same[i]),
                int(p.fold[i]) + 1,
                f"{cosine:.5f}" if cosine > -1 else "",
                "right" if judged.pipeline.folds.correct[i] else "wrong",
            ]
        )
    write_whole(file, out.getvalue().encode("utf-8", "surrogateescape"))


def verification_page(judged: Judged, folder: Path, *, sheet: str = "") -> list[str]:
    """The report as paragraphs; ``roc.png`` and ``scores.png`` are drawn into ``folder``.

    Args:
        judged: what came out.
        folder: where pictures go.
        sheet: file name of the contact sheet of the worst pairs; empty for none.

    Raises:
        MissingExtraError: without matplotlib.
    """
    record, whole, alone = judged.record, judged.pipeline, judged.embedder
    scores = record.figures["scores"]
    draw_roc(
        {"whole pipeline": whole.roc} | ({} if alone is None else {"embedder only": alone.roc}), folder / "roc.png"
    )
    draw_distributions(
        {"one person": scores["genuine"]["counts"], "strangers": scores["impostor"]["counts"]},
        scores["edges"],
        folder / "scores.png",
        marks={f"FAR {far:g}": whole.tail.threshold_at(far) for far in whole.tar},
    )
    return [
        f"# Verification: {record.subject.get('name', '')} on {record.protocol.get('data', '')}",
        _accuracy_table(judged),
        _tar_table(judged),
        _missed_words(judged),
        "![ROC](roc.png)",
        "![Scores](scores.png)",
        _spread_words(scores, whole.tail.comparisons),
        f"## Worst pairs\n\n![Worst pairs]({sheet})\n\nAll pairs: `pairs.csv`." if sheet else "",
        "## Protocol\n\n" + protocol_words(record),
        "## What was measured\n\n" + subject_words(record),
        conditions(record),
    ]


def _alone(embeddings: Vectors, pairs: Pairs, options: VerificationOptions) -> Verification | None:
    try:
        return verify(embeddings, found_pairs(embeddings, pairs), options=options)
    except InputError:  # a fold lost all its pairs, or those of one kind
        return None


def _rules(pairs: Pairs, options: VerificationOptions) -> dict[str, Any]:
    names = [path.name for path in pairs.pictures]
    listed = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.same.tolist(), pairs.fold.tolist(), strict=True)
    return {
        "pictures": len(pairs.pictures),
        "people": len(pairs.names),
        "missing_pictures": len(pairs.missing),
        "pairs": len(pairs),
        "dropped_pairs": pairs.dropped,
        "pairs_digest": digest([*names, *listed]),
        "folds": pairs.folds,
        "scales": [1.0],
        "resolution": "original",
        "threshold": "most pairs right on the other folds",
        "face": "nearest the picture's centre",
        "failed_detection": options.failed,
        "impostors": "all pictures of different people",
        "interval": f"bootstrap over people, {options.draws} draws, 95 %",
        "far": [f"{far:g}" for far in options.far],
    }


def _short(embedder: Verification, pairs: int) -> dict[str, Any]:
    return {**embedder.figures(), "equal_error": embedder.roc.equal_error, "pairs": pairs}


def _accuracy_table(judged: Judged) -> str:
    rows = []
    for name, each in (("whole pipeline", judged.pipeline), ("embedder only", judged.embedder)):
        if each is not None:
            accuracy = f"{each.folds.mean:.4f} ± {each.folds.standard_error:.4f}"
            pairs = str(len(each.folds.correct))
            rows.append(
                [name, pairs, accuracy, percent(each.interval), f"{each.roc.auc:.4f}", f"{each.roc.equal_error:.4f}"]
            )
    return markdown_table(["", "pairs", "accuracy ± standard error", "95 %", "AUC", "EER"], rows)


def _tar_table(judged: Judged) -> str:
    whole, alone = judged.pipeline, judged.embedder
    rows = []
    for far, tar in whole.tar.items():
        other = [] if alone is None else [f"{alone.tar[far]:.4f}", percent(alone.tar_interval[far])]
        rows.append(
            [f"{far:g}", f"{whole.tail.threshold_at(far):.4f}", f"{tar:.4f}", percent(whole.tar_interval[far]), *other]
        )
    empty = [] if alone is None else ["", ""]
    rows += [[far, "refused", "too few pairs of strangers", "", *empty] for far in judged.record.figures["refused_far"]]
    head = ["FAR", "cosine", "TAR, whole pipeline", "95 %", *([] if alone is None else ["TAR, embedder only", "95 %"])]
    return markdown_table(head, rows)


def _missed_words(judged: Judged) -> str:
    rules = judged.record.protocol
    return (
        f"{judged.pipeline.missed} of {rules['pictures']} pictures without a face; their pairs count as "
        f"{rules['failed_detection']}. Intervals: {rules['interval']}."
    )


def _spread_words(scores: Mapping[str, Any], comparisons: int) -> str:
    genuine, impostor = scores["genuine"], scores["impostor"]
    if genuine["mean"] is None or impostor["mean"] is None:
        return ""
    return (
        f"Cosines of the list's pairs of one person: {genuine['mean']:.3f} ± {genuine['deviation']:.3f} (standard deviation); "
        f"of all {comparisons:,} pairs of pictures of different people: {impostor['mean']:.3f} ± {impostor['deviation']:.3f}."
    )
