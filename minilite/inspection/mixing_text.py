"""A :class:`~minilite.inspection.sensitivity.Sensitivity` and a :class:`~minilite.inspection.mixing.Mixed` as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minilite.inspection.listing import Section, columns
from minilite.inspection.mixing import Mixed
from minilite.inspection.sensitivity import OperatorSensitivity, Sensitivity
from minilite.inspection.tensor_names import short
from minilite.inspection.trials import Measure

WIDTH = 76
"""Of a row, without the indentation of a section."""


def of_sensitivity(found: Sensitivity, top: int | None = 10) -> Iterator[Section]:
    """The whole, the worst operators by themselves, those that are most worth sparing, those that stay float."""
    over = f"{found.samples} samples" if found.samples > 1 else "1 sample"
    yield f"All {found.scheme}, {over}: {said(found.everything)}", []
    hidden = len(found.operators) - len(found.alone(top))
    more = f" ({hidden} more do less)" if hidden else ""
    yield f"Most harm by itself: only this operator {found.scheme}{more}", _rows(found, found.alone(top), False)
    yield f"Most worth sparing: all {found.scheme} but this operator", _rows(found, found.spared(top), True)
    if found.left:
        rows = [(str(d.operator), d.name, d.reason) for d in found.left]
        yield "Float in any case", columns(rows, right=(0,))


def _rows(found: Sensitivity, operators: Sequence[OperatorSensitivity], gain: bool) -> list[str]:
    scored = found.everything.score is not None
    head = ["#", "operator", *(["score"] if scored else []), "SQNR", *(["gain"] if gain else []), "agree"]
    rows = [head]
    for o in operators:
        m = o.spared if gain else o.alone
        score = [f"{m.score:.4g}"] if scored else []
        gained = [f"{o.gain:+.4g}" if scored else f"{round(o.gain, 1) + 0.0:+.1f} dB"] if gain else []
        rows.append([place(o.subgraph, o.operator), o.name, *score, decibels(m.sqnr), *gained, share(m.agreement)])
    return _named(rows, [o.tensor for o in operators], right=(0, *range(2, len(head))))


def of_mixed(found: Mixed, floats: dict[tuple[int, int], tuple[str, str]]) -> Iterator[Section]:
    """Costs, quality, what was measured, and which operator has which scheme. ``floats`` has the name of each operator,
    and that of its result."""
    size = share(found.size / found.float_size) if found.float_size else "0"
    macs = share(found.mac_bits / found.float_mac_bits) if found.float_mac_bits else "0"
    yield f"{found.float_size:,} bytes of constants became {found.size:,} ({size})", []
    yield f"MACs x bits: {macs} of the float model's", []
    yield said(found.measure), []
    yield "Operators", [f"{count} x {name}" for name, count in found.counts.items()]
    rows = [["SQNR", "bytes", "MACs x bits", ""]]
    for step in found.history:
        if step.taken or step.what.startswith("all "):
            work = share(step.mac_bits / found.float_mac_bits) if found.float_mac_bits else "0"
            rows.append([decibels(step.measure.sqnr), f"{step.size:,}", work, short(step.what, 44)])
    yield f"Measured: {len(found.history)} models, among them", columns(rows, right=(0, 1, 2))
    usual = max(found.counts, key=lambda name: found.counts[name])
    other = [(p, name) for p, name in found.assignment.items() if name != usual]
    if other:
        rows = [["#", "operator", "scheme"], *([place(*p), floats[p][0], name] for p, name in other)]
        yield f"Not {usual}", _named(rows, [floats[p][1] for p, _ in other], right=(0,))


def _named(rows: list[list[str]], names: list[str], right: Sequence[int]) -> list[str]:
    """Rows with a last column of names, as wide as there is room."""
    room = WIDTH - max(map(len, columns(rows, right))) - 2
    return columns(
        [[*row, name] for row, name in zip(rows, ["result", *(short(n, room) for n in names)], strict=True)], right
    )


def said(measure: Measure) -> str:
    """``"27.0 dB, 98.2% agree"``."""
    parts = [f"score {measure.score:.4g}"] if measure.score is not None else []
    parts.append(f"SQNR {decibels(measure.sqnr)}")
    if measure.agreement is not None:
        parts.append(f"{share(measure.agreement)} agree")
    return ", ".join(parts)


def decibels(sqnr: float) -> str:
    """``"27.0 dB"``."""
    return "exact" if sqnr == float("inf") else f"{sqnr:.1f} dB"


def share(value: float | None) -> str:
    """``"98.2%"``."""
    return "" if value is None else f"{100 * value:.1f}%"


def place(subgraph: int, operator: int) -> str:
    """An operator's number, with its subgraph's where that is not the first."""
    return str(operator) if subgraph == 0 else f"{subgraph}:{operator}"
