"""Who may come in: keys with scopes, how often, and what a browser may be made to do."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from mien.doors.service.problems import ProblemError
from mien.store.access import SCOPES, ApiKey, Scope, SqlAccess

__all__ = ["Caller", "Gate", "Needs", "is_this_machine"]

_MANY_CALLERS = 10_000
_WRONG_KEYS = 10
"""Wrong keys in a row from one address until it has to wait; then one a second."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Args:
        name: of the key, for the audit; ``local`` without keys.
        id: of the key; empty without.
    """

    name: str
    id: str = ""


@dataclass
class Rate:
    """So many a second of each caller, a few at once.

    Args:
        each_second: how many; 0 sets no limit.
        at_once: how many may come together.
    """

    each_second: float
    at_once: float
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait(self, who: str, now: float) -> float:
        """Seconds until ``who`` may ask; 0 for now."""
        if self.each_second <= 0:
            return 0.0
        tokens, at = self._left.get(who, (self.at_once, now))
        return max(0.0, (1 - min(self.at_once, tokens + (now - at) * self.each_second)) / self.each_second)

    def take(self, who: str, now: float) -> None:
        """Count one of ``who``."""
        if len(self._left) >= _MANY_CALLERS:
            self._left.clear()
        tokens, at = self._left.get(who, (self.at_once, now))
        self._left[who] = (min(self.at_once, tokens + (now - at) * self.each_second) - 1, now)


class Gate:
    """Lets requests in or answers them with a problem.

    As long as there are no keys, programs of this machine come in without: not through a proxy, and not on behalf of a
    page in its browser, which could ask under a name that leads here (DNS rebinding) or without wanting the answer (CSRF).

    Args:
        access: the keys.
        rate: requests a second of each key; 0 for no limit.
    """

    def __init__(self, access: SqlAccess, rate: float) -> None:
        self._access = access
        self._rate = Rate(rate, max(1.0, 2 * rate))
        self._wrong = Rate(1.0, _WRONG_KEYS)

    async def admit(self, asked: HTTPConnection, scope: Scope | None) -> Caller:
        """Who asks, if they may; ``scope`` None for what everybody may.

        Raises:
            ProblemError: ``no_key``, ``wrong_key``, ``not_allowed``, ``keys_needed``, ``too_often``.
        """
        return Caller("anybody") if scope is None else await self.admit_with(asked, token_of(asked), scope)

    async def admit_with(self, asked: HTTPConnection, token: str | None, scope: Scope) -> Caller:
        """As ``admit``, with a key that came in another way than as a header."""
        address = asked.client.host if asked.client else ""
        self._slow_down(self._wrong, address, "wrong keys")
        key, keys = await run_in_threadpool(self._look_up, token)
        if not keys:
            _must_be_this_machine(asked, address)
            return Caller("local")
        if token is None:
            raise ProblemError("no_key", "this service wants a key with every request")
        if key is None:
            self._wrong.take(address, time.monotonic())
            raise ProblemError("wrong_key", "no key of this service is like this, or it has expired")
        if not key.allows(scope):
            raise ProblemError(
                "not_allowed", f"this needs the scope {scope}; {key.name} has {', '.join(key.scopes)}", scope=scope
            )
        self._slow_down(self._rate, key.id, "requests")
        self._rate.take(key.id, time.monotonic())
        return Caller(key.name, key.id)

    def _look_up(self, token: str | None) -> tuple[ApiKey | None, bool]:
        """The key that ``token`` is, and whether there are any."""
        key = None if token is None else self._access.check_key(token)
        return key, key is not None or self._access.has_keys()

    @staticmethod
    def _slow_down(rate: Rate, who: str, what: str) -> None:
        wait = rate.wait(who, time.monotonic())
        if wait > 0:
            seconds = int(wait) + 1
            raise ProblemError("too_often", f"too many {what}; wait {seconds} s", headers={"Retry-After": str(seconds)})


def token_of(asked: HTTPConnection) -> str | None:
    """The key that comes with a request: ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``."""
    kind, _, token = asked.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else asked.headers.get("x-api-key")


def is_this_machine(host: str) -> bool:
    """Whether a name or address leads to this machine and nowhere else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _must_be_this_machine(asked: HTTPConnection, address: str) -> None:
    named = urlsplit(f"//{asked.headers.get('host', '')}").hostname or ""
    origin = asked.headers.get("origin")
    of_page = origin is not None and not is_this_machine(urlsplit(origin).hostname or "")
    passed_on = any(name in asked.headers for name in ("x-forwarded-for", "forwarded", "via"))
    if passed_on or of_page or not is_this_machine(named) or not is_this_machine(address):
        raise ProblemError("keys_needed", "without keys only programs of this machine are served, and no web pages")


class Needs(HTTPBearer):
    """What a route needs of the key: read by ``routes.Route``, and told in the OpenAPI description.

    Args:
        scope: of ``store.access.SCOPES``.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            scheme_name="key",
            description=f"A key of `mien serve keys add`. Scopes: {', '.join(SCOPES)}; `admin` includes the others.",
            auto_error=False,
        )
        self.needed = scope

    async def __call__(self, request: Request) -> None:  # type: ignore[override]  # who asks is known already
        """Nothing more: the route has let them in before it read the request."""
        del request
