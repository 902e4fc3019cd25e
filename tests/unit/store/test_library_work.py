"""Files are shared out once each, and nothing that was done or said is lost."""

import hashlib
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from mien.core.library import FaceQuery
from mien.store.library_schema import library_faces
from tests.fakes.gallery import OTHER_SPACE, SPACE, make_template
from tests.fakes.library import ROOT, STAMP, all_faces, content, faces, seen, take


@pytest.fixture
def library(gallery):
    return gallery.library


def name_face(gallery, face_id, name):
    """Write a name as people give it."""
    person, _ = gallery.add(name, [])
    with gallery._database.writing() as connection:
        said = update(library_faces).where(library_faces.c.id == face_id)
        connection.execute(said.values(person_id=person.id))
    return person


def test_a_file_is_given_to_one_worker_only(library):
    """Two workers never hold the same file, and a third gets none."""
    library.note([seen(f"{i}.jpg") for i in range(5)], root=ROOT, stamp=STAMP)
    first = library.claim("a", root=ROOT, limit=3, lease=60)
    second = library.claim("b", root=ROOT, limit=3, lease=60)
    assert [c.path for c in (*first, *second)] == [seen(f"{i}.jpg").path for i in range(5)]
    assert library.claim("c", root=ROOT, limit=3, lease=60) == []
    assert library.claim("c", root=b"/elsewhere", limit=3, lease=60) == []
    assert sorted(library.holders(ROOT)) == ["a", "b"]


def test_a_lease_that_ended_gives_the_file_to_others_and_the_first_writes_nothing(library):
    """A worker that was thought dead cannot double what another has done."""
    library.note([seen("a.jpg")], root=ROOT, stamp=STAMP)
    (late,) = library.claim("late", root=ROOT, limit=1, lease=-1)
    (claim,) = library.claim("other", root=ROOT, limit=1, lease=60)
    assert not library.put(late, content("a", 1), stamp=STAMP, detector="mtcnn")
    assert not library.fail(late, "no")
    assert library.put(claim, content("a", 1), stamp=STAMP, detector="mtcnn")
    assert not library.put(claim, content("a", 1), stamp=STAMP, detector="mtcnn")
    assert len(all_faces(library)) == 1


def test_an_unchanged_file_costs_nothing_and_a_changed_one_waits(library):
    """Only new files, changed ones and those done with other settings wait."""
    take(library, content("a", 1), content("b", 2))
    again = library.note([seen("0.jpg"), seen("1.jpg", modified=2), seen("2.jpg")], root=ROOT, stamp=STAMP)
    assert (again.known, again.changed, again.new) == (1, 1, 1)
    assert library.waiting(ROOT) == 2
    other = library.note([seen("0.jpg")], root=ROOT, stamp="b" * 64)
    assert other.changed == 1


def test_a_moved_file_is_known_by_its_bytes_and_keeps_its_names(gallery, library):
    """The same bytes under another path need no search; the old path goes, the name stays."""
    take(library, content("a", 1))
    (face,) = all_faces(library)
    ada = name_face(gallery, face.id, "Ada")
    ((seq, _, _),) = next(library.paths())
    library.mark_gone([seq])
    assert all_faces(library) == []
    library.note([seen("moved.jpg")], root=ROOT, stamp=STAMP)
    (claim,) = library.claim("w", root=ROOT, limit=1, lease=60)
    assert library.known(claim, content("a").sha256, STAMP)
    assert not library.known(claim, content("b").sha256, STAMP)
    (there,) = library.with_paths(all_faces(library))
    assert (there.id, there.person_id, there.paths) == (face.id, ada.id, (ROOT + b"/moved.jpg",))
    assert [path for page in library.paths() for _, path, _ in page] == [ROOT + b"/moved.jpg"]


def test_a_file_that_comes_back_is_there_again(library):
    """A disk that was away for a while brings its faces back without a search."""
    take(library, content("a", 1))
    ((seq, _, _),) = next(library.paths())
    library.mark_gone([seq])
    assert library.note([seen("0.jpg")], root=ROOT, stamp=STAMP).known == 1
    assert len(all_faces(library)) == 1


def test_an_edited_photograph_keeps_its_names(gallery, library):
    """Other bytes under the same path: the face that is alike goes on, with its id and name; the other is new."""
    take(library, content("a", 1, 2))
    ada = name_face(gallery, all_faces(library)[0].id, "Ada")
    known = all_faces(library)[0].id
    library.note([seen("0.jpg", modified=9)], root=ROOT, stamp=STAMP)
    (claim,) = library.claim("w", root=ROOT, limit=1, lease=60)
    assert library.put(claim, content("a, cropped", 3, 1), stamp=STAMP, detector="mtcnn")
    found = {face.id: face.person_id for face in all_faces(library)}
    assert found[known] == ada.id
    assert sorted(found.values(), key=str) == sorted([ada.id, None], key=str)


def test_an_edited_copy_leaves_the_original_its_names(gallery, library):
    """Where another file still holds the former bytes, both have the name."""
    take(library, content("a", 1), content("a", 1))
    ada = name_face(gallery, all_faces(library)[0].id, "Ada")
    library.note([seen("1.jpg", modified=9)], root=ROOT, stamp=STAMP)
    (claim,) = library.claim("w", root=ROOT, limit=1, lease=60)
    library.put(claim, content("a, darker", 1), stamp=STAMP, detector="mtcnn")
    assert [face.person_id for face in all_faces(library)] == [ada.id, ada.id]


def test_a_search_with_other_settings_keeps_ids_and_names(gallery, library):
    """Faces in the place of former ones stay who they are; what was named and is not found again stays too."""
    take(library, content("a", 1, 2))
    first, second = all_faces(library)
    name_face(gallery, second.id, "Ada")
    library.note([seen("0.jpg")], root=ROOT, stamp="b" * 64)
    (claim,) = library.claim("w", root=ROOT, limit=1, lease=60)
    library.put(claim, content("a", 5), stamp="b" * 64, detector="mtcnn")
    assert [face.id for face in all_faces(library)] == [first.id, second.id]
    assert library.waiting(ROOT) == 0


def test_a_file_that_ends_its_workers_is_left_alone(library):
    """Files of a worker that ended go to others one by one; the third time the file fails, with the reason."""
    library.note([seen("good.jpg"), seen("bad.jpg")], root=ROOT, stamp=STAMP)
    library.claim("a", root=ROOT, limit=2, lease=60)
    assert library.release("a", crashed=True) == 2
    (good,) = library.claim("b", root=ROOT, limit=2, lease=60)
    library.put(good, content("good"), stamp=STAMP, detector="mtcnn")
    for worker in ("c", "d"):
        assert len(library.claim(worker, root=ROOT, limit=2, lease=60)) == 1
        library.release(worker, crashed=True)
    (status,) = library.status(["failed"])
    assert status.path.endswith(b"bad.jpg")
    assert "3 programs" in status.reason
    assert library.note([seen("bad.jpg")], root=ROOT, stamp=STAMP).known == 1


def test_what_cannot_be_read_is_kept_with_its_reason_and_tried_again(library):
    """A failed file is listed, and waits again at the next look: a decoder may have been installed meanwhile."""
    library.note([seen("a.heic")], root=ROOT, stamp=STAMP)
    (claim,) = library.claim("w", root=ROOT, limit=1, lease=60)
    assert library.fail(claim, "needs an extra")
    assert [s.reason for s in library.status(["failed"])] == ["needs an extra"]
    assert library.note([seen("a.heic")], root=ROOT, stamp=STAMP).again == 1


def test_gone_files_are_forgotten_on_request(gallery, library):
    """Forgetting what is gone deletes its faces; a copy keeps them."""
    take(library, content("a", 1), content("a", 1), content("b", 2))
    seqs = [seq for page in library.paths() for seq, _, _ in page]
    library.mark_gone(seqs[1:])
    assert library.forget_gone(seqs) == 2
    assert [face.sha256 for face in all_faces(library)] == [hashlib.sha256(b"a").hexdigest()]
    assert library.counts().gone == 0


def test_faces_are_found_by_what_is_asked(gallery, library):
    """Time, name and space narrow down; photographs come whole, in pages."""
    old, new = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2026))
    take(library, content("a", 1, 2, taken=old), content("b", 3, taken=new))
    ada = name_face(gallery, all_faces(library)[2].id, "Ada")
    assert len(all_faces(library, query=FaceQuery(since=new))) == 1
    assert len(all_faces(library, query=FaceQuery(until=new))) == 2
    assert len(all_faces(library, query=FaceQuery(person_id=ada.id))) == 1
    assert len(all_faces(library, query=FaceQuery(unnamed=True))) == 2
    assert all_faces(library, OTHER_SPACE) == []
    assert library.spaces() == [SPACE]
    assert library.counts().faces == 3


def test_names_that_are_no_unicode_are_kept_to_the_byte(library):
    """A path is bytes: what a Latin-1 disk brings is found again."""
    library.note([seen("x")], root=ROOT, stamp=STAMP)
    odd = seen("y").__class__(b"/photos/caf\xe9.jpg", "photo", 1, 1)
    library.note([odd], root=ROOT, stamp=STAMP)
    assert library.claim("w", root=ROOT, limit=9, lease=60)[1].path == b"/photos/caf\xe9.jpg"


def test_indexing_does_not_choose_the_space_that_is_searched(gallery, library):
    """A library may be indexed before anybody is enrolled, in any space."""
    take(library, content("a", 1))
    assert gallery.active_space() is None
    gallery.add("Ada", [make_template(1, OTHER_SPACE)])
    assert gallery.active_space() == OTHER_SPACE


@pytest.mark.file
def test_a_removed_person_is_gone_from_the_library(path, gallery, library):
    """Faces named so, and those said to look like them, are deleted; the receipt counts and looks for them."""
    gallery.add("Somebody", [make_template(1)])
    take(library, content("a", 1, 2, 3))
    one, other, third = all_faces(library)
    name_face(gallery, one.id, "Somebody")
    named = faces(1).embeddings[0].tobytes()
    assert named in path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
    receipt = gallery.remove("Somebody", alike=[other.id])
    assert receipt.removed["faces"] == 2
    assert receipt.verified
    assert [face.id for face in all_faces(library)] == [third.id]
    assert named not in path.read_bytes()


def test_two_people_who_become_one_share_their_faces(gallery, library):
    """A merge moves the faces of the library too."""
    take(library, content("a", 1))
    (face,) = all_faces(library)
    name_face(gallery, face.id, "Ada K")
    ada, _ = gallery.add("Ada", [])
    gallery.merge("Ada", "Ada K")
    assert all_faces(library)[0].person_id == ada.id
