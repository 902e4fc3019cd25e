"""A service that really listens: clients that hang up, slow uploads, processes that are killed."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mien.store.gallery import open_gallery


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


@pytest.fixture
def pair_of_processes(tmp_path, cache_dir):
    """`mien serve --workers 2` as a user starts it: its process, where it listens, and its gallery."""
    command = [Path(sys.executable).with_name("mien"), "serve", "--port", "0", "--workers", "2"]
    own = {"MIEN_DATA_DIR": str(tmp_path), "MIEN_CACHE_DIR": str(cache_dir)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **own}) as process:
        try:
            port = int(re.search(r":(\d+);", process.stderr.readline())[1])
            yield process, ("127.0.0.1", port), tmp_path / "mien.db"
        finally:
            process.terminate()
            said = process.communicate(timeout=60)[1]
        assert process.returncode == 0, said


def workers(parent: int) -> list[int]:
    """Processes of a supervisor that serve: the children but for multiprocessing's own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status, line = (entry / "stat").read_text(), (entry / "cmdline").read_text()
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent and "spawn_main" in line:
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are found in /proc")
def test_a_killed_process_is_replaced_and_nothing_is_half_written(pair_of_processes, portrait):
    """With one of two processes killed by -9 the other answers, a new one comes, and every person is whole or not there."""
    process, where, database = pair_of_processes
    assert call(where, "GET", "/readyz")[0] == 200  # waits until one has loaded its networks
    before = workers(process.pid)
    assert len(before) == 2
    written, lost = [], 0
    for number in range(30):
        if number == 10:
            os.kill(before[0], signal.SIGKILL)
        try:
            body = json.dumps({"name": f"Person {number}"})
            status, answer = call(
                where, "POST", "/v1/people", body, "application/json", **{"Idempotency-Key": str(number)}
            )
            assert status == 201
            written.append(answer["id"])
            call(where, "POST", f"/v1/people/{answer['id']}/templates?allow_similar=true", portrait)
        except (OSError, http.client.HTTPException):  # that was the one who was killed
            lost += 1
    assert lost <= 3
    deadline = time.monotonic() + 60
    while len(set(workers(process.pid)) - {before[0]}) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(set(workers(process.pid)) - {before[0]}) == 2
    with open_gallery(database) as gallery:
        assert set(written) <= {person.id for person in gallery.people()}
        assert all(len(template.embedding) == 512 for template in gallery.templates())
    assert 'route="/v1/people",status="201"' in metrics(where)


def test_a_connection_may_lie_idle_as_long_as_proxies_keep_theirs(pair_of_processes):
    """A client that waits as Retry-After says, or a reverse proxy, finds its connection open."""
    _, where, _ = pair_of_processes
    kept = http.client.HTTPConnection(*where, timeout=60)
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    time.sleep(7)  # uvicorn's own limit is 5
    kept.sock.setblocking(False)
    with pytest.raises(BlockingIOError):  # closed, it would give b""
        kept.sock.recv(1)
    kept.close()


def test_the_same_picture_gives_the_same_bytes_whoever_asks_beside(address, portrait, pair):
    """Under many clients, whose faces are embedded in joined runs, every answer about a picture is the same to the byte."""
    where = place(address)

    def ask(number: int) -> bytes:
        connection = http.client.HTTPConnection(*where, timeout=120)
        connection.request(
            "POST", "/v1/identify?embeddings=true", (portrait, pair)[number % 2], {"Content-Type": "image/jpeg"}
        )
        response = connection.getresponse()
        body = response.read()
        connection.close()
        assert response.status == 200
        return body

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(24)))
    assert set(answers) == set(answers[:2])
    assert answers[0] != answers[1]
