"""From representative data to a :class:`~minilite.quantization.calibration.Calibration`.

    calibration = calibrate("model.tflite", samples)

Methods

``minmax``      the lowest and highest value that was seen.
``tflite``      the same as TFLiteConverter records it (:mod:`minilite.quantization.in_place`), for parity with it.
``ema``         exponential moving averages of the samples' extremes, as in litert-quantizer: depends on their order.
``percentile``  the range without the most extreme values (:mod:`minilite.quantization.thresholds`, as the next two).
``entropy``     the range whose quantized values tell most about the distribution.
``mse``         the range with the least squared error.

All ranges follow from one pass over the data, in memory that does not grow with the number of samples, and are the same
whatever the executor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.model import Model
from minilite.quantization.calibration import Calibration, Range, Statistics, is_saved, recorded
from minilite.quantization.executing import recordings
from minilite.quantization.histogram import Histogram
from minilite.quantization.in_place import LEAST_HIGHEST, overwritten
from minilite.quantization.inputs import nearest
from minilite.quantization.lint import Finding, WholeNumbers, of_average, of_data, of_extremes, warn
from minilite.quantization.observers import Extremes, MovingAverage
from minilite.quantization.recording import Key, Recording, Settings, name_of, observed
from minilite.quantization.representative import Dataset, RepresentativeDataset, Sample
from minilite.quantization.source import as_model, check_float, with_float32_constants
from minilite.quantization.thresholds import STEPS, entropy, mse, percentile

Array = np.ndarray

METHODS = ("minmax", "tflite", "ema", "percentile", "entropy", "mse")
CLIPPING = ("percentile", "entropy", "mse")


def calibrate(
    model: Model | str | bytes | os.PathLike[str],
    representative_dataset: Dataset | RepresentativeDataset,
    method: str = "minmax",
    *,
    executor: Executor | None = None,
    progress: bool = False,
    signature: str | None = None,
    percent: float = 99.99,
    activations: str = "int8",
    kernels: str = "builtin",
    engine: str = "auto",
    reset_variables: bool = False,
    lint: bool = True,
) -> Calibration:
    """Measure the range of every float32 tensor by running the model on samples.

    representative_dataset  see :mod:`minilite.quantization.representative`
    method                  see :data:`METHODS` and this module's docstring
    executor                any ``concurrent.futures.Executor``: runs chunks of samples in its workers. A model whose
                            state goes on from sample to sample is run here nevertheless
    progress                show a bar, if stderr is a terminal
    signature               which one samples without a signature key are for
    percent                 of ``percentile``: how many values are in the range
    activations             of ``entropy`` and ``mse``: the type they will have, ``int8`` or ``int16``
    kernels, engine         of the float run; ``auto`` here is the compiled engine wherever there is one, from the start
    reset_variables         set variables back before each sample; else state goes on, as in TFLiteConverter
    lint                    look for what is suspicious, and warn of it (:mod:`minilite.quantization.lint`)

    Raises :class:`ArgumentError` and :class:`ArgumentTypeError` for data that does not fit, no data, NaN and
    infinities, :class:`WorkerError` when a worker dies, and what running the model raises."""
    _check(method, percent, activations)
    model = with_float32_constants(as_model(model))
    check_float(model)
    settings = Settings(kernels, engine, method in CLIPPING, 3e38 if method == "ema" else None, reset_variables)
    dataset = representative_dataset
    if not isinstance(dataset, RepresentativeDataset):
        dataset = RepresentativeDataset(model, dataset, signature)
    measured, whole = _Measured(model, settings, method), WholeNumbers(model)
    with _shown(dataset, progress) as samples:
        for recording in recordings(model, whole.look(samples), settings, executor):
            measured.add(recording)
    findings: tuple[Finding, ...] = ()
    if lint:
        findings = (*of_data(measured.samples, dataset.float64), *whole.findings(), *measured.findings())
        warn(findings)
    return measured.calibration(findings, percent, activations)


def _check(method: str, percent: float, activations: str) -> None:
    if method not in METHODS:
        raise ArgumentError(
            f"unknown method {method!r}{nearest(str(method), METHODS)}; there are: {', '.join(METHODS)}."
        )
    if not 0 < percent <= 100:
        raise ArgumentError(f"percent: expected more than 0 and at most 100, got {percent}.")
    if activations not in STEPS:
        raise ArgumentError(f"activations: expected one of {', '.join(STEPS)}, got {activations!r}.")


class _Measured:
    """What is kept of all recordings."""

    def __init__(self, model: Model, settings: Settings, method: str):
        self.model, self.method = model, method
        self.keys = observed(model)
        self.extremes = Extremes(len(self.keys))
        self.average = MovingAverage(len(self.keys)) if method == "ema" else None
        self.histograms = [Histogram() for _ in self.keys] if settings.histograms else []

    @property
    def samples(self) -> int:
        return self.extremes.samples

    def add(self, recording: Recording) -> None:
        self.extremes.add(recording)
        if self.average is not None:
            self.average.add(recording)
        for mine, new in zip(self.histograms, recording.histograms or (), strict=True):
            mine.merge(new)

    def findings(self) -> Iterator[Finding]:
        yield from of_extremes(self.model, self.keys, self.extremes)
        if self.average is not None:
            yield from of_average(self.model, self.keys, self.extremes, self.average.ranges)

    def calibration(self, findings: tuple[Finding, ...], percent: float, activations: str) -> Calibration:
        computed = [i for i in range(len(self.keys)) if self.extremes.computed[i]]
        ends = self._ends(computed, percent, activations)
        ranges = {self.keys[i]: _as_float32(pair) for i, pair in zip(computed, ends, strict=True)}
        names = {key: name_of(self.model, key) for key in self.keys}
        statistics = {self.keys[i]: self._statistics(i) for i in computed}
        return Calibration(self.method, ranges, self.samples, names, findings, statistics)

    def _ends(self, places: Sequence[int], percent: float, activations: str) -> list[Range]:
        if self.method == "percentile":
            return [percentile(self.histograms[i], percent) for i in places]
        if self.method in CLIPPING:
            rule = entropy if self.method == "entropy" else mse
            return [rule(self.histograms[i], activations) for i in places]
        lows, highs = self.extremes.ranges if self.average is None else self.average.ranges
        pairs = {key: (lows[i], highs[i]) for i, key in enumerate(self.keys)}
        if self.method == "tflite":
            pairs = as_tflite_records(self.model, pairs)
        return [pairs[self.keys[i]] for i in places]

    def _statistics(self, i: int) -> Statistics:
        lows, highs = self.extremes.lows, self.extremes.highs
        only = self.samples < 2 or not np.isfinite([lows.second[i], highs.second[i]]).all()
        second = (lows.most[i], highs.most[i]) if only else (lows.second[i], highs.second[i])
        return Statistics(
            low=0.0 - float(lows.most[i]),
            high=0.0 + float(highs.most[i]),
            low_sample=int(lows.sample[i]),
            high_sample=int(highs.sample[i]),
            second_low=0.0 - float(second[0]),
            second_high=float(second[1]),
            mean_low=0.0 - float(lows.mean[i]),
            mean_high=float(highs.mean[i]),
        )


def as_tflite_records(model: Model, ranges: Mapping[Key, Range]) -> dict[Key, Range]:
    """Lowest and highest values as TFLiteConverter's calibrator would have recorded them."""
    found = dict(ranges)
    for s in range(len(model.subgraphs)):
        for input_, output in overwritten(model, s):
            if (s, input_) in ranges and (s, output) in ranges:
                both = ranges[s, input_], ranges[s, output]
                found[s, input_] = min(low for low, _ in both), max(high for _, high in both)
    return {key: (low, max(high, LEAST_HIGHEST)) for key, (low, high) in found.items()}


def _as_float32(pair: Range) -> Range:
    """The ends in float32, so that a range does not depend on the precision it was worked out in."""
    low, high = (float(np.float32(end)) + 0.0 for end in pair)
    return low, high


@contextmanager
def _shown(dataset: RepresentativeDataset, progress: bool) -> Iterator[Iterable[Sample]]:
    """The samples; with a bar on stderr that moves as they are taken, if that is a terminal."""
    if not progress or not sys.stderr.isatty():
        yield dataset
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = "Calibrating", BarColumn(), MofNCompleteColumn(), "samples", TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar.track(dataset, total=dataset.length)


def calibration_for(
    model: Model,
    calibration: str | os.PathLike[str] | Calibration | Mapping[str, Any],
    representative_dataset: Any = None,
    **options: Any,
) -> Calibration:
    """The calibration that is meant: a method's name, to :func:`calibrate` with ``options``; a calibration, or the path
    of a saved one; or ranges by tensor name (:func:`recorded`).

    Raises :class:`ArgumentError` for data and ranges together, and what those functions raise."""
    if isinstance(calibration, str) and calibration in METHODS:
        return calibrate(model, representative_dataset, calibration, **options)
    if isinstance(calibration, str) and not calibration.endswith(".json"):
        raise ArgumentError(
            f"unknown calibration {calibration!r}{nearest(calibration, METHODS)}: expected {', '.join(METHODS)}, "
            "or the path of a saved calibration, which ends in .json."
        )
    if not isinstance(calibration, str | os.PathLike | Calibration | Mapping):
        raise ArgumentTypeError(
            f"calibration: expected {', '.join(METHODS)}, a Calibration, or the path of a saved one, got "
            f"{calibration!r:.60}."
        )
    if representative_dataset is not None:
        raise ArgumentError(
            "representative_dataset= beside a calibration that was made before: nobody would look at the samples. Give "
            "one of the two."
        )
    if isinstance(calibration, Calibration):
        return calibration.fitted(model)
    if isinstance(calibration, Mapping):
        return recorded(model, calibration)
    return loaded(model, calibration)


def loaded(model: Model, path: str | os.PathLike[str]) -> Calibration:
    """The calibration in a .json file: one that was saved, or ``{tensor name: [lowest, highest]}``."""
    return Calibration.load(path).fitted(model) if is_saved(path) else recorded(model, path)
