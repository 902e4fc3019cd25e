"""ONNX Runtime as a Network."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mien.core.errors import InputError, ProviderError, SettingError, WeightsError
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions, Workers, available_providers, thread_budget


@pytest.fixture(scope="module")
def doubling(tmp_path_factory):
    """An ONNX file with one operator, y = x + x, for batches (n, 3)."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    path = tmp_path_factory.mktemp("onnx") / "doubling.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(model)
    return path


@pytest.mark.parametrize("n", [0, 1, 7])
def test_any_batch_size_runs(doubling, n):
    """A batch of any size, none included, gives as many rows."""
    batch = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    (doubled,) = OnnxNetwork(doubling).run(batch)
    np.testing.assert_array_equal(doubled, 2 * batch)
    assert doubled.dtype == np.float32


def test_input_is_cast_to_the_models_type(doubling):
    """Whole numbers or doubles may be handed in; the model's own type is used."""
    (doubled,) = OnnxNetwork(doubling).run(np.ones((2, 3), np.uint8))
    assert doubled.dtype == np.float32
    assert doubled.tolist() == [[2, 2, 2], [2, 2, 2]]


def test_it_describes_itself(doubling):
    """Names, shape and provider can be read without knowing the file."""
    network = OnnxNetwork(doubling)
    described = (network.input_name, network.input_shape, network.output_names, network.provider, network.input_dtype)
    assert described == ("x", (None, 3), ("y",), "cpu", np.float32)


def test_wrong_shape_is_named(doubling):
    """A batch of the wrong shape is answered with both shapes."""
    with pytest.raises(InputError, match=r"shape \(any, 3\), got \(2, 4\)"):
        OnnxNetwork(doubling).run(np.zeros((2, 4), np.float32))


def test_threads_share_one_session(doubling):
    """Many threads that use a fresh network at once make one session and get equal answers."""
    network = OnnxNetwork(doubling, RuntimeOptions(threads=1))
    batch = np.ones((5, 3), np.float32)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: (id(network._session), network.run(batch)[0].sum()), range(32)))
    assert len(set(answers)) == 1


def test_nothing_is_read_before_the_first_use(tmp_path):
    """Making a network reads no file; using one that is missing says how to get it."""
    network = OnnxNetwork(tmp_path / "missing.onnx")
    with pytest.raises(WeightsError, match="mien models pull"):
        network.run(np.zeros((1, 3), np.float32))


def test_rubbish_is_no_model(tmp_path):
    """A file that is no ONNX model is refused by name."""
    path = tmp_path / "rubbish.onnx"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsError, match=r"rubbish\.onnx"):
        OnnxNetwork(path).run(np.zeros((1, 3), np.float32))


@pytest.mark.skipif("cuda" in available_providers(), reason="this onnxruntime has CUDA")
def test_a_provider_that_cannot_be_had_is_an_error(doubling):
    """CUDA asked for where there is none fails with the remedy, while auto falls back."""
    with pytest.raises(ProviderError, match="--provider cpu"):
        OnnxNetwork(doubling, RuntimeOptions(provider="cuda", gpu_memory_fraction=0.25)).run(np.zeros((1, 3)))
    assert OnnxNetwork(doubling, RuntimeOptions(provider="auto")).provider in available_providers()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provider": "warp"}, "choose one of auto, cpu"),
        ({"threads": -1}, "threads -1"),
        ({"gpu_memory_fraction": 1.5}, "fraction 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(options, words):
    """A setting that cannot work names the value and what was expected."""
    with pytest.raises(SettingError, match=words):
        RuntimeOptions(**options)


@pytest.mark.parametrize("threads", [1, 2])
def test_workers_keep_the_order(threads):
    """Results come in the order of the items, however many threads there are."""
    assert Workers(threads).map(lambda x: x * x, range(20)) == [x * x for x in range(20)]


def test_an_error_in_a_worker_reaches_the_caller():
    """A task that fails in the pool fails in the calling thread."""
    with pytest.raises(ZeroDivisionError):
        Workers(2).map(lambda x: 1 // x, [1, 0, 2])


def test_the_budget_is_at_least_one_thread():
    """Zero means all cores of this process, any other number means itself."""
    assert thread_budget() >= 1
    assert thread_budget(3) == 3
