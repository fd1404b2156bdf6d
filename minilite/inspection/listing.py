"""A :class:`~minilite.inspection.summary.Summary` as text for people, section by section."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from minilite.inspection.summary import (
    OperatorSummary,
    QuantizationSummary,
    SignatureSummary,
    SubgraphSummary,
    Summary,
    TensorSummary,
    constant_bytes_by_type,
)
from minilite.terminal import printable

Section = tuple[str, list[str]]
"""A heading and the lines under it."""


def overview(summary: Summary) -> Iterator[Section]:
    """What fits on a screen: inputs, outputs, operator counts, constants, quantization, signatures, metadata."""
    tensors = [tensor for subgraph in summary.subgraphs for tensor in subgraph.tensors]
    for main in summary.subgraphs[:1]:
        yield "Inputs", [_value(main.tensors[i]) for i in main.inputs]
        yield "Outputs", [_value(main.tensors[i]) for i in main.outputs]
    yield _operators_heading(summary), _counts(summary)
    yield (
        f"Constants: {summary.constant_bytes:,} bytes",
        [f"{name} {size:,} bytes" for name, size in constant_bytes_by_type(tensors).most_common()],
    )
    yield "Quantization", _kinds(tensors)
    if len(summary.subgraphs) > 1:
        yield "Subgraphs", [_subgraph(subgraph) for subgraph in summary.subgraphs]
    if summary.signatures:
        yield "Signatures", [_signature(signature) for signature in summary.signatures]
    if summary.metadata:
        yield "Metadata", [f"{entry.name}: {entry.text or f'{entry.bytes:,} bytes'}" for entry in summary.metadata]


def operators(summary: Summary) -> Iterator[Section]:
    """Every operator, in the order of execution, with its tensors, output shapes, MACs and options."""
    for subgraph in summary.subgraphs:
        lines = []
        for operator in subgraph.operators:
            lines.append(_operator(subgraph, operator))
            lines.extend(f"    {line}" for line in _options(operator.options))
        yield f"Operators{_of(summary, subgraph)}", lines


def tensors(summary: Summary) -> Iterator[Section]:
    """Every tensor, with shape, role, size and quantization; its name on a line of its own."""
    for subgraph in summary.subgraphs:
        lines = []
        for tensor in subgraph.tensors:
            size = f" {tensor.constant_bytes:,} bytes" if tensor.constant_bytes else ""
            sparse = ", sparse" if tensor.sparse else ""
            lines.append(f"{_typed(tensor)}  {tensor.role}{size}{sparse}{_quantized(tensor)}")
            lines.append(f"    {tensor.name}")
        yield f"Tensors{_of(summary, subgraph)}", lines


def quantization(q: QuantizationSummary | None) -> str:
    """``"scale 0.5, zero point 3"``; per-axis ``"16 scales 0.001 to 0.2 along dimension 0"``; ``""`` for none."""
    if q is None:
        return ""
    if q.details:
        return ", ".join(f"{name} {value}" for name, value in q.details.items())
    if not q.scales:
        return ""
    if len(q.scales) == 1:
        return f"scale {q.scales[0]:.6g}, zero point {q.zero_points[0] if q.zero_points else 0}"
    text = f"{len(q.scales)} scales {min(q.scales):.3g} to {max(q.scales):.3g} along dimension {q.quantized_dimension}"
    return f"{text}, zero points {min(q.zero_points)} to {max(q.zero_points)}" if any(q.zero_points) else text


def columns(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Rows of cells as lines of aligned columns; those numbered in ``right`` end at the same place."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    align = [str.rjust if i in set(right) else str.ljust for i in range(len(widths))]
    return [
        "  ".join(put(cell, width) for put, cell, width in zip(align, row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _value(tensor: TensorSummary) -> str:
    return f"{_typed(tensor)}  {tensor.name}{_quantized(tensor)}"


def _typed(tensor: TensorSummary) -> str:
    return f"{tensor.index}  {tensor.type} {_shape(tensor)}"


def _shape(tensor: TensorSummary) -> str:
    """Free dimensions as -1."""
    shape = tensor.shape_signature or tensor.shape
    return "[?]" if shape is None else str(list(shape))


def _quantized(tensor: TensorSummary) -> str:
    text = quantization(tensor.quantization)
    return f"  {text}" if text else ""


def _operators_heading(summary: Summary) -> str:
    count = sum(operator.count for operator in summary.operators)
    least = "" if summary.macs_complete else "at least "
    return f"Operators: {count:,}, {least}{summary.macs:,} multiply-accumulates at the shapes in the file"


def _counts(summary: Summary) -> list[str]:
    rows = [("operator", "version", "count", "MACs")]
    rows += [(o.name, str(o.version), f"{o.count:,}", _macs(o.macs)) for o in summary.operators]
    return columns(rows, right=(1, 2, 3))


def _macs(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _kinds(tensors: Iterable[TensorSummary]) -> list[str]:
    """How many tensors are quantized how, by type."""
    counts: dict[tuple[str, str], int] = {}
    for tensor in tensors:
        key = tensor.type, _kind(tensor)
        counts[key] = counts.get(key, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"{count:,} x {type_} {kind}" for (type_, kind), count in ordered]


def _kind(tensor: TensorSummary) -> str:
    q = tensor.quantization
    if q is None or not tensor.quantized:
        return "not quantized"
    if q.details:
        return "with other quantization"
    return "per-axis" if len(q.scales) > 1 else "per-tensor"


def _subgraph(subgraph: SubgraphSummary) -> str:
    sizes = f"{len(subgraph.inputs)} inputs, {len(subgraph.outputs)} outputs, {len(subgraph.operators)} operators"
    return f"{subgraph.index}  {subgraph.name or '(no name)'}: {sizes}"


def _of(summary: Summary, subgraph: SubgraphSummary) -> str:
    return f" of subgraph {subgraph.index} {subgraph.name}".rstrip() if len(summary.subgraphs) > 1 else ""


def _signature(signature: SignatureSummary) -> str:
    where = f" (subgraph {signature.subgraph})" if signature.subgraph else ""
    return f"{signature.key}: {', '.join(signature.inputs)} -> {', '.join(signature.outputs)}{where}"


def _operator(subgraph: SubgraphSummary, operator: OperatorSummary) -> str:
    shapes = ", ".join(_shape(subgraph.tensors[i]) for i in operator.outputs if i >= 0)
    work = "" if operator.macs == 0 else f"  {_macs(operator.macs)} MACs"
    sources, results = (" ".join(map(str, indices)) for indices in (operator.inputs, operator.outputs))
    return f"{operator.index}  {operator.name} version {operator.version}: {sources} -> {results}  {shapes}{work}"


def _options(options: dict[str, Any]) -> list[str]:
    return [", ".join(f"{name} {value}" for name, value in options.items())] if options else []
