"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_ALL and REDUCE_ANY, over axes that follow each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place
from minilite.engines.numba.lowering.pooling import NOTHING, REACH, windows_call
from minilite.engines.numba.lowering.task import Task
from minilite.fixed_point import INT32_MAX, INT32_MIN, Multiplier
from minilite.ops.windows import Axis
from minilite.spec import INTEGER_RANGE

if TYPE_CHECKING:
    from minilite.ops import reduce

Array = np.ndarray


def sum_(task: Task) -> list[Call] | None:
    """MEAN and SUM."""
    from minilite.ops import mean, reduce

    p, input, output = task.prepared, task.input(0), task.output
    inner = p.inner if isinstance(p, mean.Spatial) else p
    parts = _parts(task, inner if isinstance(inner, reduce.Reduction) else getattr(inner, "reduction", None))
    described = None if parts is None else _sum_of(task, inner, parts[2])
    if parts is None or described is None:
        return None
    (kind, channels, constants), (outer, count, inner_size) = described, parts
    if inner_size == 1 and (kind[0] != "float32" or task.node.sums != "sequential"):
        channels = channels if channels.ndim == 1 else packing.in_blocks("fixed", np.repeat(channels, 16, axis=1))
        row = (Place(input.index), Place(output.index), channels, constants, outer, count)
        work = outer * (count // 8 + 10)
        return [Call(("row_mean", *kind), -(-outer // 16), row, scratch=64, work=work)]
    if channels.ndim == 2:
        channels = packing.in_blocks("fixed", channels)
    return [_by_windows(task, kind, parts, channels, constants)]


def _parts(task: Task, reduction: reduce.Reduction | None) -> tuple[int, int, int] | None:
    """How many elements lie before, in and behind the axes that are reduced, where these follow each other."""
    if reduction is None or not reduction.count or not reduction.axes:
        return None
    (first, *_), last, shape = reduction.axes, reduction.axes[-1], task.input(0).shape
    if len(reduction.axes) != last - first + 1:
        return None
    return math.prod(shape[:first]), reduction.count, math.prod(shape[last + 1 :])


def _by_windows(
    task: Task, kind: tuple[str, str], parts: tuple[int, int, int], channels: Array, constants: Array
) -> Call:
    """Each row of an image of one column of windows, as wide as what is reduced."""
    outer, count, inner = parts
    rows, columns = Axis(outer, 1, 1, 1, 0, 0), Axis(count, count, 1, 1, 0, 0)
    return windows_call(task, kind, rows, columns, channels, constants, 1, inner)


def _sum_of(task: Task, inner: Any, channels: int) -> tuple[tuple[str, str], Array, Array] | None:
    """Type and rounding of a sum, what the rounding knows of its channels, and the kernel's constants."""
    from minilite.ops import mean

    compute, input, output, p = task.computed_by, task.input(0), task.output, task.prepared
    if compute == "mean.float_mean" and input.type == "float32":
        return ("float32", "mean"), NOTHING, np.array([-np.inf, np.inf], np.float32)
    if compute == "mean.float_sum" and input.type == "float32":
        return ("float32", "sum"), NOTHING, np.array([-np.inf, np.inf], np.float32)
    if compute == "mean.integer_sum" and input.type == "int32":
        return ("int32", "sum"), NOTHING, np.array(INTEGER_RANGE["int32"], np.int32)
    if input.type not in REACH or output.type != input.type:
        return None
    low, high = INTEGER_RANGE[output.type]
    if compute == "mean.in_float32":
        return (input.type, "bias"), NOTHING, _constants(p, low, high)
    if compute == "mean.with_bias" and np.isfinite((p.multiplier, p.bias)).all():
        return (input.type, "away"), NOTHING, _constants(p, low - p.zero_point, high - p.zero_point)
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
    return (input.type, "fixed"), table, np.array([moved, low - moved, high - moved], np.int64)


def _constants(p: Any, low: int, high: int) -> Array:
    """Both ends, what the sum is multiplied with and what is added, and the zero point."""
    numbers = np.array([np.float32(p.multiplier), np.float32(p.bias)], np.float32)
    return np.concatenate([np.array([low, high], np.int32), numbers.view(np.int32), np.array([p.zero_point], np.int32)])


# ---- largest and smallest --------------------------------------------------------------------------------------------


def extreme_(task: Task) -> list[Call] | None:
    """REDUCE_MAX and REDUCE_MIN; of bools REDUCE_ALL and REDUCE_ANY, too."""
    input, p, what = task.input(0), task.prepared, EXTREMES[task.node.op]
    parts, type_ = _parts(task, p), "uint8" if input.type == "bool" else input.type
    if parts is None or type_ not in ("float32", *REACH, "int32") or task.output.type != input.type:
        return None
    skips = task.definition.arithmetic == "skips NaN"
    if type_ == "float32" and skips and p.whole:
        return None  # the first element, if it is NaN, stays
    outer, count, inner = parts
    if inner == 1 and (type_ != "float32" or not skips):
        row = (Place(input.index), Place(task.output.index), count, int(type_ == "float32"))
        return [Call(("row_extreme", type_, what), outer, row, work=outer * (count // 8 + 10))]
    if type_ != "float32":
        return [_by_windows(task, (type_, what), parts, NOTHING, np.array(INTEGER_RANGE[type_], np.int32))]
    if not skips:
        what = f"{what} replacing"
    return [_by_windows(task, (type_, what), parts, NOTHING, _float_ends(what if skips else ""))]


def _float_ends(what: str) -> Array:
    """What floats are clipped to: where there is no number but NaN and infinity, the reference kernel gives an end."""
    most = np.finfo(np.float32).max
    return np.array([-most if what == "max" else -np.inf, most if what == "min" else np.inf], np.float32)


EXTREMES = {"REDUCE_MAX": "max", "REDUCE_MIN": "min", "REDUCE_ALL": "min", "REDUCE_ANY": "max"}
LOWERINGS = {"MEAN": sum_, "SUM": sum_, **dict.fromkeys(EXTREMES, extreme_)}
