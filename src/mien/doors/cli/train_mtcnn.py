"""``mien train mtcnn``: weights of one's own for MTCNN's cascade."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import Session
from mien.doors.cli.pictures import shown
from mien.doors.cli.train_region import LEARNING, PICTURES, SAMPLES, marked_places
from mien.doors.cli.train_running import run_recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from mien.training.mtcnn import MtcnnTools, TrainedMtcnn
    from mien.training.mtcnn_landmarks import PointsFile

__all__ = ["mtcnn"]

LANDMARKS = "Landmarks"
RATES = {"scratch": 3e-3, "pretrained": 1e-5}
"""Learning rates to begin with: what was learnt before should not be shaken."""


def mtcnn(
    session: Session,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="The folder of WIDER FACE, or a file of boxes (WIDER, FDDB, COCO, CSV) with --pictures."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run's folder: samples, checkpoints, history, report.")],
    name: Annotated[str, typer.Option(help="What to call it; the name of --out if left out.")] = "",
    begin: Annotated[
        str, typer.Option("--from", help="scratch, or pretrained: go on from the published weights.")
    ] = "scratch",
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
        float, typer.Option(help="Share of the photographs to choose the epoch with.", rich_help_panel=PICTURES)
    ] = 0.1,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="list_landmarks_celeba.txt; without it the pretrained O-Net says where the five points are.",
            rich_help_panel=LANDMARKS,
        ),
    ] = None,
    landmark_boxes: Annotated[
        Path | None,
        typer.Option(help="list_bbox_celeba.txt; beside --landmarks if left out.", rich_help_panel=LANDMARKS),
    ] = None,
    landmark_pictures: Annotated[
        Path | None, typer.Option(help="The folder that --landmarks names pictures in.", rich_help_panel=LANDMARKS)
    ] = None,
    most_landmarks: Annotated[
        int, typer.Option(min=1, help="Pictures of --landmarks, at most.", rich_help_panel=LANDMARKS)
    ] = 5000,
    smallest: Annotated[
        float, typer.Option(help="Faces below this side, in pixels, are not learnt from.", rich_help_panel=SAMPLES)
    ] = 20.0,
    samples: Annotated[
        int,
        typer.Option(min=4, help="Of each network, at most.", rich_help_panel=SAMPLES),
    ] = 40_000,
    negatives: Annotated[
        int, typer.Option(min=1, help="Windows without a face, per photograph, at most.", rich_help_panel=SAMPLES)
    ] = 120,
    mining: Annotated[
        float,
        typer.Option(
            help="Share of each batch that carries gradient, the hardest samples; 1 for all.", rich_help_panel=LEARNING
        ),
    ] = 0.7,
    epochs: Annotated[int, typer.Option(min=1, help="Of each network.", rich_help_panel=LEARNING)] = 8,
    batch: Annotated[int, typer.Option(min=1, help="Samples per step.", rich_help_panel=LEARNING)] = 64,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Learning rate to begin with; 0.003 from scratch, 0.00001 from pretrained.", rich_help_panel=LEARNING
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Another one divides, draws and begins otherwise.", rich_help_panel=LEARNING)
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch border of --out.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite weights of the same name.")] = False,
) -> None:
    """Learn P-, R- and O-Net from photographs with marked faces; ends in --detector mtcnn --weights NAME, and a report."""
    from mien.training.decisions import FitOptions
    from mien.training.mtcnn import MtcnnRecipe, train_mtcnn
    from mien.training.mtcnn_samples import CascadeRules

    if begin not in RATES:
        raise SettingError(f"--from {begin} must be scratch or pretrained")
    given = rate if rate is not None else RATES[begin]
    recipe = MtcnnRecipe(
        name=name or out.resolve().name,
        begin="scratch" if begin == "scratch" else "pretrained",
        rules=CascadeRules(smallest=smallest, negatives=negatives, most=samples, seed=seed),
        fit=FitOptions(epochs, batch, rate=given, schedule="cosine", patience=0, seed=seed, loss=""),
        mining=None if mining == 1 else mining,
        validation=validation,
        points=_points((landmarks, landmark_boxes, landmark_pictures), most_landmarks),
        replace=replace,
        resume=resume,
        threads=session.house.settings.threads,
    )
    places = marked_places(source, pictures, test, test_pictures)
    _finish(session, run_recipe(session, train_mtcnn(places, out, recipe, _tools(session, recipe.points)), out))


def _points(given: tuple[Path | None, Path | None, Path | None], most: int) -> PointsFile | None:
    """The file of landmarks; its boxes lie beside it unless they were named."""
    from mien.training.mtcnn_landmarks import PointsFile

    landmarks, boxes, pictures = given
    if landmarks is None:
        if boxes is not None or pictures is not None:
            raise SettingError(
                "--landmark-boxes and --landmark-pictures go with --landmarks, the file of the five points"
            )
        return None
    if pictures is None:
        raise SettingError(f"--landmarks {shown(landmarks)} needs --landmark-pictures, the folder of its pictures")
    return PointsFile(landmarks, boxes or landmarks.parent / "list_bbox_celeba.txt", pictures, most)


def _tools(session: Session, points: PointsFile | None) -> MtcnnTools:
    """What the recipe gets from the house; the pretrained cascade only where it is asked for landmarks."""
    from mien.training.mtcnn import MtcnnTools
    from mien.wiring.bootstrap import House
    from mien.wiring.settings import load_settings

    house = session.house
    published = House(load_settings(**{**session.given, "weights": "mtcnn"}), create=False)
    return MtcnnTools(
        house.settings.models_folder,
        house.network,
        lambda path: house.read(path).pixels,
        published.refiner if points is None else None,
        lambda stage: _published(session, stage),
    )


def _published(session: Session, stage: str) -> Sequence[NDArray[np.float32]]:
    from mien.zoo.convert.mtcnn import read_arrays
    from mien.zoo.weights import originals

    house = session.house
    return read_arrays(originals(house.catalog.get("mtcnn"), **house.places)[stage].read_bytes())


def _finish(session: Session, trained: TrainedMtcnn | None) -> None:
    """What came of it."""
    if trained is None:
        return
    figures = trained.figures
    for problem in figures["left_out"]:
        session.fail(f"left out: {problem['name']}: {problem['reason']}")
    judged = figures["judged"]
    rows = [
        {"what": "weights", "value": f"{trained.record.name} (--detector mtcnn --weights {trained.record.name})"},
        {"what": "landmarks", "value": figures["facts"]["points"]},
        *(_network(each) for each in figures["networks"]),
        {"what": "judged on", "value": f"{judged['pictures']} {figures['facts']['judged_on']} photographs"},
        *({"what": key, "value": judged[key]} for key in judged if key not in {"pictures", "faces"}),
        *_beside(figures),
        {"what": "minutes", "value": round(figures["facts"]["seconds"] / 60, 1)},
        {"what": "report", "value": shown(trained.report)},
    ]
    session.out.table("trained", rows, columns=("what", "value"), data=figures)


def _network(each: dict[str, Any]) -> dict[str, Any]:
    losses = (
        f"loss {each['losses'][0]} to {each['losses'][-1]}, validation {each['val_losses'][0]} to {each['val_loss']}"
    )
    return {"what": each["network"], "value": f"{sum(each['samples'].values()):,} samples, {losses}"}


def _beside(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """What the published weights find on the same photographs, and which of their networks were put back."""
    if figures["published"] is None:
        return []
    back = [each["network"] for each in figures["networks"] if not each["kept"]]
    rows = [{"what": "published weights, AP", "value": figures["published"]["AP"]}]
    if back:
        rows.append({"what": "put back, for the published ones find more", "value": ", ".join(back)})
    return rows
