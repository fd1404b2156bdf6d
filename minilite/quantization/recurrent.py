"""What is special about operators with state: UNIDIRECTIONAL_SEQUENCE_LSTM and SVDF.

LSTM (8x8_16): input, weights and output state are int8, the cell state is int16 with a power of two as scale,
``2**ceil(log2(max |c|)) / 32768``; weights are per-tensor, biases have the scale of the input times their gate's. The
output state is on the output's grid. Weights from the cell (peepholes) are int16. Layer normalization and projection
need ranges from inside of the operator, which no run of the float model shows.

SVDF: the state is int16; the weights over time are int16 with ten bits, ``max |w| / 511``, so that sums of products fit
int32. The kernel wants the option RELU and does not apply it: what it clips is the output's range.

Source: LiteRT's operator_property.cc and its integer kernels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minilite.quantization.graph import Node, Use
from minilite.quantization.grid import Array, Grid, per_tensor
from minilite.quantization.numbers import Numbers, magnitudes

if TYPE_CHECKING:
    from minilite.quantization.sharing import Shared

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
_PEEPHOLES = ("cell_to_input_weights", "cell_to_forget_weights", "cell_to_output_weights")

OPERAND_TYPES: Mapping[str, Mapping[str, str]] = {
    LSTM: dict.fromkeys((*_PEEPHOLES, "cell_state"), "int16"),
    "SVDF": {"weights_time": "int16", "state": "int16"},
}
"""The types of operands that are not their role's."""

_NEEDS_INNER_RANGES = ("projection_weights", "input_layer_norm_coefficients", "cell_layer_norm_coefficients")


def layer_refusal(node: Node) -> str | None:
    """Why a recurrent node stays float; None if it can be quantized, or is not recurrent."""
    if node.name != LSTM:
        return None
    names = {u.operand.name for u in node.inputs}
    found = next((name for name in _NEEDS_INNER_RANGES if name in names), None)
    return None if found is None else f"{found} need ranges from inside of the operator"


def states(node: Node, ranges: Mapping[int, tuple[float, float]], grids: Mapping[int, Grid]) -> dict[int, Grid]:
    """The grids of the state tensors of a node."""
    found = {}
    if node.name == LSTM:
        cell, state = node.named("cell_state"), node.named("output_state")
        if cell is not None and cell.tensor in ranges:
            found[cell.tensor] = per_tensor("int16", _power_of_two(ranges[cell.tensor]) / 32768)
        if state is not None and node.outputs[0].tensor in grids:
            found[state.tensor] = grids[node.outputs[0].tensor]
    elif node.name == "SVDF":
        state = node.named("state")
        if state is not None and state.tensor in ranges:
            largest = max(map(abs, ranges[state.tensor]))
            found[state.tensor] = per_tensor("int16", np.float32(max(largest, 1e-6) / 32767))
    return found


def _power_of_two(range_: tuple[float, float]) -> float:
    """The least power of two that is not below the largest magnitude, of those that the kernel takes."""
    return 2.0 ** math.ceil(math.log2(min(max(1.0, *map(abs, range_)), 64.0)))


def keep_with_output(node: Node, shared: Shared) -> None:
    """Put the output state of an LSTM on the output's grid."""
    state = node.named("output_state") if node.name == LSTM else None
    grid = shared.written(node, node.outputs[0])
    if state is not None and grid is not None:
        shared.tensors[state.tensor] = grid


def weight(node: Node, use: Use, values: Array, numbers: Numbers) -> Grid:
    """The grid of a weight: per-tensor, of 8 bits; of 16 for peepholes and of 10 for weights over time."""
    if use.operand.name == "weights_time":
        return _symmetric(values, 511)
    return _symmetric(values, 32767) if use.operand.name in _PEEPHOLES else numbers.weight(values, None)


def _symmetric(values: Array, most: int) -> Grid:
    return per_tensor("int16", np.float32(max(float(magnitudes(values, None)[0]), 5e-7) / most))


def intermediates(node: Node, shared: Shared) -> list[Grid | None]:
    """The grids of the intermediate tensors that an integer LSTM declares: four unused ones, and the hidden state."""
    if node.name != LSTM:
        return []
    return [None, None, None, None, shared.written(node, node.outputs[0])]
