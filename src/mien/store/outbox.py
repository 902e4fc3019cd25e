"""The outbox in the gallery's database: places outside, what stands there through us, and what others changed there.

It holds state, not a queue: what should stand there is the register, derived anew each time (decision 073).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select, update

from mien.core.attendance import Correction, Delivered, Target
from mien.core.errors import DeliveryError, DuplicateError, InputError, NotFoundError
from mien.core.protocols import Clock
from mien.store import attendance_rows, ledger
from mien.store import outbox_rows as rows
from mien.store.database import Database, resilient
from mien.store.identities import new_id
from mien.store.names import clean_name, name_key
from mien.store.outbox_rows import HeldEdit, TargetState
from mien.store.schema import edits, targets

__all__ = ["Failure", "HeldEdit", "Lease", "LeaseLostError", "SqlOutbox", "TargetState"]


class LeaseLostError(DeliveryError):
    """Somebody else delivers to the target now."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to deliver to one target, alone.

    Args:
        target_id: which.
        holder: who has it.
        length: how long it lasts from its last use on.
    """

    target_id: str
    holder: str
    length: timedelta


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a target could not be brought up to date.

    Args:
        error: what it answered and what to do.
        passing: whether waiting helps.
        next_attempt: when to try again, aware.
        waiting: entries not delivered.
    """

    error: str
    passing: bool
    next_attempt: datetime
    waiting: int


@resilient
class SqlOutbox:
    """``SqlGallery.outbox`` gives one; it closes with the gallery. May be shared by threads.

    Every method may raise ``StoreError``; those that write ``StoreBusyError`` and ``StoreReadOnlyError`` too.
    """

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock

    # Targets

    def add_target(self, target: Target) -> Target:
        """A new target, with its id.

        Raises:
            DuplicateError: one is called so already.
            InputError: a name that cannot be.
            NotFoundError: no such session.
        """
        name = clean_name(target.name)
        with self._database.writing() as connection:
            if target.session_id is not None:
                attendance_rows.read_session(connection, target.session_id)
            if connection.execute(select(targets.c.id).where(targets.c.name_key == name_key(name))).first():
                raise DuplicateError(f"a sink is called {name!r} already; choose another name")
            row = rows.target_row(target, new_id(), name, self._clock.now())
            connection.execute(insert(targets).values(row))
            self._note(connection, "add sink")
            return rows.read_target(connection, row["id"])

    def targets(self) -> list[Target]:
        """Every target, in the order in which they were added."""
        with self._database.reading() as connection:
            return rows.read_targets(connection)

    def target(self, which: str) -> Target:
        """The target of this name or id.

        Raises:
            NotFoundError: naming close names.
        """
        with self._database.reading() as connection:
            return rows.read_target(connection, which)

    def state(self, target_id: str) -> TargetState:
        """How far a target is.

        Raises:
            NotFoundError: it is not there any more.
        """
        with self._database.reading() as connection:
            return rows.read_state(connection, target_id)

    def states(self) -> list[TargetState]:
        """How far every target is, in the order in which they were added."""
        with self._database.reading() as connection:
            return [rows.read_state(connection, target.id) for target in rows.read_targets(connection)]

    def remove_target(self, target_id: str) -> TargetState:
        """Deliver there no more; how far it was. What stands there stays."""
        with self._database.writing() as connection:
            state = rows.read_state(connection, target_id)
            connection.execute(delete(targets).where(targets.c.id == target_id))
            self._note(connection, "remove sink", items=state.items)
            return state

    # One delivery at a time

    def take(self, lease: Lease, *, instead_of: str = "") -> bool:
        """Take the right to deliver to a target; False if somebody else has it, or the target is gone.

        Args:
            lease: what is wanted.
            instead_of: a holder that is known to have died.
        """
        now, c = self._clock.now(), targets.c
        free = or_(c.held_until.is_(None), c.held_until <= now, c.holder.in_([lease.holder, instead_of]))
        values = {"holder": lease.holder, "held_until": now + lease.length}
        with self._database.writing() as connection:
            return bool(
                connection.execute(update(targets).where(c.id == lease.target_id, free).values(values)).rowcount
            )

    def give_back(self, lease: Lease) -> None:
        """Let others deliver there; nothing happens if the right was lost meanwhile."""
        c = targets.c
        with self._database.writing() as connection:
            mine = (c.id == lease.target_id, c.holder == lease.holder)
            connection.execute(update(targets).where(*mine).values(holder="", held_until=None))

    def _renew(self, connection: Connection, lease: Lease) -> None:
        """Go on holding it.

        Raises:
            NotFoundError: the target was removed meanwhile.
            LeaseLostError: somebody else delivers there now.
        """
        values = {"held_until": self._clock.now() + lease.length}
        mine = (targets.c.id == lease.target_id, targets.c.holder == lease.holder)
        if connection.execute(update(targets).where(*mine).values(values)).rowcount:
            return
        target = rows.read_state(connection, lease.target_id).target
        raise LeaseLostError(f"another process delivers to {target.name} now; this one leaves it alone", passing=True)

    # What stands there through us

    def put(self, target_id: str, session_id: str) -> dict[str, str]:
        """Value by key of what one session's register has there."""
        with self._database.reading() as connection:
            return rows.read_put(connection, target_id, session_id)

    def began(self, session_id: str) -> datetime:
        """When the first thing was written down about a session, or was seen of somebody on its roster."""
        with self._database.reading() as connection:
            return rows.read_beginning(connection, session_id)

    def withdrawn(self, target_id: str, session_id: str) -> set[str]:
        """Ids of people who were removed, or merged into others, and of whom something still stands there."""
        with self._database.reading() as connection:
            return rows.read_withdrawn(connection, target_id, session_id)

    def settle(self, lease: Lease, session_id: str, delivered: Delivered, ids: Collection[str]) -> int:
        """Remember what one request has settled; how many edits are new. When this returns it is on the disk.

        Args:
            lease: the right to deliver there; it is renewed.
            session_id: whose register.
            delivered: what the channel said.
            ids: of people who may be meant, those withdrawn among them.

        Raises:
            NotFoundError: the target was removed meanwhile.
            LeaseLostError: somebody else delivers there now.
        """
        place, now = (lease.target_id, session_id), self._clock.now()
        with self._database.writing() as connection:
            self._renew(connection, lease)
            if delivered.put:
                rows.write_put(connection, place, delivered.put, ids, now)
            gone = rows.nobody(connection, ids)
            found = [edit for edit in delivered.edits if rows.owner(edit.key, gone) is None]
            return sum(rows.keep_edit(connection, place, edit, ids, now) for edit in found)

    def finish(self, lease: Lease, session_id: str, edited: Collection[str]) -> int:
        """One session's register stands there, but for what was edited; how many edits were taken back by hand.

        Args:
            lease: the right to deliver there; it is renewed.
            session_id: whose register.
            edited: keys of the edits that were found this time.
        """
        with self._database.writing() as connection:
            self._renew(connection, lease)
            rows.drop_notes(connection, (lease.target_id, session_id))
            return rows.close_edits(connection, (lease.target_id, session_id), edited, self._clock.now())

    def succeed(self, lease: Lease) -> None:
        """The target is wholly up to date; what was known of people who are withdrawn is wiped from the file."""
        with self._database.writing() as connection:
            self._renew(connection, lease)
            fine = {"error": "", "passing": True, "since": None, "attempts": 0, "next_attempt": None, "waiting": 0}
            values = {**fine, "delivered": self._clock.now()}
            connection.execute(update(targets).where(targets.c.id == lease.target_id).values(values))

    def wipe(self) -> list[str]:
        """Rebuild the file so that no freed page remembers whoever was withdrawn; what hindered it."""
        return self._database.compact()

    def fail(self, target_id: str, failure: Failure) -> None:
        """The target is not up to date; nothing happens if it was removed meanwhile."""
        c = targets.c
        values = {
            "error": failure.error,
            "passing": failure.passing,
            "next_attempt": failure.next_attempt,
            "waiting": failure.waiting,
            "attempts": c.attempts + 1,
        }
        with self._database.writing() as connection:
            connection.execute(update(targets).where(c.id == target_id).values(values))
            first = (c.id == target_id, c.since.is_(None))
            connection.execute(update(targets).where(*first).values(since=self._clock.now()))

    # What others changed there

    def edits(self, *, target_id: str | None = None, settled: bool = False) -> list[HeldEdit]:
        """What was changed by hand, oldest first; only what is still open unless ``settled``."""
        where = [] if settled else [edits.c.state == "open"]
        if target_id is not None:
            where.append(edits.c.target_id == target_id)
        with self._database.reading() as connection:
            return rows.read_edits(connection, *where)

    def edit(self, which: str) -> HeldEdit:
        """The open edit whose id begins so.

        Raises:
            NotFoundError: none, or several.
        """
        with self._database.reading() as connection:
            return self._open_edit(connection, which)

    def adopt(self, which: str, correction: Correction, *, found: str) -> HeldEdit:
        """Let an edit count: the correction goes into the book, and what was found there is ours to write over.

        Args:
            which: how the edit's id begins.
            correction: what ``found`` means.
            found: what stood there when that was decided.

        Raises:
            InputError: something else was typed there since.
            NotFoundError: no open edit has this id; no such session or person.
        """
        with self._database.writing() as connection:
            held = self._open_edit(connection, which)
            if held.edit.found != found:
                raise InputError(
                    f"{held.edit.where} was changed again, to {held.edit.found!r}; look at it and adopt that"
                )
            attendance_rows.add_correction(connection, correction)
            self._settle_edit(connection, held, "adopted")
            self._note(connection, "adopt edit", correction.person_id)
            return self._read_edit(connection, held.id)

    def restore(self, which: str) -> HeldEdit:
        """Let an edit not count: the next delivery writes over what was found.

        Raises:
            NotFoundError: no open edit has this id.
        """
        with self._database.writing() as connection:
            held = self._open_edit(connection, which)
            self._settle_edit(connection, held, "restored")
            self._note(connection, "restore edit", rows.person_of_edit(connection, held.id))
            return self._read_edit(connection, held.id)

    def _open_edit(self, connection: Connection, which: str) -> HeldEdit:
        found = rows.read_edits(connection, edits.c.state == "open", edits.c.id.startswith(which, autoescape=True))
        if not which or len(found) != 1:
            many = f"{len(found)} edits have" if found else "no open edit has"
            raise NotFoundError(f"{many} an id that begins with {which!r}; see: mien attendance edits list")
        return found[0]

    def _read_edit(self, connection: Connection, edit_id: str) -> HeldEdit:
        return rows.read_edits(connection, edits.c.id == edit_id)[0]

    def _settle_edit(self, connection: Connection, held: HeldEdit, state: str) -> None:
        """Close an edit and take what was found for what we had put: the next delivery compares with that."""
        now = self._clock.now()
        values = {"state": state, "settled": now, "actor": self._actor}
        connection.execute(update(edits).where(edits.c.id == held.id).values(values))
        rows.rebase(connection, held, now)
        due = {"next_attempt": None}
        connection.execute(update(targets).where(targets.c.id == held.target_id).values(due))

    def _note(self, connection: Connection, action: str, person_id: str = "", **counts: int) -> None:
        ledger.write_line(connection, ledger.Line(self._clock.now(), self._actor, action, person_id, counts))
