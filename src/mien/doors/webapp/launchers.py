"""Files to double-click, so that nobody needs a command line to open the app."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from mien.core.errors import DuplicateError, InputError

__all__ = ["System", "launcher", "system_of", "write_launcher"]

System = Literal["linux", "macos", "windows"]


def system_of(platform: str) -> System:
    """Which of the three kinds of launcher a platform takes, by ``sys.platform``."""
    return "windows" if platform == "win32" else "macos" if platform == "darwin" else "linux"


def launcher(system: System, python: str) -> tuple[str, str]:
    """Name and text of the file that starts the app with this Python."""
    if system == "windows":
        escaped = python.replace("%", "%%")
        return "mien.bat", f'@echo off\r\n"{escaped}" -m mien app\r\nif errorlevel 1 pause\r\n'
    if system == "macos":
        return "mien.command", f"#!/bin/sh\n{shlex.quote(python)} -m mien app || read -r _\n"
    return "mien.desktop", _DESKTOP.format(python=_quoted(python))


_DESKTOP = """[Desktop Entry]
Type=Application
Name=mien
Comment=Knows the faces you teach it
Comment[vi]=Nhận ra những khuôn mặt bạn dạy
Exec={python} -m mien app
Terminal=true
Icon=camera-web
Categories=Utility;
"""


def _quoted(python: str) -> str:
    """A path as the Desktop Entry Specification 1.5 has it: quoted, escaped once for the string and once for the value."""
    for char in '\\"`$':
        python = python.replace(char, f"\\{char}")
    return '"' + python.replace("\\", "\\\\").replace("%", "%%") + '"'


def write_launcher(folder: Path, system: System, python: str) -> Path:
    """Write the file into a folder, ready to be double-clicked; its path.

    Raises:
        InputError: there is no such folder.
        DuplicateError: the file is there already.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; name one, e.g. the desktop")
    name, text = launcher(system, python)
    path = folder / name
    if path.exists():
        raise DuplicateError(f"{path} is there already; delete it first, or name another folder")
    path.write_text(text, encoding="utf-8", newline="")
    if system != "windows":
        path.chmod(0o755)
    return path
