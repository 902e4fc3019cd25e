"""A Google of ours, a class, and an outbox that remembers as the real one does."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from mien.attendance.book import Records, keep
from mien.core.attendance import Correction, Place, Session, Sighting, Target
from mien.core.people import Person

START = datetime(2026, 3, 2, 7, tzinfo=UTC)  # 08:00 in Berlin
MINUTE = timedelta(minutes=1)
WEEK = timedelta(days=7)
MARKS, TIMES = "1-marks-spreadsheet-of-a-school", "2-times-spreadsheet-of-a-school"
NAMES = {"p1": "Ada", "p2": "=1+1", "p3": "+Đức", "p4": "Ada"}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.slept = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds
        self.slept += seconds


class School:
    """A course on Mondays: who is on its roster, what was seen, what was corrected."""

    def __init__(self):
        self.session = Session("Algebra", "course", "Europe/Berlin", (0,), time(8), time(9, 30), id="s1")
        self.people = [Person(i, name, START) for i, name in NAMES.items()]
        self.sightings = []
        self.corrections = []
        self.now = START + 100 * MINUTE

    def see(self, who, minutes):
        self.sightings.append(Sighting(START + minutes * MINUTE, "door", "match", who, id=f"{who}@{minutes}"))

    def correct(self, who, status, reason, meeting="2026-03-02"):
        self.corrections.append(
            Correction(self.session.id, meeting, who, status, reason, "teacher", START + 95 * MINUTE)
        )

    def rename(self, who, name):
        self.people = [replace(p, name=name) if p.id == who else p for p in self.people]

    def remove(self, who):
        self.people = [p for p in self.people if p.id != who]

    @property
    def register(self):
        records = Records(
            self.session,
            tuple(map(Place, self.people)),
            sightings=tuple(self.sightings),
            corrections=tuple(self.corrections),
        )
        return keep(records, START - timedelta(days=1), self.now, now=self.now)


class Outbox:
    """What was put, as the store keeps it: an empty value is forgotten."""

    def __init__(self, channel):
        self.channel = channel
        self.put = {}
        self.edits = {}

    def deliver(self, school, *, withdrawn=(), kill_after=None):
        """One delivery; ``kill_after`` so many things that were told, of which the last is not remembered."""
        self.edits = {}
        for i, told in enumerate(self.channel.deliver(school.register, dict(self.put), withdrawn), 1):
            if i == kill_after:
                return self
            self.put = {key: value for key, value in {**self.put, **told.put}.items() if value}
            self.edits |= {edit.key: edit for edit in told.edits}
        return self

    def restore(self, key):
        """What ``attendance edits restore`` does: what was found is ours to write over."""
        self.put[key] = self.edits[key].found
        self.put = {key: value for key, value in self.put.items() if value}


@pytest.fixture(scope="session")
def rsa_key():
    from tests.fakes.sheets_server import make_key

    return make_key()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def google(clock, rsa_key):
    """A Google with two spreadsheets that are shared with our service account."""
    from tests.fakes.sheets_server import Google

    google = Google(clock=clock)
    google.key = rsa_key[1]
    google.add(MARKS, "Check marks")
    google.add(TIMES, "Time stamps")
    return google


@pytest.fixture
def address(google):
    from tests.fakes.sheets_server import serving

    with serving(google) as address:
        yield address


@pytest.fixture
def key_file(address, rsa_key, tmp_path):
    from tests.fakes.sheets_server import write_key_file

    return write_key_file(tmp_path / "key.json", rsa_key[0], address)


@pytest.fixture
def channel_of(address, key_file, clock):
    """Make a channel with options; by default to both spreadsheets."""
    from mien.attendance.sinks.google_client import Pacer
    from mien.attendance.sinks.google_sheets import GoogleSheets

    def make(**options):
        given = {"key_file": str(key_file), "marks": MARKS, "times": TIMES, "api": address} | options
        target = Target("school", "sheets", "s1", {k: v for k, v in given.items() if v})
        return GoogleSheets.of(target, Pacer(clock=clock, sleep=clock.sleep))

    return make


@pytest.fixture
def outbox(channel_of):
    return Outbox(channel_of())


@pytest.fixture
def school():
    """Four people, two of them called Ada: in time, late, corrected, never there; the first Monday is over."""
    school = School()
    school.see("p1", -5)
    school.see("p1", 60)
    school.see("p2", 20)
    school.correct("p3", "present", "behind the pillar")
    return school
