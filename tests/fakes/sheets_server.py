"""A server of ours that speaks the part of Google Sheets API v4 that mien uses, with its faults.

For tests, and for trying attendance in sheets without an account:

    python tests/fakes/sheets_server.py

It needs nothing but Python, and ``cryptography`` (which comes with gspread) to make a throw-away key.
"""

from __future__ import annotations

import argparse
import base64
import copy
import hashlib
import html
import json
import re
import socket
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.sheets_book import (
    CELL_LIMIT,
    CHANGES,
    CUTS,
    FAULTS,
    TOKEN_FAULTS,
    ApiError,
    Spreadsheet,
    invalid,
    make_fault,
    over_quota,
)

ADDRESS = "attendance@trying-mien.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/spreadsheets"
QUOTA = 60  # reads, and writes, a minute and user


class Google:
    """What Google knows, and what shall go wrong."""

    def __init__(self, clock=time.monotonic, wall=time.time):
        self.sheets = {}
        self.key = None  # (n, e) of the service account's key
        self.tokens = set()
        self.clock = clock
        self.wall = wall
        self.log = []  # (kind, number of requests in the batch, bytes)
        self.recent = {"read": deque(), "write": deque()}
        self.faults = []
        self.latency = 0.0
        self.lock = threading.RLock()

    def add(self, spreadsheet_id, title, role="Editor"):
        self.sheets[spreadsheet_id] = Spreadsheet(spreadsheet_id, title, role=role)
        return self.sheets[spreadsheet_id]

    def fail(self, name, on="write", times=1, after=0):
        """The next ``times`` requests of a kind (read, write, token) fail so, after ``after`` that do not."""
        assert name in FAULTS or name in TOKEN_FAULTS or name in CUTS, name
        self.faults.append([name, on, times, after])

    def next_fault(self, kind):
        for fault in self.faults:
            if fault[1] == kind and fault[3]:
                fault[3] -= 1
                return ""
            if fault[1] == kind and fault[2]:
                fault[2] -= 1
                return fault[0]
        return ""

    def count(self, kind, requests, size):
        now, recent = self.clock(), self.recent[kind]
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= QUOTA:
            raise over_quota(kind.capitalize())
        recent.append(now)
        self.log.append((kind, requests, size))

    def requests(self, kind):
        return sum(1 for k, _, _ in self.log if k == kind)

    # The API

    def grant(self, form):
        """A token for a signed JWT (RFC 7523)."""
        if form.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"] or "assertion" not in form:
            return 400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}
        head, claims, signature = form["assertion"][0].split(".")
        said = json.loads(_bytes(claims))
        if not self.signed(f"{head}.{claims}".encode(), _bytes(signature)):
            return TOKEN_FAULTS["key deleted"]
        if said["iss"] != ADDRESS:
            return TOKEN_FAULTS["no account"]
        if abs(said["iat"] - self.wall()) > 300 or said["exp"] - said["iat"] > 3600:
            return TOKEN_FAULTS["clock"]
        if SCOPE not in said["scope"].split():
            return 400, {"error": "invalid_scope", "error_description": "no scope for spreadsheets"}
        token = hashlib.sha256(form["assertion"][0].encode()).hexdigest()
        self.tokens.add(token)
        return 200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def signed(self, text, signature):
        """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.2)."""
        n, e = self.key
        size = (n.bit_length() + 7) // 8
        digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(text).digest()
        wanted = b"\0\1" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest
        return pow(int.from_bytes(signature, "big"), e, n).to_bytes(size, "big") == wanted

    def open(self, spreadsheet_id, *, to_write=False):
        sheet = self.sheets.get(spreadsheet_id)
        if sheet is None:
            raise make_fault("404")
        if not sheet.role or (to_write and sheet.role != "Editor"):
            raise make_fault("not shared")
        return sheet

    def get(self, spreadsheet_id):
        sheet = self.open(spreadsheet_id)
        tabs = []
        for index, tab in enumerate(sheet.tabs):
            room = {"rowCount": tab.rows, "columnCount": tab.columns, "frozenRowCount": tab.frozen}
            properties = {"sheetId": tab.gid, "title": tab.title, "index": index, "gridProperties": room}
            tabs.append({"properties": properties} | ({"developerMetadata": tab.notes} if tab.notes else {}))
        return {"spreadsheetId": sheet.id, "properties": {"title": sheet.title}, "sheets": tabs}

    def values(self, spreadsheet_id, title):
        sheet = self.open(spreadsheet_id)
        name = title[1:-1].replace("''", "'") if title.startswith("'") else title
        tab = next((t for t in sheet.tabs if t.title == name), None)
        if tab is None:
            raise invalid(f"Unable to parse range: {title}")
        found = {"range": f"{title}!A1:Z{tab.rows}", "majorDimension": "ROWS"}
        return found | ({"values": tab.values} if tab.cells else {})

    def batch_update(self, spreadsheet_id, body):
        """All requests or none of them."""
        sheet = self.open(spreadsheet_id, to_write=True)
        requests = body.get("requests", [])
        if not requests:
            raise invalid("Must specify at least one request.")
        draft = copy.deepcopy(sheet)
        for i, request in enumerate(requests):
            ((name, what),) = request.items()
            if name not in CHANGES:
                raise invalid(f"Invalid JSON payload received. Unknown name \"{name}\" at 'requests[{i}]'")
            try:
                CHANGES[name](draft, what)
            except ApiError as fault:
                raise invalid(f"Invalid requests[{i}].{name}: {fault}") from None
        if sum(tab.rows * tab.columns for tab in draft.tabs) > CELL_LIMIT:
            raise make_fault("full")
        sheet.tabs = draft.tabs
        return {"spreadsheetId": sheet.id, "replies": [{} for _ in requests]}


def _bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Handler(BaseHTTPRequestHandler):
    """HTTP to ``Google``'s methods."""

    protocol_version = "HTTP/1.1"

    @property
    def google(self):
        return self.server.google

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        if path in {"/", "/sheets.json"}:
            return self.show(path)
        values = re.fullmatch(r"/v4/spreadsheets/([^/]+)/values/(.+)", path)
        sheet = re.fullmatch(r"/v4/spreadsheets/([^/:]+)", path)
        if values:
            return self.api("read", lambda: self.google.values(*values.groups()))
        if sheet:
            return self.api("read", lambda: self.google.get(sheet.group(1)))
        return self.answer(404, make_fault("404").body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        change = re.fullmatch(r"/v4/spreadsheets/([^/:]+):batchUpdate", path)
        if path == "/token":
            return self.token(parse_qs(body.decode()))
        if change:
            asked = json.loads(body)
            count = len(asked.get("requests", []))
            return self.api("write", lambda: self.google.batch_update(change.group(1), asked), count, len(body))
        return self.answer(404, make_fault("404").body)

    def token(self, form):
        with self.google.lock:
            fault = self.google.next_fault("token")
            if fault in CUTS:
                return self.cut(fault, 200, {})
            if fault in FAULTS:
                return self.answer(make_fault(fault).code, make_fault(fault).body)
            return self.answer(*(TOKEN_FAULTS[fault] if fault else self.google.grant(form)))

    def api(self, kind, act, requests=1, size=0):
        if self.google.latency:
            time.sleep(self.google.latency)
        with self.google.lock:
            fault = self.google.next_fault(kind)
            if fault in {"cut before", "login page"}:
                return self.cut(fault, 200, {})
            try:
                if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.google.tokens:
                    raise make_fault("401")
                self.google.count(kind, requests, size)
                if fault in FAULTS:
                    raise make_fault(fault)
                code, body, headers = 200, act(), {}
            except ApiError as refused:
                code, body, headers = refused.code, refused.body, refused.headers
        if fault:
            return self.cut(fault, code, body) if fault in CUTS else self.answer(code, body, headers)
        return self.answer(code, body, headers)

    def answer(self, code, body, headers=None, kind="application/json"):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def cut(self, fault, code, body):
        """Break the connection: without an answer, or in the middle of it."""
        self.close_connection = True
        if fault == "login page":
            return self.answer(200, "<html>Please log in to the network</html>", kind="text/html")
        if fault == "cut middle":
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data) + 10))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        return None

    def show(self, path):
        """The sheets, for people and for programs."""
        with self.google.lock:
            sheets = copy.deepcopy(list(self.google.sheets.values()))
        if path == "/sheets.json":
            tabs = {s.id: {t.title: t.values for t in s.tabs} for s in sheets}
            return self.answer(200, tabs)
        return self.answer(200, page(sheets), kind="text/html; charset=utf-8")


def page(sheets):
    """Every tab as a table."""
    parts = [
        (
            "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=3><title>Sheets</title>"
            "<style>body{font:15px sans-serif}table{border-collapse:collapse;margin-bottom:2em}td{border:1px solid #ccc;padding:2px 8px}</style>"
        )
    ]
    for sheet in sheets:
        parts.append(f"<h1>{html.escape(sheet.title)}</h1>")
        for tab in sheet.tabs:
            rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in tab.values)
            table = "".join(f"<tr>{row}</tr>" for row in rows)
            parts.append(f"<h2>{html.escape(tab.title)}</h2><table>{table}</table>")
    return "".join(parts)


def make_key(bits=2048):
    """A private RSA key as PEM, and its public numbers (n, e)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    numbers = key.public_key().public_numbers()
    return key.private_bytes(*form).decode(), (numbers.n, numbers.e)


def write_key_file(path, pem, address):
    """A service account's key file, whose tokens come from here."""
    key = {
        "type": "service_account",
        "project_id": "trying-mien",
        "private_key_id": "0" * 40,
        "private_key": pem,
        "client_email": ADDRESS,
        "client_id": "42",
        "token_uri": f"{address}/token",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(key, indent=2), encoding="utf-8")
    return path


@contextmanager
def serving(google, port=0):
    """The server on this computer, until the end; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.google = google
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


MARKS_ID = "check-marks-for-trying-mien"
TIMES_ID = "time-stamps-for-trying-mien"


TRY = """Google Sheets for trying: {address} shows the sheets; Ctrl-C ends it. In another terminal:

  mien attendance sheets add trying --key-file {key_file} --marks {marks} --times {times} --api {address}
  mien attendance sheets check trying
  mien attendance deliver

"""


def main():
    parser = argparse.ArgumentParser(description="Google Sheets for trying, on this computer.")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--key-file", type=Path, default=Path("trying-key.json"))
    options = parser.parse_args()
    google = Google()
    google.add(MARKS_ID, "Attendance with check marks")
    google.add(TIMES_ID, "Attendance with time stamps")
    pem, google.key = make_key()
    with serving(google, options.port) as address:
        write_key_file(options.key_file, pem, address)
        sys.stdout.write(TRY.format(address=address, key_file=options.key_file, marks=MARKS_ID, times=TIMES_ID))
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            options.key_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
