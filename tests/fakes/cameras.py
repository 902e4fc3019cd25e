"""Films for Chromium's fake camera: people who walk by one after the other, from real pictures of a webcam or portraits."""

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, RATE = 640, 360, 15


@dataclass
class Film:
    """What a camera sees.

    Args:
        path: the film, Y4M as Chromium takes it.
        photo: a photograph of the person who is to be learnt, taken at another moment than the film's frames if possible.
    """

    path: Path
    photo: Path


def write_film(path: Path, pictures) -> Path:
    """Write pictures ``(360, 640, 3)`` uint8 RGB as an uncompressed film, ``RATE`` of them a second."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            file.write(b"FRAME\n" + cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def of_portraits(folder: Path, known, stranger) -> Film:
    """Somebody known, nobody, a stranger: portraits that pass by, ``(H, W, 3)`` uint8 RGB."""
    nobody = [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * (RATE * 2)
    pictures = [*_passing(_head(known)), *nobody, *_passing(_head(stranger)), *nobody]
    photo = folder / "known.png"
    cv2.imwrite(str(photo), cv2.cvtColor(known, cv2.COLOR_RGB2BGR))
    return Film(write_film(folder / "camera.y4m", pictures), photo)


def of_webcam(folder: Path, known: Path, stranger: Path) -> Film:
    """Somebody known, nobody, a stranger, as a webcam saw them: folders of frames in sequence, of which the first is kept."""
    photo, *frames = sorted(known.glob("*.jpg"), key=_sequence)
    others = sorted(stranger.glob("*.jpg"), key=_sequence)
    nobody = [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * (RATE * 2)
    pictures = [*_played(frames[:16]), *nobody, *_played(others[:16]), *nobody]
    return Film(write_film(folder / "camera.y4m", pictures), photo)


def _head(portrait):
    """The head of a portrait, as somebody stands who looks into a camera at a door."""
    import mien

    x1, y1, x2, y2 = mien.detector().detect(portrait).sorted("size").boxes[0].round().astype(int)
    more = x2 - x1
    return portrait[max(0, y1 - more) : y2 + more, max(0, x1 - more) : x2 + more]


def _sequence(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.stem)]


def _played(frames, each: int = 5):
    for frame in frames:
        picture = cv2.cvtColor(cv2.imread(str(frame)), cv2.COLOR_BGR2RGB)
        yield from [_framed(picture, 0)] * each


def _passing(portrait, seconds: int = 5):
    for step in range(seconds * RATE):
        yield _framed(portrait, round(120 * (step / (seconds * RATE) - 0.5)))


def _framed(picture, shift: int):
    """The picture as high as the camera's frame, ``shift`` pixels beside its middle."""
    width = round(picture.shape[1] * HEIGHT / picture.shape[0])
    small = cv2.resize(picture, (width, HEIGHT), interpolation=cv2.INTER_AREA)
    canvas = np.full((HEIGHT, WIDTH + 400, 3), 90, np.uint8)
    begin = (WIDTH + 400 - width) // 2 + shift
    canvas[:, begin : begin + width] = small
    return canvas[:, 200 : 200 + WIDTH]
