"""Walking through a float model operator by operator, with all samples at once, beside a copy of it that changes.

    for step in walk:                    # the operators of a subgraph, in order; their inputs are there
        for original, changed in walk.values(step, position): ...
        walk.change(tensor, array)       # from here on the copy has another constant

What the copy's operators see is what earlier changes have made of it, so each layer can make up for those before it.
Only the tensors that later operators read are kept, for every sample.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minilite.engines import engine
from minilite.errors import Error
from minilite.kernel_sets import kernel_set
from minilite.model import Model
from minilite.plan import Plan
from minilite.program import Program, initial
from minilite.quantization.grid import Array
from minilite.quantization.representative import RepresentativeDataset
from minilite.resolve import Step
from minilite.spec import Shape, TensorInfo

BATCH = 32
"""Samples that run together where the model leaves the first dimension of its inputs open."""

Inputs = Mapping[int, Array]
"""Values of a subgraph's inputs, by tensor index."""


class _Run:
    """Some samples in one plan: the tensors of the original, and those of the copy, by index."""

    def __init__(self, plan: Plan, inputs: Inputs):
        self.plan = plan
        self.steps = {step.node.index: step for step in plan.schedule}
        variables = {info.index: initial(info) for info in plan.infos if info.is_variable}
        self.original: dict[int, Array] = {**inputs, **variables}
        self.changed = dict(self.original)

    def advance(self, operator: int) -> None:
        step = self.steps.get(operator)
        if step is None:
            return
        same = all(self.original.get(i) is self.changed.get(i) for i in (*step.inputs, *step.writes))
        self.plan.run_step(step, self.original, False)
        if same:
            self.changed.update({i: self.original[i] for i in step.writes if i in self.original})
            for i in step.releases:
                self.changed.pop(i, None)
        else:
            self.plan.run_step(step, self.changed, False)


class Walk:
    """A walk through a subgraph; see the module. ``results`` are the outputs of the original and of the copy, once it
    is over, and ``changes`` the constants that were changed, by tensor."""

    def __init__(self, model: Model, subgraph: int, samples: Iterable[Inputs]):
        self.graph = model.subgraphs[subgraph]
        self.changes: dict[int, Array] = {}
        self._subgraph = subgraph
        self._program = Program(model, kernel_set("builtin"), engine("numpy"))
        self._plans: dict[tuple[tuple[int, Shape], ...], Plan] = {}
        self._runs = [self._run(inputs) for inputs in self._batches(list(samples))]

    @property
    def infos(self) -> Sequence[TensorInfo]:
        """What is known of the tensors."""
        return self._runs[0].plan.infos

    def __iter__(self) -> Iterator[Step]:
        first = self._runs[0]
        for operator in range(len(self.graph.operators)):
            if operator in first.steps:
                yield first.steps[operator]
            with np.errstate(all="ignore"):
                for run in self._runs:
                    run.advance(operator)

    def values(self, step: Step, position: int) -> Iterator[tuple[Array, Array]]:
        """An input of the operator, in the original and in the copy, some samples at a time. The two are the same array
        while nothing has changed."""
        yield from self.both(step.inputs[position])

    def results(self) -> Iterator[list[tuple[Array, Array]]]:
        """After the walk: each output in the original and in the copy, some samples at a time."""
        for tensor in self.graph.outputs:
            yield list(self.both(tensor))

    def both(self, tensor: int) -> Iterator[tuple[Any, Any]]:
        """A tensor that is there at present, in the original and in the copy."""
        for run in self._runs:
            yield run.plan.value(tensor, run.original), run.plan.value(tensor, run.changed)

    def own_constant(self, step: Step, position: int) -> int | None:
        """The constant at an input, when nobody else reads it and it has not changed yet."""
        tensor = step.inputs[position] if len(step.inputs) > position else -1
        if tensor < 0 or not self.infos[tensor].constant or tensor in self.changes or tensor in self.graph.outputs:
            return None
        readers = sum((operator.inputs or ()).count(tensor) for operator in self.graph.operators)
        return tensor if readers == 1 else None

    def change(self, tensor: int, array: Array) -> None:
        """Another value for a constant of the copy."""
        self.changes[tensor] = array
        for run in self._runs:
            run.changed[tensor] = array

    # ---- samples -------------------------------------------------------------------------------------------------

    def _run(self, inputs: Inputs) -> _Run:
        return _Run(self._plan({i: a.shape for i, a in inputs.items()}), inputs)

    def _plan(self, shapes: Mapping[int, Shape]) -> Plan:
        key = tuple(sorted(shapes.items()))
        if key not in self._plans:
            self._program.begin()
            plan = self._program.plan(self._subgraph)
            plan.allocate(shapes)
            self._plans[key] = plan
        return self._plans[key]

    def _batches(self, samples: Sequence[Inputs]) -> list[Inputs]:
        """The samples, those of the same shapes together where the model takes that."""
        together: list[Inputs] = []
        for shapes, group in itertools.groupby(samples, lambda s: {i: a.shape for i, a in s.items()}):
            alike = list(group)
            sizes = {min(len(alike), BATCH), len(alike) % BATCH or BATCH}
            size = BATCH if len(alike) > 1 and self._is_open(shapes, sizes) else 1
            parts = [alike[i : i + size] for i in range(0, len(alike), size)]
            together += [
                {i: np.concatenate([s[i] for s in part]) for i in shapes} if size > 1 else part[0] for part in parts
            ]
        return together

    def _is_open(self, shapes: Mapping[int, Shape], sizes: set[int]) -> bool:
        """Whether so many samples may share the inputs' first dimension: the model says so, its operators take it, and
        all that they compute has that many times as long a first dimension then."""
        if not all((self.graph.tensors[i].shape_signature or (0,))[0] == -1 for i in shapes):
            return False
        if any(t.is_variable for t in self.graph.tensors):
            return False
        try:
            one = self._plan(shapes)
            return all(
                _is_longer(one, self._plan({i: (s[0] * size, *s[1:]) for i, s in shapes.items()}), size)
                for size in sizes
            )
        except Error:
            return False


def _is_longer(one: Plan, many: Plan, size: int) -> bool:
    """Whether every float tensor that is computed is so many times as long in the plan for many samples."""
    computed = [i for step in one.schedule for i in step.outputs if one.infos[i].type == "float32"]
    return all(
        many.infos[i].shape == (one.infos[i].shape[0] * size, *one.infos[i].shape[1:]) if one.infos[i].shape else False
        for i in computed
    )


def by_subgraph(model: Model, data: Any, signature: str | None = None, most: int = 512) -> dict[int, list[Inputs]]:
    """The first samples of a representative dataset, in whatever form, for each subgraph. Raises what
    :class:`minilite.quantization.representative.RepresentativeDataset` raises."""
    found: dict[int, list[Inputs]] = {}
    for sample in itertools.islice(RepresentativeDataset(model, data, signature), most):
        found.setdefault(sample.subgraph, []).append(sample.arrays)
    return found
