"""Given the ranges that another quantizer took, minilite makes its scales, zero points, weights and biases bit by bit.

That is TFLiteConverter for ``int8`` and ``int16x8``, and litert-quantizer for the same by moving averages (``ema``).
The answers are recorded (tests/quantizer_recording.py); ``--oracle tf`` asks TensorFlow again instead.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite.model import Model, Tensor
from minilite.quantization.calibration import recorded
from tests import models, quantizer_faults
from tests.quantized_form import Operand, between, described
from tests.quantizer_faults import compared
from tests.quantizer_networks import network
from tests.quantizer_recording import PATH, Ranges, Recording, load

with np.load(PATH) as _file:
    SEEDS: list[int] = _file["seeds"].tolist()

SCHEMES = ("int8", "int16x8", "ema int8", "ema int16x8")


@functools.cache
def recordings() -> dict[int, Recording]:
    return {r.seed: r for r in load(network)}


@functools.cache
def asked(seed: int) -> Recording:
    """TensorFlow's answers of now."""
    from tests.record_quantizers import record

    recording = record(seed)
    assert recording is not None
    return recording


@functools.cache
def outcome(seed: int, scheme: str, live: bool) -> tuple[list[tuple[Operand, Operand]], list[str], int]:
    """Operands that differ without excuse; why others do; how many there are."""
    model = network(seed)
    answer = (asked(seed) if live else recordings()[seed]).answers[scheme]
    ours = described(model, quantized(model, scheme, answer.ranges))
    return *compared(model, scheme, answer.operands, ours), len(ours)


def quantized(model: Model, scheme: str, ranges: Ranges) -> Model:
    """minilite's, with int8 inputs and outputs, or float ones: as recorded."""
    names = {t.name for t in model.subgraphs[0].tensors if not t.buffer}
    known = recorded(model, {n: pair for n, pair in ranges.items() if n in names})  # without an LSTM's inner ones
    type_ = {"int8": "int8", "int8x4": "int8", "int16x8": "float32", "ema int8": "int8", "ema int16x8": "int16"}[scheme]
    if scheme.startswith("ema"):
        known = dataclasses.replace(known, method="ema")
    types = {"inference_input_type": type_, "inference_output_type": type_}
    return minilite.quantize(model, scheme.removeprefix("ema "), calibration=known, **types)


def listed(pairs: list[tuple[Operand, Operand]]) -> str:
    return "".join(f"\n{a.where}\n    theirs {a}\n    ours   {b}" for a, b in pairs)


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")  # theirs lack some ranges
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_networks(request, scheme, seed):
    live = request.config.getoption("--oracle") == "tf" and not scheme.startswith("ema")
    if live:
        pytest.importorskip("tensorflow")
    if scheme not in recordings()[seed].answers:
        pytest.skip("the other quantizer refuses it")
    bad, _, _ = outcome(seed, scheme, live)
    assert not bad, "".join(f"\n{a.where}\n    theirs {a}\n    ours   {b}" for a, b in bad)


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")  # theirs lack some ranges
def test_faults_of_theirs_are_few_and_all_there():
    """So that an excuse neither hides much nor outlives its fault."""
    outcomes = [outcome(r.seed, scheme, False) for r in recordings().values() for scheme in r.answers]
    reasons = Counter(reason for _, some, _ in outcomes for reason in some)
    texts = {text for name, text in vars(quantizer_faults).items() if name.isupper() and isinstance(text, str)}
    assert set(reasons) == texts
    assert reasons.total() < 0.02 * sum(operands for _, _, operands in outcomes)


FASHION = {
    "tf_int8": ("int8", {"inference_input_type": "int8", "inference_output_type": "int8"}),
    "tf_int8_floatio": ("int8", {}),
    "tf_uint8": ("int8", {"inference_input_type": "uint8", "inference_output_type": "uint8"}),
    "tf_16x8": ("int16x8", {}),
}


@pytest.mark.parametrize("theirs", FASHION)
@pytest.mark.parametrize("name", ["dense", "cnn", "dsnet"])
def test_fashion_mnist(name, theirs):
    """Trained networks, with the ranges that TFLiteConverter recorded of them."""
    folder = (models.folder() or Path()) / "fashion_mnist"
    if not (folder / f"{name}.tflite").exists():
        pytest.skip("needs fashion_mnist in the folder MINILITE_MODELS")
    model, expected = minilite.read(folder / f"{name}.tflite"), minilite.read(folder / f"{name}_{theirs}.tflite")
    scheme, types = FASHION[theirs]
    ours = minilite.quantize(model, scheme, ranges=json.loads((folder / f"{name}_minmax.json").read_text()), **types)
    assert described(model, ours) == described(model, expected)
    assert all(operand.type for operand in described(model, expected))
    assert between(ours) == between(expected)
    ends = [[(t.name, t.type) for t in inputs_and_outputs(m)] for m in (ours, expected)]
    assert ends[0] == ends[1]


def inputs_and_outputs(model: Model) -> list[Tensor]:
    graph = model.subgraphs[0]
    return [graph.tensors[i] for i in (*graph.inputs, *graph.outputs)]
