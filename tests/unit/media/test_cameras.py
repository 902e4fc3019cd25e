"""Live sources: the newest frame only, a state instead of an exception, connected again when lost."""

import http.server
import itertools
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import cv2
import pytest

from mien.core.errors import ImageError, MissingExtraError, SettingError
from mien.media.cameras import Camera, CameraOptions, CameraState, shown_source
from tests.fakes.videos import number_in, numbered

QUICK = CameraOptions(timeout=0.4, first_wait=0.01, longest_wait=0.04)
PATIENCE = 10.0  # seconds that a test waits for another thread before it fails


class Source:
    """A camera under the test's control: each connection runs one of the scripts given, the last for ever."""

    def __init__(self, *scripts):
        self.scripts = scripts
        self.connections = []
        self.converted = 0
        self.gone = threading.Event()

    @contextmanager
    def __call__(self):
        script = self.scripts[min(len(self.connections), len(self.scripts) - 1)]
        self.connections.append(time.monotonic())
        yield script(self)

    def frame(self, number):
        def convert():
            self.converted += 1
            return numbered(number)

        return convert


def gives(count, *, then_stays=False):
    def script(source):
        yield from (source.frame(n) for n in range(count))
        if then_stays:
            source.gone.wait(PATIENCE)

    return script


def fails(reason):
    def script(source):
        raise ImageError(reason)
        yield

    return script


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def watch(source, options=QUICK):
    return Camera("rtsp://somewhere/", options=options, connect=source)


def test_only_the_newest_frame_is_given():
    """A hundred frames that came while nobody looked are gone; the last is given once, and only it was converted."""
    source = Source(gives(100, then_stays=True))
    with watch(source) as camera:
        wait_for(lambda: camera.state.name == "live")
        time.sleep(0.05)
        assert number_in(camera.newest().pixels) == 99
        assert camera.newest(timeout=0.01) is None
        assert source.converted == 1
        source.gone.set()


def test_frames_do_not_pile_up():
    """However many come, no more than the newest is held."""
    alive = weakref.WeakSet()

    class Big:
        def __call__(self):
            return numbered(1)

    def script(source):
        for _ in range(1000):
            frame = Big()
            alive.add(frame)
            yield frame
            del frame
        source.gone.wait(PATIENCE)

    source = Source(script)
    with watch(source) as camera:
        assert camera.newest(PATIENCE) is not None
        time.sleep(0.1)
        assert len(alive) <= 2
        source.gone.set()


def test_a_slow_watcher_sees_fresh_frames():
    """At 200 frames a second against 10 looks, each look gets a frame that is not older than a few of the source's."""

    def script(source):
        for n in range(400):
            yield source.frame(n)
            time.sleep(0.005)

    with watch(Source(script)) as camera:
        numbers, ages = [], []
        for _ in range(5):
            picture = camera.newest(PATIENCE)
            ages.append(time.monotonic() - camera._started - picture.time)
            numbers.append(number_in(picture.pixels))
            time.sleep(0.1)
    assert all(later - earlier > 5 for earlier, later in itertools.pairwise(numbers))
    assert sorted(ages)[len(ages) // 2] < 0.1


def test_a_lost_source_is_connected_again():
    """Whatever ends a connection, the next one follows; a state tells it and nothing is raised."""
    source = Source(fails("it is switched off"), fails("it is switched off"), gives(3), gives(5, then_stays=True))
    with watch(source) as camera:
        seen = set()

        def live_again():
            seen.add((camera.state.name, camera.state.reason))
            return len(source.connections) == 4 and camera.state.name == "live"

        wait_for(live_again)
        assert ("lost", "it is switched off") in seen
        assert number_in(camera.newest(PATIENCE).pixels) in range(5)
        source.gone.set()


def test_lost_since_is_the_first_moment():
    """Attempts in vain do not renew the time since when a source is lost."""
    ticks = itertools.count()
    start = datetime(2024, 5, 1, 8, tzinfo=UTC)
    options = CameraOptions(first_wait=0.01, longest_wait=0.01, now=lambda: start + timedelta(minutes=next(ticks)))
    source = Source(fails("no"))
    with watch(source, options) as camera:
        wait_for(lambda: len(source.connections) > 3)
        assert camera.state == CameraState("lost", start + timedelta(minutes=1), "no")
        assert camera.state.words().endswith(": no")


def test_attempts_become_rarer():
    """The wait doubles up to its limit, and is short again after frames came."""
    source = Source(fails("no"))
    options = CameraOptions(first_wait=0.05, longest_wait=0.2)
    with watch(source, options):
        wait_for(lambda: len(source.connections) >= 5)
    waits = [b - a for a, b in itertools.pairwise(source.connections)]
    assert all(wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2, 0.2), strict=False))


def test_a_clock_that_steps_back_does_no_harm():
    """Times of frames come from a clock that never goes backwards, whatever the wall clock does."""
    backwards = itertools.count()
    options = CameraOptions(
        first_wait=0.01, now=lambda: datetime(2024, 5, 1, tzinfo=UTC) - timedelta(hours=next(backwards))
    )

    def script(source):
        for n in range(50):
            yield source.frame(n)
            time.sleep(0.01)

    with watch(Source(script), options) as camera:
        times = [camera.newest(PATIENCE).time for _ in range(8)]
    assert times == sorted(times)
    assert times[0] >= 0


def test_a_fault_of_the_reading_thread_is_told():
    """What is no loss of the source does not leave a watch waiting for frames for ever: it is raised, after the last."""

    def script(source):
        yield source.frame(1)
        raise ValueError("a library's own fault")

    with watch(Source(script)) as camera:
        assert number_in(camera.newest(PATIENCE).pixels) == 1
        with pytest.raises(ValueError, match="own fault"):
            camera.newest(PATIENCE)
        assert camera.ended


def test_closing_ends_the_thread():
    """After ``with`` nothing runs on, and asking gives None."""
    source = Source(fails("no"))
    with watch(source, CameraOptions(first_wait=60)) as camera:
        wait_for(lambda: source.connections)
    assert not camera._thread.is_alive()
    assert camera.newest(0.01) is None


def test_a_webcam_that_is_not_there(monkeypatch):
    """It is lost with a plain reason, and stays so quietly."""
    monkeypatch.setattr(sys, "platform", "linux")
    with Camera(99, options=QUICK) as camera:
        wait_for(lambda: camera.state.name == "lost")
        assert camera.state.reason.startswith("there is no camera 99 on this machine, there is ")
        assert "plug it in, or name an address" in camera.state.reason


@pytest.mark.parametrize("source", ["clip.mp4", "file:///etc/passwd", "", "-1", "concat://a|b"])
def test_what_is_no_live_source(source):
    """Files and unknown kinds are refused at once, with what was expected."""
    with pytest.raises(SettingError, match="is no live source; expected"):
        Camera(source)


def test_network_cameras_need_the_extra(monkeypatch):
    """The pip command stands in the error."""
    monkeypatch.setattr("mien.media.cameras.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"mien\[video\]"):
        Camera("rtsp://somewhere/")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.7:554/live", "rtsp://admin:***@10.0.0.7:554/live"),
        ("rtsp://admin:p@ss/w:rd@10.0.0.7/live", "rtsp://admin:***@10.0.0.7/live"),
        ("http://cam/mjpeg?user=a&pwd=secret&x=1", "http://cam/mjpeg?user=a&pwd=***&x=1"),
        ("rtsp://cam/user=admin_password=secret_channel=1", "rtsp://cam/user=admin_password=***"),
        ("rtsp://cam/user=admin&password=secret&channel=1", "rtsp://cam/user=admin&password=***&channel=1"),
        ("http://cam/cgi?loginuse=a&loginpas=secret", "http://cam/cgi?loginuse=a&loginpas=***"),
        (
            "https://cam/live.m3u8?access_token=secret&api_key=secret",
            "https://cam/live.m3u8?access_token=***&api_key=***",
        ),
        ("http://cam/mjpeg?monkey=1&compass=2", "http://cam/mjpeg?monkey=1&compass=2"),
        ("http://cam/mjpeg", "http://cam/mjpeg"),
        (0, "0"),
    ],
)
def test_passwords_are_not_shown(source, shown):
    """A name that goes to screens and logs has no password in it."""
    assert shown_source(source) == shown


class Handler(http.server.BaseHTTPRequestHandler):
    """A network camera: ``/live`` streams, ``/stall`` falls silent, ``/private`` wants a password."""

    def do_GET(self):
        if self.path == "/private":
            self.send_error(401)
            return
        if self.path == "/text":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"this is no video\n" * 5000)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for n in range(10 if self.path == "/stall" else 500):
            data = cv2.imencode(".jpg", numbered(n))[1].tobytes()
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
            try:
                self.wfile.write(head + data + b"\r\n")
            except OSError:
                return
            time.sleep(0.01)
        if self.path == "/stall":
            self.server.silent.wait(PATIENCE)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """A network camera at an address of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.silent = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.silent.set()
    server.shutdown()
    server.server_close()
    thread.join()


def address(server, path):
    return f"http://ada:secret@127.0.0.1:{server.server_port}{path}"


def test_a_network_camera(server):
    """Frames of an MJPEG stream over HTTP arrive in order, as fresh as the last one sent."""
    with Camera(address(server, "/live"), options=QUICK) as camera:
        numbers = [number_in(camera.newest(PATIENCE).pixels) for _ in range(5)]
        assert camera.state.name == "live"
        assert "secret" not in camera.newest(PATIENCE).source
    assert numbers == sorted(set(numbers))


def test_a_network_camera_that_falls_silent(server):
    """Silence beyond the timeout is a loss; the next connection brings frames again."""
    with Camera(address(server, "/stall"), options=QUICK) as camera:
        assert camera.newest(PATIENCE) is not None
        wait_for(lambda: camera.state.name == "lost")
        assert camera.state.reason == "no answer and no picture for 0.4 s"
        wait_for(lambda: camera.state.name == "live")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/private", "it refuses the user name or the password"),
        ("/text", "it cannot be reached, or what it sends is no video"),
    ],
)
def test_why_a_network_camera_cannot_be_seen(server, path, reason):
    """The reason is in plain words and without the password."""
    with Camera(address(server, path), options=QUICK) as camera:
        wait_for(lambda: camera.state.name == "lost")
        assert camera.state.reason == reason


def test_nobody_at_the_address():
    """A refused connection says so."""
    with Camera("rtsp://ada:secret@127.0.0.1:9/live", options=QUICK) as camera:
        wait_for(lambda: camera.state.name == "lost")
        assert camera.state.reason == "the connection was refused; is it switched on?"
