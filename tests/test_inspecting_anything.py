"""What explains, compares, carves, counts and reports: models that can be read, and that nobody should have made.

What mutants and fuzzing found (:mod:`tests.fuzz.inspecting`), each as a small model that shows it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.cases import Call, Graph, Value
from minilite.errors import ArgumentError, ModelError
from minilite.inspection import report, report_contents
from minilite.inspection.measuring import Measure
from minilite.model import Model, OperatorCode, Quantization, Signature, Tensor
from minilite.schema import make_options
from minilite.testing.graph_model import graph_model
from tests.small_models import Builder, add, one, operator, two_signatures

pytestmark = pytest.mark.filterwarnings("error")
ONE = np.ones((1, 4), np.float32)


def reported(model: Model, inputs: Any) -> None:
    report.shown(report_contents.contents(model, model, [inputs], "reference", "numpy", 1, ()), 1)


LOOKS: dict[str, Callable[[Model, Any], object]] = {
    "explain tensor": lambda model, inputs: str(minilite.explain(model, "tensor 0")),
    "explain": lambda model, inputs: str(minilite.explain(model, 0, inputs)),
    "carve": lambda model, inputs: minilite.carve(model, 0).model.to_bytes(),
    "carve with values": lambda model, inputs: minilite.carve(model, 0, inputs=[inputs]),
    "compare": lambda model, inputs: minilite.compare(model, "xnnpack", [inputs], engine="numpy"),
    "overflow": lambda model, inputs: str(minilite.overflow(model, [inputs], engine="numpy")),
    "report": reported,
}


# ---- indices that lead nowhere ---------------------------------------------------------------------------------------


def with_signature(**fields: Any) -> Model:
    return dataclasses.replace(add(), signatures=(dataclasses.replace(add().signatures[0], **fields),))


def blockwise(**fields: Any) -> Model:
    details = make_options("BlockwiseQuantization", **{"scales": 2, "zero_points": -1, "block_size": 1, **fields})
    tensors = (dataclasses.replace(add().subgraphs[0].tensors[0], quantization=Quantization(details=details)),)
    graph = dataclasses.replace(add().subgraphs[0], tensors=tensors + add().subgraphs[0].tensors[1:])
    return dataclasses.replace(add(), subgraphs=(graph,))


def loop(body: int) -> Model:
    number, truth = Value("float32", (1, 4)), Value("bool", ())
    call = Call("WHILE", (0,), (1,), {"cond_subgraph_index": 1, "body_subgraph_index": body})
    never = Graph((number, Value("bool", (), np.array(False)), truth), (Call("LOGICAL_NOT", (1,), (2,)),), (0,), (2,))
    return graph_model((Graph((number, number), (call,), (0,), (1,)), never))


NOWHERE = {
    "a signature's subgraph": (with_signature(subgraph_index=8), r"Invalid subgraph index 8 in signature"),
    "a signature's input": (with_signature(inputs=(("x", 99),)), r"Invalid tensor index 99 for 'x' in signature"),
    "a signature's output": (with_signature(outputs=(("y", 98),)), r"Invalid tensor index 98 for 'y' in signature"),
    "the scales of blocks": (blockwise(scales=99), r"Invalid tensor index 99 in the scales of BlockwiseQuantization"),
    "their zero points": (blockwise(zero_points=-7), r"Invalid tensor index -7 in the zero_points of Blockwise"),
    "the body of a loop": (loop(9), r"Invalid subgraph index 9 in body_subgraph_index of subgraphs\[0\]"),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("case", NOWHERE)
def test_what_litert_carries_can_be_read_and_is_refused_where_it_is_followed(case: str, look: str) -> None:
    """They once were an IndexError. That LiteRT carries them: test_format_soundness.py; loops it refuses later."""
    model, message = NOWHERE[case]
    model = minilite.read(model.to_bytes())
    minilite.Interpreter(model)
    with pytest.raises(ModelError, match=message):
        LOOKS[look](model, [ONE])


@pytest.mark.parametrize("case", NOWHERE)
def test_quantizing_refuses_it_too(case: str) -> None:
    with pytest.raises(ModelError, match=NOWHERE[case][1]):
        minilite.quantize(NOWHERE[case][0], "dynamic_range")


@pytest.mark.parametrize("look", LOOKS)
def test_a_subgraph_that_options_name_by_a_negative_number_is_none(look: str) -> None:
    with contextlib.suppress(minilite.OperatorError):  # it cannot be run
        LOOKS[look](loop(-1), [ONE])


# ---- operands and results --------------------------------------------------------------------------------------------


def once() -> Model:
    """CALL_ONCE, which has no results, before NEG."""
    number = Value("float32", (1, 4))
    calls = (Call("CALL_ONCE", (), (), {"init_subgraph_index": 1}), Call("NEG", (0,), (1,)))
    return graph_model((Graph((number, number), calls, (0,), (1,)), Graph((), (), (), ())))


def test_an_operator_without_results_can_be_explained_but_no_element_of_it() -> None:
    """It once was an IndexError."""
    found = minilite.explain(once(), 0, ONE)
    assert found.operator is not None
    assert found.operator.name == "CALL_ONCE"
    assert found.element is None
    with pytest.raises(ArgumentError, match=r"CALL_ONCE \(operator 0 of subgraph 0\) has no result"):
        minilite.explain(once(), 0, ONE, element=(0,))


@pytest.mark.parametrize("look", LOOKS)
def test_operators_without_results_are_no_hindrance(look: str) -> None:
    LOOKS[look](once(), [ONE])


def test_a_signature_may_name_another_tensor_than_an_input() -> None:
    """A report once was a KeyError."""
    reported(with_signature(inputs=(("x", 0), ("wrong", 2))), [ONE])
    reported(with_signature(inputs=(("wrong", 2),)), [ONE])


def test_the_second_of_two_signatures_of_one_name_leads_nowhere_else() -> None:
    signatures = tuple(dataclasses.replace(s, key="same") for s in two_signatures().signatures)
    model = dataclasses.replace(two_signatures(), signatures=signatures)
    with contextlib.suppress(minilite.Error):
        minilite.compare(model, "xnnpack", [("same", {"a": np.ones((1, 3)), "b": np.ones((1, 3))})])


def test_a_fully_connected_of_a_constant_input_and_computed_weights_can_be_quantized() -> None:
    """Its bias once was an AssertionError."""
    b = Builder()
    weights, product = b.tensor("weights", (3, 4)), b.tensor("product", (1, 3))
    x, bias = b.constant("x", np.float32([[1, 2, 3, 4]])), b.constant("bias", np.float32([1, 2, 3]))
    model = one(b, "FULLY_CONNECTED", (x, weights, bias), (product,), "FullyConnectedOptions")
    data = np.random.default_rng(0).normal(size=(100, 3, 4)).astype(np.float32)
    found = minilite.compare(model, minilite.quantize(model, "int8", data), data[:4])
    assert found.tensors[-1].accumulated.sqnr > 30


def test_inputs_may_have_one_name() -> None:
    """The second once had no values: a KeyError."""
    b = Builder()
    x, y, z = (b.tensor(name, (1, 4)) for name in ("same", "same", "z"))
    model = one(b, "SUB", (x, y), (z,), "SubOptions")
    signed = dataclasses.replace(model, signatures=(Signature("serve", (("same", x), ("same", y)), (("z", z),)),))
    for either in (model, signed):
        reported(either, [ONE, 2 * ONE])
        found = minilite.compare(either, model, [[ONE, 2 * ONE]])
        assert found.first is None
    element = minilite.explain(model, 0, [ONE, 3 * ONE]).element
    assert element is not None
    assert element.computed == -2
    with pytest.raises(ArgumentError, match="no value for input 'same'"):
        minilite.compare(model, "xnnpack", [{"same": ONE}])


@pytest.mark.parametrize(
    "weights, message",
    [(np.full((3, 4), 3e38), "expected weights of at most 1.701e"), (np.full((3, 4), 1e38), "that float32 does not")],
)
def test_weights_that_have_no_scale_are_refused(weights: np.ndarray, message: str) -> None:
    """Quantizing once was a RuntimeWarning."""
    b = Builder()
    x, y = b.tensor("x", (1, 4)), b.tensor("y", (1, 3))
    w, bias = b.constant("w", np.float32(weights)), b.constant("bias", np.float32([1, 2, 3]))
    model = one(b, "FULLY_CONNECTED", (x, w, bias), (y,), "FullyConnectedOptions")
    with pytest.raises(ArgumentError, match=message):
        minilite.quantize(model, "int8", ranges={"x": (0, 1e6), "y": (0, 1)})


def test_constants_too_wide_for_a_scale_are_refused() -> None:
    b = Builder()
    x, y = b.tensor("x", (1, 4)), b.tensor("y", (1, 4))
    model = one(b, "ADD", (x, b.constant("c", np.float32([-3e38, 0, 0, 3e38]))), (y,), "AddOptions")
    with pytest.raises(ArgumentError, match=r"'c', input2 of .* too wide"):
        minilite.quantize(model, "int8", ranges={"x": (0, 1), "y": (0, 1)})


def test_weights_without_elements_are_left_alone() -> None:
    """An IndexError once."""
    b = Builder()
    x, y = b.tensor("x", (2, 0)), b.tensor("y", (2, 3))
    model = one(b, "FULLY_CONNECTED", (x, b.constant("w", np.zeros((3, 0), np.float32))), (y,), "FullyConnectedOptions")
    for scheme in ("weights_int8", "weights_int4", "dynamic_range"):
        assert minilite.quantize(model, scheme).subgraphs[0].tensors[2].type == "FLOAT32"


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("type_", ["float32", "int32", "string"])
def test_what_a_called_subgraph_does_not_compute_is_zeros(type_: str, engine: str) -> None:
    """It once was None, as an array, of which calibration was to find the lowest: a TypeError. LiteRT shows what its
    memory held before, at best zeros."""
    value = Value(type_, (2,))
    call = Call("STABLEHLO_COMPOSITE", (0,), (1,), {"decomposition_subgraph_index": 1, "name": "x"})
    model = graph_model((Graph((value, value), (call,), (0,), (1,)), Graph((value, value), (), (0,), (1,))))
    sample = np.array([b"a", b"b"], object) if type_ == "string" else np.ones(2, type_)
    (found,) = minilite.run(minilite.Interpreter(model, engine=engine), sample).values()
    assert found.tolist() == ([b"", b""] if type_ == "string" else [0, 0])


def test_a_tensor_that_is_written_twice_has_elements_that_the_first_operator_did_not_compute() -> None:
    """Explaining it once was an IndexError."""
    b = Builder()
    small, large, y = (
        b.tensor(n, s, "INT8", quantization=scaled(1)) for n, s in (("s", (1, 1)), ("l", (1, 8)), ("y", (1, 8)))
    )
    steps = operator(0, (small,), (y,)), operator(0, (large,), (y,))
    model = Model((OperatorCode("ABS"),), (b.subgraph((small, large), (y,), *steps),), tuple(b.buffers))
    element = minilite.explain(model, 0, [np.int8([[1]]), np.int8([[1, 2, 3, 4, 5, 6, 7, 8]])]).element
    assert element is not None
    assert (element.definition, element.others) == (None, ())


def test_buffers_of_metadata_that_are_not_there_stay_so() -> None:
    """Quantizing once was a KeyError."""
    model = minilite.quantize(dataclasses.replace(add(), metadata_buffer=(55, 1)), "dynamic_range")
    assert model.metadata_buffer is not None
    assert model.metadata_buffer[0] == 55


# ---- scales ----------------------------------------------------------------------------------------------------------


def scaled(*scales: float, axis: int = 0) -> Quantization:
    return Quantization(np.float32(scales), np.zeros(len(scales), np.int64), axis)


def sum_of(*scales: float) -> Model:
    """ADD in int8, with the scales of both operands and of the result."""
    b = Builder()
    x, y, z = (b.tensor(n, (1, 4), "INT8", quantization=scaled(s)) for n, s in zip("xyz", scales, strict=True))
    return one(b, "ADD", (x, y), (z,), "AddOptions")


def layer(input: float, weights: tuple[float, ...], bias: tuple[float, ...], output: float, axis: int = 0) -> Model:
    """FULLY_CONNECTED in int8."""
    b = Builder()
    x, y = b.tensor("x", (1, 4), "INT8", quantization=scaled(input)), None
    w = b.constant("w", np.full((3, 4), 9, np.int8), quantization=scaled(*weights, axis=axis))
    c = b.constant("c", np.int32([1, 2, 3]), quantization=scaled(*bias))
    y = b.tensor("y", (1, 3), "INT8", quantization=scaled(output))
    return one(b, "FULLY_CONNECTED", (x, w, c), (y,), "FullyConnectedOptions")


SCALES = {
    "an infinite one": sum_of(math.inf, 1, 1),
    "an infinite result": sum_of(1, 1, math.inf),
    "none at all": sum_of(0, 0, 1),
    "no number": sum_of(math.nan, 1, 1),
    "far apart": sum_of(1e38, 1e-38, 1e-38),
    "one for a bias of many": layer(0.5, (1, 2, 3), (0.5,), 1),
    "many for a bias of one": layer(0.5, (1,), (1, 2, 3), 1),
    "a product beyond float32": layer(1e38, (1e38,), (1,), 1),
    "a multiplier beyond float32": layer(1e38, (1,), (1e38,), 1e-38),
    "a product of nothing": layer(1e-38, (1e-38,), (1e-38,), 1),
    "a channel of nothing": layer(0.5, (1, 0, 3), (0.5, 0, 1.5), 1),
    "an infinite channel": layer(0.5, (1, math.inf, 3), (0.5, 1, 1.5), 1),
}


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack", "tflm", "ideal"])
@pytest.mark.parametrize("case", SCALES)
def test_scales_may_be_anything(case: str, kernels: str) -> None:
    """They once were a ZeroDivisionError, a ValueError, or warnings of NumPy."""
    model = SCALES[case]
    inputs = [np.int8([[1, -2, 3, 100]])] * len(model.subgraphs[0].inputs)
    for tensor in range(len(model.subgraphs[0].tensors)):
        str(minilite.explain(model, f"tensor {tensor}", kernels=kernels))
    for look in (
        lambda: str(minilite.explain(model, 0, inputs, kernels=kernels)),
        lambda: minilite.compare(model, "reference:numpy", [inputs], kernels=kernels, engine="numpy"),
        lambda: str(minilite.overflow(model, [inputs], kernels=kernels, engine="numpy")),
        lambda: reported(model, inputs),
    ):
        with contextlib.suppress(minilite.Error):
            look()


def test_a_bias_of_another_count_of_scales_than_the_weights_contradicts_them() -> None:
    b = Builder()
    x = b.tensor("x", (1, 4), "INT8", quantization=scaled(0.5))
    w = b.constant("w", np.ones((3, 4), np.int8), quantization=scaled(1, 2, 3))
    c = b.constant("c", np.ones(2, np.int32), quantization=scaled(0.5, 1))
    y = b.tensor("y", (1, 3), "INT8", quantization=scaled(1))
    model = one(b, "FULLY_CONNECTED", (x, w, c), (y,), "FullyConnectedOptions")
    found = minilite.explain(model, "c")
    assert found.tensor is not None
    assert found.tensor.origin.agrees is False
    assert "has 2 scales and the weights have 3" in found.tensor.origin.summary


def test_a_bias_of_one_scale_is_held_against_all_of_the_weights() -> None:
    found = minilite.explain(SCALES["one for a bias of many"], "c")
    assert found.tensor is not None
    assert "NOT as in the file, first at 1: 0.5 is 1/2 of 1" in found.tensor.origin.summary


def test_scales_of_a_scalar_fit_no_dimension() -> None:
    b = Builder()
    x, y = (b.tensor(n, (), "INT8", quantization=scaled(1, 2, 3)) for n in "xy")
    c = b.constant("c", np.array(3, np.int8), quantization=scaled(1, 2, 3))
    model = one(b, "MAXIMUM", (x, c), (y,), "MaximumMinimumOptions")
    for tensor in range(3):
        assert "3 scales along dimension 0" in str(minilite.explain(model, f"tensor {tensor}"))
    assert minilite.compare(model, "xnnpack", [[np.array(5, np.int8)]]).first is None


def test_values_that_scales_do_not_fit_are_the_models_fault() -> None:
    """A result that is declared otherwise than it is computed: once a ValueError, and an IndexError."""
    b = Builder()
    x = b.tensor("x", (1, 3), "INT8", quantization=scaled(1))
    y = b.tensor("y", (1, 1, 1, 3), "INT8", quantization=scaled(1, 2, 3, axis=3))
    model = one(b, "RESHAPE", (x,), (y,), "ReshapeOptions", new_shape=(1, 3))
    values = np.int8([[1, 2, 3]])
    with pytest.raises(ArgumentError, match=r"3 scales along dimension 3, and its values have shape \[1, 3\]"):
        minilite.compare(model, "xnnpack", [[values]])
    with contextlib.suppress(minilite.Error):
        str(minilite.explain(model, 0, values))


@pytest.mark.parametrize("scale", [0, math.nan, math.inf, -1])
def test_nothing_is_counted_in_steps_that_are_no_numbers(scale: float) -> None:
    tensor = Tensor("x", "INT8", (3,), quantization=scaled(scale))
    measure = Measure(tensor, tensor)
    with np.errstate(all="ignore"):
        measure.add(0, np.int8([1, 2, 3]), np.int8([1, 2, 4]))
    found = measure.result()
    assert found is not None
    assert found.steps is None


def test_noise_far_above_the_signal_has_a_ratio() -> None:
    """The quotient of the sums is less than the least float64: once a ValueError of the logarithm."""
    tensor = Tensor("x", "FLOAT64", (2,))
    measure = Measure(tensor, tensor)
    measure.add(0, np.array([1e-160, 0]), np.array([1e-160, 1e100]))
    found = measure.result()
    assert found is not None
    assert found.sqnr == -math.inf


# ---- what is no real number ------------------------------------------------------------------------------------------


def of_type(type_: str) -> Model:
    """Called with a float, a result of any type: of other types than float32 this is computed by nobody."""
    b = Builder()
    x, y = b.tensor("x", (2,), type_), b.tensor("y", (2,), type_)
    return one(b, "RESHAPE", (x,), (y,), "ReshapeOptions", new_shape=(2,))


def test_complex_numbers_and_strings_are_compared_with_their_like_only() -> None:
    """They once were a ComplexWarning, and a ValueError."""
    numbers = [np.array([1 + 2j, 3], np.complex64)]
    assert minilite.compare(of_type("COMPLEX64"), "ideal", [numbers]).first is None
    for other in ("FLOAT32", "STRING"):
        with pytest.raises(ArgumentError, match="the models do not correspond"):
            minilite.compare(of_type("COMPLEX64"), of_type(other), [numbers])


@pytest.mark.parametrize("operator", ["SQRT", "RSQRT", "LOG", "DIV"])
def test_roots_of_negative_numbers_are_no_numbers_and_no_warning(operator: str) -> None:
    b = Builder()
    x, y = b.tensor("x", (4,)), b.tensor("y", (4,))
    model = one(b, operator, (x, x) if operator == "DIV" else (x,), (y,), "DivOptions" if operator == "DIV" else "")
    values = np.float32([-4, 0, 1, 4])
    for kernels in ("reference", "ideal"):
        str(minilite.explain(model, 0, values, kernels=kernels))
        minilite.compare(model, "ideal", [[values]], kernels=kernels)
