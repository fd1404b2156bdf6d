"""CONV_2D and its kin where drawn data decides nothing: last bits of multipliers, borders, overflow, bad models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilite.errors import OperatorError
from minilite.fixed_point import Multiplier, multiply_double_rounding, multiply_half_up, round_half_away
from minilite.model import Model, Quantization
from minilite.testing.ours import compute
from tests.oracle import oracle
from tests.small_models import Builder, one

SETS = ("reference", "builtin", "xnnpack")
STEP = {"stride_h": 1, "stride_w": 1, "padding": "SAME"}


def quantized(scale: Any, zero_point: int = 0, axis: int = 0) -> dict[str, Any]:
    scales = np.atleast_1d(np.asarray(scale, np.float32))
    zeros = np.full(scales.shape, zero_point, np.int64)
    return {"quantization": Quantization(scales=scales, zero_points=zeros, quantized_dimension=axis)}


def constant(b: Builder, name: str, value: np.ndarray | None, **rest: Any) -> int:
    return -1 if value is None else b.constant(name, value, **rest)


def equal_litert(model: Model, inputs: list[np.ndarray], kernels: str) -> bool:
    (got,), (want,) = compute(model, kernels, inputs), oracle().run(model.to_bytes(), kernels, inputs)
    return got.dtype == want.dtype and np.array_equal(got, want, equal_nan=got.dtype.kind == "f")


# ---- the last bits of the multiplier ---------------------------------------------------------------------------------


def bias_only(name: str, type_: str, bias: np.ndarray, scales: tuple[Any, Any, Any]) -> tuple[Model, list[np.ndarray]]:
    """A quantized operator whose accumulators are the bias: a pixel of zeros times weights of zeros."""
    pixel, weights = np.zeros((1, 1, 1, 1), type_), np.zeros((len(bias), 1, 1, 1), type_)
    output: tuple[int, ...] = (1, 1, 1, len(bias))
    table, options = f"{name.replace('_', ' ').title().replace(' ', '')}Options", dict(STEP)
    if name == "DEPTHWISE_CONV_2D":
        weights, table = weights.reshape(output), "DepthwiseConv2DOptions"
        options["depth_multiplier"] = len(bias)
    if name == "FULLY_CONNECTED":
        pixel, weights, output, options = pixel.reshape(1, 1), weights.reshape(-1, 1), (1, len(bias)), {}
    b = Builder()
    x = b.tensor("x", pixel.shape, type_.upper(), **quantized(scales[0]))
    w = b.constant("w", weights, **quantized(scales[1]))
    c = b.constant("bias", bias.astype(np.int32), **quantized(scales[0] * scales[1]))
    y = b.tensor("y", output, type_.upper(), **quantized(scales[2], 128 if type_ == "uint8" else 0))
    if name == "TRANSPOSE_CONV":
        shape = b.constant("shape", np.array(output, np.int32))
        return one(b, name, (shape, w, x, c), (y,), table, **options), [pixel]
    return one(b, name, (x, w, c), (y,), table, **options), [pixel]


def undecided(name: str, kernels: str, scales: tuple[Any, Any, Any], random: np.random.Generator) -> np.ndarray:
    """Accumulators whose result depends on whether ``s_input * s_weights`` is rounded to float32."""
    rounded = np.float64(scales[0] * scales[1]) / np.float64(scales[2])
    exact = np.float64(scales[0]) * np.float64(scales[1]) / np.float64(scales[2])
    acc = random.integers(-int(127 / exact), int(127 / exact), 100_000)
    if kernels == "xnnpack":
        ratio = scales[0] * scales[1] / scales[2]
        return acc[np.rint(acc.astype(np.float32) * ratio) != np.rint(acc * exact)][:8]
    if kernels == "reference" and name == "FULLY_CONNECTED":
        return acc[round_half_away(acc * rounded) != round_half_away(acc * exact)][:8]
    multiply = multiply_double_rounding if kernels == "reference" else multiply_half_up
    return acc[multiply(acc, Multiplier.of(rounded)) != multiply(acc, Multiplier.of(exact))][:8]


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("type_", ["int8", "uint8"])
@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"])
def test_the_multiplier_is_rounded_where_litert_rounds_it(name: str, type_: str, kernels: str) -> None:
    pytest.importorskip("ai_edge_litert")
    random = np.random.default_rng(0)
    decided = 0
    while decided < 8:
        s_input, s_weights = random.uniform(0.001, 0.1, 2).astype(np.float32)
        scales = (s_input, s_weights, np.float32(s_input * s_weights * random.uniform(500, 3000)))
        bias = undecided(name, kernels, scales, random)
        if bias.size:
            decided += bias.size
            model, inputs = bias_only(name, type_, bias, scales)
            assert equal_litert(model, inputs, kernels)


# ---- ties ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("type_", ["int8", "uint8"])
@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"])
def test_ties_inside_and_outside_of_vectors(name: str, type_: str, kernels: str) -> None:
    """Accumulators of -1.5, -0.5, 0.5 and 1.5 steps, in every channel of outputs of every number of channels."""
    pytest.importorskip("ai_edge_litert")
    scales = tuple(np.array([2.0**-4, 2.0**-6, 2.0**-8], np.float32))
    for channels in range(1, 36):
        for first in (-6, -2, 2, 6):
            model, inputs = bias_only(name, type_, np.full(channels, first), scales)
            assert equal_litert(model, inputs, kernels), (channels, first)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("low", [-63.5, -31.75, 0.0])
def test_ties_of_quantized_rows(low: float, asymmetric: bool, kernels: str) -> None:
    """Rows that fall halfway between steps, times the identity."""
    pytest.importorskip("ai_edge_litert")
    row = np.concatenate([[low, low + 127.5], np.arange(low, low + 127.5, 0.25)]).astype(np.float32)[None]
    identity = np.eye(row.size, dtype=np.int8)
    b = Builder()
    operands = (b.tensor("x", row.shape), b.constant("w", identity, **quantized(1.0)))
    y = b.tensor("y", row.shape)
    options = {"asymmetric_quantize_inputs": asymmetric}
    model = one(b, "FULLY_CONNECTED", operands, (y,), "FullyConnectedOptions", **options)
    assert equal_litert(model, [row], kernels)


# ---- borders, overflow, rare operands --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_reference_kernels_skip_what_is_outside_of_the_image(name: str) -> None:
    """A weight of infinity does not meet the zeros of the border."""
    pytest.importorskip("ai_edge_litert")
    image = np.ones((1, 3, 3, 2), np.float32)
    weights = np.ones((2, 3, 3, 2) if name == "CONV_2D" else (1, 3, 3, 2), np.float32)
    weights[0, 0, 0, 0] = np.inf
    table = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions"}[name]
    extra = {} if name == "CONV_2D" else {"depth_multiplier": 1}
    b = Builder()
    operands = (b.tensor("x", image.shape), b.constant("w", weights), b.constant("bias", np.zeros(2, np.float32)))
    model = one(b, name, operands, (b.tensor("y", image.shape),), table, **STEP, **extra)
    assert equal_litert(model, [image], "reference")
    assert np.isfinite(compute(model, "reference", [image])[0][0, 0]).all()


def dense(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    scales: tuple[Any, Any, Any],
    zero_points: tuple[int, int, int],
) -> Model:
    b = Builder()
    operands = (
        b.tensor("x", x.shape, str(x.dtype).upper(), **quantized(scales[0], zero_points[0])),
        b.constant("w", w, **quantized(scales[1], zero_points[1])),
        constant(b, "bias", bias, **quantized(np.float32(scales[0]) * np.float32(scales[1]))),
    )
    y = b.tensor("y", (len(x), len(w)), str(x.dtype).upper(), **quantized(scales[2], zero_points[2]))
    bias_type = "FLOAT32" if bias is None else str(bias.dtype).upper()
    return one(b, "FULLY_CONNECTED", operands, (y,), "FullyConnectedOptions", quantized_bias_type=bias_type)


@pytest.mark.parametrize("kernels", SETS)
def test_weights_may_have_a_zero_point(kernels: str) -> None:
    pytest.importorskip("ai_edge_litert")
    random = np.random.default_rng(0)
    x, w = (random.integers(-128, 127, shape, np.int8, endpoint=True) for shape in ((9, 20), (17, 20)))
    bias = random.integers(-2000, 2000, 17).astype(np.int32)
    assert equal_litert(dense(x, w, bias, (0.1, 0.02, 1.5), (3, 5, -7)), [x], kernels)


@pytest.mark.parametrize("kernels", SETS)
def test_accumulators_wrap_at_32_bits(kernels: str) -> None:
    pytest.importorskip("ai_edge_litert")
    x = np.full((1, 140_000), 127, np.int8)
    assert equal_litert(dense(x, x, None, (0.1, 0.1, 2e5), (0, 0, 0)), [x], kernels)


@pytest.mark.parametrize("kernels", SETS)
def test_16_bit_weights_may_be_per_axis(kernels: str) -> None:
    pytest.importorskip("ai_edge_litert")
    random = np.random.default_rng(0)
    x, w = (random.integers(-32768, 32767, shape, np.int16, endpoint=True) for shape in ((9, 20), (17, 20)))
    bias = random.integers(-(2**40), 2**40, 17)
    model = dense(x, w, bias, (0.1, random.uniform(0.01, 0.03, 17), 9000.0), (0, 0, 0))
    assert equal_litert(model, [x], kernels)


def test_depthwise_convolutions_need_no_bias() -> None:
    """LiteRT's optimized kernels end the process without one."""
    pytest.importorskip("ai_edge_litert")
    random = np.random.default_rng(0)
    image = random.integers(-128, 127, (2, 5, 5, 9), np.int8, endpoint=True)
    b = Builder()
    x = b.tensor("x", image.shape, "INT8", **quantized(0.1, 4))
    w = b.constant(
        "w", random.integers(-127, 127, (1, 3, 3, 9), np.int8), **quantized(random.uniform(0.1, 0.2, 9), 0, 3)
    )
    y = b.tensor("y", image.shape, "INT8", **quantized(3.0, -8))
    options = {**STEP, "depth_multiplier": 1}
    model = one(b, "DEPTHWISE_CONV_2D", (x, w), (y,), "DepthwiseConv2DOptions", **options)
    assert equal_litert(model, [image], "reference")


@pytest.mark.parametrize("asymmetric", [False, True])
def test_each_row_of_a_hybrid_product_has_its_own_scale(asymmetric: bool) -> None:
    """With two leading dimensions LiteRT mixes the scales up; a matrix at a time it does not."""
    pytest.importorskip("ai_edge_litert")
    random = np.random.default_rng(0)
    lhs = random.normal(size=(3, 2, 4, 8)).astype(np.float32) * random.uniform(0.1, 9, (3, 2, 4, 1)).astype(np.float32)
    rhs = random.integers(-127, 127, (3, 2, 8, 5), np.int8, endpoint=True)

    def product(a: np.ndarray, c: np.ndarray) -> Model:
        b = Builder()
        operands = (b.tensor("lhs", a.shape), b.constant("rhs", c, **quantized(0.05)))
        y = b.tensor("y", (*a.shape[:-1], 5))
        options = {"asymmetric_quantize_inputs": asymmetric}
        return one(b, "BATCH_MATMUL", operands, (y,), "BatchMatMulOptions", **options)

    (whole,) = compute(product(lhs, rhs), "reference", [lhs])
    for i in np.ndindex(3, 2):
        (want,) = oracle().run(product(lhs[i], rhs[i]).to_bytes(), "reference", [lhs[i]])
        assert np.array_equal(whole[i], want)


# ---- bad models ------------------------------------------------------------------------------------------------------


def convolution(
    image: tuple[int, ...], filter_: tuple[int, ...], bias: int, **options: Any
) -> tuple[Model, np.ndarray]:
    b = Builder()
    operands = (
        b.tensor("x", image),
        b.constant("w", np.zeros(filter_, np.float32)),
        b.constant("bias", np.zeros(bias, np.float32)),
    )
    model = one(b, "CONV_2D", operands, (b.tensor("y", (1,)),), "Conv2DOptions", **{**STEP, **options})
    return model, np.zeros(image, np.float32)


@pytest.mark.parametrize(
    "image, filter_, bias, options, says",
    [
        ((4, 4, 2), (1, 1, 1, 2), 1, {}, "4 dimensions"),
        ((1, 4, 4, 2), (1, 1, 2), 1, {}, "4 dimensions"),
        ((1, 4, 4, 2), (1, 1, 1, 3), 1, {}, "channels that divide"),
        ((1, 4, 4, 4), (3, 1, 1, 2), 3, {}, "channels that divide"),
        ((1, 4, 4, 2), (1, 1, 1, 0), 1, {}, "channels that divide"),
        ((1, 4, 4, 2), (0, 1, 1, 2), 0, {}, "channels that divide"),
        ((1, 4, 4, 2), (3, 1, 1, 2), 2, {}, "one value per output channel"),
        ((1, 4, 4, 2), (1, 1, 1, 2), 1, {"stride_w": 0}, "stride"),
        ((1, 4, 4, 2), (1, 1, 1, 2), 1, {"dilation_h_factor": 0}, "dilation"),
        ((1, 4, 4, 2), (1, 5, 1, 2), 1, {"padding": "VALID"}, "filter that fits"),
        ((1, 4, 4, 2), (1, 0, 1, 2), 1, {}, "filter size"),
    ],
)
def test_bad_convolutions(
    image: tuple[int, ...], filter_: tuple[int, ...], bias: int, options: dict[str, Any], says: str
) -> None:
    model, x = convolution(image, filter_, bias, **options)
    with pytest.raises(OperatorError, match=f"CONV_2D .operator 0 of subgraph 0.*{says}"):
        compute(model, "reference", [x])


@pytest.mark.parametrize("kernels", SETS)
def test_a_filter_may_be_far_larger_than_the_image(kernels: str) -> None:
    """Only its centre meets the image, and no border is built."""
    b = Builder()
    filter_ = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1)
    operands = (b.tensor("x", (1, 4, 4, 1)), b.constant("w", filter_), b.constant("bias", np.zeros(1, np.float32)))
    options = {**STEP, "dilation_h_factor": 2**29, "dilation_w_factor": 2**29}
    model = one(b, "CONV_2D", operands, (b.tensor("y", (1, 4, 4, 1)),), "Conv2DOptions", **options)
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert np.array_equal(compute(model, kernels, [image])[0], 5 * image)


@pytest.mark.parametrize(
    "weights, scales, says",
    [
        (np.zeros((3, 4), np.int8), (0.1, [0.1, 0.2], 0.1), "1 or 3 scales"),
        (np.zeros((3, 4), np.int8), (0.1, 0.1, 0.0), "positive scale"),
        (np.zeros((3, 5), np.int8), (0.1, 0.1, 0.1), "rows of 5"),
        (np.zeros((3, 4, 1), np.int8), (0.1, 0.1, 0.1), "2 dimensions"),
        (np.zeros((3, 0), np.int8), (0.1, 0.1, 0.1), "2 dimensions"),
    ],
)
def test_bad_layers(weights: np.ndarray, scales: tuple[Any, Any, Any], says: str) -> None:
    x = np.zeros((2, 4), np.int8)
    with pytest.raises(OperatorError, match=f"FULLY_CONNECTED.*{says}"):
        compute(dense(x, weights, None, scales, (0, 0, 0)), "reference", [x])


@pytest.mark.parametrize(
    "shape", [[1, 8, 8], [1, 8, 8, 3], [2, 8, 8, 2], [1, 9, 8, 2], [1, -8, 8, 2], [1, 10**9, 8, 2]]
)
def test_bad_shapes_of_transposed_convolutions(shape: list[int]) -> None:
    b = Builder()
    operands = (
        b.constant("shape", np.array(shape, np.int32)),
        b.constant("w", np.zeros((2, 3, 3, 1), np.float32)),
        b.tensor("x", (1, 4, 4, 1)),
    )
    options = {**STEP, "stride_h": 2, "stride_w": 2}
    model = one(b, "TRANSPOSE_CONV", operands, (b.tensor("y", (1,)),), "TransposeConvOptions", **options)
    with pytest.raises(OperatorError, match=r"TRANSPOSE_CONV.*'shape'"):
        compute(model, "reference", [np.zeros((1, 4, 4, 1), np.float32)])


@pytest.mark.parametrize(
    "lhs, rhs, says",
    [
        ((2, 3), (4, 5), "3 terms"),
        ((2, 2, 3), (3, 3, 5), "leading dimensions"),
        ((3,), (3, 5), "2 to 5 dimensions"),
        ((1, 1, 1, 1, 2, 3), (3, 5), "2 to 5 dimensions"),
    ],
)
def test_bad_products(lhs: tuple[int, ...], rhs: tuple[int, ...], says: str) -> None:
    b = Builder()
    model = one(
        b, "BATCH_MATMUL", (b.tensor("a", lhs), b.tensor("b", rhs)), (b.tensor("y", (1,)),), "BatchMatMulOptions"
    )
    with pytest.raises(OperatorError, match=f"BATCH_MATMUL.*{says}"):
        compute(model, "reference", [np.zeros(lhs, np.float32), np.zeros(rhs, np.float32)])
