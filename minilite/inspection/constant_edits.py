"""A model with another constant, or another scale or zero point: everything else stays as it is."""

from __future__ import annotations

import dataclasses

import numpy as np

from minilite.constants import constant_array
from minilite.errors import ArgumentError
from minilite.model import Buffer, Model, Quantization, Tensor
from minilite.quantization.weights_only import packed


def with_constant(model: Model, subgraph: int, index: int, value: np.ndarray) -> Model:
    """The model with another value of a constant tensor, in a buffer of its own: others that share the old one keep it.

    ``value`` has the tensor's shape, and 4-bit integers one value a byte. Raises :class:`ArgumentError` for sparse
    tensors, strings and 2-bit integers."""
    tensor = model.subgraphs[subgraph].tensors[index]
    type_ = str(tensor.type).lower()
    if tensor.sparsity is not None or type_ in ("string", "int2", "uint4"):
        kind = "sparse" if tensor.sparsity is not None else type_
        raise ArgumentError(f"tensor {index} {tensor.name!r} is {kind}: such constants cannot be patched.")
    data = packed(value, type_) if type_ == "int4" else np.ascontiguousarray(value).tobytes()
    buffers = (*model.buffers, Buffer(np.frombuffer(data, np.uint8)))
    found = dataclasses.replace(model, buffers=buffers)
    edited = dataclasses.replace(found, subgraphs=_replaced(found, subgraph, index, buffer=len(buffers) - 1))
    stored = constant_array(edited, edited.subgraphs[subgraph].tensors[index], index)
    if stored is None or not np.array_equal(stored.reshape(-1), np.reshape(value, -1), equal_nan=type_[0] in "fc"):
        raise ArgumentError(f"tensor {index} {tensor.name!r}: {type_.upper()} cannot hold these values.")
    return edited


def with_quantization(
    model: Model, subgraph: int, index: int, scale: object = None, zero_point: object = None
) -> Model:
    """The model with another scale or zero point of a tensor: one number for all, or as many as there are.

    Raises :class:`ArgumentError` for a tensor that has none, and for scales that are not positive."""
    tensor = model.subgraphs[subgraph].tensors[index]
    q = tensor.quantization
    if q is None or q.scales is None or not q.scales.size:
        raise ArgumentError(f"tensor {index} {tensor.name!r} is not quantized: it has no scale and no zero point.")
    scales = q.scales if scale is None else _vector(tensor, "scale", scale, q.scales)
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise ArgumentError(f"tensor {index} {tensor.name!r}: expected positive scales, got {scale}.")
    zeros = q.zero_points
    if zero_point is not None:
        zeros = _vector(tensor, "zero_point", zero_point, np.zeros(q.scales.size, np.int64) if zeros is None else zeros)
    changed: Quantization = dataclasses.replace(q, scales=scales, zero_points=zeros)
    return dataclasses.replace(model, subgraphs=_replaced(model, subgraph, index, quantization=changed))


def _vector(tensor: Tensor, what: str, value: object, old: np.ndarray) -> np.ndarray:
    try:
        given = np.asarray(value, np.float64).reshape(-1)
        if given.size not in (1, old.size) or (old.dtype.kind == "i" and (given != np.rint(given)).any()):
            raise ValueError
    except (TypeError, ValueError):
        kind = "whole numbers" if old.dtype.kind == "i" else "numbers"
        count = f" or {old.size}" if old.size > 1 else ""
        raise ArgumentError(f"{tensor.name!r}: expected 1{count} {kind} as {what}, got {value!r}.") from None
    return np.broadcast_to(given, old.shape).astype(old.dtype)


def _replaced(model: Model, subgraph: int, index: int, **fields: object) -> tuple:
    graphs = list(model.subgraphs)
    tensors = list(graphs[subgraph].tensors)
    tensors[index] = dataclasses.replace(tensors[index], **fields)  # type: ignore[arg-type]  # fields of Tensor
    graphs[subgraph] = dataclasses.replace(graphs[subgraph], tensors=tuple(tensors))
    return tuple(graphs)
