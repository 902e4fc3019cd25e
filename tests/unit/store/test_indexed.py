"""The index of a gallery in PostgreSQL: it answers as an exact comparison does, and tells when it does not."""

import numpy as np
import pytest
from sqlalchemy import text

from mien.core.errors import StoreError
from mien.core.vectors import unit
from mien.store import indexed
from mien.store.gallery import open_gallery
from mien.store.indexed import IndexedSearch, build_index, drop_index
from mien.store.nearby import SearchLimits, Wanted
from mien.store.places import open_database
from tests.fakes.gallery import OTHER_SPACE, SPACE, make_template
from tests.unit.store.conftest import FixedClock

BEYOND_MEMORY = SearchLimits(megabytes=1e-6, compact_megabytes=1e-6)


@pytest.fixture
def url(postgres_url):
    return postgres_url


@pytest.fixture
def database(url):
    opened = open_database(url)
    yield opened
    drop_index(opened, SPACE)
    opened.close()


@pytest.fixture
def large(url):
    """A gallery for which memory is too small, of 60 people in two spaces."""
    with open_gallery(url, actor="tester", clock=FixedClock(), patience=5, limits=BEYOND_MEMORY) as gallery:
        random = np.random.default_rng(5)
        for i in range(60):
            looks = unit(random.normal(size=16) + 0.2 * random.normal(size=(2, 16)))
            gallery.add(f"Person {i:03}", [make_template(10 * i + j, embedding=v) for j, v in enumerate(looks)])
        gallery.add("Elsewhere", [make_template(9_999, space=OTHER_SPACE)])
        yield gallery


def asked(gallery, count=5):
    """Faces of people who are known, as on other photographs."""
    known = np.stack([t.embedding for t in gallery.templates(space=SPACE)])[::12][:count]
    return unit(known + 0.1 * np.random.default_rng(2).normal(size=known.shape)).astype(np.float32)


def plan_of(database, query):
    """How PostgreSQL answers what the search asks, whether it knows by now how small the table is or not."""
    with database.reading() as connection:
        connection.execute(text("SET LOCAL enable_sort = off"))  # in order: only the index has them so
        seen = []
        original = connection.execute
        connection.execute = lambda statement, *rest: (
            seen.append(statement),
            original(statement, *rest),
        )[1]
        indexed._nearest(connection, SPACE, query, 10)
        compiled = seen[-1].compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        return "\n".join(original(text(f"EXPLAIN {compiled}".replace(":", "\\:"))).scalars())


def test_an_index_is_used_and_finds_whom_an_exact_comparison_finds(large, database):
    """Everybody among the ten most alike, and everybody who reaches the floor, with all of their vectors."""
    vectors, owners, people = large.vectors(SPACE)
    build_index(database, SPACE)
    assert "hnsw_" in plan_of(database, asked(large)[0])
    for query in asked(large):
        cosines = vectors @ query
        best = {people[owners[i]].name for i in np.argsort(-cosines)[:10]} | {
            people[owners[i]].name for i in np.flatnonzero(cosines >= 0.3)
        }
        near, of, who = large.near(SPACE, query[None], people=10, floor=0.3)
        assert best <= {person.name for person in who}
        assert len(who) < len(people)
        by_name = {person.name: near[of == i] for i, person in enumerate(who)}
        for name in best:
            mine = next(i for i, person in enumerate(people) if person.name == name)
            np.testing.assert_array_equal(by_name[name], vectors[owners == mine])


def test_without_an_index_or_where_memory_suffices_it_is_not_asked(large, url, database, monkeypatch):
    """Before the index is made, after it is dropped, and in a gallery that fits."""
    monkeypatch.setattr(IndexedSearch, "near", lambda *_: pytest.fail("the index was asked"))
    (query,) = asked(large, 1)
    assert large.search_recall(SPACE) is None
    large.near(SPACE, query[None], people=3, floor=0.5)
    build_index(database, SPACE)
    with open_gallery(url, limits=SearchLimits(megabytes=1e-6)) as fits:
        fits.near(SPACE, query[None], people=3, floor=0.5)
    drop_index(database, SPACE)
    large.add("New", [make_template(7)])  # what is there is looked up once per revision
    large.near(SPACE, query[None], people=3, floor=0.5)


def test_people_who_come_and_go_are_found_and_not_found(large, database):
    """The index follows every change at once."""
    build_index(database, SPACE)
    new = make_template(5_001)
    query = np.asarray(new.embedding)[None]
    person, _ = large.add("Newcomer", [new])
    assert "Newcomer" in {p.name for p in large.near(SPACE, query, people=1, floor=0.9)[2]}
    large.remove(person.id)
    assert "Newcomer" not in {p.name for p in large.near(SPACE, query, people=1, floor=0.9)[2]}


def test_one_search_in_so_many_is_repeated_without_the_index(large, database, caplog, monkeypatch):
    """Its recall is known, and a bad one is warned of."""
    build_index(database, SPACE)
    search = IndexedSearch(database, every=2)
    assert search.ready(SPACE)
    for query in asked(large, 4):
        search.near(SPACE, Wanted(query[None], 3, 0.5))
        search.close()
    assert (search.recall.searches, search.recall.wanted) == (2, 20)
    assert search.recall.recall == 1.0
    assert not caplog.records

    true = indexed._nearest

    def forgetful(connection, space, query, count):
        rows = true(connection, space, query, count)
        exact = connection.execute(text("SHOW enable_indexscan")).scalar() == "off"
        return rows if exact else rows[: len(rows) // 2]

    monkeypatch.setattr(indexed, "_nearest", forgetful)
    for _ in range(2):
        search.near(SPACE, Wanted(asked(large, 1), 3, 0.5))
    search.close()
    assert search.recall.recall == pytest.approx(25 / 30)
    assert "recall 0.833 over 3 searches, below 0.99" in caplog.text


def test_recall_can_be_measured_at_once(large, database):
    """For ``mien doctor``: searches for templates a little changed."""
    assert large.search_recall(SPACE, measure=True) is None
    build_index(database, SPACE)
    large.add("New", [make_template(8)])
    measured = large.search_recall(SPACE, measure=True)
    assert (measured.searches, measured.wanted) == (20, 200)
    assert measured.recall >= 0.99


def test_a_file_has_no_index(tmp_path):
    """It says where one is."""
    with open_gallery(tmp_path / "g.db", limits=BEYOND_MEMORY) as gallery:
        gallery.add("Ada", [make_template(1)])
        assert gallery.search_recall(SPACE) is None
        assert len(gallery.near(SPACE, asked(gallery, 1), people=1, floor=0.9)[2]) == 1
    database = open_database(str(tmp_path / "g.db"))
    with pytest.raises(StoreError, match=r"no PostgreSQL database.*mien db move"):
        build_index(database, SPACE)
    database.close()
