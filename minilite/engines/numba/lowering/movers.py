"""Operators that only move elements: which element goes where is asked of their definitions.

A definition that moves elements moves any: given numbers instead of elements, it tells where each one goes. What lies
together in input and output is copied together.
"""

from __future__ import annotations

import numpy as np

from minilite.engines.numba.calls import Call, Place, Word
from minilite.engines.numba.lowering.task import Task, value
from minilite.spec import TensorInfo

Array = np.ndarray

DATA = {
    "RESHAPE": (0,),
    "SQUEEZE": (0,),
    "EXPAND_DIMS": (0,),
    "TRANSPOSE": (0,),
    "SLICE": (0,),
    "STRIDED_SLICE": (0,),
    "SPLIT": (1,),
    "SPLIT_V": (0,),
    "UNPACK": (0,),
    "GATHER": (0,),
    "TILE": (0,),
    "BROADCAST_TO": (0,),
    "SPACE_TO_DEPTH": (0,),
    "DEPTH_TO_SPACE": (0,),
    "REVERSE_V2": (0,),
    "MIRROR_PAD": (0,),
    "PACK": None,
    "CONCATENATION": None,
    "PAD": (0,),
    "PADV2": (0,),
    "RESIZE_NEAREST_NEIGHBOR": (0,),
}
"""The inputs whose elements are moved; None: all. The others must be constants."""

MOST_PIECES = 1 << 16
"""Beyond so many pieces the definition is as good."""
PLACES = 48
"""Addresses that a row has room for."""


def lower(task: Task) -> list[Call] | None:
    node = task.node
    moved = DATA[node.op]
    inputs = [*node.inputs, None] if node.op == "RESHAPE" and len(node.inputs) == 1 else list(node.inputs)
    positions = [i for i, info in enumerate(inputs) if info is not None] if moved is None else list(moved)
    others = [info for i, info in enumerate(inputs) if i not in positions and info is not None]
    data = [task.input(i) for i in positions if task.optional(i) is not None]
    if len(data) < len(positions) or any(i.type in ("string", "int4", "int2", "uint4") for i in data):
        return None
    if any(o.value is None for o in others) or len({d.type for d in data} | {o.type for o in node.outputs}) != 1:
        return None
    tensors = list(dict.fromkeys(d.index for d in data))
    if len(tensors) + len(node.outputs) + 1 > PLACES or not _moves_only(task, data):
        return None
    numbered = _numbers(data, tensors)
    if numbered is None:
        return None
    arrays = [info.value if info is not None else None for info in inputs]
    for position, numbers in zip(positions, numbered, strict=True):
        arrays[position] = numbers
    fill = None
    if node.op in ("PAD", "PADV2"):
        fill = _fill(task)
    found = _where_to(task, arrays, fill)
    if found is None:
        return None
    itemsize = np.dtype(data[0].dtype).itemsize
    alone = len(tensors) == len(found) == 1 and data[0].value is None and itemsize in (1, 2, 4, 8)
    if alone and _is_scattered(found[0].reshape(-1)):
        return [_one_by_one(task, found[0].reshape(-1), itemsize)]
    known = {d.index: np.ascontiguousarray(d.value) for d in data if d.value is not None}
    lines: list[tuple[int, ...]] = []
    row: list[Word] = [*(known.get(t, Place(t)) for t in tensors), *(Place(o.index) for o in node.outputs)]
    starts = np.cumsum([0, *(int(np.prod(d.shape)) for d in {d.index: d for d in data}.values())])
    longest = 0
    for number, result in enumerate(found):
        for start, stop, first in _pieces(result.reshape(-1), starts):
            if first < 0:
                longest = max(longest, stop - start)
                source, offset = len(row), 0
            else:
                source = int(np.searchsorted(starts, first, side="right")) - 1
                offset = first - int(starts[source])
            lines.append(
                (source, len(tensors) + number, offset * itemsize, start * itemsize, (stop - start) * itemsize)
            )
        if len(lines) > MOST_PIECES:
            return None
    if longest:
        row.append(np.full(longest, fill, data[0].dtype))
    average = sum(line[4] for line in lines) / max(len(lines), 1)
    if average < 8 and len(lines) > 1 << 14:
        return None
    work = sum(line[4] for line in lines) // 16 + len(lines)
    return [Call(("moving", "pieces"), len(lines), (np.array(lines, np.int64).reshape(-1, 5), *row), work=work)]


def _is_scattered(numbers: Array) -> bool:
    """Whether elements are moved quicker one by one than in pieces; none of them was added."""
    if numbers.min() < 0:
        return False
    return bool(np.count_nonzero(np.diff(numbers) != 1) * PIECE > numbers.size)


PIECE = 6
"""Elements that are moved in the time that a piece takes."""


def _one_by_one(task: Task, numbers: Array, itemsize: int) -> Call:
    row = (numbers.astype(np.int32) * itemsize, Place(task.node.outputs[0].index), numbers.size)
    source = next(i.index for i in task.node.inputs if i is not None and i.value is None)
    units = -(-numbers.size // 1024)
    return Call(("moving", str(itemsize)), units, (row[0], Place(source), *row[1:]), work=numbers.size // 3)


def _moves_only(task: Task, data: list[TensorInfo]) -> bool:
    """Whether the definition leaves elements as they are."""
    node = task.node
    if node.op in ("CONCATENATION", "RESIZE_NEAREST_NEIGHBOR", "PACK"):
        tensors = [*data, node.outputs[0]]
        alike = all(
            t.scales.size == tensors[0].scales.size
            and np.array_equal(t.scales, tensors[0].scales)
            and np.array_equal(t.zero_points, tensors[0].zero_points)
            for t in tensors
        )
        fused = str(node.options.get("fused_activation_function", "NONE"))
        return alike and fused == "NONE"
    return True


def _numbers(data: list[TensorInfo], tensors: list[int]) -> list[Array] | None:
    """The elements of all moved tensors, numbered on."""
    sizes = {d.index: int(np.prod(d.shape)) for d in data}
    starts, total = {}, 0
    for tensor in tensors:
        starts[tensor] = total
        total += sizes[tensor]
    if total > 1 << 22:
        return None
    return [(starts[d.index] + np.arange(sizes[d.index], dtype=np.int32)).reshape(d.shape) for d in data]


def _fill(task: Task) -> Array:
    """What a padding adds."""
    given = task.optional(2)
    return np.asarray(task.prepared.value if given is None else value(given).reshape(()))


def _where_to(task: Task, arrays: list[Array | None], fill: Array | None) -> list[Array] | None:
    """For each output which number lies at each place; -1 for what was added."""
    try:
        result = task.definition.compute(task.prepared, *arrays)
        results = list(result) if isinstance(result, tuple) else [result]
        if fill is not None:
            # asked a second time with other numbers: what does not change was added
            other = [None if a is None else a + np.int32(1) if i == 0 else a for i, a in enumerate(arrays)]
            moved = task.definition.compute(task.prepared, *other)
            results = [np.where(moved == results[0], np.int32(-1), results[0])]
    except (ArithmeticError, TypeError, ValueError):  # a definition that wants its own type of elements
        return None
    for info, numbers in zip(task.node.outputs, results, strict=True):
        if numbers.shape != info.shape or numbers.dtype != np.int32:
            return None
    return results


def _pieces(numbers: Array, starts_of: Array) -> list[tuple[int, int, int]]:
    """Runs of numbers that follow each other within a tensor, or of -1: (start, stop, first number)."""
    if not numbers.size:
        return []
    steps = np.diff(numbers)
    joined = ((steps == 1) & (numbers[:-1] >= 0) & ~np.isin(numbers[1:], starts_of)) | (
        (numbers[:-1] < 0) & (numbers[1:] < 0)
    )
    cuts = np.flatnonzero(~joined) + 1
    starts, stops = [0, *cuts.tolist()], [*cuts.tolist(), numbers.size]
    return [(a, b, int(numbers[a])) for a, b in zip(starts, stops, strict=True)]


LOWERINGS = dict.fromkeys(DATA, lower)
