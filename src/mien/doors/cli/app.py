"""The command line put together: one file per group of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.doors.cli import (
    attendance,
    backup,
    blur,
    calibrate,
    classify,
    cluster,
    dataset,
    db,
    demo,
    detect,
    enroll,
    eval_group,
    folders,
    frames,
    index,
    models,
    people,
    predict,
    search,
    serve,
    train,
    watch,
    webapp,
    who,
)

__all__ = ["app"]

app = typer.Typer(
    name="mien",
    help="Knows the faces in your photos, videos and cameras.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"mien {version('mien')}")
        raise typer.Exit


@app.callback()
def _about(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Knows the faces in your photos, videos and cameras."""


for module in (
    detect,
    enroll,
    who,
    watch,
    blur,
    people,
    calibrate,
    attendance,
    index,
    search,
    cluster,
    frames,
    folders,
    dataset,
    classify,
    models,
    db,
    train,
    eval_group,
    predict,
    serve,
    demo,
    webapp,
    backup,
):
    module.register(app)
