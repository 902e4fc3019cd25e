"""``mien train region``: a sliding-window face detector of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import Session
from mien.doors.cli.pictures import shown
from mien.doors.cli.train_running import run_recipe

if TYPE_CHECKING:
    from mien.training.marked import Place
    from mien.training.region import RegionTools, TrainedRegion

__all__ = ["LEARNING", "PICTURES", "SAMPLES", "marked_places", "region"]

LEARNING = "Learning"
PICTURES = "Photographs"
SAMPLES = "Samples"


def region(
    session: Session,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="The folder of WIDER FACE, or a file of boxes (WIDER, FDDB, COCO, CSV) with --pictures."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run's folder: checkpoints, history, report.")],
    name: Annotated[str, typer.Option(help="What to call it; the name of --out if left out.")] = "",
    pictures: Annotated[
        Path | None, typer.Option(help="The folder that the file of boxes names pictures in.", rich_help_panel=PICTURES)
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="A file of boxes to judge with; never learnt from.", rich_help_panel=PICTURES)
    ] = None,
    test_pictures: Annotated[
        Path | None, typer.Option(help="The folder that --test names pictures in.", rich_help_panel=PICTURES)
    ] = None,
    validation: Annotated[
        float,
        typer.Option(help="Share of the photographs to choose epoch and threshold with.", rich_help_panel=PICTURES),
    ] = 0.2,
    allow_leak: Annotated[
        bool,
        typer.Option(
            "--allow-leak",
            help="Go on although SRC and --test share photographs; stamped into the report.",
            rich_help_panel=PICTURES,
        ),
    ] = False,
    smallest: Annotated[
        float, typer.Option(help="Faces below this side, in pixels, are not learnt from.", rich_help_panel=SAMPLES)
    ] = 24.0,
    versions: Annotated[
        int, typer.Option(min=1, help="Windows per face: itself, and a little off.", rich_help_panel=SAMPLES)
    ] = 4,
    negatives: Annotated[
        int, typer.Option(min=1, help="Windows without a face, per photograph.", rich_help_panel=SAMPLES)
    ] = 30,
    hard: Annotated[
        int,
        typer.Option(
            min=0,
            help="Hard negatives per photograph, at most; 0 leaves the second round out.",
            rich_help_panel=SAMPLES,
        ),
    ] = 20,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many, in each round.", rich_help_panel=LEARNING)] = 15,
    batch: Annotated[int, typer.Option(min=1, help="Samples per step.", rich_help_panel=LEARNING)] = 64,
    rate: Annotated[float, typer.Option(help="Learning rate to begin with.", rich_help_panel=LEARNING)] = 1e-3,
    patience: Annotated[
        int,
        typer.Option(
            min=0, help="Epochs without improvement after which a round stops; 0 for never.", rich_help_panel=LEARNING
        ),
    ] = 5,
    seed: Annotated[
        int, typer.Option(min=0, help="Another one divides, draws and begins otherwise.", rich_help_panel=LEARNING)
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch border of --out.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a model of the same name.")] = False,
) -> None:
    """Learn to find faces from photographs with marked faces; ends in a detector for --detector NAME, and a report."""
    from mien.training.decisions import FitOptions
    from mien.training.region import RegionRecipe, train_region
    from mien.training.samples import Rules

    recipe = RegionRecipe(
        name=name or out.resolve().name,
        rules=Rules(smallest=smallest, versions=versions, negatives=negatives, hard=hard, seed=seed),
        fit=FitOptions(epochs, batch, rate=rate, plateau=2, patience=patience, seed=seed),
        validation=validation,
        rounds=2 if hard else 1,
        allow_leak=allow_leak,
        replace=replace,
        resume=resume,
        threads=session.house.settings.threads,
    )
    places = marked_places(source, pictures, test, test_pictures)
    _finish(session, run_recipe(session, train_region(places, out, recipe, _tools(session)), out))


def marked_places(
    source: Path, pictures: Path | None, test: Path | None, test_pictures: Path | None
) -> tuple[Place, Place | None]:
    """Where the photographs are, to learn from and to judge with."""
    from mien.training.marked import Place, find_wider

    if test is None and test_pictures is not None:
        raise SettingError("--test-pictures goes with --test, the file of their boxes")
    tested = None if test is None else Place(test, test_pictures or pictures or test.parent)
    if source.is_dir():
        if pictures is not None:
            raise SettingError(f"--pictures goes with a file of boxes, {shown(source)} is a folder; name the file")
        training, validation = find_wider(source)
        return training, tested or validation
    return Place(source, pictures or source.parent), tested


def _tools(session: Session) -> RegionTools:
    """What the recipe gets from the house."""
    from mien.training.region import RegionTools

    house = session.house
    return RegionTools(house.settings.models_folder, house.network, lambda path: house.read(path).pixels)


def _finish(session: Session, trained: TrainedRegion | None) -> None:
    """What came of it."""
    if trained is None:
        return
    figures = trained.figures
    for problem in figures["facts"]["left_out"]:
        session.fail(f"left out: {problem['name']}: {problem['reason']}")
    if leaks := figures["facts"]["leaks"]:
        session.out.problem(f"leaks were allowed: {len(leaks)}; the figures flatter")
    rows = [
        {"what": "detector", "value": trained.record.name},
        {"what": "windows", "value": ", ".join(f"{count} {what}" for what, count in figures["windows"].items())},
        *_rounds(figures["rounds"]),
        {"what": "cuts, window by window", "value": figures["cuts_ap_window_by_window"]},
        {"what": "threshold", "value": figures["threshold"]},
        {"what": "minutes", "value": round(figures["facts"]["seconds"] / 60, 1)},
        {"what": "report", "value": shown(trained.report)},
    ]
    session.out.table("trained", rows, columns=("what", "value"), data=figures)


def _rounds(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "what": f"round {each['round']}",
            "value": f"epoch {each['best_epoch']} of {each['epochs']}, validation accuracy {each['val_accuracy']},"
            f" cuts {each['cuts_ap']}, whole pictures {each['whole_ap']}",
        }
        for each in rounds
    ]
