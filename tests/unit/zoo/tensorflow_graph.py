"""Writes TensorFlow ``GraphDef`` files for tests, with protobuf's own library: independent of what reads them."""

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = {np.dtype("float32"): 1, np.dtype("int32"): 3, np.dtype("bool"): 10}
_FIELD = descriptor_pb2.FieldDescriptorProto


def _messages():
    """The GraphDef classes, from the few fields that matter (tensorflow/core/framework/*.proto)."""
    file = descriptor_pb2.FileDescriptorProto(name="graph_for_tests.proto", package="tf", syntax="proto3")

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for number, label, kind, what in fields:
            repeated = label.startswith("*")
            field = made.field.add(name=label.lstrip("*"), number=number, type=kind)
            field.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            if what:
                field.type_name = f".tf.{what}"

    text, data, whole, real, flag, sub = (
        _FIELD.TYPE_STRING,
        _FIELD.TYPE_BYTES,
        _FIELD.TYPE_INT64,
        _FIELD.TYPE_FLOAT,
        _FIELD.TYPE_BOOL,
        _FIELD.TYPE_MESSAGE,
    )
    message("Dim", (1, "size", whole, ""))
    message("Shape", (2, "*dim", sub, "Dim"))
    message(
        "Tensor",
        (1, "dtype", _FIELD.TYPE_INT32, ""),
        (2, "shape", sub, "Shape"),
        (4, "content", data, ""),
        (5, "*floats", real, ""),
        (7, "*ints", _FIELD.TYPE_INT32, ""),
    )
    message("List", (3, "*i", whole, ""))
    message(
        "Value",
        (1, "list", sub, "List"),
        (2, "s", data, ""),
        (3, "i", whole, ""),
        (4, "f", real, ""),
        (5, "b", flag, ""),
        (6, "type", _FIELD.TYPE_INT32, ""),
        (8, "tensor", sub, "Tensor"),
    )
    message("Entry", (1, "key", text, ""), (2, "value", sub, "Value"))
    message("Node", (1, "name", text, ""), (2, "op", text, ""), (3, "*input", text, ""), (5, "*attr", sub, "Entry"))
    message("Graph", (1, "*node", sub, "Node"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tf.Graph"))


class GraphWriter:
    """Collects nodes; ``bytes()`` is the file. Each method returns the node's name, to be read by others."""

    def __init__(self):
        self._graph = _messages()()

    def node(self, name, op, *inputs, **attributes):
        """Any operation; attributes of the kinds bytes, bool, int (``dtype`` is a type), float, list of int, array."""
        node = self._graph.node.add(name=name, op=op, input=inputs)
        for key, given in attributes.items():
            value = node.attr.add(key=key).value
            if isinstance(given, bytes):
                value.s = given
            elif isinstance(given, bool):
                value.b = given
            elif key == "dtype":
                value.type = given
            elif isinstance(given, int):
                value.i = given
            elif isinstance(given, float):
                value.f = given
            elif isinstance(given, list):
                value.list.i.extend(given)
            else:
                self._tensor(value.tensor, given)
        return name

    def constant(self, name, array, *, dtype=np.float32):
        """A frozen variable: Const, read through Identity."""
        self.node(name, "Const", value=np.asarray(array, dtype), dtype=_TYPES[np.dtype(dtype)])
        return self.node(f"{name}/read", "Identity", name)

    def placeholder(self, name, dtype):
        return self.node(name, "Placeholder", dtype=_TYPES[np.dtype(dtype)])

    @staticmethod
    def _tensor(tensor, array):
        """Single numbers go into the typed list, the rest into raw bytes: both forms occur."""
        tensor.dtype = _TYPES[array.dtype]
        for size in array.shape:
            tensor.shape.dim.add(size=size)
        if array.size == 1 and array.dtype != bool:
            (tensor.floats if array.dtype == np.float32 else tensor.ints).append(array.reshape(-1)[0])
        else:
            tensor.content = array.tobytes()

    def bytes(self):
        return self._graph.SerializeToString()


def training_graph(rng, *, form="switch"):
    """A small FaceNet as training leaves it, and its weights: convolution, batch norm, residual, average, dense, L2 norm.

    ``form``: ``"switch"`` has the batch norm's training and inference branches, ``Switch`` and ``Merge`` and a dropout
    in the same manner; ``"arithmetic"`` has it as Rsqrt, Mul, Sub and Add of frozen statistics.
    """
    w = {
        "k1": rng.normal(size=(3, 3, 3, 4), scale=0.4),
        "mean": rng.normal(size=4, scale=0.3),
        "variance": rng.uniform(0.5, 2, size=4),
        "beta": rng.normal(size=4),
        "k2": rng.normal(size=(1, 1, 4, 4), scale=0.5),
        "b2": rng.normal(size=4),
        "dense": rng.normal(size=(4, 6)),
    }
    w = {name: value.astype(np.float32) for name, value in w.items()}
    g = GraphWriter()
    g.placeholder("batch", np.float32)
    x = g.node("input", "Identity", "batch")  # behind it: the input queue of training
    g.placeholder("phase_train", bool)
    c = {name: g.constant(name, value) for name, value in w.items()}
    x = g.node("conv", "Conv2D", x, c["k1"], strides=[1, 2, 2, 1], padding=b"SAME", data_format=b"NHWC")
    x = _switched_norm(g, x, c) if form == "switch" else _arithmetic_norm(g, x, c)
    x = g.node("relu", "Relu", x)
    y = g.node("up", "Conv2D", x, c["k2"], strides=[1, 1, 1, 1], padding=b"SAME")
    y = g.node("up/biased", "BiasAdd", y, c["b2"])
    y = g.node("scaled", "Mul", g.constant("scale", 0.17), y)
    x = g.node("sum", "Add", x, y)
    x = g.node("pool", "AvgPool", x, ksize=[1, 4, 4, 1], strides=[1, 1, 1, 1], padding=b"VALID")
    shape = g.node("shape", "Shape", x)
    x = g.node("flat", "Reshape", x, shape)
    if form == "switch":
        x = _dropout(g, x)
    x = g.node("bottleneck", "MatMul", x, c["dense"], transpose_a=False, transpose_b=False)
    square = g.node("square", "Square", x)
    total = g.node("total", "Sum", square, g.constant("axis", [1], dtype=np.int32), keep_dims=True)
    least = g.node("least", "Maximum", total, g.constant("tiny", 1e-10))
    g.node("embeddings", "Mul", x, g.node("root", "Rsqrt", least))
    return g.bytes(), w


def _switched_norm(g, x, c):
    """tf.cond(phase_train, batch statistics, moving statistics)."""
    pred = g.node("bn/pred", "Identity", "phase_train")
    ones = g.constant("gamma", np.ones(4))
    train = g.node("bn/train", "Switch", x, pred)
    infer = g.node("bn/infer", "Switch", x, pred)
    a = g.node("bn/fused", "FusedBatchNorm", f"{train}:1", ones, c["beta"], ones, ones, epsilon=0.001, is_training=True)
    b = g.node("bn/fused_1", "FusedBatchNorm", infer, ones, c["beta"], c["mean"], c["variance"], epsilon=0.001)
    merged = g.node("bn/merge", "Merge", b, a)
    g.node("bn/update", "AssignSub", "mean", f"{a}:1")  # of training only
    return g.node("bn/out", "Identity", merged, "^bn/update")


def _arithmetic_norm(g, x, c):
    inverse = g.node("bn/rsqrt", "Rsqrt", g.node("bn/eps", "AddV2", c["variance"], g.constant("epsilon", 0.001)))
    scaled = g.node("bn/mul", "Mul", x, inverse)
    shift = g.node("bn/sub", "Sub", c["beta"], g.node("bn/mul_2", "Mul", c["mean"], inverse))
    return g.node("bn/add", "AddV2", scaled, shift)


def _dropout(g, x):
    """tf.cond(phase_train, dropout, identity), the random numbers living in the branch that training takes."""
    switch = g.node("drop/switch", "Switch", x, "phase_train")
    noise = g.node("drop/noise", "RandomUniform", g.constant("drop/shape", [1, 4], dtype=np.int32), seed=1)
    kept = g.node("drop/mul", "Mul", f"{switch}:1", g.node("drop/floor", "Floor", noise))
    return g.node("drop/merge", "Merge", switch, kept)


def numpy_forward(w, x):
    """The same network in numpy: ``(n, 8, 8, 3)`` to ``(n, 6)`` of unit length."""
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))  # SAME with stride 2 on an even side pads at the end only
    out = np.zeros((len(x), 4, 4, 4))
    for i in range(4):
        for j in range(4):
            out[:, i, j] = np.einsum("nhwc,hwco->no", padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3], w["k1"])
    out = np.maximum((out - w["mean"]) / np.sqrt(w["variance"] + 0.001) + w["beta"], 0)
    out = out + 0.17 * (out @ w["k2"][0, 0] + w["b2"])
    flat = out.mean(axis=(1, 2)) @ w["dense"]
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def without_control_inputs(data):
    """The same graph without control inputs, which OpenCV 4 cannot read."""
    graph = _messages().FromString(data)
    for node in graph.node:
        node.input[:] = [name for name in node.input if not name.startswith("^")]
    return graph.SerializeToString()
