"""A run that can be at any of its moments: position ``p`` is after ``p`` steps of the schedule, and after the patches
made there.

What every step wrote is kept, so going back is looking, and going on from there computes the same bits again. A run is
a function of the model, the inputs and the patches alone: the same position is always the same state, variables,
resources and the generators of random numbers included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.custom import CustomOps
from minilite.errors import ArgumentError
from minilite.inspection.patch_values import patched_value
from minilite.interpreter import Interpreter
from minilite.interpreter.run_once import fed
from minilite.limits import Limits
from minilite.model import Model
from minilite.plan import Plan
from minilite.program import State
from minilite.resolve import Step


@dataclass(frozen=True, eq=False)
class Patch:
    """Elements of a tensor from a position on, until an operator writes it again: what
    :func:`minilite.inspection.patch_values.patched_value` takes."""

    position: int
    tensor: int
    value: Any
    where: Any = ...
    real: bool = False


@dataclass(frozen=True)
class Settings:
    """How models are run: as of :class:`minilite.Interpreter`."""

    kernels: str | None
    signature: str | None
    limits: Limits
    custom_ops: CustomOps | None

    def interpreter(self, model: Any) -> Interpreter:
        source = {"model_content": model} if isinstance(model, bytes) else {"model_path": model}
        return Interpreter(
            **source,
            kernels=self.kernels,
            engine="numpy",
            experimental_preserve_all_tensors=True,
            limits=dataclasses.replace(self.limits, max_seconds=None),  # a person takes their time
            custom_ops=self.custom_ops,
        )


@dataclass(frozen=True, eq=False)
class _Moment:
    """What a step wrote, the program after it, and what patches made of tensors then."""

    wrote: Mapping[int, np.ndarray]
    program: State
    patched: Mapping[int, np.ndarray]


class Timeline:
    """One run of a model on its inputs, with patches. The plan's steps are computed by their definitions."""

    def __init__(self, model: Model | Any, inputs: Any, settings: Settings, patches: Iterable[Patch] = ()):
        interpreter = settings.interpreter(model)
        session, self.outputs = fed(interpreter, inputs, settings.signature)
        self.model = interpreter._model
        self.plan: Plan = session.plan
        self.program = self.plan.program
        self.program.begin()
        self._now: int | None = 0
        self.patches: list[Patch] = list(patches)
        given = dict(session.values)
        self._moments = [_Moment(given, self.program.state(), self._patched(0, given))]

    @property
    def schedule(self) -> list[Step]:
        """The steps that a run computes: those whose results are not known from the start."""
        return self.plan.schedule

    def advance(self, position: int) -> None:
        """Compute up to a position, if that was not done yet.

        Raises :class:`minilite.OperatorError` when a step cannot be computed; what was computed before it stays."""
        if not 0 <= position <= len(self.schedule):
            raise ArgumentError(f"expected a position from 0 to {len(self.schedule)}, got {position}.")
        while len(self._moments) <= position:
            self._compute(len(self._moments) - 1)

    def _compute(self, position: int) -> None:
        """The step at a position, which is the last one that was reached."""
        values = self.values(position)
        before = dict(values)
        if self._now != position:
            self.program.restore(self._moments[position].program)
        self._now = None  # until it is done
        with np.errstate(all="ignore"):
            self.plan.run_step(self.schedule[position], values, True)
        wrote = {i: array for i, array in values.items() if before.get(i) is not array}
        self._moments.append(_Moment(wrote, self.program.state(), self._patched(position + 1, values)))
        self._now = position + 1

    def _patched(self, position: int, values: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        """What the patches of a position make of the values there."""
        found: dict[int, np.ndarray] = {}
        for patch in self.patches:
            if patch.position == position:
                old = found.get(patch.tensor, self.plan.value(patch.tensor, values))
                assert old is not None
                info = self.plan.infos[patch.tensor]
                found[patch.tensor] = patched_value(info, np.asarray(old), patch.value, patch.where, patch.real)
        return found

    def values(self, position: int) -> dict[int, np.ndarray]:
        """The tensors that are there at a position, constants left out; arrays to be read."""
        self.advance(position)
        found: dict[int, np.ndarray] = {}
        for moment in self._moments[: position + 1]:
            found.update(moment.wrote)
            found.update(moment.patched)
        return found

    def value(self, tensor: int, position: int) -> np.ndarray | None:
        """A tensor's value at a position: computed, or constant; None when it has none yet."""
        self.advance(position)
        for moment in reversed(self._moments[: position + 1]):
            for part in (moment.patched, moment.wrote):
                if tensor in part:
                    return np.asarray(part[tensor])
        return self.plan.infos[tensor].value

    def written_at(self, tensor: int) -> list[int]:
        """The positions from which a tensor has a value, or a new one: 0 for what is given."""
        computed = [p for p, step in enumerate(self.schedule, 1) if tensor in step.writes]
        given = tensor in self._moments[0].wrote or self.plan.infos[tensor].value is not None
        return [0, *computed] if given else computed

    def patch(self, patch: Patch) -> None:
        """Add a patch. What comes after its position is computed anew.

        Raises :class:`ArgumentError`, and changes nothing, when the tensor cannot hold the value."""
        self.advance(patch.position)
        self.patches.append(patch)
        try:
            self._repatch(patch.position)
        except ArgumentError:
            self.patches.pop()
            raise

    def remove(self, tensor: int) -> None:
        """Take the patches of a tensor away."""
        gone = [p for p in self.patches if p.tensor == tensor]
        self.patches = [p for p in self.patches if p.tensor != tensor]
        self._repatch(min(p.position for p in gone))

    def _repatch(self, position: int) -> None:
        """Forget what comes after a position that is patched otherwise now."""
        if position < len(self._moments):
            values = (self.values(position - 1) if position else {}) | dict(self._moments[position].wrote)
            patched = self._patched(position, values)
            self._moments[position] = dataclasses.replace(self._moments[position], patched=patched)
            del self._moments[position + 1 :]
            self._now = None
