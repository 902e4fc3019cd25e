"""Listen and serve: in this process, or in several that share one socket and are replaced when they die."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import uvicorn

from mien.core.errors import SettingError
from mien.doors.service.app import create_app
from mien.doors.service.gate import is_this_machine
from mien.doors.service.metrics import SHARED
from mien.doors.service.workers import keep_serving
from mien.wiring.bootstrap import House
from mien.wiring.settings import Settings

__all__ = ["serve"]

_LAST_WORDS = 30
"""Seconds for what was taken to be finished after the service was asked to stop."""

_KEPT_OPEN = 75
"""Seconds a connection may lie idle: longer than a reverse proxy keeps its own (60 by default), and than Retry-After asks for,
or a request would run into a connection that is just being closed."""

_BACKLOG = 256
"""Connections that may wait to be accepted."""


def serve(settings: Settings, told: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; what was taken is finished first.

    Args:
        settings: from ``load_settings``.
        told: is told the address when the socket is open.

    Raises:
        SettingError: an address that is not this machine's without any key, or one that is taken.
    """
    _must_be_safe(settings)
    listening = _listen(settings.serve_host, settings.serve_port)
    host, port = listening.getsockname()[:2]
    told(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    config = uvicorn.Config(
        partial(create_app, settings),
        factory=True,
        log_level="warning",
        access_log=False,  # addresses hold the ids of people
        server_header=False,
        timeout_graceful_shutdown=_LAST_WORDS,
        forwarded_allow_ips=settings.serve_proxies,
        ws_max_size=int(settings.serve_max_mb * 1e6),
        ws_max_queue=2,  # frames nobody will look at are not kept
        backlog=_BACKLOG,
        timeout_keep_alive=_KEPT_OPEN,
    )
    for asked_to_stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked_to_stop, _leave)  # uvicorn ends gracefully, then hands the signal on to whoever was there
    with listening, tempfile.TemporaryDirectory(prefix="mien-metrics-") as folder:
        if settings.serve_workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            os.environ[SHARED] = folder
            keep_serving(config, listening, settings.serve_workers)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def _must_be_safe(settings: Settings) -> None:
    with House(settings) as house:
        if not is_this_machine(settings.serve_host) and not house.gallery.access.has_keys():
            raise SettingError(
                f"--host {settings.serve_host} lets others in, and there is no key yet; make one first: "
                "mien serve keys add NAME --scopes read,identify"
            )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)  # from here on whoever comes waits until the networks are loaded
    except OSError as error:
        listening.close()
        raise SettingError(f"cannot listen at {host}:{port}: {error.strerror}; choose another --port") from error
    listening.set_inheritable(True)
    return listening
