"""The space of valid one-operator models, drawn by anything that can choose.

Every row of :mod:`minilite.ops` says with a ``cases`` function which options and operand shapes it accepts. The
function asks a :class:`Draw` for its choices, so that Hypothesis, a seeded generator or a person can drive it, and the
library itself needs none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from minilite.spec import DTYPES, QUANTIZED, Definition, Shape

T = TypeVar("T")


class Draw(Protocol):
    """A source of choices. ``random`` is for bulk data, which need not be shrunk."""

    random: np.random.Generator

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        ...

    def choice(self, options: Sequence[T]) -> T:
        """One of the options; earlier ones are simpler."""
        ...


@dataclass(frozen=True)
class Sparse:
    """How a constant is stored without its zeros: the format (DENSE or SPARSE_CSR) of each level of the tree, which
    dimension each level is (those from the rank on are blocks), which dimensions the blocks divide, and their sizes.
    See :mod:`minilite.sparsity`."""

    formats: tuple[str, ...]
    order: tuple[int, ...]
    block_map: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()

    def block_of(self, dimension: int) -> int:
        """The size of blocks along a dimension; 1 where it is not divided."""
        return dict(zip(self.block_map, self.blocks, strict=True)).get(dimension, 1)


@dataclass(frozen=True)
class Arg:
    """One operand of a case: a shape to be filled with data, or a ready ``value``.

    low, high: the real numbers the data must stay within, where the operator is defined on part of the line only.
    constant: the operand must be a constant of the file (a ``value`` always is, unless ``constant`` is false).
    scale, zero_point: the ones to quantize with, where the operator treats some scales in a way of their own.
    per_axis: whether a weight must have one scale for each channel, or must not.
    nonzero: neither the real numbers nor the stored ones may be 0 (divisors).
    block: the size of blocks along the last dimension to quantize in, or 0.
    sparse: how the constant is stored without its zeros, if it is.
    """

    shape: Shape
    value: np.ndarray | None = None
    low: float | None = None
    high: float | None = None
    constant: bool | None = None
    scale: float | None = None
    zero_point: int | None = None
    per_axis: bool | None = None
    nonzero: bool = False
    block: int = 0
    sparse: Sparse | None = None


@dataclass(frozen=True)
class Value:
    """A tensor of a :class:`Graph`: unquantized, a constant if it has an ``array``; its data lie in [low, high]."""

    type: str
    shape: Shape
    array: np.ndarray | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Call:
    """An operator of a :class:`Graph`: its name, its operands as positions in ``Graph.values``, its options."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """A subgraph: tensors, operators in their order, and which tensors go in and come out."""

    values: tuple[Value, ...]
    calls: tuple[Call, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """Operands (None is an absent optional one), option fields that differ from the schema's defaults, how many
    outputs the operator has, and their scale (and zero point) where it may not follow from the results.

    Operators that mean nothing alone give ``main`` instead of operands: a graph in which they occur; ``subgraphs``
    follow it in the model. ``runs`` is how often the model is invoked, with other inputs each time; ``intermediates``
    are the scales and zero points of the operator's intermediate tensors, ``custom_options`` the bytes
    of a custom operator's."""

    inputs: tuple[Arg | None, ...]
    options: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    output_scale: float | None = None
    output_zero_point: int | None = None
    main: Graph | None = None
    subgraphs: tuple[Graph, ...] = ()
    runs: int = 1
    intermediates: tuple[tuple[float, int], ...] = ()
    custom_options: bytes | None = None


def data(shape: Sequence[int], low: float | None = None, high: float | None = None, **rest: Any) -> Arg:
    """An operand filled with drawn data."""
    return Arg(tuple(shape), low=low, high=high, **rest)


def power_of_two(draw: Draw, low: int, high: int) -> float:
    """``2.0 ** n`` with n in [low, high]: scales whose ratios are powers of two make results fall on ties."""
    return 2.0 ** draw.integer(low, high)


def random_ties(draw: Draw, definition: Definition) -> bool:
    """Whether to draw a quantized case whose scales make results fall on ties: two times out of three, where scales
    matter."""
    scaled = definition.quantized is not False and definition.input_types[0] in QUANTIZED
    return scaled and draw.choice((False, True, True))


def any_integers(draw: Draw, shape: Sequence[int], type_: str) -> Arg:
    """An operand of plain integers over the whole range of their type, so that results overflow."""
    limits = np.iinfo(DTYPES[type_])
    values = draw.random.integers(limits.min, limits.max, tuple(shape), DTYPES[type_], endpoint=True)
    return Arg(tuple(shape), np.asarray(values), constant=False)


def constant(value: Any, dtype: Any = np.int32, **rest: Any) -> Arg:
    """An operand with this value, a constant of the file."""
    array = np.asarray(value, dtype)
    return Arg(array.shape, array, **rest)


def fed(values: Any, dtype: Any = np.float32, **rest: Any) -> Arg:
    """An operand that is fed these values, no constant of the file."""
    array = np.asarray(values, dtype)
    return Arg(array.shape, array, constant=False, **rest)


def stated(draw: Draw, value: Any, dtype: Any = np.int32) -> Arg:
    """An operand with this value: usually a constant of the file, sometimes not known before the model runs."""
    array = np.asarray(value, dtype)
    return Arg(array.shape, array, constant=draw.choice((True, True, True, False)))


def shape(draw: Draw, low_rank: int = 1, high_rank: int = 4, most: int = 6) -> Shape:
    """A shape of some rank with dimensions in [1, most]."""
    return tuple(draw.integer(1, most) for _ in range(draw.integer(low_rank, high_rank)))


def boolean(draw: Draw) -> bool:
    return draw.choice((False, True))


def broadcastable(draw: Draw, to: Shape) -> Shape:
    """A shape that broadcasts to ``to``: some leading dimensions dropped, some others 1."""
    kept = to[draw.choice((0, 0, 0, *range(len(to) + 1))) :]
    return tuple(draw.choice((d, d, 1)) for d in kept)


def broadcast_pair(draw: Draw) -> tuple[Shape, Shape]:
    """Two shapes that broadcast together, either of them the smaller one."""
    whole = shape(draw, 0, 5, 5)
    pair = (whole, broadcastable(draw, whole) if boolean(draw) else whole)
    return pair if boolean(draw) else pair[::-1]


def unary(draw: Draw, definition: Definition) -> Case:
    """Cases of an operator with one operand of any shape and no options."""
    return Case((data(shape(draw, 0, 4)),))


def binary(draw: Draw, definition: Definition) -> Case:
    """Cases of an operator with two operands that broadcast, and no options."""
    return Case(tuple(map(data, broadcast_pair(draw))))


ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def activated(draw: Draw) -> dict[str, Any]:
    """The option ``fused_activation_function``."""
    return {"fused_activation_function": draw.choice(("NONE", "NONE", *ACTIVATIONS))}
