"""``mien eval liveness``: how often a passive model takes pictures of faces for faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import DETECTING, LIVENESS, Exit, Session, command
from mien.doors.cli.eval_running import Out, Strict, begin, finish, journal_of, pictures_left, tell_missing
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.core.protocols import Classifier
    from mien.evaluation.journal import Journal
    from mien.evaluation.records import Record

__all__ = ["register"]

_LIVE = "live"


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "liveness", DETECTING, LIVENESS[2:], reads=True)(liveness)


def liveness(
    session: Session,
    pictures: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of living faces and one per kind of attack.")
    ],
    out: Out,
    live: Annotated[str, typer.Option(help="Which folder holds the living faces.")] = _LIVE,
    frames: Annotated[int, typer.Option(min=1, help="Successive pictures of a folder that decide together.")] = 5,
    strict: Strict = False,
) -> int | None:
    """APCER by kind of attack, BPCER, ACER at one threshold, and EER: picture by picture and over successive ones."""
    from mien.evaluation.liveness_report import LivenessRules, Scored, liveness_page, liveness_record

    named = _pictures(session, pictures, live)
    classifier = _classifier(session)
    begin(session, out, list(named.values()))
    subject = _subject(session, classifier)
    with journal_of(session, out, "liveness", subject) as journal:
        _score(session, classifier, named, journal)
        if session.interrupted:
            session.out.note("the same command goes on from here")
            return None
        read = [name for name in named if name in journal.rows]
        tell_missing(session, [name for name in named if name not in journal.rows], "the folder", strict=strict)
        scored = [Scored(name, name.split("/")[0], journal.rows[name]["score"]) for name in read]
        rules = LivenessRules(live, session.house.settings.liveness_threshold, frames)
        data = {"data": pictures.resolve().name, "missing_pictures": len(named) - len(read)}
        record = liveness_record(scored, rules, protocol=data, subject=subject)
        finish(session, out, record, liveness_page(record, out))
        journal.finish()
    _tell(session, record)
    return Exit.SOME_FAILED if session.failed else None


def _pictures(session: Session, root: Path, live: str) -> dict[str, Path]:
    """Pictures by name ``kind/…``, in natural order.

    Raises:
        InputError: no folder of living faces, or none of attacks.
    """
    from mien.datasets.folders import person_folders

    found = person_folders(root, what="kind")
    for problem in found.problems:
        session.fail(f"{shown(problem.name)}: {problem.reason}")
    if live not in found.photos or len(found.photos) < 2:
        kinds = ", ".join(found.photos)
        raise InputError(
            f"{shown(root)}: expected a folder {live!r} of living faces and one or more of attacks, got {kinds}; --live names "
            "the folder of living faces"
        )
    return {path.relative_to(root).as_posix(): path for paths in found.photos.values() for path in paths}


def _classifier(session: Session) -> Classifier:
    """The passive model.

    Raises:
        SettingError: nobody brought one, or it does not know what is live.
    """
    house = session.house
    name = house.settings.liveness_model
    if name not in house.catalog.names("classifier"):
        raise SettingError(
            f"no classifier is called {name!r}; bring one (mien models add FILE.onnx --kind classifier --classes live,spoof …) "
            "and name it with --liveness-model"
        )
    classifier = house.classifier(name)
    if _LIVE not in classifier.classes:
        raise SettingError(f"a liveness model needs a class {_LIVE!r}; {name} has {', '.join(classifier.classes)}")
    return classifier


def _subject(session: Session, classifier: Classifier) -> dict[str, Any]:
    from mien.evaluation.records import subject_of
    from mien.wiring.provenance import finding_weights, weights_of

    house = session.house
    record = house.catalog.get(classifier.name)
    return {
        "classifier": classifier.name,
        "alignment": str(record.alignment),
        "preprocessing": str(record.preprocessing),
        "provider": house.settings.provider,
        **subject_of(house.detector),
        "weights_sha256": finding_weights(house) | weights_of(house, classifier.name),
    }


def _score(session: Session, classifier: Classifier, named: dict[str, Path], journal: Journal) -> None:
    """The probability that the largest face of each picture is live."""
    column = classifier.classes.index(_LIVE)
    for name, score in _scores(session, classifier, named, journal, column):
        journal.put(name, {"score": score})


def _scores(
    session: Session, classifier: Classifier, named: dict[str, Path], journal: Journal, column: int
) -> Iterator[tuple[str, float | None]]:
    detector = session.house.detector
    for name, picture in pictures_left(session, named, journal, "asking"):
        face = detector.at_scale(picture.scale).detect(picture.pixels).sorted("size")[:1]
        yield name, float(classifier.classify(picture.pixels, face)[0, column]) if len(face) else None


def _tell(session: Session, record: Record) -> None:
    rows = []
    for name in ("pictures", "presentations"):
        found = record.figures[name]
        if found:
            row: dict[str, Any] = {"": name, "refused": found["bpcer"]["share"]}
            row |= {f"{kind} passed": share["share"] for kind, share in found["apcer"].items()}
            rows.append(row | {"ACER": found["acer"], "EER": found["equal_error"]})
    session.out.table("liveness", rows, columns=list(rows[0]), data=record.to_dict())
