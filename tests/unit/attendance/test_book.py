"""From sightings to the register."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.attendance.book import Records, clock_steps, keep, unassigned
from mien.attendance.schedule import changed_from
from mien.attendance.tables import table, totals
from mien.core.answers import Contender, Match
from mien.core.attendance import Answer, Correction, Opening, Place, Rules, Session, Sighting
from mien.core.errors import InputError
from mien.core.people import Person

START = datetime(2026, 3, 2, 7, tzinfo=UTC)  # a Monday, 08:00 in Berlin
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
LONG_AFTER = START + timedelta(hours=12)
ADA, BOB = (Person(i, name, START) for i, name in (("1", "Ada"), ("2", "Bob")))


def course(rules=None, **changes):
    rules = rules or Rules()
    return Session("Algebra", "course", "Europe/Berlin", (0,), time(8), time(9, 30), rules=rules, id="a", **changes)


def seen(minutes, who="1", camera="door", **changes):
    """Somebody seen so many minutes after 08:00."""
    return Sighting(START + minutes * MINUTE, camera, "match", who, **changes)


def ambiguous(minutes, sighting_id="q", candidates=("1", "2")):
    return Sighting(START + minutes * MINUTE, "door", "ambiguous", candidates=candidates, id=sighting_id)


def book(*sightings, session=None, roster=(ADA, BOB), **said):
    places = tuple(p if isinstance(p, Place) else Place(p) for p in roster)
    return Records(session or course(), places, sightings=sightings, **said)


def register(records, now=LONG_AFTER):
    return keep(records, START - timedelta(days=1), START + timedelta(days=1), now=now)


def left_over(*books):
    """Why sightings of two days mark nobody in any of the sessions."""
    return [u.why for u in unassigned(books, START - timedelta(days=1), START + timedelta(days=1))]


def entry(*sightings, now=LONG_AFTER, rules=None, **said):
    """Ada's line."""
    return register(book(*sightings, session=course(rules), **said), now).entries[0]


@pytest.mark.parametrize(("minutes", "status"), [(-10, "present"), (0, "present"), (10, "present"), (10.1, "late")])
def test_in_time_and_late(minutes, status):
    """Up to ten minutes after the start is in time, exactly ten included; the arrival is the first sighting."""
    line = entry(seen(minutes), seen(80))
    assert (line.status, line.arrived) == (status, START + minutes * MINUTE)
    assert line.late_by == max(0, minutes) * MINUTE


@pytest.mark.parametrize("minutes", [-15.1, 90, 300])
def test_outside_the_session_nobody_is_marked(minutes):
    """Before the early quarter of an hour, at the end and after it, a sighting does not count."""
    assert entry(seen(minutes)).status == "absent"


def test_nobody_is_absent_before_the_end():
    """Somebody not seen is expected until the session is over; a meeting to come is not in the register."""
    assert entry(now=START + 89 * MINUTE).status == "expected"
    assert entry(now=START + 90 * MINUTE).status == "absent"
    assert register(book(), START - 16 * MINUTE).meetings == ()


def test_minimum_sightings_and_their_reason():
    """With three needed, two mark nobody and say why; the third makes the arrival that of the first."""
    rules = Rules(minimum=3)
    line = entry(seen(0), seen(2), rules=rules)
    assert (line.status, line.sightings, line.reasons[0].words()) == ("absent", 2, "sightings 2 is below 3")
    assert entry(seen(0), seen(2), seen(4), rules=rules).arrived == START


def test_cool_down():
    """Sightings within the cool-down of the last one that counted count once."""
    rules = Rules(cool_down=MINUTE)
    assert entry(seen(0), seen(0.5), seen(0.9), seen(1), seen(1.5), rules=rules).sightings == 2


@pytest.mark.parametrize("apart", [timedelta(0), 0.4 * SECOND])
def test_two_cameras_in_the_same_second(apart):
    """The same person at two doors at once counts once, even without a cool-down, and has one line."""
    sightings = (seen(0), Sighting(START + apart, "back door", "match", "1"))
    line = entry(*sightings, rules=Rules(cool_down=timedelta(0), minimum=2))
    assert (line.sightings, line.status) == (1, "absent")
    found = register(book(*sightings))
    assert [(e.person_id, e.status) for e in found.entries] == [("1", "present"), ("2", "absent")]


def test_left_and_come_back():
    """Not seen for the last twenty minutes is left, with the time; seen again, present again."""
    rules = Rules(left_after=20 * MINUTE)
    assert entry(seen(0), seen(60), rules=rules).status == "left"
    assert entry(seen(0), seen(60), rules=rules).last_seen == START + 60 * MINUTE
    assert entry(seen(0), seen(60), seen(71), rules=rules).status == "present"
    assert entry(seen(0), seen(60), rules=rules, now=START + 79 * MINUTE).status == "present"
    assert entry(seen(20), seen(30), rules=rules).late_by == 20 * MINUTE  # late and left: both are told


def test_a_day_has_check_in_and_check_out():
    """At the desk the first sighting is the check-in and the last the check-out; leaving at the end is no leaving."""
    rules = Rules(late_after=5 * MINUTE, left_after=30 * MINUTE)
    desk = Session("Desk", "day", "Europe/Berlin", (0,), start=time(8), end=time(16), rules=rules, id="a")
    line = register(book(seen(4), seen(200), seen(481), session=desk)).entries[0]
    assert (line.status, line.arrived, line.last_seen) == ("present", START + 4 * MINUTE, START + 481 * MINUTE)
    assert register(book(seen(4), seen(400), session=desk), START + timedelta(days=1)).entries[0].status == "left"


def test_only_the_sessions_cameras_count():
    """What another camera saw marks nobody and is told."""
    records = book(seen(0, camera="canteen"), session=course(cameras=("door",)))
    assert register(records).entries[0].status == "absent"
    assert left_over(records) == ["no session was open"]


@pytest.mark.parametrize(
    ("decision", "why"),
    [("spoof", "not a living face"), ("unknown", "nobody that is known"), ("no_usable_face", "no usable face")],
)
def test_what_marks_nobody(decision, why):
    """A photograph held up, a stranger and half a face mark nobody and are kept with the reason."""
    found = register(book(Sighting(START, "door", decision)))
    assert {e.status for e in found.entries} == {"absent"}
    assert [u.why for u in found.unassigned] == [why]


def test_twins_become_a_question():
    """An ambiguous sighting marks nobody and asks; several of the same two are one question."""
    found = register(book(ambiguous(0, "q1"), ambiguous(5, "q2")))
    assert {e.status for e in found.entries} == {"absent"}
    assert [(q.id, q.candidates, len(q.sightings)) for q in found.questions] == [("q1", ("1", "2"), 2)]
    assert found.unassigned == ()


def test_an_answer_marks_the_one_it_names():
    """The answer counts as a sighting of that person; nobody, then the last word, are obeyed."""
    answer = Answer("q", "2", "teacher", LONG_AFTER)
    found = register(book(ambiguous(0), answers=(answer,)))
    assert [e.status for e in found.entries] == ["absent", "present"]
    assert found.questions == ()
    nobody = replace(answer, person_id=None)
    found = register(book(ambiguous(0), answers=(answer, nobody)))
    assert [e.status for e in found.entries] == ["absent", "absent"]
    assert found.questions == ()


def test_no_question_when_both_are_there():
    """When each of the candidates was seen clearly there is nothing to ask; as long as one was not, there is."""
    assert register(book(ambiguous(0), seen(1), seen(1, "2"))).questions == ()
    assert len(register(book(ambiguous(0), seen(1))).questions) == 1


def test_an_ambiguous_face_of_strangers_to_the_course():
    """If none of the candidates is on the roster there is no question, and the sighting is told as unassigned."""
    found = register(book(ambiguous(0, candidates=("8", "9"))))
    assert found.questions == ()
    assert [u.why for u in found.unassigned] == ["ambiguous, and none of the candidates is on the roster"]


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (book(seen(0, "9")), "not on the roster of Algebra"),
        (book(seen(0), roster=()), "the roster of Algebra is empty"),
        (book(seen(200)), "no session was open"),
    ],
)
def test_why_a_sighting_is_unassigned(records, why):
    """Not on the roster, an empty roster, no session open: kept, and said."""
    assert left_over(records) == [why]


def test_the_register_tells_of_its_own_hours():
    """What was seen while the session was not open is no remark on it, but is not lost."""
    records = book(seen(0, "9"), seen(200))
    assert [u.why for u in register(records).unassigned] == ["not on the roster of Algebra"]
    assert left_over(records) == ["not on the roster of Algebra", "no session was open"]


def test_a_sighting_belongs_to_any_session_that_wants_it():
    """What one session leaves over another may take: then it is not unassigned."""
    other = Records(
        replace(course(), id="b", name="Painting"), (Place(Person("9", "Cy", START)),), sightings=(seen(0, "9"),)
    )
    assert left_over(book(seen(0, "9")), other) == []


def test_nobody_is_absent_before_joining_or_after_leaving():
    """A place on the roster has a first date and an end; outside them there is no line, and a sighting is unassigned."""
    monday = START.date()
    joined, gone = Place(ADA, since=monday + timedelta(days=1)), Place(BOB, until=monday)
    found = register(book(seen(0), roster=(joined, gone, Place(Person("3", "Cy", START)))))
    assert [(e.person_id, e.status) for e in found.entries] == [("3", "absent")]
    assert [person.name for person in found.people] == ["Cy"]
    assert [u.why for u in found.unassigned] == ["not on the roster of Algebra"]
    assert register(book(roster=(Place(ADA, since=monday, until=monday + timedelta(days=1)),))).people == (ADA,)


def test_a_session_closed_early_takes_nothing_more():
    """After the closing a sighting is unassigned."""
    closed = (Opening("a", START + 30 * MINUTE, "close"),)
    records = book(seen(10), seen(40, "2"), openings=closed)
    assert [e.status for e in register(records).entries] == ["present", "absent"]
    assert left_over(records) == ["no session was open"]


def correction(status, **changes):
    return Correction("a", "2026-03-02", "1", status, "was behind the pillar", "teacher", LONG_AFTER, **changes)


def test_a_correction_stands_and_keeps_the_old_value():
    """Whatever the sightings say, before and after; the last one counts; absence has no arrival."""
    present = correction("present", arrived=START + 2 * MINUTE)
    line = entry(corrections=(present,))
    assert (line.status, line.arrived, line.late_by) == ("present", START + 2 * MINUTE, 2 * MINUTE)
    assert line.correction.old_status == "absent"
    absent = correction("absent", old_status="present")
    line = entry(seen(0), corrections=(present, absent))
    assert (line.status, line.arrived, line.sightings) == ("absent", None, 1)


def test_who_was_excused_ahead_and_comes_is_there():
    """An excuse from before the meeting counts until the person is seen; one given afterwards stands."""
    ahead = replace(correction("excused"), at=START - timedelta(days=1))
    assert (entry(corrections=(ahead,)).status, entry(seen(2), corrections=(ahead,)).status) == ("excused", "present")
    assert entry(seen(2), corrections=(correction("excused"),)).status == "excused"


def test_a_correction_of_another_meeting_is_not_ours():
    """A mark belongs to one meeting of one session."""
    others = (replace(correction("present"), meeting="2026-02-23"), replace(correction("present"), session_id="b"))
    assert entry(corrections=others).status == "absent"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"status": "expected"}, "present, late, left, absent or excused"),
        ({"arrived": datetime(2026, 3, 2)}, "no time zone"),  # noqa: DTZ001 - the fault under test
    ],
)
def test_corrections_that_cannot_be(changes, words):
    """A correction without a reason, to no mark, or at a time of no zone is refused."""
    with pytest.raises(InputError, match=words):
        replace(correction("present"), **changes)


def test_sightings_that_cannot_be():
    """A time without a zone, a match of nobody, an unknown person with an id and an invented decision are refused."""
    for wrong in (
        {"at": datetime(2026, 3, 2)},  # noqa: DTZ001 - the fault under test
        {"person_id": None},
        {"decision": "unknown"},
        {"decision": "maybe"},
    ):
        with pytest.raises(InputError):
            replace(seen(0), **wrong)


def test_a_sighting_of_a_decision():
    """A match carries its person; an ambiguous one those above the threshold; an unknown one nobody."""
    near = [Contender(i, i, similarity, similarity, 1) for i, similarity in (("1", 0.7), ("2", 0.69), ("3", 0.2))]
    made = Sighting.of(Match("match", tuple(near), 0.5, 0.01), START, "door")
    assert (made.person_id, made.candidates, made.similarity, made.margin) == ("1", (), 0.7, 0.01)
    made = Sighting.of(Match("ambiguous", tuple(near), 0.5, 0.01), START, "door", sighting_id="x")
    assert (made.person_id, made.candidates, made.id) == (None, ("1", "2"), "x")
    assert Sighting.of(Match("unknown"), START, "door").similarity is None


def test_a_clock_that_goes_backwards():
    """The register takes the times as they are, and the step is told with its camera."""
    sightings = (seen(20), seen(5), seen(6, camera="back"), seen(5.5))
    assert entry(*sightings).arrived == START + 5 * MINUTE
    assert clock_steps(sightings) == [(sightings[0], sightings[1])]


ANY_SIGHTING = st.builds(
    lambda seconds, who, camera, decision: Sighting(
        START + seconds * SECOND,
        camera,
        decision,
        who if decision == "match" else None,
        ("1", "2") if decision == "ambiguous" else (),
    ),
    st.integers(-3600, 7200),
    st.sampled_from("123"),
    st.sampled_from(["door", "back"]),
    st.sampled_from(["match", "match", "match", "ambiguous", "unknown", "spoof"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(ANY_SIGHTING, max_size=30),
    st.randoms(use_true_random=False),
    st.integers(1, 3),
    st.sampled_from([0, 30, 600]),
    st.integers(-3600, 9000),
)
def test_replaying_gives_the_same_register(sightings, chance: random.Random, minimum, cool_down, seconds):
    """Sightings in any order and any number of times make the same register, at every moment and under any rules."""
    rules = Rules(minimum=minimum, cool_down=cool_down * SECOND, left_after=20 * MINUTE)
    numbered = [replace(s, id=str(i)) for i, s in enumerate(sightings)]
    again = numbered * 2 + chance.choices(numbered, k=5) if numbered else []
    chance.shuffle(again)
    now = START + seconds * SECOND
    expected = register(book(*numbered, session=course(rules)), now)
    assert register(book(*again, session=course(rules)), now) == expected
    assert len({e.id for e in expected.entries}) == len(expected.entries) == 2 * len(expected.meetings)


def test_a_meeting_keeps_the_rules_and_cameras_of_its_day():
    """A change from the next day on alters no line; from this very day on it does."""
    session = course(cameras=("door",))
    new = replace(session, cameras=("window",), rules=Rules(minimum=2))
    for day, status in ((date(2026, 3, 3), "present"), (date(2026, 3, 2), "absent")):
        changed = changed_from(session, new, day)
        assert register(book(seen(0), session=changed)).entries[0].status == status


def test_totals_of_several_sessions_count_what_was_due():
    """Each session has its own column, whatever it is called; excused is not due."""
    excused = replace(correction("excused"), person_id="2")
    kept = register(book(seen(0), corrections=(excused,)))
    other = replace(kept, session=replace(kept.session, name="share"))
    first, second = totals([kept, other]).rows
    assert (first["Algebra"], first["share (session)"], first["attended"], first["share"]) == ("1/1", "1/1", 2, 1.0)
    assert (second["Algebra"], second["excused"], second["share"]) == ("", 2, None)


def test_excused_is_neither_attended_nor_missed():
    """The share is of those who were due: one of two present and the other excused is all of them."""
    excused = replace(correction("excused"), person_id="2")
    kept = register(book(seen(0), corrections=(excused,)))
    (row,) = table(kept, "meetings").rows
    assert (row["present"], row["excused"], row["absent"], row["share"]) == (1, 1, 0, 1.0)
    assert [r["2026-03-02"] for r in table(kept, "marks").rows] == ["✓", "– excused*"]
