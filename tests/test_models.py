"""Every real model in ``MINILITE_MODELS``: where LiteRT runs it, minilite runs it too, and says the same; where LiteRT
refuses it, minilite does, or the model is listed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import minilite
from tests.models import Undrawn, files, folder, inputs_of, run_one
from tests.oracle import OracleDied, OracleError, oracle

COMPILED = importlib.util.find_spec("numba") is not None
"""In ``reference`` models run compiled, which changes no bit; the table is of the definitions."""
HUGE = ("google-ai-edge+LiteRT/conv3d_huge_im2col.tflite", "google-ai-edge+LiteRT/conv_huge_im2col.tflite")
"""One operator each, and a minute's work in every set: one run will do."""
FILES = files() or [pytest.param("", marks=pytest.mark.skip("MINILITE_MODELS is not set"))]


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack"])
@pytest.mark.parametrize("file", FILES)
def test_model_equals_the_oracle(runtime: str, file: str, kernels: str) -> None:
    if file in HUGE and kernels != "reference":
        return
    outcome = run_one(file, kernels, runtime, engine="numba" if COMPILED and kernels == "reference" else "numpy")
    assert outcome.verdict in ("equal", "close", "explained", "refused", "alone"), (
        f"{outcome.verdict}: {outcome.detail}"
    )


@pytest.mark.parametrize("file", FILES)
def test_the_oracle_says_the_same_of_a_rewritten_file(runtime: str, file: str) -> None:
    if file in HUGE:
        return
    where = folder()
    assert where is not None
    content = (where / file).read_bytes()
    model = minilite.read(content)
    try:
        inputs = inputs_of(model)
        before = oracle(runtime).run(content, "builtin", inputs)
    except (Undrawn, OracleError, OracleDied):
        return  # not a model that runs: nothing to compare
    after = oracle(runtime).run(model.to_bytes(), "builtin", inputs)
    for a, b in zip(before, after, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert np.array_equal(a, b) if a.dtype == object else a.tobytes() == b.tobytes()
