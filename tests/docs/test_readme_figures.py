"""README's figures are those of benchmarks/results, by the script that writes them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_readmes_figures_are_what_was_measured():
    """A figure changed by hand, or measured anew without `python benchmarks/readme.py`, fails."""
    words = [sys.executable, str(ROOT / "benchmarks/readme.py"), "--check"]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
