"""The commands of docs/how-to/rest.md run as they stand, against a service that really listens."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mien.doors.service.problems import KINDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "rest.md"
COMMANDS = Path(sys.executable).parent


@pytest.fixture
def port(home, photo):
    """The port of `mien serve` as a user starts it, in a folder with ada.jpg."""
    photo("ada.jpg")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    command = [COMMANDS / "mien", "serve", "--port", str(number)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        try:
            assert "serving at" in service.stderr.readline()
            yield number
        finally:
            service.terminate()
            said = service.communicate(timeout=40)[1]
        assert service.returncode == 0, said


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_of_the_page_runs(port):
    """Each curl command gets an answer of 2xx, but for the one that shows a problem; SIGTERM ends the service cleanly."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    script = "\n".join(blocks).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    script = script.replace("curl -sS", "curl -sS --retry 20 --retry-connrefused -w '\\n%{http_code}\\n'")
    paths = os.pathsep.join([str(COMMANDS), os.environ["PATH"]])
    # the id of a person is taken out of an answer: no status may stand behind it there
    script = re.sub(
        r"\$\(curl -sS --retry 20 --retry-connrefused -w '[^']*'", "$(curl -sS --retry 20 --retry-connrefused", script
    )
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "PATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    codes = re.findall(r"^(\d{3})$", run.stdout, re.MULTILINE)
    assert len(codes) == script.count("%{http_code}")
    assert [code for code in codes if not code.startswith("2")] == ["422"], run.stdout
    assert '"name":"Ada"' in run.stdout


def test_every_code_is_on_the_page():
    """Each code that a problem may have stands in the table under its status, and no other does."""
    rows = re.findall(r"^\| ([0-9, ]+) \| (`.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {code: statuses for statuses, codes in rows for code in re.findall(r"`([a-z_]+)`", codes)}
    told = {code: statuses for code, statuses in told.items() if code not in {"boxes", "reasons"}}
    assert set(told) == set(KINDS)
    assert all(str(KINDS[code].status) in statuses for code, statuses in told.items())
