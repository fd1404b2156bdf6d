"""What operators that only move elements have in common: they take every type alike.

int4 can only be tested as a constant of a file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minilite.cases import Arg, Draw, data
from minilite.spec import QUANTIZED, Definition, TensorInfo

USUAL = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")
UNUSUAL = ("float16", "float64", "uint16", "uint32", "uint64", "complex64", "bfloat16", "float8_e4m3fn", "float8_e5m2")
ALL = (*USUAL, *UNUSUAL)
EVERY = (*ALL, "complex128", "int4")


def definitions(
    types: Sequence[str], signature: str, compute: Callable[..., Any], prepare: Any = None, indices: Any = ("int32",)
) -> tuple[Definition, ...]:
    """One definition for each type ``T`` of elements and type ``I`` of parameters in the signature.

    They are labelled by the type of elements; the unusual ones share the label "other"."""
    rest = {} if prepare is None else {"prepare": prepare}
    return tuple(
        Definition(
            _filled(signature, t, i), compute, label=t if t in (*USUAL, "int4", "uint4", "string") else "other", **rest
        )
        for t, i in itertools.product(types, indices)
    )


def _filled(signature: str, elements: str, parameters: str) -> str:
    names = {"T": elements, "I": parameters}
    return " ".join(names.get(word[0], word[0]) + word[1:] if word != "->" else word for word in signature.split())


def least_rank(definition: Definition) -> int:
    """Of cases; LiteRT's own Python interpreter has no scalar strings."""
    return 1 if definition.label == "string" else 0


def moved(draw: Draw, dims: Sequence[int], definition: Definition) -> Arg:
    """An operand whose elements are moved."""
    return data(dims, constant=True if definition.label in ("int4", "uint4") else None)


def need_same_quantization(input: TensorInfo, output: TensorInfo) -> None:
    """Raise OperatorError unless 8- and 16-bit elements mean the same before and after."""
    same = np.array_equal(input.scales, output.scales) and input.zero_point == output.zero_point
    wanted = f"the input's scale {input.scales} and zero point {input.zero_point}"
    output.need(same or output.type not in QUANTIZED, wanted, f"{output.scales} and {output.zero_point}")
