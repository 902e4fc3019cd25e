"""``/v1/detect``, ``/v1/verify``, ``/v1/identify``: what a picture shows. The same picture twice gives the same bytes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse
from numpy.typing import NDArray

from mien.core.answers import rounded
from mien.core.errors import SpaceMismatchError
from mien.core.faces import Faces, Picture
from mien.doors.service.gate import Needs
from mien.doors.service.problems import ProblemError
from mien.doors.service.routes import router, service_of
from mien.doors.service.schemas import Detected, Identified, IdentifyBody, PictureBody, Verified, VerifyBody, given
from mien.doors.service.state import Service
from mien.doors.service.uploads import Upload, decoded, json_of, kind_of, upload_of, uploads_of

__all__ = ["pictures"]

pictures = router("/v1", "pictures")

Explain = Annotated[bool, Query(description="Add what the detector considered and let go.")]
Embeddings = Annotated[bool, Query(description="Add the vector of each face.")]

_TRACED = 20
"""Candidates of a trace that are told, those that came furthest first."""


@pictures.post(
    "/detect",
    response_model=Detected,
    dependencies=[Depends(Needs("identify"))],
    openapi_extra=given(PictureBody, fields=("image",), raw=True),
)
async def detect(request: Request, explain: Explain = False) -> JSONResponse:
    """Find faces: their boxes, landmarks and quality. No face is an empty list."""
    service = service_of(request)
    upload = await upload_of(request, PictureBody)
    return JSONResponse(await service.run(request, lambda: _detected(service, upload, explain=explain)))


@pictures.post(
    "/identify",
    response_model=Identified,
    dependencies=[Depends(Needs("identify"))],
    openapi_extra=given(IdentifyBody, fields=("image",), raw=True),
)
async def identify(request: Request, embeddings: Embeddings = False) -> JSONResponse:
    """Say who is in a picture: a name, ambiguous or unknown, with the nearest candidates and reasons.

    A picture without a usable face is answered `no_usable_face`, with what the detector considered. Instead of a picture,
    a vector and its space may be given as JSON.
    """
    service = service_of(request)
    if kind_of(request) == "application/json":
        body = await json_of(request, IdentifyBody)
        if body.embedding is not None:
            vector = _vector(body)
            return JSONResponse(await service.run(request, lambda: _identified_vector(service, vector, body.space)))
        if body.image is None or body.space is not None:
            raise ProblemError("invalid", "give image, or embedding and space")
        upload = Upload(decoded(body.image, "image"))
    else:
        upload = await upload_of(request, PictureBody)
    return JSONResponse(await service.run(request, lambda: _identified(service, upload, embeddings=embeddings)))


@pictures.post(
    "/verify",
    response_model=Verified,
    dependencies=[Depends(Needs("identify"))],
    openapi_extra=given(VerifyBody, fields=("a", "b"), raw=False),
)
async def verify(
    request: Request,
    largest: Annotated[bool, Query(description="Take the largest face where a picture has several.")] = False,
) -> JSONResponse:
    """Say whether two pictures, each of one face, show the same person."""
    service = service_of(request)
    a, b = await uploads_of(request, VerifyBody, ("a", "b"))
    return JSONResponse(await service.run(request, lambda: _verified(service, (a, b), largest=largest)))


def _detected(service: Service, upload: Upload, *, explain: bool) -> dict[str, Any]:
    picture = service.read(upload)
    house = service.house
    faces = house.detector.at_scale(picture.scale).detect(picture.pixels).scaled(1 / picture.scale)
    trace = {"trace": _trace(service, picture)} if explain else {}
    service.metrics.faces.labels("detected").inc(len(faces))
    return {**_about(picture), "faces": faces.to_dicts(), **trace}


def _identified(service: Service, upload: Upload, *, embeddings: bool) -> dict[str, Any]:
    picture = service.read(upload)
    house = service.house
    faces = house.classified(picture, house.recognizer.identify(picture))
    rows = faces.to_dicts()
    if embeddings and faces.embeddings is not None:
        for row, vector in zip(rows, faces.embeddings, strict=True):
            row["embedding"] = [float(value) for value in vector]
    for match in faces.matches or ():
        service.metrics.faces.labels(match.decision).inc()
    usable = any(match.decision != "no_usable_face" for match in faces.matches or ())
    answer = {
        **_about(picture),
        "space": house.known_embedder.space.id,
        "decision": "faces" if usable else "no_usable_face",
    }
    answer["faces"] = rows
    return answer if usable else answer | {"trace": _trace(service, picture)}


def _identified_vector(service: Service, vector: NDArray[np.float32], space: str | None) -> dict[str, Any]:
    ours = service.house.known_embedder.space
    if space != ours.id or len(vector) != ours.dimensions:
        raise SpaceMismatchError(
            f"the vector is of {space} and has {len(vector)} numbers; this service compares in {ours.id} ({ours.dimensions})"
        )
    face = Faces(np.zeros((1, 4), np.float32), np.ones(1, np.float32), embeddings=vector[None], space=ours)
    recognizer = service.house.recognizer
    faces = face.with_columns(matches=recognizer.identifier.identify(face, recognizer.gallery))
    nowhere = {"width": None, "height": None, "sha256": None}
    return {**nowhere, "space": ours.id, "decision": "faces", "faces": faces.to_dicts()}


def _vector(body: IdentifyBody) -> NDArray[np.float32]:
    vector = np.array(body.embedding, np.float64)
    length = float(np.linalg.norm(vector))
    if body.image is not None or not np.isfinite(length) or not abs(length - 1) < 1e-2:
        raise ProblemError("invalid", "embedding must be a vector of length 1, given without an image")
    return (vector / length).astype(np.float32)


def _verified(service: Service, uploads: tuple[Upload, Upload], *, largest: bool) -> dict[str, Any]:
    recognizer = service.house.recognizer
    shown = [service.read(upload) for upload in uploads]
    result = recognizer.verify(*shown)
    if "took the largest" in result.note and not largest:
        boxes = [[f["box"] for f in recognizer.find(picture).to_dicts()] for picture in shown]
        raise ProblemError("several_faces", f"{result.note}; allow it with ?largest=true", boxes=boxes)
    return {
        "same": result.same,
        "decision": {None: "no_usable_face", True: "same", False: "different"}[result.same],
        "similarity": rounded(result.similarity),
        "threshold": rounded(result.threshold),
        "faces": [faces.to_dicts() for faces in result.faces],
    }


def _about(picture: Picture) -> dict[str, Any]:
    width, height = picture.original_size
    return {"width": width, "height": height, "sha256": picture.sha256}


def _trace(service: Service, picture: Picture) -> dict[str, Any] | None:
    """What the detector considered, in pixels of the original; None if it cannot say."""
    explainer = service.house.explainer
    if explainer is None:
        return None
    trace = explainer.at_scale(picture.scale).explain(picture.pixels).scaled(1 / picture.scale).to_dict()
    return trace | {"candidates": trace["candidates"][:_TRACED]}
