"""Reads TensorFlow's ``GraphDef`` files without TensorFlow.

The few messages needed are decoded straight from protobuf's wire format
(https://protobuf.dev/programming-guides/encoding/); field numbers are those of ``tensorflow/core/framework/graph.proto``,
``node_def.proto``, ``attr_value.proto``, ``tensor.proto`` and ``tensor_shape.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import WeightsError

__all__ = ["TensorNode", "read_graph"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 10: "?", 19: "<f2"}
_BOOL = 10
_LIST_FIELDS = {
    5: ("<f4", _FIXED32),
    6: ("<f8", _FIXED64),
    7: ("<i4", _VARINT),
    10: ("<i8", _VARINT),
    11: ("?", _VARINT),
}
"""TensorProto's typed lists by field number: float_val, double_val, int_val, int64_val, bool_val."""

Field = int | memoryview


@dataclass(frozen=True, slots=True)
class TensorNode:
    """One operation of the graph.

    Args:
        name: unique in the graph.
        op: TensorFlow's name of the operation, e.g. ``"Conv2D"``.
        inputs: ``"node"`` or ``"node:port"``, control inputs left out.
        attributes: those of the kinds int, float, bytes, bool, list of int, dtype (as int) and array.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def is_flag(self) -> bool:
        """Whether it is a placeholder for a boolean such as ``phase_train``."""
        return self.op.startswith("Placeholder") and self.attributes.get("dtype") == _BOOL


def read_graph(data: bytes) -> dict[str, TensorNode]:
    """Nodes of a serialised ``GraphDef`` by name, in the file's order.

    Raises:
        WeightsError: if ``data`` is no such graph.
    """
    try:
        nodes = [
            _node(value) for number, value in _fields(memoryview(data)) if number == 1 and isinstance(value, memoryview)
        ]
    except (IndexError, ValueError, KeyError, struct.error) as error:
        raise WeightsError(f"expected a frozen TensorFlow graph (GraphDef), could not read it: {error}") from error
    if not nodes:
        raise WeightsError("expected a frozen TensorFlow graph (GraphDef), found no node in it")
    return {node.name: node for node in nodes}


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number that starts at ``at`` and where it ends."""
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(view: memoryview) -> Iterator[tuple[int, Field]]:
    """Field numbers and raw values of one message, in order."""
    at = 0
    while at < len(view):
        key, at = _varint(view, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(view, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(view, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at + size > len(view):
            raise ValueError(f"a field of {size} bytes at byte {at} of {len(view)}: truncated?")
        yield number, view[at : at + size]
        at += size


def _message(value: Field) -> dict[int, list[Any]]:
    """All fields of a message, by number."""
    found: dict[int, list[Any]] = {}
    for number, item in _fields(_view(value)):
        found.setdefault(number, []).append(item)
    return found


def _view(value: Field) -> memoryview:
    if isinstance(value, memoryview):
        return value
    raise ValueError(f"expected a message, found the number {value}")


def _text(value: Field) -> str:
    return bytes(_view(value)).decode("utf-8")


def _node(view: memoryview) -> TensorNode:
    fields = _message(view)
    inputs = tuple(name for name in map(_text, fields.get(3, [])) if not name.startswith("^"))
    attributes = dict(_attribute(entry) for entry in fields.get(5, []))
    return TensorNode(_text(fields[1][0]), _text(fields[2][0]), inputs, attributes)


def _attribute(entry: Field) -> tuple[str, Any]:
    """Name and value of one map entry; kinds that no conversion needs become None."""
    pair = _message(entry)
    value: Any = None
    for number, raw in _fields(_view(pair[2][0])) if 2 in pair else ():
        if number == 1:  # list(int)
            value = _integers(_message(raw).get(3, []))
        elif number == 2:
            value = bytes(_view(raw))
        elif number == 3:
            value = _signed(raw)
        elif number == 4:
            value = struct.unpack("<f", _view(raw))[0]
        elif number in (5, 6):  # bool, type
            value = raw
        elif number == 8:
            value = _tensor(raw)
    return _text(pair[1][0]), value


def _signed(value: Any) -> int:
    """Two's complement of 64 bits."""
    return int(value) - (1 << 64) if value >= 1 << 63 else int(value)


def _integers(items: list[Field]) -> list[int]:
    """A repeated integer field, packed or not."""
    numbers: list[int] = []
    for item in items:
        if isinstance(item, int):
            numbers.append(_signed(item))
            continue
        at = 0
        while at < len(item):
            value, at = _varint(item, at)
            numbers.append(_signed(value))
    return numbers


def _tensor(raw: Field) -> NDArray[Any] | None:
    """A TensorProto as an array; None for kinds (strings …) that no conversion needs."""
    fields = _message(raw)
    dtype = _DTYPES.get(fields.get(1, [0])[0])
    if dtype is None:
        return None
    dims = _message(fields[2][0]).get(2, []) if 2 in fields else []
    shape = tuple(_signed(_message(dim).get(1, [0])[0]) for dim in dims)
    flat = np.frombuffer(fields[4][0], dtype) if 4 in fields else _listed(fields, dtype)
    return np.full(shape, flat[0]) if flat.size == 1 else flat.reshape(shape)


def _listed(fields: dict[int, list[Any]], dtype: str) -> NDArray[Any]:
    """A tensor's values from its typed list; one value may stand for all, none for zeros."""
    for number, (kind, wire) in _LIST_FIELDS.items():
        if number in fields:
            if wire == _VARINT:
                return np.array(_integers(fields[number]), kind)
            return np.frombuffer(b"".join(fields[number]), kind)
    return np.zeros(1, dtype)
