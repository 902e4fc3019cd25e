"""YuNet and SCRFD files for one size of picture -> ONNX for any: the size is declared, not built in.

The exports that go round say ``(1, 3, 640, 640)``, yet nothing in their graphs depends on it but the declarations of inputs
and outputs. These are taken out, and a run at another size shows whether that was all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from mien.core.errors import WeightsError

__all__ = ["free_size"]

YUNET_OUTPUTS = tuple(f"{what}_{stride}" for what in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32))
_TRIED = (96, 160)  # height and width of the picture that shows whether any size will do


def free_size(data: bytes, family: str, name: str) -> bytes:
    """The network for pictures of any height and width in steps of 32.

    Args:
        data: ONNX as YuNet's or SCRFD's authors and their users export it.
        family: ``"yunet"`` or ``"scrfd"``.
        name: what to call it in errors.

    Raises:
        WeightsError: no such network, or one that is really built for one size.
    """
    try:
        onnx.checker.check_model(data)
    except (ValueError, onnx.checker.ValidationError) as error:
        raise WeightsError(f"{name} is no ONNX model: {str(error).splitlines()[0]}") from error
    model = onnx.load_from_string(data)
    _free(model.graph, name)
    if family == "yunet":
        _order(model.graph, name)
    freed: bytes = model.SerializeToString()
    _try(freed, family, name)
    return freed


def _free(graph: Any, name: str) -> None:
    """Height and width of the input are named, shapes that followed from them forgotten."""
    constants = {constant.name for constant in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else []
    if len(dims) != 4 or dims[1].dim_value != 3:
        shown = [dim.dim_value or dim.dim_param for dim in dims]
        raise WeightsError(f"{name} should take one batch of pictures (1, 3, h, w), its input is {shown}")
    for axis, symbol in ((0, "batch"), (2, "height"), (3, "width")):
        dims[axis].Clear()
        dims[axis].dim_param = symbol
    for dim in (dim for output in graph.output for dim in output.type.tensor_type.shape.dim):
        dim.Clear()
    del graph.value_info[:]


def _order(graph: Any, name: str) -> None:
    """YuNet's outputs in the order of their names here, whatever the file's."""
    outputs = {output.name: output for output in graph.output}
    if set(outputs) != set(YUNET_OUTPUTS):
        raise WeightsError(
            f"{name} is no YuNet of 2023: its outputs are {', '.join(outputs)}, expected {', '.join(YUNET_OUTPUTS)}"
        )
    ordered = [outputs[output] for output in YUNET_OUTPUTS]
    copies = [onnx.ValueInfoProto.FromString(output.SerializeToString()) for output in ordered]
    del graph.output[:]
    graph.output.extend(copies)


def _try(data: bytes, family: str, name: str) -> None:
    """One run at another size than any export has.

    Raises:
        WeightsError: it fails, or gives other numbers of places than the size asks for.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    errors = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
        outputs = session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, *_TRIED), np.float32)})
    except (errors.Fail, errors.InvalidGraph, errors.InvalidArgument, errors.RuntimeException) as error:
        raise WeightsError(
            f"{name} takes pictures of one size only ({str(error).splitlines()[0]}); export it with free height and width"
        ) from error
    shapes = [output.shape for output in outputs]
    if not _fits(shapes, family):
        raise WeightsError(
            f"{name} does not give what a {family} network gives: for {_TRIED[0]} × {_TRIED[1]} pixels its outputs are "
            f"{', '.join(map(str, shapes))}; see docs/how-to/detectors.md"
        )


def _fits(shapes: list[tuple[int, ...]], family: str) -> bool:
    """Whether there are as many scores, boxes and landmarks as places, at strides of 8, 16 and so on."""
    if family == "yunet":
        wanted = [(1, 4, 10)[max(0, i // 3 - 1)] for i in range(len(YUNET_OUTPUTS))]
        return [(shape[-2], shape[-1]) for shape in shapes if len(shape) >= 2] == [
            (_places(i % 3), columns) for i, columns in enumerate(wanted)
        ]
    counts = {k: sorted((s[-2] for s in shapes if len(s) >= 2 and s[-1] == k), reverse=True) for k in (1, 4, 10)}
    scores = counts[1]
    return (
        len(scores) >= 3
        and counts[4] == scores
        and counts[10] in ([], scores)
        and len(shapes) == len(scores) * (3 if counts[10] else 2)
        and all(scores[i] % _places(i) == 0 and scores[i] // _places(i) in {1, 2} for i in range(len(scores)))
    )


def _places(level: int) -> int:
    """How many places a picture of ``_TRIED`` has at a stride of 8, 16, …; sides that do not divide are filled up."""
    rows, columns = (-(-side // (8 << level)) for side in _TRIED)
    return rows * columns
