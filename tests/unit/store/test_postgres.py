"""What a gallery in PostgreSQL does beyond what every gallery does: letting in, upgrading, surviving the server."""

import tempfile
import threading
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from mien.core.attendance import Sighting
from mien.core.errors import StoreAwayError, StoreBusyError, StoreError, StoreReadOnlyError, StoreVersionError
from mien.store import attendance_log
from mien.store import postgres as module
from mien.store.gallery import open_gallery
from mien.store.places import open_database
from mien.store.upgrades import OURS, upgrade, version_of
from tests.fakes.gallery import SPACE, make_template
from tests.postgres import make_database, running_server, url_of
from tests.unit.store.conftest import FixedClock


@pytest.fixture
def gallery(postgres_url):
    """An empty gallery in PostgreSQL."""
    with open_gallery(postgres_url, actor="tester", clock=FixedClock(), patience=0.3) as opened:
        yield opened


@pytest.fixture
def bare(postgres, worker_id) -> str:
    """The URL of a database without tables."""
    return make_database(postgres, f"bare_{worker_id}", tables=False)


def test_only_the_command_upgrades_a_server(bare):
    """Opening a server's database without our tables makes none and names the command; afterwards it is a gallery."""
    with pytest.raises(StoreVersionError, match=r"has no tables of mien yet.*mien db upgrade"):
        open_gallery(bare)
    database = open_database(bare)
    assert version_of(database) == ""
    assert upgrade(database) == ("", OURS.head)
    assert upgrade(database) == (OURS.head, OURS.head)
    database.close()
    with open_gallery(bare) as gallery:
        assert gallery.people() == []


def test_a_newer_server_is_refused(gallery, postgres_url):
    """A database that a newer mien has upgraded is not touched."""
    with gallery._database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    try:
        with pytest.raises(StoreVersionError, match="pip install -U mien"):
            open_gallery(postgres_url)
        with pytest.raises(StoreVersionError, match="pip install -U mien"):
            upgrade(gallery._database)
    finally:
        with gallery._database.writing() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{OURS.head}'")


def test_a_database_of_another_program(postgres, bare, worker_id):
    """Tables of another program are left alone, also if it counts its versions as we do."""
    with psycopg.connect(postgres.get_uri(f"bare_{worker_id}"), autocommit=True) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
    with pytest.raises(StoreError, match="another program"):
        open_gallery(bare)
    with closing(open_database(bare)) as database, pytest.raises(StoreError, match="another program"):
        upgrade(database)


def test_pgvector_missing_says_how_to_install_it(bare, monkeypatch):
    """A server without pgvector: one line with the package to install, and no table is made."""
    monkeypatch.setattr(module, "_EXTENSION", "vector_that_is_not_there")
    database = open_database(bare)
    with pytest.raises(StoreError, match="apt install postgresql-NN-pgvector") as told:
        upgrade(database)
    assert "\n" not in str(told.value)
    assert version_of(database) == ""
    database.close()


def test_clocks_that_differ_are_told(gallery, monkeypatch):
    """How far a machine is behind the server is measured; its own clock is asked for nothing else."""
    assert abs(gallery.info().clock_ahead) < 60

    class Behind(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(hours=1)

    monkeypatch.setattr(module, "datetime", Behind)
    assert gallery.info().clock_ahead == pytest.approx(3600, abs=60)


@pytest.fixture
def locked(postgres, worker_id):
    """A user with a password, on a server that asks for it; gives the URL with a password put in."""
    name = f"ada_{worker_id}"
    hba = postgres.pgdata / "pg_hba.conf"
    with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {name}")
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
        hba.write_text(f"local all {name} scram-sha-256\n" + hba.read_text())
        connection.execute("SELECT pg_reload_conf()")
    url = url_of(postgres, f"mien_{worker_id}")
    time.sleep(0.1)  # the reload is a signal
    return lambda password: url.replace("postgres:@", f"{name}:{password}@")


@pytest.mark.parametrize("password", ["wr0ng-sesame", "with%40signs%2F"])
def test_a_wrong_password_is_never_printed(postgres_url, locked, password):
    """One clear line says that the password is wrong; it shows neither it nor a part of it."""
    with pytest.raises(StoreError, match=r"password authentication failed.*check user") as told:
        open_gallery(locked(password))
    said = str(told.value)
    assert "\n" not in said
    assert password not in said
    assert "sesame" not in said
    assert "signs" not in said


def test_a_user_who_may_only_read(postgres_url, postgres, locked, worker_id):
    """Somebody without the right to write reads, and is told what is missing."""
    with open_gallery(postgres_url) as gallery:
        gallery.add("Ada", [make_template(1)])
    with psycopg.connect(postgres.get_uri(f"mien_{worker_id}"), autocommit=True) as connection:
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO ada_{worker_id}")
    try:
        with open_gallery(locked("right")) as gallery:
            assert gallery.person("Ada").templates == 1
            with pytest.raises(StoreReadOnlyError, match="grant this user the right"):
                gallery.rename("Ada", "Bob")
    finally:
        with psycopg.connect(postgres.get_uri(f"mien_{worker_id}"), autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY ada_{worker_id}")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda url: url.replace("/mien_", "/nothing_"), 'database "nothing_.*" does not exist'),
        (lambda url: url.replace("host=", "host=%2Fnowhere"), "does not answer"),
        (lambda _: "postgresql+psycopg://ada:sesame@127.0.0.1:1/db", "refused"),
    ],
)
def test_a_wrong_url_is_told_at_once(postgres_url, change, why):
    """A database, a socket or a port that is not there: one line, no waiting, no password."""
    began = time.monotonic()
    with pytest.raises(StoreError, match=why) as told:
        open_gallery(change(postgres_url))
    assert time.monotonic() - began < 5
    assert "\n" not in str(told.value)
    assert "sesame" not in str(told.value)


def test_reading_only(postgres_url, gallery):
    """A gallery opened for reading refuses to write before it asks the server."""
    gallery.add("Ada", [make_template(1)])
    with open_gallery(postgres_url, read_only=True) as reading:
        assert len(reading.vectors(SPACE)[0]) == 1
        with pytest.raises(StoreReadOnlyError):
            reading.rename("Ada", "Bob")


def test_info(gallery, postgres_url):
    """The doctor sees the server's and pgvector's version, and the place without a password."""
    gallery.add("Ada", [make_template(1)])
    info = gallery.info()
    assert "postgres:***@" in info.path
    assert "PostgreSQL 1" in info.journal_mode
    assert "pgvector 0." in info.journal_mode
    assert info.bytes > 100_000
    assert (info.people, info.templates) == (1, 1)


def test_nothing_is_left_in_the_tables(gallery):
    """A removal leaves no text of the person in any row, and the receipt says what could not be looked into."""
    gallery.add("Ada Lovelace", [make_template(i) for i in range(3)])
    gallery.add("Bob", [make_template(9)])
    receipt = gallery.remove("Ada Lovelace")
    assert (receipt.verified, receipt.traces, receipt.notes) == (True, (), ())
    assert "every row of every table" in receipt.searched_as
    assert any("write-ahead log" in place for place in receipt.out_of_reach)
    assert "table people" in receipt.searched
    assert [person.name for person in gallery.people()] == ["Bob"]


def test_the_search_of_rows_finds_what_is_left(gallery, monkeypatch):
    """A row that still names the person spoils the receipt: the search does look."""
    person, _ = gallery.add("Ada Lovelace", [make_template(1)])
    with gallery._database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO settings (key, value) VALUES ('note', 'ask Ada Lovelace')")
    receipt = gallery.remove(person.id)
    assert not receipt.verified
    assert receipt.traces == ("name in table settings",)


def test_times_and_bytes_come_back_the_same(gallery):
    """The session's zone does not shift times; vectors come back to the last bit."""
    given = make_template(7)
    _, (added,) = gallery.add("Ada", [given])
    (read,) = gallery.templates("Ada")
    assert read.created == FixedClock().now()
    assert read.embedding.tobytes() == added.embedding.tobytes() == given.embedding.tobytes()


def test_text_that_a_server_cannot_keep(gallery):
    """A zero byte in a text is refused as a whole, with a clear line."""
    with pytest.raises(StoreError, match="NUL"):
        gallery.add("Ada", [make_template(1, source="a\0b.jpg")])
    assert gallery.people() == []


# A server that goes away


def lose_connections(postgres, database: str) -> None:
    """What a restart does to whoever is connected."""
    with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = ''"
            " AND backend_type = 'client backend' AND query NOT LIKE 'TRUNCATE%%' AND query NOT LIKE 'INSERT INTO rev%%'",
            [database],
        )


def sighting(number: int, person_id: str) -> Sighting:
    """Somebody seen."""
    return Sighting(FixedClock().now(), "door", "match", person_id, id=f"s{number}")


def test_lost_between_two_transactions(gallery, postgres, worker_id):
    """Connections that died while nothing ran are made anew, unnoticed."""
    gallery.add("Ada", [make_template(1)])
    lose_connections(postgres, f"mien_{worker_id}")
    gallery.add("Bob", [make_template(2)])
    assert [person.name for person in gallery.people()] == ["Ada", "Bob"]


def test_lost_in_the_middle_of_a_transaction(gallery, postgres, worker_id, monkeypatch):
    """A write that the server lost half-way is done again as a whole: nothing is lost, nothing is doubled."""
    person, _ = gallery.add("Ada", [make_template(1)])
    real, calls = attendance_log.rows.add_sighting, []

    def add(connection, seen, sighting_id):
        calls.append(sighting_id)
        if len(calls) == 2:
            lose_connections(postgres, f"mien_{worker_id}")
        return real(connection, seen, sighting_id)

    monkeypatch.setattr(attendance_log.rows, "add_sighting", add)
    assert gallery.attendance.append([sighting(i, person.id) for i in range(3)]) == 3
    assert [s.id for s in gallery.attendance.sightings()] == ["s0", "s1", "s2"]
    assert len(calls) > 3


@pytest.mark.parametrize("kept", [True, False])
def test_lost_while_it_commits(gallery, monkeypatch, kept):
    """A connection that dies in a commit, after or before it took place: the change is made exactly once."""
    engine = gallery._database._engine
    real, cut = engine.dialect.do_commit, []

    def commit(connection):
        if cut:
            return real(connection)
        cut.append(True)
        if kept:
            real(connection)
        connection.driver_connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(engine.dialect, "do_commit", commit)
    person, _ = gallery.add("Ada", [make_template(1, photo_sha256="")])
    assert cut
    assert gallery.person("Ada") == person
    assert person.templates == 1
    assert gallery.revision() == 1


def test_within_a_transaction_of_somebody_else_it_is_told(gallery, postgres, worker_id):
    """Who holds a transaction open over several steps is told that it is gone, and nothing of it is kept."""
    person, _ = gallery.add("Ada", [make_template(1)])

    def several_steps():
        with gallery.attendance.as_one() as log:
            log.append([sighting(1, person.id)])
            lose_connections(postgres, f"mien_{worker_id}")
            log.append([sighting(2, person.id)])

    with pytest.raises(StoreAwayError, match="does not answer"):
        several_steps()
    assert gallery.attendance.sightings() == []


def test_a_restart_in_the_middle_of_the_work():
    """A server that is stopped and started again while two write: every sighting is there once, nobody is told."""
    with running_server(Path(tempfile.mkdtemp(prefix="mien-restart-"))) as server:
        url = make_database(server, "mien")
        with open_gallery(url) as gallery:
            person, _ = gallery.add("Ada", [make_template(1)])
            troubles = []

            def write(start):
                try:
                    for i in range(start, start + 40):
                        gallery.attendance.append([sighting(i, person.id)])
                        time.sleep(0.01)
                except StoreError as error:  # shown by the assertion below
                    troubles.append(str(error))

            threads = [threading.Thread(target=write, args=(start,)) for start in (0, 1000)]
            for thread in threads:
                thread.start()
            time.sleep(0.15)
            server._stop()
            time.sleep(0.3)
            server.ensure_postgres_running()
            for thread in threads:
                thread.join(60)
            assert troubles == []
            assert sorted(s.id for s in gallery.attendance.sightings()) == sorted(
                f"s{i}" for i in [*range(40), *range(1000, 1040)]
            )


def test_one_writes_at_a_time(postgres_url, gallery):
    """A second writer waits for its patience and says who to wait for; a reader is not held up."""
    gallery.add("Ada", [make_template(1)])
    with open_gallery(postgres_url) as other, other._database.writing():
        with pytest.raises(StoreBusyError, match="another writer"):
            gallery.rename("Ada", "Bob")
        assert gallery.person("Ada").templates == 1
