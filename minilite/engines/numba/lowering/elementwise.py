"""One and two operands, element by element."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from minilite.engines.numba.calls import Call, Place
from minilite.engines.numba.lowering.task import Task
from minilite.engines.numba.objects import features
from minilite.errors import Error
from minilite.fixed_point import ACTIVATION_BOUNDS
from minilite.spec import INTEGER_RANGE, TensorInfo

if TYPE_CHECKING:
    pass

Array = np.ndarray

# ---- tables ----------------------------------------------------------------------------------------------------------

UNARY = (
    *("ABS", "CAST", "CEIL", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGICAL_NOT"),
    *("LOGISTIC", "NEG", "QUANTIZE", "DEQUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT"),
    *("SIGN", "SIN", "SQRT", "SQUARE", "TANH"),
)
"""Functions of one number."""
BITS = {"int8": 8, "uint8": 8, "bool": 8, "int16": 16, "float16": 16, "bfloat16": 16}
"""Of types of which all numbers there are can be asked for."""
BLOCK = 16
"""Elements of a vector, where what is left over behind whole ones is rounded differently."""


def entries(task: Task) -> Array | None:
    """What becomes of every number there is; None of a function that minds where in the tensor it is, or refuses
    some."""
    input, output = task.input(0), task.output
    bits = BITS.get(input.type)
    if len(task.node.inputs) != 1 or bits is None or np.dtype(output.dtype).itemsize > 4 or _in_blocks(task):
        return None
    if max(input.scales.size, output.scales.size) > 1 or output.type in PACKED:
        return None
    found = _asked(task, np.arange(1 << bits, dtype=f"uint{bits}").view(input.dtype))
    return found if found is not None and found.shape == (1 << bits,) else None


PACKED = ("int4", "uint4", "int2", "string")


def _asked(task: Task, every: Array) -> Array | None:
    try:
        return np.ascontiguousarray(task.definition.compute(task.prepared, every))
    except Error:  # there are numbers that it refuses
        return None


def _in_blocks(task: Task) -> bool:
    """Whether whole vectors are computed differently from what is left over."""
    return task.computed_by.startswith("quantize.") and task.prepared.arithmetic == "blocks"


def table_call(source: Place, table: Array, output: TensorInfo, start: int = 0, stop: int | None = None) -> Call:
    """``table[x]`` for every element of a tensor, or for those from ``start`` to ``stop``."""
    how = "vbmi" if {"avx512vbmi", "avx512bw"} <= features() else "portable"
    elements = (math.prod(output.shape) if stop is None else stop) - start
    size, made = (1 if table.size == 256 else 2), table.itemsize
    row = (Place(source.tensor, start * size), Place(output.index, start * made), table, elements)
    if size == made == 1:
        return Call(("elementwise", "table", how), -(-elements // 4096), row, work=elements // 16)
    return Call(("elementwise", "entries", str(size), str(made)), -(-elements // 4096), row, work=elements)


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
        except Error:
            return None
    cuts = np.flatnonzero((tables[:, 1:] != tables[:, :-1]).any(axis=0)) + 1
    if len(cuts) >= MOST_TABLES:
        return None
    source, ends = Place(input.index), [0, *cuts.tolist(), elements]
    return [table_call(source, np.ascontiguousarray(tables[:, a]), output, a, b) for a, b in pairwise(ends)]


# ---- functions -------------------------------------------------------------------------------------------------------


def unary(task: Task) -> list[Call] | None:
    """A function of one float32; a table where there are few numbers."""
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
    if node.op in ("FLOOR", "CEIL", "ROUND"):
        return (node.op.lower(),)
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
    if compute == "gelu.gelu":
        exact = "fast gelu" if node.sums != "sequential" else "gelu"
        return ("gelu by tanh" if node.options.approximate else exact,)
    if compute == "relu.clip":
        bottom, top = ACTIVATION_BOUNDS[node.op]
        return ("clip", -np.inf if bottom is None else bottom, np.inf if top is None else top)
    if compute == "leaky_relu.float_":
        return ("leaky relu", node.options.alpha)
    return None


# ---- conversions -----------------------------------------------------------------------------------------------------


def conversion(task: Task) -> list[Call] | None:
    """Between float32 and integers of one scale, or of none; between integers a table."""
    p, (given, *_, made) = task.prepared, task.types
    if task.computed_by == "quantize.quantize" and made in GRIDS and np.ndim(p.scale) == 0:
        return _quantized(task)
    if task.computed_by == "dequantize.dequantize" and given in GRIDS and np.ndim(p.scale) == 0:
        return [_convert(task, "dequantize", p.scale, p.zero_point)]
    if task.computed_by == "quantize.rescale" and p.arithmetic == "blocks":
        return _rescaled_in_blocks(task)
    if task.computed_by == "cast.cast" and (given, made) == ("int32", "float32"):
        return [_convert(task, "whole", 0, 0)]
    if task.computed_by == "cast.cast" and (given, made) == ("float32", "int32"):
        return [_convert(task, "truncated", 0, 0 if task.node.arithmetic == "NaN is 0" else INTEGER_RANGE["int32"][1])]
    return unary(task)


GRIDS = ("int8", "uint8", "int16")


def _quantized(task: Task) -> list[Call]:
    p, elements = task.prepared, math.prod(task.output.shape)
    if p.arithmetic == "division":
        return [_convert(task, "quantize division", p.scale, p.zero_point)]
    if p.arithmetic == "reciprocal":
        return [_convert(task, "quantize reciprocal", np.float32(1) / np.float32(p.scale), p.zero_point)]
    whole = elements // 8 * 8
    inverse = np.float32(1 / np.float64(p.scale))
    parts = [
        _convert(task, "quantize product", inverse, p.zero_point, 0, whole),
        _convert(task, "quantize float64", p.scale, p.zero_point, whole, elements),
    ]
    return [part for part in parts if part.units]


def _convert(task: Task, name: str, scale: Any, zero_point: Any, start: int = 0, stop: int | None = None) -> Call:
    input, output = task.input(0), task.output
    elements = (math.prod(output.shape) if stop is None else stop) - start
    low, high = INTEGER_RANGE.get(output.type, (0, 0))
    constants = np.array([np.float32(scale).view(np.int32), zero_point, low, high], np.int32)
    places = (Place(info.index, start * np.dtype(info.dtype).itemsize) for info in (input, output))
    kind = ("elementwise", "convert", name, input.type, output.type)
    return Call(kind, -(-elements // 4096), (*places, constants, elements), work=elements // 4)


def _rescaled_in_blocks(task: Task) -> list[Call] | None:
    """Of bytes: a table for whole vectors, and one for what is left over."""
    source, output, elements = Place(task.input(0).index), task.output, math.prod(task.output.shape)
    every, cut = np.arange(256, dtype=np.uint8).view(task.input(0).dtype), elements // BLOCK * BLOCK
    few = [_asked(task, every[i : i + BLOCK - 1]) for i in range(0, 256, BLOCK - 1)]
    whole, rest = _asked(task, every), np.concatenate([part for part in few if part is not None])
    if whole is None or rest.size != 256:
        return None
    calls = (table_call(source, whole, output, 0, cut), table_call(source, rest, output, cut, elements))
    return [call for call in calls if call.units]


LOWERINGS = {**dict.fromkeys(UNARY, unary), **dict.fromkeys(("CAST", "QUANTIZE", "DEQUANTIZE"), conversion)}
