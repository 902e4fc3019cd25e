"""What every gallery must do, whatever it keeps its people in."""

import unicodedata
from collections.abc import Iterator

import numpy as np
import pytest

from mien.core.errors import DuplicateError, InputError, NotFoundError, SpaceMismatchError
from mien.core.protocols import Gallery
from mien.store.gallery import open_gallery
from tests.fakes.gallery import OTHER_SPACE, SPACE, MemoryGallery, make_template, same_template


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def gallery(request, tmp_path) -> Iterator[Gallery]:
    """Every gallery there is, empty."""
    if request.param == "memory":
        yield MemoryGallery()
        return
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else tmp_path / "gallery.db"
    with open_gallery(url) as opened:
        yield opened


def test_empty_gallery_answers(gallery):
    """An empty gallery has nobody, no templates, and empty vectors of the right width."""
    vectors, of_owner, owners = gallery.vectors(SPACE)
    assert gallery.people() == []
    assert gallery.templates() == []
    assert (vectors.shape, vectors.dtype) == ((0, 16), np.float32)
    assert (of_owner.shape, of_owner.dtype) == ((0,), np.int64)
    assert owners == ()
    assert gallery.find_photo("0" * 64, SPACE) == []
    assert gallery.calibration(SPACE) is None


def test_added_templates_come_back_unchanged_in_order(gallery):
    """What was added is what is read, oldest first, with ids, owner and an aware time."""
    given = [make_template(3), make_template(1), make_template(2, OTHER_SPACE)]
    person, added = gallery.add("Ada", given)
    read = gallery.templates("Ada")
    assert all(same_template(a, b, given_only=True) for a, b in zip(given, added, strict=True))
    assert all(same_template(a, b) for a, b in zip(added, read, strict=True))
    assert len({t.id for t in read}) == 3
    assert {t.person_id for t in read} == {person.id}
    assert all(t.created.tzinfo is not None for t in read)


def test_same_name_is_the_same_person(gallery):
    """Composed or decomposed, upper or lower case, with blanks around: one name is one person."""
    name = "Đức Nguyễn"
    person, _ = gallery.add(name, [make_template(1)])
    for spelling in (unicodedata.normalize("NFD", name), name.upper(), f"  {name}  "):
        assert gallery.add(spelling, [])[0].id == person.id
        assert gallery.person(spelling).id == person.id
    assert [p.name for p in gallery.people()] == [unicodedata.normalize("NFC", name)]


def test_people_are_ordered_and_count_all_spaces(gallery):
    """People come ordered by name, each with the number of templates of any space."""
    gallery.add("bob", [make_template(1)])
    gallery.add("Ada", [make_template(2), make_template(3, OTHER_SPACE)])
    gallery.add("Émile", [])
    assert [(p.name, p.templates) for p in gallery.people()] == [("Ada", 2), ("bob", 1), ("Émile", 0)]


def test_unknown_person_names_close_ones(gallery):
    """Nobody of that name: the error names who comes close."""
    gallery.add("Joe Biden", [make_template(1)])
    with pytest.raises(NotFoundError, match="Joe Biden"):
        gallery.person("Joe Bidden")
    with pytest.raises(NotFoundError):
        gallery.templates("Joe Bidden")
    with pytest.raises(NotFoundError):
        gallery.person("\udcff")


@pytest.mark.parametrize("name", ["", "   ", "Ada\nLovelace", "\x00", "Ada\u202e", "x" * 201, "\udcff"])
def test_names_nobody_may_have(gallery, name):
    """Empty, overlong, or with control characters: refused, and nobody is created."""
    with pytest.raises(InputError):
        gallery.add(name, [make_template(1)])
    assert gallery.people() == []


def test_a_face_is_enrolled_once_per_person_and_space(gallery):
    """The same photograph and box twice is refused, for the same person and space only."""
    gallery.add("Ada", [make_template(1)])
    with pytest.raises(DuplicateError, match=r"photo-1\.jpg"):
        gallery.add("Ada", [make_template(1)])
    gallery.add("Ada", [make_template(1, OTHER_SPACE), make_template(1, box=(0.0, 0.0, 5.0, 5.0))])
    gallery.add("Bob", [make_template(1)])
    assert len(gallery.templates()) == 4


def test_faces_without_a_photograph_are_never_duplicates(gallery):
    """Arrays have no digest: two of them are two faces, and no photograph finds them."""
    gallery.add("Ada", [make_template(1, photo_sha256=""), make_template(1, photo_sha256="")])
    assert gallery.person("Ada").templates == 2
    assert gallery.find_photo("", SPACE) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"embedding": np.full(16, 0.5, np.float32)},
        {"embedding": np.full(16, np.nan, np.float32)},
        {"embedding": make_template(1, OTHER_SPACE).embedding},
    ],
)
def test_all_templates_or_none(gallery, bad):
    """One template that cannot be compared: nothing is enrolled, nobody created, the revision stays."""
    before = gallery.revision()
    with pytest.raises(InputError):
        gallery.add("Ada", [make_template(1), make_template(2, **bad)])
    assert (gallery.people(), gallery.templates(), gallery.revision()) == ([], [], before)


def test_a_duplicate_takes_the_whole_call_back(gallery):
    """A duplicate among new templates: none of them stays, nor does a person who would have been new."""
    with pytest.raises(DuplicateError):
        gallery.add("Ada", [make_template(1), make_template(2), make_template(1)])
    assert (gallery.people(), gallery.templates()) == ([], [])


def test_templates_by_person_and_space(gallery):
    """Templates are found by person, by space and by both."""
    gallery.add("Ada", [make_template(1), make_template(2, OTHER_SPACE)])
    gallery.add("Bob", [make_template(3)])
    assert len(gallery.templates()) == 3
    assert [t.source for t in gallery.templates(space=SPACE)] == ["photo-1.jpg", "photo-3.jpg"]
    assert [t.source for t in gallery.templates("Ada", OTHER_SPACE)] == ["photo-2.jpg"]


def test_photograph_is_found_with_its_people(gallery):
    """A photograph leads to everybody enrolled from it in that space."""
    group = "ee" * 32
    gallery.add("Ada", [make_template(1, photo_sha256=group), make_template(9)])
    gallery.add("Bob", [make_template(2, photo_sha256=group), make_template(3, OTHER_SPACE, photo_sha256=group)])
    found = gallery.find_photo(group, SPACE)
    assert [(person.name, template.source) for person, template in found] == [
        ("Ada", "photo-1.jpg"),
        ("Bob", "photo-2.jpg"),
    ]
    assert gallery.find_photo("00" * 32, SPACE) == []


def test_vectors_are_the_templates_of_the_space(gallery):
    """The matrix has the templates of the space in their order, each leading to its owner."""
    gallery.add("Bob", [make_template(1), make_template(2)])
    gallery.add("Ada", [make_template(3), make_template(4, OTHER_SPACE)])
    gallery.add("Bob", [make_template(5)])
    vectors, of_owner, owners = gallery.vectors(SPACE)
    expected = gallery.templates(space=SPACE)
    assert np.array_equal(vectors, np.stack([t.embedding for t in expected]))
    assert [owners[i].id for i in of_owner] == [t.person_id for t in expected]
    assert {p.name for p in owners} == {"Ada", "Bob"}


def test_vectors_are_read_only_and_fresh(gallery):
    """Nobody can alter the shared arrays, and a new template is in the next ones."""
    gallery.add("Ada", [make_template(1)])
    vectors, of_owner, _ = gallery.vectors(SPACE)
    for array in (vectors, of_owner):
        assert not array.flags.writeable
        assert array.flags.c_contiguous
    gallery.add("Bob", [make_template(2)])
    assert len(gallery.vectors(SPACE)[0]) == 2
    assert len(vectors) == 1


def test_another_space_is_refused_with_the_remedy(gallery):
    """A gallery with faces of another space only says how to embed them again."""
    gallery.add("Ada", [make_template(1, OTHER_SPACE)])
    with pytest.raises(SpaceMismatchError, match="enrol the photographs again with --embedder facenet"):
        gallery.vectors(SPACE)


def test_revision_grows_with_every_change(gallery):
    """Each committed change gives a higher revision; reading does not."""
    first = gallery.revision()
    gallery.add("Ada", [make_template(1)])
    second = gallery.revision()
    gallery.people()
    gallery.vectors(SPACE)
    assert gallery.revision() == second > first
