"""An LSTM cell as TFLite Micro computes it: all four gates and nothing else.

    s_g  = (W_g x + b_g) + R_g h                 i, f, o = logistic(s), g = tanh(s_cell)
    c    = clip(f * c + i * g, cell_clip)        h = tanh(c) * o

Floats are added one by one. Integers: each of the two products of a gate is requantized to Q3.12 and saturated to
int16, then their saturated sum goes through the tables of LOGISTIC and TANH (:mod:`minilite.ops.logistic`), which give
Q0.15. ``f * c``, ``i * g`` and the new h are requantized like any MUL: rounded twice, saturated. Multipliers are
quotients of float64; LiteRT's cell (:mod:`minilite.ops.lstm_integer`) has gemmlowp's functions and shifts instead.

Source: TFLite Micro's lstm_eval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.fixed_point import Multiplier, multiply_double_rounding, saturate, wrap32
from minilite.ops import elementary, logistic
from minilite.ops.accumulate import integer_dot, sequential_dot
from minilite.ops.lstm_cell import CELL, FORGET, INPUT, OUTPUT, Cell, clipped
from minilite.spec import Node, TensorInfo

Array = np.ndarray
Q3, Q0 = 2.0**-12, 2.0**-15
"""The scales of what goes into and comes out of the gates' functions."""


def check(node: Node, cell: Cell) -> None:
    """Refuse what TFLite Micro's cell does not have."""
    node.need(len(node.inputs) == 24, "24 operands (TFLite Micro)", len(node.inputs))
    absent = (*cell.peephole, *cell.norm, cell.projection, cell.projection_bias)
    plain = not cell.coupled and all(part is None for part in absent) and all(r.rank == 2 for r in cell.recurrent)
    node.need(plain, "a cell of four gates alone (TFLite Micro)", "peepholes, projection, normalization or CIFG")
    fused = str(node.options.fused_activation_function)
    node.need(fused == "TANH", "the activation TANH (TFLite Micro)", fused)


@dataclass(frozen=True)
class FloatStep:
    """One step of a float cell."""

    node: Node
    cell: Cell

    def __call__(self, x: Array, aux: Any, h: Array, c: Array, row: int) -> tuple[Array, Array]:
        f, i, o = (self.gate(g, x, h) for g in (FORGET, INPUT, OUTPUT))
        c = clipped(f * c + i * elementary.tanh(self.sums(CELL, x, h)), self.node.options.cell_clip)
        return elementary.tanh(c) * o, c

    def gate(self, gate: int, x: Array, h: Array) -> Array:
        return logistic.sigmoid(self.sums(gate, x, h))

    def sums(self, gate: int, x: Array, h: Array) -> Array:
        cell = self.cell
        return (_product(x, cell.weights[gate]) + cell.bias[gate]) + _product(h, cell.recurrent[gate])


def _product(x: Array, weights: Array) -> Array:
    return sequential_dot(x, np.ascontiguousarray(weights.T))


@dataclass(frozen=True)
class Numbers:
    """The integers of a cell: two multipliers a gate, those of the three products, and the tanh of the cell state."""

    weights: tuple[Multiplier, ...]
    recurrent: tuple[Multiplier, ...]
    input_zero_point: int
    state_zero_point: int
    kept: Multiplier
    new: Multiplier
    hidden: Multiplier
    tanh: logistic.Units
    clip: int

    def step(self, cell: Cell) -> Any:
        return Step(self, cell)


def numbers(node: Node, cell: Cell, input: TensorInfo, state: TensorInfo, cell_state: TensorInfo) -> Numbers:
    """The integers of a node."""
    check(node, cell)
    for info in (input, state, cell_state):
        info.need(float(info.scale) > 0, "a positive scale", info.scale)
    power = int(np.rint(np.log2(float(cell_state.scale)))) + 12
    clip = min(float(node.options.cell_clip) / float(cell_state.scale), 32767.0)
    return Numbers(
        tuple(Multiplier.of(float(input.scale) * float(w.scale) / Q3) for w in cell.weights),
        tuple(Multiplier.of(float(state.scale) * float(r.scale) / Q3) for r in cell.recurrent),
        input.zero_point,
        state.zero_point,
        Multiplier.of(Q0),
        Multiplier.of(Q0 * Q0 / float(cell_state.scale)),
        Multiplier.of(Q0 * Q0 / float(state.scale)),
        logistic.Units(3 << power, 0) if power >= 0 else logistic.Units(3, -power),
        int(clip) if node.options.cell_clip > 0 else 0,
    )


@dataclass(frozen=True)
class Step:
    """One step of an integer cell."""

    numbers: Numbers
    cell: Cell

    def __call__(self, x: Array, aux: Any, h: Array, c: Array, row: int) -> tuple[Array, Array]:
        n = self.numbers
        f, i, o = (logistic.logistic16(GATE, self.sums(g, x, h)).astype(np.int64) for g in (FORGET, INPUT, OUTPUT))
        g = logistic.tanh16(GATE, self.sums(CELL, x, h)).astype(np.int64)
        c = _int16(_int16(multiply_double_rounding(f * c, n.kept)) + _int16(multiply_double_rounding(i * g, n.new)))
        c = (np.clip(c, -n.clip, n.clip) if n.clip else c).astype(np.int16)
        hidden = multiply_double_rounding(logistic.tanh16(n.tanh, c).astype(np.int64) * o, n.hidden)
        return saturate(hidden + n.state_zero_point, "int8").astype(np.int8), c

    def sums(self, gate: int, x: Array, h: Array) -> Array:
        n, cell = self.numbers, self.cell
        acc = integer_dot(x.astype(np.int64) - n.input_zero_point, cell.weights[gate].T)
        acc = wrap32(acc + cell.bias[gate].astype(np.int64))
        recurrent = wrap32(integer_dot(h.astype(np.int64) - n.state_zero_point, cell.recurrent[gate].T))
        both = (multiply_double_rounding(acc, n.weights[gate]), multiply_double_rounding(recurrent, n.recurrent[gate]))
        return _int16(_int16(both[0]) + _int16(both[1])).astype(np.int16)


GATE = logistic.Units(3, 0)
"""Inputs of scale 2**-12 in the tables' units."""


def _int16(x: Array) -> Array:
    return np.asarray(saturate(x, "int16"))
