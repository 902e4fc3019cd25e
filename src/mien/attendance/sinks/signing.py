"""Secrets and signatures of webhooks, as https://www.standardwebhooks.com has them, so that receivers find a library."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from mien.core.errors import DeliveryError

__all__ = ["make_secret", "read_secret", "sign"]

_PREFIX = "whsec_"
_SHORTEST = 24
"""Bytes, by the standard; it asks for 24 to 64."""


def make_secret(path: Path) -> None:
    """Write a new secret into a file that only its owner may read; one that is there stays."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode() + "\n")


def read_secret(file: str, variable: str) -> bytes:
    """The key that a file or an environment variable holds as ``whsec_BASE64``.

    Raises:
        DeliveryError: neither does; says what to do.
    """
    where = file or f"${variable}"
    try:
        text = Path(file).read_text(encoding="ascii") if file else os.environ.get(variable, "")
        key = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise DeliveryError(f"no secret can be read from {where} ({error})", passing=False) from error
    if len(key) < _SHORTEST:
        raise DeliveryError(
            f"the secret in {where} has {len(key)} bytes; {_SHORTEST} are needed, written as {_PREFIX} and base64",
            passing=False,
        )
    return key


def sign(key: bytes, delivery: str, timestamp: int, body: bytes) -> str:
    """The signature header: ``v1,`` and base64 of HMAC-SHA256 over id, seconds since 1970 and body, joined by dots."""
    signed = f"{delivery}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
