"""Which tensor or operator is meant, from the words a person has for it.

    "conv_1/Relu"             a tensor, by its name or by a part that no other tensor's name has
    "tensor 16"               a tensor, by its number
    "7", 7, "operator 7"      an operator, by its number, as ``minilite inspect --operators`` counts them
    "MEAN"                    the only operator of that name

``subgraph`` is 0 unless said otherwise.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.inspection.tensor_names import parts_of
from minilite.model import Model, Operator

Key = tuple[int, int]
"""A subgraph, and a tensor or an operator in it."""
MOST_LISTED = 6


@dataclass(frozen=True)
class Place:
    """A tensor or an operator (``kind`` says which) of a model."""

    kind: str
    key: Key


def find(model: Model, what: str | int, subgraph: int = 0) -> Place:
    """The tensor or operator that ``what`` names. Raises :class:`ArgumentError` that names the nearest."""
    if not isinstance(what, str | int) or isinstance(what, bool):
        raise ArgumentTypeError(f"expected the name of a tensor or an operator's number, got {type(what).__name__}.")
    if not 0 <= subgraph < len(model.subgraphs):
        raise ArgumentError(f"expected a subgraph from 0 to {len(model.subgraphs) - 1}, got {subgraph}.")
    tensors = [t.name or "" for t in model.subgraphs[subgraph].tensors]
    if isinstance(what, str) and what and tensors.count(what) == 1:
        return Place("tensor", (subgraph, tensors.index(what)))
    numbered = re.fullmatch(r"(tensor|operator)?\s*[:#]?\s*(-?\d+)", str(what).strip())
    if numbered:
        return _numbered(model, numbered[1] or "operator", int(numbered[2]), subgraph)
    return _named(model, str(what), tensors, subgraph)


def operator_name(model: Model, operator: Operator) -> str:
    """``"CONV_2D"``."""
    return model.operator_codes[operator.opcode_index].name


def tensor_name(model: Model, key: Key) -> str:
    """The tensor's name, or its number where it has none."""
    return model.subgraphs[key[0]].tensors[key[1]].name or f"tensor {key[1]}"


def producer(model: Model, key: Key) -> int | None:
    """The operator that computes a tensor; the last one, should there be several."""
    operators = model.subgraphs[key[0]].operators
    makers = [i for i, o in enumerate(operators) if key[1] in (o.outputs or ())]
    return makers[-1] if makers else None


def _numbered(model: Model, kind: str, index: int, subgraph: int) -> Place:
    graph = model.subgraphs[subgraph]
    count = len(graph.tensors if kind == "tensor" else graph.operators)
    if not 0 <= index < count:
        other = " (a tensor by its number: 'tensor N')" if kind == "operator" else ""
        raise ArgumentError(f"subgraph {subgraph} has the {kind}s 0 to {count - 1}, got {index}{other}.")
    return Place(kind, (subgraph, index))


def _named(model: Model, what: str, tensors: list[str], subgraph: int) -> Place:
    operators = [operator_name(model, o) for o in model.subgraphs[subgraph].operators]
    alike = [i for i, name in enumerate(operators) if name == what.upper()]
    if alike:
        return Place("operator", (subgraph, _only(alike, f"operators called {what.upper()}", map(str, alike))))
    parts = [i for i, name in enumerate(tensors) if what and (what == name or what in name)]
    same = [i for i in parts if tensors[i] == what] or parts
    if same:
        labels = (f"tensor {i} {tensors[i]!r}" for i in same)
        return Place("tensor", (subgraph, _only(same, f"tensors with {what!r} in their names", labels)))
    raise ArgumentError(
        f"no tensor and no operator is called {what!r}{_nearest(what, [*tensors, *operators])}. "
        "`minilite inspect MODEL --operators --tensors` lists them."
    )


def _only(found: list[int], what: str, labels: Iterable[str]) -> int:
    if len(found) == 1:
        return found[0]
    listed = list(labels)
    more = f" and {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    raise ArgumentError(f"there are {len(found)} {what}; say which one: {', '.join(listed[:MOST_LISTED])}{more}.")


def _nearest(what: str, names: list[str]) -> str:
    """What may have been meant, case aside; the parts of names count, too."""
    whole: dict[str, str] = {}
    for name in names:
        for part in (name, *parts_of(name)):
            whole.setdefault(part.lower(), name)
    found = difflib.get_close_matches(what.lower(), [part for part in whole if part], 1)
    return f" (did you mean {whole[found[0]]!r}?)" if found else ""
