"""The engines compute the same bits."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilite.engines import engine
from minilite.errors import ArgumentError
from minilite.ops import OPS
from minilite.spec import Definition, Op
from minilite.testing.kit import rows
from minilite.testing.ours import compute
from minilite.testing.strategies import one_operator

lowering = pytest.importorskip("minilite.engines.numba.lowering")

ROWS = [pytest.param(o, d, id=f"{o.name}-{d.label}") for o, d in rows() if o.name in lowering.LOWERINGS]
SETS = ("reference", "builtin", "xnnpack")


@pytest.mark.parametrize("op, definition", ROWS)
@given(data=st.data())
def test_numba_equals_numpy(op: Op, definition: Definition, data: st.DataObject) -> None:
    """Bit for bit, floats in ``reference`` too, but for the last bit of what goes through exp. In other sets sums of
    floats have no order."""
    one, kernels = data.draw(one_operator(op, definition)), data.draw(st.sampled_from(SETS))
    slow = compute(one.model, kernels, one.inputs, "numpy")
    fast = compute(one.model, kernels, one.inputs, "numba")
    for a, b in zip(slow, fast, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.dtype == np.float32 and kernels != "reference":
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5 * _largest(a))
        elif a.dtype == np.float32 and definition.ulp:
            np.testing.assert_array_max_ulp(b, a, maxulp=1)
        elif a.dtype == np.float32:
            assert (a + np.float32(0)).tobytes() == (b + np.float32(0)).tobytes()  # but for the sign of 0
        else:
            assert a.tobytes() == b.tobytes()


def _largest(x: np.ndarray) -> float:
    finite = np.abs(x[np.isfinite(x)])
    return float(finite.max()) if finite.size else 0.0


ELEMENTWISE = [pytest.param(o, d, id=f"{o.name}-{d.label}") for o, d in rows() if o.elementwise]


@pytest.mark.parametrize("op, definition", ELEMENTWISE)
@given(data=st.data())
def test_pieces_make_the_whole(op: Op, definition: Definition, data: st.DataObject) -> None:
    one, kernels = data.draw(one_operator(op, definition)), data.draw(st.sampled_from(SETS))
    whole = compute(one.model, kernels, one.inputs, "numpy")
    with mock.patch("minilite.engines.PIECE", 64):
        pieces = compute(one.model, kernels, one.inputs, "numpy")
    for a, b in zip(whole, pieces, strict=True):
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def test_every_compiled_operator_has_a_row() -> None:
    assert lowering.LOWERINGS.keys() <= OPS.keys()


NAMED = sorted({
    named
    for source in Path(lowering.__file__).parent.glob("*.py")
    for named in re.findall(r'"([a-z0-9_]+\.[a-z0-9_]+)"', source.read_text("utf-8"))
})  # fmt: skip
"""Definitions' functions, as lowerings name them."""


def test_lowerings_name_functions_that_compute() -> None:
    """What has another name would silently run as its definition."""
    assert "conv_2d.integer" in NAMED
    assert len(NAMED) > 40
    for named in NAMED:
        file, _, name = named.partition(".")
        function = getattr(importlib.import_module(f"minilite.ops.{file}"), name)
        assert (function.__module__, function.__name__) == (f"minilite.ops.{file}", name)


def test_lowering_imports_no_operators() -> None:
    """Importing all that can be compiled would take longer than many models run."""
    there = (
        "import sys, minilite.engines.numba.linked; print(*(m for m in sys.modules if m.startswith('minilite.ops.')))"
    )
    found = subprocess.run([sys.executable, "-c", there], capture_output=True, text=True, check=True).stdout.split()
    assert set(found) <= {"minilite.ops.windows"}


def test_unknown_engine() -> None:
    with pytest.raises(ArgumentError, match="auto, numba, numpy"):
        engine("cuda")
