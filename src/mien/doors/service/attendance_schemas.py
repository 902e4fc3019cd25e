"""What goes into and out of ``/v1/attendance``, as the OpenAPI description tells it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from mien.core.attendance import Kind
from mien.doors.service.schemas import Given, Name

__all__ = [
    "Answered",
    "Corrected",
    "CorrectionIn",
    "OpeningIn",
    "PlaceOut",
    "RosterIn",
    "SeenOut",
    "SessionIn",
    "SessionOut",
]

Day = Annotated[date, Field(strict=False, ge=date(1970, 1, 1), lt=date(2200, 1, 1))]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM.", examples=["08:00"])]
Moment = Annotated[AwareDatetime, Field(strict=False)]
Minutes = Annotated[float, Field(ge=0, le=1440)]
Mark = Literal["present", "late", "left", "absent", "excused"]


_COURSE: JsonDict = {
    "name": "Algebra",
    "kind": "course",
    "zone": "Europe/Berlin",
    "weekdays": [0],
    "start": "08:00",
    "end": "09:30",
}


class SessionIn(Given):
    """What attendance is to be taken of: a course has weekdays, a start and an end; `ad hoc` meets when opened."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [_COURSE]})

    name: Name
    kind: Kind
    zone: Annotated[str, Field(max_length=100, examples=["Europe/Berlin"], description="IANA time zone.")]
    weekdays: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(max_length=7)] = Field(default_factory=list)
    start: Clock | None = None
    end: Clock | None = None
    first: Day | None = None
    last: Day | None = None
    cameras: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = Field(default_factory=list)
    min_sightings: Annotated[int, Field(ge=1, le=1000)] = 1
    early_minutes: Minutes = 15
    late_after_minutes: Minutes | None = 10


class SessionOut(BaseModel):
    """What attendance is taken of."""

    id: str
    name: str
    kind: str
    zone: str
    weekdays: list[int]
    start: Clock | None
    end: Clock | None
    first: date | None
    last: date | None
    cameras: list[str]


class RosterIn(Given):
    """Who should come: names or ids; a name nobody has becomes a person without photographs."""

    people: Annotated[list[Name], Field(max_length=1000)]
    since: Day | None = None


class PlaceOut(BaseModel):
    """Somebody's place on a roster."""

    person_id: str
    name: str
    templates: int
    since: date | None
    until: date | None


class OpeningIn(Given):
    """Open or close a session by hand."""

    action: Literal["open", "close"]
    at: Moment | None = None


class CorrectionIn(Given):
    """A mark made by hand; the old one is kept beside it."""

    meeting: Annotated[str, Field(min_length=10, max_length=40, examples=["2026-03-02"])]
    person_id: Annotated[str, Field(min_length=1, max_length=200)]
    status: Mark
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    arrived: Moment | None = None


class Corrected(BaseModel):
    """What a mark was and is."""

    entry: str
    person_id: str
    meeting: str
    was: str
    status: str
    reason: str
    by: str


class SeenOut(BaseModel):
    """What a picture added to the log."""

    at: datetime
    camera: str
    new: int
    sightings: list[dict[str, Any]]


class Answered(Given):
    """Who an ambiguous face was; null for none of the candidates."""

    person_id: Annotated[str, Field(min_length=1, max_length=200)] | None
