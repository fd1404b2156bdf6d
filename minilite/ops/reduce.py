"""REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ALL and REDUCE_ANY: one number for all the elements along some axes.

    output[kept...] = largest, smallest, product, conjunction or disjunction over input[..., reduced, ...]

The axes may be negative and may repeat. With ``keep_dims`` they stay as dimensions of 1, otherwise they go. Elements
are combined in the order they have in memory; that matters to products only. No elements give the neutral value.

Largest and smallest are of raw numbers: input and output share scale and zero point. A NaN is skipped in
``reference``, unless it is the first element of a tensor that is reduced as a whole; elsewhere the next element
replaces a NaN (XNNPACK works in vectors and loses other elements than these). Products of int32, int64 and integers
without a scale wrap. Of bools, the largest is the disjunction, the smallest and the product the conjunction; LiteRT has
them in its reference kernels only.

Quantized products are rescaled after every factor, so that they stay in 32 bits. With ``n`` factors and
``m = s_input / s_output ** (1 / n)``:

    acc = q_1 - z_input
    acc = round(acc * (q_i - z_input) * m)  for every other i
    output = z_output + round(acc * m)

``round`` is a multiplication of int64 values (one rounding, ties up). Where every reduced axis has size 1 there is
nothing to multiply, and the optimized kernel (word "copies") copies the raw number instead of rescaling it.
Source: TensorFlow Lite's reference and optimized reduce kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import cases
from minilite.cases import Arg, Case, Draw
from minilite.fixed_point import Multiplier, multiply_int64, wrap32
from minilite.ops.accumulate import in_order
from minilite.ops.axes import axis_within
from minilite.spec import Definition, Node, Op, Operand, Shape, TensorInfo, activation, each, parameter

Array = np.ndarray


# ---- axes ------------------------------------------------------------------------------------------------------------


def reduced_axes(input: TensorInfo, axis: TensorInfo) -> tuple[int, ...]:
    """The dimensions to reduce, each once, in order. A scalar has none, whatever the axes say."""
    given = axis.known().reshape(-1)
    return tuple(sorted({axis_within(a, input.rank, axis) for a in given})) if input.rank else ()


def shapes(node: Node, input: TensorInfo, axis: TensorInfo) -> tuple[Shape]:
    gone = reduced_axes(input, axis)
    if node.options.keep_dims:
        return (tuple(1 if i in gone else d for i, d in enumerate(input.shape)),)
    return (tuple(d for i, d in enumerate(input.shape) if i not in gone),)


@dataclass(frozen=True)
class Reduction:
    """The dimensions to reduce, how many elements that makes, and the shape of the output."""

    axes: tuple[int, ...]
    count: int
    shape: Shape
    whole: bool

    @classmethod
    def of(cls, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Reduction:
        axes = reduced_axes(input, axis)
        count = math.prod(input.shape[a] for a in axes)
        return cls(axes, count, output.shape, len(axes) == input.rank)

    def terms(self, x: Array) -> Array:
        """What goes into each output, ``[elements, outputs]``, elements in the order of memory."""
        kept = [i for i in range(x.ndim) if i not in self.axes]
        return x.transpose(*self.axes, *kept).reshape(self.count, math.prod(self.shape))


def prepare(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Reduction:
    return Reduction.of(input, axis, output)


# ---- largest and smallest --------------------------------------------------------------------------------------------


def float_skipping(function: np.ufunc, lowest: float) -> Callable[[Reduction, Array, Array], Array]:
    """The reference kernel: starts from the least number there is, or from the first element if all are reduced."""

    def extreme(p: Reduction, input: Array, axis: Array) -> Array:
        terms = p.terms(input)
        if not (p.whole and p.count):
            return np.asarray(function.reduce(terms, axis=0, initial=lowest)).reshape(p.shape)
        return np.where(np.isnan(terms[0]), terms[0], function.reduce(terms, axis=0)).reshape(p.shape)

    return extreme


def float_replacing(function: np.ufunc, lowest: float) -> Callable[[Reduction, Array, Array], Array]:
    """The optimized kernel: an element is kept if it is above the next one, so a NaN makes all before it forgotten."""

    def extreme(p: Reduction, input: Array, axis: Array) -> Array:
        terms = p.terms(input)
        if not p.count:
            return np.full(p.shape, lowest, input.dtype)
        forgotten = np.logical_or.accumulate(np.isnan(terms)[::-1])[::-1]
        found = function.reduce(np.where(forgotten, input.dtype.type(np.nan), terms), axis=0)
        return np.asarray(found).reshape(p.shape)

    return extreme


def prepare_same_scale(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Reduction:
    if not node.delegated and input.quantized:
        same = (input.scale, input.zero_point) == (output.scale, output.zero_point)
        got = f"({output.scale}, {output.zero_point})"
        output.need(same, f"the input's scale and zero point ({input.scale}, {input.zero_point})", got)
    return Reduction.of(input, axis, output)


def integer_extreme(function: np.ufunc) -> Callable[[Reduction, Array, Array], Array]:
    def extreme(p: Reduction, input: Array, axis: Array) -> Array:
        limits = np.iinfo(input.dtype)
        lowest = limits.min if function is np.maximum else limits.max
        return np.asarray(function.reduce(p.terms(input), axis=0, initial=lowest)).reshape(p.shape)

    return extreme


# ---- products --------------------------------------------------------------------------------------------------------


def product(p: Reduction, input: Array, axis: Array) -> Array:
    return in_order(np.multiply, p.terms(input), 1).reshape(p.shape)


@dataclass(frozen=True)
class Product:
    """A product whose factors are brought to the output's scale one by one."""

    reduction: Reduction
    multiplier: Multiplier
    input_zero_point: int
    output_zero_point: int
    low: int
    high: int
    copies: bool


def prepare_product(node: Node, input: TensorInfo, axis: TensorInfo, output: TensorInfo) -> Product:
    if input.type == "int16":
        for tensor in (input, output):
            tensor.need(tensor.zero_point == 0, "zero point 0", tensor.zero_point)
    output.need(float(output.scale) > 0, "a positive scale", output.scale)
    reduction = Reduction.of(input, axis, output)
    real = np.float64(input.scale) / np.float64(output.scale) ** (1.0 / max(reduction.count, 1))
    limits = np.iinfo(input.dtype)
    return Product(
        reduction,
        Multiplier.of(real),
        input.zero_point,
        output.zero_point,
        int(limits.min),
        int(limits.max),
        node.arithmetic == "copies" and all(input.shape[a] == 1 for a in reduction.axes),
    )


def quantized_product(p: Product, input: Array, axis: Array) -> Array:
    if p.copies:
        return input.reshape(p.reduction.shape)
    if not p.reduction.count:
        return np.zeros(p.reduction.shape, input.dtype)
    terms = p.reduction.terms(input).astype(np.int64) - p.input_zero_point
    acc = terms[0]
    for term in terms[1:]:
        acc = multiply_int64(acc * term, p.multiplier)
    steps = wrap32(multiply_int64(acc, p.multiplier) + p.output_zero_point)
    return np.clip(steps, p.low, p.high).astype(input.dtype).reshape(p.reduction.shape)


# ---- conjunction and disjunction -------------------------------------------------------------------------------------


def logical(function: np.ufunc) -> Callable[[Reduction, Array, Array], Array]:
    def combined(p: Reduction, input: Array, axis: Array) -> Array:
        return np.asarray(function.reduce(p.terms(input), axis=0)).reshape(p.shape)

    return combined


# ---- cases -----------------------------------------------------------------------------------------------------------


def drawn_axes(draw: Draw, shape: Shape, most: int = 6) -> Arg:
    """Some axes, from either end, in any order, now and then one of them twice; a constant or fed."""
    rank = len(shape)
    axes = [a for a in range(rank) if cases.boolean(draw)][:most] or [draw.integer(0, max(rank - 1, 0))]
    axes = [a - rank if rank and cases.boolean(draw) else a for a in axes]
    axes += draw.choice(([], [], axes[:1])) if rank else []
    values = np.asarray(axes[:: draw.choice((1, -1))], np.int32)
    return Arg(values.shape, values, constant=draw.choice((True, True, False)))


def case(draw: Draw, definition: Definition) -> Case:
    """All axis sets of up to 6 dimensions."""
    shape = cases.shape(draw, 0, 6, 5)
    return Case((cases.data(shape), drawn_axes(draw, shape)), {"keep_dims": cases.boolean(draw)})


def product_case(draw: Draw, definition: Definition) -> Case:
    """Few factors, where many make all products 0 or an end of the range; scales whose powers fit float32."""
    if definition.quantized is None:
        return case(draw, definition)
    shape = cases.shape(draw, 0, 5, 4)
    axis = drawn_axes(draw, shape, most=draw.choice((1, 1, 2)))
    scales = (0.001, 3e-5) if definition.label == "int16" else (0.3, 0.02)
    scale = draw.choice(scales) * (1 + draw.random.random()) if definition.quantized else None
    return Case((Arg(shape, scale=scale), axis), {"keep_dims": cases.boolean(draw)})


def reduction(name: str, definitions: tuple[Definition, ...], cases: Any, version: int, output: Operand) -> Op:
    """The row of an operator that reduces."""
    return Op(
        name,
        inputs=(activation("input"), parameter("axis")),
        outputs=(output,),
        definitions=definitions,
        shapes=shapes,
        cases=cases,
        version=version,
    )


INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
TYPES = "T int32 -> T"
FLOAT = "float32 int32 -> float32"
BOOL = "bool int32 -> bool"


def _extreme(name: str, float_function: np.ufunc, function: np.ufunc, of_bools: np.ufunc, sign: int) -> Op:
    lowest = -sign * float(np.finfo(np.float32).max)
    definitions = (
        Definition(FLOAT, float_skipping(float_function, lowest), prepare, "skips NaN"),
        Definition(FLOAT, float_replacing(float_function, lowest), prepare),
        *each(INTEGERS, TYPES, integer_extreme(function), prepare=prepare_same_scale),
        Definition(BOOL, logical(of_bools), prepare),
    )
    return reduction(name, definitions, case, 3, activation("output", same_as="input"))


def _logical(name: str, function: np.ufunc, version: int) -> Op:
    definitions = (Definition(BOOL, logical(function), prepare),)
    return reduction(name, definitions, case, version, activation("output"))


REDUCE_MAX = _extreme("REDUCE_MAX", np.fmax, np.maximum, np.logical_or, 1)
REDUCE_MIN = _extreme("REDUCE_MIN", np.fmin, np.minimum, np.logical_and, -1)
REDUCE_PROD = reduction(
    "REDUCE_PROD",
    (
        *each(("float32", "int32", "int64"), TYPES, product, prepare=prepare),
        *each(("int8", "int16"), TYPES, quantized_product, prepare=prepare_product, quantized=True),
        *(
            Definition(f"{t} int32 -> {t}", product, prepare, label=f"plain {t}", quantized=False)
            for t in ("int8", "uint8", "int16")
        ),
        Definition(BOOL, logical(np.logical_and), prepare),
    ),
    product_case,
    2,
    activation("output"),
)
REDUCE_ALL = _logical("REDUCE_ALL", np.logical_and, 1)
REDUCE_ANY = _logical("REDUCE_ANY", np.logical_or, 1)
