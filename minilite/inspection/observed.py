"""A model prepared under a kernel set, and perhaps run once, so that its operators can be asked for their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minilite.errors import OperatorError
from minilite.inspection.definitions import reads, real_definition
from minilite.inspection.feeding import one_sample
from minilite.inspection.places import Key, tensor_name
from minilite.interpreter import Interpreter
from minilite.model import Model
from minilite.plan import Plan
from minilite.resolve import Step
from minilite.watching import watched_runs

Array = np.ndarray
Arrays = tuple[Array | None, ...]


class Observed:
    """A model under a kernel set, by its definitions. With ``inputs`` it is run; a subgraph that is called several
    times is seen in its last run."""

    def __init__(self, model: Model, kernels: str, inputs: Any = None, signature: str | None = None):
        self.model, self.ran = model, inputs is not None
        self._interpreter = Interpreter(model, kernels=kernels, engine="numpy", experimental_preserve_all_tensors=True)
        self._runs: dict[int, tuple[Plan, dict[int, Array]]] = {}
        self._reals: dict[Key, Array | None] = {}
        if inputs is not None:
            sample = one_sample(model, inputs, signature)
            session = self._interpreter._session(sample.subgraph)
            session.feed(sample.arrays)
            with watched_runs(self._interpreter, self._look):
                session.invoke()

    def _look(self, plan: Plan, values: Mapping[int, Array]) -> None:
        self._runs[plan.subgraph_index] = plan, {i: np.array(a) for i, a in values.items()}

    def plan(self, subgraph: int) -> Plan:
        """The prepared plan of a subgraph."""
        if subgraph in self._runs:
            return self._runs[subgraph][0]
        session = self._interpreter._session(subgraph)
        session.allocate()
        return session.plan

    def step(self, key: Key) -> Step:
        """A prepared operator. Raises :class:`OperatorError` where only a run can prepare it."""
        step = self.plan(key[0]).steps[key[1]]
        if step.definition is None:
            raise OperatorError(f"{step.node}: its shapes depend on values; give inputs, so that the model is run.")
        return step

    def value(self, key: Key) -> Array | None:
        """A tensor's constant, or its value in the run."""
        plan, values = self._runs.get(key[0], (self.plan(key[0]), {}))
        found = plan.value(key[1], values)
        return None if found is None else np.asarray(found)

    def computed(self, key: Key) -> Array:
        """A tensor's value in the run. Raises :class:`OperatorError` when the run did not come by."""
        found = self.value(key)
        if found is None:
            raise OperatorError(f"{tensor_name(self.model, key)!r} was not computed in this run.")
        return found

    def arrays(self, key: Key) -> Arrays:
        """What an operator was called with."""
        return tuple(None if i < 0 else self.computed((key[0], i)) for i in reads(self.step(key)))

    def real_values(self, key: Key) -> Array | None:
        """The first result of an operator by its float definition (:mod:`.definitions`), if there is one."""
        if key not in self._reals:
            self._reals[key] = self._real_values(key)
        return self._reals[key]

    def _real_values(self, key: Key) -> Array | None:
        compute = real_definition(self.step(key))
        return None if compute is None else compute(self.arrays(key))
