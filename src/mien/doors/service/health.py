"""``/healthz``, ``/readyz``, ``/metrics`` and ``/v1/models``: how the service is, and what it works with."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Request, Response
from fastapi.responses import PlainTextResponse

from mien.core.errors import MienError
from mien.doors.service.gate import Needs
from mien.doors.service.problems import ProblemError
from mien.doors.service.routes import router, service_of

__all__ = ["health"]

health = router("", "health")


@health.get("/healthz")
async def healthz(request: Request) -> dict[str, str]:
    """Whether the process lives."""
    del request
    return {"status": "live"}


@health.get("/readyz")
def readyz(request: Request) -> dict[str, Any]:
    """Whether weights are loaded and the database can be reached."""
    house = service_of(request).house
    try:
        house.gallery.revision()
        house.recognizer.threshold()
    except MienError as error:
        raise ProblemError("not_ready", str(error)) from error
    return {"status": "ready", "space": house.known_embedder.space.id, "detector": house.detector.name}


@health.get("/metrics", response_class=PlainTextResponse, dependencies=[Depends(Needs("read"))])
def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    service = service_of(request)
    service.metrics.waiting.set(service.work.waiting)
    service.metrics.working.set(min(service.work.taken, service.work.workers))
    service.metrics.live.set(service.live)
    recall = service.house.gallery.search_recall(service.house.known_embedder.space)
    if recall is not None:
        service.metrics.recall.set(recall.recall)
        service.metrics.repeated.set(recall.searches)
    return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")


@health.get("/v1/models", dependencies=[Depends(Needs("read"))])
def models(request: Request) -> dict[str, Any]:
    """What is used here, and what the catalog knows."""
    house = service_of(request).house
    space = house.known_embedder.space
    threshold = house.recognizer.threshold()
    return {
        "detector": house.detector.name,
        "embedder": {"space": space.id, "name": space.name, "dimensions": space.dimensions},
        "threshold": round(threshold.similarity, 4),
        "catalog": [
            {"name": record.name, "kind": record.kind, "title": record.title, "licence": record.licence}
            for record in house.catalog.all()
        ],
    }
