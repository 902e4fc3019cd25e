"""``mien train``: recipes that end in a model of one's own, and ``mien predict``, which asks one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.doors.cli import train_compare, train_embedder, train_identifier
from mien.doors.cli.command import DETECTING, Session, command
from mien.doors.cli.pictures import shown
from mien.doors.cli.train_mtcnn import mtcnn
from mien.doors.cli.train_region import region
from mien.doors.cli.train_running import run_recipe
from mien.doors.cli.train_tools import recipe_tools

if TYPE_CHECKING:
    from mien.training.classifier import TrainedClassifier

__all__ = ["register"]

Source = Annotated[
    Path,
    typer.Argument(metavar="SRC", help="A folder per class, with or without train, val and test above; or an npz."),
]
Out = Annotated[Path, typer.Option(help="The run's folder: checkpoints, history, report.")]
LEARNING = "Learning"
PICTURES = "Pictures"


def register(app: typer.Typer) -> None:
    """Add the group."""
    train = typer.Typer(no_args_is_help=True, help="Train your own: a classifier of pictures, a face detector.")
    app.add_typer(train, name="train", rich_help_panel="Your own models")
    command(train, "classifier", DETECTING, reads=True)(classifier)
    train_compare.register(train)
    train_identifier.register(train)
    train_embedder.register(train)
    command(train, "region", reads=True)(region)
    command(train, "mtcnn", reads=True)(mtcnn)


def classifier(
    session: Session,
    source: Source,
    out: Out,
    name: Annotated[str, typer.Option(help="What to call it; the name of --out if left out.")] = "",
    backbone: Annotated[
        str,
        typer.Option(
            help="none (a small network from scratch), facenet or another embedder, efficientnet-lite0, or one of keras.applications (resnet50, mobilenet, vgg16 …)."
        ),
    ] = "none",
    test: Annotated[
        Path | None,
        typer.Option(
            help="A folder per class to test with; never learnt from, nor used to choose the epoch.",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    validation: Annotated[
        float, typer.Option(help="Share of the training pictures to choose the epoch with.", rich_help_panel=PICTURES)
    ] = 0.2,
    size: Annotated[
        int, typer.Option(help="Side of the pictures; 0 takes what the network was made for.", rich_help_panel=PICTURES)
    ] = 0,
    faces: Annotated[
        bool,
        typer.Option(
            "--faces",
            help="Cut the largest face of each picture; otherwise pictures are taken whole.",
            rich_help_panel=PICTURES,
        ),
    ] = False,
    context: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With --faces: how far the box grows on each side, as a share of it; the backbone's own rule, or 0.5.",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    augment: Annotated[
        int, typer.Option(min=0, help="Random versions of each training picture; 0 for none.", rich_help_panel=PICTURES)
    ] = 5,
    merge_case: Annotated[
        bool, typer.Option("--merge-case", help="Labels that differ in case only are one.", rich_help_panel=PICTURES)
    ] = False,
    allow_leak: Annotated[
        bool,
        typer.Option(
            "--allow-leak",
            help="Go on although train and test share pictures; stamped into the report.",
            rich_help_panel=PICTURES,
        ),
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many.", rich_help_panel=LEARNING)] = 60,
    batch: Annotated[int, typer.Option(min=1, help="Pictures per step.", rich_help_panel=LEARNING)] = 32,
    optimizer: Annotated[str, typer.Option(help="adam, adamw, rmsprop or sgd.", rich_help_panel=LEARNING)] = "adam",
    rate: Annotated[float, typer.Option(help="Learning rate to begin with.", rich_help_panel=LEARNING)] = 1e-3,
    schedule: Annotated[
        str,
        typer.Option(
            help="plateau (halved when validation stops improving), cosine or constant.", rich_help_panel=LEARNING
        ),
    ] = "plateau",
    plateau: Annotated[
        int,
        typer.Option(
            min=1, help="Epochs without improvement after which the rate is halved.", rich_help_panel=LEARNING
        ),
    ] = 4,
    patience: Annotated[
        int,
        typer.Option(
            min=0, help="Epochs without improvement after which the run stops; 0 for never.", rich_help_panel=LEARNING
        ),
    ] = 12,
    unfreeze: Annotated[
        int,
        typer.Option(min=0, help="Epochs in which the backbone learns too, after its head.", rich_help_panel=LEARNING),
    ] = 0,
    unfreeze_rate: Annotated[
        float, typer.Option(help="The small rate it does so with.", rich_help_panel=LEARNING)
    ] = 1e-5,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance/--no-balance", help="Small classes count as much as large ones.", rich_help_panel=LEARNING
        ),
    ] = True,
    seed: Annotated[
        int, typer.Option(min=0, help="Another one divides, orders and begins otherwise.", rich_help_panel=LEARNING)
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch border of --out.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a model of the same name.")] = False,
) -> None:
    """Learn to tell classes of pictures apart; ends in NAME.onnx and its record in the models folder, and a report."""
    from mien.datasets.labelled import read_labelled
    from mien.training.classifier import Recipe, train_classifier
    from mien.training.decisions import FitOptions
    from mien.training.pictures import Reading, beside

    recipe = Recipe(
        name=name or out.resolve().name,
        backbone=backbone,
        size=size,
        augment=augment,
        balance=balance,
        unfreeze=unfreeze,
        unfreeze_rate=unfreeze_rate,
        fit=FitOptions(epochs, batch, optimizer, rate, schedule, plateau, patience, seed),
        reading=Reading(validation, seed, allow_leak),
        replace=replace,
        resume=resume,
        threads=session.house.settings.threads,
    )
    pictures = read_labelled(source, merge_case=merge_case)
    tested = None if test is None else read_labelled(test, merge_case=merge_case)
    tools = recipe_tools(session, backbone, faces=faces, context=context)
    _finish(session, run_recipe(session, train_classifier(beside(pictures, tested), out, recipe, tools), out))


def _finish(session: Session, trained: TrainedClassifier | None) -> None:
    """What came of it."""
    if trained is None:
        return
    figures = trained.figures
    for problem in figures["left_out"]:
        session.fail(f"left out: {problem['name']}: {problem['reason']}")
    if figures["leaks"]:
        session.out.problem(f"leaks were allowed: {len(figures['leaks'])}; the figures flatter")
    rows = [
        {"what": "classifier", "value": trained.record.name},
        {"what": "judged on", "value": figures["judged_on"]},
        {"what": "accuracy", "value": figures["accuracy"]},
        {"what": "balanced accuracy", "value": figures["balanced_accuracy"]},
        *({"what": f"recall of {c['class']}", "value": c["recall"]} for c in figures["classes"]),
        {"what": "best epoch", "value": f"{figures['best_epoch']} of {figures['epochs']}"},
        {"what": "export differs by", "value": f"{figures['settings']['export_difference']:.1g}"},
        {"what": "report", "value": shown(trained.report)},
    ]
    session.out.table("trained", rows, columns=("what", "value"), data=figures)
