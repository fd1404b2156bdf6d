"""``minilite.overflow``: its counts are those of a plain computation, and planted faults are pointed at."""

from __future__ import annotations

import dataclasses
import re
import tracemalloc

import numpy as np
import pytest

import minilite
from minilite import demo
from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.fixed_point import Multiplier, multiply_double_rounding
from minilite.inspection.overflow import TensorUse
from minilite.inspection.overflow_findings import GROUPS, Finding, findings
from minilite.model import Buffer, Model, Quantization
from minilite.testing import kit
from tests import broken_pairs
from tests.network_parts import Network
from tests.small_models import Builder, one
from tests.test_explain import replaced


def pictures(count: int) -> np.ndarray:
    return np.float32(np.load(demo.SAMPLES)["images"][:count, ..., None] / 255)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return pictures(24)


@pytest.fixture(scope="module")
def model() -> Model:
    return minilite.read(demo.INT8_MODEL)


@pytest.fixture(scope="module")
def whole(model: Model) -> minilite.Overflow:
    return minilite.overflow(model, pictures(120))


# ---- planted faults --------------------------------------------------------------------------------------------------


def constant_replaced(model: Model, tensor: int, change) -> Model:
    """The model with other values in a constant."""
    held = model.subgraphs[0].tensors[tensor]
    dtype = {"INT8": np.int8, "INT32": np.int32}[held.type]
    values = np.array(model.buffers[held.buffer].data.view(dtype).reshape(held.shape))
    change(values)
    buffers = list(model.buffers)
    buffers[held.buffer] = Buffer(np.frombuffer(values.tobytes(), np.uint8))
    return dataclasses.replace(model, buffers=tuple(buffers))


def rescaled(model: Model, tensor: int, factor: float) -> Model:
    return replaced(model, tensor, lambda q: dataclasses.replace(q, scales=q.scales * np.float32(factor)))


def test_the_sound_model_has_nothing_but_dead_channels(whole: minilite.Overflow) -> None:
    """The float network's own: operator 7 has 22 channels of 32 that RELU never lets through."""
    assert [(f.kind, f.key) for f in whole.findings] == [("dead", (0, 7))]
    assert whole.findings[0].message.startswith("channels 0, 2, 5, 6, 8 and 17 more of 32: always 0")
    assert "weights" not in whole.findings[0].message


@pytest.mark.parametrize("factor, kind", [(1 / 4, "saturates"), (4, "unused")])
@pytest.mark.parametrize("operator, tensor", [(0, 16), (1, 17), (2, 18), (5, 21), (6, 22), (7, 23), (8, 24), (9, 25)])
def test_a_result_whose_scale_is_off_by_four_comes_first(
    model: Model, images: np.ndarray, operator: int, tensor: int, factor: float, kind: str
) -> None:
    """A quarter of the scale saturates, four times the scale leaves integers unused; and all that comes after it, which
    saturates far more, stands below: convolutions, ADD, MEAN and a dense layer."""
    found = minilite.overflow(rescaled(model, tensor, factor), images).findings
    assert found[0].key == (0, operator)
    assert (kind, (0, operator)) in {(f.kind, f.key) for f in found[:2]}
    assert [f.key for f in found if f.kind in GROUPS[1]] == sorted(f.key for f in found if f.kind in GROUPS[1])


@pytest.mark.parametrize("factor", [1 / 4, 4])
@pytest.mark.parametrize("operator", [0, 1, 2, 4, 5, 7, 9])
def test_weights_whose_scale_is_off_by_four_come_first(images: np.ndarray, operator: int, factor: float) -> None:
    """The bias tells it, whatever the data do further down."""
    first = minilite.overflow(broken_pairs.weights_off(operator, factor), images).findings[0]
    assert (first.kind, first.key, first.certain) == ("scale", (0, operator), True)
    assert f"the bias's scale is {'1/4 of' if factor > 1 else '4 times'} s_input · s_weights" in first.message


def test_a_pool_that_changes_the_scale_comes_first(model: Model, images: np.ndarray) -> None:
    """Its result's scale is accused twice: by the pool, and by the bias of the layer after it."""
    found = minilite.overflow(rescaled(model, 19, 4), images).findings
    assert [(f.kind, f.key) for f in found[:2]] == [("scale", (0, 3))] * 2
    assert "hands integers on without rescaling them" in found[0].message
    assert found[1].message.startswith("at operator 4 DEPTHWISE_CONV_2D the bias's scale")
    assert found[1].message.endswith("rather that of tensor 19: operator 3 MAX_POOL_2D contradicts it by as much.")
    assert not any(f.certain for f in found[2:])


def test_numbers_far_from_zero_need_the_grid_down_to_it(model: Model) -> None:
    """100 to 127 are few integers, but a finer grid would not reach from the zero point, -19, to them."""

    def found(low: int, high: int) -> list[str]:
        used = TensorUse((0, 21), "y", "int8", low, high, (0, 5))
        return [f.kind for f in findings(model, [], [used], [])]

    assert found(100, 127) == []
    assert found(-19, 20) == found(0, 20) == ["unused"]


def test_samples_beyond_an_inputs_grid_are_pointed_at(model: Model, images: np.ndarray) -> None:
    found = minilite.overflow(model, images * 2)
    (used,) = found.inputs
    exact = np.mean(images * 2 > 1 + 0.5 / 255)
    assert (used.name, used.below, used.above, used.elements) == (
        "serving_default_image:0",
        0,
        pytest.approx(exact, abs=1e-3),
        images.size,
    )
    assert (found.findings[0].kind, found.findings[0].key, found.findings[0].tensor) == ("clamped", (0, 0), used.name)
    assert f"{used.above:.2%} above" in found.findings[0].message
    assert "Samples clamped to an input's grid" in str(found)
    whole = minilite.overflow(model, images)
    assert (whole.inputs[0].clamped, "clamped to an input" in str(whole)) == (0, False)
    integers = minilite.overflow(model, np.zeros((4, 28, 28, 1), np.int8))
    assert integers.inputs == ()  # what was cut off before, nobody can tell


def test_a_saturating_bias_is_pointed_at(model: Model, images: np.ndarray) -> None:
    bias = model.subgraphs[0].operators[5].inputs[2]

    def change(values: np.ndarray) -> None:
        values[11] = 2**31 - 1

    found = minilite.overflow(constant_replaced(model, bias, change), images)
    kinds = [f.kind for f in found.findings if f.key == (0, 5)]
    assert found.findings[0].key == (0, 5)
    assert kinds[:2] == ["wraps", "bias"]
    assert "channel 11:" in next(f.message for f in found.findings if f.kind == "bias")
    assert found.operators[5].accumulators.bias_at_limit == (11,)
    assert found.operators[5].accumulators.seen_share > 1
    furthest = re.search(
        r"accumulators do not fit int32 .* the furthest should be ([\d,]+),", found.findings[0].message
    )
    assert int(furthest[1].replace(",", "")) == found.operators[5].accumulators.seen[1] > 2**31 - 1


def test_a_dead_channel_is_pointed_at(model: Model, images: np.ndarray) -> None:
    """Of a convolution and of a depthwise one, whose channels are another dimension."""
    for operator, place in ((2, (7,)), (4, (..., 7))):
        weights, bias = model.subgraphs[0].operators[operator].inputs[1:3]

        def without(values: np.ndarray, place=place) -> None:
            values[place] = 0

        def nothing(values: np.ndarray) -> None:
            values[7] = -5000

        broken = constant_replaced(constant_replaced(model, weights, without), bias, nothing)
        found = [f for f in minilite.overflow(broken, images).findings if f.kind == "dead" and f.key == (0, operator)]
        assert [f.message for f in found] == ["channel 7 of 64: always 0. Without any weights: channel 7."]


def test_accumulators_that_only_other_inputs_would_wrap() -> None:
    b = Builder()
    q = Quantization(np.float32([1.0]), np.int64([0]))
    x, y = (b.tensor(n, (1, 1), "INT8", quantization=q) for n in "xy")
    w, bias = (
        b.constant("w", np.int8([[100]]), quantization=q),
        b.constant("b", np.int32([2**31 - 500]), quantization=q),
    )
    model = one(b, "FULLY_CONNECTED", (x, w, bias), (y,), "FullyConnectedOptions")
    found = minilite.overflow(model, np.zeros((20, 1), np.int8))
    assert "may wrap" in [f.kind for f in found.findings]
    assert "wraps" not in [f.kind for f in found.findings]
    assert "wraps" in [f.kind for f in minilite.overflow(model, np.full((20, 1), 9, np.int8)).findings]


# ---- counts ----------------------------------------------------------------------------------------------------------


def test_counts_of_a_convolution_are_those_of_a_plain_computation(images: np.ndarray, model: Model) -> None:
    """Operator 5 is 1 x 1: a product of matrices, each channel by its multiplier."""
    broken = rescaled(model, 21, 1 / 3)
    found = minilite.overflow(broken, images).operators[5]
    interpreter = minilite.Interpreter(broken, experimental_preserve_all_tensors=True)
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    x_index, w_index, b_index = (int(i) for i in interpreter.get_operator_details()[5]["inputs"])
    below = above = total = 0
    low, high = np.inf, -np.inf
    for image in images:
        interpreter.set_tensor(0, np.int8(np.rint(image[None] * 255) - 128))
        interpreter.invoke()
        x, w, b = (interpreter.get_tensor(i).astype(np.int64) for i in (x_index, w_index, b_index))
        acc = (x.reshape(-1, 64) - details[x_index]["quantization"][1]) @ w.reshape(64, 64).T + b
        scales = [details[i]["quantization_parameters"]["scales"].astype(np.float64) for i in (x_index, w_index, 21)]
        steps = multiply_double_rounding(acc, Multiplier.of(scales[0] * scales[1] / scales[2])) - 19
        below, above, total = below + (steps < -128).sum(), above + (steps > 127).sum(), total + steps.size
        low, high = min(low, acc.min()), max(high, acc.max())
    assert found.elements == total
    assert (found.below, found.above) == (below / total, above / total)
    assert found.above > 0.004
    assert found.accumulators.seen == (low, high)
    assert found.activation == 0


def test_activation_and_type_are_told_apart() -> None:
    """RELU6 on a grid that ends at 4: below 0 the activation clamps, above 4 the type saturates; on one that ends at 8
    it is the activation at both ends."""
    b = Builder()
    q = Quantization(np.float32([8 / 255]), np.int64([0]))
    ones = Quantization(np.float32([1.0]), np.int64([0]))
    out = Quantization(np.float32([4 / 255]), np.int64([-128]))
    x, y = b.tensor("x", (1, 1), "INT8", quantization=q), b.tensor("y", (1, 1), "INT8", quantization=out)
    w, bias = b.constant("w", np.int8([[2]]), quantization=ones), b.constant("b", np.int32([0]), quantization=q)
    inputs, options = (x, w, bias), {"fused_activation_function": "RELU6"}
    model = one(b, "FULLY_CONNECTED", inputs, (y,), "FullyConnectedOptions", **options)
    data = np.float32([-3.0, -1.0, 0.5, 1.0, 2.5, 3.5, 3.9, 1.5]).reshape(8, 1)
    found = minilite.overflow(model, data).operators[0]
    assert (found.activation, found.below, found.above) == (2 / 8, 0, 3 / 8)
    wider = replaced(model, y, lambda _: Quantization(np.float32([8 / 255]), np.int64([-128])))
    found = minilite.overflow(wider, data).operators[0]
    assert (found.activation, found.below, found.above) == (4 / 8, 0, 0)  # 2 * 3.0 and more is cut at 6


def test_accumulators_stay_within_their_bounds() -> None:
    for row in kit.rows("CONV_2D int8|DEPTHWISE_CONV_2D int8|FULLY_CONNECTED int8|CONV_2D uint8|CONV_2D int16"):
        for seed in range(6):
            case = kit.seeded_case(row, seed)
            if any(0 in np.shape(a) for a in case.inputs):
                continue
            for kernels in ("reference", "builtin", "xnnpack"):
                for o in minilite.overflow(case.model, [list(case.inputs)], kernels=kernels).operators:
                    bound = o.accumulators.bound
                    if bound is not None and o.accumulators.seen is not None:
                        assert bound[0] <= o.accumulators.seen[0] <= o.accumulators.seen[1] <= bound[1]


def test_sets_and_engines_count_alike(model: Model, images: np.ndarray) -> None:
    """Integers are the same in both engines; sets round differently, which moves no finding."""
    whole = minilite.overflow(model, images, engine="auto")
    assert minilite.overflow(model, images, engine="numpy") == whole
    other = minilite.overflow(model, images, kernels="xnnpack")
    assert [f.key for f in other.findings] == [f.key for f in whole.findings]
    ideal = minilite.overflow(model, images[:4], kernels="ideal")
    assert all(o.accumulators is None for o in ideal.operators)
    assert ideal.operators[5].above is not None


def test_memory_does_not_grow_with_samples(model: Model, images: np.ndarray) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        minilite.overflow(model, lambda: ([images[i % 24][None]] for i in range(count)), engine="numpy")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(40) < 1.2 * peak(4)


def test_bodies_of_loops_and_recurrent_networks_are_counted() -> None:
    net = Network(5)
    x = net.input((1, 8))
    y = net.dense(x, 6, fused_activation_function="NONE")
    net.outputs.append(net.unary("TANH", net.dense(y, 4)))
    floats = minilite.read(net.model().to_bytes())
    data = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    small = minilite.quantize(floats, "int8", data, progress=False)
    found = minilite.overflow(small, data)
    names = [o.name for o in found.operators]
    assert names.count("FULLY_CONNECTED") == 2
    quantize = found.operators[names.index("QUANTIZE")]
    assert quantize.saturated == 0  # calibrated on the same data
    beyond = minilite.overflow(small, 3 * data)
    assert (beyond.findings[0].kind, beyond.findings[0].operator) == ("saturates", "QUANTIZE")
    exact = np.mean(np.abs(3 * data) > 3 * np.abs(data).max())
    assert beyond.operators[names.index("QUANTIZE")].saturated > exact


def test_a_float_model_has_nothing_to_count(images: np.ndarray) -> None:
    found = minilite.overflow(demo.FLOAT_MODEL, images[:2])
    assert found.operators == found.tensors == found.findings == found.inputs == ()
    said = " ".join(str(found).split())
    assert "nothing: no operator has a quantized result (11 float32), so no integer can overflow" in said
    assert "minilite quantize" in said
    assert "Operators" not in said


# ---- mistakes, and the command ---------------------------------------------------------------------------------------


def test_wrong_data(model: Model, images: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match="did you mean 'image'"):
        minilite.overflow(model, {"imge": images})
    with pytest.raises(ArgumentError, match="expected"):
        minilite.overflow(model, images[:, :20])
    with pytest.raises(ArgumentTypeError):
        minilite.overflow(model, None)
    with pytest.raises(ArgumentError, match="not finite"):
        minilite.overflow(model, np.full_like(images[:1], np.nan))
    with pytest.raises(ArgumentError, match="unknown kernel set"):
        minilite.overflow(model, images, kernels="refrence")


def test_the_command(call, tmp_path, model: Model, images: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", image=images)
    rescaled(model, 21, 1 / 4).save(tmp_path / "broken.tflite")
    code, out, _ = call("overflow", tmp_path / "broken.tflite", "--data", tmp_path / "x.npz")
    assert code == 0
    assert "saturates: operator 5 CONV_2D" in out.splitlines()[2]
    assert "24 samples, kernel set 'reference'" in out
    code, _, err = call("overflow", demo.INT8_MODEL)
    assert code == 1
    assert "--data" in err


def test_findings_are_data(whole: minilite.Overflow) -> None:
    assert all(isinstance(f, Finding) and f.kind and f.message.endswith(".") for f in whole.findings)
    assert str(whole).startswith("120 samples")
