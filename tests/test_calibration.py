"""Calibration: the ranges that the two reference quantizers measured, and the same ones whatever runs the samples."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minilite
from minilite.errors import ArgumentError, ArgumentTypeError, WorkerError
from minilite.model import Model
from minilite.quantization import executing
from minilite.quantization.calibrating import METHODS, calibrate, calibration_for
from minilite.quantization.calibration import Calibration, recorded
from minilite.quantization.histogram import ROOM, Histogram
from minilite.quantization.in_place import overwritten
from minilite.quantization.observers import Extremes, MovingAverage
from minilite.quantization.recording import Recording
from minilite.quantization.thresholds import entropy, mse, percentile
from tests import models, small_models
from tests.quantizer_networks import network, samples
from tests.quantizer_recording import load
from tests.test_watching import loop

NETWORKS = ("dense", "cnn", "dsnet")


# ---- against the reference quantizers --------------------------------------------------------------------------------


def trained(name: str) -> tuple[Path, Model, np.ndarray]:
    """A float network of the model collection, and what its quantized files were calibrated with."""
    folder = (models.folder() or Path()) / "fashion_mnist"
    if not (folder / f"{name}.tflite").exists():
        pytest.skip("needs fashion_mnist in the folder MINILITE_MODELS")
    with np.load(folder / "representative.npz") as file:
        images = file["images"] / np.float32(255)
    model = minilite.read(folder / f"{name}.tflite")
    return folder, model, images.reshape(-1, *(model.subgraphs[0].tensors[0].shape or ())[1:])


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("name", NETWORKS)
def test_ranges_are_those_the_converter_recorded(name: str, engine: str) -> None:
    folder, model, images = trained(name)
    found = calibrate(model, images, "tflite", engine=engine)
    known = recorded(model, folder / f"{name}_minmax.json")
    assert found.ranges.keys() == known.ranges.keys()
    for difference in found.compare(known):
        assert difference.relative < 1e-6, difference
    assert not found.findings


@pytest.mark.parametrize("name", NETWORKS)
def test_moving_averages_are_litert_quantizers(name: str) -> None:
    folder, model, images = trained(name)
    theirs = minilite.read(folder / f"{name}_lq_static_wi8_ai8.tflite").subgraphs[0]
    found = calibrate(model, images, "ema")
    graph = model.subgraphs[0]
    shared = {o.outputs[0] for o in graph.operators if model.operator_codes[o.opcode_index].name in SHARING}  # type: ignore[index]  # they have one
    compared = 0
    for (_, index), (low, high) in found.ranges.items():
        if index not in shared:
            scale = (np.float32(max(high, 0)) - np.float32(min(low, 0))) / np.float32(255)
            np.testing.assert_allclose(scale, theirs.tensors[index].quantization.scales[0], rtol=1e-6)
            compared += 1
    assert compared >= 3


SHARING = ("MAX_POOL_2D", "RESHAPE")
"""Whose results take their input's scale."""

ELSEWHERE = {
    112: "TensorFlow's CONV_2D of a batch of 4 with an even kernel gives other values than LiteRT's kernels do"
}


def test_in_place_ranges_of_random_networks_are_those_tensorflow_recorded() -> None:
    compared = honest = 0
    for recording in load(network):
        answer, model = recording.answers.get("int8"), network(recording.seed)
        if answer is None or recording.seed in ELSEWHERE or recording.seed % 3:
            continue
        data = samples(model, recording.seed)
        found = calibrate(model, data, "tflite", lint=False, engine="numpy")
        plain = calibrate(model, data, "minmax", lint=False, engine="numpy")
        ours = {found.names[key]: (pair, plain.ranges[key]) for key, pair in found.ranges.items()}
        assert ours.keys() == answer.ranges.keys()
        largest = max(abs(end) for pair in answer.ranges.values() for end in pair)
        for name, theirs in answer.ranges.items():  # differences that nearly cancel keep the error of what they are of
            close = {"rtol": 3e-6, "atol": 1e-7 * largest}
            np.testing.assert_allclose(ours[name][0], theirs, **close, err_msg=f"seed {recording.seed}, {name}")  # type: ignore[arg-type]  # numpy's stub wants them one by one
            compared += 1
            honest += not np.allclose(ours[name][1], theirs, **close)  # type: ignore[arg-type]  # as above
    assert compared > 1000
    assert honest > 100, "the in-place rule should matter"


def wired(text: str) -> tuple[Model, dict[str, int]]:
    """A model of float tensors of shape (1, 4), or (4,) for names that begin with f: "y = ABS x; z = ADD y y", with the
    input x; results that nobody uses are outputs."""
    b = small_models.Builder()
    index = {"x": b.tensor("x", (1, 4)), "c": b.constant("c", np.full((1, 4), 2, np.float32))}
    lines = [line.split() for line in text.split(";")]
    for output, *_ in lines:
        index[output] = b.tensor(output, (4,) if output[0] == "f" else (1, 4))
    codes = list(dict.fromkeys(line[2] for line in lines))
    tables = {
        "RESHAPE": {"table": "ReshapeOptions", "new_shape": (4,)},
        "SOFTMAX": {"table": "SoftmaxOptions", "beta": 1.0},
    }
    steps = [
        small_models.operator(
            codes.index(code), tuple(index[i] for i in inputs), (index[output],), **tables.get(code, {})
        )
        for output, _, code, *inputs in lines
    ]
    used = {i for line in lines for i in line[3:]}
    outputs = tuple(index[line[0]] for line in lines if line[0] not in used)
    graph = b.subgraph((index["x"],), outputs, *steps)
    return Model(tuple(minilite.model.OperatorCode(c) for c in codes), (graph,), tuple(b.buffers)), index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = ABS x; d = ADD a c; e = ABS d", "a>d"),
        ("a = ABS x; d = SUB c a; e = ABS d", "a>d"),
        ("a = ABS x; b = EXP x; d = DIV a b; e = ABS d", "a>d"),
        ("a = ABS x; d = SOFTMAX a; e = ABS d", "a>d"),
        ("a = ABS x; d = MUL a c; e = MUL d c; g = ABS e", "a>d d>e"),
        ("d = ADD x c; e = ABS d", ""),  # an input of the graph
        ("a = ABS x; d = ADD a c", ""),  # an output of the graph
        ("a = ABS x; d = ADD a a; e = ABS d", ""),  # used twice
        ("a = ABS x; b = ABS a; d = ADD a b; e = ABS d", "b>d"),
        ("a = ABS x; d = MAXIMUM a c; e = ABS d", ""),
        ("a = ABS x; f = RESHAPE a; d = ADD a f; e = ABS d", ""),
        ("a = ABS x; f = RESHAPE a; g = ABS a; f2 = ADD f f; fe = ABS f2", ""),
        ("a = ABS x; f = RESHAPE a; f2 = SOFTMAX f; fe = ABS f2", "f>f2"),
        ("a = ABS x; f = RESHAPE a; g = ABS a; f2 = SOFTMAX f; fe = ABS f2", ""),  # under another name used twice
        ("a = ABS x; f = RESHAPE a; g = ABS a; fg = RESHAPE f; f2 = SOFTMAX fg; fe = ABS f2", ""),
        ("f = RESHAPE x; f2 = SOFTMAX f; fe = ABS f2", "f>f2"),
    ],
)
def test_what_is_written_over_what(text: str, expected: str) -> None:
    """Each of these was compared with what TensorFlow's calibrator records."""
    model, index = wired(text)
    name = {i: n for n, i in index.items()}
    assert " ".join(f"{name[a]}>{name[b]}" for a, b in overwritten(model, 0)) == expected


# ---- observers: any division of the samples gives the same -----------------------------------------------------------

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32) | st.sampled_from([0.0, 1.0, -1.0, 255.0])


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=6), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_histograms_do_not_depend_on_order_nor_division(parts: list[list[float]], random: Any) -> None:
    whole, merged = Histogram(), Histogram()
    values = np.float32([v for part in parts for v in part])
    whole.add(values, values.min(), values.max())
    random.shuffle(parts)
    for part in parts:
        array, one = np.float32(part), Histogram()
        one.add(array, array.min(), array.max())
        merged.merge(one)
    assert merged == whole
    assert merged.total == len(values)
    assert len(merged.counts) <= ROOM
    counts, _ = np.histogram(values.astype(np.float64), merged.edges)
    assert counts[:-1].tolist() == merged.counts[:-1].tolist()


@given(st.integers(1, 400), st.lists(st.integers(1, 399), max_size=6), st.integers(0, 2**32 - 1))
def test_extremes_do_not_depend_on_division(count: int, cuts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    lows = random.normal(size=(count, 3)).round(1).astype(np.float32)  # rounded, so that some are equal
    highs = lows + random.exponential(size=(count, 3)).round(1).astype(np.float32)
    lows[:, 2], highs[:, 2] = np.where(random.random(count) < 0.5, [[np.inf], [-np.inf]], [lows[:, 2], highs[:, 2]])
    whole, parts, average, averages = Extremes(3), Extremes(3), MovingAverage(3), MovingAverage(3)
    whole.add(Recording(0, lows, highs))
    average.add(Recording(0, lows, highs))
    bounds = sorted({0, count, *(c for c in cuts if c < count)})
    pieces = [Recording(a, lows[a:b], highs[a:b]) for a, b in pairwise(bounds)]
    for piece in pieces:
        averages.add(piece)
    random.shuffle(pieces)  # type: ignore[arg-type]  # a list is fine
    for piece in pieces:
        parts.add(piece)
    np.testing.assert_array_equal(average.ranges, averages.ranges)
    for one, other in ((whole.lows, parts.lows), (whole.highs, parts.highs)):
        for name in ("most", "second", "sample", "others", "held", "blocks", "shift"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12, atol=1e-12)


def test_extremes_by_hand() -> None:
    highs = np.float32([[1, 5], [3, -np.inf], [2, 5]])
    lows = np.float32([[-1, 4], [-1, np.inf], [-7, 3]])
    found = Extremes(2)
    found.add(Recording(0, lows, highs))
    assert [v.tolist() for v in found.ranges] == [[-7, 3], [3, 5]]
    assert (found.highs.sample.tolist(), found.lows.sample.tolist()) == ([1, 0], [2, 2])
    assert (found.highs.second.tolist(), (-found.lows.second).tolist()) == ([2, 5], [-1, 4])
    assert found.highs.mean.tolist() == [2, 5]


def test_a_moving_average_by_hand() -> None:
    found = MovingAverage(1)
    found.add(Recording(0, np.float32([[-1], [np.inf], [-3]]), np.float32([[10], [-np.inf], [20]])))
    expected = np.float32(0.95) * np.float32(10) + np.float32(0.05) * np.float32(20)
    assert found.ranges[1, 0] == expected
    np.testing.assert_allclose(found.ranges[0, 0], -1.1, rtol=1e-6)


# ---- thresholds ------------------------------------------------------------------------------------------------------


def filled(values: np.ndarray) -> Histogram:
    found = Histogram()
    for part in np.array_split(values.astype(np.float32), 5):
        found.add(part, part.min(), part.max())
    return found


def error(values: np.ndarray, low: float, high: float, type_: str) -> float:
    """The mean squared error of quantizing by the usual formula."""
    low, high = min(low, 0.0), max(high, 0.0)
    steps, zero = (255.0, 0.0) if type_ == "int8" else (65534.0, 32767.0)
    half = max(-low, high)
    scale = (high - low) / steps if type_ == "int8" else 2 * half / steps
    begin = np.round(low / scale) if type_ == "int8" else -zero
    q = np.clip(np.round(values / scale), begin, begin + steps)
    return float(np.mean((q * scale - values) ** 2))


def drawn(kind: str) -> np.ndarray:
    random = np.random.default_rng(3)
    normal = random.normal(0.3, 2.0, 50_000)
    return {
        "normal": normal,
        "relu": np.maximum(normal, 0),
        "heavy": random.standard_t(3, 50_000) * 0.01,
        "outlier": np.append(normal, 1000.0),
        "positive": random.uniform(3, 4, 50_000),
        "negative": -random.exponential(2.0, 50_000),
    }[kind].astype(np.float32)


KINDS = ("normal", "relu", "heavy", "outlier", "positive", "negative")


@pytest.mark.parametrize("kind", KINDS)
def test_mse_is_within_a_little_of_the_best_there_is(kind: str) -> None:
    values = drawn(kind).astype(np.float64)
    low, high = mse(filled(values), "int8")
    assert values.min() <= low <= high <= values.max()
    ends = [np.linspace(0, 1, 41)[1:] * end for end in (min(values.min(), 0), max(values.max(), 0))]
    if kind == "outlier":
        ends[1] = np.append(ends[1], np.linspace(4, 12, 20))
    best = min(error(values, a, b, "int8") for a in np.unique(ends[0]) for b in np.unique(ends[1]))
    assert error(values, low, high, "int8") < 1.06 * best


@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_bits_need_no_clipping(kind: str) -> None:
    values = drawn(kind).astype(np.float64)
    for rule in (mse, entropy):
        low, high = rule(filled(values), "int16")
        whole = error(values, values.min(), values.max(), "int16")
        assert error(values, low, high, "int16") <= 1.02 * whole


@pytest.mark.parametrize("percent", [100.0, 99.99, 99.0, 50.0])
@pytest.mark.parametrize("kind", KINDS)
def test_percentiles_cut_as_much_as_they_may(kind: str, percent: float) -> None:
    values = drawn(kind)
    histogram = filled(values)
    low, high = percentile(histogram, percent)
    inside = np.mean((values >= low) & (values <= high))
    assert inside >= percent / 100 - 1e-12
    cut = (100 - percent) / 200 * len(values)
    for beyond, and_a_bin in (
        (values < low, values < low + histogram.width),
        (values > high, values > high - histogram.width),
    ):
        assert beyond.sum() <= cut + 1e-6
        assert and_a_bin.sum() >= int(cut)
    if percent == 100:
        assert (low, high) == (values.min(), values.max())


def test_entropy_clips_outliers_and_keeps_what_is_spread_evenly() -> None:
    random = np.random.default_rng(0)
    values = random.normal(0, 1, 200_000).astype(np.float32)
    few = np.append(values, np.float32([60, -50]))
    low, high = entropy(filled(few), "int8")
    assert 2 < high < 12
    assert -12 < low < -2
    shared = np.append(values, np.full(300_000, 0.7, np.float32))
    assert entropy(filled(shared), "int8")[1] > 3
    even = random.uniform(0, 1, 200_000).astype(np.float32)
    assert entropy(filled(even), "int8")[1] > 0.95


@pytest.mark.parametrize("rule", [mse, entropy])
@pytest.mark.parametrize("value", [0.0, 3.0, -1e-30, 1e30])
def test_a_single_value_is_its_own_range(rule: Any, value: float) -> None:
    assert rule(filled(np.full(10, value)), "int8") == (np.float32(value), np.float32(value))


# ---- executors -------------------------------------------------------------------------------------------------------

COUNT = 3 * executing.CHUNK + 7


def pictures(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(1).random((count, 4, 4, 2), np.float32)


@contextmanager
def cluster() -> Iterator[Executor]:
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    dask.config.set({"distributed.scheduler.allowed-failures": 0})  # do not start a worker again that has died
    local = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with local, distributed.Client(local) as client, client.get_executor() as executor:
        yield executor


@contextmanager
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.mark.parametrize("kind", [threads, processes, cluster])
def test_every_executor_gives_the_same_calibration(kind: Any) -> None:
    model = small_models.convolution()
    with kind() as executor:
        for method in METHODS:
            alone = calibrate(model, pictures(), method)
            assert calibrate(model, pictures(), method, executor=executor) == alone
        assert alone.samples == COUNT


class Sabotaged(Executor):
    """Ends the worker that is given the third task."""

    def __init__(self, executor: Executor):
        self.executor, self.tasks = executor, 0

    def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
        self.tasks += 1
        if self.tasks == 3:
            return self.executor.submit(os._exit, 3)
        return self.executor.submit(function, *arguments)


@pytest.mark.parametrize(("kind", "said"), [(processes, "BrokenProcessPool"), (cluster, "KilledWorker")])
def test_a_worker_that_dies_is_said_to_have_died(kind: Any, said: str) -> None:
    with kind() as executor, pytest.raises(WorkerError, match=f"a worker of Sabotaged failed with {said}"):
        calibrate(small_models.convolution(), pictures(), executor=Sabotaged(executor))


def test_an_executor_that_is_shut_down() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(WorkerError, match="ThreadPoolExecutor failed with RuntimeError: cannot schedule"):
        calibrate(small_models.convolution(), pictures(), executor=executor)


def huge() -> Model:
    """exp(x), which is infinite from 89 on."""
    b = small_models.Builder()
    x, y, z = (b.tensor(name, (1, 2)) for name in ("x", "large", "larger"))
    steps = (small_models.operator(0, (x,), (y,), "ExpOptions"), small_models.operator(0, (y,), (z,), "ExpOptions"))
    code = minilite.model.OperatorCode("EXP")
    return Model((code,), (b.subgraph((x,), (z,), *steps),), tuple(b.buffers))


@pytest.mark.parametrize("kind", [nullcontext, threads, processes])
def test_infinite_tensors_are_an_error_with_tensor_and_sample(kind: Any) -> None:
    data = np.zeros((40, 2), np.float32)
    data[37, 1] = 100
    said = "sample 37: tensor 1 'large' of subgraph 0 is computed as NaN or infinite, and 1 more"
    with kind() as executor, pytest.raises(ArgumentError, match=said):
        calibrate(huge(), data, executor=executor)


def test_only_a_few_chunks_are_under_way() -> None:
    class Lazy(Executor):
        """Computes nothing before it is asked for the result."""

        waiting = most = 0
        _max_workers = 2

        def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            executor = self
            executor.waiting += 1
            executor.most = max(executor.most, executor.waiting)

            class Later(Future[Any]):
                def result(self, timeout: float | None = None) -> Any:
                    executor.waiting -= 1
                    return function(*arguments)

            return Later()

    lazy = Lazy()
    found = calibrate(small_models.convolution(), pictures(20 * executing.CHUNK), executor=lazy)
    assert found.samples == 20 * executing.CHUNK
    assert lazy.most == 4


def test_a_worker_without_the_model_is_sent_it() -> None:
    class Forgetful(Executor):
        """Every task goes to a new worker."""

        _max_workers = 1

        def submit(self, function: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            with ThreadPoolExecutor(1) as one:
                return one.submit(function, *arguments)

    model = small_models.convolution()
    assert calibrate(model, pictures(), executor=Forgetful()) == calibrate(model, pictures())


# ---- state, control flow, signatures ---------------------------------------------------------------------------------


def test_state_goes_on_from_sample_to_sample_unless_it_is_reset() -> None:
    b = small_models.Builder()
    x, state, y = b.tensor("x", (1, 2)), b.tensor("state", (1, 2), is_variable=True), b.tensor("y", (1, 2))
    w, r, bias = (b.constant(n, np.eye(2, dtype=np.float32)[: 2 - i].reshape(s)) for n, s, i in WEIGHTS)
    model = small_models.one(b, "RNN", (x, w, r, bias, state), (y,), "RNNOptions")
    data = np.ones((5, 2), np.float32)
    going_on = calibrate(model, data, lint=False)
    afresh = calibrate(model, data, lint=False, reset_variables=True)
    assert going_on.ranges[0, y] == (1, 10)
    assert afresh.ranges[0, y] == (1, 2)
    assert going_on.ranges[0, state] == (0, 10)
    with ThreadPoolExecutor(2) as executor:
        assert calibrate(model, data, lint=False, executor=executor) == going_on
        assert calibrate(model, data, lint=False, executor=executor, reset_variables=True) == afresh


WEIGHTS = (("w", (2, 2), 0), ("r", (2, 2), 0), ("bias", (2,), 1))


def test_tensors_of_called_subgraphs_have_ranges_over_all_rounds() -> None:
    found = calibrate(loop(), [[np.float32([3])], [np.float32([60])]], lint=False)
    assert found.ranges[2, 2] == (6, 192)
    assert found.ranges[0, 1] == (120, 192)


def test_signatures_are_calibrated_by_their_samples() -> None:
    a, b = np.float32([[1, 2, 3]]), np.float32([[4, 4, 4]])
    data = [("add", {"a": a, "b": b}), ("subtract", {"a": a, "b": b})]
    found = calibrate(small_models.two_signatures(), data, lint=False)
    assert found.ranges[0, 2] == (5, 7)
    assert found.ranges[1, 2] == (-3, -1)
    only = calibrate(small_models.two_signatures(), data[:1], lint=False)
    assert (1, 2) not in only.ranges


# ---- files and arguments ---------------------------------------------------------------------------------------------


def example() -> Calibration:
    with pytest.warns(UserWarning, match="few"):
        return calibrate(small_models.convolution(), pictures(5))


def test_saving_and_loading_loses_nothing(tmp_path: Path) -> None:
    found = example()
    found.save(tmp_path / "ranges.json")
    again = Calibration.load(tmp_path / "ranges.json")
    assert again == found
    assert again.findings
    assert again.statistics
    assert [p.name for p in tmp_path.iterdir()] == ["ranges.json"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    example().save(path)
    before = path.read_text()
    broken = Calibration("minmax", {(0, 0): (object(), 1.0)}, 1, {(0, 0): "x"})  # type: ignore[dict-item]  # on purpose
    with pytest.raises(TypeError):
        broken.save(path)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["ranges.json"]


def test_a_file_may_be_edited(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(
        '{"format": "minilite calibration 1", "tensors": [{"tensor": 3, "name": "out", "min": 0, "max": 6, "why": ""}]}'
    )
    found = calibration_for(small_models.convolution(), path)
    assert found.ranges == {(0, 2): (0.0, 6.0)}
    assert (found.method, found.samples) == ("recorded", 0)


ENTRY = {"tensor": 3, "name": "out", "min": 0.0, "max": 6.0}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot read a calibration"),
        ("[]", "expected an object"),
        ({"tensors": []}, "no saved calibration"),
        ({"tensors": [{k: v for k, v in ENTRY.items() if k != "max"}]}, r"tensors\[0\]: expected 'tensor'.*'max'"),
        ({"tensors": [ENTRY | {"min": 7}]}, r"tensors\[0\], 'out': expected finite numbers, the lower one first"),
        ({"tensors": [ENTRY | {"max": float("nan")}]}, "expected finite numbers"),
        ({"tensors": [ENTRY | {"max": 1e39}]}, "expected finite numbers"),
        ({"tensors": [ENTRY | {"max": "six"}]}, "expected"),
        ({"samples": "many"}, "expected a whole number at 'samples'"),
        ({"tensors": 5}, "expected a list of objects at 'tensors'"),
        ({"tensors": [ENTRY | {"statistics": {"low": 1}}]}, "statistics lacks high"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "ranges.json"
    if isinstance(content, dict) and "no saved" not in said:
        content["format"] = "minilite calibration 1"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises((ArgumentError, ArgumentTypeError), match=said):
        Calibration.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="No such file"):
        calibration_for(small_models.convolution(), tmp_path / "none.json")


def test_tensors_are_found_by_name_in_another_order() -> None:
    model = small_models.convolution()
    moved = Calibration("minmax", {(0, 7): (0.0, 1.0)}, 1, {(0, 7): "out"})
    assert moved.fitted(model).ranges == {(0, 2): (0.0, 1.0)}
    with pytest.raises(
        ArgumentError, match=r"range for 'outs', and no float32 tensors.*did you mean 'out'.*another model"
    ):
        Calibration("minmax", {(0, 7): (0.0, 1.0)}, 1, {(0, 7): "outs"}).fitted(model)


def test_calibrations_are_compared() -> None:
    one, other = (Calibration("minmax", r, 1, {(0, 0): "x", (0, 3): "y", (0, 5): "z"}) for r in RANGES)
    assert [(d.tensor, d.relative) for d in one.compare(other)] == [("z", float("inf")), ("y", 0.5)]
    assert one.compare(one) == []


RANGES = ({(0, 0): (0.0, 1.0), (0, 3): (0.0, 2.0), (0, 5): (0.0, 1.0)}, {(0, 0): (0.0, 1.0), (0, 3): (0.0, 4.0)})


def test_ranges_may_be_given_by_name() -> None:
    found = calibration_for(small_models.convolution(), {"out": (-1, 1.5)})
    assert found.ranges == {(0, 2): (-1.0, 1.5)}
    with pytest.raises(ArgumentError, match=r"no float32 tensor is called 'outt' \(did you mean 'out'\?\)"):
        recorded(small_models.convolution(), {"outt": (0, 1)})
    with pytest.raises(ArgumentTypeError, match=r"tensor 'out': expected \(lowest, highest\), got 5"):
        recorded(small_models.convolution(), {"out": 5})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "minmx"}, r"unknown method 'minmx' \(did you mean 'minmax'\?\)"),
        ({"percent": 0}, "percent: expected more than 0"),
        ({"activations": "int4"}, "activations: expected one of int8"),
        ({"kernels": "fast"}, "fast"),
    ],
)
def test_impossible_arguments(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        calibrate(small_models.convolution(), pictures(), **arguments)


def test_a_method_is_no_file() -> None:
    with pytest.raises(ArgumentError, match=r"unknown calibration 'minmx' \(did you mean 'minmax'\?\)"):
        calibration_for(small_models.convolution(), "minmx")
    assert calibration_for(small_models.convolution(), "minmax", pictures()).method == "minmax"


def test_a_model_may_be_a_path_or_bytes(tmp_path: Path) -> None:
    model = small_models.convolution()
    model.save(tmp_path / "model.tflite")
    expected = calibrate(model, pictures())
    assert calibrate(tmp_path / "model.tflite", pictures()) == expected
    assert calibrate(model.to_bytes(), pictures()) == expected


def test_no_progress_is_shown_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    calibrate(small_models.convolution(), pictures(), progress=True)
    assert capfd.readouterr() == ("", "")
