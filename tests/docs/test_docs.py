"""The documentation is true: what it shows runs, and what there is, is shown."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
TIMES_SHOWN = 3


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readmes_python_runs_from_top_to_bottom(home, photo, capsys):
    """Every Python block of the README runs as it stands, in one session, on a real photograph."""
    photo("ada.jpg")
    photo("party.jpg", change=lambda image: image[:, ::-1])
    blocks = PYTHON_BLOCK.findall(read("README.md"))
    assert len(blocks) == TIMES_SHOWN
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    names["recognizer"].gallery.close()
    assert "Ada" in capsys.readouterr().out
    assert (home / "party-boxes.jpg").is_file()


def test_the_reference_pages_are_what_the_code_says():
    """Commands, options and weights are documented: cli.md and models.md are as `make docs` makes them."""
    words = [sys.executable, str(ROOT / "docs/reference/make.py"), "--check"]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_every_setting_is_documented_with_its_default():
    """A setting without a row in docs/reference/settings.md, or a row without a setting, fails."""
    from mien.wiring.settings import Settings

    rows = [line for line in read("docs/reference/settings.md").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(Settings.model_fields)


def test_every_exit_code_is_documented():
    """The table has the codes that the command line gives, no other."""
    from mien.doors.cli.command import Exit

    codes = {int(n) for n in re.findall(r"^\| (\d+) \|", read("docs/reference/exit-codes.md"), re.MULTILINE)}
    assert codes == {int(code) for code in Exit}


def test_links_between_documents_lead_somewhere():
    """Every relative link of README and docs points to a file or folder that is there."""
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def seed_commands() -> list[str]:
    text = read("docs/how-to/from-the-seeds.md")
    return re.findall(r"`(mien [^`]+)`", text)


@pytest.mark.parametrize("line", seed_commands())
def test_every_command_of_from_the_seeds_runs(line, mien, prepared):
    """Each of our commands in the table does its work on a small folder of real photographs."""
    if "attendance report" in line:
        mien("attendance", "session", "add", "Algebra", "--zone", "Europe/Berlin")
    result = mien(*shlex.split(line)[1:])
    assert result.code == 0, result.err
