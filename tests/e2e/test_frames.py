"""From videos to frames on the command line, and on to faces."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.fakes.videos import write_numbered, write_video


@pytest.fixture
def videos(home, astronaut):
    """Ada's face in a video, and one where nobody is seen."""
    write_video(home / "videos/Ada.mp4", [astronaut[:256, 96:352]] * 10, [n / 5 for n in range(10)])
    write_numbered(home / "videos/Nobody.mp4", [n / 5 for n in range(10)])
    return home / "videos"


def test_frames_by_person_then_nothing_more(mien, videos, home):
    """--per-person fills each person's folder; the second run takes nothing; both end well."""
    first = mien("frames", videos, "frames", "--per-person", "5", "--json")
    assert first.code == 0
    assert len(first.json()) == 10
    assert len(list((home / "frames/Ada").glob("Ada@*s.jpg"))) == 5
    again = mien("frames", videos, "frames", "--per-person", "5", "--json")
    assert (again.code, again.json()) == (0, [])


def test_fifty_is_what_nothing_said_means(mien, home):
    """The seed's 50 frames in each person's folder need no option."""
    write_numbered(home / "videos/Ada.mp4", [n / 25 for n in range(60)])
    assert mien("frames", "videos", "frames").code == 0
    assert len(list((home / "frames/Ada").glob("*.jpg"))) == 50


def test_faces_only_leaves_out_where_nobody_is(mien, videos, home):
    """Ada's frames have a usable face; Nobody's places are told as such and none is written."""
    result = mien("frames", videos, "frames", "--every", "1s", "--faces-only", "--csv")
    assert result.code == 0
    rows = {row["person"]: row for row in csv.DictReader(result.out.splitlines())}
    assert (rows["Ada"]["frames"], rows["Nobody"]["frames"], rows["Nobody"]["without"]) == ("2", "0", "2")
    assert not (home / "frames/Nobody").exists()


def test_frames_can_be_aligned(mien, videos):
    """What frames writes is what align reads."""
    mien("frames", videos, "frames", "--per-person", "3", "--faces-only")
    aligned = mien("align", "frames", "chips", "--json")
    assert aligned.code == 0
    assert {row["person"] for row in aligned.json()} == {"Ada"}


def test_a_bad_video_is_one_line_and_exit_code_3(mien, videos):
    """The good ones are taken, the bad one is named with its reason."""
    (videos / "Bob.mp4").write_text("no video")
    result = mien("frames", videos, "frames", "--per-video", "2", "--csv")
    assert result.code == 3
    assert "Bob.mp4: it is no video by its content" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("words", [("--per-person", "5", "--every", "1"), ("--every", "soon"), ("--every", "0")])
def test_choices_that_cannot_work(mien, videos, words):
    """Two ways of choosing, or no number of seconds, are a matter of usage."""
    assert mien("frames", videos, "frames", *words).code == 2


def test_real_faces_in_a_real_clip(mien, home, shared_data):
    """A film clip gives frames with faces that are good enough to learn, at the times wanted."""
    clip = shared_data / "clips/short_hamilton_clip.mp4"
    result = mien("frames", clip, "frames", "--per-video", "4", "--faces-only", "--json", "--min-face", "40")
    assert result.code == 0
    taken = [row for row in result.json() if row["file"]]
    assert len(taken) >= 2
    assert all((home / "frames" / row["file"]).is_file() for row in taken)


def test_larger_frames_are_refused(mien, videos):
    """--max-megapixels holds for videos too."""
    result = mien("frames", videos, "frames", "--max-megapixels", "0.001")
    assert result.code == 3
    assert result.err.count("megapixels, more than the 0.001 allowed") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
@pytest.mark.parametrize(("sign", "code"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_a_run_that_was_stopped_goes_on(mien, home, sign, code):
    """After Ctrl-C or kill -9 every row of the manifest has its frame; the next run takes the rest and none twice."""
    write_numbered(home / "videos/Ada.mp4", [n / 25 for n in range(400)])
    words = [sys.executable, "-m", "mien", "frames", "videos", "frames", "--per-person", "400"]
    process = subprocess.Popen(words, cwd=home, env=os.environ.copy(), stdout=subprocess.DEVNULL)
    manifest = home / "frames/manifest.csv"
    end = time.monotonic() + 30
    while not (manifest.is_file() and manifest.read_bytes().count(b"\n") > 5):
        assert time.monotonic() < end
        time.sleep(0.001)
    process.send_signal(getattr(signal, sign))
    assert process.wait(30) == code
    rows = [line.split(b",") for line in manifest.read_bytes().split(b"\n")[1:-1]]
    assert 5 <= len(rows) < 400
    assert all((home / "frames" / os.fsdecode(row[0])).is_file() for row in rows)
    assert len(mien("frames", "videos", "frames", "--per-person", "400", "--json").json()) == 400 - len(rows)
    assert len(list((home / "frames/Ada").glob("*.jpg"))) == 400
