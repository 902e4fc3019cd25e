"""Runs of many threads joined into one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.zoo.batching import JoiningNetwork


class Doubler:
    """Doubles its input; remembers how many rows each run had; the first run waits until it is told."""

    def __init__(self):
        self.sizes = []
        self.go = threading.Event()
        self.begun = threading.Event()

    def run(self, batch):
        self.sizes.append(len(batch))
        if len(self.sizes) == 1:
            self.begun.set()
            assert self.go.wait(10)
        if (batch < 0).any():
            raise InputError("negative")
        return (batch * 2, batch.sum(axis=1))


def run_together(network, joined, batches):
    """Results of batches of which all but the first are handed in while the first is running."""
    with ThreadPoolExecutor(len(batches)) as pool:
        first = pool.submit(joined.run, batches[0])
        assert network.begun.wait(10)
        others = [pool.submit(joined.run, batch) for batch in batches[1:]]
        while len(joined._waiting) < len(others):
            threading.Event().wait(0.001)
        network.go.set()
        return [future.exception() or future.result() for future in (first, *others)]


def test_calls_that_come_during_a_run_are_joined():
    """What gathers while a run is under way becomes one run, and every thread gets its own rows back."""
    network = Doubler()
    batches = [np.full((n, 3), n, np.float32) for n in (1, 2, 1, 3)]
    results = run_together(network, JoiningNetwork(network, rows=8), batches)
    assert network.sizes == [1, 6]
    for batch, (doubled, sums) in zip(batches, results, strict=True):
        assert np.array_equal(doubled, batch * 2)
        assert np.array_equal(sums, batch.sum(axis=1))


def test_a_run_grows_no_larger_than_allowed():
    """No joined run has more rows than allowed; a larger batch of one call is run alone."""
    network = Doubler()
    batches = [np.ones((n, 2), np.float32) for n in (1, 3, 3, 9)]
    run_together(network, JoiningNetwork(network, rows=4), batches)
    assert sorted(network.sizes) == [1, 3, 3, 9]


def test_unlike_batches_are_not_joined():
    """Rows of other shapes and types run apart."""
    network = Doubler()
    batches = [np.ones((1, 2), np.float32), np.ones((1, 3), np.float32), np.ones((1, 2), np.float64)]
    run_together(network, JoiningNetwork(network), batches)
    assert network.sizes == [1, 1, 1]


def test_one_bad_batch_spoils_no_other():
    """An error reaches the thread whose batch brings it about, and the others get their results."""
    network = Doubler()
    batches = [np.ones((1, 2), np.float32), np.ones((1, 2), np.float32), np.full((1, 2), -1, np.float32)]
    first, good, bad = run_together(network, JoiningNetwork(network), batches)
    assert np.array_equal(first[0], good[0])
    assert isinstance(bad, InputError)


def test_many_threads_get_their_own_answers():
    """Under many threads and several runs at once every answer belongs to its question."""
    network = Doubler()
    network.go.set()
    joined = JoiningNetwork(network, rows=8, runs=2)

    def ask(i: int) -> bool:
        batch = np.full((1 + i % 3, 2), i, np.float32)
        return np.array_equal(joined.run(batch)[0], batch * 2)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(400)))


def test_impossible_limits_are_refused():
    """Rows and runs below one are refused."""
    with pytest.raises(InputError, match="1 or more"):
        JoiningNetwork(Doubler(), rows=0)
