"""Targets, what stands there through us, and what others changed there."""

from datetime import UTC, datetime, time, timedelta

import pytest

from mien.core.attendance import Correction, Delivered, Edit, Session, Target
from mien.core.errors import DeliveryError, DuplicateError, InputError, NotFoundError
from mien.store.gallery import open_gallery
from mien.store.outbox import Failure, Lease
from tests.unit.store.test_erasure import content_of

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MEETING = "2026-03-02"
MINUTES = timedelta(minutes=10)


class Clock:
    """Stands until it is moved."""

    def __init__(self):
        self.time = NOON

    def now(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gallery(path, clock):
    """Ada, Bob and a course that both attend."""
    with open_gallery(path, actor="tester", clock=clock, patience=0.3) as opened:
        course = Session("Algebra", "course", "UTC", weekdays=(0,), start=time(8), end=time(9))
        session = opened.attendance.add_session(course)
        opened.attendance.set_roster(session.id, ["Ada Lovelace", "Bob Marley"])
        yield opened


@pytest.fixture
def outbox(gallery):
    return gallery.outbox


@pytest.fixture
def session(gallery):
    return gallery.attendance.session("Algebra").id


@pytest.fixture
def ids(gallery):
    return {person.name.split()[0]: person.id for person in gallery.people()}


@pytest.fixture
def lease(outbox):
    """The right to deliver to a sheet."""
    target = outbox.add_target(Target("Sheet", "sheets", options={"key": "abc"}))
    lease = Lease(target.id, "one", MINUTES)
    assert outbox.take(lease)
    return lease


def key(session, person_id):
    return f"marks/{session}/{MEETING}/{person_id}"


def edit(session, person_id, found="was ill", status=None):
    item = key(session, person_id)
    return Edit(item, f"{session}/{MEETING}/{person_id}", "Marks!B2", "✓", found, "✓", status)


def test_a_target_comes_back_as_it_was(outbox, session):
    """Name, kind, session and options; names are unique and slips are answered with what is there."""
    added = outbox.add_target(Target("Lớp 7a", "webhook", session, {"url": "https://example.org"}))
    assert added == outbox.target("lớp 7A") == outbox.target(added.id) == outbox.targets()[0]
    assert (added.kind, added.session_id, dict(added.options)) == ("webhook", session, {"url": "https://example.org"})
    with pytest.raises(DuplicateError, match="another name"):
        outbox.add_target(Target("lớp 7a", "file"))
    with pytest.raises(NotFoundError, match="did you mean 'Lớp 7a'"):
        outbox.target("Lớp 7")
    with pytest.raises(NotFoundError, match="no session"):
        outbox.add_target(Target("Other", "file", "nowhere"))


def test_one_delivers_at_a_time(outbox, lease, clock):
    """A second holder waits until the first gives back, dies, or has not been heard of for as long as the lease lasts."""
    second = Lease(lease.target_id, "two", MINUTES)
    assert not outbox.take(second)
    assert outbox.take(lease)
    outbox.give_back(second)
    assert outbox.state(lease.target_id).holder == "one"
    outbox.give_back(lease)
    assert outbox.take(second)
    assert outbox.take(lease, instead_of="two")
    clock.time += MINUTES
    assert outbox.take(second)


def test_what_stands_there_is_remembered(outbox, lease, session, ids):
    """Values are replaced, empty ones forgotten, by target and session; a thousand at once."""
    many = {f"{i}/{ids['Ada']}": "✓" for i in range(1000)}
    outbox.settle(lease, session, Delivered(many), ids.values())
    outbox.settle(lease, session, Delivered({f"0/{ids['Ada']}": "–", f"1/{ids['Ada']}": ""}), ids.values())
    put = outbox.put(lease.target_id, session)
    assert (len(put), put[f"0/{ids['Ada']}"]) == (999, "–")
    assert outbox.put(outbox.add_target(Target("Other", "file")).id, session) == {}


def test_who_lost_the_lease_writes_nothing(outbox, lease, session, ids, clock):
    """A process that slept too long finds another at work; a target removed meanwhile is said to be."""
    clock.time += MINUTES
    assert outbox.take(Lease(lease.target_id, "two", MINUTES))
    with pytest.raises(DeliveryError, match="another process delivers to Sheet"):
        outbox.settle(lease, session, Delivered({"a": "✓"}), ids.values())
    assert outbox.put(lease.target_id, session) == {}
    outbox.remove_target(lease.target_id)
    with pytest.raises(NotFoundError, match="removed meanwhile"):
        outbox.finish(lease, session, ())


def test_a_failure_has_a_beginning(outbox, lease, clock):
    """``since`` is the first failure in a row, attempts are counted, success clears all of it."""
    for minute in range(3):
        clock.time = NOON + timedelta(minutes=minute)
        outbox.fail(lease.target_id, Failure("offline", True, clock.time + MINUTES, 14))
    state = outbox.state(lease.target_id)
    assert (state.error, state.since, state.attempts, state.waiting) == ("offline", NOON, 3, 14)
    assert state.next_attempt == clock.time + MINUTES
    outbox.succeed(lease)
    state = outbox.state(lease.target_id)
    assert (state.error, state.since, state.attempts, state.waiting) == ("", None, 0, 0)
    assert state.delivered == clock.time


def test_an_edit_is_one_until_it_is_settled(outbox, lease, session, ids, clock):
    """Found again it is the same, with what stands there now; no longer found it is gone; then it may come anew."""
    first = edit(session, ids["Ada"])
    assert outbox.settle(lease, session, Delivered(edits=(first,)), ids.values()) == 1
    assert outbox.settle(lease, session, Delivered(edits=(edit(session, ids["Ada"], "ill"),)), ids.values()) == 0
    (held,) = outbox.edits()
    assert (held.target, held.edit.found, held.seen, held.state) == ("Sheet", "ill", NOON, "open")
    assert outbox.finish(lease, session, {first.key}) == 0
    assert outbox.finish(lease, session, ()) == 1
    assert outbox.edits() == []
    assert [e.state for e in outbox.edits(settled=True)] == ["gone"]
    assert outbox.settle(lease, session, Delivered(edits=(first,)), ids.values()) == 1


def test_an_edit_is_adopted(gallery, outbox, lease, session, ids):
    """The correction is in the book, what was found is the new base, the audit names nobody."""
    outbox.settle(
        lease, session, Delivered({key(session, ids["Ada"]): "✓"}, (edit(session, ids["Ada"]),)), ids.values()
    )
    (held,) = outbox.edits()
    given = Correction(session, MEETING, ids["Ada"], "absent", "changed by hand", "tester", NOON)
    done = outbox.adopt(held.id[:8], given, found="was ill")
    assert (done.state, done.by, done.settled) == ("adopted", "tester", NOON)
    assert gallery.attendance.corrections(session) == [given]
    assert outbox.put(lease.target_id, session) == {key(session, ids["Ada"]): "was ill"}
    line = gallery.audit(1)[0]
    assert (line.action, ids["Ada"] in str(line)) == ("adopt edit", False)
    with pytest.raises(NotFoundError, match="no open edit"):
        outbox.restore(held.id)


def test_an_edit_that_changed_again_is_not_adopted(gallery, outbox, lease, session, ids):
    """What was typed there last is neither taken for what was typed before nor written over."""
    item = key(session, ids["Ada"])
    outbox.settle(lease, session, Delivered({item: "✓"}, (edit(session, ids["Ada"], "late"),)), ids.values())
    (held,) = outbox.edits()
    outbox.settle(lease, session, Delivered(edits=(edit(session, ids["Ada"], "excused"),)), ids.values())
    given = Correction(session, MEETING, ids["Ada"], "late", "changed by hand", "tester", NOON)
    with pytest.raises(InputError, match="was changed again, to 'excused'"):
        outbox.adopt(held.id, given, found=held.edit.found)
    assert gallery.attendance.corrections(session) == []
    assert outbox.put(lease.target_id, session) == {item: "✓"}
    assert [e.edit.found for e in outbox.edits()] == ["excused"]


def test_an_edit_is_restored(gallery, outbox, lease, session, ids):
    """What was found is the new base, so that the next delivery writes over it; a cleared cell is none."""
    found = (edit(session, ids["Ada"]), edit(session, ids["Bob"], ""))
    outbox.settle(lease, session, Delivered({e.key: "✓" for e in found}, found), ids.values())
    for held in outbox.edits():
        assert outbox.restore(held.id).state == "restored"
    assert outbox.put(lease.target_id, session) == {found[0].key: "was ill"}
    assert gallery.attendance.corrections(session) == []
    assert gallery.audit(1)[0].action == "restore edit"


@pytest.mark.file
def test_a_removed_person_is_withdrawn(path, gallery, outbox, lease, session, ids):
    """Their id stays until the place let go of it, said in the receipt; then no file holds it or their name any more."""
    names = {f"name/{ids['Ada']}": "Ada Lovelace", key(session, ids["Ada"]): "✓", key(session, ids["Bob"]): "✓"}
    outbox.settle(lease, session, Delivered(names, (edit(session, ids["Ada"], "Ada was ill"),)), ids.values())
    receipt = gallery.remove("Ada Lovelace")
    assert receipt.verified, receipt
    assert receipt.withdrawing == {"Sheet": 2}
    assert receipt.removed["edits"] == 1
    assert any("mien attendance deliver" in note for note in receipt.notes)
    assert outbox.state(lease.target_id).withdrawing == 2
    assert outbox.withdrawn(lease.target_id, session) == {ids["Ada"]}
    gone = {k: "" for k in names if ids["Ada"] in k}
    outbox.settle(lease, session, Delivered(gone, (edit(session, ids["Ada"]),)), ids.values())
    assert outbox.edits() == []  # nothing new is kept about them
    assert outbox.wipe() == []
    content = content_of(path.parent)
    assert not any(secret in content for secret in (ids["Ada"].encode(), b"Ada Lovelace", b"Ada was ill"))
    assert outbox.put(lease.target_id, session) == {key(session, ids["Bob"]): "✓"}


def test_a_merged_person_is_withdrawn(gallery, outbox, lease, session, ids):
    """Items of the one that goes are to be taken away, also when the one that stayed is removed later."""
    put = {key(session, i): "✓" for i in ids.values()}
    outbox.settle(lease, session, Delivered(put, (edit(session, ids["Ada"]),)), ids.values())
    gallery.merge("Bob Marley", "Ada Lovelace")
    assert outbox.withdrawn(lease.target_id, session) == {ids["Ada"]}
    assert outbox.edits() == []
    receipt = gallery.remove("Bob Marley")
    assert (receipt.verified, receipt.withdrawing) == (True, {"Sheet": 2})


def test_a_target_goes_with_its_session(gallery, outbox, session):
    """A removed session takes its targets along; those of all sessions stay."""
    outbox.add_target(Target("Own", "file", session))
    outbox.add_target(Target("All", "file"))
    with gallery._database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM sessions")
    assert [target.name for target in outbox.targets()] == ["All"]
