"""Steps put together before they are compiled.

A function of one byte is a table, whatever it took to write it in operators: tables of tables are tables, and so is an
operator of two tensors that both are functions of the same one (``x * logistic(x)``). What nobody reads is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba.calls import Call, Place
from minilite.engines.numba.lowering import lower
from minilite.engines.numba.lowering.elementwise import UNARY, entries, table_call
from minilite.engines.numba.lowering.task import Task
from minilite.ops import add, mul

if TYPE_CHECKING:
    from minilite.resolve import Step

Array = np.ndarray
BYTES = ("int8", "uint8")
OF_TWO = (add.integer, add.integer_one_shift, mul.integer)
"""Definitions of two operands in which it does not matter where in the tensor an element lies."""


@dataclass
class Lowered:
    """A step and its calls; None where its definition runs."""

    step: Step
    calls: list[Call] | None


def lowered(schedule: Iterable[Step], seen: set[int], keep: bool) -> list[Lowered]:
    """The schedule with its calls; ``seen`` are the tensors that are looked at afterwards, with ``keep`` all are."""
    tables: dict[int, tuple[int, Array]] = {}
    parts = [_lowered(step, tables) for step in schedule]
    return parts if keep else _needed(parts, seen)


def _lowered(step: Step, tables: dict[int, tuple[int, Array]]) -> Lowered:
    """The step's calls, by a table if it is one; ``tables`` tells of every tensor that is one of which."""
    task = Task.of(step)
    found = None if task is None else _table(task, tables)
    if task is None or found is None:
        return Lowered(step, lower(step))
    tables[task.output.index] = found
    source, entries = found
    return Lowered(step, [table_call(Place(source), entries, task.output)])


def _table(task: Task, tables: dict[int, tuple[int, Array]]) -> tuple[int, Array] | None:
    if task.output.type not in BYTES or any(i is None or i.type not in BYTES for i in task.node.inputs):
        return None
    if len(task.node.inputs) == 1:
        own = entries(task) if task.node.op in UNARY else None
        if own is None:
            return None
        source, inner = tables.get(task.input(0).index, (task.input(0).index, None))
        return source, own if inner is None else own[inner.view(np.uint8)]
    if task.definition.compute not in OF_TWO or len(task.node.inputs) != 2:
        return None
    operands = [task.input(i) for i in range(2)]
    if any(o.value is not None or o.shape != task.output.shape for o in operands):
        return None
    every = np.arange(256, dtype=np.uint8)
    sources = [tables.get(o.index, (o.index, every.view(o.type))) for o in operands]
    if sources[0][0] != sources[1][0]:
        return None
    return sources[0][0], np.asarray(task.definition.compute(task.prepared, sources[0][1], sources[1][1]))


def _needed(parts: list[Lowered], seen: set[int]) -> list[Lowered]:
    """The parts whose results somebody reads."""
    wanted = set(seen)
    for part in parts:
        if part.calls is None:
            wanted.update(part.step.inputs)
    kept = []
    for part in reversed(parts):
        if part.calls is None or wanted.intersection(part.step.outputs):
            kept.append(part)
            for call in part.calls or ():
                wanted.update(p.tensor for p in call.places)
    return kept[::-1]
