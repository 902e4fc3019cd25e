"""The command line as a user has it: a home of its own, real photographs."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner


@dataclass
class Result:
    """What one call gave."""

    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path, monkeypatch, cache_dir) -> Path:
    """An empty home: gallery, models and settings of its own; converted weights shared."""
    for name in ("MIEN_CONFIG", "MIEN_PRESET", "MIEN_DATABASE", "MIEN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MIEN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MIEN_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mien(home):
    """Run a command in this process: ``mien("detect", "a.jpg")`` gives code, stdout, stderr."""
    from mien.doors.cli.app import app

    def run(*words, answer: str | None = None) -> Result:
        result = CliRunner().invoke(app, [str(w) for w in words], input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def photo(home, astronaut):
    """Write the astronaut, changed as a test likes, and give the path."""

    def write(name: str, *, change=None) -> Path:
        pixels = astronaut if change is None else np.ascontiguousarray(change(astronaut))
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded = cv2.imencode(path.suffix or ".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
        path.write_bytes(encoded.tobytes())
        return path

    return write


@pytest.fixture
def family(home, shared_data) -> Path:
    """Real families as a folder per person: four people with two photographs or more, and one stranger."""
    source = shared_data / "photos" / "azure-samples"
    folder = home / "family"
    for stem in ("Family1-Dad", "Family1-Mom", "Family1-Daughter", "Family2-Lady", "Family2-Man", "Family3-Man"):
        (folder / stem).mkdir(parents=True)
        for picture in sorted(source.glob(f"{stem}?.jpg")):
            (folder / stem / picture.name).symlink_to(picture)
    return folder
