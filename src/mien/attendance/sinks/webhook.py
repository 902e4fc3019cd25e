"""A register told to a web address: what changed, signed, at least once and with an id.

A receiver cannot be read back. A request whose answer was lost is sent again with the same id, by which it is dropped;
each entry has a version that grows, by which the newer one is known.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from mien.attendance.reconcile import about
from mien.attendance.sinks.signing import read_secret, sign
from mien.attendance.tables import table
from mien.core.attendance import Delivered, Finding, Register
from mien.core.errors import DeliveryError, SettingError
from mien.core.protocols import Clock

__all__ = ["WebhookChannel", "WebhookOptions"]

_OK, _REDIRECT, _BAD, _BROKEN = 200, 300, 400, 500
_BUSY = frozenset({408, 425, 429})
"""Client errors that pass: request timeout, too early, too many requests."""
_REFUSED = frozenset({401, 403})
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_ANSWER = 300
"""Bytes of an answer that are read, to quote them."""


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Where to and how.

    Args:
        url: https, or http on this machine.
        secret_file: file with the secret; empty if a variable holds it.
        secret_variable: environment variable with the secret.
        batch: entries to a request at most.
        timeout: seconds to wait for an answer.
    """

    url: str
    secret_file: str = ""
    secret_variable: str = ""
    batch: int = 100
    timeout: float = 15.0

    def __post_init__(self) -> None:
        address = urlsplit(self.url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise SettingError(f"{self.url!r} is no web address; give one such as https://example.org/attendance")
        if address.scheme == "http" and address.hostname not in _HERE:
            raise SettingError(f"{self.url} would send attendance in the open; give an https address")
        if address.username or address.password:
            raise SettingError(
                "the address holds a name or password, which would be kept in the database; leave it out"
            )
        if not self.secret_file and not self.secret_variable:
            raise SettingError("a webhook is signed: name the file or the environment variable with its secret")


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """Implements ``core.protocols.Channel``.

    Keys are the ids of entries, values ``VERSION:DIGEST`` of what was told last.

    Args:
        options: where to and how.
        clock: gives the time stamp.
    """

    options: WebhookOptions
    clock: Clock

    @property
    def name(self) -> str:
        """The address without what may be secret in it."""
        address = urlsplit(self.options.url)
        return f"{address.scheme}://{address.netloc}{address.path}"

    def deliver(
        self, register: Register, put: Mapping[str, str], withdrawn: Collection[str] = ()
    ) -> Iterator[Delivered]:
        """One request per batch of what changed since ``put``; what is in the register no more is told as removed."""
        news = [*_changed(register, put), *_removed(register, put, withdrawn)]
        left = iter(news)
        while batch := list(islice(left, self.options.batch)):
            self._post(register, batch)
            yield Delivered({item.key: item.value for item in batch})

    def check(self) -> list[Finding]:
        """The secret, and whether the address can be reached; sends nothing."""
        findings: list[Finding] = []
        for name, look in (("secret", self._secret), ("connection", self._connect)):
            try:
                look()
            except DeliveryError as error:
                return [*findings, Finding(name, ok=False, words=str(error))]
            findings.append(Finding(name, ok=True, words=""))
        return findings

    def _secret(self) -> bytes:
        return read_secret(self.options.secret_file, self.options.secret_variable)

    def _connect(self) -> None:
        address = urlsplit(self.options.url)
        port = address.port or (443 if address.scheme == "https" else 80)
        try:
            with socket.create_connection((address.hostname or "", port), timeout=self.options.timeout) as plain:
                if address.scheme == "https":
                    ssl.create_default_context().wrap_socket(plain, server_hostname=address.hostname).close()
        except OSError as error:
            raise self._unreachable(error) from error

    def _post(self, register: Register, batch: Sequence[_Item]) -> None:
        course = register.session
        content = {
            "session": {"id": course.id, "name": course.name, "zone": course.zone},
            "entries": [item.content for item in batch],
        }
        body = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        delivery, timestamp = hashlib.sha256(body).hexdigest()[:32], int(self.clock.now().timestamp())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "mien",
            "webhook-id": delivery,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._secret(), delivery, timestamp, body),
        }
        request = urllib.request.Request(self.options.url, body, headers)  # noqa: S310 - http(s) only, by WebhookOptions
        try:
            with _OPENER.open(request, timeout=self.options.timeout) as answer:
                answer.read(_ANSWER)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _refusal(self, error: urllib.error.HTTPError) -> DeliveryError:
        """An answer that is no success, in words that say what to do."""
        said = f"{self.name} answered {error.code} {error.reason}"
        if error.code < _BAD:
            elsewhere = error.headers.get("Location", "nowhere")
            return DeliveryError(f"{said} and leads to {elsewhere}; give that address if it is meant", passing=False)
        if error.code in _BUSY or error.code >= _BROKEN:
            return DeliveryError(f"{said}; tried again later", passing=True, wait=self._wait(error))
        if error.code in _REFUSED:
            return DeliveryError(f"{said}; compare the secret on both sides, and both clocks", passing=False)
        return DeliveryError(f"{said}{_quoted(error)}; look at the receiver", passing=False)

    def _wait(self, error: urllib.error.HTTPError) -> float | None:
        """Seconds of Retry-After, which gives seconds or a date (RFC 9110, 10.2.3)."""
        text = error.headers.get("Retry-After", "").strip()
        if text.isdigit():
            return float(text)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        aware = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (aware - self.clock.now()).total_seconds())

    def _unreachable(self, error: Exception) -> DeliveryError:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            words = f"the certificate of {self.name} is not to be trusted ({cause.verify_message}); renew it"
            return DeliveryError(words, passing=False)
        if isinstance(cause, ssl.SSLError):
            return DeliveryError(f"{self.name} does not speak TLS as it should ({cause.reason})", passing=False)
        why = str(cause) or type(cause).__name__
        return DeliveryError(f"{self.name} cannot be reached ({why}); tried again later", passing=True)


@dataclass(frozen=True, slots=True)
class _Item:
    """What is told about one entry, and what is remembered of it."""

    key: str
    value: str
    content: dict[str, Any]


def _changed(register: Register, put: Mapping[str, str]) -> Iterator[_Item]:
    for row in table(register, "entries").rows:
        version, before = _told(put.get(row["entry"], ""))
        digest = _digest(row)
        if digest != before:
            yield _Item(row["entry"], f"{version + 1}:{digest}", {**row, "version": version + 1, "removed": False})


def _removed(register: Register, put: Mapping[str, str], withdrawn: Collection[str]) -> Iterator[_Item]:
    """Entries that are no more; of people who were removed nothing is remembered, of others that it was told."""
    here = {entry.id for entry in register.entries}
    theirs = set(about(put, withdrawn))
    for key, value in put.items():
        version, before = _told(value)
        if key in theirs or (key not in here and before != _GONE):
            content = {"entry": key, "version": version + 1, "removed": True}
            yield _Item(key, "" if key in theirs else f"{version + 1}:{_GONE}", content)


_GONE = "removed"


def _told(value: str) -> tuple[int, str]:
    """Version and digest of what was told last; 0 for nothing."""
    version, _, digest = value.partition(":")
    return (int(version), digest) if version.isdigit() else (0, "")


def _digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]


def _quoted(error: urllib.error.HTTPError) -> str:
    try:
        text = error.read(_ANSWER).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    printable = "".join(c if c.isprintable() else " " for c in text).strip()
    return f": {printable}" if printable else ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Attendance goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """None makes the redirect an HTTPError."""


_OPENER = urllib.request.build_opener(_NoRedirects)
