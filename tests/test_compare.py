"""``minilite.compare``: planted faults are found at the operator that has them, numbers are those of their formulas."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.commands.compare import told_apart
from minilite.inspection import litert
from minilite.inspection.alignment import align
from minilite.inspection.measuring import ENDS, Measure
from minilite.inspection.reals import grid_of
from minilite.inspection.samples import samples_of
from minilite.inspection.sources import Minilite, SavedRun, save_run, source
from minilite.model import Quantization, Tensor
from tests import broken_pairs, small_models
from tests.broken_pairs import FLOAT, INT8, images
from tests.network_parts import Network
from tests.quantizer_networks import network, samples
from tests.test_carve import looping

needs_litert = pytest.mark.skipif(importlib.util.find_spec("ai_edge_litert") is None, reason="needs ai-edge-litert")
FLOATS, INTEGERS = minilite.read(FLOAT), minilite.read(INT8)


def operators(found: minilite.Comparison, by: str = "isolated") -> list[int]:
    """The numbers of the operators that differ."""
    rows = [(t.operator, getattr(t, by)) for t in found.tensors if t.operator is not None]
    return [operator[1] for operator, difference in rows if difference is not None and difference.different]


# ---- planted faults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", [0, 2, 4, 5, 7, 9])
@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_weights_whose_scale_is_off_are_found_at_their_operator(operator: int, factor: float) -> None:
    broken = broken_pairs.weights_off(operator, factor)
    (worst, second) = minilite.compare(FLOAT, broken, images()).worst(2)
    assert worst.operator == (0, operator)
    assert worst.isolated.sqnr < 3 < 25 < second.isolated.sqnr


def test_an_activation_whose_scale_is_off_is_found_at_its_operator() -> None:
    tensor = INTEGERS.subgraphs[0].operators[5].outputs[0]
    found = minilite.compare(FLOAT, broken_pairs.scaled(INTEGERS, tensor, 0.25), images())
    assert found.worst(1)[0].operator == (0, 5)
    assert found.worst(1)[0].b == (0, tensor)
    assert found.worst(2)[1].isolated.sqnr > 25


def test_a_pool_that_cannot_change_the_scale_is_blamed_for_one_that_does() -> None:
    """MAX_POOL_2D hands integers on as they are: with other scales on its two sides it is wrong by their ratio. So is
    the bias of the layer after it, which has the scale that the layer's input should have."""
    tensor = INTEGERS.subgraphs[0].operators[3].outputs[0]
    found = minilite.compare(FLOAT, broken_pairs.scaled(INTEGERS, tensor, 4), images())
    worst = found.worst(3)
    assert [t.operator for t in worst[:2]] == [(0, 3), (0, 4)]
    assert worst[1].isolated.sqnr < 10 < 25 < worst[2].isolated.sqnr


def hints(found: minilite.Comparison) -> dict[int, tuple[str, ...]]:
    return {t.operator[1]: t.hints for t in found.tensors if t.operator is not None and t.hints}


@pytest.mark.parametrize(("factor", "said"), [(4, "only 20.0% of what its grid holds"), (0.25, "3.2 times what its")])
def test_a_result_whose_scale_is_off_shows_at_the_next_operator_which_says_why(factor: float, said: str) -> None:
    """The bias of operator 1 has the scale that operator 0 should have given its result."""
    found = minilite.compare(FLOAT, broken_pairs.scaled(INTEGERS, 16, factor), images())
    assert found.worst(1)[0].operator == (0, 1)
    why = hints(found)
    assert sorted(why) == [0, 1]
    (bias,) = why[1]
    assert bias.startswith(f"the bias's scale is {'1/4 of' if factor > 1 else '4 times'} s_input · s_weights (0.000317")
    assert f"It is rather that of tensor 16: {said}" in bias
    contradiction, room = why[0]
    assert "operator 1 DEPTHWISE_CONV_2D contradicts the scale of the result" in contradiction
    assert "<li>1 DEPTHWISE_CONV_2D: the bias&#x27;s scale is" in found._repr_html_()
    assert ("5.0 times finer" if factor > 1 else "need 3.2 times what the grid of the result holds") in room


def test_results_that_are_off_by_a_constant_are_said_to_be() -> None:
    """A pool that hands integers on: they are right, and stand for other numbers."""
    found = minilite.compare(FLOAT, broken_pairs.scaled(INTEGERS, 19, 4), images())
    rule, again, gain = hints(found)[3]
    assert "hands integers on without rescaling them" in rule
    assert "operator 4 DEPTHWISE_CONV_2D contradicts the scale" in again
    assert gain.startswith("the results are 4 times the other side's throughout (cosine 1.0000)")
    row = found.tensors[[t.operator for t in found.tensors].index((0, 3))]
    assert row.isolated.gain == pytest.approx(4, rel=1e-3)
    assert gain.endswith("their scale is wrong, and not their integers.")


@pytest.mark.parametrize("operator", [2, 7])
@pytest.mark.parametrize("factor", [0.25, 1.15])
def test_weights_that_are_off_by_a_constant_are_not_said_to_be_a_scale_of_the_result(
    operator: int, factor: float
) -> None:
    """What multiplies by weights divides by its result's scale. The data do not speak against the input either."""
    broken = broken_pairs.weights_off(operator, factor)
    why = hints(minilite.compare(FLOAT, broken, images(16)))
    assert list(why) == [operator]
    assert "one of the three is wrong in the file" in why[operator][0]
    assert not any("not their integers" in hint or "rather that of" in hint for hint in why[operator])
    again = [f for f in minilite.overflow(broken, images(16)).findings if f.kind == "scale"]
    assert [f.key for f in again] == [(0, operator)]


def test_scales_of_two_integer_models_are_held_against_each_other() -> None:
    found = minilite.compare(INT8, broken_pairs.scaled(INTEGERS, 21, 4), images())
    assert hints(found)[5][-1] == "the scale of the result is 4 times the other side's."


def test_sound_models_have_no_hints() -> None:
    assert hints(minilite.compare(FLOAT, INT8, images(16))) == {}
    assert hints(minilite.compare(INT8, "xnnpack", images())) == {}


def test_a_bias_that_saturates_is_found_at_its_operator() -> None:
    found = minilite.compare(FLOAT, broken_pairs.saturating_bias(INTEGERS, 5), images())
    assert found.worst(1)[0].operator == (0, 5)
    assert found.worst(1)[0].isolated.largest_step == ENDS
    assert found.worst(2)[1].isolated.sqnr > 25


class OneKernel(minilite.kernel_sets.KernelSet):
    """Like ``reference``, but that one kernel rounds differently."""

    def arithmetic(self, op: str, delegated: bool) -> str | None:
        return "float32" if op == "DEPTHWISE_CONV_2D" else super().arithmetic(op, delegated)


def test_a_kernel_that_rounds_differently_is_found_wherever_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(minilite.kernel_sets.KERNEL_SETS, "planted", OneKernel("planted", 0, "sequential"))
    found = minilite.compare(INT8, "planted", images())
    assert operators(found) == [1, 4]
    assert found.first is not None
    assert found.first.operator == (0, 1)
    assert set(operators(found, "accumulated")) >= {1, 2, 3, 4, 5, 6}
    assert found.exact
    assert {abs(s) for t in found.tensors if t.isolated for s in t.isolated.steps} == {0, 1}


def test_a_row_of_weights_that_is_a_little_off_is_found_between_models() -> None:
    weights = broken_pairs.operand(INTEGERS, 9, 1)
    value = np.array(minilite.Interpreter(INTEGERS).get_tensor(weights))
    value[3] = np.clip(value[3], -120, 120) + 7
    found = minilite.compare(INT8, broken_pairs.filled(INTEGERS, weights, value), images())
    assert operators(found) == [9]
    assert found.first.operator == (0, 9)
    assert found.first.accumulated.first.index == (0, 3)


# ---- what is measured ------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_formulas() -> None:
    x = images(3)
    found = minilite.compare(FLOAT, INT8, x)
    row = found.tensor(FLOATS.subgraphs[0].tensors[FLOATS.subgraphs[0].outputs[0]].name)
    grid = grid_of(INTEGERS.subgraphs[0].tensors[row.b[1]])
    a = np.concatenate([next(iter(minilite.run(FLOATS, i[None]).values())) for i in x]).astype(np.float64)
    q = INTEGERS.subgraphs[0].tensors[INTEGERS.subgraphs[0].inputs[0]].quantization
    stored = np.clip(np.floor(x / q.scales[0] + np.float32(0.5)) + q.zero_points[0], -128, 127).astype(np.int8)
    integers = np.concatenate([next(iter(minilite.run(INTEGERS, i[None]).values())) for i in stored])
    b = grid.dequantize(integers).astype(np.float64)
    measured = row.accumulated
    assert measured.sqnr == pytest.approx(10 * math.log10((a**2).sum() / ((b - a) ** 2).sum()))
    assert measured.cosine == pytest.approx((a * b).sum() / math.sqrt((a**2).sum() * (b**2).sum()))
    assert measured.bias == pytest.approx((b - a).mean())
    assert measured.largest == pytest.approx(np.abs(b - a).max())
    steps, counts = np.unique(np.rint((b - a) / grid.scales[0]).astype(int), return_counts=True)
    assert measured.steps == dict(zip(steps.tolist(), counts.tolist(), strict=True))
    assert measured.elements == a.size == sum(measured.steps.values())
    assert measured.different == measured.elements - measured.steps[0]


def measured(x: np.ndarray, y: np.ndarray, tensor: Tensor | None = None) -> Any:
    measure = Measure(tensor or Tensor(), tensor or Tensor())
    measure.add(0, x, y)
    return measure.result()


def test_the_first_element_that_differs() -> None:
    x = np.zeros((2, 70_000), np.float32)
    y = x.copy()
    y[1, 69_000] = 2
    found = measured(x, y)
    assert (found.different, found.largest, found.sqnr) == (1, 2, -math.inf)
    assert (found.first.index, found.first.a, found.first.b) == ((1, 69_000), 0, 2)


def test_equal_infinities_and_nans_are_no_difference() -> None:
    x = np.float32([1, np.inf, np.nan, -np.inf])
    found = measured(x, x.copy())
    assert (found.different, found.sqnr, found.cosine, found.largest) == (0, math.inf, 1, 0)
    found = measured(x, np.float32([1, np.inf, 0, -np.inf]))
    assert (found.different, found.sqnr, found.largest) == (1, -math.inf, math.inf)
    assert found.first.index == (2,)


def test_the_histogram_ends_gather_what_is_farther() -> None:
    tensor = Tensor("x", "INT8", (4,), quantization=Quantization(np.float32([0.5]), np.int64([3])))
    found = measured(np.int8([0, 0, 0, -128]), np.int8([0, 1, -100, 127]), tensor)
    assert found.steps == {0: 1, 1: 1, -ENDS: 1, ENDS: 1}
    assert (found.largest_step, found.largest, found.different) == (ENDS, 127.5, 3)


def test_what_is_no_number_is_counted() -> None:
    found = measured(np.array([True, False]), np.array([True, True]), Tensor("x", "BOOL", (2,)))
    assert (found.different, found.elements, found.steps) == (1, 2, None)
    assert math.isnan(found.sqnr)


# ---- what belongs together -------------------------------------------------------------------------------------------


def test_a_model_is_its_own_counterpart() -> None:
    found = minilite.compare(INT8, INT8.read_bytes(), images(1))
    assert found.first is None
    assert {t.accumulated.sqnr for t in found.tensors} == {math.inf}
    assert [t.operator for t in found.tensors] == [None, *((0, i) for i in range(11))]


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("scheme", ["int8", "int16x8", "dynamic_range", "float16", "weights_int8"])
def test_every_quantized_tensor_has_its_counterpart_and_every_operator_runs_alone(seed: int, scheme: str) -> None:
    model = minilite.read(network(seed).to_bytes())
    data = samples(model, seed)
    if scheme == "weights_int8" and not any(t.buffer for t in model.subgraphs[0].tensors if t.type == "FLOAT32"):
        return  # there is nothing to quantize
    written = minilite.quantize(model, scheme, data if scheme in ("int8", "int16x8") else None)
    found = minilite.compare(model, written, data[:2], engine="numpy")
    assert (found.alone_a, found.alone_b) == ((), ())
    results = [t for t in found.tensors if t.op]
    assert results
    assert {t.reason for t in results} == {""}
    assert all(t.isolated is not None for t in results)


def renamed(model: minilite.Model) -> minilite.Model:
    """The model with names that tell nothing."""
    graph = model.subgraphs[0]
    tensors = tuple(dataclasses.replace(t, name=f"{i:x}") for i, t in enumerate(graph.tensors))
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tensors),), signatures=())


def test_tensors_without_their_names_are_told_by_their_producers() -> None:
    pairs = align(FLOATS, renamed(INTEGERS))
    named = align(FLOATS, INTEGERS)
    assert pairs.counterparts == named.counterparts
    assert (pairs.alone_a, pairs.alone_b) == ((), ())


def test_models_that_do_not_correspond_are_refused_with_the_nearest_name() -> None:
    net = Network(1)
    net.outputs.append(net.unary("TANH", net.reshape(net.input((1, 28, 28, 1)), (1, 784))))
    other = net.model()
    graph = other.subgraphs[0]
    (result,) = graph.operators[-1].outputs
    tensors = list(graph.tensors)
    tensors[result] = dataclasses.replace(tensors[result], name="fashion_1/mean_1/Maen")
    other = dataclasses.replace(other, subgraphs=(dataclasses.replace(graph, tensors=tuple(tensors)),))
    with pytest.raises(
        minilite.ArgumentError, match=r"do not correspond: .*'fashion_1/mean_1/Maen' \(did you mean 'fash"
    ):
        minilite.compare(FLOAT, other, images(1))
    with pytest.raises(
        minilite.ArgumentError, match=r"do not correspond: subgraph 0 has 1 inputs in one .* and 2 in the"
    ):
        minilite.compare(FLOAT, small_models.two_signatures(), images(1))
    with pytest.raises(minilite.ArgumentError, match=r"no tensor is called 'fashion_1/men_1/Mean' \(did you me"):
        minilite.compare(FLOAT, INT8, images(1)).tensor("fashion_1/men_1/Mean")


def stranger(named: int) -> minilite.Model:
    """Another network on the same pictures: the result of one of its operators is called as the demo's output is."""
    net = Network(1)
    y = net.reshape(net.input((1, 28, 28, 1)), (1, 784))
    for units in (20, 12, 10):
        y = net.dense(y, units)
    net.outputs.append(net.unary("LOGISTIC", y))
    model = minilite.read(net.model().to_bytes())
    (result,) = model.subgraphs[0].operators[named].outputs
    return broken_pairs.changed(model, result, lambda t: dataclasses.replace(t, name="PartitionedCall:0"))


def test_models_that_have_little_in_common_are_compared_with_a_warning() -> None:
    found = minilite.compare(FLOAT, stranger(-1), images(1))
    assert found.warning.startswith(
        "only 1 result has a counterpart; 10 of the first model and 4 of the second have none."
    )
    assert "Are these the same network?" in found._repr_html_()
    assert minilite.compare(FLOAT, INT8, images(1)).warning == ""
    apart, fused = unfused()
    assert minilite.compare(apart, fused, np.float32([[[1, -2, 3]]])).warning == ""


def test_results_of_the_same_name_and_another_shape_are_said_to_be() -> None:
    with pytest.raises(
        minilite.ArgumentError, match=r"'PartitionedCall:0' is in both, \[-1, 10\] in the first and \[1, 20"
    ):
        minilite.compare(FLOAT, stranger(1), images(1))


def unfused() -> tuple[minilite.Model, minilite.Model]:
    """A dense layer with an activation of its own, and the same with it fused."""
    models = []
    for fused in (False, True):
        b = small_models.Builder()
        x, y = b.tensor("x", (1, 3)), b.tensor("relu", (1, 4))
        w = b.constant("w", np.arange(-6, 6, dtype=np.float32).reshape(4, 3) + (fused and 0.5))
        inner = y if fused else b.tensor("sum", (1, 4))
        dense = {"fused_activation_function": "RELU" if fused else "NONE"}
        first = small_models.operator(0, (x, w, -1), (inner,), "FullyConnectedOptions", **dense)
        calls = (first,) if fused else (first, minilite.model.Operator(1, (inner,), (y,)))
        codes = (minilite.model.OperatorCode("FULLY_CONNECTED"), minilite.model.OperatorCode("RELU"))
        models.append(minilite.Model(codes[: len(calls)], (b.subgraph((x,), (y,), *calls),), tuple(b.buffers)))
    return models[0], models[1]


def test_a_fused_operator_is_held_against_all_that_it_stands_for() -> None:
    apart, fused = unfused()
    x = np.float32([[[1, -2, 3]]])
    found = minilite.compare(apart, fused, x)
    assert (found.alone_a, found.alone_b) == (("sum",), ())
    (row,) = [t for t in found.tensors if t.op]
    assert row.accumulated == row.isolated
    assert row.isolated.largest == pytest.approx(1)  # half of 1 - 2 + 3, where it is positive
    back = minilite.compare(fused, apart, x)
    assert (back.alone_a, back.alone_b) == ((), ("sum",))
    assert [t.reason for t in back.tensors if t.op] == ["its input 'sum' has no counterpart"]


def test_subgraphs_that_are_called_are_compared_in_their_last_round() -> None:
    found = minilite.compare(looping(), "builtin", [[np.array([3], np.int32)]])
    assert [t.operator for t in found.tensors if t.op] == [(0, 0), (0, 1), (2, 0), (3, 0)]
    assert all(t.isolated is not None and not t.isolated.different for t in found.tensors if t.op)


# ---- sources and samples ---------------------------------------------------------------------------------------------


def test_engines_give_the_same_integers() -> None:
    found = minilite.compare(INT8, "reference:numpy", images(2))
    assert found.first is None
    assert found.b.endswith("(reference:numpy)")


@needs_litert
@pytest.mark.parametrize("path", [FLOAT, INT8])
def test_litert_gives_what_its_kernel_sets_give(path: Any) -> None:
    ref = minilite.compare(path, "litert:BUILTIN_REF", images(2))
    assert ref.first is None
    assert {t.isolated.different for t in ref.tensors if t.isolated} == {0}
    assert len([t for t in ref.tensors if t.isolated]) == 11


@needs_litert
def test_litert_and_its_delegate_differ_where_the_sets_do() -> None:
    ours = minilite.compare(INT8, "xnnpack", images(2))
    theirs = minilite.compare(INT8, "litert:AUTO", images(2))
    assert [t.accumulated for t in ours.tensors] == [t.accumulated for t in theirs.tensors]
    assert [t.isolated for t in ours.tensors] == [t.isolated for t in theirs.tensors]
    assert operators(ours)


@needs_litert
def test_litert_that_ends_its_process_is_an_error_and_starts_again() -> None:
    first = litert.LiteRT(INTEGERS, "BUILTIN_REF")
    litert._child().process.kill()
    (sample,) = samples_of(images(1), FLOATS)[0]
    shown = dataclasses.replace(sample, arrays={t: a.astype(np.int8) for t, a in sample.arrays.items()})
    with pytest.raises(minilite.StateError, match=r"ended its process \(signal 9\)"):
        first.run(shown)
    assert len(first.run(shown)) > 11
    with pytest.raises(minilite.ArgumentError, match=r"LiteRT refuses: .*Cannot set tensor"):
        first.run(sample)


def test_litert_that_is_not_there_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(minilite.ArgumentError, match="Install the package ai-edge-litert"):
        minilite.compare(INT8, "litert:AUTO", images(1))
    with pytest.raises(minilite.ArgumentError, match=r"no resolver 'AUT' \(did you mean 'AUTO'\?\)"):
        minilite.compare(INT8, "litert:AUT", images(1))


def test_a_saved_run_is_compared_on_its_own_inputs(tmp_path: Any) -> None:
    runner = Minilite(FLOATS, label="floats")
    data, _ = samples_of(images(2), FLOATS)
    save_run(runner, data, tmp_path / "run.npz")
    found = minilite.compare(tmp_path / "run.npz", INT8)
    direct = minilite.compare(FLOAT, INT8, images(2))
    assert (found.samples, found.a) == (2, "run.npz (saved from floats (reference))")
    assert [t.accumulated for t in found.tensors] == [t.accumulated for t in direct.tensors]
    backwards = minilite.compare(INT8, SavedRun(tmp_path / "run.npz"))
    assert {t.reason for t in backwards.tensors if t.op} == {"of a saved run nothing can be computed"}
    with pytest.raises(minilite.ArgumentError, match="was run on other inputs"):
        minilite.compare(FLOAT, tmp_path / "run.npz", 1 - images(2))
    (tmp_path / "other.npz").write_bytes(b"PK")
    with pytest.raises(minilite.ArgumentError, match=r"is no run saved by minilite's save_run\(\)"):
        minilite.compare(tmp_path / "other.npz", INT8)


def test_inputs_may_be_real_numbers_integers_or_a_generator() -> None:
    real = minilite.compare(FLOAT, INT8, images(2))
    assert minilite.compare(FLOAT, INT8, lambda: ([i[None]] for i in images(2))).tensors == real.tensors
    assert minilite.compare(FLOAT, INT8, ([i[None]] for i in images(2))).tensors == real.tensors
    on_integers = minilite.compare(INT8, "builtin", images(2))
    q = INTEGERS.subgraphs[0].tensors[INTEGERS.subgraphs[0].inputs[0]].quantization
    stored = (np.floor(images(2) / q.scales[0] + 0.5) + q.zero_points[0]).astype(np.int8)
    assert minilite.compare(INT8, "builtin", stored).tensors == on_integers.tensors
    assert minilite.compare(INT8, "builtin", images(3), samples=2).tensors == on_integers.tensors


def test_samples_go_through_one_by_one() -> None:
    def endless() -> Any:
        while True:
            yield [images(1)]

    assert minilite.compare(FLOAT, INT8, endless(), samples=2).samples == 2


def test_an_interpreter_brings_its_kernel_set_and_its_custom_operators() -> None:
    custom_ops = {"MyOp": lambda options, x: x + 1}
    interpreter = minilite.Interpreter(small_models.custom(), kernels="builtin", custom_ops=custom_ops)
    found = minilite.compare(interpreter, "reference", np.float32([[1, 2]]))
    assert "builtin" in found.a
    (row,) = [t for t in found.tensors if t.op]
    assert (row.op, row.accumulated.different, row.isolated.different) == ("MyOp", 0, 0)


def test_bad_data_and_bad_sources() -> None:
    with pytest.raises(minilite.ArgumentError, match="give the inputs to compare on"):
        minilite.compare(FLOAT, INT8)
    with pytest.raises(minilite.ArgumentError, match=r"expected an array \(N, 28, 28, 1\)"):
        minilite.compare(FLOAT, INT8, np.zeros((3, 5), np.float32))
    with pytest.raises(minilite.ArgumentTypeError, match=r"no representative dataset: .* got str"):
        minilite.compare(FLOAT, INT8, "images.npy")
    with pytest.raises(minilite.ArgumentError, match=r"neither a file .* \(did you mean 'xnnpack'\?\)"):
        minilite.compare(FLOAT, "xnpack", images(1))
    with pytest.raises(minilite.ArgumentTypeError, match="expected a source, a model or a path, got int"):
        source(3)


def test_variables_begin_anew_for_every_sample() -> None:
    found = minilite.compare(small_models.stateful(), "builtin", np.ones((3, 1, 2), np.float32))
    assert found.first is None
    assert found.tensor("y").accumulated.elements == 6
    runner = Minilite(small_models.stateful())
    first, second = (runner.run(s)[0, 2].tolist() for s in samples_of(np.ones((2, 1, 2), np.float32), runner.model)[0])
    assert first == second


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_shows_the_worst_first_in_80_columns(call: Any, tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", images())
    broken_pairs.weights_off(7).save(tmp_path / "broken.tflite")
    for order in ([FLOAT, tmp_path / "broken.tflite"], [tmp_path / "broken.tflite", FLOAT]):
        status, out, _ = call("compare", *order, "--data", tmp_path / "x.npy")
        lines = out.splitlines()
        assert status == 0
        assert max(map(len, lines)) <= 80
        assert lines[0] == "broken.tflite (reference) against fashion_float.tflite (reference)"
        assert "First below 20 dB: operator 7 CONV_2D, fashion_1/conv_1/Relu" in lines
        table = lines[lines.index(next(line for line in lines if line.lstrip().startswith("#"))) + 1 :]
        assert table[0].split()[:2] == ["7", "CONV_2D"]
        assert table.index("") == 10


def test_the_command_warns_of_models_that_have_little_in_common(call: Any, tmp_path: Any) -> None:
    stranger(-1).save(tmp_path / "other.tflite")
    code, out, _ = call("compare", FLOAT, tmp_path / "other.tflite", "--random")
    assert code == 0
    assert out.splitlines()[1:3] == [
        "1 result of an operator on 1 sample",
        "Warning: only 1 result has a counterpart; 10 of the first model and 4 of the",
    ]


def test_the_command_says_what_may_be_wrong(call: Any, tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", images(4))
    broken_pairs.scaled(INTEGERS, 16, 4).save(tmp_path / "broken.tflite")
    code, out, _ = call("compare", FLOAT, tmp_path / "broken.tflite", "--data", tmp_path / "x.npy", "--rows", 2)
    assert code == 0
    lines = out.splitlines()
    start = lines.index("What may be wrong")
    assert lines[start + 1] == "1  DEPTHWISE_CONV_2D"
    assert lines[start + 2].startswith("  - the bias's scale is 1/4 of s_input")
    assert any(line == "0  CONV_2D" for line in lines[start:])
    assert max(map(len, lines[start:])) <= 80


def test_names_in_a_column_are_told_apart() -> None:
    names = ["net/block_1/Relu6;net/conv", "net/block_2/Relu6", "out"]
    assert told_apart(names, 20) == ["block_1/Relu6", "block_2/Relu6", "out"]
    assert told_apart(names, 10) == ["block_1...", "block_2...", "out"]
    assert told_apart(["a/b", "c/d", "e"], 10) == ["a/b", "c/d", "e"]
    assert told_apart([], 10) == []


def test_the_command_says_where_two_sets_begin_to_differ(call: Any, tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", images(1))
    status, out, _ = call("compare", INT8, "--against", "xnnpack", "--data", tmp_path / "x.npy", "--rows", 2)
    assert status == 0
    assert "First difference: operator 0 CONV_2D" in out
    assert "sample 0, [0, 3, 13, 4]: -107 against -106" in out
    status, out, _ = call("compare", INT8, "--against", "reference", "--random")
    assert "No difference: every element is equal." in out


def test_the_command_keeps_a_run_and_prints_json(call: Any, tmp_path: Any) -> None:
    assert call("compare", FLOAT, "--against", "ideal", "--random", "--save-run", tmp_path / "r.npz")[0] == 0
    status, out, _ = call("compare", tmp_path / "r.npz", INT8, "--json")
    found = json.loads(out)
    assert (status, found["samples"], len(found["tensors"])) == (0, 1, 12)
    assert found["tensors"][1]["operator"] == [0, 0]
    assert found["tensors"][1]["isolated"]["steps"]


def test_the_command_refuses_wrong_usage(call: Any, tmp_path: Any) -> None:
    assert call("compare", FLOAT)[0] == 2
    assert call("compare", FLOAT, INT8)[0] == 2
    assert call("compare", FLOAT, INT8, "--against", "xnnpack", "--random")[0] == 2
    status, _, err = call("compare", FLOAT, "--against", "refrence", "--random")
    assert status == 1
    assert "did you mean 'reference'?" in err


def test_dequantized_outputs_are_counted_in_the_steps_they_came_from() -> None:
    """They are no more different than the integers were: not 100 % of them for being floats."""
    floats = minilite.quantize(FLOAT, "int8", images(100))
    found = minilite.compare(FLOAT, floats, images(4))
    *_, before, last = [t for t in found.tensors if t.op]
    assert (last.op, floats.subgraphs[0].tensors[last.b[1]].type) == ("DEQUANTIZE", "FLOAT32")
    assert last.accumulated.steps == before.accumulated.steps
    assert 0 < last.accumulated.share == before.accumulated.share < 1
    integers = minilite.compare(floats, "xnnpack", images(4))  # grids on both sides: any difference is one
    assert integers.exact
    assert [t.accumulated.steps for t in integers.tensors if t.op == "DEQUANTIZE"] == [None]


def test_floats_from_no_grid_are_not_counted_beside_integers(call: Any, tmp_path: Any) -> None:
    mixed = minilite.quantize(FLOAT, "int8", images(100), exclude="SOFTMAX")
    found = minilite.compare(FLOAT, mixed, images(2))
    last = found.tensor("PartitionedCall")
    assert (last.op, last.accumulated.steps, last.accumulated.share, found.exact) == ("SOFTMAX", None, 1.0, False)
    mixed.save(tmp_path / "mixed.tflite")
    np.save(tmp_path / "x.npy", images(2))
    said = call("compare", FLOAT, tmp_path / "mixed.tflite", "--data", tmp_path / "x.npy", "--in-order")[1]
    assert "100.0%" not in said
    assert "CONV_2D" in said


def test_the_legend_says_what_alone_means_beside_a_saved_run(call: Any, tmp_path: Any) -> None:
    data, _ = samples_of(images(2), FLOATS)
    save_run(Minilite(FLOATS), data, tmp_path / "run.npz")
    np.save(tmp_path / "x.npy", images(2))
    assert "a saved run cannot compute" in call("compare", tmp_path / "run.npz", INT8)[1]
    assert "a saved run" not in call("compare", FLOAT, INT8, "--data", tmp_path / "x.npy")[1]
    saved, direct = minilite.compare(tmp_path / "run.npz", INT8), minilite.compare(FLOAT, INT8, images(2))
    assert (saved.recorded, direct.recorded) == (True, False)
    pooled = [next(t.isolated.sqnr for t in c.tensors if t.op == "MEAN") for c in (saved, direct)]
    assert pooled[0] < pooled[1]  # the inputs' rounding is in it
