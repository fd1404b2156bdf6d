"""RFFT2D: the discrete Fourier transform of real images, without the half that follows from the other.

    output[..., u, v] = sum over y, x of input[..., y, x] * exp(-2 * pi * i * (u * y / height + v * x / width))

fft_length [2] gives height and width, both powers of two. The images (the last two dimensions of input) are cut or
filled with zeros to that size. output [..., height, width / 2 + 1], complex64. The transform is computed in float64 and
rounded once; imaginary parts of 0 are -0, as LiteRT has them. A transform 1 wide is defined here; LiteRT's kernel is
not meant for it and answers something else.

Source: Cooley and Tukey 1965, "An algorithm for the machine calculation of complex Fourier series".
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, shape, stated
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(node: Node, input: TensorInfo, fft_length: TensorInfo) -> tuple[Shape]:
    input.need(input.rank >= 2, "2 dimensions or more", input.shape)
    fft_length.need(fft_length.shape == (2,), "shape (2,)", fft_length.shape)
    height, width = (int(n) for n in fft_length.known())
    fits = all(n > 0 and n & (n - 1) == 0 for n in (height, width))
    fft_length.need(fits, "powers of two", (height, width))
    return ((*input.shape[:-2], height, width // 2 + 1),)


def rfft2d(node: Node, input: Array, fft_length: Array) -> Array:
    size = int(fft_length[0]), int(fft_length[1])
    output = np.fft.rfft2(input.astype(np.float64), size).astype(np.complex64)
    output.imag[output.imag == 0] = -0.0
    return output


def case(draw: Draw, definition: Definition) -> Case:
    """Images smaller and larger than the transform."""
    sizes = [draw.choice((2, 4, 8, 1, 16, 32)), draw.choice((4, 2, 8, 16, 64))]
    return Case((data((*shape(draw, 0, 2, 3), draw.integer(1, 20), draw.integer(1, 40))), stated(draw, sizes)))


RFFT2D = Op(
    "RFFT2D",
    inputs=(activation("input"), parameter("fft_length")),
    outputs=(activation("output"),),
    definitions=(Definition("float32 int32 -> complex64", rfft2d),),
    shapes=shapes,
    cases=case,
)
