"""Networks with the inputs and outputs of YuNet and SCRFD that find white squares, as ONNX files declared for one size."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 640
"""What the files say they take, as those that go round do."""
BOX = 4.0
"""Sides of every box, in strides."""
LANDMARKS = np.array([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]], np.float32)
"""Of every face, in strides around the centre of its place."""


def yunet_file(*, built_in: bool = False, shuffled: bool = False) -> bytes:
    """YuNet's twelve outputs; ``built_in``: the size is part of the graph too; ``shuffled``: in another order."""
    builder = _Builder(built_in)
    for stride in (8, 16, 32):
        bright = builder.bright(stride)
        half = np.full(2, 0.5, np.float32)
        builder.output(f"cls_{stride}", bright, stride)
        builder.output(f"obj_{stride}", bright, stride)
        builder.output(f"bbox_{stride}", builder.constant_map(bright, [*half, *np.full(2, np.log(BOX))]), stride)
        builder.output(f"kps_{stride}", builder.constant_map(bright, (LANDMARKS + 0.5).ravel()), stride)
    order = [f"{what}_{stride}" for what in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)]
    return builder.model(order[::-1] if shuffled else order)


def scrfd_file(*, landmarks: bool = True) -> bytes:
    """SCRFD's outputs at three strides, two anchors a place, the second of which never finds anything."""
    builder = _Builder(built_in=False)
    for stride in (8, 16, 32):
        bright = builder.bright(stride, scale=128 / 255, offset=0.5)
        none = builder.constant_map(bright, [0.0])
        builder.output(f"score_{stride}", builder.joined([bright, none]), stride, each=2)
        box = [BOX / 2 - 0.5, BOX / 2 - 0.5, BOX / 2 + 0.5, BOX / 2 + 0.5]
        builder.output(f"box_{stride}", builder.constant_map(bright, box * 2), stride, each=2)
        if landmarks:
            builder.output(
                f"kps_{stride}", builder.constant_map(bright, np.tile((LANDMARKS + 0.5).ravel(), 2)), stride, 2
            )
    kinds = ("score", "box", "kps") if landmarks else ("score", "box")
    return builder.model([f"{kind}_{stride}" for kind in kinds for stride in (8, 16, 32)])


class _Builder:
    def __init__(self, built_in: bool) -> None:
        self.built_in = built_in
        self.nodes, self.constants, self.outputs = [], [], {}

    def bright(self, stride: int, scale: float = 1 / 255, offset: float = 0.0) -> str:
        """Mean brightness of every place, 0 to 1."""
        pooled = self.node("AveragePool", ["pixels"], kernel_shape=[stride, stride], strides=[stride, stride])
        weights = self.constant(np.full((1, 3, 1, 1), scale / 3, np.float32))
        mean = self.node("Conv", [pooled, weights, self.constant(np.array([offset], np.float32))])
        return self.node("Relu", [mean])

    def constant_map(self, like: str, values) -> str:
        """The same numbers at every place."""
        weights = self.constant(np.zeros((len(values), 1, 1, 1), np.float32))
        return self.node("Conv", [like, weights, self.constant(np.array(values, np.float32))])

    def joined(self, maps: list[str]) -> str:
        return self.node("Concat", maps, axis=1)

    def output(self, name: str, of: str, stride: int, each: int = 1) -> None:
        columns = {"cls": 1, "obj": 1, "score": 1, "bbox": 4, "box": 4, "kps": 10}[name.partition("_")[0]]
        places = each * (SIDE // stride) ** 2
        last = self.node("Transpose", [of], perm=[0, 2, 3, 1])
        shape = self.constant(np.array([1, places if self.built_in else -1, columns], np.int64))
        self.node("Reshape", [last, shape], name=name)
        self.outputs[name] = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, places, columns])

    def node(self, op: str, inputs: list[str], name: str = "", **attributes) -> str:
        name = name or f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def constant(self, value) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def model(self, order: list[str]) -> bytes:
        pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
        graph = helper.make_graph(self.nodes, "white", [pixels], [self.outputs[name] for name in order], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()
