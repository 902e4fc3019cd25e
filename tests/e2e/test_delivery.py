"""Places outside on the command line: added, checked, delivered to, edited by others, removed."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tests.fakes.videos import write_video

DAY = "2026-03-02"
COURSE = ("--zone", "UTC", "--weekdays", "mon", "--from", "08:00", "--to", "09:30", "--since", DAY, "--until", DAY)


@pytest.fixture
def book(mien, home):
    """Algebra on one Monday, with Ada and Đức."""
    assert mien("attendance", "session", "add", "Algebra", *COURSE).code == 0
    (home / "class.csv").write_text("name\nAda\nĐức\n", encoding="utf-8")
    assert mien("attendance", "roster", "import", "class.csv", "--session", "Algebra").code == 0
    return home


@pytest.fixture
def folder(mien, book):
    """A CSV file that is kept up to date."""
    added = mien("attendance", "sink", "add", "Folder", "--kind", "file", "--path", "{session}.csv", "--form", "marks")
    assert added.code == 0, added.err
    return book / "Algebra.csv"


def marks(file):
    return dict(line.split(",") for line in file.read_text(encoding="utf-8-sig").splitlines()[1:])


def deliver(mien, *words):
    result = mien("attendance", "deliver", *words, "--json")
    return result, {row["target"]: row for row in result.json()}


def test_a_file_follows_the_book(mien, folder):
    """Delivered, corrected, delivered: the file has it; nothing new writes nothing."""
    result, rows = deliver(mien)
    assert (result.code, rows["Folder"]["written"], rows["Folder"]["state"]) == (0, 2, "up to date, 2 written")
    assert marks(folder) == {"Ada": "–", "Đức": "–"}
    mien("attendance", "correct", "Algebra", "Ada", "present", "--reason", "was there", "--on", DAY)
    assert deliver(mien, "Folder")[1]["Folder"]["written"] == 1
    assert marks(folder) == {"Ada": "✓*", "Đức": "–"}
    assert deliver(mien)[1]["Folder"]["state"] == "up to date"


def test_a_removed_session_says_what_stands_outside(mien, folder):
    """Nothing looks after it any more: names in it are for somebody to delete."""
    deliver(mien)
    removed = mien("attendance", "session", "remove", "Algebra", "--yes")
    assert removed.code == 0
    assert "what stands of it in Folder stays too" in " ".join(removed.err.split())
    assert folder.exists()


def test_an_edited_file_is_kept_until_somebody_decides(mien, folder):
    """Kept and listed; it cannot be adopted as a whole; restored, the book counts again; the list remembers."""
    deliver(mien)
    folder.write_text("mine", encoding="utf-8")
    result, rows = deliver(mien)
    assert (result.code, rows["Folder"]["edits"], folder.read_text()) == (0, 1, "mine")
    assert "edits list" in result.err
    (edit,) = mien("attendance", "edits", "list", "--json").json()
    assert (edit["where"], edit["state"]) == (str(folder), "open")
    refused = mien("attendance", "edits", "adopt", edit["edit"])
    assert (refused.code, "attendance correct" in refused.err) == (1, True)
    assert mien("attendance", "edits", "restore", edit["edit"]).code == 0
    deliver(mien)
    assert marks(folder) == {"Ada": "–", "Đức": "–"}
    assert mien("attendance", "edits", "list", "--json").json() == []
    assert mien("attendance", "edits", "list", "--all", "--json").json()[0]["state"] == "restored by local"


def test_a_removed_person_leaves_the_file(mien, folder):
    """The receipt counts what still stands outside; the next delivery takes it away."""
    deliver(mien)
    receipt = mien("people", "remove", "Đức", "--yes", "--json")
    assert receipt.json()["withdrawing"] == {"Folder": 1}
    assert "Đức" in folder.read_text(encoding="utf-8-sig")
    deliver(mien)
    assert marks(folder) == {"Ada": "–"}


def test_a_webhook_that_is_down_and_comes_back(mien, book, monkeypatch):
    """What waits is said by deliver, list and doctor; one place down does not hinder another; then all arrives."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(503 if len(got) == 1 else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    added = mien("attendance", "sink", "add", "Hook", "--kind", "webhook", "--url", url, "--secret-file", "secret")
    assert "a new secret is in" in added.err
    mien("attendance", "sink", "add", "Folder", "--kind", "file", "--path", "a.csv", "--session", "Algebra")
    result, rows = deliver(mien)
    assert result.code == 3
    assert rows["Hook"]["state"].endswith(f"{url} answered 503 Service Unavailable; tried again later; 2 entries wait")
    assert rows["Folder"]["written"] == 2
    states = {row["name"]: row["state"] for row in mien("attendance", "sink", "list", "--json").json()}
    assert states["Hook"].startswith("since ")
    told = [row for row in mien("doctor", "--json").json() if row["what"] == "delivery to Hook"]
    assert "2 entries wait" in told[0]["value"]
    assert "2 entries wait" in mien("attendance", "report", "Algebra", "--since", DAY, "--until", DAY).err
    result, rows = deliver(mien)
    assert (result.code, rows["Hook"]["written"], rows["Folder"]["written"]) == (0, 2, 0)
    assert got[0] == got[1]
    assert mien("attendance", "sink", "check", "Hook").code == 0
    server.shutdown()
    server.server_close()


def test_what_a_camera_sees_is_delivered(mien, photo, folder, astronaut):
    """Watched, written into the book, and in the file before the watch has ended; what became of the place is said."""
    pytest.importorskip("av")
    mien("enroll", "Ada", photo("ada.jpg"))
    pictures = [np.roll(astronaut, 3 * n, axis=1)[:256, 96:416] for n in range(20)]
    clip = write_video(folder.parent / "clip.mp4", pictures, [n / 10 for n in range(20)])
    result = mien("attendance", "watch", clip, "--at", f"{DAY}T08:05+00:00")
    assert result.code == 0, result.err
    assert marks(folder) == {"Ada": "✓", "Đức": "–"}
    assert "Folder: up to date, " in result.err
    folder.unlink()
    assert mien("attendance", "watch", clip, "--at", f"{DAY}T08:06+00:00", "--no-deliver").code == 0
    assert not folder.exists()


def test_a_sink_is_removed(mien, folder):
    """What stands there stays; a slip in its name is answered with the right one."""
    deliver(mien)
    assert "did you mean 'Folder'" in mien("attendance", "sink", "remove", "Foldr").err
    assert mien("attendance", "sink", "remove", "folder").code == 0
    assert folder.exists()
    assert mien("attendance", "sink", "list", "--json").json() == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("deliver",), "there is nowhere to deliver to"),
        (("deliver", "Nowhere"), "nothing is delivered to 'Nowhere'"),
        (("deliver", "--watch", "--every", "soon"), "give a second or more"),
        (("sink", "add", "A", "--kind", "file", "--path", "a.pdf", "--session", "Algebra"), "neither .csv nor .xlsx"),
        (("sink", "add", "A", "--kind", "file", "--path", "a.csv"), "put {session} into its name"),
        (("sink", "add", "A", "--kind", "file"), "--path"),
        (("sink", "add", "A", "--kind", "webhook", "--url", "https://example.org"), "signed"),
        (("sink", "add", "A", "--kind", "webhook", "--url", "http://example.org", "--secret-file", "s"), "https"),
        (("edits", "adopt", "abc"), "no open edit"),
    ],
)
def test_slips_are_answered(mien, book, words, told):
    """Each names what was given and what to do; nothing is kept."""
    if words[0] == "deliver" and "--watch" in words:
        mien("attendance", "sink", "add", "A", "--kind", "file", "--path", "{session}.csv")
    result = mien("attendance", *words)
    assert result.code != 0
    assert told in result.err
    assert not (book / "s").exists()
