"""Indexing with a detector that takes a picture's mean colour for a face; also a program of its own, to be killed.

``python -m tests.unit.jobs.indexing DATABASE FOLDER WORKERS`` prints a line for each file that is done.
"""

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien.core.answers import Quality
from mien.core.errors import StoreBusyError
from mien.core.faces import Faces
from mien.jobs.engines import Here, Processes
from mien.jobs.index import index, look_at_disk
from mien.jobs.index_worker import Bench, FileDone, IndexPlan, IndexWork
from mien.jobs.library_scan import Root
from mien.media.images import ReadOptions
from mien.store.gallery import open_gallery
from tests.fakes.plugs import SPACE, FakeEmbedder

STAMP = "c" * 64


def find(picture):
    """One face, whose vector is the picture's mean colour; grey pictures have none."""
    height, width = picture.pixels.shape[:2]
    faces = Faces(boxes=np.array([[0, 0, width, height]], np.float32), scores=np.ones(1, np.float32))
    quality = (Quality(float(width), 100.0, 0.5, 0.2, 0.0, 0.0),)
    vectors = FakeEmbedder().embed(picture.pixels, faces)
    return faces.with_columns(quality=quality, embeddings=vectors, space=SPACE)


def deadly(picture):
    """Ends the process over a red picture, as a fault in a decoder would."""
    if picture.pixels[..., 0].mean() > 200:
        os._exit(9)
    return find(picture)


def slow(picture):
    """Takes its time."""
    time.sleep(0.1)
    return find(picture)


class SilentLibrary:
    """Writes down what a.png holds, and its process ends before anybody is told."""

    def __init__(self, library):
        self._library = library

    def __getattr__(self, name):
        return getattr(self._library, name)

    def put(self, claim, content, **options):
        done = self._library.put(claim, content, **options)
        if claim.path.endswith(b"a.png"):
            os._exit(9)
        return done


class BusyLibrary:
    """Every change finds the store busy the first time."""

    def __init__(self, library):
        self._library = library
        self.refused = set()

    def __getattr__(self, name):
        if name in {"claim", "known", "put", "fail", "release"} and name not in self.refused:
            self.refused.add(name)
            return self._refuse
        return getattr(self._library, name)

    def _refuse(self, *_, **__):
        raise StoreBusyError("locked by another writer")


@dataclass(frozen=True)
class FakeBench:
    """Makes a worker's bench, in whatever process."""

    database: str
    find: object = find
    library: object = None

    @contextmanager
    def __call__(self):
        with open_gallery(self.database) as gallery:
            library = self.library(gallery.library) if self.library else gallery.library
            yield Bench(library, self.find, "fake", ReadOptions(), 0.9)


def work(database, folder, *, finder=find, library=None, every=1.0, lease=120.0) -> IndexWork:
    plan = IndexPlan(Root.at(folder), STAMP, every=every, lease=lease)
    return IndexWork(FakeBench(str(database), finder, library), plan)


def run(job: IndexWork, engine=None, **options):
    """What was looked at, and what happened to each file."""
    with open_gallery(job.bench.database) as gallery:
        looking = look_at_disk(job, gallery.library, **options)
        while True:
            try:
                next(looking)
            except StopIteration as end:
                looked = end.value
                break
        steps = [step.what for step in index(job, gallery.library, engine or Here())]
    return looked, [step for step in steps if step is not None]


def write(path: Path, colour) -> Path:
    """A picture of one colour, RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((48, 64, 3), colour[::-1], np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def main() -> None:
    database, folder, workers = sys.argv[1:]
    job = work(database, folder, finder=slow)
    with open_gallery(database) as gallery:
        list(look_at_disk(job, gallery.library))
        for step in index(job, gallery.library, Processes(int(workers))):
            if isinstance(step.what, FileDone):
                sys.stdout.write(os.fsdecode(step.what.path) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
