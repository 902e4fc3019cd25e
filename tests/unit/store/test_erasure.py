"""Removal leaves nothing behind, and says so only when it looked."""

import json

import pytest

from mien.core.errors import NotFoundError, StoreBusyError
from mien.store.byte_search import search
from mien.store.gallery import open_gallery
from mien.store.sqlite import SqliteDatabase
from tests.fakes.gallery import SPACE, make_template
from tests.unit.store import workers
from tests.unit.store.test_processes import start

NAME = "Đức Nguyễn"


def content_of(folder):
    """All bytes of all files in a folder."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def secrets(templates):
    """What must not be in any file any more."""
    yield NAME.encode()
    yield NAME.casefold().encode()
    for template in templates:
        vector = template.embedding.tobytes()
        yield from (vector, vector[:24], vector[20:44], vector[-24:], template.photo_sha256.encode())
        yield template.id.encode()
        yield template.person_id.encode()


def fill(gallery):
    """Somebody between others, renamed, merged and with a removed face; the templates they had."""
    gallery.add("Ada Lovelace", [make_template(i) for i in range(1, 40)])
    gallery.add("Somebody", [make_template(i) for i in range(100, 120)])
    gallery.add("Double", [make_template(i) for i in range(120, 130)])
    templates = gallery.templates("Somebody") + gallery.templates("Double")
    gallery.rename("Somebody", NAME)
    gallery.merge(NAME, "Double")
    gallery.remove_template(templates[0].id)
    gallery.add("Bob", [make_template(i) for i in range(200, 240)])
    return templates


@pytest.mark.file
def test_nothing_is_left(path, gallery):
    """After removal no file holds name, ids, digests or a part of a vector, with the gallery still open."""
    templates = fill(gallery)
    assert all(secret in content_of(path.parent) for secret in secrets(templates[5:15]))
    receipt = gallery.remove(NAME)
    content = content_of(path.parent)
    assert not any(secret in content for secret in secrets(templates))
    assert receipt.verified
    kinds = ("pictures", "evidence", "sightings", "candidates", "corrections", "roster", "edits", "refusals", "faces")
    attended = dict.fromkeys(kinds, 0)
    assert receipt.removed == {"templates": 29, "pointers": 1, "calibrations": 0, "people": 1, **attended, "copies": 0}
    assert (receipt.traces, receipt.notes) == ((), ())
    assert set(receipt.searched) == {str(f) for f in path.parent.iterdir()}
    assert [p.name for p in gallery.people()] == ["Ada Lovelace", "Bob"]
    assert len(gallery.vectors(SPACE)[0]) == 79


def test_the_others_are_untouched(gallery):
    """Templates of everybody else are the same to the bit after a removal."""
    fill(gallery)
    before = [(t.id, t.embedding.tobytes()) for t in gallery.templates() if t.person_id != gallery.person(NAME).id]
    gallery.remove(NAME)
    assert [(t.id, t.embedding.tobytes()) for t in gallery.templates()] == before


def test_receipt_is_json_without_the_name(gallery):
    """The receipt can be filed: JSON, the id, bytes searched, what is out of reach, and not the name."""
    fill(gallery)
    person = gallery.person(NAME)
    said = gallery.remove(person.id).to_dict()
    text = json.dumps(said, ensure_ascii=False)
    assert said["person_id"] == person.id
    assert said["bytes_searched"] == sum(said["searched"].values()) > 0
    assert said["time"] == "2026-03-01T12:00:00+00:00"
    assert "photographs" in said["out_of_reach"][0]
    assert NAME not in text


def test_removed_person_is_nobody(gallery):
    """A removed person is not found by name, id or former id, and the name is free."""
    fill(gallery)
    person = gallery.person(NAME)
    gallery.remove(NAME)
    for who in (NAME, person.id):
        with pytest.raises(NotFoundError):
            gallery.person(who)
    assert gallery.add(NAME, [])[0].id != person.id


def test_unknown_person(gallery):
    """Nobody of that name: an error, nothing removed."""
    gallery.add("Ada", [make_template(1)])
    with pytest.raises(NotFoundError):
        gallery.remove("Adam")
    assert gallery.person("Ada").templates == 1


def test_what_others_share_is_no_trace(gallery):
    """A photograph, a vector and words of a name that belong to somebody who stays do not spoil the receipt."""
    shared = {"photo_sha256": "ee" * 32}
    gallery.add("Ada Lovelace", [make_template(1, **shared)])
    gallery.add("Ada Lovelace junior", [make_template(1, **shared), make_template(2, **shared)])
    receipt = gallery.remove("Ada Lovelace")
    assert receipt.verified
    assert "belongs to others" in receipt.notes[0]
    assert gallery.person("Ada Lovelace junior").templates == 2


def test_short_name_is_admitted(gallery):
    """A name that chance bytes could spell is not searched for, and the receipt says so."""
    gallery.add("Bo", [make_template(1)])
    receipt = gallery.remove("Bo")
    assert receipt.verified
    assert "too short" in receipt.notes[0]


@pytest.mark.file
def test_a_reader_elsewhere_is_admitted(path, gallery):
    """Another process that reads keeps the log from being folded: the receipt says so, and compact mends it later."""
    templates = fill(gallery)
    process, pipe = start(workers.hold_a_reader, path)
    pipe.recv()
    receipt = gallery.remove(NAME)
    assert not receipt.verified
    assert any("another program" in note for note in receipt.notes)
    assert any(str(path) in trace for trace in receipt.traces)
    pipe.send("stop")
    process.join(30)
    assert gallery.compact() == ()
    content = content_of(path.parent)
    assert not any(secret in content for secret in secrets(templates))


def test_busy_writer_elsewhere_removes_nothing(path, gallery):
    """While another one writes, removal fails as a whole."""
    fill(gallery)
    with open_gallery(path) as other, other._database.writing(), pytest.raises(StoreBusyError):
        gallery.remove(NAME)
    assert gallery.person(NAME).templates == 29


@pytest.mark.file
def test_copies_of_upgrades_are_destroyed(path, gallery):
    """A copy that an upgrade left goes if it holds the person, and stays if it does not."""
    old = path.with_name("gallery.db.before-0000.bak")
    gallery._database.copy_to(old)
    templates = fill(gallery)
    copy = path.with_name("gallery.db.before-0002.bak")
    gallery._database.copy_to(copy)
    receipt = gallery.remove(NAME)
    assert (receipt.removed["copies"], receipt.verified) == (1, True)
    assert (copy.exists(), old.exists()) == (False, True)
    assert not any(secret in content_of(path.parent) for secret in secrets(templates))


@pytest.mark.file
def test_verification_finds_what_is_left(path, gallery, monkeypatch):
    """Without overwriting, rebuilding and folding, the search finds the traces and the receipt does not say verified."""
    fill(gallery)
    monkeypatch.setattr(SqliteDatabase, "execute_alone", lambda *_: [(0, 0, 0)])
    receipt = gallery.remove(NAME)
    assert not receipt.verified
    assert any(trace.startswith("vector in ") for trace in receipt.traces)
    assert any(trace.startswith("name in ") for trace in receipt.traces)


def test_search_sees_across_chunks(tmp_path, monkeypatch):
    """Bytes that lie across the border of two chunks are found; a file that is not there is left out."""
    file = tmp_path / "large"
    file.write_bytes(b"\0" * (32 * 2**20 - 3) + b"needle" + b"\0" * 100)
    ((path, size, found),) = search([file, tmp_path / "absent"], [b"needle", b"haystack"])
    assert (path, size, found) == (str(file), 32 * 2**20 + 103, [0])


def test_gallery_behind_a_link(tmp_path):
    """A gallery opened through a symbolic link is searched where it really is."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real" / "gallery.db")
    with open_gallery(link) as gallery:
        templates = fill(gallery)
        receipt = gallery.remove(NAME)
        assert receipt.verified
        assert set(receipt.searched) == {str(f) for f in (tmp_path / "real").iterdir()}
    content = content_of(tmp_path / "real")
    assert not any(secret in content for secret in secrets(templates))


@pytest.mark.file
def test_small_changes_leave_nothing_either(path):
    """A former name, a removed face and a face dropped by a merge are overwritten once the gallery is closed."""
    with open_gallery(path) as gallery:
        gallery.add("Former name", [make_template(1), make_template(2)])
        gallery.add("Double of her", [make_template(2), make_template(3)])
        gone = [gallery.templates("Former name")[0], gallery.templates("Double of her")[0]]
        gallery.rename("Former name", "Ada Lovelace")
        gallery.remove_template(gone[0].id)
        gallery.merge("Ada Lovelace", "Double of her")
    content = content_of(path.parent)
    assert b"Ada Lovelace" in content
    assert make_template(3).embedding.tobytes() in content
    for secret in (b"Former name", b"former name", b"Double of her", gone[0].id.encode(), gone[1].id.encode()):
        assert secret not in content
    assert gone[0].embedding.tobytes() not in content
