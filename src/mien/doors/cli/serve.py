"""``mien serve``: the REST service, and the keys it asks for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import MissingExtraError
from mien.doors.cli.attendance_times import now
from mien.doors.cli.command import DETECTING, GATE, NAMING, SERVING, Session, command

if TYPE_CHECKING:
    from mien.store.access import ApiKey

__all__ = ["register"]

COLUMNS = ("name", "scopes", "created", "expires", "id")


def register(app: typer.Typer) -> None:
    """Add the command and its group."""
    group = typer.Typer(help="Serve pictures, people and attendance over HTTP (REST); `keys` says who may use it.")
    app.add_typer(group, name="serve", rich_help_panel="Set-up")
    keys = typer.Typer(no_args_is_help=True, help="Who may use the service.")
    group.add_typer(keys, name="keys")
    command(keys, "add")(add)
    command(keys, "list", reads=True)(list_keys)
    command(keys, "remove")(remove)
    command(_Callback(group), "serve", DETECTING, NAMING, GATE, SERVING)(run)


class _Callback(typer.Typer):
    """Takes a command for what its group does by itself, without a word behind it."""

    def __init__(self, group: typer.Typer) -> None:
        super().__init__()
        self._group = group

    def command(self, *_: Any, **__: Any) -> Callable[[Any], Any]:
        """Make what is decorated the group's own command."""

        def decorate(run: Any) -> Any:
            def alone(ctx: typer.Context, **values: Any) -> None:
                if ctx.invoked_subcommand is None:
                    run(**values)

            context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
            shown = [context, *inspect.signature(run).parameters.values()]
            alone.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # what Typer reads
            alone.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
            self._group.callback(invoke_without_command=True)(alone)
            return run

        return decorate


def run(session: Session) -> None:
    """Serve until Ctrl-C; what was taken is finished first. The page to read: docs/how-to/rest.md."""
    try:
        from mien.doors.service.serving import serve
    except ImportError as error:
        raise MissingExtraError("what serves over HTTP", "serve") from error
    settings = session.house.settings

    def tell(address: str) -> None:
        session.out.note(f"serving at {address}; the description is {address}/openapi.json; Ctrl-C stops")

    serve(settings, tell)


def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scopes: Annotated[str, typer.Option(help="What it is good for: read, identify, enrol, attendance, admin.")],
    days: Annotated[float | None, typer.Option(min=0, help="Days until it expires; never if left out.")] = None,
) -> None:
    """Make a key. It is shown once and kept nowhere."""
    access = session.house.gallery.access
    expires = None if days is None else now() + timedelta(days=days)
    key, token = access.add_key(name, [scope.strip() for scope in scopes.split(",") if scope.strip()], expires)
    row = {**_row(key), "key": token}
    if session.out.format == "table":
        session.out.text(token)  # alone and whole, for a script to catch: KEY=$(mien serve keys add …)
    else:
        session.out.table("added", [row], columns=tuple(row))
    session.out.note(f"{key.name} is good for {', '.join(key.scopes)}; the key is shown this once")


def list_keys(session: Session) -> None:
    """Every key, never its secret."""
    rows = [_row(key) for key in session.house.gallery.access.api_keys()]
    session.out.table(f"{len(rows)} keys", rows, columns=COLUMNS)


def remove(session: Session, which: Annotated[str, typer.Argument(metavar="KEY", help="Its name or id.")]) -> None:
    """Take a key away; running services refuse it from the next request on."""
    key = session.house.gallery.access.remove_key(which)
    session.out.table("removed", [_row(key)], columns=COLUMNS)


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "scopes": ",".join(key.scopes),
        "created": key.created.isoformat(timespec="seconds"),
        "expires": None if key.expires is None else key.expires.isoformat(timespec="seconds"),
        "id": key.id,
    }
