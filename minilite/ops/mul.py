"""MUL: two tensors, element by element, broadcast like NumPy.

    output = activation(input1 * input2)

Quantized: ``z + round((q1 - z1) * (q2 - z2) * M)`` with ``M = s1 * s2 / s_output`` formed in float32 (in ``tflm`` in
float64). ``round`` is the kernel set's: MultiplyByQuantizedMultiplier, rounded twice, in ``reference``, ``builtin`` and
``tflm``; float32, ties to even, in ``xnnpack``. In ``builtin``, whole vectors of 8-bit results pass through 16 bits:
they saturate there before the zero point is added (uint8 against a single value: they wrap) and wrap after it.

int16 times int16 may give int8 or uint8 (LSTM cells of old): both are fractions of 2**15, the scales are not looked
at: ``z + round(round(q1 * q2 / 2**15) / 2**8)``, without broadcasting. Integers without a scale multiply and wrap; a
fused activation clips them.

Sources: TensorFlow Lite's reference and optimized mul kernels, XNNPACK's qs8-vmul.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import (
    Requantizer,
    float_activation,
    ratio_type,
    requantizer,
    rounding_divide_by_pot,
    saturate,
)
from minilite.ops.broadcast import in_vectors, runs, shapes
from minilite.ops.plain_integers import integer_activation
from minilite.spec import Definition, Node, Op, TensorInfo, activation, each

Array = np.ndarray


def multiply(node: Node, input1: Array, input2: Array) -> Array:
    return float_activation(node, input1 * input2)


def multiply_integers(node: Node, input1: Array, input2: Array) -> Array:
    return integer_activation(node, input1 * input2)


def multiply_complex(node: Node, input1: Array, input2: Array) -> Array:
    return input1 * input2


@dataclass(frozen=True)
class Prepared:
    """Zero points of the operands, and the way to the output."""

    zero_points: tuple[int, int]
    requantize: Requantizer


def prepare(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Prepared:
    if output.type == "int16":
        for tensor in (input1, input2, output):
            tensor.need(tensor.zero_point == 0, "zero point 0", tensor.zero_point)
    output.need(output.scale != 0, "a scale other than 0", output.scale)
    rounding = "float32" if node.arithmetic == "float32" else "double rounding"
    real = ratio_type(node)(input1.scale) * input2.scale / output.scale
    return Prepared((input1.zero_point, input2.zero_point), requantizer(node, real, output, rounding))


def integer(p: Prepared, input1: Array, input2: Array) -> Array:
    return p.requantize(_product(p, input1, input2))


def _product(p: Prepared, input1: Array, input2: Array) -> Array:
    a, b = (x.astype(np.int64) - z for x, z in zip((input1, input2), p.zero_points, strict=True))
    return a * b


def integer_in_vectors(p: Prepared, input1: Array, input2: Array) -> Array:
    """Whole vectors of each run saturate and wrap; what is left over is computed as in ``reference``."""
    r = p.requantize
    steps = r.steps(_product(p, input1, input2))
    run = runs(input1.shape, input2.shape)
    if run is None:
        return r.clipped(steps)
    length, against_one = run
    saturates = r.type == "int8" or not against_one
    narrow = (saturate(steps, "int16") if saturates else steps).astype(np.int16)
    wrapped = (narrow + np.int16(r.zero_point)).astype(np.int64) - r.zero_point
    return r.clipped(np.where(in_vectors(steps.shape, length, 16 if r.type == "int8" else 8), wrapped, steps))


def prepare_fractions(node: Node, input1: TensorInfo, input2: TensorInfo, output: TensorInfo) -> Requantizer:
    input2.need(input1.shape == input2.shape, f"the shape of input1, {input1.shape}", input2.shape)
    return requantizer(node, np.float64(2.0**-23), output, "double rounding")


def fractions(requantize: Requantizer, input1: Array, input2: Array) -> Array:
    """int16 times int16 as fractions, to 8 bits."""
    product = np.minimum((input1.astype(np.int64) * input2 + (1 << 14)) >> 15, 32767)
    return requantize.clipped(rounding_divide_by_pot(product, 8))


def case(draw: Draw, definition: Definition) -> Case:
    if definition.label == "complex64":
        return cases.binary(draw, definition)
    options = cases.activated(draw)
    if definition.label == "uint32" and options["fused_activation_function"] == "RELU_N1_TO_1":
        options = {}  # LiteRT reads the lower bound as 2**32 - 1
    pair = cases.broadcast_pair(draw)
    if definition.label.startswith("int16 to"):
        pair = (pair[0], pair[0])
    if definition.label in PLAIN and cases.boolean(draw):
        operands = tuple(cases.any_integers(draw, s, definition.input_types[0]) for s in pair)
    else:
        operands = tuple(map(data, pair))
    if not cases.random_ties(draw, definition):
        return Case(operands, options)
    scales = [cases.power_of_two(draw, -6, 0) for _ in pair]
    operands = tuple(data(s, scale=t) for s, t in zip(pair, scales, strict=True))
    return Case(operands, options, output_scale=scales[0] * scales[1] * _coarser(draw, definition))


def _coarser(draw: Draw, definition: Definition) -> float:
    """How many times the product's scale the output's is."""
    return cases.power_of_two(draw, *((12, 16) if definition.label == "int16" else (5, 9)))


PLAIN = ("int32", "int64", "uint32", "plain int16")

MUL = Op(
    "MUL",
    inputs=(activation("input1"), activation("input2")),
    outputs=(activation("output"),),
    definitions=(
        *each(("float32", "float16"), "T T -> T", multiply),
        *each(("int8", "uint8"), "T T -> T", integer_in_vectors, prepare=prepare, arithmetic="vectors"),
        *each(("int8", "uint8"), "T T -> T", integer, prepare=prepare),
        Definition("int16 int16 -> int16", integer, prepare, quantized=True),
        *each(("int32", "int64", "uint32"), "T T -> T", multiply_integers),
        Definition("int16 int16 -> int16", multiply_integers, label="plain int16", quantized=False),
        Definition("complex64 complex64 -> complex64", multiply_complex),
        Definition("int16 int16 -> int8", fractions, prepare_fractions, label="int16 to int8"),
        Definition("int16 int16 -> uint8", fractions, prepare_fractions, label="int16 to uint8"),
    ),
    shapes=shapes,
    cases=case,
    version=8,
    elementwise=True,
)
