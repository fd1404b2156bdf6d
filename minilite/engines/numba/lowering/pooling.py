"""AVERAGE_POOL_2D, MAX_POOL_2D, and SOFTMAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba.calls import Call, Place, Word
from minilite.engines.numba.lowering.matmul import bounds
from minilite.engines.numba.lowering.task import Task
from minilite.fixed_point import multiply_double_rounding, rounding_divide_by_pot
from minilite.ops.windows import Axis, axes
from minilite.spec import INTEGER_RANGE

if TYPE_CHECKING:
    from minilite.ops import softmax

Array = np.ndarray
NOTHING = np.zeros(16, np.int32)
REACH = {"int8": 1 << 8, "uint8": 1 << 8, "int16": 1 << 16}
"""Integers whose sums are of 32 bits, and how many of each type there are."""


def pool_2d(task: Task) -> list[Call] | None:
    node, p = task.node, task.prepared
    means: dict[str, str] = {"pool.float_mean": "mean", "pool.mean": "mean"}
    what = means.get(task.computed_by) or {"pool.float_max": "max", "pool.maximum": "max"}.get(task.computed_by)
    input = task.input(0)
    if what is None or input.type not in ("float32", *REACH):
        return None
    rows, columns = axes(node.options, input.shape, (node.options.filter_height, node.options.filter_width))
    if input.type == "float32":
        constants: Array = bounds(node)
    else:
        constants = np.array([p.low, p.high], np.int32)
        if what == "mean" and rows.filter * columns.filter >= 2**31 // REACH[input.type]:
            return None
    kind = (input.type, what)
    return [windows_call(task, kind, rows, columns, NOTHING, constants, input.shape[0], input.shape[3])]


def windows_call(
    task: Task,
    kind: tuple[str, str],
    rows: Axis,
    columns: Axis,
    channels: Word,
    constants: Array,
    images: int,
    depth: int,
) -> Call:
    """One number for every window of every channel."""
    input, output = task.input(0), task.output
    return Call(
        ("pooling", *kind),
        images * rows.output,
        (
            *(Place(input.index), Place(output.index), channels, constants, depth),
            *(rows.size, columns.size, rows.output, columns.output, rows.filter, columns.filter),
            *(rows.stride, columns.stride, rows.before, columns.before),
        ),
        work=int(np.prod(output.shape)) * rows.filter * columns.filter // 8,
    )


def softmax_(task: Task) -> list[Call] | None:
    from minilite.ops import softmax

    input, output, p, compute = task.input(0), task.output, task.prepared, task.computed_by
    count = input.shape[-1]
    places = (Place(input.index), Place(output.index))
    units = int(np.prod(input.shape)) // count
    if compute == "softmax.float_" and set(task.types) == {"float32"}:
        numbers = np.array([task.node.options.beta, np.finfo(np.float32).min, 1.0], np.float32)
        how = "float32" if task.node.sums == "sequential" else "fast"
        if how == "fast" and not numbers[0] >= 0:
            return None  # its exponentials are of numbers of 0 or less
        return [Call(("softmax", how), units, (*places, count, numbers), 4 * count + 64, work=units * count)]
    low, high = INTEGER_RANGE.get(output.type, (0, 0))
    kind, work = (input.type, output.type), 2 * units * count
    if compute == "softmax.from_table" and 2.0**-30 < float(p.output_scale) < np.inf:
        exponentials, scale = np.ascontiguousarray(p.exp, np.float32), np.array([p.output_scale], np.float32)
        zero_point = 0 if output.type == "uint8" else int(p.zero_point)
        row: tuple[Word, ...] = (*places, exponentials, scale, count, zero_point, low, high)
        return [Call(("softmax_integers", "table", *kind), units, row, work=work)]
    if count >= 1 << 16:
        return None
    if compute == "softmax.fixed_point":
        terms = rounding_divide_by_pot(p.exp, softmax.SUM_BITS).astype(np.int64)
        row = (*places, p.exp.astype(np.int64), terms, count, low, high)
        return [Call(("softmax_integers", "gemmlowp", *kind), units, row, work=work)]
    if compute == "softmax.int16":
        return [Call(("softmax_integers", "sixteen", *kind), units, (*places, *_tables16(p), count), work=work)]
    return None


def _tables16(p: softmax.Sixteen) -> tuple[Array, Array]:
    """What the definition looks up for all numbers there are."""
    from minilite.ops import lookup

    low, high = INTEGER_RANGE["int16"]
    exponents = multiply_double_rounding(-np.arange(1 << 16), p.multiplier) + high
    places = np.clip(exponents, low, high), np.arange(low, high + 1)
    exp, reciprocal = (lookup.look_up(t, x.astype(np.int16)) for t, x in zip(p.tables, places, strict=True))
    return exp, reciprocal


LOWERINGS = {"AVERAGE_POOL_2D": pool_2d, "MAX_POOL_2D": pool_2d, "SOFTMAX": softmax_}
