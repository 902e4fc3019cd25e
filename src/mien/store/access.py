"""Who may do what: keys of programs with scopes, users with passwords and roles. Of both only an argon2 hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import Connection, Table, delete, insert, select, update

from mien.core.errors import DuplicateError, InputError, MissingExtraError, NotFoundError
from mien.core.protocols import Clock
from mien.store import ledger
from mien.store.database import Database, resilient
from mien.store.identities import new_id
from mien.store.names import clean_name, name_key
from mien.store.replies import SqlReplies
from mien.store.schema import access_keys, users

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["ROLES", "SCOPES", "SHORTEST_PASSWORD", "ApiKey", "Role", "Scope", "SqlAccess", "User"]

Scope = Literal["read", "identify", "enrol", "attendance", "admin"]
Role = Literal["viewer", "operator", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a key may be good for; ``admin`` includes all others."""

ROLES: tuple[Role, ...] = get_args(Role)
"""What a user may be, each including those before."""

SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 1024
"""Characters (NIST SP 800-63B, 5.1.1.2); the longest keeps one login from hashing megabytes."""

_PREFIX = "mien"
_ID_BYTES, _SECRET_BYTES = 6, 32
_REMEMBERED = 1000
"""Keys whose hash was verified are remembered by digest: argon2 takes longer than many a request."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key: everything but the key.

    Args:
        id: the part of the key that is no secret; twelve hex digits.
        name: what it is for, e.g. ``"door tablet"``.
        scopes: what it is good for.
        created: aware.
        expires: when it stops being good, aware; None for never.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created: datetime
    expires: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether it is good for ``scope``."""
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who logs in.

    Args:
        id: never changes.
        name: as typed at the login, in any script; capitals do not matter.
        role: what they may do.
        created: aware.
        changed: when the password was last set, aware: logins from before may be ended.
    """

    id: str
    name: str
    role: Role
    created: datetime
    changed: datetime

    def may(self, role: Role) -> bool:
        """Whether they may do what ``role`` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@resilient
class SqlAccess:
    """Keys and users; ``SqlGallery.access`` gives one. May be shared by threads.

    Every method may raise ``StoreError``, those that write ``StoreBusyError`` and ``StoreReadOnlyError`` too, and those
    that hash ``MissingExtraError``.
    """

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock
        self._verified: dict[bytes, str] = {}

    @property
    def replies(self) -> SqlReplies:
        """Replies to requests that may be sent again, in the same file."""
        return SqlReplies(self._database, clock=self._clock)

    # Keys

    def api_keys(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        with self._database.reading() as connection:
            found = connection.execute(select(access_keys).order_by(access_keys.c.created, access_keys.c.id))
            return [_key(row) for row in found]

    def has_keys(self) -> bool:
        """Whether there is any key."""
        with self._database.reading() as connection:
            return connection.execute(select(access_keys.c.id).limit(1)).first() is not None

    def add_key(self, name: str, scopes: Collection[str], expires: datetime | None = None) -> tuple[ApiKey, str]:
        """A new key, and the key itself, which is not kept and cannot be shown again.

        Raises:
            InputError: a scope nobody knows, none at all, or a name nothing may have.
            DuplicateError: another key is called so.
        """
        name, good_for = clean_name(name), _scopes(scopes)
        key = ApiKey(secrets.token_hex(_ID_BYTES), name, good_for, self._clock.now(), expires)
        secret = secrets.token_hex(_SECRET_BYTES)
        row: dict[str, Any] = {"id": key.id, "name": name, "name_key": name_key(name), "scopes": list(good_for)}
        row |= {"created": key.created, "expires": expires, "hash": _hasher().hash(secret)}
        with self._database.writing() as connection:
            _must_be_free(connection, access_keys, name)
            connection.execute(insert(access_keys).values(row))
            self._note(connection, "add key")
        return key, f"{_PREFIX}_{key.id}_{secret}"

    def remove_key(self, which: str) -> ApiKey:
        """Take a key away by its id or name: from the next request on it is good for nothing.

        Raises:
            NotFoundError: no key is called so.
        """
        with self._database.writing() as connection:
            row = _find(connection, access_keys, which)
            if row is None:
                raise NotFoundError(f"no key is called {which!r}; see: mien serve keys list")
            connection.execute(delete(access_keys).where(access_keys.c.id == row.id))
            self._note(connection, "remove key")
            return _key(row)

    def check_key(self, token: str) -> ApiKey | None:
        """The key that ``token`` is, if it is one and has not expired."""
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != _PREFIX or not token.isascii() or len(secret) != 2 * _SECRET_BYTES:
            return None
        with self._database.reading() as connection:
            row = connection.execute(select(access_keys).where(access_keys.c.id == key_id)).first()
        if row is None or (row.expires is not None and row.expires <= self._clock.now()):
            return None
        return _key(row) if self._is_secret(row.hash, secret) else None

    def _is_secret(self, known: str, secret: str) -> bool:
        """Whether the secret has this hash; what was verified once is recognised by its digest."""
        digest = hashlib.sha256(secret.encode()).digest()
        if hmac.compare_digest(self._verified.get(digest, ""), known):
            return True
        if not _matches(known, secret):
            return False
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[digest] = known
        return True

    # Users

    def users(self) -> list[User]:
        """Everybody who may log in, by name."""
        with self._database.reading() as connection:
            return [_user(row) for row in connection.execute(select(users).order_by(users.c.name_key))]

    def add_user(self, name: str, role: str, password: str) -> User:
        """Somebody who may log in from now on; the first one is an admin.

        Raises:
            InputError: a name nobody may have, a role nobody knows, a password that is too short, or no admin is there.
            DuplicateError: somebody logs in by that name.
        """
        name, now = clean_name(name), self._clock.now()
        user = User(new_id(), name, _role(role), now, now)
        row = {"id": user.id, "name": name, "name_key": name_key(name), "role": user.role, "created": now}
        row |= {"changed": now, "hash": _hasher().hash(_password(password))}
        with self._database.writing() as connection:
            _must_be_free(connection, users, name)
            connection.execute(insert(users).values(row))
            _must_have_admin(connection)
            self._note(connection, "add user")
        return user

    def set_password(self, name: str, password: str) -> User:
        """Another password for somebody.

        Raises:
            NotFoundError: nobody logs in by that name.
            InputError: it is too short.
        """
        return self._change(name, "set password", hash=_hasher().hash(_password(password)), changed=self._clock.now())

    def set_role(self, name: str, role: str) -> User:
        """Another role for somebody; the last admin stays one.

        Raises:
            NotFoundError: nobody logs in by that name.
            InputError: a role nobody knows, or nobody would be admin.
        """
        return self._change(name, "set role", role=_role(role))

    def remove_user(self, name: str) -> User:
        """Somebody may log in no more; the last admin stays while there are others.

        Raises:
            NotFoundError: nobody logs in by that name.
            InputError: others are left without an admin.
        """
        with self._database.writing() as connection:
            row = _existing_user(connection, name)
            connection.execute(delete(users).where(users.c.id == row.id))
            _must_have_admin(connection)
            self._note(connection, "remove user")
            return _user(row)

    def log_in(self, name: str, password: str) -> User | None:
        """The user with this name and password. A name that is not there takes as long as a wrong password."""
        with self._database.reading() as connection:
            row = _find(connection, users, name)
        given = unicodedata.normalize("NFKC", password)[:LONGEST_PASSWORD]
        right = _matches(_nobodys_hash() if row is None else row.hash, given)
        return _user(row) if right and row is not None else None

    def _change(self, name: str, action: str, **values: Any) -> User:
        with self._database.writing() as connection:
            row = _existing_user(connection, name)
            connection.execute(update(users).where(users.c.id == row.id).values(values))
            _must_have_admin(connection)
            self._note(connection, action)
            return _user(connection.execute(select(users).where(users.c.id == row.id)).one())

    def _note(self, connection: Connection, action: str) -> None:
        ledger.write_line(connection, ledger.Line(self._clock.now(), self._actor, action, "", {}))


@cache
def _hasher() -> PasswordHasher:
    """Argon2id with the second recommended parameters of RFC 9106, 4: 64 MiB, three passes."""
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise MissingExtraError("keys and passwords", "serve") from error
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_hex(_SECRET_BYTES))


def _matches(known: str, secret: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(known, secret)
    except (VerificationError, InvalidHashError):
        return False


def _find(connection: Connection, table: Table, which: str) -> Any:
    """The row with this id or name, or None."""
    by_name = table.c.name_key == name_key(which)
    return connection.execute(select(table).where(by_name | (table.c.id == which))).first()


def _existing_user(connection: Connection, name: str) -> Any:
    row = _find(connection, users, name)
    if row is None:
        raise NotFoundError(f"nobody logs in as {name!r}; add them first")
    return row


def _must_be_free(connection: Connection, table: Table, name: str) -> None:
    if connection.execute(select(table.c.id).where(table.c.name_key == name_key(name))).first() is not None:
        raise DuplicateError(f"{name!r} is there already; choose another name, or remove that one first")


def _must_have_admin(connection: Connection) -> None:
    """Raise if users are left and none of them is admin: nobody could mend that from the inside."""
    roles = set(connection.execute(select(users.c.role)).scalars())
    if roles and "admin" not in roles:
        raise InputError("nobody would be admin; make somebody one first")


def _key(row: Any) -> ApiKey:
    return ApiKey(row.id, row.name, tuple(row.scopes), row.created, row.expires)


def _user(row: Any) -> User:
    return User(row.id, row.name, row.role, row.created, row.changed)


def _scopes(given: Collection[str]) -> tuple[Scope, ...]:
    unknown = sorted(set(given) - set(SCOPES))
    if unknown or not given:
        raise InputError(f"scopes {', '.join(unknown) or 'none'}: expected some of {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in given)


def _role(role: str) -> Role:
    if role not in ROLES:
        raise InputError(f"role {role!r} is unknown; choose one of {', '.join(ROLES)}")
    return role


def _password(password: str) -> str:
    """The password as it is hashed: the same characters however they were composed (NIST SP 800-63B, 5.1.1.2)."""
    password = unicodedata.normalize("NFKC", password)
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InputError(f"the password has {len(password)} characters; give {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}")
    return password
