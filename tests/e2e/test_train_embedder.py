"""``mien train embedder``: from a folder per person to an embedder that the rest of mien runs by name."""

import json

import cv2
import numpy as np
import pytest


@pytest.fixture
def people(home):
    """Twelve people: each a pattern of their own, in six lights."""
    random = np.random.default_rng(3)
    for person in range(12):
        pattern = cv2.resize(random.integers(0, 256, (6, 6, 3), np.uint8), (160, 160), interpolation=cv2.INTER_CUBIC)
        for i in range(6):
            noise = random.normal(0, 12, pattern.shape) + random.normal(0, 20)
            path = home / "people" / f"Person {person}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.clip(pattern + noise, 0, 255).astype(np.uint8))
    return home / "people"


WORDS = ("--aligned", "--people", 3, "--pictures", 3, "--epochs", 2, "--threads", 1)


def test_from_scratch_to_a_space_of_its_own(mien, people, home):
    """The run ends in weights, record and calibration; embed runs it by name, in its own space; a resume adds epochs."""
    done = mien("train", "embedder", people, "--out", "run", "--name", "mine", "--from", "none", *WORDS, "--json")
    assert done.code == 0, done.err
    figures = done.json()
    assert figures["judged"]["test"]["people"] == 3
    assert [e["number"] for e in figures["history"]] == [1, 2]
    assert 0 <= figures["history"][0]["active"] <= 1
    assert (home / "run" / "report.md").is_file()
    listed = {row["name"]: row for row in mien("models", "list", "--json").json()}
    assert "mine" in listed
    packed = mien("embed", people, "--embedder", "mine", "--detector", "haar", "--json")
    assert packed.code in {0, 1, 3}  # patterns are no faces: what counts is that the embedder opens
    assert "mine" not in packed.err
    again = mien("train", "embedder", people, "--out", "run", "--name", "mine", "--from", "none", *WORDS)
    assert "already" in again.err or "holds a run" in again.err
    more = (*WORDS[:-4], "--epochs", 3, "--threads", 1)
    resumed = mien(
        "train", "embedder", people, "--out", "run", "--name", "mine", "--from", "none", *more, "--resume", "--json"
    )
    assert resumed.code == 0, resumed.err
    assert [e["number"] for e in resumed.json()["history"]] == [1, 2, 3]
    calibration = json.loads((home / "data" / "models" / "mine.calibration.json").read_text())
    assert calibration["space_id"].startswith("mine-")


def test_facenets_last_layer_on_new_people(mien, people, photo):
    """FaceNet's dense layer learns on; before and after stand side by side, and a gallery names people in the new space."""
    done = mien(
        "train",
        "embedder",
        people,
        "--out",
        "run",
        "--name",
        "ours",
        "--blocks",
        0,
        "--loss",
        "arcface",
        *WORDS,
        "--json",
    )
    assert done.code == 0, done.err
    figures = done.json()
    assert figures["settings"]["export_difference"] < 1e-4
    assert not figures["judged"]["test"]["from_scratch"]
    ada = photo("ada.jpg")
    assert mien("enroll", "Ada Lovelace", ada, "--keep-photos").code == 0
    assert mien("people", "reembed", "--to", "ours", "--switch").code == 0
    found = mien("who", ada, "--json").json()[0]["faces"][0]["match"]
    assert found["name"] == "Ada Lovelace"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--people", 99), "--people 99: there are"),
        (("--people", 3, "--pictures", 40), "--pictures 40: nobody has more than 6"),
        (("--from", "nobody"), "expected facenet"),
        (("--blocks", 9), "the last 0 to 6 blocks"),
        (("--loss", "cosine"), "triplet, arcface, centre"),
    ],
)
def test_what_cannot_be_is_answered_in_a_line(mien, people, words, said):
    """Values that do not go are named with what does, before anything is trained."""
    base = () if "--from" in words or "--blocks" in words else ("--from", "none")
    result = mien("train", "embedder", people, "--out", "run", "--aligned", *base, *words)
    assert result.code in {1, 2}
    assert said in result.err
