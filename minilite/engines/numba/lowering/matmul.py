"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""

from __future__ import annotations

from dataclasses import dataclass

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
        return _integer(task, one, one)
    if task.computed_by == "fully_connected.hybrid_":
        return hybrid.layer(task, one, one, dot(), bounds(task.node))
    return _float(task, one, one) if task.computed_by == "fully_connected.float_" else None


def _known(*infos: TensorInfo | None) -> bool:
    return all(i is None or i.value is not None for i in infos)


def constants(r: Requantizer, filters: Bytes) -> Array:
    """Zero point and bounds of the output as int8, and what rows are summed for, as the integer kernels read them."""
    low, high = (max(-(2**31), min(2**31 - 1, b - r.zero_point)) for b in (r.low, r.high))
    return np.array([r.zero_point - filters.over, low, high, -filters.zero_point], np.int64)


BYTES = (("int8", "int8", "int8"), ("int8", "int4", "int8"), ("int8", "int2", "int8"), ("uint8", "uint8", "uint8"))


@dataclass(frozen=True)
class Bytes:
    """Filters ``[..., channels last or first]`` as int8, and their zero point as such. ``over``: what a number of the
    layer's type is more than the int8 it is taken for."""

    values: Array
    zero_point: int
    over: int

    @classmethod
    def of(cls, filter: TensorInfo, zero_point: int) -> Bytes:
        """Those of a tensor."""
        if filter.type == "uint8":
            return cls((value(filter) ^ np.uint8(128)).view(np.int8), zero_point - 128, 128)
        return cls(value(filter), zero_point, 0)

    @property
    def type(self) -> str:
        """The kernels' parameter."""
        return "uint8" if self.over else "int8"

    def start(self, sums: Array, terms: int, bias: TensorInfo | None, zero_point: int) -> Array:
        """What the sums of ``(input as uint8) * values`` start from, so that they end as the definition's. ``sums`` are
        the channels' own; ``zero_point`` is the input's."""
        added = 0 if bias is None else value(bias).astype(np.int64)
        return added - (zero_point + 128 - self.over) * (sums - terms * self.zero_point)


def _bytes(task: Task) -> Bytes | None:
    """The filters of a layer of bytes, None where they are of another kind."""
    filter = task.input(1)
    if task.types not in BYTES or not _known(filter, task.optional(2)):
        return None
    zero_point = getattr(task.prepared, FILTERS[task.node.op])
    return None if zero_point and filter.type != "uint8" else Bytes.of(filter, zero_point)


FILTERS = dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), "filter_zero_point") | {
    "FULLY_CONNECTED": "weights_zero_point"
}
"""What definitions call the filters' zero point."""


def _integer(task: Task, rows: Axis, columns: Axis) -> list[Call] | None:
    """A convolution or layer of bytes; a depthwise one as a convolution of as many groups as there are channels."""
    p, filters, bias = task.prepared, _bytes(task), task.optional(2)
    rounding = ROUNDINGS.get(p.requantize.rounding)
    if filters is None or getattr(p, "wide", False) or rounding is None:
        return None
    matrix = filters.values
    matrix = matrix[0].transpose(2, 0, 1) if task.node.op == "DEPTHWISE_CONV_2D" else matrix
    matrix = np.ascontiguousarray(matrix.reshape(len(matrix), -1))
    real = np.broadcast_to(np.asarray(p.requantize.real), (len(matrix),))
    start = filters.start(matrix.sum(axis=1, dtype=np.int64), matrix.shape[1], bias, p.input_zero_point)
    table = packing.channel_table(rounding, p.requantize.rounding, start, real)
    flip = 128 - filters.over
    padding = (p.input_zero_point & 255) ^ flip
    kind = ("matmul", filters.type, dot(), rounding)

    def channels(part: slice) -> Array:
        return packing.panel_table(rounding, table[:, part])

    return whole(task, rows, columns, Product(kind, matrix, channels, flip, padding), constants(p.requantize, filters))


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
    matrix = value(filter)
    if task.node.op == "DEPTHWISE_CONV_2D":
        matrix = matrix[0].transpose(2, 0, 1)
    matrix = np.ascontiguousarray(matrix.reshape(len(matrix), -1))
    start = np.zeros(len(matrix), np.float32) if bias is None else value(bias)
    size = winograd.size(task, rows, columns) if _sums(task) == "fused" and task.node.op == "CONV_2D" else 0
    if size:
        return [winograd.call(task, rows, columns, size, packing.float_channels(start), bounds(task.node))]

    def channels(part: slice) -> Array:
        return packing.float_channels(start[part])

    kind = ("matmul", "float32", _sums(task), "none")
    return whole(task, rows, columns, Product(kind, matrix, channels), bounds(task.node))


MOST_GROUPS = 16
"""Channels of an image up to which a depthwise layer of several filters for each is computed as a grouped one."""


def depthwise_conv_2d_(task: Task) -> list[Call] | None:
    p, input, filter, bias = task.prepared, task.input(0), task.input(1), task.optional(2)
    several = filter.shape[3] != input.shape[3]
    if several and input.shape[3] > MOST_GROUPS:
        return None
    if task.computed_by == "depthwise_conv_2d.float_":
        rows, columns = axes(task.node.options, input.shape, filter.shape[1:])
        return _float(task, rows, columns) if several else _depthwise_float(task)
    if task.computed_by != "depthwise_conv_2d.integer":
        return None
    if several:
        return _integer(task, p.rows, p.columns)
    rounding, deep, filters = ROUNDINGS.get(p.requantize.rounding), filter.shape[1] > 4, _bytes(task)
    if filters is None or rounding is None or (deep and p.columns.dilation > 1):
        return None
    values = filters.values[0]
    channels = values.shape[2]
    start = filters.start(values.sum(axis=(0, 1), dtype=np.int64), values[..., 0].size, bias, p.input_zero_point)
    table = packing.channel_table(rounding, p.requantize.rounding, start, p.requantize.real)
    pixel = packing.padded(channels, 64) + 64
    outside = packing.aligned((2, pixel), np.uint8)
    outside[0] = p.input_zero_point & 255
    columns = (p.columns.output - 1) * p.columns.stride + (p.columns.filter - 1) * p.columns.dilation + 1
    taps = "3" if p.columns.filter == 3 and not deep else "0"
    return [
        Call(
            ("depthwise", filters.type, dot(), rounding, taps),
            input.shape[0] * p.rows.output,
            (
                *(Place(input.index), Place(task.output.index), packing.depthwise_filters(values)),
                *(packing.depthwise_table(rounding, table), constants(p.requantize, filters), outside[0], outside[1]),
                *(channels, p.rows.size, p.columns.size, p.rows.output, p.columns.output),
                *(p.rows.filter, p.columns.filter, p.rows.stride, p.columns.stride),
                *(p.rows.dilation, p.columns.dilation, p.rows.before, p.columns.before, 128 - filters.over),
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
