"""``mien train identifier``: tell known people apart by their embeddings, with an SVM and its like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import Session, command
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.datasets.packs import Embeddings
    from mien.training.identifier import TrainedModel
    from mien.training.identifier_data import Samples

__all__ = ["register"]

FACES = "Faces"
JUDGING = "Judging"


def register(train: typer.Typer) -> None:
    """Add the command to ``mien train``."""
    command(train, "identifier", reads=True)(identifier)


def identifier(
    session: Session,
    embeddings: Annotated[
        Path, typer.Argument(metavar="EMBEDDINGS", help="What mien embed wrote, e.g. embeddings.npz.")
    ],
    kind: Annotated[str, typer.Option(help="svm, knn or linear (logistic regression).")] = "svm",
    name: Annotated[
        str, typer.Option(help="What to call it, for --identifier NAME; left out: svm, linear, my-knn.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="The report's folder; left out: identifier-NAME.")] = None,
    at_least: Annotated[
        int,
        typer.Option(
            min=0, help="People with fewer faces are not learnt but play strangers; 0: refused.", rich_help_panel=FACES
        ),
    ] = 0,
    strangers: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Embeddings of other people, as strangers.", rich_help_panel=FACES),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder that was embedded: its manifest says which faces are of one video or photograph.",
            rich_help_panel=FACES,
        ),
    ] = None,
    group_by: Annotated[
        str,
        typer.Option(
            metavar="REGEX",
            help="Files that agree in its first group stay together: '(.*)_\\d+'.",
            rich_help_panel=FACES,
        ),
    ] = "",
    enrolled: Annotated[
        bool, typer.Option("--enrolled", help="Leave out whom the gallery does not know.", rich_help_panel=FACES)
    ] = False,
    vectors_of: Annotated[
        str,
        typer.Option(
            metavar="EMBEDDER", help="Whose vectors they are, where the file does not say.", rich_help_panel=FACES
        ),
    ] = "",
    merge_case: Annotated[
        bool, typer.Option("--merge-case", help="Names that differ in case only are one.", rich_help_panel=FACES)
    ] = False,
    allow_leak: Annotated[
        bool,
        typer.Option(
            "--allow-leak",
            help="Go on although train and test share something; the report says so.",
            rich_help_panel=FACES,
        ),
    ] = False,
    false_accepts: Annotated[
        float, typer.Option(help="Share of strangers that may get a name.", rich_help_panel=JUDGING)
    ] = 0.01,
    rounds: Annotated[
        int, typer.Option(min=0, max=5, help="Rounds of the comparison of kinds; 0: none.", rich_help_panel=JUDGING)
    ] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds.", rich_help_panel=JUDGING)] = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a model of the same name.")] = False,
) -> None:
    """Learn who is who from embeddings, and who is nobody known; ends in NAME.onnx, its record and a report."""
    from mien.datasets.packs import read_embeddings
    from mien.training.identifier import Recipe
    from mien.training.identifier_data import Reading, read_samples, with_strangers

    if kind not in {"svm", "knn", "linear"}:
        raise SettingError(f"--kind is {kind!r}: choose svm, knn or linear (cosine needs no training)")
    named = name or ("my-knn" if kind == "knn" else kind)
    recipe = Recipe(named, kind, false_accepts, rounds, seed, replace)  # type: ignore[arg-type]  # checked above
    folder = out or Path(f"identifier-{named}")
    reading = Reading(at_least, group_by, _tied(pictures), merge_case, allow_leak)
    ids = _ids(session, named)
    pack = _said(session, read_embeddings(embeddings), vectors_of)
    samples = read_samples(_known(session, pack, ids) if enrolled else pack, reading)
    if strangers is not None:
        samples = with_strangers(samples, _said(session, read_embeddings(strangers), vectors_of))
    _tell(session, _run(session, samples, folder, (recipe, ids)))


def _run(session: Session, samples: Samples, out: Path, how: tuple[Any, dict[str, str]]) -> TrainedModel | None:
    """Train with a bar per stage; None if it was interrupted, which leaves an identifier of that name as it was."""
    from mien.training.identifier import Tools, train_identifier

    recipe, ids = how
    tools = Tools(session.house.settings.models_folder, session.house.network, ids)
    done: list[TrainedModel] = []

    def events() -> Any:
        done.append((yield from train_identifier(samples, out, recipe, tools)))

    with session.out.steps() as at:
        for event in session.each(events()):
            at(event.stage, event.index, event.total)
    return done[0] if done else None


def _tied(pictures: Path | None) -> dict[str, str]:
    """File -> what it was taken from, by the manifests in the folder."""
    from mien.datasets.near_duplicates import video_of
    from mien.jobs.frame_manifest import videos_of_frames
    from mien.jobs.manifest import sources_of

    if pictures is None:
        return {}
    if not pictures.is_dir():
        raise SettingError(f"--pictures {shown(pictures)} is no folder: give the one that was embedded")
    sources = sources_of(pictures)
    return {file: video_of(Path(source).stem) or source for file, source in sources.items()} | videos_of_frames(
        pictures
    )


def _ids(session: Session, name: str) -> dict[str, str]:
    """Name -> id of everybody enrolled, by the names in the former model of this name too; nobody where there is no gallery.

    So a folder still called Ann is known to be the person who was renamed since.
    """
    from mien.store.places import file_of

    house = session.house
    file = file_of(house.settings.database_url)
    if file is not None and not file.exists() and not house.settings.database:
        return {}
    ids = {person.name: person.id for person in house.gallery.people()}
    if name not in house.catalog.names("identifier"):
        return ids
    there, record = set(ids.values()), house.catalog.get(name)
    return {n: i for n, i in zip(record.classes, record.people, strict=True) if i in there} | ids


def _said(session: Session, pack: Embeddings, vectors_of: str) -> Embeddings:
    """The pack with the space that the user says, where the file says none."""
    from dataclasses import replace

    from mien.wiring.bootstrap import embedder

    if not vectors_of:
        return pack
    if pack.space is not None and pack.space.name != vectors_of:
        raise SettingError(
            f"--vectors-of {vectors_of}: the file says that its vectors are of {pack.space.name}; leave it out"
        )
    return replace(pack, space=pack.space or embedder(**session.given | {"embedder": vectors_of}).space)


def _known(session: Session, pack: Embeddings, ids: dict[str, str]) -> Embeddings:
    """The faces of people who are enrolled."""
    import numpy as np

    from mien.datasets.packs import Embeddings

    keep = np.array([label in ids for label in pack.labels.tolist()], bool)
    gone = sorted(set(pack.labels[~keep].tolist()))
    if gone:
        session.out.note(
            f"left out, not in the gallery: {', '.join(gone[:5])}{f' and {len(gone) - 5} more' * (len(gone) > 5)}"
        )
    return Embeddings(pack.embeddings[keep], pack.labels[keep], pack.files[keep], pack.split[keep], pack.space)


def _tell(session: Session, trained: TrainedModel | None) -> None:
    """What came of it."""
    if trained is None:
        return
    figures, record = trained.figures, trained.record
    bar = figures["threshold"]
    if figures["leaks"]:
        session.out.problem(f"leaks were allowed: {len(figures['leaks'])}; the figures flatter")
    away = sum(not person for person in record.people)
    if away:
        session.out.note(
            f"{away} of {len(record.people)} people are not in the gallery: mien predict works, --identifier {record.name}"
            " needs them enrolled (mien enroll), and this run again"
        )
    rows = [
        {"what": "identifier", "value": record.name},
        {"what": "people", "value": figures["people"]},
        {"what": "out of fold: accuracy", "value": figures["out_of_fold"]["accuracy"]},
        {"what": "threshold", "value": round(bar["probability"], 4)},
        {"what": "strangers named", "value": f"{bar['accepted']:.4f} of {bar['strangers']}"},
        {"what": "held-out faces named", "value": round(bar["named"], 4)},
        *(
            {"what": f"{c['kind']}: closed, open, strangers", "value": f"{c['closed']} {c['named']} {c['accepted']}"}
            for c in figures["comparison"]
        ),
        {"what": "report", "value": shown(trained.report)},
    ]
    session.out.table("trained", rows, columns=("what", "value"), data=figures)
