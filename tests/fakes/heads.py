"""Landmarks of heads and of photographs of them, as a camera sees them."""

import numpy as np

HEAD = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.55, 0.6], [-0.38, 1.05, 0.05], [0.38, 1.05, 0.05]])
"""Eyes, nose, mouth corners in eye distances: x to the image's right, y down, z towards the camera."""

FLAT = HEAD * [1, 1, 0]
"""The same, printed."""


def rotation(yaw=0.0, pitch=0.0, roll=0.0):
    """(3, 3); degrees, yaw towards the image's right, pitch downwards, roll clockwise."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def seen(points, *, yaw=0.0, pitch=0.0, roll=0.0, distance=8.0, size=50.0, at=(200.0, 150.0)):
    """Landmarks (5, 2) in pixels of points (5, 3), ``size`` pixels to an eye distance."""
    x, y, z = (points @ rotation(yaw, pitch, roll).T).T
    scale = size * distance / (distance - z)
    return np.stack([x * scale, y * scale], axis=1) + at


class Sides:
    """Chance that is none: draws the sides it is given, over and over."""

    def __init__(self, *sides):
        self._sides = list(sides)

    def choice(self, _):
        self._sides.append(self._sides[0])
        return self._sides.pop(0)
