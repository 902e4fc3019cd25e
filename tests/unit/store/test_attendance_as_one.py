"""The log read and written in one transaction."""

from datetime import UTC, datetime

import pytest

from mien.core.attendance import Correction, Session
from mien.core.errors import InputError, StoreBusyError
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
