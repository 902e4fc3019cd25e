"""In front of a camera, on the command line: who arrives, who leaves, what goes into the book."""

import csv
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from mien.store.gallery import open_gallery
from tests.fakes.videos import write_numbered, write_video

MONDAY = "2026-03-02T08:05+01:00"
COURSE = ("--zone", "Europe/Berlin", "--weekdays", "mon", "--from", "08:00", "--to", "09:30", "--since", "2026-02-01")
PATIENCE = 60.0


def moving(astronaut, count):
    return [np.roll(astronaut, 3 * n, axis=1)[:256, 96:416] for n in range(count)]


@pytest.fixture
def clip(home, astronaut):
    """Ada's face moves to the right for two seconds of three; in the last there is nobody."""
    pictures = moving(astronaut, 20)
    nobody = [np.full_like(pictures[0], 120)] * 10
    return write_video(home / "clip.mp4", pictures + nobody, [n / 10 for n in range(30)])


@pytest.fixture
def frames(home, astronaut):
    """A folder of 100 frames in which Ada is always seen."""
    folder = home / "frames"
    folder.mkdir()
    back_and_forth = moving(astronaut, 20) + moving(astronaut, 20)[::-1]
    for n in range(100):
        cv2.imwrite(str(folder / f"{n}.png"), cv2.cvtColor(back_and_forth[n % 40], cv2.COLOR_RGB2BGR))
    return folder


@pytest.fixture
def course(mien):
    assert mien("attendance", "session", "add", "Algebra", *COURSE).code == 0


def on_roster(mien, home, *names):
    (home / "class.csv").write_text("name\n" + "\n".join(names), encoding="utf-8")
    assert mien("attendance", "roster", "import", "class.csv", "--session", "Algebra").code == 0


def lines_of(result):
    return [json.loads(line) for line in result.out.splitlines()]


def told(result):
    return [(line["event"], line["name"]) for line in lines_of(result)]


def sightings(home):
    with open_gallery(home / "data" / "mien.db") as gallery:
        return gallery.attendance.sightings()


def marks(mien):
    report = mien("attendance", "report", "Algebra", "--since", "2026-03-01", "--until", "2026-03-07", "--json").json()
    return {entry["name"]: (entry["status"], entry["sightings"]) for entry in report["entries"]}


class Running:
    """``mien`` as a process of its own."""

    def __init__(self, *words):
        command = [sys.executable, "-m", "mien", *map(str, words)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "MIEN_THREADS": "1"}
        )
        self.lines = []

    def until(self, event):
        """Read its lines until this event."""
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return
        pytest.fail(f"it ended without {event}: {self.process.communicate()[1]}")

    def end(self, number):
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        out, self.errors = self.process.communicate(timeout=PATIENCE)
        self.lines += [json.loads(line) for line in out.splitlines() if line.endswith("}")]
        return self.process.returncode


def test_arrives_and_leaves(mien, photo, clip):
    """Enrolled, Ada arrives once and leaves once; the summary has her stay; everything as lines of JSON."""
    mien("enroll", "Ada", photo("ada.jpg"))
    result = mien("watch", clip, "--away", "0.5", "--json")
    assert result.code == 0
    assert told(result) == [("arrived", "Ada"), ("left", "Ada"), ("ended", None)]
    arrived, left, ended = lines_of(result)
    assert arrived["time"] < 0.5
    assert 2.4 < left["time"] < 2.7
    (ada,) = ended["people"]
    assert (ada["name"], ada["stays"]) == ("Ada", 1)
    assert ada["to_time"] == pytest.approx(1.9, abs=0.15)


def test_lines_for_people_and_for_spreadsheets(mien, photo, clip):
    """A line with its time as it happens, the people at the end; as CSV a header and the same events."""
    mien("enroll", "Ada", photo("ada.jpg"))
    text = mien("watch", clip).out
    assert text.startswith("00:00.")
    assert "Ada arrived (" in text.splitlines()[0]
    assert "1 people seen" in text
    rows = list(csv.DictReader(mien("watch", clip, "--csv").out.splitlines()))
    assert [row["event"] for row in rows] == ["arrived", "ended"]
    assert rows[0]["name"] == "Ada"


def test_a_stranger(mien, clip):
    """With nobody enrolled it is said so, and the face is an unknown one, once."""
    result = mien("watch", clip, "--json")
    assert told(result) == [("unknown", None), ("ended", None)]
    assert lines_of(result)[-1]["unknown"] == 1
    assert "nobody is enrolled yet" in result.err


def test_the_largest_face_only(mien, home, astronaut):
    """Of two faces --single sees the larger."""
    small = cv2.resize(astronaut[:256, 96:352], (128, 128))
    both = [np.vstack([picture, np.pad(small, ((0, 0), (96, 96), (0, 0)))]) for picture in moving(astronaut, 20)]
    write_video(home / "two.mp4", both, [n / 10 for n in range(20)])
    assert lines_of(mien("watch", "two.mp4", "--json"))[-1]["unknown"] == 2
    assert lines_of(mien("watch", "two.mp4", "--single", "--json"))[-1]["unknown"] == 1


def test_a_folder_of_frames_and_an_end(mien, photo, frames):
    """Frames at the rate given; --for ends by their clock."""
    mien("enroll", "Ada", photo("ada.jpg"))
    result = mien("watch", frames, "--fps", "10", "--for", "1.5", "--json")
    assert told(result) == [("arrived", "Ada"), ("ended", None)]
    assert lines_of(result)[-1]["time"] == 1.5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("99",), 1, "there is no camera 99 on this machine"),
        (("nowhere.mp4",), 2, "nowhere.mp4 is not there; expected a webcam's number"),
        (("http://127.0.0.1:9/live", "--once"), 1, "the connection was refused"),
        (("empty",), 1, "there are no pictures in this folder"),
    ],
)
def test_sources_that_cannot_be_watched(mien, home, words, code, said):
    """One line that says why, and no waiting for what will never be there."""
    (home / "empty").mkdir()
    result = mien("watch", *words)
    assert result.code == code
    assert said in result.err


def test_a_network_camera_that_never_answers_is_waited_for(mien):
    """It is told once that it is lost, and why; the time given ends the wait."""
    result = mien("watch", "http://ada:secret@127.0.0.1:9/live", "--for", "2", "--json")
    assert (result.code, told(result)) == (0, [("camera lost", None), ("ended", None)])
    assert "the connection was refused" in lines_of(result)[0]["reason"]
    assert "secret" not in result.out + result.err


def test_a_damaged_recording(mien, home, photo, astronaut):
    """What came before the damage is told; the damage is one line and exit code 3."""
    mien("enroll", "Ada", photo("ada.jpg"))
    write_video(home / "long.mkv", [astronaut[:256, 96:416]] * 40, [n / 10 for n in range(40)])
    whole = (home / "long.mkv").read_bytes()
    (home / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    result = mien("watch", "cut.mkv", "--json")
    assert result.code == 3
    assert told(result)[0] == ("arrived", "Ada")
    assert "ends early" in result.err


class Outages(http.server.BaseHTTPRequestHandler):
    """A network camera that streams for three seconds, is away for one attempt, and streams again."""

    def do_GET(self):
        self.server.asked += 1
        if self.server.asked == 2:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for data in (self.server.pictures * 10)[: 30 if self.server.asked == 1 else 500]:
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
            try:
                self.wfile.write(head + data + b"\r\n")
            except OSError:
                return
            time.sleep(0.1)

    def log_message(self, *args):
        pass


@pytest.fixture
def network_camera(astronaut):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Outages)
    server.daemon_threads, server.asked = True, 0
    pictures = [cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) for picture in moving(astronaut, 15)]
    server.pictures = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/live"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_a_network_camera_that_dies_and_comes_back(mien, photo, network_camera):
    """Lost and live again are told once each; whoever was there before and after neither left nor arrived again."""
    mien("enroll", "Ada", photo("ada.jpg"))
    result = mien("watch", network_camera, "--for", "9", "--json")
    assert told(result) == [
        ("camera live", None),
        ("arrived", "Ada"),
        ("camera lost", None),
        ("camera live", None),
        ("ended", None),
    ]
    assert result.code == 0


def test_the_preview_is_announced(mien, clip):
    """--port wants the preview; a port that is taken is told before anything is watched."""
    assert "can be seen at http://127.0.0.1:" in mien("watch", clip, "--port", "0").err
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Outages) as taken:
        result = mien("watch", clip, "--preview", "--port", taken.server_port)
    assert result.code == 2
    assert "--port 0 takes a free one" in result.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly(mien, photo, frames, number):
    """Ctrl-C, or a service manager's request, ends a watch with its summary and exit code 0."""
    mien("enroll", "Ada", photo("ada.jpg"))
    running = Running("watch", frames, "--live", "--fps", "2", "--json")
    running.until("arrived")
    assert running.end(number) == 0
    assert running.lines[-1]["event"] == "ended"
    assert [person["name"] for person in running.lines[-1]["people"]] == ["Ada"]
    assert "Traceback" not in running.errors


def test_attendance_is_taken_once(mien, home, photo, clip, course):
    """On the roster and in time: present, told with the session; the same recording watched again adds nothing."""
    mien("enroll", "Ada", photo("ada.jpg"))
    on_roster(mien, home, "Ada", "Bob")
    result = mien("attendance", "watch", clip, "--at", MONDAY, "--camera", "door", "--json")
    assert result.code == 0
    assert ("written", "Ada") in told(result)
    assert [line["why"] for line in lines_of(result) if line["event"] == "written"] == ["present in Algebra"]
    seen = sightings(home)
    assert {(s.camera, s.decision) for s in seen} == {("door", "match")}
    assert [s.at for s in seen][-1] == pytest.approx(datetime(2026, 3, 2, 7, 5, 2, tzinfo=UTC), abs=_second())
    assert mien("attendance", "watch", clip, "--at", MONDAY, "--camera", "door").code == 0
    assert sightings(home) == seen
    assert marks(mien) == {"Ada": ("present", 1), "Bob": ("absent", 0)}


def _second():
    from datetime import timedelta

    return timedelta(seconds=0.5)


def test_a_stranger_marks_nobody(mien, home, clip, course):
    """One sighting of nobody for the whole track, and the reason."""
    on_roster(mien, home, "Bob")
    result = mien("attendance", "watch", clip, "--at", MONDAY, "--every", "1", "--json")
    assert ("unknown", None) in told(result)
    assert [s.decision for s in sightings(home)] == ["unknown"]
    assert marks(mien) == {"Bob": ("absent", 0)}


@pytest.mark.parametrize(
    ("at", "names", "why"),
    [
        ("2026-03-03T08:05+01:00", ["Ada"], "no session was open; kept as an unassigned sighting"),
        (MONDAY, ["Bob"], "not on the roster of Algebra; kept as an unassigned sighting"),
        (MONDAY, [], "the roster of Algebra is empty; kept as an unassigned sighting"),
        ("2026-03-02T08:15:30+01:00", ["Ada"], "late by 16 min in Algebra"),
    ],
)
def test_what_a_sighting_means_is_told(mien, home, photo, clip, course, at, names, why):
    """Who is marked in which session, or why nobody is."""
    mien("enroll", "Ada", photo("ada.jpg"))
    if names:
        on_roster(mien, home, *names)
    result = mien("attendance", "watch", clip, "--at", at, "--json")
    assert why in [line["why"] for line in lines_of(result) if line["event"] == "written"]


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_said_to_be_written(mien, home, photo, frames, course):
    """Killed in the middle, three times: every sighting that was told as written is there, and none twice."""
    mien("enroll", "Ada", photo("ada.jpg"))
    on_roster(mien, home, "Ada")
    said = set()
    for _ in range(3):
        running = Running("attendance", "watch", frames, "--at", MONDAY, "--fps", "2", "--every", "1", "--json")
        running.until("written")
        assert running.end(signal.SIGKILL) == -signal.SIGKILL
        said |= {line["sighting"] for line in running.lines if line["event"] == "written"}
    ids = [s.id for s in sightings(home)]
    assert said <= set(ids)
    assert len(ids) == len(set(ids))
    assert mien("attendance", "watch", frames, "--at", MONDAY, "--fps", "2", "--every", "1").code == 0
    moments = [s.at for s in sightings(home)]
    assert len(moments) == len(set(moments))  # what was seen before the kills was not written again
    assert marks(mien)["Ada"][0] == "present"


@pytest.mark.slow
def test_two_cameras_at_once(mien, home, photo, frames, course):
    """Two processes write into one book: all of both is there, and Ada is marked once."""
    mien("enroll", "Ada", photo("ada.jpg"))
    on_roster(mien, home, "Ada")
    words = ("attendance", "watch", frames, "--at", MONDAY, "--fps", "4", "--every", "1", "--json")
    both = [Running(*words, "--camera", camera) for camera in ("door", "window")]
    for running in both:
        running.until("ended")
        assert running.process.wait(PATIENCE) == 0
        running.process.communicate()
    cameras = [s.camera for s in sightings(home)]
    assert cameras.count("door") == cameras.count("window") > 15
    assert marks(mien) == {"Ada": ("present", 1)}


def test_a_video_without_a_face(mien, home):
    """Nothing is told but the end."""
    write_numbered(home / "nobody.mp4", [n / 10 for n in range(10)])
    assert told(mien("watch", "nobody.mp4", "--json")) == [("ended", None)]


@pytest.mark.slow
def test_a_real_clip_with_real_portraits(mien, shared_data):
    """Singer and pianist, enrolled from a portrait each, arrive in a music video; nobody else gets a name."""
    clips = shared_data / "clips"
    mien("enroll", "Lin", clips / "hamilton_people/lin-manuel-miranda.png")
    mien("enroll", "Alex", clips / "hamilton_people/alex-lacamoire.png")
    result = mien("watch", clips / "short_hamilton_clip.mp4", "--json")
    names = [name for event, name in told(result) if event == "arrived"]
    assert sorted(names) == ["Alex", "Lin"]
    assert told(result).count(("left", "Alex")) == 1
    assert not any(event == "renamed" for event, _ in told(result))
    assert lines_of(result)[-1]["unknown"] >= 3  # the audience
