"""The service put together: routers, what surrounds every request, errors as problems."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.core.errors import MienError
from mien.doors.service.attendance import attendance
from mien.doors.service.health import health
from mien.doors.service.live import live
from mien.doors.service.people import people
from mien.doors.service.pictures import pictures
from mien.doors.service.problems import ProblemError, problem_of, respond
from mien.doors.service.routes import invalid
from mien.doors.service.state import Service
from mien.doors.service.templates import templates
from mien.doors.service.work import ClientGoneError
from mien.wiring.settings import Settings, load_settings

__all__ = ["create_app"]

_log = logging.getLogger("mien.service")

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]

_DESCRIPTION = """Knows the faces in your pictures. Errors are problem+json (RFC 9457) with a stable `code` and a `remedy`.
Whatever writes takes an `Idempotency-Key`: the same request sent again is answered and not carried out again."""

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_many_bytes"}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service as an ASGI application; it opens the gallery and loads networks when it starts, and closes them.

    Args:
        settings: those of the command line; from environment and files if None.
    """
    settings = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = Service(settings)
        app.state.service = service
        await run_in_threadpool(service.warm)
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="mien",
        version=version("mien"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for part in (pictures, people, templates, attendance, live, health):
        app.include_router(part)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(MienError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientGoneError, _gone)
    origins = [origin.strip() for origin in settings.serve_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(Surroundings)
    return app


class Surroundings:
    """Around every request: security headers, the numbers, and an answer to what nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        try:
            await self.app(scope, receive, with_headers)
        except Exception:  # noqa: BLE001 - what nobody foresaw: logged, and answered without telling anything
            _log.exception("%s %s", scope["method"], _pattern(scope))
            if not status:
                await respond(ProblemError("bug", "see the service's log"))(scope, receive, with_headers)
        service: Service = scope["app"].state.service
        service.metrics.answered(scope["method"], _pattern(scope), status, time.perf_counter() - begun)


def _pattern(scope: Scope) -> str:
    """The route's pattern, which has no ids in it; ``unknown`` where there is no route."""
    return str(getattr(scope.get("route"), "path", "unknown"))


async def _problem(request: Request, error: Exception) -> Response:
    del request
    return respond(error if isinstance(error, ProblemError) else ProblemError("bug"))


async def _known(request: Request, error: Exception) -> Response:
    del request
    return respond(problem_of(error) if isinstance(error, MienError) else ProblemError("bug"))


async def _invalid(request: Request, error: Exception) -> Response:
    del request
    return respond(invalid(error) if isinstance(error, RequestValidationError) else ProblemError("bug"))


async def _http(request: Request, error: Exception) -> Response:
    """What the framework itself refuses."""
    del request
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    return respond(ProblemError(_CODES.get(status, "invalid"), detail, headers=headers))


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads it: the sender has hung up (499 is what nginx calls that)."""
    del request, error
    return Response(status_code=499)
