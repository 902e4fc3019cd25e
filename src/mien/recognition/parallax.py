"""Is it a head or a flat picture of one that turns? What the nose does against the plane of the eyes and the mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pose", "frontal", "parallax", "pose", "slimness"]

Floats = NDArray[np.float64]

_SQUARE = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64)
"""Where eyes and mouth corners are laid: the nose's place in that frame is the same for every view of a flat picture."""


@dataclass(frozen=True, slots=True)
class Pose:
    """One face, free of place, size and tilt.

    Args:
        nose: where the nose is across the frame that eyes and mouth corners span: 0 at the side of the image's left eye, 1
            at the other's, whatever the perspective. Of a flat picture it is the same in every view; a head that turns
            towards the image's right moves it to higher numbers.
        aspect: distance of the eyes over that from the eyes to the mouth; smaller the further a head, or a flat
            picture, is turned.
    """

    nose: float
    aspect: float


def pose(landmarks: NDArray[np.floating]) -> Pose | None:
    """The pose of one face, ``(5, 2)`` pixels; None where the four outer points are no upright convex quadrilateral.

    Four points in a plane and their images define a homography (Hartley and Zisserman 2004, section 4.1); where it
    brings the fifth point tells whether that one lies in the plane, too.
    """
    points = landmarks.astype(np.float64)
    corners = points[[0, 1, 3, 4]]
    if not _convex(corners[[0, 1, 3, 2]]):
        return None
    x, _, w = _homography(corners) @ np.array([*points[2], 1.0])
    across = np.linalg.norm(corners[1] - corners[0])
    down = np.linalg.norm(corners[2:].mean(axis=0) - corners[:2].mean(axis=0))
    return Pose(float(x / w), float(across / down))


def frontal(poses: list[Pose]) -> Pose:
    """What a face looks like from the front: medians over some frames of it."""
    return Pose(float(np.median([p.nose for p in poses])), float(np.median([p.aspect for p in poses])))


def slimness(reference: Pose, now: Pose) -> float:
    """How much narrower a face is than it was from the front: the cosine of the turn, of a head and of a flat picture."""
    return min(now.aspect / reference.aspect, 1.0)


def parallax(reference: Pose, now: Pose) -> float:
    """How far the nose has moved against the plane of eyes and mouth, in widths of that frame at the nose's height.

    That is the depth of the nose (0.6 to 0.7 of the width) times the sine of the turn, positive towards the image's right;
    0 for a flat picture. It is measured in the turned view, not in the frontal one, so that the noise of the landmarks
    does not grow with the turn.
    """
    return (now.nose - reference.nose) * slimness(reference, now)


def _convex(ring: Floats) -> bool:
    """Whether four points in order turn the same way at every corner, clockwise as one sees them."""
    sides = np.roll(ring, -1, axis=0) - ring
    following = np.roll(sides, -1, axis=0)
    cross = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return bool((cross > 1e-3 * (sides**2).sum(axis=1).max()).all())


def _homography(corners: Floats) -> Floats:
    """The ``(3, 3)`` matrix that brings four points ``(4, 2)`` to the corners of a square."""
    rows = []
    for (x, y), (u, v) in zip(corners, _SQUARE, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved = np.linalg.solve(np.array(rows), _SQUARE.ravel())
    return np.append(solved, 1.0).reshape(3, 3)
