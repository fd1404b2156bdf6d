"""BIDIRECTIONAL_SEQUENCE_LSTM: two LSTM cells, one from the first step to the last, one back.

    forward:   for t up:    h, c = cell(input[t], h, c);  fw_output[t] = h
    backward:  for t down:  h, c = cell(input[t], h, c);  bw_output[t] = h

The cells are those of :mod:`minilite.ops.lstm_cell`, of one size, without layer normalization. The input is
[time, batch, terms], or [batch, time, terms] where the option ``time_major`` is false; both cells keep their states
from one invoke to the next. With ``merge_outputs`` there is one output, the backward one behind the forward one in the
last dimension.

An auxiliary input with weights (by gate, for both cells) is added to the sums; one without is what the backward cell
reads in place of the input. (LiteRT 2.3 writes past the states' ends where it merges outputs of several rows that are
not time-major.)
Source: TensorFlow Lite's bidirectional_sequence_lstm kernel.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Arg, Case, Draw, boolean, data
from minilite.ops import lstm_cases
from minilite.ops.cell_activation import check_activation
from minilite.ops.lstm import ATOL, NAMES, ULP
from minilite.ops.lstm_cell import Cell, FloatStep, HybridStep, Scaled, check_cell, check_state, over_time
from minilite.spec import Definition, Node, Op, Operand, Shape, TensorInfo, activation, weight

Array = np.ndarray
FORWARD, BACKWARD = range(2)
STATES = ((35, 36), (37, 38))
AUX = 39


def cell_of(operands: tuple[Any, ...], direction: int) -> Cell:
    """One direction's cell."""
    first = 1 + 17 * direction
    aux = operands[40 + 4 * direction : 44 + 4 * direction]
    return dataclasses.replace(Cell.of(operands[first : first + 17]), aux=aux)


def shapes(node: Node, *operands: TensorInfo | None) -> tuple[Shape, ...]:
    input, aux = operands[0], operands[AUX]
    assert input is not None
    input.need(input.rank == 3, "3 dimensions", input.shape)
    check_activation(node)
    batch = input.shape[1] if node.options.time_major else input.shape[0]
    outputs = []
    for direction, states in enumerate(STATES):
        cell = cell_of(operands, direction)
        sizes = check_cell(node, cell, input.shape[-1])
        for position, size in zip(states, reversed(sizes), strict=True):
            state = operands[position]
            assert state is not None
            check_state(state, batch, size)
        _check_aux(node, input, aux, cell, sizes[0])
        outputs.append(sizes[1])
    added = {cell_of(operands, d).aux[1] is not None for d in (FORWARD, BACKWARD)}
    node.need(outputs[0] == outputs[1], f"{outputs[0]} outputs of both cells", outputs[1])
    node.need(len(added) == 1, "auxiliary weights for both cells or for none", "for one")
    if node.options.merge_outputs:
        return ((*input.shape[:-1], sum(outputs)),)
    return tuple((*input.shape[:-1], size) for size in outputs)


def _check_aux(node: Node, input: TensorInfo, aux: TensorInfo | None, cell: Cell, cells: int) -> None:
    there = [w is not None for w in cell.aux]
    wanted = [w is not None for w in cell.weights]
    node.need(there in ([False] * 4, wanted), "auxiliary weights of all gates or none", there)
    node.need(aux is not None or not any(there), "an auxiliary input with its weights", "weights only")
    if aux is None:
        return
    terms = aux.shape[-1] if any(there) and aux.rank else input.shape[-1]
    aux.need(aux.shape == (*input.shape[:-1], terms), f"shape {(*input.shape[:-1], terms)}", aux.shape)
    for weights in filter(None, cell.aux):
        weights.need(weights.shape == (cells, terms), f"shape {(cells, terms)}", weights.shape)


def run(node: Node, step: type[FloatStep], operands: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Both cells over the input's time. ``operands`` may be scaled weights, ``arrays`` are what was given."""
    major, x, aux = node.options.time_major, arrays[0], arrays[AUX]
    added = operands[41] is not None
    outputs, states = [], []
    for direction, (h, c) in enumerate(STATES):
        one = step(node, cell_of(operands, direction), x.shape[1] if major else x.shape[0])
        read = aux if direction == BACKWARD and aux is not None and not added else x
        found, *last = over_time(
            one, major, (arrays[h], arrays[c]), read, aux if added else None, direction == BACKWARD
        )
        outputs.append(found)
        states += last
    return (*([np.concatenate(outputs, axis=-1)] if node.options.merge_outputs else outputs), *states)


def float_(node: Node, *operands: Any) -> tuple[Any, ...]:
    return run(node, FloatStep, operands, operands)


@dataclass(frozen=True)
class Hybrid:
    """A node with integer weights, and its operands."""

    node: Node
    infos: tuple[TensorInfo | None, ...]


def prepare_hybrid(node: Node, *tensors: TensorInfo | None) -> Hybrid:
    return Hybrid(node, tensors[:48])


def hybrid_(p: Hybrid, *operands: Any) -> tuple[Any, ...]:
    scaled = tuple(Scaled.of(i, a) for i, a in zip(p.infos, operands, strict=True))
    return run(p.node, HybridStep, scaled, operands)


def case(draw: Draw, definition: Definition) -> Case:
    """Two cells of any parts, with and without auxiliary inputs, merged or not."""
    major, time, batch, merge = boolean(draw), draw.integer(1, 4), draw.integer(1, 3), boolean(draw)
    if merge and not major:
        batch = 1
    leading = (time, batch) if major else (batch, time)
    options = lstm_cases.options(draw, definition) | {"time_major": major, "merge_outputs": merge}
    types = (*definition.input_types[:18], *["float32"] * 6)
    forward, backward = (
        dataclasses.replace(lstm_cases.parts(draw, definition), norm=False) for _ in (FORWARD, BACKWARD)
    )
    backward = dataclasses.replace(
        backward,
        terms=forward.terms,
        cells=forward.cells,
        outputs=forward.outputs,
        projection=forward.projection if forward.outputs < forward.cells else backward.projection,
    )
    input, *first = lstm_cases.operands(draw, types, forward, leading, batch)
    _, *second = lstm_cases.operands(draw, types, backward, leading, batch)
    role = draw.choice((None, "added", "read"))
    terms = draw.choice((forward.terms, 3, 8)) if role == "added" else forward.terms
    aux = data((*leading, terms), -2.0, 2.0) if role else None
    added = [
        lstm_cases.weights(draw, types[1].rstrip("?"), (p.cells, terms), role != "added" or (p.coupled and g == 0))
        for p in (forward, backward)
        for g in range(4)
    ]
    states: list[Arg | None] = [*first[17:19], *second[17:19]]
    inputs = (input, *first[:17], *second[:17], *states, aux, *added)
    return Case(inputs, options, 1 if merge else 2, runs=draw.integer(2, 3))


def _cell_operands(prefix: str) -> tuple[Operand, ...]:
    return (
        *(weight(f"{prefix}_input_to_{n}_weights", optional=n == "input") for n in NAMES),
        *(weight(f"{prefix}_recurrent_to_{n}_weights", optional=n == "input") for n in NAMES),
        *(weight(f"{prefix}_cell_to_{n}_weights", optional=True) for n in NAMES if n != "cell"),
        *(Operand(f"{prefix}_{n}_bias", "bias", optional=n == "input", symmetric=True) for n in NAMES),
        weight(f"{prefix}_projection_weights", optional=True),
        Operand(f"{prefix}_projection_bias", "bias", optional=True, symmetric=True),
    )


def _definition(type_: str) -> Definition:
    """Weights of this type."""
    cell = "W? W W W W? W W W W? W? W? float32? float32 float32 float32 W? float32?"
    types = f"float32 {cell} {cell} {'float32 ' * 4} float32? {'W? ' * 8} -> float32*"
    if type_ == "float32":
        return Definition(types.replace("W", type_), float_, ulp=ULP, atol=ATOL)
    label = f"hybrid {type_}"
    return Definition(types.replace("W", type_), hybrid_, prepare_hybrid, label=label, ulp=ULP, atol=ATOL)


BIDIRECTIONAL_SEQUENCE_LSTM = Op(
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    inputs=(
        activation("input"),
        *_cell_operands("fw"),
        *_cell_operands("bw"),
        *(Operand(f"{p}_{s}_state", state=True) for p in ("fw", "bw") for s in ("output", "cell")),
        activation("aux_input", optional=True),
        *(weight(f"{p}_aux_input_to_{n}_weights", optional=True) for p in ("fw", "bw") for n in NAMES),
    ),
    outputs=(activation("fw_output"), activation("bw_output", optional=True)),
    definitions=tuple(map(_definition, ("float32", "int8", "uint8"))),
    shapes=shapes,
    cases=case,
    version=3,
)
