"""From photographs to names on the command line."""

import csv
import io
import json

import cv2
import numpy as np
import pytest

NEAR = 12  # pixels


def darker(image):
    return (image * 0.7).astype(np.uint8)


def mirrored(image):
    return image[:, ::-1]


def test_detect_prints_the_familiar_dict(mien, photo):
    """--json gives box (x, y of the top left, width, height), confidence and five keypoints."""
    result = mien("detect", photo("a.png"), "--json")
    assert result.code == 0
    ((face,),) = [entry["faces"] for entry in result.json()]
    x, y, width, height = face["box"]
    assert abs(x + width / 2 - 224) < NEAR
    assert abs(y + height / 2 - 120) < NEAR
    assert face["confidence"] > 0.99
    assert list(face["keypoints"]) == ["left_eye", "right_eye", "nose", "mouth_left", "mouth_right"]
    assert face["keypoints"]["left_eye"][0] < face["keypoints"]["right_eye"][0]


def test_csv_is_nothing_but_rows(mien, photo):
    """--csv has a header and a row per face, with the same numbers as --json."""
    path = photo("a.png")
    rows = list(csv.DictReader(io.StringIO(mien("detect", path, "--csv").out)))
    (face,) = mien("detect", path, "--json").json()[0]["faces"]
    assert [int(rows[0][k]) for k in ("x", "y", "width", "height")] == face["box"]


def test_a_person_is_known_from_the_next_call_on(mien, photo):
    """enroll, who, rename, remove: no training between, names in their own script, a receipt at the end."""
    assert mien("enroll", "Đức Nguyễn", photo("a.png")).code == 0
    named = mien("who", photo("b.jpg", change=darker), "--json").json()[0]["faces"][0]["match"]
    assert named["decision"] == "match"
    assert named["name"] == "Đức Nguyễn"
    assert named["similarity"] > named["threshold"]
    assert mien("people", "rename", "đức nguyễn", "田中さん").code == 0
    assert "田中さん" in mien("people", "list").out
    receipt = mien("people", "remove", "田中さん", "--yes", "--json").json()
    assert receipt["verified"] is True
    again = mien("who", photo("b.jpg", change=darker), "--json").json()[0]["faces"][0]["match"]
    assert again["decision"] == "unknown"


def test_who_draws_names_into_a_folder(mien, photo, home):
    """--draw writes a picture of the same size with the box on it, under the photograph's name."""
    mien("enroll", "Ada", photo("a.png"))
    mien("who", photo("b.png", change=darker), "--draw", home / "out")
    drawn = cv2.imread(str(home / "out" / "b.jpg"))
    plain = cv2.imread(str(home / "b.png"))
    assert drawn.shape == plain.shape
    assert (np.abs(drawn.astype(int) - plain).max(axis=2) > 60).sum() > 500


def test_two_pictures_of_one_name_do_not_overwrite_each_others_drawing(mien, photo, home):
    """a/x.png and b/x.png give two drawings."""
    paths = [photo("a/x.png"), photo("b/x.png")]
    mien("detect", *paths, "--draw", home / "out")
    assert sorted(p.name for p in (home / "out").iterdir()) == ["x-2.jpg", "x.jpg"]


def test_verify_answers_by_exit_code(mien, photo, home):
    """0 the same person, 11 no usable face; the similarity and the threshold are printed."""
    a, b = photo("a.png"), photo("b.png", change=mirrored)
    same = mien("verify", a, b, "--json")
    assert same.code == 0
    assert same.json()["similarity"] > same.json()["threshold"]
    blank = photo("c.png", change=lambda image: image[300:, :100])
    assert mien("verify", a, blank).code == 11


def test_a_bad_picture_does_not_stop_the_others(mien, photo, home):
    """The good picture is answered, the bad ones are named on stderr, the exit code says some failed."""
    good = photo("a.png")
    (home / "empty.jpg").write_bytes(b"")
    (home / "text.jpg").write_text("not a picture")
    (home / "cut.jpg").write_bytes(photo("whole.jpg").read_bytes()[:3000])
    result = mien("detect", good, "empty.jpg", "text.jpg", "cut.jpg", "nowhere.jpg", "--json")
    assert result.code == 3
    assert [len(e["faces"]) for e in result.json()] == [1, 0, 0, 0]
    assert ["error" in e for e in result.json()] == [False, True, True, True]
    assert mien("detect", "empty.jpg").code == 1
    lines = result.err.strip().splitlines()
    assert len(lines) == 4
    for name in ("empty.jpg", "text.jpg", "cut.jpg", "nowhere.jpg"):
        assert any(name in line for line in lines)


def test_enrolling_twice_and_as_somebody_else_is_refused(mien, photo):
    """The same photo again, and the same face under another name, are refused with the reason."""
    path = photo("a.png")
    mien("enroll", "Ada", path)
    again = mien("enroll", "Ada", path)
    assert again.code == 1
    assert "already enrolled" in again.out
    other = mien("enroll", "Eve", photo("b.png", change=darker), "--json").json()
    assert "this face is already Ada" in other[0]["reasons"][0]["words"]
    assert [p["name"] for p in mien("people", "list", "--json").json()] == ["Ada"]


def test_a_small_or_blurred_face_is_refused_with_both_numbers(mien, photo):
    """Measured value and limit are in the answer."""
    tiny = photo("tiny.png", change=lambda image: cv2.resize(image, (180, 180), interpolation=cv2.INTER_AREA))
    out = mien("enroll", "Ada", tiny, "--json").json()[0]["reasons"][0]
    assert out["what"] == "face size"
    assert out["measured"] < out["limit"] == 40
    blurred = photo("blurred.png", change=lambda image: cv2.GaussianBlur(image, (0, 0), 4))
    out = mien("enroll", "Ada", blurred, "--json").json()[0]["reasons"][0]
    assert out["what"] == "sharpness"
    assert out["measured"] < out["limit"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_number_of_a_face_in_a_table_is_the_one_to_enroll(mien, photo, order):
    """A small face left of a large one, or right of it: each number given by detect enrols that very face."""

    def two(image):
        small = cv2.resize(image, (300, 300), interpolation=cv2.INTER_AREA)
        return np.hstack([np.vstack([small, np.zeros((212, 300, 3), np.uint8)]), image[:, ::-1]][::order])

    path = photo("two.png", change=two)
    for row in csv.DictReader(io.StringIO(mien("detect", path, "--csv").out)):
        words = ("enroll", f"P{row['face']}", path, "--face", row["face"], "--allow-similar", "--threshold", "0.5")
        mien(*words)
        (shown,) = mien("people", "show", f"P{row['face']}", "--json").json()["templates"]
        assert abs(float(shown["box"].split(",")[0]) - int(row["x"])) < NEAR


def test_export_and_import_carry_people_to_another_gallery(mien, photo, home):
    """What was enrolled here is known there."""
    mien("enroll", "Ada", photo("a.png"))
    assert mien("people", "export", home / "people.npz").code == 0
    other = ("--database", home / "other.db")
    assert mien("people", "import", home / "people.npz", *other).code == 0
    who = mien("who", photo("b.png", change=darker), "--json", *other).json()
    assert who[0]["faces"][0]["match"]["name"] == "Ada"


def test_explain_says_which_setting_would_have_kept_a_small_face(mien, photo):
    """A face below --min-face is explained by the pyramid, and is found with the setting that is named."""
    path = photo("small.png", change=lambda image: cv2.resize(image, (120, 120), interpolation=cv2.INTER_AREA))
    assert mien("detect", path, "--min-face", 40, "--json").json()[0]["faces"] == []
    (entry,) = mien("detect", path, "--min-face", 40, "--explain", "--region", "40,15,25,30", "--json").json()
    assert entry["region"]["setting"] == "--min-face"
    assert len(mien("detect", path, "--min-face", 20, "--json").json()[0]["faces"]) == 1


def test_a_big_photograph_is_explained_in_its_own_pixels(mien, photo):
    """A JPEG that detect alone would decode smaller: limits and windows are in pixels of the original, the face is there."""
    path = photo("big.jpg", change=lambda image: cv2.resize(image, (2048, 2048), interpolation=cv2.INTER_CUBIC))
    (entry,) = mien("detect", path, "--min-face", 160, "--explain", "--region", "800,360,200,240", "--json").json()
    assert len(entry["faces"]) == 1
    assert 100 < entry["trace"]["smallest_face"] <= 170
    assert "a face was found here" in entry["region"]["words"]


def test_a_provider_that_cannot_be_had_is_an_error(mien, photo):
    """--provider cuda without CUDA does not fall back silently."""
    result = mien("detect", photo("a.png"), "--provider", "cuda")
    assert result.code == 1
    assert "cuda" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--threshold", "4"), 2, "threshold (--threshold) is 4.0"),
        (("--strangers", "1"), 2, "strangers (--strangers) is 1"),
        (("--preset", "best"), 2, "preset 'best' is unknown; choose one of accurate, facenet, fast"),
        (("--embedder", "facent"), 1, "did you mean facenet"),
        (("--detector", "yolo"), 2, "choose one of mtcnn, haar"),
        (("--json", "--csv"), 2, "not both"),
    ],
)
def test_settings_that_cannot_work_are_one_clear_line(mien, photo, words, code, said):
    """The setting, its value and what was expected."""
    result = mien("who", photo("a.png"), *words)
    assert result.code == code
    assert said in " ".join(result.err.split())


def test_settings_come_from_file_environment_and_command_line_in_that_order(mien, photo, home, monkeypatch):
    """Each source goes before the last; a misspelt one in the file is named."""
    path = photo("a.png")
    (home / "mien.toml").write_text("min_face = 300\n")
    assert mien("detect", path, "--json").json()[0]["faces"] == []
    monkeypatch.setenv("MIEN_MIN_FACE", "50")
    assert len(mien("detect", path, "--json").json()[0]["faces"]) == 1
    assert mien("detect", path, "--json", "--min-face", 300).json()[0]["faces"] == []
    (home / "mien.toml").write_text("min_fase = 30\n")
    result = mien("detect", path)
    assert result.code == 2
    assert "did you mean min_face" in " ".join(result.err.split())


def test_real_families_are_named_and_strangers_are_not(mien, family, home):
    """Learnt from one photograph each, named in the others; nobody is taken for somebody else."""
    result = mien("demo", family, "--out", home / "out", "--json")
    rows = json.loads(result.out)
    wrong = [r for r in rows if r["decision"] == "match" and r["expected"] != r["name"]]
    assert wrong == []
    assert sum(r["right"] for r in rows) >= 0.85 * len(rows)
    assert (home / "out" / "contact-sheet.jpg").is_file()


def test_doctor_tells_provider_gallery_and_threshold(mien, photo):
    """What is really used, what the gallery holds, and what the threshold promises."""
    mien("enroll", "Ada", photo("a.png"))
    result = mien("doctor", "--json")
    told = {row["what"]: row["value"] for row in result.json()}
    assert told["provider really used"] == "cpu"
    assert told["gallery holds"].startswith("1 people, 1 templates")
    assert "at most 1 stranger in 100 named" in told["threshold"]
    assert "measured on" in told
    assert result.code == 0


def test_explain_tells_near_misses_in_a_few_lines(mien, photo):
    """Words, not thousands of windows: one line per place that almost came through, with the setting to move."""
    blurred = photo("blurred.png", change=lambda image: cv2.GaussianBlur(image, (0, 0), 5))
    words = mien("detect", blurred, "--explain", "--onet-threshold", 0.9999).out.splitlines()
    assert words[0].endswith("0 faces")
    assert len(words) <= 15
    assert any("is below 0.9999 (--onet-threshold)" in line for line in words)


def test_aligned_faces_are_the_embedders_own(mien, photo, home):
    """Faces that align cuts by default give the very vectors of enrolment; cut otherwise they are refused, not mixed."""
    from mien.datasets.packs import read_embeddings

    photo("raw/Ada/1.png")
    mien("align", "raw", "aligned")
    mien("embed", "raw", "-o", "photos.npz")
    mien("embed", "aligned", "-o", "chips.npz")
    photos, chips = (read_embeddings(home / name).embeddings for name in ("photos.npz", "chips.npz"))
    assert float((photos * chips).sum()) > 0.99999
    mien("align", "raw", "turned", "--landmarks")
    refused = mien("embed", "turned")
    assert refused.code == 2
    assert "cut as arcface-112@160, but facenet wants box+32@160" in " ".join(refused.err.split())


def test_one_photo_can_be_taken_back(mien, photo):
    """People remove --photo forgets one template; the person stays."""
    mien("enroll", "Ada", photo("a.png"), photo("b.png", change=darker))
    (first, second) = mien("people", "show", "Ada", "--json").json()["templates"]
    assert mien("people", "remove", "Ada", "--photo", first["template"][:8], "--json").json()[0]["photos"] == 1
    (left,) = mien("people", "show", "Ada", "--json").json()["templates"]
    assert left["template"] == second["template"]
    assert mien("people", "remove", "Ada", "--photo", "nothing").code == 1


def test_what_cannot_be_undone_asks_first(mien, photo):
    """Without a terminal to ask and without --yes nobody is removed or merged."""
    mien("enroll", "Ada", photo("a.png"))
    mien("enroll", "Eve", photo("b.png", change=mirrored), "--allow-similar")
    for words in (("remove", "Ada"), ("merge", "Ada", "Eve")):
        refused = mien("people", *words)
        assert refused.code == 2
        assert "--yes" in refused.err
    assert len(mien("people", "list", "--json").json()) == 2
    assert mien("people", "merge", "Ada", "Eve", "--yes", "--json").json()[0]["photos"] == 2


def test_nobody_is_called_unknown(mien, photo):
    """A name that is an answer is refused, so that an answer is never taken for a name."""
    result = mien("enroll", "Unknown", photo("a.png"))
    assert result.code == 1
    assert "what mien answers" in result.err


def test_a_mistyped_gallery_is_not_made(mien, photo, home):
    """Commands that only read say that there is no such gallery; enroll makes it."""
    result = mien("who", photo("a.png"), "--database", "typo.db")
    assert result.code == 1
    assert "there is no gallery at typo.db" in result.err
    assert not (home / "typo.db").exists()
    assert mien("enroll", "Ada", photo("a.png"), "--database", "typo.db").code == 0


def test_a_share_of_a_card_that_is_not_used_is_an_error(mien, photo):
    """--gpu-memory-fraction without a graphics card is said, not ignored."""
    result = mien("detect", photo("a.png"), "--gpu-memory-fraction", "0.25")
    assert result.code == 2
    assert "--provider cuda" in result.err


def test_the_decision_has_a_column_of_its_own(mien, photo):
    """In CSV a stranger has no name, and the decision says so."""
    mien("enroll", "Ada", photo("a.png"))
    (row,) = csv.DictReader(io.StringIO(mien("who", photo("b.png", change=darker), "--csv", "--threshold", 1).out))
    assert (row["decision"], row["name"]) == ("unknown", "")


def test_explain_says_something_where_nothing_came_near(mien, photo):
    """Without a face and without a near miss the best window and the next thing to try are told."""
    blank = photo("blank.png", change=lambda image: image[330:500, 380:500])
    words = mien("detect", blank, "--explain").out
    assert "--min-face" in words


def test_the_version_is_told(mien):
    """Mien --version."""
    assert mien("--version").out.startswith("mien 0.")
