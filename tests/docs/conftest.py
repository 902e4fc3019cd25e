"""The same home as the end-to-end tests, with what the documented commands expect to find."""

import cv2
import numpy as np
import pytest

from tests.e2e.conftest import home, mien, photo  # noqa: F401 - fixtures
from tests.fakes.videos import write_video
from tests.unit.zoo.tensorflow_graph import training_graph


@pytest.fixture
def prepared(photo, home, mien, astronaut):  # noqa: F811 - the fixtures above
    """What the commands name: raw/ and aligned/ with a folder per person, a video, photographs, a frozen FaceNet graph."""
    for i in range(5):
        tilt = cv2.getRotationMatrix2D((224, 120), 4 * i - 8, 1 - 0.04 * i)
        photo(f"raw/Ada/{i}.png", change=lambda a, t=tilt: cv2.warpAffine(a, t, (512, 512)))
    photo("ada1.jpg")
    photo("ada2.jpg", change=lambda a: (a * 0.8).astype(np.uint8))
    photo("test1.png")
    write_video(home / "videos/Ada.mp4", [astronaut[:256, 96:352]] * 20, [n / 5 for n in range(20)])
    assert mien("align", "raw", "aligned").code == 0
    (home / "20180402-114759.pb").write_bytes(training_graph(np.random.default_rng(0))[0])
    return home
