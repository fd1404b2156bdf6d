"""An :class:`~minilite.inspection.overflow.Overflow` as text, section by section."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from minilite.inspection.listing import Section, columns
from minilite.inspection.overflow import OperatorOverflow, Overflow
from minilite.terminal import printable

WIDTH = 78
FINDINGS = 12
LEAST_USED = 5
COLUMNS = [
    "accumulator  bits that any input can need, and that this data needed, of 32",
    "bias         the largest, as a share of int32",
    "activation   results that the fused activation clamps, as the network means it",
    "type         results that the type saturates: numbers that are lost",
    "still        channels that never changed",
]


def text(found: Overflow) -> str:
    """All sections, each heading over its lines."""
    parts = ([heading, *(f"  {line}" for line in lines)] for heading, lines in sections(found))
    return printable("\n".join(line for part in parts for line in part))


def sections(found: Overflow) -> Iterator[Section]:
    """What to look at, then every operator, then the tensors that use least of their integers."""
    yield f"{found.samples} samples, kernel set {found.kernels!r}", []
    yield "What to look at", list(_findings(found)) or _nothing(found)
    clamped = [(_percent(i.below), _percent(i.above), _short(i.name)) for i in found.inputs if i.clamped]
    if clamped:
        yield "Samples clamped to an input's grid", columns([("below", "above", "input"), *clamped], (0, 1))
    if not found.operators:
        return
    yield "Operators with quantized results", _operators(found)
    yield "Columns", COLUMNS
    least = sorted(found.tensors, key=lambda t: t.used)[:LEAST_USED]
    if least:
        rows = [("used", "from", "to", "tensor"), *((f"{t.used:.0%}", str(t.low), str(t.high), t.name) for t in least)]
        yield "Tensors that use the least of their integers", columns([(*r[:3], _short(r[3])) for r in rows], (0, 1, 2))


def _findings(found: Overflow) -> Iterator[str]:
    for f in found.findings[:FINDINGS]:
        yield f"{f.kind}: operator {f.key[1]} {f.operator}{_of(f.key[0])}, {_short(f.tensor)}"
        yield from (f"    {line}" for line in textwrap.wrap(f.message, WIDTH - 4))
    if len(found.findings) > FINDINGS:
        yield f"and {len(found.findings) - FINDINGS} more"


def _nothing(found: Overflow) -> list[str]:
    if found.why:
        return textwrap.wrap(f"nothing: {found.why}", WIDTH)
    return ["nothing: no overflow, no saturation, no dead channel, no scales that contradict each other"]


def _of(subgraph: int) -> str:
    return f" of subgraph {subgraph}" if subgraph else ""


def _operators(found: Overflow) -> list[str]:
    head = ("", "operator", "accumulator", "bias", "activation", "type", "still")
    return columns([head, *map(_row, found.operators)], right=(0, 2, 3, 4, 5, 6))


def _row(o: OperatorOverflow) -> tuple[str, ...]:
    a = o.accumulators
    accumulator = f"{_bits(a.bound)} / {_bits(a.seen)}" if a else ""
    bias = "" if a is None or a.bias_share is None else f"{a.bias_share:.2g}"
    still = len(o.dead) + len(o.constant)
    number = f"{o.key[0]}/{o.key[1]}" if o.key[0] else str(o.key[1])
    saturated = "" if o.below is None else _percent(o.saturated)
    return number, o.name, accumulator, bias, _percent(o.activation), saturated, f"{still}/{o.channels}" if a else ""


def _bits(range_: tuple[int, int] | None) -> str:
    return "?" if range_ is None else str(max(range_[1], -range_[0] - 1, 0).bit_length() + 1)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}" if share else "0"


def _short(name: str) -> str:
    """The first of the names that a converter joined with semicolons."""
    first, _, rest = name.partition(";")
    return f"{first}; ..." if rest else first
