"""Enrolling before a camera, on the command line: films and folders of frames stand for the camera."""

import signal

import numpy as np
import pytest

from mien.core.faces import Picture
from mien.doors.preview import Preview
from mien.recognition.guidance import Guide
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings

COURSE = ("--zone", "Europe/Berlin", "--weekdays", "mon", "--from", "08:00", "--to", "09:30")


def moved(step):
    """The picture a few pixels further: a person never holds quite still."""
    return lambda image: np.roll(image, step, axis=1)


@pytest.fixture
def film(home, photo):
    """A folder of frames of the astronaut, who looks straight into the camera all the time."""
    for number in range(4):
        photo(f"film/{number}.png", change=moved(2 * number))
    return home / "film"


def test_a_straight_view_will_do_and_what_is_missing_is_said(mien, film):
    """Somebody who never turns is enrolled with the one view there is; nothing is stored when it is not accepted."""
    result = mien("enroll", "Eileen", "--camera", film, "--json")
    assert result.code == 0, result.err
    (row,) = result.json()
    assert (row["view"], row["accepted"], row["name"]) == ("straight", True, "Eileen")
    assert "not seen: turned left and turned right and chin up" in result.err
    (template,) = mien("people", "show", "Eileen", "--json").json()["templates"]
    assert template["photo"].endswith(" s, straight")


def test_whoever_watches_knows_them_at_once(mien, film, astronaut, home):
    """A process that has the gallery open names the person from the next frame on."""
    mien("enroll", "Somebody", "--camera", film)
    mien("people", "remove", "Somebody", "--yes")
    with House(load_settings(threads=1)) as house:
        assert house.recognizer.identify(astronaut).matches[0].decision == "unknown"
        assert mien("enroll", "Eileen", "--camera", film).code == 0
        assert house.recognizer.identify(astronaut).matches[0].name == "Eileen"


def test_a_face_that_is_being_followed_gets_its_name(mien, film, astronaut):
    """Somebody unknown before a running watch is enrolled at another camera: their very track is named at its next look."""
    mien("enroll", "Nobody", "--camera", film)
    mien("people", "remove", "Nobody", "--yes")
    with House(load_settings(threads=1)) as house:
        follower = house.follower()
        before = follower.follow(Picture(astronaut, time=0.0))
        assert before.matches[0].decision == "unknown"
        mien("enroll", "Eileen", "--camera", film)
        after = follower.follow(Picture(astronaut, time=1.0))
        after = follower.follow(Picture(astronaut, time=2.1))
        assert (after.matches[0].name, after.track_ids[0]) == ("Eileen", before.track_ids[0])


def test_the_preview_shows_what_is_asked_for(mien, film, monkeypatch):
    """Each frame, its faces and the advice go to the browser's picture."""
    seen = []
    monkeypatch.setattr(Preview, "show", lambda _, picture, faces, state: seen.append((picture, len(faces), state)))
    result = mien("enroll", "Eileen", "--camera", film, "--preview", "--port", "0")
    assert (result.code, "can be seen at http://127.0.0.1" in result.err) == (0, True), result.err
    assert [faces for _, faces, _ in seen] == [1, 1, 1, 1]
    assert seen[-1][2] == "turn your head a little to your left"


def test_ctrl_c_stores_nothing(mien, film, monkeypatch):
    """Whoever breaks off has enrolled nobody, however many views there were."""
    see = Guide.see

    def pressed(self, picture, faces):
        signal.raise_signal(signal.SIGINT)
        return see(self, picture, faces)

    monkeypatch.setattr(Guide, "see", pressed)
    result = mien("enroll", "Eileen", "--camera", film)
    assert (result.code, "nothing was stored" in result.err) == (130, True), result.err
    assert mien("people", "list", "--json").json() == []


def test_attendance_enrol_puts_them_on_the_roster(mien, film, photo):
    """By camera and by photograph; a session that is not there is told before anybody poses."""
    assert mien("attendance", "session", "add", "Algebra", *COURSE).code == 0
    missing = mien("attendance", "enrol", "Eileen", "--camera", film, "--session", "Algbra")
    assert (missing.code, "did you mean 'Algebra'" in missing.err) == (1, True)
    result = mien("attendance", "enrol", "Eileen", "--camera", film, "--session", "Algebra", "--since", "2026-03-02")
    assert (result.code, "Eileen is on the roster of Algebra" in result.err) == (0, True)
    (row,) = mien("attendance", "roster", "show", "Algebra", "--json").json()
    assert (row["name"], row["photos"], row["since"]) == ("Eileen", 1, "2026-03-02")
    flipped = photo("flipped.png", change=lambda image: image[:, ::-1])
    assert mien("attendance", "enrol", "Eileen", flipped, "--session", "Algebra").code == 0
    assert mien("attendance", "roster", "show", "Algebra", "--json").json()[0]["photos"] == 2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("enroll", "Ada", "--camera", "nowhere.mp4"), 2, "is not there"),
        (("enroll", "Ada", "--camera", "9"), 1, "no straight view; lost since"),
        (("enroll", "Ada", "a.jpg", "--camera", "0"), 2, "NAME --camera SOURCE alone"),
        (("enroll", "--camera", "0"), 2, "NAME --camera SOURCE alone"),
        (("enroll", "Ada", "--camera", "0", "--face", "2"), 2, "there is to be one"),
        (("attendance", "enrol", "Ada"), 2, "photographs or --camera"),
        (("attendance", "enrol", "Ada", "--camera", "0", "--since", "2026-03-02"), 2, "say whose with --session"),
    ],
)
def test_what_cannot_be_is_one_clear_line(mien, words, code, told):
    """No source, no camera, both at once: one line that says what to do, and nobody is enrolled."""
    result = mien(*words)
    assert (result.code, told in result.err) == (code, True), result.err
    assert mien("people", "list", "--json").json() == []


def test_a_blurred_stream_enrols_nobody(mien, photo, home):
    """Without one usable frame the last advice is told, with what was measured."""
    import cv2

    for number in range(4):
        photo(f"soft/{number}.png", change=lambda image: cv2.GaussianBlur(image, (0, 0), 6))
    result = mien("enroll", "Ada", "--camera", home / "soft")
    assert result.code == 1
    assert "Ada was not enrolled: no straight view; at last: hold still: sharpness" in result.err
    assert mien("people", "list", "--json").json() == []


def test_two_people_one_after_the_other_are_refused(mien, family, home):
    """A girl, then a lady before the camera: nothing is stored."""
    folder = home / "two"
    folder.mkdir()
    first, then = (min((family / who).iterdir()) for who in ("Family1-Daughter", "Family2-Lady"))
    for number in range(6):
        (folder / f"{number}.jpg").symlink_to((first if number < 2 else then).resolve())
    result = mien("enroll", "Ada", "--camera", folder)
    assert (result.code, "somebody else came before the camera" in result.err) == (1, True), result.err
    assert mien("people", "list", "--json").json() == []


def test_a_film_of_a_head_that_turns_gives_several_views(mien, shared_data, home):
    """A real clip: one person seen from the front, turned, and with the chin raised; all views go in together."""
    av = pytest.importorskip("av")
    frames = home / "turns"
    frames.mkdir()
    with av.open(str(shared_data / "clips" / "short_hamilton_clip.mp4")) as clip:
        for number, frame in enumerate(clip.decode(video=0)):
            if 2.9 <= frame.time <= 7.3 and number % 3 == 0:
                frame.to_image().save(frames / f"{number}.png")
    result = mien("enroll", "Alex", "--camera", frames, "--json")
    assert result.code == 0, result.err
    assert [row["view"] for row in result.json()] == ["straight", "right", "up"]
    assert all(row["accepted"] for row in result.json())
    assert "not seen: turned left" in result.err
