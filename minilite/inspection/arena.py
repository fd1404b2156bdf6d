"""How much memory a model needs while it runs, before it is deployed: lifetimes, arena, peak.

    plan = minilite.memory_plan("model.tflite")             # as TFLite Micro lays it out
    plan.arena_bytes                                        # the arena's tensors and scratch buffers
    plan.peak                                               # the operators at which most is in use
    minilite.memory_plan(model, runtime="litert", batch=8)

For ``tflm`` ``arena_bytes`` is what TFLite Micro reports as the arena's *head*, with its reference kernels. The arena's
*tail* comes on top: the runtime's own structures and the kernels' parameters, some kilobytes that depend on version,
compiler and pointer size, and the variables, which are counted here. For ``litert`` it is the arena of tensors that are
not variables, without the temporary tensors of kernels (im2col, hybrid kernels), and without delegates.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from minilite.engines import engine
from minilite.errors import ArgumentError, OperatorError, UnsupportedOperatorError
from minilite.inspection.arena_planners import Look, Need, aligned, best_fit, greedy, top
from minilite.inspection.in_use import InUse
from minilite.inspection.lifetimes import Kind, Life, Sizes, ending, is_constant, litert, micro
from minilite.inspection.tensor_names import find_tensor
from minilite.kernel_sets import KERNEL_SETS
from minilite.limits import DEFAULT, Limits, check_limits, check_tensors, time_is_up
from minilite.memory import too_much
from minilite.model import Model
from minilite.program import Program
from minilite.quantization.source import loaded
from minilite.soundness import check
from minilite.spec import Shape

Runtime = Literal["tflm", "litert"]
ALIGNMENT = {"tflm": 16, "litert": 64}
"""Bytes to which each runtime aligns its buffers."""
LARGEST = 2**62
"""Bytes."""
ENTRY = 8
"""Bytes of each entry of a list."""


@dataclass(frozen=True)
class PlannedBuffer:
    """A tensor's, or a kernel's scratch, memory. ``bytes`` are its elements', ``size`` what the plan gives it at
    ``offset``; it is in use from ``first`` to ``last``, moments of :class:`Moment`. ``tensor`` is -1 for scratch, of
    which ``operator`` knows whose. ``shared`` are tensors that are written over it."""

    subgraph: int
    tensor: int
    name: str
    kind: Kind
    bytes: int
    size: int
    offset: int
    first: int
    last: int
    operator: int = -1
    shared: tuple[int, ...] = ()


@dataclass(frozen=True)
class Moment:
    """An operator at work: ``live_bytes`` are in use, by the ``buffers`` of these positions, and the highest one ends
    at ``top``."""

    time: int
    subgraph: int
    operator: int
    name: str
    live_bytes: int
    top: int
    buffers: tuple[int, ...]


@dataclass(frozen=True)
class MemoryPlan:
    """A model's memory. ``arena_bytes`` is what the plan takes, ``live_bytes`` the most that is in use at any moment,
    which no plan of these lifetimes can go below: the difference is lost to gaps. ``constant_bytes`` stay in the file
    (in flash, on a microcontroller); ``variable_bytes`` are kept from run to run. ``unplanned`` names tensors whose
    sizes are not known before the run."""

    runtime: Runtime
    alignment: int
    buffers: tuple[PlannedBuffer, ...]
    moments: tuple[Moment, ...]
    arena_bytes: int
    live_bytes: int
    constant_bytes: int
    variable_bytes: int
    unplanned: tuple[str, ...] = ()

    @property
    def peak(self) -> tuple[Moment, ...]:
        """The operators at which most is in use."""
        most = max((m.live_bytes for m in self.moments), default=0)
        return tuple(m for m in self.moments if m.live_bytes == most)


def memory_plan(
    model: Any,
    *,
    runtime: str = "tflm",
    batch: int | None = None,
    shapes: Mapping[str | int, Sequence[int]] | None = None,
    limits: Limits = DEFAULT,
) -> MemoryPlan:
    """The memory that a model needs in TFLite Micro (``tflm``) or in LiteRT's interpreter (``litert``).

    ``model`` is a path, bytes or a :class:`minilite.Model`. ``shapes`` gives inputs, by name or index, other shapes
    than the file's; ``batch`` gives all inputs another first dimension. TFLite Micro cannot resize: its plan is then
    that of a model exported with these shapes.

    ``limits`` (:class:`minilite.Limits`) hold as in an interpreter where shapes have to be worked out, and for the plan
    itself: ``max_depth``, ``max_seconds``, and ``max_memory`` for what it says of each operator.

    Raises :class:`ArgumentError` for an unknown runtime or input, :class:`minilite.OperatorError` for shapes that the
    operators do not take, and beyond the limits."""
    if runtime not in ALIGNMENT:
        raise ArgumentError(f"expected a runtime of {', '.join(get_args(Runtime))}, got {runtime!r}.")
    model = loaded(model, check_limits(limits))
    check_tensors(model, limits)
    check(model)
    sizes = _sizes(model, _wished(model, batch, shapes or {}), runtime, limits)
    if runtime == "tflm":
        return _plan(sizes, "tflm", [micro(sizes, limits.max_depth)], limits)
    arenas = []
    for subgraph, graph in enumerate(model.subgraphs):
        times = [(place, subgraph, place) for place in range(len(graph.operators))]
        arenas.append((ending(litert(sizes, subgraph), max(len(graph.operators) - 1, 0)), times))
    return _plan(sizes, "litert", arenas, limits)


# ---- shapes ----------------------------------------------------------------------------------------------------------


def _wished(model: Model, batch: int | None, shapes: Mapping[str | int, Sequence[int]]) -> dict[int, Shape]:
    """The main inputs' shapes where they are to be others than the file's."""
    graph = model.subgraphs[0]
    names = [graph.tensors[i].name or "" for i in graph.inputs]
    wished: dict[int, Shape] = {}
    if batch is not None:
        if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
            raise ArgumentError(f"expected a batch of 1 or more, got {batch!r}.")
        for i in graph.inputs:
            rest = (graph.tensors[i].shape or ())[1:]
            wished.update({i: (batch, *rest)} if graph.tensors[i].shape else {})
    for key, shape in shapes.items():
        index = _input(graph.inputs, names, key, _by_signature(model))
        wished[index] = tuple(map(int, shape))
        if any(d < 0 for d in wished[index]):
            raise ArgumentError(f"input {index}: expected dimensions of 0 or more, got {list(wished[index])}.")
    return {i: s for i, s in wished.items() if s != graph.tensors[i].shape}


def _by_signature(model: Model) -> dict[str, int]:
    """The main inputs by the names that signatures give them."""
    return {name: t for s in model.signatures if s.subgraph_index == 0 for name, t in s.inputs}


def _input(inputs: Sequence[int], names: Sequence[str], wanted: str | int, called: Mapping[str, int]) -> int:
    """The tensor that is meant by an index, by its name in a signature, or by an input's name or a part of it."""
    if isinstance(wanted, str) and called.get(wanted) in inputs:
        return called[wanted]
    try:
        index = wanted if isinstance(wanted, int) else inputs[find_tensor(names, wanted)]
    except ArgumentError:
        index = -1
    if index not in inputs:
        known = ", ".join(
            f"{i} {' or '.join(repr(n) for n in dict.fromkeys((*(c for c, t in called.items() if t == i), name)))}"
            for i, name in zip(inputs, names, strict=True)
        )
        raise ArgumentError(f"{wanted!r} is no input; the model has: {known or 'none'}.")
    return index


def _sizes(model: Model, wished: Mapping[int, Shape], runtime: str, limits: Limits) -> Sizes:
    """Shapes as minilite works them out; TFLite Micro has the file's unless others are wished for."""
    if runtime == "tflm" and not wished:
        return Sizes(model)
    shapes: dict[tuple[int, int], Shape] = {}
    absent = set()
    try:
        program = Program(model, KERNEL_SETS["reference"], engine("numpy"), limits)
        program.begin()
        plans = [program.plan(0)]
        plans[0].allocate(
            {**{i: model.subgraphs[0].tensors[i].shape or () for i in model.subgraphs[0].inputs}, **wished}
        )
    except UnsupportedOperatorError:
        if wished:
            raise
        return Sizes(model, packed=runtime == "litert")
    plans += [callee.plan for callee in program._callees.values()]
    for plan in plans:
        for info in plan.infos:
            shapes[plan.subgraph_index, info.index] = info.shape
            known = info.value is not None and not info.constant
            if info.index in plan.dynamic or (known and runtime == "litert"):
                absent.add((plan.subgraph_index, info.index))
    return Sizes(model, shapes, frozenset(absent), packed=runtime == "litert")


# ---- plans -----------------------------------------------------------------------------------------------------------

Arena = tuple[list[Life], list[tuple[int, int, int]]]
"""Buffers, and (moment, subgraph, operator)."""


def _plan(sizes: Sizes, runtime: Runtime, arenas: Sequence[Arena], limits: Limits) -> MemoryPlan:
    buffers: list[PlannedBuffer] = []
    moments: list[Moment] = []
    total = live = 0
    _check_total([life for lives, _ in arenas for life in lives])
    look = _clock(limits)
    for lives, times in arenas:
        placed = _placed(sizes, runtime, lives, look)
        use = InUse(placed, len(buffers))
        _check_lists(use.total([t for t, _, _ in times]), limits)
        moments += _moments(sizes.model, use, times, look)
        total += top([_need(b) for b in placed], [b.offset for b in placed])
        live += use.most_bytes()
        buffers += placed
    model = sizes.model
    constants = {t.buffer for g in model.subgraphs for t in g.tensors if is_constant(model, t)}
    variables = [
        aligned(sizes.bytes(s, i), ALIGNMENT[runtime])
        for s, g in enumerate(model.subgraphs)
        for i, t in enumerate(g.tensors)
        if t.is_variable
    ]
    return MemoryPlan(
        runtime,
        ALIGNMENT[runtime],
        tuple(buffers),
        tuple(moments),
        total,
        live,
        sum(data.size for i in constants if (data := model.buffers[i].data) is not None),
        sum(variables),
        tuple(_unplanned(sizes)),
    )


def _check_total(lives: Iterable[Life]) -> None:
    """Refuse what the planners cannot count: their integers are of 64 bits."""
    total = sum(life.bytes for life in lives)
    if total >= LARGEST:
        raise OperatorError(f"expected tensors of less than {LARGEST} bytes altogether, got {total}.")


def _check_lists(entries: int, limits: Limits) -> None:
    """Refuse lists of what is in use at each operator that would not fit ``max_memory``."""
    needed = entries * ENTRY
    if limits.max_memory is not None and needed > limits.max_memory:
        raise OperatorError(
            f"lists of what is in use at each operator take {needed / 2**30:.1f} GiB: {too_much(limits.max_memory)}"
        )


def _clock(limits: Limits) -> Look:
    """Raises when ``max_seconds`` from now are over."""
    end = time.monotonic() + limits.seconds

    def look() -> None:
        if time.monotonic() >= end:
            raise OperatorError(f"the memory was not planned, for {time_is_up(limits)}")

    return look


def _placed(sizes: Sizes, runtime: Runtime, lives: Sequence[Life], look: Look) -> list[PlannedBuffer]:
    given = [aligned(life.bytes, 16) if runtime == "tflm" else life.bytes for life in lives]
    needs = [Need(size, life.first, life.last, life.fixed) for size, life in zip(given, lives, strict=True)]
    offsets = greedy(needs, look) if runtime == "tflm" else best_fit(needs, ALIGNMENT[runtime], look)
    return [
        PlannedBuffer(
            life.subgraph,
            life.tensor,
            _name(sizes.model, life),
            life.kind,
            life.bytes,
            size,
            offset,
            life.first,
            life.last,
            life.operator,
            life.shared,
        )
        for life, size, offset in zip(lives, given, offsets, strict=True)
    ]


def _name(model: Model, life: Life) -> str:
    if life.tensor >= 0:
        return model.subgraphs[life.subgraph].tensors[life.tensor].name or ""
    return f"scratch of operator {life.operator}"


def _need(buffer: PlannedBuffer) -> Need:
    return Need(buffer.size, buffer.first, buffer.last)


def _moments(model: Model, use: InUse, times: Sequence[tuple[int, int, int]], look: Look) -> Iterator[Moment]:
    for time_, subgraph, place in times:
        look()
        operator = model.subgraphs[subgraph].operators[place]
        live, highest, used = use.at(time_)
        yield Moment(time_, subgraph, place, model.operator_codes[operator.opcode_index].name, live, highest, used)


def _unplanned(sizes: Sizes) -> Iterator[str]:
    for subgraph, tensor in sorted(sizes.absent):
        yield sizes.model.subgraphs[subgraph].tensors[tensor].name or f"tensor {tensor}"
