"""Delivery in the background: at the start, on news, in between, and once more at the end."""

import threading
import time as wall
from datetime import UTC, date, datetime, time, timedelta

import pytest

from mien.core.attendance import Session, Sighting, Target
from mien.core.errors import DeliveryError
from mien.jobs.deliver import Post
from mien.jobs.deliverer import Deliverer, DelivererOptions
from mien.store.gallery import open_gallery
from tests.fakes.places import FilePlace
from tests.unit.jobs.delivering import Clock

FIRST = datetime(2026, 3, 2, 8, 1, tzinfo=UTC)
LONG = 20
QUICK = DelivererOptions(every=1000, gather=0, share=1)


@pytest.fixture
def gallery(tmp_path):
    with open_gallery(tmp_path / "gallery.db", clock=Clock()) as opened:
        course = Session("Algebra", "course", "UTC", weekdays=(0,), start=time(8), end=time(9), first=date(2026, 3, 2))
        session = opened.attendance.add_session(course)
        opened.attendance.set_roster(session.id, ["Ada Lovelace"])
        opened.outbox.add_target(Target("Sheet", "fake"))
        yield opened


class Rounds:
    """Counts reports and lets a test wait for the next."""

    def __init__(self):
        self.reports = []
        self._news = threading.Condition()

    def __call__(self, report):
        with self._news:
            self.reports.append(report)
            self._news.notify_all()

    def wait(self, count):
        with self._news:
            assert self._news.wait_for(lambda: len(self.reports) >= count, LONG)


def seen(gallery, week):
    ada = gallery.person("Ada Lovelace").id
    gallery.attendance.append([Sighting(FIRST + week * timedelta(days=7), "door", "match", ada, id=f"s{week}")])


def test_news_is_delivered_soon_and_the_last_at_the_end(gallery, tmp_path):
    """A round at the start, one when woken, one when stopped; the place has everything."""
    place, rounds = FilePlace(tmp_path / "place.json"), Rounds()
    post = Post(gallery.attendance, gallery.outbox, lambda _: place, Clock())
    deliverer = Deliverer(post, options=QUICK, tell=rounds)
    with deliverer:
        rounds.wait(1)
        seen(gallery, 0)
        deliverer.wake()
        rounds.wait(2)
        assert rounds.reports[1].written == 1
        seen(gallery, 1)
    assert sorted(place.texts().values()) == ["–", "–", "–", "✓", "✓"]


def test_a_place_that_fails_does_not_end_it(gallery, tmp_path):
    """Told, and tried again by itself."""
    place, rounds = FilePlace(tmp_path / "place.json"), Rounds()
    faults = [DeliveryError("offline", passing=True, wait=0)]
    place.before = lambda: _raise(faults.pop()) if faults else None
    post = Post(gallery.attendance, gallery.outbox, lambda _: place, Clock())
    with Deliverer(post, options=DelivererOptions(every=0.01, gather=0), tell=rounds):
        rounds.wait(2)
    assert [report.problem for report in rounds.reports[:2]] == ["offline", ""]
    assert len(place.texts()) == 5


def test_slow_rounds_are_seldom(gallery, tmp_path):
    """News in the middle of a slow round waits until the round took its share of the time only."""
    place, rounds = FilePlace(tmp_path / "place.json"), Rounds()
    place.before = lambda: wall.sleep(0.05)
    post = Post(gallery.attendance, gallery.outbox, lambda _: place, Clock())
    with Deliverer(post, options=DelivererOptions(every=1000, gather=0, share=0.2), tell=rounds) as deliverer:
        rounds.wait(1)
        began = wall.monotonic()
        deliverer.wake()
        rounds.wait(2)
        assert wall.monotonic() - began > 0.25


def test_slow_rounds_are_seldom_without_news_too(gallery, tmp_path):
    """A short interval does not take more of the time than its share."""
    place, rounds = FilePlace(tmp_path / "place.json"), Rounds()
    place.before = lambda: wall.sleep(0.05)
    post = Post(gallery.attendance, gallery.outbox, lambda _: place, Clock())
    with Deliverer(post, options=DelivererOptions(every=0.01, gather=0, share=0.2), tell=rounds):
        rounds.wait(1)
        began = wall.monotonic()
        rounds.wait(2)
        assert wall.monotonic() - began > 0.25


def test_a_fault_of_ours_is_not_swallowed(gallery):
    """What no rule foresees is told at once, not only at the end of a long watch, and reaches whoever stops it."""

    def broken(_):
        raise RuntimeError("a bug")

    rounds = Rounds()
    deliverer = Deliverer(Post(gallery.attendance, gallery.outbox, broken, Clock()), options=QUICK, tell=rounds)
    deliverer.start()
    rounds.wait(1)
    assert "RuntimeError: a bug" in rounds.reports[0].problem
    with pytest.raises(RuntimeError, match="a bug"):
        deliverer.stop()


def _raise(error):
    raise error
