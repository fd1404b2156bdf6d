"""A prepared node as a model of one operator."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from minilite import schema
from minilite.model import Buffer, Model, Operator, OperatorCode, Quantization, Subgraph, Tensor
from minilite.sparsity import stored
from minilite.spec import Node, Op, TensorInfo


def is_fed(info: TensorInfo | None) -> bool:
    return info is not None and not info.constant and not info.is_variable


def fed(infos: list[TensorInfo | None], arrays: list[np.ndarray | None]) -> list[np.ndarray]:
    return [a for i, a in zip(infos, arrays, strict=True) if is_fed(i) and a is not None]


def one_operator_model(op: Op, version: int, node: Node, options: Any) -> Model:
    buffers, tensors, indices = [Buffer()], list[Tensor](), list[int]()
    for info in (*node.inputs, *node.outputs, *node.intermediates):
        if info is None:
            indices.append(-1)
            continue
        buffer = 0
        if info.constant and info.value is not None:
            buffers.append(Buffer(np.frombuffer(pack(info), np.uint8)))
            buffer = len(buffers) - 1
        indices.append(len(tensors))
        tensors.append(_tensor(info, buffer))
    _add_block_scales(node, indices, tensors, buffers)
    after = len(node.inputs) + len(node.outputs)
    inputs, outputs, intermediates = indices[: len(node.inputs)], indices[len(node.inputs) : after], indices[after:]
    fed = [i for i, info in zip(inputs, node.inputs, strict=True) if is_fed(info)]
    extra = (
        {"options_2": options}
        if options is not None and schema.is_second_union(options.table)
        else {"options": options}
    )
    custom = None if node.custom_options is None else np.frombuffer(node.custom_options, np.uint8)
    extra["custom_options"] = custom
    operator = Operator(0, tuple(inputs), tuple(outputs), intermediates=tuple(intermediates) or None, **extra)
    return Model(
        operator_codes=(OperatorCode("CUSTOM", version, op.name) if op.custom else OperatorCode(op.name, version),),
        subgraphs=(Subgraph(tuple(tensors), tuple(fed), tuple(outputs), (operator,), name="main"),),
        buffers=tuple(buffers),
    )


def _add_block_scales(node: Node, indices: list[int], tensors: list[Tensor], buffers: list[Buffer]) -> None:
    """A tensor of scales behind the others for each operand that is quantized in blocks."""
    for info, index in zip(node.inputs, indices, strict=False):
        if info is None or info.block_scales is None:
            continue
        details = {"scales": len(tensors), "zero_points": -1, "block_size": info.block_size}
        quantization = Quantization(details=schema.make_options("BlockwiseQuantization", **details))
        tensors[index] = dataclasses.replace(tensors[index], quantization=quantization)
        buffers.append(Buffer(np.frombuffer(info.block_scales.tobytes(), np.uint8)))
        tensors.append(Tensor("scales", "FLOAT16", info.block_scales.shape, has_rank=True, buffer=len(buffers) - 1))


def pack(info: TensorInfo) -> bytes:
    """A constant's bytes as the file holds them."""
    assert info.value is not None
    if info.sparsity is not None:
        return stored(info.value, info.sparsity, str(info)).tobytes()
    if info.type in ("int4", "uint4", "int2"):
        bits = int(info.type[-1])
        fields = info.value.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
        fields = np.append(fields, np.zeros(-fields.size % (8 // bits), np.uint8)).reshape(-1, 8 // bits)
        return (fields << np.arange(0, 8, bits, dtype=np.uint8)).sum(1).astype(np.uint8).tobytes()
    return np.ascontiguousarray(info.value).tobytes()


def _tensor(info: TensorInfo, buffer: int) -> Tensor:
    quantization = None
    if info.quantized:
        quantization = Quantization(
            scales=info.scales, zero_points=info.zero_points.astype(np.int64), quantized_dimension=info.axis
        )
    return Tensor(
        name=info.name,
        type=info.type.upper(),
        shape=info.shape,
        has_rank=True,
        buffer=buffer,
        quantization=quantization,
        is_variable=info.is_variable,
        sparsity=info.sparsity,
    )
