"""The float model that a quantizer starts from."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from minilite.constants import constant_array
from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.limits import DEFAULT, Limits
from minilite.model import Buffer, Model, Operator, Subgraph
from minilite.quantization.graph import Graph, Node, Use, graph
from minilite.quantization.pruning import pruned
from minilite.reader import read
from minilite.soundness import check_throughout


def as_model(model: Model | bytes | str | os.PathLike[str]) -> Model:
    """A model from a path, the bytes of a file, or itself, that can be taken apart: all its indices lead somewhere.

    Raises :class:`ModelError` where they do not (:func:`minilite.soundness.check_throughout`), and
    :class:`ArgumentTypeError` for anything that is no model."""
    found = loaded(model)
    check_throughout(found)
    return found


def loaded(model: Model | bytes | str | os.PathLike[str], limits: Limits = DEFAULT) -> Model:
    """The same, as it is in the file."""
    if isinstance(model, Model):
        return model
    if isinstance(model, bytes | bytearray | str | os.PathLike):
        return read(model, limits=limits)
    raise ArgumentTypeError(f"expected a path, the bytes of a .tflite file or a Model, got {type(model).__name__}.")


LARGEST = float(np.finfo(np.float32).max) / 2
"""The largest weight that has a scale."""
QUANTIZED_TYPES = ("INT2", "INT4", "UINT4", "INT8", "UINT8", "INT16")


def check_float(model: Model) -> None:
    """Raise :class:`ArgumentError` for a model that is quantized already, holds nothing to quantize, or holds weights
    that are no numbers."""
    for s, subgraph in enumerate(model.subgraphs):
        for i, tensor in enumerate(subgraph.tensors):
            q = tensor.quantization
            scaled = q is not None and (q.details is not None or (q.scales is not None and q.scales.size > 0))
            if scaled and tensor.type in QUANTIZED_TYPES:
                raise ArgumentError(
                    f"the model is already quantized: tensor {i} {tensor.name or ''!r} of subgraph {s} is "
                    f"{tensor.type} with a scale. Quantize the float32 model that it was made from."
                )
    if not any(t.type == "FLOAT32" for s in model.subgraphs for t in s.tensors):
        raise ArgumentError("the model has no float32 tensors: there is nothing to quantize.")
    for s in range(len(model.subgraphs)):
        _check_finite(graph(model, s))


def _check_finite(graph: Graph) -> None:
    """Infinite constants are masks and limits at times; weights and biases never are, and nothing is NaN."""
    for node in graph.nodes:
        for use in node.inputs:
            values = graph.constants.get(use.tensor)
            if values is None:
                continue
            if np.isfinite(values).all():
                _check_magnitude(graph, node, use, values)
                continue
            if use.operand.role in ("weight", "bias") or np.isnan(values).any():
                count = int((~np.isfinite(values)).sum())
                raise ArgumentError(
                    f"{graph.name(use.tensor)} of subgraph {graph.index}, {use.operand.name} of {node}: expected "
                    f"finite numbers, got {count} NaN or infinite ones of {values.size}. The training went wrong."
                )


def _check_magnitude(graph: Graph, node: Node, use: Use, values: np.ndarray) -> None:
    """From minus the largest weight to the largest must be a width that float32 holds."""
    largest = float(np.abs(values).max(initial=0))
    if use.operand.role == "weight" and largest > LARGEST:
        raise ArgumentError(
            f"{graph.name(use.tensor)} of subgraph {graph.index}, {use.operand.name} of {node}: expected weights of at "
            f"most {LARGEST:.4g}, got {largest:.4g}, which is too wide for a scale in float32. The training went wrong."
        )


def with_float32_constants(model: Model) -> Model:
    """The model with float32 constants in place of float16 ones that a DEQUANTIZE widens; tensors keep their index."""
    codes = [c.name for c in model.operator_codes]
    if "DEQUANTIZE" not in codes or not any(t.type == "FLOAT16" for s in model.subgraphs for t in s.tensors):
        return model
    buffers = list(model.buffers)
    subgraphs = tuple(_widened(model, s, codes, buffers) for s in model.subgraphs)
    return pruned(dataclasses.replace(model, subgraphs=subgraphs, buffers=tuple(buffers)))


def _widened(model: Model, subgraph: Subgraph, codes: list[str], buffers: list[Buffer]) -> Subgraph:
    tensors, kept = list(subgraph.tensors), []
    for operator in subgraph.operators:
        values = _half(model, subgraph, operator) if codes[operator.opcode_index] == "DEQUANTIZE" else None
        target = (operator.outputs or (-1,))[0]
        if values is None or target in subgraph.outputs:
            kept.append(operator)
            continue
        buffers.append(Buffer(np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)))
        tensors[target] = dataclasses.replace(tensors[target], buffer=len(buffers) - 1)
    still = {i for o in kept for i in o.inputs or ()}
    for operator in subgraph.operators:
        for i in operator.inputs or ():
            if i not in still and tensors[i].type == "FLOAT16":
                tensors[i] = dataclasses.replace(tensors[i], buffer=0)
    return dataclasses.replace(subgraph, tensors=tuple(tensors), operators=tuple(kept))


def _half(model: Model, subgraph: Subgraph, operator: Operator) -> np.ndarray | None:
    index = (operator.inputs or (-1,))[0]
    tensor = subgraph.tensors[index]
    return constant_array(model, tensor, index) if tensor.type == "FLOAT16" else None
