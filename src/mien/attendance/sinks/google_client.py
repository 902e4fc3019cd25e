"""One connection to Google Sheets: the real gspread client, our pace, our errors."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mien.attendance.sinks.google_errors import GoogleError, Where, explained
from mien.core.errors import MissingExtraError, SettingError

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from gspread.http_client import HTTPClient

__all__ = ["GOOGLE", "Google", "Pacer", "Tab", "connect", "read_key", "spreadsheet_id"]

GOOGLE = "https://sheets.googleapis.com"

_SCOPES = ("https://www.googleapis.com/auth/spreadsheets",)
_TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for an answer: a full batch takes Google several seconds."""
_TOKEN_TIMEOUT = 20.0

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_FIELDS = (
    "properties.title,sheets(properties(sheetId,title,gridProperties),developerMetadata(metadataKey,metadataValue))"
)


class Pacer:
    """Keeps below Google's 60 reads and 60 writes a minute and user (https://developers.google.com/sheets/api/limits).

    One per process and service account; may be shared by threads.

    Args:
        per_minute: requests of each kind in any 60 seconds; below the limit, as clocks and waits differ.
        clock: seconds, monotonic.
        sleep: waits so many seconds.
    """

    WINDOW = 60.0

    def __init__(
        self,
        per_minute: int = 55,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._sleep = sleep
        self._done: dict[str, deque[float]] = {"reads": deque(), "writes": deque()}
        self._lock = threading.Lock()

    def wait(self, reads: int = 0, writes: int = 0) -> None:
        """Return when so many requests may be made at once, which count from now on."""
        with self._lock:
            for kind, count in (("reads", reads), ("writes", writes)):
                self._wait(self._done[kind], count)
            for kind, count in (("reads", reads), ("writes", writes)):
                self._done[kind].extend([self._clock()] * count)

    def _wait(self, done: deque[float], count: int) -> None:
        while True:
            now = self._clock()
            while done and done[0] <= now - self.WINDOW:
                done.popleft()
            over = len(done) + count - self._per_minute
            if over <= 0 or not done:
                return
            self._sleep(done[min(over, len(done)) - 1] + self.WINDOW - now)


@dataclass(frozen=True, slots=True)
class Tab:
    """A worksheet of a spreadsheet.

    Args:
        gid: never changes, whatever the title; the ``gid`` of its address in a browser.
        title: as somebody called it.
        ours: what we noted on it when we made or took it; empty for not ours.
        columns: how many it has room for.
    """

    gid: int
    title: str
    ours: str = ""
    columns: int = 0


@dataclass(frozen=True, slots=True)
class Google:
    """Requests to one service account's spreadsheets; each raises ``GoogleError``.

    Args:
        http: gspread's client.
        refresh: gets a token.
        key: the service account's.
        where: for errors.
        pacer: waited for before each request that was not reserved.
    """

    http: HTTPClient
    refresh: Callable[[], None]
    key: Mapping[str, str]
    where: Where
    pacer: Pacer
    _titles: dict[str, str] = field(default_factory=dict)

    def sign_in(self) -> None:
        """Get a token."""
        with explained(self.where):
            self.refresh()

    def tabs(self, spreadsheet: str) -> tuple[str, list[Tab]]:
        """Title of a spreadsheet and its tabs; one read."""
        with explained(self._at(spreadsheet)):
            found = self.http.fetch_sheet_metadata(spreadsheet, {"fields": _FIELDS})
        self._titles[spreadsheet] = found["properties"]["title"]
        return self._titles[spreadsheet], [_tab(sheet) for sheet in found.get("sheets", [])]

    def values(self, spreadsheet: str, tab: Tab) -> list[list[str]]:
        """Cells of a tab as they are shown, rows of different lengths; one read."""
        quoted = "'" + tab.title.replace("'", "''") + "'"
        with explained(self._at(spreadsheet)):
            found = self.http.values_get(spreadsheet, quoted, {"valueRenderOption": "FORMATTED_VALUE"})
        return [[str(cell) for cell in row] for row in found.get("values", [])]

    def change(self, spreadsheet: str, requests: Sequence[Mapping[str, Any]]) -> None:
        """Do all of it or nothing (https://developers.google.com/sheets/api/guides/batchupdate); one write."""
        with explained(self._at(spreadsheet)):
            self.http.batch_update(spreadsheet, {"requests": list(requests)})

    def _at(self, spreadsheet: str) -> Where:
        title = self._titles.get(spreadsheet)
        return Where(self.where.address, self.where.key_file, f"{title!r}" if title else spreadsheet)


def _tab(sheet: Mapping[str, Any]) -> Tab:
    properties = sheet["properties"]
    notes = [m.get("metadataValue", "") for m in sheet.get("developerMetadata", []) if m.get("metadataKey") == "mien"]
    room = properties.get("gridProperties", {})
    return Tab(properties["sheetId"], properties["title"], notes[0] if notes else "", room.get("columnCount", 0))


@contextmanager
def connect(key_file: Path, pacer: Pacer, api: str = GOOGLE) -> Iterator[Google]:
    """A connection, closed at the end.

    Args:
        key_file: of the service account, JSON.
        pacer: of this service account.
        api: another address of the API, for trying it against a server of one's own.

    Raises:
        MissingExtraError: gspread is not installed.
        SettingError: ``api`` is neither https nor this computer.
        DeliveryError: the key file cannot be used.
    """
    key = read_key(key_file)
    where = Where(key["client_email"], str(key_file))
    with _session(key, where) as (session, refresh):
        yield Google(_http(session, _checked(api)), refresh, key, where, pacer)


def read_key(key_file: Path) -> dict[str, str]:
    """What a service account's key file holds.

    Raises:
        DeliveryError: it is missing, unreadable or no such file.
    """
    remedy = "download one: Service accounts > Keys > Add key > JSON (step 9 of docs/how-to/google-sheets.md)"
    try:
        key = json.loads(key_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GoogleError("key file", f"the key file {key_file} is not there; put it there or {remedy}") from None
    except OSError as error:
        raise GoogleError("key file", f"the key file {key_file} cannot be read ({error.strerror}); allow it") from error
    except ValueError:
        raise GoogleError("key file", f"{key_file} is no JSON; {remedy}") from None
    if not isinstance(key, dict) or key.get("type") != "service_account":
        found = f"of type {key.get('type', 'unknown')!r}" if isinstance(key, dict) else "of something else"
        raise GoogleError("key file", f"{key_file} is the key {found}, not of a service account; {remedy}")
    missing = [name for name in ("client_email", "private_key", "token_uri") if not isinstance(key.get(name), str)]
    if missing:
        raise GoogleError("key file", f"{key_file} has no {' and no '.join(missing)}; {remedy}")
    _checked(key["token_uri"])
    return key


def spreadsheet_id(text: str) -> str:
    """The id of a spreadsheet, given that or its address.

    Raises:
        SettingError: neither.
    """
    address = re.search(r"/spreadsheets/(?:u/\d+/)?d/([\w-]+)", text)
    found = address.group(1) if address else text.strip()
    if re.fullmatch(r"[\w-]{20,}", found, re.ASCII):
        return found
    if "/d/e/" in text:
        raise SettingError(f"{text} is a published copy; give the address of the sheet itself, from the browser's bar")
    raise SettingError(
        f"{text!r} is no spreadsheet; give its address, https://docs.google.com/spreadsheets/d/ID/edit, or the ID in it"
    )


def _checked(url: str) -> str:
    """The address without a slash at its end, if nobody on the way can read what is sent there."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url.rstrip("/")
    raise SettingError(f"{url!r} would send the key in the clear; give https, or http on this computer only")


@contextmanager
def _session(key: Mapping[str, str], where: Where) -> Iterator[tuple[AuthorizedSession, Callable[[], None]]]:
    """A session that signs in when it must, and how to sign in beforehand."""
    try:
        import gspread.http_client  # noqa: F401  # with the others, so that its absence is told in the same words
        from google.auth.transport.requests import AuthorizedSession, Request
        from google.oauth2.service_account import Credentials
        from requests import Session
    except ImportError:
        raise MissingExtraError("Google Sheets", "sheets") from None
    try:
        credentials = Credentials.from_service_account_info(key, scopes=_SCOPES)
    except ValueError as error:
        raise GoogleError(
            "key file", f"{where.key_file} has a damaged private key ({error}); download it again"
        ) from error
    with Session() as signing_in:
        request = partial(Request(signing_in), timeout=_TOKEN_TIMEOUT)
        with AuthorizedSession(credentials, auth_request=request) as session:
            yield session, partial(credentials.refresh, request)


def _http(session: AuthorizedSession, api: str) -> HTTPClient:
    from gspread.http_client import HTTPClient

    class Http(HTTPClient):
        """gspread's client at another address."""

        def request(self, method: str, endpoint: str, *args: Any, **kwargs: Any) -> Any:
            return super().request(method, endpoint.replace(GOOGLE, api, 1), *args, **kwargs)

    http = Http(None, session)  # as gspread says: "simply pass auth=None and session"
    http.set_timeout(_TIMEOUT)
    return http
