"""dlib's format is read right; the whole network is compared with dlib's own numbers in tests/golden."""

import numpy as np
import onnx
import pytest

from mien.core.errors import WeightsError
from mien.zoo.convert.dlib import convert_dlib
from mien.zoo.runtime import OnnxNetwork


def integer(value):
    """An integer as dlib has it: control byte, then the bytes of the magnitude."""
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def tag(name):
    return integer(len(name)) + name


def tensor(values):
    values = np.asarray(values, "<f4").reshape(-1)
    return b"".join(map(integer, (2, values.size, 1, 1, 1))) + values.tobytes()


def convolution(weights, bias, stride, pad):
    filters, _, rows, columns = weights.shape
    numbers = (filters, rows, columns, stride, stride, pad, pad)
    return tag(b"con_4") + tensor(np.concatenate([weights.ravel(), bias])) + b"".join(map(integer, numbers))


def affine(gamma, beta):
    return tag(b"affine_") + tensor(np.concatenate([gamma, beta]))


def pool(name, size, stride):
    return tag(name) + b"".join(map(integer, (size, size, stride, stride, 0, 0)))


def small_network(rng):
    """One convolution, a block that halves the area and doubles the channels, average, dense; and its weights."""
    w = {
        "a": rng.normal(size=(2, 3, 7, 7), scale=0.1),
        "b": rng.normal(size=(4, 2, 3, 3), scale=0.3),
        "d": rng.normal(size=(4, 5)),
        "bias": rng.normal(size=4),
        "gamma": rng.normal(size=4),
        "beta": rng.normal(size=4),
    }
    data = convolution(w["a"], np.zeros(2), 2, 0) + tag(b"relu_") + pool(b"max_pool_2", 3, 2)
    data += convolution(w["b"], w["bias"], 2, 0) + affine(w["gamma"], w["beta"])
    data += pool(b"avg_pool_2", 2, 2) + tag(b"add_prev_") + tag(b"relu_")
    data += pool(b"avg_pool_2", 0, 1) + tag(b"fc_2") + integer(5) + integer(4) + tensor(w["d"])
    return data, w


def correlate(x, weights, stride):
    """Plain cross-correlation without padding, (n, c, h, w)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, weights.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, weights)


def test_a_small_network_equals_numpy(tmp_path):
    """Convolution, affine, pools, zero-padded skip and dense layer do what dlib's do."""
    rng = np.random.default_rng(3)
    data, w = small_network(rng)
    x = rng.normal(size=(2, 3, 150, 150)).astype(np.float32)
    a = np.maximum(correlate(x, w["a"], 2), 0)  # 72 × 72
    a = np.lib.stride_tricks.sliding_window_view(a, (3, 3), axis=(2, 3))[:, :, ::2, ::2].max(axis=(4, 5))  # 35 × 35
    b = correlate(a, w["b"], 2) + w["bias"][:, None, None]
    b = b * w["gamma"][:, None, None] + w["beta"][:, None, None]
    skip = np.lib.stride_tricks.sliding_window_view(a, (2, 2), axis=(2, 3))[:, :, ::2, ::2].mean(axis=(4, 5))
    b[:, :2] += skip
    expected = np.maximum(b, 0).mean(axis=(2, 3)) @ w["d"]
    (tmp_path / "small.onnx").write_bytes(convert_dlib(data))
    np.testing.assert_allclose(OnnxNetwork(tmp_path / "small.onnx").run(x)[0], expected, atol=1e-4)


def test_affine_is_folded():
    """The affine layer ends up in the convolution before it."""
    data, _ = small_network(np.random.default_rng(3))
    ops = [node.op_type for node in onnx.load_from_string(convert_dlib(data)).graph.node]
    assert "Mul" not in ops
    assert ops.count("Add") == 1  # the skip


@pytest.mark.parametrize("data", [b"", b"no network", tag(b"con_4") + integer(7)])
def test_rubbish_is_refused(data):
    """What is no such file is refused in one line."""
    with pytest.raises(WeightsError, match="dlib"):
        convert_dlib(data)


def test_a_truncated_file_is_refused():
    """A file that ends early is refused wherever it ends."""
    data, _ = small_network(np.random.default_rng(3))
    for end in range(0, len(data) - 1, 97):
        with pytest.raises(WeightsError):
            convert_dlib(data[:end])
