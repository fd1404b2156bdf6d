"""CONCATENATION: tensors one after another along one axis; all other dimensions are the same.

All operands and the output share one scale and zero point, except in uint8, where operands that do not are rescaled in
float32 first:

    output = clip(round(q * k - z_input * k) + z_output),  k = s_input * (1 / s_output)

half away from zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, data, shape
from minilite.fixed_point import round_half_away, saturate
from minilite.ops.elementary import to_int32
from minilite.ops.moving import definitions, moved
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray
TYPES = ("float32", "int8", "int16", "int32", "int64", "bool", "float16", "bfloat16", "uint32", "int4")


def shapes(node: Node, *values: TensorInfo) -> tuple[Shape]:
    node.need(len(values) > 0, "at least one operand", "none")
    first = values[0]
    if first.rank == 0:
        for info in values:
            info.need(info.rank == 0, "a scalar like the first operand", f"shape {info.shape}")
        return ((len(values),),)
    axis = axis_of(node, first)
    for info in values[1:]:
        fits = info.rank == first.rank and _others(info.shape, axis) == _others(first.shape, axis)
        info.need(fits, f"the shape of the first operand {first.shape}, except along axis {axis}", info.shape)
    total = sum(info.shape[axis] for info in values)
    return ((*first.shape[:axis], total, *first.shape[axis + 1 :]),)


def axis_of(node: Node, first: TensorInfo) -> int:
    """The axis counted from 0."""
    axis = int(node.options.axis)
    node.need(-first.rank <= axis < first.rank, f"an axis in [{-first.rank}, {first.rank})", axis)
    return axis % first.rank


def _others(dims: Shape, axis: int) -> Shape:
    return dims[:axis] + dims[axis + 1 :]


def prepare(node: Node, *tensors: TensorInfo) -> int:
    activation = str(node.options.fused_activation_function)
    node.need(activation == "NONE", "no fused activation", activation)
    *values, output = tensors
    for info in values if output.type in ("int8", "int16") else ():
        same = np.array_equal(info.scales, output.scales) and info.zero_point == output.zero_point
        wanted = f"the output's scale {output.scales} and zero point {output.zero_point}"
        info.need(same or output.type == "int16", wanted, f"{info.scales}, {info.zero_point}", "Requantize it first.")
        info.need(output.type == "int8" or info.zero_point == 0, "zero point 0", info.zero_point)
    return axis_of(node, values[0]) if values[0].rank else 0


def concatenate(axis: int, *values: Array) -> Array:
    return np.concatenate([np.atleast_1d(v) for v in values], axis)


@dataclass(frozen=True)
class Prepared:
    """The axis, and for each operand its factor and offset in float32, or None where nothing changes."""

    axis: int
    rescale: tuple[tuple[np.float32, np.float32] | None, ...]
    zero_point: int


def prepare_rescaling(node: Node, *tensors: TensorInfo) -> Prepared:
    axis = prepare(node, *tensors)
    *values, output = tensors
    if not output.quantized:
        return Prepared(axis, (None,) * len(values), 0)
    inverse = np.float32(1) / output.scale
    factors = [info.scale * inverse for info in values]
    changes = [info.zero_point != output.zero_point or info.scale != output.scale for info in values]
    terms = [(k, np.float32(-info.zero_point) * k) for k, info in zip(factors, values, strict=True)]
    return Prepared(axis, tuple(t if c else None for t, c in zip(terms, changes, strict=True)), output.zero_point)


def concatenate_rescaled(p: Prepared, *values: Array) -> Array:
    def rescaled(x: Array, terms: tuple[np.float32, np.float32] | None) -> Array:
        if terms is None:
            return x
        steps = to_int32(round_half_away(x.astype(np.float32) * terms[0] + terms[1]))
        return np.asarray(saturate(steps + p.zero_point, "uint8").astype(np.uint8))

    return concatenate(p.axis, *map(rescaled, values, p.rescale))


def case(draw: Draw, definition: Definition) -> Case:
    """One to six operands along any axis; uint8 ones of one scale or of several."""
    dims = shape(draw, 1, 5, 5)
    axis = draw.integer(-len(dims), len(dims) - 1)
    count = draw.integer(1, 6)
    scales = draw.choice((None, (0.02, 0.05, 0.3))) if definition.label == "uint8" else None

    def operand() -> Shape:
        return tuple(draw.integer(1, 5) if i == axis % len(dims) else d for i, d in enumerate(dims))

    if scales is None:
        return Case(tuple(moved(draw, operand(), definition) for _ in range(count)), {"axis": axis})
    operands = tuple(data(operand(), scale=draw.choice(scales)) for _ in range(count))
    return Case(operands, {"axis": axis}, output_scale=draw.choice(scales))


CONCATENATION = Op(
    "CONCATENATION",
    inputs=(activation("values", variadic=True, same_as="values"),),
    outputs=(activation("output", same_as="values"),),
    definitions=(
        *definitions(TYPES, "T* -> T", concatenate, prepare),
        Definition("uint8* -> uint8", concatenate_rescaled, prepare_rescaling),
    ),
    shapes=shapes,
    cases=case,
    version=7,
)
