"""Steps put together before they are compiled.

A function of one byte is a table, whatever it took to write it in operators: tables of tables are tables, and so is an
operator of two tensors that both are functions of the same one (``x * logistic(x)``). What nobody reads is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba import layer_norm
from minilite.engines.numba.calls import Lowered, Place, Word, is_settled
from minilite.engines.numba.lowering import lower
from minilite.engines.numba.lowering.elementwise import UNARY, entries, table_call
from minilite.engines.numba.lowering.operations import OF_TWO_BYTES
from minilite.engines.numba.lowering.task import Task
from minilite.memory import tensor_bytes

if TYPE_CHECKING:
    from minilite.engines.numba.variables import Variables
    from minilite.plan import Plan
    from minilite.resolve import Step

Array = np.ndarray
BYTES = ("int8", "uint8")


def lowered(plan: Plan, variables: Variables | None) -> list[Lowered]:
    """The schedule with its calls; without ``variables`` all tensors are looked at afterwards."""
    tables: dict[int, tuple[int, Array]] = {}
    parts = [
        (variables and variables.lower(step)) or _lowered(step, tables)
        if is_settled(plan, step)
        else Lowered(step, None, tuple(step.outputs))
        for step in plan.schedule
    ]
    if variables is None:
        return parts
    seen = {*plan.subgraph.inputs, *plan.subgraph.outputs}
    layer_norm.merge(parts, seen)
    readers = _readers(parts, seen)
    _activate(parts, readers)
    _scale(parts, readers)
    _rename(parts, seen)
    variables.shorten(parts, seen)
    return _needed(parts, seen)


def _lowered(step: Step, tables: dict[int, tuple[int, Array]]) -> Lowered:
    """The step's calls, by a table if it is one; ``tables`` tells of every tensor that is one of which."""
    task = Task.of(step)
    found = None if task is None else _table(task, tables)
    if task is None or found is None:
        return Lowered(step, lower(step), tuple(step.writes), lasting=len(step.writes) > len(step.outputs))
    tables[task.output.index] = found
    source, entries = found
    return Lowered(step, [table_call(Place(source), entries, task.output)], tuple(step.outputs))


def _table(task: Task, tables: dict[int, tuple[int, Array]]) -> tuple[int, Array] | None:
    if task.output.type not in BYTES or any(i is None or i.type not in BYTES for i in task.node.inputs):
        return None
    if len(task.node.inputs) == 1:
        own = entries(task) if task.node.op in UNARY else None
        if own is None:
            return None
        source, inner = tables.get(task.input(0).index, (task.input(0).index, None))
        return source, own if inner is None else own[inner.view(np.uint8)]
    if task.computed_by not in OF_TWO_BYTES or len(task.node.inputs) != 2:
        return None
    every, sources, values = np.arange(256, dtype=np.uint8), set(), []
    for operand in (task.input(0), task.input(1)):
        if operand.value is not None and operand.value.size == 1:
            values.append(operand.value.reshape(1))
            continue
        if operand.value is not None or operand.shape != task.output.shape:
            return None
        source, entries_ = tables.get(operand.index, (operand.index, every.view(operand.type)))
        sources.add(source)
        values.append(entries_)
    if len(sources) != 1:
        return None
    return sources.pop(), np.ascontiguousarray(task.definition.compute(task.prepared, *values))


Readers = dict[int, list[Lowered | None]]


def _readers(parts: list[Lowered], seen: set[int]) -> Readers:
    """The parts that read each tensor; None for the caller."""
    readers: Readers = {tensor: [None] for tensor in seen}
    for part in parts:
        for tensor in part.step.inputs:
            readers.setdefault(tensor, []).append(part)
    return readers


def _scale(parts: list[Lowered], readers: Readers) -> None:
    """Have SOFTMAX multiply its input with the number that alone comes before it."""
    for product in parts:
        if _kind(product) != ("binary", "float32", "mul") or _bounded(product):
            continue
        reading = readers.get(product.writes[0], [])
        softmax = reading[0] if [_kind(part) for part in reading] == [("softmax", "fast")] else None
        operands = [i for i in product.step.node.inputs if i is not None]
        numbers = [i.value for i in operands if i.value is not None and i.value.size == 1]
        others = [i for i in operands if i.value is None and i.shape == product.step.node.outputs[0].shape]
        if softmax is None or not softmax.calls or len(numbers) != 1 or len(others) != 1:
            continue
        call = softmax.calls[0]
        constants = np.array(call.row[3], np.float32)
        constants[2] = numbers[0].reshape(())
        softmax.calls = [replace(call, row=(Place(others[0].index), *call.row[1:3], constants))]
        product.calls, product.writes = [], ()


def _activate(parts: list[Lowered], readers: Readers) -> None:
    """Have layers of floats end in the activation behind them."""
    for layer in parts:
        name, last = _activation(layer, readers)
        if last is None:
            continue
        assert layer.calls
        call = layer.calls[0]
        kind = (*call.kind[:3], name) if call.kind[0] == "matmul" else (*call.kind[:2], name, *call.kind[3:])
        output = Place(last.writes[0])
        layer.calls = [replace(call, kind=kind, row=(call.row[0], output, *call.row[2:]))]
        layer.writes, last.writes, last.calls = last.writes, (), []


LAYERS = (
    ("matmul", "float32", "fused", "none"),
    ("depthwise_float", "fused", "none"),
    ("winograd", "2", "none"),
    ("winograd", "4", "none"),
)


def _activation(layer: Lowered, readers: Readers) -> tuple[str, Lowered | None]:
    """The activation that alone reads a layer's output, and the part that ends it."""
    calls = layer.calls or ()
    if len(calls) != 1 or not any(calls[0].kind[: len(kind)] == kind for kind in LAYERS):
        return "none", None
    if _bounded(layer):
        return "none", None
    (output,) = layer.writes
    reading = readers.get(output, [])
    kinds = [_kind(part) for part in reading]
    if kinds == [("elementwise", "unary", "hard swish")]:
        return "hard swish", reading[0]
    if kinds == [("elementwise", "unary", "fast sigmoid"), ("binary", "float32", "mul")]:
        sigmoid, product = reading
        assert sigmoid is not None
        assert product is not None
        (gate,) = sigmoid.writes
        if not _bounded(product) and readers.get(gate) == [product] and set(product.step.inputs) == {output, gate}:
            return "swish", product
    return "none", None


def _bounded(part: Lowered) -> bool:
    """Whether a float operator has an activation already. (Layers have their bounds at 4, operators of two at 3.)"""
    assert part.calls
    call = part.calls[0]
    return bool(np.isfinite(np.asarray(call.row[3 if call.kind[0] == "binary" else 4])).any())


def _kind(part: Lowered | None) -> tuple[str, ...] | None:
    return part.calls[0].kind if part and part.calls and len(part.calls) == 1 else None


def _rename(parts: list[Lowered], seen: set[int]) -> None:
    """Have those who read a copy (RESHAPE's, mostly) read its source, where all of them are compiled."""
    fixed = seen.union(*(part.step.inputs for part in parts if part.calls is None))
    sources: dict[int, int] = {}
    for part in parts:
        copied = _copied(part)
        if copied is not None and fixed.isdisjoint(part.writes):
            sources[part.writes[0]] = sources.get(copied, copied)
            part.calls, part.writes = [], ()
        elif sources and part.calls:
            part.calls = [replace(call, row=tuple(_from(word, sources) for word in call.row)) for call in part.calls]


def _from(word: Word, sources: dict[int, int]) -> Word:
    return replace(word, tensor=sources.get(word.tensor, word.tensor)) if isinstance(word, Place) else word


def _copied(part: Lowered) -> int | None:
    """The tensor all of which a part copies in one piece."""
    if _kind(part) != ("moving", "pieces") or len(part.writes) != 1:
        return None
    assert part.calls
    table, source, *target = part.calls[0].row
    if not isinstance(table, np.ndarray) or not isinstance(source, Place) or len(target) != 1:
        return None
    node = part.step.node
    (size,) = {tensor_bytes(i) for i in node.inputs if i is not None and i.index == source.tensor}
    whole = table.tolist() == [[0, 1, 0, 0, size]] and size == tensor_bytes(node.outputs[0])
    return source.tensor if whole else None


def _needed(parts: list[Lowered], seen: set[int]) -> list[Lowered]:
    """The parts whose results somebody reads."""
    wanted = set(seen)
    for part in parts:
        if part.calls is None:
            wanted.update(part.step.inputs)
    kept = []
    for part in reversed(parts):
        if part.calls is None or part.lasting or wanted.intersection(part.writes):
            kept.append(part)
            for call in part.calls or ():
                wanted.update(p.tensor for p in call.places)
    return kept[::-1]
