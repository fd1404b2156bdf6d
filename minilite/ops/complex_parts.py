"""REAL, IMAG and COMPLEX_ABS: a complex number's parts and its magnitude.

    REAL         output = re(input)
    IMAG         output = im(input)
    COMPLEX_ABS  output = sqrt(re(input) ** 2 + im(input) ** 2)

complex64 gives float32, complex128 float64. The magnitude is that of the C library's ``hypot``: it does not overflow
where the result does not, and of an infinity and a NaN it is infinity.
"""

from __future__ import annotations

import numpy as np

from minilite import cases
from minilite.spec import Definition, Node, Op, activation, same_shape

Array = np.ndarray


def real(node: Node, input: Array) -> Array:
    return np.real(input)


def imag(node: Node, input: Array) -> Array:
    return np.imag(input)


def complex_abs(node: Node, input: Array) -> Array:
    """float32 by way of float64, which rounds once."""
    parts = np.real(input).astype(np.float64), np.imag(input).astype(np.float64)
    return np.hypot(*parts).astype(np.real(input).dtype)


def _op(name: str, compute: object, ulp: int = 0) -> Op:
    return Op(
        name,
        inputs=(activation("input"),),
        outputs=(activation("output"),),
        definitions=(
            Definition("complex64 -> float32", compute, ulp=ulp),  # type: ignore[arg-type]  # a function
            Definition("complex128 -> float64", compute, ulp=ulp),  # type: ignore[arg-type]  # a function
        ),
        shapes=same_shape,
        cases=cases.unary,
        elementwise=True,
    )


REAL = _op("REAL", real)
IMAG = _op("IMAG", imag)
COMPLEX_ABS = _op("COMPLEX_ABS", complex_abs)
