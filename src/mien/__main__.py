"""``mien`` and ``python -m mien``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from mien.doors.cli.app import app

    app()


if __name__ == "__main__":
    main()
