"""``calibration="tflite"`` finds the ranges that TFLiteConverter's calibration recorded of the random networks.

Float sums are ordered differently, so ends agree within 1e-6 of the largest number that they were computed from: a
difference of two near numbers has fewer digits.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from minilite.model import Model
from minilite.quantization.calibrating import calibrate
from minilite.quantization.numbers import TFLITE
from tests.quantizer_networks import network, samples
from tests.quantizer_recording import Ranges, load

GARBAGE = {112}
"""Seeds of which TensorFlow's calibration records garbage: its CONV_2D with several threads, which calibration uses,
reads what it must not where the batch is larger than one and the window as large as the image."""


@functools.cache
def recorded() -> dict[int, Ranges]:
    """Of every third network."""
    answers = {r.seed: r.answers.get("int8", r.answers.get("int16x8")) for r in load(network) if r.seed not in GARBAGE}
    found = {seed: answer.ranges for seed, answer in answers.items() if answer is not None}
    return {seed: found[seed] for seed in sorted(found)[::3]}


def largest(model: Model, ranges: dict[str, tuple[float, float]]) -> dict[str, float]:
    """For each tensor the largest magnitude among those it was computed from."""
    graph = model.subgraphs[0]
    names = [str(t.name) for t in graph.tensors]
    found = {n: max(map(abs, ranges.get(n, (0.0, 0.0)))) for n in names}
    for operator in graph.operators:
        before = [found[names[i]] for i in operator.inputs or () if i >= 0]
        for i in operator.outputs or ():
            found[names[i]] = max(found[names[i]], *before)
    return found


def with_zero(pair: tuple[float, float]) -> tuple[float, float]:
    """What counts: 0 is always in the range that a scale is made from."""
    return min(pair[0], 0.0), max(pair[1], 0.0)


@pytest.mark.parametrize("seed", list(recorded()))
def test_ranges(seed):
    model = network(seed)
    ours = calibrate(model, samples(model, seed), "tflite", engine="numpy", lint=False)
    keys = {str(t.name): (0, i) for i, t in enumerate(model.subgraphs[0].tensors)}
    theirs = {name: pair for name, pair in recorded()[seed].items() if name in keys}
    assert {keys[name] for name in theirs} == set(ours.ranges)
    limits = largest(model, theirs)
    for name, pair in theirs.items():
        mine = with_zero(ours.ranges[keys[name]])
        np.testing.assert_allclose(mine, with_zero(pair), rtol=0, atol=1e-6 * limits[name], err_msg=name)


@pytest.mark.parametrize("seed", list(recorded()))
def test_zero_points(seed):
    """Equal, but where the recorded range puts zero halfway between two."""
    model = network(seed)
    ours = calibrate(model, samples(model, seed), "tflite", engine="numpy", lint=False)
    keys = {str(t.name): (0, i) for i, t in enumerate(model.subgraphs[0].tensors)}
    for name, (low, high) in recorded()[seed].items():
        if name not in keys:
            continue
        grid = TFLITE.activation(low, high, "int8")
        exact = -128 - min(low, 0.0) / float(grid.scales[0])
        if abs(exact % 1 - 0.5) > 1e-3:
            mine = TFLITE.activation(*ours.ranges[keys[name]], "int8")
            assert mine.zero_points == grid.zero_points, name
