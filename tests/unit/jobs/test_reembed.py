"""A gallery into another space: from what was kept, resumable, and who needs a new photograph."""

from dataclasses import replace
from hashlib import sha256

import cv2
import numpy as np
import pytest

from mien.core.people import EmbeddingSpace
from mien.jobs.reembed import Bar, Photographs, carried, compare, reembed
from mien.jobs.running import Done, Failed, Skipped
from mien.media.images import ReadOptions, read_image
from mien.recognition.enrolment import Enroller, EnrolOptions
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from mien.recognition.quality import QualityLimits
from mien.store.gallery import open_gallery
from tests.fakes.plugs import SPACE, FakeDetector, FakeEmbedder

NEW = EmbeddingSpace("other", 5, "11", "box", "none")
BOX = [40.0, 30.0, 120.0, 110.0]
ANY = QualityLimits(size=0, sharpness=0, darkest=0, brightest=1, contrast=0, yaw=180, roll=180)
COLOURS = {"Ada": (250, 20, 20), "Bob": (20, 250, 20), "Cy": (20, 20, 250)}


@pytest.fixture
def gallery(tmp_path):
    with open_gallery(tmp_path / "gallery.db") as opened:
        yield opened


def paint(folder, name, change=0):
    """A photograph of somebody whose face has a colour of its own."""
    image = np.full((160, 200, 3), 90 + change, np.uint8)
    image[30:110, 40:120] = np.clip(np.array(COLOURS[name]) + change, 0, 255)
    path = folder / f"{name}-{change}.png"
    cv2.imwrite(str(path), image[..., ::-1])
    return path


def enrol(gallery, name, path, *, keep):
    identifier = CosineIdentifier(None, IdentifyOptions(threshold=0.9))
    enroller = Enroller(FakeDetector([BOX]), FakeEmbedder(), identifier, gallery)
    (outcome,) = enroller.enroll(
        name, [read_image(path)], options=EnrolOptions(limits=ANY, keep_photos=keep, allow_similar=True)
    )
    assert outcome.accepted, outcome.reasons


def again(gallery, *, files=(), detector=None):
    photographs = Photographs(gallery, detector or FakeDetector([BOX]), ReadOptions(), files)
    return list(reembed(gallery, FakeEmbedder(NEW), photographs, of=SPACE))


def test_from_what_was_kept(gallery, tmp_path):
    """A kept picture is enough: the photograph is gone and no detector finds anything, yet the vector is all but the same."""
    path = paint(tmp_path, "Ada")
    enrol(gallery, "Ada", path, keep=True)
    path.unlink()
    (event,) = again(gallery, detector=FakeDetector([]))
    assert isinstance(event, Done)
    (old,), (new,) = gallery.templates(space=SPACE), gallery.templates(space=NEW)
    assert float(new.embedding[:3] @ old.embedding[:3]) > 0.999
    assert (new.person_id, new.box, new.source) == (old.person_id, old.box, old.source)


def test_without_keeping_the_photograph_itself_is_looked_for(gallery, tmp_path):
    """Where it was, if it is the same; else by its content in a folder; a changed or lost one is named with its person."""
    paths = {name: paint(tmp_path, name) for name in COLOURS}
    for name, path in paths.items():
        enrol(gallery, name, path, keep=False)
    moved = paths["Bob"].rename(tmp_path / "elsewhere.png")
    paths["Cy"].write_bytes(paint(tmp_path, "Cy", 9).read_bytes())
    events = again(gallery, files=[moved])
    assert [type(event) for event in events] == [Done, Done, Failed]
    assert "Cy" in events[2].name
    assert "no photograph was kept" in events[2].reason
    people = {c.person.name: c for c in carried(gallery, SPACE, NEW)}
    assert [people[name].there for name in COLOURS] == [1, 1, 0]
    assert [people[name].needs_photo for name in COLOURS] == [False, False, True]


def test_a_face_that_is_not_found_again_is_said(gallery, tmp_path):
    """A detector that finds a face elsewhere in the photograph gives no template of the wrong face."""
    enrol(gallery, "Ada", paint(tmp_path, "Ada"), keep=False)
    (event,) = again(gallery, detector=FakeDetector([[150.0, 120.0, 190.0, 155.0]]))
    assert isinstance(event, Failed)
    assert "not found again" in event.reason
    assert gallery.templates(space=NEW) == []


def test_a_stopped_run_goes_on(gallery, tmp_path):
    """Each face is safe by itself: stopped after the first, a second run makes the others only."""
    for name in COLOURS:
        enrol(gallery, name, paint(tmp_path, name), keep=True)
    photographs = Photographs(gallery, FakeDetector([BOX]), ReadOptions())
    run = reembed(gallery, FakeEmbedder(NEW), photographs, of=SPACE)
    assert isinstance(next(run), Done)
    run.close()
    assert [type(event) for event in again(gallery)] == [Skipped, Done, Done]
    assert [type(event) for event in again(gallery)] == [Skipped] * 3


def test_both_spaces_are_asked_about_the_same_faces(gallery, tmp_path):
    """Faces in both spaces are compared leave-one-out: named rightly, alone, and wrong where another person is as near."""
    enrol(gallery, "Ada", paint(tmp_path, "Ada"), keep=True)
    enrol(gallery, "Ada", paint(tmp_path, "Ada", 5), keep=True)
    enrol(gallery, "Bob", paint(tmp_path, "Bob"), keep=True)
    again(gallery)
    lost = paint(tmp_path, "Cy")
    enrol(gallery, "Cy", lost, keep=False)  # in the old space only: not compared
    bars = [Bar(SPACE, 0.9, 0.05), Bar(NEW, 0.9, 0.05)]
    old, new = compare(gallery, bars)
    assert old == new
    assert (old.faces, old.alone, old.named, old.nearest, old.wrong) == (3, 1, 2, 2, 0)
    strict = compare(gallery, [replace(bar, threshold=1.5) for bar in bars])[0]
    assert (strict.named, strict.unknown) == (0, 2)


def test_digest_is_of_the_file(gallery, tmp_path):
    """What tells photographs apart is the SHA-256 of their bytes, as enrolment wrote it."""
    path = paint(tmp_path, "Ada")
    enrol(gallery, "Ada", path, keep=False)
    assert gallery.templates()[0].photo_sha256 == sha256(path.read_bytes()).hexdigest()
