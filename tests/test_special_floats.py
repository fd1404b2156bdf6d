"""NaN, infinities, denormals, -0 and the largest numbers in every operator of floats: what LiteRT makes of them.

Batches of nothing and shapes without elements are drawn by the rows' own cases; int32 that wrap, casts that saturate
and NaN in comparisons are in tests/test_element_by_element.py and the rows' cases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minilite
from minilite.spec import Definition, Op
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from tests.oracle import OracleError, oracle

SPECIAL = np.array([np.nan, np.inf, -np.inf, 1e-45, -1e-39, -0.0, 0.0, 3.4e38, -3.4e38], np.float32)
SEEDS = range(6)
ROWS = [
    pytest.param(op, d, id=f"{op.name}-{d.label}")
    for op, d in rows()
    if any(t.rstrip("?*") == "float32" for t in d.input_types)
]

HYBRID = (
    "the largest magnitude of a row becomes its scale: with NaN or an infinity in it the scale is none, and integers "
    "are made of it that C++ leaves undefined"
)
KNOWN = {
    "ARG_MIN-": "LiteRT compares the last axis in four lanes, and loses those that hold NaN",
    "GELU-float32": "1 + erf cancels for the most negative numbers, and few bits of erf's are left",
    "RFFT2D-": "which part of a complex number is NaN, and with which sign, depends on the order of its sums",
    "TFLite_Detection_PostProcess-uint8 by float32": "what is sorted by scores that are NaN has no order",
    "UNIDIRECTIONAL_SEQUENCE_RNN-float32": "SIGN_BIT tells the sign of a NaN, which nothing defines",
    "UNIQUE-": "LiteRT's NaNs are keys of an ordered map, which gives them to each other and to neighbours",
}
"""How the rows begin whose results differ, at least for one of the seeds, and why."""


def why(op: Op, definition: Definition) -> str:
    """Why a row may differ, or nothing."""
    known = (reason for begin, reason in KNOWN.items() if f"{op.name}-{definition.label}".startswith(begin))
    return HYBRID if "hybrid" in definition.label else next(known, "")


def drawn(op: Op, definition: Definition, seed: int) -> OneOperator | None:
    """A case with special numbers among those it feeds, or None if it feeds none."""
    draw, random, fed = SeededDraw(seed), np.random.default_rng(seed), False
    one = build(draw, op, definition, op.cases(draw, definition))
    for array in one.inputs:
        if array.dtype == np.float32 and array.size:
            array[...] = np.where(random.random(array.shape) < 0.3, random.choice(SPECIAL, array.shape), array)
            fed = True
    return one if fed else None


@pytest.mark.parametrize("op, definition", ROWS)
def test_special_floats_end_like_litert(op: Op, definition: Definition) -> None:
    pytest.importorskip("ai_edge_litert")
    apart = []
    for seed in SEEDS:
        one = drawn(op, definition, seed)
        if one is None:
            continue
        try:
            expected = oracle().run(one.content, "reference", one.inputs, again=one.again)
        except OracleError:  # LiteRT's reference kernels have not all operators
            continue
        try:
            found = compute(one.model, "reference", one.inputs, again=one.again)
        except minilite.Error as error:
            apart.append((seed, error))
            continue
        apart += [(seed, a, b) for a, b in zip(found, expected, strict=True) if not _same(a, b, definition.ulp)]
    reason = why(op, definition)
    if not reason:
        assert not apart, apart[0]
    elif reason is not HYBRID:
        assert apart, f"an entry that is no longer true: {reason}"


def _same(a: Any, b: Any, ulp: int) -> bool:
    """Equality, NaN included; numbers that go through exp and its like may be off by the row's last bits."""
    a, b = np.asarray(a), np.asarray(b)
    if (a.dtype, a.shape) != (b.dtype, b.shape) or a.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    if np.array_equal(a, b, equal_nan=True):
        return True
    usual = np.isfinite(a) & np.isfinite(b)
    if a.dtype.kind == "c" or not ulp or not np.array_equal(a[~usual], b[~usual], equal_nan=True):
        return False
    try:
        np.testing.assert_array_max_ulp(a[usual], b[usual], maxulp=ulp)
    except AssertionError:
        return False
    return True
