"""The library as a developer uses it: one import, threads, batches, typed results."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import mien


@pytest.fixture
def recognizer(home):
    recognizer = mien.recognizer(database=str(home / "family.db"))
    with recognizer.gallery:
        yield recognizer


def test_threads_share_a_recognizer_while_another_enrols(recognizer, photo, home):
    """Four threads ask, one enrols: every answer is one that some moment justifies, the last ones know everybody."""
    ada = mien.read_image(photo("ada.png"))
    party = mien.read_image(photo("party.png", change=lambda a: (a * 0.8).astype(np.uint8)))
    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(recognizer.identify, party) for _ in range(12)]
        learnt = threads.submit(recognizer.enroll, "Ada", [ada])
        assert learnt.result()[0].accepted
        answers = {f.result().matches[0].name for f in asked}
        after = list(threads.map(recognizer.identify, [party] * 8))
    assert answers <= {"Ada", "unknown"}
    assert {faces.matches[0].name for faces in after} == {"Ada"}
    assert len({faces.matches[0].similarity for faces in after}) == 1


def test_a_batch_equals_one_by_one(recognizer, photo):
    """identify_batch gives what identify gives, in order, for pictures of different sizes."""
    pictures = [mien.read_image(photo("a.png")), mien.read_image(photo("b.png", change=lambda a: a[:300, 100:400]))]
    batch = recognizer.identify_batch(pictures)
    for one, faces in zip(pictures, batch, strict=True):
        alone = recognizer.identify(one)
        assert np.array_equal(alone.boxes, faces.boxes)
        assert np.array_equal(alone.embeddings, faces.embeddings)


def test_an_array_is_a_picture_too_and_wrong_ones_are_named(recognizer, astronaut):
    """uint8 RGB arrays go in as they are; floats, NaN, grey and file names are refused with the way out."""
    assert len(recognizer.identify(astronaut)) == 1
    for wrong in (astronaut / 255.0, np.full((50, 50, 3), np.nan), astronaut[..., 0], "a.png"):
        with pytest.raises(mien.ImageError):
            recognizer.identify(wrong)


def test_two_spaces_are_never_compared(recognizer, photo, home):
    """Another embedder over the same gallery is refused, naming the embedder the gallery was made with."""
    recognizer.enroll("Ada", [mien.read_image(photo("ada.png"))])
    other = mien.recognizer(database=str(home / "family.db"), embedder="dlib")
    with other.gallery, pytest.raises(mien.SpaceMismatchError, match="facenet"):
        other.identify(mien.read_image(home / "ada.png"))


def test_the_same_picture_twice_gives_the_same_numbers(recognizer, astronaut):
    """Nothing is random: boxes, landmarks and vectors are equal to the bit."""
    first, second = recognizer.find(astronaut), recognizer.find(astronaut)
    assert np.array_equal(first.boxes, second.boxes)
    assert np.array_equal(first.landmarks, second.landmarks)
    assert np.array_equal(first.embeddings, second.embeddings)
