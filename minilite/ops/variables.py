"""VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE: values that an interpreter keeps from one invoke to the next.

    VAR_HANDLE                     -> resource   the id of the variable called (container, shared_name)
    ASSIGN_VARIABLE resource, value              from now on the variable is a copy of value
    READ_VARIABLE   resource       -> value      a copy of the variable

A resource is one int32 and stands for the same variable in all subgraphs of one interpreter. A variable has no type or
shape but its last value's. Reading one that was never assigned is an error. An output that the file gives dimensions
has those, and the variable must fill them (LiteRT copies that many bytes, whatever there is); one without takes the
variable's.

Source: TensorFlow Lite's var_handle, read_variable and assign_variable kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.cases import Call, Case, Draw, Graph, Value
from minilite.errors import OperatorError
from minilite.resources import Values
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
KEYS = "variable ids"
TYPES = ("float32", "float16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool", "complex64")
HANDLED = (*(("resource", t) for t in TYPES), *(("int32", t) for t in TYPES))


def shapes_handle(node: Node) -> tuple[Shape]:
    return (node.outputs[0].shape,)


def prepare_handle(node: Node, output: TensorInfo) -> Array:
    """The id: names count up from 0 in the order their operators are prepared."""
    assert node.runtime is not None
    ids: dict[Any, int] = node.runtime.resources.setdefault(KEYS, {})
    key = (node.options.container or "", node.options.shared_name or "")
    return np.full(output.shape, ids.setdefault(key, len(ids)), np.int32)


def handle(resource: Array) -> Array:
    return resource


def variables(node: Node) -> Values:
    """The variables of the interpreter."""
    assert node.runtime is not None
    found: Values = node.runtime.resources.setdefault("variables", Values())
    return found


def _one(resource: TensorInfo) -> None:
    resource.need(int(np.prod(resource.shape)) == 1, "one resource", resource.shape)


def shapes_read(node: Node, resource: TensorInfo) -> tuple[Shape | None]:
    _one(resource)
    return (node.outputs[0].shape or None,)


def read(node: Node, resource: Array) -> Array:
    value = variables(node).get(int(resource.reshape(-1)[0]))
    output = node.outputs[0]
    if value is None:
        raise OperatorError("expected a variable that was assigned, got one that was not. Assign it first.")
    output.need(value.dtype == output.dtype, f"{output.type}, as the file says", f"a variable of {value.dtype}")
    if output.shape:
        output.need(value.size == np.prod(output.shape), f"a variable of shape {output.shape}", value.shape)
    return value.reshape(output.shape or value.shape).copy()  # compiled programs assign in place


def shapes_assign(node: Node, resource: TensorInfo, value: TensorInfo) -> tuple[()]:
    _one(resource)
    return ()


def assign(node: Node, resource: Array, value: Array) -> tuple[()]:
    variables(node)[int(resource.reshape(-1)[0])] = np.array(value)
    return ()


def case(draw: Draw, definition: Definition) -> Case:
    """Three runs of: read a variable, give back what it was, make it something else; a second one keeps apart."""
    type_ = definition.label.split()[0] if " by " in definition.label else "float32"
    sizes = tuple(draw.integer(1, 4) for _ in range(draw.integer(0, 3)))
    by = "int32" if definition.label.endswith("int32") else "resource"
    handle, data = Value(by, draw.choice(((), (1,)))), Value(type_, sizes)
    opened = Value(type_, draw.choice((sizes, ())))
    names = [{"shared_name": n, "container": draw.choice(("", "here"))} for n in ("one", "two")]
    calls = (
        Call("VAR_HANDLE", (), (2,), names[0]),
        Call("VAR_HANDLE", (), (3,), names[1]),
        Call("ASSIGN_VARIABLE", (2, 0), ()),
        Call("ASSIGN_VARIABLE", (3, 1), ()),
        Call("READ_VARIABLE", (2,), (4,)),
        Call("READ_VARIABLE", (3,), (5,)),
        Call("ASSIGN_VARIABLE", (2, 1), ()),
        Call("READ_VARIABLE", (2,), (6,)),
    )
    return Case((), main=Graph((data, data, handle, handle, data, opened, opened), calls, (0, 1), (4, 5, 6)), runs=2)


VAR_HANDLE = Op(
    "VAR_HANDLE",
    inputs=(),
    outputs=(parameter("resource"),),
    definitions=tuple(
        Definition(f"-> {t}", handle, prepare_handle, label=t, quantized=False) for t in ("resource", "int32")
    ),
    shapes=shapes_handle,
    cases=case,
    foldable=False,
)
READ_VARIABLE = Op(
    "READ_VARIABLE",
    inputs=(parameter("resource"),),
    outputs=(activation("value"),),
    definitions=tuple(Definition(f"{r} -> {t}", read, label=f"{t} by {r}", quantized=False) for r, t in HANDLED),
    shapes=shapes_read,
    cases=case,
    foldable=False,
)
ASSIGN_VARIABLE = Op(
    "ASSIGN_VARIABLE",
    inputs=(parameter("resource"), activation("value")),
    outputs=(),
    definitions=tuple(Definition(f"{r} {t} ->", assign, label=f"{t} by {r}", quantized=False) for r, t in HANDLED),
    shapes=shapes_assign,
    cases=case,
    foldable=False,
)
