"""What is done to a trained network on its way to ONNX."""

import numpy as np
import pytest

from mien.training.mtcnn_conversion import as_sure_as_before, moved_by


def test_as_many_faces_pass_the_threshold_as_before():
    """Eight of ten passed 0.7; training made the network less sure of all; eight pass again, no other array moves."""
    bar = np.log(0.7 / 0.3)
    before = np.linspace(bar - 0.19, bar + 0.71, 10).astype(np.float32)
    assert (before > bar).sum() == 8
    after = before[::-1] * 2 - 5
    assert (after > bar).sum() == 0
    arrays = [np.ones((3, 3), np.float32), np.array([0.5, 0.25], np.float32)]
    kernel, bias = as_sure_as_before(arrays, before, after, 0.7)
    np.testing.assert_array_equal(kernel, arrays[0])
    assert bias[0] == np.float32(0.5)
    assert (after + (bias[1] - np.float32(0.25)) > bar).sum() == 8
    np.testing.assert_array_equal(arrays[1], np.array([0.5, 0.25], np.float32))


def test_a_network_that_was_sure_of_all_stays_as_sure():
    """No face was cut: the least sure one is as sure as the least sure was, not just at the threshold."""
    before = np.linspace(5, 15, 10).astype(np.float32)
    (bias,) = as_sure_as_before([np.zeros(2, np.float32)], before, before - 2, 0.7)
    assert bias[1] == pytest.approx(2)


def test_how_far_weights_moved():
    """As a share of their length."""
    before = [np.array([3.0], np.float32), np.array([[4.0]], np.float32)]
    assert moved_by(before, [before[0], before[1] + 1]) == pytest.approx(0.2)
