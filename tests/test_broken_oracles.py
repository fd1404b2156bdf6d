"""Entries about broken oracles must stay true: each runtime fault is looked for, and seen, again."""

from __future__ import annotations

import numpy as np
import pytest

from minilite.spec import Definition, Op
from minilite.testing.kit import rows
from minilite.testing.one_operator import build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from tests.broken_oracles import ABORTS, BROKEN, Abort, Broken
from tests.oracle import OracleDied, OracleError, oracle

CASES = 150


@pytest.mark.parametrize("entry", BROKEN, ids=lambda e: f"{e.op}-{e.label}-{e.kernels}")
def test_the_fault_is_still_there(entry: Broken, runtime: str) -> None:
    """Within some drawn cases the runtime refuses, dies, or says something else than minilite does."""
    matching = [(o, d) for o, d in rows() if o.name == entry.op and entry.label in (d.label, "*")]
    assert matching, "the entry speaks of no row"
    faulty = any(shows(entry, *matching[seed % len(matching)], seed, runtime) for seed in range(CASES))
    assert faulty, f"{CASES} cases ran as they should: is the entry stale?"


def shows(entry: Broken, op: Op, definition: Definition, seed: int, runtime: str) -> bool:
    """Whether one drawn case shows the fault."""
    draw = SeededDraw(seed)
    one = build(draw, op, definition, op.cases(draw, definition))
    try:
        theirs = oracle(runtime).run(one.model.to_bytes(), entry.kernels, one.inputs)
    except (OracleError, OracleDied):
        return True
    ours = compute(one.model, entry.kernels, one.inputs)
    return any(not np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("entry", [a for a in ABORTS if a.runtime == "litert"], ids=lambda e: f"{e.op}-{e.label}")
def test_litert_still_aborts(entry: Abort, runtime: str) -> None:
    op, definition = next((o, d) for o, d in rows() if (o.name, d.label) == (entry.op, entry.label))
    assert any(dies(op, definition, seed, runtime) for seed in range(1000)), "is the entry stale?"


def dies(op: Op, definition: Definition, seed: int, runtime: str) -> bool:
    """Whether one drawn case ends the runtime's process; minilite computes it."""
    draw = SeededDraw(seed)
    one = build(draw, op, definition, op.cases(draw, definition))
    try:
        oracle(runtime).run(one.content, "reference", one.inputs)
    except OracleDied:
        compute(one.model, "reference", one.inputs)
        return True
    return False
