"""Simulated quantization: at widths that integer models have, it makes their error; at others, one that fits in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite.model import Model
from minilite.quantization.fake_quantization import Widths
from tests import models
from tests.oracle import oracle
from tests.quantizer_networks import network, samples
from tests.quantizer_recording import load

FAMILIES = {0, 1, 2, 3, 4}
"""Of the random networks, those whose results are no probabilities or cancellations alone."""

RANGES = {
    r.seed: {n: p for n, p in r.answers["int8"].ranges.items() if not n.startswith("intermediate")}
    for r in load(network)
    if "int8" in r.answers and r.seed % 10 in FAMILIES
}
SEEDS = list(RANGES)[::4]


def outputs(model: Model, data: list[list[np.ndarray]]) -> np.ndarray:
    """The first output for every sample."""
    return np.array([next(iter(minilite.run(model, sample).values())) for sample in data], np.float64)


def sqnr(exact: np.ndarray, rounded: np.ndarray) -> float:
    """Power of the signal over that of the error, in dB; at most 150."""
    error = float(((exact - rounded) ** 2).sum())
    return min(150.0, 10 * np.log10(float((exact**2).sum()) / error)) if error else 150.0


@pytest.mark.parametrize(
    "scheme, widths", [("int8", {"bits": 8}), ("int16x8", {"bits": 16, "weight_bits": 8, "symmetric": True})]
)
@pytest.mark.parametrize("name", ["dense", "cnn", "dsnet"])
def test_error_of_trained_networks_is_that_of_integers(name, scheme, widths):
    """Within 1 dB on Fashion-MNIST."""
    folder = (models.folder() or Path()) / "fashion_mnist"
    if not (folder / "representative.npz").exists():
        pytest.skip("needs fashion_mnist in the folder MINILITE_MODELS")
    model = minilite.read(folder / f"{name}.tflite")
    shape = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shape
    with np.load(folder / "representative.npz") as file:
        data = [[(image / np.float32(255)).reshape(shape)] for image in file["images"][:40]]
    ranges = json.loads((folder / f"{name}_minmax.json").read_text())
    exact = outputs(model, data)
    integers = sqnr(exact, outputs(minilite.quantize(model, scheme, ranges=ranges), data))
    simulated = minilite.simulate(model, ranges=ranges, **widths)
    assert sqnr(exact, np.array([simulated(*sample)[0] for sample in data])) == pytest.approx(integers, abs=1)


def known(seed: int) -> dict[str, tuple[float, float]]:
    names = {t.name for t in network(seed).subgraphs[0].tensors}
    return {name: pair for name, pair in RANGES[seed].items() if name in names}


def simulated(seed: int, bits: int, **widths: object) -> float:
    """The SQNR of a random network."""
    model, data = network(seed), samples(network(seed), seed)
    simulation = minilite.simulate(model, bits, ranges=known(seed), **widths)
    return sqnr(outputs(model, data), np.array([simulation(*sample)[0] for sample in data], np.float64))


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")  # theirs lack some ranges
def test_error_of_random_networks_is_that_of_integers():
    """Within 2 dB each, and half of them within 0.1."""
    apart = []
    for seed in SEEDS:
        model, data = network(seed), samples(network(seed), seed)
        quantized = minilite.quantize(model, "int8", ranges=known(seed))
        apart.append(abs(sqnr(outputs(model, data), outputs(quantized, data)) - simulated(seed, 8)))
    assert max(apart) < 2
    assert np.median(apart) < 0.1


def test_a_bit_is_worth_six_decibels():
    six, sixteen = (float(np.median([simulated(seed, bits) for seed in SEEDS[::2]])) for bits in (6, 16))
    assert sixteen - six == pytest.approx(6.02 * 10, abs=6)


def test_weights_of_few_bits_beside_wide_activations():
    seed = SEEDS[1]
    assert simulated(seed, 16, weight_bits=4) < simulated(seed, 16, weight_bits=8) < simulated(seed, 16)


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("bits", [2, 3, 8])
def test_weights_have_as_many_values_as_bits_allow(bits, axis):
    values = np.linspace([-1, -3], [1, 3], 2000, axis=1, dtype=np.float32)
    rounded = Widths(8, bits).weight(values, axis)
    rows = rounded if axis == 0 else rounded.reshape(1, -1)
    assert [len(np.unique(row)) for row in rows] == [2**bits - 1] * len(rows)
    for row, exact in zip(rows, values.reshape(rows.shape), strict=True):
        step = np.abs(exact).max() / (2 ** (bits - 1) - 1)
        assert np.abs(row - exact).max() <= step * (0.5 + 1e-5)


def test_symmetric_ranges_have_zero_in_the_middle():
    assert Widths(3, 3, symmetric=True).activation(-1.0, 6.0) == (-8.0, 6.0)
    assert Widths(3, 3).activation(-1.0, 6.0) == (-1.0, 6.0)


def test_excluded_operators_do_not_round():
    seed = SEEDS[0]
    model, data = network(seed), samples(network(seed), seed)
    simulation = minilite.simulate(model, 2, ranges=known(seed), exclude=[".*"])
    assert simulation(*data[0])[0].tobytes() == next(iter(minilite.run(model, data[0]).values())).tobytes()


def test_operators_are_excluded_by_one_pattern():
    seed = SEEDS[1]
    model, data = network(seed), samples(network(seed), seed)
    one, several = (minilite.simulate(model, 2, ranges=known(seed), exclude=e) for e in (".*", [".*"]))
    assert one(*data[0])[0].tobytes() == several(*data[0])[0].tobytes()


def test_samples_give_ranges_and_the_model_is_there_for_other_runtimes():
    pytest.importorskip("ai_edge_litert")
    seed = SEEDS[1]
    model, data = network(seed), samples(network(seed), seed, 100)
    simulation = minilite.simulate(model, 8, data, progress=False)
    theirs = oracle().run(simulation.model.to_bytes(), "builtin", data[0])[0]
    ours = simulation(*data[0])[0]
    assert sqnr(ours, theirs) > 30  # float sums in another order may tip a number


@pytest.mark.parametrize("widths", [{"bits": 1}, {"bits": 17}, {"bits": 8, "weight_bits": 0}])
def test_other_widths_are_refused(widths):
    with pytest.raises(minilite.ArgumentError, match="from 2 to 16"):
        minilite.simulate(network(0), ranges=known(SEEDS[0]), **widths)


def test_widths_are_numbers():
    with pytest.raises(minilite.ArgumentTypeError, match="from 2 to 16, got '8'"):
        minilite.simulate(network(0), "8", ranges=known(SEEDS[0]))


def test_inputs_are_counted():
    simulation = minilite.simulate(network(SEEDS[0]), ranges=known(SEEDS[0]))
    with pytest.raises(minilite.ArgumentError, match="has 1 inputs, got 2"):
        simulation(1, 2)
