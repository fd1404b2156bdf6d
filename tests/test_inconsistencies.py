"""Scales that contradict each other are found in the file alone, and sound files have none."""

from __future__ import annotations

import numpy as np
import pytest

import minilite
from minilite.inspection.blame import verdicts
from minilite.inspection.inconsistencies import inconsistencies
from minilite.model import Model, Quantization
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

    scales = broken_pairs.scales(INTEGERS, weights)
    scales[3] *= 2
    (found,) = inconsistencies(broken_pairs.declared(INTEGERS, weights, scales=scales))
    assert "the bias's scale of 1 of 64 channels, the first is 3, is 1/2 of s_input" in found.message
    bias = broken_pairs.operand(INTEGERS, 5, 2)
    assert dict(found.suspects) == {(0, weights): pytest.approx(2), (0, bias): pytest.approx(0.5)}  # not the input


def test_scales_in_another_order_are_said_to_be_and_the_input_has_only_one() -> None:
    weights, bias = (broken_pairs.operand(INTEGERS, 5, i) for i in (1, 2))
    scales = broken_pairs.scales(INTEGERS, weights)
    wrong = scales[broken_pairs.shuffled(64)]
    (found,) = inconsistencies(broken_pairs.declared(INTEGERS, weights, scales=wrong))
    low, high = (scales / wrong).min(), (scales / wrong).max()
    assert f" {low:.3g} to {high:.3g} times s_input · s_weights: " in found.message
    assert found.message.endswith(f"weights (tensor {weights}) or of the bias are in another order.")
    assert {tensor for (_, tensor), _ in found.suspects} == {weights, bias}
    scales[:2] *= (2, 3)
    (found,) = inconsistencies(broken_pairs.declared(INTEGERS, weights, scales=scales))
    assert "of 2 of 64 channels, the first is 0, are 0.333 to 0.5 times" in found.message
    assert found.message.endswith("are wrong in the file.")


def test_a_bias_has_no_zero_point() -> None:
    bias = broken_pairs.operand(INTEGERS, 5, 2)
    (found,) = inconsistencies(broken_pairs.declared(INTEGERS, bias, zero_points=np.int64([10])))
    assert (found.kind, found.operator[1]) == ("zero", 5)
    assert found.message.startswith(f"the bias's zero point is 10 in the file (tensor {bias}) and must be 0")


@pytest.mark.parametrize(
    ("factor", "used", "cut", "blamed"),
    [
        (4, 0.25, 0, True),
        (4, 0.05, 0, False),  # a scale that is 4 times too large does not leave as much unused
        (4, 0.9, 0, False),
        (1.15, 0.99, 0, False),  # most tensors use about 1 / 1.15 of their grids, or a little less
        (1.5, 0.6, 0, False),
        (0.25, 4, 0, True),
        (0.25, 1, 0.05, True),
        (0.25, 1, 0, False),
        (0.87, 1, 0.05, False),
    ],
)
def test_data_speak_against_an_input_only_where_they_use_what_the_factor_would_leave(
    factor: float, used: float, cut: float, blamed: bool
) -> None:
    weights, tensor = broken_pairs.operand(INTEGERS, 2, 1), (0, broken_pairs.operand(INTEGERS, 2, 0))
    (verdict,) = verdicts(broken_pairs.scaled(INTEGERS, weights, factor), {tensor: used}, {tensor: cut})
    assert (verdict.at == (0, 1)) == blamed == bool(verdict.evidence)
    assert "one of the three is wrong" in verdict.found.message


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
