"""Pictures kept of photographs: never of somebody who refuses, shared by the spaces of a face, gone with their person."""

import numpy as np
import pytest

from mien.core.errors import InputError, NotFoundError
from mien.core.faces import Faces
from mien.core.people import FacePhoto
from mien.media.face_photos import cut_photo, read_photo
from mien.store.schema import pictures, template_pictures
from tests.fakes.gallery import OTHER_SPACE, SPACE, make_template


def photo(seed: int) -> FacePhoto:
    """What is kept of a photograph of noise: no two are alike."""
    image = np.random.default_rng(seed).integers(0, 256, (120, 160, 3), np.uint8)
    landmarks = np.array([[[60, 50], [80, 50], [70, 60], [62, 70], [78, 70]]], np.float32)
    return cut_photo(image, Faces(np.array([[50, 40, 90, 80]], np.float32), np.ones(1, np.float32), landmarks))


def count(gallery, table):
    with gallery._database.reading() as connection:
        return len(connection.execute(table.select()).all())


def test_a_picture_comes_back_as_it_was_kept(gallery):
    """What was kept with a template is read with its box and landmarks; a template without a picture has none."""
    given = photo(1)
    _, (kept, bare) = gallery.add("Ada Lovelace", [make_template(1, photo=given), make_template(2)])
    assert kept.photo is None
    read = gallery.pictures.photo(kept.id)
    assert (read.jpeg, read.box) == (given.jpeg, given.box)
    np.testing.assert_array_equal(read.landmarks, given.landmarks)
    assert gallery.pictures.photo(bare.id) is None
    assert gallery.pictures.sizes("Ada Lovelace") == {kept.id: len(given.jpeg)}


@pytest.mark.file
def test_whoever_refuses_is_not_kept(gallery, path):
    """A refusal deletes what there is, from the bytes of the file too, and holds for later photographs; a yes undoes it."""
    given = photo(1)
    _, (template,) = gallery.add("Ada Lovelace", [make_template(1, photo=given)])
    assert given.jpeg[-64:] in everything(path)
    gone = gallery.pictures.allow("Ada Lovelace", allowed=False)
    assert (gone.crops, gone.bytes, gone.notes) == (1, len(given.jpeg), ())
    assert given.jpeg[-64:] not in everything(path)
    gallery.add("Ada Lovelace", [make_template(2, photo=photo(2))])
    assert gallery.pictures.sizes() == {}
    consent = gallery.evidence.consent("Ada Lovelace")
    assert (consent.pictures, consent.photographs, consent.evidence) == (False, 0, False)
    gallery.pictures.allow("Ada Lovelace", allowed=True)
    _, (again,) = gallery.add("Ada Lovelace", [make_template(3, photo=photo(3))])
    assert list(gallery.pictures.sizes()) == [again.id]
    assert gallery.person("Ada Lovelace").templates == 3
    assert template.id not in gallery.pictures.sizes()


def everything(path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())


def test_one_word_does_not_unsay_the_other(gallery):
    """Consent to evidence and word on photographs are recorded side by side."""
    gallery.add("Ada Lovelace", [])
    gallery.pictures.allow("Ada Lovelace", allowed=False)
    gallery.evidence.set_consent("Ada Lovelace", allowed=True)
    consent = gallery.evidence.consent("Ada Lovelace")
    assert (consent.evidence, consent.pictures) == (True, False)
    gallery.pictures.allow("Ada Lovelace", allowed=True)
    consent = gallery.evidence.consent("Ada Lovelace")
    assert (consent.evidence, consent.pictures) == (True, True)


@pytest.mark.file
def test_removal_leaves_no_picture(gallery, path):
    """The receipt counts the pictures, and no file holds a byte of them."""
    given = photo(1)
    gallery.add("Ada Lovelace", [make_template(1, photo=given)])
    gallery.add("Bob Marley", [make_template(2, photo=photo(2))])
    receipt = gallery.remove("Ada Lovelace")
    assert receipt.verified
    assert receipt.removed["pictures"] == 1
    assert given.jpeg[-64:] not in everything(path)
    assert len(gallery.pictures.sizes("Bob Marley")) == 1


def test_disclosure_has_the_pictures(gallery):
    """Whoever asks gets their own pictures, not another's, and no pixels among the JSON."""
    given = photo(1)
    gallery.add("Ada Lovelace", [make_template(1, photo=given)])
    gallery.add("Bob Marley", [make_template(2, photo=photo(2))])
    told = gallery.disclose("Ada Lovelace")
    assert list(told.photos.values()) == [given.jpeg]
    (row,) = told.to_dict()["pictures"]
    assert "jpeg" not in row
    assert row["id"] in told.photos


def test_merged_people_keep_their_pictures_unless_one_refuses(gallery):
    """A merge moves pictures along; a refusal by either takes all, and goes on holding."""
    gallery.add("Ada", [make_template(1, photo=photo(1))])
    gallery.add("Countess", [make_template(2, photo=photo(2))])
    gallery.merge("Ada", "Countess")
    assert len(gallery.pictures.sizes("Ada")) == 2
    gallery.add("Lovelace", [])
    gallery.pictures.allow("Lovelace", allowed=False)
    gallery.merge("Ada", "Lovelace")
    assert gallery.pictures.sizes() == {}
    assert gallery.evidence.consent("Ada").pictures is False
    assert count(gallery, pictures) == 0


def test_a_face_in_two_spaces_has_one_picture(gallery):
    """A face that is embedded again shares its picture; the picture goes with the last of its templates."""
    _, (old,) = gallery.add("Ada", [make_template(1, photo=photo(1))])
    new = gallery.reembedding.add(old, make_template(9, OTHER_SPACE).embedding, OTHER_SPACE)
    assert (new.space, new.box, new.photo_sha256) == (OTHER_SPACE, old.box, old.photo_sha256)
    assert gallery.pictures.photo(new.id).jpeg == gallery.pictures.photo(old.id).jpeg
    assert count(gallery, pictures) == 1
    gallery.remove_template(old.id)
    assert gallery.pictures.photo(new.id) is not None
    gallery.remove_template(new.id)
    assert (count(gallery, pictures), count(gallery, template_pictures)) == (0, 0)


def test_a_face_that_was_removed_is_not_embedded_again(gallery):
    """Somebody removed while a long run embeds everybody does not come back through it."""
    _, (old,) = gallery.add("Ada", [make_template(1)])
    gallery.remove("Ada")
    with pytest.raises(NotFoundError, match="removed meanwhile"):
        gallery.reembedding.add(old, make_template(9, OTHER_SPACE).embedding, OTHER_SPACE)


def test_a_switch_knows_the_way_back(gallery):
    """The space before the last switch is remembered; without a switch there is none."""
    _, (old,) = gallery.add("Ada", [make_template(1)])
    assert gallery.reembedding.former() is None
    gallery.reembedding.add(old, make_template(9, OTHER_SPACE).embedding, OTHER_SPACE)
    gallery.set_active_space(OTHER_SPACE)
    assert gallery.reembedding.former() == SPACE
    gallery.set_active_space(SPACE)
    assert (gallery.active_space(), gallery.reembedding.former()) == (SPACE, OTHER_SPACE)


def test_only_a_jpeg_is_kept(gallery):
    """What is no picture is refused with what it begins with, and the template is not written either."""
    bad = FacePhoto(b"GIF89a", (0, 0, 1, 1))
    with pytest.raises(InputError, match="474946"):
        gallery.add("Ada", [make_template(1, photo=bad)])
    assert gallery.people() == []


def test_the_part_shows_the_face_and_its_surroundings():
    """Box and landmarks lie in the part where they lay in the photograph; a large face is made smaller, all along."""
    image = np.zeros((1000, 1200, 3), np.uint8)
    image[300:700, 400:800] = 255
    landmarks = np.array([[[500, 450], [700, 450], [600, 550], [520, 640], [680, 640]]], np.float32)
    face = Faces(np.array([[400, 300, 800, 700]], np.float32), np.ones(1, np.float32), landmarks)
    picture, found = read_photo(cut_photo(image, face))
    x1, y1, x2, y2 = found.boxes[0].round().astype(int)
    assert abs((x2 - x1) - 320) <= 1
    assert picture.pixels[y1 + 3 : y2 - 3, x1 + 3 : x2 - 3].min() > 250
    assert picture.pixels[: y1 - 3].max() < 5
    np.testing.assert_allclose((found.landmarks[0] - found.boxes[0, :2]) / 0.8, landmarks[0] - [400, 300], atol=1)
