"""Two operands, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place, Word
from minilite.engines.numba.lowering.operations import Operation, operations_of
from minilite.engines.numba.lowering.task import Task
from minilite.spec import Shape, TensorInfo


def binary(task: Task) -> list[Call] | None:
    if (task.input(0).type, task.input(1).type) != (task.types[0],) * 2:
        return None
    operations = operations_of(task)
    a, b = task.input(0), task.input(1)
    if operations is not None and operations[0].swapped:
        a, b = b, a
    runs = _runs(task.output.shape, a.shape, b.shape)
    if operations is None or runs is None or operations[-1].stop not in (None, runs[0][0]):
        return None
    return [_call((a, b, task.output), operation, *runs) for operation in operations]


Outer = list[tuple[int, int, int, int]]


def _call(tensors: tuple[TensorInfo, ...], operation: Operation, run: tuple[int, int, int], outer: Outer) -> Call:
    """The call for both operands and the output."""
    kind = ("bytes" if operation.name == "pairs" else tensors[0].type, operation.name)
    sizes, inner = [np.dtype(info.dtype).itemsize for info in tensors], (*run[1:], 1)
    offsets = [operation.start * step * size for step, size in zip(inner, sizes, strict=True)]
    words = [_word(info, offset) for info, offset in zip(tensors, offsets, strict=True)]
    count = (run[0] if operation.stop is None else operation.stop) - operation.start
    if math.prod(dim[0] for dim in outer) == 1:
        count, outer = _cut(count, inner, outer)
    outer = _balanced(count, outer)
    numbers = [n * size for dim in outer for n, size in zip(dim, (1, *sizes), strict=True)]
    row = (*words, operation.constants, count, inner[0] * sizes[0], inner[1] * sizes[1], *numbers)
    work = math.prod(dim[0] for dim in outer) * count // (8 if sizes[0] == 1 else 4)
    return Call(("binary", *kind), outer[0][0] * outer[1][0], row, work=work)


def _word(info: TensorInfo, offset: int) -> Word:
    if info.value is None:
        return Place(info.index, offset)
    copy = packing.aligned(info.value.size + packing.LANES, info.dtype)  # a whole vector is read
    copy[: info.value.size] = info.value.reshape(-1)
    return copy.view(np.uint8)[offset:]


# ---- runs ------------------------------------------------------------------------------------------------------------


def _balanced(count: int, outer: Outer) -> Outer:
    """Outer dimensions, the last of which is cut so that there are units to share where there is only one dimension."""
    size, *steps = outer[2]
    if size * count < 2 * UNIT or outer[1][0] != 1:
        return outer
    parts = next((p for p in range(size * count // UNIT, 1, -1) if size % p == 0), 1)
    each = size // parts
    return [outer[0], (parts, steps[0] * each, steps[1] * each, steps[2] * each), (each, steps[0], steps[1], steps[2])]


def _cut(count: int, inner: tuple[int, ...], outer: Outer) -> tuple[int, list[Any]]:
    """A single run in pieces of whole vectors, so that there are units to share."""
    pieces = (p for p in range(count // UNIT, 1, -1) if count % (p * packing.LANES) == 0)
    parts = next(pieces, 1)
    each = count // parts
    return each, [(parts, inner[0] * each, inner[1] * each, each), *outer[1:]]


UNIT = 1 << 13
"""Elements that are worth a unit of their own."""


def _runs(output: Shape, a: Shape, b: Shape) -> tuple[tuple[int, int, int], Outer] | None:
    """The broadcast as a run (elements, steps of both operands) and three outer dimensions (size, steps of the
    operands and the output), in elements. None where it takes more."""
    rank = len(output)
    dims: list[list[int]] = []  # from the last: size, step of a, step of b, step of the output
    steps = [1, 1, 1]
    for size, size_a, size_b in zip(
        reversed(output), reversed((1,) * (rank - len(a)) + a), reversed((1,) * (rank - len(b)) + b), strict=True
    ):
        here = [size, steps[0] if size_a > 1 else 0, steps[1] if size_b > 1 else 0, steps[2]]
        steps = [steps[0] * size_a, steps[1] * size_b, steps[2] * size]
        if size == 1:
            continue
        last = dims[-1] if dims else None
        if last and all(here[i] == last[i] * last[0] for i in (1, 2, 3)):
            last[0] *= size
        else:
            dims.append(here)
    dims = dims or [[1, 0, 0, 1]]
    if len(dims) > 4:
        return None
    run, *outer = dims
    outer += [[1, 0, 0, 0]] * (3 - len(outer))
    return (run[0], run[1], run[2]), [(d[0], d[1], d[2], d[3]) for d in reversed(outer)]


LOWERINGS = dict.fromkeys(
    (
        *("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM", "PRELU", "LOGICAL_AND", "LOGICAL_OR"),
        *("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"),
    ),
    binary,
)
