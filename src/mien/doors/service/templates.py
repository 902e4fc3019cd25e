"""``/v1/people/{id}/templates``: the faces somebody is known by. Every photograph passes the gate or is refused."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from mien.core.errors import NotFoundError
from mien.core.people import Template
from mien.doors.service.gate import Needs
from mien.doors.service.people import gallery_of
from mien.doors.service.problems import ProblemError
from mien.doors.service.routes import router, service_of
from mien.doors.service.schemas import PictureBody, TemplateOut, given
from mien.doors.service.state import Service
from mien.doors.service.uploads import Upload, upload_of
from mien.recognition.enrolment import Enroller, Enrolment, EnrolOptions
from mien.store.gallery import SqlGallery

__all__ = ["templates"]

templates = router("/v1/people/{person_id}/templates", "templates")

_REFUSALS = {
    "no face": "no_face",
    "several faces": "several_faces",
    "no such face": "several_faces",
    "photo already enrolled": "already_enrolled",
    "similarity to another person": "looks_like_another",
    "similarity to the person's photos": "unlike",
}
"""What the gate says, as a code; all else is ``not_good_enough``."""


@templates.get("", response_model=list[TemplateOut], dependencies=[Depends(Needs("read"))])
def list_templates(request: Request, person_id: str) -> list[dict[str, Any]]:
    """The person's faces, oldest first; never their vectors."""
    return [_told(template) for template in gallery_of(request).templates(person_id)]


@templates.post(
    "",
    response_model=TemplateOut,
    status_code=201,
    dependencies=[Depends(Needs("enrol"))],
    openapi_extra=given(PictureBody, fields=("image",), raw=True),
)
async def enrol(
    request: Request,
    person_id: str,
    face: Annotated[int | None, Query(ge=1, le=10_000, description="Which face, 1 = leftmost.")] = None,
    allow_similar: Annotated[bool, Query(description="Learn a face that looks like somebody known (twins).")] = False,
    allow_unlike: Annotated[bool, Query(description="Learn a face unlike the photographs so far.")] = False,
) -> JSONResponse:
    """Learn the person's face from a photograph that passes the gate: one face, sharp, lit, turned to the camera."""
    service = service_of(request)
    options = service.house.enrol_options(face=face, allow_similar=allow_similar, allow_unlike=allow_unlike)
    upload = await upload_of(request, PictureBody)
    gallery = gallery_of(request)
    template = await service.run(request, lambda: _enrolled(service, gallery, person_id, (upload, options)))
    where = f"/v1/people/{template.person_id}/templates/{template.id}"
    return JSONResponse(_told(template), 201, {"Location": where})


@templates.delete("/{template_id}", status_code=204, dependencies=[Depends(Needs("enrol"))])
def remove_template(request: Request, person_id: str, template_id: str) -> Response:
    """Forget one face; the person stays."""
    gallery = gallery_of(request)
    if template_id not in {template.id for template in gallery.templates(person_id)}:
        raise NotFoundError(f"this person has no template {template_id}")
    gallery.remove_template(template_id)
    return Response(status_code=204)


def _enrolled(service: Service, gallery: SqlGallery, person_id: str, given: tuple[Upload, EnrolOptions]) -> Template:
    """What went in.

    Raises:
        ProblemError: it was refused, with the gate's reasons and the boxes of the faces, from left to right.
    """
    upload, options = given
    person = gallery.person(person_id)
    picture = service.read(upload)
    house = service.house
    enroller = Enroller(house.detector, house.known_embedder, house.identifier, gallery)
    (outcome,) = enroller.enroll(person.name, [picture], options=options)
    if outcome.template is None:
        raise _refused(outcome)
    return outcome.template


def _refused(outcome: Enrolment) -> ProblemError:
    code = next((_REFUSALS[r.what] for r in outcome.reasons if r.what in _REFUSALS), "not_good_enough")
    return ProblemError(
        code,
        "; ".join(reason.words() for reason in outcome.reasons),
        reasons=[reason.to_dict() for reason in outcome.reasons],
        boxes=[face["box"] for face in outcome.faces.to_dicts()],
    )


def _told(template: Template) -> dict[str, Any]:
    return {
        "id": template.id,
        "person_id": template.person_id,
        "space": template.space.id,
        "source": template.source,
        "photo_sha256": template.photo_sha256,
        "box_xyxy": [round(float(v), 2) for v in template.box],
        "quality": template.quality,
        "detector": template.detector,
        "created": None if template.created is None else template.created.isoformat().replace("+00:00", "Z"),
    }
