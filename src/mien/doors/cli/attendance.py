"""``mien attendance``: who was there, from what cameras and photographs saw and from what people say."""

from __future__ import annotations

import hashlib
from dataclasses import replace as changed
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli import (
    attendance_edit,
    attendance_enrol,
    attendance_evidence,
    attendance_sessions,
    attendance_sheets,
    attendance_sinks,
    attendance_watch,
)
from mien.doors.cli.attendance_book import Book, span
from mien.doors.cli.attendance_sessions import Which
from mien.doors.cli.attendance_times import read_moment
from mien.doors.cli.command import DETECTING, EVIDENCE, NAMING, Session, command
from mien.doors.cli.detect import Paths
from mien.doors.cli.pictures import find, readable, shown

if TYPE_CHECKING:
    from mien.core.attendance import Question, Register, Sighting
    from mien.core.protocols import Sink

__all__ = ["register"]

Since = Annotated[str | None, typer.Option(help="The first date; 30 days ago if left out.")]
Until = Annotated[str | None, typer.Option(help="The last date; today if left out.")]
On = Annotated[str | None, typer.Option("--on", help="Which meeting: its date; the last one if left out.")]
Form = Literal["marks", "times", "people", "meetings", "entries"]
_FORM = typer.Option("--form", help="Check marks, time stamps, totals per person or per meeting, or every line.")
Shape = Annotated[Form, _FORM]
Mark = Literal["present", "late", "left", "absent", "excused"]
Target = Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .xlsx file.")]
_MARKED = ("name", "meeting", "was", "is", "reason")
_CLOCK = timedelta(minutes=1)
"""Smaller steps of a clock move no mark; and that somebody was last seen is written when it is clear that they left."""
Replace = Annotated[bool, typer.Option("--replace", help="Replace a file that is there.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Who was there: sessions, rosters, registers, corrections.")
    app.add_typer(group, name="attendance", rich_help_panel="People")
    attendance_edit.register(attendance_sessions.register(group))
    attendance_enrol.register(group)
    attendance_watch.register(group)
    attendance_sinks.register(group)
    attendance_sheets.register(group)
    attendance_evidence.register(group)
    command(group, "see", DETECTING, NAMING, EVIDENCE)(see)
    for function in (mark, correct, report, export, sightings, questions, answer):
        command(group, function.__name__)(function)


def see(
    session: Session,
    paths: Paths,
    camera: Annotated[str, typer.Option(help="Where it was taken; sessions may count one camera only.")] = "photo",
    at: Annotated[str | None, typer.Option("--at", help="When it was taken; now if left out.")] = None,
) -> None:
    """Take attendance from photographs: everybody on them is written down as seen."""
    from mien.core.attendance import Sighting

    moment = read_moment(at, "--at")
    log, recognizer = session.house.gallery.attendance, session.house.recognizer
    if session.house.settings.evidence:
        attendance_evidence.purge_old(session)
    rows = []
    for path, picture in readable(session, find(session, paths), "looking for people", chip=160):
        faces = recognizer.identify(picture)
        matches = faces.matches or ()
        seen = [Sighting.of(match, moment, camera) for match in matches]
        seen = [changed(s, id=_id_of(s, picture.sha256, i)) for i, s in enumerate(seen)]
        crops = attendance_evidence.crops_of(picture, faces, seen) if session.house.settings.evidence else None
        new = log.append(seen, crops=crops)
        named = ", ".join(m.name for m in matches if m.name)
        rows.append({"picture": shown(path), "faces": len(seen), "new": new, "people": named})
    session.out.table(
        f"seen at {moment.astimezone():%Y-%m-%d %H:%M %Z}", rows, columns=("picture", "faces", "new", "people")
    )


def mark(
    session: Session,
    which: Which,
    who: Annotated[list[str], typer.Argument(metavar="WHO...", help="Names or ids.")],
    status: Annotated[Mark, typer.Option("--as", help="The mark.")] = "present",
    on: On = None,
    at: Annotated[str | None, typer.Option("--at", help="When they came, e.g. 08:05.")] = None,
    reason: Annotated[str, typer.Option(help="Why by hand.")] = "marked by hand",
) -> None:
    """Mark people who have no mark yet; a mark that is there is changed with ``correct``."""
    with Book.to_write(session, which) as book:
        meeting, entries = book.entries(on, ahead=status == "excused")
        lines = list(dict(book.line(entries, name) for name in who).items())  # named twice is once
        for person, line in lines:
            if line.attended or line.correction is not None:
                raise InputError(
                    f"{person.name} is {line.status} on {meeting.key} already; "
                    f"change it with: mien attendance correct {book.course.name!r} {person.name!r} {status} --reason WHY"
                )
        rows = book.write(meeting, lines, (status, at, reason))
    session.out.table(book.course.name, rows, columns=_MARKED)


def correct(
    session: Session,
    which: Which,
    who: Annotated[str, typer.Argument(metavar="WHO", help="A name or an id.")],
    status: Annotated[Mark, typer.Argument(help="What is right.")],
    reason: Annotated[str, typer.Option(help="Why; kept beside the old value.")],
    on: On = None,
    at: Annotated[str | None, typer.Option("--at", help="When they came, e.g. 08:05.")] = None,
) -> None:
    """Change a mark; the old one is kept with who changed it, when and why."""
    with Book.to_write(session, which) as book:
        meeting, entries = book.entries(on, ahead=status == "excused")
        rows = book.write(meeting, [book.line(entries, who)], (status, at, reason))
    session.out.table(book.course.name, rows, columns=_MARKED)


def report(
    session: Session,
    which: Annotated[
        list[str] | None, typer.Argument(metavar="SESSION...", help="Names or ids; totals over all of them if several.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All sessions there are.")] = False,
    form: Annotated[Form | None, _FORM] = None,
    since: Since = None,
    until: Until = None,
    excel: Annotated[Path | None, typer.Option(metavar="FILE.xlsx", help="Write a workbook of all tables too.")] = None,
    replace: Replace = False,
) -> None:
    """The register of one session: check marks, time stamps, totals; or the totals of several."""
    if bool(which) == everything:
        raise SettingError("name a session, several, or --all")
    names = which or [course.id for course in session.house.gallery.attendance.sessions()]
    if len(names) != 1:
        _report_totals(session, names, (since, until), [form, excel])
        return
    from mien.attendance.tables import table, to_dict

    form = form or "marks"
    kept = Book(session, names[0]).register(since, until)
    if excel is not None:
        _sink(excel, form, replace=replace).write(kept)
        session.out.note(f"wrote {shown(excel)}")
    shape = table(kept, form)
    session.out.table(shape.title, shape.rows, columns=shape.columns, data=to_dict(kept))
    if shape.note and session.out.format == "table":
        session.out.note(shape.note)
    _remark(session, [kept], span(since, until, kept.session))


def _report_totals(
    session: Session, names: list[str], dates: tuple[str | None, str | None], of_one: list[object]
) -> None:
    """Totals per person over several sessions; ``of_one`` are options that only one session's report has."""
    from mien.attendance.tables import to_dict, totals

    if any(option is not None for option in of_one):
        raise SettingError("--form and --excel are of one session; name one, or leave them out for the totals")
    books = [Book(session, name) for name in dict.fromkeys(names)]
    books = list({book.course.id: book for book in books}.values())
    kept = [book.register(*dates) for book in books]
    shape = totals(kept)
    data = {"totals": list(shape.rows), "registers": [to_dict(register) for register in kept]}
    session.out.table(shape.title, shape.rows, columns=shape.columns, data=data)
    if shape.note and session.out.format == "table":
        session.out.note(shape.note)
    _remark(session, kept, span(*dates, None))


def export(
    session: Session,
    which: Which,
    path: Target,
    form: Shape = "entries",
    since: Since = None,
    until: Until = None,
    replace: Replace = False,
) -> None:
    """Write the register of one session to a CSV file (one table) or an Excel workbook (all of them)."""
    kept = Book(session, which).register(since, until)
    _sink(path, form, replace=replace).write(kept)
    row = {"file": shown(path), "meetings": len(kept.meetings), "people": len(kept.people), "lines": len(kept.entries)}
    session.out.table("exported", [row], columns=tuple(row))
    _remark(session, [kept], span(since, until, kept.session))


def sightings(
    session: Session,
    since: Since = None,
    until: Until = None,
    unassigned: Annotated[bool, typer.Option("--unassigned", help="Only those that mark nobody.")] = False,
) -> None:
    """What cameras and photographs saw, and why some of it marks nobody."""
    from mien.jobs.registers import left_over

    log = session.house.gallery.attendance
    first, last = span(since, until, None)
    why = {u.sighting.id: u.why for u in left_over(log, first, last)}
    names = {person.id: person.name for person in session.house.gallery.people()}
    rows = [
        {
            "id": s.id,
            "at": s.at.astimezone().isoformat(timespec="seconds"),
            "camera": s.camera,
            "decision": s.decision,
            "who": " or ".join(names.get(i, i) for i in ([s.person_id] if s.person_id else s.candidates)),
            "similarity": s.similarity,
            "margin": s.margin,
            "why": why.get(s.id, ""),
        }
        for s in log.sightings(first, last)
        if not unassigned or s.id in why
    ]
    columns = ("at", "camera", "decision", "who", "similarity", "margin", "why", "id")
    session.out.table(f"{len(rows)} sightings", rows, columns=columns)
    _tell_clock_steps(session, first, last)


def questions(session: Session, since: Since = None, until: Until = None) -> None:
    """Faces that may be either of two people: nobody is marked until somebody says who it was."""
    names = {person.id: person.name for person in session.house.gallery.people()}
    rows = [
        {
            "question": question.id,
            "session": course,
            "meeting": question.meeting,
            "who": " or ".join(sorted(names.get(i, i) for i in question.candidates)),
            "sightings": len(question.sightings),
            "camera": question.sightings[0].camera,
        }
        for course, question in _open(session, since, until)
    ]
    columns = ("question", "session", "meeting", "who", "sightings", "camera")
    session.out.table(f"{len(rows)} questions", rows, columns=columns)


def answer(
    session: Session,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Its id, from: mien attendance questions.")],
    who: Annotated[str | None, typer.Argument(metavar="WHO", help="Who it was.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="It was none of them.")] = False,
    since: Since = None,
    until: Until = None,
) -> None:
    """Say who an ambiguous face was; it counts as a sighting of that person."""
    if nobody == (who is not None):
        raise SettingError("say who it was, or --nobody")
    log = session.house.gallery.attendance
    person = None if who is None else session.house.gallery.person(who)
    given = log.answer(_asked(session, question, since, until), None if person is None else person.id)
    row = {"question": question, "answer": "nobody" if person is None else person.name, "sightings": len(given)}
    session.out.table("answered", [row], columns=tuple(row))


def _id_of(sighting: Sighting, photo: str, face: int) -> str:
    """The same face of a photograph, decided the same way, adds nothing; a person enrolled meanwhile adds a sighting."""
    what = (photo, face, sighting.at.isoformat(), sighting.camera, sighting.decision, sighting.person_id)
    return hashlib.sha256(repr((*what, sighting.candidates)).encode()).hexdigest()[:32]


def _open(session: Session, since: str | None, until: str | None) -> list[tuple[str, Question]]:
    """Open questions with the name of their session."""
    books = [Book(session, course.id) for course in session.house.gallery.attendance.sessions()]
    return [(book.course.name, question) for book in books for question in book.register(since, until).questions]


def _asked(session: Session, question: str, since: str | None, until: str | None) -> list[str]:
    """The sightings of the open question whose id begins so; else this sighting, whose answer is to be changed."""
    found = [asked for _, asked in _open(session, since, until) if asked.id.startswith(question)]
    ids = {sighting.id for asked in found for sighting in asked.sightings}
    if len({asked.id for asked in found}) > 1:
        raise InputError(f"{len(found)} questions have an id that begins with {question}; give more of it")
    return sorted(ids) or [question]


def _tell_clock_steps(session: Session, since: datetime, until: datetime) -> None:
    from mien.attendance.book import clock_steps

    for before, after in clock_steps(session.house.gallery.attendance.sightings(since, until), _CLOCK):
        session.out.note(
            f"the clock of {before.camera} went back from {before.at.astimezone():%Y-%m-%d %H:%M:%S} "
            f"to {after.at.astimezone():%Y-%m-%d %H:%M:%S}; times are kept as they were given"
        )


def _sink(path: Path, form: Form, *, replace: bool) -> Sink:
    from mien.attendance.sinks.csv_file import CsvSink
    from mien.attendance.sinks.excel import ExcelSink

    suffix = path.suffix.casefold()
    if suffix == ".xlsx":
        return ExcelSink(path, replace=replace)
    if suffix == ".csv":
        return CsvSink(path, form, replace=replace)
    raise SettingError(f"{path} is neither .csv nor .xlsx; name a file of one of these kinds")


def _remark(session: Session, registers: list[Register], between: tuple[datetime, datetime]) -> None:
    """What a teacher should look at."""
    from mien.jobs.registers import left_over

    waiting = sum(len(kept.questions) for kept in registers)
    if waiting:
        session.out.note(f"{waiting} questions wait for an answer: mien attendance questions")
    unassigned = left_over(session.house.gallery.attendance, *between)
    if unassigned:
        session.out.note(
            f"{len(unassigned)} sightings mark nobody in any session: mien attendance sightings --unassigned"
        )
    for kept in registers:
        if not kept.people:
            session.out.note(f"the roster of {kept.session.name} is empty: mien attendance roster import FILE.csv")
    for name, words in attendance_sinks.stuck(session):
        session.out.note(f"{name}: {words}")
