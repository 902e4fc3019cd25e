"""``mien attendance sink`` and ``mien attendance deliver``: places outside that are kept up to date."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import typer

from mien.core.errors import InputError, SettingError, StoreBusyError
from mien.doors.cli import attendance_reconcile
from mien.doors.cli.attendance_times import now
from mien.doors.cli.command import Session, command

if TYPE_CHECKING:
    from mien.core.attendance import Target
    from mien.jobs.deliver import Report, Step
    from mien.store.outbox import TargetState

__all__ = ["Background", "register", "stuck"]

Kind = Literal["file", "webhook"]
Form = Literal["marks", "times", "people", "meetings", "entries"]
Name = Annotated[str, typer.Argument(metavar="SINK", help="Its name.")]
_FILES, _HOOKS = "Files", "Webhooks"
_LOOK = 0.2
"""Seconds between two looks at whether Ctrl-C was pressed."""


def register(attendance: typer.Typer) -> None:
    """Add the groups."""
    sinks = typer.Typer(no_args_is_help=True, help="Places outside that are kept up to date: files, webhooks, sheets.")
    attendance.add_typer(sinks, name="sink")
    command(sinks, "add")(add)
    command(sinks, "list")(list_sinks)
    command(sinks, "check")(check)
    command(sinks, "remove")(remove)
    command(attendance, "deliver")(deliver)
    attendance_reconcile.register(attendance)


# Sinks


def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="What it is called.")],
    kind: Annotated[Kind, typer.Option(help="file or webhook.")],
    which: Annotated[str | None, typer.Option("--session", help="Of one session; of all if left out.")] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            help="A .csv or .xlsx file; {session} in its name stands for the session's.", rich_help_panel=_FILES
        ),
    ] = None,
    form: Annotated[Form, typer.Option(help="Which table a .csv holds.", rich_help_panel=_FILES)] = "entries",
    url: Annotated[str | None, typer.Option(help="The https address.", rich_help_panel=_HOOKS)] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="File with the secret; made if it is not there.", rich_help_panel=_HOOKS)
    ] = None,
    secret_variable: Annotated[
        str | None, typer.Option(help="Environment variable with the secret instead.", rich_help_panel=_HOOKS)
    ] = None,
) -> None:
    """Add a file or a webhook and say what is still missing; nothing is written before ``deliver``.

    Google Sheets have a set-up of their own: mien attendance sheets add.
    """
    from mien.core.attendance import Target

    given = {
        "file": {"path": _absolute(path), "form": form},
        "webhook": {"url": url, "secret_file": _absolute(secret_file), "secret_variable": secret_variable},
    }[kind]
    course = None if which is None else session.house.gallery.attendance.session(which)
    options = {key: value for key, value in given.items() if value}
    target = Target(name, kind, None if course is None else course.id, options)
    channel = session.house.channel(target)  # refuses what cannot work before anything is kept
    if kind == "webhook" and secret_file is not None:
        _make_secret(session, secret_file.expanduser().absolute())
    added = session.house.gallery.outbox.add_target(target)
    row = {"name": added.name, "kind": kind, "session": course.name if course else "all", "where": channel.name}
    session.out.table("added", [row], columns=tuple(row))
    for finding in channel.check():
        if not finding.ok:
            session.out.note(f"not ready yet: {finding.name}: {finding.words}")


def _absolute(path: Path | None) -> str | None:
    """Where a file is, wherever mien is started the next time."""
    return None if path is None else str(path.expanduser().absolute())


def _make_secret(session: Session, path: Path) -> None:
    from mien.attendance.sinks.signing import make_secret

    if not path.exists():
        make_secret(path)
        session.out.note(f"a new secret is in {path}; give it to the receiver")


def list_sinks(session: Session) -> None:
    """Every place outside, how much stands there, and what hinders."""
    names = {course.id: course.name for course in session.house.gallery.attendance.sessions()}
    rows = [
        {
            "name": state.target.name,
            "kind": state.target.kind,
            "session": names.get(state.target.session_id or "", "all"),
            "where": session.house.channel(state.target).name,
            "items": state.items,
            "edits": state.edits,
            "waiting": state.waiting,
            "state": _state_words(state),
        }
        for state in session.house.gallery.outbox.states()
    ]
    columns = ("name", "kind", "session", "where", "items", "edits", "waiting", "state")
    session.out.table(f"{len(rows)} sinks", rows, columns=columns)


def check(session: Session, name: Name) -> None:
    """Look at everything that delivery needs, one thing after the other, and say what is missing; writes nothing."""
    target = session.house.gallery.outbox.target(name)
    findings = session.house.channel(target).check()
    rows = [{"what": f.name, "fine": f.ok, "words": f.words} for f in findings]
    session.out.table(f"{target.name}: {target.kind}", rows, columns=("what", "fine", "words"))
    session.failed += sum(not finding.ok for finding in findings)


def remove(session: Session, name: Name) -> None:
    """Deliver there no more; what stands there stays."""
    outbox = session.house.gallery.outbox
    state = outbox.remove_target(outbox.target(name).id)
    row = {"name": state.target.name, "items that stay there": state.items, "edits forgotten": state.edits}
    session.out.table("removed", [row], columns=tuple(row))
    if state.withdrawing:
        session.out.note(f"{state.withdrawing} items there are of people who were removed: take them away by hand")


# Delivering


def deliver(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[SINK]", help="One of them; all if left out.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C, one line per change.")] = False,
    every: Annotated[str, typer.Option(help="How often, with --watch: 30s, 5m.")] = "60s",
) -> None:
    """Bring every place outside up to date. What somebody changed there by hand is kept and reported."""
    from mien.jobs.deliver import deliver as run

    outbox = session.house.gallery.outbox
    post = session.house.post

    def targets() -> list[Target]:
        return outbox.targets() if name is None else [outbox.target(name)]

    if not targets():
        raise InputError("there is nowhere to deliver to; add a place with: mien attendance sink add NAME --kind file")
    if watch:
        _keep_delivering(session, lambda at_once: run(post, targets(), at_once=at_once), _seconds(every))
        return
    reports = list(_reports(session, run(post, targets(), at_once=True)))
    rows = [_report_row(report) for report in reports]
    session.out.table("delivered", rows, columns=("target", "written", "edits", "waiting", "state"))
    session.failed += sum(bool(report.problem) for report in reports)
    if any(report.edits for report in reports):
        session.out.note("what somebody changed by hand was left as it is: mien attendance edits list")


def _reports(session: Session, events: Iterable[Step | Report]) -> Iterator[Report]:
    """The reports, with a line of progress per request in between."""
    from mien.jobs.deliver import Report

    with session.out.steps() as at:
        done = 0
        for event in session.each(events):
            if isinstance(event, Report):
                yield event
            else:
                done += event.items
                at(f"{event.target}: {event.session}", done, done)


def _keep_delivering(session: Session, round_: Callable[[bool], Iterable[Step | Report]], seconds: float) -> None:
    from mien.jobs.deliver import Report

    session.out.header(_COLUMNS)
    said: dict[str, str] = {}
    for number in session.each(_rounds(session, seconds)):
        try:
            for event in round_(number == 0):
                if isinstance(event, Report):
                    _tell(session, event, said)
                if session.interrupted:
                    return
        except StoreBusyError as error:
            session.out.problem(f"{error}; the next round tries again")


def _rounds(session: Session, seconds: float) -> Iterator[int]:
    """0, 1, 2 … with a pause after each that ends at once when Ctrl-C is pressed."""
    number = 0
    while True:
        yield number
        number += 1
        until = time.monotonic() + seconds
        while not session.interrupted and time.monotonic() < until:
            time.sleep(min(_LOOK, max(0.0, until - time.monotonic())))


def _tell(session: Session, report: Report, said: dict[str, str]) -> None:
    """One line about a target if something became of it, or other than what was ``said`` of it last."""
    if _is_news(report, said):
        row = {"at": now().isoformat(timespec="seconds"), **_report_row(report)}
        session.out.line(f"{now().astimezone():%H:%M:%S}  {report.target}: {row['state']}", row, columns=_COLUMNS)


def _is_news(report: Report, said: dict[str, str]) -> bool:
    state = f"{report.problem}; {report.edits}"
    before = said.get(report.target, "; 0")
    said[report.target] = state
    return bool(report.written) or state != before


class Background:
    """Delivery beside a command that goes on for long; a context manager. What becomes of it is told by ``tell``."""

    def __init__(self, session: Session, *, wanted: bool) -> None:
        from mien.jobs.deliverer import Deliverer

        self._session = session
        self._wanted = wanted
        self._reports: SimpleQueue[Report] = SimpleQueue()  # the thread puts in, the command takes out
        self._said: dict[str, str] = {}
        self._deliverer = Deliverer(session.house.post, tell=self._reports.put)

    def wake(self) -> None:
        """There is something new to deliver."""
        self._deliverer.wake()

    def tell(self) -> None:
        """Say what became of targets since the last time."""
        while not self._reports.empty():
            report = self._reports.get()
            if _is_news(report, self._said):
                say = self._session.out.problem if report.problem else self._session.out.note
                say(f"{report.target}: {_report_row(report)['state']}")

    def __enter__(self) -> Self:
        if self._wanted:
            self._deliverer.start()
        return self

    def __exit__(self, *_: object) -> None:
        ended = self._deliverer.stop()
        self.tell()
        if not ended:
            self._session.out.note(
                "a place outside does not answer; the next delivery goes on: mien attendance deliver"
            )


_COLUMNS = ("at", "target", "written", "edits", "waiting", "state")


def _report_row(report: Report) -> dict[str, Any]:
    state = _trouble(report.problem, report.since, report.waiting) or report.passed_over or "up to date"
    if report.written and not report.problem:
        state = f"{state}, {report.written} written"
    if report.edits:
        state = f"{state}; {report.edits} changed by hand and left"
    if report.withdrawing:
        state = f"{state}; {report.withdrawing} items of removed people still stand there"
    given = {"target": report.target, "written": report.written, "edits": report.edits, "waiting": report.waiting}
    return {**given, "state": state}


def _trouble(problem: str, since: datetime | None, waiting: int) -> str:
    """Since when and why a place is not up to date, and what waits; empty if nothing hinders."""
    if not problem:
        return ""
    begun = "" if since is None else f"since {_local(since)}: "
    return f"{begun}{problem}; {waiting} entries wait"


def stuck(session: Session) -> Iterator[tuple[str, str]]:
    """Name and trouble of each place that is not up to date, for the doctor."""
    for state in session.house.gallery.outbox.states():
        if words := _trouble(state.error, state.since, state.waiting):
            yield state.target.name, words


def _state_words(state: TargetState) -> str:
    words = _trouble(state.error, state.since, state.waiting)
    if words and state.next_attempt is not None:
        return f"{words}; next attempt {_local(state.next_attempt)}"
    if words:
        return words
    return "never delivered" if state.delivered is None else f"up to date at {_local(state.delivered)}"


def _local(at: datetime) -> str:
    """The time of today, the date too for any other day, by this machine's zone."""
    here, today = at.astimezone(), now().astimezone().date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%Y-%m-%d %H:%M}"


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds < 1:
        raise SettingError(f"--every is {text!r}; give a second or more, e.g. 60s or 5m")
    return seconds
