"""STABLEHLO_REDUCE_WINDOW: REDUCE_WINDOW over a tensor whose elements are moved apart and padded first.

    output = the reduction, by the body, of every window over pad(input, init_value)

The padding is that of STABLEHLO_PAD: ``base_dilations - 1`` elements between neighbours, ``padding`` [rank, 2] before
and after each dimension, negative to cut off. The window is that of REDUCE_WINDOW: ``window_dimensions``,
``window_strides``, ``window_dilations``, 1 where left out.

The body is subgraph ``body_subgraph_index``; as in LiteRT, it is not computed but known by its one operator:

    ADD, STABLEHLO_ADD             ADD            MUL, STABLEHLO_MULTIPLY        MUL
    MAXIMUM, STABLEHLO_MAXIMUM     MAXIMUM        MINIMUM, STABLEHLO_MINIMUM     MINIMUM
    LOGICAL_AND, STABLEHLO_AND     ALL            LOGICAL_OR, STABLEHLO_OR       ANY

where ALL and ANY of integers are 0 or 1.

Source: the StableHLO specification, "reduce_window".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Call, Case, Draw, Graph, Value, boolean
from minilite.ops.reduce_window import (
    FUNCTIONS,
    TYPES,
    Step,
    Window,
    bounds,
    check_operands,
    functions_of,
    slide,
    window_case,
)
from minilite.ops.stablehlo_pad import Places, numbers, pad, padded_shape, places
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, each

Array = np.ndarray

LARGEST_PADDED = 2**31 - 1
BODIES = {
    "STABLEHLO_ADD": "ADD",
    "STABLEHLO_MULTIPLY": "MUL",
    "STABLEHLO_MAXIMUM": "MAXIMUM",
    "STABLEHLO_MINIMUM": "MINIMUM",
    "LOGICAL_AND": "ALL",
    "LOGICAL_OR": "ANY",
    "ADD": "ADD",
    "MUL": "MUL",
    "MAXIMUM": "MAXIMUM",
    "MINIMUM": "MINIMUM",
    "STABLEHLO_AND": "ALL",
    "STABLEHLO_OR": "ANY",
}
"""The function of a body with one operator."""


@dataclass(frozen=True)
class Prepared:
    """The body's function, where elements go before it, and the window."""

    function: Step
    places: Places
    window: Window


def _of(node: Node, input: TensorInfo) -> tuple[Places, Window]:
    """The padding and the window of the options."""
    options, rank = node.options, input.rank
    base = _vector(node, "base_dilations", 1, rank)
    padding = _vector(node, "padding", None, 2 * rank)
    low, interior, high = padding[::2], tuple(d - 1 for d in base), padding[1::2]
    input.need(min(input.shape) > 0 or max(base) == 1, "no empty dimension to move apart", input.shape)
    shape = padded_shape(input.shape, low, interior, high)
    node.need(min(shape) > 0 or not any(padding), "padding that leaves something", f"shape {shape}")
    bytes_ = math.prod(shape) * np.dtype(input.dtype).itemsize
    node.need(bytes_ <= LARGEST_PADDED, f"at most {LARGEST_PADDED} bytes of padded input", f"{bytes_}, shape {shape}")
    node.need(options.window_dimensions is not None, "window_dimensions", "none")
    names = ("window_dimensions", "window_strides", "window_dilations")
    window = Window(*(_vector(node, name, 1, rank) for name in names))
    return places(input.shape, shape, low, interior), window


def _vector(node: Node, name: str, least: int | None, length: int) -> Shape:
    """An option's numbers; where it is left out, the least there may be, or 0."""
    found = numbers(node.options[name]) or (least or 0,) * length
    node.need(len(found) == length, f"{length} {name}", found)
    node.need(least is None or min(found) >= least, f"{name} of {least} or more", found)
    return found


def _function(node: Node) -> Step:
    assert node.runtime is not None
    body = node.runtime.subgraph(node.options.body_subgraph_index).operators
    fits = len(body) == 1 and body[0] in BODIES
    node.need(fits, f"a body of one operator out of {', '.join(BODIES)}", body)
    return FUNCTIONS[BODIES[body[0]]]


def shapes(node: Node, input: TensorInfo, init_value: TensorInfo) -> tuple[Shape]:
    check_operands(input, init_value)
    where, window = _of(node, input)
    return (window.over(where.shape),)


def prepare(node: Node, input: TensorInfo, init_value: TensorInfo, output: TensorInfo) -> Prepared:
    return Prepared(_function(node), *_of(node, input))


def reduce_window(p: Prepared, input: Array, init_value: Array) -> Array:
    return slide(p.function, p.window, pad(p.places, input, init_value), init_value)


def case(draw: Draw, definition: Definition) -> Case:
    """Windows over padded, cropped and moved apart tensors, with every body."""
    dims, window = window_case(draw)
    base = [draw.choice((1, 1, 2, 3)) for _ in dims]
    spread = [(d - 1) * b + 1 for d, b in zip(dims, base, strict=True)]
    low = [draw.integer(1 - s if boolean(draw) else 0, 2) for s in spread]
    high = [draw.integer(max(1 - s - before, -2), 2) for s, before in zip(spread, low, strict=True)]
    padding = np.stack([low, high], axis=1).reshape(-1)
    options: dict[str, Any] = {
        "window_dimensions": window.sizes,
        "window_strides": window.strides,
        "window_dilations": window.dilations,
        "base_dilations": base,
        "padding": padding.tolist(),
        "body_subgraph_index": 1,
    }
    padded = [before + s + after for before, s, after in zip(low, spread, high, strict=True)]
    type_, body = definition.input_types[0], _body(draw, definition)
    init = np.asarray(draw.random.integers(0, 3), DTYPES[type_])
    least, most = bounds(BODIES[body])
    values = (Value(type_, dims, low=least, high=most), Value(type_, (), init), Value(type_, window.over(padded)))
    main = Graph(values, (Call("STABLEHLO_REDUCE_WINDOW", (0, 1), (2,), options),), (0,), (2,))
    return Case((), main=main, subgraphs=(body_graph(type_, body),))


def _body(draw: Draw, definition: Definition) -> str:
    """LiteRT's reference resolver has neither STABLEHLO_AND nor STABLEHLO_OR."""
    possible = functions_of(definition)
    return draw.choice([b for b, f in BODIES.items() if f in possible and b not in ("STABLEHLO_AND", "STABLEHLO_OR")])


def body_graph(type_: str, *operators: str) -> Graph:
    """A subgraph of two scalars that one operator combines; without any, it is the second of them."""
    scalar = Value(type_, ())
    return Graph((scalar,) * 3, tuple(Call(o, (0, 1), (2,)) for o in operators), (0, 1), (2 if operators else 1,))


STABLEHLO_REDUCE_WINDOW = Op(
    "STABLEHLO_REDUCE_WINDOW",
    inputs=(activation("input"), activation("init_value", same_as="input")),
    outputs=(activation("output", same_as="input"),),
    definitions=each(TYPES, "T T -> T", reduce_window, prepare=prepare, quantized=False),
    shapes=shapes,
    cases=case,
)
