"""Sightings made of events, and written whatever the log does."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from mien.core.answers import Contender, Match
from mien.core.attendance import Sighting
from mien.core.errors import NotFoundError, StoreBusyError, StoreError
from mien.jobs.attend import Outcome, SightingWriter, WriterOptions, sighting_of
from mien.jobs.presence import Event

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADA = Match("match", (Contender("id-ada", "Ada", 0.8, 0.8, 1),), 0.5, 0.3)
QUICK = WriterOptions(first_wait=0.01, longest_wait=0.02)
PATIENCE = 10.0


class Log:
    """An attendance log that fails as often as it is told."""

    def __init__(self, *failures, removed=()):
        self.failures = list(failures)
        self.removed = set(removed)
        self.rows = {}
        self.calls = []
        self.open = threading.Event()
        self.open.set()

    def append(self, sightings):
        self.open.wait(PATIENCE)
        self.calls.append(len(sightings))
        if self.failures:
            raise self.failures.pop(0)
        if self.removed & {s.person_id for s in sightings}:
            raise NotFoundError("nobody has the id id-gone; they were removed")
        new = [s for s in sightings if s.id not in self.rows]
        self.rows |= {s.id: s for s in sightings}
        return len(new)


def sighting(number, person="id-ada"):
    return Sighting(START + timedelta(seconds=number), "door", "match", person, id=str(number))


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def event(kind="arrived", match=ADA, **more):
    person = match.person_id if match else None
    return Event(kind, 1.0, START, match.name if person else "", person, 7, match, **more)


def test_a_sighting_is_of_the_moment_somebody_was_seen():
    """Who left was last seen before it was clear; the sighting says when."""
    seen = sighting_of(event("left", until=START - timedelta(seconds=5)), camera="door", run="r")
    assert (seen.at, seen.camera, seen.person_id, seen.similarity) == (
        START - timedelta(seconds=5),
        "door",
        "id-ada",
        0.8,
    )


def test_the_same_event_of_the_same_run_is_the_same_sighting():
    """Ids repeat for a repetition, and for nothing else."""
    ids = {
        sighting_of(event(**more), camera=camera, run=run).id
        for more, camera, run in (
            ({}, "door", "a"),
            ({}, "door", "a"),
            ({}, "gate", "a"),
            ({}, "door", "b"),
            ({"kind": "left", "until": START + timedelta(seconds=1)}, "door", "a"),
        )
    }
    assert len(ids) == 4


@pytest.mark.parametrize("decision", ["unknown", "ambiguous", "spoof"])
def test_faces_that_mark_nobody_are_sightings_too(decision):
    """With their decision, and with no person."""
    seen = sighting_of(event(decision, Match(decision, ADA.candidates, 0.5)), camera="door", run="r")
    assert (seen.decision, seen.person_id) == (decision, None)


def test_what_is_about_no_face_is_no_sighting():
    """Losses of the camera, and names that wait for liveness, write nothing."""
    assert sighting_of(event("camera lost", None), camera="door", run="r") is None
    assert sighting_of(event("unproven"), camera="door", run="r") is None


def test_what_is_put_is_written_and_told():
    """In order; whoever delivers is woken afterwards."""
    log, woken = Log(), []
    with SightingWriter(log, written=lambda: woken.append(len(log.rows))) as writer:
        for n in range(5):
            writer.put(sighting(n))
        wait_for(lambda: writer.waiting == 0)
        assert writer.outcomes() == [Outcome(sighting(n)) for n in range(5)]
        assert writer.outcomes() == []
    assert list(log.rows) == ["0", "1", "2", "3", "4"]
    assert woken[-1] == 5


def test_a_log_that_is_busy_or_full_is_tried_again():
    """Nothing is lost, nothing doubled; the trouble is told while it lasts, and putting never waits."""
    log = Log(StoreBusyError("locked"), StoreError("no space left"), StoreBusyError("locked"))
    log.open.clear()
    with SightingWriter(log, options=QUICK) as writer:
        begin = time.monotonic()
        for n in range(100):
            writer.put(sighting(n))
        assert time.monotonic() - begin < 0.5
        log.open.set()
        wait_for(lambda: writer.waiting == 0)
        assert writer.trouble == ""
    assert len(log.rows) == 100
    assert len(log.calls) >= 4


def test_trouble_is_told_while_it_lasts():
    """The store's own words."""
    log = Log(*[StoreError("no space left on the disk")] * 1000)
    writer = SightingWriter(log, options=WriterOptions(first_wait=0.01, longest_wait=0.01))
    writer.put(sighting(1))
    wait_for(lambda: writer.trouble)
    assert writer.trouble == "no space left on the disk"
    assert writer.close(0.1) == 1
    log.failures.clear()
    wait_for(lambda: writer.waiting == 0)


def test_the_end_waits_for_what_is_not_written():
    """Closing writes the rest, whatever it takes within its patience."""
    log = Log(*[StoreBusyError("locked")] * 3)
    writer = SightingWriter(log, options=QUICK)
    writer.put(sighting(1))
    assert writer.close(PATIENCE) == 0
    assert list(log.rows) == ["1"]


def test_memory_is_bounded():
    """Beyond the limit a sighting is refused and told, those that wait stay."""
    log = Log()
    log.open.clear()
    with SightingWriter(log, options=WriterOptions(limit=3)) as writer:
        for n in range(5):
            writer.put(sighting(n))
        refused = writer.outcomes()
        log.open.set()
    assert [o.sighting.id for o in refused] == ["3", "4"]
    assert all("3 wait already" in o.refused for o in refused)
    assert list(log.rows) == ["0", "1", "2"]


def test_somebody_removed_meanwhile_takes_only_their_own_sightings_along():
    """The others of the batch are written; theirs are refused with the reason."""
    log = Log(removed={"id-gone"})
    log.open.clear()
    with SightingWriter(log) as writer:
        for n, person in enumerate(("id-ada", "id-gone", "id-bob")):
            writer.put(sighting(n, person))
        log.open.set()
        wait_for(lambda: writer.waiting == 0)
        outcomes = writer.outcomes()
    assert [bool(o.refused) for o in outcomes] == [False, True, False]
    assert sorted(log.rows) == ["0", "2"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_in_the_thread_is_no_silence():
    """What nobody foresaw is raised where outcomes are asked for."""
    with SightingWriter(Log(ZeroDivisionError("a fault"))) as writer:
        writer.put(sighting(1))
        writer._thread.join(PATIENCE)
        with pytest.raises(ZeroDivisionError, match="a fault"):
            writer.outcomes()
