"""A debugger's answers as lines of text, and what is typed as values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minilite.errors import ArgumentError
from minilite.inspection.debugger import Debugger
from minilite.inspection.tensor_changes import Change, Statistics
from minilite.inspection.tensor_names import short


def operator_rows(debugger: Debugger) -> Iterator[tuple[str, ...]]:
    """A row for each operator: a mark, its number, kind, and what it writes first."""
    yield "", "#", "operator", "writes", "shape", "name"
    for operator in debugger.operators:
        mark = ">" if operator.index == debugger.next else "=" if operator.known else ""
        written = next((t for t in operator.outputs if t >= 0), None)
        if written is None:
            yield mark, str(operator.index), operator.name, "", "", ""
            continue
        shape = "x".join(map(str, debugger.info(written).shape))
        yield mark, str(operator.index), operator.name, f"t{written}", shape, short(debugger.names[written], 28)


def tensor_rows(debugger: Debugger, part: str) -> Iterator[tuple[str, ...]]:
    """A row for each tensor with a text in its name: index, type, shape, name."""
    yield "", "type", "shape", "name"
    for index, name in enumerate(debugger.names):
        if part in name:
            info = debugger.info(index)
            yield f"t{index}", info.type, "x".join(map(str, info.shape)), short(name)


def read_by(readers: Sequence[int]) -> str:
    if not readers:
        return "patched, but no operator reads it after this one; `back`, and patch it there"
    return f"patched; read by operator{'s' if len(readers) > 1 else ''} {', '.join(map(str, readers))}"


def statistics_lines(found: Statistics) -> Iterator[str]:
    if found.low is None:
        yield f"{found.count} elements"
    else:
        kind = "real " if found.real else ""
        yield f"{kind}min {found.low:.6g}  max {found.high:.6g}  mean {found.mean:.6g}  std {found.std:.6g}"
    yield f"{found.count:,} elements, {found.zeros:,} zeros" + "".join(
        f", {count:,} {what}"
        for count, what in (
            (found.nans, "NaN"),
            (found.infinities, "infinite"),
            (found.at_ends, "at an end of the type"),
        )
        if count
    )


def difference(change: Change) -> tuple[str, ...]:
    largest, real = ("" if x is None else f"{x:.6g}" for x in (change.largest, change.largest_real))
    by = "" if change.operator is None else str(change.operator)
    return by, f"t{change.tensor}", f"{change.changed}/{change.count}", largest, real, short(change.name, 26)


def number(line: str) -> int:
    if line and not line.isdecimal():
        raise ArgumentError(f"expected a number of operators, got {line!r}.")
    return int(line or 1)


def needed(line: str, example: str) -> str:
    if not line.strip():
        raise ArgumentError(f"something is missing; for example: {example}")
    return line.strip()
