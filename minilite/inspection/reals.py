"""What a tensor's values stand for, and back: ``real = scale * (q - zero_point)``."""

from __future__ import annotations

import numpy as np

from minilite.errors import ArgumentError
from minilite.fixed_point import round_half_away
from minilite.model import Model, Tensor
from minilite.quantization.grid import Grid
from minilite.spec import DTYPES, INTEGER_RANGE

Array = np.ndarray
NUMBERS = str.maketrans("iub", "fff")
"""NumPy's kinds of numbers are one kind."""
PIECE = 1 << 16
"""Elements that are worked on at once, which then stay in the cache."""


def grid_of(tensor: Tensor) -> Grid | None:
    """The grid of a tensor of integers that stand for real numbers; None for all others, and where there are several
    scales that fit no dimension."""
    q, type_ = tensor.quantization, str(tensor.type).lower()
    if type_ not in INTEGER_RANGE or q is None or q.details is not None or q.scales is None or not q.scales.size:
        return None
    zeros = q.zero_points if q.zero_points is not None and q.zero_points.size else np.zeros(1, np.int64)
    zeros = np.broadcast_to(zeros, q.scales.shape) if zeros.size == 1 else zeros
    axis = q.quantized_dimension if q.scales.size > 1 else None
    if axis is not None and not 0 <= axis < len(tensor.shape or ()):
        return None
    return Grid(type_, np.asarray(q.scales, np.float32), np.asarray(zeros, np.int64), axis)


def is_real(tensor: Tensor) -> bool:
    """Whether the values are, or stand for, real numbers: not indices, truth values or strings."""
    return str(tensor.type) in ("FLOAT32", "FLOAT64", "FLOAT16") or grid_of(tensor) is not None


def comparable(a: Tensor, b: Tensor) -> bool:
    """Whether both hold numbers, both complex numbers, or else the same type."""
    one, other = (str(t.type).lower() for t in (a, b))
    kinds = [np.dtype(DTYPES.get(type_, np.object_)).kind.translate(NUMBERS) for type_ in (one, other)]
    return one == other or (kinds[0] == kinds[1] and "O" not in kinds)


def dequantized(grid: Grid | None, array: Array) -> Array:
    """The real numbers that integers of a grid stand for, as DEQUANTIZE has them; without a grid the array itself."""
    if grid is None:
        return array
    if grid.axis is None and array.itemsize == 1 and array.size > 256:
        every = np.arange(256, dtype=np.uint8).view(array.dtype)
        return np.asarray(np.take(grid.dequantize(every), array.view(np.uint8)))
    return grid.dequantize(array)


def quantized(grid: Grid, reals: Array) -> Array:
    """Real numbers on a grid as QUANTIZE puts them there: ``clamp(round_half_away(real / scale) + zero_point)``."""
    reals = np.asarray(reals, np.float32)
    if grid.axis is not None or reals.size <= PIECE:
        return _quantized(grid, reals)
    flat = np.ascontiguousarray(reals).reshape(-1)
    pieces = [_quantized(grid, flat[i : i + PIECE]) for i in range(0, flat.size, PIECE)]
    return np.concatenate(pieces).reshape(reals.shape)


def _quantized(grid: Grid, reals: Array) -> Array:
    grid.check(reals.shape)
    low, high = grid.limits
    zeros = grid.along(grid.zero_points, reals.ndim)
    with np.errstate(all="ignore"):
        steps = round_half_away(reals / grid.along(grid.scales, reals.ndim))
        steps = np.clip(steps, low - zeros, high - zeros)  # NaN stays, and becomes the zero point
        return grid.stored(np.where(np.isnan(steps), 0, steps) + zeros)


def in_steps(grid: Grid, reals: Array) -> Array:
    """``real / scale + zero_point``, not rounded and not clamped, in one row; what is not finite is left out."""
    x = np.asarray(reals, np.float64)
    grid.check(x.shape)
    with np.errstate(all="ignore"):
        q = (x / grid.along(grid.scales, x.ndim) + grid.along(grid.zero_points, x.ndim)).reshape(-1)
    return q[np.isfinite(q)]


def outside(grid: Grid, reals: Array) -> tuple[int, int]:
    """How many real numbers are more than half a step below and above what the grid holds: these are clamped."""
    q, (low, high) = in_steps(grid, reals), grid.limits
    return int(np.count_nonzero(q < low - 0.5)), int(np.count_nonzero(q > high + 0.5))


def converted(array: Array, source: Tensor, target: Tensor) -> Array:
    """A tensor's values as values of another tensor: raw where both mean the same, else by way of real numbers.

    Raises :class:`ArgumentError` where one has numbers and the other strings, say, or complex numbers."""
    a, b = grid_of(source), grid_of(target)
    if source.type == target.type and (a is None if b is None else b.alike(a)):
        return array
    if not comparable(source, target):
        raise ArgumentError(f"the models do not correspond: {source.type} of {source.name!r} cannot be {target.type}.")
    reals = dequantized(a, array)
    if b is not None:
        return quantized(b, reals)
    return reals.astype(np.float32) if target.type == "FLOAT32" else reals


def steps_behind(model: Model) -> dict[tuple[int, int], float]:
    """The steps of the grids that floats come from: of each result of DEQUANTIZE, by subgraph and tensor."""
    found = {}
    for s, graph in enumerate(model.subgraphs):
        for operator in graph.operators:
            name = model.operator_codes[operator.opcode_index].name
            if name == "DEQUANTIZE" and operator.inputs and operator.outputs:
                grid = grid_of(graph.tensors[operator.inputs[0]])
                if grid is not None and grid.axis is None:
                    found[s, operator.outputs[0]] = float(grid.scales[0])
    return found
