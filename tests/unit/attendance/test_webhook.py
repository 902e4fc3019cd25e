"""A web address is told what changed: signed, with an id, and every fault in words."""

import base64
import hashlib
import hmac
import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mien.attendance.book import Records, keep
from mien.attendance.sinks.signing import make_secret
from mien.attendance.sinks.webhook import WebhookChannel, WebhookOptions
from mien.core.attendance import Place, Session, Sighting
from mien.core.errors import DeliveryError, SettingError
from mien.core.people import Person
from tests.conftest import ROOT

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADA, BOB = "11111111-aaaa-4aaa-8aaa-111111111111", "22222222-bbbb-4bbb-8bbb-222222222222"


class Clock:
    def now(self):
        return NOW


def register(*seen, names=("Ada", "Bob")):
    """Ada and Bob at one meeting."""
    course = Session("Algebra", "course", "UTC", weekdays=(0,), start=time(8), end=time(9), id="course")
    people = [Person(i, name, NOW, 0) for i, name in zip((ADA, BOB), names, strict=False)]
    sightings = tuple(Sighting(datetime(2026, 3, 2, 8, 1, tzinfo=UTC), "door", "match", who, id=who) for who in seen)
    records = Records(course, roster=tuple(Place(p) for p in people), sightings=sightings)
    return keep(records, datetime(2026, 3, 2, tzinfo=UTC), NOW, now=NOW)


@dataclass
class Receiver:
    """A local server: answers as told, keeps what came."""

    answers: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    url: str = ""

    def entries(self):
        return [entry for _, body in self.requests for entry in json.loads(body)["entries"]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = state.answers.pop(0) if state.answers else (204, {})
            if status == "cut before":
                self.connection.close()
                return
            state.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if status == "cut after":
                self.connection.close()
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"no \x1b[31msuch course" if status == 422 else b"")

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_):
            """Connections that were cut on purpose."""

    server = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/hook?token=abc"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def channel(receiver, tmp_path):
    make_secret(tmp_path / "secret")
    options = WebhookOptions(receiver.url, secret_file=str(tmp_path / "secret"), timeout=2)
    return WebhookChannel(options, Clock())


def deliver(channel, kept, put, withdrawn=()):
    for delivered in channel.deliver(kept, dict(put), withdrawn):
        put |= delivered.put


def test_the_receiver_of_the_how_to_page(channel, receiver, tmp_path, monkeypatch):
    """The page's own code takes what is sent, and refuses another body and an old one."""
    page = (ROOT / "docs" / "how-to" / "deliver.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(code, names)
    deliver(channel, register(ADA), {})
    ((headers, body),) = receiver.requests
    secret = (tmp_path / "secret").read_text()
    monkeypatch.setattr("time.time", lambda: NOW.timestamp() + 60)
    assert [entry["status"] for entry in names["entries_of"](headers, body, secret)] == ["present", "absent"]
    with pytest.raises(ValueError, match="not signed"):
        names["entries_of"](headers, body.replace(b"absent", b"late"), secret)
    monkeypatch.setattr("time.time", lambda: NOW.timestamp() + 600)
    with pytest.raises(ValueError, match="too old"):
        names["entries_of"](headers, body, secret)


def verify(secret: str, headers, body: bytes) -> dict:
    """As Standard Webhooks says."""
    key = base64.b64decode(secret.strip().removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert hmac.compare_digest(wanted, headers["webhook-signature"])
    return json.loads(body)


def test_what_changed_is_told_signed(channel, receiver, tmp_path):
    """One request with every entry, whose signature a receiver can check; then nothing; then what changed."""
    put = {}
    deliver(channel, register(ADA), put)
    ((headers, body),) = receiver.requests
    told = verify((tmp_path / "secret").read_text(), headers, body)
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert told["session"] == {"id": "course", "name": "Algebra", "zone": "UTC"}
    assert [(e["name"], e["status"], e["version"], e["removed"]) for e in told["entries"]] == [
        ("Ada", "present", 1, False),
        ("Bob", "absent", 1, False),
    ]
    deliver(channel, register(ADA), put)
    assert len(receiver.requests) == 1
    deliver(channel, register(ADA, BOB), put)
    assert [(e["name"], e["status"], e["version"]) for e in receiver.entries()[2:]] == [("Bob", "present", 2)]


def test_a_lost_answer_is_told_again_with_the_same_id(channel, receiver):
    """The connection is cut after the receiver had it: the same id and bytes come again; back and forth is no repeat."""
    receiver.answers = [("cut after", {})]
    put = {}
    with pytest.raises(DeliveryError) as caught:
        deliver(channel, register(), put)
    assert caught.value.passing
    for seen in ((), (ADA,), (), (ADA,)):
        deliver(channel, register(*seen), put)
    ids = [headers["webhook-id"] for headers, _ in receiver.requests]
    assert ids[0] == ids[1]
    assert receiver.requests[0][1] == receiver.requests[1][1]
    assert len(set(ids[1:])) == 4


def test_long_registers_go_in_batches(channel, receiver):
    """As many requests as batches, each settled by itself: what was told before a fault is not told again."""
    one = replace(channel, options=replace(channel.options, batch=1))
    receiver.answers = [(204, {}), (500, {})]
    put = {}
    with pytest.raises(DeliveryError):
        deliver(one, register(), put)
    deliver(one, register(), put)
    assert [entry["name"] for entry in receiver.entries()] == ["Ada", "Bob", "Bob"]


def test_who_is_removed_is_told_and_forgotten(channel, receiver):
    """Of a removed person the id of the entry is told as removed and nothing kept; of a dropped entry that it was told."""
    put = {}
    deliver(channel, register(), put)
    deliver(channel, register(names=("Ada",)), put)
    assert receiver.entries()[2] == {"entry": f"course/2026-03-02/{BOB}", "version": 2, "removed": True}
    deliver(channel, register(names=("Ada",)), put)
    assert len(receiver.requests) == 2
    deliver(channel, register(names=()), put, {ADA})
    assert receiver.entries()[3]["entry"].endswith(ADA)
    assert [key for key, value in put.items() if value] == [f"course/2026-03-02/{BOB}"]


@pytest.mark.parametrize(
    ("answer", "passing", "wait", "words"),
    [
        ((429, {"Retry-After": "30"}), True, 30, "429"),
        ((503, {"Retry-After": format_datetime(NOW + timedelta(minutes=2))}), True, 120, "503"),
        ((503, {"Retry-After": "soon"}), True, None, "503"),
        ((500, {}), True, None, "500"),
        ((401, {}), False, None, "compare the secret"),
        ((404, {}), False, None, "look at the receiver"),
        ((422, {}), False, None, "no  [31msuch course"),
        ((302, {"Location": "https://elsewhere.example"}), False, None, "leads to https://elsewhere.example"),
        (("cut before", {}), True, None, "cannot be reached"),
    ],
)
def test_answers_in_words(channel, receiver, answer, passing, wait, words):
    """Whether waiting helps, how long, and what to do; the address is named without its query, which may be secret."""
    receiver.answers = [answer]
    with pytest.raises(DeliveryError) as caught:
        deliver(channel, register(), {})
    assert (caught.value.passing, caught.value.wait) == (passing, wait)
    assert words in str(caught.value)
    assert "token" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_redirect_is_not_followed(channel, receiver):
    """Attendance goes nowhere else, not even to the same machine."""
    receiver.answers = [(307, {"Location": receiver.url})]
    with pytest.raises(DeliveryError):
        deliver(channel, register(), {})
    assert len(receiver.requests) == 1


def test_nobody_there(tmp_path):
    """Offline, a name that is none: waiting may help; a server without TLS where https was given: it does not."""
    make_secret(tmp_path / "secret")
    for url in ("http://127.0.0.1:9/", "https://nowhere.invalid/"):
        channel = WebhookChannel(WebhookOptions(url, secret_file=str(tmp_path / "secret"), timeout=2), Clock())
        with pytest.raises(DeliveryError, match="cannot be reached") as caught:
            deliver(channel, register(), {})
        assert caught.value.passing
        assert [finding.ok for finding in channel.check()] == [True, False]


def test_a_server_without_tls(receiver, tmp_path):
    """Https to a port that speaks http: said to be wrong, not tried for ever."""
    make_secret(tmp_path / "secret")
    url = receiver.url.replace("http://", "https://")
    channel = WebhookChannel(WebhookOptions(url, secret_file=str(tmp_path / "secret"), timeout=2), Clock())
    with pytest.raises(DeliveryError, match="TLS") as caught:
        deliver(channel, register(), {})
    assert not caught.value.passing


def test_a_certificate_nobody_trusts(channel):
    """An expired or self-made certificate is no reason to send attendance there."""
    error = ssl.SSLCertVerificationError(1, "verify")
    error.verify_message = "certificate has expired"
    told = channel._unreachable(error)
    assert (told.passing, "certificate has expired" in str(told)) == (False, True)


def test_check_looks_and_sends_nothing(channel, receiver):
    """The secret is there and somebody listens."""
    assert [(finding.name, finding.ok) for finding in channel.check()] == [("secret", True), ("connection", True)]
    assert receiver.requests == []


@pytest.mark.parametrize("content", [None, "whsec_c2hvcnQ=", "whsec_???", "hunter2-é"])
def test_secrets_that_are_none(channel, tmp_path, content):
    """A missing file, a short secret, no base64: told before anything is sent."""
    file = tmp_path / "other"
    if content is not None:
        file.write_text(content)
    other = replace(channel, options=replace(channel.options, secret_file=str(file)))
    (finding,) = other.check()
    assert not finding.ok
    assert str(file) in finding.words
    assert "hunter2" not in finding.words


def test_a_secret_from_the_environment(channel, monkeypatch, tmp_path, receiver):
    """A variable serves as well as a file."""
    monkeypatch.setenv("HOOK_SECRET", (tmp_path / "secret").read_text())
    other = replace(channel, options=replace(channel.options, secret_file="", secret_variable="HOOK_SECRET"))
    deliver(other, register(), {})
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "example.org", "http://example.org/", "https://u:p@example.org/"]
)
def test_addresses_that_are_refused(url):
    """No web address, an open one, one with a password in it."""
    with pytest.raises(SettingError):
        WebhookOptions(url, secret_file="secret")


def test_a_webhook_is_always_signed():
    """Without a secret there is none."""
    with pytest.raises(SettingError, match="signed"):
        WebhookOptions("https://example.org/")


def test_a_secret_is_for_its_owner(tmp_path):
    """Nobody else may read it, and one that is there is not overwritten."""
    make_secret(tmp_path / "secret")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        make_secret(tmp_path / "secret")
