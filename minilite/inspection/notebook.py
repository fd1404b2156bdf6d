"""What notebooks show of minilite's objects: short tables of plain HTML, which take the notebook's own colours.

:class:`~minilite.model.Model`, :class:`~minilite.model.Tensor`, :class:`~minilite.inspection.compare.Comparison`,
:class:`~minilite.inspection.explain.Explanation` and :class:`~minilite.inspection.overflow.Overflow` have a
``_repr_html_`` that is one of these functions; ``print()`` shows the text as ever.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from minilite.inspection.listing import Section
from minilite.inspection.summary import TensorSummary, summarize
from minilite.inspection.tensor_names import short
from minilite.terminal import printable

if TYPE_CHECKING:
    from minilite.inspection.compare import Comparison
    from minilite.inspection.measuring import Difference
    from minilite.model import Model, Tensor

ROWS = 10


def model(shown: Model) -> str:
    """Inputs and outputs with their types, how many of which operators, bytes of constants, MACs."""
    summary = summarize(shown)
    rows = [
        (role, escape(t.name), _type(t))
        for graph in summary.subgraphs[:1]
        for role, indices in (("input", graph.inputs), ("output", graph.outputs))
        for t in (graph.tensors[i] for i in indices)
    ]
    kinds = ", ".join(f"{c.count} × {escape(c.name)}" for c in summary.operators)
    least = "" if summary.macs_complete else "at least "
    said = f"{kinds}; {summary.constant_bytes:,} bytes of constants; {least}{summary.macs:,} MACs"
    return _heading("TensorFlow Lite model") + _table(("", "tensor", "type"), rows) + f"<p>{said}</p>"


def tensor(shown: Tensor) -> str:
    """Name, type, shape, and the scales and zero points if there are any: the first ones of many."""
    rows = [
        ("type", escape(str(shown.type).lower())),
        ("shape", "[?]" if shown.shape is None else str(list(shown.shape))),
    ]
    q = shown.quantization
    if q is not None and q.scales is not None and q.scales.size:
        axis = f", along dimension {q.quantized_dimension}" if q.scales.size > 1 else ""
        rows.append(("scales", _first([f"{s:.6g}" for s in q.scales[:ROWS]], q.scales.size) + axis))
        if q.zero_points is not None and q.zero_points.size:
            rows.append(("zero points", _first([str(int(z)) for z in q.zero_points[:ROWS]], q.zero_points.size)))
    return _heading(shown.name or "tensor without a name") + _table(("", ""), rows)


def escape(text: str) -> str:
    """Text from a file as HTML."""
    return html.escape(printable(text))


def _first(some: Sequence[str], count: int) -> str:
    more = f" and {count - len(some)} more" if count > len(some) else ""
    return ", ".join(some) + more


def _type(tensor: TensorSummary) -> str:
    shape = "[?]" if tensor.shape is None else str(list(tensor.shape))
    q = tensor.quantization
    if q is None or len(q.scales) != 1:
        return escape(f"{tensor.type.lower()} {shape}")
    zero = q.zero_points[0] if q.zero_points else 0
    return escape(f"{tensor.type.lower()} {shape}, {q.scales[0]:.6g} × (q {'−' if zero >= 0 else '+'} {abs(zero)})")


def comparison(found: Comparison) -> str:
    """The operators with the least SQNR by themselves, and how many more there are."""
    by = "isolated" if any(t.isolated is not None for t in found.tensors) else "accumulated"
    ordered = [t for t in found.worst(by=by) if t.op]
    rows = [
        (str(t.operator[1]), escape(t.op), _sqnr(t.isolated), _sqnr(t.accumulated), escape(short(t.tensor)))
        for t in ordered[:ROWS]
        if t.operator is not None
    ]
    samples = f"{found.samples} sample{'' if found.samples == 1 else 's'}"
    more = f"<p>and {len(ordered) - ROWS} more</p>" if len(ordered) > ROWS else ""
    head = ("#", "operator", "alone, dB", "in all, dB", "result")
    hints = "".join(
        f"<li>{t.operator[1]} {escape(t.op)}: {escape(h)}</li>" for t in ordered[:ROWS] if t.operator for h in t.hints
    )
    said = f"<p>What may be wrong:</p><ul>{hints}</ul>" if hints else ""
    warning = f"<p>Warning: {escape(found.warning)}</p>" if found.warning else ""
    return _heading(f"{found.b} against {found.a}, {samples}") + warning + _table(head, rows) + more + said


def _sqnr(error: Difference | None) -> str:
    if error is None or math.isnan(error.sqnr):
        return ""
    return f"{error.sqnr:.1f}" if math.isfinite(error.sqnr) else "∞" if error.sqnr > 0 else "−∞"


def sections(shown: Iterable[Section]) -> str:
    """Headings over lines whose columns are aligned."""
    parts = []
    for heading, lines in shown:
        text = escape("\n".join(lines))
        parts.append(_heading(heading) + (f"<pre>{text}</pre>" if text else ""))
    return "".join(parts)


def _heading(text: str) -> str:
    return f"<p><strong>{escape(text)}</strong></p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already."""
    titles = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
