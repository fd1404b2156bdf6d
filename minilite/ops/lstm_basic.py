"""LSTM with the option kernel_type BASIC: one step of a cell whose weights are one matrix.

    s = W [input, h] + b, by quarters s_i, s_g, s_f, s_o
    c = logistic(s_i) * tanh(s_g) + logistic(s_f) * c
    h = logistic(s_o) * tanh(c)

input [batch, terms]; h (prev_activation) and c (prev_state) [batch, depth], both kept from one invoke to the next;
weights [4 * depth, terms + depth]; biases [4 * depth]. The outputs are h, c, [input, h] and s.

Integers: uint8 input, h and weights, input and h of scale 1/128 and zero point 128; int32 biases; s is an int16 Q3.12,
requantized by ``4096 * s_biases`` with ties up in all kernel sets; c is an int16 of scale 2**-11, Q4.11. Products are
gemmlowp's of fixed-point numbers, and c is saturated to Q3.12 for its tanh.

Source: TensorFlow Lite's lstm kernel and LstmCell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import gemmlowp
from minilite.cases import Case, Draw, constant, data
from minilite.fixed_point import Multiplier, multiply_half_up, rounding_divide_by_pot, saturate, wrap32
from minilite.ops.accumulate import eigen_dot, integer_dot
from minilite.ops.cell_activation import logistic, tanh
from minilite.ops.lstm_cell import finite
from minilite.spec import Definition, Node, Op, Operand, Shape, TensorInfo, activation, weight

Array = np.ndarray
STATE_SCALE = 2.0**-11


def shapes(
    node: Node, input: TensorInfo, h: TensorInfo, weights: TensorInfo, biases: TensorInfo, c: TensorInfo
) -> tuple[Shape, ...]:
    input.need(input.rank == 2, "2 dimensions [batch, terms]", input.shape)
    h.need(h.rank == 2 and h.shape[0] == input.shape[0], f"shape [{input.shape[0]}, depth]", h.shape)
    (batch, terms), depth = input.shape, h.shape[1]
    weights.need(weights.shape == (4 * depth, terms + depth), f"shape {(4 * depth, terms + depth)}", weights.shape)
    biases.need(biases.shape == (4 * depth,), f"shape {(4 * depth,)}", biases.shape)
    c.need(c.shape == h.shape, f"shape {h.shape}", c.shape)
    for state in (h, c):
        state.need(not state.constant, "a variable or an input, which is written", "a constant")
    return h.shape, h.shape, (batch, terms + depth), (batch, 4 * depth)


def float_(node: Node, input: Array, h: Array, weights: Array, biases: Array, c: Array) -> tuple[Array, ...]:
    joined = np.concatenate([input, h], axis=1)
    product = eigen_dot(joined, weights) if node.sums == "sequential" else joined @ weights.T
    sums = finite(product + biases)
    i, g, f, o = np.split(sums, 4, axis=1)
    new = _logistic(i) * tanh(g) + _logistic(f) * c
    output = _logistic(o) * tanh(new)
    return output, new, joined, sums, output, new


def _logistic(x: Array) -> Array:
    """A row at a time."""
    return np.stack([logistic(row, b * x.shape[1]) for b, row in enumerate(x)]) if len(x) else x


@dataclass(frozen=True)
class Prepared:
    """The weights' zero point, and the multiplier that makes sums int16."""

    weights_zero_point: int
    to_sums: Multiplier


def prepare(
    node: Node,
    input: TensorInfo,
    h: TensorInfo,
    weights: TensorInfo,
    biases: TensorInfo,
    c: TensorInfo,
    *outputs: TensorInfo,
) -> Prepared:
    state = outputs[1]
    state.need(abs(float(state.scale) - STATE_SCALE) < 1e-6, f"a scale of {STATE_SCALE}", state.scale)
    return Prepared(weights.zero_point, Multiplier.of(np.float32(4096) * biases.scale))


def integer(p: Prepared, input: Array, h: Array, weights: Array, biases: Array, c: Array) -> tuple[Array, ...]:
    joined = np.concatenate([input, h], axis=1)
    acc = integer_dot(joined.astype(np.int32) - 128, (weights.astype(np.int32) - p.weights_zero_point).T) + biases
    sums = saturate(multiply_half_up(wrap32(acc), p.to_sums), "int16")
    i, g, f, o = np.split(sums, 4, axis=1)
    new_part = gemmlowp.multiply(gemmlowp.logistic(i, 3), gemmlowp.tanh(g, 3), 16)
    kept = gemmlowp.multiply(gemmlowp.logistic(f, 3), c.astype(np.int64), 16)
    new = saturate(rounding_divide_by_pot(new_part, 4) + kept, "int16")
    m = gemmlowp.multiply(gemmlowp.logistic(o, 3), gemmlowp.tanh(gemmlowp.multiply_by_pot(new, 1, 16), 3), 16)
    output = (saturate(rounding_divide_by_pot(m, 8), "int8") + 128).astype(np.uint8)
    state = new.astype(np.int16)
    return output, state, joined, sums.astype(np.int16), output, state


def applies(options: Any) -> bool:
    return options is not None and options.get("kernel_type") == "BASIC"


def case(draw: Draw, definition: Definition) -> Case:
    """Several steps."""
    batch, terms, depth = draw.integer(1, 4), draw.choice((1, 2, 5, 8, 17)), draw.choice((1, 2, 4, 7, 8, 16, 17))
    reach = draw.choice((1.0, 3.0)) / (terms + depth) ** 0.5
    scale = float(np.float32(reach / 128))
    weights, biases = data((4 * depth, terms + depth), -reach, reach), data((4 * depth,), -1.0, 1.0)
    if definition.label == "basic uint8":
        weights = data(weights.shape, scale=scale, zero_point=draw.integer(110, 140))
        values = draw.random.integers(-20000, 20000, 4 * depth)
        biases = constant(values, scale=float(np.float32(scale / 128)))
    inputs = (data((batch, terms), -1.0, 1.0), data((batch, depth)), weights, biases, data((batch, depth)))
    return Case(inputs, {"kernel_type": "BASIC"}, outputs=4, runs=draw.integer(2, 6))


ONE, STATE, SUMS = ("uint8", 1 / 128, 128), ("int16", STATE_SCALE, 0), ("int16", 2.0**-12, 0)

BASIC = Op(
    "LSTM",
    inputs=(
        activation("input", fixed=(ONE,)),
        Operand("prev_activation", fixed=(ONE,), state=True),
        weight("weights"),
        Operand("biases", "bias", scale_of=("input", "weights"), symmetric=True),
        Operand("prev_state", fixed=(STATE,), state=True),
    ),
    outputs=(
        activation("activation", fixed=(ONE,)),
        activation("state", fixed=(STATE,)),
        activation("concatenated", fixed=(ONE,)),
        activation("sums", fixed=(SUMS,)),
    ),
    definitions=(
        Definition(
            "float32 float32 float32 float32 float32 -> float32 float32 float32 float32",
            float_,
            label="basic float32",
            ulp=16,
            atol=5e-7,
        ),
        Definition("uint8 uint8 uint8 int32 int16 -> uint8 int16 uint8 int16", integer, prepare, label="basic uint8"),
    ),
    shapes=shapes,
    cases=case,
    version=4,
    applies=applies,
)
