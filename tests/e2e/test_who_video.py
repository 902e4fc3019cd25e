"""From a video to who is seen in it when, on the command line."""

import csv
import re
from itertools import pairwise

import numpy as np
import pytest

from mien.media.video import VideoFile
from tests.fakes.videos import write_numbered, write_sound, write_video


@pytest.fixture
def clip(home, astronaut):
    """Ada's face moves to the right for two seconds of three; in the last there is nobody."""
    moving = [np.roll(astronaut, 3 * n, axis=1)[:256, 96:416] for n in range(20)]
    nobody = [np.full_like(moving[0], 120)] * 10
    return write_video(home / "clip.mp4", moving + nobody, [n / 10 for n in range(30)])


def test_named_with_the_times_seen(mien, photo, clip):
    """Enrolled, then seen in the video: one span with name, times, similarity, track and number of frames."""
    mien("enroll", "Ada", photo("ada.jpg"))
    result = mien("who", clip, "--json")
    assert result.code == 0
    (video,) = result.json()
    (span,) = video["spans"]
    assert (video["whole"], span["who"], span["decision"], span["track_ids"]) == (True, "Ada", "match", [1])
    assert (span["from"], span["to"]) == (0.0, pytest.approx(2.0, abs=0.11))
    assert span["similarity"] > 0.8
    assert span["frames"] in {20, 21}


def test_a_stranger_stays_unknown(mien, clip):
    """With nobody enrolled the track is unknown, and the table says why."""
    result = mien("who", clip, "--csv")
    (row,) = csv.DictReader(result.out.splitlines())
    assert (row["decision"], row["name"], row["why"]) == ("unknown", "", "nobody is enrolled yet")


def test_subtitles_and_a_drawing(mien, photo, clip, home):
    """--srt writes who is seen while they are; --draw the video with boxes, as long as before."""
    mien("enroll", "Ada", photo("ada.jpg"))
    assert mien("who", clip, "--srt", "clip.srt", "--draw", "out.mp4").code == 0
    assert re.fullmatch(r"1\n00:00:00,000 --> 00:00:0[12],\d{3}\nAda\n", (home / "clip.srt").read_text())
    with VideoFile(home / "out.mp4") as drawn, VideoFile(clip) as original:
        assert drawn.duration == pytest.approx(original.duration, abs=0.15)
        assert np.abs(drawn.at(0.5).pixels.astype(int) - original.at(0.5).pixels).max() > 60


def test_a_bad_video_is_one_line(mien, home, clip):
    """What cannot be read is named with its reason; the others go on."""
    write_sound(home / "sound.mp4")
    result = mien("who", "sound.mp4", clip, "--json")
    assert result.code == 3
    assert "sound.mp4: it has no video stream, only sound" in result.err
    assert [(v["whole"], len(v["spans"])) for v in result.json()] == [(False, 0), (True, 1)]
    assert mien("who", "sound.mp4").code == 1


def test_what_comes_before_the_damage_is_told(mien, home, astronaut):
    """A video that ends early gives the spans up to there, one line, and exit code 3."""
    write_video(home / "long.mkv", [astronaut[:256, 96:416]] * 40, [n / 10 for n in range(40)])
    whole = (home / "long.mkv").read_bytes()
    (home / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    result = mien("who", "cut.mkv", "--json")
    assert result.code == 3
    assert "ends early" in result.err
    (video,) = result.json()
    assert (video["whole"], len(video["spans"])) == (False, 1)


def test_nobody_seen(mien, home):
    """A video without a face: an empty table, and all is well."""
    write_numbered(home / "nobody.mp4", [n / 10 for n in range(10)])
    result = mien("who", "nobody.mp4", "--json")
    assert (result.code, result.json()) == (0, [{"video": "nobody.mp4", "whole": True, "spans": []}])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("clip.mp4", "ada.jpg"), "in a run of its own"),
        (("ada.jpg", "--srt", "a.srt"), "give a video"),
        (("clip.mp4", "other.mp4", "--srt", "a.srt"), "one file for 2 videos"),
        (("clip.mp4", "--draw", "clip.mp4"), "would replace the video itself"),
    ],
)
def test_wishes_that_cannot_be_met(mien, photo, clip, words, said):
    """What contradicts itself is a matter of usage, told before any work."""
    photo("ada.jpg")
    result = mien("who", *words)
    assert result.code == 2
    assert said in result.err


def test_places_that_cannot_be_written(mien, clip):
    """A folder that is not there is told before any work."""
    result = mien("who", clip, "--srt", "nowhere/a.srt")
    assert result.code == 1
    assert "there is no folder nowhere" in result.err


def test_a_real_clip_with_real_portraits(mien, shared_data):
    """Singer and pianist, enrolled from a portrait each, are named in a music video; nobody else is given a name."""
    clips = shared_data / "clips"
    mien("enroll", "Lin", clips / "hamilton_people/lin-manuel-miranda.png")
    mien("enroll", "Alex", clips / "hamilton_people/alex-lacamoire.png")
    spans = mien("who", clips / "short_hamilton_clip.mp4", "--json").json()[0]["spans"]
    lin, alex = ([span for span in spans if span["who"] == name] for name in ("Lin", "Alex"))
    assert max(span["to"] - span["from"] for span in lin) > 3
    assert all(span["to"] < 3 for span in alex)  # he is seen in the first shot only
    assert len(alex) >= 1
    assert all(a["to"] <= b["from"] for a, b in pairwise(lin))
    assert any(span["decision"] == "unknown" and span["from"] > 7 for span in spans)  # the audience
