"""Every model that the quantizer writes runs in each of LiteRT's resolvers that has its operators, and in minilite;
LiteRT's reference and builtin kernels and minilite's give equal integers (floats: within 1e-5 of the range)."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite.model import Model
from tests import models
from tests.network_parts import Network
from tests.oracle import OracleError, oracle
from tests.quantizer_networks import network, samples
from tests.quantizer_recording import Recording, load
from tests.test_quantizer_parity import quantized

pytest.importorskip("ai_edge_litert")

RESOLVERS = ("reference", "builtin", "xnnpack")
STATIC = ("int8", "int16x8", "int8x4", "ema int8", "ema int16x8")
WEIGHTS = ("dynamic_range", "float16", "weights_int8", "weights_int4")

STUMBLED = (20, 34, 50, 149, 211, 267, 317)
"""Networks of which LiteRT refused, or died of, what was once made: scales that are powers of two in 16-bit sums,
tensors of zeros, small cell states."""

Arrays = list[np.ndarray]


@functools.cache
def recordings() -> dict[int, Recording]:
    return {r.seed: r for r in load(network)}


def written(seed: int, scheme: str) -> Model:
    """What is made of a network: by recorded ranges, TFLiteConverter's where the other quantizer refused."""
    answers = recordings()[seed].answers
    if scheme in WEIGHTS:
        return minilite.quantize(network(seed), scheme)
    return quantized(network(seed), scheme, answers.get(scheme, answers[next(iter(answers))]).ranges)


def stored(model: Model, values: Arrays) -> Arrays:
    """Real numbers as the model's inputs have them."""
    graph = model.subgraphs[0]
    return [_stored(model, tensor, array) for tensor, array in zip(graph.inputs, values, strict=True)]


def _stored(model: Model, tensor: int, values: np.ndarray) -> np.ndarray:
    declared = model.subgraphs[0].tensors[tensor]
    if declared.type == "FLOAT32":
        return values
    type_ = np.dtype(str(declared.type).lower())
    numbers = declared.quantization
    assert numbers is not None
    assert numbers.scales is not None
    assert numbers.zero_points is not None
    limits = np.iinfo(type_)
    steps = np.round(values / numbers.scales[0]) + numbers.zero_points[0]
    return np.clip(steps, limits.min, limits.max).astype(type_)


def ran(model: Model, resolver: str, inputs: Arrays) -> Arrays | None:
    """LiteRT's outputs; None where the resolver has not all operators in the versions that types ask for."""
    try:
        outputs: Arrays = oracle().run(model.to_bytes(), resolver, inputs)
    except OracleError as error:
        if "Didn't find op" in str(error):
            return None
        raise
    return outputs


def equal(ours: np.ndarray, theirs: np.ndarray) -> bool:
    if ours.dtype.kind != "f":
        return np.array_equal(ours, theirs)
    return bool(np.allclose(ours, theirs, rtol=0, atol=1e-5 * max(float(np.abs(theirs).max(initial=0)), 1e-6)))


def follows(model: Model, name: str) -> set[int]:
    """The tensors that results of such operators go into."""
    found: set[int] = set()
    for operator in model.subgraphs[0].operators:
        if model.operator_codes[operator.opcode_index].name == name or found & set(operator.inputs or ()):
            found.update(operator.outputs or ())
    return found


def check(model: Model, inputs: Arrays) -> dict[str, Arrays]:
    """Run a model everywhere and compare; LiteRT's outputs by resolver."""
    found = {}
    for resolver in RESOLVERS:
        theirs = ran(model, resolver, inputs)
        if theirs is not None:
            found[resolver] = theirs
    assert "builtin" in found
    assert "xnnpack" in found
    for kernels in ("reference", "builtin"):
        ours = oracle("minilite").run(model.to_bytes(), kernels, inputs)
        if kernels in found:
            spoilt = follows(model, "SUM") if kernels == "reference" else set()  # which is broken there
            each = zip(model.subgraphs[0].outputs, ours, found[kernels], strict=True)
            pairs = [(a, b) for tensor, a, b in each if tensor not in spoilt]
            assert all(equal(a, b) for a, b in pairs), (kernels, pairs)
    return found


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")  # theirs lack some ranges
@pytest.mark.parametrize("scheme", STATIC + WEIGHTS)
@pytest.mark.parametrize("seed", sorted({*list(recordings())[::12], *STUMBLED}))
def test_random_networks(seed, scheme):
    floats = network(seed)
    if scheme in WEIGHTS and not constants(floats):
        pytest.skip("has no weights")
    model = written(seed, scheme)
    check(model, stored(model, samples(floats, seed)[0]))


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")  # of few samples
@pytest.mark.parametrize("biased", [True, False])
def test_computed_weights_with_sixteen_bits(biased):
    """FULLY_CONNECTED of two activations: LiteRT's kernel reads the bias as what an option says."""
    net, draw = Network(1), np.random.default_rng(0)
    x, weights = net.input((1, 16)), net.input((8, 16))
    bias = net.constant(draw.normal(0, 25, 8)) if biased else -1
    net.outputs.append(net.call("FULLY_CONNECTED", (x, weights, bias), (1, 8)))
    floats = net.model()
    data = [[draw.normal(size=shape).astype(np.float32) for shape in ((1, 16), (8, 16))] for _ in range(5)]
    model = minilite.quantize(floats, "int16x8", data)
    assert model.operator_codes[0].version == (11 if biased else 7)
    (expected,) = oracle().run(floats.to_bytes(), "builtin", data[0])
    for (got,) in check(model, stored(model, data[0])).values():
        assert np.square(got - expected).sum() < 1e-7 * np.square(expected).sum()


def constants(model: Model) -> bool:
    return any(t.type == "FLOAT32" and t.buffer for t in model.subgraphs[0].tensors)


FASHION = [(name, scheme) for name in ("dense", "cnn", "dsnet") for scheme in STATIC + WEIGHTS]


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")  # of few samples
@pytest.mark.parametrize("name, scheme", FASHION)
def test_fashion_mnist(name, scheme):
    """Trained networks: they run everywhere, too, and say what the float one says."""
    folder = (models.folder() or Path()) / "fashion_mnist"
    if not (folder / "representative.npz").exists():
        pytest.skip("needs fashion_mnist in the folder MINILITE_MODELS")
    floats = minilite.read(folder / f"{name}.tflite")
    with np.load(folder / "representative.npz") as file:
        shape = floats.subgraphs[0].tensors[floats.subgraphs[0].inputs[0]].shape
        images = [(image / np.float32(255)).reshape(shape) for image in file["images"][:30]]
    if scheme in WEIGHTS:
        model = minilite.quantize(floats, scheme)
    else:
        method = "ema" if scheme.startswith("ema") else "minmax"
        data = [[image] for image in images]
        model = minilite.quantize(floats, scheme.removeprefix("ema "), data, calibration=method, progress=False)
    agree = 0
    for image in images[:5]:
        found = check(model, stored(model, [image]))
        expected = oracle().run(floats.to_bytes(), "builtin", [image])[0]
        agree += int(found["builtin"][0].argmax() == expected.argmax())
    assert agree >= 4
