"""MediaPipe's custom operators, where drawn cases do not reach."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import minilite
from minilite.model import Model, Operator, OperatorCode
from minilite.testing.comparison import relative_to_range
from minilite.testing.ours import compute
from tests.oracle import oracle
from tests.small_models import Builder, one

RANDOM = np.random.default_rng(0)


def custom(name: str, options: bytes, b: Builder, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Model:
    operator = Operator(0, inputs, outputs, custom_options=np.frombuffer(options, np.uint8))
    fed = tuple(i for i in inputs if not b.tensors[i].buffer)
    return Model((OperatorCode("CUSTOM", 1, name),), (b.subgraph(fed, outputs, operator),), tuple(b.buffers))


def transpose_conv_bias(shape: tuple[int, ...], padding: int, weights: np.ndarray, size: tuple[int, int]) -> Model:
    b = Builder()
    x, w = b.tensor("x", shape), b.constant("w", weights)
    bias = b.constant("bias", np.arange(len(weights), dtype=np.float32))
    y = b.tensor("y", (shape[0], *size, len(weights)))
    return custom("Convolution2DTransposeBias", struct.pack("<3i", padding, 2, 2), b, (x, w, bias), (y,))


def as_transpose_conv(shape: tuple[int, ...], padding: int, weights: np.ndarray, size: tuple[int, int]) -> Model:
    b = Builder()
    output = (shape[0], *size, len(weights))
    s, w = b.constant("s", np.array(output, np.int32)), b.constant("w", weights)
    x, bias = b.tensor("x", shape), b.constant("bias", np.arange(len(weights), dtype=np.float32))
    options = {"padding": ("SAME", "VALID")[padding - 1], "stride_w": 2, "stride_h": 2}
    return one(b, "TRANSPOSE_CONV", (s, w, x, bias), (b.tensor("y", output),), "TransposeConvOptions", **options)


SIZES = [(1, (6, 8)), (1, (5, 7)), (2, (7, 9)), (2, (8, 10))]
"""Paddings and sizes of the output, the ones that follow from the input's and others that fit it as well."""


@pytest.mark.parametrize("padding, size", SIZES)
def test_the_output_is_as_large_as_the_file_says(padding: int, size: tuple[int, int], runtime: str) -> None:
    x, weights = (RANDOM.normal(size=s).astype(np.float32) for s in ((1, 3, 4, 2), (5, 3, 3, 2)))
    model = transpose_conv_bias(x.shape, padding, weights, size)
    (found,), (expected,) = compute(model, "xnnpack", [x]), oracle(runtime).run(model.to_bytes(), "xnnpack", [x])
    assert found.shape == expected.shape == (1, *size, 5)
    assert relative_to_range(found, expected, 50.0) <= 1e-6


@pytest.mark.parametrize("padding, size", SIZES)
def test_reference_sums_are_those_of_transpose_conv(padding: int, size: tuple[int, int]) -> None:
    """To whose reference kernel they are held bit by bit in tests/test_ops.py."""
    x, weights = (RANDOM.normal(size=s).astype(np.float32) for s in ((2, 3, 4, 2), (5, 3, 3, 2)))
    (found,) = compute(transpose_conv_bias(x.shape, padding, weights, size), "reference", [x])
    (expected,) = compute(as_transpose_conv(x.shape, padding, weights, size), "reference", [x])
    assert np.array_equal(found, expected)


def test_a_size_that_does_not_fit_is_not_taken() -> None:
    """As after resizing the input: the size then follows from the input's."""
    x, weights = np.ones((1, 3, 4, 2), np.float32), np.ones((1, 3, 3, 2), np.float32)
    assert compute(transpose_conv_bias(x.shape, 1, weights, (20, 20)), "reference", [x])[0].shape == (1, 6, 8, 1)


def pool_options(padding: int, height: int, width: int, activation: int = 0) -> bytes:
    return struct.pack("<6i", padding, width, height, width, height, activation) + bytes(16)


def there_and_back(shape: tuple[int, int, int, int], height: int, width: int) -> Model:
    b = Builder()
    n, h, w, c = shape
    small = (n, h // height, w // width, c)
    x, y, index, z = b.tensor("x", shape), b.tensor("y", small), b.tensor("index", small), b.tensor("z", shape)
    options = np.frombuffer(pool_options(2, height, width), np.uint8)
    graph = b.subgraph(
        (x,),
        (z,),
        Operator(0, (x,), (y, index), custom_options=options),
        Operator(1, (y, index), (z,), custom_options=options),
    )
    codes = (OperatorCode("CUSTOM", 1, "MaxPoolingWithArgmax2D"), OperatorCode("CUSTOM", 1, "MaxUnpooling2D"))
    return Model(codes, (graph,), tuple(b.buffers))


def test_unpooling_puts_maxima_back_where_they_were(runtime: str) -> None:
    x = RANDOM.normal(size=(2, 8, 6, 5)).astype(np.float32)
    model = there_and_back(x.shape, 4, 3)
    (found,) = compute(model, "reference", [x])
    assert np.array_equal(found, oracle(runtime).run(model.to_bytes(), "xnnpack", [x])[0])
    kept = found != 0
    assert np.array_equal(found[kept], x[kept])
    assert kept.sum() == 2 * 2 * 2 * 5


@pytest.mark.parametrize("place", [4, -1, 2**30])
def test_indices_outside_of_the_window_are_refused(place: int) -> None:
    b = Builder()
    x, index, y = b.tensor("x", (1, 1, 1, 1)), b.tensor("index", (1, 1, 1, 1)), b.tensor("y", (1, 2, 2, 1))
    model = custom("MaxUnpooling2D", pool_options(2, 2, 2), b, (x, index), (y,))
    bits = np.full((1, 1, 1, 1), place, np.int32).view(np.float32)
    with pytest.raises(minilite.OperatorError, match=r"MaxUnpooling2D.*expected indices in \[0, 4\)"):
        compute(model, "reference", [np.ones((1, 1, 1, 1), np.float32), bits])


@pytest.mark.parametrize(
    "options, said",
    [
        (b"", "padding 1"),
        (pool_options(0, 2, 2), "padding 1"),
        (pool_options(2, 0, 2), "windows of 1 or more"),
        (pool_options(2, -1, 2), "windows of 1 or more"),
        (pool_options(2, 2, 2, activation=1), "no activation"),
        (struct.pack("<6i", 2, 2, 1, 2, 2, 0), "as large as the strides"),
        (pool_options(2, 9, 9), "filter that fits"),
    ],
)
def test_what_pooling_refuses(options: bytes, said: str) -> None:
    b = Builder()
    x, y, index = b.tensor("x", (1, 4, 4, 1)), b.tensor("y", (1, 2, 2, 1)), b.tensor("index", (1, 2, 2, 1))
    model = custom("MaxPoolingWithArgmax2D", options, b, (x,), (y, index))
    with pytest.raises(minilite.OperatorError, match=said):
        compute(model, "reference", [np.zeros((1, 4, 4, 1), np.float32)])
