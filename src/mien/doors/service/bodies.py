"""Requests as they arrive: so many bytes, so long, so much memory for all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from mien.doors.service.problems import ProblemError
from mien.doors.service.work import ClientGoneError

__all__ = ["Bodies", "hung_up", "with_body"]

_TOGETHER = 16
"""So many requests of the largest size may be in memory at once."""

_DRAINED_FOR = 1.0
"""Seconds for which the rest of a refused request is read and thrown away, so that its sender comes to read the answer."""


class Bodies:
    """Reads requests within limits. Belongs to one event loop.

    Args:
        largest: bytes of one request.
        seconds: that one may take to arrive.
    """

    def __init__(self, largest: int, seconds: float) -> None:
        self.largest = largest
        self.seconds = seconds
        self.held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body, which counts against the memory for all until the request is done.

        Raises:
            ProblemError: ``too_many_bytes``, ``too_slow``, ``busy``, ``invalid``.
            ClientGoneError: the sender has hung up.
        """
        told = _length_told(request)
        if told is not None and told > self.largest:
            await drain(request)
            raise ProblemError("too_many_bytes", f"{told} bytes, at most {self.largest} are taken")
        size = self.largest if told is None else told
        if self.held + size > _TOGETHER * self.largest:
            await drain(request)
            raise ProblemError("busy", "too many large requests are arriving at once")
        self.held += size
        try:
            yield await self._arrived(request)
        finally:
            self.held -= size

    async def _arrived(self, request: Request) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > 2 * self.largest:
                        break
                    if size > self.largest:  # thrown away, so that its sender comes to read why
                        parts.clear()
                    else:
                        parts.append(part)
        except TimeoutError:
            raise ProblemError(
                "too_slow", f"{size} bytes arrived within {self.seconds:g} s", headers=_HANG_UP
            ) from None
        except ClientDisconnect:
            raise ClientGoneError from None
        if size > self.largest:
            raise ProblemError("too_many_bytes", f"more than {self.largest} bytes", headers=_HANG_UP)
        return b"".join(parts)


_HANG_UP = {"Connection": "close"}


def _length_told(request: Request) -> int | None:
    told = request.headers.get("content-length")
    if told is None:
        return None
    if not told.isdecimal():
        raise ProblemError("invalid", f"Content-Length is {told!r}; a number of bytes is needed")
    return int(told)


async def drain(request: Request) -> None:
    """Read what is left of a refused request for a moment; not of one that waits for our leave to send it."""
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    try:
        async with asyncio.timeout(_DRAINED_FOR):
            async for _ in request.stream():
                pass
    except (TimeoutError, ClientDisconnect):
        return


def with_body(request: Request, body: bytes) -> Request:
    """The request as if its body came at once; afterwards it tells when the sender hangs up."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            return await request.receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)


async def hung_up(request: Request) -> None:
    """Return when the sender, whose request was read whole, has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
