"""One operator at a time: the error that an operator makes by itself.

Operator by operator, ``b`` is fed what ``a`` had there, put on the grids of ``b``'s inputs; and ``a`` is fed the very
same numbers, so that what putting them there has changed is nobody's error. The results are compared. Where ``a`` can
only show one run (a saved one), its results there are taken, with the rounding of the inputs in the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from minilite.errors import Error
from minilite.inspection.alignment import Alignment, from_constants, is_constant
from minilite.inspection.carving import Part, cut
from minilite.inspection.reals import converted
from minilite.inspection.sources import Key, Source, Values
from minilite.interpreter import Interpreter
from minilite.model import Model, Tensor
from minilite.quantization.representative import Sample

Array = np.ndarray
Pair = tuple[Key, Array, Array, Tensor]
"""A result of ``b``, its value and ``a``'s, and what ``a``'s is."""

STATEFUL = ("RESOURCE", "VARIANT", "STRING")


@dataclass
class Alone:
    """An operator of ``b``, ready to be run by itself beside its counterpart in ``a``; ``why`` says why it cannot."""

    key: tuple[int, int]
    outputs: tuple[int, ...]
    part: Part | None = None
    theirs: Part | None = None
    why: str = ""
    sources: dict[str, Source | None] = field(default_factory=dict)


class Isolated:
    """All operators of ``b``, each alone. Sources of their parts are made when they are first needed."""

    def __init__(self, a: Source, b: Source, alignment: Alignment):
        self.a, self.b, self.pairs = a, b, alignment.counterparts
        self._makers = _makers(a.model)
        self._known = [_constant_results(b.model, s) for s in range(len(b.model.subgraphs))]
        self.operators = [
            self._alone(s, index) for s, graph in enumerate(b.model.subgraphs) for index in range(len(graph.operators))
        ]

    def run(self, values: Values) -> Iterator[Pair]:
        """The results of every operator, from the values of all tensors of ``a``."""
        for alone in self.operators:
            if not alone.why:
                yield from self._run(alone, values)

    # ---- what can be run alone -------------------------------------------------------------------------------

    def _alone(self, s: int, index: int) -> Alone:
        graph = self.b.model.subgraphs[s]
        operator = graph.operators[index]
        shown = tuple(t for t in operator.outputs or () if (s, t) in self.pairs)
        if not shown:
            return Alone((s, index), (), why="its results have no counterpart")
        if all(t in self._known[s] for t in shown):
            return Alone((s, index), shown, why="it computes constants from constants")
        types = {str(graph.tensors[t].type) for t in (*(operator.inputs or ()), *(operator.outputs or ())) if t >= 0}
        if types.intersection(STATEFUL):
            return Alone((s, index), shown, why="it keeps or handles something that is no array of numbers")
        part = cut(self.b.model, s, [index], shown, self._known[s])
        missing = [t for t in part.inputs if (s, t) not in self.pairs]
        if missing:
            return Alone((s, index), shown, why=f"its input {graph.tensors[missing[0]].name!r} has no counterpart")
        return self._with_theirs(Alone((s, index), shown, part))

    def _with_theirs(self, alone: Alone) -> Alone:
        """With the operators of ``a`` between the counterparts of the inputs and of the results."""
        assert alone.part is not None
        s = alone.key[0]
        starts = {self.pairs[s, t][1] for t in alone.part.inputs}
        ends = tuple(dict.fromkeys(self.pairs[s, t][1] for t in alone.outputs))
        inside: set[int] = set()
        waiting = [t for t in ends if t not in starts]
        while waiting:
            maker = self._makers.get((s, waiting.pop()))
            if maker is None or len(inside) > 64:
                alone.why = "its counterpart computes from other tensors"
                return alone
            if maker not in inside:
                inside.add(maker)
                fed = self.a.model.subgraphs[s].operators[maker].inputs or ()
                waiting += [t for t in fed if t >= 0 and t not in starts and not self._is_given(s, t)]
        computed = tuple(t for t in ends if t not in starts)
        alone.theirs = cut(self.a.model, s, inside, computed) if inside else None
        return alone

    def _is_given(self, s: int, tensor: int) -> bool:
        declared = self.a.model.subgraphs[s].tensors[tensor]
        return declared.is_variable or is_constant(self.a.model, declared)

    # ---- running ---------------------------------------------------------------------------------------------

    def _run(self, alone: Alone, values: Values) -> Iterator[Pair]:
        s, part = alone.key[0], alone.part
        assert part is not None
        keys = [self.pairs[s, t] for t in part.inputs]
        if any(k not in values for k in keys):
            return
        ours = {t: self._converted((s, t), values[k]) for t, k in zip(part.inputs, keys, strict=True)}
        found = self._results(alone, "b", self.b, part, ours)
        if found is None:
            return
        expected = self._expected(alone, ours, values)
        graph = self.a.model.subgraphs[s]
        for t in alone.outputs:
            key = self.pairs[s, t]
            if t in found and key[1] in expected:
                yield (s, t), found[t], expected[key[1]], graph.tensors[key[1]]

    def _converted(self, key: Key, array: Array) -> Array:
        return converted(array, _tensor(self.a.model, self.pairs[key]), _tensor(self.b.model, key))

    def _expected(self, alone: Alone, ours: dict[int, Array], values: Values) -> dict[int, Array]:
        """The results of ``a`` on the same numbers, by tensor of ``a``."""
        s = alone.key[0]
        fed = {self.pairs[s, t][1]: self._back((s, t), array) for t, array in ours.items()}
        recorded = {t: values[s, t] for s_, t in (self.pairs[s, t] for t in alone.outputs) if (s_, t) in values}
        if alone.theirs is None:  # a conversion: its result is to be what went in
            return {**recorded, **fed}
        if all(array is values[s, t] for t, array in fed.items()) and not self._keeps(alone):
            return recorded
        found = self._results(alone, "a", self.a, alone.theirs, {t: fed[t] for t in alone.theirs.inputs})
        return recorded if found is None else {**fed, **found}

    def _back(self, key: Key, array: Array) -> Array:
        """A value on the grid of ``b`` as one of ``a``; the very array of ``a`` where that is the same."""
        return converted(array, _tensor(self.b.model, key), _tensor(self.a.model, self.pairs[key]))

    def _keeps(self, alone: Alone) -> bool:
        assert alone.theirs is not None
        return any(t.is_variable for t in alone.theirs.model.subgraphs[0].tensors)

    def _results(
        self, alone: Alone, side: str, whole: Source, part: Part, fed: dict[int, Array]
    ) -> dict[int, Array] | None:
        """The results of a part, by tensor of the whole model; None where it cannot be run alone."""
        graph = part.model.subgraphs[0]
        try:
            if side not in alone.sources:
                alone.sources[side] = whole.of(part.model)
            source = alone.sources[side]
            if source is None:
                if side == "b":
                    alone.why = alone.why or "of a saved run nothing can be computed"
                return None
            arrays = {place: fed[t] for place, t in zip(graph.inputs, part.inputs, strict=True)}
            values = source.run(Sample(0, arrays))
        except Error as error:
            alone.sources[side] = None
            alone.why = alone.why or (f"alone it cannot be run: {error}" if side == "b" else "")
            return None
        places = zip(graph.outputs, part.outputs, strict=True)
        return {t: values[0, place] for place, t in places if (0, place) in values}


def _makers(model: Model) -> dict[Key, int]:
    return {
        (s, t): i for s, g in enumerate(model.subgraphs) for i, o in enumerate(g.operators) for t in o.outputs or ()
    }


def _tensor(model: Model, key: Key) -> Tensor:
    return model.subgraphs[key[0]].tensors[key[1]]


def _constant_results(model: Model, s: int) -> dict[int, Array]:
    """What operators compute from nothing but constants: of weights that are kept in half precision, say."""
    derived = from_constants(model, s)
    if not derived:
        return {}
    session = Interpreter(model, engine="numpy")._session(s)
    session.allocate()
    infos = session.plan.infos
    return {t: value for t in derived if (value := infos[t].value) is not None}
