"""What flows through the house: ``Picture`` in, ``Faces`` through every room, ``Match`` out.

Conventions, said once (docs/conventions.md) and converted only at the edges:

- image: ``(H, W, 3)`` uint8 RGB, EXIF already applied
- box: ``(x1, y1, x2, y2)`` float32 pixels, x2 and y2 exclusive, may leave the image until clipped
- landmarks: ``(n, 5, 2)`` float32 pixels: the eye on the image's left, the other eye, the nose, the mouth corner on the
  image's left, the other
- embedding: float32 of unit length, ``(n, d)``, in a named space; similarity is the cosine, in [-1, 1]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.answers import Attribute, Match, Quality, rounded
from mien.core.errors import ImageError, InputError, SpaceMismatchError
from mien.core.people import EmbeddingSpace

__all__ = [
    "LANDMARK_NAMES",
    "Faces",
    "Picture",
    "check_image",
]

LANDMARK_NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""The five landmarks in order; left and right are the image's."""

Mask = NDArray[np.bool_] | NDArray[np.integer[Any]] | slice | Sequence[int] | Sequence[bool]


def check_image(image: object) -> NDArray[np.uint8]:
    """Return ``image`` if it is a picture: ``(H, W, 3)`` uint8 with at least one pixel.

    Raises:
        ImageError: naming the type, dtype or shape that was found and how to mend it.
    """
    if isinstance(image, Picture):
        raise ImageError("expected an image array (H, W, 3) uint8 RGB, got a Picture: give its pixels (picture.pixels)")
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"expected an image array (H, W, 3) uint8 RGB, got {type(image).__name__}; read files with mien.read_image"
        )
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(
            f"expected an image array (H, W, 3) RGB, got shape {image.shape}; stack grey three times, drop alpha"
        )
    if image.dtype != np.uint8:
        holds_nan = image.dtype.kind == "f" and bool(np.isnan(image).any())
        found = f"{image.dtype}{' with NaN' if holds_nan else ''}"
        raise ImageError(
            f"expected uint8 pixels 0..255, got {found}; convert with (255 * x).clip(0, 255).astype('uint8')"
        )
    return image


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One decoded picture and where it came from.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB, EXIF applied.
        scale: pixels here per pixel of the original: 0.5 when decoded at half size.
        source: path or name as the user knows it; empty for arrays.
        sha256: hex digest of the encoded bytes; empty for arrays.
        time: seconds from the start of the stream; None for a photograph.
    """

    pixels: NDArray[np.uint8]
    scale: float = 1.0
    source: str = ""
    sha256: str = ""
    time: float | None = None

    def __post_init__(self) -> None:
        check_image(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of ``pixels``."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def original_size(self) -> tuple[int, int]:
        """Width and height of the original, after EXIF rotation."""
        return round(self.pixels.shape[1] / self.scale), round(self.pixels.shape[0] / self.scale)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """A table of the faces of one picture; columns stay in step under masks, slices and ``concat``.

    ``boxes`` and ``scores`` are always there; every other column is None until somebody adds it.

    Args:
        boxes: ``(n, 4)`` float32 x1, y1, x2, y2 pixels.
        scores: ``(n,)`` float32, how sure the detector is, 0 to 1.
        landmarks: ``(n, 5, 2)`` float32 x, y pixels.
        quality: one ``Quality`` per face.
        liveness: ``(n,)`` float32, probability that the face is live; NaN where nothing is known yet.
        track_ids: ``(n,)`` int64.
        embeddings: ``(n, d)`` float32 of unit length, a followed track's mean of such shorter; comes with ``space``.
        space: the embedding space of ``embeddings``.
        matches: one ``Match`` per face.
        attributes: for each face one ``Attribute`` per classifier that has seen enough of it.

    Raises:
        InputError: a column whose shape does not fit the others, or values that are not finite (liveness may be NaN).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None = None
    quality: tuple[Quality, ...] | None = None
    liveness: NDArray[np.float32] | None = None
    track_ids: NDArray[np.int64] | None = None
    embeddings: NDArray[np.float32] | None = None
    space: EmbeddingSpace | None = field(default=None)
    matches: tuple[Match, ...] | None = None
    attributes: tuple[tuple[Attribute, ...], ...] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "boxes", _column("boxes", self.boxes, np.float32, (4,), None))
        n = len(self.boxes)
        put(self, "scores", _column("scores", self.scores, np.float32, (), n))
        for name, dtype, tail in (
            ("landmarks", np.float32, (5, 2)),
            ("liveness", np.float32, ()),
            ("track_ids", np.int64, ()),
            ("embeddings", np.float32, (-1,)),
        ):
            value = getattr(self, name)
            if value is not None:
                put(self, name, _column(name, value, dtype, tail, n))
        for name in ("quality", "matches", "attributes"):
            value = getattr(self, name)
            if value is not None:
                put(self, name, tuple(value))
                if len(value) != n:
                    raise InputError(f"{name}: expected {n} entries, one per box, got {len(value)}")
        if (self.embeddings is None) != (self.space is None):
            raise InputError("embeddings and their space come together: give both or neither")

    @classmethod
    def empty(cls) -> Self:
        """No face at all: what a detector returns for a picture without one."""
        return cls(boxes=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32))

    @classmethod
    def concat(cls, tables: Iterable[Faces]) -> Faces:
        """All rows of several tables, in order; a column is kept if every non-empty table has it.

        Raises:
            SpaceMismatchError: tables with embeddings of different spaces.
        """
        tables = [t for t in tables if len(t)]
        if not tables:
            return cls.empty()
        spaces = {t.space for t in tables if t.space is not None}
        if len(spaces) > 1:
            raise SpaceMismatchError(f"cannot join faces of the spaces {', '.join(sorted(s.id for s in spaces))}")
        joined: dict[str, Any] = {}
        for column in _COLUMNS:
            parts = [getattr(t, column) for t in tables]
            if all(p is not None for p in parts):
                is_array = isinstance(parts[0], np.ndarray)
                joined[column] = np.concatenate(parts) if is_array else tuple(x for p in parts for x in p)
        if "embeddings" in joined:
            joined["space"] = tables[0].space
        return Faces(**joined)

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        more = [c for c in _COLUMNS[2:] if getattr(self, c) is not None]
        names = f": {', '.join(m.name for m in self.matches)}" if self.matches else ""
        return f"<Faces {len(self)}{names}{' with ' + ', '.join(more) if more else ''}>"

    def __iter__(self) -> Iterator[Faces]:
        """Each face as a table of one row."""
        return (self[i : i + 1] for i in range(len(self)))

    def __getitem__(self, rows: Mask | int) -> Faces:
        """Rows by mask, slice, indices or one index; always a table, every column in step."""
        if isinstance(rows, (int, np.integer)):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"face {rows} of {len(self)}")
            rows = range(len(self))[rows : int(rows) + 1 or None]
        index = np.arange(len(self))[rows if isinstance(rows, slice) else _as_index(rows)]
        taken: dict[str, Any] = {}
        for column in _COLUMNS:
            value = getattr(self, column)
            if value is not None:
                taken[column] = value[index] if isinstance(value, np.ndarray) else tuple(value[i] for i in index)
        return Faces(space=self.space, **taken)

    def with_columns(self, **columns: Any) -> Faces:
        """A new table with columns added or replaced."""
        return replace(self, **columns)

    def scaled(self, factor: float) -> Faces:
        """The same faces in an image ``factor`` times as large."""
        landmarks = None if self.landmarks is None else self.landmarks * np.float32(factor)
        return replace(self, boxes=self.boxes * np.float32(factor), landmarks=landmarks)

    def shifted(self, dx: float, dy: float) -> Faces:
        """The same faces moved by ``dx``, ``dy`` pixels."""
        by = np.array([dx, dy], np.float32)
        landmarks = None if self.landmarks is None else self.landmarks + by
        return replace(self, boxes=self.boxes + np.tile(by, 2), landmarks=landmarks)

    def sorted(self, by: Literal["score", "size", "left"] = "score") -> Faces:
        """Rows in order: surest first, largest first, or from left to right."""
        keys = {"score": -self.scores, "size": -self.sizes, "left": self.boxes[:, 0]}
        if by not in keys:
            raise InputError(f"faces are sorted by score, size or left, not by {by!r}")
        return self[np.argsort(keys[by], kind="stable")]

    @property
    def sizes(self) -> NDArray[np.float32]:
        """``(n,)`` float32: the shorter side of each box, pixels."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return sides.min(axis=1) if len(self) else np.zeros(0, np.float32)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """``(n,)`` int64: what each face is called, 1 for the leftmost, whatever the order of the rows."""
        numbers = np.empty(len(self), np.int64)
        numbers[np.argsort(self.boxes[:, 0], kind="stable")] = np.arange(1, len(self) + 1)
        return numbers

    def to_dicts(self) -> list[dict[str, Any]]:
        """The faces as users of the ``mtcnn`` package know them, and what else is known.

        ``box`` is x, y of the top left corner, width and height in whole pixels; ``confidence`` a float; ``keypoints``
        maps the five names to (x, y) in whole pixels, and is there only when the detector found landmarks. Further
        keys appear with their columns: ``quality``, ``liveness``, ``track_id``, ``match``, ``attributes``.
        """
        rows = []
        for i in range(len(self)):
            x1, y1, x2, y2 = (round(float(v)) for v in self.boxes[i])
            row: dict[str, Any] = {"box": [x1, y1, x2 - x1, y2 - y1], "confidence": float(self.scores[i])}
            if self.landmarks is not None:
                row["keypoints"] = {
                    name: (round(float(x)), round(float(y)))
                    for name, (x, y) in zip(LANDMARK_NAMES, self.landmarks[i], strict=True)
                }
            row.update(self._more(i))
            rows.append(row)
        return rows

    def _more(self, i: int) -> dict[str, Any]:
        """The optional columns of row ``i`` for ``to_dicts``."""
        more: dict[str, Any] = {}
        if self.quality is not None:
            q = self.quality[i]
            more["quality"] = {f.name: rounded(getattr(q, f.name), 3) for f in fields(q) if f.name != "reasons"} | {
                "reasons": [r.words() for r in q.reasons]
            }
        if self.liveness is not None:
            known = bool(np.isfinite(self.liveness[i]))
            more["liveness"] = rounded(self.liveness[i]) if known else None
        if self.track_ids is not None:
            more["track_id"] = int(self.track_ids[i])
        if self.matches is not None:
            more["match"] = self.matches[i].to_dict()
        if self.attributes is not None:
            more["attributes"] = [attribute.to_dict() for attribute in self.attributes[i]]
        return more


_COLUMNS = ("boxes", "scores", "landmarks", "quality", "liveness", "track_ids", "embeddings", "matches", "attributes")


def _column(name: str, value: ArrayLike, dtype: Any, tail: tuple[int, ...], n: int | None) -> NDArray[Any]:
    """``value`` as a contiguous array ``(n, *tail)``, or an error that shows both shapes; -1 in ``tail`` fits anything."""
    array = np.ascontiguousarray(value, dtype=dtype)
    expected = (array.shape[0] if n is None and array.ndim else n, *tail)
    fits = array.ndim == len(expected) and all(e in (-1, s) for e, s in zip(expected, array.shape, strict=True))
    if not fits:
        shown = tuple("n" if e is None else "d" if e == -1 else e for e in expected)
        raise InputError(f"{name}: expected shape {shown}, got {array.shape}")
    unknown = np.isnan(array) if name == "liveness" else np.zeros(1, bool)  # NaN: not known yet
    if array.dtype.kind == "f" and not (np.isfinite(array) | unknown).all():
        raise InputError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def _as_index(rows: Any) -> NDArray[Any]:
    array = np.asarray(rows)
    return array.astype(np.intp) if array.size == 0 else array
