"""One LSTM cell on real numbers, with float or with int8 weights: what the LSTM operators share.

For every gate g of (input, forget, cell, output), with optional peephole weights P, auxiliary input a, layer
normalization N and projection:

    s_g  = W_g x + A_g a + R_g h + P_g * c + b_g                 with N:  N_g * normalized(W_g x + ... ) + b_g
    i, f, o = logistic(s), g = activation(s_cell)                without an input gate (CIFG): i = 1 - f
    c    = clip(f * c + i * g, cell_clip)
    m    = o * activation(c)
    h    = m                                                      with projection: clip(W_p m + b_p, proj_clip)

P_output meets the new c. A clip of 0 does nothing; normalized(s) = (s - mean) / sqrt(variance + 1e-8) over the cells of
a row; recurrent weights of one dimension are diagonal matrices. The activation NONE is the identity here; LiteRT leaves
memory as it was there.

Hybrid: x, a, h and m are quantized a row at a time (:mod:`minilite.ops.hybrid`), which is defined for finite numbers
only; biases, normalization and diagonals are floats.
Sources: Hochreiter and Schmidhuber 1997; Gers and Schmidhuber 2000 (peepholes); Sak et al. 2014 (projection); Greff et
al. 2015 (CIFG); Ba et al. 2016 (layer normalization); TensorFlow Lite's lstm_eval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.ops import hybrid
from minilite.ops.accumulate import eigen_dot, integer_dot
from minilite.ops.cell_activation import cell_activation, logistic
from minilite.spec import Node, TensorInfo

Array = np.ndarray
GATES = INPUT, FORGET, CELL, OUTPUT = range(4)


@dataclass(frozen=True)
class Cell:
    """The operands of a cell, arrays or TensorInfos, by gate where there is one for each; None where absent."""

    weights: tuple[Any, ...]
    recurrent: tuple[Any, ...]
    peephole: tuple[Any, ...]
    bias: tuple[Any, ...]
    projection: Any
    projection_bias: Any
    norm: tuple[Any, ...] = (None,) * 4
    aux: tuple[Any, ...] = (None,) * 4

    @classmethod
    def of(cls, operands: tuple[Any, ...]) -> Cell:
        """From operands in the order of the operators: weights, recurrent, peephole (of 3 gates), bias, projection."""
        peephole = (operands[8], operands[9], None, operands[10])
        return cls(operands[0:4], operands[4:8], peephole, operands[11:15], operands[15], operands[16])

    @property
    def sizes(self) -> tuple[int, int]:
        """How many outputs and how many cells there are."""
        return self.recurrent[OUTPUT].shape[-1], self.bias[OUTPUT].shape[0]

    @property
    def coupled(self) -> bool:
        """Whether there is no input gate (CIFG)."""
        return self.weights[INPUT] is None


def over_time(
    step: Any, time_major: bool, states: tuple[Array, Array], x: Array, aux: Any = None, backwards: bool = False
) -> tuple[Any, ...]:
    """All outputs and the last states. Time-major inputs go through the cell a batch at a time, others a row.

    ``step(x, aux, h, c, row)`` gives the new states of some rows, of which the first has this number; ``step.cell`` is
    its cell."""
    if not time_major:
        x, aux = x.swapaxes(0, 1), None if aux is None else aux.swapaxes(0, 1)
    batch = x.shape[1]
    h, c = (s.reshape(batch, size).copy() for s, size in zip(states, step.cell.sizes, strict=True))
    outputs = np.empty((len(x), *h.shape), h.dtype)
    for rows in [slice(0, batch)] if time_major else [slice(b, b + 1) for b in range(batch)]:
        for t in reversed(range(len(x))) if backwards else range(len(x)):
            h[rows], c[rows] = step(x[t, rows], None if aux is None else aux[t, rows], h[rows], c[rows], rows.start)
            outputs[t, rows] = h[rows]
    outputs = outputs if time_major else outputs.swapaxes(0, 1)
    return outputs, h.reshape(states[0].shape), c.reshape(states[1].shape)


# ---- float -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FloatStep:
    """One step of a float cell. ``batch`` is the whole one's size."""

    node: Node
    cell: Cell
    batch: int

    def __call__(self, x: Array, aux: Any, h: Array, c: Array, row: int) -> tuple[Array, Array]:
        inputs = self.taken(x), None if aux is None else self.taken(aux), self.taken(h)
        options = self.node.options
        f = self.logistic(FORGET, self.sums(FORGET, *inputs, h, c), row)
        i = 1 - f if self.cell.coupled else self.logistic(INPUT, self.sums(INPUT, *inputs, h, c), row)
        g = cell_activation(options.fused_activation_function, self.sums(CELL, *inputs, h, c))
        c = clipped(f * c + g * i, options.cell_clip)
        o = self.logistic(OUTPUT, self.sums(OUTPUT, *inputs, h, c), row)
        return self.projected(o * cell_activation(options.fused_activation_function, c)), c

    def sums(self, gate: int, x: Any, aux: Any, h: Any, h_real: Array, c: Array) -> Array:
        """What the gate's activation is applied to."""
        cell = self.cell
        bias, norm, peephole = cell.bias[gate], cell.norm[gate], cell.peephole[gate]
        acc = self.plus(0 if norm is not None else bias, x, cell.weights[gate])
        if aux is not None:
            acc = self.plus(acc, aux, cell.aux[gate])
        recurrent = cell.recurrent[gate]
        acc = acc + recurrent * h_real if recurrent.ndim == 1 else self.plus(acc, h, recurrent)
        if peephole is not None:
            acc = acc + self.real(peephole) * c
        return acc if norm is None else normalized(acc) * norm + bias

    def logistic(self, gate: int, x: Array, row: int) -> Array:
        """Where a gate lies in LiteRT's memory decides which of its numbers are computed four at a time."""
        cells = x.shape[1]
        place = (INPUT, CELL, FORGET, OUTPUT).index(gate) - self.cell.coupled
        return logistic(x, (place * self.batch + row) * cells)

    def projected(self, m: Array) -> Array:
        if self.cell.projection is None:
            return m
        bias = self.cell.projection_bias
        h = self.plus(0 if bias is None else bias, self.taken(m), self.cell.projection)
        return clipped(h, self.node.options.proj_clip)

    def taken(self, x: Array) -> Any:
        """The rows as the products want them."""
        return x

    def plus(self, acc: Any, x: Any, weights: Any) -> Array:
        """``acc + x @ weights.T``."""
        product = eigen_dot(x, weights) if self.node.sums == "sequential" else x @ weights.T
        return finite(acc + product)

    def real(self, weights: Any) -> Array:
        """The weights as real numbers."""
        array: Array = weights
        return array


def normalized(x: Array) -> Array:
    """Layer normalization of rows, sums from the first to the last."""
    cells = x.dtype.type(x.shape[1])
    centred = x - _in_order(x) / cells
    variance = _in_order(centred * centred) / cells
    return centred * (1 / np.sqrt(variance + x.dtype.type(1e-8)))


def _in_order(x: Array) -> Array:
    return np.add.accumulate(x, axis=1)[:, -1:]


def finite(x: Array) -> Array:
    """Infinities become the largest float32."""
    limit = x.dtype.type(np.finfo(np.float32).max)
    return np.clip(x, -limit, limit)


def clipped(x: Array, clip: float) -> Array:
    """``x`` in [-clip, clip], if there is a clip. NaN becomes the upper end."""
    top = x.dtype.type(clip)
    return np.where(x < top, np.maximum(x, -top), top) if clip > 0 else x


# ---- hybrid ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaled:
    """Integer weights and their scale. uint8 ones hold int8 values."""

    integers: Array
    scale: np.float32

    @property
    def ndim(self) -> int:
        return self.integers.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        return self.integers.shape

    @classmethod
    def of(cls, info: TensorInfo | None, array: Array | None) -> Any:
        """The array with its scale if it has integers, else the array."""
        if info is None or array is None or array.dtype.kind == "f":
            return array
        return cls(array.view(np.int8), info.scale)


class HybridStep(FloatStep):
    """One step of a cell with :class:`Scaled` weights."""

    def taken(self, x: Array) -> Any:
        way = "asymmetric" if self.node.options.asymmetric_quantize_inputs else "symmetric"
        return hybrid.quantize_rows(x, 1, way)

    def plus(self, acc: Any, x: Any, weights: Any) -> Array:
        steps, scales = x
        return acc + integer_dot(steps, weights.integers.T).astype(np.float32) * (scales * weights.scale)

    def real(self, weights: Any) -> Array:
        product: Array = weights.scale * weights.integers
        return product


# ---- checks ----------------------------------------------------------------------------------------------------------


def check_cell(node: Node, cell: Cell, terms: int) -> tuple[int, int]:
    """How many cells and outputs there are. Refuses operands that do not fit each other."""
    output, recurrent = cell.weights[OUTPUT], cell.recurrent[OUTPUT]
    output.need(output.rank == 2, "2 dimensions [cells, terms]", output.shape)
    recurrent.need(recurrent.rank in (1, 2), "1 or 2 dimensions [cells, outputs]", recurrent.shape)
    cells, outputs = output.shape[0], recurrent.shape[-1]
    output.need(cells > 0, "at least one cell", output.shape)
    node.need(node.options.cell_clip >= 0, "a cell_clip of 0 or more", node.options.cell_clip)
    node.need(node.options.proj_clip >= 0, "a proj_clip of 0 or more", node.options.proj_clip)
    _check_presence(node, cell)
    for weights in filter(None, cell.weights):
        weights.need(weights.shape == (cells, terms), f"shape {(cells, terms)}", weights.shape)
    for weights in filter(None, cell.recurrent):
        diagonal = node.op == "UNIDIRECTIONAL_SEQUENCE_LSTM" and cells == outputs
        weights.need(
            weights.shape == (cells, outputs) or (diagonal and weights.shape == (cells,)),
            f"shape {(cells, outputs)}",
            weights.shape,
        )
    for vector in filter(None, (*cell.peephole, *cell.bias, *cell.norm)):
        vector.need(vector.shape == (cells,), f"one number for each of {cells} cells", vector.shape)
    _check_projection(node, cell, cells, outputs)
    return cells, outputs


def _check_presence(node: Node, cell: Cell) -> None:
    """Each part is there for all gates or for none; the input gate's may be missing throughout."""
    coupled = cell.coupled
    gates = GATES[1:] if coupled else GATES
    for parts in (cell.weights, cell.recurrent, cell.bias):
        node.need([p is not None for p in parts] == [g in gates for g in GATES], "all parts of all gates", "some")
    for parts, able in ((cell.peephole, (INPUT, FORGET, OUTPUT)), (cell.norm, GATES)):
        there = {g for g in gates if parts[g] is not None}
        node.need(there in (set(), set(able) & set(gates)), "peephole or norm weights of all gates or none", there)


def _check_projection(node: Node, cell: Cell, cells: int, outputs: int) -> None:
    projection, bias = cell.projection, cell.projection_bias
    if projection is None:
        node.need(bias is None, "no projection bias without projection weights", "one")
        node.need(cells == outputs, f"{cells} outputs, without a projection", outputs)
        return
    projection.need(projection.shape == (outputs, cells), f"shape {(outputs, cells)}", projection.shape)
    if bias is not None:
        bias.need(bias.shape == (outputs,), f"one number for each of {outputs} outputs", bias.shape)


def check_state(state: TensorInfo, batch: int, size: int) -> None:
    """Any shape will do."""
    count = int(np.prod(state.shape, dtype=object))
    state.need(state.is_variable and count == batch * size, f"a variable of {batch} * {size} elements", state.shape)
