"""SVDF: one call, a unit of it a row of the batch."""

from __future__ import annotations

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Place, Word
from minilite.engines.numba.lowering.hybrid import MOST_TERMS
from minilite.engines.numba.lowering.lstm_floats import packed
from minilite.engines.numba.lowering.lstm_integers import Pair, fixed
from minilite.engines.numba.lowering.task import Task, value
from minilite.engines.numba.objects import Kind, dot
from minilite.spec import INTEGER_RANGE

Array = np.ndarray
ENDS: dict[str, tuple[float, float] | None] = {
    "NONE": None,
    "RELU": (0.0, np.inf),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
}
"""What activations clip to."""
STATE = 4


def svdf(task: Task) -> list[Call] | None:
    if any(i is not None and i.value is None and not i.is_variable for i in task.node.inputs[1:]):
        return None
    if task.computed_by == "svdf.integer":
        return _integers(task)
    kinds: dict[str, Kind] = {
        "svdf.float_": ("svdf", "four", "separate"),
        "svdf.float_one_by_one": ("svdf", "sequential", "separate"),
        "svdf.hybrid_": ("svdf", _way(task), dot()),
    }
    kind, activation = kinds.get(task.computed_by), str(task.node.options.fused_activation_function)
    fits = task.input(0).shape[1] <= MOST_TERMS
    return None if kind is None or activation not in ENDS or not fits else _floats(task, kind, ENDS[activation])


def _way(task: Task) -> str:
    return "asymmetric" if task.node.options.asymmetric_quantize_inputs else "symmetric"


def _places(task: Task) -> tuple[Place, ...]:
    return tuple(Place(info.index) for info in (task.input(0), task.output, task.input(STATE)))


def _sizes(task: Task) -> tuple[int, ...]:
    """Terms, filters, entries of a filter, filters of an output, outputs."""
    (filters, terms), memory = task.input(1).shape, task.input(2).shape[1]
    rank = int(task.node.options.rank)
    return terms, filters, memory, rank, filters // rank


def _in_whole_panels(x: Array) -> Array:
    """With zeros behind, up to a multiple of 64 filters."""
    return np.pad(x, ((0, -len(x) % packing.PANEL), *[(0, 0)] * (x.ndim - 1)))


def _work(task: Task) -> int:
    terms, filters, memory, _, _ = _sizes(task)
    return task.input(0).shape[0] * filters * (terms + 4 * memory + 100) // 40


def _floats(task: Task, kind: Kind, ends: tuple[float, float] | None) -> list[Call]:
    terms, filters, _, _, units = sizes = _sizes(task)
    matrix, times, bias = value(task.input(1)), value(task.input(2)), task.optional(3)
    scales = np.zeros(filters, np.float32)
    if matrix.dtype != np.float32:
        matrix, times = matrix.view(np.int8), times.view(np.int8) * task.prepared.time_scale
        scales[:] = task.prepared.feature_scale
    low, high = ends or (0.0, 0.0)
    row: tuple[Word, ...] = (
        *_places(task),
        *packed(*(_in_whole_panels(part) for part in (matrix, scales, np.zeros(filters, np.float32)))),
        np.zeros(4 * packing.CHANNEL_BYTES["product"], np.uint8),
        np.ascontiguousarray(times, np.float32),
        np.zeros(units, np.float32) if bias is None else value(bias),
        np.array([np.inf, low, high], np.float32),
        *sizes,
        int(ends is not None),
    )
    scratch = 4 * packing.padded(filters, packing.PANEL) + terms + 80
    return [Call(kind, task.input(0).shape[0], row, scratch, _work(task))]


def _integers(task: Task) -> list[Call] | None:
    p, (terms, filters, memory, rank, units) = task.prepared, _sizes(task)
    to_output = Pair.of(p.to_output)
    if to_output is None or p.to_state.e > 30:
        return None
    weights, times, bias = (None if i is None else value(i) for i in task.node.inputs[1:4])
    assert weights is not None
    assert times is not None
    low, high = INTEGER_RANGE[p.state_type]
    moved = 0 if p.clips_first else p.state_zero_point
    biases = np.zeros(units, np.int64) if bias is None else bias.astype(np.int64)
    biases -= p.state_zero_point * times.sum(axis=1, dtype=np.int64).reshape(units, rank).sum(axis=1)
    table = fixed(weights, np.zeros(filters, np.int64), p.to_state, p.input_zero_point)
    row: tuple[Word, ...] = (
        *_places(task),
        packing.in_panels(_in_whole_panels(weights), 4, in_order=True),
        packing.in_blocks("fixed", _in_whole_panels(table.T).T),
        np.pad(times, ((0, 0), (0, -memory % packing.LANES))),
        biases,
        np.array(to_output, np.int64),
        *(terms, filters, memory, rank, units),
        *(low - moved, high - moved, p.state_zero_point, p.output_zero_point),
    )
    scratch = 4 * packing.padded(filters, packing.PANEL) + terms + 64
    return [Call(("svdf_int8", dot(), p.state_type), task.input(0).shape[0], row, scratch, _work(task))]
