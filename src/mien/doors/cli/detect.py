"""``mien detect``: find faces, and say why others were let go."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import CLASSIFYING, DETECTING, Exit, Session, command
from mien.doors.cli.pictures import drawn_path, find, prepare_folder, readable, shown

if TYPE_CHECKING:
    from mien.core.faces import Faces, Picture
    from mien.core.reasons import Trace

__all__ = ["CLASSES", "LANDMARKS", "Draw", "Paths", "classes_of", "face_rows", "register"]

TOLD = 10
"""How many near misses ``--explain`` tells in words for one picture."""

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
COLUMNS = ("picture", "face", "x", "y", "width", "height", "confidence", *LANDMARKS)
CLASSES = "class"
"""Column of what classifiers say."""

Paths = Annotated[list[str], typer.Argument(metavar="PATH…", help="Photographs, folders, patterns.")]
Draw = Annotated[Path | None, typer.Option("--draw", metavar="DIR", help="Write annotated pictures into this folder.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "detect", DETECTING, CLASSIFYING, panel="Pictures")(detect)


def detect(
    session: Session,
    paths: Paths,
    draw: Draw = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say which stage let a face go, and why.")] = False,
    region: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="With --explain: why was nothing found here? Pixels.")
    ] = None,
) -> int | None:
    """Find the faces in photographs: boxes, confidence, five landmarks, and what classifiers say (--classifier)."""
    if region and not explain:
        raise SettingError("--region says where to explain: add --explain")
    place = _region(region)
    if explain:
        session.given["full_size"] = True  # sizes are told in pixels of the original
    detector = session.house.detector
    pictures = find(session, paths)
    if draw is not None:
        prepare_folder(draw, pictures)
    rows: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    taken: set[Path] = set()
    for path, picture in readable(session, pictures, "finding faces"):
        faces = detector.at_scale(picture.scale).detect(picture.pixels).scaled(1 / picture.scale)
        faces = session.house.classified(picture, faces)
        entry: dict[str, Any] = {"picture": shown(path), "faces": faces.to_dicts()}
        trace = _explain(session, picture, entry, place) if explain else None
        data.append(entry)
        rows += face_rows(entry["picture"], faces)
        if draw is not None:
            _draw(drawn_path(draw, path, taken), picture, faces, trace)
    if explain:
        _tell(session, data)
    else:
        count = sum(len(entry["faces"]) for entry in data)
        columns = (*COLUMNS[:2], CLASSES, *COLUMNS[2:]) if session.house.classifiers else COLUMNS
        session.out.table(f"{count} faces in {len(data)} pictures", rows, columns=columns, data=data + session.unread)
    return None if data else Exit.FAILED


def face_rows(name: str, faces: Faces) -> list[dict[str, Any]]:
    """One table row per face, surest first; ``face`` is its number from the left, as ``enroll --face`` counts."""
    rows = []
    for number, face in zip(faces.numbers.tolist(), faces.to_dicts(), strict=True):
        x, y, width, height = face["box"]
        row = {"picture": name, "face": number, "x": x, "y": y, "width": width, "height": height}
        row["confidence"] = face["confidence"]
        row[CLASSES] = "; ".join(
            f"{a['class']} {a['probabilities'][a['class']]:.2f}" for a in face.get("attributes", ())
        )
        row |= {name: f"{px},{py}" for name, (px, py) in face.get("keypoints", {}).items()}
        rows.append(row)
    return rows


def classes_of(faces: Faces) -> list[str]:
    """What classifiers say of each face, to be written beside it; begins with two spaces where there is something."""
    told = faces.attributes or ((),) * len(faces)
    return ["".join(f"  {a.label} {a.probability:.2f}" for a in attributes) for attributes in told]


def _region(text: str | None) -> tuple[float, float, float, float] | None:
    """``X,Y,W,H`` as a box x1, y1, x2, y2."""
    if text is None:
        return None
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingError(
            f"--region is {text!r}: expected four numbers X,Y,WIDTH,HEIGHT, e.g. 120,80,60,60"
        ) from error
    if not (width > 0 and height > 0 and all(map(math.isfinite, (x, y, width, height)))):
        raise SettingError(f"--region is {text!r}: expected finite numbers, width and height above 0")
    return (x, y, x + width, y + height)


def _explain(
    session: Session, picture: Picture, entry: dict[str, Any], place: tuple[float, float, float, float] | None
) -> Trace:
    """Run the detector as an explainer; what it says goes into ``entry``."""
    explainer = session.house.explainer
    if explainer is None:
        raise InputError(f"the detector {session.house.settings.detector} cannot explain itself; use --detector mtcnn")
    trace = explainer.explain(picture.pixels)
    entry["trace"] = trace.to_dict()
    if place is not None:
        reason = explainer.explain_region(picture.pixels, place)
        entry["region"] = {"box": list(place), **reason.to_dict()}
    return trace


def _tell(session: Session, data: list[dict[str, Any]]) -> None:
    """The traces in words, or as JSON."""
    if session.out.format != "table":
        session.out.json(data)
        return
    for entry in data:
        trace = entry["trace"]
        session.out.text(f"{entry['picture']}: {len(entry['faces'])} faces")
        largest = "no limit" if trace["largest_face"] is None else f"{trace['largest_face']:.0f} px"
        session.out.text(f"  searched for faces from {trace['smallest_face']:.0f} px to {largest}")
        session.out.text("  windows let through: " + ", ".join(f"{k} {v}" for k, v in trace["counts"].items()))
        misses = near_misses(trace["candidates"])
        for candidate in misses[:TOLD]:
            session.out.text(f"  {_in_words(candidate)}")
        if not misses and not entry["faces"]:
            session.out.text(f"  {_nothing_near(trace)}")
        if len(misses) > TOLD:
            session.out.text(
                f"  … and {len(misses) - TOLD} more; every window: --json, --draw DIR; one place: --region"
            )
        if "region" in entry:
            session.out.text(f"  region: {entry['region']['words']}")


def _in_words(candidate: dict[str, Any]) -> str:
    """Where a window was, what it missed and the setting that moves the limit."""
    reason = candidate["reason"]
    x1, y1, x2, y2 = candidate["box_xyxy"]
    setting = f" ({reason['setting']})" if reason["setting"] else ""
    place = f"{x1:.0f},{y1:.0f} {x2 - x1:.0f}×{y2 - y1:.0f}"
    return f"{place}: {candidate['stage']}'s {reason['words']}{setting}"


def _nothing_near(trace: dict[str, Any]) -> str:
    """What came nearest to a face where nothing came near."""
    scored = [c for c in trace["candidates"] if c["reason"] is not None and c["reason"]["measured"] is not None]
    smaller = f"smaller faces: --min-face {max(4, round((trace['smallest_face'] or 20) / 2))}"
    if not scored:
        return f"nothing looks like a face of this size; {smaller}"
    best = max(scored, key=lambda c: (("pnet", "rnet", "onet").index(c["stage"]), c["reason"]["measured"]))
    return f"no window came near; the best: {_in_words(best)}; {smaller}"


def near_misses(candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Windows that almost came through, those that came furthest first, one for each place.

    Thousands of windows end at the first stage, give way to a better one, or have next to no score: they explain nothing.
    """
    stages = {"onet": 2, "rnet": 1}
    near = [
        c
        for c in candidates
        if c["stage"] in stages
        and c["absorbed_by"] is None
        and c["reason"] is not None
        and c["reason"]["measured"] is not None
        and c["reason"]["measured"] >= 0.5 * (c["reason"]["limit"] or 0.0)
    ]
    near.sort(key=lambda c: (-stages[c["stage"]], -c["reason"]["measured"]))
    faces = [c["box_xyxy"] for c in candidates if c["stage"] == "face"]
    kept: list[dict[str, Any]] = []
    for c in near:
        others = [*faces, *(k["box_xyxy"] for k in kept)]
        if not any(_overlap(c["box_xyxy"], other) > 0.4 for other in others):
            kept.append(c)
    return kept


def _overlap(a: list[float], b: list[float]) -> float:
    """Shared area over the smaller of two boxes x1, y1, x2, y2."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / smaller if smaller > 0 else 0.0


def _draw(target: Path, picture: Picture, faces: Faces, trace: Trace | None) -> None:
    """Write the annotated picture, in the pixels it was decoded at."""
    from mien.media.drawing import draw_faces, draw_trace
    from mien.media.images import write_image

    if trace is not None:
        drawn = draw_trace(picture.pixels, trace)
    else:
        drawn = draw_faces(
            picture.pixels,
            faces.scaled(picture.scale),
            [f"{n}  {s:.2f}{c}" for n, s, c in zip(faces.numbers, faces.scores, classes_of(faces), strict=True)],
        )
    write_image(target, drawn)
