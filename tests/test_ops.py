"""Every row, every combination of types, every kernel set, against LiteRT: no operator is named here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilite.spec import Definition, Op
from minilite.testing.kit import difference, rows
from minilite.testing.one_operator import OneOperator
from minilite.testing.ours import compute
from minilite.testing.strategies import one_operator
from tests.broken_oracles import aborts, stand_in
from tests.known_differences import allowed_steps
from tests.oracle import OracleDied, oracle

SETS = ("reference", "builtin", "xnnpack")
ROWS = [pytest.param(op, d, id=f"{op.name}-{d.label}") for op, d in rows()]


@pytest.mark.parametrize("op, definition", ROWS)
@given(data=st.data())
def test_row_equals_the_oracle(runtime: str, op: Op, definition: Definition, data: st.DataObject) -> None:
    modes = {kernels: stand_in(op.name, definition.label, kernels) for kernels in SETS}
    if not any(modes.values()):
        pytest.skip("no oracle: see tests/broken_oracles.py")
    one: OneOperator = data.draw(one_operator(op, definition))
    try:
        expected = {m: oracle(runtime).run(one.content, m, one.inputs, again=one.again) for m in {*modes.values()} if m}
    except OracleDied:
        assert aborts(one, "litert"), "the runtime died; see ABORTS in tests/broken_oracles.py"
        return
    for kernels, mode in modes.items():
        if mode:
            check(op, one, kernels, expected[mode])


def check(op: Op, one: OneOperator, kernels: str, expected: list[Any]) -> None:
    """minilite's results in a kernel set are the runtime's."""
    found = compute(one.model, kernels, one.inputs, again=one.again)
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        steps = allowed_steps(op.name, one.definition.label, kernels)
        wrong = difference(np.asarray(got), np.asarray(want), kernels, one.definition, one.terms, steps)
        assert not wrong, f"{kernels}: {wrong}"
