"""What ``check`` says about each thing that can be wrong with the set-up, and what a delivery says then."""

import json
import re
import sys

import pytest

from mien.attendance.sinks.google_client import Pacer, spreadsheet_id
from mien.core.errors import DeliveryError, MissingExtraError
from tests.fakes.sheets_server import ADDRESS
from tests.unit.attendance.conftest import MARKS, TIMES, Outbox

ORDER = [
    "key file",
    "network",
    "key accepted",
    "Google Sheets API enabled",
    "marks: spreadsheet found",
    "marks: shared as Editor",
    "marks: tab 'Algebra marks'",
    "times: spreadsheet found",
    "times: shared as Editor",
    "times: tab 'Algebra times'",
]


def wrong(channel):
    """The findings that are not as they must be."""
    return [(finding.name, finding.words) for finding in channel.check() if not finding.ok]


def test_all_is_well(google, outbox, school):
    """Every thing in the order in which it is set up, whose key it is among them; nothing is written."""
    outbox.deliver(school)
    before = [tab.values for sheet in google.sheets.values() for tab in sheet.tabs]
    findings = outbox.channel.check()
    assert [finding.name for finding in findings] == ORDER
    assert all(finding.ok for finding in findings)
    assert ADDRESS in findings[0].words
    assert findings[6].words == "4 rows, 3 columns, all that are needed"
    assert [tab.values for sheet in google.sheets.values() for tab in sheet.tabs] == before


def test_before_the_first_delivery(outbox):
    """Tabs that are not there yet are no fault."""
    findings = outbox.channel.check()
    assert all(finding.ok for finding in findings)
    assert findings[-1].words == "none in 'Time stamps' yet; the first delivery makes it"


@pytest.mark.parametrize(
    ("fault", "on", "name", "words"),
    [
        ("key deleted", "token", "key accepted", "expired or was deleted; make a new one: Keys > Add key > JSON"),
        ("no account", "token", "key accepted", "attendance@trying-mien.iam.gserviceaccount.com is no more"),
        ("clock", "token", "key accepted", "set the clock"),
        ("cut before", "token", "network", "connection to Google broke off"),
        ("disabled", "read", "Google Sheets API enabled", "not enabled.*Enable.*wait a few minutes: https://console"),
        ("404", "read", "marks: spreadsheet found", "there is no spreadsheet"),
        ("excel", "read", "marks: spreadsheet found", "File > Save as Google Sheets"),
        (
            "not shared",
            "read",
            "marks: shared as Editor",
            f"with {ADDRESS}; open it, Share, add that address as Editor",
        ),
        ("not shared", "write", "marks: shared as Editor", f"'Check marks' is not shared.*{ADDRESS}"),
        ("protected", "write", "marks: shared as Editor", "Data > Protect sheets and ranges"),
        ("protected 403", "write", "marks: shared as Editor", "Data > Protect sheets and ranges"),
        ("429", "read", "Google", "fewer requests a minute"),
        ("503", "read", "Google", "out of order for the moment"),
        ("login page", "read", "network", "login page"),
        ("login page", "token", "network", "login page"),
        ("503", "token", "network", "sign-in is out of order for the moment"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(google, channel_of, monkeypatch, fault, on, name, words):
    """Each fault is found at the thing it is about, in words that say what to do."""
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda _: None)
    google.fail(fault, on, times=3 if on == "token" else 1)  # google-auth tries three times for a token
    ((found, said),) = wrong(channel_of())
    assert found == name
    assert re.search(words, said), said


def test_one_bad_spreadsheet_does_not_hide_the_other(google, channel_of):
    """Both are looked at; the one that is only shared for reading is named."""
    google.sheets[MARKS].role = ""
    google.sheets[TIMES].role = "Viewer"
    assert [name for name, _ in wrong(channel_of())] == ["marks: shared as Editor", "times: shared as Editor"]


def test_a_renamed_column_is_named(google, outbox, school):
    """The fixed heads that are gone, and what stands there instead."""
    outbox.deliver(school)
    tab = google.sheets[TIMES].tab("Algebra times")
    tab.put(0, 8, "why")
    google.sheets[MARKS].tab("Algebra marks").put(0, 1, "")
    (_, marks), (_, times) = wrong(outbox.channel)
    assert "no row has the head 'mien id'" in marks
    assert "the column 'reason' was renamed or deleted; call it so again (others there: why)" in times


def test_nobody_there(channel_of, key_file):
    """Offline is told from a bad key."""
    key = json.loads(key_file.read_text())
    key_file.write_text(json.dumps(key | {"token_uri": "http://127.0.0.1:9/token"}))
    assert [name for name, _ in wrong(channel_of())] == ["network"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is not there"),
        ("not json", "is no JSON"),
        ("[1]", "of something else, not of a service account"),
        ('{"installed": {}}', "of type 'unknown', not of a service account"),
        ('{"type": "authorized_user"}', "of type 'authorized_user', not"),
        ('{"type": "service_account", "client_email": "a@b"}', "no private_key and no token_uri"),
        (
            '{"type": "service_account", "client_email": "a@b", "private_key": "x", "token_uri": "https://x"}',
            "damaged private key",
        ),
    ],
)
def test_a_key_file_that_is_none(channel_of, key_file, school, text, words):
    """Missing, of another kind, damaged: said so, with where to get one."""
    key_file.unlink()
    if text is not None:
        key_file.write_text(text)
    ((name, said),) = wrong(channel_of())
    assert name == "key file"
    assert words in said
    assert "download" in said
    with pytest.raises(DeliveryError, match="key") as caught:
        Outbox(channel_of()).deliver(school)
    assert not caught.value.passing


@pytest.mark.parametrize(
    ("fault", "on", "words"),
    [
        ("401", "write", None),  # an expired token is renewed by itself
        ("disabled", "read", "not enabled"),
        ("not shared", "write", f"add that address|{ADDRESS}"),
        ("protected", "write", "protected cells"),
        ("full", "write", "is full"),
        ("404", "read", "there is no spreadsheet"),
    ],
)
def test_a_delivery_says_the_same(google, outbox, school, fault, on, words):
    """What only somebody's doing can help is no passing error; both sheets are tried."""
    google.fail(fault, on, times=1 if words is None else 2)
    if words is None:
        assert outbox.deliver(school).edits == {}
        return
    with pytest.raises(DeliveryError, match=words) as caught:
        outbox.deliver(school)
    assert not caught.value.passing


def test_an_account_that_is_refused_for_good(google, outbox, school):
    """401 again and again is the key's fault, not the network's."""
    google.fail("401", "read", times=9)
    with pytest.raises(DeliveryError, match="no longer accepts the key") as caught:
        outbox.deliver(school)
    assert not caught.value.passing


@pytest.mark.parametrize("package", ["gspread", "google.auth.transport.requests"])
def test_without_the_extra(channel_of, school, monkeypatch, package):
    """A machine without gspread is told the pip command."""
    for module in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r'pip install "mien\[sheets\]"'):
        Outbox(channel_of()).deliver(school)


@pytest.mark.parametrize(
    "text",
    [
        f"{MARKS}",
        f" {MARKS} ",
        f"https://docs.google.com/spreadsheets/d/{MARKS}/edit#gid=0",
        f"https://docs.google.com/spreadsheets/u/1/d/{MARKS}/edit?gid=3",
    ],
)
def test_spreadsheets_by_id_or_address(text):
    """As people copy it from the browser."""
    assert spreadsheet_id(text) == MARKS


def test_the_pacer_waits_no_longer_than_it_must(clock):
    """The first of a window frees its place after 60 seconds; reads and writes are counted apart."""
    pacer = Pacer(3, clock, clock.sleep)
    pacer.wait(reads=2, writes=1)
    clock.now += 20
    pacer.wait(reads=1)
    pacer.wait(writes=2)
    assert clock.slept == 0
    pacer.wait(reads=1)
    assert clock.slept == 40
    pacer.wait(reads=9)  # more than a window holds: after all before it
    assert clock.slept == 40 + 60
