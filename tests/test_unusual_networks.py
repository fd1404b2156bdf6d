"""Networks that no quantizer here was tuned for: an LSTM, a GRU, attention, gates.

They quantize, run in LiteRT, and keep what they know. benchmarks/train_unusual.py makes them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite import demo
from minilite.model import OperatorCode
from minilite.quantization import quantized
from minilite.quantization.lint import CalibrationWarning
from tests.oracle import installed, oracle
from tests.small_models import Builder, operator

FOLDER = Path(__file__).parent / "data" / "networks"
NAMES = ("attention", "gated", "gru", "lstm")
SCHEMES = ("int8", "int16x8")
SAMPLES = 300
EQUAL = 3
"""Images that minilite runs, too: its definitions of recurrent operators are slow."""

needs_litert = pytest.mark.skipif(not installed("litert"), reason="needs LiteRT")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return demo.load_samples().images.reshape(-1, 28, 28).astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module", params=[(n, s) for n in NAMES for s in SCHEMES], ids="-".join)
def pair(request, images):
    name, scheme = request.param
    floats = minilite.read(FOLDER / f"{name}.tflite")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # the GRU's first state is always 0
        type_ = {"int8": "int8", "int16x8": "int16"}[scheme]
        return name, scheme, floats, quantized(floats, scheme, images[:100], inference_output_type=type_)


def logits(model: minilite.Model, images: np.ndarray, mode: str = "builtin") -> np.ndarray:
    """LiteRT's, each image from the state at the beginning."""
    content, runs = model.to_bytes(), [[x[None]] for x in images]
    if any(t.is_variable for t in model.subgraphs[0].tensors):
        return np.concatenate([oracle("litert").run(content, mode, run)[0] for run in runs])
    first, *rest = runs
    return np.concatenate(oracle("litert").run(content, mode, first, again=tuple(rest)))


@needs_litert
def test_classes_stay_what_they_were(pair, images):
    name, scheme, floats, result = pair
    x = logits(floats, images)
    q = result.model.subgraphs[0].tensors[result.model.subgraphs[0].outputs[0]].quantization
    y = (logits(result.model, images).astype(np.float32) - q.zero_points) * q.scales
    same = float((x.argmax(1) == y.argmax(1)).mean())
    sqnr = 10 * np.log10((x**2).sum() / ((x - y) ** 2).sum())
    least = 15 if name == "gated" else 22  # its gates multiply errors
    assert same > {"int8": 0.93, "int16x8": 0.97}[scheme]
    assert sqnr > {"int8": least, "int16x8": least + 13}[scheme]


@needs_litert
@pytest.mark.parametrize("mode", ["reference", "builtin"])
def test_every_resolver_runs_it_with_the_same_integers(pair, images, mode):
    *_, result = pair
    theirs = logits(result.model, images[:EQUAL], mode)
    interpreter = minilite.Interpreter(result.model, kernels=mode)
    for x, expected in zip(images, theirs, strict=False):
        (found,) = minilite.run(interpreter, x[None]).values()
        np.testing.assert_array_equal(found[0], expected)
        interpreter.reset_all_variables()


def test_the_matrices_are_integers(pair):
    _, scheme, _, result = pair
    matrices = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", "UNIDIRECTIONAL_SEQUENCE_LSTM")
    left = [d for d in result.decisions if d.name in matrices and d.scheme == "float32"]
    no_16_bit_kernel = [d for d in left if (d.name, scheme) == ("UNIDIRECTIONAL_SEQUENCE_LSTM", "int16x8")]
    assert left == no_16_bit_kernel


def svdf_model(activation: str) -> minilite.Model:
    random, b = np.random.default_rng(0), Builder()
    units, rank, memory = 6, 2, 5
    x, y = b.tensor("x", (1, 8)), b.tensor("y", (1, units))
    state = b.tensor("state", (1, units * rank * memory), is_variable=True)
    shapes = {"features": (units * rank, 8), "time": (units * rank, memory), "bias": (units,)}
    operands = [b.constant(n, 0.5 * random.normal(size=s).astype(np.float32)) for n, s in shapes.items()]
    svdf = operator(0, (x, *operands, state), (y,), "SVDFOptions", rank=rank, fused_activation_function=activation)
    return minilite.Model((OperatorCode("SVDF"),), (b.subgraph((x,), (y,), svdf),), tuple(b.buffers))


@needs_litert
@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")
@pytest.mark.parametrize("activation", ["RELU", "NONE"])
@pytest.mark.parametrize("mode", ["reference", "builtin", "xnnpack"])
def test_svdf_keeps_its_state_in_integers(activation, mode):
    floats = minilite.read(svdf_model(activation).to_bytes())
    x = np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)
    written = minilite.quantize(floats, "int8", x, inference_output_type="int8")
    first, *rest = [[v[None]] for v in x[:30]]
    real = np.concatenate(oracle("litert").run(floats.to_bytes(), "reference", first, again=tuple(rest)))
    theirs = np.concatenate(oracle("litert").run(written.to_bytes(), mode, first, again=tuple(rest)))
    ours = minilite.Interpreter(written, kernels=mode)
    np.testing.assert_array_equal(np.concatenate([*(minilite.run(ours, v[None])["y"] for v in x[:30])]), theirs)
    q = written.subgraphs[0].tensors[written.subgraphs[0].outputs[0]].quantization
    noise = real - (theirs.astype(np.float32) - q.zero_points) * q.scales
    assert 10 * np.log10((real**2).sum() / (noise**2).sum()) > 30
