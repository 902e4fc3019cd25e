"""Draw every page of the web app in Chromium, with the photographs of ``mien demo`` and a film of two of them as camera.

    python docs/how-to/web-app/make.py

From an empty home: the first password, people, photographs, a session, the camera, a kiosk, questions, the laboratory; then
as on a phone and in Vietnamese. Writes the pictures beside itself. Needs Chromium and the test requirements.
"""

import csv
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, Locator, Page, sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))

from mien.datasets.demo_pictures import demo_pictures  # noqa: E402
from mien.media.images import read_image  # noqa: E402
from mien.wiring.settings import load_settings  # noqa: E402
from tests.fakes import browser, cameras  # noqa: E402

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WIDTHS = {"desk": 900, "phone": 390}
"""Widths of the pictures as they are kept, pixels."""
SOMEBODY = 20
"""Standard deviation of the camera's grey values while somebody is seen; of the grey wall it is nearly 0."""


def main() -> None:
    photos = demo_pictures(load_settings().cache_dir)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["MIEN_DATA_DIR"] = str(home / "data")
        os.environ["MIEN_CACHE_DIR"] = str(load_settings().cache_dir)
        portraits = [read_image(photos[name]).pixels for name in ("obama.jpg", "astronaut.png")]
        film = cameras.of_portraits(home, *portraits)
        with (
            browser.running_app(home) as address,
            sync_playwright() as playwright,
            browser.chromium(playwright, film.path) as chromium,
        ):
            desk(chromium.new_page(viewport=DESK, locale="en-GB"), address, photos, home)
            others(chromium, address)


def mien(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "mien", *map(str, words)], check=True, capture_output=True)


def desk(page: Page, address: str, photos: dict[str, Path], home: Path) -> None:
    """A user's first hour on a computer."""
    page.set_default_timeout(browser.PATIENCE)
    page.goto(address)
    browser.heading(page, "Welcome to mien").wait_for()
    take(page, "first-password")
    browser.make_password(page, address)
    take(page, "start")
    browser.learn(page, "Barack Obama", photos["obama2.jpg"])
    browser.learn(page, "Joe Biden", photos["biden.jpg"])
    take(page, "people")

    browser.open_page(page, "Photos")
    page.locator("input[type=file]").first.set_input_files([photos["obama3.jpg"], photos["astronaut.png"]])
    page.get_by_text(re.compile("Who is face")).first.wait_for()
    take(page, "photos")

    mien("attendance", "session", "add", "Morning class", "--zone", "UTC", "--day")
    roster = home / "roster.csv"
    with roster.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["name"], ["Barack Obama"], ["Joe Biden"], ["Eileen Collins"]])
    mien("attendance", "roster", "import", roster, "--session", "Morning class")
    browser.open_page(page, "Live")
    page.get_by_role("combobox", name=re.compile("Attendance is taken for")).click()
    page.get_by_role("option", name="Morning class").click()
    browser.start_camera(page)
    page.get_by_text(re.compile("^Barack Obama · .* · present$")).wait_for()
    with_somebody(page, "live")
    page.get_by_role("button", name="Kiosk").click()
    page.get_by_role("button", name="Leave the kiosk").wait_for()
    with_somebody(page, "kiosk")
    browser.stop_camera(page)
    page.get_by_role("button", name="Leave the kiosk").click()
    page.get_by_label("Password", exact=True).fill(browser.PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    browser.heading(page, "Live").wait_for()

    browser.open_page(page, "Attendance")
    table(page).wait_for()
    take(page, "attendance")
    page.get_by_role("tab", name="Week").click()
    take(page, "week")
    browser.open_page(page, "Lab")
    page.locator("input[type=file]").first.set_input_files(photos["obama3.jpg"])
    page.get_by_text("Windows let through").first.wait_for()
    take(page, "lab")
    browser.open_page(page, "System")
    take(page, "system")


def others(chromium: Browser, address: str) -> None:
    """The same app as on a phone, and in Vietnamese."""
    phone = chromium.new_page(viewport=PHONE, locale="en-GB")
    log_in(phone, address, "Name", "Password", "Log in")
    browser.heading(phone, "Live").wait_for()
    take(phone, "phone-live", "phone")
    phone.goto(f"{address}/attendance")
    log_in(phone, f"{address}/attendance", "Name", "Password", "Log in")
    table(phone).wait_for()
    take(phone, "phone-attendance", "phone")
    viet = chromium.new_page(viewport=DESK, locale="vi-VN")
    words = tomllib.loads((ROOT / "src/mien/doors/webapp/texts/vi.toml").read_text(encoding="utf-8"))
    log_in(viet, f"{address}/attendance", *(words["login"][key] for key in ("name", "password", "enter")))
    table(viet).wait_for()
    take(viet, "vietnamese")


def table(page: Page) -> Locator:
    """The first table that is in view; Streamlit draws them, their words are no text of the page."""
    return page.get_by_test_id("stDataFrame").filter(visible=True).first


def log_in(page: Page, address: str, name: str, password: str, enter: str) -> None:
    page.set_default_timeout(browser.PATIENCE)
    page.goto(address)
    page.get_by_label(name, exact=True).fill("admin")
    page.get_by_label(password, exact=True).fill(browser.PASSWORD)
    page.get_by_role("button", name=enter, exact=True).last.click()


def with_somebody(page: Page, name: str) -> None:
    """The page while somebody is named before the camera: the film shows nobody now and then."""
    camera = page.locator("iframe").first
    for _ in range(60):
        seen = cv2.imdecode(np.frombuffer(camera.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
        if seen[: seen.shape[0] // 2].std() > SOMEBODY:
            take(page, name)
            return
        page.wait_for_timeout(300)
    raise SystemExit(f"{name}: nobody came before the camera")


def take(page: Page, name: str, width: str = "desk") -> None:
    """The page as it stands now, once it has come to rest."""
    page.wait_for_timeout(800)
    pixels = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    scale = WIDTHS[width] / pixels.shape[1]
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(HERE / f"{name}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    sys.stderr.write(f"{name}\n")


if __name__ == "__main__":
    main()
