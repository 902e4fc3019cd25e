"""The annotated stream of a watch in the browser: Motion JPEG on this machine, for this machine only."""

from __future__ import annotations

import json
import os
import socketserver
import sys
import threading
from collections import deque
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.media.drawing import drawn_jpeg

__all__ = ["PORT", "Preview"]

PORT = 8477
"""Where the preview is unless another port is asked for."""

_HOST = "127.0.0.1"
_OWN_NAMES = frozenset({_HOST, "localhost"})
_VIEWERS = 8
"""Streams at a time at most."""
_PATIENCE = 10.0
"""Seconds for which a client may take nothing before it is given up."""
_LINES = 50
"""Events that the page shows."""
_BOUNDARY = "mien-frame"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>mien watch</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="page.css">
<main>
<img src="stream.mjpg" alt="what the camera sees, with the faces found and their names">
<section><p id="state" role="status">…</p><ol id="lines"></ol></section>
</main>
<script src="page.js"></script>
"""

_STYLE = """body { margin: 0; background: #16181d; color: #e8e8e4; font: 15px/1.5 system-ui, sans-serif; }
main { display: flex; flex-wrap: wrap; gap: 1rem; padding: 1rem; }
img { flex: 1 1 32rem; max-width: min(100%, 1280px); object-fit: contain; align-self: start; background: #000;
  min-height: 12rem; }
section { flex: 1 1 18rem; }
#state { margin: 0 0 .5rem; color: #f0c05a; } #state.live { color: #5fc9a0; }
ol { list-style: none; margin: 0; padding: 0; font-variant-numeric: tabular-nums; }
li { padding: .15rem 0; border-bottom: 1px solid #2c3038; white-space: pre-wrap; overflow-wrap: anywhere; }
"""

_SCRIPT = """const state = document.getElementById("state"), list = document.getElementById("lines");
async function refresh() {
  try {
    const told = await (await fetch("events.json")).json();
    state.textContent = told.state;
    state.className = told.state === "live" ? "live" : "";
    list.replaceChildren(...told.lines.map(line => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
  } catch {
    state.textContent = "the watch has ended";
    state.className = "";
  }
}
refresh();
setInterval(refresh, 1000);
"""

_FILES = {
    "/": ("text/html; charset=utf-8", _PAGE),
    "/page.css": ("text/css; charset=utf-8", _STYLE),
    "/page.js": ("text/javascript; charset=utf-8", _SCRIPT),
}

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Scene:
    """What there is to see now; drawn once, by the first viewer who asks, and not at all if nobody does."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.places = threading.BoundedSemaphore(_VIEWERS)
        self._news = threading.Condition()
        self._seen: tuple[Picture, Faces] | None = None
        self._number = 0
        self._state = "connecting"
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._drawing = threading.Lock()
        self._drawn: tuple[int, bytes] = (0, b"")

    def show(self, picture: Picture | None, faces: Faces, state: str) -> None:
        with self._news:
            self._state = state
            if picture is not None:
                self._seen = picture, faces
                self._number += 1
                self._news.notify_all()

    def tell(self, line: str) -> None:
        with self._news:
            self._lines.appendleft(line)

    def told(self) -> bytes:
        with self._news:
            return json.dumps({"state": self._state, "lines": list(self._lines)}).encode()

    def end(self) -> None:
        self.over.set()
        with self._news:
            self._news.notify_all()

    def frame(self, after: int, timeout: float) -> tuple[int, bytes] | None:
        """The newest frame as JPEG, with its number, once there is one after ``after``."""
        with self._news:
            self._news.wait_for(lambda: self._number > after or self.over.is_set(), timeout)
            number, seen = self._number, self._seen
        if seen is None or number <= after:
            return None
        with self._drawing:
            if self._drawn[0] < number:
                self._drawn = number, drawn_jpeg(*seen)
            return self._drawn


class Preview:
    """Serves what a watch sees to browsers on this machine; a context manager. Slow viewers hold nobody up.

    Args:
        port: 0 takes a free one.

    Raises:
        SettingError: the port cannot be had.
    """

    def __init__(self, port: int = PORT) -> None:
        self._scene = _Scene()
        try:
            self._server = _Server(port, self._scene)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise SettingError(
                f"no preview on port {port}: {why.lower()}; --port names another one, --port 0 takes a free one"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="mien-preview", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where to look."""
        return f"http://{_HOST}:{self._server.server_port}/"

    def show(self, picture: Picture | None, faces: Faces, state: str) -> None:
        """The newest frame with its faces in pixels of the original, and how the source does; returns at once."""
        self._scene.show(picture, faces, state)

    def tell(self, line: str) -> None:
        """One line for the list of events."""
        self._scene.tell(line)

    def close(self) -> None:
        """End all streams and let the port go."""
        self._scene.end()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"  # elsewhere it would take the port of another program that listens

    def __init__(self, port: int, scene: _Scene) -> None:
        self.scene = scene
        super().__init__((_HOST, port), _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own would ask the network for this machine's name
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that has gone is no fault of ours; everything else is told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE
    server_version = "mien"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a browser on this machine; whoever came by another name, or for another page, is refused."""
        path = urlsplit(self.path).path
        if not self._is_own():
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"only http://127.0.0.1 and http://localhost are served\n")
        elif path in _FILES:
            kind, text = _FILES[path]
            self._send(HTTPStatus.OK, kind, text.encode())
        elif path == "/events.json":
            self._send(HTTPStatus.OK, "application/json", self.server.scene.told())
        elif path == "/stream.mjpg":
            self._stream()
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"there is no such page\n")

    def _is_own(self) -> bool:
        """Neither a foreign name that was made to point here (DNS rebinding) nor a foreign page that includes ours."""
        try:
            name = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:  # no name at all, as "["
            return False
        site = self.headers.get("Sec-Fetch-Site", "none")
        visit = self.headers.get("Sec-Fetch-Mode") == "navigate"
        return name in _OWN_NAMES and (visit or site in {"none", "same-origin"})

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self._begin(status, kind, length=len(body))
        self.wfile.write(body)

    def _begin(self, status: HTTPStatus, kind: str, *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self) -> None:
        scene = self.server.scene
        if not scene.places.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"too many are looking already\n")
            return
        try:
            self._begin(HTTPStatus.OK, f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.wfile.write(f"--{_BOUNDARY}\r\n".encode())
            number = 0
            while not scene.over.is_set():
                frame = scene.frame(number, timeout=1.0)
                if frame is not None:
                    number, jpeg = frame
                    self._part(jpeg)
        finally:
            scene.places.release()

    def _part(self, jpeg: bytes) -> None:
        """One frame and the boundary after it, without which browsers wait for the next one."""
        head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
        self.wfile.write(head + jpeg + f"\r\n--{_BOUNDARY}\r\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
        """No log: a watch prints events only."""
