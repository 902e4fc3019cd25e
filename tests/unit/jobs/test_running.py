"""A long job reports the bad item, passes over what is done, and ends where it is told to."""

import pytest

from mien.core.errors import ImageError, MissingExtraError, WeightsError
from mien.jobs.running import Done, Failed, Skipped, run


def test_one_bad_item_does_not_stop_the_rest():
    """Each item gives one event in order: done with its result, skipped, or failed with its reason."""

    def work(item):
        if item == 2:
            raise ImageError("cannot read 2: it is empty")
        if item == 3:
            raise MissingExtraError("HEIC pictures", "heic")
        return item * 10

    events = list(run([1, 2, 3, 4, 5], work, stage="test", skip=lambda i: "is there" if i == 4 else ""))
    assert events[0] == Done("test", 1, 5, "1", 10)
    assert events[1] == Failed("test", 2, 5, "2", "cannot read 2: it is empty")
    assert isinstance(events[2], Failed)
    assert events[3] == Skipped("test", 4, 5, "4", "is there")
    assert events[4] == Done("test", 5, 5, "5", 50)
    assert list(run([], work, stage="test")) == []


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), WeightsError("altered"), ZeroDivisionError()])
def test_what_is_no_fault_of_an_item_ends_the_job(fault):
    """Ctrl-C, missing weights and our own mistakes end the job after what was done before."""
    finished = []

    def work(item):
        if item == 2:
            raise fault
        finished.append(item)

    with pytest.raises(type(fault)):
        list(run([1, 2, 3], work, stage="test"))
    assert finished == [1]


def test_nothing_is_done_before_it_is_asked_for():
    """Items are worked on as events are pulled, so that whoever stops pulling stops the job."""
    finished = []
    events = run([1, 2, 3], finished.append, stage="test")
    next(events)
    assert finished == [1]
    events.close()
    assert finished == [1]
