"""Videos out: what was written is what is read, whole or not at all."""

import sys

import av
import numpy as np
import pytest

from mien.core.errors import ImageError, MissingExtraError
from mien.media.video import VideoFile
from mien.media.video_writer import VideoWriter
from tests.fakes.videos import number_in, numbered


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_frames_come_back_at_their_times(tmp_path, name):
    """An uneven rate survives writing and reading."""
    times = [0.0, 0.04, 0.5, 0.54, 2.0]
    with VideoWriter(tmp_path / name) as writer:
        for n, time in enumerate(times):
            writer.write(numbered(n), time)
    with VideoFile(tmp_path / name) as video:
        frames = list(video.frames())
    assert [number_in(f.pixels) for f in frames] == list(range(5))
    assert [f.time for f in frames] == pytest.approx(times, abs=0.0011)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_frames_without_a_time_keep_the_rate(tmp_path):
    """One after the other at the rate that was said; the codec is H.264 where it is there."""
    with VideoWriter(tmp_path / "a.mp4", rate=10) as writer:
        for n in range(4):
            writer.write(numbered(n))
    with VideoFile(tmp_path / "a.mp4") as video:
        assert [f.time for f in video.frames()] == pytest.approx([0, 0.1, 0.2, 0.3])
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec.name == ("h264" if "libx264" in av.codecs_available else "mpeg4")


def test_odd_sizes(tmp_path, astronaut):
    """An odd row and column are left out; the rest keeps its colours."""
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for _ in range(3):
            writer.write(astronaut[:101, :203])
    with VideoFile(tmp_path / "a.mp4") as video:
        pixels = video.at(0).pixels
    assert pixels.shape == (100, 202, 3)
    assert np.abs(pixels.astype(int) - astronaut[:100, :202]).mean() < 6


def write_all(path, frames):
    with VideoWriter(path) as writer:
        for pixels, time in frames:
            writer.write(pixels, time)


def breaks_off():
    yield numbered(1), 0.0
    raise RuntimeError


def test_nothing_is_left_after_an_exception(tmp_path):
    """A video that was there stays; no half of a new one is left."""
    (tmp_path / "a.mp4").write_bytes(b"the old one")
    with pytest.raises(RuntimeError):
        write_all(tmp_path / "a.mp4", breaks_off())
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"the old one"]


@pytest.mark.parametrize(
    ("name", "frames", "words"),
    [
        ("a.gif", [], r"expected an ending of \.mp4, \.mov, \.mkv, got '\.gif'"),
        ("none/a.mp4", [], "no such file or directory"),
        ("a.mp4", [], "no frame was written"),
        ("a.mp4", [(numbered(1), 0), (np.rot90(numbered(1)), 1)], "expected frames of 160 × 64, got 64 × 160"),
        ("a.mp4", [(numbered(1), 1), (numbered(1), 1)], r"expected a time after 1\.000 s, got 1\.000 s"),
        ("a.mp4", [(numbered(1)[:1], 0)], "2 × 2 pixels or more"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, frames, words):
    """Endings, places, sizes and times that do not fit are told in one line; nothing is left."""
    with pytest.raises(ImageError, match=f"cannot write .*{name}: .*{words}"):
        write_all(tmp_path / name, frames)
    assert not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path):
    """Where no more fits, one line says so and the half file is removed."""
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(ImageError, match=r"cannot write .*file too large"):
            write_all(tmp_path / "a.mp4", ((np.roll(noise, n), n / 25) for n in range(80)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_without_the_extra_the_command_is_told(tmp_path, monkeypatch):
    """The pip command stands in the error."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"mien\[video\]"):
        VideoWriter(tmp_path / "a.mp4")
