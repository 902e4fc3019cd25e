"""``mien align``, ``mien embed`` and ``mien show``: folders of photographs to faces and vectors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import DETECTING, NAMING, Exit, Session, command
from mien.doors.cli.pictures import find, prepare_folder, readable, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.core.faces import Picture
    from mien.jobs.running import Done, Event

__all__ = ["follow", "register"]

T = TypeVar("T")

Source = Annotated[Path, typer.Argument(metavar="SRC", help="A folder with a folder per person.")]
Size = Annotated[int, typer.Option(min=16, max=1024, help="Side of a face, pixels.")]
Margin = Annotated[int, typer.Option(min=0, help="Pixels of it that surround the box, both sides together.")]
Landmarks = Annotated[bool, typer.Option("--landmarks", help="Turn and scale by the five landmarks instead.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "align", DETECTING, panel="Folders")(align)
    command(app, "embed", DETECTING, NAMING, panel="Folders")(embed)
    command(app, "show", DETECTING, panel="Folders")(show)


def align(
    session: Session,
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="DST", help="Where the folder per person goes.")],
    size: Size = 160,
    margin: Margin = 32,
    landmarks: Landmarks = False,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Go through the photographs in random order.")] = False,
    seed: Annotated[int, typer.Option(help="Of the order and the split.")] = 0,
    split: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share to train with; frames of a video stay on one side.")
    ] = None,
) -> int | None:
    """Cut the largest face out of every photograph: DST/Person/name.png and a manifest. Goes on where it was stopped."""
    from mien.jobs.folders import AlignOptions, align_folder

    read = session.house.read_options(chip=float(size))
    options = AlignOptions(size, margin, landmarks, split, shuffle, seed, read)
    done = follow(session, align_folder(source, target, detector=session.house.detector, options=options))
    rows = [event.result._asdict() for event in done if event.result is not None]
    columns = ("chip", "person", "split", "source", "score")
    session.out.table(f"{len(rows)} faces cut into {shown(target)}", rows, columns=columns)
    return None


def embed(
    session: Session,
    source: Source,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.npz", help="Where the vectors go.")] = Path(
        "embeddings.npz"
    ),
    faces: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Write the faces as faces-dataset.npz too (aligned SRC).")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Faces per run of the network.")] = 32,
) -> int | None:
    """Turn aligned faces, or photographs, into vectors with their names, files and embedding space."""
    from mien.datasets.packs import write_embeddings, write_train_test
    from mien.jobs.folders import EmbedOptions, chips_pack, embed_folder, join

    house = session.house
    for file in (out, faces):
        if file is not None:
            prepare_folder(file.parent)
    options = EmbedOptions(batch_size=batch_size, read=house.read_options(chip=160))
    done = follow(session, embed_folder(source, embedder=house.embedder, detector=house.detector, options=options))
    if not done:
        raise InputError(f"no face could be embedded in {shown(source)}")
    pack = join([event.result for event in done], house.embedder.space)
    write_embeddings(out, pack)
    if faces is not None:
        write_train_test(faces, chips_pack(source))
    row = {
        "file": shown(out),
        "faces": len(pack.embeddings),
        "people": len(set(pack.labels.tolist())),
        "space": house.embedder.space.id,
    }
    session.out.table("embedded", [row], columns=tuple(row))
    return None


def show(
    session: Session,
    paths: Annotated[list[str], typer.Argument(metavar="SRC…", help="Photographs, folders, patterns.")],
    out: Annotated[Path, typer.Option(help="Where the contact sheet goes.")] = Path("faces.jpg"),
    count: Annotated[int, typer.Option(min=1, help="How many photographs to take.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the random choice.")] = 0,
    size: Size = 160,
    margin: Margin = 32,
    landmarks: Landmarks = False,
) -> int | None:
    """Make a contact sheet of the faces of random photographs, as `align` would cut them."""
    import random

    from mien.media.drawing import contact_sheet
    from mien.media.images import write_image

    pictures = find(session, paths)
    prepare_folder(out.parent)
    if any(picture.resolve() == out.resolve() for picture in pictures if picture.name == out.name):
        raise SettingError(f"{shown(out)} is one of the photographs; name another file with --out")
    chosen = sorted(random.Random(seed).sample(pictures, min(count, len(pictures))))  # noqa: S311 - no secret
    tiles: list[NDArray[np.uint8]] = []
    names: list[str] = []
    for path, picture in readable(session, chosen, "cutting faces", chip=float(size)):
        chips = _chips(session, picture, size=size, margin=margin, landmarks=landmarks)
        tiles += chips
        names += [shown(path.parent.name or path.stem)] * len(chips)
    if not tiles:
        session.out.problem("no face in the photographs chosen; more with --count, others with --seed")
        return Exit.FAILED
    write_image(out, contact_sheet(tiles, names, tile_size=size))
    row: dict[str, Any] = {"file": shown(out), "faces": len(tiles), "photographs": len(chosen)}
    session.out.table("contact sheet", [row], columns=tuple(row))
    return None


def _chips(session: Session, picture: Picture, *, size: int, margin: int, landmarks: bool) -> list[NDArray[np.uint8]]:
    """Every face of a picture as ``align`` would cut it."""
    from mien.core.geometry import ARCFACE_112
    from mien.media.crops import align as by_landmarks
    from mien.media.crops import crop_boxes

    faces = session.house.detector.at_scale(picture.scale).detect(picture.pixels)
    if not landmarks or faces.landmarks is None:
        return list(crop_boxes(picture.pixels, faces.boxes, size=size, margin=margin))
    return list(by_landmarks(picture.pixels, faces.landmarks, ARCFACE_112 * (size / 112), size))


def follow(session: Session, events: Iterable[Event[T]]) -> list[Done[T]]:
    """Show a job's progress, report what failed, and give what was done."""
    from mien.jobs.running import Done, Failed

    done: list[Done[T]] = []
    with session.out.steps() as at:
        for event in session.each(events):
            at(event.stage, event.index, event.total)
            if isinstance(event, Failed):
                session.fail(
                    f"mien: {event.name}: {event.reason}" if event.name not in event.reason else f"mien: {event.reason}"
                )
            elif isinstance(event, Done):
                done.append(event)
            elif event.stage in {"plan", "split"}:
                session.out.note(f"{event.name}: {event.reason}")
    return done
