"""The web app as a browser sees it: ``mien app`` started as a user starts it, and Chromium before a film for a camera."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PASSWORD = "correct horse"
PATIENCE = 150_000  # milliseconds; machines of CI are slow
SPARING = {"OMP_NUM_THREADS": "1", "MIEN_MIN_FACE": "60"}  # many looks a second, whatever else the machine does


@contextmanager
def running_app(home: Path, env=None):
    """``mien app`` over the folder ``home``; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "mien", "app", "--no-browser", "--port", str(port)]
    log = (home / "app.log").open("w")
    running = subprocess.Popen(words, cwd=home, env=os.environ | SPARING | (env or {}), stdout=log, stderr=log)
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


@contextmanager
def chromium(playwright, film: Path):
    """A Chromium whose camera shows the film, and which gives it to every page that asks."""
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    camera += [f"--use-file-for-fake-video-capture={film}", "--disable-features=WebRtcHideLocalIpsWithMdns"]
    args = ["--no-sandbox", "--disable-background-networking", *camera]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
    try:
        yield browser
    finally:
        browser.close()


def hosts_asked(page) -> set[str]:
    """Grows with every host that the page asks for anything from now on."""
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or "the page itself"))
    return hosts


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


def start_camera(page):
    page.frame_locator("iframe").first.get_by_role("button", name="Start the camera").click()


def stop_camera(page):
    page.frame_locator("iframe").first.get_by_role("button", name="Stop the camera").click()
