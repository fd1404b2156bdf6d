"""``sensitivity``: which operators cost the most accuracy when they are quantized.

    found = minilite.sensitivity("float.tflite", images)
    found.alone(5)      # the operators that do most harm by themselves: only this one integer, all others float
    found.spared(5)     # those whose sparing helps most: all integer but this one

The two lists answer different questions. The first shows the error of an operator itself. The second shows what keeping
it float is worth in the whole: little, if an error just as large is made elsewhere, or if what it computes is rounded
anyway by who reads it. What is measured is said in :mod:`minilite.inspection.trials`.

The model is calibrated once; every variant uses the same ranges.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from minilite.errors import ArgumentError
from minilite.inspection.places import tensor_name
from minilite.inspection.preparing import Comparing, Prepared, prepared
from minilite.inspection.trials import Assignment, Measure, Place, Score
from minilite.model import Model
from minilite.quantization.calibration import Calibration
from minilite.quantization.inputs import nearest
from minilite.quantization.quantizer import Ranges
from minilite.quantization.schemes import STATIC
from minilite.quantization.selecting import Pattern, selected
from minilite.quantization.static_model import FLOAT, Decision

COMPARED = 16
"""Samples that outputs are compared on, if not said otherwise."""


@dataclass(frozen=True)
class OperatorSensitivity:
    """One operator: its first result's name, the model with only this one quantized, and with all but this one.
    ``gain`` is what sparing it is worth: dB, or the difference of scores."""

    subgraph: int
    operator: int
    name: str
    tensor: str
    alone: Measure
    spared: Measure
    gain: float


@dataclass(frozen=True)
class Sensitivity:
    """What :func:`sensitivity` found. ``operators`` are in the order of execution; ``everything`` is the model with all
    of them quantized, ``floats`` the float model; ``left`` stay float in any case, ``reason`` says why."""

    scheme: str
    samples: int
    operators: tuple[OperatorSensitivity, ...]
    everything: Measure
    floats: Measure
    left: tuple[Decision, ...]
    calibration: Calibration = field(repr=False)

    def alone(self, count: int | None = None) -> list[OperatorSensitivity]:
        """The operators that do most harm by themselves first."""
        return sorted(self.operators, key=lambda o: o.alone.quality)[:count]

    def spared(self, count: int | None = None) -> list[OperatorSensitivity]:
        """The operators whose sparing helps most first."""
        return sorted(self.operators, key=lambda o: -o.gain)[:count]


def sensitivity(
    model: Model | bytes | str | os.PathLike[str],
    data: Any,
    scheme: str = "int8",
    *,
    operators: Iterable[Pattern] | Pattern = (),
    calibration: str | Calibration | os.PathLike[str] = "minmax",
    ranges: Ranges | None = None,
    per_channel: bool = True,
    score: Score | None = None,
    samples: int = COMPARED,
    kernels: str = "reference",
    engine: str = "auto",
    executor: Executor | None = None,
    progress: bool = True,
) -> Sensitivity:
    """Measure what quantizing each operator of a float model costs.

    model        a path, the bytes of a .tflite file, or a :class:`Model`
    data         representative data (:mod:`minilite.quantization.representative`), which can be gone through twice
    scheme       ``int8``, ``int16x8`` or ``int8x4``
    operators    which ones to measure (:data:`minilite.quantization.selecting.Pattern`); all that can be quantized, if
                 not said
    calibration, ranges, per_channel   as in :func:`minilite.quantize`
    score        what to rank by in place of the SQNR, such as the accuracy: a function of the outputs, a list of arrays
                 for each sample, that is the larger the better
    samples      the first so many are compared on; all are calibrated with
    kernels, engine   that compute
    executor     any ``concurrent.futures.Executor``; the result is the same

    Raises :class:`ArgumentError` for a scheme without quantized activations, operators that are not there, a model
    without float outputs when there is no ``score``, and what :func:`minilite.quantize` raises."""
    _check_scheme(scheme)
    how = Comparing(calibration, ranges, per_channel, score, samples, kernels, engine, executor, progress)
    bench = prepared(model, data, scheme, how)
    everything, floats = bench.trials.outcomes([bench.uniform(scheme), bench.uniform(FLOAT)])
    chosen = _chosen(bench, operators)
    places = [p for p, s in everything.schemes.items() if s != FLOAT and p in chosen]
    outcomes = bench.trials.outcomes([a for p in places for a in _both(bench, p, scheme)], "One at a time")
    rows = [
        _row(bench, place, alone.measure, spared.measure, everything.measure)
        for place, alone, spared in zip(places, outcomes[::2], outcomes[1::2], strict=True)
    ]
    left = tuple(d for d in bench.written(bench.uniform(scheme))[1] if d.scheme == FLOAT)
    measures = everything.measure, floats.measure
    return Sensitivity(scheme, len(bench.setup.samples), tuple(rows), *measures, left, bench.calibration)


def _check_scheme(scheme: str) -> None:
    if scheme not in STATIC:
        raise ArgumentError(
            f"expected a scheme that quantizes activations, {', '.join(STATIC)}; got {scheme!r}"
            f"{nearest(str(scheme), STATIC)}."
        )


def _chosen(bench: Prepared, operators: Iterable[Pattern] | Pattern) -> set[Place]:
    if isinstance(operators, str | int) or callable(operators):
        operators = [operators]
    patterns = list(operators)
    if not patterns:
        return set(bench.uniform(FLOAT))
    return set().union(*(selected(bench.graphs, pattern) for pattern in patterns))


def _both(bench: Prepared, place: Place, scheme: str) -> list[Assignment]:
    """Only this operator quantized, and all but this one."""
    return [{**bench.uniform(FLOAT), place: scheme}, {**bench.uniform(scheme), place: FLOAT}]


def _row(bench: Prepared, place: Place, alone: Measure, spared: Measure, everything: Measure) -> OperatorSensitivity:
    model = bench.model
    operator = model.subgraphs[place[0]].operators[place[1]]
    result = next(iter(operator.outputs or ()), None)
    name = model.operator_codes[operator.opcode_index].name
    tensor = "" if result is None else tensor_name(model, (place[0], result))
    return OperatorSensitivity(*place, name, tensor, alone, spared, gained(everything, spared))


def gained(before: Measure, after: Measure) -> float:
    """How much better a measure is than another, in dB or by the score; 0 where both are infinite."""
    return 0.0 if before.quality == after.quality else after.quality - before.quality
