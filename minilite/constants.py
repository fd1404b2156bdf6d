"""Constant tensors: from the file's bytes to arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from minilite.errors import ModelError, OperatorError
from minilite.memory import too_much
from minilite.model import Model, Quantization, Subgraph, Tensor
from minilite.sparsity import dense
from minilite.spec import DTYPES


def constant_array(model: Model, tensor: Tensor, index: int) -> np.ndarray | None:
    """The tensor's constant as a read-only array, uncopied where the type allows; None when it has no bytes.

    Bytes beyond what the shape needs are left alone. Of a sparse tensor it is the stored values, in one dimension.
    Raises :class:`ModelError` when there are too few bytes.
    """
    data = model.buffers[tensor.buffer].data if 0 < tensor.buffer < len(model.buffers) else None
    type_ = str(tensor.type).lower()
    shape = tensor.shape or ()
    if tensor.is_variable or type_ not in DTYPES:
        return None
    if data is None or data.size == 0:  # a constant without elements has no bytes either; buffer 0 is no constant
        sparse = tensor.sparsity is not None
        if not tensor.buffer or not (sparse or math.prod(shape) == 0):
            return None
        _check_shape(tensor, index)
        return np.empty(0 if sparse else shape, DTYPES[type_])
    _check_shape(tensor, index)
    if type_ == "string":
        return _strings(data, shape)
    if type_ in ("int4", "uint4", "int2"):
        bits = int(type_[-1])
        held = (data.size * 8 // bits,) if tensor.sparsity is not None else shape
        _check_bytes(tensor, index, data.size, -(-math.prod(held) * bits // 8))
        return _unpacked(data, bits, held, DTYPES[type_])
    dtype = np.dtype(DTYPES[type_])
    if tensor.sparsity is not None:
        return data[: data.size // dtype.itemsize * dtype.itemsize].view(dtype.newbyteorder("<"))
    wanted = math.prod(shape) * dtype.itemsize
    _check_bytes(tensor, index, data.size, wanted)
    return data[:wanted].view(dtype.newbyteorder("<")).reshape(shape)


def _check_bytes(tensor: Tensor, index: int, found: int, wanted: int) -> None:
    """Raise :class:`ModelError` unless the buffer holds as many bytes as the shape needs."""
    if found < wanted:
        raise ModelError(
            f"Input array not provided for constant: tensor {index} {tensor.name!r}: expected {wanted} bytes for "
            f"{tensor.type} {list(tensor.shape or ())}, got {found} in buffer {tensor.buffer}."
        )


def dense_constant(model: Model, tensor: Tensor, index: int, limit: int) -> np.ndarray | None:
    """The tensor's constant with all its elements: of a sparse tensor the zeros, too, up to ``limit`` bytes."""
    stored = constant_array(model, tensor, index)
    if stored is None or tensor.sparsity is None:
        return stored
    name, shape = f"tensor {index} {tensor.name!r}", tensor.shape or ()
    size = math.prod(shape) * stored.itemsize
    if size > limit or stored.dtype == object:
        raise ModelError(f"{name}: expected a sparse tensor of at most {limit} bytes, got {tensor.type} {list(shape)}.")
    return dense(stored, tensor.sparsity, shape, name)


def check_sparse(tensors: Iterable[Tensor], limit: int | None) -> None:
    """Raise :class:`OperatorError` when sparse constants with their zeros need more than ``limit`` bytes."""
    sparse = [t for t in tensors if t.sparsity is not None]
    needed = sum(math.prod(t.shape or ()) * np.dtype(DTYPES.get(str(t.type).lower(), np.int8)).itemsize for t in sparse)
    if limit is not None and needed > limit:
        raise OperatorError(f"sparse tensors take {needed / 2**30:.1f} GiB with their zeros: {too_much(limit)}")


def blocks(model: Model, subgraph: Subgraph, quantization: Quantization | None) -> tuple[int, np.ndarray | None]:
    """The size of the blocks of a blockwise quantization, and the scales, which are a constant tensor; else 0, None."""
    details = quantization.details if quantization is not None else None
    if details is None or details.table != "BlockwiseQuantization" or not 0 <= details.scales < len(subgraph.tensors):
        return 0, None
    return details.block_size, constant_array(model, subgraph.tensors[details.scales], details.scales)


def _check_shape(tensor: Tensor, index: int) -> None:
    """Raise :class:`ModelError` unless the shape is one that NumPy can have."""
    shape = tensor.shape or ()
    if len(shape) > 64 or min(shape, default=0) < 0 or math.prod(d or 1 for d in shape) > 2**40:
        raise ModelError(
            f"tensor {index} {tensor.name!r}: expected up to 64 dimensions of 0 or more that fit memory, got {shape}."
        )


def _unpacked(data: np.ndarray, bits: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Values of packed int4, uint4 or int2, the low bits of a byte first; signed ones are sign-extended."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    fields = (data[:, None] >> shifts) & np.uint8((1 << bits) - 1)
    size = math.prod(shape)
    values = (fields.astype(np.uint8) << np.uint8(8 - bits)).view(dtype) >> dtype(8 - bits)
    result = values.reshape(-1)[:size].reshape(shape)
    result.flags.writeable = False
    return result


def _strings(data: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """TFLite's string buffer: count, count + 1 offsets (int32), then the bytes."""
    count = int(data[:4].view("<i4")[0]) if data.size >= 4 else -1
    if count < 0 or 8 + 4 * count > data.size:
        raise ModelError(f"a string tensor's buffer of {data.size} bytes does not hold {count} offsets.")
    offsets = data[4 : 8 + 4 * count].view("<i4")
    if offsets[0] < 0 or offsets[-1] > data.size or np.any(np.diff(offsets.astype(np.int64)) < 0):
        raise ModelError("a string tensor's offsets do not rise from within its buffer to its end.")
    raw = data.tobytes()
    result = np.array([raw[a:b] for a, b in itertools.pairwise(offsets)] + [None], object)[:-1]
    return result.reshape(shape) if math.prod(shape) == count else result
