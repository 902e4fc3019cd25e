"""Attendance and live streams over REST."""

import threading
import time
from datetime import UTC, datetime

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.e2e.service.calls import code

MONDAY = "2026-03-02T08:05:00+01:00"


@pytest.fixture
def algebra(client, app, ada, portrait):
    """A course on Mondays with Ada, who is known by a photograph, and Bob, who is not."""
    log = app.state.service.house.gallery.attendance
    for session in log.sessions():
        log.remove_session(session.id)
    enrolled = client.post(f"/v1/people/{ada}/templates", files={"image": portrait})
    assert enrolled.status_code == 201
    hours = {"weekdays": [0], "start": "08:00", "end": "09:30", "first": "2026-03-02"}
    made = client.post(
        "/v1/attendance/sessions", json={"name": "Algebra", "kind": "course", "zone": "Europe/Berlin", **hours}
    )
    assert made.status_code == 201
    where = made.headers["location"]
    people = client.post(f"{where}/roster", json={"people": [ada, "Bob"]}).json()
    assert [(p["name"], p["templates"]) for p in people] == [("Ada", 1), ("Bob", 0)]
    return where


def marks(client, where):
    register = client.get(f"{where}/register", params={"since": "2026-03-02", "until": "2026-03-02"})
    return {entry["name"]: entry["status"] for entry in register.json()["entries"]}


def test_a_picture_marks_who_is_on_it(client, algebra, portrait):
    """Somebody seen in the hours of a course is present, who was not is absent; the same picture again adds nothing."""
    seen = [client.post("/v1/attendance/sightings", params={"at": MONDAY}, files={"image": portrait}) for _ in range(2)]
    assert [s.json()["new"] for s in seen] == [1, 0]
    assert marks(client, algebra) == {"Ada": "present", "Bob": "absent"}


def test_a_correction_keeps_what_was_before(client, algebra, ada):
    """A mark made by hand stands with who made it, and the answer tells what it was; nothing is marked without a reason."""
    said = {"meeting": "2026-03-02", "person_id": ada, "status": "excused", "reason": "ill"}
    made = client.post(f"{algebra}/corrections", json=said)
    assert (made.status_code, made.json()["was"], made.json()["by"]) == (201, "absent", "local")
    assert marks(client, algebra)["Ada"] == "excused"
    assert code(client.post(f"{algebra}/corrections", json=said | {"reason": " "})) == "invalid"
    assert code(client.post(f"{algebra}/corrections", json=said | {"meeting": "2026-03-03"})) == "not_found"
    assert code(client.post(f"{algebra}/corrections", json=said | {"person_id": "Carol"})) == "not_found"


def test_the_register_leaves_as_a_file(client, algebra):
    """The register comes as CSV and as an Excel workbook."""
    days = {"since": "2026-03-02", "until": "2026-03-02"}
    csv = client.get(f"{algebra}/export", params={**days, "form": "marks"})
    assert csv.headers["content-type"].startswith("text/csv")
    assert "Ada,–" in csv.content.decode("utf-8-sig")
    excel = client.get(f"{algebra}/export", params={**days, "to": "xlsx"})
    assert excel.content.startswith(b"PK")


def test_sessions_that_cannot_be_are_refused(client, algebra):
    """A course without hours, an unknown zone, a name that is taken, a date no register has: each says why."""
    course = {"name": "Physics", "kind": "course", "zone": "Europe/Berlin"}
    assert code(client.post("/v1/attendance/sessions", json=course)) == "invalid"
    assert (
        code(client.post("/v1/attendance/sessions", json=course | {"kind": "day", "zone": "Mars/Olympus"})) == "invalid"
    )
    assert (
        code(client.post("/v1/attendance/sessions", json=course | {"kind": "day", "name": "algebra"}))
        == "already_there"
    )
    assert code(client.get(f"{algebra}/register", params={"since": "0001-01-01"})) == "invalid"
    assert client.delete(algebra).status_code == 200
    assert code(client.get(algebra)) == "not_found"


def test_a_session_is_opened_and_closed_by_hand(client, algebra):
    """An ad hoc session meets from its being opened to its being closed, and cannot be opened twice."""
    made = client.post("/v1/attendance/sessions", json={"name": "Fire drill", "kind": "ad hoc", "zone": "UTC"})
    where = made.headers["location"]
    assert client.post(f"{where}/openings", json={"action": "open"}).status_code == 204
    assert code(client.post(f"{where}/openings", json={"action": "open"})) == "invalid"
    assert client.post(f"{where}/openings", json={"action": "close"}).status_code == 204
    assert [m["key"][:4] for m in client.get(f"{where}/register").json()["meetings"]] == [f"{datetime.now(UTC):%Y}"]


def test_a_stream_is_followed(client, algebra, portrait):
    """Frames in, decisions out: the face has a track and a name; a frame that is no picture is told and ends nothing."""
    with client.websocket_connect("ws://127.0.0.1:8000/v1/live") as socket:
        socket.send_bytes(portrait)
        first = socket.receive_json()
        socket.send_bytes(b"no picture")
        second = socket.receive_json()
        socket.send_bytes(portrait)
        third = socket.receive_json()
    (face,) = first["faces"]
    assert (first["frame"], face["match"]["name"]) == (1, "Ada")
    assert second["problem"]["code"] == "not_an_image"
    assert third["faces"][0]["track_id"] == face["track_id"]


def test_only_the_newest_frame_is_looked_at(client, algebra, app, portrait):
    """Frames that come while one is looked at are dropped but for the last, and the answer says how many."""
    service, go = app.state.service, threading.Event()
    original, calls = service.house.detector.at_scale, []

    def slow(scale):
        calls.append(scale)
        if len(calls) == 1:
            assert go.wait(20)
        return original(scale)

    service.house.detector.at_scale = slow
    try:
        with client.websocket_connect("ws://127.0.0.1:8000/v1/live") as socket:
            socket.send_bytes(portrait)
            while not calls:
                time.sleep(0.01)
            for _ in range(5):
                socket.send_bytes(portrait)
            time.sleep(0.3)
            go.set()
            first, second = socket.receive_json(), socket.receive_json()
    finally:
        service.house.detector.at_scale = original
    assert (first["frame"], second["frame"], second["dropped"]) == (1, 6, 4)


def test_a_stream_needs_a_key_too(client, app, portrait):
    """With keys, a stream is let in with the header, or with a first message from a browser; else it is told and closed."""
    access = app.state.service.access
    _, good = access.add_key("Door", ["identify"])
    _, other = access.add_key("Reader", ["read"])
    address = "ws://127.0.0.1:8000/v1/live"
    with client.websocket_connect(address, headers={"Authorization": f"Bearer {good}"}) as socket:
        socket.send_bytes(portrait)
        assert socket.receive_json()["frame"] == 1
    with client.websocket_connect(address) as socket:
        socket.send_json({"key": good})
        socket.send_bytes(portrait)
        assert socket.receive_json()["frame"] == 1
    for said in ({"key": other}, {"key": "x"}, ["x"]):
        with client.websocket_connect(address) as socket:
            socket.send_json(said)
            assert socket.receive_json()["problem"]["code"] in {"not_allowed", "wrong_key"}
            with pytest.raises(WebSocketDisconnect):
                socket.receive_json()


def test_live_connections_are_bounded(client, app):
    """One connection more than allowed is told that the service is busy; when one ends there is room again."""
    service = app.state.service
    service.live += service.settings.serve_live
    try:
        with client.websocket_connect("ws://127.0.0.1:8000/v1/live") as socket:
            assert socket.receive_json()["problem"]["code"] == "busy"
    finally:
        service.live -= service.settings.serve_live
    assert service.live == 0
