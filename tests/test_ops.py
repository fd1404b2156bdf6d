"""Every row, every combination of types, every kernel set, against LiteRT: no operator is named here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilite.kernel_sets import KERNEL_SETS
from minilite.spec import Definition, Op
from tests.broken_oracles import stand_in
from tests.comparison import relative_to_range, steps_apart, ulps_apart
from tests.known_differences import allowed_steps
from tests.one_operator import OneOperator
from tests.oracle import oracle
from tests.ours import compute
from tests.strategies import one_operator, rows

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
        check(op, definition, kernels, np.asarray(got), np.asarray(want), one.terms)


def check(op: Op, definition: Definition, kernels: str, got: np.ndarray, want: np.ndarray, terms: float = 0.0) -> None:
    """Integers bit for bit (or as listed); floats within the row's ULP in ``reference``, 1e-5 of range elsewhere
    (float16: a few of its own units)."""
    if want.dtype.kind in "SO":  # a scalar string comes as bytes
        assert (got.shape, got.tolist()) == (want.shape, want.tolist())
        return
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    if got.dtype.kind in "iub":
        apart = steps_apart(got, want)
        assert apart <= allowed_steps(op.name, definition.label, kernels), f"{apart} steps apart:\n{got}\n{want}"
    elif got.dtype.kind in "fc":
        with np.errstate(invalid="ignore"):  # infinities
            close = np.abs(got.astype(np.complex128) - want) <= definition.atol
        if got.dtype.kind == "f" and kernels == "reference":
            ulps = ulps_apart(got, want)
            assert np.all((ulps <= definition.ulp) | close), f"{ulps.max()} ULP apart:\n{got}\n{want}"
            return
        limit = 1e-5 if got.dtype.itemsize > 2 else 2e-3
        assert relative_to_range(got, want, terms) <= limit or np.all(close), f"{got}\n{want}"
    else:
        assert np.array_equal(got, want)
