"""``mien classify``: a folder per person in, photographs and clips named by their nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, MienError
from mien.doors.cli.command import DETECTING, GATE, NAMING, Exit, Session, command
from mien.doors.cli.pictures import find, readable, shown

if TYPE_CHECKING:
    from mien.core.answers import Match
    from mien.core.faces import Picture
    from mien.recognition.knn import KnnClassifier

__all__ = ["register"]

COLUMNS = ("target", "label", "said", "right", "similarity", "why")
CLIP_STEP = 0.2
"""Seconds between the frames of a clip that vote."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "classify", DETECTING, NAMING, GATE, panel="Training", reads=True)(classify)


@dataclass(frozen=True)
class _Answer:
    """One target, its label if its folder tells, and who it is taken for."""

    path: Path
    label: str
    match: Match
    tile: Picture | None
    known: bool  # whether the label is one that was learnt

    @property
    def right(self) -> bool | None:
        """Whether the label was said, or nobody's name for a label that was not learnt; None without a label."""
        if not self.label:
            return None
        return self.match.name == self.label if self.known else self.match.decision != "match"

    def row(self) -> dict[str, Any]:
        """For the table."""
        return {
            "target": shown(self.path),
            "label": self.label,
            "said": self.match.name,
            "right": self.right,
            "similarity": self.match.similarity,
            "why": "; ".join(reason.words() for reason in self.match.reasons),
        }


def classify(
    session: Session,
    train: Annotated[Path, typer.Argument(metavar="TRAIN", help="A folder with a folder per person.")],
    targets: Annotated[
        list[str], typer.Argument(metavar="TARGET…", help="Photographs and clips, or a folder per person of them.")
    ],
    closed: Annotated[bool, typer.Option("--closed", help="Everybody is one of those learnt: never unknown.")] = False,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE", help="Draw a sample of the answers, wrong ones first.")
    ] = None,
) -> int | None:
    """Learn a folder per person, say who is in photographs and clips of one person each, and how often that is right."""
    session.given["identifier"] = session.given.get("identifier") or "knn"
    labelled = list(_targets(session, targets))
    classifier, learnt = _learn(session, train, closed=closed)
    answers = list(_answers(session, classifier, labelled, set(learnt)))
    if sheet is not None and answers:
        _draw(sheet, answers)
    checked = [a for a in answers if a.right is not None]
    right = sum(bool(a.right) for a in checked)
    title = f"{right} of {len(checked)} right ({right / len(checked):.1%})" if checked else f"{len(answers)} targets"
    rows = [a.row() for a in answers]
    data = {
        "learnt": learnt,
        "closed": closed,
        "right": right,
        "checked": len(checked),
        "accuracy": right / len(checked) if checked else None,
        "targets": [row | {"match": a.match.to_dict()} for row, a in zip(rows, answers, strict=True)],
    }
    session.out.table(title, rows, columns=COLUMNS, data=data)
    return None if answers else Exit.FAILED


def _learn(session: Session, train: Path, *, closed: bool) -> tuple[KnnClassifier, dict[str, int]]:
    """A classifier of the pictures that the gate takes, and how many by person.

    Raises:
        MienError: the gate took none.
    """
    import numpy as np

    from mien.datasets.folders import person_folders
    from mien.recognition.identification import IdentifyOptions
    from mien.recognition.knn import KnnClassifier, KnnIdentifier, KnnOptions

    found = person_folders(train)
    for problem in found.problems:
        session.fail(f"{shown(problem.name)}: {problem.reason}")
    names = {path: name for name, paths in found.photos.items() for path in paths}
    vectors, labels = [], []
    for path, picture in readable(session, list(names), "learning", chip=160):
        vector, why = _learnable(session, picture)
        if why:
            session.out.note(f"not learnt: {shown(path)}: {why}")
        else:
            vectors.append(vector)
            labels.append(names[path])
    if not vectors:
        raise MienError(f"none of the {len(names)} pictures in {shown(train)} can be learnt; the notes above say why")
    session.out.note(f"learnt {len(labels)} of {len(names)} pictures of {len(set(labels))} people")
    house = session.house
    identifier = house.identifier
    if closed:
        identifier = KnnIdentifier(None, IdentifyOptions(threshold=-1.0), KnnOptions(house.settings.k, lead=0.0))
    classifier = KnnClassifier(house.recognizer, identifier).fit(np.concatenate(vectors), labels)
    return classifier, {name: labels.count(name) for name in dict.fromkeys(labels)}


def _learnable(session: Session, picture: Picture) -> tuple[Any, str]:
    """The vector of the one face ``(1, d)``, or why the gate does not take it."""
    from mien.recognition.enrolment import choose_face
    from mien.recognition.quality import judge

    faces = session.house.recognizer.find(picture).sorted("left")
    limits = session.house.limits
    faces = faces.with_columns(quality=tuple(judge(quality, limits=limits) for quality in faces.quality or ()))
    index, reason = choose_face(faces, None)
    if reason is not None:
        return None, reason.words()
    reasons = faces.quality[index].reasons if faces.quality else ()
    one = faces[index].embeddings
    return one, "; ".join(r.words() for r in reasons)


def _targets(session: Session, targets: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Photographs and clips with their labels; a folder of folders gives labels."""
    from mien.media.video import is_video

    for target in targets:
        folder = Path(target)
        if not folder.is_dir():
            yield from [(folder, "")] if is_video(folder) else [(path, "") for path in find(session, [target])]
            continue
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        for place, label in [(path, path.name) for path in inside] or [(folder, "")]:
            clips = sorted(path for path in place.iterdir() if is_video(path))
            pictures = find(session, [str(place)]) if not clips else _pictures_in(place)
            yield from ((path, label) for path in [*pictures, *clips])


def _pictures_in(place: Path) -> Sequence[Path]:
    """Pictures beside clips: there may be none."""
    from mien.datasets.folders import find_pictures

    return find_pictures([place]).pictures


def _answers(
    session: Session, classifier: KnnClassifier, targets: Sequence[tuple[Path, str]], learnt: set[str]
) -> Iterator[_Answer]:
    """Who each target is; photographs first."""
    from mien.media.video import is_video

    labels = dict(targets)
    pictures = [path for path in labels if not is_video(path)]
    for path, picture in readable(session, pictures, "naming", chip=160):
        label = labels[path]
        yield _Answer(path, label, classifier.classify_image(picture), picture, label in learnt)
    for path in session.each([path for path in labels if is_video(path)]):
        try:
            frames = list(_frames(session, path))
            match = classifier.classify_video(frames)
        except MienError as error:
            session.fail(f"mien: {error}")
            continue
        yield _Answer(path, labels[path], match, frames[len(frames) // 2], labels[path] in learnt)


def _frames(session: Session, path: Path) -> Iterator[Picture]:
    """Frames of a clip, some time apart."""
    from mien.media.video import VideoFile

    due = 0.0
    with VideoFile(path, max_megapixels=session.house.settings.max_megapixels) as video:
        for picture in video.frames():
            time = picture.time or 0.0
            if time >= due:
                due = time + CLIP_STEP
                yield picture
    if not due:
        raise InputError(f"{shown(path)} has no frames")


def _draw(file: Path, answers: Sequence[_Answer], most: int = 40) -> None:
    """A sheet of answers: the wrong ones, then others spread evenly."""
    from mien.media.drawing import contact_sheet
    from mien.media.images import write_image

    wrong = [a for a in answers if a.right is False][:most]
    others = [a for a in answers if a.right is not False]
    left = most - len(wrong)
    chosen = [*wrong, *others[:: max(1, -(-len(others) // left))]] if left else wrong
    marks = {True: "right", False: "WRONG", None: ""}
    tiles = [a.tile.pixels for a in chosen if a.tile is not None]
    write_image(file, contact_sheet(tiles, [f"{marks[a.right]} {a.match.name}".strip() for a in chosen]))
