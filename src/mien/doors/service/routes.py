"""What every route does before and after its own work: key, limits, unknown parameters, repeated requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from mien.core.errors import MienError
from mien.doors.service.bodies import drain, with_body
from mien.doors.service.gate import Caller, Needs
from mien.doors.service.problems import ProblemError, problem_of, respond
from mien.doors.service.schemas import Problem
from mien.store.access import Scope

if TYPE_CHECKING:
    from mien.doors.service.state import Service
    from mien.store.replies import Reply

__all__ = ["Route", "caller_of", "router", "service_of"]

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LONGEST_KEY = 200
_PASSING = frozenset({401, 403, 408, 429})
"""Answers that say nothing about the request itself: under the same key it may be tried again."""


def router(prefix: str, noun: str) -> APIRouter:
    """A router for one noun, whose routes check keys and limits."""
    return APIRouter(prefix=prefix, tags=[noun], route_class=Route, responses=_PROBLEMS)


def service_of(request: Request) -> Service:
    """What the service works with."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Who asks."""
    caller: Caller = request.state.caller
    return caller


class Route(APIRoute):
    """A route that lets nobody in without the key that its ``Needs`` wants, and reads no more than is allowed."""

    def get_route_handler(self) -> Handler:
        """The handler with everything before and after."""
        inner = super().get_route_handler()
        scope = next((d.dependency.needed for d in self.dependencies if isinstance(d.dependency, Needs)), None)
        known = {field.alias for field in self.dependant.query_params}
        writes = bool(_WITH_BODY & (self.methods or set())) and scope not in {None, "identify", "read"}
        heavy = bool(self.openapi_extra)  # takes pictures

        async def handle(request: Request) -> Response:
            service = service_of(request)
            try:
                request.state.caller = await _let_in(request, service, scope)
                _check_query(request, known)
                if request.method not in _WITH_BODY:
                    return await inner(request)
                if heavy:
                    await _room_or_drain(request, service)
                async with service.bodies.read(request) as body:
                    whole = with_body(request, body)
                    key = request.headers.get("idempotency-key")
                    if key is None or not writes:
                        return await inner(whole)
                    return await _once(whole, body, key, inner)
            except ProblemError as problem:
                return respond(problem)
            except MienError as error:
                return respond(problem_of(error))

        return handle


async def _let_in(request: Request, service: Service, scope: Scope | None) -> Caller:
    try:
        return await service.gate.admit(request, scope)
    except ProblemError:
        await drain(request)
        raise


async def _room_or_drain(request: Request, service: Service) -> None:
    """Refuse a picture for which there is no room before it is kept in memory."""
    try:
        service.work.must_have_room()
    except ProblemError:
        await drain(request)
        raise


def _check_query(request: Request, known: set[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        expected = f"; known are {', '.join(sorted(known))}" if known else "; there are none here"
        raise ProblemError("invalid", f"unknown parameter {', '.join(unknown)}{expected}")


async def _once(request: Request, body: bytes, key: str, handle: Handler) -> Response:
    """Carry a request out, or answer as it was answered when it came before under this key."""
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise ProblemError("invalid", f"Idempotency-Key: 1 to {_LONGEST_KEY} printable characters are needed")
    replies, caller = service_of(request).access.replies, caller_of(request).id or "local"
    asked = f"{request.method} {request.url.path}?{request.url.query}\n{request.headers.get('content-type')}\n"
    digest = hashlib.sha256(asked.encode() + body).hexdigest()
    before = await run_in_threadpool(replies.begin, caller, key, digest)
    if before is not None:
        return _replay(before, digest)
    try:
        response = await _answered(request, handle)
    except BaseException:
        await run_in_threadpool(replies.abandon, caller, key)
        raise
    if response.status_code >= 500 or response.status_code in _PASSING:
        await run_in_threadpool(replies.abandon, caller, key)
    else:
        # what a removal answers names who is no more: that is not kept
        content = None if request.method == "DELETE" else bytes(response.body).decode()
        await run_in_threadpool(replies.finish, caller, key, response.status_code, content)
    return response


async def _answered(request: Request, handle: Handler) -> Response:
    """The answer, also where it is a problem: a refusal is repeated like anything else."""
    try:
        return await handle(request)
    except ProblemError as problem:
        return respond(problem)
    except MienError as error:
        return respond(problem_of(error))
    except RequestValidationError as error:
        return respond(invalid(error))


def invalid(error: RequestValidationError) -> ProblemError:
    """What is wrong with a request, field by field."""
    errors = [{"where": ".".join(map(str, e["loc"])), "what": e["msg"]} for e in error.errors()]
    detail = "; ".join(f"{e['where']}: {e['what']}" for e in errors[:3])
    return ProblemError("invalid", detail, errors=errors)


def _replay(before: Reply, digest: str) -> Response:
    if before.request != digest:
        raise ProblemError("key_reused", "this Idempotency-Key came with another request before")
    if before.status is None:
        raise ProblemError("under_way", "the request with this Idempotency-Key is being carried out")
    if before.content is None:
        raise ProblemError("reply_forgotten", f"it was answered {before.status}", answered=before.status)
    kind = "application/json" if before.status < 400 else "application/problem+json"
    return Response(before.content, before.status, {"Idempotency-Replayed": "true"}, media_type=kind)


_PROBLEM = {"model": Problem, "content": {"application/problem+json": {}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {**_PROBLEM, "description": words}
    for status, words in {
        401: "No key, or a wrong one",
        403: "The key is not good for this",
        404: "Not there",
        405: "Not done this way",
        408: "Took too long to arrive",
        409: "In conflict with what is there",
        413: "Too large",
        415: "Content type not taken",
        422: "Not as it should be",
        429: "Too many requests; see Retry-After",
        503: "Busy or not ready; see Retry-After",
    }.items()
}
