"""Photographs held up to a camera: flat, bent or folded, turned, leaned and moved, as the camera would see them."""

from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 320, 256
GREY = (110, 110, 110)
EYES = 40
"""Distance of the eyes in the camera's picture, pixels, of a photograph held straight."""
DISTANCE = 8.0
"""Of the photograph from the camera, eye distances: half a metre for a life-size one, so that perspective is strong."""


@dataclass(frozen=True)
class Photograph:
    """A picture of a face.

    pixels: RGB; eyes: their distance in it, pixels; middle: x, y between eyes and mouth, which is held in view.
    """

    pixels: np.ndarray
    eyes: float
    middle: np.ndarray


@dataclass(frozen=True)
class Shape:
    """How the paper is bent around an upright axis through the face: ``flat``, ``bent`` with a radius in eye distances,
    or ``folded`` with each half leaning back by so many degrees.
    """

    kind: str
    amount: float = 0.0

    def __str__(self) -> str:
        unit = {"flat": "", "bent": f", radius {self.amount:g}", "folded": f", {self.amount:g}°"}
        return self.kind + unit[self.kind]

    def curve(self, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points of the paper are: to the right and towards the camera; ``along`` is their place on the paper."""
        if self.kind == "bent":
            return self.amount * np.sin(along / self.amount), -self.amount * (1 - np.cos(along / self.amount))
        if self.kind == "folded":
            slope = np.radians(self.amount)
            return along * np.cos(slope), -np.abs(along) * np.sin(slope)
        return along, np.zeros_like(along)


@dataclass(frozen=True)
class Hand:
    """How it is held: turned about the upright axis and leaned (degrees, flat paper only), rolled, moved (pixels)."""

    turn: float = 0.0
    lean: float = 0.0
    roll: float = 0.0
    at: tuple[float, float] = (0.0, 0.0)
    nearer: float = 1.0


def view(photo: Photograph, shape: Shape, hand: Hand) -> np.ndarray:
    """What the camera sees, (HEIGHT, WIDTH, 3) RGB: columns of the paper stay upright columns of the picture."""
    along = np.linspace(-photo.middle[0], photo.pixels.shape[1] - photo.middle[0], 1200) / photo.eyes
    if shape.kind == "bent":
        along = along[np.abs(along / shape.amount) < 1.5]
    right, forward = shape.curve(along)
    turn = np.radians(hand.turn)
    across = right * np.cos(turn) + forward * np.sin(turn)
    depth = DISTANCE + right * np.sin(turn) - forward * np.cos(turn)
    focal = DISTANCE * EYES * hand.nearer
    seen = _facing(focal * across / depth, along)
    columns = np.arange(WIDTH) - WIDTH / 2
    places = np.interp(columns, (focal * across / depth)[seen], along[seen], left=np.nan, right=np.nan)
    scale = np.interp(columns, (focal * across / depth)[seen], (focal / depth / photo.eyes)[seen])
    rows = np.arange(HEIGHT)[:, None] - HEIGHT / 2
    map_x = np.repeat((photo.middle[0] + places * photo.eyes)[None], HEIGHT, 0)
    map_y = photo.middle[1] + rows / scale
    upright = cv2.remap(
        photo.pixels,
        np.nan_to_num(map_x, nan=-1e4).astype(np.float32),
        map_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=GREY,
    )
    return cv2.warpPerspective(upright, _held(hand, focal), (WIDTH, HEIGHT), borderValue=GREY)


def _facing(across: np.ndarray, along: np.ndarray) -> slice:
    """The part of the paper around the face that the camera sees from the front."""
    growing = np.concatenate([[True], np.diff(across) > 0])
    middle = int(np.argmin(np.abs(along)))
    hidden = np.flatnonzero(~growing)
    return slice(max(hidden[hidden <= middle], default=0), min(hidden[hidden > middle], default=len(along)))


def _held(hand: Hand, focal: float) -> np.ndarray:
    """The homography of leaning, rolling and moving a picture that faces the camera."""
    lean, roll = np.radians([hand.lean, hand.roll])
    camera = np.array([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]])
    leaned = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    rolled = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = rolled @ leaned
    plane = np.column_stack([turned[:, 0], turned[:, 1], [0, 0, DISTANCE]])
    moved = np.array([[1, 0, hand.at[0]], [0, 1, hand.at[1]], [0, 0, 1]])
    return moved @ camera @ plane @ np.linalg.inv(camera @ np.diag([1, 1, DISTANCE]))
