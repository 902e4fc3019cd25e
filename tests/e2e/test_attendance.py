"""From a roster and photographs to a register, on the command line."""

import csv
import io
import re
import shlex
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mien.core.attendance import Sighting
from mien.store.gallery import open_gallery
from tests.conftest import ROOT

MONDAY = "2026-03-02"
COURSE = ("--zone", "Europe/Berlin", "--weekdays", "mon", "--from", "08:00", "--to", "09:30", "--since", "2026-02-01")
WEEK = ("--since", "2026-03-01", "--until", "2026-03-07")
EIGHT = datetime(2026, 3, 2, 7, tzinfo=UTC)  # 08:00 in Berlin


def darker(image):
    return (image * 0.7).astype(np.uint8)


@pytest.fixture
def course(mien, home):
    """Algebra on Mondays with Ada and Đức, who have no photographs yet."""
    assert mien("attendance", "session", "add", "Algebra", *COURSE).code == 0
    (home / "class.csv").write_text("name\nAda\nĐức\n", encoding="utf-8")
    result = mien("attendance", "roster", "import", "class.csv", "--session", "algebra")
    assert result.code == 0
    assert "not known before: Ada, Đức" in result.err
    return home


def write_down(home, *sightings):
    """What a camera would write."""
    with open_gallery(home / "data" / "mien.db") as gallery:
        ids = {person.name: person.id for person in gallery.people()}
        gallery.attendance.append([sighting(ids) for sighting in sightings])


def marks(mien, *options):
    rows = csv.DictReader(io.StringIO(mien("attendance", "report", "Algebra", *WEEK, "--csv", *options).out))
    return {row["name"]: row[MONDAY] for row in rows}


def test_a_photograph_of_the_class_marks_who_is_on_it(mien, photo, course):
    """Enrolled, then a photograph at 08:05: Ada is present with her time, Đức absent; the same photograph twice is once."""
    assert mien("enroll", "Ada", photo("ada.png")).code == 0
    picture = photo("class.jpg", change=darker)
    result = mien("attendance", "see", picture, "--at", f"{MONDAY}T08:05+01:00", "--json")
    assert (result.json()[0]["people"], result.json()[0]["new"]) == ("Ada", 1)
    again = mien("attendance", "see", picture, "--at", f"{MONDAY}T08:05+01:00", "--json")
    assert again.json()[0]["new"] == 0
    assert marks(mien) == {"Ada": "✓", "Đức": "–"}
    assert marks(mien, "--form", "times") == {"Ada": "08:05", "Đức": ""}


def test_marks_and_corrections_by_hand(mien, course):
    """Mark once, correct with a reason: the report has the new value, and keeps the old one."""
    assert mien("attendance", "mark", "Algebra", "Ada", "Đức", "ada", "--on", MONDAY, "--at", "08:02").code == 0
    twice = mien("attendance", "mark", "Algebra", "Ada", "--on", MONDAY)
    assert twice.code == 1
    assert "Ada is present on 2026-03-02 already; change it with" in twice.err
    assert mien("attendance", "correct", "Algebra", "Ada", "late", "--on", MONDAY).code == 2  # no reason
    words = ("correct", "Algebra", "Ada", "late", "--on", MONDAY, "--at", "08:20", "--reason", "the bus")
    assert mien("attendance", *words).code == 0
    assert marks(mien) == {"Ada": "✓ late*", "Đức": "✓*"}
    entries = mien("attendance", "report", "Algebra", *WEEK, "--json").json()["entries"]
    (ada,) = [entry for entry in entries if entry["name"] == "Ada"]
    assert (ada["status"], ada["arrived"]) == ("late", "2026-03-02T08:20:00+01:00")
    assert (ada["old_status"], ada["old_arrived"], ada["reason"]) == ("present", "2026-03-02T08:02:00+01:00", "the bus")


def test_excused_is_said_by_hand_and_ahead(mien, course):
    """Somebody may be excused from a meeting to come; nothing else can be said of one; the totals leave them out."""
    coming = next(d for d in (datetime.now(UTC).date() + timedelta(days=n) for n in range(2, 10)) if d.weekday() == 0)
    words = ("mark", "Algebra", "Ada", "--on", coming.isoformat(), "--reason", "at the dentist's")
    assert "has not met" in mien("attendance", *words).err
    (row,) = mien("attendance", *words, "--as", "excused", "--json").json()
    assert (row["was"], row["is"]) == ("expected", "excused")
    assert mien("attendance", "correct", "Algebra", "Ada", "excused", "--on", MONDAY, "--reason", "ill").code == 0
    assert marks(mien) == {"Ada": "– excused*", "Đức": "–"}
    rows = mien("attendance", "report", "Algebra", *WEEK, "--form", "people", "--csv").out.splitlines()
    assert rows[0].startswith("name,present,late,left,absent,excused,expected,attended,share")
    assert (rows[1], rows[2]) == ("Ada,0,0,0,0,1,0,0,", "Đức,0,0,0,1,0,0,0,0.000")


def test_twins_are_a_question_until_somebody_answers(mien, course):
    """An ambiguous face marks nobody; the question names both; the answer marks one."""
    write_down(
        course,
        lambda ids: Sighting(EIGHT, "door", "ambiguous", candidates=(ids["Ada"], ids["Đức"]), id="face-1"),
        lambda _: Sighting(EIGHT, "door", "spoof", id="face-2"),
    )
    assert marks(mien) == {"Ada": "–", "Đức": "–"}
    assert "1 questions wait" in mien("attendance", "report", "Algebra", *WEEK).err
    (question,) = mien("attendance", "questions", *WEEK, "--json").json()
    assert question["who"] == "Ada or Đức"
    assert mien("attendance", "answer", "face-1", *WEEK).code == 2
    assert mien("attendance", "answer", "face-1", "đức", *WEEK).code == 0
    assert marks(mien) == {"Ada": "–", "Đức": "✓"}
    assert mien("attendance", "questions", *WEEK, "--json").json() == []
    assert mien("attendance", "answer", "face-1", "--nobody", *WEEK).code == 0  # second thoughts
    assert marks(mien) == {"Ada": "–", "Đức": "–"}


def test_sightings_that_mark_nobody_are_shown_with_the_reason(mien, course):
    """Out of hours, not on the roster, a stranger, a photograph held up: kept, and each says why; a clock step is told."""
    with open_gallery(course / "data" / "mien.db") as gallery:
        gallery.add("Cy", [])
    hours = timedelta(hours=1)
    write_down(
        course,
        lambda ids: Sighting(EIGHT + 5 * hours, "door", "match", ids["Ada"], id="1"),
        lambda ids: Sighting(EIGHT, "door", "match", ids["Cy"], id="2"),
        lambda _: Sighting(EIGHT, "door", "unknown", id="3"),
        lambda _: Sighting(EIGHT, "door", "spoof", id="4"),
        lambda ids: Sighting(EIGHT, "door", "match", ids["Ada"], id="5"),
    )
    result = mien("attendance", "sightings", "--unassigned", *WEEK, "--json")
    assert {row["id"]: row["why"] for row in result.json()} == {
        "1": "no session was open",
        "2": "not on the roster of Algebra",
        "3": "nobody that is known",
        "4": "not a living face",
    }
    assert "the clock of door went back" in result.err
    assert "4 sightings mark nobody in any session" in mien("attendance", "report", "Algebra", *WEEK).err
    assert len(mien("attendance", "report", "Algebra", *WEEK, "--json").json()["unassigned"]) == 3  # in its hours


def test_before_there_is_any_session(mien, home):
    """Sightings are kept and shown without a session; there are no questions."""
    with open_gallery(home / "data" / "mien.db") as gallery:
        person, _ = gallery.add("Ada", [])
        gallery.attendance.append([Sighting(EIGHT, "door", "match", person.id)])
    (row,) = mien("attendance", "sightings", *WEEK, "--json").json()
    assert (row["who"], row["why"]) == ("Ada", "no session was open")
    assert mien("attendance", "questions", "--json").json() == []


def test_open_and_close_by_hand(mien, home):
    """An ad hoc session counts what was seen between opening and closing, and tells when that makes no sense."""
    mien("attendance", "session", "add", "Drill", "--zone", "Europe/Berlin")
    (home / "all.csv").write_text("Ada\n")
    mien("attendance", "roster", "import", "all.csv", "--session", "Drill")
    assert mien("attendance", "session", "close", "Drill", "--at", f"{MONDAY}T10:00").code == 1
    assert mien("attendance", "session", "open", "Drill", "--at", f"{MONDAY}T10:00").code == 0
    assert mien("attendance", "session", "close", "Drill", "--at", f"{MONDAY}T10:30").code == 0
    write_down(home, lambda ids: Sighting(EIGHT + timedelta(hours=2, minutes=5), "door", "match", ids["Ada"]))
    data = mien("attendance", "report", "Drill", *WEEK, "--json").json()
    assert [m["key"] for m in data["meetings"]] == [f"{MONDAY}T10:00:00+01:00"]
    assert data["entries"][0]["status"] == "present"
    assert mien("attendance", "mark", "Drill", "Ada", "--on", MONDAY).code == 1


def test_files(mien, course):
    """Export and report --excel write files once; again only with --replace; other kinds are refused."""
    pytest.importorskip("openpyxl")
    for name in ("book.csv", "book.xlsx"):
        assert mien("attendance", "export", "Algebra", name, *WEEK).code == 0
        again = mien("attendance", "export", "Algebra", name, *WEEK)
        assert (again.code, "--replace" in again.err) == (1, True)
        assert mien("attendance", "export", "Algebra", name, *WEEK, "--replace").code == 0
    assert mien("attendance", "report", "Algebra", *WEEK, "--excel", "report.xlsx").code == 0
    assert mien("attendance", "export", "Algebra", "book.pdf", *WEEK).code == 2
    lines = list(csv.DictReader(io.StringIO((course / "book.csv").read_text(encoding="utf-8-sig"))))
    assert [line["name"] for line in lines] == ["Ada", "Đức"]


def test_sessions_and_rosters_are_listed(mien, course):
    """When each meets, in which zone, who should come and who has no photograph."""
    (row,) = mien("attendance", "session", "list", "--json").json()
    assert (row["when"], row["zone"], row["people"], row["open"]) == ("mon 08:00–09:30", "Europe/Berlin", 2, False)
    rows = mien("attendance", "roster", "show", "Algebra", "--json").json()
    assert [(r["name"], r["photos"]) for r in rows] == [("Ada", 0), ("Đức", 0)]


def test_an_edit_changes_no_past(mien, course):
    """A new hour counts from the next meeting on; to change the past, the date is given, the lines are shown and asked for."""
    write_down(course, lambda ids: Sighting(EIGHT + timedelta(minutes=5), "door", "match", ids["Ada"]))
    assert marks(mien) == {"Ada": "✓", "Đức": "–"}
    result = mien("attendance", "session", "edit", "Algebra", "--from", "07:30", "--to", "09:00", "--late-after", "0")
    assert (result.code, result.err) == (0, "")
    (listed,) = mien("attendance", "session", "list", "--json").json()
    assert listed["when"].endswith("mon 07:30–09:00")
    assert marks(mien) == {"Ada": "✓", "Đức": "–"}
    past = ("session", "edit", "Algebra", "--from", "07:50", "--to", "09:00", "--as-of", MONDAY)
    refused = mien("attendance", *past)
    assert (refused.code, "Nobody is there to answer: add --yes" in refused.err) == (2, True)
    assert f"Ada on {MONDAY}: present → late" in refused.err
    assert marks(mien) == {"Ada": "✓", "Đức": "–"}
    assert mien("attendance", *past, "--yes").code == 0
    assert marks(mien) == {"Ada": "✓ late", "Đức": "–"}
    before = mien("attendance", "report", "Algebra", "--since", "2026-02-23", "--until", "2026-02-23", "--json").json()
    assert before["meetings"][0]["due"] == "2026-02-23T08:00:00+01:00"


def test_a_change_to_come_does_not_come_earlier(mien, course):
    """A change from a later date leaves what is before it alone; an earlier one starts from what is now and takes it back."""
    assert mien("attendance", "session", "edit", "Algebra", "--from", "07:00", "--as-of", "2030-01-07").code == 0
    (listed,) = mien("attendance", "session", "list", "--json").json()
    assert listed["when"] == "mon 08:00–09:30; from 2030-01-07 mon 07:00–09:30"
    result = mien("attendance", "session", "edit", "Algebra", "--to", "09:00", "--as-of", "2029-01-01")
    assert "what was to change on 2030-01-07 is taken back" in result.err
    (listed,) = mien("attendance", "session", "list", "--json").json()
    assert listed["when"] == "mon 08:00–09:30; from 2029-01-01 mon 08:00–09:00"


def test_a_session_is_renamed_and_removed(mien, course):
    """The name changes everywhere; removed, its roster and marks go and are counted, what was seen stays."""
    write_down(course, lambda ids: Sighting(EIGHT, "door", "match", ids["Ada"], id="1"))
    assert mien("attendance", "session", "rename", "Algebra", "Geometry").code == 0
    assert mien("attendance", "report", "Algebra").code == 1
    mien("attendance", "mark", "Geometry", "Đức", "--on", MONDAY)
    assert mien("attendance", "session", "remove", "Geometry").code == 2
    (row,) = mien("attendance", "session", "remove", "Geometry", "--yes", "--json").json()
    assert row == {"session": "Geometry", "roster": 2, "openings": 0, "corrections": 1}
    assert mien("attendance", "session", "list", "--json").json() == []
    (seen,) = mien("attendance", "sightings", *WEEK, "--json").json()
    assert (seen["id"], seen["why"]) == ("1", "no session was open")


def test_totals_over_several_sessions(mien, course):
    """Attended of due in each, and the sums; somebody on one roster only has nothing in the other."""
    assert mien("attendance", "session", "add", "Choir", *COURSE).code == 0
    (course / "choir.csv").write_text("name\nAda\n")
    mien("attendance", "roster", "import", "choir.csv", "--session", "Choir")
    mien("attendance", "mark", "Choir", "Ada", "--on", MONDAY)
    for words in (("--all",), ("Algebra", "Choir", "choir")):
        result = mien("attendance", "report", *words, *WEEK, "--json")
        ada, duc = result.json()["totals"]
        assert (ada["Algebra"], ada["Choir"], ada["attended"], ada["share"]) == ("0/1", "1/1", 1, 0.5)
        assert (duc["Algebra"], duc["Choir"], duc["absent"]) == ("0/1", "", 1)
    assert mien("attendance", "report").code == 2
    assert "are of one session" in mien("attendance", "report", "--all", "--form", "times").err


def test_a_removed_person_is_gone_from_the_book(mien, course):
    """The receipt counts the rows; the register is that of those who stay."""
    mien("attendance", "mark", "Algebra", "Ada", "--on", MONDAY)
    receipt = mien("people", "remove", "Ada", "--yes", "--json").json()
    assert (receipt["verified"], receipt["removed"]["corrections"], receipt["removed"]["roster"]) == (True, 1, 1)
    assert marks(mien) == {"Đức": "–"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("session", "add", "X", "--zone", "Europe/Berln"), 2, "did you mean Europe/Berlin"),
        (("session", "add", "X", *COURSE[:3], "someday", *COURSE[4:]), 2, "no weekday"),
        (("session", "add", "X", *COURSE[:5], "8 o'clock", *COURSE[6:]), 2, "give a time such as 08:00"),
        (("session", "add", "X", *COURSE[:5], "08:00+01:00", *COURSE[6:]), 2, "without an offset"),
        (("session", "add", "X", *COURSE[:6]), 1, "needs weekdays, a start and an end"),
        (("session", "add", "algebra", *COURSE), 1, "is called 'algebra' already"),
        (("session", "add", "X", *COURSE[:3], "monster", *COURSE[4:]), 2, "no weekday"),
        (("session", "add", "X", *COURSE, "--late-after", "nan"), 2, "give 0 to 1440 minutes"),
        (("session", "add", "X", *COURSE, "--left-after", "1e300"), 2, "give 0 to 1440 minutes"),
        (("session", "add", "X", *COURSE, "--cool-down", "-1"), 2, "give 0 to 86400 seconds"),
        (("session", "open", "Algebra", "--at", "9999-12-31T23:59"), 2, "give a moment"),
        (("report", "Algebra", "--since", "0001-01-01"), 2, "give a date"),
        (("report", "Algebra", "--until", "9999-12-31"), 2, "give a date"),
        (("see", "nothing.jpg", "--at", "yesterday"), 2, "give a moment"),
        (("report", "Algbra"), 1, "did you mean 'Algebra'"),
        (("report", "Algebra", "--since", "March"), 2, "give a date"),
        (("report", "Algebra", "--since", "2026-03-07", "--until", "2026-03-01"), 2, "swap them"),
        (("mark", "Algebra", "Ada", "--on", "2026-03-03"), 1, "does not meet on 2026-03-03"),
        (("mark", "Algebra", "Ada", "--on", "2027-03-01"), 1, "has not met on 2027-03-01"),
        (("mark", "Algebra", "Ada", "--on", MONDAY, "--at", "soon"), 2, "give a time"),
        (("mark", "Algebra", "Nobody", "--on", MONDAY), 1, "knows nobody called 'Nobody'"),
        (("correct", "Algebra", "Ada", "late", "--on", MONDAY, "--reason", " "), 1, "needs a reason"),
        (("session", "edit", "Algebra"), 2, "nothing to change"),
        (("session", "edit", "Algebra", "--late-after", "soon"), 2, "give minutes, or never"),
        (("session", "edit", "Algebra", "--from", "09:30"), 1, "starts and ends at 09:30"),
        (("session", "rename", "Algebra", " "), 1, "name"),
        (("session", "remove", "Algbra", "--yes"), 1, "did you mean 'Algebra'"),
        (("answer", "nothing", "Ada"), 1, "no ambiguous sighting"),
        (("roster", "import", "absent.csv", "--session", "Algebra"), 1, "cannot be read"),
    ],
)
def test_what_cannot_be_is_one_clear_line(mien, course, words, code, told):
    """Wrong input names the value and the remedy on one line, with the right exit code."""
    result = mien("attendance", *words)
    assert (result.code, told in result.err) == (code, True), result.err


def test_the_how_to_page_runs(mien, photo, home, monkeypatch):
    """Every command of docs/how-to/attendance.md does its work in the order it stands there, and so does its Python."""
    pytest.importorskip("openpyxl")
    page = (ROOT / "docs" / "how-to" / "attendance.md").read_text(encoding="utf-8")
    (home / "class.csv").write_text("name\nAda\nBob\nCy Smith\nĐức Nguyễn\n", encoding="utf-8")
    photo("duc.jpg")
    photo("classroom.jpg", change=darker)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = [line for language, block in blocks if not language for line in block.splitlines()]
    assert len(lines) > 10
    for line in lines:
        if "answer" in line:
            write_down(home, lambda ids: Sighting(EIGHT, "door", "ambiguous", candidates=(ids["Bob"],), id="5f0c2a"))
        result = mien(*shlex.split(line, comments=True)[1:])
        assert result.code == 0, f"{line}: {result.err}"
    monkeypatch.chdir(home / "data")
    (block,) = [block for language, block in blocks if language == "python"]
    exec(compile(block, "attendance.md", "exec"), {})
