"""LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM: a long short-term memory, one step or a sequence.

    for every step t:  h, c = cell(input[t], h, c);  output[t] = h

The cell is that of :mod:`minilite.ops.lstm_cell`, with int8 activations of :mod:`minilite.ops.lstm_integer`. LSTM takes
[batch, terms] and makes one step; UNIDIRECTIONAL_SEQUENCE_LSTM takes [batch, time, terms], or [time, batch, terms] with
the option ``time_major``. The variables output_state h and cell_state c are kept from one invoke to the next.

Operands: for the gates (input, forget, cell, output) weights [cells, terms], recurrent weights [cells, outputs] or
diagonals [cells], peephole weights [cells] (not for the cell gate), biases [cells]; projection weights [outputs, cells]
and bias [outputs]; the states; layer normalization coefficients [cells]. All parts of the input gate, all peephole
weights, all coefficients, the projection and its bias may be absent; 20 operands are those without normalization.

In kernel set ``tflm`` UNIDIRECTIONAL_SEQUENCE_LSTM is that of :mod:`minilite.ops.lstm_micro`.

LSTM of the kernel_type BASIC has operands of its own: :mod:`minilite.ops.lstm_basic`.

Source: TensorFlow Lite's lstm and unidirectional_sequence_lstm kernels.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, boolean
from minilite.ops import lstm_cases, lstm_integer, lstm_micro
from minilite.ops.cell_activation import check_activation
from minilite.ops.lstm_basic import BASIC
from minilite.ops.lstm_cell import Cell, FloatStep, HybridStep, Scaled, check_cell, check_state, over_time
from minilite.spec import Definition, Node, Op, Operand, Shape, TensorInfo, activation, weight

Array = np.ndarray
NAMES = ("input", "forget", "cell", "output")
STATES = (18, 19)
ULP, ATOL = 16, 5e-7
"""The C library's exponential is not always rounded correctly."""


def cell_of(operands: tuple[Any, ...]) -> Cell:
    """The cell of the operators' operands (with or without layer normalization)."""
    norm = (*operands[20:24], *[None] * (24 - max(len(operands), 20)))
    return dataclasses.replace(Cell.of(operands[1:18]), norm=norm)


def time_major(node: Node) -> bool:
    """LSTM makes one step of a whole batch."""
    return node.op == "LSTM" or bool(node.options.time_major)


def shapes(node: Node, *operands: TensorInfo | None) -> tuple[Shape]:
    input = operands[0]
    assert input is not None
    rank = 2 if node.op == "LSTM" else 3
    input.need(input.rank == rank, f"{rank} dimensions", input.shape)
    batch = input.shape[1] if rank == 3 and time_major(node) else input.shape[0]
    cells, outputs = check_cell(node, cell_of(operands), input.shape[-1])
    for position, size in zip(STATES, (outputs, cells), strict=True):
        state = operands[position]
        assert state is not None
        check_state(state, batch, size)
    check_activation(node)
    return ((*input.shape[:-1], outputs),)


def run(node: Node, step: Any, operands: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """The step over the input's time."""
    x, states = operands[0], (operands[STATES[0]], operands[STATES[1]])
    outputs, h, c = over_time(step, time_major(node), states, x[None] if node.op == "LSTM" else x)
    return outputs[0] if node.op == "LSTM" else outputs, h, c


def batch_of(node: Node, x: Array) -> int:
    """How many rows go through the cell."""
    return x.shape[1] if node.op != "LSTM" and time_major(node) else x.shape[0]


def float_(node: Node, *operands: Any) -> tuple[Array, Array, Array]:
    return run(node, FloatStep(node, cell_of(operands), batch_of(node, operands[0])), operands)


@dataclass(frozen=True)
class Hybrid:
    """A node with integer weights, and its operands."""

    node: Node
    infos: tuple[TensorInfo | None, ...]


def prepare_hybrid(node: Node, *tensors: TensorInfo | None) -> Hybrid:
    for info in filter(None, cell_of(tensors[:-1]).recurrent):
        info.need((info.rank == 1) == (info.type == "float32"), "float32 of diagonals, integers of matrices", info.type)
    return Hybrid(node, tensors[:-1])


def hybrid_(p: Hybrid, *operands: Any) -> tuple[Array, Array, Array]:
    scaled = tuple(Scaled.of(i, a) for i, a in zip(p.infos, operands, strict=True))
    return run(p.node, HybridStep(p.node, cell_of(scaled), batch_of(p.node, operands[0])), operands)


@dataclass(frozen=True)
class Integer:
    """A node with integers throughout, and its multipliers."""

    node: Node
    numbers: Any


def prepare(node: Node, *tensors: TensorInfo | None) -> Integer:
    *operands, output = tensors
    input, state, cell_state = (operands[i] for i in (0, *STATES))
    infos = cell_of(tuple(operands))
    numbers = lstm_integer.numbers(node, infos, input, state, cell_state, output)
    return Integer(node, numbers)


def integer(p: Integer, *operands: Any) -> tuple[Array, Array, Array]:
    return run(p.node, p.numbers.step(cell_of(operands)), operands)


# ---- TFLite Micro ----------------------------------------------------------------------------------------------------


def prepare_micro(node: Node, *tensors: TensorInfo | None) -> Node:
    lstm_micro.check(node, cell_of(tensors[:-1]))
    return node


def micro(node: Node, *operands: Any) -> tuple[Array, Array, Array]:
    return run(node, lstm_micro.FloatStep(node, cell_of(operands)), operands)


def prepare_micro_integer(node: Node, *tensors: TensorInfo | None) -> Integer:
    operands = tensors[:-1]
    input, state, cell_state = (operands[i] for i in (0, *STATES))
    assert input is not None
    assert state is not None
    assert cell_state is not None
    return Integer(node, lstm_micro.numbers(node, cell_of(operands), input, state, cell_state))


# ---- cases -----------------------------------------------------------------------------------------------------------


def case(draw: Draw, definition: Definition) -> Case:
    """One step of a batch."""
    batch = draw.integer(1, 4)
    return _case(draw, definition, (batch,), batch, {}, draw.integer(2, 8))


def sequence_case(draw: Draw, definition: Definition) -> Case:
    """Sequences, time-major and batch-major."""
    major, time, batch = boolean(draw), draw.integer(1, 4), draw.integer(1, 3)
    leading = (time, batch) if major else (batch, time)
    return _case(draw, definition, leading, batch, {"time_major": major}, draw.integer(2, 3))


def _case(draw: Draw, definition: Definition, leading: Shape, batch: int, options: dict[str, Any], runs: int) -> Case:
    parts = lstm_cases.parts(draw, definition, diagonal="time_major" in options)
    options |= lstm_cases.options(draw, definition)
    narrow = definition.label == "int8 8x8_8"
    inputs = lstm_cases.operands(draw, definition.input_types, parts, leading, batch, narrow)
    kept = inputs[:20] if definition.arithmetic != "micro" and inputs[21] is None and boolean(draw) else inputs
    return Case(kept, options, runs=runs, intermediates=lstm_cases.intermediates(draw, definition))


# ---- the operators ---------------------------------------------------------------------------------------------------


def operands() -> tuple[Operand, ...]:
    """The operands of both operators."""
    return (
        activation("input"),
        *(weight(f"input_to_{n}_weights", optional=n == "input") for n in NAMES),
        *(weight(f"recurrent_to_{n}_weights", optional=n == "input") for n in NAMES),
        *(weight(f"cell_to_{n}_weights", optional=True) for n in NAMES if n != "cell"),
        *(
            Operand(
                f"{n}_bias", "bias", optional=n == "input", scale_of=("input", f"input_to_{n}_weights"), symmetric=True
            )
            for n in NAMES
        ),
        weight("projection_weights", optional=True),
        Operand("projection_bias", "bias", optional=True, symmetric=True),
        Operand("output_state", state=True),
        Operand("cell_state", symmetric=True, state=True),
        *(weight(f"{n}_layer_norm_coefficients", optional=True) for n in NAMES),
    )


def signature(input: str, weights: str, recurrent: str, peephole: str, bias: str, states: str, norm: str) -> str:
    """The types of all operands."""
    return (
        f"{input} {weights}? {weights} {weights} {weights} {recurrent}? {recurrent} {recurrent} {recurrent} "
        f"{peephole}? {peephole}? {peephole}? {bias}? {bias} {bias} {bias} {weights}? {bias}? {states} "
        f"{norm}? {norm}? {norm}? {norm}? -> {input}"
    )


def hybrids(*recurrent: str) -> tuple[Definition, ...]:
    """Float activations; matrices are of one type, ``recurrent`` of the same ("T") or diagonals."""
    return tuple(
        Definition(
            signature("float32", t, t if r == "T" else r, t, "float32", "float32 float32", "float32"),
            hybrid_,
            prepare_hybrid,
            label=f"hybrid {t}",
            ulp=ULP,
            atol=ATOL,
        )
        for t in ("int8", "uint8")
        for r in recurrent
    )


F32 = "float32"
FLOAT = Definition(signature(F32, F32, F32, F32, F32, "float32 float32", F32), float_, ulp=ULP, atol=ATOL)
INTEGER = Definition(signature("int8", "int8", "int8", "int16", "int32", "int8 int16", "int16"), integer, prepare)

LSTM = Op(
    "LSTM",
    inputs=operands(),
    outputs=(activation("output", same_as="output_state"),),
    definitions=(FLOAT, *hybrids("T"), INTEGER, dataclasses.replace(INTEGER, label="int8 8x8_8")),
    shapes=shapes,
    cases=case,
    version=4,
    kinds=(BASIC,),
)

UNIDIRECTIONAL_SEQUENCE_LSTM = Op(
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    inputs=operands(),
    outputs=(activation("output", same_as="output_state"),),
    definitions=(
        dataclasses.replace(FLOAT, arithmetic="cells"),
        *hybrids("T", "float32"),
        dataclasses.replace(INTEGER, arithmetic="cells"),
        dataclasses.replace(FLOAT, compute=micro, prepare=prepare_micro, arithmetic="micro"),
        dataclasses.replace(INTEGER, prepare=prepare_micro_integer, arithmetic="micro"),
    ),
    shapes=shapes,
    cases=sequence_case,
    version=4,
)
