"""The real gspread against a Google of ours: what stands in the sheets, whatever happens on the way."""

import random
from contextlib import suppress

import pytest

from mien.attendance.tables import MARKS as MARKS_OF
from mien.core.errors import DeliveryError, SettingError
from tests.unit.attendance.conftest import MARKS, MINUTE, TIMES, WEEK, Outbox

MONDAY, NEXT = "2026-03-02", "2026-03-09"
ENTRY = f"s1/{MONDAY}"


def marks(google):
    """Rows of the check marks."""
    return google.sheets[MARKS].tab("Algebra marks").values


def log(google):
    """Rows of the time stamps."""
    return google.sheets[TIMES].tab("Algebra times").values


def by_id(rows):
    """Rows as dicts, by their id."""
    head = next(row for row in rows if "mien id" in row)
    full = [dict(zip(head, row + [""] * len(head), strict=False)) for row in rows[rows.index(head) + 1 :]]
    return {row["mien id"]: row for row in full if row["mien id"]}


def test_both_sheets(google, outbox, school):
    """Check marks and time stamps of seed 002, in two spreadsheets; names that look like formulas stay text."""
    outbox.deliver(school)
    assert marks(google) == [
        ["name", "mien id", MONDAY],
        ["Ada", "p1", "✓"],
        ["=1+1", "p2", "✓ late"],
        ["+Đức", "p3", "✓*"],
        ["Ada", "p4", "–"],
    ]
    heads = ["date", "session", "name", "arrived", "last seen", "status", "minutes late", "by", "reason", "mien id"]
    came, seen = f"{MONDAY} 07:55:00 CET", f"{MONDAY} 09:00:00 CET"
    late = f"{MONDAY} 08:20:00 CET"
    assert log(google) == [
        heads,
        [MONDAY, "Algebra", "Ada", came, seen, "present", "0", "camera", "", f"{ENTRY}/p1"],
        [MONDAY, "Algebra", "=1+1", late, late, "late", "20", "camera", "", f"{ENTRY}/p2"],
        [MONDAY, "Algebra", "+Đức", "", "", "present", "", "teacher", "behind the pillar", f"{ENTRY}/p3"],
    ]
    assert outbox.edits == {}


def test_again_writes_nothing(google, outbox, school):
    """What stands there already costs two reads a sheet and no write."""
    outbox.deliver(school)
    before = dict(outbox.put)
    google.log.clear()
    outbox.deliver(school)
    assert (google.requests("read"), google.requests("write")) == (4, 0)
    assert outbox.put == before


def test_one_spreadsheet_for_both(google, channel_of, school):
    """Both tabs may be in one spreadsheet, which may be given by its address; either may be left out."""
    url = f"https://docs.google.com/spreadsheets/d/{MARKS}/edit#gid=0"
    Outbox(channel_of(times=url)).deliver(school)
    assert [tab.title for tab in google.sheets[MARKS].tabs] == ["Sheet1", "Algebra marks", "Algebra times"]
    Outbox(channel_of(marks="")).deliver(school)
    assert [tab.title for tab in google.sheets[TIMES].tabs] == ["Sheet1", "Algebra times"]


def test_what_changes_is_written_in_its_place(google, outbox, school):
    """A later sighting, a correction, a new name and a new meeting change their cells and add nothing twice."""
    outbox.deliver(school)
    school.see("p1", 80)
    school.correct("p2", "present", "the clock was fast")
    school.rename("p4", "Ada L.")
    school.now += WEEK
    school.see("p4", 7 * 24 * 60)
    outbox.deliver(school)
    assert marks(google)[0] == ["name", "mien id", MONDAY, NEXT]
    rows = by_id(marks(google))
    assert rows["p2"][MONDAY] == "✓*"
    assert rows["p4"] == {"name": "Ada L.", "mien id": "p4", MONDAY: "–", NEXT: "✓"}
    rows = by_id(log(google))
    assert len(log(google)) == 1 + len(rows) == 5
    assert rows[f"{ENTRY}/p1"]["last seen"].startswith(f"{MONDAY} 09:20")
    assert rows[f"{ENTRY}/p2"]["reason"] == "the clock was fast"
    assert outbox.edits == {}


def test_who_is_still_expected_has_an_empty_cell(google, outbox, school):
    """A dash is a decision: until the meeting is over the cell is empty."""
    school.now -= 60 * MINUTE
    outbox.deliver(school)
    assert marks(google)[4] == ["Ada", "p4"]
    school.now += 60 * MINUTE
    outbox.deliver(school)
    assert marks(google)[4] == ["Ada", "p4", "–"]


# Outages


@pytest.mark.parametrize(
    "fault", ["cut before", "cut middle", "cut after", "500", "503", "429", "429 wait", "login page"]
)
@pytest.mark.parametrize("on", ["read", "write"])
def test_an_outage_loses_and_doubles_nothing(google, outbox, school, fault, on):
    """Whatever breaks whenever: a passing error, and afterwards every entry stands there once."""
    google.fail(fault, on, times=1)
    with pytest.raises(DeliveryError) as caught:
        outbox.deliver(school)
    assert caught.value.passing
    assert caught.value.wait == (30 if fault == "429 wait" else None)
    school.see("p1", 85)  # life goes on meanwhile
    school.correct("p4", "left", "was ill")
    google.fail(fault, on, times=1, after=1)
    with pytest.raises(DeliveryError):
        outbox.deliver(school)
    school.see("p2", 86)
    assert outbox.deliver(school).edits == {}
    assert [row[0] for row in marks(google)] == ["name", "Ada", "=1+1", "+Đức", "Ada"]
    assert [row[-1] for row in log(google)] == ["mien id", *(f"{ENTRY}/p{i}" for i in (1, 2, 3, 4))]
    assert by_id(log(google))[f"{ENTRY}/p1"]["last seen"].startswith(f"{MONDAY} 09:25")


def test_an_hour_offline(google, outbox, school, channel_of):
    """Nobody answers: passing, in words; afterwards everything arrives."""
    away = Outbox(channel_of(api="http://127.0.0.1:9"))
    with pytest.raises(DeliveryError, match="offline") as caught:
        away.deliver(school)
    assert caught.value.passing
    outbox.put = away.put
    assert len(log(google if not outbox.deliver(school).edits else None)) == 4


def test_a_slow_google(google, outbox, school, monkeypatch):
    """An answer that comes too late is no answer: passing; what was written then is found the next time."""
    monkeypatch.setattr("mien.attendance.sinks.google_client._TIMEOUT", (5.0, 0.3))
    google.latency = 0.6
    with pytest.raises(DeliveryError, match="in time") as caught:
        outbox.deliver(school)
    assert caught.value.passing
    google.latency = 0.0
    monkeypatch.setattr("mien.attendance.sinks.google_client._TIMEOUT", (5.0, 30.0))
    assert outbox.deliver(school).edits == {}
    assert (len(marks(google)), len(log(google))) == (5, 4)


def test_killed_anywhere(google, outbox, school):
    """A process that dies at any point, again and again, with new sightings between: everything once, no false edits."""
    for minute, after in enumerate(range(1, 12)):
        school.see("p1", 61 + minute)
        school.see("p4", 20 + minute)
        outbox.deliver(school, kill_after=after)
        assert outbox.edits == {}
    assert outbox.deliver(school).edits == {}
    assert len(log(google)) == 5
    assert len(marks(google)) == 5
    assert by_id(log(google))[f"{ENTRY}/p4"]["last seen"].startswith(f"{MONDAY} 08:30")


def test_everything_forgotten(google, outbox, school):
    """A gallery restored from an old backup: what stands there as wanted counts as put, nothing is written twice."""
    outbox.deliver(school)
    known, outbox.put = outbox.put, {}
    google.log.clear()
    outbox.deliver(school)
    assert google.requests("write") == 0
    assert outbox.put == known
    assert outbox.edits == {}


# What a teacher does


def test_a_cell_edited_by_hand(google, outbox, school):
    """It is kept and reported with the mark it means; taken back, or restored, it is ours again."""
    outbox.deliver(school)
    tab = google.sheets[MARKS].tab("Algebra marks")
    tab.put(4, 2, "late")
    school.correct("p4", "absent", "was not there")
    edit = outbox.deliver(school).edits[f"marks/{ENTRY}/p4"]
    assert (edit.where, edit.put, edit.found, edit.wanted) == ("Algebra marks!C5", "–", "late", "–*")
    assert (edit.status, edit.entry_id) == ("late", f"{ENTRY}/p4")
    assert marks(google)[4][2] == "late"
    outbox.restore(edit.key)
    assert outbox.deliver(school).edits == {}
    assert marks(google)[4][2] == "–*"


def test_a_mark_made_by_hand_before_ours(google, outbox, school):
    """A teacher ticks the empty cell of somebody still expected: it stays when the camera decides otherwise."""
    school.now -= 60 * MINUTE
    outbox.deliver(school)
    google.sheets[MARKS].tab("Algebra marks").put(4, 2, "✓")
    school.now += 60 * MINUTE
    assert outbox.deliver(school).edits[f"marks/{ENTRY}/p4"].status == "present"
    assert marks(google)[4][2] == "✓"


def test_sorted_moved_widened_and_renamed(google, outbox, school):
    """Rows sorted, a column inserted, a title above, own columns, a renamed tab: found again, and all of it kept."""
    outbox.deliver(school)
    tab = google.sheets[MARKS].tab("Algebra marks")
    tab.sort(1, backwards=True)
    tab.insert_column(0, "seat")
    tab.put(1, 0, "window")
    tab.put(0, 4, "remarks")
    tab.insert_row(0)
    tab.put(0, 1, "My class")
    tab.title = "Class 7b"
    school.correct("p1", "left", "headache")
    school.now += WEEK
    assert outbox.deliver(school).edits == {}
    rows = google.sheets[MARKS].tab("Class 7b").values
    assert rows[:2] == [["", "My class"], ["seat", "name", "mien id", MONDAY, NEXT, "remarks"]]
    assert rows[2][:3] == ["window", "Ada", "p4"]
    assert by_id(rows)["p1"][MONDAY] == "✓ left*"
    assert [t.title for t in google.sheets[MARKS].tabs] == ["Sheet1", "Class 7b"]


def test_sorted_between_two_portions(google, outbox, school, monkeypatch):
    """Each portion goes where its rows are by then: nobody gets the mark of somebody else."""
    outbox.deliver(school)
    monkeypatch.setattr("mien.attendance.sinks.sheet_plan._CELLS", 1)
    wanted = {"p1": "left", "p2": "excused", "p3": "late", "p4": "present"}
    for who, status in wanted.items():
        school.correct(who, status, "said so")
    put = dict(outbox.put)
    for i, delivered in enumerate(outbox.channel.deliver(school.register, put)):
        put |= delivered.put
        if "" in delivered.put.values():  # a portion is written: nothing is under way
            google.sheets[MARKS].tab("Algebra marks").sort(1, backwards=i % 4 == 1)
    rows = by_id(marks(google))
    assert {who: rows[who][MONDAY] for who in wanted} == {w: f"{MARKS_OF[s]}*" for w, s in wanted.items()}
    outbox.put = {key: value for key, value in put.items() if value}
    assert outbox.deliver(school).edits == {}


def test_a_deleted_row_column_and_tab(google, outbox, school):
    """What somebody deleted is reported and not made again, until they say so."""
    outbox.deliver(school)
    tab = google.sheets[MARKS].tab("Algebra marks")
    tab.delete_row(2)
    tab.delete_column(2)
    sheets = google.sheets[TIMES]
    sheets.tabs.remove(sheets.tab("Algebra times"))
    school.see("p4", 30)
    edits = outbox.deliver(school).edits
    assert set(edits) == {"marks/row/p2", f"marks/column/{MONDAY}", "times/tab"}
    assert edits["marks/row/p2"].where == "Algebra marks: row of =1+1"
    assert edits["times/tab"].where == "Time stamps: tab Algebra times"
    assert marks(google) == [["name", "mien id"], ["Ada", "p1"], ["+Đức", "p3"], ["Ada", "p4"]]
    for key in edits:
        outbox.restore(key)
    assert outbox.deliver(school).edits == {}
    assert by_id(marks(google))["p2"][MONDAY] == "✓ late"
    assert by_id(marks(google))["p4"][MONDAY] == "✓ late"
    assert len(log(google)) == 5


def test_a_renamed_head(google, outbox, school):
    """A meeting's head that is gone is reported; without the ids nothing is written, and all goes on when they are back."""
    outbox.deliver(school)
    tab = google.sheets[MARKS].tab("Algebra marks")
    tab.put(0, 1, "number")
    tab.put(0, 2, "week 1")
    before = tab.values
    school.correct("p4", "late", "was there")
    assert list(outbox.deliver(school).edits) == ["marks/column/mien id"]
    assert tab.values == before
    tab.put(0, 1, "mien id")
    assert list(outbox.deliver(school).edits) == [f"marks/column/{MONDAY}"]
    tab.put(0, 2, MONDAY)
    assert outbox.deliver(school).edits == {}
    assert by_id(marks(google))["p4"][MONDAY] == "✓ late*"


def test_a_cleared_tab(google, outbox, school):
    """Somebody empties a tab: it is filled again only when they say so."""
    outbox.deliver(school)
    whole = marks(google)
    google.sheets[MARKS].tab("Algebra marks").cells.clear()
    assert list(outbox.deliver(school).edits) == ["marks/column/mien id"]
    assert marks(google) == []
    outbox.restore("marks/column/mien id")
    assert outbox.deliver(school).edits == {}
    assert marks(google) == whole
    assert outbox.deliver(school).edits == {}


def test_a_deleted_line_of_the_log(google, outbox, school):
    """It is reported, and the others go on."""
    outbox.deliver(school)
    tab = google.sheets[TIMES].tab("Algebra times")
    tab.delete_row(1)
    school.see("p2", 50)
    edits = outbox.deliver(school).edits
    assert [(e.key, e.where) for e in edits.values()] == [(f"times/{ENTRY}/p1", f"Algebra times: row of Ada, {MONDAY}")]
    assert by_id(log(google))[f"{ENTRY}/p2"]["last seen"].startswith(f"{MONDAY} 08:50")


def test_a_copied_row(google, outbox, school):
    """The first of two rows with one id is kept up to date, the other is reported."""
    outbox.deliver(school)
    tab = google.sheets[MARKS].tab("Algebra marks")
    for column, text in enumerate(tab.values[1]):
        tab.put(7, column, text)
    assert [e.where for e in outbox.deliver(school).edits.values()] == ["Algebra marks!A8"]


def test_a_head_that_stands_there_twice(google, outbox, school):
    """Nobody can know which of two columns is meant: an error names them, and the other sheet is delivered."""
    outbox.deliver(school)
    google.sheets[MARKS].tab("Algebra marks").put(0, 5, MONDAY)
    school.see("p1", 70)
    with pytest.raises(DeliveryError, match=rf"two columns called {MONDAY}") as caught:
        outbox.deliver(school)
    assert not caught.value.passing
    assert by_id(log(google))[f"{ENTRY}/p1"]["last seen"].startswith(f"{MONDAY} 09:10")


def test_a_tab_that_holds_something_else(google, outbox, school):
    """A tab of that name with other things in it is not written over; an empty one is taken."""
    google.sheets[MARKS].tab(0).title = "Algebra marks"
    google.sheets[TIMES].tab(0).title = "ALGEBRA TIMES"
    google.sheets[MARKS].tab(0).put(0, 0, "Shopping")
    with pytest.raises(DeliveryError, match="holds something else"):
        outbox.deliver(school)
    assert marks(google) == [["Shopping"]]
    assert len(google.sheets[TIMES].tab("ALGEBRA TIMES").values) == 4
    google.sheets[MARKS].tab(0).cells.clear()
    outbox.deliver(school)
    assert len(marks(google)) == 5


class Chaos:
    """A class, a teacher and a bad network, all at once and in any order."""

    def __init__(self, google, outbox, school, seed):
        self.google, self.outbox, self.school = google, outbox, school
        self.random = random.Random(seed)
        self.by_hand = {}
        self.minute = 20

    @property
    def tab(self):
        return self.google.sheets[MARKS].tabs[1]

    def live(self):
        self.minute += 1
        who = self.random.choice(self.school.people).id
        self.random.choice(
            [lambda: self.school.see(who, self.minute), lambda: self.school.correct(who, "late", "late")]
        )()

    def teach(self):
        self.random.choice([self.sort, self.widen, self.rename, self.edit])()

    def sort(self):
        self.tab.sort(self.random.randrange(3), backwards=self.random.random() < 0.5)

    def widen(self):
        self.tab.insert_column(self.random.randrange(4), f"own {self.minute}-{self.random.random()}")

    def rename(self):
        self.tab.title = f"Class {self.random.random()}"

    def edit(self):
        who = self.random.choice(self.school.people).id
        if any(who in row for row in self.tab.values):
            row, column = self.tab.find(who)[0], self.tab.find(MONDAY)[1]
            self.tab.put(row, column, "sick")
            self.by_hand[who] = "sick"

    def deliver(self):
        if self.random.random() < 0.5:
            fault = self.random.choice(["cut before", "cut middle", "cut after", "503", "429"])
            self.google.fail(fault, self.random.choice(["read", "write"]), after=self.random.randrange(2))
        with suppress(DeliveryError):
            self.outbox.deliver(self.school, kill_after=self.random.choice([None, None, 1, 2, 3, 4, 5, 6]))


@pytest.mark.parametrize("seed", range(4))
def test_chaos(google, outbox, school, seed):
    """Sightings, corrections, edits, sorting, renaming, cuts and kills: every entry once, every hand edit kept, none invented."""
    outbox.deliver(school)
    chaos = Chaos(google, outbox, school, seed)
    for _ in range(12):
        chaos.live()
        chaos.teach()
        chaos.deliver()
    google.faults.clear()
    assert set(outbox.deliver(school).edits) == {f"marks/{ENTRY}/{who}" for who in chaos.by_hand}
    wanted = {e.person_id: e for e in school.register.entries}
    rows = by_id(chaos.tab.values)
    assert len(rows) == sum(any(i in row for i in wanted) for row in chaos.tab.values) == 4
    for who, entry in wanted.items():
        mark = MARKS_OF[entry.status] + ("*" if entry.correction else "")
        assert rows[who][MONDAY] == chaos.by_hand.get(who, mark)
    told = [e for e in wanted.values() if e.attended or e.correction]
    assert sorted(row[-1] for row in log(google)[1:]) == sorted(e.id for e in told)
    google.log.clear()
    outbox.deliver(school)
    assert google.requests("write") == 0


# Removal


def test_removed_people_go_from_the_sheets(google, outbox, school):
    """Whatever is ours in their rows is emptied, edited or not; what others wrote beside it stays."""
    outbox.deliver(school)
    tab = google.sheets[MARKS].tab("Algebra marks")
    tab.put(1, 0, "Ada Lovelace")
    tab.put(1, 5, "remark")
    school.remove("p1")
    outbox.deliver(school, withdrawn={"p1"})
    assert marks(google)[1] == ["", "", "", "", "", "remark"]
    assert not any("p1" in cell or "Lovelace" in cell for row in [*marks(google), *log(google)] for cell in row)
    assert not any(key.endswith("/p1") for key in outbox.put)
    assert outbox.edits == {}


def test_removed_people_without_a_memory(google, outbox, school):
    """Their rows are found by the id, even if what was put is no longer known."""
    outbox.deliver(school)
    outbox.put = {}
    school.remove("p1")
    outbox.deliver(school, withdrawn={"p1"})
    assert not any("p1" in cell for row in [*marks(google), *log(google)] for cell in row)


# Several sessions


def test_two_sessions_of_one_name(google, channel_of, school):
    """Each session has its own tab, also if another is called the same."""
    from dataclasses import replace

    Outbox(channel_of()).deliver(school)
    school.session = replace(school.session, id="s2")
    second = Outbox(channel_of()).deliver(school)
    assert [t.title for t in google.sheets[MARKS].tabs] == ["Sheet1", "Algebra marks", "Algebra marks s2"]
    second.deliver(school)
    assert len(google.sheets[MARKS].tabs) == 3


# Quota


@pytest.mark.slow
def test_a_big_school_in_one_delivery(google, outbox, school, clock):
    """500 people and 40 meetings: 21,000 cells of marks and 18,000 lines in fewer requests than a minute allows."""
    from mien.core.people import Person
    from tests.unit.attendance.conftest import START

    school.people = [Person(f"person{i:03}", f"Student {i:03}", START) for i in range(500)]
    school.sightings, school.corrections = [], []
    for week in range(40):
        for i in range(500):
            if (i + week) % 10:
                school.see(f"person{i:03}", week * 7 * 24 * 60 + i % 20)
    school.now = START + 39 * WEEK + 100 * MINUTE
    outbox.deliver(school)
    assert sum(cell != "" for row in marks(google)[1:] for cell in row[2:]) == 20_000
    assert len(log(google)) == 1 + 18_000
    assert (google.requests("read"), google.requests("write")) == (20, 11)
    assert max(size for _, _, size in google.log) < 2_000_000
    assert clock.slept == 0
    google.log.clear()
    assert outbox.deliver(school).edits == {}
    assert (google.requests("read"), google.requests("write")) == (4, 0)


def test_many_deliveries_stay_within_the_quota(google, channel_of, school, clock):
    """Deliveries in a row wait by themselves: Google never has to refuse one."""
    outbox = Outbox(channel_of(marks=""))
    for minute in range(31):  # 62 reads
        school.see("p1", 20 + minute)
        outbox.deliver(school)
    assert 50 < clock.slept < 70
    assert by_id(log(google))[f"{ENTRY}/p1"]["last seen"].startswith(f"{MONDAY} 09:00")


# Options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"marks": "", "times": ""}, "no spreadsheet"),
        ({"key_file": ""}, "no key"),
        ({"marks": "my sheet"}, "'my sheet' is no spreadsheet"),
        ({"marks": "https://docs.google.com/spreadsheets/d/e/2PACX-1v/pubhtml"}, "published copy"),
    ],
)
def test_options_that_cannot_work(channel_of, options, words):
    """Each says what to give instead."""
    with pytest.raises(SettingError, match=words):
        channel_of(**options)


def test_the_key_is_never_sent_in_the_clear(channel_of, school):
    """Another address than Google's is https or this computer."""
    with pytest.raises(SettingError, match="in the clear"):
        Outbox(channel_of(api="http://example.org")).deliver(school)
