"""Which of the kernels' operations of two operands computes a step, with its constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minilite.engines.numba.lowering.matmul import ROUNDINGS, bounds, one_channel
from minilite.engines.numba.lowering.task import Task
from minilite.fixed_point import ACTIVATION_BOUNDS, Multiplier
from minilite.spec import INTEGER_RANGE

if TYPE_CHECKING:
    from minilite.ops import add

Array = np.ndarray


class Operation(NamedTuple):
    """What the kernels call it, and its constants; of every run the elements from ``start`` to ``stop``. ``swapped``:
    the second operand comes first."""

    name: str
    constants: Array
    start: int = 0
    stop: int | None = None
    swapped: bool = False


def operations_of(task: Task) -> list[Operation] | None:
    """The operation that computes a step, or those that compute the parts of each run."""
    for describe in (_extreme, _of_floats, _of_integers, _plain, _compared, _pairs):
        found = describe(task)
        if found is not None:
            return found if isinstance(found, list) else [found]
    return None


def _extreme(task: Task) -> Operation | None:
    names: dict[str, str] = {"maximum.maximum": "max", "maximum.minimum": "min"}
    name = names.get(task.computed_by)
    known = task.output.type in ("float32", "int8", "uint8", "int16", "int32", "int64")
    return Operation(name, np.zeros(2, np.int64)) if name and known and len(set(task.types)) == 1 else None


def _of_floats(task: Task) -> Operation | None:
    clipped: dict[str, str] = {"add.add": "add", "add.subtract": "sub", "mul.multiply": "mul", "div.divide": "div"}
    others: dict[str, str] = {
        "squared_difference.squared_difference": "squared difference",
        "prelu.float_": "prelu",
    }
    if set(task.types) != {"float32"}:
        return None
    if task.computed_by in others:
        return Operation(others[task.computed_by], np.zeros(2, np.float32))
    name = clipped.get(task.computed_by)
    return None if name is None else Operation(name, bounds(task.node))


def _compared(task: Task) -> Operation | None:
    """Numbers that stand for themselves; and bools, by what makes bools of them."""
    node, none = task.node, np.zeros(2, np.int64)
    if task.computed_by == "compare.compare" and task.types[0] in ("float32", "int32", "int64"):
        name, swapped = COMPARISONS[node.op]
        return Operation(name, none, swapped=swapped)
    names: dict[str, str] = {"logical.logical_and": "and", "logical.logical_or": "or"}
    name = names.get(task.computed_by, "")
    return Operation(name, none) if name else None


COMPARISONS = {
    "EQUAL": ("equal", False),
    "NOT_EQUAL": ("not equal", False),
    "LESS": ("less", False),
    "LESS_EQUAL": ("less equal", False),
    "GREATER": ("less", True),
    "GREATER_EQUAL": ("less equal", True),
}
"""The kernels' comparison, and whether the operands change places for it."""


def _plain(task: Task) -> Operation | None:
    """Integers without a scale."""
    names: dict[str, str] = {
        "add.add_integers": "plus",
        "add.add_unclipped": "plus",
        "add.subtract_integers": "minus",
        "mul.multiply_integers": "times",
    }
    name, types = names.get(task.computed_by), set(task.types)
    if name is None or len(types) != 1 or not types <= {"int32", "int64"}:
        return None
    low, high = INTEGER_RANGE[task.output.type]
    bottom, top = (None, None)
    if task.computed_by != "add.add_unclipped":
        bottom, top = ACTIVATION_BOUNDS.get(str(task.node.options.fused_activation_function), (None, None))
    return Operation(name, np.array([low if bottom is None else bottom, high if top is None else top], np.int64))


# ---- tables of two bytes ---------------------------------------------------------------------------------------------


def _pairs(task: Task) -> list[Operation] | None:
    """A function of two bytes, asked for all there are."""
    if task.computed_by not in OF_TWO_BYTES or task.output.type not in ("int8", "uint8"):
        return None
    if set(task.types) != {task.output.type}:
        return None
    every = np.arange(256, dtype=np.uint8).view(task.output.type)
    found = np.asarray(task.definition.compute(task.prepared, every[:, None], every[None, :]))
    return [Operation("pairs", np.ascontiguousarray(found))] if found.shape == (256, 256) else None


OF_TWO_BYTES = (
    *("add.integer", "add.integer_one_shift", "mul.integer", "squared_difference.integer", "prelu.integer"),
    *("maximum.maximum", "maximum.minimum"),
)
"""Definitions in which it does not matter where in the tensor an element lies."""


# ---- integers with a scale -------------------------------------------------------------------------------------------


def _of_integers(task: Task) -> list[Operation] | Operation | None:
    of: dict[str, Callable[[Task], list[Operation] | Operation | None]] = {
        "add.integer_one_shift": _one_shift,
        "add.integer": _added,
        "add.int16": _added,
        "add.integer_in_vectors": _added_in_vectors,
        "add.int16_in_vectors": _added_in_vectors,
        "mul.integer": _multiplied,
        "mul.integer_in_vectors": _multiplied_in_vectors,
    }
    describe = of.get(task.computed_by)
    return describe(task) if describe is not None and len(set(task.types)) == 1 else None


def _one_shift(task: Task) -> Operation | None:
    p = task.prepared
    shift = -int(p.output.e)
    m1, m2 = (int(m.q) for m in p.multipliers)
    bound = 255 * (abs(m1) + abs(m2)) + (1 << max(shift - 1, 0))
    if not 0 <= shift <= 30 or bound >= 2**31:
        return None
    return Operation("add shift", _int32(*_ends(p), m1, p.sign * m2, (1 << shift) >> 1, shift))


Five = tuple[int, int, int, int, int]
"""A multiplier as the kernels read it: q, left, right, half, away."""
ITSELF = 1 << 30
"""A significand that, moved to the left by one, leaves numbers as they are."""


def _added(task: Task) -> Operation | None:
    from minilite.ops.add import Prepared

    p = task.prepared
    if isinstance(p, Prepared):
        multipliers = (*p.multipliers, p.output)
        if any(abs(int(m.e)) > 30 for m in multipliers):
            return None
        return _fixed(_ends(p), p.left_shift, [_five(m) for m in multipliers], p.sign)
    operands = [(ITSELF, 1, shift, (1 << shift) >> 1, -1 if shift else 0) for shift in map(int, p.right)]
    if max(p.right) > 30:
        return None
    return _fixed((0, 0, 0, p.low, p.high), 0, [*operands, (ITSELF, 1, 0, 0, 0)], p.sign)


def _fixed(ends: tuple[int, ...], left: int, fives: list[Five], sign: int) -> Operation:
    return Operation("add fixed", _int32(*ends, left, *(number for five in fives for number in five), sign))


def _added_in_vectors(task: Task) -> list[Operation] | None:
    """The optimized kernel's: whole vectors of each run, then what is left over of it."""
    from minilite.ops.add import Prepared
    from minilite.ops.broadcast import runs

    p, rest = task.prepared, _added(task)
    if rest is None:
        return None
    a, b = task.input(0).shape, task.input(1).shape
    run = runs(a, b)
    if run is None or not isinstance(p, Prepared) or p.output.e > 0 or (p.type == "int16" and a != b):
        return [rest]
    length, against_one = run
    folded = p.type == "int16" or (p.type == "int8" and not against_one)
    lefts = [p.left_shift + int(m.e) for m in p.multipliers]
    if not _stays_in_16_bits(p) or (folded and min(lefts) < 0):
        return None
    operands = [
        (int(m.q), left, 0, 0, 0) if folded else (int(m.q), p.left_shift, -int(m.e), 0, 0)
        for m, left in zip(p.multipliers, lefts, strict=True)
    ]
    whole = _fixed(_ends(p), 0, [*operands, _five(p.output)], p.sign)
    return _in_parts(whole, rest, length, 16 if folded else 8)


def _in_parts(whole: Operation, rest: Operation, run: int, vector: int) -> list[Operation]:
    """Whole vectors of a run, and what is left over."""
    cut = run // vector * vector
    return [o for o in (whole._replace(stop=cut), rest._replace(start=cut, stop=run)) if o.start != o.stop]


def _stays_in_16_bits(p: add.Prepared) -> bool:
    """Whether no sum of two bytes leaves the 16 bits in which the optimized kernel has results of 8."""
    reals = [math.ldexp(int(m.q), int(m.e) - 31) for m in (*p.multipliers, p.output)]
    most = 256 * (reals[0] + reals[1]) * reals[2] * (1 << p.left_shift)
    return p.type == "int16" or most < 2**15 - 300


def _multiplied(task: Task) -> Operation | None:
    r = task.prepared.requantize
    rounding = ROUNDINGS.get(r.rounding)
    if rounding not in ("float32", "fixed"):
        return None
    return Operation(f"mul {rounding}", one_channel(r, task.prepared.zero_points))


def _multiplied_in_vectors(task: Task) -> Operation | None:
    """The optimized kernel's, where no product leaves the 16 bits that it has for results: the reference kernel's."""
    stays = 256 * 256 * float(abs(task.prepared.requantize.real)) < 2**15 - 300
    return _multiplied(task) if stays else None


def _ends(p: add.Prepared) -> tuple[int, ...]:
    return (*p.zero_points, p.output_zero_point, p.low - p.output_zero_point, p.high - p.output_zero_point)


def _five(m: Multiplier) -> Five:
    right, left = max(-int(m.e), 0), max(int(m.e), 0)
    return (int(m.q), left, right, (1 << right) >> 1, -1 if right else 0)


def _int32(*numbers: Any) -> Array:
    return np.array([int(n) for n in numbers], np.int64).astype(np.int32)
