"""Cross-layer equalization keeps what a model computes; bias correction takes away what is wrong on average."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import minilite
from minilite.constants import constant_array
from minilite.errors import ArgumentError
from minilite.model import Model, OperatorCode
from minilite.quantization.bias_correction import bias_corrected
from minilite.quantization.editing import with_constants
from minilite.quantization.equalization import equalized
from minilite.quantization.numbers import LITERT
from minilite.quantization.weights_only import weights_int4, weights_int8
from tests.small_models import Builder, operator
from tests.test_better_rounding import answers, correlated, network

WINDOW = {"padding": "SAME", "stride_w": 1, "stride_h": 1, "dilation_w_factor": 1, "dilation_h_factor": 1}
POOL = {"padding": "VALID", "stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}


def chain(activation: str = "RELU", spread: float = 3.0, read_twice: bool = False) -> Model:
    """CONV_2D, DEPTHWISE_CONV_2D with two filters a channel, MAX_POOL_2D, RESHAPE, FULLY_CONNECTED; channels of the
    first are ``e**spread`` apart."""
    b, random = Builder(), np.random.default_rng(12)
    names = ["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "ADD"]
    far = np.exp(random.uniform(-spread, spread, 5)).astype(np.float32)
    far2 = np.exp(random.uniform(-spread, spread, 10)).astype(np.float32)

    def n(name: str, *shape: int) -> int:
        return b.constant(name, values[name] if name in values else random.normal(size=shape).astype(np.float32))

    values = {
        "w1": random.normal(size=(5, 3, 3, 3)).astype(np.float32) * far.reshape(5, 1, 1, 1),
        "b1": random.normal(size=5).astype(np.float32) * far,
        "w2": random.normal(size=(1, 3, 3, 10)).astype(np.float32) / far.repeat(2) * far2,
        "b2": random.normal(size=10).astype(np.float32) * far2,
        "w3": (random.normal(size=(7, 16, 10)).astype(np.float32) / far2).reshape(7, 160),
    }
    x = b.tensor("x", (1, 8, 8, 3), shape_signature=(-1, 8, 8, 3))
    y1, y2 = (b.tensor(f"y{i}", (1, 8, 8, 5 * i), shape_signature=(-1, 8, 8, 5 * i)) for i in (1, 2))
    pooled = b.tensor("pooled", (1, 4, 4, 10), shape_signature=(-1, 4, 4, 10))
    flat = b.tensor("flat", (1, 160), shape_signature=(-1, 160))
    y = b.tensor("y", (1, 7), shape_signature=(-1, 7))
    shape = b.constant("shape", np.array([-1, 160], np.int32))
    fused = {"fused_activation_function": activation}
    steps = [
        operator(0, (x, n("w1"), n("b1")), (y1,), "Conv2DOptions", **WINDOW, **fused),
        operator(1, (y1, n("w2"), n("b2")), (y2,), "DepthwiseConv2DOptions", depth_multiplier=2, **WINDOW, **fused),
        operator(2, (y2,), (pooled,), "Pool2DOptions", **POOL),
        operator(3, (pooled, shape), (flat,), "ReshapeOptions"),
        operator(4, (flat, n("w3"), n("b3", 7)), (y,), "FullyConnectedOptions"),
    ]
    outputs: tuple[int, ...] = (y,)
    if read_twice:
        again = b.tensor("again", (1, 8, 8, 5), shape_signature=(-1, 8, 8, 5))
        steps.append(operator(5, (y1, y1), (again,), "AddOptions"))
        outputs = (y, again)
    graph = b.subgraph((x,), outputs, *steps)
    return Model(tuple(OperatorCode(name) for name in names), (graph,), tuple(b.buffers))


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, 8, 8, 3)).astype(np.float32)


def constant(model: Model, name: str) -> np.ndarray:
    (found,) = [(i, t) for i, t in enumerate(model.subgraphs[0].tensors) if t.name == name]
    values = constant_array(model, found[1], found[0])
    assert values is not None
    return values


def off(model: Model, quantized: Model, x: np.ndarray) -> float:
    expected = answers(model, x)
    return float(np.linalg.norm(answers(quantized, x) - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("activation", ["NONE", "RELU"])
def test_the_model_computes_the_same(activation: str) -> None:
    model = chain(activation)
    assert off(model, equalized(model), images()) < 2e-6


def test_channels_end_with_equal_reach() -> None:
    model = equalized(chain())
    first = np.abs(constant(model, "w1")).max(axis=(1, 2, 3))
    second = np.abs(constant(model, "w2")).reshape(9, 5, 2).max(axis=(0, 2))
    np.testing.assert_allclose(first, second, rtol=2e-3)
    last = np.abs(constant(model, "w3")).reshape(-1, 10).max(axis=0)
    np.testing.assert_allclose(np.abs(constant(model, "w2")).max(axis=(0, 1, 2)), last, rtol=2e-3)


def test_one_scale_for_all_channels_is_enough_afterwards() -> None:
    model = chain()
    plain = off(model, weights_int8(model, per_channel=False), images())
    assert off(model, weights_int8(equalized(model), per_channel=False), images()) < plain / 4


def test_relu6_is_left_alone_or_gets_bounds_of_its_own() -> None:
    model = chain("RELU6")
    assert equalized(model) == equalized(equalized(model))
    np.testing.assert_array_equal(constant(equalized(model), "w1"), constant(model, "w1"))
    bounded = equalized(model, relu6="minimum")
    names = [bounded.operator_codes[o.opcode_index].name for o in bounded.subgraphs[0].operators]
    assert names.count("MINIMUM") == 2
    assert np.any(answers(model, images()) != answers(chain("RELU"), images()))  # the bound is reached
    assert off(model, bounded, images()) < 2e-6


def test_results_that_others_read_stay() -> None:
    model = chain(read_twice=True)
    np.testing.assert_array_equal(constant(equalized(model), "w1"), constant(model, "w1"))
    assert np.any(constant(equalized(model), "w3") != constant(model, "w3"))  # the second pair is not concerned


def test_constants_that_others_read_stay() -> None:
    model = chain()
    graph = model.subgraphs[0]
    model = dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, outputs=(*graph.outputs, 8)),))
    assert graph.tensors[8].name in ("w1", "b1", "w2")
    assert off(model, equalized(model), images()) < 2e-6
    np.testing.assert_array_equal(
        constant(equalized(model), str(graph.tensors[8].name)), constant(model, str(graph.tensors[8].name))
    )


def test_weights_of_two_layers_stay() -> None:
    model = chain()
    graph = model.subgraphs[0]
    first = graph.operators[0]
    again = dataclasses.replace(graph.tensors[(first.outputs or ())[0]], name="again")
    twin = dataclasses.replace(first, outputs=(len(graph.tensors),))
    graph = dataclasses.replace(
        graph,
        tensors=(*graph.tensors, again),
        operators=(twin, *graph.operators),
        outputs=(*graph.outputs, len(graph.tensors)),
    )
    model = dataclasses.replace(model, subgraphs=(graph,))
    np.testing.assert_array_equal(constant(equalized(model), "w1"), constant(model, "w1"))


def test_channels_of_zeros_do_no_harm() -> None:
    model = chain()
    zeros = constant(model, "w1").copy()
    zeros[2] = 0
    graph = model.subgraphs[0]
    buffer = next(t.buffer for t in graph.tensors if t.name == "w1")
    buffers = list(model.buffers)
    buffers[buffer] = dataclasses.replace(buffers[buffer], data=np.frombuffer(zeros.tobytes(), np.uint8))
    model = dataclasses.replace(model, buffers=tuple(buffers))
    assert off(model, equalized(model), images()) < 2e-6


def test_equalizing_what_cannot_be_is_refused() -> None:
    with pytest.raises(ArgumentError, match="already quantized"):
        equalized(weights_int8(chain()))
    with pytest.raises(ArgumentError, match="relu6"):
        equalized(chain(), relu6="relu")


# ---- bias correction -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "quantize",
    [
        lambda m: weights_int4(m, numbers=LITERT),
        lambda m: weights_int4(m, arithmetic="hybrid"),
        lambda m: weights_int4(m, block_size=32),
        lambda m: weights_int8(m, per_channel=False),
    ],
)
def test_corrected_layers_are_right_on_average(quantize: object) -> None:
    model, x = network(), correlated(200, 48)
    quantized = quantize(model)  # type: ignore[operator]  # a function
    corrected = bias_corrected(model, quantized, x)

    def shift(m: Model) -> float:
        return float(np.abs(np.mean(answers(m, x) - answers(model, x), axis=0)).max())

    assert shift(corrected) < shift(quantized) / 8
    names = [quantized.operator_codes[o.opcode_index].name for o in quantized.subgraphs[0].operators]
    if names == ["DEQUANTIZE", "FULLY_CONNECTED"] * 2:  # nothing but the rounding of float sums is left
        assert shift(corrected) < 1e-5
    assert off(model, corrected, x) < off(model, quantized, x)
    assert corrected.subgraphs[0].operators == quantized.subgraphs[0].operators


def test_corrected_convolutions_are_right_on_average() -> None:
    model, x = chain("RELU6"), images(40) + np.float32(0.5)
    quantized = weights_int4(model, others="int4", numbers=LITERT)
    corrected = bias_corrected(model, quantized, x)
    shifts = [np.abs(np.mean(answers(m, x) - answers(model, x), axis=0)).max() for m in (quantized, corrected)]
    assert shifts[1] < shifts[0] / 8


def test_nothing_to_correct_changes_nothing() -> None:
    model, x = network(), correlated(50, 48)
    corrected = bias_corrected(model, model, x)
    np.testing.assert_allclose(constant(corrected, "b64"), constant(model, "b64"), rtol=0, atol=1e-6)


def test_int8_models_are_corrected_in_steps_of_their_biases() -> None:
    model, x = network(), correlated(200, 48)
    quantized = minilite.quantization.quantize(model, "int8", x, progress=False)
    spoilt = with_constants(quantized, {(0, spot): values + np.int32(400) for spot, values in _biases(quantized)})
    repaired = bias_corrected(model, spoilt, x)
    assert off(model, repaired, x) < 1.1 * off(model, quantized, x) < off(model, spoilt, x) / 2
    types = [t.type for t in repaired.subgraphs[0].tensors]
    assert types == [t.type for t in quantized.subgraphs[0].tensors]


def _biases(model: Model) -> list[tuple[int, np.ndarray]]:
    found = []
    for index, tensor in enumerate(model.subgraphs[0].tensors):
        values = constant_array(model, tensor, index)
        if tensor.type == "INT32" and values is not None:
            found.append((index, values))
    return found


def test_models_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ArgumentError, match="different layers: CONV_2D"):
        bias_corrected(chain(), network(), images())
