"""Faces that people marked in pictures: WIDER FACE's boxes with its easy, medium and hard lists."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, MissingExtraError

__all__ = ["WIDER_ATTRIBUTES", "WIDER_LEVELS", "MarkedPicture", "read_wider", "read_wider_lists"]

WIDER_LEVELS = ("easy", "medium", "hard")
"""WIDER FACE's sets of faces; each of them holds the ones before it."""

WIDER_ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
"""What WIDER FACE says of each face, in the order of its text files."""


@dataclass(frozen=True, slots=True, eq=False)
class MarkedPicture:
    """One picture and the faces that people marked in it.

    Args:
        path: where the picture is.
        event: WIDER's name for its kind, e.g. ``"0--Parade"``.
        boxes: ``(m, 4)`` float32 x1, y1, x2, y2 pixels, x2 and y2 exclusive. A few boxes of WIDER have no area; they
            stay, because the lists count them.
        counted: for each level ``(m,)`` bool: a face to be found; the others are neither right nor wrong to find.
            Empty where the lists are not there (the training pictures).
        attributes: ``(m,)`` uint8 by name: blur 0–2, expression 0–1, illumination 0–1, invalid 0–1, occlusion 0–2,
            pose 0–1 (WIDER's readme).
        ellipses: ``(m, 5)`` float64 half the major axis, half the minor, angle in radians, centre x, y; where the faces are
            marked so (FDDB).
        labels: for each other column that the file has, what it says of every face.
    """

    path: Path
    event: str
    boxes: NDArray[np.float32]
    counted: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    attributes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    ellipses: NDArray[np.float64] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """``(m,)`` bool: boxes with an area that are not marked invalid; the ones to train on."""
        usable = (self.boxes[:, 2:] > self.boxes[:, :2]).all(axis=1)
        if "invalid" in self.attributes:
            usable &= self.attributes["invalid"] == 0
        return np.asarray(usable, bool)


def read_wider(annotations: Path, *, pictures: Path, lists: Path | None = None) -> tuple[list[MarkedPicture], int]:
    """WIDER FACE's annotations for those pictures that are there.

    Args:
        annotations: ``wider_face_train.mat`` or ``wider_face_val.mat`` of the official split.
        pictures: the folder that holds a folder per event (``WIDER_val/images``).
        lists: the folder of ``wider_easy_val.mat`` and its two siblings; None leaves ``counted`` empty.

    Returns:
        The pictures in the order of the file, and how many it names that are not there.

    Raises:
        InputError: a file that is absent, is no WIDER annotation, or lists that belong to another one.
        MissingExtraError: without SciPy, which reads the MATLAB files.
    """
    mat = _load(annotations, ["event_list", "file_list", "face_bbx_list"])
    levels = {level: _level(lists, level) for level in WIDER_LEVELS} if lists else {}
    marked, absent = [], 0
    for at, event, name in _files(mat):
        path = pictures / event / f"{name}.jpg"
        if not path.is_file():
            absent += 1
            continue
        boxes = _boxes(_cell(mat["face_bbx_list"], at))
        attributes = {a: _flags(mat[f"{a}_label_list"], at) for a in WIDER_ATTRIBUTES if f"{a}_label_list" in mat}
        counted = {level: _mask(levels[level], at, len(boxes), annotations) for level in levels}
        marked.append(MarkedPicture(path, event, boxes, counted, attributes))
    return marked, absent


def read_wider_lists(lists: Path) -> dict[str, dict[str, NDArray[np.intp]]]:
    """Rows of the faces that each official list counts, by level and by ``event/name.jpg``, for boxes read from text.

    Raises:
        InputError: a list that is absent or no such file.
        MissingExtraError: without SciPy.
    """
    found: dict[str, dict[str, NDArray[np.intp]]] = {}
    for level in WIDER_LEVELS:
        mat = _load(lists / f"wider_{level}_val.mat", ["gt_list", "event_list", "file_list"])
        found[level] = {
            f"{event}/{name}.jpg": _cell(mat["gt_list"], at).ravel().astype(np.intp) - 1
            for at, event, name in _files(mat)
        }
    return found


def _load(file: Path, keys: list[str]) -> dict[str, Any]:
    """The variables of a MATLAB file, of which ``keys`` must be there."""
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ModuleNotFoundError:
        raise MissingExtraError("WIDER FACE's MATLAB files", "lab") from None
    try:
        with file.open("rb") as stream:
            mat: dict[str, Any] = loadmat(stream)
    except NotImplementedError as error:
        raise InputError(
            f"{file} is a MATLAB file of version 7.3, which is not read; expected one of wider_face_split (version 5), or "
            "save it again with -v7"
        ) from error
    except (OSError, MatReadError, ValueError, TypeError, IndexError, zlib.error) as error:
        raise InputError(f"{file} cannot be read as MATLAB file ({error}); expected one of wider_face_split") from error
    if lacking := [key for key in keys if key not in mat]:
        raise InputError(f"{file} lacks {', '.join(lacking)}; expected one of wider_face_split")
    return mat


def _level(lists: Path, level: str) -> Any:
    """The cells of one official list: for each picture the counted faces, numbered from 1."""
    return _load(lists / f"wider_{level}_val.mat", ["gt_list"])["gt_list"]


def _files(mat: Mapping[str, Any]) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Place, event and name of every picture."""
    for e, event in enumerate(mat["event_list"][:, 0]):
        for i, name in enumerate(mat["file_list"][e, 0][:, 0]):
            yield (e, i), str(event.item()), str(name.item())


def _cell(cells: Any, at: tuple[int, int]) -> NDArray[Any]:
    """The array of one picture."""
    array: NDArray[Any] = cells[at[0], 0][at[1], 0]
    return array


def _boxes(xywh: NDArray[Any]) -> NDArray[np.float32]:
    """x1, y1, x2, y2 of x, y, width, height."""
    boxes = xywh.reshape(-1, 4).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _flags(cells: Any, at: tuple[int, int]) -> NDArray[np.uint8]:
    return _cell(cells, at).ravel().astype(np.uint8)


def _mask(cells: Any, at: tuple[int, int], faces: int, annotations: Path) -> NDArray[np.bool_]:
    """``(faces,)`` bool of the faces that a list counts."""
    rows = _cell(cells, at).ravel().astype(np.intp) - 1
    if rows.size and not 0 <= rows.min() <= rows.max() < faces:
        raise InputError(f"the lists count face {rows.max() + 1} of a picture with {faces}; not those of {annotations}")
    mask = np.zeros(faces, bool)
    mask[rows] = True
    return mask
