"""The command line over a gallery in PostgreSQL: only the address changes."""

import pytest

from mien.store.postgres import PostgresDatabase


@pytest.mark.weights
def test_the_same_commands_on_a_server(mien, photo, postgres_url, monkeypatch):
    """Enrol, name, look and forget through MIEN_DATABASE_URL; doctor shows the server and no password."""
    monkeypatch.setenv("MIEN_DATABASE_URL", postgres_url.replace("postgres:@", "postgres:sesame@"))
    assert mien("db", "upgrade", "--json").json()[0]["before"] == mien("db", "upgrade", "--json").json()[0]["now"]
    assert mien("enroll", "Eileen", photo("a.png")).code == 0
    (answer,) = mien("who", "a.png", "--json").json()
    assert answer["faces"][0]["match"]["name"] == "Eileen"
    told = mien("doctor")
    assert "PostgreSQL" in told.out
    assert "sesame" not in told.out + told.err
    monkeypatch.setattr(PostgresDatabase, "clock_ahead", lambda _: -7.0)
    apart = mien("doctor")
    assert "7.0 s behind this machine's" in apart.out
    assert apart.code != told.code
    (made,) = mien("db", "index", "--json").json()
    assert made["index"] == "recall 1.000 over 1 searches"
    assert "recall 1.000" in mien("doctor").out
    monkeypatch.setenv("MIEN_SEARCH_MEMORY", "0.0001")
    monkeypatch.setenv("MIEN_SEARCH_COMPACT_MEMORY", "0.0001")
    (answer,) = mien("who", "a.png", "--json").json()
    assert answer["faces"][0]["match"]["name"] == "Eileen"
    assert mien("db", "index", "--drop", "--json").json()[0]["index"] == "none"
    assert mien("people", "remove", "Eileen", "--yes").code == 0
    assert mien("people", "list", "--json").json() == []


def test_a_file_has_no_index(mien):
    """It is told where there is one; before anybody is enrolled, that there is nothing to index."""
    assert "nobody is enrolled yet" in mien("db", "index").err


def test_a_server_without_tables_names_the_command(mien, postgres, worker_id):
    """Before the upgrade every command says what is to be done, and the upgrade does it."""
    from tests.postgres import make_database

    url = make_database(postgres, f"bare_{worker_id}", tables=False)
    refused = mien("people", "list", "--database", url)
    assert refused.code == 1
    assert "mien db upgrade" in refused.err
    assert mien("db", "upgrade", "--database", url, "--json").json()[0]["before"] == "none"
    assert mien("people", "list", "--database", url).code == 0
