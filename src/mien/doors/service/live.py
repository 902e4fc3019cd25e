"""``/v1/live``: JPEG frames in, decisions out, over one WebSocket; only the newest frame is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from mien.core.errors import MienError
from mien.core.faces import Faces, Picture
from mien.doors.service.problems import ProblemError, problem_of
from mien.doors.service.state import Service
from mien.media.images import decode_image

__all__ = ["live"]

live = APIRouter(prefix="/v1", tags=["live"])

_SILENT = 60.0
"""Seconds without a frame after which a connection is closed."""

_POLICY, _TRY_LATER = 1008, 1013
"""Why a connection is closed (RFC 6455, 7.4.1)."""


class _Newest:
    """The newest frame that came in and was not looked at; older ones are counted."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.number = 0
        self._frame: tuple[int, float, bytes] | None = None
        self._dropped = 0

    def put(self, frame: bytes) -> None:
        """A frame came in."""
        self._dropped += self._frame is not None
        self.number += 1
        self._frame = (self.number, time.monotonic(), frame)
        self.came.set()

    def take(self) -> tuple[tuple[int, float, bytes] | None, int]:
        """The newest frame, with its number and time, and how many before it were dropped."""
        frame, dropped = self._frame, self._dropped
        self._frame, self._dropped = None, 0
        self.came.clear()
        return frame, dropped


@live.websocket("/live")
async def follow(socket: WebSocket) -> None:
    """Follow the faces of a stream: each binary message is a JPEG, each answer JSON with its number and its faces.

    The key comes as a header, or, from a browser, as the first message: ``{"key": "…"}``.
    """
    service: Service = socket.app.state.service
    await socket.accept()
    try:
        await _let_in(socket, service)
    except ProblemError as problem:
        await _end(socket, problem, _POLICY)
        return
    if service.live >= service.settings.serve_live:
        await _end(socket, ProblemError("busy", f"{service.live} live connections are open already"), _TRY_LATER)
        return
    service.live += 1
    try:
        await _serve(socket, service)
    finally:
        service.live -= 1


async def _let_in(socket: WebSocket, service: Service) -> None:
    try:
        await service.gate.admit(socket, "identify")
    except ProblemError as problem:
        if problem.code != "no_key":
            raise
        try:
            said = await asyncio.wait_for(socket.receive_json(), 10)
        except (TimeoutError, ValueError, KeyError, WebSocketDisconnect):
            raise problem from None
        token = said.get("key") if isinstance(said, dict) else None
        await service.gate.admit_with(socket, str(token), "identify")


async def _serve(socket: WebSocket, service: Service) -> None:
    newest = _Newest()
    receiving = asyncio.create_task(_receive(socket, newest))
    looking = asyncio.create_task(_look(socket, service, newest))
    try:
        await asyncio.wait({receiving, looking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (receiving, looking):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await task


async def _receive(socket: WebSocket, newest: _Newest) -> None:
    """Take frames in until the sender ends, sends something else, or is silent for too long."""
    while True:
        try:
            message = await asyncio.wait_for(socket.receive(), _SILENT)
        except TimeoutError:
            await _end(socket, ProblemError("too_slow", f"no frame for {_SILENT:g} s"), _POLICY)
            return
        if message["type"] == "websocket.disconnect":
            return
        frame = message.get("bytes")
        if frame is None:
            await _end(socket, ProblemError("invalid", "each message is one JPEG, in binary"), _POLICY)
            return
        newest.put(frame)


async def _look(socket: WebSocket, service: Service, newest: _Newest) -> None:
    """Answer about the newest frame, again and again; a frame that cannot be looked at is told and costs nothing more."""
    follower = service.house.follower()
    begun = time.monotonic()
    while True:
        await newest.came.wait()
        frame, dropped = newest.take()
        if frame is None:
            continue
        number, at, data = frame
        answer: dict[str, Any] = {"frame": number, "dropped": dropped}
        try:
            faces = await service.work.run(_task(service, follower.follow, data, at - begun))
            answer["faces"] = faces.to_dicts()
        except MienError as error:
            answer["problem"] = _told(problem_of(error))
        except ProblemError as problem:
            answer["problem"] = _told(problem)
        await socket.send_json(answer)


def _task(service: Service, look: Callable[[Picture], Faces], data: bytes, at: float) -> Callable[[], Faces]:
    def task() -> Faces:
        picture = decode_image(data, source="frame", options=service.house.read_options())
        return look(Picture(picture.pixels, picture.scale, picture.source, picture.sha256, time=max(0.0, at)))

    return task


def _told(problem: ProblemError) -> dict[str, Any]:
    return {"code": problem.code, "detail": str(problem), "remedy": problem.kind.remedy}


async def _end(socket: WebSocket, problem: ProblemError, code: int) -> None:
    """Tell why, and close."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_json({"problem": _told(problem)})
        await socket.close(code, problem.code)
