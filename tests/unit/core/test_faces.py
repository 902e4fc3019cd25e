"""The table that flows through the house."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.answers import Attribute, Contender, Match, Quality
from mien.core.errors import ImageError, InputError, SpaceMismatchError
from mien.core.faces import Faces, Picture, check_image
from mien.core.people import EmbeddingSpace

SPACE = EmbeddingSpace("toy", 4, "aa", "box", "none")


def make_faces(n: int, *, full: bool = True, space: EmbeddingSpace = SPACE) -> Faces:
    """``n`` faces whose every column tells the row it belongs to."""
    i = np.arange(n, dtype=np.float32)
    boxes = np.stack([i, i, i + 10, i + 20], axis=1)
    if not full:
        return Faces(boxes=boxes, scores=i / 100)
    return Faces(
        boxes=boxes,
        scores=i / 100,
        landmarks=np.tile(i[:, None, None], (1, 5, 2)),
        quality=tuple(Quality(float(k), 1, 1, 1, 0, 0) for k in range(n)),
        liveness=i / 100,
        track_ids=np.arange(n),
        embeddings=np.eye(4, dtype=np.float32)[np.arange(n) % 4],
        space=space,
        matches=tuple(Match("unknown", threshold=k / 100) for k in range(n)),
        attributes=tuple((Attribute("toy", "yes", {"yes": k / 100, "no": 1 - k / 100}),) for k in range(n)),
    )


def rows_agree(faces: Faces) -> bool:
    """Whether every column of every row still tells the same original row."""
    i = faces.boxes[:, 0]
    return bool(
        np.allclose(faces.scores, i / 100)
        and np.allclose(faces.landmarks[:, 0, 0], i)
        and [q.size for q in faces.quality] == i.tolist()
        and faces.track_ids.tolist() == i.tolist()
        and np.allclose([m.threshold for m in faces.matches], i / 100)
        and np.allclose([a.probability for (a,) in faces.attributes], i / 100)
        and np.array_equal(faces.embeddings, np.eye(4, dtype=np.float32)[i.astype(int) % 4])
    )


@given(st.integers(0, 12), st.data())
def test_columns_stay_in_step_under_masks_slices_and_indices(n, data):
    """Whatever selects rows selects them in every column."""
    faces = make_faces(n)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    index = data.draw(st.lists(st.integers(0, n - 1), max_size=6)) if n else []
    for rows, expected in ((mask, np.flatnonzero(mask)), (index, index), (slice(1, None, 2), range(1, n, 2))):
        taken = faces[rows]
        assert taken.boxes[:, 0].tolist() == list(expected)
        assert rows_agree(taken)


@given(st.lists(st.integers(0, 5), max_size=5))
def test_concat_keeps_order_and_every_common_column(counts):
    """Joining the single rows of tables gives their rows in order, columns in step."""
    tables = [make_faces(n) for n in counts]
    joined = Faces.concat(tables)
    assert joined.boxes[:, 0].tolist() == [k for n in counts for k in range(n)]
    assert len(joined) == 0 or rows_agree(joined)


def test_concat_drops_a_column_that_one_table_lacks():
    """A column survives joining only where all tables have it."""
    joined = Faces.concat([make_faces(2), make_faces(2, full=False)])
    assert joined.landmarks is None
    assert joined.space is None
    assert len(joined) == 4


def test_two_spaces_are_never_joined():
    """Faces embedded in two spaces refuse to become one table."""
    other = EmbeddingSpace("toy", 4, "bb", "box", "none")
    with pytest.raises(SpaceMismatchError, match="toy-"):
        Faces.concat([make_faces(1), make_faces(1, space=other)])


def test_one_index_gives_a_table_of_one_row_also_from_the_end():
    """faces[i] is a table; -1 is the last row; iteration gives tables."""
    faces = make_faces(3)
    assert faces[-1].track_ids.tolist() == [2]
    assert [len(f) for f in faces] == [1, 1, 1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"boxes": np.zeros((2, 3)), "scores": np.zeros(2)}, r"boxes: expected shape \(2, 4\), got \(2, 3\)"),
        ({"boxes": np.zeros((2, 4)), "scores": np.zeros(3)}, r"scores: expected shape \(2,\), got \(3,\)"),
        ({"boxes": np.zeros((1, 4)), "scores": [np.nan]}, "scores: expected finite numbers"),
        ({"boxes": np.zeros((1, 4)), "scores": [1.0], "quality": ()}, "quality: expected 1 entries"),
        ({"boxes": np.zeros((1, 4)), "scores": [1.0], "embeddings": np.zeros((1, 4))}, "give both or neither"),
        ({"boxes": np.zeros((1, 4)), "scores": [1.0], "landmarks": np.zeros((1, 4, 2))}, "landmarks: expected shape"),
    ],
)
def test_a_column_that_does_not_fit_is_refused_with_both_shapes(columns, words):
    """A wrong column is named, with what was expected and what came."""
    with pytest.raises(InputError, match=words):
        Faces(**columns)


def test_dicts_are_those_that_mtcnn_users_know():
    """The box is x, y of the top left, width, height; keypoints have their five names; nothing is numpy."""
    (row,) = make_faces(2)[1:].to_dicts()
    assert row["box"] == [1, 1, 10, 20]
    assert list(row["keypoints"]) == ["left_eye", "right_eye", "nose", "mouth_left", "mouth_right"]
    assert row["keypoints"]["nose"] == (1, 1)
    assert {type(v) for v in row["box"]} == {int}
    assert type(row["confidence"]) is float
    assert "keypoints" not in make_faces(1, full=False).to_dicts()[0]


def test_scaling_and_shifting_move_boxes_and_landmarks_together():
    """A face found at half size lies at twice the place in the original."""
    faces = make_faces(3)
    moved = faces.scaled(2).shifted(5, -1)
    assert np.allclose(moved.boxes, faces.boxes * 2 + [5, -1, 5, -1])
    assert np.allclose(moved.landmarks, faces.landmarks * 2 + [5, -1])
    assert rows_agree(faces)


def test_a_table_tells_itself_in_a_line_and_knows_its_end():
    """Repr is short; a row that is not there is an IndexError; an unknown order is named."""
    assert repr(make_faces(2)).startswith("<Faces 2: unknown, unknown with landmarks")
    assert repr(Faces.empty()) == "<Faces 0>"
    with pytest.raises(IndexError, match="face 7 of 2"):
        make_faces(2)[7]
    with pytest.raises(InputError, match="not by 'lft'"):
        make_faces(2).sorted("lft")


def test_sorting_orders_every_column():
    """Sorted rows are still the same rows."""
    by_score = make_faces(4).sorted("score")
    assert by_score.track_ids.tolist() == [3, 2, 1, 0]
    assert rows_agree(by_score)
    assert make_faces(4).sorted("left").track_ids.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("photo.jpg", "got str; read files with mien.read_image"),
        (Picture(np.zeros((4, 4, 3), np.uint8)), r"give its pixels \(picture.pixels\)"),
        (np.zeros((4, 4), np.uint8), r"got shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), "drop alpha"),
        (np.zeros((0, 4, 3), np.uint8), r"got shape \(0, 4, 3\)"),
        (np.full((4, 4, 3), np.nan), "got float64 with NaN"),
        (np.zeros((4, 4, 3), np.float32), "got float32; convert"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(image, words):
    """Wrong types, shapes and dtypes are named with the remedy."""
    with pytest.raises(ImageError, match=words) as caught:
        check_image(image)
    assert "\n" not in str(caught.value)


def test_a_reduced_picture_knows_its_original_size():
    """Decoded at a quarter, the size told is the original's."""
    picture = Picture(np.zeros((50, 100, 3), np.uint8), scale=0.25)
    assert picture.size == (100, 50)
    assert picture.original_size == (400, 200)


def test_a_match_tells_a_name_only_when_it_is_one():
    """Unknown and ambiguous answers carry candidates but no person."""
    ada = Contender("p1", "Ada", 0.71, 0.6, 2)
    assert Match("match", (ada,), 0.5).name == "Ada"
    unsure = Match("ambiguous", (ada,), 0.5, 0.01)
    assert (unsure.name, unsure.person_id, unsure.similarity) == ("ambiguous", None, 0.71)
    assert Match("unknown").similarity is None


def test_faces_are_numbered_from_the_left_whatever_their_order():
    """The number that is shown is the one that enroll --face takes."""
    boxes = np.array([[50, 0, 60, 10], [10, 0, 20, 10], [90, 0, 99, 9]], np.float32)
    faces = Faces(boxes=boxes, scores=np.ones(3))
    assert faces.numbers.tolist() == [2, 1, 3]
    assert faces.sorted("left").numbers.tolist() == [1, 2, 3]
    assert Faces.empty().numbers.tolist() == []


def test_liveness_may_be_unknown():
    """NaN says that nothing is known about a face yet; in JSON that is null."""
    faces = Faces(boxes=[[0, 0, 9, 9], [9, 9, 20, 20]], scores=[1, 1], liveness=[np.nan, 1])
    assert [row["liveness"] for row in faces.to_dicts()] == [None, 1.0]
    with pytest.raises(InputError, match="finite"):
        faces.with_columns(liveness=[np.inf, 1])


def test_what_classifiers_say_is_told():
    """Each answer with its classifier, the class and the probability of every class."""
    (row,) = make_faces(30)[25].to_dicts()
    assert row["attributes"] == [{"classifier": "toy", "class": "yes", "probabilities": {"yes": 0.25, "no": 0.75}}]
