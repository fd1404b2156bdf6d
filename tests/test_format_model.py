"""A model is plain data: equal when it says the same, immutable, and copied like any other value."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from typing import Any

import numpy as np
import pytest

from minilite.model import Buffer, Model, Operator, OperatorCode, Options, Quantization, Tensor
from minilite.schema import make_options
from tests.format_bytes import outside_model
from tests.small_models import every_detail

CONV = make_options("Conv2DOptions", stride_w=2)


def array(*values: Any, dtype: Any = np.float32) -> np.ndarray:
    return np.array(values, dtype)


@pytest.mark.parametrize("part", [Operator, Tensor, Quantization, Buffer, Model, OperatorCode])
def test_equality_sees_every_field(part: type[Any]) -> None:
    for field in dataclasses.fields(part):
        assert dataclasses.replace(part(), **{field.name: ("other",)}) != part()
    assert part() == part()
    assert part() != "other"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (array(1, math.nan), array(1, math.nan), True),
        (array(0.0), array(-0.0), False),
        (array(1), array(1, 2), False),
        (array(0, dtype=np.int32), array(0), False),
        (array(0), (0.0,), False),
        (None, array(0), False),
        (array(), None, False),
    ],
)
def test_arrays_are_compared_bit_by_bit(one: Any, other: Any, equal: bool) -> None:
    assert (Quantization(scales=one) == Quantization(scales=other)) is equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(math.nan, math.nan, True), (0.0, -0.0, False), (0.0, 0.0, True), (1.0, 2.0, False), (math.nan, 1.0, False)],
)
def test_floats_are_compared_bit_by_bit(one: float, other: float, equal: bool) -> None:
    assert (make_options("SoftmaxOptions", beta=one) == make_options("SoftmaxOptions", beta=other)) is equal


def test_options_of_two_tables_are_not_equal() -> None:
    assert make_options("MulOptions") != make_options("DivOptions")
    assert make_options("AbsOptions") != make_options("CosOptions")
    assert Options("MulOptions", {}) != make_options("MulOptions")
    assert make_options("MulOptions") != {"fused_activation_function": "NONE"}


def test_options_are_attributes_and_items() -> None:
    assert CONV.stride_w == CONV["stride_w"] == 2
    assert len(CONV) == 7
    assert "padding" in CONV
    assert repr(make_options("SoftmaxOptions", beta=1.0)) == "SoftmaxOptions(beta=1.0)"


def test_a_misspelt_option_names_the_others() -> None:
    with pytest.raises(AttributeError, match=r"Conv2DOptions has no field 'stride'; it has padding, stride_w,"):
        _ = CONV.stride
    with pytest.raises(AttributeError, match=r"AbsOptions has no field 'x'; it has none"):
        _ = make_options("AbsOptions").x
    assert not hasattr(CONV, "__array__")


def test_nothing_can_be_assigned() -> None:
    for part in (CONV, Tensor(), Model()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            part.name = 1


@pytest.mark.parametrize("model", [outside_model, every_detail])
def test_copies_are_equal(model: Any) -> None:
    original = model()
    assert copy.deepcopy(original) == original
    assert pickle.loads(pickle.dumps(original)) == original


def test_operator_codes_have_names() -> None:
    assert OperatorCode("CONV_2D").name == "CONV_2D"
    assert OperatorCode(300).name == "UNKNOWN_300"
    assert OperatorCode("CUSTOM", custom_code="Mine").name == "Mine"
    assert OperatorCode("CUSTOM").name == "CUSTOM"
    assert OperatorCode("CUSTOM").is_custom
    assert not OperatorCode(300).is_custom
