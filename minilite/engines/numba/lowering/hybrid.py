"""Hybrid CONV_2D and FULLY_CONNECTED: one call quantizes rows of floats to memory of its own, the others multiply."""

from __future__ import annotations

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place, Word
from minilite.engines.numba.lowering.products import Images, Product, calls, geometry
from minilite.engines.numba.lowering.task import Task, value
from minilite.ops.windows import Axis

Array = np.ndarray

WEIGHTS = ("int8", "uint8", "int4", "int2")
NUMBERS = 8
"""Bytes of a row's zero point and scale."""
MOST_TERMS = 2**31 // (255 * 128)
"""Of a sum that fits into int32 whatever the terms are."""


def layer(task: Task, rows: Axis, columns: Axis, dot: str, bounds: Array) -> list[Call] | None:
    """FULLY_CONNECTED: each row has its own range."""
    if not _is_taken(task):
        return None
    return _by_rows(task, rows, columns, _product(task, dot), bounds)


def convolution(task: Task, rows: Axis, columns: Axis, dot: str, bounds: Array) -> list[Call] | None:
    """CONV_2D: each image has its own range, or, where it is a layer, each pixel."""
    if not _is_taken(task):
        return None
    product = _product(task, dot)
    return (_by_rows if task.prepared.leading == 3 else _by_images)(task, rows, columns, product, bounds)


def _is_taken(task: Task) -> bool:
    input, weights, bias = task.input(0), task.input(1), task.optional(2)
    if (input.type, task.output.type) != ("float32", "float32") or weights.type not in WEIGHTS:
        return False
    if weights.value is None or weights.block_scales is not None or (bias is not None and bias.value is None):
        return False
    return weights.value[0].size <= MOST_TERMS


def _product(task: Task, dot: str) -> Product:
    """The product with its channels. Where there is no bias it is the zero that adds nothing to either zero; XNNPACK's
    is +0."""
    weights, bias = value(task.input(1)), task.optional(2)
    matrix = weights.view(np.int8).reshape(len(weights), -1)
    sums = matrix.sum(axis=1, dtype=np.int64)
    scales = np.broadcast_to(task.prepared.scales, len(matrix))
    none = np.full(len(matrix), 0.0 if task.prepared.order == "fused" else -0.0, np.float32)
    biases = none if bias is None else value(bias)

    def channels(part: slice) -> Array:
        return packing.hybrid_table(sums[part], scales[part], biases[part])

    return Product(("matmul", "int8", dot, task.prepared.order), matrix, channels)


def _constants(bounds: Array, count: int, behind: bool) -> Array:
    """What a kernel reads for each image: bounds, whether numbers are behind the rows, else the numbers."""
    found = packing.aligned((count, 64), np.uint8)
    found[:, :8] = bounds.view(np.uint8)
    found[:, 8] = behind
    return found


def _by_rows(task: Task, rows: Axis, columns: Axis, product: Product, bounds: Array) -> list[Call]:
    images, per_image, terms, _, _ = geometry(task, rows, columns, product.matrix)
    count, numbers = images * per_image, packing.padded(terms, 4)
    memory = packing.aligned(count * (numbers + NUMBERS), np.uint8)
    stride = numbers + NUMBERS
    first = _quantizing(task, memory, memory[numbers:], (count, terms, stride, stride))
    source = Images(images, memory, _constants(bounds, 1, behind=True), behind=NUMBERS)
    return [first, *calls(task, rows, columns, product, source)]


def _by_images(task: Task, rows: Axis, columns: Axis, product: Product, bounds: Array) -> list[Call]:
    count, size = task.input(0).shape[0], int(np.prod(task.input(0).shape[1:]))
    memory, constants = packing.aligned((count, size), np.uint8), _constants(bounds, count, behind=False)
    found = [_quantizing(task, memory, constants[0, packing.NUMBERS :], (count, size, size, 64))]
    for image in range(count):
        source = Images(1, memory[image], constants[image], image)
        found += calls(task, rows, columns, product, source)
    return found


def _quantizing(task: Task, memory: Array, numbers: Array, sizes: tuple[int, int, int, int]) -> Call:
    """The call that quantizes: ``sizes`` are rows, elements of each, bytes between them and between their numbers."""
    count, size, *strides = sizes
    row: tuple[Word, ...] = (Place(task.input(0).index), memory, numbers, size, *strides)
    return Call(("quantize_rows", task.prepared.way), count, row, work=count * (size // 8 + 20))
