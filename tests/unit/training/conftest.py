"""Real pictures to learn from that every machine has: tiles of scikit-image's photographs."""

from pathlib import Path

import numpy as np
import pytest

from mien.media.images import write_image


def write_tiles(folder: Path, pixels: np.ndarray, *, side: int, count: int) -> None:
    """``count`` tiles that do not overlap, as files."""
    folder.mkdir(parents=True)
    across = pixels.shape[1] // side
    for i in range(count):
        y, x = side * (i // across), side * (i % across)
        write_image(folder / f"{i:02d}.png", np.ascontiguousarray(pixels[y : y + side, x : x + side]))


@pytest.fixture(scope="session")
def tiles(tmp_path_factory) -> Path:
    """``coffee/`` and ``cat/``: 24 tiles of 64 pixels each, of one photograph each."""
    from skimage import data

    root = tmp_path_factory.mktemp("tiles")
    write_tiles(root / "coffee", data.coffee(), side=64, count=24)
    write_tiles(root / "cat", data.chelsea(), side=64, count=24)
    return root
