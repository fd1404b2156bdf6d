"""Weight-only and dynamic-range quantization against the files that Google's two quantizers wrote, and in LiteRT."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite.constants import blocks, constant_array
from minilite.errors import ArgumentError
from minilite.model import Buffer, Model, Quantization, Subgraph
from minilite.quantization.blocks import up_to_bfloat16
from minilite.quantization.dynamic_range import dynamic_range
from minilite.quantization.numbers import LITERT
from minilite.quantization.weights_only import float16, weights_int4, weights_int8
from tests import models, small_models
from tests.oracle import installed, oracle
from tests.record_weight_schemes import networks, recorded
from tests.small_models import Builder, one, operator

FASHION = ("dense", "cnn", "dsnet")
SCHEMES: dict[str, Callable[[Model], Model]] = {
    "dynamic_range": dynamic_range,
    "dynamic_range per tensor": functools.partial(dynamic_range, per_channel=False),
    "float16": float16,
    "weights_int8": weights_int8,
    "weights_int8 hybrid": functools.partial(weights_int8, arithmetic="hybrid"),
    "weights_int8 per tensor": functools.partial(weights_int8, per_channel=False, arithmetic="hybrid"),
    "weights_int4": weights_int4,
    "weights_int4 to the nearest": functools.partial(weights_int4, numbers=LITERT),
    "weights_int4 everywhere": functools.partial(weights_int4, others="int4"),
    "weights_int4 hybrid": functools.partial(weights_int4, arithmetic="hybrid"),
    "weights_int4 in blocks": functools.partial(weights_int4, block_size=32),
}


def fashion(file: str) -> Model:
    """One of the Fashion-MNIST models."""
    folder = models.folder()
    path = (folder or Path()) / "fashion_mnist" / f"{file}.tflite"
    if folder is None or not path.exists():
        pytest.skip("MINILITE_MODELS has no fashion_mnist")
    return minilite.read(path)


def float_model(network: str) -> Model:
    return minilite.read(recorded(network, "float"))


def constants(model: Model) -> list[tuple[object, ...]]:
    """Every constant, without the names, which the converter invents anew."""
    return sorted((c[1:] for c in named_constants(model)), key=repr)


def named_constants(model: Model) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for graph in model.subgraphs:
        for index, tensor in enumerate(graph.tensors):
            values = constant_array(model, tensor, index)
            if values is not None:
                q = tensor.quantization or Quantization()
                scales = None if q.scales is None else (q.scales.tobytes(), q.quantized_dimension)
                found.append((tensor.name, tensor.type, tensor.shape, scales, values.tobytes()))
    return sorted(found, key=repr)


def operators(model: Model, versions: bool = True) -> collections.Counter[tuple[object, ...]]:
    """How many there are of each name, version and way to quantize inputs."""
    return collections.Counter(
        (code.name, versions and code.version, (o.options or {}).get("asymmetric_quantize_inputs"))
        for graph in model.subgraphs
        for o in graph.operators
        for code in [model.operator_codes[o.opcode_index]]
    )


# ---- the same numbers as the reference quantizers --------------------------------------------------------------------


@pytest.mark.parametrize("network", networks())
@pytest.mark.parametrize("scheme", ["dynamic", "float16"])
def test_recorded_networks_are_tflite_converters(network: str, scheme: str) -> None:
    theirs = minilite.read(recorded(network, scheme))
    ours = {"dynamic": dynamic_range, "float16": float16}[scheme](float_model(network))
    assert constants(ours) == constants(theirs)
    assert operators(ours) == operators(theirs)


@pytest.mark.parametrize("file", FASHION)
@pytest.mark.parametrize(
    "scheme, theirs, versions",
    [
        (dynamic_range, "tf_dynamic", True),
        (float16, "tf_float16", True),
        (
            functools.partial(weights_int8, numbers=LITERT),
            "lq_weight_only_wi8_afp32",
            False,
        ),  # litert-quantizer leaves versions as they were
        (functools.partial(weights_int4, others="float32", numbers=LITERT), "lq_weight_only_wi4_afp32", False),
    ],
)
def test_fashion_mnist_files_are_theirs(file: str, scheme: Callable[..., Model], theirs: str, versions: bool) -> None:
    expected, found = fashion(f"{file}_{theirs}"), scheme(fashion(file))
    assert named_constants(found) == named_constants(expected)
    assert operators(found, versions) == operators(expected, versions)


def test_dequantize_stands_right_before_its_consumer() -> None:
    model = weights_int8(float_model("conv"))
    names = [model.operator_codes[o.opcode_index].name for o in model.subgraphs[0].operators]
    assert names == ["DEQUANTIZE", "CONV_2D"]


# ---- in LiteRT -------------------------------------------------------------------------------------------------------


def outputs(model: Model, mode: str, inputs: list[np.ndarray]) -> list[np.ndarray]:
    interpreter = minilite.Interpreter(model, kernels=mode)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


@pytest.mark.skipif(not installed("litert"), reason="needs ai-edge-litert")
@pytest.mark.parametrize("network", [n for n in networks() if n != "extremes"])  # no weights but constants
@pytest.mark.parametrize("scheme", SCHEMES)
def test_litert_runs_what_is_written(network: str, scheme: str) -> None:
    float_ = float_model(network)
    model = SCHEMES[scheme](float_)
    content = model.to_bytes()
    assert minilite.read(content) == model
    inputs = models.inputs_of(float_)
    in_blocks = any(blocks(model, g, t.quantization)[0] for g in model.subgraphs for t in g.tensors)
    # LiteRT's reference kernel takes scales of blocks for 0
    for mode in ("builtin", "xnnpack") if in_blocks else ("reference", "builtin", "xnnpack"):
        theirs = oracle().run(content, mode, inputs)
        for expected, found in zip(theirs, outputs(model, mode, inputs), strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
            if mode == "reference" and network != "lstm":  # exp and tanh differ in a last bit
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("network", ["conv", "depthwise", "matmul", "lstm", "transpose_conv", "batch_matmul", "gather"])
def test_outputs_stay_close(network: str, scheme: str) -> None:
    float_ = float_model(network)
    inputs = models.inputs_of(float_)
    for expected, found in zip(
        outputs(float_, "builtin", inputs), outputs(SCHEMES[scheme](float_), "builtin", inputs), strict=True
    ):
        bits = 4 if "int4" in scheme else 8
        assert np.sqrt(np.mean((found - expected) ** 2)) < np.sqrt(np.mean(expected**2)) * 2.0 ** (2 - bits)


# ---- what is kept, and what is left ----------------------------------------------------------------------------------


def matmul(units: int = 32, terms: int = 64, **options: object) -> Model:
    """A FULLY_CONNECTED with a fused activation."""
    b = Builder()
    random = np.random.default_rng(5)
    x, y = b.tensor("x", (2, terms)), b.tensor("y", (2, units))
    w = b.constant("w", random.normal(size=(units, terms)).astype(np.float32))
    bias = b.constant("bias", random.normal(size=units).astype(np.float32))
    model = one(b, "FULLY_CONNECTED", (x, w, bias), (y,), "FullyConnectedOptions", **options)
    return dataclasses.replace(model, signatures=(minilite.model.Signature("f", (("in", x),), (("out", y),)),))


def test_signatures_and_metadata_stay_and_unused_buffers_go() -> None:
    model = matmul()
    note = Buffer(np.frombuffer(b"note", np.uint8))
    model = dataclasses.replace(
        model, buffers=(*model.buffers, note), metadata=(minilite.model.Metadata("note", len(model.buffers)),)
    )
    quantized = weights_int8(model)
    assert quantized.signatures == model.signatures
    assert quantized.buffers[quantized.metadata[0].buffer] == note
    assert len(quantized.buffers) == len(model.buffers)
    assert sum(b.data.size for b in quantized.buffers if b.data is not None) == 32 * 64 + 32 * 4 + 4


def test_a_constant_that_others_read_stays_beside_its_quantized_form() -> None:
    b = Builder()
    x, y, z = b.tensor("x", (2, 32)), b.tensor("y", (2, 32)), b.tensor("z", (32, 32))
    w = b.constant("w", np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32))
    steps = operator(0, (x, w, -1), (y,), "FullyConnectedOptions"), operator(1, (w, w), (z,), "AddOptions")
    graph = b.subgraph((x,), (y, z), *steps)
    codes = minilite.model.OperatorCode("FULLY_CONNECTED"), minilite.model.OperatorCode("ADD")
    quantized = dynamic_range(Model(codes, (graph,), tuple(b.buffers)))
    types = {t.name: t.type for t in quantized.subgraphs[0].tensors}
    assert types == {"x": "FLOAT32", "y": "FLOAT32", "z": "FLOAT32", "w": "FLOAT32", "w1": "INT8"}


def test_a_constant_of_two_subgraphs_is_stored_once() -> None:
    buffers = [Buffer(), Buffer(np.frombuffer(np.ones((4, 8), np.float32).tobytes(), np.uint8))]

    def graph() -> Subgraph:
        b = Builder(buffers)
        x, y, w = b.tensor("x", (1, 8)), b.tensor("y", (1, 4)), b.tensor("w", (4, 8), buffer=1)
        return b.subgraph((x,), (y,), operator(0, (x, w, -1), (y,), "FullyConnectedOptions"))

    code = minilite.model.OperatorCode("FULLY_CONNECTED")
    quantized = weights_int4(Model((code,), (graph(), graph()), tuple(buffers)))
    assert [b.data.size for b in quantized.buffers if b.data is not None] == [16]
    assert len({g.tensors[2].buffer for g in quantized.subgraphs}) == 1


def test_excluded_operators_stay_float() -> None:
    for scheme in (dynamic_range, float16, weights_int8, weights_int4):
        model = matmul()
        assert constants(scheme(model, exclude={(0, 0)})) == constants(model)
        assert constants(scheme(model)) != constants(model)


def test_small_constants_stay_float_in_dynamic_range_only() -> None:
    model = matmul(31, 33)
    assert constants(dynamic_range(model)) == constants(model)
    assert constants(dynamic_range(model, minimum=1023)) != constants(model)
    assert constants(weights_int8(model)) != constants(model)


def test_blocks_have_scales_of_their_own_and_the_activation_is_split_off() -> None:
    model = matmul(fused_activation_function="RELU")
    quantized = weights_int4(model, block_size=32, numbers=LITERT)
    graph = quantized.subgraphs[0]
    assert [quantized.operator_codes[o.opcode_index].name for o in graph.operators] == ["FULLY_CONNECTED", "RELU"]
    size, scales = blocks(quantized, graph, graph.tensors[2].quantization)
    assert size == 32
    assert scales is not None
    assert scales.shape == (32, 2)
    values = constant_array(model, model.subgraphs[0].tensors[2], 2)
    assert values is not None
    assert np.all(scales.astype(np.float32).repeat(32, 1) * 7 >= np.abs(values))
    assert np.all(
        scales.astype(np.float32).repeat(32, 1) * 7
        <= np.abs(values.reshape(32, 2, 32)).max(2).repeat(32, 1) * (1 + 2**-7)
    )


def test_rows_that_blocks_do_not_divide_keep_one_scale_each() -> None:
    quantized = weights_int4(matmul(8, 48), block_size=32)
    (weights,) = [t for t in quantized.subgraphs[0].tensors if t.type == "INT4"]
    assert weights.quantization is not None
    assert weights.quantization.scales is not None
    assert weights.quantization.scales.size == 8


def test_scales_of_blocks_are_what_xnnpack_keeps_of_them() -> None:
    scales = np.array([1.0, 1.00390625, 0.1, 3e-5, 2.0**-14], np.float32)
    up = up_to_bfloat16(scales)
    np.testing.assert_array_equal(up, np.array([1.0, 1.0078125, 0.10009765625, 2.0**-14, 2.0**-14], np.float32))
    np.testing.assert_array_equal(up.astype(np.float16).astype(np.float32), up)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", [dynamic_range, float16, weights_int8, weights_int4])
def test_quantized_models_are_refused(scheme: Callable[[Model], Model]) -> None:
    for quantize in (dynamic_range, weights_int8, functools.partial(weights_int4, block_size=32)):
        with pytest.raises(ArgumentError, match=r"already quantized: .* subgraph 0"):
            scheme(quantize(matmul()))
    with pytest.raises(ArgumentError, match="already quantized"):
        scheme(small_models.stateful_int8())


@pytest.mark.parametrize("scheme", [dynamic_range, float16, weights_int8, weights_int4])
def test_models_without_constants_are_refused(scheme: Callable[[Model], Model]) -> None:
    with pytest.raises(ArgumentError, match="no float32 constants"):
        scheme(small_models.stateful())


@pytest.mark.parametrize(
    "wrong, message",
    [({"others": "int2"}, "others: .*int2"), ({"block_size": 48}, "multiple of 32"), ({"arithmetic": "x"}, "hybrid")],
)
def test_impossible_arguments_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        weights_int4(matmul(), **wrong)  # type: ignore[arg-type]  # wrong on purpose
