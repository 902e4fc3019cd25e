"""A service that really listens: clients that hang up, slow uploads, processes that are killed."""

import http.client
import json
import socket
import time


def place(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("http://").partition(":")
    return host, int(port)


def call(where: tuple[str, int], method: str, path: str, body=None, kind: str = "image/jpeg", **headers):
    connection = http.client.HTTPConnection(*where, timeout=120)
    connection.request(method, path, body, ({"Content-Type": kind} if body else {}) | headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text or "null")


def test_whoever_hangs_up_harms_nobody(address, portrait):
    """Clients that end in the middle of a request, or before the answer, leave a service that answers the others."""
    where = place(address)
    head = f"POST /v1/identify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: {len(portrait)}\r\n\r\n"
    for sent in (head.encode(), head.encode() + portrait[:1000], head.encode() + portrait, b"GET /v1/peo"):
        for _ in range(5):
            with socket.create_connection(where) as rude:
                rude.sendall(sent)
    status, answer = call(where, "POST", "/v1/identify", portrait)
    assert (status, len(answer["faces"])) == (200, 1)
    deadline = time.monotonic() + 20
    while "mien_queue_working 0.0" not in metrics(where) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "mien_queue_working 0.0" in metrics(where)


def metrics(where) -> str:
    connection = http.client.HTTPConnection(*where, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_a_slow_upload_is_ended_and_holds_nobody_up(address, portrait):
    """An upload that takes too long is answered 408 in time; meanwhile others are answered."""
    where = place(address)
    slow = http.client.HTTPConnection(*where, timeout=60)
    slow.putrequest("POST", "/v1/identify")
    slow.putheader("Content-Type", "image/jpeg")
    slow.putheader("Content-Length", "100000")
    slow.endheaders()
    slow.send(portrait[:100])
    assert call(where, "POST", "/v1/detect", portrait)[0] == 200
    begun = time.monotonic()
    response = slow.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (408, "too_slow")
    assert time.monotonic() - begun < 20
    slow.close()


def test_an_upload_without_a_length_is_limited_too(address):
    """A request in chunks is ended as soon as it is too large, whatever it might have become."""
    parts = (b"\0" * 100_000 for _ in range(30))
    status, answer = call(place(address), "POST", "/v1/identify", parts, "image/jpeg")
    assert (status, answer["code"]) == (413, "too_many_bytes")
