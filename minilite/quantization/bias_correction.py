"""Bias correction: quantized layers whose results are right on average.

Rounded weights, rounded and saturated inputs shift a layer's results, each channel by its own amount. The shift of

    W x + b    against    V x' + b'

(``W``, ``b``, ``x`` of the float model, the others of the quantized one; before the activation) depends on the means of
the inputs only, so ``b' = b + W E[x] - V E[x']`` takes it away. Layers are corrected in order, and each is measured
behind the corrected ones before it. Biases of int32 and int64 are rounded to their scale. Source: Nagel et al. 2019,
"Data-free quantization through weight equalization and bias correction", section 4.2.2, measured with data as in their
appendix D; the way without data needs the statistics of batch normalizations, which a .tflite has no more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minilite.errors import ArgumentError
from minilite.model import Model
from minilite.quantization.editing import with_constants
from minilite.quantization.grid import Array, Grid
from minilite.quantization.layers import layer_of
from minilite.quantization.walking import Inputs, Walk, by_subgraph
from minilite.resolve import Step
from minilite.spec import DTYPES, INTEGER_RANGE, TensorInfo

WITH_BIAS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def bias_corrected(
    model: Model, quantized: Model, representative_dataset: Any, *, most: int = 512, signature: str | None = None
) -> Model:
    """The quantized model with corrected biases; see the module. ``quantized`` was made of ``model`` by any scheme and
    has its layers in the same order. Layers without a constant bias of their own are left as they are.

    representative_dataset: for ``model``, in any form of :mod:`minilite.quantization.representative`; ``most`` samples
    are taken and held in memory.

    Raises :class:`ArgumentError` when the two have different layers, and for data that does not fit."""
    changes: dict[tuple[int, int], Array] = {}
    for subgraph, samples in by_subgraph(model, representative_dataset, signature, most).items():
        before = Walk(model, subgraph, samples)
        after = Walk(quantized, subgraph, [_as_inputs(model, quantized, subgraph, s) for s in samples])
        for float_step, step in _pairs(before, after):
            _correct(before, float_step, after, step)
        changes |= {(subgraph, tensor): array for tensor, array in after.changes.items()}
    return with_constants(quantized, changes)


def _as_inputs(model: Model, quantized: Model, subgraph: int, sample: Inputs) -> Inputs:
    """The sample for the quantized model's inputs, which may be integers."""
    graph, found = quantized.subgraphs[subgraph], {}
    for old, new in zip(model.subgraphs[subgraph].inputs, graph.inputs, strict=True):
        tensor, q = graph.tensors[new], graph.tensors[new].quantization
        type_ = str(tensor.type).lower()
        if q is None or q.scales is None or type_ not in INTEGER_RANGE or sample[old].dtype.kind != "f":
            found[new] = sample[old]
            continue
        zero = 0 if q.zero_points is None else int(q.zero_points[0])
        found[new] = np.clip(np.rint(sample[old] / q.scales[0]) + zero, *INTEGER_RANGE[type_]).astype(DTYPES[type_])
    return found


def _pairs(before: Walk, after: Walk) -> Iterator[tuple[Step, Step]]:
    """The layers of both models, one pair after the other; the inputs of each are there when it comes."""
    for first, second in itertools.zip_longest(_layers(before), _layers(after)):
        if _kind(before, first) != _kind(after, second):
            raise ArgumentError(
                f"the models have different layers: {_kind(before, first)} in the float one, {_kind(after, second)} in "
                "the quantized one. Expected the model that the quantized one was made from."
            )
        yield first, second


def _layers(walk: Walk) -> Iterator[Step]:
    return (step for step in walk if step.node.op in WITH_BIAS)


def _kind(walk: Walk, step: Step | None) -> str:
    return "none" if step is None else f"{step.node.op} with weights {walk.infos[step.inputs[1]].shape}"


def _correct(before: Walk, float_step: Step, after: Walk, step: Step) -> None:
    bias = after.own_constant(step, 2)
    if bias is None or len(float_step.inputs) < 3:
        return
    shift = _means(before, float_step) - _means(after, step)
    wanted = _real(before, float_step.inputs[2]) + shift
    info = after.infos[bias]
    if info.type == "float32":
        after.change(bias, wanted.astype(np.float32))
    else:
        steps = np.rint(wanted / info.scales.astype(np.float64))
        after.change(bias, np.clip(steps, *INTEGER_RANGE[info.type]).astype(info.dtype))


def _means(walk: Walk, step: Step) -> Array:
    """The mean results of a layer without its bias, channel by channel."""
    weights = _real(walk, step.inputs[1])
    layer = layer_of(step.node.op, weights)
    assert layer is not None
    info = walk.infos[step.inputs[0]]
    total, count = np.zeros(1), 0
    for _, values in walk.values(step, 0):
        x = layer.inputs(step.node, _dequantized(info, values), weights)
        total = total + x.sum(axis=1, dtype=np.float64)
        count += x.shape[1]
    rows = layer.rows(step.node, info.shape[-1], weights).astype(np.float64)
    return np.einsum("grt,gt->gr", rows, total / count).reshape(-1)


def _real(walk: Walk, tensor: int) -> Array:
    """The real numbers that a constant stands for, or what a DEQUANTIZE has made of one."""
    info = walk.infos[tensor]
    _, value = next(iter(walk.both(tensor)))
    return _dequantized(info, value).astype(np.float64)


def _dequantized(info: TensorInfo, values: Array) -> Array:
    if info.block_scales is not None:
        scales = info.block_scales.astype(np.float32).reshape(len(values), -1)
        return (values * scales.repeat(info.block_size, axis=1)).astype(np.float32)
    if not info.quantized:
        return values
    axis = info.axis if info.scales.size > 1 else None
    zeros = info.zero_points if info.zero_points.size else np.zeros(info.scales.size, np.int64)
    return Grid(info.type, info.scales, zeros, axis).dequantize(values)
