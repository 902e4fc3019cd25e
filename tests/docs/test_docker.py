"""The container's files are sound as far as that goes without building them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mien.wiring.settings import Settings

DOCKER = Path(__file__).resolve().parents[2] / "docs" / "docker"
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing_in_the_dockerfile():
    """The Dockerfile is clean by hadolint, down to its advice."""
    run = subprocess.run([HADOLINT, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_the_container_sets_what_there_is():
    """Every MIEN_ variable of the Dockerfile is a setting, and the process is nobody's superuser."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    variables = re.findall(r"MIEN_([A-Z_]+)=", text)
    assert variables
    assert {name.lower() for name in variables} <= set(Settings.model_fields)
    assert re.search(r"^USER [1-9]", text, re.MULTILINE)
