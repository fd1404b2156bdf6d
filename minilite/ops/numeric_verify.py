"""NumericVerify: how far a quantized tensor is from the real numbers it stands for. Quantization debuggers insert it.

    output = dequantized(input) - reference

input as for DEQUANTIZE, per-tensor; reference float32 with as many elements; output float32 with input's shape. The
difference is taken in float32.

Options, a flexbuffer: tolerance in steps of the scale, log_if_failed. With log_if_failed and a tolerance of 0.1 or more
a difference beyond it is an error.

LiteRT writes statistics to its log, minilite does not. LiteRT's output for a constant input stays what it was at the
first invoke; here it follows the reference.

Source: TensorFlow Lite's numeric_verify.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, boolean, data, shape
from minilite.errors import OperatorError
from minilite.flexbuffers import encode
from minilite.ops import dequantize
from minilite.ops.custom_options import options_map, real, whole
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each

Array = np.ndarray


@dataclass(frozen=True)
class Prepared:
    """What makes the input real numbers, and the largest difference that is no error."""

    to_real: Callable[[Array], Array]
    largest: float


def shapes(node: Node, input: TensorInfo, reference: TensorInfo) -> tuple[Shape]:
    fits = math.prod(reference.shape) == math.prod(input.shape)
    reference.need(fits, f"as many elements as {input.shape} has", reference.shape)
    return (input.shape,)


def _largest(node: Node, input: TensorInfo) -> float:
    options = options_map(node)
    tolerance = real(node, options, "tolerance")
    fails = whole(node, options, "log_if_failed", -(2**31)) != 0 and tolerance >= 0.1
    return float(np.float32(tolerance) * (input.scale if input.quantized else 0)) if fails else math.inf


def prepare(node: Node, input: TensorInfo, reference: TensorInfo, output: TensorInfo) -> Prepared:
    input.need(input.scales.size == 1, "one scale (per-tensor quantization)", f"{input.scales.size} scales")
    scaled = dequantize.prepare(node, input, output)
    return Prepared(lambda array: dequantize.dequantize(scaled, array), _largest(node, input))


def prepare_float16(node: Node, input: TensorInfo, reference: TensorInfo, output: TensorInfo) -> Prepared:
    return Prepared(lambda array: dequantize.widen(node, array), _largest(node, input))


def verify(p: Prepared, input: Array, reference: Array) -> Array:
    output = np.asarray(p.to_real(input) - reference.reshape(input.shape))
    off = np.abs(output) > p.largest
    if off.any():
        first = int(np.argmax(off))
        found, wanted = input.reshape(-1)[first], reference.reshape(-1)[first]
        raise OperatorError(
            f"expected every element within {p.largest:g} of the reference, got {found} for {wanted:g} at {first}, "
            f"which is {output.reshape(-1)[first]:g} off."
        )
    return output


def case(draw: Draw, definition: Definition) -> Case:
    """Tensors that have nothing to do with each other, and no tolerance that is enforced."""
    whole_shape = shape(draw, 1, 4)
    options = {"tolerance": draw.choice((0.05, 0.0)), "log_if_failed": boolean(draw)}
    return Case((data(whole_shape), data(whole_shape)), custom_options=encode(options))


NUMERIC_VERIFY = Op(
    "NumericVerify",
    inputs=(activation("input"), activation("reference")),
    outputs=(activation("output"),),
    definitions=(
        *each(("int8", "uint8", "int16"), "T float32 -> float32", verify, prepare=prepare),
        Definition("float16 float32 -> float32", verify, prepare=prepare_float16),
    ),
    shapes=shapes,
    cases=case,
    custom=True,
)
