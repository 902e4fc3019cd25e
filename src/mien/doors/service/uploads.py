"""Pictures out of a request: the bytes as they are, a form, or base64 in JSON. The service never fetches an address."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from mien.doors.service.problems import ProblemError

__all__ = ["Upload", "json_of", "kind_of", "upload_of", "uploads_of"]

Model = TypeVar("Model", bound=BaseModel)

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture that came in.

    Args:
        data: the bytes of the file.
        name: as the sender calls it; ``upload`` if they do not.
    """

    data: bytes
    name: str = "upload"


def kind_of(request: Request) -> str:
    """The content type without its parameters, in small letters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def upload_of(request: Request, schema: type[BaseModel]) -> Upload:
    """The one picture of a request.

    Raises:
        ProblemError: ``unsupported_type``, ``invalid``, ``not_an_image``.
    """
    kind = kind_of(request)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return Upload(await request.body())
    return (await uploads_of(request, schema, ("image",)))[0]


async def uploads_of(request: Request, schema: type[BaseModel], fields: tuple[str, ...]) -> list[Upload]:
    """The pictures of a form or of JSON, one for each of ``fields``."""
    kind = kind_of(request)
    if kind == "multipart/form-data":
        return await _of_form(request, fields)
    if kind != "application/json":
        raise ProblemError("unsupported_type", f"the content type {kind or 'is missing'} is not taken here")
    body = await json_of(request, schema)
    return [Upload(decoded(getattr(body, field), field)) for field in fields]


async def json_of(request: Request, schema: type[Model]) -> Model:
    """The body as JSON of this shape."""
    try:
        return schema.model_validate(json.loads(await request.body()))
    except ValidationError as error:
        errors = [{"where": ".".join(map(str, e["loc"])), "what": e["msg"]} for e in error.errors()]
        detail = "; ".join(f"{e['where']}: {e['what']}" for e in errors[:3])
        raise ProblemError("invalid", detail, errors=errors) from None
    except (ValueError, RecursionError) as error:
        raise ProblemError("invalid", f"the body is no JSON ({error})") from None


def decoded(text: str, field: str) -> bytes:
    """The bytes that stand there in base64, with or without the head of a data URL."""
    head, comma, rest = text.partition(",")
    data = rest if comma and head.startswith("data:") and head.endswith(";base64") else text
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ProblemError("invalid", f"{field} is no base64; addresses are not fetched") from None


async def _of_form(request: Request, fields: tuple[str, ...]) -> list[Upload]:
    parser = MultiPartParser(request.headers, request.stream(), max_files=len(fields), max_fields=len(fields))
    parser.spool_max_size = 2**31  # pictures stay in memory, which counts them already: none on the disk
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        words = getattr(error, "message", None) or str(error)
        raise ProblemError("invalid", f"the form cannot be read: {words}") from None
    try:
        return [await _file(value, field) for field, value in _fields(form, fields)]
    finally:
        await form.close()


def _fields(form: FormData, fields: tuple[str, ...]) -> list[tuple[str, UploadFile | str]]:
    """The fields of a form in the order wanted: these, once each, and no others."""
    came = form.multi_items()
    found = dict(came)
    if set(found) != set(fields) or len(came) != len(fields):
        got = ", ".join(sorted(found)) or "nothing"
        raise ProblemError("invalid", f"the form needs {', '.join(fields)}, once each; got {got}")
    return [(field, found[field]) for field in fields]


async def _file(value: UploadFile | str, field: str) -> Upload:
    if isinstance(value, str):
        raise ProblemError("invalid", f"{field} must be a file, as curl -F {field}=@photo.jpg sends it")
    return Upload(await value.read(), (value.filename or "upload")[:_LONGEST_NAME])
