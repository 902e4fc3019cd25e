"""Decisions: match, ambiguous, unknown, and one identity once per picture."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.core.answers import Quality
from mien.core.errors import InputError, SettingError
from mien.core.faces import Faces
from mien.core.people import Calibration
from mien.core.reasons import Reason
from mien.core.vectors import unit
from mien.recognition.assignment import assign
from mien.recognition.calibration import derive_threshold
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from tests.fakes.plugs import SPACE, FakeGallery

AXES = np.eye(8, dtype=np.float32)
ADA, EVE, BOB = AXES[0], AXES[1], AXES[2]

CALIBRATION = Calibration(
    space_id=SPACE.id,
    far=(1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
    similarity=(0.1, 0.2, 0.3, 0.4, 0.5),
    genuine=(0.2, 0.6, 1.0),
    genuine_at=(0.0, 0.1, 1.0),
    comparisons=1_000_000,
    data="made up",
    protocol="none",
    date="2026-01-01",
)


def near(*weights: float) -> np.ndarray:
    """A unit vector with these cosines to the first axes, the rest of its length on the last axis."""
    left = 1 - sum(w * w for w in weights)
    return np.array([*weights, *[0.0] * (7 - len(weights)), np.sqrt(left)], np.float32)


def faces_of(*vectors: np.ndarray, quality=None) -> Faces:
    n = len(vectors)
    return Faces(
        boxes=np.tile(np.array([0, 0, 50, 50], np.float32), (n, 1)),
        scores=np.ones(n),
        embeddings=unit(np.array(vectors, np.float32)),
        space=SPACE,
        quality=quality,
    )


def decide(gallery, *vectors, **options):
    identifier = CosineIdentifier(CALIBRATION, IdentifyOptions(**{"threshold": 0.5, "margin": 0.05} | options))
    return identifier.identify(faces_of(*vectors), gallery)


GALLERY = FakeGallery({"Ada": [ADA], "Eve": [EVE], "Bob": [BOB]})


def test_a_near_face_is_a_match_with_its_margin():
    """The best person over the threshold and well ahead is named; similarity, margin and runners-up are told."""
    (match,) = decide(GALLERY, near(0.8, 0.3, 0.1))
    assert (match.decision, match.name) == ("match", "Ada")
    assert match.similarity == pytest.approx(0.8, abs=1e-5)
    assert match.margin == pytest.approx(0.5, abs=1e-5)
    assert [c.name for c in match.candidates] == ["Ada", "Eve", "Bob"]


def test_a_face_below_the_threshold_is_unknown_and_says_how_far():
    """A stranger gets no name, but the candidates, the measured similarity and the limit."""
    (match,) = decide(GALLERY, near(0.3, 0.2))
    assert match.decision == "unknown"
    assert match.person_id is None
    assert match.candidates[0].name == "Ada"
    assert match.reasons[0].words() == "similarity 0.3 is below 0.5"


def test_two_people_equally_near_are_ambiguous():
    """Twins are not picked silently: the margin is named with its limit."""
    (match,) = decide(GALLERY, near(0.6, 0.58))
    assert match.decision == "ambiguous"
    assert "margin" in match.reasons[0].words()
    assert {c.name for c in match.candidates[:2]} == {"Ada", "Eve"}


def test_the_best_of_several_templates_counts_and_one_bad_photo_does_not_pull_the_mean():
    """Similarity is that of the best template; the mean leaves the lower quarter out."""
    gallery = FakeGallery({"Ada": [near(0.9), near(0.8), near(0.7), AXES[3]]})
    (match,) = decide(gallery, ADA)
    assert match.similarity == pytest.approx(0.9, abs=1e-5)
    assert match.candidates[0].mean == pytest.approx(0.8, abs=1e-5)
    assert match.candidates[0].templates == 4
    assert match.margin is None


def test_a_name_is_given_once_per_picture_and_the_sister_gets_hers():
    """Two faces near Ada: the total decides, so that each sister is named, not one twice."""
    first, second = decide(GALLERY, near(0.8, 0.5), near(0.7, 0.69))
    assert (first.name, second.name) == ("Ada", "Eve")
    assert "Ada (0.70) is face 1" in second.reasons[0].words()


def test_who_is_somebody_else_in_the_picture_still_counts_as_a_candidate():
    """Assigning names takes neither margin nor candidates from the sure faces of the picture."""
    sure, second, third = decide(GALLERY, near(0.9, 0.3, 0.2), near(0.2, 0.8, 0.1), near(0.75, 0.1))
    assert [sure.name, second.name, third.decision] == ["Ada", "Eve", "unknown"]
    assert sure.margin == pytest.approx(0.6, abs=1e-5)
    assert [c.name for c in sure.candidates] == ["Ada", "Eve", "Bob"]
    assert len(second.candidates) == len(third.candidates) == 3


def test_the_assignment_looks_at_the_total_not_at_the_first():
    """Naming Ada where she is nearest would leave the other face without a name: the larger total wins."""
    first, second = decide(GALLERY, near(0.62, 0.6), near(0.6, 0.2), margin=0.0)
    assert (first.name, second.name) == ("Eve", "Ada")


def test_a_certain_face_does_not_give_its_name_to_a_doubtful_one():
    """Two faces just over the threshold are worth less than one that is sure: Ada stays Ada, the other is nobody."""
    first, second = decide(GALLERY, near(0.83, 0.54), near(0.52, 0.1))
    assert (first.name, second.decision) == ("Ada", "unknown")


def test_the_same_person_twice_is_named_once_unless_told_otherwise():
    """A face in the mirror stays unknown and says why; --no-once names both."""
    first, second = decide(GALLERY, near(0.9), near(0.8))
    assert (first.name, second.decision) == ("Ada", "unknown")
    assert "Ada (0.80) is face 1 of this picture (0.90)" in [r.words() for r in second.reasons]
    assert [m.name for m in decide(GALLERY, near(0.9), near(0.8), once=False)] == ["Ada", "Ada"]


def test_the_margin_follows_the_scale_of_the_space():
    """Where cosines lie closer together a smaller lead is enough; a margin given by hand stays."""
    close = Calibration(**CALIBRATION.to_dict() | {"similarity": tuple(0.8 + s / 10 for s in CALIBRATION.similarity)})
    wide, narrow = (CosineIdentifier(c).margin(SPACE, GALLERY) for c in (CALIBRATION, close))
    assert wide == pytest.approx(10 * narrow)
    assert CosineIdentifier(close, IdentifyOptions(margin=0.2)).margin(SPACE, GALLERY) == 0.2
    assert CosineIdentifier(None, IdentifyOptions(threshold=0.5)).margin(SPACE, GALLERY) == 0.05


def test_faces_are_called_by_their_number_from_the_left():
    """The reason names the face as the table and enroll --face do."""
    faces = faces_of(near(0.9), near(0.8)).with_columns(boxes=np.array([[90, 0, 140, 50], [0, 0, 50, 50]]))
    _, second = CosineIdentifier(CALIBRATION, IdentifyOptions(threshold=0.5)).identify(faces, GALLERY)
    assert "is face 2 of this picture" in " ".join(r.words() for r in second.reasons)


def test_an_empty_gallery_knows_nobody():
    """Without people every face is unknown, without candidates, and says so."""
    (match,) = decide(FakeGallery({}), ADA)
    assert match.decision == "unknown"
    assert match.candidates == ()
    assert "nobody is enrolled" in match.reasons[0].words()


def test_an_unusable_face_keeps_its_reasons_and_takes_nobodys_name():
    """A blurred face is answered no_usable_face and does not take a name from a good one."""
    blurred = Quality(50, 1, 0.5, 0.2, 0, 0, (Reason("gate", "sharpness", 1, 30),))
    good = Quality(50, 100, 0.5, 0.2, 0, 0)
    faces = faces_of(near(0.95), near(0.8), quality=(blurred, good))
    first, second = CosineIdentifier(CALIBRATION, IdentifyOptions(threshold=0.5)).identify(faces, GALLERY)
    assert first.decision == "no_usable_face"
    assert first.reasons[0].words() == "sharpness 1 is below 30"
    assert second.name == "Ada"


def test_faces_without_embeddings_are_refused():
    """Nothing is guessed for faces that were never embedded."""
    faces = Faces(boxes=np.zeros((1, 4)), scores=np.ones(1))
    with pytest.raises(InputError, match="no embeddings"):
        CosineIdentifier(CALIBRATION).identify(faces, GALLERY)


@pytest.mark.parametrize("options", [{"threshold": 4}, {"margin": -1}, {"top": 0}])
def test_options_out_of_range_are_refused_by_name(options):
    """A threshold of 4 is no cosine: the error names the setting and the range."""
    with pytest.raises(SettingError, match=next(iter(options))):
        IdentifyOptions(**options)


def test_the_threshold_grows_with_the_gallery_and_with_the_promise():
    """More templates or fewer strangers named ask for a higher similarity."""
    base = derive_threshold(CALIBRATION, strangers=100, templates=10)
    assert base.similarity == pytest.approx(0.3, abs=0.001)  # 1 % over 10 templates: about 1e-3 each
    assert derive_threshold(CALIBRATION, strangers=100, templates=100).similarity == pytest.approx(0.4, abs=0.001)
    assert derive_threshold(CALIBRATION, strangers=1000, templates=10).similarity == pytest.approx(0.4, abs=0.001)


def test_a_promise_that_the_sample_cannot_support_is_said():
    """Beyond ten expected events the threshold is extended and a caveat names both rates."""
    assert derive_threshold(CALIBRATION, strangers=100, templates=100).caveat == ""
    beyond = derive_threshold(CALIBRATION, strangers=100, templates=10_000)
    assert not beyond.supported
    assert "1,000,000 comparisons" in beyond.caveat


def test_the_stranger_rate_is_kept_on_simulated_strangers():
    """Named strangers stay below one in N when their scores follow the calibration."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 0.1, (20_000, 50))
    quantiles = np.sort(rng.normal(0, 0.1, 2_000_000))
    far = tuple(10.0 ** -np.arange(1, 6))
    measured = Calibration(
        "s",
        far,
        tuple(np.quantile(quantiles, 1 - np.array(far))),
        (0, 1),
        (0, 1),
        2_000_000,
        "made",
        "up",
        "2026-01-01",
    )
    threshold = derive_threshold(measured, strangers=100, templates=50).similarity
    rate = (scores.max(axis=1) >= threshold).mean()
    assert 0.005 < rate < 0.0125


def test_without_calibration_a_threshold_must_be_given():
    """An unknown space has no threshold of its own; a calibration of another space does not serve."""
    other = Calibration("else", (0.1, 0.01), (0.1, 0.2), (0, 1), (0, 1), 1000, "x", "y", "2026-01-01")
    for calibration in (None, other):
        with pytest.raises(SettingError, match="--threshold"):
            CosineIdentifier(calibration).identify(faces_of(ADA), GALLERY)


def test_the_gallerys_own_calibration_goes_first():
    """Who calibrated their own gallery gets their own threshold."""
    gallery = FakeGallery({"Ada": [ADA]})
    shifted = {**CALIBRATION.to_dict(), "similarity": (0.5, 0.6, 0.7, 0.8, 0.9)}
    gallery.own_calibration = Calibration(**shifted)
    assert CosineIdentifier(CALIBRATION).threshold(SPACE, gallery).similarity == pytest.approx(0.6)


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 4), st.integers(0, 4)),
        elements=st.floats(-1, 2).map(lambda v: round(v, 3)),
    )
)
def test_the_assignment_is_the_best_there_is(worth):
    """No other way of giving each once has a larger total (against trying them all)."""
    pairs = assign(worth)
    rows, columns = worth.shape
    assert len({r for r, _ in pairs}) == len(pairs) == len({c for _, c in pairs})
    assert all(worth[r, c] > 0 for r, c in pairs)
    padded = np.concatenate([np.maximum(worth, 0), np.zeros((rows, rows))], axis=1)
    best = max(
        (
            sum(padded[i, c] for i, c in enumerate(chosen))
            for chosen in itertools.permutations(range(columns + rows), rows)
        ),
        default=0.0,
    )
    assert sum(worth[r, c] for r, c in pairs) == pytest.approx(best)
