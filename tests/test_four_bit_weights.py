"""4-bit weights beside 8-bit activations: which operators get them, and that every resolver of LiteRT computes them."""

from __future__ import annotations

import numpy as np
import pytest

import minilite
from minilite.model import Model
from minilite.quantization import quantized
from minilite.quantization.operands import BIAS_MAX
from tests.network_parts import Network
from tests.oracle import installed, oracle

pytestmark = pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")  # of few samples
Samples = list[list[np.ndarray]]


def network() -> Model:
    """One operator of each kind that has weights, and a few without."""
    net = Network(5)
    x = net.convolution(net.input((1, 6, 6, 3)), 4, size=3, padding="SAME")
    x = net.depthwise(x)
    x = net.pool("MAX_POOL_2D", x)
    x = net.transposed_convolution(x, 3)
    x = net.binary("ADD", x, x)
    net.outputs.append(net.dense(net.reshape(x, (1, 108)), 5))
    return net.model()


def samples(model: Model, count: int = 12) -> Samples:
    random = np.random.default_rng(2)
    graph = model.subgraphs[0]
    return [
        [random.normal(size=graph.tensors[i].shape or ()).astype(np.float32) for i in graph.inputs]
        for _ in range(count)
    ]


def dense(weights: np.ndarray, bias: np.ndarray) -> Model:
    net = Network(1)
    x = net.input((1, weights.shape[1]))
    operands = (x, net.constant(weights), net.constant(bias))
    net.outputs.append(net.call("FULLY_CONNECTED", operands, (1, len(weights)), fused_activation_function="NONE"))
    return net.model()


def outputs(model: Model, data: Samples) -> np.ndarray:
    return np.array([next(iter(minilite.run(model, sample).values())) for sample in data], np.float64)


def sqnr(exact: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10((exact**2).sum() / ((exact - found) ** 2).sum()))


def weights(model: Model) -> dict[str, str]:
    """The types of the weights of each operator that has some, by its name."""
    graph, found = model.subgraphs[0], {}
    for o in graph.operators:
        name = model.operator_codes[o.opcode_index].name
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"):
            found[name] = str(graph.tensors[(o.inputs or ())[1]].type)
    return found


def test_weights_have_four_bits_where_kernels_take_them() -> None:
    floats = network()
    made = quantized(floats, "int8x4", samples(floats), progress=False)
    assert weights(made.model) == {
        "CONV_2D": "INT4",
        "DEPTHWISE_CONV_2D": "INT4",
        "TRANSPOSE_CONV": "INT8",
        "FULLY_CONNECTED": "INT4",
    }
    schemes = {d.name: d.scheme for d in made.decisions}
    assert schemes["ADD"] == schemes["TRANSPOSE_CONV"] == "int8"
    assert schemes["CONV_2D"] == schemes["FULLY_CONNECTED"] == "int8x4"


def test_the_file_is_half_as_large() -> None:
    random = np.random.default_rng(1)
    floats = dense(random.normal(size=(64, 128)).astype(np.float32), np.zeros(64, np.float32))
    sizes = [len(minilite.quantize(floats, s, samples(floats), progress=False).to_bytes()) for s in ("int8", "int8x4")]
    assert sizes[0] - sizes[1] == 64 * 128 // 2


@pytest.mark.skipif(not installed("litert"), reason="needs ai-edge-litert")
@pytest.mark.parametrize("resolver", ["builtin", "xnnpack"])
def test_litert_computes_the_same(resolver: str) -> None:
    floats = network()
    data = samples(floats)
    model = minilite.read(minilite.quantize(floats, "int8x4", data, progress=False).to_bytes())
    theirs = np.array([oracle().run(model.to_bytes(), resolver, sample)[0] for sample in data])
    ours = np.array([next(iter(minilite.run(model, s, kernels=resolver).values())) for s in data])
    step = np.abs(ours).max() / 255
    assert np.abs(ours - theirs).max() <= (1.01 * step if resolver == "xnnpack" else 1e-6)


@pytest.mark.skipif(not installed("litert"), reason="needs ai-edge-litert")
def test_a_bias_stays_within_what_xnnpack_multiplies_by_16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel of zeros has a tiny scale, on which its bias is a large integer: in XNNPACK it would overflow."""
    weights_, bias = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32), np.full(6, 2, np.float32)
    weights_[2] = 0
    floats = dense(weights_, bias)
    data = samples(floats)
    exact = outputs(floats, data)

    def of_xnnpack() -> float:
        content = minilite.quantize(floats, "int8x4", data, progress=False).to_bytes()
        return sqnr(exact, np.array([oracle().run(content, "xnnpack", sample)[0] for sample in data]))

    assert of_xnnpack() > 18
    monkeypatch.setattr("minilite.quantization.operands.BIAS_MAX_4", BIAS_MAX)
    assert of_xnnpack() < 12
