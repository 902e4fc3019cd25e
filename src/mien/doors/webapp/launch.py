"""Starts the web app in this process: Streamlit as it is to be here, on this machine only unless told otherwise."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mien.core.errors import InputError, MissingExtraError, SettingError

__all__ = ["ServeOptions", "check", "flags_of", "is_local", "is_running", "serve", "url_of"]

_LARGEST_UPLOAD = 500
"""Megabytes: a video of some minutes."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where the app is served.

    Args:
        address: to listen at; 127.0.0.1 is this machine only, 0.0.0.0 every network.
        port: 0 takes a free one.
        certificate: of HTTPS, PEM; browsers give their camera to pages by HTTPS and of this machine only.
        key: of the certificate, PEM.
        browser: whether the browser is opened.
    """

    address: str = "127.0.0.1"
    port: int = 8501
    certificate: Path | None = None
    key: Path | None = None
    browser: bool = True


def is_local(address: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    try:
        return address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        return False


def url_of(options: ServeOptions) -> str:
    """Where to look."""
    scheme = "http" if options.certificate is None else "https"
    host = "127.0.0.1" if options.address in {"0.0.0.0", "::"} else options.address  # noqa: S104 - only compared with
    return f"{scheme}://{host}:{options.port}"


def is_running(options: ServeOptions) -> bool:
    """Whether the app answers there already: somebody has clicked the launcher twice."""
    if not is_local(options.address) or options.certificate is not None or not options.port:
        return False
    try:
        connection = HTTPConnection(options.address, options.port, timeout=1.0)
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().read() == b"ok"
    except (OSError, HTTPException):
        return False


def check(options: ServeOptions, *, login: bool, users: int) -> ServeOptions:
    """The options with the port that is taken, if the app may be served so.

    Raises:
        MissingExtraError: without the extra ``app``.
        SettingError: open to a network without login, half a certificate, or a port that cannot be had.
    """
    if find_spec("streamlit") is None or find_spec("streamlit_webrtc") is None:
        raise MissingExtraError("the pages of the web app", "app")
    if not is_local(options.address):
        if not login:
            raise SettingError(
                f"--no-login serves this machine only (127.0.0.1), not {options.address}: everybody there would be admin"
            )
        if not users:
            raise SettingError(f"nobody could log in at {options.address}: first mien app --set-password")
    if (options.certificate is None) != (options.key is None):
        raise SettingError("HTTPS needs both --certificate FILE.pem and --key FILE.pem")
    for file in (options.certificate, options.key):
        if file is not None and not file.is_file():
            raise InputError(f"there is no file {file}")
    port = _free_port(options)
    return ServeOptions(options.address, port, options.certificate, options.key, options.browser)


def _free_port(options: ServeOptions) -> int:
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((options.address, options.port))
            return int(tried.getsockname()[1])
    except (OSError, OverflowError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise SettingError(
            f"cannot listen at {options.address}, port {options.port}: {why}; is the app running already? --port 0 takes a free one"
        ) from error


def flags_of(options: ServeOptions) -> Mapping[str, Any]:
    """What Streamlit is told: no statistics sent home, no watching of files, no details of faults to browsers."""
    given: dict[str, Any] = {
        "server.address": options.address,
        "server.port": options.port,
        "server.headless": not options.browser,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": _LARGEST_UPLOAD,
        "server.enableXsrfProtection": True,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "logger.hideWelcomeMessage": True,
        "runner.magicEnabled": False,
        "theme.base": "light",
        "theme.primaryColor": "#0b5394",
        "theme.textColor": "#16181d",
    }
    if options.certificate is not None:
        given |= {"server.sslCertFile": str(options.certificate), "server.sslKeyFile": str(options.key)}
    return given


def serve(given: Mapping[str, Any], options: ServeOptions, *, login: bool, language: str = "") -> None:
    """Serve the app until it is stopped.

    Args:
        given: settings of the command line.
        options: from ``check``.
        login: whether somebody has to log in.
        language: of the pages; empty asks the browser.
    """
    from streamlit.web import bootstrap

    from mien.doors.webapp import main_script
    from mien.doors.webapp.state import AppOptions, configure

    configure(AppOptions({name: value for name, value in given.items() if value is not None}, login, language))
    flags = {name.replace(".", "_"): value for name, value in flags_of(options).items()}
    bootstrap.load_config_options(flags)
    bootstrap.run(str(main_script()), False, [], flags)
