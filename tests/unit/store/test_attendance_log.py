"""Sessions, rosters, sightings, answers and corrections in the database."""

import contextlib
import multiprocessing
import os
import signal
import time as clock
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from mien.core.attendance import Correction, Opening, Rules, Session, Sighting
from mien.core.errors import DuplicateError, InputError, NotFoundError
from mien.store.gallery import open_gallery
from mien.store.schema import metadata
from mien.store.upgrades import OURS, version_of
from tests.fakes.gallery import make_template
from tests.unit.store import workers
from tests.unit.store.test_processes import integrity

NOON = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
KILLS = 100
FIRST_TABLES = {"people", "pointers", "spaces", "templates", "calibrations", "calibration_people"} | {
    "settings",
    "revision",
    "audit",
}
LONGEST = 900  # seconds; a quiet machine takes four


def course(name="Algebra", **changes):
    rules = Rules(minimum=2, left_after=timedelta(minutes=20), late_after=None)
    values = {"weekdays": (0, 2), "start": time(8), "end": time(9, 30), "first": date(2026, 3, 2), "cameras": ("door",)}
    return Session(name, "course", "Europe/Berlin", rules=rules, **(values | changes))


def sighting(person_id, minutes=0, sighting_id="", **changes):
    return Sighting(NOON + timedelta(minutes=minutes), "door", "match", person_id, id=sighting_id, **changes)


@pytest.fixture
def log(gallery):
    """The log of the gallery, with Ada, Bob and a course."""
    for name in ("Ada Lovelace", "Bob Marley"):
        gallery.add(name, [])
    gallery.attendance.add_session(course())
    return gallery.attendance


@pytest.fixture
def ada(gallery, log):
    return gallery.person("Ada Lovelace").id


@pytest.fixture
def bob(gallery, log):
    return gallery.person("Bob Marley").id


@pytest.mark.parametrize(
    "session",
    [
        course("Full"),
        Session("Desk", "day", "UTC", start=time(9), day_border=time(4), rules=Rules(late_after=timedelta(minutes=5))),
        Session("Drill", "ad hoc", "Asia/Ho_Chi_Minh"),
    ],
)
def test_a_session_comes_back_as_it_was(log, session):
    """Every field survives the database; the id is new."""
    added = log.add_session(session)
    assert added == log.session(session.name) == log.session(added.id)
    assert {**_fields(added), "id": ""} == _fields(session)


def _fields(session):
    return {name: getattr(session, name) for name in Session.__slots__}


def test_session_names_are_unique_and_suggested(log):
    """The same name in another spelling is refused; a slip names what is there."""
    with pytest.raises(DuplicateError, match="ALGEBRA"):
        log.add_session(course("ALGEBRA"))
    with pytest.raises(NotFoundError, match="did you mean 'Algebra'"):
        log.session("Algbra")


def test_a_roster_is_set_at_once_or_not_at_all(gallery, log, ada):
    """Known people by name or id, others made without photographs; a bad name leaves everything as it was."""
    session = log.session("Algebra").id
    with pytest.raises(InputError, match="empty"):
        log.set_roster(session, ["Ada Lovelace", "Đức", " "])
    assert log.roster(session) == []
    assert len(gallery.people()) == 2
    new, made = log.set_roster(session, [ada, "ada lovelace", "Đức", "ĐỨC"])
    assert (new, [person.name for person in made]) == (2, ["Đức"])
    assert [(place.person.name, place.since) for place in log.roster(session)] == [
        ("Ada Lovelace", None),
        ("Đức", None),
    ]


def test_who_leaves_a_roster_stays_in_the_book(log, ada):
    """Those not named are expected no more from a date on; named again they come back; a newcomer has a first date."""
    session = log.session("Algebra").id
    log.set_roster(session, ["Ada Lovelace"])
    changed, _ = log.set_roster(session, ["Bob Marley"], since=date(2026, 3, 4), gone_from=date(2026, 3, 5))
    places = {place.person.name: (place.since, place.until) for place in log.roster(session)}
    assert places == {"Ada Lovelace": (None, date(2026, 3, 5)), "Bob Marley": (date(2026, 3, 4), None)}
    assert changed == 1
    assert log.set_roster(session, [ada])[0] == 1
    assert log.roster(session)[0].until is None
    assert log.set_roster(session, [ada])[0] == 0


def test_sightings_come_back_in_the_order_they_came_in(log, ada, bob):
    """Whatever their times; with microseconds, candidates in order, and figures."""
    given = [
        sighting(ada, 5, "one", similarity=0.75, margin=0.2),
        Sighting(NOON, "desk", "ambiguous", candidates=(bob, ada), similarity=0.6, margin=0.01, id="two"),
        Sighting(NOON, "desk", "unknown", id="three"),
        Sighting(NOON, "desk", "spoof", id="four"),
    ]
    assert log.append(given) == 4
    assert log.sightings() == given
    assert log.sightings(NOON, NOON) == given[1:]


def test_the_same_sighting_twice_is_one(log, ada):
    """An id that is there is passed over, so a producer that is not sure may send again."""
    assert log.append([sighting(ada, 0, "one"), sighting(ada, 0, "one")]) == 1
    assert log.append([sighting(ada, 0, "one"), sighting(ada, 1, "two")]) == 1
    assert log.append([sighting(ada), sighting(ada)]) == 2  # without an id each is its own


def test_sightings_are_all_written_or_none(log, ada):
    """One of somebody who is not there keeps all from being written."""
    with pytest.raises(NotFoundError):
        log.append([sighting(ada), sighting("nobody")])
    assert log.sightings() == []


def test_sightings_leave_the_vectors_in_memory_alone(gallery, log, ada):
    """Seeing somebody changes no person: the revision stays, so no process loads its vectors again."""
    before = gallery.revision()
    log.append([sighting(ada)])
    assert gallery.revision() == before


def test_answers_and_corrections_are_kept_beside_the_old_ones(log, ada):
    """Both come back in order; an answer to what was no question is refused."""
    log.append([Sighting(NOON, "door", "ambiguous", candidates=(ada,), id="q"), sighting(ada, 0, "clear")])
    log.answer(["q"], "Ada Lovelace")
    log.answer(["q"], None)
    assert [(a.person_id, a.by) for a in log.answers()] == [(ada, "tester"), (None, "tester")]
    with pytest.raises(InputError, match="no ambiguous sighting"):
        log.answer(["clear"], None)
    session = log.session("Algebra").id
    given = [
        Correction(session, "2026-03-02", ada, "present", "forgot her glasses", "tester", NOON, arrived=NOON),
        Correction(session, "2026-03-02", ada, "absent", "was her sister", "tester", NOON, None, "present", NOON),
    ]
    log.correct(given)
    assert log.corrections(session) == given
    with pytest.raises(NotFoundError):
        log.correct([given[0], replace(given[0], person_id="nobody")])
    assert log.corrections(session) == given


def test_openings_keep_their_order(log):
    """What was opened and closed by hand, by whom."""
    session = log.session("Algebra").id
    log.open_or_close(Opening(session, NOON, "open"))
    log.open_or_close(Opening(session, NOON + timedelta(hours=1), "close"))
    assert [(o.action, o.by) for o in log.openings(session)] == [("open", "tester"), ("close", "tester")]


def test_the_audit_names_nobody(gallery, log, ada):
    """Corrections and answers leave a line with a hashed id and counts."""
    log.correct([Correction(log.session("Algebra").id, "2026-03-02", ada, "late", "bus", "tester", NOON)])
    line = gallery.audit(1)[0]
    assert (line.action, line.actor) == ("correct", "tester")
    assert ada not in str(line)


def fill_attendance(log, ada, bob):
    session = log.session("Algebra").id
    log.set_roster(session, [ada, bob])
    log.append(
        [
            sighting(ada, 0, "a"),
            sighting(bob, 0, "b"),
            Sighting(NOON, "door", "ambiguous", candidates=(ada, bob), id="q"),
            Sighting(NOON, "door", "ambiguous", candidates=(ada, bob), id="answered"),
        ]
    )
    log.answer(["answered"], ada)
    log.correct([Correction(session, "2026-03-02", ada, "late", "bus of Ada Lovelace", "tester", NOON)])
    return session


def test_a_removed_person_takes_their_attendance_along(gallery, log, ada, bob):
    """Sightings, candidacies, corrections and the place on the roster go and are counted; other people's stay."""
    session = fill_attendance(log, ada, bob)
    receipt = gallery.remove(ada)
    assert receipt.verified, receipt
    assert {k: receipt.removed[k] for k in ("sightings", "candidates", "corrections", "roster")} == {
        "sightings": 2,
        "candidates": 1,
        "corrections": 1,
        "roster": 1,
    }
    assert [(s.id, s.candidates) for s in log.sightings()] == [("b", ()), ("q", (bob,))]
    assert [place.person.id for place in log.roster(session)] == [bob]
    assert log.answers() == log.corrections(session) == []


def test_who_was_named_by_mistake_takes_no_sighting_along(gallery, log, ada, bob):
    """It was said to be Ada, then put right to Bob: removing Ada leaves Bob his sighting, and the answer that counts."""
    question = Sighting(NOON, "door", "ambiguous", candidates=(ada, bob), id="q")
    log.append([question])
    log.answer(["q"], ada)
    log.answer(["q"], bob)
    gallery.remove(ada)
    assert [(s.id, s.candidates) for s in log.sightings()] == [("q", (bob,))]
    assert [answer.person_id for answer in log.answers()] == [bob]


def test_a_merged_person_keeps_what_both_did(gallery, log, ada, bob):
    """Everything of the one that goes belongs to the one that stays, once; later sightings by the former id too."""
    session = fill_attendance(log, ada, bob)
    gallery.merge(bob, ada)
    assert {s.person_id for s in log.sightings()} == {bob, None}
    assert [s.candidates for s in log.sightings()] == [(), (), (bob,), (bob,)]
    assert [place.person.id for place in log.roster(session)] == [bob]
    assert log.corrections(session)[0].person_id == log.answers()[0].person_id == bob
    log.append([sighting(ada, 9, "late")])
    assert log.sightings()[-1].person_id == bob


@pytest.mark.file
def test_an_older_gallery_gets_the_tables(path, gallery):
    """A file of version 0001 is opened after a copy, keeps its people and takes sightings."""
    gallery.add("Ada", [make_template(1)])
    with gallery._database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in FIRST_TABLES:
                connection.exec_driver_sql(f"DROP TABLE {table.name}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    with open_gallery(path) as opened:
        assert version_of(opened._database) == OURS.head
        assert [copy.name for copy in opened._database.copies()] == [f"gallery.db.before-{OURS.head}.bak"]
        assert opened.attendance.append([sighting(opened.person("Ada").id)]) == 1


@pytest.mark.file
def test_a_writer_killed_a_hundred_times(path, gallery, log, ada):
    """Kill -9 at any moment: what the writer was told is written is there, once; sending it again doubles nothing."""
    deadline = clock.monotonic() + LONGEST
    promised = 0
    for kill in range(KILLS):
        assert clock.monotonic() < deadline, f"only {kill} kills in {LONGEST} s"
        promised = write_until_killed(path, ada, promised, wait=kill % 7 / 1000)
    found = [s.id for s in log.sightings()]
    assert found == [f"s{i}" for i in range(len(found))]
    assert len(found) - promised in {0, 1}  # committed, and killed before it could say so
    assert promised >= KILLS
    assert integrity(gallery) == [("ok",)]


def write_until_killed(path, ada, promised, wait):
    """A writer that goes on after the last promise and is killed in the middle; how many sightings it knew written."""
    context = multiprocessing.get_context("forkserver")  # a process per kill in milliseconds, without our connections
    context.set_forkserver_preload(["tests.unit.store.workers"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=workers.see_until_killed, args=(path, ada, promised, theirs))
    process.start()
    theirs.close()
    assert ours.poll(30)
    clock.sleep(wait)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with contextlib.suppress(EOFError):
        while True:
            promised = ours.recv()
    ours.close()
    return promised
