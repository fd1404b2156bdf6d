"""``compare``: two runs on the same inputs, tensor by tensor and operator by operator.

    found = minilite.compare("float.tflite", "int8.tflite", images)     # two models
    found = minilite.compare("model.tflite", "xnnpack", images)         # two kernel sets
    found = minilite.compare("model.tflite", "litert:AUTO", images)     # minilite and LiteRT
    found.worst(5)          # the operators that make the most noise by themselves
    found.first             # the first operator whose result differs

Every result of an operator is measured twice. *Accumulated*: as it came out of both runs, with the errors of all before
it. *Isolated*: the operator of ``b`` fed what ``a`` had there, and compared with ``a`` on the same numbers, so that an
error is the operator's own (:mod:`minilite.inspection.isolated`). What the numbers mean is in
:mod:`minilite.inspection.measuring`, which tensors belong together in :mod:`minilite.inspection.alignment`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.inspection.alignment import Alignment, align
from minilite.inspection.hints import Hints
from minilite.inspection.isolated import Isolated
from minilite.inspection.measuring import Difference, Measure
from minilite.inspection.reals import grid_of, steps_behind
from minilite.inspection.samples import paired_samples
from minilite.inspection.sources import Key, SavedRun, Source, source
from minilite.inspection.tensor_names import find_tensor
from minilite.model import Model, Tensor
from minilite.quantization.representative import Sample

FEW = 0.5
"""The share of the smaller model's results below which there are few counterparts."""


@dataclass(frozen=True)
class Compared:
    """A tensor of both runs, by its keys in ``a`` and ``b``, and the operator of ``b`` that computes it.

    ``operator`` is (subgraph, operator); for an input of the model it is None and ``op`` is empty. ``isolated`` is None
    where the operator cannot be run by itself; ``reason`` says why. ``hints`` say what may be wrong with its scales, or
    those of its operands (:mod:`minilite.inspection.hints`)."""

    a: Key
    b: Key
    tensor: str
    operator: tuple[int, int] | None
    op: str
    accumulated: Difference
    isolated: Difference | None = None
    reason: str = ""
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found. ``tensors`` are in the order in which ``b`` computes them; ``alone_a`` and
    ``alone_b`` are results of operators without a counterpart; ``exact`` says that all that both compute are numbers
    of the same kind, so that any difference is one; ``outputs`` are the keys in ``b`` of the outputs of the model.
    ``recorded`` says that ``a`` is a saved run, which cannot compute on the numbers that an operator of ``b`` is fed:
    isolated differences then have the rounding of the operator's inputs in them."""

    a: str
    b: str
    samples: int
    tensors: tuple[Compared, ...]
    alone_a: tuple[str, ...]
    alone_b: tuple[str, ...]
    exact: bool
    outputs: tuple[Key, ...]
    recorded: bool = False

    @property
    def warning(self) -> str:
        """What is to be said where few results have a counterpart: these may be different networks. Else empty."""
        met = len({t.a for t in self.tensors if t.operator is not None})
        if met >= FEW * (met + min(len(self.alone_a), len(self.alone_b))):
            return ""
        have = "result has" if met == 1 else "results have"
        return (
            f"only {met} {have} a counterpart; {len(self.alone_a)} of the first model and {len(self.alone_b)} of the "
            "second have none. Are these the same network? Tensors are matched by name and shape, and by the operators "
            "that compute them."
        )

    def _repr_html_(self) -> str:
        from minilite.inspection import notebook

        return notebook.comparison(self)

    @property
    def first(self) -> Compared | None:
        """The first tensor that differs; see :mod:`minilite.inspection.measuring`."""
        return next((t for t in self.tensors if t.accumulated.different), None)

    def below(self, sqnr: float) -> Compared | None:
        """The first tensor whose accumulated SQNR is less than so many dB."""
        return next((t for t in self.tensors if t.accumulated.sqnr < sqnr), None)

    def worst(self, count: int | None = None, by: str = "isolated") -> list[Compared]:
        """Tensors with the least SQNR first, by their ``"isolated"`` or their ``"accumulated"`` difference."""
        measured = [t for t in self.tensors if not math.isnan(_sqnr(t, by))]
        return sorted(measured, key=lambda t: _sqnr(t, by))[:count]

    def tensor(self, name: str) -> Compared:
        """The row of a tensor, by its name or a part that no other has. Raises :class:`ArgumentError` with the nearest
        name."""
        return self.tensors[find_tensor([t.tensor for t in self.tensors], str(name))]


@np.errstate(all="ignore")  # a damaged file's scales may be anything
def compare(
    a: Any,
    b: Any = None,
    inputs: Any = None,
    *,
    kernels: str = "reference",
    against: str | None = None,
    engine: str = "auto",
    isolated: bool = True,
    samples: int | None = None,
) -> Comparison:
    """Run two sources on the same inputs, and compare all their tensors.

    a         the yardstick: a model, its path or bytes, an :class:`minilite.Interpreter`, the path of a saved run
              (.npz), or any :class:`minilite.inspection.sources.Source`
    b         what is compared with it: the same, or what else is to compute ``a``'s model: a kernel set
              (``"xnnpack"``, ``"reference:numpy"``) or a resolver of LiteRT (``"litert:AUTO"``)
    inputs    samples in any form of :mod:`minilite.quantization.representative`, of real numbers or as either model
              takes them; they are converted. Left out for a saved run, which has its own
    kernels   the kernel set of models, ``against`` the one of ``b`` where it is another; ``engine`` is for both
    isolated  compare operators by themselves, too
    samples   so many at most

    Raises :class:`ArgumentError` for models that do not correspond and inputs that do not fit; what running raises."""
    first = source(a, kernels, engine)
    second = _second(first, b, against, kernels, engine)
    comparing = _Comparing(first, second, isolated)
    pairs = paired_samples(first, second, inputs)
    for number, (one, other) in enumerate(itertools.islice(pairs, samples)):
        comparing.add(number, one, other)
    return comparing.result()


def _second(first: Source, b: Any, against: str | None, kernels: str, engine: str) -> Source:
    if b is None:
        return source(against or kernels, same_as=first)
    return source(b, against or kernels, engine, same_as=first)


class _Comparing:
    """A comparison under way."""

    def __init__(self, a: Source, b: Source, isolated: bool):
        self.a, self.b = a, b
        self.alignment: Alignment = align(a.model, b.model)
        self.isolated = Isolated(a, b, self.alignment) if isolated else None
        self.accumulated: dict[Key, Measure] = {}
        self.alone: dict[Key, Measure] = {}
        self._steps = steps_behind(a.model), steps_behind(b.model)
        self.samples = 0

    def add(self, number: int, one: Sample, other: Sample) -> None:
        """One sample, as both sides take it."""
        x, y = self.a.run(one), self.b.run(other)
        self.samples = number + 1
        for key, counterpart in self.alignment.counterparts.items():
            if key in y and counterpart in x:
                sides = self._a(counterpart), self._b(key), self._step(key)
                _add(self.accumulated, number, key, x[counterpart], y[key], *sides)
        if self.isolated is not None:
            for key, ours, theirs, tensor in self.isolated.run(x):
                _add(self.alone, number, key, theirs, ours, tensor, self._b(key), self._step(key))

    def _step(self, key: Key) -> float | None:
        """What floats are counted in that one of the models has dequantized, and the other has not."""
        one, other = self._steps[0].get(self.alignment.counterparts[key]), self._steps[1].get(key)
        return (one or other) if one is None or other is None else None

    def _a(self, key: Key) -> Tensor:
        return self.a.model.subgraphs[key[0]].tensors[key[1]]

    def _b(self, key: Key) -> Tensor:
        return self.b.model.subgraphs[key[0]].tensors[key[1]]

    def result(self) -> Comparison:
        """What was measured so far."""
        rows = tuple(self._rows())
        alone_a = tuple(self._a(k).name or f"tensor {k[1]}" for k in self.alignment.alone_a)
        alone_b = tuple(self._b(k).name or f"tensor {k[1]}" for k in self.alignment.alone_b)
        exact = all(_alike(self._a(r.a), self._b(r.b)) for r in rows)
        outputs = tuple((0, t) for t in self.b.model.subgraphs[0].outputs)
        return Comparison(
            self.a.name, self.b.name, self.samples, rows, alone_a, alone_b, exact, outputs, _is_saved(self.a)
        )

    def _rows(self) -> Iterator[Compared]:
        reasons = {} if self.isolated is None else {alone.key: alone.why for alone in self.isolated.operators}
        found = {key: result for key, measure in self.accumulated.items() if (result := measure.result()) is not None}
        hints = Hints(self.a.model, self.b.model, self.alignment.counterparts, found)
        for key, operator in _in_order(self.b.model):
            if key not in found:
                continue
            alone = self.alone[key].result() if key in self.alone else None
            yield Compared(
                self.alignment.counterparts[key],
                key,
                self._b(key).name or f"tensor {key[1]}",
                operator,
                "" if operator is None else _op(self.b.model, operator),
                found[key],
                alone,
                "" if alone is not None or operator is None else reasons.get(operator, "not asked for"),
                () if operator is None else hints.of(key, operator, alone),
            )


def _add(
    measures: dict[Key, Measure],
    number: int,
    key: Key,
    x: np.ndarray,
    y: np.ndarray,
    a: Tensor,
    b: Tensor,
    step: float | None,
) -> None:
    if np.shape(x) == np.shape(y):
        if key not in measures:
            measures[key] = Measure(a, b, step)
        measures[key].add(number, x, y)


def _in_order(model: Model) -> Iterable[tuple[Key, tuple[int, int] | None]]:
    """Inputs, then all results in the order of execution, each once: where it is written last."""
    for s, graph in enumerate(model.subgraphs):
        yield from (((s, t), None) for t in graph.inputs)
        last = {t: i for i, o in enumerate(graph.operators) for t in o.outputs or () if t >= 0}
        yield from (((s, t), (s, i)) for t, i in last.items() if t not in graph.inputs)


def _op(model: Model, operator: tuple[int, int]) -> str:
    s, i = operator
    return model.operator_codes[model.subgraphs[s].operators[i].opcode_index].name


def _is_saved(side: Source) -> bool:
    return isinstance(getattr(side, "inner", side), SavedRun)


def _alike(a: Tensor, b: Tensor) -> bool:
    one, other = grid_of(a), grid_of(b)
    return a.type == b.type and (one is None if other is None else other.alike(one))


def _sqnr(row: Compared, by: str) -> float:
    found = row.accumulated if by == "accumulated" else row.isolated
    return math.nan if found is None else found.sqnr
