"""``mien eval detection``: how many of the marked faces are found, and where the others went."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError
from mien.doors.cli.command import DETECTING, Exit, Session, command
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
    from mien.datasets.annotations import MarkedPicture
    from mien.datasets.marked import MarkedSet
    from mien.evaluation.detection_report import Detected
    from mien.evaluation.journal import Journal

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "detection", DETECTING, reads=True)(detection)


def detection(
    session: Session,
    annotations: Annotated[
        Path,
        typer.Argument(
            metavar="TRUTH",
            help="WIDER's .mat or _bbx_gt.txt, FDDB's ellipseList.txt or a folder of them, COCO .json, or .csv of boxes.",
        ),
    ],
    pictures: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that the names in it begin from.")],
    out: Out,
    lists: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="WIDER's folder ground_truth (easy, medium, hard); else beside TRUTH."),
    ] = None,
    iou: Annotated[float, typer.Option(min=0.01, max=1.0, help="Least overlap of a detection with its face.")] = 0.5,
    score_floor: Annotated[float, typer.Option(min=0.0, max=1.0, help="Leave out detections below this score.")] = 0.0,
    false_positives: Annotated[
        str, typer.Option(help="Give the recall at so many false positives in the whole set.")
    ] = "10,50,100,500",
    why: Annotated[
        bool, typer.Option("--why/--no-why", help="Ask the detector which stage lost each face, if it can say.")
    ] = True,
    slices: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="A column picture and any to group by: recall of each group."),
    ] = None,
    target_miss: Annotated[
        float | None, typer.Option(help="Share of the faces of a group that may be missed; warns where it is more.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Only every n-th picture, for a quick look.")] = 1,
    strict: Strict = False,
) -> int | None:
    """Precision and recall, average precision, recall by size and kind of face, and the stage that lost each miss."""
    from mien.datasets.groups import read_groups
    from mien.datasets.marked import grouped, read_marked
    from mien.evaluation.detection_report import DetectionRules, judge_detection
    from mien.evaluation.gathering import faces_in, gather_faces
    from mien.evaluation.slices import needed

    counts = tuple(int(n) for n in numbers(false_positives, "--false-positives", whole=True))
    rules = DetectionRules(iou, score_floor, counts, target_miss)
    if target_miss is not None:
        needed(target_miss)
    marked = _thinned(read_marked(annotations, pictures=pictures, lists=lists), every)
    if slices is not None:
        names = [m.path.relative_to(pictures).as_posix() for m in marked.pictures]
        marked = grouped(marked, read_groups(slices, names))
    _tell_faults(session, marked, shown(annotations.name), strict=strict)
    begin(session, out, [m.path for m in marked.pictures])
    subject = subject_of_run(session)
    by_name = {m.path.relative_to(pictures).as_posix(): m for m in marked.pictures}
    look = _look(session, by_name, iou) if why else None
    key = {"iou": iou, "why": look is not None, "truth": _truth(marked)}
    with journal_of(session, out, "faces", subject, **key) as journal:
        left = pictures_left(session, {name: m.path for name, m in by_name.items()}, journal, "finding faces")
        gather_faces(session.house.detector, left, journal, also=look)
        if session.interrupted:
            session.out.note("the same command goes on from here")
            return None
        judgeable, names = _read_ones(session, marked, by_name, journal, strict=strict)
        detected = judge_detection(
            faces_in(journal, names),
            judgeable,
            [journal.rows[name] for name in names],
            protocol={"data": shown(annotations.name), "every": every, "seed": None},
            subject=subject,
            rules=rules,
        )
        _leave(session, out, detected)
        journal.finish()
    return Exit.SOME_FAILED if session.failed else None


def _thinned(marked: MarkedSet, every: int) -> MarkedSet:
    return replace(marked, pictures=marked.pictures[::every])


def _truth(marked: MarkedSet) -> str:
    from mien.evaluation.reporting import digest

    return digest((m.path.name, m.boxes.tolist(), [c.tolist() for c in m.counted.values()]) for m in marked.pictures)


def _look(session: Session, by_name: dict[str, MarkedPicture], iou: float) -> Any:
    """What asks the detector about its misses; None if it cannot say."""
    from mien.evaluation.detection_report import misses_of

    explainer = session.house.explainer
    if explainer is None:
        session.out.note(
            f"the detector {session.house.settings.detector} cannot say why it lets a face go: misses are counted only"
        )
        return None
    return misses_of(explainer, by_name, iou=iou)


def _tell_faults(session: Session, marked: MarkedSet, listed: str, *, strict: bool) -> None:
    """Pictures that are not there, boxes that are none."""
    if marked.absent:
        tell_missing(session, [marked.example or "of another event"] * marked.absent, listed, strict=strict)
    if marked.unusable:
        words = f"{marked.unusable} marked faces have no area or no numbers, e.g. {marked.examples[0]}"
        if strict:
            raise InputError(f"{words}; leave out --strict to go on, mien dataset boxes mends them")
        kept = "stay on WIDER's lists and cannot be found" if marked.form == "wider" else "are neither right nor wrong"
        session.out.note(f"{words}: they {kept}")


def _read_ones(
    session: Session, marked: MarkedSet, by_name: dict[str, MarkedPicture], journal: Journal, *, strict: bool
) -> tuple[MarkedSet, list[str]]:
    """The set without pictures that could not be read, and faces outside their picture not counted."""
    from mien.datasets.marked import without_outside

    names = [name for name in by_name if name in journal.rows]
    unread = [name for name in by_name if name not in journal.rows]
    tell_missing(session, unread, "the list", strict=strict)
    if not names:
        raise InputError(f"none of the {len(by_name)} pictures could be read: there is nothing to judge")
    kept = replace(marked, pictures=tuple(by_name[name] for name in names), absent=marked.absent + len(unread))
    settled, outside = without_outside(kept, [tuple(journal.rows[name]["size"]) for name in names])
    if outside:
        words = f"{outside} marked faces lie outside their picture"
        if strict:
            raise InputError(f"{words}; leave out --strict to go on without them")
        session.out.note(f"{words}: they are neither right nor wrong")
    return settled, names


def _leave(session: Session, out: Path, detected: Detected) -> None:
    """Everything that stays in the folder, and the figures in short."""
    from mien.evaluation.detection_report import detection_page, missed_targets

    record = detected.record
    target = record.protocol["target_miss"]
    for line in [] if target is None else missed_targets(record.figures, target):
        session.out.problem(f"target missed: {line}")
    finish(session, out, record, detection_page(detected, out))
    rows = [
        {"level": level, "faces": curve.faces, "AP": curve.average_precision, "recall": curve.final_recall}
        for level, curve in detected.curves.items()
    ]
    session.out.table("detection", rows, columns=("level", "faces", "AP", "recall"), data=record.to_dict())
    lost = record.figures["lost_at"]
    if lost and lost["all"]:
        session.out.text(
            "not found, by the stage that lost them: " + ", ".join(f"{k} {n}" for k, n in lost["all"].items())
        )
    if "fddb" in record.figures:
        for count, each in record.figures["fddb"].items():
            session.out.text(
                f"FDDB at {count} false positives: discrete {each['discrete']:.3f}, continuous {each['continuous']:.3f}"
            )
