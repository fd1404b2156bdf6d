"""LOCAL_RESPONSE_NORMALIZATION: every channel divided by a power of what its neighbours in depth have.

    output[n, y, x, c] = input[n, y, x, c] * (bias + alpha * sum over k of input[n, y, x, k] ** 2) ** -beta

``k`` runs over the channels in [c - radius, c + radius]. LiteRT's reference kernel leaves ``c + radius`` out; kernel
set ``reference`` follows it. The optimized kernel keeps one running sum of ``alpha * input ** 2`` along the channels,
in float32: what a large channel adds and takes away again leaves its rounding error behind.

Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", section 3.3.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, input: TensorInfo) -> tuple[Shape]:
    input.need(input.rank == 4, "4 dimensions [batch, height, width, channels]", input.shape)
    node.need(node.options.radius >= 0, "a radius of 0 or more", node.options.radius)
    return (input.shape,)


def float_(node: Node, input: Array) -> Array:
    """Squares and their sums in the type of the input, what follows in float64, rounded once before the product."""
    options = node.options
    bias, alpha, beta = (np.float64(np.float32(v)) for v in (options.bias, options.alpha, options.beta))
    if node.arithmetic == "running":
        sums = running_sums(input * input * input.dtype.type(alpha), options.radius)
    else:
        sums = alpha * window_sums(input * input, options.radius).astype(np.float64)
    return input * ((bias + sums.astype(np.float64)) ** -beta).astype(input.dtype)


def window_sums(squares: Array, radius: int) -> Array:
    """For each channel the sum over [c - radius, c + radius), term by term."""
    depth = squares.shape[3]
    sums = np.zeros_like(squares)
    for offset in range(max(-radius, 1 - depth), min(radius, depth)):
        first, last = max(0, -offset), min(depth, depth - offset)
        sums[..., first:last] += squares[..., first + offset : last + offset]
    return sums


def running_sums(squares: Array, radius: int) -> Array:
    """For each channel the sum over [c - radius, c + radius]: one sum that channels enter and leave."""
    depth = squares.shape[3]
    sums = np.empty_like(squares)
    running = np.zeros(squares.shape[:3], squares.dtype)
    for c in range(min(radius, depth)):
        running += squares[..., c]
    for c in range(depth):
        if c + radius < depth:
            running += squares[..., c + radius]
        sums[..., c] = running
        if c >= radius:
            running -= squares[..., c - radius]
    return sums


def case(draw: Draw, definition: Definition) -> Case:
    """Any radius; betas of which LiteRT has kernels of their own, and others."""
    shape = (draw.integer(1, 3), draw.integer(1, 4), draw.integer(1, 4), draw.integer(1, 20))
    options = {
        "radius": draw.choice((0, 1, 2, 5, 30)),
        "bias": draw.choice((1.0, 0.5, 9.0)),
        "alpha": draw.choice((1.0, 1e-3, 4.0)),
        "beta": draw.choice((0.5, 1.0, 0.75, 0.0, -0.5)),
    }
    return Case((data(shape),), options)


LOCAL_RESPONSE_NORMALIZATION = Op(
    "LOCAL_RESPONSE_NORMALIZATION",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(Definition("float32 -> float32", float_),),
    shapes=shapes,
    cases=case,
)
