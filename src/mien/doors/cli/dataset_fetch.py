"""``mien dataset fetch``: public data sets by download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import Session, command
from mien.doors.cli.pictures import shown

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "fetch", reads=True)(fetch)


def fetch(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="wider|lfw|fddb", help="Which data set.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="Where it goes.")],
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="You have read the terms that are shown, and keep to them.")
    ] = False,
    mirror: Annotated[
        str, typer.Option(metavar="URL", help="Fetch URL/name.zip instead of the usual place; digests stay the same.")
    ] = "",
) -> int | None:
    """Download a public data set, check and unpack it; a transfer that breaks off goes on where it stopped."""
    from mien.datasets.fetching import fetch_archive
    from mien.datasets.sources import data_source

    source = data_source(name)
    size = sum(archive.megabytes for archive in source.archives)
    if not accept_terms:
        session.out.problem(f"{source.title} ({source.page})")
        session.out.problem(source.terms)
        raise SettingError(f"about {size:,.0f} MB are to be fetched; if you keep to these terms, add --accept-terms")
    session.out.note(source.terms)
    rows: list[dict[str, Any]] = []
    for archive in source.archives:
        with session.out.steps() as at:

            def progress(done: int, total: int, what: str = archive.name) -> None:
                at(f"{what}, kB", done // 1000, total // 1000)

            said = fetch_archive(archive, target, mirror=mirror, progress=progress)
        rows.append({"file": archive.name, "about MB": archive.megabytes, "said": said})
    session.out.table(f"{source.title}: in {shown(target)}", rows, columns=("file", "about MB", "said"))
    return None
