"""All subgraphs of a model at work together: what an interpreter's plans share.

Control flow operators call subgraphs, and resource operators keep variables and tables from one invoke to the next.
Both ask the :class:`Program` of their plan, through the protocol :class:`minilite.spec.Runtime`.
"""

from __future__ import annotations

import copy
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minilite.custom import CustomOps, custom_rows
from minilite.engines import Engine
from minilite.errors import OperatorError
from minilite.kernel_sets import KernelSet
from minilite.limits import DEFAULT, Limits, check_limits, check_tensors, time_is_up, to_raise, too_deep
from minilite.model import Model
from minilite.plan import Plan
from minilite.spec import DTYPES, Node, Shape, TensorInfo

Watcher = Callable[[Plan, Mapping[int, np.ndarray]], None]
"""Called with a plan, and the values of its tensors, each time that it was run (:mod:`minilite.watching`)."""

State = tuple[dict[Any, Any], dict[int, dict[int, np.ndarray]], Counter[str]]
"""Resources by kind, variables of called subgraphs, and what was spent of the budget."""


class Program:
    """A model, a kernel set and an engine; and the resources of one interpreter, by kind and id.

    ``custom_ops`` are rows or functions for custom operators by name (:mod:`minilite.custom`). The rounds of all
    WHILEs and all other calls of subgraphs have one limit together, because loops within loops and calls of calls
    multiply; as many allocations of subgraphs are allowed.

    Raises :class:`minilite.ModelError` when the model has more tensors than ``limits`` allow."""

    def __init__(
        self,
        model: Model,
        kernels: KernelSet,
        engine: Engine,
        limits: Limits = DEFAULT,
        custom_ops: CustomOps | None = None,
    ):
        self.model, self.kernels, self.engine = model, kernels, engine
        self.limits = check_limits(limits)
        check_tensors(model, limits)
        self.custom_ops = custom_rows(custom_ops)
        self.resources: dict[Any, Any] = {}
        self.watcher: Watcher | None = None
        self._callees: dict[int, Callee] = {}
        self._calling: list[int] = []
        self._spent: Counter[str] = Counter()
        self._deadline = math.inf

    def plan(self, index: int) -> Plan:
        """A new plan of a subgraph."""
        return Plan(self, index)

    def subgraph(self, index: int) -> Callee:
        """The subgraph as something to call; its variable tensors keep their values from call to call."""
        if not 0 <= index < len(self.model.subgraphs):
            raise OperatorError(f"expected a subgraph from 0 to {len(self.model.subgraphs) - 1}, got {index}.")
        if index not in self._callees:
            self._callees[index] = Callee(self, index)
        return self._callees[index]

    def begin(self) -> None:
        """An invoke or allocation from outside begins, and with it the count of its rounds and its time."""
        if self._spent:
            self._spent.clear()
        self._deadline = time.monotonic() + self.limits.seconds

    def look_at_the_clock(self, node: Node) -> None:
        """Raise :class:`OperatorError` instead of going on with an operator when time is up."""
        if time.monotonic() >= self._deadline:
            raise OperatorError(f"{node} was not begun, for {time_is_up(self.limits)}")

    def spend(self, what: str) -> None:
        """One more round or allocation. Raises :class:`OperatorError` when there were enough."""
        most = self.limits.max_iterations
        if self._spent[what] == most:
            raise OperatorError(
                f"loops and calls of subgraphs did not end within max_iterations={most} {what} altogether. "
                f"{to_raise('max_iterations')}"
            )
        self._spent[what] += 1

    def reset_variables(self) -> None:
        """Set the variable tensors of called subgraphs back to their beginnings."""
        for callee in self._callees.values():
            callee.reset_variables()

    def state(self) -> State:
        """What computing changes beside the values of the plan at work, for :meth:`restore`."""
        variables = {index: copy.deepcopy(callee._variables) for index, callee in self._callees.items()}
        return copy.deepcopy(self.resources), variables, Counter(self._spent)

    def restore(self, state: State) -> None:
        """Go back to a :meth:`state` of this program since its plans were allocated."""
        resources, variables, self._spent = copy.deepcopy(state)
        for key, kept in self.resources.items():
            if isinstance(key, tuple) and key[0] == "allocation":  # its objects are known to prepared steps
                for name, old in resources.get(key, {}).items():
                    vars(kept[name]).update(vars(old))
                resources[key] = kept
        self.resources = resources
        for index, callee in self._callees.items():
            if index in variables:
                callee._variables = variables[index]
            else:
                callee.reset_variables()

    @contextmanager
    def inside(self, index: int) -> Iterator[None]:
        """While a subgraph is prepared or computed; it must not be called from itself."""
        if index in self._calling:
            raise OperatorError(f"subgraph {index} calls itself, by way of subgraphs {self._calling}.")
        most = self.limits.max_depth
        if most is not None and len(self._calling) >= most:
            raise OperatorError(too_deep(most))
        self._calling.append(index)
        try:
            yield
        finally:
            self._calling.pop()


class Callee:
    """A subgraph that operators call. ``prepare`` works out its shapes, calling computes it."""

    def __init__(self, program: Program, index: int):
        self.program, self.index = program, index
        self.plan = program.plan(index)
        self.graph = self.plan.subgraph
        self._shapes: list[Shape] | None = None
        self._variables: dict[int, np.ndarray] = {}

    @property
    def input_types(self) -> list[str]:
        """The types of its inputs, in lower case."""
        return [str(self.graph.tensors[i].type).lower() for i in self.graph.inputs]

    @property
    def output_types(self) -> list[str]:
        """The types of its outputs, in lower case."""
        return [str(self.graph.tensors[i].type).lower() for i in self.graph.outputs]

    @property
    def operators(self) -> list[str]:
        """The names of its operators, in their order."""
        return [step.node.op for step in self.plan.steps]

    def prepare(self, inputs: Sequence[TensorInfo]) -> list[Shape | None]:
        """The output shapes for inputs like these; None for one that depends on values.

        Raises :class:`OperatorError` when the subgraph takes other inputs."""
        expected = self.input_types
        if len(inputs) != len(expected):
            raise OperatorError(f"subgraph {self.index}: expected {len(expected)} inputs, got {len(inputs)}.")
        for info, type_ in zip(inputs, expected, strict=True):
            info.need(_alike(info.type, type_), f"{type_}, as input of subgraph {self.index}", info.type)
        self._allocate([i.shape for i in inputs])
        return [None if i in self.plan.dynamic else self.plan.infos[i].shape for i in self.graph.outputs]

    def _allocate(self, shapes: list[Shape]) -> None:
        if shapes == self._shapes:
            return
        self._shapes = None
        self.program.spend("allocations")
        with self.program.inside(self.index):
            self.plan.allocate(dict(zip(self.graph.inputs, shapes, strict=True)))
        self._shapes = shapes
        if not self._variables:
            self.reset_variables()

    def __call__(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute the outputs from the inputs, as one round of what an invoke is allowed."""
        self.program.spend("rounds")
        return self.compute(*arrays)

    def compute(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute the outputs from the inputs."""
        self._allocate([np.shape(a) for a in arrays])
        given = dict(zip(self.graph.inputs, arrays, strict=True))
        values = self._variables | {i: a for i, a in given.items() if not self.plan.infos[i].constant}
        with self.program.inside(self.index):
            self.plan.run(values)
        self._variables = {i: values[i] for i in self._variables}
        return tuple(np.array(self._output(i, values)) for i in self.graph.outputs)

    def _output(self, index: int, values: dict[int, np.ndarray]) -> np.ndarray:
        """An output's value; zeros where nobody computes it."""
        found, info = self.plan.value(index, values), self.plan.infos[index]
        return zeros(info.shape, info.type) if found is None else found

    def reset_variables(self) -> None:
        """Set variable tensors to zero."""
        infos = [i for i in self.plan.infos if i.is_variable]
        self._variables = {i.index: initial(i) for i in infos}


def initial(info: TensorInfo) -> np.ndarray:
    """A variable tensor at the beginning: zeros; int8 ones hold their zero point, as LiteRT fills them."""
    filled = info.type == "int8" and info.zero_points.size == 1
    zero = info.zero_points[:1].astype(np.int8)[0] if filled else 0  # its low byte, if it does not fit
    return np.full(info.shape, zero, DTYPES[info.type])


def zeros(shape: Shape, type_: str) -> np.ndarray:
    """What a tensor holds that nobody has written yet; of strings it is empty ones."""
    dtype = DTYPES.get(type_, np.uint8)
    return np.full(shape, b"", object) if dtype is np.object_ else np.zeros(shape, dtype)


def _alike(one: str, other: str) -> bool:
    """Types that may be handed over for each other: handles are int32."""
    return one == other or {one, other} == {"resource", "int32"}
