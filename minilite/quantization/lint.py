"""What may be wrong with a calibration: findings that name the tensor and say what to look at.

Data that would make the result wrong (none, NaN, infinities, other names, shapes or types) is an error where it is
met. Everything here is a suspicion, worked out from numbers whose size does not depend on how many samples there are.

``few``         fewer than 100 samples.
``float64``     an input was given as float64, and converted.
``unscaled``    an input's values are all whole numbers, some beyond 16, and the model does not begin with scaling it:
                most likely pixels that were not scaled.
``growing``     a range has grown by more than 5 % in the third quarter of the samples, and again in the last: there
                are too few of them, or they are sorted.
``dominated``   one sample alone makes a range more than twice what all others would.
``constant``    a tensor has had a single value in all samples.
``saturating``  every tenth sample, kept aside, goes beyond the range of the others by more than a quarter of it.
``order``       the moving average of a range differs by more than 10 % from the plain one: the last samples decide.
``unseen``      a tensor was never computed, and has no range (a branch that no sample takes).
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minilite.constants import constant_array
from minilite.model import Model
from minilite.quantization.inputs import Array
from minilite.quantization.observers import BLOCKS, HELD_BACK, Extremes
from minilite.quantization.recording import Key, name_of
from minilite.quantization.representative import Sample
from minilite.terminal import printable

FEW = 100
LARGE = 16.0
GROWTH = 0.05
DOMINATION = 2.0
BEYOND = 0.25
DRIFT = 0.1


@dataclass(frozen=True)
class Finding:
    """One suspicion. ``tensor`` is the tensor's name; None where it is about the data as a whole."""

    kind: str
    tensor: str | None
    message: str


class CalibrationWarning(UserWarning):
    """A calibration that may not be what was meant; the findings are in ``Calibration.findings``."""


class WholeNumbers:
    """Which float inputs have had nothing but whole numbers, and how large they were."""

    def __init__(self, model: Model):
        self.model = model
        self.largest: dict[Key, float] = {}
        self._cleared: set[Key] = set()

    def look(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The samples, looked at on their way."""
        for sample in samples:
            for index, array in sample.arrays.items():
                key = sample.subgraph, index
                if key not in self._cleared and array.dtype == np.float32 and array.size:
                    self._look(key, array)
            yield sample

    def _look(self, key: Key, array: Array) -> None:
        if (array == np.rint(array)).all():
            self.largest[key] = max(self.largest.get(key, 0.0), float(np.abs(array).max()))
        else:
            self._cleared.add(key)
            self.largest.pop(key, None)

    def findings(self) -> Iterator[Finding]:
        for key, largest in self.largest.items():
            if largest > LARGE and not _scaled_inside(self.model, key):
                name = name_of(self.model, key)
                yield Finding(
                    "unscaled",
                    name,
                    f"input {name!r} has whole numbers up to {largest:g} only. If these are pixels, scale them as in "
                    "training.",
                )


def _scaled_inside(model: Model, key: Key) -> bool:
    """Whether all that the model does with an input is to scale it, or shift it, by constants."""
    graph = model.subgraphs[key[0]]
    users = [o for o in graph.operators if key[1] in (o.inputs or ())]
    others = [i for o in users for i in o.inputs or () if i != key[1]]
    names = {model.operator_codes[o.opcode_index].name for o in users}
    constants = [i for i in others if constant_array(model, graph.tensors[i], i) is not None]
    return bool(users) and names <= SCALING and len(constants) == len(others) == len(users)


SCALING = {"ADD", "SUB", "MUL", "DIV"}


def of_data(samples: int, float64: Iterable[str]) -> Iterator[Finding]:
    """Findings about the data as a whole."""
    if samples < FEW:
        yield Finding("few", None, f"{samples} samples are few to measure ranges from; take {FEW} to 500.")
    for name in sorted(float64):
        yield Finding(
            "float64", name, f"input {name!r} was given as float64 and converted; TFLiteConverter refuses such data."
        )


def of_extremes(model: Model, keys: Sequence[Key], extremes: Extremes) -> Iterator[Finding]:
    """Findings about the tensors' ranges, tensor by tensor."""
    low, high = extremes.ranges
    kinds = [_dominated(extremes), _growing(extremes), _saturating(extremes)]
    for i, key in enumerate(keys):
        name = name_of(model, key)
        if not extremes.computed[i]:
            yield Finding("unseen", name, f"{name!r} was never computed: no sample takes the branch it is in.")
        elif low[i] == high[i]:
            yield Finding("constant", name, f"{name!r} was {low[i] + 0:g} in every sample, so its range is unknown.")
        else:
            found = next(((kind, said[i]) for kind, said in kinds if i in said), None)  # one cause, one finding
            if found:
                yield Finding(found[0], name, f"{name!r}: {found[1]}")


Said = tuple[str, dict[int, str]]
"""A kind of finding, and what there is to say about tensors by their place."""


def _dominated(extremes: Extremes) -> Said:
    lows, highs = extremes.lows, extremes.highs
    said: dict[int, str] = {}
    if extremes.samples < 2:
        return "dominated", said
    width = _width(lows.most, highs.most)
    for sample in (lows.sample, highs.sample):
        without = _width(
            np.where(lows.sample == sample, lows.second, lows.most),
            np.where(highs.sample == sample, highs.second, highs.most),
        )
        for i in np.flatnonzero(width > DOMINATION * without):
            said[int(i)] = (
                f"sample {sample[i]} alone makes the range {width[i]:.4g} wide; without it, it is {without[i]:.4g}. "
                "Look at that sample, or use a method that clips (percentile, entropy, mse)."
            )
    return "dominated", said


def _growing(extremes: Extremes) -> Said:
    if extremes.samples < 16:
        return "growing", {}
    half, late = (_until(extremes, quarters) for quarters in (2, 3))
    width = _width(extremes.lows.most, extremes.highs.most)
    still = (width > (1 + GROWTH) * late) & (late > (1 + GROWTH) * half)
    return "growing", {
        int(i): f"the range was {half[i]:.4g} wide after half of the samples, {late[i]:.4g} after three quarters and "
        f"{width[i]:.4g} at the end. Take more samples, and shuffle them."
        for i in np.flatnonzero(still)
    }


def _until(extremes: Extremes, quarters: int) -> Array:
    """The ranges' widths over the first so many quarters of the samples."""
    end = -(-quarters * extremes.samples // 4)
    early = np.arange(1, BLOCKS + 1) << extremes.highs.shift <= end
    return _width(*(peaks.blocks[early].max(axis=0) for peaks in (extremes.lows, extremes.highs)))


def _saturating(extremes: Extremes) -> Said:
    if extremes.samples < 2 * HELD_BACK:
        return "saturating", {}
    others = _width(extremes.lows.others, extremes.highs.others)
    both = _width(extremes.lows.most, extremes.highs.most)
    return "saturating", {
        int(i): f"every tenth sample, kept aside, needs a range {both[i]:.4g} wide, where the others give "
        f"{others[i]:.4g}: data like these will saturate. Take more samples."
        for i in np.flatnonzero(both > (1 + BEYOND) * others)
    }


def _width(negated_low: Array, high: Array) -> Array:
    """Of ranges that hold 0; 0 for what was not computed."""
    return np.maximum(negated_low, 0).astype(np.float64) + np.maximum(high, 0)


def of_average(model: Model, keys: Sequence[Key], extremes: Extremes, average: Array) -> Iterator[Finding]:
    """Findings about moving averages: (2, tensors)."""
    width = _width(-average[0], average[1])
    plain = _width(extremes.lows.mean, extremes.highs.mean)
    for i in np.flatnonzero(np.abs(width - plain) > DRIFT * plain):
        name = name_of(model, keys[int(i)])
        yield Finding(
            "order",
            name,
            f"{name!r}: the moving average is {width[i]:.4g} wide and the plain one {plain[i]:.4g}: the samples' order "
            "decides. Shuffle them, or use minmax.",
        )


def warn(findings: Sequence[Finding]) -> None:
    """One warning for all findings, at the line outside of minilite that calls it."""
    if not findings:
        return
    counts = ", ".join(f"{n} {kind}" for kind, n in Counter(f.kind for f in findings).items())
    shown = "".join(f"\n  {f.kind}: {f.message}" for f in findings[:SHOWN])
    more = f"\n  and {len(findings) - SHOWN} more in Calibration.findings" if len(findings) > SHOWN else ""
    warnings.warn(printable(f"calibration: {counts}{shown}{more}"), CalibrationWarning, stacklevel=_outside())


SHOWN = 5
"""Findings that a warning spells out."""


def _outside() -> int:
    """How many calls up from :func:`warn` the first one outside of minilite is."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "minilite":
        frame, level = frame.f_back, level + 1
    return level
