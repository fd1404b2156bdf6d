"""The LSTM cell whose products are int8: LSTM with 12 intermediate tensors, see :mod:`minilite.ops.lstm_integer`.

u = clip8(round(W (x - z_x)) + z_u), v = clip8(round(R (h - z_h)) + z_v)
s = clip16(round((u - z_u) s_u / s_s) + round((v - z_v) s_v / s_s))
s = clip16(round((s - mean) / deviation * N * s_N + b * s_N / 1024) at 2**-12)                        in float32
f, o = trunc(2**15 logistic(s / 2**12)), g = trunc(2**15 tanh(s / 2**12))                              in float32
c = clip16(f * c / 2**15 + (32767 - f) * g / 2**15), m = o * trunc(2**15 tanh(c / 2**15)) / 2**15
h = clip8(round(W_p m + b_p) + z_h)
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.fixed_point import (
    Multiplier,
    multiply_double_rounding,
    multiply_int64,
    round_half_away,
    rounding_divide_by_pot,
    saturate,
    wrap32,
)
from minilite.ops import elementary
from minilite.ops.accumulate import integer_dot
from minilite.ops.lstm_cell import CELL, FORGET, OUTPUT, Cell
from minilite.spec import Node, TensorInfo

Array = np.ndarray
F32 = np.float32


@dataclass(frozen=True)
class Gate:
    """The integers of one gate: of the products u and v, and how they become their sum."""

    weights: Multiplier
    recurrent: Multiplier
    zero_points: tuple[int, int]
    u_to_sum: Multiplier
    v_to_sum: Multiplier
    norm_scale: np.float32


@dataclass(frozen=True)
class Numbers:
    """The integers of a cell. Clips of 0 do nothing."""

    gates: dict[int, Gate]
    input_zero_point: int
    output_zero_point: int
    cell_clip: int
    proj_clip: int
    projection: Multiplier

    def step(self, cell: Cell) -> Any:
        return Step(self, cell)


def numbers(
    node: Node, cell: Cell, input: TensorInfo, state: TensorInfo, cell_state: TensorInfo, clips: tuple[int, int]
) -> Numbers:
    """The integers of a node."""
    there = cell.projection is not None and cell.projection_bias is not None and cell.norm[FORGET] is not None
    node.need(there, "projection, its bias and layer normalization", "not all of them")
    cell_state.need(cell_state.scale == 2.0**-15, "a scale of 2**-15", cell_state.scale)
    state.need(float(state.scale) > 0, "a positive scale", state.scale)
    gates = {g: _gate(node, cell, g, input, state) for g in (FORGET, CELL, OUTPUT)}
    gates[OUTPUT] = _misread(gates)
    return Numbers(
        gates,
        input.zero_point,
        state.zero_point,
        clips[0] if node.options.cell_clip < 1 else 0,
        clips[1],
        Multiplier.of(F32(float(cell.projection.scale) * 2.0**-15 / float(state.scale))),
    )


def _gate(node: Node, cell: Cell, gate: int, input: TensorInfo, state: TensorInfo) -> Gate:
    total, u, v = node.intermediates[3 * gate : 3 * gate + 3]
    for info in (total, u, v):
        info.need(float(info.scale) > 0, "a positive scale", info.scale)
    norm = Multiplier.of(cell.norm[gate].scale)
    return Gate(
        Multiplier.of(cell.weights[gate].scale * input.scale / u.scale),
        Multiplier.of(cell.recurrent[gate].scale * state.scale / v.scale),
        (u.zero_point, v.zero_point),
        Multiplier.of(u.scale / total.scale),
        Multiplier.of(v.scale / total.scale),
        F32(float(norm.q) * 2.0 ** float(norm.e - 31)),
    )


def _misread(gates: dict[int, Gate]) -> Gate:
    """The output gate as LiteRT takes it from its tables."""
    output = gates[OUTPUT]
    return dataclasses.replace(
        output,
        zero_points=(output.zero_points[0], gates[CELL].zero_points[0]),
        v_to_sum=Multiplier(gates[FORGET].v_to_sum.e, output.v_to_sum.e),
    )


@dataclass(frozen=True)
class Step:
    """One step of a cell."""

    numbers: Numbers
    cell: Cell

    def __call__(self, x: Array, aux: Any, h: Array, c: Array, row: int) -> tuple[Array, Array]:
        n = self.numbers
        x, h, c = x.astype(np.int64) - n.input_zero_point, h.astype(np.int64) - n.output_zero_point, c.astype(np.int64)
        f, g = _logistic(self.sums(FORGET, x, h)), _tanh(self.sums(CELL, x, h), 12)
        c = saturate(rounding_divide_by_pot(f * c, 15) + rounding_divide_by_pot((32767 - f) * g, 15), "int16")
        c = np.clip(c, -n.cell_clip, n.cell_clip) if n.cell_clip > 0 else c
        m = rounding_divide_by_pot(_logistic(self.sums(OUTPUT, x, h)) * _tanh(c, 15), 15)
        return self.projected(m).astype(np.int8), c.astype(np.int16)

    def sums(self, gate: int, x: Array, h: Array) -> Array:
        """What the gate's logistic or tanh is applied to."""
        cell, n = self.cell, self.numbers.gates[gate]
        u = _product(x, cell.weights[gate], n.weights, n.zero_points[0])
        v = _product(h, cell.recurrent[gate], n.recurrent, n.zero_points[1])
        total = multiply_double_rounding(u, n.u_to_sum) + multiply_double_rounding(v, n.v_to_sum)
        return normalized(saturate(total, "int16"), cell.norm[gate], cell.bias[gate], n.norm_scale)

    def projected(self, m: Array) -> Array:
        n = self.numbers
        acc = integer_dot(m, self.cell.projection.T) + self.cell.projection_bias
        h = saturate(multiply_int64(acc, n.projection) + n.output_zero_point, "int8")
        return np.clip(h, -n.proj_clip, n.proj_clip) if n.proj_clip > 0 else h


def _product(x: Array, weights: Array, m: Multiplier, zero_point: int) -> Array:
    """The product in int8, without its zero point."""
    product = multiply_double_rounding(wrap32(integer_dot(x, weights.T)), m)
    return saturate(product + zero_point, "int8") - zero_point


def normalized(x: Array, norm: Array, bias: Array, scale: np.float32) -> Array:
    """Layer normalization of rows in float32, sums from the first to the last, to Q3.12."""
    real, cells = x.astype(F32), F32(x.shape[1])
    mean = np.add.accumulate(real, axis=1)[:, -1:] / cells
    variance = np.add.accumulate(real * real, axis=1)[:, -1:] / cells - mean * mean
    inverse = F32(1) / np.sqrt(np.where(variance == 0, F32(1e-8), variance))
    weighted = (real - mean) * inverse * norm.astype(F32) * scale + bias.astype(F32) * (F32(2.0**-10) * scale)
    return saturate(elementary.to_int32(round_half_away(weighted * F32(4096))), "int16")


def _logistic(x: Array) -> Array:
    real = x.astype(F32) * F32(2.0**-12)
    return _q15(F32(1) / (F32(1) + elementary.exp(-real)))


def _tanh(x: Array, fraction_bits: int) -> Array:
    return _q15(elementary.tanh(x.astype(F32) * F32(2.0**-fraction_bits)))


def _q15(x: Array) -> Array:
    return saturate((x * F32(32768)).astype(np.int64), "int16")
