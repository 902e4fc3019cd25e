"""What people said of faces is kept for ever, and groups change only as they are told."""

import pytest

from mien.core.errors import InputError, NotFoundError
from tests.fakes.gallery import SPACE
from tests.fakes.library import all_faces, content, take


@pytest.fixture
def library(gallery):
    library = gallery.library
    take(library, content("a", 1, 2, 3, 4, 5))
    return library


def ids(library):
    return [face.id for face in all_faces(library)]


def members(library):
    """Ids of faces by the number of their group."""
    numbers = {group.id: group.number for group in library.groups.all()}
    found = {}
    for face in all_faces(library):
        found.setdefault(numbers.get(face.group_id), []).append(face.id)
    return found


def test_groups_are_made_joined_and_counted(library):
    """Faces go into new groups and old ones; a face that has a group or a name is left where it is."""
    a, b, c, d, _ = ids(library)
    assert library.groups.place({}, [[a, b], [c]]) == 3
    first, second = library.groups.all()
    assert (first.faces, second.faces) == (2, 1)
    assert library.groups.place({second.id: [a, d]}, []) == 1
    assert members(library)[second.number] == [c, d]


def test_merging_and_splitting(library):
    """Two groups become one; some faces of a group become another; what makes no sense is refused."""
    a, b, c, d, e = ids(library)
    library.groups.place({}, [[a, b], [c, d]])
    one, other = library.groups.all()
    assert library.groups.merge(str(one.number), str(other.number)).faces == 4
    new = library.groups.split(str(one.number), [c[:8], d[:8]])
    assert members(library)[new.number] == [c, d]
    with pytest.raises(InputError, match="leave some"):
        library.groups.split(str(new.number), [c, d])
    with pytest.raises(InputError, match="not all of these"):
        library.groups.split(str(new.number), [e])
    with pytest.raises(InputError, match="with itself"):
        library.groups.merge(str(new.number), str(new.number))
    with pytest.raises(NotFoundError, match="groups list"):
        library.groups.get("99")


def test_a_named_group_is_a_person_and_no_group(gallery, library):
    """Its faces bear the name; the group is gone; a new run places none of them anew."""
    a, b, c, *_ = ids(library)
    library.groups.place({}, [[a, b]])
    ada, _ = gallery.add("Ada", [])
    assert library.groups.name([a, b], ada.id) == 2
    assert library.groups.all() == []
    assert library.groups.place({}, [[a, b, c]]) == 1
    assert [f.person_id for f in all_faces(library)][:2] == [ada.id, ada.id]


def test_not_ada_is_remembered(gallery, library):
    """A refused name goes from the face and stays refused; said twice is said once; named again it is taken back."""
    a, *_ = ids(library)
    ada, _ = gallery.add("Ada", [])
    library.groups.name([a], ada.id)
    for _ in range(2):
        library.groups.refuse(a[:8], "Ada")
    (table,) = library.faces(SPACE)
    assert table.refused == {a: frozenset({ada.id})}
    assert table.faces[0].person_id is None
    library.groups.name([a], ada.id)
    assert next(library.faces(SPACE)).refused == {}


def test_two_who_differ_are_told_apart(library):
    """The pair is kept once, whichever way it is said, and the second leaves the group they share."""
    a, b, c, *_ = ids(library)
    library.groups.place({}, [[a, b, c]])
    library.groups.tell_apart(a, b)
    library.groups.tell_apart(b, a)
    assert library.apart() == [tuple(sorted((a, b)))]
    (group,) = library.groups.all()
    assert group.by_hand
    assert group.faces == 2
    with pytest.raises(InputError, match="same face"):
        library.groups.tell_apart(a, a)
