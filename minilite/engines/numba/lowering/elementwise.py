"""One and two operands, element by element."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place, Word
from minilite.engines.numba.lowering.matmul import ROUNDINGS, bounds, one_channel
from minilite.engines.numba.lowering.task import Task
from minilite.engines.numba.objects import features
from minilite.errors import Error
from minilite.fixed_point import ACTIVATION_BOUNDS, Multiplier
from minilite.spec import INTEGER_RANGE, Shape, TensorInfo

if TYPE_CHECKING:
    from minilite.ops import add

Array = np.ndarray

# ---- one operand of 8 bits -------------------------------------------------------------------------------------------

BY_PLACE = {"QUANTIZE": ("blocks",), "LEAKY_RELU": ("signed",)}
"""Words of kernel sets with which it matters where in the tensor an element lies."""

UNARY = (
    *("ABS", "CEIL", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "NEG"),
    *("QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "SIN", "SQUARE", "TANH"),
)


RAISES = ("SQRT", "RSQRT")
"""Operators that refuse numbers below 0."""


def entries(task: Task) -> Array | None:
    """A function of one byte, asked for all there are."""
    node, input, output = task.node, task.input(0), task.output
    if len(node.inputs) != 1 or input.type not in ("int8", "uint8") or output.type not in ("int8", "uint8"):
        return None
    if node.arithmetic in BY_PLACE.get(node.op, ()):
        return None
    if node.op in RAISES and (not input.scales.size or input.zero_point > INTEGER_RANGE[input.type][0]):
        return None
    if max(input.scales.size, output.scales.size) > 1:
        return None
    every = np.arange(256, dtype=np.uint8).view(input.type)
    found = np.asarray(task.definition.compute(task.prepared, every))
    return np.ascontiguousarray(found) if found.shape == (256,) else None


def table_call(source: Place, table: Array, output: TensorInfo, start: int = 0, stop: int | None = None) -> Call:
    """``table[x]`` for every byte of a tensor, or for those from ``start`` to ``stop``."""
    how = "vbmi" if {"avx512vbmi", "avx512bw"} <= features() else "portable"
    elements = (math.prod(output.shape) if stop is None else stop) - start
    row = (Place(source.tensor, start), Place(output.index, start), table, elements)
    return Call(("elementwise", "table", how), -(-elements // 4096), row, work=elements // 16)


MOST_ASKED = 1 << 20
"""Elements that a definition is asked for to find its tables out."""
MOST_TABLES = 8


def by_place(task: Task) -> list[Call] | None:
    """A small tensor of bytes, the only one that is not known: its definition is asked what becomes of each byte at
    each place. Places in a row whose tables are the same are computed together."""
    node, output = task.node, task.output
    computed = [i for i, info in enumerate(node.inputs) if info is not None and info.value is None]
    elements = math.prod(output.shape)
    if len(computed) != 1 or len(node.outputs) != 1 or 256 * elements > MOST_ASKED:
        return None
    input = task.input(computed[0])
    if input.shape != output.shape or {input.type, output.type} - {"int8", "uint8"}:
        return None
    arrays = [None if info is None else info.value for info in node.inputs]
    tables = np.empty((256, elements), output.dtype)
    for byte in range(256):
        arrays[computed[0]] = np.full(input.shape, byte, np.uint8).view(input.type)
        try:
            tables[byte] = np.asarray(task.definition.compute(task.prepared, *arrays)).reshape(-1)
        except Error:  # there are numbers that it refuses
            return None
    cuts = np.flatnonzero((tables[:, 1:] != tables[:, :-1]).any(axis=0)) + 1
    if len(cuts) >= MOST_TABLES:
        return None
    source, ends = Place(input.index), [0, *cuts.tolist(), elements]
    return [table_call(source, np.ascontiguousarray(tables[:, a]), output, a, b) for a, b in pairwise(ends)]


# ---- one operand of float32 ------------------------------------------------------------------------------------------


def unary(task: Task) -> list[Call] | None:
    """A function of one float32; a table for 8 bits."""
    if set(task.types) != {"float32"} or len(task.node.inputs) != 1:
        found = entries(task)
        return None if found is None else [table_call(Place(task.input(0).index), found, task.output)]
    described = _function(task)
    if described is None:
        return None
    name, *numbers = described
    elements = math.prod(task.output.shape)
    constants = np.array([*numbers, 0.0], np.float32)
    row = (Place(task.input(0).index), Place(task.output.index), constants, elements)
    return [Call(("elementwise", "unary", str(name)), -(-elements // 4096), row, work=elements // 2)]


def _function(task: Task) -> tuple[Any, ...] | None:
    """The kernels' name for the definition's function, and its constants."""
    node, compute = task.node, task.computed_by
    names: dict[str, str] = {
        "exp.exp": "exp",
        "hard_swish.hard_swish": "hard swish",
        "logistic.tanh": "tanh",
        "sqrt.sqrt": "sqrt",
        "sqrt.rsqrt": "rsqrt",
        "neg.negative": "neg",
        "abs.absolute": "abs",
        "square.square": "square",
    }
    if compute in names:
        return (names[compute],)
    if compute == "logistic.logistic":
        if node.sums != "sequential":
            return ("fast sigmoid",)
        return ("sigmoid cut" if node.arithmetic in ("table", "fixed point") else "sigmoid",)
    if compute == "gelu.gelu" and node.sums != "sequential" and not node.options.approximate:
        return ("fast gelu",)
    if compute == "relu.clip":
        bottom, top = ACTIVATION_BOUNDS[node.op]
        return ("clip", -np.inf if bottom is None else bottom, np.inf if top is None else top)
    if compute == "leaky_relu.float_":
        return ("leaky relu", node.options.alpha)
    return None


def conversion(task: Task) -> list[Call] | None:
    """Between float32 and int8, of one scale; of bytes a table."""
    p, elements = task.prepared, math.prod(task.output.shape)
    if task.types == ("float32", "int8") and task.computed_by == "quantize.quantize" and np.ndim(p.scale) == 0:
        if p.arithmetic not in ("division", "reciprocal"):
            return None
        scale = np.float32(p.scale) if p.arithmetic == "division" else np.float32(1) / np.float32(p.scale)
        name = f"quantize {p.arithmetic}"
    elif task.computed_by == "dequantize.dequantize" and np.ndim(p.scale) == 0:
        if task.types != ("int8", "float32"):
            return None
        scale, name = np.float32(p.scale), "dequantize"
    else:
        return unary(task)
    constants = np.array([scale.view(np.int32), p.zero_point], np.int32)
    row = (Place(task.input(0).index), Place(task.output.index), constants, elements)
    return [Call(("elementwise", "unary", name), -(-elements // 4096), row, work=elements // 4)]


# ---- two operands ----------------------------------------------------------------------------------------------------


def binary(task: Task) -> list[Call] | None:
    described = _described(task)
    if described is None:
        described = _pairs(task)
    if described is None:
        return None
    kind, constants = described
    a, b, output = task.input(0), task.input(1), task.output
    size = 4 if kind[0] == "float32" else 1
    runs = _runs(output.shape, a.shape, b.shape)
    if runs is None:
        return None
    (count, *inner), outer = runs
    if outer[0][0] * outer[1][0] * outer[2][0] == 1:
        count, outer = _cut(count, inner, outer)
    outer = _balanced(count, outer)
    numbers = [number * size if position else number for dim in outer for position, number in enumerate(dim)]
    units = outer[0][0] * outer[1][0]
    row = (_operand(a), _operand(b), Place(output.index), constants, count, *(s * size for s in inner), *numbers)
    work = math.prod(output.shape) // (4 if size == 4 else 8)
    return [Call(("binary", *kind), units, row, work=work)]


def _pairs(task: Task) -> tuple[tuple[str, str], Array] | None:
    """A function of two bytes, asked for all there are."""
    if task.computed_by not in OF_TWO_BYTES or set(task.types) != {"int8"}:
        return None
    every = np.arange(256, dtype=np.uint8).view(np.int8)
    found = np.asarray(task.definition.compute(task.prepared, every[:, None], every[None, :]))
    return (("int8", "pairs"), np.ascontiguousarray(found)) if found.shape == (256, 256) else None


OF_TWO_BYTES = (
    *("add.integer", "add.integer_one_shift", "mul.integer", "squared_difference.integer", "prelu.integer"),
    *("maximum.maximum", "maximum.minimum"),
)
"""Definitions in which it does not matter where in the tensor an element lies."""


def _balanced(count: int, outer: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Outer dimensions, the last of which is cut so that there are units to share where there is only one dimension."""
    size, *steps = outer[2]
    if size * count < 2 * UNIT or outer[1][0] != 1:
        return outer
    parts = next((p for p in range(size * count // UNIT, 1, -1) if size % p == 0), 1)
    each = size // parts
    return [outer[0], (parts, steps[0] * each, steps[1] * each, steps[2] * each), (each, steps[0], steps[1], steps[2])]


def _cut(count: int, inner: list[int], outer: list[tuple[int, int, int, int]]) -> tuple[int, list[Any]]:
    """A single run in pieces of whole vectors, so that there are units to share."""
    pieces = (p for p in range(count // UNIT, 1, -1) if count % (p * packing.LANES) == 0)
    parts = next(pieces, 1)
    each = count // parts
    return each, [(parts, inner[0] * each, inner[1] * each, each), *outer[1:]]


UNIT = 1 << 13
"""Elements that are worth a unit of their own."""


def _operand(info: TensorInfo) -> Word:
    if info.value is None:
        return Place(info.index)
    copy = packing.aligned(info.shape, info.dtype)
    copy[...] = info.value
    return copy


def _described(task: Task) -> tuple[tuple[str, str], Array] | None:
    """Type and name of the kernel's operation, and its constants."""
    p, compute, types = task.prepared, task.computed_by, set(task.types)
    unbounded: dict[str, str] = {
        "squared_difference.squared_difference": "squared difference",
        "maximum.maximum": "max",
        "maximum.minimum": "min",
        "prelu.float_": "prelu",
    }
    if types == {"float32"}:
        floats: dict[str, str] = {"add.add": "add", "add.subtract": "sub", "mul.multiply": "mul", "div.divide": "div"}
        if compute in unbounded:
            return ("float32", unbounded[compute]), np.zeros(2, np.float32)
        name = floats.get(compute)
        return None if name is None else (("float32", name), bounds(task.node))
    if types != {"int8"}:
        return None
    if compute in ("maximum.maximum", "maximum.minimum"):
        return ("int8", unbounded[compute]), np.zeros(2, np.int32)
    if compute == "add.integer_one_shift":
        shift = -int(p.output.e)
        m1, m2 = (int(m.q) for m in p.multipliers)
        bound = 255 * (abs(m1) + abs(m2)) + (1 << max(shift - 1, 0))
        if not 0 <= shift <= 30 or bound >= 2**31:
            return None
        half = (1 << shift) >> 1
        return ("int8", "add shift"), _int32(*_ends(p), m1, p.sign * m2, half, shift)
    if compute == "add.integer":
        multipliers = (*p.multipliers, p.output)
        if not all(-31 <= int(m.e) <= 0 for m in multipliers):
            return None
        numbers = [number for m in multipliers for number in _five(m)]
        return ("int8", "add fixed"), _int32(*_ends(p), p.left_shift, *numbers, p.sign)
    if compute == "mul.integer":
        r = p.requantize
        rounding = ROUNDINGS.get(r.rounding)
        if rounding not in ("float32", "fixed"):
            return None
        return ("int8", f"mul {rounding}"), one_channel(r, p.zero_points)
    return None


def _ends(p: add.Prepared) -> tuple[int, ...]:
    return (*p.zero_points, p.output_zero_point, p.low - p.output_zero_point, p.high - p.output_zero_point)


def _five(m: Multiplier) -> tuple[int, ...]:
    """A multiplier as the kernels read it: q, left, right, half, away."""
    right, left = max(-int(m.e), 0), max(int(m.e), 0)
    return (int(m.q), left, right, (1 << right) >> 1, -1 if right else 0)


def _int32(*numbers: Any) -> Array:
    return np.array([int(n) for n in numbers], np.int64).astype(np.int32)


def _runs(output: Shape, a: Shape, b: Shape) -> tuple[tuple[int, int, int], list[tuple[int, int, int, int]]] | None:
    """The broadcast as a run (elements, steps of both operands) and three outer dimensions (size, steps of the
    operands and the output), in elements. None where it takes more."""
    rank = len(output)
    dims: list[list[int]] = []  # from the last: size, step of a, step of b, step of the output
    steps = [1, 1, 1]
    for size, size_a, size_b in zip(
        reversed(output), reversed((1,) * (rank - len(a)) + a), reversed((1,) * (rank - len(b)) + b), strict=True
    ):
        here = [size, steps[0] if size_a > 1 else 0, steps[1] if size_b > 1 else 0, steps[2]]
        steps = [steps[0] * size_a, steps[1] * size_b, steps[2] * size]
        if size == 1:
            continue
        last = dims[-1] if dims else None
        if last and all(here[i] == last[i] * last[0] for i in (1, 2, 3)):
            last[0] *= size
        else:
            dims.append(here)
    dims = dims or [[1, 0, 0, 1]]
    if len(dims) > 4:
        return None
    run, *outer = dims
    outer += [[1, 0, 0, 0]] * (3 - len(outer))
    return (run[0], run[1], run[2]), [(d[0], d[1], d[2], d[3]) for d in reversed(outer)]


LOWERINGS = {
    **dict.fromkeys((*UNARY, "SQRT", "RSQRT"), unary),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE"), conversion),
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM", "PRELU"), binary),
}
