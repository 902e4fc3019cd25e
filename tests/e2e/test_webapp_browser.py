"""The web app in a real browser: Chromium with a fake camera that is fed a film of people who walk by."""

import os
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes import cameras
from tests.fakes.browser import (
    CHROMIUM,
    PATIENCE,
    chromium,
    heading,
    hosts_asked,
    learn,
    make_password,
    open_page,
    running_app,
    start_camera,
    stop_camera,
)


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
    """``mien app`` over an empty home; its address."""
    with running_app(home) as address:
        yield address


@pytest.fixture
def page(film):
    """A page of Chromium whose camera shows the film."""
    if CHROMIUM is None:
        assert os.environ.get("MIEN_BROWSER_TESTS") != "must", "there is no chromium, and CI may not skip its tests"
        pytest.skip("no chromium on this machine: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright, chromium(playwright, film.path) as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 1000}, locale="en-GB")
        opened.set_default_timeout(PATIENCE)
        yield opened


@pytest.mark.slow
def test_a_person_is_learnt_walks_by_is_named_and_marked_once_and_a_stranger_is_not(page, server, film, mien):
    """From the first password to one mark in the book, in the browser alone; whoever is not known marks nobody."""
    hosts = hosts_asked(page)
    make_password(page, server)
    learn(page, "Ada", film.photo)
    mien("attendance", "session", "add", "Door", "--zone", "UTC", "--day")
    (roster := film.path.with_name("roster.csv")).write_text("name\nAda\nBob\n")
    mien("attendance", "roster", "import", roster, "--session", "Door")

    open_page(page, "Live")
    page.get_by_role("combobox", name=re.compile("Attendance is taken for")).click()
    page.get_by_role("option", name="Door").click()
    start_camera(page)
    page.get_by_text(re.compile(r"^Ada · .* · present$")).wait_for()
    page.get_by_text(re.compile(r"^Strangers: [1-9]")).wait_for()  # the film has gone round: both were seen
    assert page.locator(".mien-arrived").all_inner_texts() == [page.locator(".mien-arrived").first.inner_text()]
    page.get_by_role("button", name="Kiosk").click()
    page.get_by_role("button", name="Leave the kiosk").wait_for()
    assert page.get_by_role("link", name="People").count() == 0
    page.wait_for_timeout(2000)  # a camera that the change had stopped would have gone by now
    stop_camera(page)
    heading(page, "Who arrived").wait_for()

    assert hosts <= {"127.0.0.1", "the page itself"}, hosts  # nothing leaves the machine

    register = mien("attendance", "report", "Door", "--json").json()
    marks = {entry["name"]: entry["status"] for entry in register["entries"]}
    assert marks == {"Ada": "present", "Bob": "expected"}
    since = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    seen = mien("attendance", "sightings", "--since", since, "--json").json()
    assert {s["who"] for s in seen if s["decision"] == "match"} == {"Ada"}
    assert any(s["decision"] == "unknown" for s in seen)
