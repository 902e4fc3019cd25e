"""What one serving process works with."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from fastapi import Request

from mien.core.faces import Picture
from mien.doors.service.bodies import Bodies, hung_up
from mien.doors.service.gate import Gate
from mien.doors.service.metrics import Metrics
from mien.doors.service.uploads import Upload
from mien.doors.service.work import Work
from mien.media.images import decode_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import Settings
from mien.zoo.runtime import thread_budget

__all__ = ["Service"]

Result = TypeVar("Result")


class Service:
    """The house and what guards it. Belongs to one process and one event loop.

    Args:
        settings: from ``load_settings``.
    """

    def __init__(self, settings: Settings) -> None:
        cores = thread_budget(settings.threads)
        workers = settings.serve_inference or cores
        alone = settings.model_copy(update={"threads": max(1, cores // workers)})  # so that all together take the cores
        self.settings = settings
        self.house = House(alone, batch=settings.serve_batch)
        self.access = self.house.gallery.access
        self.gate = Gate(self.access, settings.serve_rate)
        self.bodies = Bodies(int(settings.serve_max_mb * 1e6), settings.serve_upload_seconds)
        self.work = Work(workers, settings.serve_queue)
        self.metrics = Metrics()
        self.live = 0
        self.started = time.monotonic()

    def warm(self) -> None:
        """Load the networks, so that the first request need not wait for them."""
        import numpy as np

        self.house.recognizer.identify(np.full((64, 64, 3), 127, np.uint8))
        self.house.known_embedder.embed_chips(np.full((1, 160, 160, 3), 127, np.uint8))

    def close(self) -> None:
        """Finish what was taken, then close the gallery."""
        self.work.close()
        self.house.close()

    async def run(self, request: Request, task: Callable[[], Result]) -> Result:
        """The result of a task on pictures, in its turn; dropped if the sender hangs up before it begins."""
        return await self.work.run(task, hung_up(request))

    def read(self, upload: Upload) -> Picture:
        """The picture that came in, decoded no larger than naming people needs."""
        return decode_image(upload.data, source=upload.name, options=self.house.read_options(chip=160))

    @staticmethod
    def now() -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)
