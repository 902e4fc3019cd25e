"""The web app: pages that a person understands without a manual, over the same store as the command line (Streamlit)."""

from __future__ import annotations

from pathlib import Path

__all__ = ["main_script"]


def main_script() -> Path:
    """The file that Streamlit runs for each browser and each click."""
    return Path(__file__).with_name("main.py")
