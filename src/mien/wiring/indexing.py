"""What the workers of an indexing are made of: settings go to them, never sessions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.wiring.settings import Settings

if TYPE_CHECKING:
    from mien.jobs.index_worker import Bench
    from mien.wiring.bootstrap import House

__all__ = ["BenchMaker", "index_stamp"]

_SAME_PERSON_FAR = 1e-3
"""Share of strangers that may be taken for one person in the looks of one video."""

_STAMPED = (
    *("detector", "min_face", "max_face", "pnet_threshold", "rnet_threshold", "onet_threshold", "pyramid_factor"),
    *("haar_factor", "haar_neighbours", "mtcnn_mode", "full_size"),
)
"""Settings that decide which faces are found; with others, photographs are searched anew."""


def index_stamp(house: House, every: float) -> str:
    """Stands for everything that decides what is found in a file: hex digest."""
    settings = {name: getattr(house.settings, name) for name in _STAMPED}
    what = json.dumps([settings, house.embedder.space.id, every], sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class BenchMaker:
    """Makes a worker's bench, in whatever process; picklable.

    Args:
        settings: of everything.
        threads: computing threads of one worker; 0 takes all cores.
    """

    settings: Settings
    threads: int = 1

    @contextmanager
    def __call__(self) -> Iterator[Bench]:
        """Detector, embedder and library of one worker; closed at the end."""
        from mien.jobs.index_worker import Bench
        from mien.wiring.bootstrap import House

        with House(self.settings.model_copy(update={"threads": self.threads})) as house:
            recognizer = house.recognizer
            same = recognizer.identifier.stranger_level(
                recognizer.embedder.space, house.gallery, share=_SAME_PERSON_FAR
            )
            yield Bench(
                house.gallery.library, recognizer.find, house.settings.detector, house.read_options(chip=160), same
            )
