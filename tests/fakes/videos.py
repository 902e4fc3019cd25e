"""Short videos whose frames carry their number, so that a test can tell which frame it got."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 10
CELL = 32  # pixels; five cells in each of two rows
SIZE = (5 * CELL, 2 * CELL)
MILLISECOND = Fraction(1, 1000)


def numbered(number: int) -> np.ndarray:
    """A picture, (64, 160, 3) uint8, whose light cells are the bits of ``number``."""
    cells = np.array([40 + 180 * (number >> bit & 1) for bit in range(BITS)], np.uint8).reshape(2, 5)
    return np.repeat(cells.repeat(CELL, 0).repeat(CELL, 1)[..., None], 3, 2)


def number_in(pixels: np.ndarray) -> int:
    """The number that a picture of ``numbered`` carries, scaled or recompressed as it may be."""
    height, width = pixels.shape[:2]
    rows = (np.array([0.25, 0.75]) * height).astype(int)
    columns = ((np.arange(5) + 0.5) / 5 * width).astype(int)
    return int(((pixels[np.ix_(rows, columns)].mean(axis=2).ravel() > 128) << np.arange(BITS)).sum())


def write_video(path: Path, pictures, times, *, rotation: int = 0, aspect: Fraction | None = None, key_every: int = 12):
    """Write pictures, (H, W, 3) uint8 RGB, as a video with B-frames, each shown from its time in seconds."""
    codec = {".webm": "libvpx", ".avi": "mpeg4"}.get(path.suffix, "libx264")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25) if codec == "mpeg4" else MILLISECOND
        stream.codec_context.gop_size = key_every
        stream.codec_context.thread_count = 1
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "x264-params": "bframes=2:scenecut=0"}
        if rotation:
            stream.set_display_rotation(rotation)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_numbered(path: Path, times, **options):
    """A video whose n-th frame carries n and is shown from ``times[n]`` seconds."""
    return write_video(path, [numbered(n) for n in range(len(times))], times, **options)


def write_sound(path: Path):
    """A second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
