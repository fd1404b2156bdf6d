"""How many multiply-accumulates an operator takes, as a table of formulas over shapes.

Counted is what a direct implementation multiplies and adds: padding counts like image, zeros in weights like any
other value. Operators that combine no weights or matrices (ADD, SOFTMAX, pooling, MEAN, ...) count 0. Shapes are the
file's own, in which converters write a free dimension, the batch above all, as 1.

    CONV_2D            output elements x filter height x filter width x input channels of a group
    DEPTHWISE_CONV_2D  output elements x filter height x filter width
    TRANSPOSE_CONV     input elements x filter height x filter width x output channels
    FULLY_CONNECTED    rows of the input x weights
    BATCH_MATMUL       output elements x length of the shared dimension
    RNN, LSTM, SVDF    time steps x batch x weights, the LSTM's peephole weights included
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from minilite.model import Model, Operator, Options, Subgraph
from minilite.resolve import options_of

Shape = tuple[int, ...]
Shapes = Sequence[Shape | None]
"""One shape per operand; ``None`` stands for an absent operand or a shape the file does not say."""

UNCOUNTED = frozenset({
    "DELEGATE", "STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_COMPOSITE",
})  # fmt: skip
"""Built-in operators that may multiply and have no formula here; like custom ones they count as unknown."""


class _Unknown(Exception):
    """A shape the formula needs is missing or of another rank."""


def _dims(shapes: Shapes, position: int, rank: int | None = None) -> Shape:
    """The shape of one operand, if it is known and has the rank the formula speaks of."""
    shape = shapes[position] if position < len(shapes) else None
    if shape is None or min(shape, default=0) < 0 or (rank is not None and len(shape) != rank):
        raise _Unknown
    return shape


def _conv(options: Options | None, inputs: Shapes, outputs: Shapes) -> int:
    """filter [O, H, W, I / groups]"""
    return prod(_dims(outputs, 0, rank=4)) * prod(_dims(inputs, 1, rank=4)[1:])


def _depthwise_conv(options: Options | None, inputs: Shapes, outputs: Shapes) -> int:
    """filter [1, H, W, O]"""
    return prod(_dims(outputs, 0, rank=4)) * prod(_dims(inputs, 1, rank=4)[1:3])


def _transpose_conv(options: Options | None, inputs: Shapes, outputs: Shapes) -> int:
    """operands output_shape, filter [O, H, W, I], input [N, H, W, I]"""
    return prod(_dims(inputs, 2, rank=4)) * prod(_dims(inputs, 1, rank=4)[:3])


def _conv_3d(options: Options | None, inputs: Shapes, outputs: Shapes) -> int:
    """filter [D, H, W, I, O]"""
    return prod(_dims(outputs, 0, rank=5)) * prod(_dims(inputs, 1, rank=5)[:4])


def _conv_3d_transpose(options: Options | None, inputs: Shapes, outputs: Shapes) -> int:
    """operands output_shape, filter [D, H, W, O, I], input [N, D, H, W, I]"""
    return prod(_dims(inputs, 2, rank=5)) * prod(_dims(inputs, 1, rank=5)[:4])


def _fully_connected(options: Options | None, inputs: Shapes, outputs: Shapes) -> int:
    """weights [O, I]; the input has any shape of a multiple of I elements"""
    units, depth = _dims(inputs, 1, rank=2)
    rows, rest = divmod(prod(_dims(inputs, 0)), max(depth, 1))
    if rest:
        raise _Unknown
    return rows * units * depth


def _batch_matmul(options: Options | None, inputs: Shapes, outputs: Shapes) -> int:
    """x [..., M, K], or [..., K, M] where adj_x says so"""
    x, product = _dims(inputs, 0), _dims(outputs, 0)
    if min(len(x), len(product)) < 2:
        raise _Unknown
    return prod(product) * x[-2 if options is not None and options.adj_x else -1]


def _recurrent(*weights: int) -> Callable[[Options | None, Shapes, Shapes], int]:
    """Every weight is used once for each input vector; the operands that hold weights are given by position."""

    def count(options: Options | None, inputs: Shapes, outputs: Shapes) -> int:
        vectors = _dims(inputs, 0)
        if len(vectors) < 2:
            raise _Unknown
        present = [i for i in weights if i < len(inputs) and inputs[i] is not None]
        return prod(vectors[:-1]) * sum(prod(_dims(inputs, i)) for i in present)

    return count


FORMULAS: dict[str, Callable[[Options | None, Shapes, Shapes], int]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise_conv,
    "TRANSPOSE_CONV": _transpose_conv,
    "CONV_3D": _conv_3d,
    "CONV_3D_TRANSPOSE": _conv_3d_transpose,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "SVDF": _recurrent(1, 2),
    "RNN": _recurrent(1, 2),
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recurrent(1, 2),
    "BIDIRECTIONAL_SEQUENCE_RNN": _recurrent(1, 2, 5, 6, 10, 11),
    "LSTM": _recurrent(*range(1, 12), 16),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recurrent(*range(1, 12), 16),
    "BIDIRECTIONAL_SEQUENCE_LSTM": _recurrent(*range(1, 12), 16, *range(18, 29), 33, *range(40, 48)),
}


def macs(name: str, options: Options | None, inputs: Shapes, outputs: Shapes) -> int | None:
    """Multiply-accumulates of one operator, or ``None`` where shapes are missing or of a rank the formula lacks."""
    formula = FORMULAS.get(name)
    if formula is None:
        return 0
    try:
        return formula(options, inputs, outputs)
    except _Unknown:
        return None


def operator_macs(model: Model, subgraph: Subgraph, operator: Operator) -> int | None:
    """:func:`macs` of an operator of a model; ``None`` also for what cannot be known, such as custom operators."""
    code = model.operator_codes[operator.opcode_index]
    if code.is_custom or not isinstance(code.builtin_code, str) or code.name in UNCOUNTED:
        return None
    inputs, outputs = _shapes(subgraph, operator.inputs), _shapes(subgraph, operator.outputs)
    return macs(code.name, options_of(operator, code), inputs, outputs)


def _shapes(subgraph: Subgraph, indices: Sequence[int] | None) -> Shapes:
    return [subgraph.tensors[i].shape if i >= 0 else None for i in indices or ()]
