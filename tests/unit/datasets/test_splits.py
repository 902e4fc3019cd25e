"""Groups hold together what belongs together, and no group is ever on both sides of a split."""

import itertools
from collections import defaultdict

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import InputError, SettingError
from mien.datasets.near_duplicates import groups, near_duplicate_pairs, video_of
from mien.datasets.splits import split
from mien.media.measures import perceptual_hash

pictures = st.lists(st.tuples(st.sampled_from(["Ada", "Bo", "Đức"]), st.integers(0, 8)), max_size=40)
shares = st.floats(0.05, 0.95)


@given(pictures, shares, st.integers(0, 5))
def test_no_group_is_on_both_sides(rows, share, seed):
    """Every picture has a side, all of a group the same one, and the same seed gives the same split."""
    people, numbers = [p for p, _ in rows], [g for _, g in rows]
    result = split(people, numbers, share=share, seed=seed)
    sides = defaultdict(set)
    for group, side in zip(numbers, result.sides, strict=True):
        sides[group].add(side)
    assert all(len(s) == 1 for s in sides.values())
    assert sorted([*result.train, *result.test]) == list(range(len(rows)))
    assert split(people, numbers, share=share, seed=seed).sides == result.sides


@given(pictures, shares, st.integers(0, 5))
def test_everybody_is_on_both_sides_or_reported(rows, share, seed):
    """A person on one side only is reported; with groups of their own, two are enough for both sides."""
    people = [p for p, _ in rows]
    own = [hash((p, g)) % 10**9 for p, g in rows]  # no group is shared by two people
    result = split(people, own, share=share, seed=seed)
    for person in set(people):
        mine = {result.sides[i] for i, p in enumerate(people) if p == person}
        count = len({own[i] for i, p in enumerate(people) if p == person})
        assert (len(mine) == 2) == (count > 1) == (person not in result.unsplit)


@given(st.integers(2, 60), shares)
def test_the_share_is_met_as_near_as_it_can_be(count, share):
    """With every picture a group of its own, the test side has the number nearest to its share, and one at least."""
    result = split(["Ada"] * count, range(count), share=share)
    assert abs(len(result.test) - (1 - share) * count) <= 0.5 or len(result.test) in {1, count - 1}


@given(pictures, shares, st.integers(0, 5), st.data())
def test_what_was_placed_stays(rows, share, seed, data):
    """A split made again with more pictures leaves every picture of the first where it was."""
    people, numbers = [p for p, _ in rows], [g for _, g in rows]
    known = data.draw(st.integers(0, len(rows)))
    first = split(people[:known], numbers[:known], share=share, seed=seed)
    again = split(people, numbers, share=share, seed=seed + 1, placed=[*first.sides, *[None] * (len(rows) - known)])
    assert again.sides[:known] == first.sides


def test_people_who_cannot_be_split_are_reported():
    """One picture, one video, and pictures shared with others each give their reason."""
    result = split(["Ada", "Bo", "Bo", "Cy", "Di"], [0, 1, 1, 2, 2])
    assert result.unsplit["Ada"] == "there is only one picture; kept on the train side"
    assert result.unsplit["Bo"] == "all 2 pictures are near-duplicates or frames of one video; kept on the train side"
    assert split([], []).sides == ()


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.2, float("nan")])
def test_a_share_that_leaves_a_side_empty(share):
    """Shares outside 0 to 1 are refused with an example."""
    with pytest.raises(SettingError, match="must lie between 0 and 1"):
        split(["a"], [0], share=share)


def test_columns_of_different_length():
    """People, groups and sides must be as many."""
    with pytest.raises(InputError, match="got 2, 1 and 2"):
        split(["a", "b"], [0])


def test_near_duplicates_of_a_photograph(astronaut):
    """Copies of a photograph are one group; its mirror image and another photograph are groups of their own."""
    from skimage import data

    copies = [astronaut, cv2.resize(astronaut, (100, 90)), np.clip(astronaut * 0.8 + 10, 0, 255).astype(np.uint8)]
    others = [np.ascontiguousarray(astronaut[:, ::-1]), data.chelsea()]
    assert groups([perceptual_hash(p) for p in [*copies, *others]]).tolist() == [0, 0, 0, 1, 2]


def test_chains_and_videos_join():
    """Pictures join through a chain of near ones, and frames of one video whatever they show."""
    far = [0x0, 0xFF, 0xFFFF, 0xFFFFFFFFFFFF0000]
    assert groups(far).tolist() == [0, 0, 0, 1]
    assert groups(far, [None, None, "v", "v"]).tolist() == [0, 0, 0, 0]
    assert groups([]).tolist() == []


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(0, 40))
def test_pairs_are_all_near_ones(hashes, limit):
    """The pairs are those a double loop finds, and members of a pair are in one group."""
    wanted = [(i, j) for j in range(len(hashes)) for i in range(j) if (hashes[i] ^ hashes[j]).bit_count() <= limit]
    assert sorted(near_duplicate_pairs(hashes, limit)) == sorted(wanted)
    numbers = groups(hashes, max_distance=limit)
    assert all(numbers[i] == numbers[j] for i, j in wanted)


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("clip_frame_0012", "clip"),
        ("clip-frame12", "clip"),
        ("Frame 7", ""),
        ("clip@12.480s", "clip"),
        ("Ada_0001", None),
        ("keyframe", None),
        ("IMG_20200101_120000", None),
    ],
)
def test_frames_are_told_by_their_names(name, video):
    """Only names that say so are frames of a video: a number alone is not enough."""
    assert video_of(name) == video


def test_a_folder_of_frames_all_alike_is_not_held_as_pairs():
    """The pairs come one after the other: 20,000 pictures of one wall have 2 · 10⁸ of them."""
    assert list(itertools.islice(near_duplicate_pairs([7] * 20_000), 2)) == [(0, 1), (0, 2)]
