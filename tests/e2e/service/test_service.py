"""The REST service in this process: keys, pictures, people, problems."""

import base64
import threading
import time

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.e2e.service.calls import HERE, code, jpeg


def enrol(client, person: str, picture: bytes, **more):
    return client.post(
        f"/v1/people/{person}/templates",
        content=picture,
        headers={"Content-Type": "image/jpeg", **more.pop("headers", {})},
        params=more,
    )


def identify(client, picture: bytes, **more):
    return client.post("/v1/identify", content=picture, headers={"Content-Type": "image/jpeg"}, params=more)


def test_somebody_is_enrolled_and_named(client, ada, portrait):
    """A person made over HTTP is named by the next request, in raw bytes, a form and base64 alike."""
    made = enrol(client, ada, portrait)
    assert made.status_code == 201
    raw = identify(client, portrait)
    form = client.post("/v1/identify", files={"image": ("a.jpg", portrait)})
    text = client.post("/v1/identify", json={"image": base64.b64encode(portrait).decode()})
    assert raw.content == form.content == text.content  # the same picture gives the same bytes
    (face,) = raw.json()["faces"]
    assert (face["match"]["decision"], face["match"]["person_id"]) == ("match", ada)
    (template,) = client.get(f"/v1/people/{ada}/templates").json()
    assert template == made.json()
    assert client.delete(f"/v1/people/{ada}/templates/{template['id']}").status_code == 204
    assert identify(client, portrait).json()["faces"][0]["match"]["decision"] == "unknown"


def test_no_face_is_an_answer_and_not_an_error(client):
    """A picture without a face is 200: an empty list, and for identify the decision with what the detector considered."""
    wall = jpeg(np.full((80, 80, 3), 127, np.uint8))
    found = client.post("/v1/detect", files={"image": wall})
    assert (found.status_code, found.json()["faces"]) == (200, [])
    who = identify(client, wall)
    assert (who.status_code, who.json()["decision"], who.json()["faces"]) == (200, "no_usable_face", [])
    assert "pnet" in who.json()["trace"]["counts"]


def test_two_pictures_are_compared(client, portrait, pair):
    """Verify says same for the same face; several faces are 409 with their boxes unless the largest is asked for."""
    same = client.post("/v1/verify", files={"a": portrait, "b": portrait})
    assert (same.status_code, same.json()["same"]) == (200, True)
    several = client.post("/v1/verify", files={"a": portrait, "b": pair})
    assert code(several) == "several_faces"
    assert [len(boxes) for boxes in several.json()["boxes"]] == [1, 2]
    assert client.post("/v1/verify?largest=true", files={"a": portrait, "b": pair}).json()["same"] is True


def test_what_the_gate_refuses_has_a_code_of_its_own(client, ada, portrait, pair):
    """No face, several faces, a bad one, the same photograph again and somebody else's face: codes, reasons, boxes."""
    several = enrol(client, ada, pair)
    assert (code(several), len(several.json()["boxes"])) == ("several_faces", 2)
    assert code(enrol(client, ada, jpeg(np.zeros((80, 80, 3), np.uint8)))) == "no_face"
    blurred = cv2.GaussianBlur(cv2.imdecode(np.frombuffer(portrait, np.uint8), cv2.IMREAD_COLOR), (0, 0), 4)
    bad = enrol(client, ada, jpeg(blurred))
    assert code(bad) == "not_good_enough"
    assert bad.json()["reasons"][0]["what"] == "sharpness"
    assert enrol(client, ada, portrait).status_code == 201
    assert code(enrol(client, ada, portrait)) == "already_enrolled"
    bob = client.post("/v1/people", json={"name": "Bob"}).json()["id"]
    assert code(enrol(client, bob, portrait)) == "looks_like_another"
    assert enrol(client, bob, portrait, allow_similar=True).status_code == 201


def test_people_are_renamed_merged_and_removed(client, ada, portrait):
    """A merge leaves the former id leading to who stays; a removal answers a receipt without paths of the machine."""
    bob = client.post("/v1/people", json={"name": "Bob"})
    assert bob.headers["Location"] == f"/v1/people/{bob.json()['id']}"
    assert code(client.post("/v1/people", json={"name": "BOB"})) == "already_there"
    assert client.patch(f"/v1/people/{ada}", json={"name": "Ada Lovelace"}).json()["name"] == "Ada Lovelace"
    assert [p["name"] for p in client.get("/v1/people").json()] == ["Ada Lovelace", "Bob"]
    assert [p["name"] for p in client.get("/v1/people?limit=1&offset=1").json()] == ["Bob"]
    assert client.post(f"/v1/people/{ada}/merge", json={"other": bob.json()["id"]}).status_code == 200
    assert client.get(f"/v1/people/{bob.json()['id']}").json()["id"] == ada
    assert code(client.delete(f"/v1/people/{bob.json()['id']}")) == "not_found"
    receipt = client.delete(f"/v1/people/{ada}").json()
    assert receipt["verified"]
    assert all("/" not in name for name in receipt["searched"])
    assert code(client.get(f"/v1/people/{ada}")) == "not_found"


def test_bad_requests_are_told_what_is_wrong(client, portrait):
    """Not an image, too many pixels, too many bytes, unknown fields and parameters, other types: each its status and code."""
    assert code(identify(client, b"hello")) == "not_an_image"
    assert code(identify(client, portrait[: len(portrait) // 2])) == "not_an_image"
    assert code(identify(client, b"\0" * 2_100_000)) == "too_many_bytes"
    assert code(client.post("/v1/identify", json={"image": "http://127.0.0.1/x.jpg"})) == "invalid"
    assert code(client.post("/v1/identify", json={"url": "http://127.0.0.1/x.jpg"})) == "invalid"
    assert code(client.post("/v1/identify", content=b"{", headers={"Content-Type": "application/json"})) == "invalid"
    assert code(client.post("/v1/identify", files={"picture": portrait})) == "invalid"
    assert code(client.post("/v1/identify", data={"image": "text"})) == "unsupported_type"
    assert code(client.post("/v1/people", json={"name": "Ada", "age": 3})) == "invalid"
    assert code(client.post("/v1/people", json={"name": "unknown"})) == "invalid"
    assert code(client.get("/v1/people?page=2")) == "invalid"
    assert code(client.get("/v1/nothing")) == "not_found"
    assert code(client.put("/v1/people")) == "method_not_allowed"
    png = cv2.imencode(".png", np.zeros((10001, 10001), np.uint8))[1].tobytes()
    assert code(identify(client, png)) == "too_many_pixels"


def test_vectors_of_another_space_are_not_compared(client, app, ada, portrait):
    """A vector made elsewhere is identified in its own space; one of another space or length is 409."""
    enrol(client, ada, portrait)
    answer = identify(client, portrait, embeddings=True).json()
    vector = answer["faces"][0]["embedding"]
    again = client.post("/v1/identify", json={"embedding": vector, "space": answer["space"]}).json()
    assert again["faces"][0]["match"]["person_id"] == ada
    assert code(client.post("/v1/identify", json={"embedding": vector, "space": "dlib-0"})) == "other_space"
    assert code(client.post("/v1/identify", json={"embedding": [1.0], "space": answer["space"]})) == "other_space"
    assert code(client.post("/v1/identify", json={"embedding": [0.5], "space": answer["space"]})) == "invalid"


def test_keys_open_what_they_are_for(client, app, portrait):
    """Once there is a key everybody needs one, good for what is asked; a removed one is refused at once."""
    access = app.state.service.access
    _, reader = access.add_key("Reader", ["read"])
    assert code(client.get("/v1/people")) == "no_key"
    assert code(client.get("/v1/people", headers={"Authorization": "Bearer mien_x_y"})) == "wrong_key"
    mine = {"Authorization": f"Bearer {reader}"}
    assert client.get("/v1/people", headers=mine).status_code == 200
    assert client.get("/v1/people", headers={"X-API-Key": reader}).status_code == 200
    refused = client.post("/v1/people", json={"name": "Ada"}, headers=mine)
    assert (code(refused), refused.json()["scope"]) == ("not_allowed", "enrol")
    assert code(client.post("/v1/identify", content=portrait, headers={"Content-Type": "image/jpeg"})) == "no_key"
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    access.remove_key("Reader")
    access.add_key("Other", ["admin"])
    assert code(client.get("/v1/people", headers=mine)) == "wrong_key"


def test_the_audit_names_the_key(client, app):
    """What is done with a key stands under its name in the audit."""
    access = app.state.service.access
    _, office = access.add_key("Office", ["enrol"])
    client.post("/v1/people", json={"name": "Ada"}, headers={"Authorization": f"Bearer {office}"})
    assert app.state.service.house.gallery.audit(1)[0].actor == "Office"


def test_guessing_keys_is_slowed_down(client, app):
    """After a number of wrong keys from one address it has to wait; others have not."""
    app.state.service.access.add_key("Office", ["read"])
    guess = {"Authorization": "Bearer mien_x_y"}
    guesser = TestClient(app, base_url=HERE, client=("127.0.0.9", 1))
    codes = [code(guesser.get("/v1/people", headers=guess)) for _ in range(15)]
    assert codes[0] == "wrong_key"
    assert codes[-1] == "too_often"
    assert code(client.get("/v1/people", headers=guess)) == "wrong_key"


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"X-Forwarded-For": "10.0.0.1"}, {"Origin": "null"}],
)
def test_without_keys_only_programs_of_this_machine_come_in(client, headers):
    """A page in a browser of this machine, a name that leads here and a proxy are refused as long as there is no key."""
    assert code(client.get("/v1/people", headers=headers)) == "keys_needed"


def test_without_keys_other_machines_stay_outside(app, client):
    """An address of another machine is refused as long as there is no key."""
    del client
    stranger = TestClient(app, base_url=HERE, client=("192.0.2.7", 1))
    assert code(stranger.get("/v1/people")) == "keys_needed"


def test_a_request_sent_again_is_carried_out_once(client, portrait):
    """Under one Idempotency-Key the answer is repeated byte for byte; another request under it is refused."""
    again = {"Idempotency-Key": "one"}
    first, second = (client.post("/v1/people", json={"name": "Ada"}, headers=again) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert "idempotency-replayed" in second.headers
    assert code(client.post("/v1/people", json={"name": "Bob"}, headers=again)) == "key_reused"
    refusals = [client.post("/v1/people", json={"name": "ada"}, headers={"Idempotency-Key": "two"}) for _ in range(2)]
    assert [code(refusal) for refusal in refusals] == ["already_there"] * 2
    person = first.json()["id"]
    enrolled = [enrol(client, person, portrait, headers={"Idempotency-Key": "three"}) for _ in range(2)]
    assert [e.status_code for e in enrolled] == [201, 201]
    assert client.get(f"/v1/people/{person}").json()["templates"] == 1


def test_a_removal_leaves_no_reply_that_names_somebody(client, app, tmp_path):
    """With somebody who is removed the kept replies forget what they said; a repeated removal says it was done."""
    made = client.post("/v1/people", json={"name": "Ada Lovelace"}, headers={"Idempotency-Key": "a"})
    gone = [client.delete(f"/v1/people/{made.json()['id']}", headers={"Idempotency-Key": "b"}) for _ in range(2)]
    assert gone[0].json()["verified"]
    assert (code(gone[1]), gone[1].json()["answered"]) == ("reply_forgotten", 200)
    assert (
        code(client.post("/v1/people", json={"name": "Ada Lovelace"}, headers={"Idempotency-Key": "a"}))
        == "reply_forgotten"
    )
    gallery = app.state.service.house.gallery
    assert gallery.verify_removal(gone[0].json()["ids"]).verified


def test_a_full_queue_answers_at_once(client, app, portrait):
    """One picture is worked on, two wait, the next is answered 503 with Retry-After before it is decoded."""
    service, go = app.state.service, threading.Event()
    original = service.house.recognizer.identify
    service.house.recognizer.identify = lambda picture: (go.wait(20), original(picture))[1]
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(identify(client, portrait))) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while service.work.taken < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        busy = identify(client, portrait)
    finally:
        go.set()
        for thread in threads:
            thread.join()
        service.house.recognizer.identify = original
    assert code(busy) == "busy"
    assert int(busy.headers["retry-after"]) >= 1
    assert [answer.status_code for answer in answers] == [200] * 3


def test_every_answer_carries_security_headers(client):
    """Answers, refusals and what is not there alike tell browsers to keep out."""
    for response in (client.get("/healthz"), client.get("/v1/nothing"), identify(client, b"")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in response.headers


def test_metrics_tell_routes_and_never_ids(client, ada):
    """Prometheus' numbers name the pattern of a route, and nobody's id."""
    client.get(f"/v1/people/{ada}")
    text = client.get("/metrics").text
    assert 'mien_requests_total{method="GET",route="/v1/people/{person_id}",status="200"}' in text
    assert ada not in text


def test_every_route_needs_a_scope(app):
    """But for what tells that the service lives, no route is open to everybody."""
    paths = app.openapi()["paths"]
    open_to_all = {path for path, methods in paths.items() for route in methods.values() if not route.get("security")}
    assert open_to_all == {"/healthz", "/readyz"}


def test_a_fault_is_answered_without_telling_anything(client, app, portrait, caplog):
    """What nobody foresaw is 500 as a problem, without words of the exception, which is in the log."""
    service = app.state.service
    original = service.house.recognizer.identify
    service.house.recognizer.identify = lambda _: 1 / 0
    try:
        response = identify(client, portrait)
    finally:
        service.house.recognizer.identify = original
    assert code(response) == "bug"
    assert "division" not in response.text
    assert "division" in caplog.text
