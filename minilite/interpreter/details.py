"""The dictionaries LiteRT describes tensors, operators and signatures with, key for key."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.constants import constant_array
from minilite.errors import ArgumentError
from minilite.interpreter.session import Session
from minilite.model import Model, Options, Quantization, Signature, Tensor
from minilite.spec import DTYPES

_DTYPES: dict[str, Any] = {name.upper(): dtype for name, dtype in DTYPES.items()} | {
    "STRING": np.bytes_,
    "RESOURCE": np.object_,
    "VARIANT": np.object_,
    "UINT4": np.uint8,
    "FLOAT8_E4M3FN": np.int8,
    "FLOAT8_E5M2": np.int8,
}


def tensor_details(session: Session, index: int, compress_zero_points: bool = False) -> dict[str, Any]:
    """Name, index, shapes, dtype, quantization and sparsity of a tensor.

    Raises :class:`ArgumentError` for a type NumPy has nothing for."""
    tensor = session.plan.subgraph.tensors[index]
    dtype = _DTYPES.get(session.type_of(index))
    if dtype is None:
        raise ArgumentError(f"Invalid tflite type code {tensor.type}: tensor {index} {tensor.name or ''!r}.")
    shape = _vector(session.shape(index))
    parameters = _quantization(session.plan.model, session.plan.subgraph.tensors, tensor, compress_zero_points)
    return {
        "name": tensor.name or "",
        "index": index,
        "shape": shape,
        "shape_signature": _vector(tensor.shape_signature) if tensor.shape_signature else shape.copy(),
        "dtype": dtype,
        "quantization": _single(tensor.quantization),
        "quantization_parameters": parameters,
        "sparsity_parameters": _sparsity(tensor.sparsity),
    }


def operator_details(session: Session, index: int) -> dict[str, Any]:
    """Index, name, tensors and their types of an operator. Raises :class:`ArgumentError` for a bad index."""
    steps = session.plan.steps
    if not 0 <= index < len(steps):
        raise ArgumentError(f"Invalid node index {index}: the subgraph has {len(steps)} operators.")
    step = steps[index]
    return {
        "index": index,
        "op_name": step.node.op,
        "inputs": _vector(step.inputs),
        "outputs": _vector(step.outputs),
        "operand_types": [tensor_details(session, i)["dtype"] for i in step.inputs if i != -1],
        "result_types": [tensor_details(session, i)["dtype"] for i in step.outputs if i != -1],
    }


def operator_options(session: Session, index: int) -> dict[str, Any]:
    """What :func:`operator_details` leaves out: version, options and how the operator is computed."""
    node = session.plan.steps[index].node
    custom = session.plan.subgraph.operators[index].custom_options
    return {
        "version": node.version,
        "options": dict(node.options or {}),
        "custom_options": None if custom is None else custom.tobytes(),
        "arithmetic": node.arithmetic,
    }


def signature_details(model: Model) -> dict[str, dict[str, dict[str, int]]]:
    """Signature key -> tensor indices by name, names sorted as LiteRT sorts them."""
    return {s.key or "": {"inputs": _sorted(s.inputs), "outputs": _sorted(s.outputs)} for s in model.signatures}


def _sorted(names: tuple[tuple[str | None, int], ...]) -> dict[str, int]:
    return dict(sorted((name or "", index) for name, index in names))


def signature_called(model: Model, key: Any) -> Signature:
    """The signature with this key. Raises :class:`ArgumentError` listing the keys there are."""
    for signature in model.signatures:
        if (signature.key or "") == key:
            return signature
    keys = ", ".join(repr(s.key) for s in model.signatures) or "no signatures"
    raise ArgumentError(f'Invalid signature_key provided: "{key}". The model has {keys}.')


def _vector(values: Any) -> np.ndarray:
    return np.array(values, np.int32).reshape(-1)


def _single(q: Quantization | None) -> tuple[float, int]:
    """The deprecated pair: per-tensor scale and zero point, else (0.0, 0)."""
    if q is None or q.details is not None or q.scales is None or q.zero_points is None:
        return (0.0, 0)
    if q.scales.size != 1 or q.zero_points.size != 1:
        return (0.0, 0)
    return (float(np.float32(q.scales[0])), int(np.int64(q.zero_points[0]).astype(np.int32)))


def _quantization(model: Model, tensors: tuple[Tensor, ...], tensor: Tensor, compress: bool) -> dict[str, Any]:
    q = tensor.quantization or Quantization()
    scales, zero_points = np.empty(0, np.float32), np.empty(0, np.int32)
    dimension = block_size = 0
    if q.details is not None and q.details.table == "BlockwiseQuantization":
        scales, zero_points = _of_blocks(model, tensors, q.details)
        dimension, block_size = q.quantized_dimension, q.details.block_size
    elif q.details is None and q.scales is not None and q.scales.size:
        scales = np.array(q.scales, np.float32)
        zero_points = np.array(() if q.zero_points is None else q.zero_points, np.int64).astype(np.int32)
        dimension = q.quantized_dimension
        if compress and zero_points.size and (zero_points == zero_points[0]).all():
            zero_points = zero_points[:1]
    return {
        "scales": scales,
        "zero_points": zero_points,
        "quantized_dimension": dimension,
        "block_size": block_size,
    }


def _numbers(array: np.ndarray | None, dtype: Any) -> np.ndarray:
    """The numbers of a constant, which may be anything, as one vector."""
    if array is None or array.dtype.kind not in "fiu":
        return np.empty(0, dtype)
    with np.errstate(all="ignore"):
        found: np.ndarray = array.astype(dtype).reshape(-1)
    return found


def _of_blocks(model: Model, tensors: tuple[Tensor, ...], details: Options) -> tuple[np.ndarray, np.ndarray]:
    """Scales and zero points of blockwise quantization, which are tensors themselves."""
    scales, zeros = (
        constant_array(model, tensors[i], i) if 0 <= i < len(tensors) else None
        for i in (details.scales, details.zero_points)
    )
    return (
        _numbers(scales, np.float16),
        _numbers(zeros, np.int32),
    )


def _sparsity(sparsity: Options | None) -> dict[str, Any]:
    if sparsity is None:
        return {}
    result: dict[str, Any] = {"traversal_order": _vector(sparsity.traversal_order or ())}
    if sparsity.block_map is not None:
        result["block_map"] = _vector(sparsity.block_map)
    result["dim_metadata"] = [_dimension(d) for d in sparsity.dim_metadata or ()]
    return result


def _dimension(metadata: Options) -> dict[str, Any]:
    if metadata.format == "DENSE":
        return {"format": 0, "dense_size": metadata.dense_size}
    return {
        "format": 1,
        "array_segments": _indices(metadata.array_segments),
        "array_indices": _indices(metadata.array_indices),
    }


def _indices(vector: Options | None) -> np.ndarray:
    return _vector(() if vector is None else vector["values"])
