"""Records that carry their protocol."""

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.evaluation.records import Machine, Record, compare, installed_versions, this_machine

HERE = Machine("Some CPU", 2, "Linux x86_64", "3.11.7")
RECORD = Record(
    task="verification",
    protocol={"data": "LFW", "pairs": 2400, "folds": 4, "failed": "wrong"},
    subject={"preset": "facenet", "weights": "ab" * 32, "detector": {"name": "mtcnn", "options": {"min_face": 20}}},
    figures={"accuracy": 0.987, "embed_ms": 14.0, "per_fold": (0.98, 0.99)},
    machine=HERE,
    versions={"numpy": "2.4"},
    date="2026-11-22",
)


def test_comes_back_from_json_as_it_was():
    """Writing a record as JSON and reading it must give an equal one."""
    assert Record.from_dict(json.loads(json.dumps(RECORD.to_dict()))) == RECORD


def test_is_frozen():
    """Figures must not be changed after the measurement."""
    with pytest.raises(FrozenInstanceError):
        RECORD.task = "other"


def test_differences_of_the_subject_and_the_figures_are_shown():
    """Two embedders under one protocol must be compared figure by figure, naming what was different."""
    other = replace(RECORD, subject={**RECORD.subject, "preset": "dlib"}, figures={"accuracy": 0.992, "embed_ms": 7.0})
    result = compare(RECORD, other)
    assert result.figures["accuracy"] == pytest.approx((0.987, 0.992, 0.005))
    assert result.figures["embed_ms"] == (14, 7, -7)
    assert set(result.figures) == {"accuracy", "embed_ms"}
    assert result.subject == {"preset": ("facenet", "dlib")}


def test_unlike_protocols_are_refused_by_name():
    """Every differing field must be named with both values."""
    other = replace(RECORD, protocol={**RECORD.protocol, "folds": 10, "failed": "different"})
    with pytest.raises(InputError, match=r"folds: 4 against 10; failed: 'wrong' against 'different'"):
        compare(RECORD, other)


def test_field_that_one_protocol_lacks_is_a_difference():
    """A rule that only one record states must not pass as equal."""
    protocol = {"data": "LFW", "pairs": 2400, "folds": 4}
    for a, b in [(RECORD, replace(RECORD, protocol=protocol)), (replace(RECORD, protocol=protocol), RECORD)]:
        with pytest.raises(InputError, match=r"failed: .*None"):
            compare(a, b)


def test_unlike_tasks_are_refused():
    """Detection and verification must not be compared."""
    with pytest.raises(InputError, match="task: 'verification' against 'detection'"):
        compare(RECORD, replace(RECORD, task="detection"))


def test_times_of_two_machines_are_not_compared():
    """Milliseconds of another machine must be left out, accuracies not."""
    elsewhere = replace(RECORD, machine=replace(HERE, processor="Other CPU"))
    assert set(compare(RECORD, elsewhere).figures) == {"accuracy"}


@pytest.mark.parametrize("value", [np.float32(1), float("nan"), object()])
def test_values_that_json_cannot_hold_are_refused(value):
    """A figure that would not survive JSON must be refused when the record is made."""
    with pytest.raises(InputError, match="figures: expected plain numbers"):
        replace(RECORD, figures={"accuracy": value})


def test_foreign_json_is_refused():
    """A mapping that is no record must be refused, showing its fields."""
    with pytest.raises(InputError, match="got the fields task, score"):
        Record.from_dict({"task": "verification", "score": 1})


def test_this_machine_and_its_versions_are_known():
    """The machine must have a name and a core, and the versions those of installed packages only."""
    machine = this_machine()
    assert machine.processor
    assert machine.cores >= 1
    assert installed_versions(("numpy", "no-such-package")) == {"numpy": np.__version__}


def test_other_weights_of_the_same_name_are_refused():
    """A name that stands for two files would make the comparison say nothing; other names may be compared."""

    def record(**weights):
        return replace(RECORD, subject={"preset": "facenet", "weights_sha256": weights})

    with pytest.raises(InputError, match=r"different versions of them \(facenet: aaaa… against bbbb…\)"):
        compare(record(facenet="aaaa", mtcnn="cc"), record(facenet="bbbb", mtcnn="cc"))
    assert compare(record(facenet="aaaa"), record(dlib="bbbb")).figures["accuracy"][2] == 0
    named = replace(RECORD, subject={"name": "facenet", "weights": "aaaa"})
    with pytest.raises(InputError, match="different versions"):
        compare(named, replace(RECORD, subject={"name": "facenet", "weights": "bbbb"}))


def test_figures_within_figures_are_compared():
    """TAR at a rate and AP of a level are named with a point between."""
    one, other = (replace(RECORD, figures={"tar": {"0.001": v, "note": "x"}}) for v in (0.5, 0.75))
    assert compare(one, other).figures == {"tar.0.001": (0.5, 0.75, 0.25)}
