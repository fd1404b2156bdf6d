"""NumericVerify where it may fail: LiteRT fails in the same cases."""

from __future__ import annotations

import numpy as np
import pytest
from flatbuffers import flexbuffers

import minilite
from minilite.model import Model, Operator, OperatorCode, Quantization
from minilite.testing.ours import compute
from tests.oracle import OracleError, oracle
from tests.small_models import Builder

Q = np.array([[-100, 0, 100, 127]], np.int8)
SCALE = np.float32(0.1)


def model(**options: object) -> Model:
    b = Builder()
    quantization = Quantization(scales=np.array([SCALE]), zero_points=np.array([3]))
    x, reference = b.tensor("x", (1, 4), "INT8", quantization=quantization), b.tensor("reference", (1, 4))
    y = b.tensor("y", (1, 4))
    custom = np.frombuffer(flexbuffers.Dumps(options), np.uint8)
    graph = b.subgraph((x, reference), (y,), Operator(0, (x, reference), (y,), custom_options=custom))
    return Model((OperatorCode("CUSTOM", 1, "NumericVerify"),), (graph,), tuple(b.buffers))


@pytest.mark.parametrize(
    "off, tolerance, fails", [(0.4, 0.5, False), (0.6, 0.5, True), (5, 0.05, False), (5, 9, False)]
)
def test_tolerance(off: float, tolerance: float, fails: bool, runtime: str) -> None:
    fed = [Q, (SCALE * (Q.astype(np.float32) - 3 + np.float32([[0, 0, off, 0]]))).astype(np.float32)]
    verifies = model(tolerance=tolerance, log_if_failed=True)
    if fails:
        with pytest.raises(minilite.OperatorError, match=r"within 0\.05 of the reference, got 100 for .* at 2"):
            compute(verifies, "reference", fed)
        with pytest.raises(OracleError):
            oracle(runtime).run(verifies.to_bytes(), "reference", fed)
        return
    (found,), (expected,) = (
        compute(verifies, "reference", fed),
        oracle(runtime).run(verifies.to_bytes(), "reference", fed),
    )
    assert np.array_equal(found, expected)
    quiet = model(tolerance=tolerance, log_if_failed=False)
    assert np.array_equal(compute(quiet, "reference", fed)[0], found)
