"""A run that was stopped goes on."""

import json

import pytest

from mien.core.errors import InputError
from mien.evaluation.journal import Journal


def test_goes_on_with_what_was_done(tmp_path):
    """A second run of the same key finds the rows of the first and adds to them."""
    for name in ("a", "b"):
        with Journal(tmp_path / "work.jsonl", {"weights": "1"}) as journal:
            journal.put(name, {"value": 1.5})
    with Journal(tmp_path / "work.jsonl", {"weights": "1"}) as journal:
        assert journal.rows == {"a": {"value": 1.5}, "b": {"value": 1.5}}


def test_another_key_begins_anew(tmp_path):
    """Rows of other weights or options are never mixed in."""
    with Journal(tmp_path / "work.jsonl", {"weights": "1"}) as journal:
        journal.put("a", {"value": 1})
    with Journal(tmp_path / "work.jsonl", {"weights": "2"}) as journal:
        assert journal.rows == {}


def test_a_line_cut_short_is_left_out(tmp_path):
    """A crash in the middle of a line loses that picture only."""
    file = tmp_path / "work.jsonl"
    with Journal(file, {"k": 1}) as journal:
        journal.put("a", {"value": 1})
        journal.put("b", {"value": 2})
    file.write_text(file.read_text(encoding="utf-8")[:-6], encoding="utf-8")
    with Journal(file, {"k": 1}) as journal:
        assert list(journal.rows) == ["a"]
        journal.put("b", {"value": 3})
    assert [json.loads(line).get("name") for line in file.read_text(encoding="utf-8").splitlines()] == [None, "a", "b"]


def test_is_gone_when_all_is_done(tmp_path):
    """Vectors of people do not stay in the folder of the results."""
    with Journal(tmp_path / "work.jsonl", {}) as journal:
        journal.put("a", {})
        journal.finish()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_said(tmp_path):
    """One line names the file."""
    with pytest.raises(InputError, match=r"cannot write work\.jsonl"):
        Journal(tmp_path / "gone" / "work.jsonl", {})
