"""The web app's pages, as far as they can be tried without a browser."""

import ast
import re
import string
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.errors import SettingError
from mien.core.reasons import Reason
from mien.doors import webapp
from mien.doors.webapp.launch import ServeOptions, check, flags_of, is_local

ROOM = Path(webapp.__file__).parent
PASSWORD = "correct horse"


def titles(at):
    return [title.value for title in at.title]


def button(at, label):
    return next(b for b in at.button if b.label == label)


def png(pixels) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR))[1].tobytes()


def goto(at, page):
    """Open a page by its path; AppTest itself knows pages that are files only."""
    from streamlit.util import calc_hash

    at._page_hash = calc_hash(page)
    return at.run()


def test_the_first_start_makes_an_admin_and_then_asks_for_the_password(app):
    """Whoever starts the app first makes a password; a new browser then has to log in, and a wrong password does not."""
    at = app(login=True).run()
    assert titles(at) == ["Welcome to mien"]
    at.text_input[1].set_value(PASSWORD)
    at.text_input[2].set_value(PASSWORD)
    button(at, "Make the password").click().run()
    assert not at.exception
    assert titles(at) == ["Start"]

    other = app(login=True).run()
    assert titles(other) == ["Log in"]
    for password, shown in (("wrong one", ["Log in"]), (PASSWORD, ["Live"])):
        other.text_input[0].set_value("admin")
        other.text_input[1].set_value(password)
        button(other, "Log in").click().run()
        assert titles(other) == shown
    assert not other.exception


def test_passwords_that_differ_or_are_short_make_nobody(app):
    """The first page refuses both and says why; there is still nobody who could log in."""
    from mien.doors.webapp.state import gallery

    at = app(login=True).run()
    for first, second in ((PASSWORD, "another one"), ("short", "short")):
        at.text_input[1].set_value(first)
        at.text_input[2].set_value(second)
        button(at, "Make the password").click().run()
        assert len(at.error) == 1
    assert gallery().access.users() == []


def test_a_login_ends_when_the_password_is_changed_elsewhere(app):
    """A browser that was logged in is asked again at its next click."""
    from mien.doors.webapp.state import gallery

    at = app(login=True)
    at.session_state["user"] = gallery().access.add_user("ada", "admin", PASSWORD)
    assert titles(at.run()) != ["Log in"]
    gallery().access.set_password("ada", "another password")
    assert titles(at.run()) == ["Log in"]


def test_a_viewer_gets_no_control_that_changes_anything(app):
    """The pages of a viewer show who is known and offer neither adding, renaming, merging nor forgetting."""
    from mien.doors.webapp.state import gallery

    at = app(login=True)
    gallery().access.add_user("ada", "admin", PASSWORD)
    at.session_state["user"] = gallery().access.add_user("vera", "viewer", PASSWORD)
    at.run()
    labels = {b.label for b in at.button}
    assert labels <= {"Log out", "Change the password"}
    assert not at.exception


def every_key() -> tuple[set[str], set[str]]:
    """Keys of texts that the code names, and the beginnings of those that it makes of parts (``status.`` …)."""
    found, begun = set(), {"reasons.", "advice.", "phrases."}
    for file in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t":
                (key,) = node.args
                if isinstance(key, ast.Constant):
                    found.add(key.value)
                elif isinstance(key, ast.JoinedStr):
                    begun.add(key.values[0].value)
    return found, begun


def test_every_text_that_the_pages_name_is_there_and_no_other():
    """A key without a text, or a text without a page, fails; groups whose keys are made at run time count as named."""
    from mien.doors.webapp.words import texts

    named, begun = every_key()
    there = {key for key in texts("en") if not key.startswith(tuple(begun))}
    assert named - set(texts("en")) == set()
    assert there - named == set()


def test_every_language_has_the_same_texts_with_the_same_places():
    """What English says, each language says, with the same values in it; only borrowed phrases need no English."""
    from mien.doors.webapp.words import LANGUAGES, texts

    def places(words):
        return {name for _, name, _, _ in string.Formatter().parse(words) if name}

    for code in LANGUAGES:
        ours = {key: words for key, words in texts(code).items() if not key.startswith("phrases.")}
        english = {key: words for key, words in texts("en").items() if not key.startswith("phrases.")}
        assert set(ours) == set(english), code
        assert {key for key in ours if places(ours[key]) != places(english[key])} == set()


def test_a_reason_is_told_without_the_options_of_the_command_line(app):
    """What the gate found wrong is told with value and limit, and never with an option to type."""
    from mien.doors.webapp.words import say_reason

    app()
    told = say_reason(Reason("gate", "sharpness", 12.0, 30.0, "--min-sharpness"))
    assert "12" in told
    assert "30" in told
    twin = Reason(
        "gate", "similarity to another person", 0.9, 0.4, "", "above", text="this is Bob; if not: --allow-similar"
    )
    assert say_reason(twin) == "this is Bob"


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::"])
def test_a_network_is_served_only_with_a_login(address):
    """Elsewhere than at this machine the app refuses to start without a login, or with nobody who could log in."""
    with pytest.raises(SettingError, match="--no-login serves this machine only"):
        check(ServeOptions(address, 0), login=False, users=1)
    with pytest.raises(SettingError, match="--set-password"):
        check(ServeOptions(address, 0), login=True, users=0)


def test_this_machine_is_known_by_its_addresses():
    """127.0.0.1, localhost and ::1 are this machine; anything else is a network."""
    assert all(map(is_local, ("127.0.0.1", "localhost", "::1")))
    assert not any(map(is_local, ("0.0.0.0", "example.org", "10.0.0.1")))


def test_a_port_that_is_taken_is_told_before_anything_starts():
    """The message names the port and a way out."""
    taken = check(ServeOptions(port=0), login=True, users=0)
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken.port))
        holder.listen()
        with pytest.raises(SettingError, match=f"port {taken.port}.*--port 0"):
            check(taken, login=True, users=0)


def test_nothing_is_sent_home_and_no_fault_is_shown_to_browsers():
    """Streamlit gathers no statistics and keeps tracebacks to itself; uploads are protected against foreign pages."""
    flags = flags_of(ServeOptions())
    assert flags["browser.gatherUsageStats"] is False
    assert flags["client.showErrorDetails"] == "none"
    assert flags["server.enableXsrfProtection"] is True


def test_importing_the_launcher_loads_no_streamlit():
    """``mien app --help`` stays light."""
    import subprocess
    import sys

    code = "import mien.doors.webapp.launch, sys; print('streamlit' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"False\s*", run.stdout)


def test_somebody_is_learnt_from_photographs_and_a_bad_one_is_told(app, astronaut):
    """The page People learns a face from a photograph, says why a picture without a face is refused, and lists the person."""
    from mien.doors.webapp.state import gallery

    at = app()
    gallery().add("Eileen", [])  # AppTest chooses among names, it cannot type a new one; the browser's test does
    goto(at.run(), "people")
    assert titles(at) == ["People"]
    at.selectbox(key="add-name-0").set_value("Eileen")
    at.file_uploader[0].set_value(
        [("eileen.png", png(astronaut), "image/png"), ("sky.png", png(astronaut[:60]), "image/png")]
    )
    button(at, "Add").click().run()
    assert not at.exception
    assert [s.value for s in at.success] == ["eileen.png: learnt."]
    assert "no face was found" in at.warning[0].value
    assert [(p.name, p.templates) for p in gallery().people()] == [("Eileen", 1)]
    assert at.selectbox(key="add-name-0").value == "Eileen"  # what was refused can be mended

    at.file_uploader[0].set_value([("again.png", png(astronaut[:, ::-1]), "image/png")])
    button(at, "Add").click().run()
    assert [s.value for s in at.success] == ["again.png: learnt."]
    assert at.selectbox(key="add-name-1").value is None  # all is learnt: the next person, please
    assert not at.file_uploader[0].value


def test_the_pages_speak_vietnamese(app):
    """The second language reaches titles, buttons and a gate's reason; choosing English brings English back."""
    from mien.doors.webapp.words import say_reason

    at = goto(app(language="vi").run(), "people")
    assert titles(at) == ["Mọi người"]
    assert button(at, "Thêm")
    assert "độ nét 12" in say_reason(Reason("gate", "sharpness", 12.0, 30.0, "--min-sharpness"))
    at.selectbox(key="_language").set_value("en").run()
    assert titles(at) == ["People"]


@pytest.mark.parametrize("page", ["live", "attendance", "photos", "people", "lab", "system", "start"])
def test_every_page_opens_without_a_fault(app, page):
    """With nobody known and nothing set up, every page shows its title and no exception."""
    at = goto(app().run(), page)
    assert not at.exception
    assert not at.error
    assert len(at.title) == 1


def test_a_backup_is_made_from_the_app(app):
    """The page System makes one file and offers it; it says how many people are in it."""
    from mien.doors.webapp.state import gallery

    at = app()
    gallery().add("Ada", [])
    goto(at.run(), "system")
    button(at, "Make a backup").click().run()
    assert not at.exception
    assert at.success[0].value.startswith("1 people")
    assert at.session_state["backup"][1][:2] == b"PK"


def test_somebody_is_learnt_before_a_camera_of_the_computer(app, astronaut, tmp_path):
    """The station guides, ends with the camera, and the views that were seen go in once, whatever is clicked afterwards."""
    from mien.doors.webapp.state import gallery

    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(40):
        (frames / f"{number:03}.png").write_bytes(png(astronaut[40:240, 120:320]))
    at = app()
    gallery().add("Eileen", [])
    goto(at.run(), "people")
    at.selectbox(key="people-camera-name").set_value("Eileen").run()
    at.radio(key="people-camera-which").set_value("computer").run()
    at.text_input(key="people-camera-address").set_value(str(frames)).run()
    button(at, "Start the camera").click().run()
    until = time.monotonic() + 60
    while not at.success and time.monotonic() < until:
        time.sleep(0.5)
        at.run()
    assert not at.exception
    assert at.success[-1].value == "Eileen is known from now on."
    at.run()
    assert [(p.name, p.templates) for p in gallery().people()] == [("Eileen", 1)]
    assert "straight" in gallery().templates("Eileen")[0].source
