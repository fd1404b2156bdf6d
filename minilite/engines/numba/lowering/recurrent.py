"""Recurrent operators: a step, or a sequence, is one call, a unit of it a row of the batch."""

from __future__ import annotations

from minilite.engines.numba.calls import Call
from minilite.engines.numba.lowering import lstm_floats, lstm_integers
from minilite.engines.numba.lowering.cells import Cells
from minilite.engines.numba.lowering.svdf import svdf
from minilite.engines.numba.lowering.task import Task

MAKERS = {
    "lstm.integer": lstm_integers.call,
    "lstm.float_": lstm_floats.call,
    "lstm.hybrid_": lstm_floats.call,
    "lstm.micro": lstm_floats.call,
}


def lstm(task: Task) -> list[Call] | None:
    maker = MAKERS.get(task.computed_by)
    if maker is None or any(i is not None and i.value is None and not i.is_variable for i in task.node.inputs[1:]):
        return None
    call = maker(Cells(task))
    return None if call is None else [call]


LOWERINGS = {"LSTM": lstm, "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm, "SVDF": svdf}
