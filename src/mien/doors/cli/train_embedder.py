"""``mien train embedder``: the last blocks of FaceNet on new people, or a small network from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import DETECTING, Session, command
from mien.doors.cli.pictures import shown
from mien.doors.cli.train_running import run_recipe

if TYPE_CHECKING:
    from mien.training.embedder import EmbedderTools, TrainedEmbedder

__all__ = ["register"]

LEARNING = "Learning"
PEOPLE = "People"
BASE = "facenet"


def register(train: typer.Typer) -> None:
    """Add the command to ``mien train``."""
    command(train, "embedder", DETECTING, reads=True)(embedder)


def embedder(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A folder per person.")],
    out: Annotated[Path, typer.Option(help="The run's folder: checkpoints, history, report.")],
    name: Annotated[str, typer.Option(help="What to call it; the name of --out if left out.")] = "",
    base: Annotated[
        str, typer.Option("--from", help="facenet: its last blocks learn on; none: a small network from scratch.")
    ] = BASE,
    blocks: Annotated[
        int, typer.Option(help="How many of its last blocks learn, 0 to 6; the dense layer always does.")
    ] = 1,
    aligned: Annotated[
        bool,
        typer.Option(
            "--aligned",
            help="SRC holds faces that mien align cut; else the largest of each picture is.",
            rich_help_panel=PEOPLE,
        ),
    ] = False,
    validation: Annotated[
        float, typer.Option(help="Share of the people to choose the epoch with.", rich_help_panel=PEOPLE)
    ] = 0.15,
    test: Annotated[
        float, typer.Option(help="Share of the people to judge on; never looked at before.", rich_help_panel=PEOPLE)
    ] = 0.25,
    mind: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Other people, a folder each, who must not be told apart worse: told before and after.",
            rich_help_panel=PEOPLE,
        ),
    ] = None,
    loss: Annotated[
        str, typer.Option(help="triplet, arcface or centre (softmax and centres).", rich_help_panel=LEARNING)
    ] = "triplet",
    selection: Annotated[
        str, typer.Option(help="Of a triplet's negative: semi-hard or hard.", rich_help_panel=LEARNING)
    ] = "semi-hard",
    margin: Annotated[float, typer.Option(help="Between squared distances.", rich_help_panel=LEARNING)] = 0.2,
    people: Annotated[int, typer.Option(help="People in a batch, P.", rich_help_panel=LEARNING)] = 8,
    pictures: Annotated[int, typer.Option(help="Pictures of each of them, K.", rich_help_panel=LEARNING)] = 4,
    augment: Annotated[
        int,
        typer.Option(min=0, help="Random versions of each picture beside its mirror image.", rich_help_panel=LEARNING),
    ] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many.", rich_help_panel=LEARNING)] = 20,
    optimizer: Annotated[str, typer.Option(help="adam, adamw, rmsprop or sgd.", rich_help_panel=LEARNING)] = "adam",
    rate: Annotated[float, typer.Option(help="Learning rate to begin with.", rich_help_panel=LEARNING)] = 1e-4,
    schedule: Annotated[str, typer.Option(help="plateau, cosine or constant.", rich_help_panel=LEARNING)] = "cosine",
    patience: Annotated[
        int,
        typer.Option(
            min=0, help="Epochs without improvement after which the run stops; 0 for never.", rich_help_panel=LEARNING
        ),
    ] = 0,
    seed: Annotated[
        int, typer.Option(min=0, help="Another one divides, orders and begins otherwise.", rich_help_panel=LEARNING)
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch border of --out.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a model of the same name.")] = False,
) -> None:
    """Learn to tell new people apart by comparing; ends in NAME.onnx with a space of its own, its record and a report."""
    from mien.datasets.labelled import read_labelled
    from mien.training.decisions import FitOptions
    from mien.training.embedder import EmbedderRecipe, train_embedder
    from mien.training.embedder_fitting import MetricOptions
    from mien.training.embedder_people import Division

    recipe = EmbedderRecipe(
        name=name or out.resolve().name,
        blocks=blocks,
        augment=augment,
        fit=FitOptions(epochs, people * pictures, optimizer, rate, schedule, patience=patience, seed=seed),
        metric=MetricOptions(loss, selection, margin, people, pictures),
        division=Division(validation, test, seed),
        replace=replace,
        resume=resume,
        threads=session.house.settings.threads,
    )
    tools = _tools(session, base, aligned=aligned, mind=mind)
    _finish(session, run_recipe(session, train_embedder(read_labelled(source), out, recipe, tools), out))


def _tools(session: Session, base: str, *, aligned: bool, mind: Path | None) -> EmbedderTools:
    """What the recipe gets from the house."""
    from mien.datasets.labelled import read_labelled
    from mien.training.backbones import OnnxFile
    from mien.training.embedder import EmbedderTools
    from mien.training.embedder_sources import SMALL_SIZE
    from mien.training.pictures import Cut
    from mien.zoo.catalog import Alignment

    house = session.house
    detector = None if aligned else house.detector
    others = None if mind is None else read_labelled(mind)
    places = (house.settings.models_folder, house.settings.cache_dir, house.network)
    if base == "none":
        margin = round(SMALL_SIZE * 32 / 160)
        alignment = Alignment("box", margin)
        return EmbedderTools(*places, Cut(SMALL_SIZE, alignment, detector), None, others)
    record = house.catalog.get(base) if base in house.catalog.names("embedder") else None
    if record is None or record.format == "ensemble" or record.alignment is None or record.preprocessing is None:
        raise SettingError(f"--from {base!r}: expected {BASE}, one that was trained from it, or none")
    (path,) = house.weights(base).values()
    cut = Cut(record.preprocessing.size, record.alignment, detector)
    return EmbedderTools(*places, cut, OnnxFile(record, path, house.network(path)), others)


def _finish(session: Session, trained: TrainedEmbedder | None) -> None:
    """What came of it."""
    if trained is None:
        return
    figures = trained.figures
    for problem in figures["left_out"]:
        session.fail(f"left out: {problem['name']}: {problem['reason']}")
    if figures["settings"]["note"]:
        session.out.note(figures["settings"]["note"])
    rates = [
        {"what": f"{who}: {rate['what']}", "value": _told(rate, scratch=judged["from_scratch"])}
        for who, judged in figures["judged"].items()
        for rate in judged["rates"]
    ]
    rows = [
        {"what": "embedder", "value": trained.record.name},
        *rates,
        {"what": "best epoch", "value": f"{figures['best_epoch']} of {figures['epochs']}"},
        {"what": "export differs by", "value": f"{figures['settings']['export_difference']:.1g}"},
        {"what": "report", "value": shown(trained.report)},
    ]
    session.out.table("trained", rows, columns=("what", "value"), data=figures)
    if not any(judged["rates"] for judged in figures["judged"].values()):
        session.out.note(
            "too few people to judge on, so nothing is known of strangers: it needs --threshold; --mind adds people"
        )
    session.out.note(f"a gallery comes into its space with: mien people reembed --to {trained.record.name}")


def _told(rate: dict[str, Any], *, scratch: bool) -> str:
    """``0.9565 -> 0.9701 (gain -0.0021 … +0.0312)``."""
    after = f"{rate['after']:.4f}"
    if scratch:
        return after
    low, high = rate["gain_interval"]
    return f"{rate['before']:.4f} -> {after} (gain {low:+.4f} … {high:+.4f})"
