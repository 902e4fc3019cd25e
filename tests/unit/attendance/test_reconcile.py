"""What is ours to write, and what somebody else changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.attendance.reconcile import Item, about, meant, reconcile, settled, tried

TEXTS = st.sampled_from(["", "✓", "✓ late", "–", "sick"])
KEYS = [f"marks/s/m{i}/p{i}" for i in range(4)]
TABLES = st.fixed_dictionaries(dict.fromkeys(KEYS, TEXTS))


class Place:
    """A place outside and what is remembered of it; an empty value is forgotten, as the store does."""

    def __init__(self, cells=None, known=None):
        self.cells = dict(cells or dict.fromkeys(KEYS, ""))
        self.known = dict(known or {})

    def remember(self, put):
        self.known = {key: value for key, value in {**self.known, **put}.items() if value}

    def compare(self, wanted):
        return reconcile(Item.of(self.known, key, wanted[key], self.cells[key], key) for key in KEYS)

    def deliver(self, wanted, *, lost=""):
        """One delivery; ``lost`` is what a kill takes: the request, or what it would have told us."""
        outcome = self.compare(wanted)
        self.remember(outcome.confirmed)
        self.remember(tried(outcome.writes))
        if lost != "request":
            self.cells.update(outcome.writes)
        if not lost:
            self.remember(settled(outcome.writes))
        return outcome


@pytest.mark.parametrize(
    ("put", "attempt", "found", "wanted", "what"),
    [
        (None, None, "", "✓", "write"),
        (None, None, "✓", "✓", "confirm"),
        (None, None, "sick", "✓", "edit"),
        ("✓", None, "✓", "✓ late", "write"),
        ("✓", None, "✓ late", "✓ late", "confirm"),
        ("✓", None, "sick", "✓ late", "edit"),
        ("✓", None, "", "✓", "edit"),
        ("✓", None, "✓", "✓", ""),
        (None, None, "", "", ""),
        ("✓", None, "✓", "", "write"),
        (None, "✓", "✓", "✓ late", "confirm write"),
        ("–", "✓", "✓", "✓ late", "confirm write"),
        ("–", "", "", "✓", "confirm write"),
        ("–", "✓", "–", "✓", "write"),
        ("–", "✓", "sick", "✓", "edit"),
        (None, None, "✓", "", "edit"),
    ],
)
def test_every_case(put, attempt, found, wanted, what):
    """What was put, tried, found and wanted decide between writing, remembering, reporting and nothing."""
    outcome = reconcile([Item("k", wanted, found, put, attempt)])
    did = {"confirm": outcome.confirmed, "write": outcome.writes, "edit": outcome.edits}
    assert [name for name, some in did.items() if some] == what.split()


@given(TABLES, st.lists(TABLES, max_size=3), TABLES)
def test_applying_the_writes_leaves_nothing_to_write(cells, before, wanted):
    """Whatever stood there and was delivered before: after a delivery the next one writes and remembers nothing."""
    place = Place(cells)
    for earlier in before:
        place.deliver(earlier)
    edits = place.deliver(wanted).edits
    again = place.compare(wanted)
    assert (again.writes, again.confirmed, again.edits) == ({}, {}, edits)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), TABLES, st.sampled_from(["", "request", "answer"])),
        st.tuples(st.just("edit"), st.sampled_from(KEYS), st.sampled_from(["sick", "excused"])),
    ),
    max_size=8,
)


@given(EVENTS, TABLES)
def test_a_hand_edit_is_never_overwritten(events, wanted):
    """In any order of deliveries, kills and edits, what somebody else wrote stands, and is reported."""
    place, by_hand = Place(), {}
    for event in events:
        if event[0] == "edit":
            by_hand[event[1]] = place.cells[event[1]] = event[2]
        else:
            place.deliver({key: value.replace("sick", "✓*") for key, value in event[1].items()}, lost=event[2])
    outcome = place.deliver({key: value.replace("sick", "✓*") for key, value in wanted.items()})
    assert {key: place.cells[key] for key in by_hand} == by_hand
    assert {edit.key for edit in outcome.edits} == set(by_hand)


@given(st.lists(st.tuples(TABLES, st.sampled_from(["", "request", "answer"])), max_size=6), TABLES)
def test_a_kill_is_never_taken_for_a_hand_edit(deliveries, wanted):
    """However often requests or their answers are lost, the place ends up as wanted and nobody is accused."""
    place = Place()
    for earlier, lost in deliveries:
        place.deliver(earlier, lost=lost)
    assert place.deliver(wanted).edits == ()
    assert place.cells == wanted


@given(TABLES, TABLES, st.permutations(KEYS))
def test_order_does_not_matter(cells, wanted, order):
    """Items are compared one by one: their order changes nothing."""
    known = {KEYS[0]: "✓", KEYS[1]: "–"}

    def outcome(keys):
        found = reconcile(Item.of(known, key, wanted[key], cells[key], key) for key in keys)
        return found.writes, found.confirmed, {edit.key: edit for edit in found.edits}

    assert outcome(order) == outcome(KEYS)


@given(TABLES)
def test_a_lost_memory_changes_nothing_there(wanted):
    """What stands there as wanted counts as put when everything that was remembered is lost."""
    place = Place()
    place.deliver(wanted)
    place.known = {}
    outcome = place.compare(wanted)
    assert (outcome.writes, outcome.edits) == ({}, ())
    assert {key: value for key, value in outcome.confirmed.items() if value} == {k: v for k, v in wanted.items() if v}


def test_items_of_removed_people():
    """The person's id ends the key, whatever kind of item it is."""
    keys = ["marks/s/2026-03-02/p1", "~marks/s/2026-03-02/p1", "row/s/p1", "marks/s/2026-03-02/p10", "column/s/p1/x"]
    assert about(keys, {"p1"}) == keys[:3]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("✓", "present"),
        (" ✓ LATE * ", "late"),
        ("✓ left*", "left"),
        ("–", "absent"),
        ("Absent", "absent"),
        ("TRUE", "present"),
        ("sick", None),
        ("", None),
        ("…", None),
    ],
)
def test_what_a_text_means(text, status):
    """Our own marks, their names and a check box are understood; nothing else is guessed at."""
    assert meant(text) == status
