"""What the workers of an indexing are made of: settings go to them, never sessions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from mien.core.errors import MienError, SettingError
from mien.wiring.settings import Settings

if TYPE_CHECKING:
    from mien.jobs.index_worker import Bench
    from mien.jobs.ray_engine import OnRay
    from mien.wiring.bootstrap import House

__all__ = ["BenchMaker", "index_stamp", "ray_engine"]

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
    what = json.dumps([settings, house.known_embedder.space.id, every], sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class BenchMaker:
    """Makes a worker's bench, in whatever process; picklable.

    Args:
        settings: of everything.
        threads: computing threads of one worker; 0 takes all cores.
        space: of the embeddings that a worker must make, by its id; None for whichever it makes.
        version: of mien, where the run was started.
    """

    settings: Settings
    threads: int = 1
    space: str | None = None
    version: str = field(default_factory=lambda: version("mien"))

    @contextmanager
    def __call__(self) -> Iterator[Bench]:
        """Detector, embedder and library of one worker; closed at the end.

        Raises:
            MienError: this machine has another version or other weights than the one where the run was started.
        """
        from mien.jobs.index_worker import Bench
        from mien.wiring.bootstrap import House

        if self.version != (ours := version("mien")):
            raise MienError(f"mien {ours} is installed, the run was started by mien {self.version}; install the same")
        with House(self.settings.on_this_machine().model_copy(update={"threads": self.threads})) as house:
            recognizer = house.recognizer
            if self.space not in {None, recognizer.embedder.space.id}:
                raise MienError(
                    f"{house.settings.embedder} is of other weights here than where the run was started; copy its models folder"
                )
            same = recognizer.identifier.stranger_level(
                recognizer.embedder.space, house.gallery, share=_SAME_PERSON_FAR
            )
            yield Bench(
                house.gallery.library, recognizer.find, house.settings.detector, house.read_options(chip=160), same
            )


def ray_engine(settings: Settings, address: str, *, workers: int = 0, most: int = 1) -> OnRay:
    """Workers on the Ray cluster at an address; see ``OnRay``.

    Raises:
        SettingError: a gallery in a file, or no cluster there.
        MissingExtraError: Ray is not installed.
    """
    from mien.jobs.ray_engine import OnRay
    from mien.store.places import file_of

    if (file := file_of(settings.database_url)) is not None:
        raise SettingError(
            f"{file} is a file, which several machines cannot share; name a PostgreSQL database with --database (mien db move"
            " FROM TO takes everything there)"
        )
    return OnRay(address, workers=workers, most=most)
