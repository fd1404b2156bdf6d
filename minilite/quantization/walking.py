"""Walking through a float model operator by operator, with all samples at once, beside a copy of it that changes.

    for step in walk:                    # the operators of subgraph 0, in order; their inputs are there
        for original, changed in walk.values(step, position): ...
        walk.change(tensor, array)       # from here on the copy has another constant

What the copy's operators see is what earlier changes have made of it, so each layer can make up for those before it.
Only the tensors that later operators read are kept, for every sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from minilite.engines import engine
from minilite.errors import ArgumentError
from minilite.kernel_sets import kernel_set
from minilite.model import Model
from minilite.plan import Plan
from minilite.program import Program, initial
from minilite.quantization.grid import Array
from minilite.resolve import Step
from minilite.spec import TensorInfo

Sample = Sequence[Array] | Mapping[str, Array] | Array
"""Arrays for the inputs in their order, or by name, or the only input's."""

BATCH = 32
"""Samples that run together where the model leaves the first dimension of its inputs open."""


class _Run:
    """Some samples in one plan: the tensors of the original, and those of the copy, by index."""

    def __init__(self, plan: Plan, inputs: dict[int, Array]):
        self.plan = plan
        self.steps = {step.node.index: step for step in plan.schedule}
        variables = {info.index: initial(info) for info in plan.infos if info.is_variable}
        self.original: dict[int, Array] = inputs | variables
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
    """A walk through subgraph 0; see the module. Raises :class:`ArgumentError` when there are no samples, or they do
    not fit the inputs."""

    def __init__(self, model: Model, samples: Iterable[Sample]):
        self.model, self.graph = model, model.subgraphs[0]
        self._program = Program(model, kernel_set("builtin"), engine("numpy"))
        self._plans: dict[tuple[tuple[int, ...], ...], Plan] = {}
        self.changes: dict[int, Array] = {}
        self._runs = [self._run(inputs) for inputs in self._batches(self._inputs(s) for s in samples)]
        if not self._runs:
            raise ArgumentError("expected samples of the model's inputs, got none.")

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
        tensor = step.inputs[position]
        for run in self._runs:
            yield run.plan.value(tensor, run.original), run.plan.value(tensor, run.changed)  # type: ignore[misc]  # computed by now

    def change(self, tensor: int, array: Array) -> None:
        """Another value for a constant of the copy."""
        self.changes[tensor] = array
        for run in self._runs:
            run.changed[tensor] = array

    def _run(self, inputs: list[Array]) -> _Run:
        """Raises what :meth:`minilite.plan.Plan.allocate` raises."""
        shapes = tuple(a.shape for a in inputs)
        if shapes not in self._plans:
            plan = self._program.plan(0)
            plan.allocate(dict(zip(self.graph.inputs, shapes, strict=True)))
            self._plans[shapes] = plan
        return _Run(self._plans[shapes], dict(zip(self.graph.inputs, inputs, strict=True)))

    def _inputs(self, sample: Sample) -> list[Array]:
        tensors = [self.graph.tensors[i] for i in self.graph.inputs]
        if isinstance(sample, Mapping):
            names = dict(next((s.inputs for s in self.model.signatures if s.subgraph_index == 0), ()))
            by_index = {names.get(name, name): value for name, value in sample.items()}
            found = [by_index.get(i, by_index.get(t.name)) for i, t in zip(self.graph.inputs, tensors, strict=True)]
        else:
            found = [sample] if isinstance(sample, np.ndarray) else list(sample)
        if len(found) != len(tensors) or any(a is None for a in found):
            raise ArgumentError(f"expected arrays for {[t.name for t in tensors]}, got {len(found)} for each sample.")
        arrays = [np.asarray(a) for a in found]
        for array, tensor in zip(arrays, tensors, strict=True):
            if array.ndim != len(tensor.shape or ()) or array.dtype.name != str(tensor.type).lower():
                raise ArgumentError(
                    f"input {tensor.name!r}: expected {tensor.type} of shape {tensor.shape}, got {array.dtype.name} of "
                    f"shape {array.shape}."
                )
        return arrays

    def _batches(self, samples: Iterable[list[Array]]) -> Iterator[list[Array]]:
        open_ = all((self.graph.tensors[i].shape_signature or (0,))[0] == -1 for i in self.graph.inputs)
        together: list[list[Array]] = []
        for sample in samples:
            alike = together and [a.shape for a in together[0]] == [a.shape for a in sample]
            if together and not (open_ and alike and len(together) < BATCH):
                yield [np.concatenate(arrays) for arrays in zip(*together, strict=True)]
                together = []
            together.append(sample)
        if together:
            yield [np.concatenate(a) if len(together) > 1 else a[0] for a in zip(*together, strict=True)]
