"""Dynamic range quantization: int8 weights, float activations that hybrid kernels quantize while they run.

The rules are TFLiteConverter's (tensorflow 2.21, ``optimizations = [DEFAULT]`` and no data), bit for bit:

- Constants of at least 1,024 elements, read where :data:`HYBRID` says. Biases and all other constants stay float.
- int8, symmetric, without -128; a scale for each output channel of FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D and
  TRANSPOSE_CONV, one scale elsewhere. A constant read in two ways becomes two; one that others read as well stays.
- ``asymmetric_quantize_inputs`` is set where the operator has it and CONV_2D's kind need none.
- The integers are ``round_half_away(w / scale)`` in float64 with the scale before it is rounded to float32, unlike in
  its int8 scheme, where all is float32. It shows where weights of few digits lie half way between two integers.
- GATHER looks up int8 values, and a DEQUANTIZE follows.
- UNIDIRECTIONAL_SEQUENCE_LSTM is quantized as a whole or not at all. So are LSTM, RNN and SVDF here, unlike there:
  their kernels take no mixture.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from minilite.fixed_point import round_half_away
from minilite.model import Model, Operator, Tensor
from minilite.quantization.editing import GraphEdit
from minilite.quantization.numbers import TFLITE, Numbers, magnitudes
from minilite.quantization.weight import Excluded, Rounded, Weight, float_edit, nearest, weight_axis, weights

MINIMUM = 1024
"""Elements of the smallest constant TFLiteConverter quantizes."""


@dataclass(frozen=True)
class Hybrid:
    """How an operator takes int8 weights: at which inputs, whether with a scale for each channel, in which version
    (``version_one`` with one scale for all), whether its input may be quantized asymmetrically, and whether all its
    weights must be of one type."""

    inputs: tuple[int, ...]
    version: int
    version_one: int = 0
    per_axis: bool = False
    asymmetric: bool = False
    whole: bool = False


_LSTM = tuple(range(1, 12))
_BIDIRECTIONAL = (*_LSTM, 16, *range(18, 29), 33, *range(40, 48))
HYBRID = {
    "FULLY_CONNECTED": Hybrid((1,), 12, 9, per_axis=True, asymmetric=True),
    "CONV_2D": Hybrid((1,), 5, 2, per_axis=True),
    "DEPTHWISE_CONV_2D": Hybrid((1,), 6, 6, per_axis=True),
    "TRANSPOSE_CONV": Hybrid((1,), 2, 2, per_axis=True),
    "EMBEDDING_LOOKUP": Hybrid((1,), 4, 1, per_axis=True),
    "BATCH_MATMUL": Hybrid((1,), 4, asymmetric=True),
    "GATHER": Hybrid((0,), 2),
    "LSTM": Hybrid((*_LSTM, 16), 4, asymmetric=True, whole=True),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Hybrid((*_LSTM, 16), 3, asymmetric=True, whole=True),
    "BIDIRECTIONAL_SEQUENCE_LSTM": Hybrid(_BIDIRECTIONAL, 3, asymmetric=True, whole=True),
    "UNIDIRECTIONAL_SEQUENCE_RNN": Hybrid((1, 2), 3, asymmetric=True, whole=True),
    "SVDF": Hybrid((1, 2), 4, asymmetric=True, whole=True),
}


def dynamic_range(
    model: Model,
    *,
    exclude: Excluded = (),
    per_channel: bool = True,
    numbers: Numbers = TFLITE,
    minimum: int = MINIMUM,
) -> Model:
    """The model with int8 weights for hybrid kernels; see the module.

    exclude: operators to leave float, as (subgraph, operator). per_channel: False for one scale a tensor, but for
    DEPTHWISE_CONV_2D, whose hybrid kernels take a scale for each channel only. minimum: elements of the smallest
    constant to quantize. A model without a constant as large stays as it is.

    Raises :class:`minilite.errors.ArgumentError` when the model is already quantized or has no float constants."""
    edit = float_edit(model)
    choose = in_float64 if numbers is TFLITE else nearest(numbers)

    def want(graph: GraphEdit, operator: int, position: int) -> tuple[int | None, int] | None:
        return _form(graph, operator, position, per_channel, minimum)

    for graph in edit.graphs:
        for weight in weights(graph, want, exclude):
            _store(graph, weight, choose(weight))
    return edit.finish()


def in_float64(weight: Weight) -> Rounded:
    """``scale = 2 m / 254`` of the largest magnitude m, at least 5e-7, and ``q = round_half_away(w / scale)``."""
    grid = TFLITE.weight(weight.values, weight.axis)
    m = magnitudes(weight.values, weight.axis).astype(np.float64)
    scales = grid.along(np.maximum(2 * m, np.where(2 * m <= 1e-6, 1e-6, 0)) / 254, weight.values.ndim)
    steps = round_half_away(weight.values.astype(np.float64) / scales)
    return Rounded(grid, np.clip(steps, -127, 127).astype(np.int64))


def _form(
    graph: GraphEdit, operator: int, position: int, per_channel: bool, minimum: int
) -> tuple[int | None, int] | None:
    name = graph.name(operator)
    hybrid = HYBRID.get(name)
    if hybrid is None or position not in hybrid.inputs:
        return None
    read = [(graph.original.operators[operator].inputs or ())[position]]
    if hybrid.whole:
        read = [t for i, t in enumerate(graph.original.operators[operator].inputs or ()) if i in hybrid.inputs]
    if not all(_large(graph, tensor, minimum) for tensor in read if tensor >= 0):
        return None
    if not hybrid.per_axis or not (per_channel or name == "DEPTHWISE_CONV_2D"):
        return None, 8
    rank = len(graph.original.tensors[read[0]].shape or ())
    return weight_axis(name, graph.original.operators[operator], position, rank), 8


def _large(graph: GraphEdit, tensor: int, minimum: int) -> bool:
    values = graph.constant(tensor)
    return values is not None and values.size >= minimum


def _store(graph: GraphEdit, weight: Weight, rounded: Rounded) -> None:
    data = rounded.grid.stored(rounded.integers).tobytes()
    quantization = rounded.grid.quantization()
    graph.requantized(weight.tensor, list(weight.uses), "int8", data, quantization)
    for operator, _ in weight.uses:
        hybrid = HYBRID[graph.name(operator)]
        graph.version(
            operator, hybrid.version if weight.axis is not None or not hybrid.per_axis else hybrid.version_one
        )
        if hybrid.asymmetric:
            graph.option(operator, asymmetric_quantize_inputs=True)
        if graph.name(operator) == "GATHER":
            _dequantize_behind(graph, operator, Tensor(type="INT8", quantization=quantization))


def _dequantize_behind(graph: GraphEdit, operator: int, like: Tensor) -> None:
    """Let a GATHER give int8, and a DEQUANTIZE the tensor it gave before."""
    (result,) = graph.operators[operator].outputs or ()
    old = graph.original.tensors[result]
    name = f"{old.name}_quantized"
    inner = graph.add(dataclasses.replace(old, name=name, type=like.type, buffer=0, quantization=like.quantization))
    graph.operators[operator] = dataclasses.replace(graph.operators[operator], outputs=(inner,))
    graph.after[operator].append(Operator(graph.edit.code("DEQUANTIZE", 2), (inner,), (result,)))
