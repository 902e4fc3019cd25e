"""``mien eval verification``: how well two pictures of one person are told from two of strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import DETECTING, NAMING, Exit, Session, command
from mien.doors.cli.eval_running import (
    Out,
    Strict,
    begin,
    finish,
    journal_of,
    numbers,
    pictures_left,
    subject_of_run,
    tell_missing,
)
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.datasets.pairs import Pairs
    from mien.evaluation.journal import Journal
    from mien.evaluation.pipeline import VerificationOptions
    from mien.evaluation.slices_report import SliceRules
    from mien.evaluation.verification_report import Judged

__all__ = ["read_pairs", "register", "without"]

SHEET = "worst-pairs.jpg"
FAR = "1e-2,1e-3,1e-4,1e-5"
TILE = 112
GROUPS = "Groups"


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "verification", DETECTING, NAMING[:1], reads=True)(verification)


def verification(
    session: Session,
    pictures: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with a folder per person.")],
    out: Out,
    pairs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="LFW's pairs.txt, whole or cut; without it pairs are drawn.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds to draw, at most; they share no person.")] = 10,
    per_fold: Annotated[
        int, typer.Option(min=1, help="Pairs of one person to draw per fold, and as many of two.")
    ] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Of the pairs that are drawn.")] = 0,
    failed: Annotated[
        str, typer.Option(help="What the pairs of a picture without a face count as: wrong, or different (people).")
    ] = "wrong",
    far: Annotated[str, typer.Option(help="False accept rates, with commas; below 10 / N is refused.")] = FAR,
    draws: Annotated[int, typer.Option(min=100, help="Of the bootstrap over people.")] = 1000,
    slices: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Columns picture (or person) and any to group by: errors per group at one threshold.",
            rich_help_panel=GROUPS,
        ),
    ] = None,
    operating_far: Annotated[
        float, typer.Option(help="The false accept rate that sets that threshold.", rich_help_panel=GROUPS)
    ] = 1e-3,
    target_miss: Annotated[
        float,
        typer.Option(help="Share of the pairs of one person that may be refused in a group.", rich_help_panel=GROUPS),
    ] = 0.05,
    target_far: Annotated[
        float | None,
        typer.Option(
            help="Share of the pairs of two people that may be accepted in a group; else as --operating-far.",
            rich_help_panel=GROUPS,
        ),
    ] = None,
    strict: Strict = False,
) -> int | None:
    """Accuracy, ROC and TAR at FAR with intervals: from the picture on, and of the embedder alone."""
    from mien.datasets.groups import read_groups
    from mien.evaluation.gathering import gather_vectors, vectors_in
    from mien.evaluation.slices_report import with_slices
    from mien.evaluation.verification_report import check_rates, judge_pairs

    listed, data = read_pairs(session, pictures, pairs, (folds, per_fold, seed), strict=strict)
    options = _options(failed, far, draws)
    if far != FAR:  # what nobody asked for is left out, what somebody did is refused before any work is done
        check_rates(listed, options.far)
    grouping = _grouping(slices, (operating_far, target_miss, target_far), listed, pictures)
    begin(session, out, listed.pictures)
    house, subject = session.house, subject_of_run(session, embedder=True)
    named = {path.relative_to(pictures).as_posix(): path for path in listed.pictures}
    with journal_of(session, out, "vectors", subject) as journal:
        gather_vectors(
            house.detector, house.embedder, pictures_left(session, named, journal, "finding and embedding"), journal
        )
        if session.interrupted:
            session.out.note("the same command goes on from here")
            return None
        judgeable = without(session, listed, [name in journal.rows for name in named], strict=strict)
        names = [path.relative_to(pictures).as_posix() for path in judgeable.pictures]
        vectors = vectors_in(journal, names, house.embedder.space.dimensions)
        judged = judge_pairs(vectors, judgeable, protocol=data, subject=subject, options=options)
        if grouping is not None:
            judged = with_slices(judged, vectors, read_groups(grouping[0], names), grouping[1])
        _leave(session, out, judged, (names, journal))
        journal.finish()
    _tell(session, judged)
    return Exit.SOME_FAILED if session.failed else None


def read_pairs(
    session: Session, pictures: Path, file: Path | None, drawn: tuple[int, int, int], *, strict: bool
) -> tuple[Pairs, dict[str, Any]]:
    """The pairs, from a list or drawn (folds, per fold, seed), and what the protocol says of them."""
    from mien.datasets.drawn_pairs import DrawOptions, draw_pairs
    from mien.datasets.folders import person_folders
    from mien.datasets.pairs import read_lfw_pairs

    if file is not None:
        listed = read_lfw_pairs(file, pictures=pictures)
        tell_missing(session, listed.missing, shown(file.name), strict=strict)
        if not len(listed):
            raise InputError(
                f"no pair of {shown(file.name)} has both its pictures below {shown(pictures)}; expected a folder per person, "
                "e.g. Ada_King/Ada_King_0001.jpg"
            )
        return listed, {"data": f"{file.name}, official folds", "seed": None}
    found = person_folders(pictures)
    for problem in found.problems:
        session.fail(f"{shown(problem.name)}: {problem.reason}")
    options = DrawOptions(*drawn)
    return draw_pairs(found.photos, options), {
        "data": f"{pictures.resolve().name}, a folder per person",
        "seed": options.seed,
        "pairs_per_fold": options.per_fold,
    }


def without(session: Session, pairs: Pairs, readable: Sequence[bool], *, strict: bool) -> Pairs:
    """The pairs whose pictures could be read; the others are counted as dropped."""
    import numpy as np

    kept = np.array(readable, bool)
    if kept.all():
        return pairs
    unread = tuple(path for path, fine in zip(pairs.pictures, readable, strict=True) if not fine)
    tell_missing(session, unread, "the list", strict=strict)
    rows = np.cumsum(kept) - 1
    whole = kept[pairs.left] & kept[pairs.right]
    return replace(
        pairs,
        pictures=tuple(path for path, fine in zip(pairs.pictures, readable, strict=True) if fine),
        people=pairs.people[kept],
        left=rows[pairs.left[whole]],
        right=rows[pairs.right[whole]],
        same=pairs.same[whole],
        fold=pairs.fold[whole],
        missing=(*pairs.missing, *unread),
        dropped=pairs.dropped + int((~whole).sum()),
    )


def _grouping(
    file: Path | None, wanted: tuple[float, float, float | None], pairs: Pairs, root: Path
) -> tuple[Path, SliceRules] | None:
    """The file of groups and its rules, looked at before any work is done; None without."""
    if file is None:
        return None
    from mien.datasets.groups import read_groups
    from mien.evaluation.slices import needed
    from mien.evaluation.slices_report import SliceRules
    from mien.evaluation.verification_report import check_rates

    far, miss, accepted = wanted
    rules = SliceRules(far, miss, far if accepted is None else accepted)
    needed(rules.target_miss)
    needed(rules.target_far)
    check_rates(pairs, (far,))
    read_groups(file, [path.relative_to(root).as_posix() for path in pairs.pictures])
    return file, rules


def _options(failed: str, far: str, draws: int) -> VerificationOptions:
    from mien.evaluation.pipeline import VerificationOptions

    if failed == "wrong":
        return VerificationOptions("wrong", numbers(far, "--far"), draws)
    if failed == "different":
        return VerificationOptions("different", numbers(far, "--far"), draws)
    raise SettingError(f"--failed is {failed!r}: expected wrong or different")


def _leave(session: Session, out: Path, judged: Judged, done: tuple[Sequence[str], Journal]) -> None:
    """Everything that stays in the folder."""
    from mien.evaluation.slices_report import slices_page, warnings_of
    from mien.evaluation.verification_report import verification_page, write_pairs

    write_pairs(judged, done[0], out / "pairs.csv")
    drawn = _draw_worst(session, out / SHEET, judged, [done[1].rows[name] for name in done[0]])
    page = verification_page(judged, out, sheet=SHEET if drawn else "")
    slices = judged.record.figures.get("slices")
    if slices:
        page.insert(page.index("![Scores](scores.png)") + 2, slices_page(slices))
        for line in warnings_of(slices):
            session.out.problem(f"target missed: {line}")
    finish(session, out, judged.record, page)


def _draw_worst(session: Session, file: Path, judged: Judged, rows: Sequence[Mapping[str, Any]]) -> bool:
    """The least alike pairs of one person and the most alike of two, both faces of a pair side by side."""
    import numpy as np

    from mien.evaluation.verification_report import worst_pairs
    from mien.media.drawing import contact_sheet
    from mien.media.images import write_image

    tiles, labels = [], []
    for kind, chosen in zip(("one person", "two people"), worst_pairs(judged), strict=True):
        for i in chosen:
            sides = (judged.pairs.left[i], judged.pairs.right[i])
            chips = [_chip(session, judged.pairs.pictures[side], rows[side]) for side in sides]
            tiles.append(np.concatenate(chips, axis=1))
            labels.append(f"{kind} {judged.similarity[i]:.2f}")
    if not tiles:
        return False
    write_image(file, contact_sheet(tiles, labels, columns=4, tile_size=2 * TILE))
    return True


def _chip(session: Session, path: Path, row: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The face with a little around it, square."""
    import numpy as np

    from mien.media.crops import crop_context

    pixels = session.house.read(path).pixels
    return np.asarray(crop_context(pixels, np.array(row["box"], np.float32), size=TILE, context=0.4)[0], np.uint8)


def _tell(session: Session, judged: Judged) -> None:
    """The figures in short."""
    rows = []
    for name, each in (("whole pipeline", judged.pipeline), ("embedder only", judged.embedder)):
        if each is not None:
            rows.append(
                {
                    "": name,
                    "pairs": len(each.folds.correct),
                    "accuracy": f"{each.folds.mean:.4f}",
                    "±": f"{each.folds.standard_error:.4f}",
                    "95 %": f"{each.interval[0]:.4f} – {each.interval[1]:.4f}",
                    "AUC": f"{each.roc.auc:.4f}",
                    **{f"TAR at {rate:g}": f"{tar:.4f}" for rate, tar in each.tar.items()},
                }
            )
    data = judged.record.to_dict()
    session.out.table("verification", rows, columns=list(rows[0]), data=data)
    figures = judged.record.figures
    if figures["refused_far"]:
        session.out.note(
            f"FAR {', '.join(figures['refused_far'])} refused: {figures['impostor_comparisons']:,} pairs of strangers "
            f"support {10 / max(figures['impostor_comparisons'], 1):.2g} and more"
        )
    if figures["missed_pictures"]:
        session.out.note(
            f"{figures['missed_pictures']} pictures without a face; their pairs count as {judged.record.protocol['failed_detection']}"
        )
