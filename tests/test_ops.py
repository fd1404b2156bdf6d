"""Every row, every combination of types, every kernel set, against LiteRT: no operator is named here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilite.kernel_sets import KERNEL_SETS
from minilite.spec import Definition, Op
from minilite.testing.kit import difference, rows
from minilite.testing.one_operator import OneOperator
from minilite.testing.ours import compute
from minilite.testing.strategies import one_operator
from tests.broken_oracles import stand_in
from tests.known_differences import allowed_steps
from tests.oracle import oracle

SETS = [name for name in ("reference", "builtin", "xnnpack") if name in KERNEL_SETS]
CASES = [pytest.param(op, d, k, id=f"{op.name}-{d.label}-{k}") for op, d in rows() for k in SETS]


@pytest.mark.parametrize("op, definition, kernels", CASES)
@given(data=st.data())
def test_row_equals_the_oracle(runtime: str, op: Op, definition: Definition, kernels: str, data: st.DataObject) -> None:
    mode = stand_in(op.name, definition.label, kernels)
    if mode is None:
        pytest.skip("no oracle: see tests/broken_oracles.py")
    one: OneOperator = data.draw(one_operator(op, definition))
    expected = oracle(runtime).run(one.model.to_bytes(), mode, one.inputs, again=one.again)
    found = compute(one.model, kernels, one.inputs, again=one.again)
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        steps = allowed_steps(op.name, definition.label, kernels)
        wrong = difference(np.asarray(got), np.asarray(want), kernels, definition, one.terms, steps)
        assert not wrong, wrong
