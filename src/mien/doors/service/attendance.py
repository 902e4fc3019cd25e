"""``/v1/attendance``: sessions, rosters, what was seen, the register, corrections, and the register as a file."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from mien.attendance.schedule import check_opening
from mien.attendance.sinks.csv_file import CsvSink
from mien.attendance.sinks.excel import ExcelSink
from mien.attendance.tables import Form, sighting_dict, to_dict
from mien.attendance.zones import find_zone
from mien.core.attendance import Opening, Register, Rules, Session, Sighting
from mien.core.errors import NotFoundError
from mien.doors.service.attendance_schemas import (
    Answered,
    Corrected,
    CorrectionIn,
    OpeningIn,
    PlaceOut,
    RosterIn,
    SeenOut,
    SessionIn,
    SessionOut,
)
from mien.doors.service.gate import Needs
from mien.doors.service.people import gallery_of
from mien.doors.service.problems import ProblemError
from mien.doors.service.routes import caller_of, router, service_of
from mien.doors.service.schemas import PictureBody, given
from mien.doors.service.state import Service
from mien.doors.service.uploads import Upload, upload_of
from mien.jobs.marking import Mark, corrections_of, days_of, meeting_lines
from mien.jobs.registers import register_of
from mien.store.attendance_log import SqlAttendanceLog

__all__ = ["attendance"]

attendance = router("/v1/attendance", "attendance")

Since = Annotated[date | None, Query(description="The first date; 30 days ago if left out.")]
Until = Annotated[date | None, Query(description="The last date; today if left out.")]

_YEARS = range(1970, 2200)
_LONGEST = timedelta(days=367)
"""Of a register at once: everybody's lines of every day are made anew for each answer."""

_CSV, _EXCEL = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@attendance.get("/sessions", response_model=list[SessionOut], dependencies=[Depends(Needs("read"))])
def list_sessions(request: Request) -> list[dict[str, Any]]:
    """Every session, in the order in which they were added."""
    return [_told(session) for session in _log(request).sessions()]


@attendance.post("/sessions", response_model=SessionOut, status_code=201, dependencies=[Depends(Needs("attendance"))])
def add_session(request: Request, body: SessionIn, response: Response) -> dict[str, Any]:
    """Add a session."""
    find_zone(body.zone)
    late = body.late_after_minutes
    rules = Rules(
        minimum=body.min_sightings,
        early=timedelta(minutes=body.early_minutes),
        late_after=None if late is None else timedelta(minutes=late),
    )
    start, end = (None if t is None else time.fromisoformat(t) for t in (body.start, body.end))
    session = Session(
        name=body.name,
        kind=body.kind,
        zone=body.zone,
        weekdays=tuple(sorted(set(body.weekdays))),
        start=start,
        end=end,
        first=body.first,
        last=body.last,
        cameras=tuple(body.cameras),
        rules=rules,
    )
    added = _log(request).add_session(session)
    response.headers["Location"] = f"/v1/attendance/sessions/{added.id}"
    return _told(added)


@attendance.get("/sessions/{session_id}", response_model=SessionOut, dependencies=[Depends(Needs("read"))])
def show_session(request: Request, session_id: str) -> dict[str, Any]:
    """One session, by id or name."""
    return _told(_log(request).session(session_id))


@attendance.delete("/sessions/{session_id}", dependencies=[Depends(Needs("attendance"))])
def remove_session(request: Request, session_id: str) -> dict[str, int]:
    """Forget a session, its roster and corrections; what was seen stays. Answers how many of each."""
    return _log(request).remove_session(session_id)


@attendance.get("/sessions/{session_id}/roster", response_model=list[PlaceOut], dependencies=[Depends(Needs("read"))])
def show_roster(request: Request, session_id: str) -> list[dict[str, Any]]:
    """Who should come, by name."""
    log = _log(request)
    places = log.roster(log.session(session_id).id)
    return [
        {
            "person_id": p.person.id,
            "name": p.person.name,
            "templates": p.person.templates,
            "since": p.since,
            "until": p.until,
        }
        for p in places
    ]


@attendance.post(
    "/sessions/{session_id}/roster", response_model=list[PlaceOut], dependencies=[Depends(Needs("attendance"))]
)
def add_to_roster(request: Request, session_id: str, body: RosterIn) -> list[dict[str, Any]]:
    """Put people on the roster, all of them or none; answers the roster as it is then."""
    log = _log(request)
    log.set_roster(log.session(session_id).id, list(dict.fromkeys(body.people)), since=body.since)
    return show_roster(request, session_id)


@attendance.post("/sessions/{session_id}/openings", status_code=204, dependencies=[Depends(Needs("attendance"))])
def open_or_close(request: Request, session_id: str, body: OpeningIn) -> Response:
    """Open or close a session by hand: an ad hoc one, or a course outside its hours."""
    with _log(request).as_one() as log:
        session = log.session(session_id)
        opening = Opening(session.id, body.at or service_of(request).now(), body.action)
        check_opening(session, log.openings(session.id), opening)
        log.open_or_close(opening)
    return Response(status_code=204)


@attendance.get("/sessions/{session_id}/register", dependencies=[Depends(Needs("read"))])
def show_register(request: Request, session_id: str, since: Since = None, until: Until = None) -> dict[str, Any]:
    """The register: people, meetings, entries, questions that wait for an answer, sightings that mark nobody."""
    return to_dict(_register(request, session_id, since, until))


@attendance.get(
    "/sessions/{session_id}/export",
    dependencies=[Depends(Needs("read"))],
    response_class=Response,
    responses={200: {"content": {_CSV: {}, _EXCEL: {}}, "description": "The file"}},
)
def export(
    request: Request,
    session_id: str,
    since: Since = None,
    until: Until = None,
    form: Annotated[Form, Query(description="Which table the CSV holds.")] = "entries",
    to: Annotated[Literal["csv", "xlsx"], Query(description="A CSV table, or a workbook of all tables.")] = "csv",
) -> Response:
    """The register as a file for spreadsheets."""
    register = _register(request, session_id, since, until)
    with tempfile.TemporaryDirectory(prefix="mien-export-") as folder:
        path = Path(folder) / f"register.{to}"
        sink = CsvSink(path, form) if to == "csv" else ExcelSink(path)
        sink.write(register)
        content = path.read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="register.{to}"'}
    return Response(content, headers=headers, media_type=_CSV if to == "csv" else _EXCEL)


@attendance.post(
    "/sessions/{session_id}/corrections",
    response_model=Corrected,
    status_code=201,
    dependencies=[Depends(Needs("attendance"))],
)
def correct(request: Request, session_id: str, body: CorrectionIn) -> dict[str, Any]:
    """Change a mark; the old one is kept with who changed it, when and why."""
    now, by = service_of(request).now(), caller_of(request).name
    person = gallery_of(request).person(body.person_id)
    with _log(request).as_one() as log:
        session = log.session(session_id)
        meeting, lines = meeting_lines(log, session, body.meeting, now=now, ahead=body.status == "excused")
        if person.id not in lines:
            raise NotFoundError(f"{person.name} is not on the roster of {session.name} on that date")
        line = lines[person.id]
        log.correct(corrections_of(session, meeting, [line], Mark(body.status, body.reason, by, now, body.arrived)))
    told = {"entry": line.id, "person_id": person.id, "meeting": meeting.key, "was": line.status}
    return told | {"status": body.status, "reason": body.reason, "by": by}


@attendance.post(
    "/sightings",
    response_model=SeenOut,
    status_code=201,
    dependencies=[Depends(Needs("attendance"))],
    openapi_extra=given(PictureBody, fields=("image",), raw=True),
)
async def see(
    request: Request,
    camera: Annotated[str, Query(min_length=1, max_length=200, description="As sessions name it.")] = "rest",
    at: Annotated[datetime | None, Query(description="When it was taken, with its offset; now if left out.")] = None,
) -> JSONResponse:
    """Take attendance from a picture: everybody on it is written down as seen. The same picture twice adds nothing."""
    service = service_of(request)
    moment = service.now() if at is None else at
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise ProblemError("invalid", "at: give a moment with its offset, such as 2026-03-02T08:05:00+01:00")
    upload = await upload_of(request, PictureBody)
    log = _log(request)
    when = moment.astimezone(UTC)
    return JSONResponse(await service.run(request, lambda: _seen(service, log, upload, (camera, when))), 201)


@attendance.post("/questions/{sighting_id}", status_code=204, dependencies=[Depends(Needs("attendance"))])
def answer(request: Request, sighting_id: str, body: Answered) -> Response:
    """Say who an ambiguous face was: a question's id is that of its first sighting, each sighting may be answered."""
    _log(request).answer([sighting_id], body.person_id)
    return Response(status_code=204)


def _told(session: Session) -> dict[str, Any]:
    hours = {name: None if t is None else f"{t:%H:%M}" for name, t in (("start", session.start), ("end", session.end))}
    same = ("id", "name", "kind", "zone", "weekdays", "first", "last", "cameras")
    return {**{name: getattr(session, name) for name in same}, **hours}


def _log(request: Request) -> SqlAttendanceLog:
    return gallery_of(request).attendance


def _register(request: Request, session_id: str, since: date | None, until: date | None) -> Register:
    log, now = _log(request), service_of(request).now()
    for day in (since, until):
        if day is not None and day.year not in _YEARS:
            raise ProblemError("invalid", f"{day} is no date of a register; give one such as 2026-03-02")
    session = log.session(session_id)
    first, last = days_of(session, since, until, now)
    if last - first > _LONGEST:
        raise ProblemError("invalid", f"a register of more than {_LONGEST.days} days is asked for in parts")
    return register_of(log, session, first, last, now=now)


def _seen(service: Service, log: SqlAttendanceLog, upload: Upload, where: tuple[str, datetime]) -> dict[str, Any]:
    camera, moment = where
    picture = service.read(upload)
    matches = service.house.recognizer.identify(picture).matches or ()
    seen = [Sighting.of(match, moment, camera) for match in matches]
    seen = [replace(s, id=_id_of(s, picture.sha256, number)) for number, s in enumerate(seen)]
    new = log.append(seen)
    told = [sighting_dict(sighting, find_zone("UTC")) for sighting in seen]
    return {"at": moment.isoformat(), "camera": camera, "new": new, "sightings": told}


def _id_of(sighting: Sighting, photo: str, face: int) -> str:
    """The same for the same face of the same picture, decided the same way; as ``mien attendance see`` has it."""
    what = (photo, face, sighting.at.isoformat(), sighting.camera, sighting.decision, sighting.person_id)
    return hashlib.sha256(repr((*what, sighting.candidates)).encode()).hexdigest()[:32]
