"""What is found out about a scale: a rule, its lines, and whether the file keeps to it. For :mod:`.origins`."""

from __future__ import annotations

from dataclasses import dataclass

from minilite.inspection.lines import Line, shown, signed
from minilite.inspection.places import Key
from minilite.quantization.grid import Grid


@dataclass(frozen=True)
class Origin:
    """The ``rule`` (see :mod:`.origins`) in a word and as a ``summary``, its ``lines``, the tensor that is followed
    (``shared``), and whether the file's numbers are what the rule gives; None where that cannot be told."""

    rule: str
    summary: str
    lines: tuple[Line, ...] = ()
    follows: Key | None = None
    agrees: bool | None = None


def zero_in_file(grid: Grid) -> Line:
    return Line("zero point", "in the file", "", int(grid.zero_points[0]))


def held(grid: Grid) -> Line:
    low, high = grid.range
    least, most = grid.limits
    z = signed(int(grid.zero_points[0]))
    return Line("the grid holds", "scale · (q - zero point)", f"q {least} to {most}, z {z}", f"{low:.6g} to {high:.6g}")


def declared(grid: Grid) -> str:
    return f"scale {shown(grid.scales[0])}, zero point {int(grid.zero_points[0])}"
