"""Fixtures every room may use."""

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real pictures that only some machines have; skips with the reason elsewhere."""
    folder = Path(os.environ.get("MIEN_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"real test pictures are not here ({folder.name}); set MIEN_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Where tests keep converted weights, shared by all test processes."""
    folder = Path(os.environ.get("MIEN_CACHE_DIR", ROOT / ".cache" / "mien"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A real photograph of one face, (512, 512, 3) uint8 RGB, from scikit-image; the face is near (224, 115)."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut())
