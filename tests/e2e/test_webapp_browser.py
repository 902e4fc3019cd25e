"""The web app in a real browser: Chromium with a fake camera that is fed a film of people who walk by."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes import cameras

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PASSWORD = "correct horse"
PATIENCE = 150_000  # milliseconds; machines of CI are slow
SPARING = {"OMP_NUM_THREADS": "1", "MIEN_MIN_FACE": "60"}  # many looks a second, whatever else the machine does


@pytest.fixture(scope="module")
def film(tmp_path_factory, request, cache_dir):
    """Real people before a webcam where such pictures are, else the portraits that packages bring."""
    folder = tmp_path_factory.mktemp("film")
    try:
        data = request.getfixturevalue("shared_data") / "nuaa" / "ClientRaw"
    except pytest.skip.Exception:
        from mien.datasets.demo_pictures import demo_pictures
        from mien.media.images import read_image

        stranger = read_image(demo_pictures(cache_dir)["obama.jpg"]).pixels
        return cameras.of_portraits(folder, request.getfixturevalue("astronaut"), stranger)
    return cameras.of_webcam(folder, data / "0001", data / "0003")


@pytest.fixture
def server(home, cache_dir):
    """``mien app`` as a user starts it, over an empty home; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "mien", "app", "--no-browser", "--port", str(port)]
    log = (home / "app.log").open("w")
    running = subprocess.Popen(words, cwd=home, env=os.environ | SPARING, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while not answers(port):
            assert running.poll() is None, (home / "app.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(20)
        log.close()


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def page(film):
    """A page of Chromium whose camera shows the film."""
    if CHROMIUM is None:
        assert os.environ.get("MIEN_BROWSER_TESTS") != "must", "there is no chromium, and CI may not skip its tests"
        pytest.skip("no chromium on this machine: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    camera += [f"--use-file-for-fake-video-capture={film.path}", "--disable-features=WebRtcHideLocalIpsWithMdns"]
    with sync.sync_playwright() as playwright:
        args = ["--no-sandbox", "--disable-background-networking", *camera]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        try:
            opened = browser.new_page(viewport={"width": 1280, "height": 1000}, locale="en-GB")
            opened.set_default_timeout(PATIENCE)
            yield opened
        finally:
            browser.close()


def heading(page, name):
    return page.get_by_role("heading", name=name, exact=True)


def open_page(page, name):
    page.get_by_role("link", name=name, exact=True).click()
    heading(page, name).wait_for()


def make_password(page, server):
    page.goto(server)
    heading(page, "Welcome to mien").wait_for()
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("The same password again", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Make the password").click()
    heading(page, "Start").wait_for()


def learn(page, name, photo):
    """Add somebody by a photograph on the page People."""
    open_page(page, "People")
    box = page.get_by_role("combobox", name="Name").first
    box.fill(name)
    box.press("Enter")
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_text(photo.name).first.wait_for()
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text(f"{photo.name}: learnt.").wait_for()


@pytest.mark.slow
def test_a_person_is_learnt_walks_by_is_named_and_marked_once_and_a_stranger_is_not(page, server, film, mien):
    """From the first password to one mark in the book, in the browser alone; whoever is not known marks nobody."""
    make_password(page, server)
    learn(page, "Ada", film.photo)
    mien("attendance", "session", "add", "Door", "--zone", "UTC", "--day")
    (roster := film.path.with_name("roster.csv")).write_text("name\nAda\nBob\n")
    mien("attendance", "roster", "import", roster, "--session", "Door")

    open_page(page, "Live")
    page.get_by_role("combobox", name=re.compile("Attendance is taken for")).click()
    page.get_by_role("option", name="Door").click()
    page.frame_locator("iframe").first.get_by_role("button", name="Start the camera").click()
    page.get_by_text(re.compile(r"^Ada · .* · present$")).wait_for()
    page.get_by_text(re.compile(r"^Strangers: [1-9]")).wait_for()  # the film has gone round: both were seen
    assert page.locator(".mien-arrived").all_inner_texts() == [page.locator(".mien-arrived").first.inner_text()]
    page.frame_locator("iframe").first.get_by_role("button", name="Stop the camera").click()
    heading(page, "Who arrived").wait_for()

    register = mien("attendance", "report", "Door", "--json").json()
    marks = {entry["name"]: entry["status"] for entry in register["entries"]}
    assert marks == {"Ada": "present", "Bob": "expected"}
    since = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    seen = mien("attendance", "sightings", "--since", since, "--json").json()
    assert {s["who"] for s in seen if s["decision"] == "match"} == {"Ada"}
    assert any(s["decision"] == "unknown" for s in seen)
