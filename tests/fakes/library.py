"""Files and faces that tests fill libraries with."""

import hashlib

import numpy as np

from mien.core.answers import Quality
from mien.core.faces import Faces
from mien.core.library import Content, Seen
from mien.core.vectors import unit
from tests.fakes.gallery import SPACE

ROOT = b"/photos"
STAMP = "a" * 64


def vector(seed: int) -> np.ndarray:
    """A unit vector of the fake space."""
    return unit(np.random.default_rng(seed).normal(size=(1, SPACE.dimensions)).astype(np.float32))[0]


def faces(*seeds: int, shift: float = 0.0, space=SPACE) -> Faces:
    """Faces side by side, each with the vector of its seed."""
    boxes = np.array([[100 * i + shift, 10, 100 * i + shift + 60, 70] for i in range(len(seeds))], np.float32)
    vectors = np.array([vector(s) for s in seeds], np.float32).reshape(-1, SPACE.dimensions)
    quality = tuple(Quality(60.0, 100.0, 0.5, 0.2, 0.0, 0.0) for _ in seeds)
    scores = np.full(len(seeds), 0.99, np.float32)
    return Faces(boxes=boxes.reshape(-1, 4), scores=scores, quality=quality, embeddings=vectors, space=space)


def content(name: str, *seeds: int, **more) -> Content:
    """What a photograph called so holds."""
    return Content(hashlib.sha256(name.encode()).hexdigest(), "photo", (640, 480), faces(*seeds), **more)


def seen(name: str, *, size: int = 1000, modified: int = 1, kind: str = "photo") -> Seen:
    """A file below the root."""
    return Seen(ROOT + b"/" + name.encode(), kind, size, modified)


def take(library, *contents: Content, stamp: str = STAMP, names=None) -> None:
    """Have a library hold these contents, as files called 0.jpg, 1.jpg and so on."""
    names = names or [f"{i}.jpg" for i in range(len(contents))]
    library.note([seen(n) for n in names], root=ROOT, stamp=stamp)
    claims = library.claim("w", root=ROOT, limit=len(contents), lease=60)
    for claim, one in zip(claims, contents, strict=True):
        assert library.put(claim, one, stamp=stamp, detector="mtcnn")


def all_faces(library, space=SPACE, query=None) -> list:
    """Every face of a space."""
    return [face for table in library.faces(space, query) for face in table.faces]
