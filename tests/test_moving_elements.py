"""Operators that move and pick elements: the numbers that drawn cases leave out, and what must be refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from minilite.cases import Call, Graph, Value
from minilite.errors import OperatorError
from minilite.model import Model
from minilite.testing.graph_model import graph_model
from minilite.testing.ours import compute
from tests.oracle import OracleError, oracle

NAN, INF, MOST = np.nan, np.inf, 3e38
ZEROS = [0.0, -0.0, -0.0, 0.0, NAN, 1.0, INF, -INF]
PAIRS = [0, 0, 1, 1, 2, 2, 3, 4]
BOXES = np.float32([[0, 0, 2, 2], [2, 2, 0, 0], [1, 1, 1, 3], [5, 5, 9, 9]])


@dataclass(frozen=True)
class One:
    """A model of one operator whose operands are fed: arrays as they are, lists and numbers as float32 or int32."""

    op: str
    operands: tuple[Any, ...]
    outputs: str = "float32"
    options: dict[str, Any] = field(default_factory=dict)

    def arrays(self) -> list[np.ndarray]:
        return [a if isinstance(a, np.ndarray) else _array(a) for a in self.operands]

    def model(self) -> Model:
        fed = [Value(str(a.dtype), a.shape) for a in self.arrays()]
        made = [Value(t, ()) for t in self.outputs.split()]
        inputs, outputs = tuple(range(len(fed))), tuple(range(len(fed), len(fed) + len(made)))
        call = Call(self.op, inputs, outputs, self.options)
        return graph_model([Graph((*fed, *made), (call,), inputs, outputs)])

    def __str__(self) -> str:
        return self.op


def _array(values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(np.int32 if array.dtype.kind == "i" else np.float32)


NO_ROWS = np.zeros((0, 2), np.float32)
SPECIAL = [
    One("ADD_N", ([MOST, INF, NAN, -0.0, -MOST], [MOST, -INF, 1.0, -0.0, -MOST], [1.0, 1.0, 1.0, -0.0, 1.0])),
    One("ATAN2", ([0.0, -0.0, 0.0, -0.0, INF, -INF], [1.0, 1.0, -1.0, -1.0, INF, -INF])),
    *(
        One("CUMSUM", ([-0.0, -0.0, INF, 1.0, -INF, 2.0], 0), options={"exclusive": e, "reverse": r})
        for e in (False, True)
        for r in (False, True)
    ),
    One("REVERSE_SEQUENCE", ([[1.0, 2.0], [3.0, 4.0]], [0, -1]), options={"seq_dim": 1, "batch_dim": 0}),
    One("DYNAMIC_UPDATE_SLICE", ([1.0, 2.0, 3.0], [9.0, 8.0], np.array([2**40], np.int64))),
    One("DYNAMIC_UPDATE_SLICE", ([1.0, 2.0, 3.0], [9.0, 8.0], np.array([-(2**40)], np.int64))),
    One("SCATTER_ND", ([[0], [0], [1]], [MOST, MOST, -0.0], [3])),
    One("SCATTER_ND", (np.zeros((2, 0), np.int32), [[1.0, 2.0], [3.0, 4.0]], [2])),
    One("SPARSE_TO_DENSE", ([[0, 1], [0, 1]], [1, 2], [5.0, 6.0], NAN)),
    *(One(f"UNSORTED_SEGMENT_{name}", (ZEROS, PAIRS, 6)) for name in ("SUM", "PROD", "MAX", "MIN")),
    One("UNSORTED_SEGMENT_SUM", ([1.0, 2.0, 4.0], [-1, 0, -7], 2)),
    One("UNSORTED_SEGMENT_MAX", (NO_ROWS, np.zeros(0, np.int32), 3)),
    One("BUCKETIZE", ([NAN, INF, -INF, -0.0, 0.0, 1.0],), "int32", {"boundaries": [0.0, 1.0]}),
    One("BUCKETIZE", (np.array([2**24, 2**24 + 1, 2**40 - 1], np.int64),), "int32", {"boundaries": [2.0**24, 2.0**40]}),
    One("TOPK_V2", ([NAN, 1.0, -0.0, 0.0, INF, -INF, NAN, 1.0], 8), "float32 int32"),
    One("UNIQUE", ([-0.0, 0.0, 1.0, -0.0],), "float32 int32"),
    One("WHERE", ([[0.0, -0.0], [NAN, 1e-42]],), "int64"),
    One("NON_MAX_SUPPRESSION_V4", (BOXES, [0.5, 0.5, 0.5, NAN], 6, 0.5, 0.1), "int32 int32"),
    One("NON_MAX_SUPPRESSION_V5", (BOXES, [0.5, 0.5, 0.5, 0.5], 3, 1.5, -1.0, 0.5), "int32 float32 int32"),
]
"""What comes of signed zeros, infinities, NaN, the ends of ranges and nothing at all."""


@pytest.mark.parametrize("one", SPECIAL, ids=str)
def test_special_numbers(runtime: str, one: One) -> None:
    theirs = oracle(runtime).run(one.model().to_bytes(), "builtin", one.arrays())
    ours = compute(one.model(), "builtin", one.arrays())
    for got, want in zip(ours, theirs, strict=True):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        assert np.array_equal(got, want, equal_nan=want.dtype.kind == "f"), f"{got} for {want}"
        assert np.array_equal(np.signbit(got) & (got == got), np.signbit(want) & (want == want)), f"{got} for {want}"


IMAGE = np.zeros((4, 3, 2, 2), np.float32)
REFUSED = [
    (One("BATCH_TO_SPACE_ND", (IMAGE, [3, 2], [[0, 0], [0, 0]])), "a batch divisible by 6, got 4"),
    (One("BATCH_TO_SPACE_ND", (IMAGE, [2, 2], [[0, 0], [2, 3]])), "crops that leave something"),
    (One("BATCH_TO_SPACE_ND", (IMAGE, [-2, 2], [[0, 0], [0, 0]])), "block sizes of 1 or more"),
    (One("SPACE_TO_BATCH_ND", (IMAGE, [2, 2], [[0, 0], [0, 0]])), "a padded size divisible by the block"),
    (One("SPACE_TO_BATCH_ND", (IMAGE[0, 0], [2, 2], [[0, 0], [0, 0]])), "3 or 4 dimensions"),
    (One("REVERSE_V2", (IMAGE, [0, 2])), "axes side by side"),
    (One("REVERSE_V2", (IMAGE, [4])), r"an axis in \[-4, 4\), got 4"),
    (One("REVERSE_SEQUENCE", ([[1.0]], [2]), options={"seq_dim": 1}), "lengths of at most 1, got 2"),
    (One("REVERSE_SEQUENCE", ([[1.0]], [1]), options={"seq_dim": 2}), r"seq_dim in \[0, 2\), got 2"),
    (One("ADD_N", ([[1.0]], [1.0])), "the shape of the first input"),
    (One("ONE_HOT", ([0], -1, 1.0, 0.0)), "a depth of 0 or more, got -1"),
    (One("ONE_HOT", ([0], 2, 1.0, 0.0), options={"axis": 2}), r"an axis in \[-1, 1\], got 2"),
    (One("CUMSUM", ([1.0], 1)), r"an axis in \[-1, 1\), got 1"),
    (One("BITCAST", (np.zeros(3, np.uint8),), "int32"), "4 elements along the last dimension"),
    (One("BITWISE_XOR", ([1, 2], [1, 2, 3]), "int32"), "shapes that broadcast together"),
    (One("DYNAMIC_UPDATE_SLICE", ([1.0], [1.0, 2.0], [0])), r"a box inside \(1,\)"),
    (One("SCATTER_ND", ([[3]], [1.0], [3])), r"indices in \[0, size\)"),
    (One("SCATTER_ND", ([[0]], [1.0], [-3])), "dimensions of 0 or more"),
    (One("SPARSE_TO_DENSE", ([-1], [3], [1.0], 0.0)), r"indices in \[0, size\)"),
    (One("SPARSE_TO_DENSE", ([0, 1], [3], [1.0], 0.0)), r"a scalar or shape \(2,\)"),
    (One("SEGMENT_SUM", ([1.0, 2.0], [0, 2])), "ids that start from 0 and rise by at most 1"),
    (One("UNSORTED_SEGMENT_SUM", ([1.0, 2.0], [0, 2], 2)), "ids below num_segments, 2"),
    (One("UNSORTED_SEGMENT_SUM", ([1.0, 2.0], [0, 1], -1)), "0 segments or more"),
    (One("BUCKETIZE", ([1.0],), "int32", {"boundaries": [2.0, 1.0]}), "boundaries in rising order"),
    (One("TOPK_V2", ([1.0, 2.0], 3), "float32 int32"), "at most 2"),
    (One("TOPK_V2", (np.zeros(2**15, np.float32), 1), "float32 int16"), "a last dimension that int16 can index"),
    (One("UNIQUE", ([[1.0]],), "float32 int32"), "a vector"),
    (One("WHERE", (1.0,), "int64"), "1 dimension or more"),
    (One("NON_MAX_SUPPRESSION_V4", (IMAGE[0, 0], [1.0], 1, 0.5, 0.0), "int32 int32"), r"shape \[boxes, 4\]"),
    (
        One("NON_MAX_SUPPRESSION_V4", (np.ones((1, 4), np.float32), [1.0], -1, 0.5, 0.0), "int32 int32"),
        "0 or more, got -1",
    ),
    (
        One("NON_MAX_SUPPRESSION_V5", (np.ones((1, 4), np.float32), [1.0], 1, 0.5, 0.0, -1.0), "int32 float32 int32"),
        "a soft_nms_sigma of 0 or more",
    ),
]
BEYOND = [
    (One("BROADCAST_ARGS", ([2, 3], [2, 4]), "int32"), "shapes that broadcast together"),
    (One("ATAN2", ([1.0, 2.0], [1.0])), "the shape of y"),
    (One("MATRIX_SET_DIAG", (IMAGE, [1.0])), r"shape \(4, 3, 2\)"),
    (One("REVERSE_SEQUENCE", ([[1.0], [1.0]], [1, 2]), options={"seq_dim": 1}), "lengths of at most 1, got 2"),
]
"""Where LiteRT ends the process or reads memory of others."""


@pytest.mark.parametrize("one, said", REFUSED + BEYOND, ids=str)
def test_refused(one: One, said: str) -> None:
    with pytest.raises(OperatorError, match=said) as caught:
        compute(one.model(), "reference", one.arrays())
    assert str(caught.value).startswith(f"{one.op} (operator 0 of subgraph 0)")


@pytest.mark.parametrize("one, said", REFUSED, ids=str)
def test_refused_by_the_oracle(runtime: str, one: One, said: str) -> None:
    with pytest.raises(OracleError):
        oracle(runtime).run(one.model().to_bytes(), "builtin", one.arrays())
