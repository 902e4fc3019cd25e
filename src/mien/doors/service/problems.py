"""Errors as problem+json (RFC 9457): a stable code, what happened, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse

from mien.core.errors import (
    DuplicateError,
    ImageError,
    MienError,
    NotFoundError,
    ProviderError,
    SettingError,
    SpaceMismatchError,
    StoreBusyError,
    StoreError,
    StoreReadOnlyError,
    TooManyPixelsError,
    WeightsError,
)

__all__ = ["KINDS", "Kind", "ProblemError", "problem_of", "respond"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem.

    Args:
        status: HTTP status.
        title: what it is, the same for every occurrence.
        remedy: what to do.
    """

    status: int
    title: str
    remedy: str


KINDS = {
    "invalid": Kind(
        422, "The request is not as it should be", "Mend what `errors` or `detail` names; see /openapi.json."
    ),
    "not_an_image": Kind(422, "Not a picture", "Send a whole JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC file."),
    "too_many_bytes": Kind(413, "Too many bytes", "Send a smaller file, or raise serve_max_mb."),
    "too_many_pixels": Kind(413, "Too many pixels", "Send a smaller picture, or raise max_megapixels."),
    "unsupported_type": Kind(415, "Content type not taken", "Send image/*, multipart/form-data or application/json."),
    "too_slow": Kind(408, "The request took too long to arrive", "Send it again, or raise serve_upload_seconds."),
    "no_key": Kind(401, "A key is needed", "Send Authorization: Bearer KEY; `mien serve keys add` makes one."),
    "wrong_key": Kind(401, "The key is not known", "Send a key that was neither removed nor has expired."),
    "not_allowed": Kind(403, "The key is not good for this", "Use a key with the scope that `detail` names."),
    "keys_needed": Kind(403, "Without keys only this machine is served", "Make a key: `mien serve keys add`."),
    "not_found": Kind(404, "Not there", "Correct the path or the id; list what is there."),
    "method_not_allowed": Kind(405, "Not done this way", "Use a method that the header Allow names."),
    "already_there": Kind(409, "There already", "Choose another name, or use what is there."),
    "already_enrolled": Kind(409, "The photograph is enrolled already", "Nothing needs to be done."),
    "several_faces": Kind(
        409,
        "Several faces where one is needed",
        "Say which: ?face=N, from the left, to enrol; ?largest=true to verify.",
    ),
    "looks_like_another": Kind(409, "The face is somebody else's", "If they look alike: ?allow_similar=true."),
    "unlike": Kind(409, "The face is unlike the person's other photographs", "If it is them: ?allow_unlike=true."),
    "no_face": Kind(422, "No face found", "Send a picture with one face, larger or better lit."),
    "not_good_enough": Kind(
        422, "The face is not good enough to learn", "Mend what `reasons` names: size, light, turn."
    ),
    "other_space": Kind(409, "Vectors of two embedding spaces", "Compare vectors of one embedder; see /v1/models."),
    "key_reused": Kind(422, "The Idempotency-Key belongs to another request", "Use a new key for a new request."),
    "under_way": Kind(409, "The same request is under way", "Wait, then send it again."),
    "reply_forgotten": Kind(409, "Done, but the answer is not kept", "It was carried out: do not send it again."),
    "too_often": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
    "busy": Kind(503, "Too much to do", "Wait as long as Retry-After says, then send it again."),
    "store_busy": Kind(503, "The database is held by another program", "Wait, then send it again."),
    "store_failed": Kind(503, "The database cannot do it", "Free disk space or mend permissions; nothing was changed."),
    "not_ready": Kind(503, "The service is not ready", "See /readyz; fetch what is missing: `mien models pull`."),
    "bug": Kind(500, "A fault of mien", "Report it with what the log says."),
}
"""Every code there is; a code never changes its meaning."""

_RETRY_AFTER = {"busy": 1, "store_busy": 1, "too_often": 1, "under_way": 2, "store_failed": 30, "not_ready": 10}

_OF_ERRORS: tuple[tuple[type[MienError], str], ...] = (
    (TooManyPixelsError, "too_many_pixels"),
    (ImageError, "not_an_image"),
    (NotFoundError, "not_found"),
    (DuplicateError, "already_there"),
    (SpaceMismatchError, "other_space"),
    (StoreBusyError, "store_busy"),
    (StoreReadOnlyError, "store_failed"),
    (StoreError, "store_failed"),
    (WeightsError, "not_ready"),
    (ProviderError, "not_ready"),
    (SettingError, "invalid"),
    (MienError, "invalid"),
)


class ProblemError(Exception):
    """A request that is answered with a problem.

    Args:
        code: a key of ``KINDS``.
        detail: this occurrence, in one line.
        headers: of the answer.
        more: further members of the body, e.g. ``boxes``.
    """

    def __init__(self, code: str, detail: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail or KINDS[code].title)
        self.code = code
        self.headers = headers or {}
        self.more = more

    @property
    def kind(self) -> Kind:
        """What kind it is."""
        return KINDS[self.code]


def problem_of(error: MienError) -> ProblemError:
    """What a known error is called here."""
    code = next(code for kind, code in _OF_ERRORS if isinstance(error, kind))
    return ProblemError(code, str(error))


def respond(problem: ProblemError) -> JSONResponse:
    """The problem as an answer."""
    kind = problem.kind
    body = {"type": f"urn:mien:problem:{problem.code}", "title": kind.title, "status": kind.status}
    body |= {"code": problem.code, "detail": str(problem), "remedy": kind.remedy, **problem.more}
    headers = dict(problem.headers)
    if problem.code in _RETRY_AFTER:
        headers.setdefault("Retry-After", str(_RETRY_AFTER[problem.code]))
    if kind.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse(body, kind.status, headers, media_type="application/problem+json")
