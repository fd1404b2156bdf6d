"""Sensitivity finds the operator that was made sensitive; the search for schemes meets its budget, and beats one scheme
throughout; LiteRT runs what it writes; workers find the same."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import demo
from minilite.engines import compiling
from minilite.errors import ArgumentError, WorkerError
from minilite.inspection.choices import Choices
from minilite.inspection.costs import options
from minilite.inspection.mixing import Mixed, limit, mixed_precision
from minilite.inspection.preparing import Comparing, Prepared, prepared
from minilite.inspection.sensitivity import Sensitivity, sensitivity
from minilite.inspection.trials import Bench, constants
from minilite.model import Model
from minilite.quantization import quantized
from minilite.quantization.graph import graph
from tests.network_parts import Network
from tests.oracle import installed, oracle
from tests.quantizer_networks import network, samples

pytestmark = pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")  # of few samples

PLANTED = 1
"""The operator with one channel of weights 300 times as large as the others; RELU6 keeps its results alike."""


def layer(net: Network, x: int, channels: int, gain: float = 1.0) -> int:
    depth = net.shape(x)[3]
    weights = net.random.normal(0, (9 * depth) ** -0.5 * 2, (channels, 3, 3, depth))
    weights[0] *= gain
    shape = (*net.shape(x)[:3], channels)
    operands = (x, net.constant(weights), net.normal((channels,), 0.1))
    options_ = {"stride_w": 1, "stride_h": 1, "padding": "SAME", "fused_activation_function": "RELU6"}
    return net.call("CONV_2D", operands, shape, **options_)


def planted() -> Model:
    """Three convolutions, of which the second is sensitive when its weights have one scale; MAX_POOL_2D, MEAN and a
    dense layer."""
    net = Network(11)
    x = layer(net, net.input((1, 8, 8, 3)), 8)
    x = layer(net, x, 8, 300.0)
    x = layer(net, x, 16)
    x = net.reduce("MEAN", net.pool("MAX_POOL_2D", x), (1, 2), False)
    operands = (x, net.normal((10, 16), 0.5), net.normal((10,), 0.1))
    net.outputs.append(net.call("FULLY_CONNECTED", operands, (1, 10), fused_activation_function="NONE"))
    return net.model()


@pytest.fixture(scope="module")
def model() -> Model:
    return minilite.read(planted().to_bytes())


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(24, 8, 8, 3)).astype(np.float32)


def outputs(model: Model, data: np.ndarray, **how: Any) -> np.ndarray:
    return np.array([next(iter(minilite.run(model, x[None], **how).values())) for x in data], np.float64)


def sqnr(exact: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10((exact**2).sum() / ((exact - found) ** 2).sum()))


# ---- sensitivity -----------------------------------------------------------------------------------------------------


def test_the_planted_operator_is_first_in_both_lists(model: Model, data: np.ndarray) -> None:
    found = sensitivity(model, data, per_channel=False)
    first, spared = found.alone(2), found.spared(2)
    assert (first[0].operator, spared[0].operator) == (PLANTED, PLANTED)
    assert first[0].alone.sqnr < first[1].alone.sqnr - 6
    assert spared[0].gain > spared[1].gain + 6
    assert first[0].name == "CONV_2D"
    assert first[0].tensor == model.subgraphs[0].tensors[(model.subgraphs[0].operators[1].outputs or ())[0]].name


def test_with_a_scale_for_each_channel_it_is_not(model: Model, data: np.ndarray) -> None:
    bad, good = (sensitivity(model, data, operators=PLANTED, per_channel=each) for each in (False, True))
    assert len(good.operators) == 1
    assert good.operators[0].alone.sqnr > bad.operators[0].alone.sqnr + 10


def test_what_is_measured_is_the_model_that_quantize_writes(model: Model, data: np.ndarray) -> None:
    found = sensitivity(model, data, samples=10)
    exact = outputs(model, data[:10])
    others = [i for i in range(len(model.subgraphs[0].operators)) if i != PLANTED]
    everything = minilite.quantize(model, "int8", data)
    alone = minilite.quantize(model, "int8", data, exclude=others)
    spared = minilite.quantize(model, "int8", data, exclude=PLANTED)
    row = next(o for o in found.operators if o.operator == PLANTED)
    for measure, made in ((found.everything, everything), (row.alone, alone), (row.spared, spared)):
        assert measure.sqnr == pytest.approx(sqnr(exact, outputs(made, data[:10])), abs=1e-6)
    agree = (exact.argmax(-1) == outputs(everything, data[:10]).argmax(-1)).mean()
    assert found.everything.agreement == pytest.approx(agree)
    assert found.floats.sqnr == math.inf


def test_noise_of_several_outputs_is_their_mean() -> None:
    seed = next(s for s in range(7, 300, 10) if all(t == "FLOAT32" for t in output_types(network(s))))
    floats = network(seed)
    inputs = samples(floats, seed)
    found = sensitivity(floats, inputs, operators=lambda node: True)
    made = minilite.quantize(floats, "int8", inputs)
    runs = [[list(minilite.run(m, x).values()) for x in inputs] for m in (floats, made)]
    parts = []
    for o in range(len(floats.subgraphs[0].outputs)):
        x, y = (np.array([run[o] for run in runs_], np.float64) for runs_ in runs)
        parts.append(((x - y) ** 2).sum() / (x**2).sum())
    assert len(parts) > 1
    assert found.everything.noise == pytest.approx(np.mean(parts), rel=1e-9)


def output_types(model: Model) -> list[str]:
    return [str(model.subgraphs[0].tensors[t].type) for t in model.subgraphs[0].outputs]


def test_operators_without_integer_kernels_are_said() -> None:
    net = Network(3)
    x = layer(net, net.input((1, 4, 4, 2)), 4)
    net.outputs.append(layer(net, net.unary("ELU", x), 4))
    found = sensitivity(net.model(), np.random.default_rng(1).normal(size=(8, 4, 4, 2)).astype(np.float32))
    assert [(d.operator, d.name) for d in found.left] == [(1, "ELU")]
    assert [o.operator for o in found.operators] == [0, 2]
    assert found.everything.agreement is None


def test_a_score_ranks(model: Model, data: np.ndarray) -> None:
    """A score that looks at the first class alone: its worst operator is the one with the largest error there."""
    exact = outputs(model, data[:8])[..., 0].ravel()

    def score(found: list[list[np.ndarray]]) -> float:
        return -float(np.abs(np.array([o[0][0, 0] for o in found]) - exact).max())

    found = sensitivity(model, data, per_channel=False, samples=8, score=score)
    assert found.floats.score == 0
    assert found.alone(1)[0].operator == PLANTED
    scores = [o.alone.score for o in found.alone()]
    assert scores == sorted(scores)
    assert found.spared(1)[0].gain == pytest.approx(found.spared(1)[0].spared.score - found.everything.score)


def test_outputs_that_are_no_real_numbers_need_a_score(data: np.ndarray) -> None:
    net = Network(2)
    x = net.reshape(layer(net, net.input((1, 8, 8, 3)), 2), (1, 128))
    axis = net.constant(1, np.int32)
    net.outputs.append(net.call("ARG_MAX", (x, axis), (1,), "INT32", output_type="INT32"))
    with pytest.raises(ArgumentError, match=r"outputs are INT32.*score="):
        sensitivity(net.model(), data)
    assert sensitivity(net.model(), data, score=lambda found: 1.0).everything.score == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheme": "dynamic_range"}, "int8, int16x8, int8x4"),
        ({"scheme": "int8x"}, "did you mean 'int8"),
        ({"operators": "CONV2D"}, "Did you mean 'CONV_2D'"),
        ({"samples": 0}, "samples: expected 1 or more"),
        ({"data": None}, "give data"),
        ({"data": np.zeros((4, 8, 8, 2), np.float32)}, "8, 8, 3"),
    ],
)
def test_arguments_that_do_not_fit(model: Model, data: np.ndarray, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        sensitivity(model, **{"data": data, **arguments})


# ---- in workers ------------------------------------------------------------------------------------------------------


def executors() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        yield processes


def test_every_executor_finds_the_same(model: Model, data: np.ndarray) -> None:
    here: Sensitivity = sensitivity(model, data, samples=4, per_channel=False)
    mixed: Mixed = mixed_precision(model, data, size="20%", samples=4, rounds=1)
    count = 0
    for executor in executors():
        assert sensitivity(model, data, samples=4, per_channel=False, executor=executor) == here
        again = mixed_precision(model, data, size="20%", samples=4, rounds=1, executor=executor)
        assert (again.assignment, again.history) == (mixed.assignment, mixed.history)
        assert again.model == mixed.model
        count += 1
    assert count == 2


class Deadly(Executor):
    """Ends the worker that is given the fourth task."""

    def __init__(self, executor: Executor):
        self.executor, self.tasks = executor, 0

    def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
        self.tasks += 1
        return self.executor.submit(*((os._exit, 3) if self.tasks == 4 else (function, *arguments)))


def test_a_worker_that_dies_is_said_to_have_died(model: Model, data: np.ndarray) -> None:
    known = minilite.calibrate(model, data)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(WorkerError, match="the measurement was given up: a worker of Deadly failed with BrokenProcess"),
    ):
        sensitivity(model, data, calibration=known, executor=Deadly(pool), samples=2)


# ---- costs -----------------------------------------------------------------------------------------------------------


def bench(model: Model, data: Any, **changes: Any) -> Prepared:
    how = {"calibration": "minmax", "ranges": None, "per_channel": True, "score": None, "samples": 4}
    rest = {"kernels": "reference", "engine": "auto", "executor": None, "progress": False}
    return prepared(model, data, "int8", Comparing(**{**how, **rest, **changes}))


def test_costs_of_a_layer_by_hand(model: Model) -> None:
    g = graph(model, 0)
    found = options(g, g.nodes[0], ("float32", "int16x8", "int8", "int8x4"))
    weights, bias, macs = 8 * 9 * 3, 8, 8 * 8 * 8 * 9 * 3
    assert list(found) == ["float32", "int16x8", "int8", "int8x4"]
    assert [c.size for c in found.values()] == [
        4 * (weights + bias),
        weights + 8 * bias,
        weights + 4 * bias,
        weights / 2 + 4 * bias,
    ]
    assert [c.mac_bits for c in found.values()] == [macs * 32 * 32, macs * 8 * 16, macs * 8 * 8, macs * 4 * 8]
    assert list(options(g, g.nodes[3], ("int8", "int8x4"))) == ["int8"]  # MAX_POOL_2D has no weights


@pytest.mark.parametrize("scheme", ["float32", "int16x8", "int8", "int8x4"])
def test_estimated_sizes_are_those_of_the_models(model: Model, data: np.ndarray, scheme: str) -> None:
    ready = bench(model, data)
    choices = Choices(ready, ("float32", "int16x8", "int8", "int8x4"))
    decided = choices.uniform(scheme)
    written, _ = ready.written(choices.complete(decided))
    rest = constants(model) - choices.estimate(choices.uniform("float32")).size  # of axes, which are integers
    assert constants(written) == choices.estimate(decided).size + rest


def test_operators_without_weights_follow_what_they_read(model: Model, data: np.ndarray) -> None:
    choices = Choices(bench(model, data), ("float32", "int16x8", "int8", "int8x4"))
    found = choices.complete({**choices.uniform("int8x4"), (0, 2): "int16x8"})
    assert [found[0, i] for i in range(6)] == ["int8x4", "int8x4", "int16x8", "int16x8", "int16x8", "int8x4"]


def test_trials_are_remembered(model: Model, data: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = bench(model, data)
    first = ready.trials.outcome(ready.uniform("int8"))
    monkeypatch.setattr(Bench, "trial", None)
    assert ready.trials.outcome(ready.uniform("int8")) is first


@pytest.mark.parametrize(
    ("given", "found"), [("40%", 400.0), (" 2.5 %", 25.0), (300, 300.0), ("1,000", 1000.0), (None, None)]
)
def test_a_budget_is_a_number_or_a_share(given: Any, found: float | None) -> None:
    assert limit("size", given, 1000) == found


# ---- mixed precision -------------------------------------------------------------------------------------------------


def test_within_the_size_of_int8_it_is_at_least_as_good(model: Model, data: np.ndarray) -> None:
    for per_channel in (True, False):
        uniform = minilite.quantize(model, "int8", data, per_channel=per_channel)
        found = mixed_precision(
            model, data, size=constants(uniform), candidates=("float32", "int8", "int8x4"), per_channel=per_channel
        )
        assert found.size == constants(found.model) <= constants(uniform)
        exact = outputs(model, data[:16])
        assert found.measure.sqnr == pytest.approx(sqnr(exact, outputs(found.model, data[:16])), abs=1e-6)
        assert found.measure.sqnr >= sqnr(exact, outputs(uniform, data[:16])) - 1e-6


def test_what_is_sensitive_is_kept(model: Model, data: np.ndarray) -> None:
    """Room for the planted layer, or another, in float: it is that one, and much better than int8."""
    found = mixed_precision(model, data, size="62%", candidates=("float32", "int8"), per_channel=False)
    uniform = next(step for step in found.history if step.what == "all int8")
    assert found.assignment[0, PLANTED] == "float32"
    assert found.assignment[0, 2] == "int8"  # the largest
    assert found.measure.sqnr > uniform.measure.sqnr + 6


@pytest.mark.parametrize("budget", [{"size": "24%"}, {"mac_bits": "6%"}, {"size": "26%", "mac_bits": "8%"}])
def test_budgets_are_met(model: Model, data: np.ndarray, budget: dict[str, str]) -> None:
    found = mixed_precision(model, data, rounds=2, samples=6, **budget)
    shares = {"size": found.size / found.float_size, "mac_bits": found.mac_bits / found.float_mac_bits}
    assert all(shares[name] <= float(text[:-1]) / 100 for name, text in budget.items())
    uniform = [s for s in found.history if s.what.startswith("all ")]
    fitting = [s for s in uniform if s.size <= found.size and s.mac_bits <= found.mac_bits]
    assert [s.what for s in uniform] == ["all float32", "all int16x8", "all int8", "all int8x4"]
    assert all(found.measure.quality >= s.measure.quality for s in fitting)
    taken = [s for s in found.history if s.taken]
    assert taken[-1].measure == found.measure
    assert [s.measure.quality for s in taken] == sorted(s.measure.quality for s in taken)


def test_a_target_is_reached_with_less(model: Model, data: np.ndarray) -> None:
    found = mixed_precision(model, data, sqnr=25, rounds=2)
    assert found.measure.sqnr >= 25
    sixteen = next(s for s in found.history if s.what == "all int16x8")
    assert found.size + found.mac_bits < sixteen.size + sixteen.mac_bits
    exact = mixed_precision(model, data, sqnr=math.inf, rounds=1)
    assert set(exact.assignment.values()) == {"float32"}


def test_a_score_chooses(model: Model, data: np.ndarray) -> None:
    calls = []

    def score(found: list[list[np.ndarray]]) -> float:
        calls.append(len(found))
        return float(len(calls))  # what was measured last is the best

    found = mixed_precision(model, data, size="30%", score=score, rounds=1, samples=3)
    assert set(calls) == {3}
    assert found.measure.score == max(s.measure.score for s in found.history if s.size <= 0.3 * found.float_size)


def test_the_assignment_writes_the_model_again(model: Model, data: np.ndarray) -> None:
    found = mixed_precision(model, data, size="24%", rounds=1, samples=4, inference_input_type="int8")
    assert len(set(found.assignment.values())) > 1
    settings = {"schemes": found.assignment, "calibration": found.calibration, "inference_input_type": "int8"}
    again = quantized(model, **settings)
    assert again.model.to_bytes() == found.model.to_bytes()
    assert {(d.subgraph, d.operator): d.scheme for d in again.decisions} == found.assignment
    assert sum(found.counts.values()) == len(model.subgraphs[0].operators)


@pytest.mark.skipif(not installed("litert"), reason="needs ai-edge-litert")
@pytest.mark.parametrize("budget", [{"size": "24%"}, {"mac_bits": "6%"}, {"sqnr": 30.0}])
def test_litert_runs_it(model: Model, data: np.ndarray, budget: dict[str, Any]) -> None:
    found = mixed_precision(model, data, rounds=1, samples=6, **budget)
    content = found.model.to_bytes()
    exact = outputs(model, data[:6])
    for resolver in ("reference", "builtin", "xnnpack"):
        theirs = np.array([oracle().run(content, resolver, [x[None]])[0] for x in data[:6]])
        assert sqnr(exact, theirs) == pytest.approx(found.measure.sqnr, abs=3 if resolver == "xnnpack" else 0.2)


@pytest.mark.skipif(not installed("litert"), reason="needs ai-edge-litert")
@pytest.mark.parametrize("seed", [0, 3, 5, 6, 8, 9])
def test_random_networks(seed: int) -> None:
    """Several inputs and outputs, attention, recurrent cells: the budget is met, and LiteRT computes the same."""
    floats = network(seed)
    inputs = samples(floats, seed)
    found = mixed_precision(floats, inputs, mac_bits="40%", size="70%", rounds=1, samples=2)
    assert found.size <= 0.7 * found.float_size
    theirs = oracle().run(found.model.to_bytes(), "builtin", inputs[0])
    ours = list(minilite.run(found.model, inputs[0], kernels="builtin").values())
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(1.0, float(np.abs(b).max())))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "size= or mac_bits="),
        ({"size": 1000, "sqnr": 20}, "size= or mac_bits="),
        ({"size": "1%"}, r"no assignment fits 85 bytes of constants.*at least [\d,]+ bytes"),
        ({"mac_bits": 5}, "no assignment fits 5 MACs times bits"),
        ({"size": "much"}, "a percentage such as '40%', got 'much'"),
        ({"size": -3}, "more than 0"),
        ({"size": "50%", "candidates": ("int9",)}, "did you mean 'int8"),
        ({"size": "50%", "candidates": "float32"}, "other than float32"),
        ({"sqnr": 90, "candidates": ("int8", "int8x4")}, "no assignment reaches 90 dB.*best measured is"),
    ],
)
def test_budgets_that_cannot_be(model: Model, data: np.ndarray, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        mixed_precision(model, data, samples=2, rounds=1, **arguments)


def test_any_mixture_can_be_written() -> None:
    """Whatever scheme each operator has: kernels get the types they take, and LiteRT computes the same."""
    for seed in (1, 2, 5, 10, 12, 13, 24, 34, 36, 50, 53):
        floats = network(seed)
        inputs = samples(floats, seed)
        known = minilite.calibrate(floats, inputs)
        random = np.random.default_rng(seed)
        for _ in range(3):
            places = [(0, i) for i in range(len(floats.subgraphs[0].operators))]
            schemes = {p: str(random.choice(["float32", "int16x8", "int8", "int8x4"])) for p in places}
            made = minilite.quantize(floats, calibration=known, schemes=schemes)
            ours = list(minilite.run(made, inputs[0], kernels="builtin").values())
            if installed("litert"):
                theirs = oracle().run(made.to_bytes(), "builtin", inputs[0])
                for a, b in zip(ours, theirs, strict=True):
                    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(1e-6, float(np.abs(b).max(initial=0))))


# ---- on the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(model: Model, data: np.ndarray, tmp_path: Path) -> Path:
    model.save(tmp_path / "float.tflite")
    np.savez(tmp_path / "x.npz", **{model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].name or "": data})
    return tmp_path


def test_sensitivity_on_the_command_line(call: Any, folder: Path) -> None:
    files = (folder / "float.tflite", "--data", folder / "x.npz", "--samples", 6)
    status, shown, error = call("sensitivity", *files, "--per-tensor", "--top", 2)
    assert (status, error) == (0, "")
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("All int8, 6 samples: SQNR ")
    headings = [i for i, line in enumerate(lines) if line.startswith("Most ")]
    assert [lines[i + 2].split()[:2] for i in headings] == [[str(PLANTED), "CONV_2D"]] * 2
    assert "(4 more do less)" in lines[headings[0]]
    assert call("sensitivity", *files, "--per-tensor", "--top", 2, "--workers", 2)[1] == shown


def test_mix_on_the_command_line(call: Any, folder: Path) -> None:
    files = (folder / "float.tflite", "--data", folder / "x.npz", "--samples", 4)
    written = folder / "mixed.tflite"
    status, shown, error = call("mix", *files, "--size", "25%", "--input-type", "int8", "-o", written)
    assert (status, error) == (0, "")
    assert max(map(len, shown.splitlines())) <= 80
    made = minilite.read(written)
    before = constants(minilite.read(folder / "float.tflite"))
    assert constants(made) <= 0.25 * before
    assert f"{before:,} bytes of constants became {constants(made):,}" in shown
    assert made.subgraphs[0].tensors[made.subgraphs[0].inputs[0]].type == "INT8"
    for arguments, message in (
        (("--size", "1%"), "no assignment fits"),
        ((), "give a budget"),
        (("--size", "50%", "--candidates", "int8,int9"), "did you mean 'int8"),
    ):
        status, _, error = call("mix", *files, *arguments, "-o", folder / "none.tflite")
        assert (status, message in error) == (1, True)
        assert not (folder / "none.tflite").exists()
    assert call("sensitivity", folder / "float.tflite")[2].startswith("minilite: outputs are compared on samples")


@pytest.mark.skipif(compiling() == "numpy", reason="the page's floats were summed by compiled kernels")
def test_the_page_shows_what_the_commands_print(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every console block of docs/mixed-precision.md, run again on the demo's files."""
    page = (Path(__file__).parent.parent / "docs" / "mixed-precision.md").read_text(encoding="utf-8")
    demo.copy(tmp_path)
    pictures = np.float32(np.load(demo.SAMPLES)["images"][:100, ..., None] / 255)
    np.save(tmp_path / "images.npy", pictures)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```console\n\$ minilite (.*)\n([^`]*)```", page)
    assert len(blocks) == 3
    for command, shown in blocks:
        status, printed, _ = call(*shlex.split(command))
        assert status == 0
        assert printed.rstrip() == shown.rstrip()
