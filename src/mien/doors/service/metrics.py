"""What Prometheus reads: requests, their length, the queue, live connections; of all processes together."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["SHARED", "Metrics"]

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Where processes that serve together leave their numbers; prometheus_client reads it when it is imported."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The numbers of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mien_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "mien_request_seconds",
            "From the request to the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.waiting = self._gauge("mien_queue_waiting", "Pictures that wait.")
        self.working = self._gauge("mien_queue_working", "Pictures that are worked on.")
        self.live = self._gauge("mien_live_connections", "Live connections.")
        self.recall = Gauge(
            "mien_search_recall",
            "Share of the most alike templates that the index of the gallery found, of searches repeated without it.",
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self.recall.set(1)
        self.repeated = self._gauge("mien_search_repeated", "Searches repeated without the index.")
        self.faces = Counter("mien_faces", "Faces answered about.", ("decision",), registry=self._registry)

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(name, words, registry=self._registry, multiprocess_mode="livesum")

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer; ``route`` is the pattern, never the path with its ids."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        folder = os.environ.get(SHARED)
        if folder is None:
            return generate_latest(self._registry)
        for pid in {file.stem.rpartition("_")[2] for file in Path(folder).glob("gauge_live*.db")}:
            if not _lives(int(pid)):
                mark_process_dead(int(pid), folder)  # type: ignore[no-untyped-call]  # theirs
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]  # theirs
        return generate_latest(together)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
