"""One LSTM cell on integers: int8 activations and weights, int16 gates and cell state.

8x8_16, the operators with 5 intermediate tensors: the sum of a gate is an int16 Q3.12 (with layer normalization: of the
scale of the gate's intermediate tensor),

    sum  = clip(round(W (x - z_x) + b) at s_w s_x), and again clip(sum + round(R (h - z_h))), clip(sum + round(P * c))
    N    : clip(round(N * normalized(sum) + b)), all in fixed point
    i, f, o = logistic(sum), g = tanh(sum)                gemmlowp's, int16 Q0.15;  CIFG: i = 32767 - f
    c    = clip(f * c / 2**15 + i * g * 2**-(30 + log2 s_c)), rounded half away from zero, then clipped to cell_clip
    h    = clip(round(o * tanh(c)) at 2**-30 / s_hidden) + z_hidden); with projection W_p (h - z_hidden) + b_p at
           s_p s_hidden / s_output, plus z_output, then clipped to proj_clip

Every round() is :func:`minilite.fixed_point.multiply_double_rounding`, its multiplier worked out in float32. The
intermediate tensors are those of the gates' sums and of the hidden m. The scale of the cell state is a power of two in
[2**-15, 2**-9]. Where there are fewer outputs than cells, LiteRT multiplies peephole weights with the first
outputs * rows numbers of c, as if its rows were that short; so is it here.

8x8_8 (:mod:`minilite.ops.lstm_8x8_8`), LSTM with 12 intermediate tensors (of each gate: sum, W x, R h): W x and R h are
int8 before they are added; normalization, logistic and tanh are float32; there is no input gate (CIFG) and no peephole,
but normalization, projection and its bias must be there. Of the output gate LiteRT rescales R h by numbers it finds
beyond a table's end (the shift of the forget gate's, and the zero point of the cell gate's W x): so is it here.
Source: TensorFlow Lite's lstm_eval and portable_tensor_utils.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import gemmlowp
from minilite.fixed_point import Multiplier, multiply_double_rounding, rounding_divide_by_pot, saturate, wrap32
from minilite.ops import lstm_8x8_8
from minilite.ops.accumulate import integer_dot
from minilite.ops.lstm_cell import CELL, FORGET, INPUT, OUTPUT, Cell
from minilite.spec import Node, TensorInfo

Array = np.ndarray
F32 = np.float32


@dataclass(frozen=True)
class Gate:
    """The integers of one gate: multipliers to its sum, and its layer normalization."""

    weights: Multiplier
    recurrent: Multiplier
    peephole: Multiplier | None = None
    norm: Multiplier | None = None
    guard: int = 1


@dataclass(frozen=True)
class Numbers:
    """The integers of a cell. Clips of 0 do nothing."""

    gates: tuple[Gate | None, ...]
    input_zero_point: int
    output_zero_point: int
    cell_bits: int
    cell_clip: int
    proj_clip: int
    hidden: Multiplier
    hidden_zero_point: int
    projection: Multiplier | None

    def step(self, cell: Cell) -> Any:
        return Step(self, cell)


def numbers(node: Node, cell: Cell, input: Any, state: Any, cell_state: Any, output: Any) -> Any:
    """The integers of a node of either kind, told by the number of its intermediate tensors."""
    count = len(node.intermediates)
    kinds = (5, 12) if node.op == "LSTM" else (5,)
    node.need(count in kinds, f"{' or '.join(map(str, kinds))} intermediate tensors", count)
    for info in (*(node.intermediates if count == 12 else node.intermediates[4:]), output, cell_state):
        info.need(info.quantized, "quantization scales", "none")
    clips = quantized_clip(node.options.cell_clip, cell_state), quantized_clip(node.options.proj_clip, output)
    if count == 12:
        return lstm_8x8_8.numbers(node, cell, input, state, cell_state, clips)
    hidden = node.intermediates[4]
    bits = _cell_bits(cell_state)
    return Numbers(
        tuple(None if w is None else _gate(node, cell, g, input, state, bits) for g, w in enumerate(cell.weights)),
        input.zero_point,
        state.zero_point,
        bits,
        *clips,
        Multiplier.of(F32(2.0**-15 / float(hidden.scale) * 2.0**-15)),
        hidden.zero_point,
        None if cell.projection is None else Multiplier.of(cell.projection.scale * hidden.scale / state.scale),
    )


def _cell_bits(cell_state: TensorInfo) -> int:
    """The integer bits of the cell state, 0 to 6."""
    log2 = math.log2(cell_state.scale) if cell_state.scale > 0 else -math.inf
    fits = -15 <= log2 <= -9 and abs(log2 - round(log2)) < 1e-3
    cell_state.need(fits, "a scale that is a power of two from 2**-15 to 2**-9", cell_state.scale)
    return 15 + round(log2)


def quantized_clip(clip: float, info: TensorInfo) -> int:
    """The clip in steps of the tensor, towards zero."""
    return int(saturate(F32(clip) / info.scale, info.type)) if clip > 0 else 0


def _gate(node: Node, cell: Cell, gate: int, input: TensorInfo, state: TensorInfo, bits: int) -> Gate:
    norm, peephole = cell.norm[gate], cell.peephole[gate]
    sum_scale = F32(2.0**-12) if norm is None else node.intermediates[gate].scale
    to_sum = None if peephole is None else F32(2.0 ** (bits - 15) * float(peephole.scale) / float(sum_scale))
    return Gate(
        Multiplier.of(cell.weights[gate].scale * input.scale / sum_scale),
        Multiplier.of(cell.recurrent[gate].scale * state.scale / sum_scale),
        None if to_sum is None else Multiplier.of(to_sum),
        None if norm is None else Multiplier.of(norm.scale),
        1 if norm is None else max(1, int(F32(10000) * norm.scale)),
    )


# ---- a step ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One step of a cell."""

    numbers: Numbers
    cell: Cell

    def __call__(self, x: Array, aux: Any, h: Array, c: Array, row: int) -> tuple[Array, Array]:
        n = self.numbers
        x, h, c = x.astype(np.int64) - n.input_zero_point, h.astype(np.int64) - n.output_zero_point, c.astype(np.int64)
        f = gemmlowp.logistic(self.sums(FORGET, x, h, c), 3)
        i = 32767 - f if self.cell.coupled else gemmlowp.logistic(self.sums(INPUT, x, h, c), 3)
        g = gemmlowp.tanh(self.sums(CELL, x, h, c), 3)
        kept, new = rounding_divide_by_pot(f * c, 15), rounding_divide_by_pot(i * g, 15 + n.cell_bits)
        c = clipped(saturate(kept + new, "int16"), n.cell_clip)
        o = gemmlowp.logistic(self.sums(OUTPUT, x, h, c), 3)
        return self.projected(o * gemmlowp.tanh(c, n.cell_bits)).astype(np.int8), c.astype(np.int16)

    def sums(self, gate: int, x: Array, h: Array, c: Array) -> Array:
        """What the gate's logistic or tanh is applied to."""
        cell, numbers = self.cell, self.numbers.gates[gate]
        assert numbers is not None
        norm, bias = cell.norm[gate], cell.bias[gate].astype(np.int64)
        acc = wrap32(integer_dot(x, cell.weights[gate].T) + (0 if norm is not None else bias))
        total = saturate(multiply_double_rounding(acc, numbers.weights), "int16")
        acc = wrap32(integer_dot(h, cell.recurrent[gate].T))
        total = saturate(total + multiply_double_rounding(acc, numbers.recurrent), "int16")
        if numbers.peephole is not None:
            product = short_product(cell.peephole[gate], c, h.shape[1])
            total = saturate(total + multiply_double_rounding(product, numbers.peephole), "int16")
        return total if norm is None else normalized(total, norm.astype(np.int64), bias, numbers)

    def projected(self, m: Array) -> Array:
        n = self.numbers
        hidden = multiply_double_rounding(m, n.hidden)
        if n.projection is None:
            return saturate(hidden + n.hidden_zero_point, "int8")
        bias, weights = self.cell.projection_bias, self.cell.projection
        hidden = saturate(hidden - n.hidden_zero_point, "int8") + n.hidden_zero_point
        acc = wrap32(integer_dot(hidden, weights.T) + (0 if bias is None else bias))
        return clipped(saturate(multiply_double_rounding(acc, n.projection) + n.output_zero_point, "int8"), n.proj_clip)


def short_product(weights: Array, c: Array, outputs: int) -> Array:
    """Peephole weights times the cell state, both as if a row had only ``outputs`` numbers; no product for the rest."""
    count = len(c) * outputs
    product = np.zeros(c.size, np.int64)
    product[:count] = np.tile(weights[:outputs].astype(np.int64), len(c)) * c.reshape(-1)[:count]
    return product.reshape(c.shape)


def clipped(x: Array, clip: int) -> Array:
    """``x`` in [-clip, clip], if there is a clip."""
    return np.clip(x, -clip, clip) if clip > 0 else x


def normalized(x: Array, norm: Array, bias: Array, numbers: Gate) -> Array:
    """Layer normalization of rows in fixed point: mean and deviation with 10 more bits, the result in Q3.12."""
    cells = x.shape[1]
    mean = truncated(x.sum(1, keepdims=True) * 1024, cells)
    variance = (x * x).sum(1, keepdims=True) * ((1 << 20) // cells) - mean * mean
    variance = truncated(variance, 1 << 20)
    deviation = gemmlowp.inverse_square_root(np.where(variance < 1, numbers.guard, variance))
    scaled = wrap32(multiply_double_rounding(1024 * x - mean, deviation) * norm + bias)
    rounded = truncated(scaled + np.where(scaled > 0, 512, -512), 1024)
    assert numbers.norm is not None
    to_q3 = dataclasses.replace(numbers.norm, e=numbers.norm.e + 12)
    return saturate(multiply_double_rounding(rounded, to_q3), "int16")


def truncated(x: Array, divisor: int) -> Array:
    """The quotient of integers, towards zero."""
    return np.sign(x) * (np.abs(x) // divisor)
