"""SEGMENT_SUM, UNSORTED_SEGMENT_SUM, UNSORTED_SEGMENT_PROD, UNSORTED_SEGMENT_MAX, UNSORTED_SEGMENT_MIN: slices of
``input`` that share a segment id combined into one.

    output[s, j...] = op over all i with segment_ids[i...] == s of input[i..., j...]

one after the other: floats are rounded each time, int32 wraps. A segment without slices holds 0, 1, the lowest or the
highest number. Maximum and minimum skip NaN, and as they start from the lowest or highest finite number, an infinity
on that side never comes out.

SEGMENT_SUM takes a vector of ids that start from 0 and rise by at most 1, and has as many segments as they name. The
others take ids in any order, in the shape of the leading dimensions of ``input``; negative ones are left out, and those
of ``num_segments`` and above are an error.

Sources: TensorFlow Lite's segment_sum and unsorted_segment kernels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, any_integers, data, shape, stated
from minilite.ops.axes import single
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

Array = np.ndarray


def sorted_shapes(node: Node, input: TensorInfo, segment_ids: TensorInfo) -> tuple[Shape]:
    input.need(input.rank >= 1, "1 dimension or more", input.rank)
    ids = segment_ids.known()
    segment_ids.need(ids.shape == input.shape[:1], f"shape {input.shape[:1]}, an id for each slice", ids.shape)
    if not ids.size:
        return ((0, *input.shape[1:]),)
    steps = np.diff(ids.astype(np.int64), prepend=0)
    rising = steps[0] == 0 and bool(((steps == 0) | (steps == 1)).all())
    segment_ids.need(rising, "ids that start from 0 and rise by at most 1", ids)
    return ((int(ids[-1]) + 1, *input.shape[1:]),)


def unsorted_shapes(node: Node, input: TensorInfo, segment_ids: TensorInfo, num_segments: TensorInfo) -> tuple[Shape]:
    ids, count = segment_ids.known(), single(num_segments)
    prefix = input.shape[: ids.ndim]
    segment_ids.need(ids.shape == prefix, f"leading dimensions of {input.shape}", ids.shape)
    num_segments.need(num_segments.rank <= 1, "a scalar or a vector", num_segments.shape)
    num_segments.need(count >= 0, "0 segments or more", count)
    largest = int(ids.max(initial=-1))
    segment_ids.need(largest < count, f"ids below num_segments, {count}", largest)
    return ((count, *input.shape[ids.ndim :]),)


def prepare(node: Node, *tensors: TensorInfo) -> tuple[Any, Shape]:
    """The function that combines two slices, and the output shape."""
    return COMBINE.get(node.op, np.add), tensors[-1].shape


def combine(prepared: tuple[Any, Shape], input: Array, segment_ids: Array, num_segments: Array | None = None) -> Array:
    function, wanted = prepared
    output = np.full((wanted[0], math.prod(wanted[1:])), _start(function, input.dtype), input.dtype)
    rows, kept = input.reshape(segment_ids.size, output.shape[1]), segment_ids.reshape(-1) >= 0
    function.at(output, segment_ids.reshape(-1)[kept], rows[kept])
    if function in (np.fmax, np.fmin) and input.dtype.kind == "f":
        output = _with_first_zeros(output, segment_ids.reshape(-1)[kept], rows[kept])
    return output.reshape(wanted)


def _with_first_zeros(output: Array, ids: Array, rows: Array) -> Array:
    """Zeros with the sign of their segment's first zero: which of 0.0 and -0.0 NumPy takes is not defined."""
    row, column = np.nonzero(rows == 0)
    places, first = np.unique(ids[row] * np.intp(output.shape[1]) + column, return_index=True)
    zeros = np.zeros_like(output)
    zeros.reshape(-1)[places] = rows[row, column][first]
    return np.where(output == 0, zeros, output)


def _start(function: Any, dtype: Any) -> Any:
    """What a segment holds before anything is combined with it."""
    if function in (np.add, np.multiply):
        return function.identity
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return limits.min if function is np.fmax else limits.max


def sorted_case(draw: Draw, definition: Definition) -> Case:
    dims = shape(draw, 1, 4)
    ids = np.cumsum(draw.random.integers(0, 2, dims[0])) if dims[0] else np.zeros(0)
    return Case((_data(draw, dims, definition), stated(draw, ids - ids[:1])))


def unsorted_case(draw: Draw, definition: Definition) -> Case:
    dims = shape(draw, 1, 4)
    segments = draw.integer(1, 5)
    ids = draw.random.integers(-1, segments, dims[: draw.integer(1, len(dims))])
    count = stated(draw, draw.choice((segments, [segments])))
    return Case((_data(draw, dims, definition), stated(draw, ids), count))


def _data(draw: Draw, dims: Shape, definition: Definition) -> Any:
    return data(dims) if definition.label == "float32" else any_integers(draw, dims, definition.label)


SEGMENT_SUM = Op(
    "SEGMENT_SUM",
    inputs=(activation("input"), parameter("segment_ids")),
    outputs=(activation("output"),),
    definitions=each(("float32", "int32"), "T int32 -> T", combine, prepare=prepare),
    shapes=sorted_shapes,
    cases=sorted_case,
)


def _unsorted(name: str) -> Op:
    return Op(
        name,
        inputs=(activation("input"), parameter("segment_ids"), parameter("num_segments")),
        outputs=(activation("output"),),
        definitions=each(("float32", "int32"), "T int32 int32 -> T", combine, prepare=prepare),
        shapes=unsorted_shapes,
        cases=unsorted_case,
    )


UNSORTED_SEGMENT_SUM = _unsorted("UNSORTED_SEGMENT_SUM")
UNSORTED_SEGMENT_PROD = _unsorted("UNSORTED_SEGMENT_PROD")
UNSORTED_SEGMENT_MAX = _unsorted("UNSORTED_SEGMENT_MAX")
UNSORTED_SEGMENT_MIN = _unsorted("UNSORTED_SEGMENT_MIN")

COMBINE: dict[str, Any] = {
    "UNSORTED_SEGMENT_PROD": np.multiply,
    "UNSORTED_SEGMENT_MAX": np.fmax,
    "UNSORTED_SEGMENT_MIN": np.fmin,
}
