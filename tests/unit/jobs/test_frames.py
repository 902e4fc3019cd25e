"""Videos become frames per person: evenly spread, resumable, and a split that obeys their manifest."""

import csv
import shutil
from itertools import islice

import numpy as np
import pytest

from mien.core.errors import ImageError, InputError, SettingError
from mien.core.faces import Faces
from mien.jobs.folders import AlignOptions, align_folder
from mien.jobs.frame_manifest import FrameManifest, FrameRow, times_of_frames, videos_of_frames
from mien.jobs.frames import FrameOptions, UsableFace, take_frames
from mien.jobs.manifest import MANIFEST
from mien.jobs.running import Done, Failed, Skipped
from mien.media.images import read_image
from mien.recognition.quality import QualityLimits
from tests.fakes.videos import number_in, write_numbered, write_video

TEN = FrameOptions(per_person=10)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Ada has a folder with a video of 3 s and one of 1 s, Đức two files of 2 s each."""
    root = tmp_path_factory.mktemp("videos")
    write_numbered(root / "Ada/long.mp4", [n / 25 for n in range(75)])
    write_numbered(root / "Ada/2024/short.mp4", [n / 25 for n in range(25)])
    write_numbered(root / "Đức Nguyễn.mp4", [n / 25 for n in range(50)])
    write_numbered(root / "Đức Nguyễn_2.mp4", [n / 25 for n in range(50)])
    (root / "notes.txt").write_text("no video")
    (root / ".hidden.mp4").write_text("no video")
    return root


def rows_of(events):
    return [e.result for e in events if isinstance(e, Done) and e.result is not None]


def failures(events):
    return [e for e in events if isinstance(e, Failed)]


def taken(events, **where):
    return [r for r in rows_of(events) if r.file and all(getattr(r, k) == v for k, v in where.items())]


def test_each_person_gets_so_many_frames_evenly_spread(videos, tmp_path):
    """Ten frames of Ada lie 0.4 s apart over both videos as if they were one, and each file is the frame it says."""
    events = list(take_frames(videos, tmp_path, options=TEN))
    assert not failures(events)
    assert {p: len(taken(events, person=p)) for p in ("Ada", "Đức Nguyễn")} == {"Ada": 10, "Đức Nguyễn": 10}
    short = [r.wanted for r in taken(events, video="Ada/2024/short.mp4")]
    long = [r.wanted for r in taken(events, video="Ada/long.mp4")]
    assert sorted(short + [1 + t for t in long]) == pytest.approx([0.2 + 0.4 * k for k in range(10)], abs=0.002)
    for row in taken(events):
        number = number_in(read_image(tmp_path / row.file).pixels)
        assert number / 25 == pytest.approx(row.time, abs=0.001)
        assert 0 <= row.wanted - row.time < 0.0401
        assert row.file == f"{row.person}/{row.video.rsplit('/', 1)[-1][:-4]}@{row.time:.3f}s.jpg"


def test_per_video_and_every(videos, tmp_path):
    """``per_video`` spreads over each video; ``every`` begins at its start and keeps the step."""
    each = list(take_frames(videos, tmp_path / "each", options=FrameOptions(per_video=4)))
    assert [r.wanted for r in taken(each, video="Ada/2024/short.mp4")] == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert len(taken(each)) == 16
    half = list(take_frames(videos, tmp_path / "half", options=FrameOptions(every=0.5)))
    assert [r.wanted for r in taken(half, video="Ada/2024/short.mp4")] == [0, 0.5]
    assert len(taken(half)) == 6 + 2 + 4 + 4


def test_the_manifest_tells_every_frame(videos, tmp_path):
    """manifest.csv has a row per frame with its person, video and time."""
    events = list(take_frames(videos, tmp_path, options=TEN))
    with (tmp_path / MANIFEST).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "person", "video", "time", "wanted", "taken"]
    assert {r["file"] for r in rows} == {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.jpg")}
    assert videos_of_frames(tmp_path) == {r.file: r.video for r in taken(events)}


def test_a_second_run_does_nothing_and_a_stopped_one_goes_on(videos, tmp_path):
    """Whoever stops pulling events ends the run between two frames; the next run takes the rest, a third nothing."""
    events = take_frames(videos, tmp_path, options=TEN)
    first = list(islice((e.result for e in events if isinstance(e, Done) and e.result), 7))
    events.close()
    kept = {r.file: (tmp_path / r.file).stat().st_mtime_ns for r in first}
    rest = list(take_frames(videos, tmp_path, options=TEN))
    assert len(rows_of(rest)) == 13
    assert not {r.file for r in rows_of(rest)} & kept.keys()
    assert not rows_of(take_frames(videos, tmp_path, options=TEN))
    assert {f: (tmp_path / f).stat().st_mtime_ns for f in kept} == kept


def test_a_torn_row_and_a_lost_frame_are_mended(videos, tmp_path):
    """A process killed in the middle of a row, or a frame that was removed, costs that frame only."""
    events = list(take_frames(videos, tmp_path, options=TEN))
    manifest = tmp_path / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:-9])
    lost = taken(events)[0]
    (tmp_path / lost.file).unlink()
    again = rows_of(take_frames(videos, tmp_path, options=TEN))
    assert {r.file for r in again} == {lost.file, taken(events)[-1].file}
    assert len(videos_of_frames(tmp_path)) == 20


def test_other_choices_do_not_mix(videos, tmp_path):
    """A folder of frames keeps to the way its frames were chosen."""
    list(take_frames(videos, tmp_path, options=TEN))
    with pytest.raises(SettingError, match=r"holds frames taken as 10 per person, not every 0\.5 s"):
        list(take_frames(videos, tmp_path, options=FrameOptions(every=0.5)))


def test_a_video_added_later_gets_its_share(videos, tmp_path):
    """What was taken stays as it is and is told; the new video is sampled as if all had been there."""
    source = tmp_path / "videos"
    (source / "Ada").mkdir(parents=True)
    shutil.copy(videos / "Ada/long.mp4", source / "Ada/a.mp4")
    list(take_frames(source, tmp_path / "frames", options=TEN))
    shutil.copy(videos / "Ada/long.mp4", source / "Ada/b.mp4")
    events = list(take_frames(source, tmp_path / "frames", options=TEN))
    assert [e.name for e in events if isinstance(e, Skipped) and e.stage == "plan"] == ["Ada/a.mp4"]
    assert {r.video for r in rows_of(events)} == {"Ada/b.mp4"}
    assert len(taken(events)) == 5


def test_bad_videos_are_reported_once_and_the_rest_goes_on(videos, tmp_path):
    """Text, an empty file and a recording that was cut off fail with their reason; Ada's good video is taken whole."""
    source = tmp_path / "videos"
    (source / "Ada").mkdir(parents=True)
    shutil.copy(videos / "Ada/long.mp4", source / "Ada/good.mp4")
    whole = (videos / "Ada/long.mp4").read_bytes()
    (source / "Ada/cut.mp4").write_bytes(whole[: len(whole) // 2])
    (source / "Ada/empty.mov").write_bytes(b"")
    (source / "Bob.avi").write_text("no video")
    events = list(take_frames(source, tmp_path / "frames", options=TEN))
    reasons = {e.name.rsplit("/", 1)[-1]: e.reason for e in failures(events)}
    assert reasons.keys() == {"cut.mp4", "empty.mov", "Bob.avi"}
    assert "ends early" in reasons["cut.mp4"]
    assert len(taken(events, video="Ada/good.mp4")) == 10


def test_a_video_that_breaks_off_is_reported_once(videos, tmp_path, monkeypatch):
    """After the first place that cannot be read, no other of that video is tried."""
    from mien.media.video import VideoFile

    whole = VideoFile.at

    def at(self, time):
        if self.name.endswith("long.mp4") and time > 1.5:
            raise ImageError(f"cannot read {self.name}: no frame at {time} s")
        return whole(self, time)

    monkeypatch.setattr(VideoFile, "at", at)
    events = list(take_frames(videos, tmp_path, options=TEN))
    assert [e.name.rsplit("/", 1)[-1] for e in failures(events)] == ["long.mp4"]
    assert len(taken(events)) == 20 - 4


class Bright:
    """What is usable: frames whose number is beyond a limit; it notes what it was shown."""

    def __init__(self, least):
        self.least = least
        self.seen = []

    def __call__(self, picture):
        self.seen.append(number_in(picture.pixels))
        return self.seen[-1] >= self.least


def test_only_usable_frames_each_near_its_place(videos, tmp_path):
    """An unusable frame gives way to another of its stretch; a stretch without any gives none, and is not tried again."""
    usable = Bright(22)
    events = list(take_frames(videos / "Ada/long.mp4", tmp_path, options=FrameOptions(per_video=3), usable=usable))
    rows = rows_of(events)
    assert [bool(r.file) for r in rows] == [True, True, True]
    assert [number_in(read_image(tmp_path / r.file).pixels) for r in rows] == [22, 37, 62]
    none = Bright(1000)
    empty = tmp_path / "none"
    assert not taken(take_frames(videos / "Ada/long.mp4", empty, options=FrameOptions(per_video=3), usable=none))
    assert len(none.seen) == 15
    list(take_frames(videos / "Ada/long.mp4", empty, options=FrameOptions(per_video=3), usable=none))
    assert len(none.seen) == 15


def test_more_places_than_frames(tmp_path):
    """A video of four frames gives each of them once, however many are wanted."""
    write_numbered(tmp_path / "videos/Ada.mp4", [n / 25 for n in range(4)])
    events = list(take_frames(tmp_path / "videos", tmp_path / "frames", options=TEN))
    assert [number_in(read_image(tmp_path / "frames" / r.file).pixels) for r in taken(events)] == [0, 1, 2, 3]
    assert len(rows_of(events)) == 10
    assert not rows_of(take_frames(tmp_path / "videos", tmp_path / "frames", options=TEN))


class OneFace:
    """A detector that finds one face, of a given side, in every picture."""

    name = "one"

    def __init__(self, side):
        self.side = side

    def detect(self, image):
        return Faces(np.array([[200, 80, 200 + self.side, 80 + self.side]]), np.array([0.99]))

    def at_scale(self, scale):
        return self

    def detect_batch(self, images):
        return [self.detect(image) for image in images]


def test_a_usable_face_passes_the_gate(astronaut, tmp_path):
    """A real face of 90 pixels passes; one of 30 pixels, or none at all, does not."""
    write_video(tmp_path / "Ada.mp4", [astronaut] * 3, [0, 0.04, 0.08])
    takes = {}
    for side in (30, 90):
        usable = UsableFace(OneFace(side), QualityLimits())
        events = take_frames(
            tmp_path / "Ada.mp4", tmp_path / str(side), options=FrameOptions(per_video=1), usable=usable
        )
        takes[side] = len(taken(events))
    assert takes == {30: 0, 90: 1}


@pytest.mark.parametrize("given", [{}, {"per_person": 1, "every": 1.0}, {"every": 0.0}, {"per_video": -1}])
def test_options_that_cannot_work(given):
    """Exactly one way of choosing, above 0."""
    with pytest.raises(SettingError, match=r"choose one of|above 0"):
        FrameOptions(**given)


def test_a_split_obeys_the_manifest(tmp_path, astronaut):
    """Frames whose names say nothing stay on their video's side, because the manifest knows their video."""
    from mien.media.images import write_image

    folder = tmp_path / "frames"
    rng = np.random.default_rng(0)
    (folder / "Ada").mkdir(parents=True)
    with FrameManifest(folder, "by hand") as manifest:
        for n in range(12):  # unlike pictures: only the manifest knows that they belong together
            fields = rng.integers(0, 255, (8, 8, 3), np.uint8).repeat(32, 0).repeat(32, 1)
            write_image(folder / f"Ada/x{n}.png", np.vstack([fields, astronaut[:128, 96:352]]))
            manifest.add(FrameRow(f"Ada/x{n}.png", "Ada", f"clip{n % 3}.mp4", n / 25, n / 25, "by hand"))
    events = align_folder(folder, tmp_path / "chips", detector=OneFace(90), options=AlignOptions(split=0.6))
    sides = {e.result.source: e.result.split for e in events if isinstance(e, Done) and e.stage == "align"}
    by_video = [{sides[f"Ada/x{n}.png"] for n in range(12) if n % 3 == clip} for clip in range(3)]
    assert all(len(side) == 1 for side in by_video)
    assert set.union(*by_video) == {"train", "test"}


def test_a_manifest_of_something_else(tmp_path):
    """A manifest of aligned faces says nothing about videos; a damaged one of frames is refused."""
    (tmp_path / MANIFEST).write_text("chip,person\na,b\n")
    assert videos_of_frames(tmp_path) == {}
    (tmp_path / MANIFEST).write_text(",".join(FrameRow._fields) + "\na,b\n")
    with pytest.raises(InputError, match="is no manifest of frames"):
        videos_of_frames(tmp_path)


def test_times_of_frames_for_whoever_watches_them(tmp_path):
    """A person's folder is watched by the times of the manifest above it, one video after the other."""
    (tmp_path / "Ada").mkdir()
    with FrameManifest(tmp_path, "by hand") as manifest:
        for file, video, time in (("b.png", "b.mp4", 1.0), ("a2.png", "a.mp4", 2.0), ("a1.png", "a.mp4", 0.5)):
            (tmp_path / "Ada" / file).touch()
            manifest.add(FrameRow(f"Ada/{file}", "Ada", video, time, time, "by hand"))
        manifest.add(FrameRow("Ada/gone.png", "Ada", "a.mp4", 0.1, 0.1, "by hand"))
        manifest.add(FrameRow("", "Ada", "a.mp4", 0.2, 0.2, "by hand"))
    assert times_of_frames(tmp_path / "Ada") == {"a1.png": 0.5, "a2.png": 2.0, "b.png": 13.0}
    assert list(times_of_frames(tmp_path)) == ["Ada/a1.png", "Ada/a2.png", "Ada/b.png"]
    assert times_of_frames(tmp_path.parent) == {}
