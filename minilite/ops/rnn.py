"""RNN, UNIDIRECTIONAL_SEQUENCE_RNN, BIDIRECTIONAL_SEQUENCE_RNN: fully connected recurrent layers.

    for every step t:  h = activation(bias + W input[t] + A aux[t] + R h);  output[t] = h

RNN takes [batch, terms] and makes one step; the others take [batch, time, terms], or [time, batch, terms] with the
option ``time_major``. W [units, terms], R [units, units], bias [units]; the variable h [batch, units] is kept from one
invoke to the next. The bidirectional operator has a second layer that runs from the last step to the first; its output
is a second one, or with ``merge_outputs`` stands behind the first in the last dimension.

Auxiliary inputs belong to the bidirectional operator. With weights A for both directions they are added to the sums.
Without, they are what the backward layer reads in place of the input; LiteRT forgets that, as is done here, where the
batch comes first.

Hybrid: float32 activations, int8 or uint8 weights with one scale each; inputs and h are quantized a row at a time
(:mod:`minilite.ops.hybrid`). LiteRT runs time-major hybrid sequences through the bidirectional operator as often as
they have steps, h going on from run to run; so does minilite.
Source: TensorFlow Lite's basic_rnn, unidirectional_sequence_rnn and bidirectional_sequence_rnn kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Arg, Case, Draw, boolean, data
from minilite.ops import hybrid
from minilite.ops.accumulate import dot_in_lanes, integer_dot
from minilite.ops.cell_activation import cell_activation, check_activation
from minilite.spec import Definition, Node, Op, Operand, Shape, TensorInfo, activation, bias_of, weight

Array = np.ndarray


@dataclass(frozen=True)
class Layer:
    """One direction. ``plus(acc, x, weights)`` is ``acc + x @ weights.T``."""

    activation: str
    weights: Any
    recurrent: Any
    bias: Array
    aux_weights: Any
    plus: Callable[[Array, Array, Any], Array]

    def over_time(self, x: Array, aux: Array | None, h: Array, backwards: bool = False) -> tuple[Array, Array]:
        """The outputs of time-major inputs, and the last h."""
        outputs = np.empty((len(x), *h.shape), h.dtype)
        for t in reversed(range(len(x))) if backwards else range(len(x)):
            acc = self.plus(np.broadcast_to(self.bias, h.shape), x[t], self.weights)
            if aux is not None:
                acc = self.plus(acc, aux[t], self.aux_weights)
            h = outputs[t] = cell_activation(self.activation, self.plus(acc, h, self.recurrent))
        return outputs, h


def plus_float(acc: Array, x: Array, weights: Array) -> Array:
    return dot_in_lanes(x, weights, acc)


@dataclass(frozen=True)
class PlusHybrid:
    """Quantizes the rows first; the weights are pairs of integers and scale."""

    way: str

    def __call__(self, acc: Array, x: Array, weights: tuple[Array, np.float32]) -> Array:
        integers, scale = weights
        steps, scales = hybrid.quantize_rows(x, 1, self.way)
        return acc + integer_dot(steps, integers.view(np.int8).T).astype(np.float32) * (scales * scale)


# ---- shapes ----------------------------------------------------------------------------------------------------------


def check_layer(
    input: TensorInfo, batch: int, weights: TensorInfo, recurrent: TensorInfo, bias: TensorInfo, state: TensorInfo
) -> int:
    """How many units there are. Refuses operands that do not fit each other."""
    weights.need(
        weights.rank == 2 and weights.shape[1] == input.shape[-1], f"[units, {input.shape[-1]}]", weights.shape
    )
    units = weights.shape[0]
    recurrent.need(recurrent.shape == (units, units), f"shape {(units, units)}", recurrent.shape)
    bias.need(bias.shape == (units,), f"shape {(units,)}", bias.shape)
    state.need(
        state.is_variable and state.shape == (batch, units), f"a variable of shape {(batch, units)}", state.shape
    )
    return units


def batch_of(node: Node, shape: Shape) -> int:
    """How many rows a step has."""
    return shape[1] if len(shape) == 3 and node.options.time_major else shape[0]


def shapes(
    node: Node, input: TensorInfo, weights: TensorInfo, recurrent: TensorInfo, bias: TensorInfo, state: TensorInfo
) -> tuple[Shape]:
    rank = 2 if node.op == "RNN" else 3
    input.need(input.rank == rank, f"{rank} dimensions", input.shape)
    check_activation(node)
    units = check_layer(input, batch_of(node, input.shape), weights, recurrent, bias, state)
    return ((*input.shape[:-1], units),)


def bidirectional_shapes(node: Node, *operands: TensorInfo | None) -> tuple[Shape, ...]:
    input, aux, *aux_weights = (operands[i] for i in (0, 9, 10, 11))
    assert input is not None
    input.need(input.rank == 3, "3 dimensions", input.shape)
    check_activation(node)
    batch = batch_of(node, input.shape)
    units = [check_layer(input, batch, *operands[i : i + 4]) for i in (1, 5)]  # type: ignore[arg-type]  # not optional
    _check_aux(node, input, aux, aux_weights, units)
    if node.options.merge_outputs:
        return ((*input.shape[:-1], sum(units)),)
    return tuple((*input.shape[:-1], u) for u in units)


def _check_aux(
    node: Node, input: TensorInfo, aux: TensorInfo | None, weights: list[TensorInfo | None], units: list[int]
) -> None:
    both = all(w is not None for w in weights)
    node.need(both or not any(w is not None for w in weights), "auxiliary weights of both directions or none", "one")
    node.need(aux is not None or not both, "an auxiliary input with its weights", "weights only")
    if aux is None:
        return
    terms = aux.shape[-1] if both and aux.rank else input.shape[-1]
    aux.need(aux.shape == (*input.shape[:-1], terms), f"shape {(*input.shape[:-1], terms)}", aux.shape)
    for info, count in zip(weights, units, strict=True):
        if info is not None:
            info.need(info.shape == (count, terms), f"shape {(count, terms)}", info.shape)


# ---- computing -------------------------------------------------------------------------------------------------------


def run(node: Node, layer: Layer, input: Array, state: Array) -> tuple[Array, Array]:
    """One layer over the input's time."""
    if node.op == "RNN":
        outputs, h = layer.over_time(input[None], None, state)
        return outputs[0], h
    major = node.options.time_major
    outputs, h = layer.over_time(input if major else input.swapaxes(0, 1), None, state)
    return outputs if major else outputs.swapaxes(0, 1), h


def float_(
    node: Node, input: Array, weights: Array, recurrent: Array, bias: Array, state: Array
) -> tuple[Array, Array]:
    layer = Layer(node.options.fused_activation_function, weights, recurrent, bias, None, plus_float)
    return run(node, layer, input, state)


@dataclass(frozen=True)
class Hybrid:
    """A node with integer weights, and their scales by operand."""

    node: Node
    scales: dict[int, np.float32]

    @property
    def plus(self) -> PlusHybrid:
        return PlusHybrid("asymmetric" if self.node.options.asymmetric_quantize_inputs else "symmetric")


def prepare_hybrid(node: Node, *tensors: TensorInfo | None) -> Hybrid:
    integers = {i: t for i, t in enumerate(tensors) if t is not None and t.type in ("int8", "uint8")}
    return Hybrid(node, {i: t.scale for i, t in integers.items()})


def hybrid_(
    p: Hybrid, input: Array, weights: Array, recurrent: Array, bias: Array, state: Array
) -> tuple[Array, Array]:
    w, r = (weights, p.scales[1]), (recurrent, p.scales[2])
    layer = Layer(p.node.options.fused_activation_function, w, r, bias, None, p.plus)
    return run(p.node, layer, input, state)


def both(node: Node, plus: Any, operands: tuple[Any, ...], states: tuple[Array, Array], rounds: int = 1) -> Any:
    """The two directions over the input's time, ``rounds`` times."""
    major, act = node.options.time_major, node.options.fused_activation_function
    x, aux = (a if a is None or major else a.swapaxes(0, 1) for a in (operands[0], operands[9]))
    added = operands[10] is not None
    forward = Layer(act, operands[1], operands[2], operands[3], operands[10], plus)
    backward = Layer(act, operands[5], operands[6], operands[7], operands[11], plus)
    back_x = aux if major and aux is not None and not added else x
    h, back_h = states
    for _ in range(rounds):
        outputs, h = forward.over_time(x, aux if added else None, h)
        back_outputs, back_h = backward.over_time(back_x, aux if added else None, back_h, backwards=True)
    results = [o if major else o.swapaxes(0, 1) for o in (outputs, back_outputs)]
    if node.options.merge_outputs:
        results = [np.concatenate(results, axis=-1)]
    return (*results, h, back_h)


def bidirectional_float(node: Node, *operands: Any) -> Any:
    return both(node, plus_float, operands, (operands[4], operands[8]))


def bidirectional_hybrid(p: Hybrid, *operands: Any) -> Any:
    paired = tuple((a, p.scales[i]) if i in p.scales and a is not None else a for i, a in enumerate(operands))
    rounds = max(1, operands[0].shape[0]) if p.node.options.time_major else 1
    return both(p.node, p.plus, paired, (operands[4], operands[8]), rounds)


# ---- cases -----------------------------------------------------------------------------------------------------------


def _options(draw: Draw, definition: Definition) -> dict[str, Any]:
    options: dict[str, Any] = {
        "fused_activation_function": draw.choice(("TANH", "RELU", "RELU6", "NONE", "RELU_N1_TO_1", "SIGN_BIT")),
    }
    if definition.label != "float32":
        options["asymmetric_quantize_inputs"] = boolean(draw)
    return options


def _weights(draw: Draw, type_: str, shape: Shape) -> Arg:
    """Weights that keep sums from growing step by step."""
    reach = draw.choice((0.3, 1.0)) / shape[1] ** 0.5
    if type_ == "float32":
        return data(shape, -reach, reach)
    values = hybrid.weights_case(draw, shape, type_, False, True).value
    return Arg(shape, values, constant=True, per_axis=False, zero_point=0, scale=reach / 127)


def _layer(draw: Draw, type_: str, units: int, terms: int, batch: int) -> list[Arg]:
    weights, recurrent = (_weights(draw, type_, (units, n)) for n in (terms, units))
    return [weights, recurrent, data((units,), -1.0, 1.0), data((batch, units))]


def _sizes(draw: Draw) -> tuple[int, int]:
    return draw.choice((1, 2, 3, 4, 5, 8, 17)), draw.choice((1, 2, 3, 4, 8, 17, 33))


def case(draw: Draw, definition: Definition) -> Case:
    """One step of a batch, several times."""
    (units, terms), batch = _sizes(draw), draw.integer(1, 4)
    layer = _layer(draw, definition.input_types[1], units, terms, batch)
    return Case((data((batch, terms)), *layer), _options(draw, definition), runs=draw.integer(2, 6))


def _leading(draw: Draw) -> tuple[bool, int, Shape]:
    major, time, batch = boolean(draw), draw.integer(1, 4), draw.integer(1, 3)
    return major, batch, (time, batch) if major else (batch, time)


def sequence_case(draw: Draw, definition: Definition) -> Case:
    """Sequences, time-major and batch-major."""
    (units, terms), (major, batch, leading) = _sizes(draw), _leading(draw)
    options = _options(draw, definition) | {"time_major": major}
    layer = _layer(draw, definition.input_types[1], units, terms, batch)
    return Case((data((*leading, terms)), *layer), options, runs=draw.integer(2, 3))


def bidirectional_case(draw: Draw, definition: Definition) -> Case:
    """Both directions, merged or not, without and with auxiliary inputs in their two roles.

    LiteRT reads elsewhere where auxiliary rows are not as long as the input's (float batch-major ones may differ), and
    from address 4 on where several rows of a time-major hybrid input are merged and quantized symmetrically."""
    (units, terms), (major, batch, leading) = _sizes(draw), _leading(draw)
    type_, merge, role = definition.input_types[1], boolean(draw), draw.choice((None, "added", "read"))
    options = _options(draw, definition) | {"time_major": major, "merge_outputs": merge}
    if type_ != "float32" and merge and major and batch > 1:
        options["asymmetric_quantize_inputs"] = True
    back_units = draw.choice((units, 1, 4, 6))
    layers = [*_layer(draw, type_, units, terms, batch), *_layer(draw, type_, back_units, terms, batch)]
    aux_terms = draw.choice((terms, 3, 9)) if role == "added" and type_ == "float32" and not major else terms
    aux = data((*leading, aux_terms)) if role else None
    added = [_weights(draw, type_, (u, aux_terms)) if role == "added" else None for u in (units, back_units)]
    inputs = (data((*leading, terms)), *layers, aux, *added)
    return Case(inputs, options, 1 if merge else 2, runs=draw.integer(2, 3))


# ---- the operators ---------------------------------------------------------------------------------------------------


def _operands(prefix: str = "") -> tuple[Operand, ...]:
    return (
        weight(f"{prefix}weights"),
        weight(f"{prefix}recurrent_weights"),
        bias_of(),
        Operand(f"{prefix}hidden_state", state=True),
    )


def _definitions(types: str, float_compute: Any, hybrid_compute: Any) -> tuple[Definition, ...]:
    """``W`` in the types stands for the weights'."""
    return (
        Definition(types.replace("W", "float32"), float_compute),
        *(
            Definition(types.replace("W", t), hybrid_compute, prepare_hybrid, label=f"hybrid {t}")
            for t in ("int8", "uint8")
        ),
    )


ONE_LAYER = _definitions("float32 W W float32 float32 -> float32", float_, hybrid_)

RNN = Op(
    "RNN",
    inputs=(activation("input"), *_operands()),
    outputs=(activation("output"),),
    definitions=ONE_LAYER,
    shapes=shapes,
    cases=case,
    version=3,
)

UNIDIRECTIONAL_SEQUENCE_RNN = Op(
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    inputs=(activation("input"), *_operands()),
    outputs=(activation("output"),),
    definitions=ONE_LAYER,
    shapes=shapes,
    cases=sequence_case,
    version=3,
)

BIDIRECTIONAL_SEQUENCE_RNN = Op(
    "BIDIRECTIONAL_SEQUENCE_RNN",
    inputs=(
        activation("input"),
        *_operands("fw_"),
        *_operands("bw_"),
        activation("aux_input", optional=True),
        weight("fw_aux_weights", optional=True),
        weight("bw_aux_weights", optional=True),
    ),
    outputs=(activation("fw_output"), activation("bw_output", optional=True)),
    definitions=_definitions(
        "float32 W W float32 float32 W W float32 float32 float32? W? W? -> float32*",
        bidirectional_float,
        bidirectional_hybrid,
    ),
    shapes=bidirectional_shapes,
    cases=bidirectional_case,
    version=3,
)
