"""Several embedders as one space."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import InputError
from mien.core.faces import Faces
from mien.core.people import EmbeddingSpace
from mien.core.vectors import unit
from mien.embedders.ensemble import EnsembleEmbedder, Member


@dataclass(frozen=True)
class FakeEmbedder:
    """Chips of one colour, the face's index; vectors that depend on the colour."""

    dimensions: int
    size: int
    needs_landmarks: bool = False

    @property
    def space(self):
        return EmbeddingSpace(f"fake{self.size}", self.dimensions, "00", f"box+0@{self.size}", "none")

    def crop(self, image, faces):
        colours = np.arange(len(faces), dtype=np.uint8) + self.size
        return np.broadcast_to(colours[:, None, None, None], (len(faces), self.size, self.size, 3)).copy()

    def embed(self, image, faces):
        return self.embed_chips(self.crop(image, faces))

    def embed_chips(self, chips):
        angle = chips.reshape(len(chips), -1).mean(axis=1, keepdims=True) * np.arange(1, self.dimensions + 1)
        return unit(np.cos(angle).astype(np.float32))


def zeros(n):
    return np.zeros(n, np.float32)


A, B = FakeEmbedder(3, 20), FakeEmbedder(5, 30, needs_landmarks=True)
FACES = Faces(boxes=np.tile(np.array([[0, 0, 9, 9]], np.float32), (4, 1)), scores=np.ones(4))
IMAGE = np.zeros((10, 10, 3), np.uint8)


@given(st.floats(0.05, 2), st.floats(0.05, 2))
def test_the_cosine_is_the_weighted_mean(a, b):
    """The cosine of joined vectors is the mean of the members' cosines, weighted by one over the spread."""
    joined = EnsembleEmbedder("both", [Member(A, zeros(0), a), Member(B, zeros(0), b)]).embed(IMAGE, FACES)
    parts = [e.embed(IMAGE, FACES) for e in (A, B)]
    expected = (parts[0] @ parts[0].T / a + parts[1] @ parts[1].T / b) / (1 / a + 1 / b)
    np.testing.assert_allclose(joined @ joined.T, expected, atol=2e-6)


def test_a_member_is_centred_before_it_is_joined():
    """A member's centre is subtracted and what is left brought to unit length."""
    centre = np.array([0.3, -0.2, 0.5], np.float32)
    joined = EnsembleEmbedder("both", [Member(A, centre, 1), Member(B, zeros(5), 1)]).embed(IMAGE, FACES)
    np.testing.assert_allclose(joined[:, :3] * np.sqrt(2), unit(A.embed(IMAGE, FACES) - centre), atol=1e-6)


def test_chips_lie_side_by_side():
    """The members' chips lie side by side in one square, and embedding that is embedding the picture."""
    both = EnsembleEmbedder("both", [Member(A, zeros(3), 0.9), Member(B, zeros(5), 0.2)])
    chips = both.crop(IMAGE, FACES)
    assert chips.shape == (4, 50, 50, 3)
    assert (chips[1, :20, :20] == 21).all()
    assert (chips[1, :30, 20:] == 31).all()
    assert not chips[:, 30:].any()
    np.testing.assert_array_equal(both.embed_chips(chips), both.embed(IMAGE, FACES))


def test_the_space_names_all_that_matters():
    """Members, their order, centres and spreads all change the space; its width is the sum."""
    base = EnsembleEmbedder("both", [Member(A, zeros(3), 0.9), Member(B, zeros(5), 0.2)])
    others = [
        EnsembleEmbedder("both", [Member(B, zeros(5), 0.2), Member(A, zeros(3), 0.9)]),
        EnsembleEmbedder("both", [Member(A, zeros(3), 0.9), Member(B, zeros(5), 0.3)]),
        EnsembleEmbedder("both", [Member(A, zeros(3) + 1, 0.9), Member(B, zeros(5), 0.2)]),
        EnsembleEmbedder("both", [Member(A, zeros(3), 0.9), Member(FakeEmbedder(5, 31), zeros(5), 0.2)]),
    ]
    assert base.space.dimensions == 8
    assert len({e.space.id for e in (base, *others)}) == 5


def test_it_needs_landmarks_if_any_member_does():
    """Landmarks are needed as soon as one member needs them."""
    assert EnsembleEmbedder("both", [Member(A, zeros(3), 1), Member(B, zeros(5), 1)]).needs_landmarks
    assert not EnsembleEmbedder("both", [Member(A, zeros(3), 1), Member(A, zeros(3), 1)]).needs_landmarks


def test_members_that_cannot_work_are_refused():
    """One member, a centre of another length, a spread of nothing: refused where they are made."""
    with pytest.raises(InputError, match="two members"):
        EnsembleEmbedder("one", [Member(A, zeros(3), 1)])
    with pytest.raises(InputError, match="shape"):
        Member(A, zeros(4), 1)
    for spread in (0, -1, float("nan")):
        with pytest.raises(InputError, match="more than 0"):
            Member(A, zeros(3), spread)
