"""From when to when each tensor needs memory, as two runtimes count it.

``micro(sizes)``    TFLite Micro: one count of moments for the whole model; a called subgraph's operators lie within the
                    operator that calls it. A tensor lives from the operator that writes it to the last one that reads
                    it, inputs from the start, outputs to the end of their subgraph.
``litert(sizes)``   LiteRT: an arena for each subgraph, a moment for each of its operators. Inputs and outputs stay to
                    the end; some operators write over an input, which is then one buffer with the result.

Sources: ``micro/micro_allocation_info.cc`` of tflite-micro, ``arena_planner.cc`` of LiteRT.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from minilite.inspection.scratch import Operands, scratch
from minilite.inspection.visits import NEVER, Run
from minilite.model import Model, Operator, Tensor
from minilite.quantization.in_place import OVERWRITES, RENAMES, SMALLEST
from minilite.resolve import options_of
from minilite.spec import DTYPES, Shape

Kind = Literal["input", "output", "activation", "scratch", "unused"]
FOREVER = 2**31 - 1
PACKED = {"int4": 4, "uint4": 4, "int2": 2}
"""Bits of the types that share bytes."""


@dataclass(frozen=True)
class Life:
    """A buffer and the moments at which it is in use, ``first`` to ``last``; both -1 for a tensor that nothing uses.
    ``tensor`` is -1 and ``operator`` known for scratch memory. ``shared`` are tensors that are the same buffer."""

    subgraph: int
    tensor: int
    bytes: int
    first: int
    last: int
    kind: Kind
    operator: int = -1
    shared: tuple[int, ...] = ()
    fixed: int | None = None


@dataclass(frozen=True)
class Sizes:
    """A model, and the shapes that its tensors have by (subgraph, tensor); the file's where there is none. ``absent``
    tensors take no part: their shapes, or sizes, are known while running only, or their values before. ``packed``: 4-
    and 2-bit integers share bytes, as in LiteRT; in TFLite Micro each has one."""

    model: Model
    shapes: Mapping[tuple[int, int], Shape] = field(default_factory=dict)
    absent: frozenset[tuple[int, int]] = frozenset()
    packed: bool = False

    def shape(self, subgraph: int, tensor: int) -> Shape:
        return self.shapes.get((subgraph, tensor), self.model.subgraphs[subgraph].tensors[tensor].shape or ())

    def bytes(self, subgraph: int, tensor: int) -> int:
        """Bytes of the elements."""
        type_, count = (
            str(self.model.subgraphs[subgraph].tensors[tensor].type).lower(),
            math.prod(self.shape(subgraph, tensor)),
        )
        if self.packed and type_ in PACKED:
            return -(-count * PACKED[type_] // 8)
        return count * np.dtype(DTYPES.get(type_, np.int8)).itemsize

    def planned(self, subgraph: int, tensor: int) -> bool:
        """Whether the tensor gets memory from the plan: no constant, no variable."""
        found = self.model.subgraphs[subgraph].tensors[tensor]
        there = (subgraph, tensor) not in self.absent and self.bytes(subgraph, tensor) > 0
        return there and not found.is_variable and not is_constant(self.model, found)

    def kind(self, subgraph: int, tensor: int) -> Kind:
        inputs, outputs = self.ends[subgraph]
        return "input" if tensor in inputs else "output" if tensor in outputs else "activation"

    @cached_property
    def ends(self) -> list[tuple[frozenset[int], frozenset[int]]]:
        """Inputs and outputs of each subgraph."""
        return [(frozenset(g.inputs), frozenset(g.outputs)) for g in self.model.subgraphs]


def is_constant(model: Model, tensor: Tensor) -> bool:
    """Whether the file holds the tensor's bytes."""
    data = model.buffers[tensor.buffer].data if 0 < tensor.buffer < len(model.buffers) else None
    return data is not None and data.size > 0


# ---- TFLite Micro ----------------------------------------------------------------------------------------------------


def micro(sizes: Sizes, most_deep: int | None = None) -> tuple[list[Life], list[tuple[int, int, int]]]:
    """The buffers in the order in which TFLite Micro plans them; and (moment, subgraph, operator) of each operator
    (:meth:`minilite.inspection.visits.Run.moments`)."""
    run = Run(sizes.model, most_deep)
    offline = _offline(sizes.model)
    handles = set(_results_of(sizes.model, "VAR_HANDLE"))  # the kernel has their memory
    lives = []
    every = [(s, t) for s, graph in enumerate(sizes.model.subgraphs) for t in range(len(graph.tensors))]
    for place, key in enumerate(every):
        if sizes.planned(*key) and key not in handles:
            first, last = run.life(*key)
            kind = sizes.kind(*key) if last != NEVER else "unused"
            fixed = offline[place] if place < len(offline) and offline[place] >= 0 else None
            lives.append(Life(*key, sizes.bytes(*key), first, last, kind, fixed=fixed))
    return lives + list(_scratches(sizes, run)), run.moments()


def _scratches(sizes: Sizes, run: Run) -> Iterator[Life]:
    """The kernels' scratch buffers in the order in which they are prepared."""
    for subgraph in sorted(run.visits):
        for place, operator in enumerate(sizes.model.subgraphs[subgraph].operators):
            begun, ended = run.at_work(subgraph, place)
            for size in _scratch(sizes, subgraph, operator):
                yield Life(subgraph, -1, size, begun, ended, "scratch", place)


def _results_of(model: Model, *names: str) -> Iterator[tuple[int, int]]:
    """What operators of these kinds write."""
    for subgraph, graph in enumerate(model.subgraphs):
        for operator in graph.operators:
            if model.operator_codes[operator.opcode_index].name in names:
                yield from ((subgraph, t) for t in operator.outputs or ())


def _scratch(sizes: Sizes, subgraph: int, operator: Operator) -> list[int]:
    tensors = sizes.model.subgraphs[subgraph].tensors
    code = sizes.model.operator_codes[operator.opcode_index]
    inputs, outputs = operator.inputs or (), operator.outputs or ()
    operands = Operands(
        types=["" if i < 0 else str(tensors[i].type).lower() for i in inputs],
        shapes=[() if i < 0 else sizes.shape(subgraph, i) for i in inputs],
        output=sizes.shape(subgraph, outputs[0]) if outputs else (),
        options=options_of(operator, code),
    )
    try:
        return scratch(code.name, operands)
    except IndexError:  # operands that the file leaves out, and TFLite Micro refuses
        return []


def _offline(model: Model) -> list[int]:
    """Offsets that the file asks for, in its metadata ``OfflineMemoryAllocation``: one a tensor, -1 for none."""
    for entry in model.metadata:
        if entry.name == "OfflineMemoryAllocation" and entry.buffer < len(model.buffers):
            data = model.buffers[entry.buffer].data
            if data is not None and data.size >= 12:
                words = np.frombuffer(data.tobytes()[: data.size // 4 * 4], "<i4")
                return [int(w) for w in words[3 : 3 + max(int(words[2]), 0)]]
    return []


# ---- LiteRT ----------------------------------------------------------------------------------------------------------


def litert(sizes: Sizes, subgraph: int) -> list[Life]:
    """The buffers of a subgraph's arena in the order in which LiteRT places them."""
    graph = sizes.model.subgraphs[subgraph]
    roots = _roots(sizes, subgraph)
    elsewhere = set(_results_of(sizes.model, "VAR_HANDLE", "READ_VARIABLE"))  # the kernels allocate them
    first = dict.fromkeys(graph.inputs, 0)
    for place, operator in enumerate(graph.operators):
        for tensor in operator.outputs or ():
            first.setdefault(tensor, place)
    last = _last_uses(sizes, subgraph, roots)
    names: dict[int, list[int]] = {}
    for tensor, root in roots.items():
        names.setdefault(root, []).append(tensor)
    lives = [
        Life(
            subgraph,
            t,
            sizes.bytes(subgraph, t),
            first[t],
            last.get(t, FOREVER),
            sizes.kind(subgraph, t),
            shared=tuple(names.get(t, ())),
        )
        for t in sorted(first)
        if t >= 0 and t not in roots and sizes.planned(subgraph, t) and (subgraph, t) not in elsewhere
    ]
    return sorted(lives, key=_litert_order)


def _litert_order(life: Life) -> tuple[int, int, int, int]:
    """What lives all the time comes first, by index; then the largest, and of equal ones the earliest."""
    if life.first == 0 and life.last == FOREVER:
        return 0, 0, 0, life.tensor
    return 1, -life.bytes, life.first, life.tensor


def _last_uses(sizes: Sizes, subgraph: int, roots: Mapping[int, int]) -> dict[int, int]:
    """The last operator that reads each tensor that may go then, results that share its memory included."""
    graph = sizes.model.subgraphs[subgraph]
    kept = {*graph.inputs, *graph.outputs}
    return {
        roots.get(t, t): place
        for place, operator in enumerate(graph.operators)
        for t in operator.inputs or ()
        if roots.get(t, t) not in kept
    }


def _roots(sizes: Sizes, subgraph: int) -> dict[int, int]:
    """Of each tensor that is written over another one: that one, or the one which that is written over itself."""
    graph = sizes.model.subgraphs[subgraph]
    uses = Counter(i for operator in graph.operators for i in operator.inputs or ())
    uses.update((*graph.inputs, *graph.outputs))
    roots: dict[int, int] = {}
    for operator, name in _sharing(sizes.model, subgraph):
        output, writes = (operator.outputs or ())[0], name not in RENAMES
        candidates = (operator.inputs or ())[: OVERWRITES.get(name, 1)]
        fitting = (i for i in candidates if _may_share(sizes, subgraph, i, output, uses[i] if writes else None))
        shared = next(fitting, None)
        root = None if shared is None else roots.get(shared, shared)
        if root is not None and not (writes and uses[root] > 1) and _same(sizes, subgraph, root, output):
            roots[output] = root
    return roots


def _sharing(model: Model, subgraph: int) -> Iterator[tuple[Operator, str]]:
    for operator in model.subgraphs[subgraph].operators:
        name = model.operator_codes[operator.opcode_index].name
        if operator.outputs and (name in RENAMES or name in OVERWRITES or name == "DYNAMIC_UPDATE_SLICE"):
            yield operator, name


def _may_share(sizes: Sizes, subgraph: int, source: int, output: int, uses: int | None) -> bool:
    """``uses`` of the input, None for an operator that leaves the data as they are."""
    inputs, outputs = sizes.ends[subgraph]
    if source < 0 or source in inputs or output in outputs or not sizes.planned(subgraph, source):
        return False
    return uses is None or (
        uses == 1 and _same(sizes, subgraph, source, output) and sizes.bytes(subgraph, source) > SMALLEST
    )


def _same(sizes: Sizes, subgraph: int, one: int, other: int) -> bool:
    return sizes.bytes(subgraph, one) == sizes.bytes(subgraph, other)


def ending(lives: Sequence[Life], last: int) -> list[Life]:
    """The same with an end for those that live forever."""
    return [replace(life, last=min(life.last, last)) for life in lives]
