"""Everything arrives once: offline, too many requests, killed in the middle, edited, two at work, people removed."""

import multiprocessing
import signal
import time as wall
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from mien.core.attendance import Correction, Session, Sighting, Target
from mien.core.errors import DeliveryError, InputError, StoreError
from mien.jobs.deliver import Post, Report, Step, deliver, new_holder, pause, whole_register
from mien.store.gallery import open_gallery
from mien.store.outbox import Lease
from tests.fakes.places import FilePlace, key_of, text_of
from tests.unit.jobs import delivering
from tests.unit.jobs.delivering import NOW, Clock
from tests.unit.store.test_erasure import content_of

FIRST = datetime(2026, 3, 2, 8, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
NAMES = ["Ada Lovelace", "Bob Marley", "Đức Nguyễn"]
KILLS = 20


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gallery(tmp_path, clock):
    """Three people in a course that met five times; Ada came always."""
    (tmp_path / "gallery").mkdir()
    with open_gallery(tmp_path / "gallery" / "gallery.db", clock=clock, actor="tester", patience=0.3) as opened:
        course = Session("Algebra", "course", "UTC", weekdays=(0,), start=time(8), end=time(9), first=date(2026, 3, 2))
        session = opened.attendance.add_session(course)
        opened.attendance.set_roster(session.id, NAMES)
        ada = opened.person("Ada Lovelace").id
        opened.attendance.append([Sighting(FIRST + i * WEEK, "door", "match", ada, id=f"s{i}") for i in range(5)])
        yield opened


@pytest.fixture
def session(gallery):
    return gallery.attendance.session("Algebra")


@pytest.fixture
def ids(gallery):
    return {person.name.split()[0]: person.id for person in gallery.people()}


@pytest.fixture
def place(tmp_path):
    return FilePlace(tmp_path / "place.json")


@pytest.fixture
def target(gallery):
    return gallery.outbox.add_target(Target("Sheet", "fake"))


@pytest.fixture
def post(gallery, place, target, clock):
    return Post(gallery.attendance, gallery.outbox, lambda _: place, clock, chance=lambda: 0.0)


def run(post, **options):
    """Deliver to all; the one report."""
    (report,) = [event for event in deliver(post, post.outbox.targets(), **options) if isinstance(event, Report)]
    return report


def mark(session, person_id, day=date(2026, 3, 2)):
    return f"marks/{session.id}/{day}/{person_id}"


def correct(gallery, session, person_id, status="late"):
    given = Correction(session.id, "2026-03-02", person_id, status, "the bus", "tester", NOW)
    gallery.attendance.correct([given])


def raising(*faults):
    """Something to call that raises each in turn, None for once without, and then never again."""
    left = list(faults)

    def call():
        fault = left.pop(0) if left else None
        if fault is not None:
            raise fault

    return call


def test_everything_arrives_and_arrives_once(gallery, post, place, target, clock):
    """Five meetings of three people are fifteen rows; a second delivery writes nothing."""
    steps = [event for event in deliver(post, [target]) if isinstance(event, Step)]
    assert sum(step.items for step in steps) == len(place.texts()) == 15
    before = place.rows()
    assert run(post) == Report("Sheet", "fake")
    assert place.rows() == before
    state = gallery.outbox.state(target.id)
    assert (state.delivered, state.items, state.holder) == (clock.time, 15, "")


def test_a_correction_to_an_old_meeting_arrives(gallery, post, place, session, ids):
    """Whatever its date; a meeting of the present arrives as expected, then as what it became."""
    run(post)
    correct(gallery, session, ids["Bob"])
    assert run(post).written == 1
    assert place.texts()[mark(session, ids["Bob"])] == "✓ late*"


def test_a_late_sighting_arrives(gallery, post, place, session, ids):
    """A camera that was offline for a month tells of Bob: his old mark changes."""
    run(post)
    gallery.attendance.append([Sighting(FIRST, "door", "match", ids["Bob"], id="late")])
    assert run(post).written == 1
    assert place.texts()[mark(session, ids["Bob"])] == "✓"


def test_offline_for_an_hour(gallery, post, place, session, ids, clock):
    """Tried again ever more seldom, what waits is counted, and afterwards everything is there once."""
    run(post)
    clock.time += WEEK
    gallery.attendance.append(
        [Sighting(clock.time - timedelta(hours=3, minutes=59), "door", "match", ids["Bob"], id="b")]
    )
    place.before = raising(*[DeliveryError("offline; check the network", passing=True)] * 1000)
    since, tries = clock.time, 0
    while clock.time < since + timedelta(hours=1):
        report = run(post)
        tries += not report.passed_over
        assert (report.problem, report.waiting, report.since) == ("offline; check the network", 3, since)
        clock.time = max(clock.time + timedelta(seconds=1), report.next_attempt)
    assert 15 <= tries <= 22
    place.before = lambda: None
    assert run(post, at_once=True) == Report("Sheet", "fake", written=3)
    assert len(place.texts()) == 18


def test_what_waits_is_said_before_the_first_delivery(post, place):
    """Nothing was ever delivered: all of it waits."""
    place.before = raising(DeliveryError("not shared with mien@example.org; share it", passing=False))
    report = run(post)
    assert (report.waiting, report.passing, report.next_attempt) == (15, False, NOW + timedelta(minutes=15))


def test_a_place_that_asks_to_wait_is_left_alone(post, place, clock):
    """429 with a time: nothing is sent before it is over; then the rest arrives."""
    place.before = raising(None, None, DeliveryError("too many requests", passing=True, wait=30))
    report = run(post)
    assert (report.written, report.waiting, report.next_attempt) == (3, 12, NOW + timedelta(seconds=30))
    clock.time += timedelta(seconds=29)
    assert run(post).passed_over == "waits after a failure"
    clock.time += timedelta(seconds=1)
    assert run(post).written == 12
    assert len(place.texts()) == 15


def test_a_lost_answer_doubles_nothing(post, place):
    """The place took it and the connection was cut: found there, it counts as put, and is no edit."""
    place.after = raising(None, DeliveryError("cut", passing=True))
    assert run(post).problem == "cut"
    report = run(post, at_once=True)
    assert (report.problem, report.edits) == ("", 0)
    assert len(place.texts()) == 15


def test_pauses_grow_to_five_minutes_and_are_not_the_same_for_all():
    """Twice as long each time, up to half of it taken off by chance; lasting faults are tried seldom."""
    fault = DeliveryError("offline", passing=True)
    assert [pause(fault, i, 0).total_seconds() for i in range(9)] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert pause(fault, 1000, 1).total_seconds() == 150
    assert pause(DeliveryError("busy", passing=True, wait=1e9), 0, 0) == timedelta(hours=1)
    assert pause(DeliveryError("not shared", passing=False), 0, 0.5) == timedelta(minutes=15)


def test_one_target_that_fails_does_not_hinder_the_others(gallery, tmp_path, clock, target):
    """The first cannot even be opened; the second gets everything."""
    gallery.outbox.add_target(Target("Other", "fake"))
    good = FilePlace(tmp_path / "other.json")

    def channel(which):
        if which.name == "Other":
            return good
        raise InputError("no such file; name another")

    post = Post(gallery.attendance, gallery.outbox, channel, clock)
    reports = [e for e in deliver(post, gallery.outbox.targets()) if isinstance(e, Report)]
    assert [(r.target, r.problem, r.passing) for r in reports] == [
        ("Sheet", "no such file; name another", False),
        ("Other", "", True),
    ]
    assert len(good.texts()) == 15


def test_our_own_database_failing_ends_the_job(post, monkeypatch):
    """A disk that is full under our own file is no fault of the place: it is raised, and others may deliver."""

    def full(*_):
        raise StoreError("no space left on the disk")

    monkeypatch.setattr(type(post.outbox), "settle", full)
    with pytest.raises(StoreError, match="no space"):
        run(post)
    assert post.outbox.states()[0].holder == ""


def test_a_full_disk_in_the_place(post, place):
    """The place has no space: said, kept, tried again; nothing is lost."""
    place.before = raising(None, None, None, DeliveryError("no space left on the disk; free some", passing=True))
    assert run(post).problem == "no space left on the disk; free some"
    run(post, at_once=True)
    assert len(place.texts()) == 15


def test_an_edit_is_kept_and_reported(gallery, post, place, session, ids):
    """What a teacher typed stays through deliveries, also when the register changes; taken back, it is ours again."""
    run(post)
    place.type_over(mark(session, ids["Ada"]), "was ill")
    assert (run(post).edits, run(post).edits) == (1, 1)
    correct(gallery, session, ids["Ada"])
    run(post)
    assert place.texts()[mark(session, ids["Ada"])] == "was ill"
    (held,) = gallery.outbox.edits()
    assert (held.edit.put, held.edit.found, held.edit.wanted, held.edit.status) == ("✓", "was ill", "✓ late*", None)
    place.type_over(mark(session, ids["Ada"]), "✓")
    assert run(post).edits == 0
    assert place.texts()[mark(session, ids["Ada"])] == "✓ late*"


def test_a_clock_that_was_put_back_holds_no_delivery_up(gallery, post, place, clock):
    """A day further on by mistake, a failure, and put right: the next round is not a day away."""
    clock.time += timedelta(days=1)
    place.before = raising(DeliveryError("offline", passing=True))
    assert run(post).problem == "offline"
    clock.time -= timedelta(days=1)
    assert (run(post).passed_over, len(place.texts())) == ("", 15)


def test_an_edit_is_adopted_or_restored(gallery, post, place, session, ids):
    """Adopted, the book says what the teacher typed, and the sheet how the book writes it; restored, the book wins."""
    run(post)
    place.type_over(mark(session, ids["Ada"]), "late")
    place.type_over(mark(session, ids["Bob"]), "nonsense")
    run(post)
    first, second = gallery.outbox.edits()
    status = first.edit.status
    gallery.outbox.adopt(
        first.id,
        Correction(session.id, "2026-03-02", ids["Ada"], status, "changed by hand", "tester", NOW),
        found="late",
    )
    gallery.outbox.restore(second.id)
    assert run(post) == Report("Sheet", "fake", written=2)
    texts = place.texts()
    assert (texts[mark(session, ids["Ada"])], texts[mark(session, ids["Bob"])]) == ("✓ late*", "–")


def test_a_removed_person_leaves_the_place_and_the_file(tmp_path, gallery, post, place, session, ids):
    """Offline at first: their id waits; then their rows go, and no file of ours holds the id any more."""
    run(post)
    gallery.remove("Ada Lovelace")
    place.before = raising(DeliveryError("offline", passing=True))
    assert run(post).withdrawing == 5
    assert len(place.texts()) == 15
    assert run(post, at_once=True) == Report("Sheet", "fake", written=5)
    assert len(place.texts()) == 10
    assert not any(ids["Ada"] in key for key in place.texts())
    content = content_of(tmp_path / "gallery")
    assert ids["Ada"].encode() not in content
    assert b"Ada Lovelace" not in content


def test_a_merged_person_is_one_in_the_place(gallery, post, place, session, ids):
    """Rows of the one that went go, those of the one that stayed say what both did."""
    run(post)
    gallery.merge("Bob Marley", "Ada Lovelace")
    run(post)
    texts = place.texts()
    assert len(texts) == 10
    assert texts[mark(session, ids["Bob"])] == "✓"


def test_a_person_removed_while_the_register_is_told_is_withdrawn(gallery, post, place, ids):
    """The register still has her, the roster no longer: what is put of her is known as hers and goes with the next round."""

    class Removing:
        def __getattr__(self, name):
            return getattr(gallery.attendance, name)

        def corrections(self, session_id):
            said = gallery.attendance.corrections(session_id)
            if ids["Ada"] in {person.id for person in gallery.people()}:
                gallery.remove(ids["Ada"])
            return said

    run(replace(post, log=Removing()))
    assert any(ids["Ada"] in key for key in place.texts())
    run(post)
    assert not any(ids["Ada"] in key for key in place.texts())
    assert not any(
        ids["Ada"] in key
        for key in gallery.outbox.put(post.outbox.targets()[0].id, gallery.attendance.session("Algebra").id)
    )


def test_a_target_removed_meanwhile(gallery, post, target):
    """Removed between two requests: said, and the job goes on to the next."""
    events = []
    for event in deliver(post, [target]):
        events.append(event)
        if len(events) == 2:
            gallery.outbox.remove_target(target.id)
    assert events[-1].passed_over == "the target was removed meanwhile"


def test_a_session_that_cannot_be_derived_does_not_hinder_the_others(gallery, post, place):
    """A zone this machine does not know is said; the other session is delivered."""
    gallery.attendance.add_session(Session("Far", "day", "Mars/Olympus", first=date(2026, 3, 2)))
    report = run(post)
    assert "Mars/Olympus" in report.problem
    assert (report.written, len(place.texts())) == (15, 15)


def test_a_request_that_was_lost_is_no_trace_of_a_removed_person(tmp_path, gallery, post, place, ids):
    """What was only announced for them is forgotten as well."""
    place.before = raising(None, *[DeliveryError("offline", passing=True)] * 3)
    run(post)
    gallery.remove("Ada Lovelace")
    place.before = lambda: None
    run(post, at_once=True)
    assert ids["Ada"].encode() not in content_of(tmp_path / "gallery")


def test_two_processes_do_not_deliver_at_once(gallery, post, target, place):
    """While one is at work the other passes over; when that one is dead, it is not waited for."""
    work = deliver(post, [target])
    next(work)
    other = replace(post, holder=new_holder())
    assert run(other).passed_over == "another process is delivering there"
    work.close()
    assert run(other, at_once=True).passed_over == ""
    machine = new_holder().rsplit("/", 2)[0]
    dead = multiprocessing.get_context("spawn").Process()
    dead.start()
    dead.join()
    assert gallery.outbox.take(Lease(target.id, f"{machine}/{dead.pid}/x", timedelta(days=1)))
    assert run(other).passed_over == ""


def test_a_process_that_lost_its_lease_stops(gallery, post, target, clock, place):
    """It slept too long and another took over: it writes nothing more."""
    work = deliver(post, [target])
    next(work)
    clock.time += timedelta(minutes=11)
    assert gallery.outbox.take(Lease(target.id, "another", timedelta(minutes=10)))
    (report,) = [event for event in work if isinstance(event, Report)]
    assert "another process delivers to Sheet" in report.passed_over
    state = gallery.outbox.state(target.id)
    assert (state.holder, state.error) == ("another", "")


def test_a_killed_process_loses_and_doubles_nothing(tmp_path, gallery, place, target, session, ids):
    """Kill -9 at any moment, twenty times, while the book changes: every entry is there once, as the book has it."""
    context = multiprocessing.get_context("forkserver")  # a process per kill in milliseconds, without our connections
    context.set_forkserver_preload(["tests.unit.jobs.delivering"])
    path, killed = tmp_path / "gallery" / "gallery.db", 0
    for kill in range(KILLS):
        rewrite(gallery, session, ids, ("late", "present", "absent")[kill % 3])
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=delivering.deliver_until_killed, args=(path, place.path, theirs))
        process.start()
        assert ours.poll(30)
        wall.sleep(0.02 + kill % 7 * 0.013)
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        place.texts()
    assert killed == KILLS
    clock = Clock()
    report = run(Post(gallery.attendance, gallery.outbox, lambda _: place, clock), at_once=True)
    assert (report.problem, report.passed_over, report.edits) == ("", "", 0)
    wanted = whole_register(gallery.attendance, session, gallery.outbox.began(session.id), NOW)
    assert place.texts() == {key_of(entry): text_of(entry) for entry in wanted.entries}


def rewrite(gallery, session, ids, status):
    """Correct every mark there is."""
    days = [str((FIRST + i * WEEK).date()) for i in range(5)]
    given = [Correction(session.id, day, i, status, "again", "tester", NOW) for day in days for i in ids.values()]
    gallery.attendance.correct(given)
