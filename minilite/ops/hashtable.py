"""HASHTABLE, HASHTABLE_IMPORT, HASHTABLE_FIND, HASHTABLE_SIZE: a table that an interpreter keeps.

    HASHTABLE                              -> table [1]      the table of id ``table_id`` (option), empty at first
    HASHTABLE_IMPORT table, keys, values                     fills it; does nothing when it was filled before
    HASHTABLE_FIND   table, keys, default  -> values         one for each key; ``default`` where there is no such key
    HASHTABLE_SIZE   table                 -> size [1]       int64, the number of keys

Keys are int64 and values strings, or keys strings and values int64. Of a key that comes several times in one import,
the first value stays. ``default`` has one element.

Source: TensorFlow Lite's hashtable kernels and static_hashtable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minilite.cases import Call, Case, Draw, Graph, Value
from minilite.errors import OperatorError
from minilite.spec import DTYPES, Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
PAIRS = (("int64", "string"), ("string", "int64"))


@dataclass
class Table:
    """A table, and the types it was made with."""

    key: str
    value: str
    filled: bool = False
    entries: dict[Any, Any] = field(default_factory=dict)


def tables(node: Node) -> dict[int, Table]:
    """The tables of the interpreter by id."""
    assert node.runtime is not None
    found: dict[int, Table] = node.runtime.resources.setdefault("tables", {})
    return found


def table(node: Node, resource: Array) -> Table:
    """The table that a resource stands for. Raises :class:`OperatorError` when HASHTABLE never made it."""
    found = tables(node).get(int(resource[0]))
    if found is None:
        raise OperatorError(f"expected the id of a table, got {resource[0]}. Its HASHTABLE must be computed first.")
    return found


def shapes_table(node: Node) -> tuple[Shape]:
    types = (str(node.options.key_dtype).lower(), str(node.options.value_dtype).lower())
    node.need(types in PAIRS, "keys and values of int64 and string, or string and int64", types)
    return ((1,),)


def make(node: Node) -> Array:
    options = node.options
    key, value = str(options.key_dtype).lower(), str(options.value_dtype).lower()
    tables(node).setdefault(options.table_id, Table(key, value))
    return np.array([options.table_id], np.int32)


def _check(resource: TensorInfo) -> None:
    resource.need(resource.shape == (1,), "one resource, shape (1,)", resource.shape)


def shapes_import(node: Node, resource: TensorInfo, keys: TensorInfo, values: TensorInfo) -> tuple[()]:
    _check(resource)
    values.need(values.shape == keys.shape, f"the keys' shape {keys.shape}", values.shape)
    return ()


def fill(node: Node, resource: Array, keys: Array, values: Array) -> tuple[()]:
    found = table(node, resource)
    _check_types(node, found, *(i.type for i in node.inputs[1:] if i is not None))
    if not found.filled:
        pairs = zip(reversed(keys.reshape(-1).tolist()), reversed(values.reshape(-1).tolist()), strict=True)
        found.entries, found.filled = dict(pairs), True
    return ()


def _check_types(node: Node, found: Table, key: str, value: str) -> None:
    node.need((key, value) == (found.key, found.value), f"a table from {key} to {value}", f"{found.key}, {found.value}")


def shapes_find(node: Node, resource: TensorInfo, keys: TensorInfo, default: TensorInfo) -> tuple[Shape]:
    _check(resource)
    default.need(int(np.prod(default.shape)) == 1, "one element", default.shape)
    return (keys.shape,)


def find(node: Node, resource: Array, keys: Array, default: Array) -> Array:
    found, output = table(node, resource), node.outputs[0]
    _check_types(node, found, str(node.inputs[1] and node.inputs[1].type), output.type)
    missing = default.reshape(-1)[0]
    values = np.empty(keys.size, output.dtype)
    values[:] = [found.entries.get(k, missing) for k in keys.reshape(-1).tolist()]
    return values.reshape(keys.shape)


def shapes_size(node: Node, resource: TensorInfo) -> tuple[Shape]:
    _check(resource)
    return ((1,),)


def count(node: Node, resource: Array) -> Array:
    return np.array([len(table(node, resource).entries)], np.int64)


def case(draw: Draw, definition: Definition) -> Case:
    """A table filled from constants, twice; keys that are and are not there; its size. Two runs."""
    key, value = next((p for p in PAIRS if " ".join(p) in definition.label), PAIRS[0])
    filled, wanted = draw.integer(1, 8), (draw.integer(1, 3), draw.integer(1, 3))
    handle = Value("resource", (1,))
    keys, values, others = (Value(t, (filled,), _some(draw, t, filled)) for t in (key, value, value))
    default = Value(value, (1,), _some(draw, value, 1))
    types = {"key_dtype": key.upper(), "value_dtype": value.upper()}
    graph = Graph(
        (
            Value(key, wanted, low=0, high=9),
            handle,
            keys,
            values,
            others,
            default,
            Value(value, wanted),
            Value("int64", (1,)),
        ),
        (
            Call("HASHTABLE", (), (1,), {"table_id": draw.integer(0, 100), **types}),
            Call("HASHTABLE_IMPORT", (1, 2, 3), ()),
            Call("HASHTABLE_IMPORT", (1, 2, 4), ()),
            Call("HASHTABLE_FIND", (1, 0, 5), (6,)),
            Call("HASHTABLE_SIZE", (1,), (7,)),
        ),
        (0,),
        (6, 7),
    )
    return Case((), main=graph, runs=2)


def _some(draw: Draw, type_: str, count: int) -> Array:
    numbers = draw.random.integers(0, 10, count)
    strings = np.array([b"", b"a", b"two words", b"\xc3\xa9"], object)
    return numbers.astype(np.int64) if type_ == "int64" else strings[numbers % 4].astype(DTYPES["string"])


RESOURCE = parameter("table")

HASHTABLE = Op(
    "HASHTABLE",
    inputs=(),
    outputs=(RESOURCE,),
    definitions=(Definition("-> resource", make, label="none", quantized=False),),
    shapes=shapes_table,
    cases=case,
    foldable=False,
)
HASHTABLE_IMPORT = Op(
    "HASHTABLE_IMPORT",
    inputs=(RESOURCE, parameter("keys"), activation("values")),
    outputs=(),
    definitions=tuple(Definition(f"resource {k} {v} ->", fill, label=f"{k} {v}", quantized=False) for k, v in PAIRS),
    shapes=shapes_import,
    cases=case,
    foldable=False,
)
HASHTABLE_FIND = Op(
    "HASHTABLE_FIND",
    inputs=(RESOURCE, parameter("keys"), activation("default")),
    outputs=(activation("values"),),
    definitions=tuple(
        Definition(f"resource {k} {v} -> {v}", find, label=f"{k} {v}", quantized=False) for k, v in PAIRS
    ),
    shapes=shapes_find,
    cases=case,
    foldable=False,
)
HASHTABLE_SIZE = Op(
    "HASHTABLE_SIZE",
    inputs=(RESOURCE,),
    outputs=(parameter("size"),),
    definitions=(Definition("resource -> int64", count, quantized=False),),
    shapes=shapes_size,
    cases=case,
    foldable=False,
)
