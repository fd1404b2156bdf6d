"""Time travel: a run that is stepped through, paused, looked at, rewound, patched and gone on with.

    debugger = minilite.Debugger("model.tflite", image)
    debugger.until("max(conv1) > 6")            # or a function of the debugger
    debugger.tensor("conv1", real=True)         # what it holds now
    debugger.patch("conv1", 0.0)                # ... and shall hold
    debugger.run()
    debugger.diff()                             # which tensors are others because of it
    debugger.back()                             # one operator back, bit for bit

An operator that calls subgraphs is one step. Patches are part of the run: going back behind one does not undo it, and
it is made again on the way forward, until :meth:`Debugger.unpatch`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from minilite.custom import CustomOps
from minilite.errors import ArgumentError
from minilite.inspection.constant_edits import with_constant, with_quantization
from minilite.inspection.expressions import Expression, parse
from minilite.inspection.patch_values import patched_value
from minilite.inspection.pauses import DebuggedOperator, NotComputed, Pause, Stops
from minilite.inspection.tensor_changes import Change, Statistics, change, grid, real, statistics
from minilite.inspection.tensor_names import find_operator, find_tensor
from minilite.inspection.timeline import Patch, Settings, Timeline
from minilite.limits import DEFAULT, Limits
from minilite.model import Model
from minilite.spec import TensorInfo

Condition = str | Callable[["Debugger"], Any]
"""An expression (:mod:`minilite.inspection.expressions`), or a function of the debugger."""


class Debugger:
    """A model's run on ``inputs``, given as :func:`minilite.run` takes them, at its beginning.

    The other arguments are those of :class:`minilite.Interpreter` and :func:`minilite.run`; steps are computed by the
    definitions (engine ``numpy``), and take as long as they take, whatever ``max_seconds`` of ``limits`` says. Every
    result is kept, as long as the debugger lives.
    """

    def __init__(
        self,
        model: Any,
        inputs: Any = None,
        kernels: str | None = "reference",
        *,
        signature: str | None = None,
        limits: Limits = DEFAULT,
        custom_ops: CustomOps | None = None,
    ):
        self._settings = Settings(kernels, signature, limits, custom_ops)
        self._inputs = inputs
        self._run = self._original = Timeline(model, inputs, self._settings)
        self._position = 0
        self._stops = Stops()

    # ---- where ---------------------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The model as it is run: with patched parameters. ``debugger.model.save(path)`` keeps them."""
        return self._run.model

    @property
    def operators(self) -> tuple[DebuggedOperator, ...]:
        """Every operator of the subgraph, in order."""
        steps = {id(s) for s in self._run.schedule}
        return tuple(
            DebuggedOperator(s.node.index, s.node.op, s.inputs, s.outputs, id(s) not in steps)
            for s in self._run.plan.steps
        )

    @property
    def names(self) -> list[str]:
        """The tensors' names, by index."""
        return [t.name or "" for t in self._run.plan.subgraph.tensors]

    @property
    def pause(self) -> Pause:
        """Where the run is."""
        reason: Any = "end" if self.next is None else "step" if self._position else "start"
        return self._paused(reason)

    @property
    def next(self) -> int | None:
        """The operator that comes next; None at the end."""
        schedule = self._run.schedule
        return schedule[self._position].node.index if self._position < len(schedule) else None

    @property
    def last(self) -> int | None:
        """The operator computed before; None at the beginning."""
        return self._run.schedule[self._position - 1].node.index if self._position else None

    def _paused(self, reason: Any, condition: str = "") -> Pause:
        return Pause(reason, self.last, self.next, condition)

    # ---- going ---------------------------------------------------------------------------------------------------

    def step(self, count: int = 1, *, stop: bool = False) -> Pause:
        """Compute that many operators, or those that are left; with ``stop`` up to a breakpoint or a watch."""
        last = min(self._position + _positive(count), len(self._run.schedule))
        return self._forward(None, last) if stop else self._go(last)

    def back(self, count: int = 1) -> Pause:
        """Go back by that many operators."""
        return self._go(max(self._position - _positive(count), 0))

    def goto(self, operator: int | str | None) -> Pause:
        """Go, forward or back, to where an operator (number, kind, or what it writes) comes next; None is the end."""
        if operator is None:
            return self._go(len(self._run.schedule))
        return self._go(self._before(self._operator(operator)))

    def _go(self, position: int) -> Pause:
        while self._position < position:  # so that an error leaves the run before the operator that failed
            self._run.advance(self._position + 1)
            self._position += 1
        self._position = position
        return self.pause

    def run(self) -> Pause:
        """Go on to a breakpoint, to where a watch becomes true, or to the end."""
        return self._forward(None)

    def until(self, condition: Condition) -> Pause:
        """Go on until a condition is true after an operator; or to a breakpoint, a watch, or the end.

        Where a tensor that it reads is not there yet, it is false."""
        return self._forward(self._condition(condition))

    def _forward(self, condition: Condition | None, last: int | None = None) -> Pause:
        """Go on to a condition, a breakpoint or a watch, or to that position at last."""
        before = {name: self._holds(watch) for name, watch in self._stops.watches.items()}
        while self.next is not None and self._position != last:
            self._go(self._position + 1)
            if condition is not None and self._holds(condition):
                return self._paused("watch", _said(condition))
            met = self._stops.met(self._position, self._holds, before)
            if met is not None:
                return self._paused(*met)
        return self.pause

    # ---- where to pause ------------------------------------------------------------------------------------------

    def break_at(self, where: int | str) -> str:
        """Pause in :meth:`run` before an operator (its number, or kind: before each of that kind), or after a tensor
        (its name) was written. Returns the breakpoint's name for :meth:`clear`."""
        kinds = {o.name for o in self.operators}
        if isinstance(where, str) and where.upper() in kinds:
            places = {self._before(o.index) for o in self.operators if o.name == where.upper() and not o.known}
            name = f"before {where.upper()}"
        elif isinstance(where, int) or where.isdecimal():
            index = self._operator(where)
            places, name = {self._before(index)}, f"before operator {index}"
        else:
            tensor = find_tensor(self.names, where, kinds)
            places = set(self._run.written_at(tensor)) - {0}
            name = f"{self.names[tensor]} was written"
        if not places:
            raise ArgumentError(f"{where!r} is known before the run: nothing computes it, so nothing can pause there.")
        self._stops.breaks[name] = places
        return name

    def watch(self, condition: Condition) -> str:
        """Pause in :meth:`run` where a condition becomes true. Returns its name for :meth:`clear`."""
        self._stops.watches[_said(condition)] = self._condition(condition)
        return _said(condition)

    @property
    def stops(self) -> tuple[str, ...]:
        """The names of breakpoints and watches."""
        return self._stops.names

    def clear(self, name: str | None = None) -> None:
        """Take a breakpoint or watch away, or all."""
        self._stops.clear(name)

    # ---- looking -------------------------------------------------------------------------------------------------

    def index(self, tensor: int | str) -> int:
        """A tensor's index by its index, name, or a part of the name that no other one has.

        Raises :class:`ArgumentError` with the nearest name."""
        return find_tensor(self.names, tensor)

    def info(self, tensor: int | str) -> TensorInfo:
        """The tensor's type, shape and quantization as the operators see it."""
        index = self.index(tensor)
        found, value = self._run.plan.infos[index], self._run.value(index, self._position)
        return found if value is None else dataclasses.replace(found, shape=value.shape)

    def tensor(self, tensor: int | str, *, real: bool = False) -> np.ndarray:
        """A copy of a tensor as it is now; with ``real`` the real numbers that integers stand for.

        Raises :class:`StateError` when it has no value yet."""
        return np.array(self._look(self.index(tensor), real))

    def statistics(self, tensor: int | str) -> Statistics:
        """Extremes, mean, zeros, NaNs of a tensor as it is now; of the real numbers where it is quantized."""
        index = self.index(tensor)
        return statistics(self._run.plan.infos[index], self._look(index, False))

    def value(self, expression: str) -> Any:
        """What an expression comes to now (:mod:`minilite.inspection.expressions`)."""
        return parse(expression, self.index).value(self._look)

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        """The outputs by name. Raises :class:`StateError` before the end."""
        return {name: self.tensor(index) for name, index in self._run.outputs.items()}

    def _look(self, tensor: int | None, as_real: bool) -> np.ndarray:
        if tensor is None:
            tensor = self._result()
        found = self._run.value(tensor, self._position)
        if found is None:
            raise NotComputed(f"{self._say(tensor)} has no value yet: {self._who_writes(tensor)}.")
        return real(self._run.plan.infos[tensor], found) if as_real else found

    def _result(self) -> int:
        """What the operator before wrote first."""
        written = self._run.schedule[self._position - 1].outputs if self._position else ()
        found = next((t for t in written if t >= 0), None)
        if found is None:
            raise NotComputed("there is no result yet: no operator was computed, or the last one writes no tensor.")
        return found

    def _say(self, tensor: int) -> str:
        return f"tensor {tensor} {self.names[tensor]!r}"

    def _who_writes(self, tensor: int) -> str:
        by = [o for o in self.operators if tensor in o.outputs]
        return f"operator {by[0].index} {by[0].name} writes it" if by else "nothing computes it"

    # ---- changing ------------------------------------------------------------------------------------------------

    def real_range(self, tensor: int | str) -> tuple[float, float] | None:
        """The lowest and highest real number that a tensor's integers stand for; None where they stand for none, or
        where the scales vary. ``patch(real=True)`` clamps to them."""
        steps = grid(self._run.plan.infos[self.index(tensor)])
        if steps is None or steps.axis is not None:
            return None
        low, high = steps.range
        return float(low), float(high)

    def patch(self, tensor: int | str, value: Any, where: Any = ..., *, real: bool = False) -> tuple[int, ...]:
        """Give a tensor, or the elements at subscript ``where``, another value: a number or an array that broadcasts.

        A constant is changed in the model; anything else from now on, or from when it is written if that is still to
        come. With ``real`` the value is quantized with the tensor's scale. Returns the operators that will read it;
        where there is none, go back first. Raises :class:`ArgumentError` for values that the type cannot hold."""
        index = self.index(tensor)
        info = self._run.plan.infos[index]
        if info.constant:
            assert info.value is not None
            new = patched_value(info, info.value, value, where, real)
            self._edit(with_constant(self.model, self._run.plan.subgraph_index, index, new))
            return tuple(o.index for o in self.operators if index in o.inputs)
        if info.value is not None:
            raise ArgumentError(f"{self._say(index)} is computed before the run, from constants: patch those.")
        position = self._where_to_patch(index)
        self._branch()
        self._run.patch(Patch(position, index, value, where, real))
        rewritten = next((p for p in self._run.written_at(index) if p > position), len(self._run.schedule))
        return tuple(s.node.index for s in self._run.schedule[position:rewritten] if index in s.inputs)

    def _where_to_patch(self, tensor: int) -> int:
        """Now, or when the tensor is written first."""
        if self._run.value(tensor, self._position) is not None:
            return self._position
        written = self._run.written_at(tensor)
        if not written:
            raise ArgumentError(f"{self._say(tensor)} takes no part in the run: nothing computes it.")
        return written[0]

    def patch_quantization(self, tensor: int | str, *, scale: Any = None, zero_point: Any = None) -> None:
        """Give a tensor another scale or zero point, in the model: one number, or as many as it has."""
        edited = with_quantization(
            self.model, self._run.plan.subgraph_index, self.index(tensor), scale=scale, zero_point=zero_point
        )
        self._edit(edited)

    @property
    def patches(self) -> tuple[tuple[int, str], ...]:
        """The patched tensors, constants left out: the operator after which (-1: the inputs), and the name."""
        made = sorted(self._run.patches, key=lambda p: p.position)
        return tuple(
            (self._run.schedule[p.position - 1].node.index if p.position else -1, self.names[p.tensor]) for p in made
        )

    def unpatch(self, tensor: int | str | None = None) -> None:
        """Take the patches of a tensor away; without a name all, those of the model's parameters included."""
        if tensor is None:
            self._run = self._original
        else:
            index = self.index(tensor)
            if all(p.tensor != index for p in self._run.patches):
                raise ArgumentError(f"{self._say(index)} is not patched; parameters go back with unpatch() only.")
            self._run.remove(index)
        self._run.advance(self._position)

    def _edit(self, model: Model) -> None:
        """Go on with another model, from the same operator."""
        patches = self._run.patches
        run = Timeline(model, self._inputs, self._settings, patches)
        run.advance(min(self._position, len(run.schedule)))
        self._run = run

    def _branch(self) -> None:
        """Keep the unpatched run for :meth:`diff`."""
        if self._run is self._original:
            self._run = Timeline(self.model, self._inputs, self._settings)

    def diff(self) -> tuple[Change, ...]:
        """The tensors that have other bits, or stand for other real numbers, than in the run without patches at the
        same operator, in the order in which they are written: first constants and inputs, then results."""
        writer = {t: o.index for o in self.operators for t in o.outputs if t >= 0}
        found = []
        for info in self._run.plan.infos:
            ours = self._run.value(info.index, self._position)
            theirs = self._original.value(info.index, self._position)
            if ours is not None and theirs is not None:
                was = self._original.plan.infos[info.index]
                found.append(change(info, writer.get(info.index), ours, was, theirs))
        changes = (c for c in found if c is not None)
        return tuple(sorted(changes, key=lambda c: (-1 if c.operator is None else c.operator, c.tensor)))

    # ---- meaning -------------------------------------------------------------------------------------------------

    def _operator(self, wanted: int | str) -> int:
        operators = self.operators
        results = [[self.names[t] for t in o.outputs if t >= 0] for o in operators]
        return find_operator([o.name for o in operators], results, wanted)

    def _before(self, operator: int) -> int:
        """The position where an operator comes next; of one that is known already, where the next step does."""
        schedule = self._run.schedule
        return next((p for p, step in enumerate(schedule) if step.node.index >= operator), len(schedule))

    def _condition(self, condition: Condition) -> Any:
        return parse(condition, self.index) if isinstance(condition, str) else condition

    def _holds(self, condition: Expression | Any) -> bool:
        try:
            return condition.holds(self._look) if isinstance(condition, Expression) else bool(condition(self))
        except NotComputed:
            return False


def _said(condition: Any) -> str:
    if isinstance(condition, Expression):
        return condition.text
    return condition.strip() if isinstance(condition, str) else getattr(condition, "__name__", repr(condition))


def _positive(count: int) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ArgumentError(f"expected a number of operators, 0 or more, got {count!r}.")
    return int(count)
