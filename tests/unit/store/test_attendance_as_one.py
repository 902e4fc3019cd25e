"""The log read and written in one transaction."""

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from mien.core.attendance import Correction, Session
from mien.core.errors import DuplicateError, InputError, NotFoundError, StoreBusyError
from mien.store.gallery import open_gallery

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_what_is_read_in_one_write_cannot_change_meanwhile(path, gallery):
    """While a correction is being made, another process waits; an error takes back all that was written."""
    ada = gallery.add("Ada", [])[0].id
    log = gallery.attendance
    session = log.add_session(Session("Drill", "ad hoc", "UTC")).id
    late = Correction(session, "2026-03-02", ada, "late", "bus", "tester", NOON)
    with open_gallery(path, patience=0.1) as other:
        with log.as_one() as ours:
            assert ours.corrections(session) == []
            with pytest.raises(StoreBusyError):
                other.attendance.correct([late])
            ours.correct([late])
        assert other.attendance.corrections(session) == [late]

    def fail():
        with log.as_one() as ours:
            ours.correct([late])
            raise InputError

    with pytest.raises(InputError):
        fail()
    assert log.corrections(session) == [late]


def test_a_changed_session_keeps_what_it_was_before(gallery):
    """Its earlier hours come back from the database; a name that is taken is refused; a removed one is gone."""
    log = gallery.attendance
    old = log.add_session(Session("Algebra", "course", "UTC", (0,), time(8), time(9)))
    log.add_session(Session("Drill", "ad hoc", "UTC"))
    new = replace(old, start=time(7), since=date(2026, 3, 9), earlier=(old,))
    assert log.change_session(new) == log.session("Algebra") == new
    with pytest.raises(DuplicateError, match="called 'drill' already"):
        log.change_session(replace(new, name="drill"))
    assert log.remove_session(old.id) == {"roster": 0, "openings": 0, "corrections": 0}
    for forget in (log.remove_session, lambda i: log.change_session(replace(new, id=i))):
        with pytest.raises(NotFoundError):
            forget(old.id)
