"""From a model and a kernel set to steps that are ready to run.

A :class:`Plan` resolves every operator of one subgraph to its row when it is built, works out shapes and prepares the
steps in :meth:`Plan.allocate`, and computes them in :meth:`Plan.run`. A step whose output shapes depend on values is
prepared while running, as soon as the values are there. Steps whose inputs are all known are computed while planning.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minilite import delegate, ideal, refusals, tflm
from minilite.constants import blocks, check_sparse, dense_constant
from minilite.errors import Error, OperatorError
from minilite.limits import Limits, too_many_elements
from minilite.locating import say_where
from minilite.memory import alive_bytes, check_step, held_bytes, tensor_bytes, too_much
from minilite.model import Subgraph, Tensor
from minilite.ops import OPS
from minilite.resolve import Step, refuse_custom, resolve
from minilite.spec import DTYPES, Node, Op, Shape, TensorInfo, ValueNeeded
from minilite.wiring import check_tensor, check_wiring, written_more_than_once

if TYPE_CHECKING:
    from minilite.engines.numba.linked import Linked, Patient
    from minilite.program import Program

WITHIN = (Error, ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What a kernel raises, itself or through NumPy, that was given what it cannot take. Other exceptions that arrive while
one is computed are somebody else's (a signal handler's, say) and pass."""

LARGEST_TENSOR = 2**31 - 1
"""Bytes. A tensor that is larger is an error before memory is asked for."""


class Plan:
    """The prepared form of one subgraph. ``infos`` holds what is known of every tensor; ``steps`` run in order."""

    def __init__(self, program: Program, subgraph_index: int):
        self.program = program
        self.model, self.kernels, self.engine = program.model, program.kernels, program.engine
        self._limits = program.limits
        self.subgraph_index = subgraph_index
        self.subgraph: Subgraph = self.model.subgraphs[subgraph_index]
        self.steps = [
            resolve(program, subgraph_index, index, operator) for index, operator in enumerate(self.subgraph.operators)
        ]
        self.infos: list[TensorInfo] = []
        self.dynamic: set[int] = set()
        self.schedule: list[Step] = []
        self.rewritten: set[int] = set()
        self._folds = True
        self._held = 0
        self._linked: dict[bool, Linked | Patient | None] = {}

    # ---- preparing -------------------------------------------------------------------------------------------

    def allocate(self, shapes: Mapping[int, Shape] = {}) -> None:
        """Work out every shape that can be known and prepare the steps. ``shapes`` overrides tensors' shapes.

        Raises :class:`UnresolvedCustomError` for custom operators and :class:`OperatorError` for an operator that
        cannot be prepared."""
        refuse_custom(self.steps)
        self.program.resources.pop(("allocation", self.subgraph_index), None)  # what lives until the next allocation
        with np.errstate(all="ignore"):  # a damaged file's scales may be anything
            self._allocate(shapes)

    def _allocate(self, shapes: Mapping[int, Shape]) -> None:
        tensors = self.subgraph.tensors
        wished = any(tuple(shape) != (tensors[index].shape or ()) for index, shape in shapes.items())
        self._limits = self.program.limits.as_wished() if wished else self.program.limits
        check_sparse(tensors, self.program.limits.max_memory)
        self.infos = [self._info(index, tensor, shapes) for index, tensor in enumerate(tensors)]
        self._check_graph()
        self._fill_empty()
        self.dynamic = set()
        for step in self.steps:
            step.call = None
            self.program.look_at_the_clock(step.node)
            try:
                self._prepare(step)
            except ValueNeeded:
                self.dynamic.update(step.outputs)
        self._plan_releases()
        self._check_memory()
        self._schedule()
        self._linked.clear()

    def _check_graph(self) -> None:
        for info in self.infos:
            check_tensor(info)
            _check_elements(info, info.shape, self._limits)
        nodes = [s.node for s in self.steps]
        outputs = [s.outputs for s in self.steps]
        check_wiring(nodes, [s.inputs for s in self.steps], outputs, self.infos, self.subgraph.inputs)
        self.rewritten = written_more_than_once([*outputs, self.subgraph.inputs])

    def _fill_empty(self) -> None:
        """Give tensors without elements that nobody writes their value: there is only one."""
        written = {-1, *self.subgraph.inputs, *(i for s in self.steps for i in s.outputs)}
        for i in {i for s in self.steps for i in s.inputs} - written:
            info = self.infos[i]
            if info.value is None and not info.is_variable and 0 in info.shape and info.type in DTYPES:
                self.infos[i] = dataclasses.replace(info, value=np.empty(info.shape, info.dtype))

    def _info(self, index: int, tensor: Tensor, shapes: Mapping[int, Shape]) -> TensorInfo:
        q = tensor.quantization
        value = dense_constant(self.model, tensor, index, LARGEST_TENSOR)
        shape = tuple(shapes.get(index, tensor.shape or ()))
        if value is not None and index in shapes and shape != tuple(tensor.shape or ()):
            raise OperatorError(
                f"Attempting to resize a fixed-size tensor. Tensor {index} {tensor.name or ''!r} of subgraph "
                f"{self.subgraph_index} is a constant of shape {list(tensor.shape or ())}, and is given {list(shape)}."
            )
        block_size, block_scales = blocks(self.model, self.subgraph, q)
        return TensorInfo(
            index=index,
            name=tensor.name or "",
            type=str(tensor.type).lower(),
            shape=shape,
            scales=_vector(q.scales if q else None, np.float32),
            zero_points=_vector(q.zero_points if q else None, np.int64),
            axis=q.quantized_dimension if q else 0,
            value=value,
            constant=value is not None,
            is_variable=tensor.is_variable,
            block_size=block_size,
            block_scales=block_scales,
            sparsity=tensor.sparsity,
        )

    def _prepare(self, step: Step) -> None:
        """Shapes, then definition, then prepared values. Raises ValueNeeded when it is too early."""
        if any(i in self.dynamic for i in step.inputs):
            raise ValueNeeded
        inputs = tuple(self.infos[i] if i >= 0 else None for i in step.inputs)
        outputs = tuple(self.infos[i] for i in step.outputs)
        intermediates = tuple(self.infos[i] for i in self.subgraph.operators[step.node.index].intermediates or ())
        node = dataclasses.replace(step.node, inputs=inputs, outputs=outputs, intermediates=intermediates)
        try:
            operands = _operands(step.op, inputs)
            step.op.check_operands(node)
            shapes = step.op.shapes(node, *operands)
            node.need(len(shapes) == len(outputs), f"{len(shapes)} outputs", len(outputs))
            if self.kernels.micro and _is_own(step.op):
                _as_declared(outputs, shapes)
            outputs = tuple(_sized(o, shape, self._limits) for o, shape in zip(outputs, shapes, strict=True))
            node = self._placed(step.op, dataclasses.replace(node, outputs=outputs))
            check_step(node, self._limits.max_memory, self._held, _is_own(step.op))
            as_ideal = self.kernels.ideal and _is_own(step.op)
            step.definition = ideal.definition(step.op, node) if as_ideal else step.op.definition(node)
            if self.kernels.micro and _is_own(step.op):
                tflm.check(step.op, node, step.definition)
            outputs = tuple(
                dataclasses.replace(o, type=step.definition.output_type(i, o.type)) for i, o in enumerate(outputs)
            )
            node = dataclasses.replace(node, outputs=outputs)
            if _is_own(step.op) and not node.delegated:
                refusals.check(node)
            step.prepared = step.definition.prepare(node, *_operands(step.op, inputs), *outputs)
        except WITHIN as error:
            say_where(error, node, "failed to prepare")
        step.node = node
        for info in outputs:
            self.infos[info.index] = info
        self.dynamic.update(o.index for o, shape in zip(outputs, shapes, strict=True) if shape is None)
        step.open = None in shapes
        step.call = self.engine.compile(step)
        if self._folds and inputs and self._is_known(step, inputs):
            self._fold(step, inputs)

    def _placed(self, op: Op, node: Node) -> Node:
        """The node with what the kernel set says about it; of a caller's row it says nothing."""
        if not _is_own(op):
            return node
        delegated = self.kernels.delegate and delegate.takes(node)
        if delegated:
            delegate.check(node)
        return dataclasses.replace(node, delegated=delegated, arithmetic=self.kernels.arithmetic(node.op, delegated))

    def _is_known(self, step: Step, inputs: Sequence[TensorInfo | None]) -> bool:
        """Whether the step's results follow from what is known already."""
        known = (i is None or (i.value is not None and not i.is_variable) for i in inputs)
        able = step.op.of_shapes or (step.op.foldable and all(known))
        return able and not self.rewritten.intersection(step.outputs)

    def _fold(self, step: Step, inputs: Sequence[TensorInfo | None]) -> None:
        if step.op.of_shapes:
            arrays = [np.broadcast_to(np.zeros((), i.dtype), i.shape) if i else None for i in inputs]
        else:
            arrays = [i.value if i else None for i in (*inputs, *[None] * _left_off(step.op, len(inputs)))]
        result = self._compute(step, arrays)
        results = result if isinstance(result, tuple) else (result,)
        for info, value in zip(step.node.outputs, results, strict=True):
            self.infos[info.index] = dataclasses.replace(info, value=value)

    def _plan_releases(self) -> None:
        """After which step each intermediate tensor is no longer needed."""
        last: dict[int, int] = {}
        for position, step in enumerate(self.steps):
            last.update(dict.fromkeys((*step.inputs, *step.outputs), position))
        kept = {-1, *self.subgraph.inputs, *self.subgraph.outputs}
        kept.update(i for i, info in enumerate(self.infos) if info.value is not None or info.is_variable)
        for position, step in enumerate(self.steps):
            step.releases = tuple(i for i in {*step.inputs, *step.outputs} if last[i] == position and i not in kept)

    def _schedule(self) -> None:
        """The steps that a run computes: all but those whose results are known."""
        self.schedule = [s for s in self.steps if not s.outputs or any(self.infos[i].value is None for i in s.outputs)]
        for step in self.schedule:
            step.waits = step.call is None or any(i in self.dynamic for i in step.inputs)
            reads = (*step.inputs, *[-1] * _left_off(step.op, len(step.inputs)))
            step.reads = tuple((i, self.infos[i].value if i >= 0 else None) for i in reads)

    def _check_memory(self) -> None:
        """Refuse a plan whose tensors and intermediates do not fit the limit together."""
        written = {i for step in self.steps for i in step.outputs}
        ends = {*self.subgraph.inputs, *(i for i in self.subgraph.outputs if i not in written)}
        alive = alive_bytes(i for i in self.infos if i.is_variable or i.sparsity or i.index in ends)
        limit = self._limits.max_memory
        if limit is not None and alive > limit:
            raise OperatorError(
                f"inputs, variables and outputs that nobody computes take {alive / 2**30:.1f} GiB: {too_much(limit)}"
            )
        for step in self.steps:
            if step.call is None:
                return
            try:
                check_step(step.node, limit, alive, _is_own(step.op))
            except OperatorError as error:
                say_where(error, step.node, "failed to prepare")
            alive += sum(tensor_bytes(o) for o in step.node.outputs)
            alive -= sum(tensor_bytes(self.infos[i]) for i in step.releases)

    @property
    def max_memory(self) -> int | None:
        """The limit of that name, None where shapes are the caller's own wish."""
        return self._limits.max_memory

    # ---- running ---------------------------------------------------------------------------------------------

    def run(self, values: dict[int, np.ndarray], keep: bool = False) -> None:
        """Compute every step. ``values`` holds the inputs and variables by tensor index, and receives the results;
        intermediate results are dropped after their last use unless ``keep``, or somebody watches the program."""
        watcher = self.program.watcher
        keep = keep or watcher is not None
        linked = self.linked(keep)
        if linked is None:
            self.run_steps(values, keep)
        else:
            linked.run(values, keep)
        if watcher is not None:
            watcher(self, values)

    def run_steps(self, values: dict[int, np.ndarray], keep: bool) -> None:
        """Compute the schedule by the steps' definitions."""
        with np.errstate(all="ignore"):
            for step in self.schedule:
                self.program.look_at_the_clock(step.node)
                self.run_step(step, values, keep)

    def timed(self, values: dict[int, np.ndarray], keep: bool) -> Iterator[tuple[Step, str, float]]:
        """Like :meth:`run`, step by step; each with the engine that computed it and its seconds."""
        linked = self.linked(keep)
        if linked is not None:
            yield from linked.timed(values, keep)
            return
        for step in self.schedule:
            yield self.timed_step(step, values, keep)

    def timed_step(self, step: Step, values: dict[int, np.ndarray], keep: bool) -> tuple[Step, str, float]:
        """Compute a step by its definition, and say how long it took."""
        start = time.perf_counter()
        self.run_step(step, values, keep)
        return step, "numpy", time.perf_counter() - start

    def linked(self, keep: bool = False) -> Linked | Patient | None:
        """What the engine made of the schedule; None where it runs step by step."""
        try:
            return self._linked[keep]
        except KeyError:
            with np.errstate(all="ignore"):
                found = self._linked[keep] = self.engine.link(self, keep)
            return found

    def run_step(self, step: Step, values: dict[int, np.ndarray], keep: bool) -> None:
        """Compute one step of the schedule."""
        if step.waits:
            self._prepare_now(step, values)
        result = self._compute(step, [values.get(i, constant) for i, constant in step.reads])
        if type(result) is tuple:
            values.update(zip(step.writes, result, strict=True))
        else:
            values[step.outputs[0]] = result
        if step.open:
            self._note_shapes(step, values)
        if not keep:
            for index in step.releases:
                values.pop(index, None)

    def _note_shapes(self, step: Step, values: Mapping[int, np.ndarray]) -> None:
        found = [np.shape(values[i]) for i in step.outputs]
        if self.kernels.micro:
            _as_declared([self.infos[i] for i in step.outputs], found)
        for i, shape in zip(step.outputs, found, strict=True):
            self.infos[i] = dataclasses.replace(self.infos[i], shape=shape)

    def value(self, index: int, values: Mapping[int, np.ndarray]) -> np.ndarray | None:
        """A tensor's present value: computed, or constant, or None."""
        found = values.get(index)
        return self.infos[index].value if found is None and index >= 0 else found

    def _prepare_now(self, step: Step, values: Mapping[int, np.ndarray]) -> None:
        saved = {i: self.infos[i] for i in step.inputs if i >= 0}
        for i, info in saved.items():
            array = self.value(i, values)
            if array is not None:
                self.infos[i] = dataclasses.replace(info, value=array, shape=array.shape)
        dynamic, self.dynamic = self.dynamic, set()
        self._folds, self._held = False, held_bytes(map(np.asarray, values.values()))
        try:
            self._prepare(step)
        except ValueNeeded as missing:
            raise OperatorError(f"{step.node}: {missing} has no value: nothing computes it.") from None
        finally:
            self.dynamic, self._folds, self._held = dynamic, True, 0
            for i, info in saved.items():
                self.infos[i] = dataclasses.replace(info, shape=self.infos[i].shape)

    def _compute(self, step: Step, arrays: Sequence[np.ndarray | None]) -> Any:
        assert step.call is not None
        try:
            return step.call(*arrays)
        except WITHIN as error:
            say_where(error, step.node, "failed to invoke")


def _is_own(op: Op) -> bool:
    """Whether a row is one of minilite's, and not the caller's."""
    own = OPS.get(op.name)
    return own is not None and (op is own or op in own.kinds)


def _left_off(op: Op, count: int) -> int:
    """How many operands the file leaves off the end."""
    return 0 if op.inputs and op.inputs[-1].variadic else len(op.inputs) - count


def _operands(op: Op, inputs: Sequence[TensorInfo | None]) -> tuple[TensorInfo | None, ...]:
    """The inputs, with None for optional operands the file leaves off the end."""
    missing = _left_off(op, len(inputs))
    optional = [o.optional for o in op.inputs[len(inputs) :]]
    if missing < 0 or not all(optional[: max(missing, 0)]):
        names = ", ".join(o.name + ("?" if o.optional else "") for o in op.inputs)
        raise OperatorError(f"expected the inputs {names}, got {len(inputs)} tensors.")
    for operand, info in zip(op.inputs, inputs, strict=False):
        if info is None and not operand.optional:
            raise OperatorError(f"input {operand.name!r}: expected a tensor, got none (index -1).")
    return (*inputs, *[None] * max(missing, 0))


def _sized(info: TensorInfo, shape: Sequence[int] | None, limits: Limits) -> TensorInfo:
    if shape is None:
        return dataclasses.replace(info, value=None)
    shape = tuple(map(int, shape))
    if any(d < 0 for d in shape):
        raise OperatorError(f"{info}: expected dimensions of 0 or more, got shape {shape}.")
    if info.type not in DTYPES:
        raise OperatorError(f"{info}: no kernel computes type {info.type.upper()}.")
    _check_elements(info, shape, limits)
    bytes_ = math.prod(shape) * np.dtype(DTYPES[info.type]).itemsize
    if bytes_ > LARGEST_TENSOR:
        raise OperatorError(f"{info}: expected at most {LARGEST_TENSOR} bytes, got {bytes_} (shape {shape}).")
    return dataclasses.replace(info, shape=shape, value=None)


def _check_elements(info: TensorInfo, shape: Shape, limits: Limits) -> None:
    too_many = too_many_elements(shape, limits)
    if too_many:
        raise OperatorError(f"{info}: {too_many}")


def _as_declared(outputs: Sequence[TensorInfo], shapes: Sequence[Shape | None]) -> None:
    """Refuse shapes that are not the file's own, which are all that TFLite Micro knows."""
    for info, shape in zip(outputs, shapes, strict=True):
        found = info.shape if shape is None else tuple(map(int, shape))
        info.need(found == info.shape, f"the file's own shape {info.shape} (TFLite Micro resizes nothing)", found)


def _vector(values: Iterable[Any] | None, dtype: Any) -> np.ndarray:
    return np.empty(0, dtype) if values is None else np.asarray(values, dtype)
