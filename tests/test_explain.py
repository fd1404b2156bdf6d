"""``minilite.explain``: the steps lead to the interpreter's own integer; origins are computed, not believed."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite import demo
from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.fixed_point import Multiplier
from minilite.inspection.arithmetic import arithmetic
from minilite.inspection.element import element
from minilite.inspection.observed import Observed
from minilite.inspection.places import find
from minilite.model import Model, Quantization
from minilite.ops import OPS
from minilite.testing import kit
from tests import broken_pairs
from tests.network_parts import Network
from tests.small_models import Builder, one

SETS = ("reference", "builtin", "xnnpack", "tflm", "ideal")
FOLLOWED = (
    "CONV_2D|DEPTHWISE_CONV_2D|FULLY_CONNECTED|TRANSPOSE_CONV|BATCH_MATMUL|ADD|SUB|MUL|AVERAGE_POOL_2D|MAX_POOL_2D|MEAN|SUM"
    "|QUANTIZE|DEQUANTIZE"
)
TABLES = "LOGISTIC|TANH|ELU|EXP|LOG|GELU"
UNFOLLOWED = (
    "plain",
    "hybrid",
    "shuffled",
    "float32",
    "sparse float32",
    "sparse hybrid",
    "blocks",
    "int16 to",
    "int8 to int32",
)
"""Labels of rows that have no steps: integers without scales, floats, special layouts."""


def follows(row: kit.Row) -> bool:
    types = {t.rstrip("?*") for t in (*row.definition.input_types, *row.definition.output_types)}
    if row.op.name in TABLES.split("|"):
        return row.definition.label in ("int8", "uint8")
    if row.op.name == "QUANTIZE":
        return "int4" not in row.definition.label
    return bool(types & {"int8", "uint8", "int16"}) and not row.definition.label.startswith(UNFOLLOWED)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.float32(np.load(demo.SAMPLES)["images"][:1, ..., None] / 255)


@pytest.fixture(scope="module")
def model() -> Model:
    return minilite.read(demo.INT8_MODEL)


# ---- one element -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [r for r in kit.rows(f"{FOLLOWED}|{TABLES}") if follows(r)], ids=str)
def test_steps_lead_to_the_interpreters_integer(row: kit.Row) -> None:
    """Drawn models of every row, with all roundings, activations, paddings, groups, vectors and what is left over."""
    followed = set()
    for seed in range(4):
        case = kit.seeded_case(row, seed)
        for kernels in SETS:
            try:
                observed = Observed(case.model, kernels, case.inputs)
            except minilite.Error:
                continue  # TFLite Micro lacks many
            output = observed.computed((0, observed.step((0, 0)).outputs[0]))
            random = np.random.default_rng(seed)
            for _ in range(5 if output.size else 0):
                at = tuple(int(random.integers(d)) for d in output.shape)
                found = element(observed, (0, 0), at)
                assert found.agrees, (kernels, at, found)
                if found.stepwise:
                    followed.add(kernels)
                    assert found.lines[-1].value == found.computed
    assert followed >= {"reference", "builtin", "xnnpack"}


def test_the_demos_elements_in_every_set(model: Model, image: np.ndarray) -> None:
    without = set()
    for kernels in SETS:
        observed = Observed(model, kernels, image)
        for i, step in enumerate(observed.plan(0).steps):
            output = observed.computed((0, step.outputs[0]))
            random = np.random.default_rng(i)
            for _ in range(20):
                found = element(observed, (0, i), [int(random.integers(d)) for d in output.shape])
                assert found.agrees
                if not found.stepwise:
                    without.add(step.op.name)
    assert without == {"SOFTMAX"}


def test_a_planted_error_in_the_kernel_is_seen(model: Model, image: np.ndarray) -> None:
    """The steps do not use the kernel's own code: one unit more in the interpreter's value is noticed."""
    observed = Observed(model, "reference", image)
    step = observed.step((0, 5))
    _, values = observed._runs[0]
    values[step.outputs[0]] = values[step.outputs[0]] + np.int8(1)
    assert not element(observed, (0, 5), (0, 3, 3, 7)).agrees
    assert "NOT THE SAME" in str(minilite.Explanation("reference", element=element(observed, (0, 5), (0, 3, 3, 7))))


def test_one_element_by_hand(model: Model, image: np.ndarray) -> None:
    """The products, the multiplier and both roundings of one number, computed here once more in plain Python."""
    found = minilite.explain(model, 5, image, element=(0, 3, 3, 7)).element
    observed = Observed(model, "reference", image)
    x, w, b = observed.arrays((0, 5))
    graph = model.subgraphs[0]
    s_x, s_w, s_y = (graph.tensors[i].quantization.scales for i in (20, 7, 21))
    acc = int(((x[0, 3, 3].astype(int) + 128) * w[7, 0, 0]).sum() + b[7])
    m = Multiplier.of(float(s_x[0]) * float(s_w[7]) / float(s_y[0]))
    high = (acc * int(m.q) + 2**30) >> 31
    steps = round(abs(high) / 2**-m.e + 1e-9) * (1 if high >= 0 else -1)
    assert found.value == min(max(steps - 19, -128), 127) == found.computed
    values = {line.name: line.value for line in found.lines}
    assert values["accumulator"] == acc
    assert values["high product"] == high
    assert found.terms is not None
    assert found.terms.products.sum() == values["products"]


def test_sets_round_an_element_differently() -> None:
    """-2.5 steps exactly: reference gives -3, builtin -2, XNNPACK -2 (ties to even)."""
    b = Builder()
    q = [Quantization(np.float32([s]), np.int64([0])) for s in (1.0, 0.25, 1.0)]
    x, y = (
        b.tensor("x", (1, 1, 1, 1), "INT8", quantization=q[0]),
        b.tensor("y", (1, 1, 1, 1), "INT8", quantization=q[2]),
    )
    w = b.constant("w", np.int8([[[[1]]]]), quantization=q[1])
    bias = b.constant("b", np.int32([0]), quantization=q[1])
    options = {"padding": "VALID", "stride_w": 1, "stride_h": 1}
    model = one(b, "CONV_2D", (x, w, bias), (y,), "Conv2DOptions", **options)
    found = {k: minilite.explain(model, 0, np.int8([[[[-10]]]]), kernels=k) for k in SETS}
    assert {k: e.element.value for k, e in found.items()} == {
        "reference": -3,
        "builtin": -2,
        "xnnpack": -2,
        "tflm": -3,
        "ideal": -3,
    }
    assert all(e.element.agrees for e in found.values())
    assert dict(found["builtin"].element.others) == {"reference": -3, "xnnpack": -2, "tflm": -3, "ideal": -3}
    assert found["builtin"].operator.arithmetic.rounding == "half up"
    assert found["xnnpack"].operator.arithmetic.delegated


def test_vectors_and_what_is_left_over_round_differently() -> None:
    """-2.5 steps in 12 channels: builtin's depthwise kernel rounds eight at a time up, the four left over away."""
    b = Builder()
    q = [Quantization(np.float32([s]), np.int64([0])) for s in (1.0, 0.25)]
    x, y = (b.tensor(n, (1, 1, 1, 12), "INT8", quantization=q[0]) for n in "xy")
    w = b.constant("w", np.ones((1, 1, 1, 12), np.int8), quantization=q[1])
    bias = b.constant("b", np.zeros(12, np.int32), quantization=q[1])
    options = {"padding": "VALID", "stride_w": 1, "stride_h": 1, "depth_multiplier": 1}
    model = one(b, "DEPTHWISE_CONV_2D", (x, w, bias), (y,), "DepthwiseConv2DOptions", **options)
    observed = Observed(model, "builtin", np.full((1, 1, 1, 12), -10, np.int8))
    found = [element(observed, (0, 0), (0, 0, 0, c)) for c in range(12)]
    assert [e.value for e in found] == [-2] * 8 + [-3] * 4
    assert all(e.agrees for e in found)


def test_an_accumulator_that_wraps_is_said_so() -> None:
    b = Builder()
    q = Quantization(np.float32([1.0]), np.int64([0]))
    x, y = (b.tensor(n, (1, 1), "INT8", quantization=q) for n in "xy")
    w, bias = b.constant("w", np.int8([[100]]), quantization=q), b.constant("b", np.int32([2**31 - 5]), quantization=q)
    model = one(b, "FULLY_CONNECTED", (x, w, bias), (y,), "FullyConnectedOptions")
    found = minilite.explain(model, 0, np.int8([[1]]))
    assert found.operator.arithmetic.accumulator.overflows
    assert [line.value for line in found.element.lines if line.name == "in int32"] == [-(2**31) + 95]
    assert found.element.agrees
    assert "OVERFLOW" in str(found)


def test_operators_without_steps_say_so(model: Model, image: np.ndarray) -> None:
    found = minilite.explain(model, "SOFTMAX", image)
    assert not found.element.stepwise
    assert found.element.definition == pytest.approx(found.element.real, abs=1 / 256)
    assert "no step-by-step" in str(found)


# ---- arithmetic ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", SETS)
def test_floats_are_not_said_to_be_rescaled(kernels: str) -> None:
    """No operator of a float model is described with multipliers or roundings of integers."""
    model = minilite.read(demo.FLOAT_MODEL)
    said = {str(minilite.explain(model, i, kernels=kernels)) for i in range(len(model.subgraphs[0].operators))}
    assert not [text for text in said if re.search("fixed point|Multipliers|clamped to|gemmlowp|table", text)]
    assert any("computed in float32" in text or "float64 throughout" in text for text in said)


def test_integers_without_scales_are_not_said_to_be_rescaled() -> None:
    row = next(r for r in kit.rows("ADD") if r.definition.input_types == ("int32", "int32"))
    assert "integers: they stand for themselves" in str(minilite.explain(kit.seeded_case(row, 1).model, 0))


@pytest.mark.parametrize("row", [r for r in kit.rows(".*") if "hybrid" in r.definition.label], ids=str)
def test_hybrid_operators_quantize_their_input_at_run_time(row: kit.Row) -> None:
    for kernels in ("reference", "builtin", "xnnpack"):
        try:
            step = Observed(kit.seeded_case(row, 1).model, kernels, None).step((0, 0))
        except minilite.Error:
            continue
        found = arithmetic(step)
        lookup = row.op.name == "EMBEDDING_LOOKUP"  # nothing to quantize: rows are dequantized
        assert (found.word == "hybrid") is not lookup
        assert ("at run time" in found.meaning) is not lookup
        assert lookup or (found.rounding, found.multipliers) == (None, ())


def test_a_hybrid_convolution_in_words() -> None:
    row = next(r for r in kit.rows("CONV_2D") if r.definition.label == "hybrid int8")
    models = [kit.seeded_case(row, seed).model for seed in range(6)]
    assert all("hybrid: integer weights" in str(minilite.explain(m, 0)) for m in models)
    steps = [Observed(m, "xnnpack", None).step((0, 0)) for m in models]
    assert {s.node.delegated for s in steps} == {True, False}
    assert all(("ties to even" in arithmetic(s).meaning) is s.node.delegated for s in steps)


def test_bounds_hold_and_are_reached() -> None:
    """Over all inputs of two numbers the accumulator comes to its bounds, and no further."""
    b = Builder()
    q = Quantization(np.float32([1.0]), np.int64([-3]))
    zero = Quantization(np.float32([1.0]), np.int64([0]))
    x, y = b.tensor("x", (1, 2), "INT8", quantization=q), b.tensor("y", (1, 2), "INT8", quantization=q)
    w = b.constant("w", np.int8([[5, -7], [-2, -1]]), quantization=zero)
    bias = b.constant("b", np.int32([11, -4]), quantization=zero)
    model = one(b, "FULLY_CONNECTED", (x, w, bias), (y,), "FullyConnectedOptions")
    found = minilite.explain(model, 0).operator.arithmetic.accumulator
    ends = np.stack(np.meshgrid([-128, 127], [-128, 127]), -1).reshape(-1, 2) + 3
    sums = ends @ np.array([[5, -7], [-2, -1]]).T + [11, -4]
    np.testing.assert_array_equal(found.high, sums.max(0))
    np.testing.assert_array_equal(found.low, sums.min(0))


def test_worst_case_error_holds(model: Model, image: np.ndarray) -> None:
    """No output is further from the exact product than the arithmetic says."""
    for kernels in ("reference", "builtin", "xnnpack"):
        observed = Observed(model, kernels, image)
        for i in (0, 2, 5, 7):
            worst = max(m.error for m in minilite.explain(model, i, kernels=kernels).operator.arithmetic.multipliers)
            output = observed.computed((0, observed.step((0, i)).outputs[0]))
            info = observed.step((0, i)).node.outputs[0]
            steps = observed.real_values((0, i)) / float(info.scale) + info.zero_point
            inside = (output > -128) & (output < 127)
            assert 0.4 < np.abs(output - steps)[inside].max() <= worst + 1e-6


# ---- where a scale comes from ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quantized() -> tuple[Model, minilite.Calibration, Model]:
    """A float model, its calibration, and the int8 model."""
    net = Network(3)
    x = net.convolution(net.input((1, 6, 6, 2)), 4, padding="SAME", fused_activation_function="NONE")
    y = net.pool("MAX_POOL_2D", net.unary("LOGISTIC", x))
    net.outputs.append(net.dense(net.reshape(y, (1, int(np.prod(net.shape(y))))), 3))
    floats = minilite.read(net.model().to_bytes())
    data = np.random.default_rng(0).normal(size=(100, 6, 6, 2)).astype(np.float32)
    calibration = minilite.calibrate(floats, data, progress=False)
    return floats, calibration, minilite.quantize(floats, "int8", calibration=calibration)


def test_every_origin_agrees_with_what_the_quantizer_wrote(quantized, tmp_path) -> None:
    _, calibration, model = quantized
    calibration.save(tmp_path / "ranges.json")
    rules = {}
    for i, tensor in enumerate(model.subgraphs[0].tensors):
        for source in (None, tmp_path / "ranges.json", calibration):
            found = minilite.explain(model, f"tensor {i}", calibration=source).tensor.origin
            assert found.agrees in (True, None), (tensor.name, found.summary)
            rules.setdefault(found.rule, []).append(found)
    assert set(rules) >= {"range", "weights", "bias", "fixed", "shared", "none"}
    assert all(o.agrees for rule in ("range", "bias", "fixed", "shared") for o in rules[rule])
    assert any("sample" in line.note for o in rules["range"] for line in o.lines)


def test_a_scale_off_by_four_does_not_follow_from_its_range(quantized) -> None:
    _, _, model = quantized
    graph = model.subgraphs[0]
    index = next(i for i, o in enumerate(graph.operators) if model.operator_codes[o.opcode_index].name == "CONV_2D")
    output = graph.operators[index].outputs[0]
    broken = replaced(model, output, lambda q: dataclasses.replace(q, scales=q.scales * np.float32(4)))
    found = minilite.explain(broken, f"tensor {output}").tensor.origin
    assert found.agrees is False
    assert "4 times the scale that follows" in found.summary
    bias = graph.operators[index].inputs[2]
    broken = replaced(model, bias, lambda q: dataclasses.replace(q, scales=q.scales * np.float32(4)))
    assert minilite.explain(broken, f"tensor {bias}").tensor.origin.agrees is False


def test_planted_faults_are_said_at_their_operator_and_no_other(model: Model) -> None:
    """A bias at the end of int32, and weights whose scale is off."""
    summing = [0, 1, 2, 4, 5, 7, 9]
    broken = broken_pairs.saturating_bias(model, 5)
    assert [o for o in summing if "OVERFLOW" in str(minilite.explain(broken, o))] == [5]
    said = words(minilite.explain(broken, 5))
    assert "33 bits with the sign, of the 32 that accumulators of int32 have" in said
    assert "the largest bias is 2,147,483,647: 100 % of what int32 holds" in said
    for operator in summing:
        broken = broken_pairs.weights_off(operator)
        assert [o for o in range(11) if minilite.explain(broken, o).operator.contradictions] == [operator]


def words(found: minilite.Explanation) -> str:
    return " ".join(str(found).split())


def test_a_pool_that_changes_the_scale_is_said_wherever_it_is_asked(model: Model) -> None:
    """At the pool, at its result, and at the layer after it, whose bias has the scale that its input should have."""
    broken = replaced(model, 19, lambda q: dataclasses.replace(q, scales=q.scales * np.float32(4)))
    rule = "but the grid of its output (tensor 19 of operator 3: scale 0.119138159, zero point -128) is not that of"
    pool, result, layer, bias = (minilite.explain(broken, what) for what in (3, "tensor 19", 4, "tensor 8"))
    assert [rule in c for c in pool.operator.contradictions] == [True]
    assert result.tensor.origin.agrees is False
    assert (result.tensor.origin.rule, result.tensor.origin.follows) == ("shared", (0, 18))
    assert "does NOT keep to the rule" in words(result)
    assert [c[:30] for c in result.tensor.contradictions] == [
        "operator 3 MAX_POOL_2D: it han",
        "operator 4 DEPTHWISE_CONV_2D: ",
    ]
    assert "the bias's scale is 1/4 of s_input · s_weights" in words(layer)
    assert "NOT as in the file, first at 0: 8.94855402e-05 is 1/4 of 0.000357942161" in words(bias)
    for what in (3, "tensor 19", 4, "tensor 18"):
        assert "contradict" not in str(minilite.explain(model, what))


def replaced(model: Model, tensor: int, change) -> Model:
    graph = model.subgraphs[0]
    tensors = list(graph.tensors)
    tensors[tensor] = dataclasses.replace(tensors[tensor], quantization=change(tensors[tensor].quantization))
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tuple(tensors)),))


def test_a_range_is_nudged_and_stretched() -> None:
    """1 to 6 is stretched to 0 to 6; -1 to 6 is moved until 0 is an integer."""
    b = Builder()
    q = Quantization(np.float32([6 / 255]), np.int64([-128]), min=np.float32([1]), max=np.float32([6]))
    b.tensor("x", (1,), "INT8", quantization=q)
    nudged = Quantization(np.float32([7 / 255]), np.int64([-92]), min=np.float32([-1]), max=np.float32([6]))
    b.tensor("y", (1,), "INT8", quantization=nudged)
    model = one(b, "RELU", (0,), (1,), "")
    lines = {line.name: line for line in minilite.explain(model, "x").tensor.origin.lines}
    assert lines["with zero"].value == "0 to 6"
    found = minilite.explain(model, "y").tensor.origin
    lines = {line.name: line for line in found.lines}
    assert found.agrees
    assert lines["real zero point"].value == pytest.approx(-91.5714, abs=1e-4)
    assert lines["zero point"].value == -92
    assert lines["the grid holds"].value == "-0.988235 to 6.01176"


def test_a_constant_has_its_own_range() -> None:
    b = Builder()
    q = Quantization(np.float32([0.5]), np.int64([3]))
    x, y = (b.tensor(n, (3,), "INT8", quantization=q) for n in "xy")
    c = b.constant("c", np.int8([1, 3, 13]), quantization=q)
    found = minilite.explain(one(b, "ADD", (x, c), (y,), "AddOptions"), "c").tensor.origin
    assert found.rule == "constant"
    assert {line.name: line.value for line in found.lines} == {
        "values": "-1 to 5",
        "zero point": 3,
        "the grid holds": "-65.5 to 62",
    }


# ---- names and mistakes ----------------------------------------------------------------------------------------------


def test_places_are_found(model: Model) -> None:
    assert find(model, "tensor 16").key == (0, 16)
    assert find(model, "PartitionedCall:0").key == (0, 26)
    assert find(model, "pool_1").key == (0, 19)
    assert find(model, "operator 3") == find(model, 3) == find(model, "3") == find(model, "max_pool_2d")


@pytest.mark.parametrize(
    "what, message",
    [
        ("PartitonedCall:0", "did you mean 'PartitionedCall:0'"),
        ("CONV2D", "did you mean 'CONV_2D'"),
        ("CONV_2D", "4 operators called CONV_2D; say which one: 0, 2, 5, 7"),
        ("batchnorm", "say which one: tensor"),
        ("conv_9/Relu", r"did you mean 'fashion_1/conv_1/Relu;"),
        (11, "operators 0 to 10, got 11"),
        ("tensor 27", "tensors 0 to 26, got 27"),
        ("-1", "operators 0 to 10, got -1"),
    ],
)
def test_what_does_not_exist(model: Model, what, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        minilite.explain(model, what)


def test_wrong_arguments(model: Model, image: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match=r"element of a result of shape \[1, 7, 7, 64\]"):
        minilite.explain(model, 3, image, element=(0, 7, 0, 0))
    with pytest.raises(ArgumentError, match="give inputs="):
        minilite.explain(model, 3, element=(0, 0, 0, 0))
    with pytest.raises(ArgumentError, match="nothing to compute"):
        minilite.explain(model, "tensor 15", image, element=(0, 0, 0, 0))
    with pytest.raises(ArgumentError, match="expected a subgraph from 0 to 0"):
        minilite.explain(model, 3, subgraph=1)
    with pytest.raises(ArgumentTypeError):
        minilite.explain(model, None)
    with pytest.raises(ArgumentError, match="unknown kernel set"):
        minilite.explain(model, 3, kernels="refrence")
    with pytest.raises(ArgumentError, match="ranges"):
        minilite.explain(model, 3, calibration={"x": 3})


def test_every_operator_of_every_row_can_be_asked() -> None:
    """What has no steps is explained as far as it goes, never a traceback."""
    for name in sorted(OPS):
        for row in kit.rows(name)[:2]:
            case = kit.seeded_case(row, 1)
            try:
                minilite.run(case.model, [np.asarray(a) for a in case.inputs])
                explanation = minilite.explain(case.model, len(case.model.subgraphs[0].operators) - 1)
            except minilite.Error:
                continue
            assert str(explanation)


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_page_shows_what_the_commands_print(call, tmp_path, monkeypatch) -> None:
    """Every console block of docs/explaining.md, run again on the demo's files."""
    page = (Path(__file__).parent.parent / "docs" / "explaining.md").read_text(encoding="utf-8")
    demo.copy(tmp_path)
    pictures = np.float32(np.load(demo.SAMPLES)["images"][:100, ..., None] / 255)
    np.save(tmp_path / "image.npy", pictures[:1])
    np.save(tmp_path / "images.npy", pictures)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```console\n\$ minilite (.*)\n([^`]*)```", page)
    assert len(blocks) == 3
    for command, shown in blocks:
        code, out, _ = call(*shlex.split(command))
        assert code == 0
        assert out.rstrip() == shown.rstrip()


def test_the_command(call, tmp_path, image: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", image)
    code, out, _ = call("explain", demo.INT8_MODEL, 5, "--input", tmp_path / "x.npy", "--element", "0,3,3,7")
    assert code == 0
    assert "Why element [0, 3, 3, 7] is -5" in out
    assert "these steps give the same" in out
    assert max(map(len, out.splitlines())) <= 110  # names and formulas are not cut
    code, out, _ = call("explain", demo.INT8_MODEL, "pool_1", "--random", "--kernels", "xnnpack")
    assert code == 0
    assert "moves integers without rescaling" in out
    code, _, err = call("explain", demo.INT8_MODEL, "pool_2")
    assert code == 1
    assert "did you mean" in err
    assert call("explain", demo.INT8_MODEL, 5, "--random", "--element", "a,b")[0] == 1
    (tmp_path / "ranges.json").write_text(json.dumps({"serving_default_image:0": [0, 1]}))
    code, out, _ = call("explain", demo.INT8_MODEL, "tensor 0", "--calibration", tmp_path / "ranges.json")
    assert code == 0
    assert "bit for bit" in " ".join(out.split())


def test_an_element_is_several_indices(model: Model, image: np.ndarray) -> None:
    for wrong in (5, "0,3"):
        with pytest.raises(ArgumentTypeError, match="expected an element's indices"):
            minilite.explain(model, 5, image, element=wrong)


def test_a_bias_of_int64_is_no_share_of_int32() -> None:
    images = np.float32(np.load(demo.SAMPLES)["images"][:100, ..., None] / 255)
    said = str(minilite.explain(minilite.quantize(demo.FLOAT_MODEL, "int16x8", images), 1))
    assert "the largest bias is" in said
    assert "int32 holds" not in said
