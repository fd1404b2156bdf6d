"""``mixed_precision``: a scheme for each operator, such that a model fits a budget and loses as little as it can.

    found = minilite.mixed_precision("float.tflite", images, size="40%")
    found.model.save("mixed.tflite")
    found.history       # what was measured on the way: every uniform scheme, the first guess, each improvement

How it searches:

1. *Measure* the noise that each operator makes by itself in each scheme (:mod:`minilite.inspection.trials`).
2. *Guess*: noises add up, nearly, while they are small. From the finest schemes on, take the step to a coarser one that
   adds the least noise for what it saves, until the estimated cost fits; then undo what turns out to fit after all.
3. *Improve*, on real measurements: refine one operator, or refine one and coarsen another; keep the best that fits the
   budget, and go on from there until none is better.

Models of one scheme throughout are measured, too; where one of them fits and is better, the search goes on from it. So
the result is never worse than a uniform scheme of the same cost.

With a target, ``sqnr=``, the first steps go on to the coarsest schemes, the last model on that way that reaches the
target is found by bisection, and improving means to save more: operators are coarsened while the target is reached.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from minilite.errors import ArgumentError
from minilite.inspection.choices import Choices
from minilite.inspection.costs import FINEST_FIRST, total_mac_bits
from minilite.inspection.fitting import Budget, Fitting
from minilite.inspection.preparing import Comparing, prepared
from minilite.inspection.reaching import Reaching
from minilite.inspection.searching import Search, Step
from minilite.inspection.sensitivity import COMPARED
from minilite.inspection.trials import Measure, Place, Score
from minilite.model import Model
from minilite.quantization.calibration import Calibration
from minilite.quantization.inputs import nearest
from minilite.quantization.quantizer import Ranges
from minilite.quantization.static_model import FLOAT


@dataclass(frozen=True)
class Mixed:
    """What :func:`mixed_precision` found: the model, the scheme of each operator of the float model, how good it is,
    the bytes of its constants and its MACs times bits, those of the float model, and what was measured on the way.

    ``minilite.quantize(floats, schemes=found.assignment, calibration=found.calibration)`` writes it again, with other
    input types if you like."""

    model: Model
    assignment: dict[Place, str]
    measure: Measure
    size: int
    mac_bits: int
    float_size: int
    float_mac_bits: int
    history: tuple[Step, ...]
    calibration: Calibration = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """How many operators have which scheme, finest first."""
        schemes = list(self.assignment.values())
        return {name: schemes.count(name) for name in FINEST_FIRST if name in schemes}


def mixed_precision(
    model: Model | bytes | str | os.PathLike[str],
    data: Any,
    *,
    size: int | str | None = None,
    mac_bits: int | str | None = None,
    sqnr: float | None = None,
    candidates: Iterable[str] = FINEST_FIRST,
    calibration: str | Calibration | os.PathLike[str] = "minmax",
    ranges: Ranges | None = None,
    per_channel: bool = True,
    inference_input_type: str = FLOAT,
    inference_output_type: str = FLOAT,
    score: Score | None = None,
    rounds: int = 6,
    samples: int = COMPARED,
    kernels: str = "reference",
    engine: str = "auto",
    executor: Executor | None = None,
    progress: bool = True,
) -> Mixed:
    """Search the best scheme for each operator of a float model.

    size         at most so many bytes of constants; ``"40%"`` of the float model's
    mac_bits     at most so many multiply-accumulates times bits (:mod:`minilite.inspection.costs`); ``"10%"`` of the
                 float model's. Both budgets may be given
    sqnr         in their place: at least so many dB, as small and cheap as can be
    candidates   the schemes to choose from, of ``float32``, ``int16x8``, ``int8`` and ``int8x4``. 16-bit activations
                 take no room in a file: a size alone does not limit them
    inference_input_type, inference_output_type   of the model that is written; what is measured has float32 ones
    rounds       how often to improve the first guess, at most
    score        what to maximize in place of the SQNR; see :func:`minilite.sensitivity`, as for the other arguments

    Raises :class:`ArgumentError` for a budget that the coarsest schemes exceed or a target that the finest miss, and
    what :func:`minilite.sensitivity` raises."""
    schemes = _checked(candidates)
    if (sqnr is None) == (size is None and mac_bits is None):
        raise ArgumentError("give a budget, size= or mac_bits= or both, or else a target: sqnr=.")
    how = Comparing(calibration, ranges, per_channel, score, samples, kernels, engine, executor, progress)
    bench = prepared(model, data, next((s for s in schemes if s != FLOAT), "int8"), how)
    floats = bench.trials.outcome(bench.uniform(FLOAT))
    whole = total_mac_bits(bench.graphs, {})
    search = Search(bench, Choices(bench, schemes), schemes, rounds)
    if sqnr is not None:
        best = Reaching(search, float(sqnr), floats.size, whole).run()
    else:
        best = Fitting(search, Budget(limit("size", size, floats.size), limit("mac_bits", mac_bits, whole))).run()
    types = {"inference_input_type": inference_input_type, "inference_output_type": inference_output_type}
    written, decisions = bench.written(best.assignment, types)
    assignment = {(d.subgraph, d.operator): d.scheme for d in decisions}
    history = tuple(search.history)
    costs = best.size, best.mac_bits, floats.size, whole
    return Mixed(written, assignment, best.measure, *costs, history, bench.calibration)


def _checked(candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates, finest first."""
    wanted = [candidates] if isinstance(candidates, str) else list(candidates)
    for name in wanted:
        if name not in FINEST_FIRST:
            raise ArgumentError(
                f"candidates: expected some of {', '.join(FINEST_FIRST)}; got {name!r}"
                f"{nearest(str(name), FINEST_FIRST)}."
            )
    if not set(wanted) - {FLOAT}:
        raise ArgumentError(f"candidates: expected a scheme other than float32, got {wanted}.")
    return tuple(name for name in FINEST_FIRST if name in wanted)


def limit(name: str, given: int | str | None, whole: int) -> float | None:
    """A budget as a number: ``"40%"`` is that share of ``whole``; None for no limit, and for a share of nothing. Raises
    :class:`ArgumentError` for what is neither."""
    if given is None:
        return None
    text = str(given).strip().replace(",", "").replace("_", "")
    try:
        found = whole * float(text[:-1]) / 100 if text.endswith("%") else float(int(text))
    except ValueError:
        raise ArgumentError(f"{name}: expected a whole number or a percentage such as '40%', got {given!r}.") from None
    share_of_nothing = text.endswith("%") and whole == 0
    if not share_of_nothing and not 0 < found < float("inf"):
        raise ArgumentError(f"{name}: expected more than 0, got {given!r}.")
    return None if share_of_nothing else found
