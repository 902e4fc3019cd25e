"""``mien attendance sheets`` as a teacher uses it, against a Google of ours."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.fakes.sheets_server import ADDRESS, MARKS_ID, TIMES_ID, Google, make_key, serving, write_key_file


@pytest.fixture(scope="module")
def rsa_key():
    return make_key()


@pytest.fixture
def google(rsa_key):
    google = Google()
    google.key = rsa_key[1]
    google.add(MARKS_ID, "Check marks")
    google.add(TIMES_ID, "Time stamps")
    return google


@pytest.fixture
def address(google):
    with serving(google) as address:
        yield address


@pytest.fixture
def school(mien, home, address, rsa_key):
    """A day-long session with three people, delivered to both spreadsheets."""
    write_key_file(home / "key.json", rsa_key[0], address)
    (home / "class.csv").write_text("name\nAda\nGrace\n=1+1\n", encoding="utf-8")
    mien("attendance", "session", "add", "Desk", "--zone", "Europe/Berlin", "--day")
    mien("attendance", "roster", "import", "class.csv", "--session", "Desk")
    sheets = ("--marks", MARKS_ID, "--times", TIMES_ID, "--api", address)
    added = mien("attendance", "sheets", "add", "school", "--key-file", "key.json", *sheets, "--json")
    assert added.json()[0]["share with"] == ADDRESS
    return added


def cells(google, sheet, tab):
    """All cells of a tab."""
    return [cell for row in google.sheets[sheet].tab(tab).values for cell in row if cell]


def test_from_the_set_up_to_the_sheet(mien, google, school):
    """Added, checked, marked, delivered; edited there and adopted; offline and caught up; a person removed."""
    assert all(row["fine"] for row in mien("attendance", "sheets", "check", "--json").json())
    mien("attendance", "mark", "Desk", "Ada")
    assert mien("attendance", "deliver").code == 0
    assert "✓*" in cells(google, MARKS_ID, "Desk marks")
    assert "=1+1" in cells(google, MARKS_ID, "Desk marks")
    assert "marked by hand" in cells(google, TIMES_ID, "Desk times")
    tab = google.sheets[MARKS_ID].tab("Desk marks")
    tab.put(tab.find("Grace")[0], 2, "late")
    assert mien("attendance", "deliver", "--json").json()[0]["edits"] == 1
    (edit,) = mien("attendance", "edits", "list", "--json").json()
    assert (edit["where"], edit["found"], edit["mark"]) == ("Desk marks!C4", "late", "late")
    assert mien("attendance", "edits", "adopt", edit["edit"]).code == 0
    google.fail("cut after")
    assert mien("attendance", "deliver").code == 3
    assert mien("attendance", "deliver", "--json").json()[0]["edits"] == 0
    assert "✓ late*" in cells(google, MARKS_ID, "Desk marks")
    assert cells(google, TIMES_ID, "Desk times").count("Grace") == 1
    mien("people", "remove", "Grace", "--yes")
    assert mien("attendance", "deliver").code == 0
    everything = [*cells(google, MARKS_ID, "Desk marks"), *cells(google, TIMES_ID, "Desk times")]
    assert "Grace" not in everything
    assert "Ada" in everything


def test_check_says_what_is_missing(mien, google, school):
    """A spreadsheet that is not shared is named, with the address to share it with; the exit code tells."""
    google.sheets[TIMES_ID].role = ""
    checked = mien("attendance", "sheets", "check", "school", "--json")
    (wrong,) = [row for row in checked.json() if not row["fine"]]
    assert checked.code == 3
    assert wrong["what"] == "times: shared as Editor"
    assert ADDRESS in wrong["words"]


def test_what_cannot_be_added(mien, home, school):
    """No spreadsheet, no key, no such sink: one line that says what to give."""
    assert "give --marks, --times or both" in mien("attendance", "sheets", "add", "b", "--key-file", "key.json").err
    gone = mien("attendance", "sheets", "add", "b", "--key-file", "gone.json", "--marks", MARKS_ID)
    assert "gone.json is not there" in gone.err
    mien("attendance", "sink", "add", "c", "--kind", "file", "--path", "{session}.csv")
    assert "of the kind file" in mien("attendance", "sheets", "check", "c").err


DELIVER = "from mien.doors.cli.app import app; app(['attendance', 'deliver'])"


@pytest.mark.slow
def test_a_killed_process_doubles_and_loses_nothing(mien, home, google, school):
    """Killed (-9) in the middle of one delivery after the other; the last one, left alone, makes everything right."""
    google.latency = 0.15
    environment = {**os.environ, "NO_PROXY": "*"}
    for kill, who in enumerate(["Ada", "Grace", "=1+1"] * 2):
        status = "present" if kill < 3 else "late"
        mien("attendance", "correct", "Desk", who, status, "--reason", f"kill {kill}")
        seen = len(google.log)
        process = subprocess.Popen([sys.executable, "-c", DELIVER], env=environment, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(google.log) < seen + 2 + kill % 4:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    google.latency = 0.0
    assert mien("attendance", "deliver", "--json").json()[0]["edits"] == 0
    for name in ("Ada", "Grace", "=1+1"):
        assert cells(google, MARKS_ID, "Desk marks").count(name) == 1
        assert cells(google, TIMES_ID, "Desk times").count(name) == 1
    assert cells(google, MARKS_ID, "Desk marks").count("✓ late*") == 3
    assert [f"kill {kill}" in cells(google, TIMES_ID, "Desk times") for kill in range(6)] == [False] * 3 + [True] * 3
