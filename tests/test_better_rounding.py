"""Searched clipping, and rounding with and without data: errors that must fall, answers found by trying all."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

import minilite
from minilite.errors import ArgumentError, Error
from minilite.model import Model, OperatorCode
from minilite.quantization.clipping import by_channel, clipped, from_channels
from minilite.quantization.hessian_rounding import Factor, best_of, errors, rounded
from minilite.quantization.layers import layer_of
from minilite.quantization.numbers import LITERT
from minilite.quantization.rounding import gptq
from minilite.quantization.squant import assumed_energy, squant
from minilite.quantization.walking import Walk
from minilite.quantization.weight import Weight, nearest
from minilite.quantization.weights_only import weights_int4, weights_int8, weights_of
from tests.small_models import Builder, one, operator
from tests.test_weight_schemes import float_model, outputs

RANDOM = np.random.default_rng


def weight(values: np.ndarray, axis: int | None = 0, bits: int = 4) -> Weight:
    return Weight(0, 0, "w", values.astype(np.float32), axis, bits, ((0, 1),), frozenset({"FULLY_CONNECTED"}))


def heavy_tailed(*shape: int) -> np.ndarray:
    return RANDOM(3).standard_t(3, shape).astype(np.float32)


def correlated(samples: int, terms: int) -> np.ndarray:
    """Inputs after a RELU that have a few directions in common."""
    random = RANDOM(4)
    x = random.normal(size=(samples, 4)) @ random.normal(size=(4, terms)) + 0.3 * random.normal(size=(samples, terms))
    return np.maximum(x, 0).astype(np.float32)


# ---- without data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, 3, None])
@pytest.mark.parametrize("bits", [4, 8])
def test_clipping_lowers_the_squared_error_of_every_channel(axis: int | None, bits: int) -> None:
    values = heavy_tailed(5, 6, 3, 4)
    w = weight(values, axis, bits)
    off = [by_channel(c(w).values() - values, axis) for c in (nearest(LITERT), clipped())]
    plain, searched = ((o**2).sum(axis=1) for o in off)
    assert np.all(searched <= plain * (1 + 1e-6))
    assert bits == 8 or searched.sum() < 0.9 * plain.sum()


def test_clipping_finds_the_best_of_all_scales() -> None:
    """One row, and a thousand scales tried by hand."""
    values = heavy_tailed(1, 64)
    found = ((clipped()(weight(values)).values() - values) ** 2).sum()
    widest = np.abs(values).max() / 7
    tried = [
        ((np.clip(np.rint(values / s), -8, 7) * s - values) ** 2).sum() for s in np.linspace(0.35, 1.15, 1000) * widest
    ]
    assert found <= min(tried) * 1.02


def test_channels_and_back() -> None:
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    for axis in (0, 1, 2, 3, None):
        np.testing.assert_array_equal(from_channels(by_channel(values, axis), values.shape, axis), values)


@pytest.mark.parametrize("axis, shape", [(0, (8, 3, 3, 6)), (3, (1, 3, 3, 8)), (0, (8, 40)), (1, (40, 8))])
def test_errors_cancel_within_rows_and_kernels(axis: int, shape: tuple[int, ...]) -> None:
    values = RANDOM(6).normal(size=shape).astype(np.float32)
    off = [by_channel(choice(weight(values, axis)).values() - values, axis) for choice in (clipped(), squant())]
    clip, assumed = (np.abs(o.sum(axis=1)).mean() for o in off)
    assert assumed < 0.5 * clip
    if len(shape) == 4:
        kernels = [np.abs(o.reshape(8, 9, -1).sum(axis=1)).mean() for o in off]
        assert kernels[1] < 0.7 * kernels[0]


def test_assumed_energy_is_written_down() -> None:
    expected = np.array([[2.3, 0.3, 1.3, 0.3], [0.3, 2.3, 0.3, 1.3], [1.3, 0.3, 2.3, 0.3], [0.3, 1.3, 0.3, 2.3]])
    np.testing.assert_allclose(assumed_energy(4, 2), expected)
    np.testing.assert_allclose(assumed_energy(2, 0), [[1.3, 0.3], [0.3, 1.3]])


# ---- for a given energy ----------------------------------------------------------------------------------------------


def test_rounding_for_an_energy_is_near_the_best_of_all_integers() -> None:
    """Six terms of two bits, inputs alike: every combination is tried."""
    h = np.ones((6, 6)) + np.diag(np.linspace(0.05, 0.3, 6))
    w, scale, limits = RANDOM(8).uniform(-1.4, 0.7, (40, 6)), np.full((40, 1), 0.7), (-2, 1)
    every = np.array(list(itertools.product(range(-2, 2), repeat=6)), np.float64)
    best = np.array([errors(np.repeat(row[None], len(every), 0), h, np.full((1, 1), 0.7), every).min() for row in w])
    found = errors(w, h, scale, rounded(w, Factor(h), scale, limits))
    plain = errors(w, h, scale, np.clip(np.rint(w / scale), *limits))
    assert np.all(found >= best - 1e-12)
    assert found.sum() < 1.35 * best.sum()
    assert plain.sum() > 1.5 * best.sum()


def test_blocks_of_columns_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    h = np.cov(correlated(400, 150).T) + 0.1 * np.eye(150)
    w, scales = RANDOM(9).normal(size=(6, 150)), np.full((6, 1), 0.2)
    whole = rounded(w, Factor(h), scales, (-8, 7))
    monkeypatch.setattr("minilite.quantization.hessian_rounding.BLOCK", 1)
    np.testing.assert_array_equal(rounded(w, Factor(h), scales, (-8, 7)), whole)


def test_the_best_scale_of_a_row_is_kept() -> None:
    h = np.eye(30)
    w = heavy_tailed(5, 30).astype(np.float64)
    tries = [np.abs(w).max(axis=1, keepdims=True) / 7 * f for f in (1.0, 0.8, 0.6, 0.4)]
    q, scales = best_of(tries, w, h, (-8, 7))
    least = np.min([errors(w, h, t, np.clip(np.rint(w / t), -8, 7)) for t in tries], axis=0)
    np.testing.assert_allclose(errors(w, h, scales, q), least, rtol=1e-6)
    _, together = best_of(tries, w, h, (-8, 7), together=True)
    assert len({round(float(s), 6) for s in together[:, 0] / np.abs(w).max(axis=1)}) == 1


# ---- layers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "network", ["conv", "depthwise", "matmul", "batch_matmul_flat", "batch_matmul_adjoint", "grouped"]
)
def test_layers_are_products_of_rows(network: str) -> None:
    """What operators compute is what their rows say, and rows become the weights they came from."""
    model = {
        "grouped": grouped,
        "batch_matmul_flat": flat_product,
        "batch_matmul_adjoint": lambda: flat_product(True),
    }.get(network, lambda: float_model(network))()
    walk, found = walked(model)
    (step,) = [s for s in walk if layer_of(s.node.op, values_of(walk, s)) is not None]
    values = values_of(walk, step)
    layer = layer_of(step.node.op, values)
    assert layer is not None
    rows = layer.rows(step.node, found[0].shape[-1], values)
    np.testing.assert_array_equal(layer.weights(step.node, rows, values.shape), values)
    products = np.einsum("gpt,grt->pgr", layer.inputs(step.node, found[0], values), rows)
    float_model_ = without_bias_and_activation(model)
    np.testing.assert_allclose(
        products.reshape(-1), outputs(float_model_, "builtin", found)[0].reshape(-1), rtol=0, atol=2e-5
    )


def values_of(walk: Walk, step: object) -> np.ndarray:
    value = walk.infos[step.inputs[1]].value if len(step.inputs) > 1 else None  # type: ignore[attr-defined]  # a step
    return np.empty((0, 2, 2)) if value is None else value


def walked(model: Model) -> tuple[Walk, list[np.ndarray]]:
    graph = model.subgraphs[0]
    x = {i: RANDOM(5).normal(size=graph.tensors[i].shape).astype(np.float32) for i in graph.inputs}
    return Walk(model, 0, [x]), list(x.values())


def without_bias_and_activation(model: Model) -> Model:
    graph = model.subgraphs[0]
    (node,) = graph.operators
    options = node.options
    assert options is not None
    if "fused_activation_function" in options:
        options = type(options)(options.table, {**options, "fused_activation_function": "NONE"})
    buffers = list(model.buffers)
    if len(node.inputs or ()) > 2 and (node.inputs or ())[2] >= 0:
        tensor = graph.tensors[(node.inputs or ())[2]]
        zeros = np.zeros(tensor.shape or (), np.float32)
        buffers[tensor.buffer] = dataclasses.replace(
            buffers[tensor.buffer], data=np.frombuffer(zeros.tobytes(), np.uint8)
        )
    graph = dataclasses.replace(graph, operators=(dataclasses.replace(node, options=options),))
    return dataclasses.replace(model, subgraphs=(graph,), buffers=tuple(buffers))


def grouped() -> Model:
    b = Builder()
    x, y = b.tensor("x", (2, 5, 5, 6)), b.tensor("y", (2, 3, 3, 4))
    w = b.constant("w", RANDOM(1).normal(size=(4, 3, 2, 3)).astype(np.float32))
    bias = b.constant("b", np.zeros(4, np.float32))
    options = {"padding": "SAME", "stride_w": 2, "stride_h": 2, "dilation_w_factor": 1, "dilation_h_factor": 1}
    return one(b, "CONV_2D", (x, w, bias), (y,), "Conv2DOptions", **options)


def flat_product(adjoint: bool = False) -> Model:
    b = Builder()
    x, y = b.tensor("x", (3, 5, 6)), b.tensor("y", (3, 5, 4))
    w = b.constant("w", RANDOM(1).normal(size=(4, 6) if adjoint else (6, 4)).astype(np.float32))
    return one(b, "BATCH_MATMUL", (x, w), (y,), "BatchMatMulOptions", adj_y=adjoint)


# ---- with data -------------------------------------------------------------------------------------------------------


def network() -> Model:
    """Two matrices with a RELU between, on correlated inputs."""
    b = Builder()
    random = RANDOM(11)

    def layer(x: int, terms: int, units: int, relu: bool) -> tuple[int, object]:
        y = b.tensor(f"y{units}", (1, units), shape_signature=(-1, units))
        w = b.constant(f"w{units}", random.normal(size=(units, terms)).astype(np.float32) / np.float32(np.sqrt(terms)))
        bias = b.constant(f"b{units}", random.normal(size=units).astype(np.float32) / 4)
        fused = "RELU" if relu else "NONE"
        return y, operator(0, (x, w, bias), (y,), "FullyConnectedOptions", fused_activation_function=fused)

    x = b.tensor("x", (1, 48), shape_signature=(-1, 48))
    hidden, first = layer(x, 48, 64, True)
    y, second = layer(hidden, 64, 10, False)
    graph = b.subgraph((x,), (y,), first, second)  # type: ignore[arg-type]  # operators
    return Model((OperatorCode("FULLY_CONNECTED"),), (graph,), tuple(b.buffers))


def answers(model: Model, x: np.ndarray) -> np.ndarray:
    """The first output for all samples at once."""
    interpreter = minilite.Interpreter(model, kernels="builtin", engine="numpy")
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def noise(model: Model, quantized: Model, x: np.ndarray) -> float:
    """Energy of the error over that of the result, on samples nothing was fitted to."""
    expected, found = answers(model, x), answers(quantized, x)
    return float(((found - expected) ** 2).sum() / (expected**2).sum())


def test_rounding_with_data_lowers_the_error_of_results() -> None:
    model, x = network(), correlated(360, 48)
    fitted = gptq(model, x[:300])
    held_back = x[300:]
    plain = noise(model, weights_int4(model, numbers=LITERT), held_back)
    with_data = noise(model, weights_int4(fitted.model, choose=fitted.choose), held_back)
    assert with_data < plain / 8
    assert noise(model, weights_int4(model), held_back) < plain
    eight = gptq(model, x[:300], bits=8)
    assert noise(model, weights_int8(eight.model, choose=eight.choose), held_back) < noise(
        model, weights_int8(model), held_back
    )


def test_blocks_are_fitted_too() -> None:
    model, x = network(), correlated(360, 48)
    fitted = gptq(model, x[:300], block_size=32)  # divides the second layer's 64 terms, not the first one's 48
    sizes = [fitted.choose(w).block_size for w in weights_of(model, 4)]
    assert sizes == [0, 32]
    quantized = weights_int4(fitted.model, choose=fitted.choose, block_size=32)
    plain = weights_int4(model, block_size=32, numbers=LITERT)
    assert noise(model, quantized, x[300:]) < noise(model, plain, x[300:]) / 3
    assert noise(model, weights_int4(model, block_size=32), x[300:]) < noise(model, plain, x[300:])


def test_biases_leave_no_error_on_average() -> None:
    model, x = network(), correlated(256, 48)
    fitted = gptq(model, x)
    quantized = weights_int4(fitted.model, choose=fitted.choose)
    assert np.abs(np.mean(answers(quantized, x) - answers(model, x), axis=0)).max() < 1e-5


@pytest.mark.parametrize(
    "name", ["conv", "depthwise", "batch_matmul", "lstm", "gather", "transpose_conv", "matmul_1023"]
)
def test_every_kind_of_network_can_be_fitted(name: str) -> None:
    """Loops, tables, several matrices: what no sample reaches or no layer describes gets integers all the same."""
    model = float_model(name)
    random = RANDOM(2)
    (index,) = model.subgraphs[0].inputs
    tensor = model.subgraphs[0].tensors[index]
    shape = (4, *(tensor.shape or ()))
    x = random.integers(0, 80, shape).astype(np.int32) if tensor.type == "INT32" else random.normal(size=shape)
    fitted = gptq(model, [[row.astype(x.dtype if tensor.type == "INT32" else np.float32)] for row in x], others="int4")
    quantized = weights_int4(fitted.model, choose=fitted.choose, others="int4")
    for sample in x.astype(np.int32 if tensor.type == "INT32" else np.float32):
        expected, found = outputs(model, "builtin", [sample])[0], outputs(quantized, "builtin", [sample])[0]
        assert np.linalg.norm(found - expected) < 0.2 * np.linalg.norm(expected)


@pytest.mark.parametrize("value", [0.0, 3.7, -1e6])
def test_inputs_that_never_change_leave_nothing_to_measure(value: float) -> None:
    model, x = network(), np.full((40, 48), value, np.float32)
    fitted = gptq(model, x)
    quantized = weights_int4(fitted.model, choose=fitted.choose)
    assert noise(model, quantized, x) < 1e-6  # biases alone see to that


def test_data_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ArgumentError, match="empty"):
        gptq(network(), [])
    with pytest.raises(ArgumentError, match="shape"):
        gptq(network(), [np.zeros((1, 47), np.float32)])
    with pytest.raises(Error, match="already quantized"):
        gptq(weights_int4(network()), np.zeros((2, 48), np.float32))


# ---- walking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 32])
def test_samples_run_together_only_where_they_do_not_meet(length: int) -> None:
    """A constant of as many rows as samples would give each of them another row."""
    b = Builder()
    x, y = b.tensor("x", (1, 4), shape_signature=(-1, 4)), b.tensor("y", (length, 4), shape_signature=(-1, 4))
    c = b.constant("c", np.arange(length * 4, dtype=np.float32).reshape(length, 4))
    samples = [{0: row[None]} for row in correlated(32, 4)]
    walk = Walk(one(b, "ADD", (x, c), (y,), "AddOptions"), 0, samples)
    assert len(list(walk)) == 1
    (results,) = walk.results()
    assert [r[0].shape for r in results] == ([(32, 4)] if length == 1 else [(32, 4)] * 32)
    expected = [s[0] + np.arange(length * 4, dtype=np.float32).reshape(length, 4) for s in samples]
    np.testing.assert_array_equal(np.concatenate([r[0] for r in results]), np.concatenate(expected))


def test_the_copy_goes_its_own_way_from_the_change_on() -> None:
    model, x = network(), correlated(40, 48)
    walk = Walk(model, 0, [{0: row[None]} for row in x])
    same = []
    for number, step in enumerate(walk):
        same.append(all(a is b for a, b in walk.values(step, 0)))
        if number == 0:
            walk.change(step.inputs[1], np.zeros((64, 48), np.float32))
    assert same == [True, False]
    (results,) = walk.results()
    original, changed = (np.concatenate(r) for r in zip(*results, strict=True))
    np.testing.assert_allclose(original, answers(model, x), rtol=0, atol=1e-5)
    assert np.ptp(changed, axis=0).max() == 0 < np.ptp(original, axis=0).min()
