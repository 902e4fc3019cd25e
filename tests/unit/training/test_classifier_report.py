"""The page of a run says what there is, and a dash where there is nothing."""

import json

import numpy as np
import pytest

from mien.training.classifier_report import Report, write_report
from mien.training.decisions import Epoch
from mien.training.fitting import Fitted
from mien.training.pictures import Pictures


def test_a_class_that_was_never_said_has_no_precision(tmp_path):
    """A dash in the table, null in the JSON: a share of nothing is no number."""
    pytest.importorskip("matplotlib")
    chips, sides = np.zeros((4, 32, 32, 3), np.uint8), ("test",) * 4
    pictures = Pictures(chips, np.array([0, 0, 1, 1], np.intp), ("cat", "dog"), ("a", "b", "c", "d"), sides)
    answers = np.array([[0.9, 0.1]] * 4, np.float32)
    fitted = Fitted((Epoch(1, 0.001, 0.7, 0.7, 0.5, 0.5, seconds=1.0),), 1, stopped_early=False)
    write_report(tmp_path, Report("pets", pictures, np.arange(4), answers, fitted, {}))
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| dog | 2 | – | 0.0000 | 0.0000 |" in page
    assert "nan" not in page
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert told["classes"][1]["precision"] is None
