"""The register as tables and files."""

import builtins
import csv
import stat
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from mien.attendance.book import Records, keep
from mien.attendance.roster_file import read_names
from mien.attendance.sinks.csv_file import CsvSink
from mien.attendance.sinks.excel import ExcelSink
from mien.attendance.tables import FORMS, table, to_dict
from mien.core.attendance import Correction, Place, Session, Sighting
from mien.core.errors import InputError, MissingExtraError
from mien.core.people import Person

START = datetime(2026, 3, 2, 7, tzinfo=UTC)  # 08:00 in Berlin
MINUTE = timedelta(minutes=1)
PEOPLE = tuple(Person(i, name, START) for i, name in (("1", "Ada"), ("2", "=1+1"), ("3", "Đức"), ("4", "田中")))


def seen(minutes, who):
    return Sighting(START + minutes * MINUTE, "door", "match", who, id=f"{who}@{minutes}")


@pytest.fixture
def register():
    """Four people over two Mondays: in time, late, corrected with a control character, never there."""
    session = Session("Algebra", "course", "Europe/Berlin", (0,), time(8), time(9, 30), id="a")
    reason = "was behind\x07 the pillar"
    records = Records(
        session,
        tuple(map(Place, PEOPLE)),
        sightings=(seen(-5, "1"), seen(60, "1"), seen(20, "2"), Sighting(START, "door", "unknown", id="x")),
        corrections=(Correction("a", "2026-03-02", "3", "present", reason, "teacher", START + 95 * MINUTE),),
    )
    return keep(records, START - timedelta(days=1), START + timedelta(days=8), now=START + timedelta(days=8))


def test_check_marks(register):
    """A row per person, a column per meeting; marks by hand are starred."""
    shown = table(register, "marks")
    assert shown.columns == ("name", "2026-03-02", "2026-03-09")
    assert [row["2026-03-02"] for row in shown.rows] == ["✓", "✓ late", "✓*", "–"]
    assert {row["2026-03-09"] for row in shown.rows} == {"–"}


def test_time_stamps(register):
    """First and last seen by the session's clock, whose zone is told; a mark without a time is a mark."""
    shown = table(register, "times")
    assert [row["2026-03-02"] for row in shown.rows] == ["07:55–09:00", "08:20", "✓*", ""]
    assert "Europe/Berlin" in shown.title


def test_times_that_come_twice_carry_their_offset():
    """On the night when clocks go back, 02:30 says which one it is."""
    night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    session = Session("Ward", "day", "Europe/Berlin", id="a")
    sightings = tuple(Sighting(night + hours * 60 * MINUTE, "door", "match", "1") for hours in (0, 1))
    found = keep(
        Records(session, (Place(PEOPLE[0]),), sightings=sightings), night, night, now=night + timedelta(days=2)
    )
    assert [row["2026-10-25"] for row in table(found, "times").rows] == ["02:30+0200–02:30+0100"]


def test_totals(register):
    """Per person and per meeting: how many of each kind, and the share of what is decided."""
    ada, *_ = table(register, "people").rows
    assert (ada["present"], ada["absent"], ada["attended"], ada["share"]) == (1, 1, 1, 0.5)
    first, second = table(register, "meetings").rows
    assert (first["present"], first["late"], first["absent"], first["share"]) == (2, 1, 1, 0.75)
    assert second["share"] == 0


def test_entries_tell_the_history(register):
    """Every line has its own id, local times with offset, and for corrections the old value, who and why."""
    rows = table(register, "entries").rows
    assert len({row["entry"] for row in rows}) == len(rows) == 8
    assert rows[0]["arrived"] == "2026-03-02T07:55:00+01:00"
    assert (rows[2]["old_status"], rows[2]["by"], rows[0]["by"]) == ("absent", "teacher", "sightings")
    assert rows[1]["minutes_late"] == 20


def test_json_has_everything(register):
    """Session, people, meetings, entries, questions and what is unassigned."""
    data = to_dict(register)
    assert set(data) == {"session", "people", "meetings", "entries", "questions", "unassigned"}
    assert [u["why"] for u in data["unassigned"]] == ["nobody that is known"]


@pytest.mark.parametrize("form", FORMS)
def test_csv_comes_back_as_it_was(register, tmp_path, form):
    """Each table as a CSV file; written again it is the same, byte for byte; nothing else is left in the folder."""
    path = tmp_path / "book.csv"
    CsvSink(path, form).write(register)
    before = path.read_bytes()
    assert before.startswith(b"\xef\xbb\xbf")
    CsvSink(path, form, replace=True).write(register)
    assert path.read_bytes() == before
    shown = table(register, form)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row) for row in rows] == [shown.columns] * len(shown.rows)
    assert [p.name for p in tmp_path.iterdir()] == ["book.csv"]


def test_a_name_never_becomes_a_formula(register, tmp_path):
    """A name that begins like a formula is text in CSV and in Excel."""
    CsvSink(tmp_path / "a.csv", "marks").write(register)
    assert "'=1+1," in (tmp_path / "a.csv").read_text(encoding="utf-8-sig")
    openpyxl = pytest.importorskip("openpyxl")
    ExcelSink(tmp_path / "a.xlsx").write(register)
    cell = openpyxl.load_workbook(tmp_path / "a.xlsx")["Marks"]["A4"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_whatever_begins_a_formula_is_text_in_csv(register, tmp_path, sign):
    """Each of the signs that OWASP names, the wide ones too."""
    named = replace(PEOPLE[0], name=f"{sign}1+1")
    CsvSink(tmp_path / "a.csv", "marks").write(replace(register, people=(named, *register.people[1:])))
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file))[1][0] == f"'{sign}1+1"


def test_excel_has_a_sheet_per_table(register, tmp_path):
    """Marks, times, totals and entries, read back by openpyxl: names in their script, times as times, numbers as numbers."""
    openpyxl = pytest.importorskip("openpyxl")
    ExcelSink(tmp_path / "a.xlsx").write(register)
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["Marks", "Times", "People", "Meetings", "Entries"]
    assert [cell.value for cell in book["Marks"]["A"]][2:] == ["Ada", "=1+1", "Đức", "田中"]
    assert [cell.value for cell in book["Marks"]["B"]][1:4] == ["2026-03-02", "✓", "✓ late"]
    head = [cell.value for cell in book["Entries"][2]]
    line = dict(zip(head, (cell.value for cell in book["Entries"][3]), strict=True))
    assert (line["arrived"], line["minutes_late"]) == (datetime(2026, 3, 2, 7, 55), 0)  # noqa: DTZ001 - Excel has no zones
    assert "\N{REPLACEMENT CHARACTER}" in [row[head.index("reason")].value or "" for row in book["Entries"]][4]


def test_without_openpyxl_the_extra_is_named(register, tmp_path, monkeypatch):
    """No Excel without the extra, and nothing is written."""
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("openpyxl"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r'Excel files need .*"mien\[sheets\]"'):
        ExcelSink(tmp_path / "a.xlsx").write(register)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sink", [CsvSink, ExcelSink])
def test_an_edited_file_is_not_overwritten_by_chance(register, tmp_path, sink):
    """A file that is there stays as it is unless it may be replaced."""
    path = tmp_path / "book.xlsx"
    path.write_text("the teacher's notes")
    with pytest.raises(InputError, match="--replace"):
        sink(path).write(register)
    assert path.read_text() == "the teacher's notes"
    sink(path, replace=True).write(register)
    assert path.stat().st_size > 100


def test_a_disk_that_is_full_leaves_the_old_file(register, tmp_path, monkeypatch):
    """A write that fails in the middle leaves what was there, and no half file beside it."""
    path = tmp_path / "book.csv"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CsvSink, "_fill", full)
    with pytest.raises(InputError, match="No space left"):
        CsvSink(path, replace=True).write(register)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"book.csv": "old"}


def test_a_folder_that_is_not_there(register, tmp_path):
    """The path is named with the system's reason."""
    with pytest.raises(InputError, match="No such file"):
        CsvSink(tmp_path / "nowhere" / "a.csv").write(register)


def test_a_new_file_is_for_its_owner(register, tmp_path):
    """Who was where is nobody else's business: only the owner may read the file."""
    CsvSink(tmp_path / "a.csv").write(register)
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "name\nAda\nĐức\nAda\n",
        "\ufeffName;Class\r\nAda;7\r\n\r\nĐức;7\r\n",
        "class\tStudent\n7\tAda\n7\tĐức\n",
        "Ada\nĐức",
        'ID,name\nAda,x\nĐức,"y, z"\n',
    ],
)
def test_rosters_as_they_come(tmp_path, text):
    """With and without a head, comma, semicolon or tab, byte order mark, blank lines, names twice."""
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_names(path) == ["Ada", "Đức"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no names"),
        (b"name\n\n", "has no names"),
        (b"class,name\n7,Ada\n7,\n", "row 3: no name"),
        ("name\nJosé\n".encode("latin-1"), "no UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_rosters_that_cannot_be(tmp_path, content, words):
    """An empty file, one without names, a row without one, another encoding, no file: told with the line."""
    path = tmp_path / "roster.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_names(path)
