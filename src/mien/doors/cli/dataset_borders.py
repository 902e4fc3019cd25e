"""``mien dataset crop-borders``: framed pictures without their frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.doors.cli.command import Session, command
from mien.doors.cli.folders import follow
from mien.doors.cli.pictures import shown

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "crop-borders", reads=True)(crop_borders)


def crop_borders(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A folder of pictures, with all folders below it.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="Where the same pictures go without their frames.")],
    draw: Annotated[Path | None, typer.Option(metavar="DIR", help="Draw what is kept of each picture here.")] = None,
    deepest: Annotated[
        float, typer.Option(min=0.01, max=0.45, help="Largest share that a frame takes on a side.")
    ] = 0.25,
    straight: Annotated[float, typer.Option(min=0.1, max=1.0, help="Share of the side that must be a line.")] = 0.6,
) -> int | None:
    """Cut the frame off scanned or framed pictures, found by Canny's edges; pictures without one are copied as they are."""
    from mien.jobs.borders import crop_borders as crop
    from mien.media.borders import FrameOptions

    options = FrameOptions(deepest=deepest, straight=straight)
    done = [event.result for event in follow(session, crop(source, target, draw=draw, options=options))]
    rows = [row._asdict() for row in done]
    cut = sum(any(row[1:]) for row in done)
    title = f"{cut} of {len(done)} pictures had a frame; all are in {shown(target)}"
    session.out.table(title, rows, columns=("file", "left", "top", "right", "bottom"))
    return None
