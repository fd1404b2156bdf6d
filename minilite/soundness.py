"""What must hold between the parts of a model: indices in range, constants as large as their shapes, and so on.

Three steps, because a file that no LiteRT runs can still be looked at, repaired or run by another runtime:

* :func:`~minilite.references.check_references` is what reading checks: every index leads somewhere.
* :func:`check` adds what LiteRT refuses when it constructs an interpreter, for reasons that lie in the file alone,
  in LiteRT's words and then in ours.
* :func:`check_throughout` adds the indices that LiteRT follows later or never.

What LiteRT carries without looking is carried by the first two: unknown operators, types and options; signatures and
metadata that point nowhere; constants with more bytes than they need.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minilite.errors import ModelError
from minilite.model import Model, Options, Quantization, Subgraph, Tensor
from minilite.references import check_carried, check_references, place_of

SCHEMA_VERSION = 3

BITS = {
    "FLOAT32": 32,
    "FLOAT16": 16,
    "INT32": 32,
    "UINT8": 8,
    "INT64": 64,
    "BOOL": 8,
    "INT16": 16,
    "COMPLEX64": 64,
    "INT8": 8,
    "FLOAT64": 64,
    "COMPLEX128": 128,
    "UINT64": 64,
    "UINT32": 32,
    "UINT16": 16,
    "INT4": 4,
    "BFLOAT16": 16,
    "INT2": 2,
    "UINT4": 4,
    "FLOAT8_E4M3FN": 8,
    "FLOAT8_E5M2": 8,
}
"""Bits an element takes in a buffer."""

UNSIZED = ("STRING", "RESOURCE", "VARIANT")
"""Types whose elements have no fixed size."""

SIZE_LIMIT = 2**64


def check(model: Model) -> None:
    """Raise :class:`~minilite.errors.ModelError` for the first reason why LiteRT would not construct an interpreter,
    missing operators apart."""
    if model.version != SCHEMA_VERSION:
        raise ModelError(
            f"Model provided is schema version {model.version} not equal to supported version"
            f" {SCHEMA_VERSION}. Convert the model again with a current converter."
        )
    if not model.subgraphs:
        raise ModelError("No subgraph in the model. There is nothing to run in this file.")
    check_references(model)
    for index, code in enumerate(model.operator_codes):
        if code.is_custom and code.custom_code is None:
            raise ModelError(
                f"Operator with CUSTOM builtin_code has no custom_code. operator_codes[{index}] needs its name."
            )
    for index, subgraph in enumerate(model.subgraphs):
        _check_tensors(model, subgraph, f"subgraphs[{index}]")
    for index, signature in enumerate(model.signatures):
        if signature.key is None:
            raise ModelError(f"Missing exported method name for SignatureDef. signatures[{index}] has no key.")


def check_throughout(model: Model) -> None:
    """:func:`check`, and the indices that LiteRT carries wherever they lead: what is asked of models that are taken
    apart, compared, explained or quantized. Raises :class:`~minilite.errors.ModelError`."""
    check(model)
    check_carried(model)


def _check_tensors(model: Model, subgraph: Subgraph, where: str) -> None:
    for index, tensor in enumerate(subgraph.tensors):
        try:
            _check_tensor(model, subgraph, index, tensor)
        except ModelError as error:
            raise ModelError(f"{error} {place_of(tensor, index, where)}") from None


def _check_tensor(model: Model, subgraph: Subgraph, index: int, tensor: Tensor) -> None:
    if isinstance(tensor.type, int):
        raise ModelError(f"Unsupported data type {tensor.type} in tensor. The schema has no such type.")
    for problem in _quantization_problems(tensor.quantization, tensor.shape or (), len(subgraph.tensors)):
        raise ModelError(f"{problem} Tensor {index} has invalid quantization parameters.")
    # Buffer 0 means that there is none, whatever it holds.
    data = model.buffers[tensor.buffer].data if tensor.buffer else None
    if data is not None:
        _check_constant(index, tensor, data.nbytes)
    elif tensor.is_variable and tensor.type in UNSIZED:
        raise ModelError(f"String variable tensor isn't supported. Tensor {index} is variable and {tensor.type}.")
    if data is None or tensor.sparsity is None:
        _check_size(index, tensor, None if data is None else data.nbytes)


def _check_constant(index: int, tensor: Tensor, size: int) -> None:
    if tensor.is_variable or tensor.external_buffer:
        raise ModelError(
            f"Tensor {index} is a variable tensor with buffer or external buffer. A constant, here of {size}"
            " bytes, cannot be variable or external as well."
        )
    if tensor.sparsity:
        for problem in _sparsity_problems(tensor.sparsity):
            raise ModelError(f"{problem} Tensor {index} has invalid sparsity parameters.")


def _check_size(index: int, tensor: Tensor, size: int | None) -> None:
    """A shape must have a size, and a constant at least as many bytes as that needs."""
    bits = BITS.get(tensor.type) if isinstance(tensor.type, str) else None
    if bits is None:
        return
    shape = tensor.shape or ()
    elements = _elements(shape)
    if elements is None:
        raise ModelError(
            f"BytesRequired number of elements overflowed. Tensor {index} has shape {list(shape)}; a free"
            " dimension is -1 in shape_signature and 1 in shape."
        )
    if elements * max(bits, 8) // 8 >= SIZE_LIMIT:
        raise ModelError(
            f"BytesRequired number of bytes overflowed. Tensor {index} is {tensor.type} of shape {list(shape)}."
        )
    needed = -(-elements * bits // 8)
    if size is not None and needed > size:
        raise ModelError(
            f"Tensor {index} is invalidly specified in schema. Shape {list(shape)} of {tensor.type} needs {needed}"
            f" bytes and its buffer, number {tensor.buffer}, has {size}."
        )


def _elements(shape: tuple[int, ...]) -> int | None:
    """The number of elements; ``None`` where LiteRT's 64 bits overflow on the way, even if a 0 follows."""
    elements = 1
    for dimension in shape:
        elements *= dimension
        if dimension < 0 or elements >= SIZE_LIMIT:
            return None
    return elements


def _quantization_problems(quantization: Quantization | None, shape: tuple[int, ...], tensors: int) -> Iterator[str]:
    if quantization is None:
        return
    table = quantization.details.table if quantization.details is not None else ""
    if table == "MultiAxisQuantization":
        yield from _multi_axis_problems(quantization.details, shape, tensors)
    elif table != "BlockwiseQuantization":
        yield from _scale_problems(quantization, shape)


def _scale_problems(quantization: Quantization, shape: tuple[int, ...]) -> Iterator[str]:
    scales, zero_points = quantization.scales, quantization.zero_points
    dimension = quantization.quantized_dimension
    if scales is None or scales.size == 0:
        return
    if zero_points is None:
        yield "Quantization parameters has non-null scale but null zero_point."
    elif scales.size != zero_points.size:
        yield (
            f"QuantizationParam has {zero_points.size} zero_point values and {scales.size} scale values."
            " Must have same number."
        )
    if dimension < 0 or (shape and dimension >= len(shape)):
        yield f"quantized_dimension must be in range [0, {len(shape)}). Was {dimension}."
    elif shape and scales.size not in (1, shape[dimension]):
        yield (
            f"num_scales must be 1 for per-layer quantization, or {shape[dimension]} for per-axis"
            f" quantization, but got {scales.size}."
        )


def _multi_axis_problems(details: Any, shape: tuple[int, ...], tensors: int) -> Iterator[str]:
    dimensions = details.quantized_dimensions
    if dimensions is None:
        yield "Invalid MultiAxisQuantization parameters. There are no quantized_dimensions."
        return
    for name, least in (("scales", 0), ("zero_points", -1)):
        if not least <= details[name] < tensors:
            optional = ", or -1 if optional" if least else ""
            yield (
                f"MultiAxisQuantization {name} tensor index must be in range [0, {tensors}){optional}."
                f" Was {details[name]}."
            )
    if details.block_size < 0:
        yield f"MultiAxisQuantization block_size must be non-negative. Was {details.block_size}."
    if not dimensions:
        yield "MultiAxisQuantization must have at least one quantized dimension."
    for dimension in dimensions:
        if dimension < 0 or (shape and dimension >= len(shape)):
            yield (
                f"MultiAxisQuantization quantized_dimensions must be in range [0, {len(shape)})."
                f" Value {dimension} is invalid."
            )


def _sparsity_problems(sparsity: Options) -> Iterator[str]:
    if sparsity.traversal_order is None or sparsity.dim_metadata is None:
        yield "Invalid sparsity parameter. It needs a traversal_order and dim_metadata."
        return
    for place, dimension in enumerate(sparsity.dim_metadata):
        if isinstance(dimension.format, int):
            yield f"The {place}th dimension has unknown type: {dimension.format}."
        elif dimension.format == "SPARSE_CSR" and not all(_index_vectors(dimension)):
            yield f"The {place}th sparse dimension has invalid parameters."


def _index_vectors(dimension: Options) -> Iterator[bool]:
    for vector in (dimension.array_segments, dimension.array_indices):
        yield vector is not None and vector.get("values") is not None
