"""What the SQL gallery does beyond the contract."""

import sqlite3
import stat

import numpy as np
import pytest
from sqlalchemy import event

from mien.core.errors import (
    DuplicateError,
    InputError,
    NotFoundError,
    SettingError,
    SpaceMismatchError,
    StoreError,
    StoreReadOnlyError,
)
from mien.core.people import Calibration
from mien.store import identities, ledger
from mien.store.gallery import open_gallery
from mien.store.upgrades import OURS
from tests.fakes.gallery import OTHER_SPACE, SPACE, make_template


def calibration_of(space):
    """A calibration of ``space``."""
    return Calibration(
        space_id=space.id,
        far=(1e-1, 1e-2),
        similarity=(0.2, 0.4),
        genuine=(0.3, 0.6, 0.9),
        genuine_at=(0.0, 0.5, 1.0),
        comparisons=1000,
        data="my people",
        protocol="all pairs",
        date="2026-03-01",
    )


# Finding people


def test_person_by_any_of_their_handles(gallery):
    """A person is found by id, id in capitals, the first six characters of it, and name."""
    person, _ = gallery.add("Ada", [make_template(1)])
    for who in (person.id, person.id.upper(), person.id[:6], person.id[:9], "ada"):
        assert gallery.person(who) == person


def test_too_short_or_ambiguous_beginning_of_an_id(gallery):
    """Five characters find nobody; a beginning that several people share says how many."""
    person, _ = gallery.add("Ada", [])
    with pytest.raises(NotFoundError):
        gallery.person(person.id[:5])
    with gallery._database.writing() as connection:
        identities.create_person(connection, person.id[:-1] + "x", "Bob", gallery._clock.now())
    with pytest.raises(NotFoundError, match="2 people have an id that begins with"):
        gallery.person(person.id[:8])


def test_name_that_abbreviates_an_id_is_refused(gallery):
    """Nobody may be called like the beginning of somebody's id."""
    with gallery._database.writing() as connection:
        identities.create_person(connection, "facade00-0000-4000-8000-000000000000", "Ada", gallery._clock.now())
    with pytest.raises(InputError, match="abbreviates the id"):
        gallery.add("Facade", [])
    assert gallery.person("facade").name == "Ada"


# Changing people


def test_rename_keeps_the_id(gallery):
    """A renamed person keeps id and faces, and is found by the new name only."""
    person, _ = gallery.add("Ada", [make_template(1)])
    renamed = gallery.rename("ada", "  Ada  Lovelace ")
    assert (renamed.id, renamed.name, renamed.templates) == (person.id, "Ada Lovelace", 1)
    assert gallery.rename(person.id, "ADA LOVELACE").name == "ADA LOVELACE"
    with pytest.raises(NotFoundError):
        gallery.person("Ada")


def test_rename_to_a_name_in_use(gallery):
    """Somebody else's name is refused, in whatever case, and nothing changes."""
    gallery.add("Ada", [])
    gallery.add("Bob", [])
    with pytest.raises(DuplicateError, match="merge"):
        gallery.rename("Bob", "ADA")
    assert [p.name for p in gallery.people()] == ["Ada", "Bob"]


def test_merge_leaves_a_pointer(gallery):
    """After merges every former id leads to the one who stays, with all faces, the shared one once."""
    ada, _ = gallery.add("Ada", [make_template(1), make_template(2)])
    countess, _ = gallery.add("Countess", [make_template(2), make_template(3)])
    byron, _ = gallery.add("Ada Byron", [make_template(4, photo_sha256="")])
    gallery.merge("Countess", "Ada Byron")
    merged = gallery.merge("Ada", "Countess")
    assert (merged.id, merged.templates) == (ada.id, 4)
    for former in (countess.id, byron.id, byron.id[:8]):
        assert gallery.person(former) == merged
    assert len(gallery.vectors(SPACE)[2]) == 1


def test_merge_with_oneself(gallery):
    """One person cannot be merged with themselves."""
    person, _ = gallery.add("Ada", [])
    with pytest.raises(InputError, match="same person"):
        gallery.merge("Ada", person.id)


def test_remove_template(gallery):
    """One face goes, the person stays; an unknown id is told how to find the right one."""
    _, (first, second) = gallery.add("Ada", [make_template(1), make_template(2)])
    assert gallery.remove_template(first.id).templates == 1
    assert [t.id for t in gallery.templates()] == [second.id]
    with pytest.raises(NotFoundError, match="mien people show"):
        gallery.remove_template(first.id)


# Spaces and calibrations


def test_first_space_is_active_until_another_is_set(gallery):
    """The first enrolled space is searched; another one must have faces."""
    assert gallery.active_space() is None
    gallery.add("Ada", [make_template(1), make_template(2)])
    with pytest.raises(NotFoundError, match="--embedder dlib"):
        gallery.set_active_space(OTHER_SPACE)
    gallery.add("Bob", [make_template(3, OTHER_SPACE)])
    assert gallery.active_space() == SPACE
    gallery.set_active_space(OTHER_SPACE)
    assert gallery.active_space() == OTHER_SPACE
    assert [(u.space, u.people, u.templates, u.active) for u in gallery.spaces()] == [
        (SPACE, 1, 2, False),
        (OTHER_SPACE, 1, 1, True),
    ]


def test_mismatch_names_the_space_of_the_gallery(gallery):
    """The error about spaces names the embedder this gallery was made with."""
    gallery.add("Ada", [make_template(1, OTHER_SPACE)])
    with pytest.raises(SpaceMismatchError, match="or use --embedder dlib, which this gallery was made with"):
        gallery.vectors(SPACE)


def test_calibration_is_kept_and_replaced(gallery):
    """The user's calibration comes back as it was; a newer one takes its place; another space has none."""
    first = calibration_of(SPACE)
    gallery.set_calibration(first)
    assert gallery.calibration(SPACE) == first
    assert gallery.calibration(OTHER_SPACE) is None
    second = Calibration(**{**first.to_dict(), "comparisons": 5000})
    gallery.set_calibration(second)
    assert gallery.calibration(SPACE) == second


def test_calibration_is_taken_back(gallery):
    """Removed for its space alone; a second time there is nothing to remove."""
    gallery.set_calibration(calibration_of(SPACE))
    gallery.set_calibration(calibration_of(OTHER_SPACE))
    assert gallery.remove_calibration(SPACE)
    assert gallery.calibration(SPACE) is None
    assert gallery.calibration(OTHER_SPACE) is not None
    assert not gallery.remove_calibration(SPACE)


def test_calibration_goes_with_the_people_it_was_measured_on(gallery):
    """Removing somebody takes the calibrations measured on their faces, after a merge too, and no other."""
    for name in ("Ada", "Bob", "Cid"):
        gallery.add(name, [])
    gallery.set_calibration(calibration_of(SPACE), ["Bob", "Cid"])
    gallery.set_calibration(calibration_of(OTHER_SPACE))
    gallery.merge("Ada", "Bob")
    assert gallery.remove("Ada").removed["calibrations"] == 1
    assert gallery.calibration(SPACE) is None
    assert gallery.calibration(OTHER_SPACE) is not None


# Templates


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"embedding": make_template(1).embedding.astype(np.float64)}, "float32"),
        ({"box": (5.0, 0.0, 5.0, 9.0)}, "box"),
        ({"box": (0.0, 0.0, float("nan"), 9.0)}, "box"),
        ({"photo_sha256": "abc"}, "SHA-256"),
        ({"quality": {"sharpness": float("inf")}}, "finite quality"),
    ],
)
def test_templates_that_cannot_be_right(gallery, changes, why):
    """A template with a wrong value is refused with that value's name."""
    with pytest.raises(InputError, match=why):
        gallery.add("Ada", [make_template(1, **changes)])


def test_numpy_numbers_are_kept_as_numbers(gallery):
    """Boxes and quality figures may be numpy scalars, as they come out of arrays."""
    box, quality = np.float32([1.5, 2, 30, 40]), {"sharpness": np.float32(12.5)}
    gallery.add("Ada", [make_template(1, box=tuple(box), quality=quality)])
    assert gallery.templates()[0].box == (1.5, 2.0, 30.0, 40.0)
    assert gallery.templates()[0].quality == {"sharpness": 12.5}


def test_source_with_an_undecodable_file_name(gallery):
    """A photograph whose file name is no valid Unicode is enrolled, its odd bytes written out."""
    gallery.add("Ada", [make_template(1, source="caf\udce9.jpg")])
    assert gallery.templates()[0].source == "caf\\udce9.jpg"


# Audit and info


def test_every_change_has_a_line_without_names(gallery):
    """Each change says who, when, what and to whom (hashed), and none says a name."""
    ada, (template, _) = gallery.add("Ada Lovelace", [make_template(1), make_template(2)])
    gallery.add("Bob", [])
    gallery.rename("Ada Lovelace", "Countess")
    gallery.merge("Countess", "Bob")
    gallery.remove_template(template.id)
    gallery.remove("Countess")
    lines = gallery.audit()
    actions = [line.action for line in reversed(lines)]
    assert actions == ["enroll", "enroll", "rename", "merge", "remove template", "remove"]
    assert {line.actor for line in lines} == {"tester"}
    assert lines[0].subject == ledger.hashed(ada.id) != ada.id
    assert lines[0].at == gallery._clock.now()
    assert not any(word in repr(lines) for word in ("Ada", "Bob", "Countess", ada.id))


def test_refused_change_leaves_no_line(gallery):
    """What was rolled back is not in the audit either."""
    with pytest.raises(InputError):
        gallery.add("Ada", [make_template(1), make_template(1)])
    assert gallery.audit() == []


@pytest.mark.file
def test_info(path, gallery):
    """The doctor sees where, how big, in which mode and how full the gallery is."""
    gallery.add("Ada", [make_template(1), make_template(2, OTHER_SPACE)])
    info = gallery.info()
    assert (info.path, info.journal_mode, info.schema_version) == (str(path), "wal", OURS.head)
    assert (info.people, info.templates, info.spaces, info.active_space) == (1, 2, 2, SPACE.id)
    assert info.bytes >= path.stat().st_size
    assert info.to_dict()["revision"] == 1


# The file


@pytest.mark.file
def test_only_the_owner_may_read_it(path, gallery):
    """Faces are nobody else's business: the file and its log are closed to others."""
    gallery.add("Ada", [make_template(1)])
    for file in (path, path.with_name("gallery.db-wal")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.file
def test_read_only_refuses_changes(path, gallery):
    """A gallery opened for reading finds people and refuses changes, naming the file."""
    gallery.add("Ada", [make_template(1)])
    with open_gallery(path, read_only=True) as reading:
        assert len(reading.vectors(SPACE)[0]) == 1
        assert reading.info().read_only
        with pytest.raises(StoreReadOnlyError, match=r"gallery\.db cannot be written to"):
            reading.add("Bob", [])


@pytest.mark.file
def test_file_on_a_read_only_medium(path, monkeypatch):
    """A file that may not be written to is opened for reading without being asked."""
    with open_gallery(path) as gallery:
        gallery.add("Ada", [make_template(1)])
    monkeypatch.setattr("os.access", lambda *_: False)
    with open_gallery(path) as gallery:
        assert gallery.person("Ada").templates == 1
        with pytest.raises(StoreReadOnlyError):
            gallery.rename("Ada", "Bob")


@pytest.mark.file
def test_reading_what_is_not_there(path):
    """Reading a gallery that is not there says how to make one, and makes none."""
    with pytest.raises(StoreError, match="mien enroll"):
        open_gallery(path, read_only=True)
    assert not path.exists()


def test_folders_are_made(tmp_path):
    """The folder of a new gallery is made."""
    with open_gallery(tmp_path / "a" / "b" / "gallery.db") as gallery:
        gallery.add("Ada", [])


def test_place_that_cannot_be(tmp_path):
    """A gallery inside a file, or that is a folder, is refused with the path."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreReadOnlyError, match="cannot make a gallery"):
        open_gallery(tmp_path / "file" / "gallery.db")
    with pytest.raises(StoreError, match="is a folder"):
        open_gallery(tmp_path)


@pytest.mark.file
@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough to be looked at" * 100, b"%PDF-1.7 rubbish" * 999]
)
def test_file_that_is_no_database(path, content):
    """Another kind of file is refused and left as it was."""
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is no database"):
        open_gallery(path)
    assert path.read_bytes() == content


@pytest.mark.file
def test_database_of_another_program(path):
    """A database that is not ours is refused and gets no tables."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url)")
    other.close()
    with pytest.raises(StoreError, match="another program"):
        open_gallery(path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://ada:secret@host/db", r"mysql URL"),
        ("postgresql://ada:secret@host", r"ada:\*\*\*@host names no database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("://", "no database URL"),
    ],
)
def test_urls_that_are_no_file(url, why):
    """URLs of other databases, or of none that lasts, are refused."""
    with pytest.raises(SettingError, match=why):
        open_gallery(url)


@pytest.mark.file
def test_sqlite_url(path):
    """An SQLite URL names the file."""
    with open_gallery(f"sqlite:///{path}") as gallery:
        gallery.add("Ada", [])
    assert path.exists()


def test_odd_characters_in_the_path(tmp_path):
    """Paths may hold what means something in a URL."""
    path = tmp_path / "wei?rd #%20 Đức.db"
    with open_gallery(path) as gallery:
        gallery.add("Ada", [])
    assert path.exists()


@pytest.mark.file
def test_full_disk_changes_nothing(path):
    """No space left while enrolling: a clear error, and neither the person nor one of the faces is there."""
    with open_gallery(path) as gallery:
        gallery.add("Ada", [make_template(1)])

        def limit(connection, *_):
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 2}")

        gallery._database.close()
        event.listen(gallery._database._engine, "connect", limit)
        with pytest.raises(StoreError, match="no space left"):
            gallery.add("Bob", [make_template(i, quality={f"q{j}": 1.0 for j in range(100)}) for i in range(2, 100)])
        assert [(p.name, p.templates) for p in gallery.people()] == [("Ada", 1)]
        assert len(gallery.audit()) == 1
        assert gallery.rename("Ada", "Countess").name == "Countess"


@pytest.mark.file
def test_damaged_file(path):
    """A file damaged in the middle: StoreError that says so, never a wrong answer."""
    with open_gallery(path) as gallery:
        gallery.add("Ada", [make_template(i) for i in range(200)])
    content = bytearray(path.read_bytes())
    content[16384:] = b"\xa5" * (len(content) - 16384)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        open_gallery(path)


@pytest.mark.file
@pytest.mark.parametrize(
    "damage", ["quality = '{'", "quality = CAST(x'22a422' AS TEXT)", "source = CAST(x'a4' AS TEXT)"]
)
def test_damaged_text(gallery, damage):
    """Text that was altered in the file is called damaged, too."""
    gallery.add("Ada", [make_template(1)])
    gallery._database.execute_alone(f"UPDATE templates SET {damage}")
    with pytest.raises(StoreError):
        gallery.templates()
