"""The figures that were measured and are kept in the repository."""

import json
import re
from pathlib import Path

import pytest

from mien.evaluation.records import Record, compare

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
KEPT = ["lfw", "wider", "memory", "startup", "following", "limits", "growth"]


@pytest.mark.parametrize("name", KEPT)
def test_kept_figures_are_records_of_one_protocol(name):
    """Each file must hold records that may be compared with one another, and name no folder of the machine."""
    text = (RESULTS / f"{name}.json").read_text(encoding="utf-8")
    records = [Record.from_dict(row) for row in json.loads(text)]
    assert records
    subjects = [json.dumps(record.subject, sort_keys=True) for record in records]
    assert len(set(subjects)) == len(subjects), "two records of the same thing"
    for record in records:
        compare(records[0], record)
        assert record.versions
    assert not re.search(r'"(/|~|[A-Z]:)', text), "a value is an absolute path"


@pytest.mark.parametrize("name", KEPT)
def test_every_kept_figure_has_its_page(name):
    """The table of each file must be in the documentation."""
    page = RESULTS.parents[1] / "docs" / "benchmarks" / f"{name}.md"
    assert f"benchmarks/{name}.py" in page.read_text(encoding="utf-8")
