"""Whatever can be watched is asked in one way: files, folders, cameras."""

from datetime import UTC, datetime

import cv2
import pytest

from mien.core.errors import ImageError, SettingError
from mien.media.cameras import Camera, CameraOptions
from mien.media.sources import SourceOptions, open_source
from tests.fakes.videos import number_in, numbered, write_numbered

BEGAN = datetime(2026, 3, 2, 8, tzinfo=UTC)


def everything(source):
    """Every picture that a source gives until it has ended."""
    pictures = []
    with source:
        while not source.ended:
            picture = source.newest(0.2)
            if picture is not None:
                pictures.append(picture)
    return pictures


def folder_of_frames(folder, count):
    folder.mkdir(parents=True)
    for n in range(count):
        cv2.imwrite(str(folder / f"frame{n}.png"), numbered(n))
    return folder


def test_a_file_gives_every_frame_by_its_own_time(tmp_path):
    """However long the watcher takes; the state is live to the end."""
    path = write_numbered(tmp_path / "clip.mp4", [0.0, 0.1, 0.5, 0.6])
    source = open_source(str(path), SourceOptions(began=BEGAN))
    pictures = everything(source)
    assert [number_in(p.pixels) for p in pictures] == [0, 1, 2, 3]
    assert [p.time for p in pictures] == pytest.approx([0.0, 0.1, 0.5, 0.6], abs=0.002)
    assert source.state.name == "live"
    assert source.moment(0.5).isoformat() == "2026-03-02T08:00:00.500000+00:00"


def test_a_file_played_live_gives_the_newest_frame_only(tmp_path):
    """A second of video takes a second, and a slow watcher misses frames; its end is no loss."""
    path = write_numbered(tmp_path / "clip.mp4", [n / 25 for n in range(25)])
    source = open_source(str(path), SourceOptions(live=True))
    with source:
        first = source.newest(2.0)
        while source.time < 0.5:
            pass
        second = source.newest(2.0)
        while not source.ended:
            source.newest(0.2)
    assert number_in(first.pixels) < 5
    assert 8 < number_in(second.pixels) < 16
    assert source.state.name == "live"


def test_a_folder_of_frames(tmp_path):
    """Pictures in the order of their numbers, 2 before 10, at the rate given."""
    folder = folder_of_frames(tmp_path / "frames", 12)
    pictures = everything(open_source(str(folder), SourceOptions(rate=4)))
    assert [number_in(p.pixels) for p in pictures] == list(range(12))
    assert [p.time for p in pictures][:3] == [0.0, 0.25, 0.5]


def test_a_folder_with_given_times(tmp_path):
    """Only the frames that have a time, in the order of time."""
    folder = folder_of_frames(tmp_path / "frames", 3)
    times = {"frame2.png": 1.5, "frame0.png": 9.0}
    pictures = everything(open_source(str(folder), SourceOptions(times=times)))
    assert [(number_in(p.pixels), p.time) for p in pictures] == [(2, 1.5), (0, 9.0)]


def test_damage_ends_a_file_with_its_reason(tmp_path):
    """What came before is given; then the source is lost, and says why."""
    whole = write_numbered(tmp_path / "long.mkv", [n / 10 for n in range(60)]).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    source = open_source(str(tmp_path / "cut.mkv"))
    assert len(everything(source)) > 3
    assert source.state.name == "lost"
    assert "ends early" in source.state.reason


def test_a_damaged_frame_of_a_folder_is_left_out(tmp_path):
    """The frames before and behind it are given; at the end it is told which one, and how many."""
    folder = folder_of_frames(tmp_path / "frames", 5)
    (folder / "frame1.png").write_bytes((folder / "frame1.png").read_bytes()[:60])
    source = open_source(str(folder), SourceOptions(rate=4))
    assert [(number_in(p.pixels), p.time) for p in everything(source)] == [(0, 0), (2, 0.5), (3, 0.75), (4, 1.0)]
    assert source.state.name == "lost"
    assert "1 of 5 frames are left out, the first: " in source.state.reason
    assert "frame1.png" in source.state.reason


def test_a_webcam_that_never_was_is_not_waited_for():
    """Index 99 ends at once with the reason."""
    source = open_source("99")
    assert everything(source) == []
    assert source.state.reason.startswith("there is no camera 99 on this machine")


def test_a_lost_camera_is_left_when_once_is_enough():
    """Without further attempts the loss is the end, and the last frame can still be had."""

    class Connect:
        def __enter__(self):
            return self.frames()

        def __exit__(self, *_):
            return None

        def frames(self):
            yield lambda: numbered(7)
            raise ImageError("it was unplugged")

    camera = Camera("rtsp://x/", options=CameraOptions(retry="never"), connect=Connect)
    (picture,) = everything(camera)
    assert number_in(picture.pixels) == 7
    assert (camera.state.name, camera.state.reason) == ("lost", "it was unplugged")


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("nowhere.mp4", SourceOptions(), "nowhere.mp4 is not there; expected a webcam's number"),
        ("0", SourceOptions(began=BEGAN), "is a camera, whose pictures are of now"),
        ("ftp://somewhere/", SourceOptions(), "is no live source"),
    ],
)
def test_what_cannot_be_watched(source, options, words):
    """One line with what was expected."""
    with pytest.raises(SettingError, match=words):
        open_source(source, options)


def test_a_recording_cannot_be_played_live_and_be_of_yesterday(tmp_path):
    """--live is now; a time of its own contradicts that."""
    path = write_numbered(tmp_path / "clip.mp4", [0.0, 0.1])
    with pytest.raises(SettingError, match="takes place now"):
        open_source(str(path), SourceOptions(live=True, began=BEGAN))
