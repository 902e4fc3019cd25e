"""Detectors of one network: files for one size become files for any."""

import numpy as np
import onnx
import onnxruntime
import pytest

from mien.core.errors import WeightsError
from mien.zoo.convert.single_shot import YUNET_OUTPUTS, free_size
from tests.fakes.single_shot import SIDE, scrfd_file, yunet_file


def run(data, pixels):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels})


@pytest.mark.parametrize(("family", "data"), [("yunet", yunet_file()), ("scrfd", scrfd_file())])
def test_any_size_will_do_and_the_declared_one_gives_the_same(family, data):
    """The freed network equals the original at its size, and takes others."""
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, SIDE, SIDE)).astype(np.float32)
    freed = free_size(data, family, "white.onnx")
    for ours, theirs in zip(run(freed, pixels), run(data, pixels), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    small = run(freed, pixels[:, :, :64, :96])
    assert small[0].shape[1] in {8 * 12, 2 * 8 * 12}
    assert free_size(freed, family, "again") == freed


def test_outputs_are_known_by_their_names():
    """A YuNet whose outputs come in another order gives them in ours."""
    freed = onnx.load_from_string(free_size(yunet_file(shuffled=True), "yunet", "white.onnx"))
    assert tuple(output.name for output in freed.graph.output) == YUNET_OUTPUTS


@pytest.mark.parametrize(
    ("data", "family", "why"),
    [
        (b"not a model", "yunet", "no ONNX model"),
        (yunet_file(built_in=True), "yunet", "one size only|does not give"),
        (scrfd_file(), "yunet", "no YuNet of 2023: its outputs are score_8"),
        (yunet_file(), "scrfd", "does not give what a scrfd network gives"),
    ],
)
def test_what_is_no_such_network_is_refused(data, family, why):
    """The file is named, and what it gives instead."""
    with pytest.raises(WeightsError, match=why) as refused:
        free_size(data, family, "white.onnx")
    assert "white.onnx" in str(refused.value)
    assert "\n" not in str(refused.value)
