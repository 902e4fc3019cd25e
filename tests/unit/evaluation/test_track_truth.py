"""The faces of video clips that were labelled by eye (benchmarks/truth/tracks.json)."""

import json
from pathlib import Path

import pytest

TRUTH = Path(__file__).resolve().parents[3] / "benchmarks" / "truth" / "tracks.json"


@pytest.fixture(scope="module")
def truth():
    """What was labelled."""
    return json.loads(TRUTH.read_text(encoding="utf-8"))


def test_there_are_forty_labelled_tracks_and_no_pictures(truth):
    """The figures need at least forty tracks that are sure; the file holds times, boxes and names only."""
    tracks = [track for clip in truth["clips"] for track in clip["tracks"]]
    assert sum(track["label"] != "doubtful" for track in tracks) >= 40
    assert TRUTH.stat().st_size < 300_000
    assert all(set(track) == {"id", "label", "boxes"} for track in tracks)


def test_every_clip_says_which_file_it_was(truth):
    """A digest tells whether somebody has the same clip; ``labelled`` who looked and how."""
    assert {"by", "date", "how"} == set(truth["labelled"])
    for clip in truth["clips"]:
        assert len(clip["sha256"]) == 64
        assert "/" not in clip["clip"]


def test_boxes_are_in_order_of_time_and_hold_something(truth):
    """A box is seconds, x1, y1, x2, y2; one track's are in order and a look apart."""
    for clip in truth["clips"]:
        for track in clip["tracks"]:
            times = [box[0] for box in track["boxes"]]
            assert times == sorted(set(times))
            assert all(x2 > x1 and y2 > y1 for _, x1, y1, x2, y2 in track["boxes"])
