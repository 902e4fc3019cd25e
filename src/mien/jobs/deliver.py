"""Keep places outside up to date with the registers: one target after the other, one request after the other.

Nothing is queued: each delivery derives the register, tells the channel what was put there before, and writes down after
every request what that has settled (decision 073). So it may be killed at any moment and simply runs again.
"""

from __future__ import annotations

import os
import random
import socket
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from mien.attendance.book import Records, keep
from mien.attendance.zones import find_zone, instant
from mien.core.attendance import Entry, Register, Session, Target
from mien.core.errors import DeliveryError, MienError, NotFoundError, StoreError
from mien.core.protocols import AttendanceLog, Channel, Clock
from mien.store.outbox import Failure, Lease, LeaseLostError, SqlOutbox

__all__ = ["NOTE", "Post", "Report", "Step", "deliver", "new_holder", "pause", "whole_register"]

NOTE = "~"
"""Before the key of what a channel notes for itself: no item that stands anywhere (``attendance.reconcile``)."""
LEASE = timedelta(minutes=10)
"""Longer than any one request with its waiting; a process that died on this machine is noticed at once."""
LONGEST_PAUSE = timedelta(minutes=5)
LASTING_PAUSE = timedelta(minutes=15)
"""Nothing but somebody's doing helps, and whoever does something may deliver by hand."""
LONGEST_WAIT = timedelta(hours=1)
"""However long a place asks to be left alone."""
_OURS = (StoreError, NotFoundError, LeaseLostError)
"""No fault of the place: our own database, something removed meanwhile, somebody else at work."""
_DAY = timedelta(days=1)
_MIDNIGHT = datetime.min.time()


def new_holder() -> str:
    """A name for this process that no other has, by which another one on this machine can tell whether it lives."""
    return f"{_machine()}/{os.getpid()}/{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class Post:
    """What a delivery needs.

    Args:
        log: what was seen and said.
        outbox: where to, and what stands there.
        channel: opens a target's channel; may raise any error of the tree.
        clock: the time.
        chance: a number from 0 to 1 for the jitter.
        holder: who delivers, from ``new_holder``.
    """

    log: AttendanceLog
    outbox: SqlOutbox
    channel: Callable[[Target], Channel]
    clock: Clock
    chance: Callable[[], float] = random.random
    holder: str = field(default_factory=new_holder)


@dataclass(frozen=True, slots=True)
class Step:
    """One request is settled and written down.

    Args:
        target: name of the target.
        session: name of the session.
        items: how many items about people it put there, changed or took away.
    """

    target: str
    session: str
    items: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one target.

    Args:
        target: its name.
        kind: which kind of sink.
        written: items about people put there, changed or taken away this time.
        edits: items that somebody changed by hand, still open.
        waiting: entries that were not delivered; 0 if all were.
        withdrawing: items of removed people that still stand there.
        problem: why it is not up to date; empty if it is.
        passing: whether waiting helps.
        since: since when it fails; None if it does not.
        next_attempt: when it is tried again by itself; None for as usual.
        passed_over: why nothing was tried this time; empty if it was.
    """

    target: str
    kind: str
    written: int = 0
    edits: int = 0
    waiting: int = 0
    withdrawing: int = 0
    problem: str = ""
    passing: bool = True
    since: datetime | None = None
    next_attempt: datetime | None = None
    passed_over: str = ""


def deliver(post: Post, targets: Iterable[Target], *, at_once: bool = False) -> Iterator[Step | Report]:
    """Bring each target up to date that is due; a step after every request, a report after every target.

    Args:
        post: what it needs.
        targets: which, in order; one that fails does not hinder the others.
        at_once: those too that wait after a failure.

    Raises:
        StoreError: our own database fails; what was settled before is written down.
    """
    for target in targets:
        try:
            yield from _deliver_if_due(post, target, at_once=at_once)
        except (NotFoundError, LeaseLostError) as error:  # nothing to write down
            yield Report(target.name, target.kind, passed_over=str(error))


def whole_register(log: AttendanceLog, session: Session, began: datetime, now: datetime) -> Register:
    """The register of a session from its first date, or from the first thing written down about it, until now."""
    since = began - _DAY if session.first is None else instant(session.first, _MIDNIGHT, find_zone(session.zone))
    records = Records(
        session=session,
        roster=tuple(log.roster(session.id)),
        openings=tuple(log.openings(session.id)),
        sightings=tuple(log.sightings(since - _DAY, now + _DAY)),
        answers=tuple(log.answers()),
        corrections=tuple(log.corrections(session.id)),
    )
    return keep(records, min(since, now), now, now=now)


def pause(error: DeliveryError, attempts: int, chance: float) -> timedelta:
    """How long to leave a place alone after a failure: as long as it asks, else twice as long as before, with jitter.

    Args:
        error: what it said.
        attempts: failed ones in a row before this one.
        chance: 0 to 1; the pause is shortened by up to half, so that many do not come back together.
    """
    if not error.passing:
        return LASTING_PAUSE
    if error.wait is not None:
        return min(LONGEST_WAIT, timedelta(seconds=error.wait * (1 + chance / 10)))
    doubled = min(LONGEST_PAUSE.total_seconds(), 2.0 ** min(attempts + 1, 30))
    return timedelta(seconds=doubled * (1 - chance / 2))


@dataclass(slots=True)
class _Run:
    """One delivery to one target."""

    post: Post
    target: Target
    lease: Lease
    written: int = 0
    waiting: int = 0
    keys: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    errors: list[MienError] = field(default_factory=list)
    _channel: Channel | None = None

    @property
    def channel(self) -> Channel:
        """Of the target, for all of its sessions."""
        if self._channel is None:
            self._channel = self.post.channel(self.target)
        return self._channel

    def sessions(self) -> list[Session]:
        """Those whose registers go there."""
        which = self.target.session_id
        return [session for session in self.post.log.sessions() if which in {None, session.id}]


def _deliver_if_due(post: Post, target: Target, *, at_once: bool) -> Iterator[Step | Report]:
    state = post.outbox.state(target.id)
    if not at_once and _waits(state.next_attempt, post.clock.now()):
        yield _report(post, target, passed_over="waits after a failure")
        return
    lease = Lease(target.id, post.holder, LEASE)
    dead = state.holder if _died(state.holder) else ""
    if not post.outbox.take(lease, instead_of=dead):
        yield _report(post, target, passed_over="another process is delivering there")
        return
    try:
        yield from _deliver(_Run(post, target, lease))
    finally:
        post.outbox.give_back(lease)


def _waits(until: datetime | None, now: datetime) -> bool:
    """Whether a place is left alone still; a moment further away than any pause is of a clock that was put back since."""
    return until is not None and now < until <= now + LONGEST_WAIT


def _deliver(run: _Run) -> Iterator[Step | Report]:
    """All sessions of one target; a fault of one does not hinder the next unless the place is out of reach."""
    outbox = run.post.outbox
    for session in run.sessions():
        try:
            register = whole_register(run.post.log, session, outbox.began(session.id), run.post.clock.now())
            yield from _deliver_or_count(run, register)
        except _OURS:
            raise
        except MienError as error:  # a zone this machine does not know
            run.errors.append(error)
    _write_down(run)
    if run.withdrawn and not outbox.state(run.target.id).withdrawing:
        outbox.wipe()
    yield _report(run.post, run.target, written=run.written)


def _deliver_or_count(run: _Run, register: Register) -> Iterator[Step]:
    """Deliver one register; if that cannot be, remember why and count what waits."""
    try:
        if not _is_hopeless(run.errors):
            yield from _deliver_register(run, register)
            return
    except _OURS:
        raise
    except MienError as error:
        run.errors.append(error)
    run.waiting += _waiting(register, run.keys, run.post.outbox.state(run.target.id).delivered)


def _deliver_register(run: _Run, register: Register) -> Iterator[Step]:
    outbox, session = run.post.outbox, register.session
    put, withdrawn = outbox.put(run.target.id, session.id), outbox.withdrawn(run.target.id, session.id)
    run.withdrawn |= withdrawn
    placed = {place.person.id for place in run.post.log.roster(session.id)}
    ids = (
        placed | {person.id for person in register.people} | withdrawn
    )  # who was removed a moment ago is still told of
    edited: set[str] = set()
    for delivered in run.channel.deliver(register, dict(put), withdrawn):
        outbox.settle(run.lease, session.id, delivered, ids)
        changed = {k for k, value in delivered.put.items() if put.get(k, "") != value and _is_of(k, ids)}
        put |= delivered.put
        edited |= {edit.key for edit in delivered.edits}
        run.written += len(changed)
        run.keys |= {key for key in delivered.put if not key.startswith(NOTE)}
        yield Step(run.target.name, session.name, len(changed))
    outbox.finish(run.lease, session.id, edited)


def _is_of(key: str, ids: Collection[str]) -> bool:
    """Whether the item is about one of these people, and not a head, a file or a note."""
    return not key.startswith(NOTE) and key.rpartition("/")[2] in ids


def _is_hopeless(errors: Iterable[MienError]) -> bool:
    """Whether the place itself is out of reach now, so that other sessions need not be tried."""
    return any(isinstance(error, DeliveryError) and error.passing for error in errors)


def _write_down(run: _Run) -> None:
    if not run.errors:
        run.post.outbox.succeed(run.lease)
        return
    error = _worst(run.errors)
    attempts = run.post.outbox.state(run.target.id).attempts
    later = run.post.clock.now() + pause(error, attempts, run.post.chance())
    run.post.outbox.fail(run.target.id, Failure(str(error), error.passing, later, run.waiting))


def _worst(errors: Iterable[MienError]) -> DeliveryError:
    """The one that somebody must do something about, if there is one; what is no delivery error lasts."""
    told = [e if isinstance(e, DeliveryError) else DeliveryError(str(e), passing=False) for e in errors]
    return min(told, key=lambda error: error.passing)


def _waiting(register: Register, keys: Collection[str], delivered: datetime | None) -> int:
    """Entries that something happened to since the target was last up to date, and that were not settled this time."""
    settled = "\n".join(keys)
    ends = {meeting.key: (meeting.opens, meeting.end) for meeting in register.meetings}

    def touched(entry: Entry) -> bool:
        changed = None if entry.correction is None else entry.correction.at
        moments = (*ends[entry.meeting], entry.last_seen, changed)
        return delivered is None or any(at is not None and at > delivered for at in moments)

    return sum(touched(entry) and entry.id not in settled for entry in register.entries)


def _report(post: Post, target: Target, *, written: int = 0, passed_over: str = "") -> Report:
    state = post.outbox.state(target.id)
    return Report(
        target=target.name,
        kind=target.kind,
        written=written,
        edits=state.edits,
        waiting=state.waiting,
        withdrawing=state.withdrawing,
        problem=state.error,
        passing=state.passing,
        since=state.since,
        next_attempt=state.next_attempt,
        passed_over=passed_over,
    )


def _machine() -> str:
    """This machine, and of a container its own table of processes."""
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        processes = ""
    return f"{socket.gethostname()}{processes}"


def _died(holder: str) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    machine, _, rest = holder.rpartition("/")[0].rpartition("/")
    if os.name != "posix" or machine != _machine() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
