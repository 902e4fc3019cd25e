"""ONNX Runtime as a ``Network``: the provider really used, the thread budget, dynamic batches."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, ProviderError, SettingError, WeightsError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["PROVIDERS", "OnnxNetwork", "RuntimeOptions", "Workers", "available_providers", "thread_budget"]

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Our names of ONNX Runtime's execution providers; ``auto`` takes the first of cuda, directml, coreml, cpu there is."""

_AUTO = ("cuda", "directml", "coreml", "cpu")

_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int64)": np.int64,
}

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """Where networks run.

    Args:
        provider: a key of ``PROVIDERS`` or ``"auto"``.
        threads: threads one run may use; 0 = all cores this process may use.
        gpu_memory_fraction: share of the card's memory to use at most, 0 to 1; None = no limit. CUDA only.

    Raises:
        SettingError: a provider nobody knows, or a number out of range.
    """

    provider: str = "cpu"
    threads: int = 0
    gpu_memory_fraction: float | None = None

    def __post_init__(self) -> None:
        if self.gpu_memory_fraction is not None and self.provider not in {"cuda", "auto"}:
            raise SettingError(
                f"gpu memory fraction {self.gpu_memory_fraction} was asked for, but provider {self.provider} has none to"
                " share: add --provider cuda, or leave the fraction out"
            )
        if self.provider not in {*PROVIDERS, "auto"}:
            raise SettingError(f"provider {self.provider!r} is unknown; choose one of auto, {', '.join(PROVIDERS)}")
        if self.threads < 0:
            raise SettingError(f"threads {self.threads} must be 0 (all cores) or more")
        if self.gpu_memory_fraction is not None and not 0 < self.gpu_memory_fraction <= 1:
            raise SettingError(f"gpu memory fraction {self.gpu_memory_fraction} must lie in 0 … 1, e.g. 0.25")


def thread_budget(threads: int = 0) -> int:
    """How many threads may compute at once: ``threads``, or every core this process may use when it is 0."""
    if threads:
        return threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_providers() -> tuple[str, ...]:
    """Our names of the providers that the installed onnxruntime was built with."""
    import onnxruntime

    there = onnxruntime.get_available_providers()
    return tuple(name for name, theirs in PROVIDERS.items() if theirs in there)


class Workers:
    """The process's pool of computing threads: every ``Workers`` of the same size shares one.

    For work in C that releases Python's lock (ONNX Runtime, OpenCV, large numpy operations), such as one network run
    over the strips of an image. Tasks must not themselves wait for ``map``.

    Args:
        threads: size of the pool; 0 = all cores this process may use.
    """

    def __init__(self, threads: int = 0) -> None:
        self.threads = thread_budget(threads)

    def map(self, task: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
        """``task`` of every item, in order; in the calling thread when there is one item or one thread."""
        items = list(items)
        if self.threads == 1 or len(items) < 2:
            return [task(item) for item in items]
        return list(_executor(self.threads).map(task, items))


@cache
def _executor(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="mien")


class OnnxNetwork:
    """An ONNX file as a ``Network``; the session is made at the first use and shared by all threads.

    Args:
        path: the ONNX file, verified by ``zoo.weights``.
        options: provider, threads, memory.

    Raises:
        WeightsError: at the first use, if the file is missing or no ONNX model.
        ProviderError: at the first use, if the provider asked for cannot be had.
    """

    def __init__(self, path: Path, options: RuntimeOptions | None = None) -> None:
        self.path = Path(path)
        self.options = options or RuntimeOptions()
        self._lock = Lock()
        self._made: onnxruntime.InferenceSession | None = None

    def run(self, batch: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """Run one batch ``(n, …)`` through the network; n may be 0. A cast to the model's input type is made if needed.

        A model that was exported for one picture at a time is run for each in turn.

        Raises:
            InputError: if the shape of ``batch`` is not the model's.
        """
        session = self._session
        self._check_shape(batch.shape)
        n = len(batch)
        if n > 1 and self.input_shape[0] == 1:
            rows = [self.run(batch[i : i + 1]) for i in range(n)]
            return tuple(np.concatenate(outputs) for outputs in zip(*rows, strict=True))
        if n == 0:  # not every operator accepts an empty batch: run one row of zeros and keep none of it
            batch = np.zeros((1, *batch.shape[1:]), self.input_dtype)
        array = np.ascontiguousarray(batch, dtype=self.input_dtype)
        outputs = session.run(None, {self.input_name: array})
        return tuple(outputs) if n else tuple(output[:0] for output in outputs)

    @property
    def provider(self) -> str:
        """Our name of the provider really used, e.g. ``"cpu"``."""
        theirs = self._session.get_providers()[0]
        return next((name for name, known in PROVIDERS.items() if known == theirs), theirs)

    @cached_property
    def input_name(self) -> str:
        """Name of the model's input."""
        return str(self._session.get_inputs()[0].name)

    @cached_property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the model's input, None where any size will do."""
        shape = self._session.get_inputs()[0].shape
        return tuple(size if isinstance(size, int) else None for size in shape)

    @cached_property
    def input_dtype(self) -> type[np.generic]:
        """The numpy type of the model's input."""
        return _DTYPES[self._session.get_inputs()[0].type]

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """Names of the model's outputs, in the order of ``run``."""
        return tuple(output.name for output in self._session.get_outputs())

    @property
    def _session(self) -> onnxruntime.InferenceSession:
        if self._made is None:
            with self._lock:  # two threads may ask for a network that neither has made
                if self._made is None:
                    self._made = _open(self.path, self.options)
        return self._made

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        expected = self.input_shape
        fits = len(shape) == len(expected) and all(e in {None, s} for e, s in zip(expected[1:], shape[1:], strict=True))
        if not fits:
            shown = ", ".join("any" if e is None else str(e) for e in expected)
            raise InputError(f"{self.path.name} takes a batch of shape ({shown}), got {shape}")


def _open(path: Path, options: RuntimeOptions) -> onnxruntime.InferenceSession:
    """An inference session for ``path``, or the error that says what to do."""
    import onnxruntime

    provider = _choose(options.provider)
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors only; they reach us as exceptions
    settings.intra_op_num_threads = thread_budget(options.threads)
    settings.inter_op_num_threads = 1
    settings.enable_mem_pattern = False  # plans are kept for every input shape ever seen: memory would grow
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to whoever works
    wanted = [(PROVIDERS[provider], _provider_options(provider, options))]
    if provider != "cpu":
        wanted.append((PROVIDERS["cpu"], {}))  # for operators that the provider lacks
    errors = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=wanted)
    except (errors.NoSuchFile, errors.InvalidProtobuf, errors.InvalidGraph, errors.Fail, errors.InvalidArgument) as e:
        reason = str(e).splitlines()[0]
        raise WeightsError(
            f"{path} cannot be loaded as an ONNX model: {reason}; fetch it anew: mien models pull"
        ) from e
    if session.get_providers()[0] != PROVIDERS[provider]:
        raise ProviderError(
            f"provider {provider} was asked for, but only {session.get_providers()[0]} could be started; "
            "check its driver, or choose --provider cpu"
        )
    return session


def _choose(provider: str) -> str:
    """The provider to start, a key of ``PROVIDERS``."""
    there = available_providers()
    if provider == "auto":
        return next(name for name in _AUTO if name in there)
    if provider not in there:
        raise ProviderError(
            f"provider {provider} cannot be had: this onnxruntime has {', '.join(there)}; "
            "install the onnxruntime package built for it instead of onnxruntime, or choose --provider cpu"
        )
    return provider


def _provider_options(provider: str, options: RuntimeOptions) -> dict[str, str]:
    if provider != "cuda" or options.gpu_memory_fraction is None:
        return {}
    return {
        "gpu_mem_limit": str(int(_gpu_memory_bytes() * options.gpu_memory_fraction)),
        "arena_extend_strategy": "kSameAsRequested",
    }


def _gpu_memory_bytes() -> int:
    """Memory of the first card as ``nvidia-smi`` tells it, bytes."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id=0"]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, text=True, timeout=10)  # noqa: S603 - a fixed command
    except (OSError, subprocess.SubprocessError) as e:
        raise ProviderError(
            f"the card's memory is unknown (nvidia-smi: {e}), so no share of it can be kept; leave the fraction out"
        ) from e
    return int(answer.stdout.split()[0]) * 2**20
