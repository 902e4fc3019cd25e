"""``mien train compare``: several backbones on one's own pictures, with the spread over seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import DETECTING, Session, command
from mien.doors.cli.pictures import shown
from mien.doors.cli.train_tools import recipe_tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mien.datasets.labelled import LabelledSet
    from mien.training.classifier import Recipe, Tools
    from mien.training.compare import Compared, Comparison, Grid

__all__ = ["register"]

LEARNING = "Learning"
PICTURES = "Pictures"


def register(group: typer.Typer) -> None:
    """Add the command to ``mien train``."""
    command(group, "compare", DETECTING, reads=True)(compare)


def compare(
    session: Session,
    source: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="A folder per class, with or without train, val and test above; or an npz."),
    ],
    out: Annotated[Path, typer.Option(help="The comparison's folder: runs, features, report.")],
    backbones: Annotated[
        str, typer.Option(help="With commas between: none, facenet, efficientnet-lite0, mobilenet …")
    ] = "none,facenet,efficientnet-lite0",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each kind; runs vary, one says little.")] = 3,
    augment: Annotated[
        str, typer.Option(help="Random versions of each training picture, with commas between.")
    ] = "0,5",
    sizes: Annotated[str, typer.Option(help="Smaller training sets beside all pictures, with commas between.")] = "",
    test: Annotated[
        Path | None,
        typer.Option(help="A folder per class to test with; never used to choose.", rich_help_panel=PICTURES),
    ] = None,
    validation: Annotated[
        float, typer.Option(help="Share of the training pictures to choose with.", rich_help_panel=PICTURES)
    ] = 0.2,
    faces: Annotated[
        bool, typer.Option("--faces", help="Cut the largest face of each picture.", rich_help_panel=PICTURES)
    ] = False,
    context: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With --faces: how far the box grows on each side, as a share of it; the backbone's own rule, or 0.5.",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    merge_case: Annotated[
        bool, typer.Option("--merge-case", help="Labels that differ in case only are one.", rich_help_panel=PICTURES)
    ] = False,
    allow_leak: Annotated[
        bool,
        typer.Option("--allow-leak", help="Go on although train and test share pictures.", rich_help_panel=PICTURES),
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many a run.", rich_help_panel=LEARNING)] = 60,
    batch: Annotated[int, typer.Option(min=1, help="Pictures per step.", rich_help_panel=LEARNING)] = 32,
    optimizer: Annotated[str, typer.Option(help="adam, adamw, rmsprop or sgd.", rich_help_panel=LEARNING)] = "adam",
    rate: Annotated[float, typer.Option(help="Learning rate to begin with.", rich_help_panel=LEARNING)] = 1e-3,
    schedule: Annotated[str, typer.Option(help="plateau, cosine or constant.", rich_help_panel=LEARNING)] = "plateau",
    plateau: Annotated[
        int, typer.Option(min=1, help="Epochs without improvement before the rate is halved.", rich_help_panel=LEARNING)
    ] = 4,
    patience: Annotated[
        int,
        typer.Option(
            min=0, help="Epochs without improvement before a run stops; 0 for never.", rich_help_panel=LEARNING
        ),
    ] = 12,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance/--no-balance", help="Small classes count as much as large ones.", rich_help_panel=LEARNING
        ),
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the comparison in --out, or widen it.")] = False,
) -> None:
    """Compare backbones, with and without augmentation and on smaller sets: tables and plots with the spread over seeds."""
    from mien.datasets.labelled import read_labelled
    from mien.training.classifier import Recipe
    from mien.training.compare import Grid
    from mien.training.decisions import FitOptions
    from mien.training.pictures import Reading, beside

    names = tuple(name.strip() for name in backbones.split(",") if name.strip())
    grid = Grid(names, _numbers("--augment", augment), _numbers("--sizes", sizes), seeds)
    recipe = Recipe(
        name="run",
        balance=balance,
        fit=FitOptions(epochs, batch, optimizer, rate, schedule, plateau, patience),
        reading=Reading(validation, 0, allow_leak),
        resume=resume,
        threads=session.house.settings.threads,
    )
    pictures = read_labelled(source, merge_case=merge_case)
    tested = None if test is None else read_labelled(test, merge_case=merge_case)

    def open_tools(backbone: str) -> Tools:
        return recipe_tools(session, backbone, faces=faces, context=context)

    found = _run(session, (beside(pictures, tested), out), (grid, recipe), open_tools)
    if found is not None:
        _finish(session, out, found)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """``"0,5,15"`` -> (0, 5, 15)."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingError(f"{option} {text!r}: expected whole numbers with commas between, such as 0,5,15") from error


def _run(
    session: Session, place: tuple[LabelledSet, Path], what: tuple[Grid, Recipe], open_tools: Any
) -> Comparison | None:
    """Compare with a bar per stage and a line per run; None if it was interrupted."""
    from mien.training.compare import compare as recipe

    done: list[Comparison] = []

    def events() -> Any:
        done.append((yield from recipe(*place, what, open_tools)))

    with session.out.steps() as at:
        for event in session.each(events()):
            _tell(session, event, at)
    if not done:
        session.out.note(f"--resume goes on with what is done in {shown(place[1])}")
    return done[0] if done else None


def _tell(session: Session, event: Compared, at: Any) -> None:
    from mien.training.compare import Failure, RunDone
    from mien.training.progress import Progress

    if isinstance(event, Progress):
        at(event.stage, event.index, event.total)
    elif isinstance(event, Failure):
        session.fail(f"{event.cell.words()}: {event.reason}{'; its other runs are left out' if event.for_good else ''}")
    elif isinstance(event, RunDone):
        run = event.run
        took = f"{run.wall:.0f} s" if event.fresh else "done before"
        left = f"; about {_duration(event.left)} left" if event.index < event.total else ""
        session.out.note(
            f"run {event.index} of {event.total}: {run.cell.words()}: validation loss {run.val_loss:.4f}, accuracy"
            f" {run.val_accuracy:.3f}, {took}{left}"
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _finish(session: Session, out: Path, found: Comparison) -> None:
    """The tables of the report, in short."""
    from mien.training.compare_report import write_comparison

    told = write_comparison(out, found)
    columns = ("backbone", "augment", "pictures", "validation loss", "±", "accuracy", "test", "training, s", "ms")
    session.out.table("compared", list(_rows(told)), columns=columns, data=told)
    for verdict in told["verdicts"]:
        session.out.note(f"{verdict['about']}: {verdict['first']} beside {verdict['second']}: {verdict['verdict']}")
    session.out.note(f"report: {shown(out / 'report.md')} and {shown(out / 'report.html')}")


def _rows(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in told["kinds"]:
        tested = [value for value in kind["test_balanced_accuracy"] if value is not None]
        yield {
            "backbone": kind["backbone"],
            "augment": kind["augment"],
            "pictures": kind["pictures"],
            "validation loss": kind["val_loss"]["mean"],
            "±": kind["val_loss"]["deviation"],
            "accuracy": kind["val_accuracy"]["mean"],
            "test": sum(tested) / len(tested) if tested else None,
            "training, s": kind["training_seconds"]["mean"],
            "ms": kind["milliseconds"],
        }
