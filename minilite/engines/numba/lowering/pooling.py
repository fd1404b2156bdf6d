"""AVERAGE_POOL_2D, MAX_POOL_2D, MEAN over an image, and SOFTMAX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place, Word
from minilite.engines.numba.lowering.matmul import bounds
from minilite.engines.numba.lowering.task import Task
from minilite.fixed_point import INT32_MAX, INT32_MIN, Multiplier, rounding_divide_by_pot
from minilite.ops.windows import Axis, axes
from minilite.spec import INTEGER_RANGE

Array = np.ndarray
NOTHING = np.zeros(16, np.int32)


def pool_2d(task: Task) -> list[Call] | None:
    node, p = task.node, task.prepared
    kinds: dict[str, tuple[str, str]] = {
        "pool.float_max": ("float32", "max"),
        "pool.float_mean": ("float32", "mean"),
        "pool.maximum": ("int8", "max"),
        "pool.mean": ("int8", "mean"),
    }
    kind = kinds.get(task.computed_by)
    input = task.input(0)
    if kind is None or input.type != kind[0]:
        return None
    rows, columns = axes(node.options, input.shape, (node.options.filter_height, node.options.filter_width))
    if kind[0] == "float32":
        constants: Array = bounds(node)
    else:
        constants = np.array([p.low, p.high], np.int32)
        if kind[1] == "mean" and rows.filter * columns.filter > 1 << 16:
            return None
    return [_call(task, kind, rows, columns, NOTHING, constants, input.shape[0], input.shape[3])]


def _call(
    task: Task,
    kind: tuple[str, str],
    rows: Axis,
    columns: Axis,
    channels: Word,
    constants: Array,
    images: int,
    depth: int,
) -> Call:
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


def mean_(task: Task) -> list[Call] | None:
    """Over axes that follow each other."""
    from minilite.ops import mean, reduce

    p, input, output = task.prepared, task.input(0), task.output
    inner = p.inner if isinstance(p, mean.Spatial) else p
    reduction = inner if isinstance(inner, reduce.Reduction) else getattr(inner, "reduction", None)
    if reduction is None or not reduction.count or not reduction.axes:
        return None
    first, last = reduction.axes[0], reduction.axes[-1]
    if len(reduction.axes) != last - first + 1:
        return None
    described = _mean_of(task, inner, math.prod(input.shape[last + 1 :]))
    if described is None:
        return None
    kind, channels, constants = described
    outer, inner_size = math.prod(input.shape[:first]), math.prod(input.shape[last + 1 :])
    if inner_size == 1 and (kind[0] == "int8" or task.node.sums != "sequential"):
        channels = channels if channels.ndim == 1 else packing.in_blocks("fixed", np.repeat(channels, 16, axis=1))
        row = (Place(input.index), Place(output.index), channels, constants, outer, reduction.count)
        work = outer * (reduction.count // 8 + 10)
        return [Call(("row_mean", *kind), -(-outer // 16), row, scratch=64, work=work)]
    if channels.ndim == 2:
        channels = packing.in_blocks("fixed", channels)
    # each row of an image of one column of windows, as wide as what is reduced
    rows = Axis(outer, 1, 1, 1, 0, 0)
    columns = Axis(reduction.count, reduction.count, 1, 1, 0, 0)
    return [_call(task, kind, rows, columns, channels, constants, 1, inner_size)]


def _mean_of(task: Task, inner: Any, channels: int) -> tuple[tuple[str, str], Array, Array] | None:
    """Type and rounding of a mean, what the rounding knows of its channels, and the kernel's constants."""
    from minilite.ops import mean

    compute, input, output, p = task.computed_by, task.input(0), task.output, task.prepared
    if compute == "mean.float_mean" and input.type == "float32":
        return ("float32", "mean"), NOTHING, np.array([-np.inf, np.inf], np.float32)
    if input.type != "int8" or output.type != "int8":
        return None
    low, high = INTEGER_RANGE["int8"]
    if compute == "mean.in_float32":
        numbers = np.array([np.float32(p.multiplier), np.float32(p.bias)], np.float32)
        return ("int8", "bias"), NOTHING, np.concatenate([np.array([low, high], np.int32), numbers.view(np.int32)])
    if isinstance(p, mean.Spatial):
        start, moved, whole = 0, inner.bias, channels // 16 * 16
    elif compute in ("mean.integers", "mean.optimized"):
        start, moved, whole = -int(inner.bias), inner.zero_point, 0
    else:
        return None
    m: Multiplier = inner.multiplier
    right, left = max(-int(m.e), 0), max(int(m.e), 0)
    half = (1 << right) >> 1
    if right > 62 or half > INT32_MAX or not INT32_MIN <= start <= INT32_MAX:
        return None
    away = np.where(np.arange(channels) < whole, 0, -1 if right else 0)
    one = np.ones(channels, np.int64)
    table = np.stack([v.astype(np.int32) for v in (one * start, one * m.q, one * left, one * right, one * half, away)])
    return ("int8", "fixed"), table, np.array([moved, low - moved, high - moved], np.int64)


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
    if set(task.types) != {"int8"}:
        return None
    if compute == "softmax.from_table" and p.zero_point == -128:
        exponentials, scale = np.ascontiguousarray(p.exp, np.float32), np.array([p.output_scale], np.float32)
        return [Call(("softmax", "table"), units, (*places, exponentials, scale, count), work=2 * units * count)]
    if compute == "softmax.fixed_point" and count < 1 << 16:
        terms = rounding_divide_by_pot(p.exp, softmax.SUM_BITS).astype(np.int64)
        return [
            Call(
                ("softmax", "gemmlowp"), units, (*places, p.exp.astype(np.int64), terms, count), work=2 * units * count
            )
        ]
    return None


LOWERINGS = {"AVERAGE_POOL_2D": pool_2d, "MAX_POOL_2D": pool_2d, "MEAN": mean_, "SOFTMAX": softmax_}
