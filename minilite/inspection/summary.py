"""What a model file holds, as plain data: :func:`summarize` makes it, ``minilite inspect`` prints it.

Everything here is numbers, strings, tuples and dictionaries; :func:`to_json` writes them down.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.flexbuffers import decoded
from minilite.inspection.macs import operator_macs
from minilite.model import Metadata, Model, Operator, Options, Quantization, Signature, Subgraph, Tensor


@dataclass(frozen=True)
class QuantizationSummary:
    """``scales`` and ``zero_points`` of a tensor: one is per-tensor, several are per-axis along
    ``quantized_dimension``. ``min`` and ``max`` are the converter's notes; ``details`` is any newer kind of
    quantization, field by field."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_dimension: int
    min: tuple[float, ...]
    max: tuple[float, ...]
    details: dict[str, Any] | None


@dataclass(frozen=True)
class TensorSummary:
    """One tensor. ``role`` is input, output, constant, variable or activation; ``constant_bytes`` is the size of its
    buffer in the file, which other tensors may share."""

    index: int
    name: str
    type: str
    shape: tuple[int, ...] | None
    shape_signature: tuple[int, ...] | None
    role: str
    buffer: int
    constant_bytes: int
    sparse: bool
    quantization: QuantizationSummary | None

    @property
    def quantized(self) -> bool:
        """Whether the tensor has a scale, or a newer kind of quantization."""
        return self.quantization is not None and bool(self.quantization.scales or self.quantization.details)


@dataclass(frozen=True)
class OperatorSummary:
    """One operator. ``macs`` is ``None`` where nobody can tell; -1 among ``inputs`` is an absent operand."""

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int | None
    options: dict[str, Any]


@dataclass(frozen=True)
class SubgraphSummary:
    """One subgraph; ``inputs`` and ``outputs`` index ``tensors``."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensors: tuple[TensorSummary, ...]
    operators: tuple[OperatorSummary, ...]


@dataclass(frozen=True)
class OperatorCount:
    """How often a model has an operator in a version, and the multiply-accumulates of all of them together."""

    name: str
    version: int
    count: int
    macs: int | None


@dataclass(frozen=True)
class SignatureSummary:
    """A signature: names to tensor indices of its subgraph."""

    key: str
    subgraph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class MetadataSummary:
    """A metadata entry; ``text`` is its content where that is short and printable."""

    name: str
    bytes: int
    text: str | None


@dataclass(frozen=True)
class Summary:
    """A whole model. ``macs`` counts every operator of every subgraph once; ``macs_complete`` is false when some
    operator's count is unknown, and ``macs`` then a lower bound. A buffer shared by tensors counts once in
    ``constant_bytes``."""

    schema_version: int
    description: str
    constant_bytes: int
    macs: int
    macs_complete: bool
    operators: tuple[OperatorCount, ...]
    signatures: tuple[SignatureSummary, ...]
    metadata: tuple[MetadataSummary, ...]
    subgraphs: tuple[SubgraphSummary, ...]


def summarize(model: Model) -> Summary:
    """The summary of a model. Computes nothing but shapes' products, and touches no constant's values."""
    subgraphs = tuple(_subgraph(model, i) for i in range(len(model.subgraphs)))
    operators = [operator for subgraph in subgraphs for operator in subgraph.operators]
    used = {tensor.buffer for subgraph in model.subgraphs for tensor in subgraph.tensors}
    return Summary(
        schema_version=model.version,
        description=model.description or "",
        constant_bytes=sum(_buffer_bytes(model, i) for i in used),
        macs=sum(operator.macs or 0 for operator in operators),
        macs_complete=all(operator.macs is not None for operator in operators),
        operators=_counts(operators),
        signatures=tuple(map(_signature, model.signatures)),
        metadata=tuple(_metadata(model, entry) for entry in model.metadata),
        subgraphs=subgraphs,
    )


def _subgraph(model: Model, index: int) -> SubgraphSummary:
    subgraph = model.subgraphs[index]
    return SubgraphSummary(
        index=index,
        name=subgraph.name or "",
        inputs=tuple(subgraph.inputs),
        outputs=tuple(subgraph.outputs),
        tensors=tuple(_tensor(model, subgraph, i) for i in range(len(subgraph.tensors))),
        operators=tuple(_operator(model, subgraph, i) for i in range(len(subgraph.operators))),
    )


def _tensor(model: Model, subgraph: Subgraph, index: int) -> TensorSummary:
    tensor = subgraph.tensors[index]
    size = _buffer_bytes(model, tensor.buffer)
    return TensorSummary(
        index=index,
        name=tensor.name or "",
        type=str(tensor.type),
        shape=tensor.shape,
        shape_signature=tensor.shape_signature,
        role=_role(subgraph, index, tensor, size),
        buffer=tensor.buffer,
        constant_bytes=size,
        sparse=tensor.sparsity is not None,
        quantization=None if tensor.quantization is None else _quantization(tensor.quantization),
    )


def _role(subgraph: Subgraph, index: int, tensor: Tensor, constant_bytes: int) -> str:
    if index in subgraph.inputs:
        return "input"
    if index in subgraph.outputs:
        return "output"
    if tensor.is_variable:
        return "variable"
    return "constant" if constant_bytes else "activation"


def _quantization(quantization: Quantization) -> QuantizationSummary:
    return QuantizationSummary(
        scales=_numbers(quantization.scales),
        zero_points=_numbers(quantization.zero_points),
        quantized_dimension=quantization.quantized_dimension,
        min=_numbers(quantization.min),
        max=_numbers(quantization.max),
        details=None if quantization.details is None else _options(quantization.details),
    )


def _operator(model: Model, subgraph: Subgraph, index: int) -> OperatorSummary:
    operator = subgraph.operators[index]
    code = model.operator_codes[operator.opcode_index]
    return OperatorSummary(
        index=index,
        name=code.name,
        version=code.version,
        inputs=tuple(operator.inputs or ()),
        outputs=tuple(operator.outputs or ()),
        macs=operator_macs(model, subgraph, operator),
        options=_operator_options(operator),
    )


def _operator_options(operator: Operator) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in (operator.options, operator.options_2):
        if part is not None:
            options |= _options(part)
    if operator.custom_options is not None and operator.custom_options.size:
        custom = decoded(operator.custom_options.tobytes())
        options |= {
            k: _plain(v) for k, v in (custom if isinstance(custom, dict) else {"custom_options": custom}).items()
        }
    return options


def _options(options: Options) -> dict[str, Any]:
    return {name: _plain(value) for name, value in options.items()}


def _plain(value: Any) -> Any:
    """A value of an options table or a flexbuffer as JSON knows it."""
    if isinstance(value, Options):
        return _options(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return f"{len(value)} bytes" if isinstance(value, bytes) else value


def _counts(operators: Iterable[OperatorSummary]) -> tuple[OperatorCount, ...]:
    """The most frequent operators first, then by name."""
    groups: dict[tuple[str, int], list[int | None]] = {}
    for operator in operators:
        groups.setdefault((operator.name, operator.version), []).append(operator.macs)
    counts = [OperatorCount(*key, len(macs), _total(macs)) for key, macs in groups.items()]
    return tuple(sorted(counts, key=lambda c: (-c.count, c.name, c.version)))


def _total(macs: Sequence[int | None]) -> int | None:
    known = [count for count in macs if count is not None]
    return sum(known) if len(known) == len(macs) else None


def _signature(signature: Signature) -> SignatureSummary:
    return SignatureSummary(
        key=signature.key or "",
        subgraph=signature.subgraph_index,
        inputs={name or "": index for name, index in signature.inputs},
        outputs={name or "": index for name, index in signature.outputs},
    )


def _metadata(model: Model, entry: Metadata) -> MetadataSummary:
    data = model.buffers[entry.buffer].data if entry.buffer < len(model.buffers) else None
    content = b"" if data is None else bytes(data[:64])
    text = content.rstrip(b"\0").decode("ascii", "replace")
    printable = len(content) < 64 and text.isprintable() and text.isascii() and bool(text)
    return MetadataSummary(entry.name or "", _buffer_bytes(model, entry.buffer), text if printable else None)


def _buffer_bytes(model: Model, index: int) -> int:
    data = model.buffers[index].data if 0 <= index < len(model.buffers) else None
    return 0 if data is None else data.nbytes


def _numbers(array: np.ndarray | None) -> tuple[Any, ...]:
    return () if array is None else tuple(array.tolist())


def to_json(summary: Summary, **more: Any) -> str:
    """The summary as a JSON object, after the fields ``more``. NaN and infinity become strings: JSON has neither."""
    return json.dumps(_finite(more | dataclasses.asdict(summary)), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def constant_bytes_by_type(tensors: Iterable[TensorSummary]) -> Counter[str]:
    """How many bytes of constants there are of each type; a shared buffer counts for its first tensor."""
    first = {tensor.buffer: tensor for tensor in reversed(list(tensors)) if tensor.constant_bytes}
    sizes: Counter[str] = Counter()
    for tensor in first.values():
        sizes[tensor.type] += tensor.constant_bytes
    return sizes
