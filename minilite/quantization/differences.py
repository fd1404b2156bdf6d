"""How far a quantized model's tensors are from the float model's, on the same samples.

Tensors are matched by name within a subgraph. The measure is the signal to quantization noise ratio,

    SQNR = 10 log10(sum of x**2 / sum of (x - y)**2)  dB

over all samples, x the float model's values and y the dequantized ones; infinite where they are equal. Errors are
accumulated: each tensor has those of all before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minilite.interpreter import Interpreter
from minilite.model import Model, Tensor
from minilite.quantization.grid import Grid
from minilite.quantization.representative import Sample
from minilite.watching import watched

Key = tuple[int, int]


@dataclass(frozen=True)
class Noise:
    """A tensor of the float model, who computes it, its SQNR in dB and the largest difference."""

    tensor: str
    operator: str
    sqnr: float
    largest: float


def noise(floats: Model, quantized: Model, samples: Iterable[Sample], kernels: str = "reference") -> list[Noise]:
    """The noise of every tensor that both models have, in the order of execution."""
    theirs = _matched(floats, quantized)
    makers = {
        (s, t): floats.operator_codes[o.opcode_index].name
        for s, g in enumerate(floats.subgraphs)
        for o in g.operators
        for t in o.outputs or ()
        if (s, t) in theirs
    }
    sums = {key: _Sums() for key in makers}
    first, second = (
        Interpreter(m, kernels=kernels, experimental_preserve_all_tensors=True) for m in (floats, quantized)
    )
    for sample in samples:
        x, y = _run(first, floats, sample), _run(second, quantized, sample)
        for key, total in sums.items():
            if key in x and theirs[key] in y:
                total.add(x[key], y[theirs[key]])
    name = {key: floats.subgraphs[key[0]].tensors[key[1]].name or f"tensor {key[1]}" for key in sums}
    return [Noise(name[k], makers[k], t.sqnr, t.largest) for k, t in sums.items() if t.seen]


class _Sums:
    def __init__(self) -> None:
        self.signal = self.error = self.largest = 0.0
        self.seen = False

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        if x.shape == y.shape and x.size:
            self.seen = True
            apart = x.astype(np.float64) - y
            self.signal += float((x.astype(np.float64) ** 2).sum())
            self.error += float((apart**2).sum())
            self.largest = max(self.largest, float(np.abs(apart).max()))

    @property
    def sqnr(self) -> float:
        if self.error == 0:
            return math.inf
        return 10 * math.log10(self.signal / self.error) if self.signal else -math.inf


def _matched(floats: Model, quantized: Model) -> dict[Key, Key]:
    """The float model's float32 tensors, and the tensors of those names in the other model."""
    found = {}
    for s, (graph, other) in enumerate(zip(floats.subgraphs, quantized.subgraphs, strict=True)):
        places = {t.name: i for i, t in enumerate(other.tensors) if t.name}
        for i, tensor in enumerate(graph.tensors):
            if tensor.type == "FLOAT32" and tensor.name in places:
                found[s, i] = s, places[tensor.name]
    return found


def _run(interpreter: Interpreter, model: Model, sample: Sample) -> dict[Key, np.ndarray]:
    """All tensors of a run, as real numbers. Integer inputs get the sample's values on their grid."""
    seen: dict[Key, np.ndarray] = {}

    def see(subgraph: int, tensor: int, array: np.ndarray) -> None:
        seen[subgraph, tensor] = _real(model.subgraphs[subgraph].tensors[tensor], array)

    session = interpreter._session(sample.subgraph)
    tensors = model.subgraphs[sample.subgraph].tensors
    session.feed({i: _entered(tensors[i], a) for i, a in sample.arrays.items()})
    with watched(interpreter, see):
        session.invoke()
    return seen


def _grid(tensor: Tensor) -> Grid | None:
    q = tensor.quantization
    if tensor.type == "FLOAT32" or q is None or q.scales is None or q.scales.size != 1:
        return None
    zero = q.zero_points if q.zero_points is not None and q.zero_points.size else np.zeros(1, np.int64)
    return Grid(str(tensor.type).lower(), q.scales, zero)


def _real(tensor: Tensor, array: np.ndarray) -> np.ndarray:
    grid = _grid(tensor)
    return np.array(array) if grid is None else grid.dequantize(array)


def _entered(tensor: Tensor, array: np.ndarray) -> np.ndarray:
    grid = _grid(tensor)
    if grid is None:
        return array
    low, high = grid.limits
    steps = np.rint(np.asarray(array, np.float64) / float(grid.scales[0])) + int(grid.zero_points[0])
    return grid.stored(np.clip(steps, low, high))
