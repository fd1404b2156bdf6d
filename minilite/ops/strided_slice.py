"""STRIDED_SLICE: ``input[begin:end:strides]``, with Python's meaning of negative indices and steps.

Bit ``i`` of a mask speaks of position ``i`` of ``begin``, ``end`` and ``strides``:

    begin_mask, end_mask   the start or the end is as far as it goes in the direction of the step
    shrink_axis_mask       one element, and the dimension is dropped
    new_axis_mask          a new dimension of size 1 here
    ellipsis_mask          as many whole dimensions as are left over (wins over new_axis_mask)

With ``offset``, ``end`` counts from ``begin``. Dimensions not mentioned are taken whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.cases import Case, Draw, boolean, constant, data, shape, stated
from minilite.ops.moving import ALL, definitions
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
Index = tuple[Any, ...]


def index(node: Node, input: TensorInfo, begin: TensorInfo, end: TensorInfo, strides: TensorInfo) -> Index:
    """The slice as a NumPy index: an int, a slice, or None for each position."""
    starts, ends, steps = (t.known().reshape(-1).tolist() for t in (begin, end, strides))
    begin.need(len(starts) == len(ends) == len(steps), "begin, end and strides of one length", (starts, ends, steps))
    masks = node.options
    given = [i for i in range(len(starts)) if not (_bit(masks.new_axis_mask, i) or _bit(masks.ellipsis_mask, i))]
    begin.need(len(given) <= input.rank, f"at most {input.rank} dimensions", len(given))
    ellipses = sum(_bit(masks.ellipsis_mask, i) for i in range(len(starts)))
    begin.need(ellipses <= 1, "at most one ellipsis", masks.ellipsis_mask)
    result: list[Any] = []
    axis = 0
    for i in range(len(starts)):
        if _bit(masks.ellipsis_mask, i):
            whole = input.rank - len(given)
            result += [slice(None)] * whole
            axis += whole
        elif _bit(masks.new_axis_mask, i):
            result.append(None)
        else:
            result.append(_one(node, input, strides, axis, i, (starts[i], ends[i], steps[i])))
            axis += 1
    return tuple(result)


def _bit(mask: int, position: int) -> bool:
    return bool(mask >> position & 1)


def _one(node: Node, input: TensorInfo, strides: TensorInfo, axis: int, i: int, spec: tuple[int, int, int]) -> Any:
    start, stop, step = spec
    size = input.shape[axis]
    strides.need(step != 0 and abs(step) < 2**31, "a stride other than 0", step)
    if _bit(node.options.shrink_axis_mask, i):
        first = 0 if _bit(node.options.begin_mask, i) else start
        input.need(-size <= first < size, f"an index in [{-size}, {size}) of dimension {axis}", first)
        return first
    first, last = _first(start, step, size, node, i), stop
    if node.options.offset:
        last = first + stop
    last = last + size if last < 0 else last
    last = min(max(last, 0), size) if step > 0 else min(max(last, -1), size - 1)
    if _bit(node.options.end_mask, i):
        last = size if step > 0 else -1
    return slice(first, None if step < 0 and last < 0 else last, step) if first >= 0 else slice(0, 0)


def _first(start: int, step: int, size: int, node: Node, i: int) -> int:
    if _bit(node.options.begin_mask, i):
        return 0 if step > 0 else size - 1
    start = start + size if start < 0 else start
    return min(max(start, 0), size) if step > 0 else min(max(start, -1), size - 1)


def shapes(node: Node, input: TensorInfo, begin: TensorInfo, end: TensorInfo, strides: TensorInfo) -> tuple[Shape]:
    view = np.broadcast_to(np.int8(0), input.shape)
    return (view[index(node, input, begin, end, strides)].shape,)


def prepare(
    node: Node, input: TensorInfo, begin: TensorInfo, end: TensorInfo, strides: TensorInfo, output: TensorInfo
) -> Index:
    return index(node, input, begin, end, strides)


def strided_slice(where: Index, input: Array, begin: Array, end: Array, strides: Array) -> Array:
    return np.asarray(input[where])


def case(draw: Draw, definition: Definition) -> Case:
    """Dimensions from both ends, an ellipsis between, new axes anywhere, every mask; or all dimensions by offset."""
    image = shape(draw, 1, 5, 5)
    if definition.label == "string":  # LiteRT may die of computed parameters here
        begin = [draw.integer(0, d - 1) for d in image]
        return Case((data(image), constant(begin), constant(image), constant([draw.integer(1, 2) for _ in image])))
    if draw.choice((False, False, False, True)):
        return _offset_case(draw, image)
    kinds = _kinds(draw, len(image))
    named, front = kinds.count("named"), kinds[: kinds.index("ellipsis")] if "ellipsis" in kinds else kinds
    from_front = front.count("named")
    sizes = iter((*image[:from_front], *image[len(image) - (named - from_front) :]))
    entries = [_entry(draw, next(sizes) if kind == "named" else 3) for kind in kinds]
    masks = {name: _drawn_mask(draw, kinds) for name in ("begin_mask", "end_mask", "shrink_axis_mask")}
    for i in range(len(kinds)):  # LiteRT asks for a positive stride where the dimension is dropped
        if masks["shrink_axis_mask"] >> i & 1:
            entries[i] = (entries[i][0], entries[i][1], 1)
            masks["begin_mask"] &= ~(1 << i)
    masks["new_axis_mask"], masks["ellipsis_mask"] = _mask(kinds, "new axis"), _mask(kinds, "ellipsis")
    return Case((data(image), *(stated(draw, [e[k] for e in entries]) for k in range(3))), masks)


def _kinds(draw: Draw, rank: int) -> list[str]:
    """What each position of begin, end and strides is about. An ellipsis stands for one dimension or more."""
    ellipsis = rank > 1 and boolean(draw)
    kinds = ["named"] * draw.integer(1, rank - ellipsis)
    if ellipsis:
        kinds.insert(draw.integer(0, len(kinds)), "ellipsis")
    if boolean(draw):
        kinds.insert(draw.integer(0, len(kinds)), "new axis")
    return kinds


def _mask(kinds: list[str], kind: str) -> int:
    return sum(1 << i for i, k in enumerate(kinds) if k == kind)


def _drawn_mask(draw: Draw, kinds: list[str]) -> int:
    return draw.choice((0, draw.integer(0, 2 ** len(kinds) - 1))) & _mask(kinds, "named")


def _entry(draw: Draw, size: int) -> tuple[int, int, int]:
    """Begin, end and stride of a dimension, counted from either end, that leave at least one element."""
    step = draw.choice((1, 1, 2, -1, -2))
    one, other = draw.integer(0, size - 1), draw.integer(0, size - 1)
    low, high = min(one, other), max(one, other)
    if step > 0:
        return draw.choice((low, low - size)), draw.choice((high + 1, size + 3)), step
    return draw.choice((high, high - size)), draw.choice((low - 1 - size, -size - 4)), step


def _offset_case(draw: Draw, image: Shape) -> Case:
    begin = [draw.integer(0, d - 1) for d in image]
    lengths = [draw.integer(1, d - b) for d, b in zip(image, begin, strict=True)]
    steps = [1 for _ in image]
    # LiteRT dies of lengths that are computed
    return Case((data(image), stated(draw, begin), constant(lengths), stated(draw, steps)), {"offset": True})


STRIDED_SLICE = Op(
    "STRIDED_SLICE",
    inputs=(activation("input"), parameter("begin"), parameter("end"), parameter("strides")),
    outputs=(activation("output", same_as="input"),),
    definitions=definitions((*ALL, "string"), "T I I I -> T", strided_slice, prepare),
    shapes=shapes,
    cases=case,
    version=8,
)
