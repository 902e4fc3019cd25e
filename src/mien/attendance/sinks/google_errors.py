"""What Google answered, in words that say what to do.

Error bodies are those of https://cloud.google.com/apis/design/errors: a code, a status, a message and details with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from mien.core.errors import DeliveryError

__all__ = ["GoogleError", "Stage", "Where", "explained"]

Stage = Literal["key file", "network", "token", "API", "found", "shared", "write", "busy"]
"""Which of the things that are set up one after another an error is about."""

_HOW_TO = "docs/how-to/google-sheets.md"


class GoogleError(DeliveryError):
    """A ``DeliveryError`` that says which thing that was set up it is about."""

    def __init__(self, stage: Stage, message: str, *, passing: bool = False, wait: float | None = None) -> None:
        super().__init__(message, passing=passing, wait=wait)
        self.stage = stage


@dataclass(frozen=True, slots=True)
class Where:
    """Where a request went.

    Args:
        address: of the service account.
        key_file: where its key lies.
        spreadsheet: its title or id; empty for none.
    """

    address: str
    key_file: str
    spreadsheet: str = ""


@contextmanager
def explained(where: Where) -> Iterator[None]:
    """Whatever gspread, google-auth and requests raise within becomes a ``GoogleError``."""
    from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
    from gspread.exceptions import APIError
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        answer = _Answer(error.response.status_code, error.error, _retry_after(error.response.headers))
        raise _of_answer(answer, where) from error
    except (TransportError, RequestException) as error:
        raise _of_network(error) from error
    except RefreshError as error:
        raise _of_token(error, where) from error
    except TypeError as error:  # google-auth, when a page of the network's own comes in place of a token
        raise GoogleError("network", _IN_ITS_PLACE, passing=True) from error
    except GoogleAuthError as error:
        raise GoogleError("token", f"the key in {where.key_file} cannot be used: {error}; {_NEW_KEY}") from error


_NEW_KEY = f"make a new one: Keys > Add key > JSON (step 9 of {_HOW_TO})"


_IN_ITS_PLACE = "something on the way to Google answered in its place (a login page of the network?); open a browser"


def _of_network(error: Exception) -> GoogleError:
    """Nothing was answered, or nothing that Google says."""
    from requests.exceptions import InvalidJSONError, RequestException, SSLError, Timeout

    cause = error if isinstance(error, RequestException) else error.args[0]  # google-auth wraps those of requests
    if isinstance(cause, InvalidJSONError):
        words = _IN_ITS_PLACE
    elif isinstance(cause, SSLError):
        words = "no secure connection to Google: check this computer's date, and whether the network inspects traffic"
    elif isinstance(cause, Timeout):
        words = "Google did not answer in time; nothing is lost, delivery goes on later"
    elif _is_unresolved(cause):
        words = "no way to Google: this computer seems to be offline; nothing is lost, delivery goes on once it is not"
    else:
        words = "the connection to Google broke off; nothing is lost, delivery goes on later"
    return GoogleError("network", words, passing=True)


def _is_unresolved(cause: BaseException) -> bool:
    """Whether no connection came about at all."""
    text = str(cause)
    return any(sign in text for sign in ("NameResolutionError", "NewConnectionError", "getaddrinfo", "Proxy"))


_CLOCK = ("iat", "exp", "reasonable timeframe")


def _of_token(error: Exception, where: Where) -> GoogleError:
    """The service account was given no token (RFC 6749, 5.2)."""
    words = str(error.args[0]) if error.args else ""
    if getattr(error, "retryable", False):
        return GoogleError("network", "Google's sign-in is out of order for the moment", passing=True)
    if any(sign in words for sign in _CLOCK):
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return GoogleError("token", f"this computer's clock says {now}, and Google says that is wrong; set the clock")
    if "account not found" in words:
        return GoogleError(
            "token",
            f"the service account {where.address} is no more; make one, and a key of it (from step 6 of {_HOW_TO})",
        )
    if "invalid_grant" in words or "Signature" in words:
        return GoogleError("token", f"the key in {where.key_file} has expired or was deleted; {_NEW_KEY}")
    return GoogleError("token", f"Google gives {where.address} no access: {words}; {_NEW_KEY}")


@dataclass(frozen=True, slots=True)
class _Answer:
    """An error response: HTTP status, its JSON body, seconds it asks to wait."""

    status: int
    body: Mapping[str, Any]
    wait: float | None

    @property
    def message(self) -> str:
        return str(self.body.get("message", "")).strip()

    @property
    def reasons(self) -> set[str]:
        details = self.body.get("details")
        found = [d.get("reason") for d in details if isinstance(d, dict)] if isinstance(details, list) else []
        return {str(reason) for reason in found if reason}


def _of_answer(answer: _Answer, where: Where) -> GoogleError:
    if answer.status >= 500:
        return GoogleError(
            "busy", f"Google is out of order for the moment ({answer.status})", passing=True, wait=answer.wait
        )
    if "protected" in answer.message:  # 400 or 403, depending on the request
        return _of_protection(where)
    return _BY_STATUS.get(answer.status, _of_anything)(answer, where)


def _of_protection(where: Where) -> GoogleError:
    return GoogleError(
        "write",
        f"{where.spreadsheet} has protected cells where attendance is written; in the sheet: Data > Protect sheets and "
        f"ranges, and allow {where.address} to edit them",
    )


def _of_400(answer: _Answer, where: Where) -> GoogleError:
    if "Unable to parse range" in answer.message:
        return GoogleError("busy", f"a tab of {where.spreadsheet} was renamed in this moment", passing=True)
    if "limit of" in answer.message and "cells" in answer.message:
        return GoogleError(
            "write",
            f"{where.spreadsheet} is full ({answer.message}); delete tabs that are not needed, or deliver to another",
        )
    if "not supported for this document" in answer.message:
        return GoogleError(
            "found",
            f"{where.spreadsheet} is an Excel file kept in Drive; open it, File > Save as Google Sheets, give the new id",
        )
    return _of_anything(answer, where)


def _of_401(_: _Answer, where: Where) -> GoogleError:
    return GoogleError("token", f"Google no longer accepts the key in {where.key_file}; {_NEW_KEY}")


def _of_403(answer: _Answer, where: Where) -> GoogleError:
    if "SERVICE_DISABLED" in answer.reasons or "has not been used" in answer.message or "disabled" in answer.message:
        return GoogleError(
            "API",
            "the Google Sheets API is not enabled in the project of the service account; APIs & Services > Library > "
            f"Google Sheets API > Enable (step 5 of {_HOW_TO}), then wait a few minutes{_link(answer.message)}",
        )
    if answer.reasons & {"RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded"}:
        return _of_429(answer, where)
    return GoogleError(
        "shared",
        f"{where.spreadsheet} is not shared with {where.address}; open it, Share, add that address as Editor (step 10)",
    )


def _link(message: str) -> str:
    """The page where the API is enabled, which the answer names."""
    link = next((word.rstrip(".,") for word in message.split() if word.startswith("https://")), "")
    return f": {link}" if link else ""


def _of_404(_: _Answer, where: Where) -> GoogleError:
    return GoogleError(
        "found",
        f"there is no spreadsheet {where.spreadsheet}, or it is in the bin; give the address from the browser: "
        "https://docs.google.com/spreadsheets/d/ID/edit",
    )


def _of_429(answer: _Answer, _: Where) -> GoogleError:
    return GoogleError(
        "busy",
        "Google wants fewer requests a minute; nothing is lost, delivery goes on later",
        passing=True,
        wait=answer.wait,
    )


def _of_anything(answer: _Answer, where: Where) -> GoogleError:
    place = f" for {where.spreadsheet}" if where.spreadsheet else ""
    words = answer.message or "no words"
    return GoogleError("write", f"Google refuses the request{place} ({answer.status}): {words[:300]}")


_BY_STATUS: dict[int, Callable[[_Answer, Where], GoogleError]] = {
    400: _of_400,
    401: _of_401,
    403: _of_403,
    404: _of_404,
    408: _of_429,
    429: _of_429,
}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; the header has them, or a date (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at.tzinfo else None
