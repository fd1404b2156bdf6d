"""A declared output type unlike the kernel's: refused, or replaced, as LiteRT does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import minilite
from minilite.model import Model
from minilite.output_types import SETS_TYPE
from minilite.testing.kit import Row, rows, seeded_case
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from tests.oracle import OracleDied, OracleError, oracle

TYPES = ("FLOAT32", "INT8", "INT32", "INT64", "BOOL", "INT16")
NAMES = """
BATCH_MATMUL BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN BITCAST CUMSUM EMBEDDING_LOOKUP FULLY_CONNECTED
LSH_PROJECTION LSTM MEAN MUL REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RESHAPE RNN SEGMENT_SUM SOFTMAX
SQUEEZE STABLEHLO_ADD STABLEHLO_AND STABLEHLO_GATHER STABLEHLO_MAXIMUM STABLEHLO_MINIMUM STABLEHLO_MULTIPLY
STABLEHLO_SCATTER SUM SVDF UNIDIRECTIONAL_SEQUENCE_LSTM UNIDIRECTIONAL_SEQUENCE_RNN UNSORTED_SEGMENT_MAX
UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM aeq.hadamard_rotation
"""
UNCHECKED = set(NAMES.split())
"""What LiteRT writes without a look at the output's type: the bytes are those of another type, and some lie outside of
the tensor, which spoils the process for the tests that follow. minilite refuses it, and LiteRT is not asked."""
OF_SUBGRAPHS = {"IF", "WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE"}
"""LiteRT takes the subgraph's type; minilite refuses the file, which contradicts itself."""


def _declared(row: Row, model: Model, draw: SeededDraw) -> tuple[int, Model]:
    """The model with another type of one of its operator's outputs, and which of them."""
    graph = model.subgraphs[0]
    place = draw.integer(0, len(graph.operators[0].outputs or ()) - 1)
    index = graph.operators[0].outputs[place]  # type: ignore[index]  # there is one
    tensors = list(graph.tensors)
    other = draw.choice([t for t in TYPES if t != tensors[index].type])
    tensors[index] = dataclasses.replace(tensors[index], type=other)
    return place, dataclasses.replace(
        model, subgraphs=(dataclasses.replace(graph, tensors=tuple(tensors)), *model.subgraphs[1:])
    )


def _one_operator(row: Row) -> bool:
    operators = seeded_case(row, 1).model.subgraphs[0].operators
    return len(operators) == 1 and bool(operators[0].outputs)


@pytest.mark.parametrize("kernels, seed", [("reference", 1), ("builtin", 2)])
@pytest.mark.parametrize("row", [r for r in rows() if _one_operator(r)], ids=str)
def test_declared_output_types(runtime: str, row: Row, kernels: str, seed: int) -> None:
    one = seeded_case(row, seed)
    place, model = _declared(row, one.model, SeededDraw(len(str(row)) + seed))
    try:
        compute(one.model, kernels, one.inputs)
        ours = compute(model, kernels, one.inputs)[place].dtype
    except minilite.Error:
        ours = None
    if ours is None and row.op.name in UNCHECKED:
        return
    try:
        theirs = np.asarray(oracle(runtime).run(model.to_bytes(), kernels, one.inputs)[place]).dtype
    except (OracleError, OracleDied):
        theirs = None
    if ours is None:
        assert theirs is None or row.op.name in OF_SUBGRAPHS, f"LiteRT gives {theirs}"
    elif theirs is None:  # perhaps this set of LiteRT's lacks the operator
        with pytest.raises((OracleError, OracleDied)):
            oracle(runtime).run(one.model.to_bytes(), kernels, one.inputs)
    else:
        assert ours == theirs


def test_operators_that_set_their_type_are_rows() -> None:
    assert {row.op.name for row in rows()} >= {*SETS_TYPE, *UNCHECKED, *OF_SUBGRAPHS}
