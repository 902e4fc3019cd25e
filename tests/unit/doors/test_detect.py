"""What detect prints of the faces it found."""

import numpy as np

from mien.core.faces import Faces
from mien.doors.cli.detect import face_rows


def test_rows_are_surest_first_and_numbered_from_the_left():
    """The number in the table is the one that enroll --face takes, whichever face is the surest."""
    boxes = np.array([[90, 0, 99, 9], [10, 0, 20, 10]], np.float32)
    rows = face_rows("a.jpg", Faces(boxes=boxes, scores=np.array([0.99, 0.9])))
    assert [(row["face"], row["x"]) for row in rows] == [(2, 90), (1, 10)]
