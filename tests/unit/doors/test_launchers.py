"""Files to double-click."""

import os
import shlex
import subprocess
import sys

import pytest

from mien.core.errors import DuplicateError, InputError
from mien.doors.webapp.launchers import launcher, system_of, write_launcher

ODD = '/home/o\'brien/my "apps"/100% $HOME/python'


def test_each_system_has_its_kind():
    """Linux a desktop entry, macOS a .command, Windows a .bat; the desktop entry has what the specification requires."""
    names = {launcher(system_of(platform), "python")[0] for platform in ("linux", "darwin", "win32")}
    assert names == {"mien.desktop", "mien.command", "mien.bat"}
    lines = launcher("linux", "/usr/bin/python3")[1].splitlines()
    assert lines[0] == "[Desktop Entry]"
    assert {"Type=Application", "Name=mien", 'Exec="/usr/bin/python3" -m mien app'} <= set(lines)


def test_a_python_in_an_odd_place_is_quoted():
    """Spaces, quotes, percent and dollar signs in the path are taken literally by each system's rules."""
    command = launcher("macos", ODD)[1].splitlines()[1]
    assert shlex.split(command.partition(" || ")[0])[0] == ODD
    assert "100%% $HOME" in launcher("windows", ODD)[1]
    value = next(line for line in launcher("linux", ODD)[1].splitlines() if line.startswith("Exec="))[5:]
    once = value.replace("\\\\", "\\")  # the string's own escapes
    once = once.replace("\\$", "$")  # shlex, unlike a desktop, leaves this one
    assert shlex.split(once)[0].replace("%%", "%") == ODD


@pytest.mark.skipif(os.name == "nt", reason="a .command is for macOS, and runs on other Unix systems")
def test_the_command_file_starts_the_app(tmp_path):
    """What is written can be run as it is: it calls this Python with ``-m mien app``."""
    told = tmp_path / "python"
    told.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\n')
    told.chmod(0o755)
    path = write_launcher(tmp_path, "macos", str(told))
    subprocess.run([str(path)], check=True)
    assert (tmp_path / "said").read_text() == "-m mien app\n"


def test_a_launcher_is_not_overwritten_and_needs_a_folder(tmp_path):
    """Both are told in one line."""
    write_launcher(tmp_path, "linux", sys.executable)
    with pytest.raises(DuplicateError, match="there already"):
        write_launcher(tmp_path, "linux", sys.executable)
    with pytest.raises(InputError, match="no folder"):
        write_launcher(tmp_path / "none", "linux", sys.executable)
