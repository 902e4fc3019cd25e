"""MTCNN's figures on one real photograph, kept in ``mtcnn.json``.

Parity mode's are facenet-pytorch 2.6's own. Tolerances: scores 1e-4, positions 0.05 px in parity mode (rounding of the
networks); 0.5 px in fast mode (OpenCV's resize may round differently on another processor).
"""

import json
from pathlib import Path

import numpy as np
import pytest

from mien.detectors.mtcnn import MtcnnOptions, open_mtcnn
from mien.zoo.catalog import Catalog
from mien.zoo.weights import ensure

GOLDEN = json.loads(Path(__file__).with_name("mtcnn.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("mode", "pixels"), [("parity", 0.05), ("fast", 0.5)])
def test_the_astronaut_is_where_she_was(cache_dir, astronaut, mode, pixels):
    """Box, score and landmarks of scikit-image's astronaut are those written down."""
    files = ensure(Catalog().get("mtcnn"), cache=cache_dir, models=cache_dir / "models")
    faces = open_mtcnn(files, options=MtcnnOptions(mode=mode)).detect(astronaut)
    expected = GOLDEN[mode]
    np.testing.assert_allclose(faces.boxes, expected["boxes"], atol=pixels)
    np.testing.assert_allclose(faces.scores, expected["scores"], atol=1e-4)
    np.testing.assert_allclose(faces.landmarks, expected["landmarks"], atol=pixels)
