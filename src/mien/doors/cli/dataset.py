"""``mien dataset``: what is in a set of labelled pictures; divide it, multiply it, look at it, pack it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli import dataset_augment, dataset_borders, dataset_boxes, dataset_fetch
from mien.doors.cli.command import Session, command
from mien.doors.cli.folders import follow
from mien.doors.cli.pictures import prepare_folder, shown

if TYPE_CHECKING:
    from mien.datasets.labelled import LabelledSet
    from mien.datasets.survey import Survey
    from mien.jobs.datasets import How

__all__ = ["register"]

Source = Annotated[
    Path, typer.Argument(metavar="SRC", help="A folder per class, with or without train and test above; or an .npz.")
]
Target = Annotated[Path, typer.Argument(metavar="DST", help="Where the result goes; a folder outside SRC.")]
MergeCase = Annotated[bool, typer.Option("--merge-case", help="Cat and cat are one class.")]
Pattern = Annotated[
    str, typer.Option(metavar="REGEX", help="Pictures whose names agree in this belong together, e.g. '(\\w+)_\\d+'.")
]
Seed = Annotated[int, typer.Option(min=0, help="Another one, another result; the same one, the same.")]
AllowLeak = Annotated[bool, typer.Option("--allow-leak", help="Go on where train and test share something.")]

_SHOWN = 30
"""Classes in a contact sheet at most."""

CLASSES = ("class", "pictures", "train", "val", "test", "share", "smallest", "median", "largest", "blurred", "corrupt")


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Labelled pictures: count, check, divide, multiply, fetch.")
    app.add_typer(group, name="dataset", rich_help_panel="Training")
    command(group, "info", reads=True)(info)
    command(group, "show", reads=True)(show)
    command(group, "split", reads=True)(split)
    command(group, "pack", reads=True)(pack)
    dataset_augment.register(group)
    dataset_fetch.register(group)
    dataset_borders.register(group)


def info(
    session: Session,
    source: Source,
    annotations: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Boxes of the pictures in SRC: WIDER .mat or .txt, FDDB, COCO .json, .csv."),
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the annotations here with what is wrong mended.")
    ] = None,
    pattern: Pattern = "",
    merge_case: MergeCase = False,
    allow_leak: AllowLeak = False,
) -> int | None:
    """Count and check: classes, sizes, copies, blur, damaged files, pictures in two classes or on two sides; or boxes."""
    if annotations:
        return dataset_boxes.check(session, source, annotations, fix=fix, allow_leak=allow_leak)
    from mien.datasets.survey import refuse_leaks

    if fix is not None:
        raise SettingError("--fix mends a file of boxes; name it with --annotations FILE")
    seen = look(session, source, pattern=pattern, merge_case=merge_case)
    session.out.table(_title(seen), _by_class(seen), columns=CLASSES, data=_story(seen))
    for line in _findings(seen):
        session.out.note(line)
    for rows in seen.in_two_classes:
        session.out.problem(f"in two classes at once: {_names(seen, rows)}")
    if seen.leaks and allow_leak:
        session.out.problem(f"mien: {len(seen.leaks)} leaks allowed; a test on this set says little")
    elif not session.interrupted:
        refuse_leaks(seen.leaks)
    return None


def show(
    session: Session,
    source: Source,
    out: Annotated[Path, typer.Option(help="Where the contact sheet goes.")] = Path("sheet.png"),
    per_class: Annotated[int, typer.Option(min=1, help="Pictures of each class, at random.")] = 8,
    annotations: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Draw the boxes of these, SRC being their pictures.")
    ] = None,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of a picture in the sheet, pixels.")] = 160,
    seed: Seed = 0,
    merge_case: MergeCase = False,
) -> int | None:
    """Draw a contact sheet: some pictures of each class, a row per class, or of an annotated set with its boxes."""
    from mien.media.drawing import contact_sheet
    from mien.media.images import write_image

    prepare_folder(out.parent)
    if annotations:
        tiles, names = dataset_boxes.tiles(session, source, annotations, count=per_class, seed=seed)
    else:
        tiles, names = _tiles(session, source, per_class=per_class, seed=seed, merge_case=merge_case)
    if not tiles:
        raise InputError(f"no picture of {shown(source)} could be read")
    write_image(out, contact_sheet(tiles, names, columns=per_class if not annotations else None, tile_size=size))
    row: dict[str, Any] = {"file": shown(out), "pictures": len(tiles)}
    session.out.table("contact sheet", [row], columns=tuple(row))
    return None


def split(
    session: Session,
    source: Source,
    target: Target,
    test: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of each class to test with.")] = 0.2,
    val: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of each class to choose an epoch with.")] = 0.0,
    how: Annotated[
        str, typer.Option(metavar="link|copy|list", help="Hard links, copies, or split.csv alone.")
    ] = "link",
    pattern: Pattern = "",
    seed: Seed = 0,
    merge_case: MergeCase = False,
) -> int | None:
    """Divide into DST/train, val and test; videos, people's folders, near-duplicates and versions stay together."""
    from mien.datasets.splits import sides
    from mien.jobs.datasets import divide

    chosen = _how(how)
    seen = look(session, source, pattern=pattern, merge_case=merge_case)
    if session.interrupted:
        return None
    groups = seen.groups()
    placed = sides(seen.readable.labels, groups, val=val, test=test, seed=seed)
    done = [event.result for event in follow(session, divide(seen, placed, target, how=chosen))]
    labels = dict.fromkeys(row.label for row in done)
    counts = Counter((row.label, row.side) for row in done)
    rows = [{"class": label, **{side: counts[label, side] for side in ("train", "val", "test")}} for label in labels]
    wanted = ["train", *(["val"] if val else []), *(["test"] if test else [])]
    for row in rows:
        if lacking := [side for side in wanted if not row[side]]:
            session.out.note(
                f"{row['class']}: nothing for {' and '.join(lacking)}; its pictures belong together or are too few"
            )
    title = f"{len(done)} pictures in {len(set(groups.tolist()))} groups divided into {shown(target)} ({how})"
    columns = ("class", "train", "val", "test")
    session.out.table(title, rows, columns=columns, data=[row._asdict() for row in done])
    return None


def pack(
    session: Session,
    source: Source,
    out: Annotated[Path, typer.Argument(metavar="OUT.npz", help="trainX, trainy, testX, testy.")],
    size: Annotated[
        int | None,
        typer.Option(min=8, max=1024, help="Scale every picture to this square; else all must be of one size."),
    ] = None,
    merge_case: MergeCase = False,
) -> int | None:
    """Write all pictures and labels as one file, the tutorials' faces-dataset.npz; validation pictures go with train."""
    from mien.datasets.packs import write_train_test
    from mien.jobs.datasets import packed

    prepare_folder(out.parent)
    found = _found(session, source, merge_case=merge_case)
    done = {event.index - 1: event.result for event in follow(session, packed(found, size=size))}
    if session.interrupted:
        return None
    from mien.jobs.datasets import join_pack

    made = join_pack(found, done)
    write_train_test(out, made)
    row = {
        "file": shown(out),
        "train": len(made.train),
        "test": len(made.test),
        "classes": len(found.classes),
        "size": "×".join(map(str, made.train.shape[1:3])),
    }
    session.out.table("packed", [row], columns=tuple(row))
    return None


def look(session: Session, source: Path, *, pattern: str = "", merge_case: bool = False) -> Survey:
    """Every picture of a set looked at, the damaged ones reported.

    Raises:
        InputError: no set, or not one picture in it that can be read.
    """
    from mien.datasets.folders import Problem
    from mien.datasets.survey import Survey
    from mien.jobs.datasets import look_over, videos_in
    from mien.jobs.running import Failed
    from mien.media.images import ReadOptions

    found = _found(session, source, merge_case=merge_case)
    Survey(found, {}, pattern=pattern)  # a pattern that cannot work is told before the work
    corrupt: list[Problem] = []

    def noted() -> Any:
        for event in look_over(found, ReadOptions(max_megapixels=session.house.settings.max_megapixels)):
            if isinstance(event, Failed):
                corrupt.append(Problem(event.name, event.reason))
            yield event

    looks = {event.index - 1: event.result for event in follow(session, noted())}
    if not looks:
        raise InputError(f"{shown(source)}: none of {len(found)} pictures can be read")
    return Survey(found, looks, tuple(corrupt), videos_in(found), pattern)


def _found(session: Session, source: Path, *, merge_case: bool) -> LabelledSet:
    from mien.datasets.labelled import read_labelled

    found = read_labelled(source, merge_case=merge_case)
    for problem in found.problems:
        session.fail(f"mien: {problem.name}: {problem.reason}")
    return found


def _how(how: str) -> How:
    if how not in {"link", "copy", "list"}:
        raise typer.BadParameter(f"expected link, copy or list, got {how!r}")
    return how  # type: ignore[return-value]  # one of the three


def _title(seen: Survey) -> str:
    found = seen.found
    counts = found.counts.values()
    balance = f", largest class {max(counts) / min(counts):.1f}× the smallest" if len(counts) > 1 else ""
    corrupt = f", {len(seen.corrupt)} cannot be read" if seen.corrupt else ""
    return f"{shown(found.root)}: {len(found)} pictures of {_classes(found)}{balance}{corrupt}"


def _classes(found: LabelledSet) -> str:
    return "1 class" if len(found.classes) == 1 else f"{len(found.classes)} classes"


def _by_class(seen: Survey) -> list[dict[str, Any]]:
    found, blurred = seen.found, set(seen.blurred)
    rows = []
    for label in found.classes:
        mine = [row for row, other in enumerate(found.labels) if other == label]
        areas = sorted(
            (look.width * look.height, f"{look.width}×{look.height}") for r in mine if (look := seen.looks.get(r))
        )
        sides = Counter(found.sides[row] for row in mine)
        rows.append(
            {
                "class": label,
                "pictures": len(mine),
                **{side: sides[side] or None for side in ("train", "val", "test")},
                "share": len(mine) / len(found),
                "smallest": areas[0][1] if areas else "",
                "median": areas[len(areas) // 2][1] if areas else "",
                "largest": areas[-1][1] if areas else "",
                "blurred": sum(row in blurred for row in mine),
                "corrupt": sum(row not in seen.looks for row in mine),
            }
        )
    return rows


def _findings(seen: Survey) -> list[str]:
    """What is worth a line each: too little, copies, blur."""
    from mien.datasets.labelled import require_classes

    lines = []
    try:
        require_classes(seen.found)
    except InputError as error:
        lines.append(str(error))
    lines += [f"the same file: {_names(seen, rows)}" for rows in seen.copies]
    lines += [f"near-duplicates: {_names(seen, rows)}" for rows in seen.alike if rows not in seen.copies]
    lines += [f"blurred ({seen.looks[row].sharpness:.0f}): {shown(seen.found.names[row])}" for row in seen.blurred]
    return lines


def _names(seen: Survey, rows: Sequence[int]) -> str:
    return " = ".join(shown(seen.found.names[row]) for row in rows)


def _story(seen: Survey) -> dict[str, Any]:
    """All of it, for programs."""

    def names(groups: Sequence[Sequence[int]]) -> list[list[str]]:
        return [[seen.found.names[row] for row in rows] for rows in groups]

    return {
        "pictures": len(seen.found),
        "classes": _by_class(seen),
        "copies": names(seen.copies),
        "near_duplicates": names(seen.alike),
        "in_two_classes": names(seen.in_two_classes),
        "blurred": [seen.found.names[row] for row in seen.blurred],
        "corrupt": [{"picture": problem.name, "error": problem.reason} for problem in seen.corrupt],
        "leaks": [leak.words() for leak in seen.leaks],
    }


def _tiles(
    session: Session, source: Path, *, per_class: int, seed: int, merge_case: bool
) -> tuple[list[Any], list[str]]:
    """Random pictures of each class with their labels; a class with too few is filled up with empty tiles."""
    import numpy as np

    from mien.core.errors import ImageError

    found = _found(session, source, merge_case=merge_case)
    tiles: list[Any] = []
    names: list[str] = []
    order = np.random.default_rng(seed).permutation(len(found.classes))[:_SHOWN]
    if len(order) < len(found.classes):
        session.out.note(f"{len(order)} of {len(found.classes)} classes are shown, chosen by --seed")
    for number in session.each(sorted(order.tolist())):
        label = found.classes[number]
        mine = np.flatnonzero(found.targets == number)
        chosen = np.random.default_rng(seed).permutation(mine)[:per_class].tolist()
        before = len(tiles)
        for row in chosen:
            try:
                tiles.append(found.read(row).pixels)
                names.append(f"{label}: {Path(found.names[row]).stem}")
            except ImageError as error:
                session.fail(f"mien: {error}")
        blank = per_class - (len(tiles) - before)
        tiles += [np.full((1, 1, 3), 244, np.uint8)] * blank
        names += [""] * blank
    return (tiles, names) if any(names) else ([], [])
