"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""

from __future__ import annotations

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place, Word
from minilite.engines.numba.lowering import hybrid, winograd
from minilite.engines.numba.lowering.products import Product, whole
from minilite.engines.numba.lowering.task import Task, value
from minilite.engines.numba.objects import dot
from minilite.fixed_point import ACTIVATION_BOUNDS, Requantizer
from minilite.ops.windows import Axis, axes
from minilite.spec import Node, TensorInfo

Array = np.ndarray

ROUNDINGS = {
    "float32": "float32",
    "float64": "float64",
    "half up": "fixed",
    "half up by eights": "fixed",
    "double rounding": "fixed",
}
"""Which of the kernels' roundings computes a kernel set's word."""


def conv_2d_(task: Task) -> list[Call] | None:
    rows, columns = axes(task.node.options, task.input(0).shape, task.input(1).shape[1:])
    if task.computed_by == "conv_2d.integer":
        return _integer(task, rows, columns)
    if task.computed_by == "conv_2d.hybrid_":
        return hybrid.convolution(task, rows, columns, dot(), bounds(task.node))
    return _float(task, rows, columns) if task.computed_by == "conv_2d.float_" else None


def fully_connected_(task: Task) -> list[Call] | None:
    one = Axis(1, 1, 1, 1, 0, 0)
    if task.computed_by == "fully_connected.integer":
        return None if task.prepared.weights_zero_point else _integer(task, one, one)
    if task.computed_by == "fully_connected.hybrid_":
        return hybrid.layer(task, one, one, dot(), bounds(task.node))
    return _float(task, one, one) if task.computed_by == "fully_connected.float_" else None


def _known(*infos: TensorInfo | None) -> bool:
    return all(i is None or i.value is not None for i in infos)


def constants(r: Requantizer) -> Array:
    """Zero point and bounds, as the integer kernels read them."""
    low, high = (max(-(2**31), min(2**31 - 1, b - r.zero_point)) for b in (r.low, r.high))
    return np.array([r.zero_point, low, high], np.int64)


BYTES = (("int8", "int8", "int8"), ("int8", "int4", "int8"), ("int8", "int2", "int8"))


def _integer(task: Task, rows: Axis, columns: Axis) -> list[Call] | None:
    p, filter, bias = task.prepared, task.input(1), task.optional(2)
    zero_point, rounding = p.input_zero_point, ROUNDINGS.get(p.requantize.rounding)
    if task.types not in BYTES or p.wide or rounding is None or not _known(filter, bias):
        return None
    matrix = value(filter).reshape(filter.shape[0], -1)
    real = np.broadcast_to(np.asarray(p.requantize.real), (len(matrix),))
    start = _start(bias, matrix.sum(axis=1, dtype=np.int64), zero_point)
    table = packing.channel_table(rounding, p.requantize.rounding, start, real)
    padding = (zero_point & 255) ^ 128
    kind = ("matmul", "int8", dot(), rounding)

    def channels(part: slice) -> Array:
        return packing.panel_table(rounding, table[:, part])

    return whole(task, rows, columns, Product(kind, matrix, channels, 128, padding), constants(p.requantize))


def _start(bias: TensorInfo | None, sums: Array, zero_point: int) -> Array:
    """What the sums of ``(input + 128) * filter`` start from, so that they end as the definition's."""
    return (0 if bias is None else value(bias).astype(np.int64)) - (zero_point + 128) * sums


def bounds(node: Node) -> Array:
    """What a fused activation clips floats to, as the float kernels read it."""
    bottom, top = ACTIVATION_BOUNDS.get(str(node.options.fused_activation_function), (None, None))
    limit = np.inf if node.delegated else float(np.finfo(np.float32).max)
    return np.array([-limit if bottom is None else bottom, limit if top is None else top], np.float32)


def _sums(task: Task) -> str:
    """Which multiply and add of the kernels': the reference kernels' order and roundings, or the fastest."""
    return "separate" if task.node.sums == "sequential" else "fused"


def _float(task: Task, rows: Axis, columns: Axis) -> list[Call] | None:
    filter, bias = task.input(1), task.optional(2)
    if set(task.types) != {"float32"} or not _known(filter, bias):
        return None
    if not np.isfinite(value(filter)).all():
        return None  # outside of the image the definition adds nothing; the kernel adds zero times the filter
    matrix = value(filter).reshape(filter.shape[0], -1)
    start = np.zeros(len(matrix), np.float32) if bias is None else value(bias)
    size = winograd.size(task, rows, columns) if _sums(task) == "fused" else 0
    if size:
        return [winograd.call(task, rows, columns, size, packing.float_channels(start), bounds(task.node))]

    def channels(part: slice) -> Array:
        return packing.float_channels(start[part])

    kind = ("matmul", "float32", _sums(task), "none")
    return whole(task, rows, columns, Product(kind, matrix, channels), bounds(task.node))


def depthwise_conv_2d_(task: Task) -> list[Call] | None:
    p, input, filter, bias = task.prepared, task.input(0), task.input(1), task.optional(2)
    if filter.shape[3] != input.shape[3]:
        return None
    if task.computed_by == "depthwise_conv_2d.float_":
        return _depthwise_float(task)
    if task.computed_by != "depthwise_conv_2d.integer":
        return None
    rounding, deep = ROUNDINGS.get(p.requantize.rounding), filter.shape[1] > 4
    if task.types not in BYTES or rounding is None or not _known(filter, bias) or (deep and p.columns.dilation > 1):
        return None
    filters = value(filter)[0]
    channels = filters.shape[2]
    start = _start(bias, filters.sum(axis=(0, 1), dtype=np.int64), p.input_zero_point)
    table = packing.channel_table(rounding, p.requantize.rounding, start, p.requantize.real)
    outside = packing.aligned(packing.padded(channels, 64) + 64, np.int8)
    outside[:] = np.int64(p.input_zero_point).astype(np.int8)
    columns = (p.columns.output - 1) * p.columns.stride + (p.columns.filter - 1) * p.columns.dilation + 1
    taps = "3" if p.columns.filter == 3 and not deep else "0"
    return [
        Call(
            ("depthwise", dot(), rounding, taps),
            input.shape[0] * p.rows.output,
            (
                *(Place(input.index), Place(task.output.index), packing.depthwise_filters(filters)),
                *(packing.depthwise_table(rounding, table), constants(p.requantize), outside),
                *(channels, p.rows.size, p.columns.size, p.rows.output, p.columns.output),
                *(p.rows.filter, p.columns.filter, p.rows.stride, p.columns.stride),
                *(p.rows.dilation, p.columns.dilation, p.rows.before, p.columns.before, 128),
            ),
            scratch=64 + columns * packing.padded(p.rows.filter, 4) * 64,
            work=int(np.prod(task.output.shape)) * filter.shape[1] * filter.shape[2] // 25,
        )
    ]


def _depthwise_float(task: Task) -> list[Call] | None:
    input, filter, bias = task.input(0), task.input(1), task.optional(2)
    if set(task.types) != {"float32"} or not _known(filter, bias) or not np.isfinite(value(filter)).all():
        return None
    rows, columns = axes(task.node.options, input.shape, filter.shape[1:])
    channels = filter.shape[3]
    start = np.zeros(channels, np.float32) if bias is None else value(bias)
    known = columns.filter in (3, 5) and columns.stride in (1, 2) and columns.dilation == 1
    steps = (columns.filter, columns.stride) if known else (0, 0)
    return [
        Call(
            ("depthwise_float", _sums(task), "none", *map(str, steps)),
            input.shape[0] * rows.output,
            (
                *(Place(input.index), Place(task.output.index), packing.float_filters(value(filter)[0])),
                *(packing.float_channels(start), bounds(task.node), packing.aligned(channels + 16, np.float32)),
                *(channels, rows.size, columns.size, rows.output, columns.output, rows.filter, columns.filter),
                *(rows.stride, columns.stride, rows.dilation, columns.dilation, rows.before, columns.before),
            ),
            work=int(np.prod(task.output.shape)) * filter.shape[1] * filter.shape[2] // 16,
        )
    ]


def batch_matmul_(task: Task) -> list[Call] | None:
    """Whole products, the rhs as it lies in memory."""
    lhs, rhs, output, p = task.input(0), task.input(1), task.output, task.prepared
    if task.node.options.adj_y or (not set(task.types) <= {"float32"} and not set(task.types) <= {"int8"}):
        return None
    if task.computed_by == "batch_matmul.float_":
        constants, how, size = np.zeros(1, np.float32), _sums(task), 4
    elif task.computed_by == "batch_matmul.integer" and not p.wide and np.size(p.requantize.real) == 1:
        how, size = ROUNDINGS.get(p.requantize.rounding, ""), 1
        if how not in ("float32", "fixed"):
            return None
        constants = one_channel(p.requantize, (p.lhs_zero_point, p.rhs_zero_point))
    else:
        return None
    (terms, columns), rows = rhs.shape[-2:], output.shape[-2]
    leading = output.shape[:-2]
    offsets = [np.broadcast_to(_starts(i, size), leading).reshape(-1) for i in (lhs, rhs)]
    steps = (size, rows * size) if task.node.options.adj_x else (terms * size, size)
    products = int(np.prod(leading))
    words = (_word(lhs), _word(rhs), Place(output.index), constants, np.stack(offsets, axis=-1).astype(np.int64).copy())
    row = (*words, rows, terms, columns, *steps, columns * size)
    kind = ("batch_matmul", "float32" if size == 4 else "int8", how)
    work = products * rows * terms * columns // (32 if size == 4 else 16)
    return [Call(kind, products * -(-rows // 4), row, work=work)]


def _starts(info: TensorInfo, size: int) -> Array:
    """Where each matrix of a tensor begins, in bytes."""
    leading = info.shape[:-2]
    return (np.arange(int(np.prod(leading))) * int(np.prod(info.shape[-2:])) * size).reshape(leading)


def _word(info: TensorInfo) -> Word:
    if info.value is None:
        return Place(info.index)
    copy = packing.aligned(info.shape, info.dtype)
    copy[...] = info.value
    return copy


def one_channel(r: Requantizer, zero_points: tuple[int, int]) -> Array:
    """Two zero points, the bounds, and at byte 64 a block of 16 equal channels."""
    rounding = ROUNDINGS[r.rounding]
    table = packing.channel_table(rounding, r.rounding, np.zeros(16, np.int64), np.broadcast_to(r.real, (16,)))
    head = np.zeros(16, np.int32)
    head[:2] = zero_points
    head[2:8].view(np.int64)[:] = (r.zero_point, r.low - r.zero_point, r.high - r.zero_point)
    return np.concatenate([head, packing.in_blocks(rounding, table).reshape(-1)])


LOWERINGS = {
    "BATCH_MATMUL": batch_matmul_,
    "CONV_2D": conv_2d_,
    "FULLY_CONNECTED": fully_connected_,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d_,
}
