"""MaxPoolingWithArgmax2D, MaxUnpooling2D: MediaPipe's pooling that remembers where each maximum was, and its way back.

    MaxPoolingWithArgmax2D   output[n, y, x, c] = the largest element of the window [y * h, (y + 1) * h) x
                             [x * w, (x + 1) * w) of input; index[n, y, x, c] = where in the window it is
    MaxUnpooling2D           output[n, y * h + ky, x * w + kx, c] = input[n, y, x, c] for index = kx * h + ky, else 0

Windows do not overlap. An index counts down the columns of its window: kx * h + ky. Of equal elements the first in
this order is taken, and a NaN only where it is the first of its window. input [batch, height, width, channels]; indices
are the bits of int32 in a float32 tensor, because XNNPACK, which alone computes these operators in LiteRT, takes
no integers there. With SAME padding the window may reach over the edge, half of what is missing before it, and sees the
elements at the edge again. Unpooling gives height * h rows with either padding (XNNPACK takes VALID only).

Options, a struct of int32: padding (1 SAME, 2 VALID), stride_w, stride_h, filter_w, filter_h (equal to the strides),
activation (0, none).

Source: LiteRT, xnnpack_delegate.cc; XNNPACK, argmax pooling and unpooling.
"""

from __future__ import annotations

import itertools
import struct

import numpy as np

from minilite.cases import Case, Draw, data, fed
from minilite.errors import OperatorError
from minilite.ops.custom_options import struct_of
from minilite.ops.windows import Axis, axis, taps_inside
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
PADDINGS = {1: "SAME", 2: "VALID"}


def read_options(node: Node) -> tuple[str, tuple[int, int]]:
    """The padding, and the window's height and width."""
    padding, stride_w, stride_h, filter_w, filter_h, act = struct_of(node, 6)
    node.need(padding in PADDINGS, "padding 1 (SAME) or 2 (VALID)", padding)
    node.need(filter_h > 0 and filter_w > 0, "windows of 1 or more", (filter_h, filter_w))
    strides = (stride_h, stride_w)
    node.need((filter_h, filter_w) == strides, f"windows as large as the strides {strides}", (filter_h, filter_w))
    node.need(act == 0, "no activation (0)", act)
    return PADDINGS[padding], strides


def _check(input: TensorInfo) -> None:
    fits = input.rank == 4 and 0 not in input.shape[1:3]
    input.need(fits, "4 dimensions [batch, height, width, channels] with pixels", input.shape)


# ---- pooling ---------------------------------------------------------------------------------------------------------


def _windows(node: Node, shape: Shape) -> tuple[Axis, Axis]:
    padding, (height, width) = read_options(node)
    return axis(padding, shape[1], height, height), axis(padding, shape[2], width, width)


def pooled_shapes(node: Node, input: TensorInfo) -> tuple[Shape, Shape]:
    _check(input)
    rows, columns = _windows(node, input.shape)
    shape = (input.shape[0], rows.output, columns.output, input.shape[3])
    return shape, shape


def pool(node: Node, input: Array) -> tuple[Array, Array]:
    rows, columns = _windows(node, input.shape)
    largest = _seen(input, rows, columns, 0, 0).copy()
    index = np.zeros(largest.shape, np.int32)
    for kx, ky in itertools.product(_telling(columns), _telling(rows)):
        seen = _seen(input, rows, columns, ky, kx)
        larger = seen > largest
        largest[larger], index[larger] = seen[larger], kx * rows.filter + ky
    return largest, index.view(np.float32)


def _telling(window: Axis) -> list[int]:
    """The places of the window along a dimension that may see what the places before them do not."""
    return sorted({0, *taps_inside(window)})


def _seen(input: Array, rows: Axis, columns: Axis, ky: int, kx: int) -> Array:
    """The elements that one place of the window meets, those at the edge again where it reaches over it."""
    return input[:, _along(rows, ky)][:, :, _along(columns, kx)]


def _along(window: Axis, tap: int) -> Array:
    return np.clip(np.arange(window.output) * window.stride + tap - window.before, 0, window.size - 1)


# ---- unpooling -------------------------------------------------------------------------------------------------------


def unpooled_shapes(node: Node, input: TensorInfo, index: TensorInfo) -> tuple[Shape]:
    _check(input)
    index.need(index.shape == input.shape, input.shape, index.shape)
    _, (height, width) = read_options(node)
    batch, rows, columns, channels = input.shape
    return ((batch, rows * height, columns * width, channels),)


def prepare_unpool(node: Node, input: TensorInfo, index: TensorInfo, output: TensorInfo) -> tuple[Shape, int, int]:
    return output.shape, *read_options(node)[1]


def unpool(prepared: tuple[Shape, int, int], input: Array, index: Array) -> Array:
    shape, height, width = prepared
    places = np.ascontiguousarray(index, np.float32).view(np.int32)
    if ((places < 0) | (places >= height * width)).any():
        raise OperatorError(
            f"expected indices in [0, {height * width}), the bits of int32 in a float32 tensor, "
            f"got {places.min()} to {places.max()}."
        )
    output = np.zeros(shape, input.dtype)
    n, y, x, c = np.ix_(*map(np.arange, input.shape))
    output[n, y * height + places % height, x * width + places // height, c] = input
    return output


# ---- cases -----------------------------------------------------------------------------------------------------------


def _options(draw: Draw, padding: int, height: int, width: int) -> bytes:
    struct_ = struct.pack("<6i", padding, width, height, width, height, 0)
    return struct_ + bytes(draw.choice((16, 0)))


def pool_case(draw: Draw, definition: Definition) -> Case:
    """Images whose size the windows divide or not; few different numbers, so that several are the largest."""
    padding, height, width = draw.choice((1, 2)), draw.integer(1, 4), draw.integer(1, 4)
    height += height * width == 1  # XNNPACK refuses windows of one element
    shape = tuple(draw.integer(1, 3) * n + draw.choice((0, 0, n - 1)) for n in (height, width))
    image = (draw.integer(1, 2), *shape, draw.integer(1, 9))
    few = draw.random.integers(0, 4, image).astype(np.float32)
    return Case(
        (draw.choice((data(image), fed(few))),), outputs=2, custom_options=_options(draw, padding, height, width)
    )


def unpool_case(draw: Draw, definition: Definition) -> Case:
    """Indices inside of their windows."""
    height, width = draw.integer(1, 4), draw.integer(1, 4)
    height += height * width == 1
    image = (draw.integer(1, 2), draw.integer(1, 5), draw.integer(1, 5), draw.integer(1, 9))
    index = draw.random.integers(0, height * width, image).astype(np.int32)
    return Case(
        (data(image), fed(index.view(np.float32))),
        custom_options=_options(draw, 2, height, width),
    )


MAX_POOLING_WITH_ARGMAX_2D = Op(
    "MaxPoolingWithArgmax2D",
    inputs=(activation("input"),),
    outputs=(activation("output"), parameter("index")),
    definitions=(Definition("float32 -> float32 float32", pool),),
    shapes=pooled_shapes,
    cases=pool_case,
    custom=True,
)
MAX_UNPOOLING_2D = Op(
    "MaxUnpooling2D",
    inputs=(activation("input"), parameter("index")),
    outputs=(activation("output"),),
    definitions=(Definition("float32 float32 -> float32", unpool, prepare=prepare_unpool),),
    shapes=unpooled_shapes,
    cases=unpool_case,
    custom=True,
)
