"""Evidence of sightings, and receipts of removals, on the command line."""

import json

import cv2
import numpy as np
import pytest

from mien.store.gallery import open_gallery

SEEN = ("attendance", "see", "class.png", "--json")


@pytest.fixture
def known(mien, photo):
    """Ada is enrolled, and on a photograph of the class."""
    assert mien("enroll", "Ada", photo("ada.png")).code == 0
    return photo("class.png", change=lambda image: (image * 0.8).astype(np.uint8))


def test_nothing_is_kept_unless_asked_for_and_allowed(mien, known):
    """Without --evidence, and without Ada's word, there is no crop; with both it is her face and nothing else."""
    assert mien(*SEEN, "--at", "2026-03-02T08:00+00:00").code == 0
    assert mien(*SEEN, "--at", "2026-03-02T08:01+00:00", "--evidence").code == 0
    assert mien("attendance", "evidence", "list", "--json").json() == []
    (said,) = mien("people", "consent", "Ada", "--json").json()
    assert (said["evidence"], said["said"], said["crops"]) == ("no", None, 0)
    assert mien("people", "consent", "Ada", "--evidence", "yes").code == 0
    assert mien(*SEEN, "--at", "2026-03-02T08:02+00:00").code == 0
    assert mien("attendance", "evidence", "list", "--json").json() == []
    assert mien(*SEEN, "--at", "2026-03-02T08:03+00:00", "--evidence").code == 0
    (crop,) = mien("attendance", "evidence", "list", "--json").json()
    assert (crop["who"], crop["camera"]) == ("Ada", "photo")
    assert mien("attendance", "evidence", "show", crop["sighting"][:8], "--out", "crop.jpg").code == 0
    pixels = cv2.imread(str(known.with_name("crop.jpg")))
    assert pixels.shape == (160, 160, 3)
    assert known.with_name("crop.jpg").stat().st_size == crop["bytes"] < 20_000
    assert mien("detect", "crop.jpg", "--json").json()[0]["faces"]
    again = mien("attendance", "evidence", "show", crop["sighting"], "--out", "crop.jpg")
    assert (again.code, "add --replace" in again.err) == (1, True)
    taken_back = mien("people", "consent", "Ada", "--evidence", "no", "--json")
    assert ("1 crops were deleted" in taken_back.err, taken_back.json()[0]["crops"]) == (True, 0)


def test_crops_are_kept_for_so_many_days(mien, known, home):
    """A dry run tells what would go; the purge, or the next photograph with --evidence, takes it."""
    mien("people", "consent", "Ada", "--evidence", "yes")
    mien(*SEEN, "--at", "2026-03-02T08:00+00:00", "--evidence")
    with open_gallery(home / "data" / "mien.db") as gallery, gallery._database.writing() as connection:
        connection.exec_driver_sql("UPDATE evidence SET kept = '2026-01-01 00:00:00.000000'")
    assert mien("attendance", "evidence", "purge", "--evidence-days", "36500", "--json").json()[0]["crops"] == 0
    (would,) = mien("attendance", "evidence", "purge", "--dry-run", "--json").json()
    assert (would["crops"], would["deleted"]) == (1, False)
    mien(*SEEN, "--at", "2026-03-02T09:00+00:00", "--evidence")
    (left,) = mien("attendance", "evidence", "list", "--json").json()
    assert not left["kept"].startswith("2026-01")


def test_a_camera_keeps_crops_too(mien, known, photo):
    """A watch with --evidence hands over the face of each sighting; without Ada's word none is kept."""
    for number in range(6):
        photo(f"film/{number}.png", change=lambda image, n=number: np.roll(image, n, axis=1))
    words = ("attendance", "watch", known.parent / "film", "--fps", "5", "--evidence", "--no-deliver")
    assert mien(*words).code == 0
    assert mien("attendance", "evidence", "list", "--json").json() == []
    mien("people", "consent", "Ada", "--evidence", "yes")
    assert mien(*words).code == 0
    crops = mien("attendance", "evidence", "list", "--json").json()
    assert crops
    assert {crop["who"] for crop in crops} == {"Ada"}
    assert mien("attendance", "evidence", "show", crops[0]["sighting"], "--out", "crop.jpg").code == 0
    assert mien("detect", "crop.jpg", "--json").json()[0]["faces"]


def test_a_receipt_is_written_and_verified_again(mien, known, home):
    """Into a file that is checked before anything is removed; a removal that a reader hindered is verified later."""
    taken = mien("people", "remove", "Ada", "--yes", "--receipt", "ada.png")
    assert (taken.code, "is there already" in taken.err) == (1, True)
    assert mien("people", "remove", "Ada", "--yes", "--receipt", "absent/r.json").code == 1
    assert [p["name"] for p in mien("people", "list", "--json").json()] == ["Ada"]
    with open_gallery(home / "data" / "mien.db") as other, other._database.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM people").fetchall()
        result = mien("people", "remove", "Ada", "--yes", "--receipt", "receipt.json")
    assert (result.code, "mien people verify-removal receipt.json" in result.err) == (1, True)
    assert json.loads((home / "receipt.json").read_text())["verified"] is False
    again = mien("people", "verify-removal", "receipt.json", "--receipt", "verified.json")
    assert again.code == 0, again.err
    receipt = json.loads((home / "verified.json").read_text())
    assert (receipt["verified"], receipt["traces"], receipt["removed"]["templates"]) == (True, [], 1)
    assert mien("people", "verify-removal", receipt["person_id"]).code == 0


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("absent.json", "no file absent.json"),
        ("class.png", "is no receipt of a removal"),
        ("00000000-0000-4000-8000-000000000000", "removed nobody with this id"),
    ],
)
def test_what_is_no_receipt_is_told(mien, known, what, told):
    """A file that is not there, another file, an id of nobody."""
    result = mien("people", "verify-removal", what)
    assert (result.code, told in result.err) == (1, True), result.err


def test_what_is_stored_about_somebody_is_told_to_them(mien, known, home):
    """One file with templates, roster, sightings, marks with their reasons, the audit and crops; nobody else is in it."""
    import zipfile

    mien("people", "consent", "Ada", "--evidence", "yes")
    mien("attendance", "session", "add", "Drill", "--zone", "UTC", "--day", "--since", "2026-03-01")
    (home / "all.csv").write_text("name\nAda\nBob\n")
    mien("attendance", "roster", "import", "all.csv", "--session", "Drill")
    mien(*SEEN, "--at", "2026-03-02T08:00+00:00", "--evidence")
    mien("attendance", "correct", "Drill", "Ada", "late", "--on", "2026-03-02", "--reason", "the bus")
    mien("attendance", "mark", "Drill", "Bob", "--on", "2026-03-02", "--reason", "Bob's own affair")
    result = mien("people", "disclose", "Ada", "ada.zip", "--json")
    assert result.code == 0, result.err
    with zipfile.ZipFile(home / "ada.zip") as file:
        about = json.loads(file.read("about.json"))
        (crop,) = [name for name in file.namelist() if name.startswith("crops/")]
        assert file.read(crop).startswith(b"\xff\xd8")
    assert (about["person"], len(about["templates"][0]["vector"])) == ("Ada", 512)
    assert [len(about[kind]) for kind in ("roster", "sightings", "corrections", "consents")] == [1, 1, 1, 1]
    assert about["corrections"][0]["reason"] == "the bus"
    assert {"enroll", "correct", "allow evidence"} <= {line["action"] for line in about["audit"]}
    assert "Bob" not in json.dumps(about)
    assert (home / "ada.zip").stat().st_mode & 0o077 == 0
    assert mien("people", "disclose", "Ada", "ada.zip").code == 1
    assert mien("people", "disclose", "Nobody", "nobody.zip").code == 1
