"""``mien dataset augment``: versions of pictures on disk, and how many of them help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import NAMING, Session, command
from mien.doors.cli.folders import follow
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.datasets.augmentation import Augmentation
    from mien.datasets.choosing import Trial
    from mien.datasets.labelled import LabelledSet

__all__ = ["register"]

_PANEL = "Transforms (0 switches one off)"


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "augment", NAMING, reads=True)(augment)


def _amount(help_: str) -> Any:
    return typer.Option(min=0.0, help=help_, rich_help_panel=_PANEL)


def augment(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A folder per class, or train, val and test above.")],
    target: Annotated[Path | None, typer.Argument(metavar="[DST]", help="Where the versions go.")] = None,
    per_image: Annotated[int | None, typer.Option(min=1, help="Versions of each picture.")] = None,
    total: Annotated[int | None, typer.Option(min=1, help="Versions in all, of pictures drawn at random.")] = None,
    originals: Annotated[bool, typer.Option("--originals", help="Put the pictures themselves into DST too.")] = False,
    choose: Annotated[
        str | None,
        typer.Option(
            metavar="0,1,2,5", help="Try these numbers per picture by cross-validation; with DST use the best."
        ),
    ] = None,
    features: Annotated[
        str,
        typer.Option(
            metavar="pixels|faces", help="What --choose learns from: small pictures, or the embedder's vectors."
        ),
    ] = "pixels",
    sample: Annotated[int, typer.Option(min=10, help="Pictures that --choose takes at most, at random.")] = 400,
    mirror: Annotated[float, _amount("Share mirrored left to right.")] = 0.5,
    upend: Annotated[float, _amount("Share turned upside down by a mirror.")] = 0.0,
    rotation: Annotated[float, _amount("Degrees to either side.")] = 15.0,
    zoom: Annotated[float, _amount("0.15 scales by 0.85 to 1.15.")] = 0.15,
    shift: Annotated[float, _amount("Share of width and height.")] = 0.1,
    shear: Annotated[float, _amount("Degrees to either side.")] = 5.0,
    brightness: Annotated[float, _amount("Share of the range.")] = 0.15,
    contrast: Annotated[float, _amount("0.25 multiplies by 0.75 to 1.25.")] = 0.25,
    invert: Annotated[float, _amount("Share turned into negatives.")] = 0.05,
    blurred: Annotated[float, _amount("Share blurred.")] = 0.2,
    blur: Annotated[float, _amount("Deviation, share of the shorter side.")] = 0.01,
    noise: Annotated[float, _amount("Deviation, share of the range.")] = 0.02,
    seed: Annotated[int, typer.Option(min=0, help="Another one, other versions.")] = 0,
    merge_case: Annotated[bool, typer.Option("--merge-case", help="Cat and cat are one class.")] = False,
) -> int | None:
    """Write random versions of pictures: DST/[train/]Class/name~a1.jpg; validation and test pictures stay as they are."""
    from mien.datasets.augmentation import Augmentation, AugmentOptions
    from mien.datasets.labelled import read_labelled

    options = AugmentOptions(
        mirror, upend, rotation, zoom, shift, shear, brightness, contrast, invert, blurred, blur, noise
    )
    augmentation = Augmentation(options, seed)
    _check_asked(target, choose, per_image, total)
    found = read_labelled(source, merge_case=merge_case)
    for problem in found.problems:
        session.fail(f"mien: {problem.name}: {problem.reason}")
    if choose is not None:
        chosen = _choose(session, found, augmentation, _counts(choose), (features, sample))
        if target is None or session.interrupted:
            return None
        if not chosen:
            session.out.note("no versions help; nothing is written")
            return None
        per_image = chosen
    _write(
        session, found, target or Path(), augmentation, {"per_image": per_image, "total": total, "originals": originals}
    )
    return None


def _check_asked(target: Path | None, choose: str | None, per_image: int | None, total: int | None) -> None:
    if choose is not None and (per_image or total):
        raise SettingError("--choose finds how many; leave --per-image and --total out")
    if choose is None and target is None:
        raise SettingError("where to? give DST, or --choose 0,1,2,5 to see first how many versions help")


def _counts(text: str) -> list[int]:
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise typer.BadParameter(f"expected numbers with commas, e.g. 0,1,2,5,10, got {text!r}") from error
    if counts[0] < 0 or len(counts) < 2:
        raise typer.BadParameter(f"expected two numbers or more from 0 upwards, got {text!r}")
    return counts


def _write(
    session: Session, found: LabelledSet, target: Path, augmentation: Augmentation, asked: dict[str, Any]
) -> None:
    from mien.jobs.datasets import augment as write_versions
    from mien.jobs.datasets import plan_versions

    plan = plan_versions(found, seed=augmentation.seed, **asked)
    done = follow(session, write_versions(found, target, plan, augmentation))
    made = Counter(Path(event.result).parent.as_posix() for event in done if event.stage == "augment")
    kept = Counter(Path(event.result).parent.as_posix() for event in done if event.stage == "keep")
    rows = [{"folder": folder, "versions": made[folder], "kept": kept[folder]} for folder in sorted(made | kept)]
    title = f"{made.total()} versions of {_altered(found)} pictures written into {shown(target)}"
    session.out.table(title, rows, columns=("folder", "versions", "kept"))


def _altered(found: LabelledSet) -> int:
    """How many pictures are altered: all, or those of the train side."""
    return sum(side in {"", "train"} for side in found.sides)


def _choose(
    session: Session, found: LabelledSet, augmentation: Augmentation, counts: list[int], how: tuple[str, int]
) -> int:
    """Try the numbers, print how each did, and give the one to use."""
    from mien.datasets.choosing import best
    from mien.jobs.choosing import choose_count

    features, sample = how
    describe = _describer(session, features)
    trials: list[Trial] = []
    for event in follow(session, choose_count(found, augmentation, counts, describe=describe, sample=sample)):
        if isinstance(event.result, list):
            trials = event.result
    if not trials:
        return 0
    chosen = best(trials)
    rows = [
        {
            "per image": trial.per_image,
            "accuracy": round(trial.mean, 4),
            "spread": round(trial.spread, 4),
            "error": round(trial.error, 4),
            "chosen": "chosen" if trial is chosen else "",
        }
        for trial in trials
    ]
    title = f"balanced accuracy of a linear classifier on {features}, {len(trials[0].scores)} folds"
    session.out.table(title, rows, columns=tuple(rows[0]))
    return chosen.per_image


def _describer(session: Session, features: str) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None:
    """What turns squares into vectors: None for the pixels themselves."""
    if features not in {"pixels", "faces"}:
        raise typer.BadParameter(f"expected pixels or faces, got {features!r}")
    return session.house.embedder.embed_chips if features == "faces" else None
