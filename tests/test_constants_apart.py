"""Weights and biases that are not the float model's are named; those that quantization has changed are not."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.inspection.alignment import align
from minilite.inspection.constants_apart import constants_apart
from minilite.model import Model
from tests.broken_pairs import FLOAT, INT8, declared, filled, images, integers, operand, scaled, scales, shuffled
from tests.quantizer_networks import network, samples

pytestmark = pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")
FLOATS, INTEGERS = minilite.read(FLOAT), minilite.read(INT8)
MODELS = Path(os.environ.get("MINILITE_MODELS", "")) / "fashion_mnist"


def said(b: Model, a: Model = FLOATS) -> dict[int, tuple[str, ...]]:
    """What is said, by operator."""
    found = constants_apart(a, b, align(a, b).counterparts)
    return {operator: messages for (_, operator), messages in found.items()}


def weights(position: int, change: Callable[[np.ndarray], np.ndarray]) -> Model:
    """The demo with other integers for the weights of a layer."""
    tensor = operand(INTEGERS, position, 1)
    return filled(INTEGERS, tensor, np.ascontiguousarray(change(integers(INTEGERS, tensor))))


def one_channel(operator: int, channel: int, factor: float) -> Model:
    """The demo with the scale of one channel's weights off, and the bias adapted: no contradiction in the file."""
    found = INTEGERS
    for position in (1, 2):
        tensor = operand(INTEGERS, operator, position)
        values = scales(INTEGERS, tensor)
        values[channel] *= factor
        found = declared(found, tensor, scales=values)
    bias = integers(INTEGERS, tensor)
    bias[channel] = round(bias[channel] / factor)
    return filled(found, tensor, bias)


# ---- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", [0, 2, 4, 5, 7, 9])
@pytest.mark.parametrize(("factor", "words"), [(4, "4 times"), (0.25, "1/4 of"), (1.2, "1.2 times")])
def test_weights_times_a_constant(operator: int, factor: float, words: str) -> None:
    ((found, (message,)),) = said(scaled(INTEGERS, operand(INTEGERS, operator, 1), factor)).items()
    assert found == operator
    number = float(words.split()[0].removeprefix("1/"))
    value = float(message.removeprefix("the weights are ").split()[0].removeprefix("1/"))
    assert value == pytest.approx(number, rel=0.01)
    assert message.endswith(f"{words.split()[1]} the other side's.")


def test_one_channel_is_named() -> None:
    assert said(one_channel(2, 7, 4)) == {2: ("the weights in channel 7 are 4.002 times the other side's.",)}


def test_a_bias_that_is_zero_or_too_large() -> None:
    bias = operand(INTEGERS, 0, 2)
    values = integers(INTEGERS, bias)
    assert said(filled(INTEGERS, bias, values * 0)) == {0: ("the bias is 0, where the other side has up to 0.821.",)}
    assert said(filled(INTEGERS, bias, values * 4)) == {0: ("the bias is 4 times the other side's.",)}
    largest = int(np.abs(values).argmax())
    values[largest] = 0
    (message,) = said(filled(INTEGERS, bias, values))[0]
    assert message == f"the bias in channel {largest} is 0, where the other side has up to 0.821."
    values[largest] = 2**31 - 1
    (message,) = said(filled(INTEGERS, bias, values))[0]
    assert message.startswith(f"the bias in channel {largest} is ")
    assert message.endswith("where the other side has -0.8211.")


@pytest.mark.parametrize(
    ("operator", "change", "expected"),
    [
        (4, lambda w: w[:, ::-1, ::-1], "the other side's with height and width flipped"),
        (4, lambda w: w[:, ::-1], "the other side's with height flipped"),
        (7, lambda w: w.transpose(0, 2, 1, 3), "the other side's with height and width swapped"),
        (7, lambda w: w[..., shuffled(64)], "the other side's with their input channels in another order"),
        (5, lambda w: w[shuffled(64)], "the other side's with their channels in another order"),
        (5, lambda w: np.random.default_rng(0).permutation(w.reshape(-1)).reshape(w.shape), "not the other side's"),
        (5, lambda w: w * 0, "0, where the other side has up to "),
        (7, lambda w: np.clip(w, -127, 127) * -1, "-1 times the other side's"),
    ],
)
def test_weights_that_are_written_another_way(
    operator: int, change: Callable[[np.ndarray], np.ndarray], expected: str
) -> None:
    found = said(weights(operator, change))
    assert list(found) == [operator]
    assert expected in found[operator][0]


def test_scales_in_another_order_and_a_zero_point() -> None:
    tensor = operand(INTEGERS, 5, 1)
    values = scales(INTEGERS, tensor)[shuffled(64)]
    (message,) = said(declared(INTEGERS, tensor, scales=values))[5]
    assert message.endswith("times the other side's: their scales are in another order.")
    (message,) = said(declared(INTEGERS, tensor, zero_points=np.full(64, 40)))[5]
    assert message == "the weights are the other side's plus a constant: their zero point is wrong."


def test_two_quantized_models_are_held_against_each_other() -> None:
    assert said(scaled(INTEGERS, operand(INTEGERS, 2, 1), 4), INTEGERS) == {
        2: ("the weights are 4 times the other side's.",)
    }


# ---- what quantization does ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("int8", {}),
        ("int8", {"bias_correction": True, "per_channel": False}),
        ("int16x8", {}),
        ("int8x4", {"bias_correction": True}),
        ("weights_int8", {"rounding": "gptq", "bias_correction": True}),
        ("weights_int4", {"rounding": "gptq", "bias_correction": True}),
        ("weights_int4", {"rounding": "squant"}),
    ],
)
def test_what_quantization_changes_is_no_fault(scheme: str, options: dict[str, Any]) -> None:
    assert said(minilite.quantize(FLOATS, scheme, images(16), progress=False, **options)) == {}


@pytest.mark.parametrize("options", [{}, {"bias_correction": True}])
def test_equalization_is_recognized(options: dict[str, Any]) -> None:
    model = minilite.quantize(FLOATS, "int8", images(8), equalize=True, progress=False, **options)
    found = said(model)
    assert found
    assert all(m.endswith("cross-layer equalization.") for messages in found.values() for m in messages)
    first = min(found)
    (broken,) = said(scaled(model, operand(model, 10, 1), 4))[10]
    assert broken.startswith("the weights are 4")
    assert "and operator 3 takes that back" in found[first][0]


@pytest.mark.parametrize("seed", range(0, 60, 6))
def test_networks_of_all_kinds(seed: int) -> None:
    floats = minilite.read(network(seed).to_bytes())
    for scheme, options in (
        ("int8", {}),
        ("int8x4", {"bias_correction": True}),
        ("weights_int4", {"rounding": "gptq"}),
    ):
        model = minilite.quantize(floats, scheme, samples(floats, seed, 2), progress=False, **options)
        assert said(model, floats) == {}


@pytest.mark.skipif(not MODELS.is_dir(), reason="needs MINILITE_MODELS")
@pytest.mark.parametrize("name", ["cnn", "dense", "dsnet"])
def test_what_other_quantizers_write(name: str) -> None:
    floats = minilite.read(MODELS / f"{name}.tflite")
    files = sorted(MODELS.glob(f"{name}_*.tflite"))
    assert len(files) == 10
    assert {file.name: said(minilite.read(file), floats) for file in files} == {file.name: {} for file in files}


# ---- in a comparison -------------------------------------------------------------------------------------------------


def hints(b: Model) -> dict[int, tuple[str, ...]]:
    found = minilite.compare(FLOAT, b, images(16))
    return {t.operator[1]: t.hints for t in found.tensors if t.operator is not None and t.hints}


def test_a_comparison_says_so_and_then_accuses_nobody_else() -> None:
    broken = scaled(INTEGERS, operand(INTEGERS, 2, 1), 0.25)
    (contradiction, message) = hints(broken)[2]
    assert "one of the three is wrong" in contradiction
    assert message == "the weights are 1/4 of the other side's."
    assert hints(one_channel(2, 7, 4)) == {2: ("the weights in channel 7 are 4.002 times the other side's.",)}


def test_an_input_that_does_not_fit_its_grid() -> None:
    zeros = np.array(INTEGERS.subgraphs[0].tensors[0].quantization.zero_points)
    ((operator, (message,)),) = hints(declared(INTEGERS, 0, zero_points=zeros + 10)).items()
    assert operator == 0
    assert "of the input's numbers, 0 to 1, lie outside of what its grid holds (-0.03922 to 0.9608)" in message
    assert hints(dataclasses.replace(INTEGERS)) == {}
