"""Everything of a gallery in another database: all of it, the same to the last bit, or nothing."""

import itertools
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import func, insert, select

from mien.core.attendance import Sighting
from mien.core.errors import DuplicateError, StoreBusyError, StoreError
from mien.store import moving
from mien.store.gallery import open_gallery
from mien.store.moving import move
from mien.store.places import open_database
from mien.store.schema import metadata, people
from mien.store.upgrades import bring_up_to_date
from tests.fakes.gallery import OTHER_SPACE, SPACE, make_template


def silent(*_):
    """Nobody looks."""


def fill(place) -> None:
    """A gallery with people in two spaces, a merge, a book and evidence of an odd hour."""
    with open_gallery(place) as gallery:
        for i in range(30):
            gallery.add(f"Đức {i}", [make_template(i), make_template(i + 100, OTHER_SPACE)])
        gallery.add("Double", [make_template(200)])
        person = gallery.merge("Đức 1", "Double")
        at = datetime(2026, 3, 29, 2, 30, 0, 123456, UTC)
        seen = [
            Sighting(at + timedelta(seconds=i), "door", "match", person.id, similarity=0.1 + i / 3) for i in range(9)
        ]
        gallery.attendance.append(seen)


def counts(place) -> dict[str, int]:
    """Rows by table."""
    with closing(open_database(place)) as database, database.reading() as connection:
        query = {t.name: select(func.count()).select_from(t) for t in metadata.sorted_tables}
        return {name: n for name, q in query.items() if (n := connection.execute(q).scalar_one())}


def moved(source, target):
    """What moving says."""
    with closing(open_database(source)) as old, closing(open_database(target)) as new:
        bring_up_to_date(new)
        return move(old, new, silent)


@pytest.fixture
def elsewhere(tmp_path, request, kind):
    """A database of the other kind, empty; the first is of ``kind``."""
    return request.getfixturevalue("postgres_url") if kind == "sqlite" else tmp_path / "other.db"


def test_there_and_back_nothing_has_changed(path, elsewhere, tmp_path):
    """File to server to file, or the other way: every value of every row is what it was, and work goes on."""
    fill(path)
    there = moved(path, elsewhere)
    assert there.rows == {name: n for name, n in counts(path).items() if name != "revision"} != {}
    back = moved(elsewhere, tmp_path / "back.db")
    assert (back.digest, back.rows) == (there.digest, there.rows)
    with open_gallery(path) as one, open_gallery(elsewhere) as two:
        for space in (SPACE, OTHER_SPACE):
            assert np.array_equal(one.vectors(space)[0], two.vectors(space)[0])
        assert one.people() == two.people()
        assert one.attendance.sightings() == two.attendance.sightings()
        assert two.revision() > one.revision()
        two.add("Afterwards", [make_template(999)])  # numbers go on behind the last
        assert two.templates()[-1].source == "photo-999.jpg"


def test_a_database_that_holds_something_is_refused(path, elsewhere):
    """Nothing is mixed: a target with one person is left as it is."""
    fill(path)
    with open_gallery(elsewhere) as other:
        other.add("Somebody", [])
    before = counts(elsewhere)
    with pytest.raises(DuplicateError, match="holds something already"):
        moved(path, elsewhere)
    assert counts(elsewhere) == before


def test_a_value_that_came_back_another_takes_all_back(path, elsewhere, monkeypatch):
    """The comparison looks at every value: one that differs, and nothing is in the target."""
    fill(path)
    real, number = moving._Digest.add, itertools.count()
    monkeypatch.setattr(moving._Digest, "add", lambda self, row: real(self, (*row, "x") if next(number) == 5 else row))
    with pytest.raises(StoreError, match="otherwise than it was written"):
        moved(path, elsewhere)
    assert counts(elsewhere) == {"revision": 1}


def test_nobody_writes_meanwhile(path, elsewhere):
    """While it is copied nobody changes the source, so that nothing stays behind."""
    fill(path)
    tried = []

    def somebody_else(name, *_):
        if name == "people" and not tried:
            with open_gallery(path, patience=0.1) as gallery, pytest.raises(StoreBusyError):
                gallery.add("Late", [])
            tried.append(name)

    with closing(open_database(path)) as old, closing(open_database(elsewhere)) as new:
        bring_up_to_date(new)
        move(old, new, somebody_else)
    assert tried


@pytest.mark.file
def test_a_text_the_server_cannot_keep_is_told(path, elsewhere):
    """A zero byte that SQLite took ends the move with a line that says so; the target stays empty."""
    with open_gallery(path) as gallery, gallery._database.writing() as connection:
        row = {"id": "x", "name": "a\0b", "name_key": "x", "created": datetime(2026, 1, 1, tzinfo=UTC)}
        connection.execute(insert(people).values(row))
    with pytest.raises(StoreError, match="NUL"):
        moved(path, elsewhere)
    assert counts(elsewhere) == {"revision": 1}
