"""What ``minilite memory`` prints of a :class:`~minilite.inspection.arena.MemoryPlan`."""

from __future__ import annotations

import dataclasses
import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from minilite.errors import ArgumentError
from minilite.inspection.arena import MemoryPlan, Moment, PlannedBuffer, memory_plan
from minilite.inspection.tensor_names import short
from minilite.inspection.visits import NEVER

NAMES = {"tflm": "TFLite Micro", "litert": "LiteRT"}
BAR = 24
"""Columns of the longest bar."""

REST = {
    "tflm": "On top come the variables, the runtime's own structures and the kernels' parameters: some kilobytes.",
    "litert": "On top come temporary tensors of some kernels, delegates, and tensors whose size is not known before.",
}


def plan_of(model: Path, runtime: str, batch: int | None, shapes: Sequence[str]) -> MemoryPlan:
    """The plan for shapes written ``NAME=1x96x96x3``; without a name of the input at that place."""
    return memory_plan(model, runtime=runtime, batch=batch, shapes=dict(map(_shape, shapes)))


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, dimensions = text.rpartition("=")
    if not name or not re.fullmatch(r"\d+([x,]\d+)*", dimensions):
        raise ArgumentError(f"expected --shape NAME=1x96x96x3, got {text!r}.")
    return name, tuple(map(int, re.split("[x,]", dimensions)))


def to_json(plan: MemoryPlan) -> str:
    """Everything, with the peak's operators."""
    peak = [[m.subgraph, m.operator] for m in plan.peak]
    return json.dumps({**dataclasses.asdict(plan), "peak": peak}, indent=2)


def show(console: Console, name: str, plan: MemoryPlan, tensors: bool) -> None:
    """Sums, the operators with what is in use at each, and what is in use at the peak."""
    where = f"{NAMES[plan.runtime]}, buffers aligned to {plan.alignment} bytes"
    console.print(f"{name}: memory in {where}", style="bold", markup=False, soft_wrap=True)
    _print(console, _sums(plan))
    _print(console, Text(REST[plan.runtime], style="dim"))
    if plan.unplanned:
        count = len(plan.unplanned)
        some = ", ".join(short(n, 30) for n in plan.unplanned[:3]) + (", ..." if count > 3 else "")
        console.print(f"Not planned, because known before or sized while running: {count} ({some})", markup=False)
    console.print()
    _print(console, _operators(plan))
    for moment in plan.peak[:1]:
        console.print()
        console.print(f"In use at {_operator(plan, moment)}", style="bold", markup=False)
        _print(console, _buffers(plan, (plan.buffers[i] for i in moment.buffers)))
    if tensors:
        console.print()
        console.print("All buffers", style="bold")
        _print(console, _buffers(plan, plan.buffers))


def _print(console: Console, text: Table | Text) -> None:
    """A table or text without the blanks at the ends of lines."""
    with console.capture() as captured:
        console.print(text)
    for line in captured.get().splitlines():
        console.out(line.rstrip(), highlight=False)


def _sums(plan: MemoryPlan) -> Table:
    table = Table(box=None, pad_edge=True, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    peak = plan.peak
    at = f"at {_operator(plan, peak[0])}" if peak else ""
    others = f" and {len(peak) - 1} more" if len(peak) > 1 else ""
    gaps = plan.arena_bytes - plan.live_bytes
    table.add_row("arena", f"{plan.arena_bytes:,}", f"bytes, {gaps:,} of them lost to gaps" if gaps else "bytes")
    table.add_row("most in use", f"{plan.live_bytes:,}", escape(at + others))
    table.add_row("constants", f"{plan.constant_bytes:,}", "in the file")
    table.add_row("variables", f"{plan.variable_bytes:,}", "kept from run to run")
    return table


def _operator(plan: MemoryPlan, moment: Moment) -> str:
    several = any(m.subgraph for m in plan.moments)
    return f"operator {moment.operator} {moment.name}" + (f" of subgraph {moment.subgraph}" if several else "")


def _operators(plan: MemoryPlan) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("#", "operator", "in use", "buffers", ""):
        table.add_column(name, justify="right" if name in ("#", "in use", "buffers") else "left", no_wrap=True)
    most = max((m.live_bytes for m in plan.moments), default=0) or 1
    several = any(m.subgraph for m in plan.moments)
    for m in plan.moments:
        number = f"{m.subgraph}:{m.operator}" if several else str(m.operator)
        mark = " peak" if m.live_bytes == most else ""
        bar = "█" * max(round(BAR * m.live_bytes / most), 1 if m.live_bytes else 0)
        table.add_row(number, escape(m.name[:24]), f"{m.live_bytes:,}", str(len(m.buffers)), bar + mark)
    return table


def _buffers(plan: MemoryPlan, buffers: Iterable[PlannedBuffer]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("tensor", "bytes", "offset", "operators", "kind", "name"):
        table.add_column(name, justify="right" if name in ("bytes", "offset") else "left", no_wrap=True)
    work = _work(plan)
    for b in sorted(buffers, key=lambda b: -b.size):
        tensor = f"t{b.tensor}" if b.tensor >= 0 else ""
        name = short(b.name, 28) + (f" +{len(b.shared)}" if b.shared else "")
        table.add_row(tensor, f"{b.size:,}", f"{b.offset:,}", _used(work, b), b.kind, escape(name))
    return table


def _used(work: Mapping[int, Sequence[tuple[int, int]]], buffer: PlannedBuffer) -> str:
    """The operators at which it is in use."""
    if buffer.last == NEVER:
        return "none"
    own = work.get(buffer.subgraph, ())
    begin, end = bisect_left(own, (buffer.first, -1)), bisect_left(own, (buffer.last + 1, -1))
    if begin == end:
        return "input"
    first, last = own[begin][1], own[end - 1][1]
    return str(first) if first == last else f"{first}-{last}"


def _work(plan: MemoryPlan) -> dict[int, list[tuple[int, int]]]:
    """When each operator is at work, by subgraph: (moment, operator), in their order."""
    work: dict[int, list[tuple[int, int]]] = {}
    for m in plan.moments:
        work.setdefault(m.subgraph, []).append((m.time, m.operator))
    return work
