"""Memory that TFLite Micro's reference kernels ask for while they compute, beside their tensors.

``scratch(name, types, shapes, options)`` gives the bytes of each buffer. Sources: ``RequestScratchBufferInArena`` in
``micro/kernels/*.cc`` of tflite-micro; vendors' kernels (CMSIS-NN, Xtensa, Ethos-U) ask for other amounts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from minilite.spec import Shape

POINTER = 8
"""Bytes of a pointer, as on the 64-bit machine that the package tflite-micro is for."""


@dataclass(frozen=True)
class Operands:
    """What scratch buffers depend on: types (lower case, "" for an absent operand) and shapes of inputs and outputs,
    and the options."""

    types: Sequence[str]
    shapes: Sequence[Shape]
    output: Shape
    options: Any


def scratch(name: str, operands: Operands) -> list[int]:
    """The sizes of the scratch buffers, in bytes, that the reference kernel of an operator asks for."""
    return SCRATCH[name](operands) if name in SCRATCH and operands.types else []


def _unpacked_weights(o: Operands) -> list[int]:
    return [math.prod(o.shapes[1])] if o.types[1] == "int4" else []


def _transposed(o: Operands) -> list[int]:
    """Operands: output shape, weights, input, bias."""
    bias = [8 * math.prod(o.shapes[3])] if len(o.types) > 3 and o.types[3] == "int16" else []
    each = {"int8": 4, "int16": 8}.get(o.types[2])
    return bias + ([each * math.prod(o.output)] if each else [])


def _mean(o: Operands) -> list[int]:
    sums = [4 * math.prod(o.output)] if o.types[0] in ("int8", "int16") else []
    return [*sums, *_reduced(o)]


def _reduced(o: Operands) -> list[int]:
    return [4 * len(o.shapes[0]), 4 * math.prod(o.shapes[1])]


def _svdf(o: Operands) -> list[int]:
    batch, filters = o.shapes[0][0], o.shapes[1][0]
    units = filters // max(int(o.options["rank"]), 1)
    return [4 * batch * filters] + ([4 * batch * units] if o.types[1] == "int8" else [])


def _lstm(o: Operands) -> list[int]:
    """Four gates; the cell state is operand 19, the hidden state 18."""
    size = {"float32": 4, "int16": 2}.get(o.types[19], 0)
    return [size * math.prod(o.shapes[18])] * 4


def _mirror_pad(o: Operands) -> list[int]:
    return [4 * len(o.shapes[0])] * 2


def _add_n(o: Operands) -> list[int]:
    return [POINTER * len(o.types)]


SCRATCH: dict[str, Callable[[Operands], list[int]]] = {
    "CONV_2D": _unpacked_weights,
    "DEPTHWISE_CONV_2D": _unpacked_weights,
    "FULLY_CONNECTED": _unpacked_weights,
    "TRANSPOSE_CONV": _transposed,
    "MEAN": _mean,
    "SUM": _mean,
    "REDUCE_MAX": _reduced,
    "REDUCE_MIN": _reduced,
    "REDUCE_ALL": _reduced,
    "SVDF": _svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "MIRROR_PAD": _mirror_pad,
    "ADD_N": _add_n,
}
