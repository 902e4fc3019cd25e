"""``mien eval``: how good is it, with the protocol beside every figure."""

from __future__ import annotations

import typer

from mien.doors.cli import (
    eval_clustering,
    eval_compare,
    eval_detection,
    eval_identification,
    eval_liveness,
    eval_verification,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="How good is it? Figures with their protocol, as record and report.")
    app.add_typer(group, name="eval", rich_help_panel="Your own models")
    for module in (
        eval_verification,
        eval_identification,
        eval_detection,
        eval_liveness,
        eval_clustering,
        eval_compare,
    ):
        module.register(group)
