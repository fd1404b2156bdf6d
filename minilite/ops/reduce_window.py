"""REDUCE_WINDOW: one number for every position of a window that slides over all dimensions.

    output[p] = f(... f(f(init_value, x0), x1) ..., xn)  over the elements x of the window at p, in row-major order:
                input[p0 * strides[0] + w0 * dilations[0], p1 * strides[1] + w1 * dilations[1], ...]

with w over ``window_dimensions``. ``reduce_function`` says f: ADD, MUL, MINIMUM, MAXIMUM, ALL (logical and), ANY
(logical or). A dimension has ``floor((size - ((window - 1) * dilation + 1)) / stride) + 1`` positions, 0 if the window
does not fit. 1 to 6 dimensions; window, strides and dilations are constants of 1 or more. Integers wrap; floats round
after each step. MAXIMUM and MINIMUM keep what they have if it is at least, or at most, the next element: else, and so
whenever one of both is NaN, they take the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, constant, data
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, each, parameter

Array = np.ndarray
Step = Callable[[Array, Array], Array]
LARGEST_RANK = 6

FUNCTIONS: dict[str, Step] = {
    "ADD": lambda a, b: a + b,
    "MUL": lambda a, b: a * b,
    "MINIMUM": lambda a, b: np.where(a <= b, a, b),
    "MAXIMUM": lambda a, b: np.where(a >= b, a, b),
    "ALL": lambda a, b: np.logical_and(a, b).astype(a.dtype),
    "ANY": lambda a, b: np.logical_or(a, b).astype(a.dtype),
}


@dataclass(frozen=True)
class Window:
    """A window over all dimensions: its sizes, steps and dilations."""

    sizes: Shape
    strides: Shape
    dilations: Shape

    def over(self, shape: Sequence[int]) -> Shape:
        """The positions the window takes in an array of that shape."""
        reach = [(w - 1) * d + 1 for w, d in zip(self.sizes, self.dilations, strict=True)]
        return tuple((n - r) // s + 1 if n >= r else 0 for n, r, s in zip(shape, reach, self.strides, strict=True))


def slide(function: Step, window: Window, input: Array, init: Array) -> Array:
    """The reduction at every position, one element of the window after the other."""
    positions = window.over(input.shape)
    result = np.full(positions, init.reshape(()), input.dtype)
    if result.size:
        for index in np.ndindex(window.sizes):
            first = [i * d for i, d in zip(index, window.dilations, strict=True)]
            steps = zip(first, positions, window.strides, strict=True)
            result = function(result, input[tuple(slice(f, f + (n - 1) * s + 1, s) for f, n, s in steps)])
    return result


def _window(input: TensorInfo, *tensors: TensorInfo) -> Window:
    values = []
    for tensor in tensors:
        fits = tensor.constant and tensor.shape == (input.rank,)
        tensor.need(fits, f"a constant of shape {(input.rank,)}", f"shape {tensor.shape}")
        values.append(tuple(int(v) for v in tensor.known()))
        tensor.need(min(values[-1]) >= 1, "1 or more", values[-1])
    return Window(*values)


def shapes(
    node: Node, input: TensorInfo, init_value: TensorInfo, sizes: TensorInfo, strides: TensorInfo, dilations: TensorInfo
) -> tuple[Shape]:
    check_operands(input, init_value)
    function = node.options.reduce_function
    node.need(function in FUNCTIONS, f"a reduce_function out of {', '.join(FUNCTIONS)}", function)
    return (_window(input, sizes, strides, dilations).over(input.shape),)


def check_operands(input: TensorInfo, init_value: TensorInfo) -> None:
    """1 to 6 dimensions and one initial value."""
    input.need(1 <= input.rank <= LARGEST_RANK, f"1 to {LARGEST_RANK} dimensions", input.shape)
    init_value.need(math.prod(init_value.shape) == 1, "one element", f"shape {init_value.shape}")


def prepare(node: Node, input: TensorInfo, init_value: TensorInfo, *rest: TensorInfo) -> tuple[Step, Window]:
    return FUNCTIONS[node.options.reduce_function], _window(input, *rest[:3])


def reduce_window(
    p: tuple[Step, Window], input: Array, init_value: Array, sizes: Array, strides: Array, dilations: Array
) -> Array:
    return slide(*p, input, init_value)


def window_case(draw: Draw) -> tuple[Shape, Window]:
    """A shape and a window that mostly fits it."""
    window = Window(*zip(*((_few(draw, 3), _few(draw, 3), _few(draw, 2)) for _ in range(_few(draw, 4))), strict=True))
    sizes = zip(window.sizes, window.dilations, strict=True)
    return tuple(max((w - 1) * d + draw.integer(1, 3), 1) for w, d in sizes), window


def _few(draw: Draw, most: int) -> int:
    return draw.integer(1, most)


def functions_of(definition: Definition) -> list[str]:
    """What can be asked of a type: sums of bools would be neither 0 nor 1."""
    return [f for f in FUNCTIONS if f != "ADD" or definition.input_types[0] != "bool"]


def case(draw: Draw, definition: Definition) -> Case:
    shape, window = window_case(draw)
    parameters = [constant(v, np.int64) for v in (window.sizes, window.strides, window.dilations)]
    function = draw.choice(functions_of(definition))
    low, high = bounds(function)
    operands = data(shape, low, high), data((), low, high)
    return Case((*operands, *parameters), {"reduce_function": function})


def bounds(function: str) -> tuple[int | None, int | None]:
    """What to draw: only 0 and 1 where it matters what is 0."""
    return (0, 1) if function in ("ALL", "ANY") else (None, None)


TYPES = ("float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")

REDUCE_WINDOW = Op(
    "REDUCE_WINDOW",
    inputs=(
        activation("input"),
        activation("init_value", same_as="input"),
        parameter("window_dimensions"),
        parameter("window_strides"),
        parameter("window_dilations"),
    ),
    outputs=(activation("output", same_as="input"),),
    definitions=each(TYPES, "T T int64 int64 int64 -> T", reduce_window, prepare=prepare, quantized=False),
    shapes=shapes,
    cases=case,
)
