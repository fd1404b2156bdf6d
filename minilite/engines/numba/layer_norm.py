"""Layer normalization, which converters write in ten operators, found and made one call.

``m = MEAN(x)``, ``scale = RSQRT(MEAN(SQUARED_DIFFERENCE(x, m)) + epsilon) * gamma``, and then ``x * scale`` plus
``NEG(m) * scale`` or ``beta - m * scale``. Only where sums may be in any order, for its two may.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Lowered, Place
from minilite.spec import TensorInfo

Array = np.ndarray


def merge(parts: list[Lowered], seen: set[int]) -> None:
    """Have the last operator of a layer normalization do it all, if nobody looks at what lies between."""
    makers = {tensor: part for part in parts for tensor in part.writes}
    for last in parts:
        found = _Found(makers, last)
        call = found.call()
        if call is None:
            continue
        between = {tensor for part in found.parts for tensor in part.writes if part is not last}
        others = (part for part in parts if not any(part is member for member in found.parts))
        if between & seen or any(between.intersection(part.step.inputs) for part in others):
            continue
        for part in found.parts:
            if part is not last:
                part.calls, part.writes = [], ()
        last.calls = [call]


class _Found:
    """The operators that lead to one, as far as they are those of a layer normalization."""

    def __init__(self, makers: dict[int, Lowered], last: Lowered):
        self.makers, self.last, self.parts = makers, last, [last]

    def call(self) -> Call | None:
        """The normalization, if it is one."""
        if not _is(self.last, "ADD"):
            return None
        for product, shift in permutations(_inputs(self.last)):
            for x, scale in self._pairs(product, "MUL"):
                self.parts = [self.last, self.makers[product.index]]
                shifted, scaled = self._shift(shift, scale), self._scale(scale, x)
                if shifted and scaled and shifted[0].index == scaled[0].index:
                    return self._call(x, scaled[1], shifted[1], scaled[2])
        return None

    def _call(self, x: TensorInfo, gamma: Array | None, beta: Array | None, epsilon: Array) -> Call | None:
        count, output = x.shape[-1], self.last.step.node.outputs[0]
        if output.shape != x.shape or epsilon.size != 1 or not _fits(gamma, count) or not _fits(beta, count):
            return None
        rows, tables = math.prod(x.shape[:-1]), (_table(gamma, count, 1.0), _table(beta, count, 0.0))
        row = (Place(x.index), Place(output.index), *tables, epsilon.reshape(1), count)
        return Call(("layer_norm",), rows, row, work=rows * (count // 4 + 30))

    def _made(self, info: TensorInfo, op: str) -> Lowered | None:
        """The operator that makes a tensor, if it is of that name."""
        part = self.makers.get(info.index)
        if part is None or not _is(part, op):
            return None
        self.parts.append(part)
        return part

    def _pairs(self, info: TensorInfo, op: str) -> Iterator[tuple[TensorInfo, TensorInfo]]:
        """The operands of the operator that makes a tensor, in both orders."""
        part = self._made(info, op)
        if part is not None:
            first, second = _inputs(part)
            yield first, second
            yield second, first

    def _shift(self, shift: TensorInfo, scale: TensorInfo) -> tuple[TensorInfo, Array | None] | None:
        """Mean and beta of ``NEG(mean) * scale`` or ``beta - mean * scale``."""
        for negative, other in self._pairs(shift, "MUL"):
            negated = self._made(negative, "NEG") if other.index == scale.index else None
            if negated is not None:
                return _inputs(negated)[0], None
        difference = self._made(shift, "SUB")
        if difference is None or _inputs(difference)[0].value is None:
            return None
        beta, product = _inputs(difference)
        means = [mean for mean, other in self._pairs(product, "MUL") if other.index == scale.index]
        return (means[0], beta.value) if means else None

    def _scale(self, scale: TensorInfo, x: TensorInfo) -> tuple[TensorInfo, Array | None, Array] | None:
        """Mean, gamma and epsilon of ``RSQRT(variance + epsilon) * gamma``."""
        root, gamma = scale, None
        for first, second in self._pairs(scale, "MUL"):
            if second.value is not None:
                root, gamma = first, second.value
        inverse = self._made(root, "RSQRT")
        for variance, epsilon in self._pairs(_inputs(inverse)[0], "ADD") if inverse else ():
            squares = self._mean_of(variance) if epsilon.value is not None else None
            for here, mean in self._pairs(squares, "SQUARED_DIFFERENCE") if squares else ():
                source = self._mean_of(mean) if here.index == x.index else None
                if source is not None and source.index == x.index and epsilon.value is not None:
                    return mean, gamma, epsilon.value
        return None

    def _mean_of(self, info: TensorInfo) -> TensorInfo | None:
        """What a tensor is the mean of, row by row."""
        part = self._made(info, "MEAN")
        if part is None:
            return None
        source = part.step.node.inputs[0]
        return source if source is not None and info.shape == (*source.shape[:-1], 1) != source.shape else None


def _is(part: Lowered, op: str) -> bool:
    """Whether a part is a compiled operator of float32 of that name, without an activation, its sums in any order."""
    node = part.step.node
    operands = (*node.inputs[: 1 if op == "MEAN" else 2], *node.outputs)
    plain = not node.options or str(node.options.get("fused_activation_function", "NONE")) == "NONE"
    floats = all(info is not None and info.type == "float32" for info in operands)
    return node.op == op and bool(part.calls) and plain and floats and node.sums != "sequential"


def _inputs(part: Lowered) -> list[TensorInfo]:
    return [info for info in part.step.node.inputs if info is not None]


def _fits(values: Array | None, count: int) -> bool:
    """Whether there is one for each element of a row."""
    return values is None or values.size == values.shape[-1] == count


def _table(values: Array | None, count: int, default: float) -> Array:
    """The numbers of a row, as the kernel reads them."""
    table = packing.aligned(packing.padded(count, packing.LANES), np.float32)
    table[:count] = default if values is None else values.reshape(-1)
    return table
