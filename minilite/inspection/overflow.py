"""Overflow and saturation over a data set: where integers run out, and where they are left unused.

    print(minilite.overflow("int8.tflite", images))

One watched run for each sample; what is remembered does not grow with their number. Of every operator with a quantized
result: how far its accumulators can grow and how far they did, how much of int32 its bias takes, what the activation
and what the type cut off, which channels never change. Of every tensor: how much of its range is used. Of every input
that was given as real numbers: how many lay outside of its grid. And which scales of the file contradict each other.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.inspection.counting import OperatorCount, TensorCount, counted
from minilite.inspection.feeding import Samples, single_grid
from minilite.inspection.overflow_findings import Finding, findings
from minilite.inspection.places import Key, tensor_name
from minilite.interpreter import Interpreter
from minilite.kernel_sets import kernel_set
from minilite.model import Model
from minilite.plan import Plan
from minilite.quantization.recording import settled
from minilite.quantization.source import as_model
from minilite.spec import INTEGER_RANGE
from minilite.watching import watched_runs

Array = np.ndarray


@dataclass(frozen=True)
class Accumulators:
    """The accumulators of an operator that sums products.

    ``bound`` is the range that they can take over all inputs (None where the weights are computed), ``seen`` the one
    that they took, before wrapping; ``wrapped`` counts those beyond int32. ``wide``: they are int64. ``bias`` is the
    range of the bias, ``bias_at_limit`` the channels whose bias is at an end of int32."""

    bound: tuple[int, int] | None
    seen: tuple[int, int] | None
    wrapped: int
    wide: bool
    bias: tuple[int, int] | None
    bias_at_limit: tuple[int, ...]

    @property
    def bound_share(self) -> float | None:
        """The furthest that an accumulator can be from 0, as a share of int32."""
        return None if self.bound is None else _share(self.bound)

    @property
    def seen_share(self) -> float | None:
        """The furthest that one was."""
        return None if self.seen is None else _share(self.seen)

    @property
    def bias_share(self) -> float | None:
        """The largest bias as a share of int32."""
        return None if self.bias is None else _share(self.bias)


def _share(range_: tuple[int, int]) -> float:
    return max(abs(range_[0]), abs(range_[1])) / INTEGER_RANGE["int32"][1]


@dataclass(frozen=True)
class OperatorOverflow:
    """An operator over all samples. ``activation``, ``below``, ``above``: the share of its ``elements`` that the fused
    activation cut off, and the type at its lower and upper end; None where neither can be told. ``worst_channel`` has
    the largest share saturated by the type. ``dead`` channels were 0 throughout, ``constant`` ones another number;
    ``values`` is how many each channel had."""

    key: Key
    name: str
    output: str
    elements: int
    values: int
    channels: int
    accumulators: Accumulators | None
    activation: float | None
    below: float | None
    above: float | None
    worst_channel: int
    worst_share: float
    dead: tuple[int, ...]
    constant: tuple[int, ...]

    @property
    def saturated(self) -> float:
        """The share of elements that the type cut off, at either end."""
        return (self.below or 0.0) + (self.above or 0.0)


@dataclass(frozen=True)
class TensorUse:
    """The integers that a tensor took, of those that its type has. ``maker`` is the operator that computes it."""

    key: Key
    name: str
    type: str
    low: int
    high: int
    maker: Key | None

    @property
    def used(self) -> float:
        """The share of the type's range between the lowest and the highest."""
        least, most = INTEGER_RANGE[self.type]
        return (self.high - self.low) / (most - least)


@dataclass(frozen=True)
class InputUse:
    """An input that real numbers were quantized for: ``below`` and ``above`` are the shares of its ``elements`` that
    lay outside of its grid and were clamped to its ends."""

    key: Key
    name: str
    elements: int
    below: float
    above: float

    @property
    def clamped(self) -> float:
        """The share outside, on either side."""
        return self.below + self.above


@dataclass(frozen=True)
class Overflow:
    """What was seen in ``samples`` runs. ``findings`` point at what is wrong: first what is certain, then the others,
    both in the order of execution, so that a cause stands before its effects (:mod:`.overflow_findings`). ``inputs``
    are those whose samples were real numbers. ``why`` says why there are no operators, where there are none."""

    kernels: str
    samples: int
    operators: tuple[OperatorOverflow, ...]
    tensors: tuple[TensorUse, ...]
    inputs: tuple[InputUse, ...]
    findings: tuple[Finding, ...]
    why: str = ""

    def __str__(self) -> str:
        from minilite.inspection.overflow_text import text

        return text(self)

    def _repr_html_(self) -> str:
        from minilite.inspection import notebook
        from minilite.inspection.overflow_text import sections

        return notebook.sections(sections(self))


@np.errstate(all="ignore")  # a damaged file's scales may be anything
def overflow(
    model: Model | bytes | str | os.PathLike[str],
    data: Any,
    *,
    kernels: str = "reference",
    engine: str = "auto",
    signature: str | None = None,
) -> Overflow:
    """Run a quantized model on samples and count.

    data  as for :func:`minilite.quantize`: an array (N, ...), a dictionary of arrays, a function that yields samples.
          Real numbers for integer inputs are quantized

    Raises :class:`ArgumentError` and :class:`ArgumentTypeError` for data that does not fit the model; what running it
    raises."""
    loaded = as_model(model)
    kernel_set(kernels)
    counter = _Counter(loaded)
    interpreter = Interpreter(loaded, kernels=kernels, engine=settled(engine), experimental_preserve_all_tensors=True)
    samples, given = 0, Samples(loaded, data, signature)
    with watched_runs(interpreter, counter.look):
        for sample in given:
            samples += 1
            session = interpreter._session(sample.subgraph)
            session.feed(sample.arrays)
            session.invoke()
    operators = tuple(_operator(loaded, key, count) for key, count in sorted(counter.operators.items()))
    tensors, inputs = tuple(counter.uses()), tuple(_inputs(loaded, given))
    found = findings(loaded, operators, tensors, inputs)
    return Overflow(kernels, samples, operators, tensors, inputs, found, "" if operators else _why(loaded))


def _inputs(model: Model, samples: Samples) -> Iterator[InputUse]:
    for key, count in sorted(samples.entered.items()):
        shares = (n / max(count.elements, 1) for n in (count.below, count.above))
        yield InputUse(key, tensor_name(model, key), count.elements, *shares)


def _why(model: Model) -> str:
    """Why there is nothing to count."""
    results = Counter(
        str(g.tensors[t].type).lower() for g in model.subgraphs for o in g.operators for t in o.outputs or () if t >= 0
    )
    kinds = ", ".join(f"{count} {type_}" for type_, count in results.most_common())
    return (
        f"no operator has a quantized result ({kinds or 'there is none'}), so no integer can overflow or saturate. "
        "Give a model with int8, uint8 or int16 activations: `minilite quantize` makes one of a float model."
    )


class _Counter:
    """Counts of all operators and tensors, filled by the runs of their subgraphs."""

    def __init__(self, model: Model):
        self.model = model
        self.operators: dict[Key, OperatorCount] = {}
        self.tensors: dict[Key, TensorCount] = {}

    def look(self, plan: Plan, values: Mapping[int, Array]) -> None:
        """One run of a subgraph."""
        s = plan.subgraph_index
        for step in plan.schedule:
            if counted(step):
                key = s, step.node.index
                if key not in self.operators:
                    self.operators[key] = OperatorCount(step)
                self.operators[key].add(plan, values)
        for index, array in values.items():
            if index >= 0 and single_grid(self.model.subgraphs[s].tensors[index]) is not None:
                self.tensors.setdefault((s, index), TensorCount()).add(np.asarray(array))

    def uses(self) -> list[TensorUse]:
        """The tensors, in the order of the file."""
        makers = {
            (s, t): (s, i)
            for s, graph in enumerate(self.model.subgraphs)
            for i, operator in enumerate(graph.operators)
            for t in operator.outputs or ()
        }
        return [
            TensorUse(key, tensor_name(self.model, key), self._type(key), count.low, count.high, makers.get(key))
            for key, count in sorted(self.tensors.items())
            if count.low <= count.high
        ]

    def _type(self, key: Key) -> str:
        return str(self.model.subgraphs[key[0]].tensors[key[1]].type).lower()


def _operator(model: Model, key: Key, count: OperatorCount) -> OperatorOverflow:
    info = count.step.node.outputs[0]
    shares = (count.below + count.above) / max(count.values, 1)
    worst = int(shares.argmax())
    still = np.flatnonzero(count.lows == count.highs) if count.sums else np.empty(0, np.int64)
    cut = (count.activation, count.below, count.above)
    activation, below, above = (int(n.sum()) / max(count.elements, 1) if count.exact else None for n in cut)
    return OperatorOverflow(
        key,
        count.step.op.name,
        tensor_name(model, (key[0], info.index)),
        count.elements,
        count.values,
        count.lows.size,
        _accumulators(count) if count.sums else None,
        activation,
        below,
        above,
        worst,
        float(shares[worst]),
        tuple(int(c) for c in still if count.lows[c] == info.zero_point),
        tuple(int(c) for c in still if count.lows[c] != info.zero_point),
    )


def _accumulators(count: OperatorCount) -> Accumulators:
    found = count.bounds
    bias = None if found is None else found.bias
    least, most = INTEGER_RANGE["int32"]
    at_limit = () if bias is None else np.flatnonzero((bias <= least + 1) | (bias >= most))
    return Accumulators(
        None if found is None else (int(found.low.min()), int(found.high.max())),
        count.acc,
        count.wrapped,
        found.wide if found is not None else False,
        None if bias is None or not bias.size else (int(bias.min()), int(bias.max())),
        tuple(int(c) for c in at_limit),
    )
