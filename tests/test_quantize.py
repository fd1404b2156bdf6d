"""``minilite.quantize``, ``Converter`` and ``minilite quantize``: what can be asked for, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import minilite
from minilite import Converter, OpsSet, Optimize
from minilite.errors import ArgumentError, ArgumentTypeError, ModelError
from minilite.model import Model, Signature
from minilite.quantization import Calibration, quantized
from minilite.quantization.lint import CalibrationWarning
from tests.network_parts import Network
from tests.small_models import Builder, one

STATIC = ("int8", "int16x8", "int8x4")
SCHEMES = (*STATIC, "dynamic_range", "float16", "weights_int8", "weights_int4")


def image_model(signed: bool = False) -> Model:
    """A convolution, a float-only operator, a residual, a head."""
    net = Network(7)
    x = net.convolution(net.input((1, 6, 6, 2)), 4, padding="SAME")
    y = net.unary("ELU", x)
    y = net.convolution(y, 4, padding="SAME")
    y = net.binary("ADD", x, y)
    net.outputs.append(net.dense(net.reshape(y, (1, 144)), 16))
    return net.model(signed=signed)


@pytest.fixture(scope="module")
def model() -> Model:
    return minilite.read(image_model().to_bytes())  # as files have it


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(120, 6, 6, 2)).astype(np.float32)


def types(model: Model) -> list[str]:
    graph = model.subgraphs[0]
    return [str(graph.tensors[i].type) for i in (*graph.inputs, *graph.outputs)]


def names(model: Model) -> list[str]:
    return [model.operator_codes[o.opcode_index].name for o in model.subgraphs[0].operators]


def outputs(model: Model, x: np.ndarray) -> np.ndarray:
    (found,) = minilite.run(model, x).values()
    return found


# ---- what can be asked for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_stays_close_to_the_float_model(model, samples, scheme):
    written = minilite.quantize(model, scheme, samples if scheme in STATIC else None)
    x = np.stack([outputs(model, s[None]) for s in samples[:20]])
    y = np.stack([outputs(minilite.read(written.to_bytes()), s[None]) for s in samples[:20]])
    least = {"weights_int4": 10, "int8x4": 10, "int8": 25}.get(scheme, 30)
    assert 10 * np.log10((x**2).sum() / ((x - y) ** 2).sum()) > least
    assert types(written) == ["FLOAT32", "FLOAT32"]


@pytest.mark.parametrize(("scheme", "type_"), [("int8", "int8"), ("int8", "uint8"), ("int16x8", "int16")])
def test_integer_inputs_and_outputs(model, samples, scheme, type_):
    floats = minilite.quantize(model, scheme, samples)
    integers = minilite.quantize(model, scheme, samples, inference_input_type=type_, inference_output_type=type_)
    assert types(integers) == [type_.upper()] * 2
    inner = minilite.Interpreter(integers)
    source, target = inner.get_input_details()[0], inner.get_output_details()[0]
    scale, zero = source["quantization"]
    limits = np.iinfo(type_)
    x = np.clip(np.round(samples[:1] / np.float32(scale)) + zero, limits.min, limits.max).astype(type_)
    y = outputs(integers, x)
    scale, zero = target["quantization"]
    np.testing.assert_allclose(
        (y.astype(np.float64) - zero) * scale, outputs(floats, samples[:1]), rtol=0, atol=1e-6 * np.abs(y).max()
    )


def test_what_cannot_be_integers_stays_float_between_conversions(model, samples):
    result = quantized(model, "int8", samples)
    left = {d.name: d.reason for d in result.decisions if d.scheme == "float32"}
    assert left == {"ELU": "TFLiteConverter leaves it float"}
    written = names(result.model)
    assert written[written.index("ELU") - 1] == "DEQUANTIZE"
    assert written[written.index("ELU") + 1] == "QUANTIZE"


@pytest.mark.parametrize("pattern", ["ADD", "add_", 3, lambda node: node.name == "ADD"])
def test_operators_are_excluded_by_name_tensor_number_and_function(model, samples, pattern):
    result = quantized(model, "int8", samples, exclude=pattern)
    assert ("ADD", "float32", "excluded") in {(d.name, d.scheme, d.reason) for d in result.decisions}


def test_operators_of_another_scheme(model, samples):
    result = quantized(model, "int8", samples, schemes={"CONV_2D": "int16x8"})
    schemes = {d.name: d.scheme for d in result.decisions}
    assert (schemes["CONV_2D"], schemes["ADD"]) == ("int16x8", "int8")
    worst = minilite.compare(model, result.model, samples[:8], isolated=False).worst(1, by="accumulated")
    assert worst[0].accumulated.sqnr > 25


def test_ranges_by_hand_take_the_place_of_measured_ones(model, samples):
    wanted = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].name
    written = minilite.quantize(model, "int8", samples, ranges={wanted: (-8, 8)}, inference_input_type="int8")
    q = written.subgraphs[0].tensors[written.subgraphs[0].inputs[0]].quantization
    assert q.scales.tolist() == [np.float32(16) / np.float32(255)]
    assert (q.min.tolist(), q.max.tolist()) == ([-8], [8])


def test_ranges_alone_suffice(model, samples, tmp_path):
    found = quantized(model, "int8", samples)
    named = {found.calibration.names[key]: pair for key, pair in found.calibration.ranges.items()}
    assert minilite.quantize(model, "int8", ranges=named) == found.model
    (tmp_path / "minmax.json").write_text(json.dumps(named))
    assert minilite.quantize(model, "int8", ranges=tmp_path / "minmax.json") == found.model


def test_a_saved_calibration_is_used_again(model, samples, tmp_path):
    found = quantized(model, "int8", samples)
    found.calibration.save(tmp_path / "kept.json")
    assert minilite.quantize(model, "int8", calibration=tmp_path / "kept.json") == found.model
    assert minilite.quantize(model, "int8", calibration=found.calibration) == found.model


def test_an_executor_gives_the_same_model(model, samples):
    with ProcessPoolExecutor(1) as pool:
        assert minilite.quantize(model, "int8", samples, executor=pool) == minilite.quantize(model, "int8", samples)


def test_per_tensor_weights_have_one_scale(model, samples):
    written = minilite.quantize(model, "int8", samples, per_channel=False)
    assert {t.quantization.scales.size for t in written.subgraphs[0].tensors if t.quantization is not None} == {1}


def test_signatures_keep_their_names_and_tensors(samples):
    model = image_model(signed=True)
    assert model.signatures
    for type_ in ("float32", "int8"):
        written = minilite.quantize(model, "int8", samples, inference_input_type=type_, inference_output_type=type_)
        assert written.signatures == model.signatures
        runner = minilite.Interpreter(written).get_signature_runner()
        assert [d["dtype"] for d in runner.get_input_details().values()] == [np.dtype(type_).type]


def test_two_signatures_each_with_samples_of_its_own():
    first, second = image_model(), image_model()
    buffers = (*first.buffers, *second.buffers[1:])
    shift = len(first.buffers) - 1
    moved = dataclasses.replace(
        second.subgraphs[0],
        tensors=tuple(
            dataclasses.replace(t, buffer=t.buffer + shift if t.buffer else 0) for t in second.subgraphs[0].tensors
        ),
    )
    graph = first.subgraphs[0]
    ends = ((("x", graph.inputs[0]),), (("y", graph.outputs[0]),))
    model = dataclasses.replace(
        first,
        subgraphs=(graph, moved),
        buffers=buffers,
        signatures=(Signature("one", *ends, 0), Signature("two", *ends, 1)),
    )
    draw = np.random.default_rng(2)

    def samples():
        for _ in range(100):
            yield "one", {"x": draw.normal(size=(1, 6, 6, 2)).astype(np.float32)}
            yield "two", {"x": 10 * draw.normal(size=(1, 6, 6, 2)).astype(np.float32)}

    written = minilite.quantize(model, "int8", samples, inference_input_type="int8")
    scales = [float(g.tensors[g.inputs[0]].quantization.scales[0]) for g in written.subgraphs]
    assert 5 < scales[1] / scales[0] < 15


def test_a_float16_model_is_quantized_as_the_float32_one(model, samples):
    half = minilite.quantize(model, "float16")
    written = minilite.quantize(half, "int8", samples)
    assert "FLOAT16" not in {t.type for t in written.subgraphs[0].tensors if t.buffer}
    assert names(written) == names(minilite.quantize(model, "int8", samples))


def test_the_file_says_what_ranges_its_scales_came_from(model, samples):
    found = quantized(model, "int8", samples)
    graph = found.model.subgraphs[0]
    kept = [t for t in graph.tensors if t.quantization is not None and t.quantization.min is not None]
    assert kept
    for tensor in kept:
        low, high = float(tensor.quantization.min[0]), float(tensor.quantization.max[0])
        assert tensor.quantization.scales[0] == np.float32(max(high, 0) - min(low, 0)) / np.float32(255)


def error(model: Model, written: Model, samples: np.ndarray) -> float:
    """The squared error of the outputs, as a share of their squares."""
    x = np.stack([outputs(model, s[None]) for s in samples])
    y = np.stack([outputs(written, s[None]) for s in samples])
    return float(((x - y) ** 2).sum() / (x**2).sum())


def test_four_bits_get_better_with_samples_and_corrected_biases(model, samples):
    few = samples[:30]
    nearest = minilite.quantize(model, "weights_int4", rounding="nearest")
    plain, fitted = minilite.quantize(model, "weights_int4"), minilite.quantize(model, "weights_int4", samples)
    assert plain == minilite.quantize(model, "weights_int4", rounding="squant")
    assert fitted == minilite.quantize(model, "weights_int4", samples, rounding="gptq")
    assert error(model, fitted, few) < 0.5 * error(model, nearest, few)
    corrected = minilite.quantize(model, "weights_int4", samples, rounding="nearest", bias_correction=True)
    assert error(model, corrected, few) < error(model, nearest, few)


def test_equalizing_changes_weights_and_no_result():
    net = Network(3)
    x = net.convolution(net.input((1, 6, 6, 2)), 4, padding="SAME")
    x = net.convolution(x, 4, padding="SAME")
    net.outputs.append(x)
    model = net.model(signed=False)
    samples = np.random.default_rng(1).normal(size=(100, 6, 6, 2)).astype(np.float32)
    plain = minilite.quantize(model, "int8", samples, per_channel=False)
    even = minilite.quantize(model, "int8", samples, per_channel=False, equalize=True)
    assert plain != even
    assert error(model, even, samples[:20]) < 2 * error(model, plain, samples[:20])


ONE = [[np.ones((1, 6, 6, 2), np.float32)]]


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheme": "int9"}, "did you mean 'int8'"),
        ({}, "give representative_dataset="),
        ({"representative_dataset": []}, "no samples|empty"),
        ({"representative_dataset": np.zeros((5, 6, 6, 3), np.float32)}, "shape|6, 6, 2"),
        ({"representative_dataset": np.full((5, 6, 6, 2), np.nan, np.float32)}, "not finite"),
        ({"representative_dataset": {"y": np.zeros((5, 6, 6, 2), np.float32)}}, "'y'"),
        ({"ranges": {"nothing": (0, 1)}}, "'nothing'"),
        ({"ranges": {}, "inference_input_type": "int8"}, "no range"),
        ({"ranges": {}}, "no operator became integers: 5 lack ranges, the first being CONV_2D .*t0_input_"),
        ({"ranges": {"t0_input_": (0, 1)}}, "no operator became integers: 5 lack ranges"),
        ({"calibration": Calibration("minmax", {}, 100, {})}, "no operator became integers"),
        ({"representative_dataset": [[np.zeros((0, 6, 6, 2), np.float32)]]}, "sample 0, input .* without values"),
        ({"ranges": {"t0_input_": (-3e38, 3e38)}}, "whose width float32 can hold"),
        ({"ranges": [1]}, "ranges: expected"),
        ({"equalize": True, "ranges": {}}, "equalize= .*the ranges of ranges="),
        ({"equalize": True, "calibration": "kept.json"}, "equalize= .*the ranges of calibration="),
        ({"representative_dataset": ONE, "calibration": Calibration("minmax", {}, 1, {})}, "beside a calibration"),
        ({"representative_dataset": ONE, "scheme": "dynamic_range"}, "dynamic_range takes no samples"),
        ({"representative_dataset": ONE, "scheme": "float16"}, "float16 takes no samples"),
        ({"scheme": "weights_int8", "calibration": "mse"}, "calibration= is for the schemes int8"),
        ({"scheme": "weights_int4", "executor": object()}, "executor= is for"),
        ({"scheme": "float16", "per_channel": False}, "per_channel= is for"),
        ({"scheme": None}, "scheme: expected"),
        ({"scheme": ["int8"]}, "scheme: expected"),
        ({"calibration": None, "ranges": {}}, "calibration: expected minmax"),
        ({"schemes": ["ADD"], "ranges": {}}, "schemes: expected a dictionary"),
        ({"schemes": {"ADD": ["int8"]}, "ranges": {}}, "int8, int16x8, int8x4, float32"),
        ({"exclude": None, "ranges": {}}, "exclude: expected"),
        ({"exclude": "", "ranges": {}}, "empty pattern"),
        ({"scheme": "weights_int4", "block_size": "32"}, "block_size: expected a whole number"),
        ({"scheme": "weights_int4", "block_size": 320000}, "320000 suits no layer"),
        ({"scheme": "weights_int4", "block_size": 32, "representative_dataset": ONE}, "32 suits no layer"),
        ({"scheme": "weights_int4", "rounding": 4}, "rounding: expected a name"),
        ({"calibration": "minmx"}, "did you mean 'minmax'"),
        ({"inference_input_type": "int16", "ranges": {}}, "float32, int8, uint8"),
        ({"scheme": "int16x8", "inference_input_type": "int8", "ranges": {}}, "float32, int16"),
        ({"exclude": "CONV2D", "ranges": {}}, "Did you mean 'CONV_2D'"),
        ({"exclude": "CONV[", "ranges": {}}, "no regular expression"),
        ({"schemes": {"ADD": "int4"}, "ranges": {}}, "int8, int16x8, int8x4, float32"),
        ({"scheme": "float16", "inference_input_type": "int8"}, "inference_input_type="),
        ({"scheme": "dynamic_range", "ranges": {}}, "ranges="),
        ({"scheme": "weights_int4", "rounding": "gptq"}, "representative_dataset="),
        ({"scheme": "weights_int4", "rounding": "gptx"}, "did you mean 'gptq'"),
        ({"scheme": "weights_int4", "block_size": 33}, "multiple of 32"),
        ({"scheme": "weights_int8", "block_size": 32}, "weights_int4"),
        ({"scheme": "int8", "rounding": "nearest", "ranges": {}}, "weights_int8 and weights_int4"),
        ({"scheme": "weights_int8", "bias_correction": True}, "representative_dataset="),
    ],
)
def test_arguments_that_do_not_fit(model, arguments, message):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=message):
        minilite.quantize(model, **arguments)


def test_operators_without_a_range_are_told(model, samples):
    """A subgraph or a branch that no sample reaches has none."""
    found = quantized(model, "int8", samples).calibration
    last = model.subgraphs[0].outputs[0]
    some = dataclasses.replace(found, ranges={k: r for k, r in found.ranges.items() if k != (0, last)})
    with pytest.warns(
        CalibrationWarning, match=r"1 operators stay float, the first being FULLY_CONNECTED .operator 5 .*"
    ):
        result = quantized(model, "int8", calibration=some)
    assert "FULLY_CONNECTED" in {d.name for d in result.decisions if d.scheme == "float32"}


def test_samples_beside_a_calibration_correct_biases(model, samples):
    found = quantized(model, "int8", samples)
    corrected = minilite.quantize(model, "int8", samples, calibration=found.calibration, bias_correction=True)
    assert corrected == minilite.quantize(model, "int8", samples, bias_correction=True)
    assert corrected != found.model


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_named(samples, wrong):
    net = Network(7)
    weights = np.ones((4, 1, 1, 2), np.float32)
    weights[2, 0, 0, 1] = wrong
    net.outputs.append(net.convolution(net.input((1, 6, 6, 2)), 4, weights=net.constant(weights, kind="weights")))
    for scheme in SCHEMES:
        with pytest.raises(ArgumentError, match=r"'t1_weights_' of subgraph 0, filter of CONV_2D.* 1 NaN or infinite"):
            minilite.quantize(net.model(), scheme, samples if scheme in STATIC else None)
    with pytest.raises(ArgumentError, match="t1_weights_"):
        minilite.calibrate(net.model(), samples)


def test_infinite_limits_stay_float(samples):
    """They are legal in float models, and on no grid."""
    net = Network(7)
    x = net.convolution(net.input((1, 6, 6, 2)), 4)
    net.outputs.append(net.call("MINIMUM", (x, net.constant(np.full(4, np.inf))), net.shape(x)))
    result = quantized(net.model(), "int8", samples)
    assert {d.name: d.reason for d in result.decisions} == {"CONV_2D": "", "MINIMUM": "its input2 holds infinities"}


def test_values_too_far_apart_for_a_scale_are_named(model, samples):
    found = quantized(model, "int8", samples).calibration
    key = next(k for k, name in found.names.items() if name.startswith("t0_"))
    wide = dataclasses.replace(found, ranges={**found.ranges, key: (-3e38, 3e38)})
    with pytest.raises(ArgumentError, match=r"'t0_input_' of subgraph 0: the range from -3e.38 to 3e.38 is too wide"):
        minilite.quantize(model, "int8", calibration=wide)


def test_a_float16_model_is_calibrated_as_the_float32_one(model, samples):
    half = minilite.quantize(model, "float16")
    found = minilite.calibrate(half, samples)
    assert minilite.quantize(half, "int8", calibration=found) == minilite.quantize(half, "int8", samples)
    with pytest.raises(ArgumentError, match="already quantized"):
        minilite.calibrate(minilite.quantize(model, "int8", samples), samples)


def test_what_is_no_float_model(model, samples, tmp_path):
    for scheme in SCHEMES:
        with pytest.raises(ArgumentError, match="already quantized"):
            minilite.quantize(minilite.quantize(model, "int8", samples), scheme, samples if scheme in STATIC else None)
    with pytest.raises(ArgumentTypeError, match="expected a path"):
        minilite.quantize(3)
    with pytest.raises(ModelError):
        minilite.quantize(b"not a model")
    b = Builder()
    integers = one(b, "ADD", (b.tensor("x", (2,), "INT32"),) * 2, (b.tensor("y", (2,), "INT32"),), "AddOptions")
    with pytest.raises(ArgumentError, match="nothing to quantize"):
        minilite.quantize(integers, "int8", np.zeros((3, 2), np.int32))


def test_a_custom_operator_is_named():
    b = Builder()
    x, y = b.tensor("x", (1, 4)), b.tensor("y", (1, 4))
    model = one(b, "ABS", (x,), (y,), "AbsOptions")
    code = dataclasses.replace(model.operator_codes[0], builtin_code="CUSTOM", custom_code="Mine")
    with pytest.raises(minilite.UnresolvedCustomError, match="Mine"):
        minilite.quantize(dataclasses.replace(model, operator_codes=(code,)), "int8", np.ones((5, 1, 4), np.float32))


# ---- TFLiteConverter's words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "scheme"),
    [
        ({"optimizations": [Optimize.DEFAULT]}, "dynamic_range"),
        ({"optimizations": [Optimize.DEFAULT], "types": [np.float16]}, "float16"),
        ({"optimizations": [Optimize.DEFAULT], "data": True}, "int8"),
        (
            {
                "optimizations": [Optimize.DEFAULT],
                "data": True,
                "ops": [
                    OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
                    OpsSet.TFLITE_BUILTINS,
                ],
            },
            "int16x8",
        ),
    ],
)
def test_converter_means_the_same_as_quantize(model, samples, tmp_path, settings, scheme):
    model.save(tmp_path / "float.tflite")
    converter = Converter.from_file(tmp_path / "float.tflite")
    converter.optimizations = settings["optimizations"]
    converter.target_spec.supported_types = settings.get("types", [])
    converter.target_spec.supported_ops = settings.get("ops", [OpsSet.TFLITE_BUILTINS])
    data = (lambda: ([s[None]] for s in samples)) if "data" in settings else None
    converter.representative_dataset = data
    assert converter.convert() == minilite.quantize(model, scheme, data).to_bytes()


def test_converter_without_optimizations_changes_nothing(model):
    assert Converter.from_content(model.to_bytes()).convert() == model.to_bytes()


def test_converter_without_optimizations_makes_no_integers(model):
    """TFLiteConverter raises a ValueError, too."""
    integers = Converter(model, inference_input_type=np.int8)
    with pytest.raises(ArgumentError, match="float32 without optimizations, got int8"):
        integers.convert()
    without_samples = Converter(model)
    without_samples.target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS_INT8]
    with pytest.raises(ArgumentError, match="representative_dataset"):
        without_samples.convert()


def test_samples_in_tensorflow_s_wrapper(model, samples):
    class RepresentativeDataset:  # as tf.lite has it
        def __init__(self, input_gen):
            self.input_gen = input_gen

    converter = Converter(model, [Optimize.DEFAULT])
    converter.representative_dataset = RepresentativeDataset(lambda: ([s[None]] for s in samples))
    assert converter.convert() == minilite.quantize(model, "int8", samples).to_bytes()


def test_converter_says_which_operator_is_no_integer(model, samples):
    converter = Converter(model, [Optimize.DEFAULT], samples)
    converter.target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS_INT8]
    with pytest.raises(ArgumentError, match="ELU"):
        converter.convert()
    converter.target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS_INT8, OpsSet.TFLITE_BUILTINS]
    converter.convert()


def test_converter_refuses_what_it_does_not_know(model):
    with pytest.raises(AttributeError, match="representative_datset"):
        Converter(model).representative_datset = ONE
    with pytest.raises(AttributeError, match="supported_op"):
        Converter(model).target_spec.supported_op = [OpsSet.TFLITE_BUILTINS_INT8]
    for converter in (
        Converter(model, ["DEFAULT"]),
        Converter(model, Optimize.DEFAULT),
        Converter(model, target_spec=dataclasses.replace(Converter(model).target_spec, supported_ops=["INT8"])),
        Converter(model, [Optimize.DEFAULT], inference_input_type="float33"),
    ):
        with pytest.raises(ArgumentTypeError):
            converter.convert()


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_writes_the_model_and_says_what_changed(model, samples, tmp_path, call):
    model.save(tmp_path / "float.tflite")
    np.save(tmp_path / "few.npy", samples[:30])
    target, kept = tmp_path / "int8.tflite", tmp_path / "kept.json"
    arguments = ("quantize", tmp_path / "float.tflite", "-d", tmp_path / "few.npy", "-o", target)
    status, out, _ = call(*arguments, "--save-calibration", kept)
    assert status == 0
    assert minilite.read(target) == minilite.quantize(model, "int8", calibration=kept)
    for expected in ("times smaller", "x int8", "ELU  TFLiteConverter leaves it float", "dB", "30 samples are few"):
        assert expected in out


def test_the_command_takes_samples_to_compare_by_alone(model, samples, tmp_path, call):
    model.save(tmp_path / "float.tflite")
    np.save(tmp_path / "few.npy", samples[:30])
    quantized(model, "int8", samples).calibration.save(tmp_path / "kept.json")
    arguments = ("quantize", tmp_path / "float.tflite", "-d", tmp_path / "few.npy", "-o", tmp_path / "out.tflite")
    for more in (("--scheme", "float16"), ("--calibration", tmp_path / "kept.json")):
        status, out, _ = call(*arguments, *more)
        assert status == 0
        assert "SQNR" in out


def test_the_command_excludes_by_number_as_python_does(model, samples, tmp_path, call):
    model.save(tmp_path / "float.tflite")
    np.save(tmp_path / "few.npy", samples)
    data = ("-d", tmp_path / "few.npy", "-o", tmp_path / "out.tflite")
    status, _, _ = call("quantize", tmp_path / "float.tflite", *data, "--exclude", "3")
    assert status == 0
    assert minilite.read(tmp_path / "out.tflite") == minilite.quantize(model, "int8", samples, exclude=3)


def test_the_command_s_lines_fit_a_terminal(model, samples, tmp_path, call):
    graph = model.subgraphs[0]
    tensors = tuple(dataclasses.replace(t, name=f"first/{'inner/' * 20}{t.name}") for t in graph.tensors)
    dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tensors),)).save(tmp_path / "long.tflite")
    np.save(tmp_path / "few.npy", samples)
    status, out, _ = call(
        "quantize", tmp_path / "long.tflite", "-d", tmp_path / "few.npy", "-o", tmp_path / "out.tflite"
    )
    assert status == 0
    table = [line for line in out.splitlines() if "first/" in line]
    assert table
    assert all(len(line) <= 80 and "..." in line and "t" in line[-12:] for line in table)


def test_the_command_writes_nothing_when_one_thing_does_not_fit(model, tmp_path, call):
    model.save(tmp_path / "float.tflite")
    target = tmp_path / "out.tflite"
    arguments = ("quantize", tmp_path / "float.tflite", "-o", target, "--scheme", "float16")
    status, _, err = call(*arguments, "--save-calibration", tmp_path / "kept.json")
    assert status == 1
    assert "float16 measures no ranges" in err
    assert not target.exists()


@pytest.mark.parametrize("more", [["--scheme", "int9"], [], ["--data", "none.npy"], ["--exclude", "CONV2D"]])
def test_the_command_fails_with_a_message_and_no_file(model, tmp_path, call, more):
    model.save(tmp_path / "float.tflite")
    status, _, err = call("quantize", tmp_path / "float.tflite", "-o", tmp_path / "out.tflite", *more)
    assert status == 1
    assert err.startswith("minilite: ")
    assert not (tmp_path / "out.tflite").exists()
