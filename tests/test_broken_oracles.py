"""Entries about broken oracles must stay true: each runtime fault is looked for, and seen, again."""

from __future__ import annotations

import re

import numpy as np
import pytest

from minilite.spec import Definition, Op
from minilite.testing.kit import difference, rows
from minilite.testing.one_operator import OneOperator, build
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


@pytest.mark.parametrize("op, label", [("TANH", "float32"), ("CONV_2D", "float32"), ("GELU", "float32")])
@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack"])
def test_rounding_is_no_fault(op: str, label: str, kernels: str, runtime: str) -> None:
    """An entry about a sound row would be found stale, even where floats are not the same bits."""
    planted = Broken(op, label, kernels, "nothing", None)
    row, definition = next((o, d) for o, d in rows() if (o.name, d.label) == (op, label))
    assert not any(shows(planted, row, definition, seed, runtime) for seed in range(CASES))


@pytest.mark.parametrize("entry", [*BROKEN, *ABORTS], ids=lambda e: f"{e.op}-{e.label}")
def test_every_entry_names_its_threads_or_says_there_are_none(entry: Broken | Abort) -> None:
    thread = r"[\w-]+/[\w-]+#\d+"
    assert re.fullmatch(rf"none found|{thread}(, {thread})*", entry.thread)


def shows(entry: Broken, op: Op, definition: Definition, seed: int, runtime: str) -> bool:
    """Whether one drawn case shows the fault: results apart by more than the row allows of sound runtimes."""
    one = drawn(op, definition, seed)
    try:
        theirs = oracle(runtime).run(one.content, entry.kernels, one.inputs)
    except (OracleError, OracleDied):
        return True
    ours = compute(one.model, entry.kernels, one.inputs)
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(ours, theirs, strict=True)]
    return any(difference(a, b, entry.kernels, one.definition, one.terms) for a, b in pairs)


@pytest.mark.parametrize("entry", [a for a in ABORTS if a.runtime == "litert"], ids=lambda e: f"{e.op}-{e.label}")
def test_litert_still_aborts(entry: Abort, runtime: str) -> None:
    """Of every model that the entry speaks of; minilite computes them."""
    op, definition = next((o, d) for o, d in rows() if (o.name, d.label) == (entry.op, entry.label))
    meant = [one for one in (drawn(op, definition, seed) for seed in range(1000)) if entry.when(one.node)]
    assert meant, "the entry speaks of no model"
    assert all(dies(one, runtime) for one in meant), "is the entry stale, or too wide?"


def drawn(op: Op, definition: Definition, seed: int) -> OneOperator:
    draw = SeededDraw(seed)
    return build(draw, op, definition, op.cases(draw, definition))


def dies(one: OneOperator, runtime: str) -> bool:
    """Whether a model ends the runtime's process; minilite computes it."""
    compute(one.model, "reference", one.inputs)
    try:
        oracle(runtime).run(one.content, "reference", one.inputs)
    except OracleDied:
        return True
    return False
