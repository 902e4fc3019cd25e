"""A head that turns as asked passes; nothing flat does, whatever is done with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import SettingError
from mien.recognition.challenge import FAILED, Challenge, ChallengeOptions
from mien.recognition.parallax import frontal, parallax, pose, slimness
from tests.fakes.heads import FLAT, HEAD, Sides, seen

NOISE = 0.026
"""Standard deviation of MTCNN's landmarks from frame to frame, eye distances: docs/benchmarks/liveness.md."""

angle = st.floats(-65, 65)


def obey(challenge, points, *, most=50.0, step=4.0, seconds=20.0, noise=0.0, seed=0, **view):
    """Turn ``points`` as the challenge asks, ten frames a second and ``step`` degrees each; the states it went through."""
    random = np.random.default_rng(seed)
    yaw, states = 0.0, []
    for frame in range(int(10 * seconds)):
        goal = most * challenge.side if challenge.state == "turn" else 0.0
        yaw += float(np.clip(goal - yaw, -step, step))
        landmarks = seen(points, yaw=yaw, **view)
        landmarks += random.normal(0, noise * 50, landmarks.shape)
        states.append(challenge.see(landmarks, frame / 10))
        if states[-1] in FAILED or states[-1] == "passed":
            break
    return states


@settings(deadline=None)
@given(yaw=angle, pitch=st.floats(-40, 40), roll=angle, distance=st.floats(3, 30), size=st.floats(10, 300))
def test_no_view_of_a_plane_moves_its_nose(yaw, pitch, roll, distance, size):
    """However a photograph is tilted, turned, moved and looked at: parallax 0."""
    reference = pose(seen(FLAT))
    now = pose(seen(FLAT, yaw=yaw, pitch=pitch, roll=roll, distance=distance, size=size))
    assert now is None or parallax(reference, now) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("yaw", [-50, -30, 20, 40])
def test_a_head_moves_it_by_its_depth_times_the_sine(yaw):
    """From afar: 0.6 eye distances deep, where the frame of eyes and mouth is 0.9 eye distances wide."""
    reference, now = (pose(seen(HEAD, yaw=y, distance=1000)) for y in (0, yaw))
    assert parallax(reference, now) == pytest.approx(0.6 / 0.9 * np.sin(np.radians(yaw)), abs=0.03)
    assert slimness(reference, now) == pytest.approx(np.cos(np.radians(yaw)), abs=0.03)


def test_the_middle_of_some_frames_is_the_front():
    """One bad frame does not move the reference."""
    good, bad = pose(seen(HEAD)), pose(seen(HEAD, yaw=40))
    assert frontal([good, bad, good]) == good


@pytest.mark.parametrize("landmarks", [np.zeros((5, 2)), seen(HEAD)[[1, 0, 2, 3, 4]], seen(HEAD, yaw=89.99)])
def test_landmarks_that_are_no_face_have_no_pose(landmarks):
    """Points in one place, crossed eyes, a pure profile."""
    assert pose(landmarks) is None


@pytest.mark.parametrize("sides", [(1, -1), (-1, -1), (1, 1)])
def test_a_head_that_obeys_passes(sides):
    """Straight, turn, back, turn, back: in that order."""
    states = obey(Challenge(chance=Sides(*sides)), HEAD)
    assert [s for s, before in zip(states, [None, *states], strict=False) if s != before] == [
        "straight", "turn", "back", "turn", "back", "passed",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_a_head_with_noisy_landmarks_passes(seed):
    """At the measured noise somebody who does as asked passes."""
    assert obey(Challenge(), HEAD, noise=NOISE, seed=seed)[-1] == "passed"


@settings(deadline=None, max_examples=60)
@given(
    most=st.floats(5, 70), step=st.floats(1, 30), pitch=st.floats(-35, 35), roll=st.floats(-30, 30),
    distance=st.floats(4, 30), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_a_photograph_never_passes(most, step, pitch, roll, distance, seed):
    """Obediently turned by whatever angle at whatever speed, with landmarks as noisy as measured."""
    states = obey(
        Challenge(),
        FLAT,
        most=most,
        step=step,
        noise=NOISE,
        seed=seed,
        pitch=pitch,
        roll=roll,
        distance=distance,
        seconds=31,
    )
    assert "passed" not in states
    assert "back" not in states


def test_a_photograph_that_is_turned_far_is_called_flat():
    """It has narrowed and its nose has not moved: that is evidence, with a reason."""
    challenge = Challenge(chance=Sides(1))
    assert obey(challenge, FLAT, most=60)[-1] == "flat"
    assert challenge.reason.stage == "liveness"
    assert "movement of the nose" in challenge.reason.words()


def test_a_still_photograph_times_out():
    """Who does nothing is told so after the time is over."""
    challenge = Challenge()
    assert obey(challenge, FLAT, most=0, seconds=60)[-1] == "timed out"
    assert "time for the turns" in challenge.reason.words()


def test_a_small_movement_is_not_enough():
    """Fifteen degrees are less than what a bent photograph can pretend."""
    assert "back" not in obey(Challenge(), HEAD, most=15)


def test_a_shallow_face_is_called_flat():
    """A relief with a third of a head's depth reaches the parallax only when turned so far that it gives itself away."""
    assert obey(Challenge(ChallengeOptions(parallax=0.2)), HEAD * [1, 1, 0.4], most=75)[-1] == "flat"


def test_the_wrong_way_fails():
    """A video of somebody who turns the other way than was asked."""
    challenge = Challenge(chance=Sides(1))
    states = [challenge.see(seen(HEAD, yaw=-4.0 * max(frame - 5, 0)), frame / 10) for frame in range(20)]
    assert states[-1] == "wrong way"
    assert "to the right" in challenge.reason.words()


def test_a_swap_of_photographs_is_no_turn():
    """From a frontal photograph to one of a turned head in one frame: all begins anew, again and again."""
    challenge = Challenge(ChallengeOptions(turns=1), Sides(1))
    for frame in range(290):
        turned = challenge.state == "turn"
        assert challenge.see(seen(HEAD, yaw=45 * turned), frame / 10) != "passed"


def test_turns_in_no_time_are_not_enough():
    """Somebody who turns twice in less time than the follower needs to look who it is waits for the pass."""
    quick, slow = Challenge(ChallengeOptions(least=0.0)), Challenge(ChallengeOptions(least=6.0))
    assert len(obey(quick, HEAD)) < 40
    assert len(obey(slow, HEAD)) > 60
    assert slow.state == "passed"


def test_a_gap_begins_anew():
    """Somebody who was out of sight in the middle of it has done nothing yet."""
    challenge = Challenge(ChallengeOptions(turns=1), Sides(1))
    for frame in range(5):
        challenge.see(seen(HEAD), frame / 10)
    assert challenge.state == "turn"
    assert challenge.see(seen(HEAD), 1.2) == "straight"


def test_turned_all_along_is_never_the_front():
    """Without a straight look there is nothing to measure against."""
    challenge = Challenge()
    assert {challenge.see(seen(HEAD, yaw=30), frame / 10) for frame in range(50)} == {"straight"}


def test_it_says_what_to_do():
    """In the person's own left and right, one step after the other."""
    challenge, said, yaw = Challenge(chance=Sides(1, -1)), [], 0.0
    for frame in range(200):
        said += [challenge.instruction] if challenge.instruction not in said[-1:] else []
        goal = 50.0 * challenge.side if challenge.state == "turn" else 0.0
        yaw += float(np.clip(goal - yaw, -4, 4))
        challenge.see(seen(HEAD, yaw=yaw), frame / 10)
    assert said == [
        "look straight into the camera", "turn your head slowly to your left", "and back",
        "turn your head slowly to your right", "and back", "",
    ]  # fmt: skip


def test_interruptions_do_not_draw_other_sides():
    """Who has one recording cannot jump about until what is asked suits it."""
    challenge = Challenge()
    asked = set()
    for frame in range(100):
        challenge.see(seen(HEAD, yaw=60 * (frame % 10 == 9)), frame / 10)
        asked |= {challenge.side} if challenge.state == "turn" else set()
    assert len(asked) == 1


def test_sides_are_drawn():
    """Each challenge draws its own; both sides occur."""
    assert {Challenge().side for _ in range(64)} == {1, -1}


@pytest.mark.parametrize("wrong", [{"turns": 0}, {"frames": 0}, {"straight": 0.5}])
def test_options_that_cannot_work(wrong):
    """They are refused with the value."""
    with pytest.raises(SettingError):
        ChallengeOptions(**wrong)
