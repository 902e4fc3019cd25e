"""``mien app``: the web app, and who may log in there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.core.errors import SettingError
from mien.doors.cli.command import DETECTING, GATE, LIVENESS, NAMING, Session, command
from mien.doors.cli.pictures import shown

__all__ = ["register"]

Role = Literal["viewer", "operator", "admin"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "app", DETECTING, NAMING, GATE, LIVENESS, panel="Start here")(web_app)


def web_app(
    session: Session,
    address: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 for every network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8501,
    certificate: Annotated[Path | None, typer.Option(metavar="FILE.pem", help="Of HTTPS.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE.pem", help="Of the certificate.")] = None,
    language: Annotated[
        Literal["en", "vi"] | None, typer.Option(help="Of the pages; what the browser asks for if left out.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the browser.")] = False,
    no_login: Annotated[
        bool, typer.Option("--no-login", help="Everybody at this machine is admin; on 127.0.0.1 only.")
    ] = False,
    launcher: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a file to double-click into this folder (the desktop), and end."),
    ] = None,
    set_password: Annotated[
        bool, typer.Option("--set-password", help="Make or change the password of a user, and end.")
    ] = False,
    user: Annotated[str, typer.Option(help="Whose password.")] = "admin",
    role: Annotated[Role | None, typer.Option(help="What they may do; the first user is admin.")] = None,
) -> None:
    """The web app: Live, People, Attendance, Photos, Lab, in the browser, until Ctrl-C."""
    from mien.doors.webapp.launch import ServeOptions, check, is_running, serve, url_of

    if launcher is not None:
        _write_launcher(session, launcher)
        return
    access = session.house.gallery.access
    if set_password:
        _set_password(session, user, role)
        return
    wanted = ServeOptions(address, port, certificate, key, browser=not no_browser)
    if wanted.browser and is_running(wanted):
        session.out.note(f"the app is running already: {url_of(wanted)}")
        typer.launch(url_of(wanted))
        return
    options = check(wanted, login=not no_login, users=len(access.users()))
    session.close()
    session.out.note(f"mien app: {url_of(options)}  (Ctrl-C ends it)")
    serve(session.given, options, login=not no_login, language=language or "")


def _write_launcher(session: Session, folder: Path) -> None:
    """The kind of file that this system opens with a double-click."""
    from mien.doors.webapp.launchers import system_of, write_launcher

    path = write_launcher(folder, system_of(sys.platform), sys.executable)
    session.out.table("launcher", [{"file": shown(path)}], columns=("file",))


def _set_password(session: Session, name: str, role: Role | None) -> None:
    """Make or change a password; a new user is what ``role`` says, the first one admin."""
    access = session.house.gallery.access
    known = {user.name.casefold(): user for user in access.users()}
    password = _asked(name)
    if name.casefold() in known:
        access.set_password(name, password)
        user = access.set_role(name, role) if role is not None else known[name.casefold()]
    else:
        user = access.add_user(name, role or ("operator" if known else "admin"), password)
    session.out.table("user", [{"name": user.name, "role": user.role}], columns=("name", "role"))


def _asked(name: str) -> str:
    """The password, typed twice without being shown, or the first line of what is piped in.

    Raises:
        SettingError: nothing was given.
    """
    if sys.stdin.isatty():
        return str(typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise SettingError("no password was given; type it, or pipe it in as one line")
    return password
