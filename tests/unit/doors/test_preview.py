"""The stream in the browser: this machine only, whoever looks slowly holds nobody up, nothing drawn for nobody."""

import http.client
import json
import re
import socket
import threading
import time

import cv2
import numpy as np
import pytest

from mien.core.answers import Match
from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.doors import preview as module
from mien.doors.preview import Preview

PATIENCE = 10.0


@pytest.fixture
def preview():
    with Preview(0) as server:
        yield server


def port_of(server):
    return int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", server.url)[1])


def get(server, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=PATIENCE)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return connection.getresponse()


def picture(level, size=(64, 48)):
    return Picture(np.full((size[1], size[0], 3), level, np.uint8), source="test", time=0.0)


def part(response):
    """The next JPEG of a stream, decoded."""
    line = response.readline().strip()
    while line != b"--mien-frame":
        line = response.readline().strip()
    assert response.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(response.readline().split(b":")[1])
    assert response.readline() == b"\r\n"
    return cv2.imdecode(np.frombuffer(response.read(length), np.uint8), cv2.IMREAD_COLOR)


def test_the_stream_shows_the_newest_frames(preview):
    """Parts between boundaries, each a JPEG of what was shown last, with the faces drawn."""
    face = Faces(np.array([[10, 10, 40, 40]], np.float32), np.ones(1, np.float32), matches=(Match("unknown"),))
    preview.show(picture(200), face, "live")
    response = get(preview, "/stream.mjpg")
    assert response.getheader("Content-Type") == "multipart/x-mixed-replace; boundary=mien-frame"
    first = part(response)
    assert first.shape == (48, 64, 3)
    assert abs(int(first[45, 60].mean()) - 200) < 5
    assert np.abs(first.astype(int) - 200).max() > 60  # the box
    preview.show(picture(20), Faces.empty(), "live")
    assert part(response).mean() < 30


def test_the_boundary_follows_each_frame_at_once(preview):
    """Browsers show a frame when the boundary after it comes; it does not wait for the next frame."""
    preview.show(picture(200), Faces.empty(), "live")
    with socket.create_connection(("127.0.0.1", port_of(preview)), timeout=PATIENCE) as raw:
        raw.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while got.count(b"--mien-frame\r\n") < 2:
            got += raw.recv(65536)


def test_large_frames_are_made_smaller(preview):
    """A 4K frame goes out no wider than 1280 pixels."""
    preview.show(picture(90, (3840, 2160)), Faces.empty(), "live")
    assert part(get(preview, "/stream.mjpg")).shape == (720, 1280, 3)


def test_the_page_and_its_events(preview):
    """One page without a foreign address, and the newest events first, as text."""
    preview.tell("09:00:00  Ada arrived")
    preview.tell("09:00:05  <b>Bob</b> arrived")
    preview.show(None, Faces.empty(), "lost since 09:00:06: unplugged")
    page = get(preview, "/").read().decode()
    assert "stream.mjpg" in page
    assert "://" not in page + module._STYLE + module._SCRIPT
    told = json.loads(get(preview, "/events.json").read())
    assert told == {
        "state": "lost since 09:00:06: unplugged",
        "lines": ["09:00:05  <b>Bob</b> arrived", "09:00:00  Ada arrived"],
    }
    assert "innerHTML" not in module._SCRIPT
    assert get(preview, "/../../etc/passwd").status == 404


@pytest.mark.parametrize("path", ["/", "/stream.mjpg", "/events.json"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8477"},
        {"Host": ""},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "["},
        {"Host": "localhost@evil.example"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
)
def test_foreign_names_and_pages_are_refused(preview, path, headers):
    """A name that was made to point here, and a page of somebody else's that includes ours, get nothing."""
    preview.show(picture(1), Faces.empty(), "live")
    assert get(preview, path, **headers).status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:9999", "LOCALHOST"])
def test_own_names_are_served(preview, host):
    """By address or as localhost, through whatever port somebody forwards."""
    response = get(preview, "/", Host=host)
    assert response.status == 200
    assert response.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    assert response.getheader("Cache-Control") == "no-store"


def test_bound_to_this_machine_only(preview):
    """It listens on the loopback address, and not on any other of this machine."""
    assert preview._server.server_address[0] == "127.0.0.1"
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", port_of(preview))) != 0


def test_a_busy_port(preview):
    """Says so, and how to get another."""
    with pytest.raises(SettingError, match=r"no preview on port \d+: address already in use; --port names another one"):
        Preview(port_of(preview))


def test_nothing_is_drawn_while_nobody_looks(preview, monkeypatch):
    """Showing costs next to nothing; two viewers of one frame cost one drawing."""
    drawn = []
    monkeypatch.setattr(module, "drawn_jpeg", lambda *seen: drawn.append(seen) or b"jpeg")
    for level in range(100):
        preview.show(picture(level), Faces.empty(), "live")
    assert drawn == []
    for _ in range(2):
        get(preview, "/stream.mjpg").readline()
    end = time.monotonic() + PATIENCE
    while not drawn:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(drawn) == 1


def test_slow_viewers_hold_nobody_up(preview):
    """Three viewers that take nothing: a thousand large frames are shown at once."""
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    frame = Picture(noise, time=0.0)
    sockets = [socket.create_connection(("127.0.0.1", port_of(preview))) for _ in range(3)]
    for raw in sockets:
        raw.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    longest = 0.0
    for _ in range(1000):
        begin = time.monotonic()
        preview.show(frame, Faces.empty(), "live")
        longest = max(longest, time.monotonic() - begin)
    assert longest < 0.5
    assert get(preview, "/events.json").status == 200
    for raw in sockets:
        raw.close()


def test_too_many_viewers(preview):
    """Eight streams at a time; the ninth is told so, and a place is free again when one goes."""
    preview.show(picture(1), Faces.empty(), "live")
    viewers = [get(preview, "/stream.mjpg") for _ in range(8)]
    assert get(preview, "/stream.mjpg").status == 503
    viewers.pop().close()
    end = time.monotonic() + PATIENCE
    while get(preview, "/stream.mjpg").status != 200:
        preview.show(picture(1), Faces.empty(), "live")
        assert time.monotonic() < end
        time.sleep(0.02)


def test_closing_ends_streams_and_threads():
    """Afterwards nobody listens, and the streams are over."""
    with Preview(0) as server:
        server.show(picture(1), Faces.empty(), "live")
        response = get(server, "/stream.mjpg")
        part(response)
        port = port_of(server)
    assert response.read() in {b"", b"\r\n--mien-frame\r\n"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    assert not any(t.name == "mien-preview" for t in threading.enumerate())
