"""What a command says: whatever the names, whatever stdout can carry."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from mien.core.errors import MienError
from mien.doors.cli.output import Output

ODD = "Ada [/b] :smile: [red] Đức"


def printed(monkeypatch, kind: str, rows, *, encoding: str = "utf-8", title: str = "t") -> str:
    """What a table of these rows prints on a stdout of this encoding."""
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw, encoding=encoding, write_through=True, newline="")
    monkeypatch.setattr(sys, "stdout", stdout)
    Output(kind).table(title, rows, columns=("name",))
    stdout.flush()
    return raw.getvalue().decode(encoding)


def test_names_are_printed_as_they_are(monkeypatch):
    """Brackets and colons in a name are neither markup nor emoji, in a cell or in the title."""
    text = printed(monkeypatch, "table", [{"name": ODD}], title=f"{ODD}, 1")
    assert text.count(ODD) == 2


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_stdout_that_cannot_carry_a_name_gets_it_with_escapes(monkeypatch, encoding):
    """A table and CSV show escapes; JSON stays JSON and gives the very name back."""
    rows = [{"name": "Đức 田中"}]
    assert "\\u7530" in printed(monkeypatch, "table", rows, encoding=encoding, title="Đức 田中")
    ((_, name),) = [list(csv.reader(io.StringIO(printed(monkeypatch, "csv", rows, encoding=encoding))))]
    assert name[0].endswith("\\u7530\\u4e2d")
    assert json.loads(printed(monkeypatch, "json", rows, encoding=encoding)) == rows


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self):
        return True


def test_a_progress_bar_takes_any_name(monkeypatch):
    """The stage of a bar is text, not markup."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(Output().track([1, 2], ODD, 2)) == [1, 2]
    assert "Ada" in sys.stderr.getvalue()


def test_a_pipe_gets_no_progress_bar(monkeypatch):
    """Notebooks and CI ask for colours by FORCE_COLOR; a bar that moves the cursor is no colour."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(Output().track([1, 2], "read", 2)) == [1, 2]
    assert sys.stderr.getvalue() == ""


def test_a_stage_that_is_done_makes_room_for_the_next(monkeypatch):
    """Of many stages only the one that runs is in view at the end."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Output().steps() as at:
        for stage in ("read", "embed", "write"):
            at(stage, 0, 1)
            at(stage, 1, 1)
    last = sys.stderr.getvalue().rpartition("write")[0].rpartition("\x1b[2K")[2]
    assert "read" not in last
    assert "embed" not in last


@pytest.mark.parametrize("kind", ["table", "csv", "json"])
def test_a_closed_stdout_is_one_clear_error(monkeypatch, kind):
    """``mien … >&-`` says that there is nowhere to print."""
    monkeypatch.setattr(sys, "stdout", None)
    out = Output(kind)
    out.note("notes go on")
    with pytest.raises(MienError, match="stdout is closed"):
        out.table("t", [{"name": "Ada"}], columns=("name",))


@pytest.mark.parametrize("options", [(), ("--json",), ("--csv",)])
def test_a_reader_that_leaves_early_is_no_error_worth_words(tmp_path, options):
    """``mien people list | true``: silence on stderr, whenever the pipe breaks."""
    words = [sys.executable, "-m", "mien", "people", "list", *options]
    home = os.environ | {"MIEN_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=home) as run:
        run.stdout.close()
        assert run.stderr.read() == ""
    assert run.returncode == 1
