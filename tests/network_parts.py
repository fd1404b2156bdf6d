"""A small float network while it is built: tensors, constants and calls, with the layers that take more than one line.

Names are distinct and none is another one with a suffix that a quantizer adds (``1``, ``_int16``, ``_requantized``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minilite import schema
from minilite.model import Model, Operator, OperatorCode, Signature, Subgraph
from minilite.ops import OPS
from tests.small_models import Builder

Shape = tuple[int, ...]
ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")


class Network:
    """Collects one subgraph's calls; every method that computes something returns the index of its result."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.builder = Builder()
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.operators: list[Operator] = []
        self.codes: list[str] = []

    # -- tensors

    def shape(self, tensor: int) -> Shape:
        return self.builder.tensors[tensor].shape or ()

    def name(self, kind: str) -> str:
        return f"t{len(self.builder.tensors)}_{kind.lower()}_"

    def input(self, shape: Shape) -> int:
        self.inputs.append(self.builder.tensor(self.name("input"), shape))
        return self.inputs[-1]

    def constant(self, value: Any, dtype: Any = np.float32, kind: str = "constant") -> int:
        return self.builder.constant(self.name(kind), np.asarray(value, dtype))

    def ints(self, *values: int) -> int:
        return self.constant(values, np.int32, "ints")

    def normal(self, shape: Shape, scale: float = 1.0, kind: str = "constant") -> int:
        return self.constant(self.random.normal(0, scale, shape), kind=kind)

    # -- chance

    def maybe(self, probability: float = 0.5) -> bool:
        return bool(self.random.random() < probability)

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.random.integers(len(options)))]

    # -- calls

    def call(self, op: str, inputs: Sequence[int], shape: Shape, type_: str = "FLOAT32", **options: Any) -> int:
        return self.calls(op, inputs, [shape], type_, **options)[0]

    def calls(
        self, op: str, inputs: Sequence[int], shapes: Sequence[Shape], type_: str = "FLOAT32", **options: Any
    ) -> list[int]:
        """Append an operator; its results, one for each shape."""
        if op not in self.codes:
            self.codes.append(op)
        results = [self.builder.tensor(self.name(op), shape, type_) for shape in shapes]
        table = schema.OPTIONS_OF.get(op)
        filled = schema.make_options(table, **options) if table else None
        self.operators.append(Operator(self.codes.index(op), tuple(inputs), tuple(results), filled))
        return results

    def unary(self, op: str, x: int, **options: Any) -> int:
        return self.call(op, (x,), self.shape(x), **options)

    def binary(self, op: str, x: int, y: int, **options: Any) -> int:
        return self.call(op, (x, y), np.broadcast_shapes(self.shape(x), self.shape(y)), **options)

    # -- layers with weights

    def weights(self, shape: Shape, axis: int) -> int:
        """Weights of unit gain, with now and then a dead channel, channels far apart, or very small ones."""
        values = self.random.normal(0, math.prod(shape) ** -0.5 * shape[axis] ** 0.5, shape)
        channels = [1] * len(shape)
        channels[axis] = shape[axis]
        gains = np.ones(shape[axis])
        if self.maybe(0.15):
            gains *= 10 ** self.random.uniform(-2, 0, shape[axis])
        if self.maybe(0.12):
            gains[self.random.integers(shape[axis])] = 0
        if self.maybe(0.12):
            gains[self.random.integers(shape[axis])] = 10 ** self.random.uniform(-9, -5)
        return self.constant(values * gains.reshape(channels), kind="weights")

    def bias(self, count: int) -> int:
        """A bias, an all-zero one or a large one."""
        draw = self.random.random()
        scale = 0.0 if draw < 0.25 else 30.0 if draw < 0.35 else 0.3
        return self.normal((count,), scale, "bias")

    def window(self, x: int, size: int, stride: int, padding: str) -> tuple[int, int]:
        _, height, width, _ = self.shape(x)
        lost = 0 if padding == "SAME" else size - 1
        return -(-(height - lost) // stride), -(-(width - lost) // stride)

    def convolution(self, x: int, channels: int, size: int = 0, stride: int = 1, weights: int = -1, **rest: Any) -> int:
        """CONV_2D; ``weights`` of another one may be used again."""
        size = size or self.pick([1, 2, 3])
        padding = "SAME" if min(self.shape(x)[1:3]) < size else self.pick(["SAME", "SAME", "VALID"])
        padding = rest.pop("padding", padding)
        if weights < 0:
            weights = self.weights((channels, size, size, self.shape(x)[3]), 0)
        size = self.shape(weights)[1]
        rest.setdefault("fused_activation_function", self.pick(ACTIVATIONS))
        shape = (self.shape(x)[0], *self.window(x, size, stride, padding), channels)
        strides = {"stride_w": stride, "stride_h": stride, "padding": padding}
        return self.call("CONV_2D", (x, weights, self.bias(channels)), shape, **strides, **rest)

    def depthwise(self, x: int, multiplier: int = 1) -> int:
        size, channels = self.pick([1, 2, 3]), self.shape(x)[3] * multiplier
        weights = self.weights((1, size, size, channels), 3)
        shape = (self.shape(x)[0], *self.window(x, size, 1, "SAME"), channels)
        options = {"depth_multiplier": multiplier, "fused_activation_function": self.pick(ACTIVATIONS)}
        inputs = (x, weights, self.bias(channels))
        return self.call("DEPTHWISE_CONV_2D", inputs, shape, stride_w=1, stride_h=1, padding="SAME", **options)

    def transposed_convolution(self, x: int, channels: int) -> int:
        batch, height, width, depth = self.shape(x)
        shape = (batch, 2 * height, 2 * width, channels)
        weights = self.weights((channels, 2, 2, depth), 0)
        return self.call(
            "TRANSPOSE_CONV", (self.ints(*shape), weights, x), shape, stride_w=2, stride_h=2, padding="SAME"
        )

    def dense(self, x: int, units: int, weights: int = -1, **options: Any) -> int:
        """FULLY_CONNECTED over the last dimension."""
        if weights < 0:
            weights = self.weights((units, self.shape(x)[-1]), 0)
        options.setdefault("fused_activation_function", self.pick(ACTIVATIONS))
        shape = (*self.shape(x)[:-1], units)
        inputs = (x, weights, -1 if self.maybe(0.15) else self.bias(units))
        return self.call("FULLY_CONNECTED", inputs, shape, keep_num_dims=len(shape) > 2, **options)

    # -- layers without

    def pool(self, op: str, x: int) -> int:
        stride = self.pick([1, 2])
        shape = (self.shape(x)[0], *self.window(x, 2, stride, "SAME"), self.shape(x)[3])
        options = {"stride_w": stride, "stride_h": stride, "filter_width": 2, "filter_height": 2, "padding": "SAME"}
        return self.call(op, (x,), shape, **options)

    def reduce(self, op: str, x: int, axes: Sequence[int], keep: bool) -> int:
        shape = self.shape(x)
        axes = [a % len(shape) for a in axes]
        kept = tuple(1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes)
        return self.call(op, (x, self.ints(*axes)), kept, keep_dims=keep)

    def reshape(self, x: int, shape: Shape) -> int:
        return self.call("RESHAPE", (x, self.ints(*shape)), shape, new_shape=np.array(shape, np.int32))

    def transpose(self, x: int, *order: int) -> int:
        return self.call("TRANSPOSE", (x, self.ints(*order)), tuple(self.shape(x)[i] for i in order))

    def concatenation(self, parts: Sequence[int], axis: int) -> int:
        shape = list(self.shape(parts[0]))
        axis %= len(shape)
        shape[axis] = sum(self.shape(p)[axis] for p in parts)
        return self.call("CONCATENATION", parts, tuple(shape), axis=axis)

    def matmul(self, x: int, y: int, adj_y: bool = False) -> int:
        shape = (*self.shape(x)[:-1], self.shape(y)[-2 if adj_y else -1])
        return self.call("BATCH_MATMUL", (x, y), shape, adj_y=adj_y)

    def slice(self, x: int, axis: int, begin: int, size: int) -> int:
        shape = list(self.shape(x))
        begins = [0] * len(shape)
        begins[axis], shape[axis] = begin, size
        return self.call("SLICE", (x, self.ints(*begins), self.ints(*shape)), tuple(shape))

    # -- the whole

    def model(self, signed: bool = False) -> Model:
        """The network as a model; with ``signed`` it has a signature."""
        graph = Subgraph(
            tuple(self.builder.tensors), tuple(self.inputs), tuple(self.outputs), tuple(self.operators), "main"
        )
        names = tuple((f"in_{i}", t) for i, t in enumerate(self.inputs))
        results = tuple((f"out_{i}", t) for i, t in enumerate(self.outputs))
        return Model(
            tuple(OperatorCode(name, OPS[name].oldest) for name in self.codes),
            (graph,),
            tuple(self.builder.buffers),
            (Signature("serving_default", names, results),) if signed else (),
            description="a random network",
        )
