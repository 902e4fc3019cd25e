"""The page Attendance, without a browser."""

from datetime import UTC, datetime, timedelta

import pytest

from mien.core.attendance import Session, Sighting
from tests.unit.doors.test_webapp import PASSWORD, button, goto


@pytest.fixture
def book(app):
    """A day-long session with Ada, Bea and Cleo on its roster; the first was seen, then either of the others."""
    from mien.doors.webapp.state import gallery

    app()
    log = gallery().attendance
    session = log.add_session(Session("Door", "day", "UTC"))
    log.set_roster(session.id, ["Ada", "Bea", "Cleo"])
    people = {p.name: p.id for p in gallery().people()}
    at = datetime.now(UTC) - timedelta(seconds=2)
    log.append(
        [
            Sighting(at, "door", "match", people["Ada"]),
            Sighting(at, "door", "ambiguous", candidates=(people["Bea"], people["Cleo"])),
        ]
    )
    return session


def marks(at) -> dict[str, str]:
    """Who is what in the first table of the page."""
    rows = at.dataframe[0].value
    return dict(zip(rows["Name"], rows["Mark"], strict=True))


def test_today_shows_who_came_and_a_correction_keeps_its_reason(app, book):
    """Seen is present, not seen is expected; a mark made by hand shows who made it and why, and the audit names them."""
    from mien.doors.webapp.state import gallery

    at = app(login=True)
    at.session_state["user"] = gallery().access.add_user("olga", "admin", PASSWORD)
    goto(at.run(), "attendance")
    assert not at.exception
    assert marks(at) == {"Ada": "present", "Bea": "expected", "Cleo": "expected"}
    who = next(s for s in at.selectbox if s.label == "Name")
    status = next(s for s in at.selectbox if s.label == "Mark")
    who.select("Bea")
    status.select("excused")
    next(i for i in at.text_input if i.label == "Reason").set_value("dentist")
    button(at, "Save").click().run()
    assert marks(at)["Bea"] == "excused"
    (correction,) = gallery().attendance.corrections(book.id)
    assert (correction.by, correction.reason, correction.old_status) == ("olga", "dentist", "expected")


def test_a_correction_without_a_reason_is_refused(app, book):
    """Nothing is written, and the page says what is missing."""
    from mien.doors.webapp.state import gallery

    at = goto(app().run(), "attendance")
    next(s for s in at.selectbox if s.label == "Name").select("Bea")
    button(at, "Save").click().run()
    assert [w.value for w in at.warning] == ["Somebody and a reason are needed."]
    assert gallery().attendance.corrections(book.id) == []


def test_a_question_is_answered_with_a_click(app, book):
    """A face that may be two people is asked about; the answer marks the one it was and leaves no question."""
    at = goto(app().run(), "attendance")
    assert "Questions (1)" in [tab.label for tab in at.tabs]
    button(at, "Cleo").click().run()
    assert "Questions (0)" in [tab.label for tab in at.tabs]
    assert marks(at) == {"Ada": "present", "Bea": "expected", "Cleo": "present"}


def test_a_viewer_reads_the_book_and_changes_nothing(app, book):
    """No correction, no answer, no session, no delivery is offered to a viewer."""
    from mien.doors.webapp.state import gallery

    at = app(login=True)
    gallery().access.add_user("olga", "admin", PASSWORD)
    at.session_state["user"] = gallery().access.add_user("vera", "viewer", PASSWORD)
    goto(at.run(), "attendance")
    assert marks(at)["Ada"] == "present"
    assert {b.label for b in at.button} <= {"Log out", "Change the password"}


def test_a_register_is_written_as_a_workbook_and_as_csv(app, book):
    """What is downloaded holds every line of the register."""
    import io

    from openpyxl import load_workbook

    from mien.doors.webapp.attendance import _written
    from mien.doors.webapp.state import gallery, now
    from mien.jobs.registers import register_of

    register = register_of(gallery().attendance, book, now(), now(), now=now())
    text = _written(register, ".csv").decode("utf-8-sig")
    assert all(name in text for name in ("Ada", "Bea", "Cleo"))
    names = {row[0].value for row in load_workbook(io.BytesIO(_written(register, ".xlsx")))["Marks"].iter_rows()}
    assert {"Ada", "Bea", "Cleo"} <= names


def test_a_session_is_added_and_gets_its_roster(app):
    """A secretary adds a session and types names; those nobody has become people without photographs."""
    from mien.doors.webapp.state import gallery

    at = goto(app().run(), "attendance")
    at.radio(key="new-kind").set_value("day").run()
    next(i for i in at.text_input if i.label == "Name of the session").set_value("School")
    next(i for i in at.text_input if i.label == "Time zone").set_value("Asia/Ho_Chi_Minh")
    button(at, "Add the session").click().run()
    assert not at.exception
    (session,) = gallery().attendance.sessions()
    assert (session.name, session.kind, session.zone) == ("School", "day", "Asia/Ho_Chi_Minh")
    at.text_area[0].set_value("Đức\nHoa\n")
    next(b for b in at.button if b.label == "Save" and b.form_id == "roster").click().run()
    assert not at.exception
    assert {p.person.name for p in gallery().attendance.roster(session.id)} == {"Đức", "Hoa"}
