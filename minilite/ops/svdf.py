"""SVDF: a dense layer over the last ``memory`` inputs, factored into one filter of features and one of time.

    state[b, f]  = state[b, f, 1:], followed by sum over i of input[b, i] * weights_feature[f, i]
    output[b, u] = activation(bias[u] + sum over filters f of unit u, over m of state[b, f, m] * weights_time[f, m])

input [batch, terms], weights_feature [filters, terms], weights_time [filters, memory], bias [units]; the state
[batch, filters * memory] is kept from one invoke to the next. Unit u has the ``rank`` filters from u * rank on.

Integers (int8 input and feature weights, int16 time weights and state, int32 bias): a new entry of the state is
``clip(round(sum of (input - z_input) * weight * s_input * s_feature / s_state))`` as int16; the output is
``clip(round((bias + sum of state * weight) * s_state * s_time / s_output) + z_output)``, both rounded twice
(:func:`minilite.fixed_point.multiply_double_rounding`). State and weights have no zero points. The operator must carry
the activation RELU and yet clips at the ends of int8 only. Time weights and state may both be int8, the state then with
a zero point, as in TensorFlow Lite for Microcontrollers, which clips a new entry before it adds the zero point; LiteRT
reads such a state as int16, past its end.

Floats are added up in four lanes, but one by one, the bias first, in ``tflm``.

Hybrid: float32 input and state, int8 or uint8 weights, both dequantized by one scale; inputs are quantized a row at a
time (:mod:`minilite.ops.hybrid`), unless all of them are 0.
Sources: Nakkiran et al., "Compressing Deep Neural Networks using a Rank-Constrained Topology", 2015; TensorFlow Lite's
svdf kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite import cases
from minilite.cases import Case, Draw, data
from minilite.fixed_point import Multiplier, multiply_double_rounding, saturate, wrap32
from minilite.ops import elementary, hybrid
from minilite.ops.accumulate import dot_in_lanes, in_order, integer_dot, sequential_dot, sum_in_lanes
from minilite.ops.cell_activation import cell_activation, check_activation
from minilite.spec import Definition, Node, Op, Operand, Shape, TensorInfo, activation, bias_of, weight

Array = np.ndarray


def shapes(
    node: Node,
    input: TensorInfo,
    weights_feature: TensorInfo,
    weights_time: TensorInfo,
    bias: TensorInfo | None,
    state: TensorInfo,
) -> tuple[Shape]:
    input.need(input.rank == 2, "2 dimensions [batch, terms]", input.shape)
    batch, terms = input.shape
    weights_feature.need(
        weights_feature.rank == 2 and weights_feature.shape[1] == terms, f"[filters, {terms}]", weights_feature.shape
    )
    filters, rank = weights_feature.shape[0], int(node.options.rank)
    node.need(rank > 0 and filters % rank == 0, f"a rank that divides {filters} filters", rank)
    weights_time.need(
        weights_time.rank == 2 and weights_time.shape[0] == filters and weights_time.shape[1] > 0,
        f"[{filters}, memory]",
        weights_time.shape,
    )
    if bias is not None:
        bias.need(bias.shape == (filters // rank,), f"one bias for each of {filters // rank} units", bias.shape)
    expected = (batch, filters * weights_time.shape[1])
    state.need(state.is_variable and state.shape == expected, f"a variable of shape {expected}", state.shape)
    check_activation(node)
    return ((batch, filters // rank),)


def remember(state: Array, weights_time: Array, features: Array) -> Array:
    """The state [batch, filters, memory] without its oldest and with its newest entry."""
    filters, memory = weights_time.shape
    return np.concatenate([state.reshape(len(features), filters, memory)[..., 1:], features[..., None]], axis=-1)


def _output(node: Node, state: Array, weights_time: Array, bias: Array | None) -> Array:
    batch, filters, _ = state.shape
    rank = int(node.options.rank)
    summed = sum_in_lanes(state * weights_time).reshape(batch, filters // rank, rank)
    output = sum_in_lanes(summed)
    return cell_activation(node.options.fused_activation_function, output if bias is None else output + bias)


def float_(
    node: Node, input: Array, weights_feature: Array, weights_time: Array, bias: Array | None, state: Array
) -> tuple[Array, Array]:
    new = remember(state, weights_time, dot_in_lanes(input, weights_feature))
    return _output(node, new, weights_time, bias), new.reshape(state.shape)


def float_one_by_one(
    node: Node, input: Array, weights_feature: Array, weights_time: Array, bias: Array | None, state: Array
) -> tuple[Array, Array]:
    new = remember(state, weights_time, sequential_dot(input, np.ascontiguousarray(weights_feature.T)))
    filtered = in_order(np.add, np.moveaxis(new * weights_time, -1, 0), 0)
    terms = filtered.reshape(len(input), len(weights_time) // node.options.rank, -1)
    total = in_order(np.add, np.moveaxis(terms, -1, 0), 0 if bias is None else bias)
    fused = str(node.options.fused_activation_function)
    output = elementary.tanh(total) if fused == "TANH" else cell_activation(fused, total)
    return output, new.reshape(state.shape)


# ---- hybrid ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hybrid:
    """A layer of float activations and 8-bit weights."""

    node: Node
    feature_scale: np.float32
    time_scale: np.float32


def prepare_hybrid(
    node: Node,
    input: TensorInfo,
    weights_feature: TensorInfo,
    weights_time: TensorInfo,
    bias: TensorInfo | None,
    state: TensorInfo,
    output: TensorInfo,
) -> Hybrid:
    return Hybrid(node, weights_feature.scale, weights_time.scale)


def hybrid_(
    p: Hybrid, input: Array, weights_feature: Array, weights_time: Array, bias: Array | None, state: Array
) -> tuple[Array, Array]:
    way = "asymmetric" if p.node.options.asymmetric_quantize_inputs else "symmetric"
    steps, scales = hybrid.quantize_rows(input, 1, way)
    features = integer_dot(steps, weights_feature.view(np.int8).T).astype(np.float32) * (scales * p.feature_scale)
    time = weights_time.view(np.int8) * p.time_scale
    new = remember(state, time, features)
    return _output(p.node, new, time, bias), new.reshape(state.shape)


# ---- integers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """Integers of a quantized layer."""

    rank: int
    input_zero_point: int
    to_state: Multiplier
    state_type: str
    state_zero_point: int
    to_output: Multiplier
    output_zero_point: int
    clips_first: bool


def prepare(
    node: Node,
    input: TensorInfo,
    weights_feature: TensorInfo,
    weights_time: TensorInfo,
    bias: TensorInfo | None,
    state: TensorInfo,
    output: TensorInfo,
) -> Prepared:
    fused = node.options.fused_activation_function
    node.need(fused == "RELU", "the activation RELU, which integer kernels ask for and leave out", fused)
    return Prepared(
        int(node.options.rank),
        input.zero_point,
        Multiplier.of(np.float64(input.scale * weights_feature.scale / state.scale)),
        state.type,
        state.zero_point if state.type == "int8" else 0,
        Multiplier.of(np.float64(state.scale * weights_time.scale / output.scale)),
        output.zero_point,
        node.arithmetic == "one by one",
    )


def integer(
    p: Prepared, input: Array, weights_feature: Array, weights_time: Array, bias: Array | None, state: Array
) -> tuple[Array, Array]:
    acc = wrap32(integer_dot(input.astype(np.int32) - p.input_zero_point, weights_feature.T))
    features = multiply_double_rounding(acc, p.to_state)
    features = saturate(features, p.state_type) if p.clips_first else features
    features = features + p.state_zero_point
    features = features if p.clips_first else saturate(features, p.state_type)
    new = remember(state, weights_time, features.astype(state.dtype))
    filtered = ((new.astype(np.int64) - p.state_zero_point) * weights_time).sum(-1)
    summed = filtered.reshape(len(input), len(weights_time) // p.rank, p.rank).sum(-1)
    acc = wrap32(summed if bias is None else summed + bias)
    output = multiply_double_rounding(acc, p.to_output) + p.output_zero_point
    return saturate(output, "int8").astype(np.int8), new.reshape(state.shape)


def case(draw: Draw, definition: Definition) -> Case:
    """Several runs, longer or shorter than the memory, with and without a bias."""
    batch, terms = draw.integer(1, 4), draw.choice((1, 2, 5, 8, 16, 33))
    rank, memory, units = draw.integer(1, 5), draw.integer(1, 10), draw.integer(1, 6)
    filters = rank * units
    options = {"rank": rank, "fused_activation_function": "RELU"}
    feature, time = data((filters, terms)), data((filters, memory))
    input, state = data((batch, terms)), data((batch, filters * memory))
    s_bias = s_output = zero_point = None
    if definition.label.startswith("int8"):
        s_feature, s_time = draw.random.uniform(0.001, 0.01, 2)
        top = 127 if definition.label == "int8 state" else 32767
        widest = s_feature * 0.02 * 6000 * terms**0.5  # of most new entries of the state
        s_state = widest / top * draw.choice((1.0, 3.0, 0.5))
        s_output = widest * s_time * 0.6 * top * (memory * rank) ** 0.5 / 127 * draw.choice((1.0, 0.5, 2.0))
        zero_point = draw.integer(-30, 30)  # the real activation, which integers leave out, would say -128
        input, feature, time, state = (
            data(a.shape, scale=float(s))
            for a, s in ((input, 0.02), (feature, s_feature), (time, s_time), (state, s_state))
        )
        s_bias = float(np.float32(s_state) * np.float32(s_time))
    else:
        options["fused_activation_function"] = draw.choice(("NONE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH"))
    if definition.label.startswith("hybrid"):
        type_ = definition.input_types[1]
        options["asymmetric_quantize_inputs"] = cases.boolean(draw)
        feature, time = (hybrid.weights_case(draw, s, type_, False, True) for s in (feature.shape, time.shape))
    bias = data((units,), scale=s_bias) if cases.boolean(draw) else None
    return Case((input, feature, time, bias, state), options, 1, s_output, zero_point, runs=draw.integer(2, 12))


SVDF = Op(
    "SVDF",
    inputs=(
        activation("input"),
        weight("weights_feature"),
        weight("weights_time"),
        bias_of("state", "weights_time", optional=True),
        Operand("state", state=True),
    ),
    outputs=(activation("output"),),
    definitions=(
        Definition("float32 float32 float32 float32? float32 -> float32", float_one_by_one, arithmetic="one by one"),
        Definition("float32 float32 float32 float32? float32 -> float32", float_),
        Definition("float32 int8 int8 float32? float32 -> float32", hybrid_, prepare_hybrid, label="hybrid int8"),
        Definition("float32 uint8 uint8 float32? float32 -> float32", hybrid_, prepare_hybrid, label="hybrid uint8"),
        Definition("int8 int8 int16 int32? int16 -> int8", integer, prepare),
        Definition("int8 int8 int8 int32? int8 -> int8", integer, prepare, label="int8 state"),
    ),
    shapes=shapes,
    cases=case,
    version=4,
)
