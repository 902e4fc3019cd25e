"""What goes in and out, as the OpenAPI description tells it. What comes in may have no other fields."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Detected",
    "Face",
    "Given",
    "Identified",
    "IdentifyBody",
    "Merge",
    "Name",
    "NewPerson",
    "PersonOut",
    "PictureBody",
    "Problem",
    "TemplateOut",
    "Verified",
    "VerifyBody",
    "given",
]


class Given(BaseModel):
    """What comes in: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """A problem (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str


_GREY = "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAGElEQVQ4y2OsZ8APmBhGFYwqGFUwQhUAAJOfAL8Rxn4YAAAAAElFTkSuQmCC"
"""A picture of nothing, for examples that run: 32 × 32 grey pixels as PNG."""

Base64 = Annotated[str, Field(description="The bytes of a picture file in base64.", min_length=1, examples=[_GREY])]
Name = Annotated[str, Field(min_length=1, max_length=200, examples=["Ada Lovelace"])]


class PictureBody(Given):
    """A picture as JSON."""

    image: Base64


class VerifyBody(Given):
    """Two pictures as JSON."""

    a: Base64
    b: Base64


class IdentifyBody(Given):
    """A picture, or a vector that was made elsewhere, as JSON."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"image": _GREY}]})

    image: Base64 | None = None
    embedding: Annotated[list[float] | None, Field(description="A vector instead of a picture.", max_length=8192)] = (
        None
    )
    space: Annotated[str | None, Field(description="The space it lives in, see /v1/models.", max_length=200)] = None


class NewPerson(Given):
    """Somebody to be known."""

    name: Name


class Merge(Given):
    """Who becomes part of the person."""

    other: Annotated[str, Field(min_length=1, max_length=200, description="The id of the person who is the same.")]


class Candidate(BaseModel):
    """One person a face was compared with."""

    person_id: str
    name: str
    similarity: float
    mean: float
    templates: int


class Decision(BaseModel):
    """Who a face is."""

    decision: Literal["match", "ambiguous", "unknown", "no_usable_face", "spoof"]
    name: str | None
    person_id: str | None
    similarity: float | None
    margin: float | None
    threshold: float | None
    candidates: list[Candidate]
    reasons: list[dict[str, Any]]


class Face(BaseModel):
    """A face; x, y, width and height in pixels of the original."""

    model_config = ConfigDict(extra="allow")

    box: Annotated[list[int], Field(min_length=4, max_length=4)]
    confidence: float
    keypoints: dict[str, list[int]] | None = None
    quality: dict[str, Any] | None = None
    match: Decision | None = None
    embedding: list[float] | None = None


class Detected(BaseModel):
    """The faces of a picture, surest first."""

    width: int
    height: int
    sha256: str
    faces: list[Face]
    trace: dict[str, Any] | None = None


class Identified(BaseModel):
    """The faces of a picture and who they are; without any, why."""

    width: int | None
    height: int | None
    sha256: str | None
    space: str
    decision: Annotated[str, Field(description="`no_usable_face` if no face may be compared, else `faces`.")]
    faces: list[Face]
    trace: dict[str, Any] | None = None


class Verified(BaseModel):
    """Whether two pictures show one person."""

    same: bool | None
    decision: Literal["same", "different", "no_usable_face"]
    similarity: float | None
    threshold: float
    faces: Annotated[list[list[Face]], Field(min_length=2, max_length=2)]


class PersonOut(BaseModel):
    """Somebody who is known."""

    id: str
    name: str
    created: datetime
    templates: int


class TemplateOut(BaseModel):
    """One enrolled face and where it comes from; never the vector."""

    id: str
    person_id: str
    space: str
    source: str
    photo_sha256: str
    box_xyxy: list[float]
    quality: dict[str, float]
    detector: str
    created: datetime | None


def given(schema: type[BaseModel], *, fields: tuple[str, ...], raw: bool) -> dict[str, Any]:
    """The OpenAPI request body of a route that takes pictures as files, as base64 or, if ``raw``, as they are."""
    form = {
        "type": "object",
        "properties": {name: {"type": "string", "format": "binary"} for name in fields},
        "required": list(fields),
        "additionalProperties": False,
    }
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": schema.model_json_schema()},
    }
    if raw:
        content["image/*"] = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": content}}
