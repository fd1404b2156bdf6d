"""Scales that contradict each other are found in the file alone, and sound files have none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import minilite
from minilite.inspection.inconsistencies import inconsistencies
from minilite.model import Model, Quantization, Tensor
from tests import broken_pairs
from tests.broken_pairs import FLOAT, INT8
from tests.quantizer_networks import network, samples
from tests.small_models import Builder, one

INTEGERS = minilite.read(INT8)


def grid(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization(np.float32([scale]), np.int64([zero_point]))


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")
@pytest.mark.parametrize("seed", range(0, 60, 5))
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_what_the_quantizer_writes_has_none(seed: int, scheme: str) -> None:
    floats = minilite.read(network(seed).to_bytes())
    model = minilite.quantize(floats, scheme, samples(floats, seed, 2))
    assert inconsistencies(model) == ()


def test_the_demos_have_none() -> None:
    assert inconsistencies(INTEGERS) == inconsistencies(minilite.read(FLOAT)) == ()


@pytest.mark.parametrize("tensor, expected", [(16, [("bias", 1)]), (19, [("shared", 3), ("bias", 4)]), (21, [])])
def test_a_wrong_scale_contradicts_what_reads_it(tensor: int, expected: list[tuple[str, int]]) -> None:
    found = inconsistencies(broken_pairs.scaled(INTEGERS, tensor, 4))
    assert [(i.kind, i.operator[1]) for i in found] == expected
    for i in found:
        assert dict(i.suspects)[0, tensor] == pytest.approx(4)


def test_one_channel_of_many() -> None:
    weights = broken_pairs.operand(INTEGERS, 5, 1)

    def change(t: Tensor) -> Tensor:
        scales = np.array(t.quantization.scales)
        scales[3] *= 2
        return dataclasses.replace(t, quantization=dataclasses.replace(t.quantization, scales=scales))

    (found,) = inconsistencies(broken_pairs.changed(INTEGERS, weights, change))
    assert "the bias's scale of 1 of 64 channels, the first is 3, is 1/2 of s_input" in found.message


def test_rounding_of_scales_is_no_fault_and_a_bias_of_zeros_neither() -> None:
    bias = broken_pairs.operand(INTEGERS, 5, 2)
    assert inconsistencies(broken_pairs.scaled(INTEGERS, bias, 1.0005)) == ()
    assert [i.kind for i in inconsistencies(broken_pairs.scaled(INTEGERS, bias, 1.002))] == ["bias"]
    nothing = broken_pairs.filled(INTEGERS, bias, np.zeros(64, np.int32))
    assert inconsistencies(broken_pairs.scaled(nothing, bias, 9)) == ()


def softmax(type_: str, input_type: str, scale: float, zero_point: int) -> Model:
    b = Builder()
    x = b.tensor("x", (1, 4), input_type, quantization=grid(0.1))
    return one(
        b,
        "SOFTMAX",
        (x,),
        (b.tensor("y", (1, 4), type_, quantization=grid(scale, zero_point)),),
        "SoftmaxOptions",
        beta=1.0,
    )


def test_a_prescribed_scale() -> None:
    assert inconsistencies(softmax("INT8", "INT8", 1 / 256, -128)) == ()
    (found,) = inconsistencies(softmax("INT8", "INT8", 1 / 64, -128))
    assert (found.kind, found.suspects) == ("fixed", (((0, 1), 4.0),))
    assert "prescribes scale 0.00390625, zero point -128" in found.message
    assert [i.kind for i in inconsistencies(softmax("INT8", "INT8", 1 / 256, 0))] == ["fixed"]
    assert inconsistencies(softmax("INT16", "INT8", 1 / 65536, -32768)) == ()  # TFLite Micro's, with a rule of its own


def joined(type_: str, second: Quantization) -> Model:
    b = Builder()
    x, y = (b.tensor(n, (1, 2), type_, quantization=q) for n, q in (("x", grid(0.5)), ("y", second)))
    z = b.tensor("z", (1, 4), type_, quantization=grid(0.5))
    return one(b, "CONCATENATION", (x, y), (z,), "ConcatenationOptions", axis=1)


def test_operands_that_must_share_a_grid() -> None:
    assert inconsistencies(joined("INT8", grid(0.5))) == ()
    (found,) = inconsistencies(joined("INT8", grid(1.0)))
    assert "its values (tensor 1: scale 1, zero point 0) is not that of its values (tensor 0: " in found.message
    assert "the same integers stand for 2 times the real numbers" in found.message
    (shifted,) = inconsistencies(joined("INT8", grid(0.5, 3)))
    assert shifted.message.endswith("the real numbers are shifted.")
    assert inconsistencies(joined("UINT8", grid(1.0))) == ()  # these are rescaled
