"""odml.scaled_dot_product_attention against its formula, an output at a time, where there is no runtime to ask."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minilite
from minilite.flexbuffers import decode
from minilite.ops import OPS
from minilite.testing.one_operator import build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw

ROW = OPS["odml.scaled_dot_product_attention"]


def direct(
    options: dict[str, float], query: np.ndarray, key: np.ndarray, value: np.ndarray, *mask: np.ndarray
) -> np.ndarray:
    """The formula in float64, loop by loop."""
    output = np.zeros(query.shape)
    scale = options.get("scale", 1 / math.sqrt(query.shape[3]))
    for b, t, n in np.ndindex(*query.shape[:3]):
        k = n // (query.shape[2] // key.shape[2])
        logits = [scale * math.fsum(np.float64(query[b, t, n]) * key[b, s, k]) for s in range(key.shape[1])]
        if "logit_cap" in options:
            logits = [options["logit_cap"] * math.tanh(v / options["logit_cap"]) for v in logits]
        if mask:
            logits = [v + float(mask[0][0, 0, t, s]) for s, v in enumerate(logits)]
        weights = [math.exp(v - max(logits)) for v in logits]
        for s, w in enumerate(weights):
            output[b, t, n] += w / math.fsum(weights) * value[b, s, k].astype(np.float64)
    return output


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack", "ideal"])
def test_formula(kernels: str) -> None:
    for seed in range(30):
        draw = SeededDraw(seed)
        case = ROW.cases(draw, ROW.definitions[0])
        one = build(draw, ROW, ROW.definitions[0], case)
        (found,) = compute(one.model, kernels, one.inputs)
        assert found.dtype == np.float32
        assert np.abs(found - direct(decode(case.custom_options), *one.inputs)).max() <= 5e-6


def test_heads_that_do_not_fit_are_refused() -> None:
    draw = SeededDraw(0)
    one = build(draw, ROW, ROW.definitions[0], ROW.cases(draw, ROW.definitions[0]))
    shapes = [a.shape for a in one.inputs]
    fed = [np.ones((*s[:2], 5, s[3]) if i in (1, 2) else s, np.float32) for i, s in enumerate(shapes)]
    with pytest.raises(minilite.OperatorError, match="a divisor of"):
        minilite.run(one.model, fed)
