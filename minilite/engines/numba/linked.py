"""A plan's schedule with its compiled steps put together into programs."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba import arena, large_pages, objects, team
from minilite.engines.numba.calls import Call, Lowered, Place, Word
from minilite.engines.numba.fusion import lowered
from minilite.engines.numba.packing import HEAD, ROW, aligned
from minilite.engines.numba.variables import Variables
from minilite.memory import tensor_bytes

if TYPE_CHECKING:
    from minilite.plan import Plan
    from minilite.resolve import Step

Array = np.ndarray


LONG = 100_000_000
"""Nanoseconds of work from which on a program is run step by step, so that somebody can look at the clock."""


@dataclass
class Program:
    """Steps that follow each other, in one compiled call.

    ``reads`` are the tensors that no program makes, ``inputs`` the same with the memory they are copied to; ``outputs``
    those that others read, with the memory they are in."""

    parts: list[Lowered]
    reads: list[int] = field(default_factory=list)
    inputs: list[tuple[int, Array]] = field(default_factory=list)
    outputs: dict[int, Array] = field(default_factory=dict)
    rows: Array = field(default_factory=lambda: np.empty(0, np.int64))
    start: tuple[int, int, int, int] = (0, 0, 0, 0)
    run: Callable[[], object] = lambda: None

    @property
    def calls(self) -> list[Call]:
        """The calls of all steps."""
        return [call for part in self.parts for call in part.calls or ()]

    @functools.cached_property
    def work(self) -> int:
        """What they take, in nanoseconds, roughly."""
        return sum(call.work for call in self.calls)


class TooLarge(Exception):
    """Raised when a plan's programs together need more than ``max_memory``; step by step it may need less."""


class Linked:
    """What runs a plan: programs, and steps between them that have no kernel.

    All tensors of programs lie in one arena. Those that steps between programs, or the caller, may see keep their place
    to themselves: an array over it stays valid until the next run writes it anew. So do variable tensors, which
    programs assign in place: what a run begins with is copied there unless it is what the last one left there."""

    def __init__(self, plan: Plan, parts: Parts, keep: bool, threads: int):
        self.plan, self.threads = plan, threads
        self._variables = parts.variables if parts.variables and parts.variables.homes else None
        self.blocks: list[Program | Step] = []
        for part in parts.parts:
            if part.calls is None:
                self.blocks.append(part.step)
            elif self.blocks and isinstance(self.blocks[-1], Program):
                self.blocks[-1].parts.append(part)
            else:
                self.blocks.append(Program([part]))
        self._whole = self.programs[0] if len(self.blocks) == 1 and self.programs else None
        self.homes: dict[int, Array] = {}
        self._kept = {info.index for info in plan.infos if info.is_variable}
        self._place(keep, threads)

    @property
    def programs(self) -> list[Program]:
        """The compiled parts."""
        return [block for block in self.blocks if isinstance(block, Program)]

    def _place(self, keep: bool, threads: int) -> None:
        """Give every tensor of a program its memory, and every call its row."""
        graph, infos = self.plan.subgraph, self.plan.infos
        for block, outside in zip(self.programs, self._from_outside(), strict=True):
            block.reads = outside
        outside_steps = [block for block in self.blocks if not isinstance(block, Program)]
        seen = {*graph.inputs, *graph.outputs, *(i for step in outside_steps for i in (*step.inputs, *step.outputs))}
        seen |= self._kept
        lives = self._lives(seen, keep)
        sizes = {t: tensor_bytes(infos[t]) for t in lives}
        offsets, total = arena.places(sizes, lives)
        fed = sum(sizes[t] for t in graph.inputs if t in sizes)  # which lie outside, too
        if self.plan.max_memory is not None and total + fed > self.plan.max_memory:
            raise TooLarge
        scratch = max((c.scratch for p in self.programs for c in p.calls), default=0)
        scratch = -(-(scratch + arena.SLACK) // 64) * 64
        self.arena = aligned(total + arena.SLACK, np.uint8)
        self.scratch = aligned(scratch * threads, np.uint8)
        views = {
            t: self.arena[o : o + sizes[t]].view(infos[t].dtype).reshape(infos[t].shape) for t, o in offsets.items()
        }
        runner = ("runner", "shared" if threads > 1 else "alone")
        for block in self.programs:
            block.inputs = [(t, views[t]) for t in block.reads]
            block.outputs = {t: views[t] for part in block.parts for t in part.writes if keep or t in seen}
            block.rows = np.zeros((len(block.calls), ROW // 8), np.int64)
            for row, call in zip(block.rows, block.calls, strict=True):
                row[:4] = objects.address(call.kind), call.units, call.piece, self.scratch.ctypes.data + scratch
                row[HEAD // 8 :][: len(call.row)] = [_number(word, views) for word in call.row]
            second = team.team.address if threads > 1 else 0
            block.start = (block.rows.ctypes.data, second, len(block.calls), self.scratch.ctypes.data)
            block.run = objects.bound(runner, *block.start)
        read_outside = {i for step in outside_steps for i in step.inputs}
        own = {t for block in self.programs for t in block.reads}
        self.homes = {i: views[i] for i in graph.inputs if i in own - read_outside and i not in graph.outputs}
        self._shared = set(lives)
        self._run = objects.function(runner)

    def _from_outside(self) -> Iterator[list[int]]:
        """For each program the tensors that no program has made, and the variables."""
        made: set[int] = set()
        for block in self.programs:
            made.update(t for part in block.parts for t in part.writes if t not in self._kept)
            yield [t for t in dict.fromkeys(p.tensor for c in block.calls for p in c.places) if t not in made]

    def _lives(self, seen: set[int], keep: bool) -> dict[int, tuple[int, int]]:
        """The first and last step that each tensor of a program is needed at. What comes from outside is there from the
        program's start on, what others may look at stays, and variables are there all the time."""
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        position = 0
        for block in self.blocks:
            if not isinstance(block, Program):
                position += 1
                continue
            for tensor in block.reads:
                first.setdefault(tensor, position)
            for part in block.parts:
                for tensor in {*(p.tensor for c in part.calls or () for p in c.places), *part.writes}:
                    first.setdefault(tensor, position)
                    last[tensor] = position
                position += 1
        first.update(dict.fromkeys(first.keys() & {*self.plan.subgraph.inputs, *self._kept}, 0))
        return {t: (first[t], position if keep or t in seen else last[t]) for t in first}

    def run(self, values: dict[int, Array], keep: bool) -> None:
        """Compute the schedule."""
        if self._variables is not None and not self._variables.ready():
            self._leave(values)
            self.plan.run_steps(values, keep)
            return
        if self.threads > 1:
            team.team.gather()
        if self._whole is not None:
            self._run_program(self._whole, values)
            return
        with np.errstate(all="ignore"):
            for block in self.blocks:
                if isinstance(block, Program):
                    self._run_program(block, values)
                else:
                    self.plan.program.look_at_the_clock(block.node)
                    self._run_step(block, values, keep)

    def _leave(self, values: dict[int, Array]) -> None:
        """Have inputs out of their homes before definitions run, whose outputs may be views of them."""
        for index, home in self.homes.items():
            if values.get(index) is home:
                values[index] = home.copy()

    def _run_program(self, program: Program, values: dict[int, Array]) -> None:
        if program.work > LONG:
            for _ in self._by_parts(program, values):
                pass
            return
        self.plan.program.look_at_the_clock(program.parts[0].step.node)
        for index, home in program.inputs:
            array = values[index]
            if array is not home:
                np.copyto(home, array)
                if index in self.homes:
                    values[index] = home
        program.run()
        values.update(program.outputs)

    def _by_parts(self, program: Program, values: dict[int, Array]) -> Iterator[tuple[Step, str, float]]:
        """Compute a program step by step, as :meth:`timed` does, with a look at the clock before each."""
        for index, home in program.inputs:
            if values[index] is not home:
                np.copyto(home, values[index])
        rows, second, _, scratch = program.start
        for part in program.parts:
            self.plan.program.look_at_the_clock(part.step.node)
            if self.threads > 1:
                team.team.gather()
            start, count = time.perf_counter(), len(part.calls or ())
            self._run(rows, second, count, scratch)
            yield part.step, "numba", time.perf_counter() - start
            rows += count * ROW
        values.update(program.outputs)

    def timed(self, values: dict[int, Array], keep: bool) -> Iterator[tuple[Step, str, float]]:
        """Like :meth:`run`, step by step; each with the engine that computed it and its seconds."""
        if self._variables is not None and not self._variables.ready():
            self._leave(values)
            for step in self.plan.schedule:
                yield self.plan.timed_step(step, values, keep)
            return
        for block in self.blocks:
            if isinstance(block, Program):
                yield from self._by_parts(block, values)
            else:
                yield self.plan.timed_step(block, values, keep)

    def _run_step(self, step: Step, values: dict[int, Array], keep: bool) -> None:
        """A step without a kernel. One that keeps what it is given must not be given a program's memory, nor may its
        result be a view of a variable that a program assigns; and what it is the last to read by the schedule, a
        program may still read, where reading was put off to a later step."""
        keeps = not step.op.foldable or len(step.writes) > len(step.outputs)
        for index in step.inputs:
            if index in self._shared and index in values and (keeps or index in self._kept):
                values[index] = values[index].copy()
        needed = {i: values[i] for i in step.inputs if i in self._shared and i in values}
        self.plan.run_step(step, values, keep)
        for index, array in needed.items():
            values.setdefault(index, array)


def _number(word: Word, views: Mapping[int, Array]) -> int:
    """A word of a row: a number, or an address."""
    if isinstance(word, Place):
        return int(views[word.tensor].ctypes.data) + word.offset
    return int(word.ctypes.data) if isinstance(word, np.ndarray) else word


class Patient:
    """A plan that is compiled when that is worth its while: at once where all its kernels have been compiled before,
    else when its definitions have taken as long as compiling will."""

    def __init__(self, plan: Plan, keep: bool, threads: int):
        self.plan, self.keep, self.threads = plan, keep, threads
        self._parts: Parts | None = None
        self._needed = SECONDS_TO_COMPILE
        self._spent = 0.0
        self.linked: Linked | None = None
        if objects.is_ready(("runner", "alone")):
            self._lower()

    def _lower(self) -> None:
        self._parts = _parts(self.plan, self.keep)
        kinds = {c.kind for p in self._parts.parts for c in p.calls or ()}
        missing = sum(not objects.is_ready(kind) for kind in kinds)
        self._needed = missing * SECONDS_TO_COMPILE if kinds else math.inf
        if kinds and not missing:
            self._compile()

    def run(self, values: dict[int, Array], keep: bool) -> None:
        """Compute the schedule."""
        if self.linked is None and self._spent > self._needed:
            self._lower() if self._parts is None else self._compile()
        if self.linked is not None:
            self.linked.run(values, keep)
            return
        start = time.perf_counter()
        self.plan.run_steps(values, keep)
        self._spent += time.perf_counter() - start

    def _compile(self) -> None:
        assert self._parts is not None
        try:
            self.linked = Linked(self.plan, self._parts, self.keep, self.threads)
        except (objects.CannotCompile, TooLarge):
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


MOST_STEPS = 10_000
"""Steps of a plan that is compiled, at most. Finding places for its tensors takes the square of their number in time,
and real models have some thousand."""


@dataclass(frozen=True)
class Parts:
    """A plan's schedule with its calls, and the variables that these use."""

    parts: list[Lowered]
    variables: Variables | None


def _parts(plan: Plan, keep: bool) -> Parts:
    """With ``keep`` all tensors are looked at afterwards."""
    variables = None if keep else Variables(plan)
    with large_pages.reserved(sum(tensor_bytes(info) for info in plan.infos if info.constant)):
        return Parts(lowered(plan, variables), variables)


def link(plan: Plan, keep: bool, patient: bool, threads: int) -> Linked | Patient | None:
    """What runs the plan with its compiled steps, or None where it has none or they need too much memory; ``ideal``
    has definitions of its own."""
    if plan.kernels.ideal or len(plan.schedule) > MOST_STEPS:
        return None
    if patient:
        return Patient(plan, keep, threads)
    parts = _parts(plan, keep)
    if all(part.calls is None for part in parts.parts):
        return None
    try:
        return Linked(plan, parts, keep, threads)
    except TooLarge:
        return None
