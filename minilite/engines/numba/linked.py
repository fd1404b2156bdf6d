"""A plan's schedule with its compiled steps put together into programs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba import arena, objects, team
from minilite.engines.numba.calls import Call, Place
from minilite.engines.numba.fusion import Lowered, lowered
from minilite.engines.numba.packing import HEAD, ROW, aligned

if TYPE_CHECKING:
    from minilite.plan import Plan
    from minilite.resolve import Step

Array = np.ndarray


@dataclass
class Program:
    """Steps that follow each other, in one compiled call.

    ``inputs`` are the tensors that come from outside, with the memory they are copied to; ``outputs`` those that others
    read, with the memory they are in."""

    parts: list[tuple[Step, list[Call]]]
    inputs: list[tuple[int, Array]] = field(default_factory=list)
    outputs: dict[int, Array] = field(default_factory=dict)
    rows: Array = field(default_factory=lambda: np.empty(0, np.int64))
    start: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def calls(self) -> list[Call]:
        """The calls of all steps."""
        return [call for _, calls in self.parts for call in calls]


class Linked:
    """What runs a plan: programs, and steps between them that have no kernel.

    All tensors of programs lie in one arena. Those that steps between programs, or the caller, may see keep their place
    to themselves: an array over it stays valid until the next run writes it anew."""

    def __init__(self, plan: Plan, parts: list[Lowered], keep: bool, threads: int):
        self.plan, self.threads = plan, threads
        self.blocks: list[Program | Step] = []
        for part in parts:
            if part.calls is None:
                self.blocks.append(part.step)
            elif self.blocks and isinstance(self.blocks[-1], Program):
                self.blocks[-1].parts.append((part.step, part.calls))
            else:
                self.blocks.append(Program([(part.step, part.calls)]))
        self.homes: dict[int, Array] = {}
        self._place(keep, threads)

    @property
    def programs(self) -> list[Program]:
        """The compiled parts."""
        return [block for block in self.blocks if isinstance(block, Program)]

    def _place(self, keep: bool, threads: int) -> None:
        """Give every tensor of a program its memory, and every call its row."""
        graph, infos = self.plan.subgraph, self.plan.infos
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        seen = {*graph.inputs, *graph.outputs}
        position = 0
        for block in self.blocks:
            if isinstance(block, Program):
                for step, calls in block.parts:
                    for tensor in {*(p.tensor for c in calls for p in c.places), *step.outputs}:
                        first.setdefault(tensor, position)
                        last[tensor] = position
                    position += 1
            else:
                seen.update((*block.inputs, *block.outputs))
                position += 1
        if keep:
            seen.update(first)
        lives = {
            t: (0, position) if t in graph.inputs else (first[t], position if t in seen else last[t]) for t in first
        }
        sizes = {t: math.prod(infos[t].shape) * np.dtype(infos[t].dtype).itemsize for t in first}
        offsets, total = arena.places(sizes, lives)
        scratch = max((c.scratch for p in self.programs for c in p.calls), default=0)
        self.arena = aligned(total + arena.SLACK, np.uint8)
        scratch = -(-(scratch + 128) // 64) * 64
        self.scratch = aligned(scratch * threads, np.uint8)
        base = self.arena.ctypes.data
        views = {
            t: self.arena[o : o + sizes[t]].view(infos[t].dtype).reshape(infos[t].shape) for t, o in offsets.items()
        }
        addresses = {t: base + o for t, o in offsets.items()}
        written: set[int] = set()
        for block in self.programs:
            made = {t for step, _ in block.parts for t in step.outputs}
            read = dict.fromkeys(p.tensor for c in block.calls for p in c.places)
            block.inputs = [(t, views[t]) for t in read if t not in made | written]
            block.outputs = {t: views[t] for t in made if t in seen}
            written |= made
            block.rows = np.zeros((len(block.calls), ROW // 8), np.int64)
            for row, call in zip(block.rows, block.calls, strict=True):
                row[:4] = objects.address(call.kind), call.units, call.piece, self.scratch.ctypes.data + scratch
                for i, word in enumerate(call.row, HEAD // 8):
                    if isinstance(word, Place):
                        row[i] = addresses[word.tensor] + word.offset
                    else:
                        row[i] = word.ctypes.data if isinstance(word, np.ndarray) else word
            second = team.team.address if threads > 1 else 0
            block.start = (block.rows.ctypes.data, second, len(block.calls), self.scratch.ctypes.data)
        outside = {i for block in self.blocks if not isinstance(block, Program) for i in block.inputs}
        own = {t for t, _ in (i for p in self.programs for i in p.inputs)}
        self.homes = {i: views[i] for i in graph.inputs if i in own and i not in outside and i not in graph.outputs}
        self._shared = set(first)
        self._run = objects.function(("runner", "shared" if threads > 1 else "alone"))

    def run(self, values: dict[int, Array], keep: bool) -> None:
        """Compute the schedule."""
        run = self._run
        if self.threads > 1:
            team.team.call()
        for block in self.blocks:
            if isinstance(block, Program):
                for index, home in block.inputs:
                    array = values[index]
                    if array is not home:
                        np.copyto(home, array)
                run(*block.start)
                values.update(block.outputs)
            else:
                self._run_step(block, values, keep)

    def timed(self, values: dict[int, Array], keep: bool) -> Iterator[tuple[Step, str, float]]:
        """Like :meth:`run`, step by step; each with the engine that computed it and its seconds."""
        for block in self.blocks:
            if not isinstance(block, Program):
                yield self.plan.timed_step(block, values, keep)
                continue
            for index, home in block.inputs:
                if values[index] is not home:
                    np.copyto(home, values[index])
            rows, second, _, scratch = block.start
            for step, calls in block.parts:
                start = time.perf_counter()
                self._run(rows, second, len(calls), scratch)
                yield step, "numba", time.perf_counter() - start
                rows += len(calls) * ROW
            values.update(block.outputs)

    def _run_step(self, step: Step, values: dict[int, Array], keep: bool) -> None:
        """A step without a kernel. One that keeps what it is given must not be given a program's memory."""
        if not step.op.foldable or len(step.writes) > len(step.outputs):
            for index in step.inputs:
                if index in self._shared and index in values:
                    values[index] = values[index].copy()
        self.plan.run_step(step, values, keep)


class Patient:
    """A plan that is compiled when that is worth its while: at once where all its kernels have been compiled before,
    else when its definitions have taken as long as compiling will."""

    def __init__(self, plan: Plan, parts: list[Lowered], keep: bool, threads: int):
        self.plan, self.keep, self.threads = plan, keep, threads
        self._parts = parts
        self._missing = len({c.kind for p in parts for c in p.calls or () if not objects.is_ready(c.kind)})
        self._spent = 0.0
        self.linked: Linked | None = None if self._missing else Linked(plan, parts, keep, threads)

    def run(self, values: dict[int, Array], keep: bool) -> None:
        """Compute the schedule."""
        if self.linked is None and self._spent > self._missing * SECONDS_TO_COMPILE:
            self._compile()
        if self.linked is not None:
            self.linked.run(values, keep)
            return
        start = time.perf_counter()
        self.plan.run_steps(values, keep)
        self._spent += time.perf_counter() - start

    def _compile(self) -> None:
        try:
            self.linked = Linked(self.plan, self._parts, self.keep, self.threads)
        except objects.CannotCompile:
            self._spent = -math.inf

    def timed(self, values: dict[int, Array], keep: bool) -> Iterator[tuple[Step, str, float]]:
        """See :class:`Linked`."""
        if self.linked is not None:
            yield from self.linked.timed(values, keep)
            return
        for step in self.plan.schedule:
            yield self.plan.timed_step(step, values, keep)

    @property
    def homes(self) -> dict[int, Array]:
        """See :class:`Linked`."""
        return self.linked.homes if self.linked else {}


SECONDS_TO_COMPILE = 1.0
"""What a kernel takes to compile, about."""


def link(plan: Plan, keep: bool, patient: bool, threads: int) -> Linked | Patient | None:
    """What runs the plan with its compiled steps, or None where it has none."""
    parts = lowered(plan.schedule, {*plan.subgraph.inputs, *plan.subgraph.outputs}, keep)
    if all(part.calls is None for part in parts):
        return None
    return Patient(plan, parts, keep, threads) if patient else Linked(plan, parts, keep, threads)
