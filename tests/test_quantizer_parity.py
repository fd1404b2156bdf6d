"""Given TFLiteConverter's recorded ranges, minilite makes its scales, zero points, weights and biases bit for bit.

The answers are recorded (tests/quantizer_recording.py); ``--oracle tf`` asks TensorFlow again instead.
"""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import pytest

import minilite
from minilite.model import Model
from tests.quantized_form import Operand, described
from tests.quantizer_faults import compared
from tests.quantizer_networks import network
from tests.quantizer_recording import PATH, Answer, Ranges, Recording, load

with np.load(PATH) as _file:
    SEEDS: list[int] = _file["seeds"].tolist()

SCHEMES = ("int8", "int16x8")


@functools.cache
def recordings() -> dict[int, Recording]:
    return {r.seed: r for r in load(network)}


@pytest.fixture
def answers(request: pytest.FixtureRequest, seed: int) -> dict[str, Answer]:
    """What TFLiteConverter makes of a network: recorded, or now."""
    if request.config.getoption("--oracle") != "tf":
        return recordings()[seed].answers
    pytest.importorskip("tensorflow")
    from tests.record_quantizers import record

    recording = record(seed)
    assert recording is not None
    return recording.answers


def quantized(model: Model, scheme: str, ranges: Ranges) -> Model:
    """minilite's, with int8 inputs and outputs, or float ones: as recorded."""
    names = {t.name for t in model.subgraphs[0].tensors}
    known = {name: pair for name, pair in ranges.items() if name in names}  # without an LSTM's inner ones
    type_ = "int8" if scheme == "int8" else "float32"
    return minilite.quantize(model, scheme, ranges=known, inference_input_type=type_, inference_output_type=type_)


def listed(pairs: list[tuple[Operand, Operand]]) -> str:
    return "".join(f"\n{a.where}\n    theirs {a}\n    ours   {b}" for a, b in pairs)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_networks(scheme, seed, answers):
    if scheme not in answers:
        pytest.skip("TFLiteConverter's quantizer refuses it")
    model = network(seed)
    ours = quantized(model, scheme, answers[scheme].ranges)
    bad, _ = compared(model, scheme, answers[scheme].operands, described(model, ours))
    assert not bad, listed(bad)


def test_faults_of_theirs_are_few_and_all_there():
    """So that an excuse neither hides much nor outlives its fault."""
    reasons: Counter[str] = Counter()
    operands = 0
    for seed, recording in recordings().items():
        model = network(seed)
        for scheme, answer in recording.answers.items():
            ours = described(model, quantized(model, scheme, answer.ranges))
            reasons.update(compared(model, scheme, answer.operands, ours)[1])
            operands += len(ours)
    import tests.quantizer_faults as faults

    texts = {text for name, text in vars(faults).items() if name.isupper() and isinstance(text, str)}
    assert set(reasons) == texts
    assert reasons.total() < 0.02 * operands
