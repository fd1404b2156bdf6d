"""CAST: numbers to another type.

Integers wrap around. Floats become integers towards zero; what does not fit becomes the nearest integer that does, and
NaN the largest one (in TFLite Micro 0). Anything other than 0 is true. Complex numbers lose their imaginary part. To
float16 all numbers go through float32, rounded twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.bfloat16 import narrowed, widened
from minilite.cases import Arg, Case, Draw, data, fed, shape
from minilite.spec import DTYPES, INTEGER_RANGE, Definition, Node, Op, activation, same_shape

Array = np.ndarray
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")
TYPES = ("float32", *INTEGERS, "float16", "float64", "bool", "complex64")
PACKED = ("int4", "uint4", "int2")
PAIRS = (
    *((a, b) for a in TYPES for b in TYPES),
    *((p, "float32") for p in PACKED),
    *(("float32", p) for p in PACKED),
    *((t, "bfloat16") for t in (*TYPES, "bfloat16")),
    *(("bfloat16", t) for t in TYPES),
)


def cast(node: Node, input: Array) -> Array:
    name, target = node.outputs[0].type, np.dtype(node.outputs[0].dtype)
    if node.inputs[0] is not None and node.inputs[0].type == "bfloat16":
        input = widened(input)
    if name == "bfloat16":
        return narrowed((input.real if input.dtype.kind == "c" else input).astype(np.float32))
    x = input.real if input.dtype.kind == "c" != target.kind else input
    if x.dtype.kind == "f" and target.kind in "iu":
        limits = INTEGER_RANGE[name] if name in PACKED else (np.iinfo(target).min, np.iinfo(target).max)
        x = np.where(np.isnan(x), x.dtype.type(0), x) if node.arithmetic == "NaN is 0" else x
        return saturated(x.astype(np.float64), limits, target)
    if target == np.float16:
        x = x.astype(np.float32)
    return x.astype(target)


def saturated(x: Array, limits: tuple[int, int], target: Any) -> Array:
    """Floats towards zero into a range of integers, NaN to its largest."""
    low, high = limits
    fits = x < float(high + 1)
    inside = np.maximum(np.where(fits, x, 0), float(low)).astype(target)
    return np.where(fits, inside, target.type(high))


def case(draw: Draw, definition: Definition) -> Case:
    """All of an integer type's range; floats of any size, infinities and NaN."""
    source, target = definition.input_types[0], definition.output_types[0]
    options = {"in_data_type": source.upper(), "out_data_type": target.upper()}
    return Case((_operand(draw, source, shape(draw, 0, 3, 9)),), options)


def _operand(draw: Draw, source: str, dims: tuple[int, ...]) -> Arg:
    if source in INTEGERS:
        limits = np.iinfo(DTYPES[source])
        values = draw.random.integers(limits.min, limits.max, dims, DTYPES[source], endpoint=True)
        return fed(np.asarray(values) >> draw.integer(0, limits.bits - 1), DTYPES[source])
    if source in ("bool", *PACKED):
        return data(dims, constant=source != "bool")
    with np.errstate(over="ignore"):
        values = draw.random.normal(0, 1, dims) * 10.0 ** draw.random.integers(-3, 22, dims)
        odd = draw.random.choice([np.nan, np.inf, -np.inf, 0.5, -0.5, 2.0**31, -(2.0**31), 255.5, -0.0], dims)
        mixed = np.where(draw.random.random(dims) < 0.2, odd, values)
        return fed(narrowed(mixed) if source == "bfloat16" else mixed, DTYPES[source])


CAST = Op(
    "CAST",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=tuple(Definition(f"{a} -> {b}", cast, quantized=False) for a, b in PAIRS),
    shapes=same_shape,
    cases=case,
    version=9,
    elementwise=True,
)
