"""Curves as pictures."""

import sys

import numpy as np
import pytest

from mien.core.errors import MissingExtraError
from mien.core.faces import Faces
from mien.evaluation.charts import draw_precision_recall, draw_roc
from mien.evaluation.detection import Truth, detection_curve
from mien.evaluation.verification import roc_curve
from mien.media.images import read_image

BOX = np.array([[0, 0, 20, 20]], np.float32)
CURVE = detection_curve([Faces(boxes=BOX, scores=np.ones(1))], [Truth(BOX, np.ones(1, bool))])
ROC = roc_curve(np.array([0.9, 0.4, 0.5, 0.1], np.float32), np.array([1, 1, 0, 0], bool))


@pytest.mark.parametrize(("draw", "curve"), [(draw_precision_recall, CURVE), (draw_roc, ROC)])
def test_chart_is_a_picture_and_repeatable(tmp_path, draw, curve):
    """A chart must be a readable picture with a line in it, the same bytes each time."""
    pytest.importorskip("matplotlib")
    for name in ("a.png", "b.png"):
        draw({"ours": curve}, tmp_path / name)
    draw({}, tmp_path / "empty.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    drawn, empty = (read_image(tmp_path / name).pixels.astype(int) for name in ("a.png", "empty.png"))
    colourful = [(np.ptp(pixels, axis=2) > 60).sum() for pixels in (drawn, empty)]
    assert colourful[0] > 200
    assert colourful[1] == 0


def test_absent_matplotlib_is_answered_with_the_extra(tmp_path, monkeypatch):
    """Without matplotlib a chart must say how to install it."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mien\[lab\]"'):
        draw_roc({"ours": ROC}, tmp_path / "roc.png")
