"""Pooling, reductions, softmax and resizing where drawn data decides nothing: what is not a number, nothing at all,
more classes than LiteRT's reference kernels hold, bad models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minilite.errors import OperatorError
from minilite.model import Model, Quantization
from minilite.ops import conv_2d, depthwise_conv_2d
from minilite.ops.windows import Axis, cropped, taps_inside, touches
from minilite.ops.windows import axis as window_over
from minilite.testing.ours import compute
from tests.oracle import OracleError, oracle
from tests.small_models import Builder, one

SETS = ("reference", "builtin", "xnnpack")
NAN, INF = np.nan, np.inf
WINDOW = {"stride_h": 1, "stride_w": 1, "filter_height": 2, "filter_width": 2, "padding": "VALID"}


def model(
    name: str,
    table: str,
    x: np.ndarray,
    *parameters: np.ndarray,
    quantized: tuple[tuple[float, int], tuple[float, int]] | None = None,
    type_: str = "",
    **options: Any,
) -> Model:
    """One operator on ``x`` and constants; ``quantized``: scale and zero point of input and output."""
    b = Builder()
    both = [{"quantization": Quantization(np.array([s], np.float32), np.array([z]))} for s, z in quantized or ()]
    first = b.tensor("x", x.shape, str(x.dtype).upper(), **(both[0] if both else {}))
    inputs = (first, *(b.constant(f"p{i}", p) for i, p in enumerate(parameters)))
    output = b.tensor("y", (1,), type_ or str(x.dtype).upper(), **(both[1] if both else {}))
    return one(b, name, inputs, (output,), table, **options)


def both(m: Model, x: np.ndarray, kernels: str) -> tuple[np.ndarray, np.ndarray]:
    """minilite's output and LiteRT's."""
    return compute(m, kernels, [x])[0], oracle().run(m.to_bytes(), kernels, [x])[0]


# ---- not a number, infinite, nothing -------------------------------------------------------------------------------

ROWS = [
    [NAN, 1, 2],
    [1, NAN, 2],
    [2, 1, NAN],
    [2, NAN, 1],
    [NAN, NAN, NAN],
    [NAN, -INF, NAN],
    [-INF, -INF, -INF],
    [INF, INF, INF],
    [NAN, 5, NAN, 3, 4, NAN, 1],
]


@pytest.mark.parametrize("kernels", SETS[:2])  # XNNPACK's vectors lose elements by their place
@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("name", ["REDUCE_MAX", "REDUCE_MIN"])
def test_extremes_of_what_is_not_a_number(name: str, row: list[float], kernels: str) -> None:
    image = np.array([row, row[::-1]], np.float32)
    for x, axis in ((image, 1), (np.ascontiguousarray(image.T), 0), (image[0], 0), (image[1], 0)):
        got, want = both(model(name, "ReducerOptions", x, np.array([axis], np.int32)), x, kernels)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("name, table", [("ARG_MAX", "ArgMaxOptions"), ("ARG_MIN", "ArgMinOptions")])
def test_places_of_what_is_not_a_number(name: str, table: str, row: list[float], kernels: str) -> None:
    x = np.array([row, row[::-1]], np.float32).T.copy()
    m = model(name, table, x, np.array([0], np.int32), type_="INT32", output_type="INT32")
    got, want = both(m, x, kernels)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kernels", SETS[:2])
@pytest.mark.parametrize("corner", [NAN, INF, -INF])
@pytest.mark.parametrize("name", ["MAX_POOL_2D", "AVERAGE_POOL_2D", "L2_POOL_2D"])
def test_windows_on_what_is_not_a_number(name: str, corner: float, kernels: str) -> None:
    x = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    x[0, 0, 0, 0] = corner
    for image in (x, np.full_like(x, corner)):
        got, want = both(model(name, "Pool2DOptions", image, **WINDOW), image, kernels)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"])
def test_reductions_of_nothing(name: str) -> None:
    x = np.zeros((0, 3), np.float32)
    got, want = both(model(name, "ReducerOptions", x, np.array([0], np.int32)), x, "reference")
    assert got.shape == (3,)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    "name, table, outputs", [("CONV_2D", "Conv2DOptions", 1), ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", 3)]
)
def test_convolutions_of_no_images(name: str, table: str, outputs: int, padding: str, kernels: str) -> None:
    """No images are none; images without pixels are refused, as LiteRT refuses them."""
    options = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1, "padding": padding}
    constants = np.ones((1, 2, 2, 3), np.float32), np.zeros(outputs, np.float32)
    none, bare = np.empty((0, 4, 5, 3), np.float32), np.empty((2, 4, 0, 3), np.float32)
    got, want = both(model(name, table, none, *constants, **options), none, kernels)
    assert got.shape == want.shape
    for run in (compute, lambda m, k, x: oracle().run(m.to_bytes(), k, x)):
        with pytest.raises((OperatorError, OracleError), match="failed to prepare"):
            run(model(name, table, bare, *constants, **options), kernels, [bare])


# ---- more classes than the reference kernels hold --------------------------------------------------------------------


@pytest.mark.parametrize("classes", [600, 1001, 5000, 70_000])
@pytest.mark.parametrize(
    "source, target, scale, zero_point",
    [
        ("int8", "int8", 1 / 256, -128),
        ("uint8", "uint8", 1 / 256, 0),
        ("int8", "int16", 1 / 65536, -32768),
        ("int16", "int16", 2.0**-15, 0),
    ],
)
def test_probabilities_of_many_classes(source: str, target: str, scale: float, zero_point: int, classes: int) -> None:
    """LiteRT's reference kernel ends the process here, or overflows; its optimized one does neither."""
    x = np.zeros((2, classes), source)
    x[1, 3:5] = 100
    input_scale = 1e-3 if source == "int16" else 0.05
    quantized = ((input_scale, 0), (scale, zero_point))
    m = model("SOFTMAX", "SoftmaxOptions", x, quantized=quantized, type_=target.upper(), beta=1.0)
    got, want = compute(m, "reference", [x])[0], oracle().run(m.to_bytes(), "builtin", [x])[0]
    assert np.abs(got.astype(int) - want).max() <= 1
    exponentials = np.exp(x.astype(np.float64) * input_scale)
    wanted = exponentials / exponentials.sum(axis=1, keepdims=True) / scale + zero_point
    assert np.abs(got - wanted).max() <= (0.51 if target != "int16" else 2)


@pytest.mark.parametrize("classes", [1001, 5000, 20_000])
def test_log_probabilities_of_many_classes(classes: int) -> None:
    x = np.zeros((1, classes), np.int8)
    x[0, 7] = 50
    quantized = ((0.1, 0), (1 / 16, 127))
    m = model("LOG_SOFTMAX", "LogSoftmaxOptions", x, quantized=quantized)
    reals = x * 0.1
    wanted = 16 * (reals - np.log(np.exp(reals).sum())) + 127
    for kernels in SETS:
        assert np.abs(compute(m, kernels, [x])[0] - wanted).max() <= 0.51


# ---- bad models ------------------------------------------------------------------------------------------------------

IMAGE = np.zeros((1, 4, 6, 3), np.float32)
AXIS = np.array([1], np.int32)


@pytest.mark.parametrize(
    "name, table, x, parameters, options, says",
    [
        ("AVERAGE_POOL_2D", "Pool2DOptions", IMAGE[0], (), WINDOW, "4 dimensions"),
        ("AVERAGE_POOL_2D", "Pool2DOptions", IMAGE, (), {**WINDOW, "stride_h": 0}, "stride"),
        ("MAX_POOL_2D", "Pool2DOptions", IMAGE, (), {**WINDOW, "filter_height": 9}, "a filter that fits"),
        ("L2_POOL_2D", "Pool2DOptions", IMAGE, (), {**WINDOW, "filter_width": -1}, "filter size of 1"),
        ("MEAN", "ReducerOptions", IMAGE, (np.array([4], np.int32),), {}, "an axis in"),
        ("SUM", "ReducerOptions", IMAGE, (np.array([0, -5], np.int32),), {}, "an axis in"),
        ("ARG_MAX", "ArgMaxOptions", IMAGE, (np.array([4], np.int32),), {"output_type": "FLOAT32"}, "an axis in"),
        ("ARG_MIN", "ArgMinOptions", IMAGE, (np.array([1, 2], np.int32),), {"output_type": "FLOAT32"}, "one element"),
        ("SOFTMAX", "SoftmaxOptions", IMAGE[0, 0, 0, 0], (), {}, "1 dimension or more"),
        ("L2_NORMALIZATION", "L2NormOptions", IMAGE, (), {"fused_activation_function": "RELU"}, "no fused"),
        ("RESIZE_BILINEAR", "ResizeBilinearOptions", IMAGE, (np.array([0, 3], np.int32),), {}, "sizes of 1 or more"),
        ("RESIZE_BILINEAR", "ResizeBilinearOptions", IMAGE, (np.array([3], np.int32),), {}, "2 values"),
        ("RESIZE_BILINEAR", "ResizeBilinearOptions", IMAGE[0], (np.array([3, 3], np.int32),), {}, "4 dimensions"),
        (
            "RESIZE_BILINEAR",
            "ResizeBilinearOptions",
            IMAGE,
            (np.array([3, 3], np.int32),),
            {"align_corners": True, "half_pixel_centers": True},
            "got both",
        ),
        (
            "RESIZE_NEAREST_NEIGHBOR",
            "ResizeNearestNeighborOptions",
            IMAGE,
            (np.array([2**30, 2**30], np.int32),),
            {},
            "at most",
        ),
        (
            "RESIZE_NEAREST_NEIGHBOR",
            "ResizeNearestNeighborOptions",
            IMAGE[:, :0],
            (np.array([2, 2], np.int32),),
            {},
            "an image with pixels",
        ),
        ("SPACE_TO_DEPTH", "SpaceToDepthOptions", IMAGE, (), {"block_size": 3}, "divisible by 3"),
        ("SPACE_TO_DEPTH", "SpaceToDepthOptions", IMAGE, (), {"block_size": 0}, "block_size of 1"),
        ("DEPTH_TO_SPACE", "DepthToSpaceOptions", IMAGE, (), {"block_size": 2}, "divisible by 4"),
        ("DEPTH_TO_SPACE", "DepthToSpaceOptions", IMAGE, (), {"block_size": -2}, "block_size of 1"),
    ],
)
def test_bad_models(
    name: str, table: str, x: np.ndarray, parameters: tuple[np.ndarray, ...], options: dict[str, Any], says: str
) -> None:
    m = model(name, table, x, *parameters, **options)
    with pytest.raises(OperatorError, match=rf"{name} \(operator 0 of subgraph 0\).*{says}"):
        compute(m, "reference", [x])


@pytest.mark.parametrize(
    "name, table, input_, output, type_, options, says",
    [
        ("SOFTMAX", "SoftmaxOptions", (0.1, 0), (1 / 128, -128), "int8", {"beta": 1.0}, "scale 1/256"),
        ("SOFTMAX", "SoftmaxOptions", (0.1, 0), (1 / 256, -128), "int8", {"beta": -1.0}, "a beta above 0"),
        ("SOFTMAX", "SoftmaxOptions", (0.0, 0), (1 / 256, -128), "int8", {"beta": 1.0}, "a positive scale"),
        ("SOFTMAX", "SoftmaxOptions", (0.1, 1), (2.0**-15, 0), "int16", {"beta": 1.0}, "zero point 0"),
        ("SOFTMAX", "SoftmaxOptions", (0.1, 0), (0.1, 0), "int16", {"beta": 1.0}, "2\\*\\*-15"),
        ("LOG_SOFTMAX", "LogSoftmaxOptions", (0.1, 0), (1 / 16, 0), "int8", {}, "scale and zero point"),
        ("L2_NORMALIZATION", "L2NormOptions", (0.1, 0), (1 / 128, 1), "int8", {}, "scale 1/128"),
    ],
)
@pytest.mark.parametrize("kernels", SETS)
def test_bad_scales(
    name: str,
    table: str,
    input_: tuple[float, int],
    output: tuple[float, int],
    type_: str,
    options: dict[str, Any],
    says: str,
    kernels: str,
) -> None:
    x = np.zeros((2, 3), type_)
    m = model(name, table, x, quantized=(input_, output), **options)
    with pytest.raises(OperatorError, match=rf"{name}.*{says}"):
        compute(m, kernels, [x])


@pytest.mark.parametrize("name", ["MEAN", "SUM", "REDUCE_PROD", "REDUCE_MAX"])
@pytest.mark.parametrize("output", [(0.0, 0), (0.1, 3)])
def test_bad_scales_of_reductions(name: str, output: tuple[float, int]) -> None:
    x = np.zeros((2, 3), np.int16)
    m = model(name, "ReducerOptions", x, AXIS, quantized=((0.1, 0), output))
    with pytest.raises(OperatorError, match=rf"{name}.*(zero point|positive scale)"):
        compute(m, "reference", [x])


def test_a_window_far_larger_than_the_image_takes_no_longer_than_the_image() -> None:
    x = np.ones((1, 3, 3, 1), np.float32)
    options = {**WINDOW, "padding": "SAME", "filter_height": 2**30, "filter_width": 2**30}
    assert compute(model("AVERAGE_POOL_2D", "Pool2DOptions", x, **options), "reference", [x])[0].tolist() == x.tolist()


CONVOLUTIONS = {
    "CONV_2D": ("Conv2DOptions", (2, 5, 5, 1), {}),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (1, 5, 5, 2), {"depth_multiplier": 2}),
}
STEPS = {"stride_h": 1, "stride_w": 1, "padding": "SAME"}


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("corner", [NAN, INF, -INF])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_weights_that_meet_no_pixel_and_are_not_finite(name: str, corner: float, kernels: str) -> None:
    """The reference kernels skip them, where LiteRT multiplies matrices they meet zeros."""
    table, shape, options = CONVOLUTIONS[name]
    weights = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    weights[0, 0, 0, 0] = corner
    x = np.ones((1, 2, 2, 1), np.float32)
    ours, theirs = both(model(name, table, x, weights, np.zeros(2, np.float32), **STEPS, **options), x, kernels)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert np.isnan(ours).any() == (name == "CONV_2D" and kernels != "reference")


axes = st.builds(
    lambda padding, size, filter_, stride, dilation: window_over(
        "SAME" if size < (filter_ - 1) * dilation + 1 else padding, size, filter_, stride, dilation
    ),
    *(st.sampled_from(["SAME", "VALID"]), st.integers(1, 7), st.integers(1, 25), st.integers(1, 5), st.integers(1, 7)),
)


ONE_TAP = window_over("SAME", 2, 4, 1, 3)
"""Four taps of which one meets the image, beside its place."""


@settings(max_examples=100)
@given(axes)
def test_taps_that_meet_the_image(window: Axis) -> None:
    meet = [tap for tap in range(window.filter) if touches(window, tap)[0] != slice(0, 0)]
    taps = taps_inside(window)
    assert set(meet) <= set(taps)
    assert len(taps) <= window.size + (window.output - 1) * window.stride
    assert cropped(window)[0].output == window.output


@settings(max_examples=100)
@example(ONE_TAP, ONE_TAP, 1, "any")
@given(axes, axes, st.integers(1, 2), st.sampled_from(["sequential", "any"]))
def test_convolutions_without_the_other_taps(rows: Axis, columns: Axis, groups: int, sums: str) -> None:
    draw = np.random.default_rng(rows.size + 10 * columns.filter)
    image = draw.integers(-9, 9, (1, rows.size, columns.size, groups)).astype(np.float32)
    filter_ = draw.integers(-9, 9, (2 * groups, rows.filter, columns.filter, 1)).astype(np.float32)
    expected = np.zeros((1, rows.output, columns.output, 2 * groups), np.float32)
    for y, x, o in np.ndindex(expected.shape[1:]):
        for fy, fx in np.ndindex(rows.filter, columns.filter):
            at = [w.stride * p + w.dilation * f - w.before for w, p, f in ((rows, y, fy), (columns, x, fx))]
            if 0 <= at[0] < rows.size and 0 <= at[1] < columns.size:
                expected[0, y, x, o] += image[0, at[0], at[1], o // 2] * filter_[o, fy, fx, 0]
    assert conv_2d.convolve(image, filter_, rows, columns, sums).tolist() == expected.tolist()
    if groups == 1:
        taps = filter_.transpose(3, 1, 2, 0)
        assert depthwise_conv_2d.slide(image, taps, rows, columns).tolist() == expected.tolist()


def test_a_filter_far_larger_than_the_image_takes_no_longer_than_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def counted(*given: Any) -> tuple[slice, slice]:
        looks.append(given)
        return touches(*given)

    same = window_over("SAME", 3, 1025, 1)
    image = np.ones((1, 3, 3, 1), np.float32)
    for module in (conv_2d, depthwise_conv_2d):
        monkeypatch.setattr(module, "touches", counted)
    for sums in ("sequential", "any"):
        assert conv_2d.convolve(image, np.ones((1, 1025, 1025, 1), np.float32), same, same, sums).max() == 9
    assert depthwise_conv_2d.slide(image, np.ones((1, 1025, 1025, 1), np.float32), same, same).max() == 9
    assert 0 < len(looks) <= 3 * 2 * 5 * 5
