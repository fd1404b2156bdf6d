"""The models that tests/any_order.py plays with: float, int8, stateful, dynamic, of several subgraphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import minilite
from minilite.cases import Call, Graph, Value
from minilite.model import Model
from minilite.ops import OPS
from minilite.spec import Shape
from minilite.testing.graph_model import graph_model
from minilite.testing.one_operator import build
from minilite.testing.seeded import SeededDraw
from tests import small_models as models

BOTH = ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES")


@dataclass(frozen=True)
class Subject:
    """A model and what a player must know of it.

    ``shapes``: sizes that inputs may be given and that work together or alone. ``values``: for inputs whose values
    matter, from a seed to an array. ``fixed``: tensors that are given no other ones, because minilite refuses sooner
    what cannot work (a shape that is no vector, a filter larger than its image), or more works (CONCATENATION of
    scalars). ``remembers``: an invoke changes what the next one computes; ``resources``: in what reset_all_variables()
    leaves alone. ``dynamic``: output shapes are known after an invoke only. ``resolvers``: where the bits must be equal
    (floats are summed in any order but in the first)."""

    name: str
    model: Model
    content: bytes = b""
    shapes: Mapping[int, list[Shape]] = field(default_factory=dict)
    values: Mapping[int, Callable[[int], np.ndarray]] = field(default_factory=dict)
    fixed: frozenset[int] = frozenset()
    remembers: bool = False
    resources: bool = False
    dynamic: bool = False
    resolvers: tuple[str, ...] = BOTH


def _subject(name: str, model: Model, **rest: object) -> Subject:
    content = model.to_bytes()
    return Subject(name, minilite.read(content), content, **rest)  # type: ignore[arg-type]  # as they are called


def _operator(name: str, label: str, seed: int) -> Model:
    """A drawn model of one operator whose weights are constants."""
    op = OPS[name]
    definition = next(d for d in op.definitions if d.label == label)
    for again in range(seed, 1000):
        draw = SeededDraw(again)
        model = build(draw, op, definition, op.cases(draw, definition)).model
        if len(model.subgraphs[0].inputs) == 1:
            return model
    raise AssertionError("no case whose weights are constants")


def loop() -> Model:
    """Doubles x until a counter of int32, the first input, has reached 3."""
    counter, data = Value("int32", (1,)), Value("float32", (2, 3))
    limit, one = (Value("int32", (1,), np.array([n], np.int32)) for n in (3, 1))
    less = Graph((counter, data, limit, Value("bool", (1,))), (Call("LESS", (0, 2), (3,)),), (0, 1), (3,))
    body = Graph(
        (counter, data, one, counter, data), (Call("ADD", (0, 2), (3,)), Call("ADD", (1, 1), (4,))), (0, 1), (3, 4)
    )
    call = Call("WHILE", (0, 1), (2, 3), {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    return graph_model((Graph((counter, data, counter, data), (call,), (0, 1), (2, 3)), less, body))


def branches() -> Model:
    """x * x, or x twice, as a bool says: the shape of the output depends on it."""
    data, longer = Value("float32", (2, 3)), Value("float32", (4, 3))
    both = (
        Graph((data, data), (Call("MUL", (0, 0), (1,)),), (0,), (1,)),
        Graph((data, longer), (Call("CONCATENATION", (0, 0), (1,)),), (0,), (1,)),
    )
    call = Call("IF", (0, 1), (2,), {"then_subgraph_index": 1, "else_subgraph_index": 2})
    return graph_model((Graph((Value("bool", ()), data, data), (call,), (0, 1), (2,)), *both))


def counts(seed: int) -> np.ndarray:
    """A counter for :func:`loop`."""
    return np.array([seed % 6 - 1], np.int32)


def sizes(seed: int) -> np.ndarray:
    """A shape for six elements, mostly."""
    return np.array([[2, 3], [3, 2], [6, 1], [1, 6], [2, -1], [4, 4]][seed % 6], np.int32)


DEMO = Path(minilite.__file__).parent / "demo"

SUBJECTS = {
    s.name: s
    for s in (
        _subject("add", models.add(signature=(-1, 4)), shapes={0: [(1, 4), (3, 4), (2, 1, 4), (4,), (0, 4), (2, 1)]}),
        _subject("chain", models.chain(), shapes={0: [(2, 2), (1, 2), (3,)]}),
        _subject(
            "convolution",
            models.convolution(),
            resolvers=BOTH[:1],
            fixed=frozenset([0]),
            shapes={0: [(1, 4, 4, 2), (2, 5, 3, 2), (1, 2, 2, 2), (0, 4, 4, 2)]},
        ),
        _subject("scalar", models.scalar()),
        _subject("strings", models.strings(), shapes={0: [(3,), (1, 2), (0,)]}),
        _subject("int4", models.packed_input()),
        _subject(
            "two signatures", models.two_signatures(), shapes={0: [(1, 3), (2, 3), (5,)], 1: [(1, 3), (2, 3), (5,)]}
        ),
        _subject("variable", models.stateful(), shapes={0: [(1, 2), (2, 2)]}),
        _subject("int8 variable", models.stateful_int8(), shapes={0: [(1, 2), (2, 2)]}),
        _subject(
            "shape by value",
            models.reshaped_by_value(),
            shapes={0: [(2, 3), (6,)]},
            fixed=frozenset([1]),
            values={1: sizes},
            dynamic=True,
        ),
        _subject("loop", loop(), fixed=frozenset([0]), values={0: counts}),
        _subject("branches", branches(), fixed=frozenset([1]), dynamic=True),
        _subject("custom operator", models.custom()),
        _subject("int8 dense", _operator("FULLY_CONNECTED", "int8", 1), fixed=frozenset([0])),
        _subject("int8 svdf", _operator("SVDF", "int8", 4), remembers=True),
        _subject("once", _operator("CALL_ONCE", "none", 3), fixed=frozenset([0]), remembers=True, resources=True),
        _subject("images", minilite.read(DEMO / "fashion_int8.tflite")),
    )
}
