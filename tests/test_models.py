"""Every real model in ``MINILITE_MODELS``: where LiteRT runs it, minilite runs it too, and says the same."""

from __future__ import annotations

import pytest

from tests.models import files, run_one


@pytest.mark.parametrize("file", files() or [pytest.param("", marks=pytest.mark.skip("MINILITE_MODELS is not set"))])
def test_model_equals_the_oracle(runtime: str, file: str) -> None:
    outcome = run_one(file, "reference", runtime)
    if outcome.verdict == "refused":
        outcome = run_one(file, "builtin", runtime)
    assert outcome.verdict in ("equal", "close", "explained", "refused", "unsupported", "undrawn"), outcome.detail
