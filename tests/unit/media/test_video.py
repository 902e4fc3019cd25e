"""Videos in: the right frame at the right time, upright, and a clear word for what is no video."""

import itertools
import sys
from contextlib import suppress
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import ImageError, MissingExtraError
from mien.media.images import write_image
from mien.media.video import FrameFolder, VideoFile, is_video, open_video
from tests.fakes.videos import number_in, numbered, write_numbered, write_sound, write_video

EVEN = [n / 25 for n in range(100)]
UNEVEN = np.cumsum([0.0, *(0.1 if n // 20 % 2 else 0.02 for n in range(99))]).round(3).tolist()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Numbered videos with an even and an uneven rate, in several containers."""
    folder = tmp_path_factory.mktemp("clips")
    for name, times in (
        ("even.mp4", EVEN),
        ("uneven.mp4", UNEVEN),
        ("uneven.mkv", UNEVEN),
        ("even.avi", EVEN),
        ("even.ts", EVEN),
    ):
        write_numbered(folder / name, times)
    write_numbered(folder / "even.webm", EVEN[:30])
    return folder


def shown(times, time):
    return max((n for n, begins in enumerate(times) if begins <= time), default=0)


@pytest.mark.parametrize(
    ("name", "times"),
    [("even.mp4", EVEN), ("uneven.mp4", UNEVEN), ("uneven.mkv", UNEVEN), ("even.avi", EVEN), ("even.ts", EVEN)],
)
def test_every_frame_comes_once_with_its_time(clips, name, times):
    """Frames come in order, none is lost or doubled, and their times are the container's, whatever the rate does."""
    with open_video(clips / name) as video:
        frames = list(video.frames())
    assert [number_in(f.pixels) for f in frames] == list(range(100))
    assert [f.time for f in frames] == pytest.approx(times, abs=0.0011)
    assert frames[0].source == str(clips / name)
    assert video.duration == pytest.approx(times[-1] + 0.04, abs=0.1)


@settings(max_examples=25, deadline=None)
@given(
    asked=st.lists(st.floats(0, 0.999), min_size=1, max_size=5),
    name=st.sampled_from(["even.mp4", "uneven.mp4", "uneven.mkv", "even.avi", "even.ts"]),
)
def test_the_frame_at_a_time_is_the_one_that_is_shown_then(clips, asked, name):
    """In any order of asking, ``at`` gives the last frame that begins no later, exactly."""
    times = EVEN if name.startswith("even") else UNEVEN
    with VideoFile(clips / name) as video:
        for share in asked:
            time = round(share * times[-1], 2) + 0.005
            frame = video.at(time)
            assert number_in(frame.pixels) == shown(times, time)
            assert frame.time == pytest.approx(times[shown(times, time)], abs=0.0011)


def test_asking_twice_and_going_back_is_fine(clips):
    """The same time gives the same frame again; after the end the start can be shown; frames() begins anew."""
    with VideoFile(clips / "even.mp4") as video:
        assert [number_in(video.at(t).pixels) for t in (3.98, 3.98, 0, 0, 2, 1.99)] == [99, 99, 0, 0, 50, 49]
        assert number_in(next(video.frames()).pixels) == 0
        assert len(list(video.frames())) == 100
        assert number_in(video.at(1.0).pixels) == 25


def test_far_frames_are_sought_not_decoded_through(tmp_path, monkeypatch):
    """A jump decodes from the key frame before, however far earlier jumps went; small steps decode on."""
    path = write_numbered(tmp_path / "long.mp4", [n / 25 for n in range(500)])
    decoded = []
    step = VideoFile._step
    monkeypatch.setattr(VideoFile, "_step", lambda self: (decoded.append(1), step(self)))
    with VideoFile(path) as video:
        for time, most in ((0.0, 2), (9.0, 20), (19.0, 20), (1.0, 20), (1.2, 6)):
            decoded.clear()
            assert number_in(video.at(time).pixels) == round(time * 25)
            assert len(decoded) <= most


@pytest.mark.parametrize("turn", [90, -90, 180])
def test_rotation_in_the_file_is_applied(tmp_path, turn):
    """A phone's upright video is stored lying and comes out upright, as OpenCV turns it too."""
    path = write_video(tmp_path / "phone.mp4", [numbered(0b0011100001)] * 2, EVEN[:2], rotation=turn)
    with VideoFile(path) as video:
        pixels = video.at(0).pixels
    reader = cv2.VideoCapture(str(path))
    theirs = cv2.cvtColor(reader.read()[1], cv2.COLOR_BGR2RGB)
    reader.release()
    assert pixels.shape == theirs.shape
    assert np.abs(pixels.astype(int) - theirs).mean() < 2


def test_rotation_turns_the_way_the_file_says(tmp_path):
    """A light left half, shown turned a quarter counter-clockwise, is light at the bottom."""
    left = np.zeros((64, 160, 3), np.uint8)
    left[:, :80] = 255
    path = write_video(tmp_path / "turned.mp4", [left] * 2, EVEN[:2], rotation=90)
    with VideoFile(path) as video:
        pixels = video.at(0).pixels
    assert pixels[-20:].min() > 200
    assert pixels[:20].max() < 50


def test_pixels_become_square(tmp_path):
    """A frame stored with wide pixels is widened, so that a face has its proportions."""
    path = write_numbered(tmp_path / "wide.mp4", EVEN[:3], aspect=Fraction(4, 3))
    with VideoFile(path) as video:
        assert video.at(0).size == (213, 64)


def test_a_container_without_a_duration_is_counted(clips, tmp_path):
    """What a browser records says no duration: it is told by the packets."""
    live = tmp_path / "live.webm"
    with av.open(str(clips / "even.webm")) as source, av.open(str(live), "w", options={"live": "1"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with av.open(str(live)) as container:
        assert not container.duration
    with VideoFile(live) as video:
        assert video.duration == pytest.approx(30 / 25, abs=0.05)
        assert number_in(video.at(1.0).pixels) == 25


def bad_files(folder, clips):
    whole = (clips / "even.mp4").read_bytes()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:10,\neven.mp4\n")
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    write_sound(folder / "sound.mp4")
    (folder / "folder.mp4").mkdir()
    write_image(folder / "picture.png", numbered(1))
    (folder / "picture.png").rename(folder / "picture.mp4")
    with av.open(str(folder / "frameless.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty.mp4", "the file is empty"),
        ("text.mp4", "no video by its content"),
        ("playlist.mp4", "no video by its content"),
        ("picture.mp4", "no video by its content"),
        ("truncated.mp4", "ends early"),
        ("sound.mp4", "no video stream, only sound"),
        ("frameless.mp4", "no video stream|no frame"),
        ("missing.mp4", "no such file"),
        ("folder.mp4", "not a regular file"),
    ],
)
def test_what_is_no_video_is_told_in_one_line(tmp_path, clips, name, words, capfd):
    """The file and the reason stand in one line; nothing else is printed."""
    bad_files(tmp_path, clips)
    with pytest.raises(ImageError, match=f"{name}: .*({words})") as caught, VideoFile(tmp_path / name) as video:
        video.at(video.duration / 2)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def cut_short(clips, folder):
    """A video whose index stands first and whose last third is missing."""
    whole = folder / "whole.mp4"
    with av.open(str(clips / "even.mp4")) as source, av.open(str(whole), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    data = whole.read_bytes()
    path = folder / "short.mp4"
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


def test_a_video_that_ends_early_gives_what_is_there_and_says_so(clips, tmp_path):
    """The frames before the end come, right to the last whole one; then the error tells how much is there."""
    path = cut_short(clips, tmp_path)
    seen = []
    with VideoFile(path) as video:
        with pytest.raises(ImageError, match=r"ends early: \d\.\d s are there of 4\.0 s"):
            seen.extend(number_in(f.pixels) for f in video.frames())
        assert seen == list(range(len(seen)))
        assert 20 < len(seen) < 75
        assert number_in(video.at(0.4).pixels) == 10
        with pytest.raises(ImageError, match=r"no frame at 3\.9 s; it is damaged or ends early"):
            video.at(3.9)


@pytest.mark.parametrize("name", ["even.mp4", "uneven.mkv", "even.avi", "even.ts", "even.webm"])
def test_damaged_bytes_never_raise_anything_else(clips, tmp_path, name):
    """Whatever bytes are wrong, or missing at the end: frames, or one clear error."""
    whole = (clips / name).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / name
    for _ in range(40):
        data = np.frombuffer(whole, np.uint8).copy()
        reach = rng.choice([600, len(data)])  # the head is where it hurts most
        data[rng.integers(0, reach, rng.choice([1, 10, 100]))] = rng.integers(0, 256)
        path.write_bytes(data.tobytes()[: rng.integers(1, 2 * len(data))])
        with suppress(ImageError), VideoFile(path) as video:
            list(itertools.islice(video.frames(), 10))
            video.at(video.duration / 2)


def test_huge_frames_are_refused(clips):
    """The size guard speaks before a frame is decoded."""
    with pytest.raises(ImageError, match=r"megapixels, more than the 0\.001 allowed"):
        VideoFile(clips / "even.mp4", max_megapixels=0.001)


def test_names_in_any_bytes(clips, tmp_path):
    """A name that is no UTF-8, holds a colon or looks like an address is a file like any other."""
    for name in ("http:x.mp4", "đoạn phim.mp4", "bad\udcff.mp4"):
        (tmp_path / name).write_bytes((clips / "even.mp4").read_bytes())
        with VideoFile(tmp_path / name) as video:
            assert number_in(video.at(1).pixels) == 25


def test_without_the_extra_the_command_is_told(clips, monkeypatch):
    """The pip command stands in the error."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r'videos need .*pip install "mien\[video\]"'):
        VideoFile(clips / "even.mp4")


def test_a_folder_of_frames_is_a_video(tmp_path):
    """Pictures in the order of their numbers, at the rate given; other files do not count."""
    for n in (0, 1, 2, 10):
        write_image(tmp_path / f"frame{n}.png", numbered(n))
    (tmp_path / "notes.txt").write_text("no picture")
    with open_video(tmp_path, rate=2) as video:
        assert isinstance(video, FrameFolder)
        assert [(number_in(f.pixels), f.time) for f in video.frames()] == [(0, 0), (1, 0.5), (2, 1.0), (10, 1.5)]
        assert number_in(video.at(1.1).pixels) == 2
        assert video.duration == 2
        with pytest.raises(ImageError, match="no frame at 2"):
            video.at(2.0)


def test_a_folder_without_pictures_is_refused(tmp_path):
    """The error names the folder."""
    with pytest.raises(ImageError, match="there are no pictures in this folder"):
        open_video(tmp_path)


def test_videos_are_known_by_their_endings():
    """Any case; pictures and texts are none."""
    assert is_video("a.MP4")
    assert is_video("b/c.mov")
    assert not is_video("a.jpg")
    assert not is_video("mp4")


def test_memory_stays_flat(tmp_path):
    """300 frames of 640 × 480 need no more memory than the first 30: one frame at a time is held."""
    resource = pytest.importorskip("resource")
    picture = np.zeros((480, 640, 3), np.uint8)
    path = write_video(tmp_path / "long.mp4", [picture] * 300, [n / 25 for n in range(300)], key_every=300)
    with VideoFile(path) as video:
        frames = video.frames()
        for _ in range(30):
            next(frames)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert sum(1 for _ in frames) == 270
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KB
    assert grown < 20_000


def test_real_clips_read_whole(shared_data):
    """An AVI with packed B-frames and an MP4 whose picture starts after its sound: first frame at 0, times rising."""
    for name in ("actor-videos/videos/g1.avi", "clips/short_hamilton_clip.mp4"):
        with VideoFile(shared_data / name) as video:
            times = [f.time for f in video.frames()]
            assert times[0] == 0
            assert (np.diff(times) > 0).all()
            assert video.duration == pytest.approx(times[-1], abs=0.2)
            middle = video.at(times[len(times) // 2])
            assert middle.time == times[len(times) // 2]
