"""The report's plots, as inline SVG: histograms on a quantization grid, scatter plots, errors in steps.

Colours are classes, which the page's style sheet knows in light and dark. Everything drawn is also said in a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

import numpy as np

from minilite.inspection.measuring import ENDS
from minilite.inspection.reals import in_steps, outside
from minilite.quantization.grid import Grid

Array = np.ndarray
WIDTH, HEIGHT = 360, 170
LEFT, RIGHT, TOP, BOTTOM = 10, 10, 8, 34
BINS = 64
BEYOND = 1.0
"""Grid widths that an axis goes on for on both sides, at most; what is farther is in the last bin."""
POINTS = 600
"""Of a scatter plot, at most."""
FEW_STEPS = 64
"""Steps up to which a grid's every point has its tick."""


def histogram(label: str, reals: Array | None, integers: Array, grid: Grid) -> str:
    """How often a tensor has which values: of the float model (filled), and the integers (line), over the grid.

    The axis is in steps of the grid: ``q = real / scale + zero_point``; with one scale its ticks say real numbers."""
    edges, counts, behind = binned(integers, reals, grid)
    low, high = round(edges[0] + 0.5), round(edges[-1] - 0.5)
    parts = [_outside(grid.limits, low, high)]
    if behind is not None:
        parts.append(f'<path class="bars" d="{_outline(behind)}Z"/>')
    parts.append(f'<path class="line" d="{_outline(counts)}"/>')
    parts.append(_ruler(grid, low, high))
    return _svg(label, parts)


def binned(integers: Array, reals: Array | None, grid: Grid) -> tuple[Array, Array, Array | None]:
    """The edges of bins in steps of the grid, how many integers are in each, and how many of the real numbers (None
    without any). What is farther beyond the grid than an axis goes on is in the first and the last bin."""
    taken = np.asarray(integers, np.float64).reshape(-1)
    floats = None if reals is None or not reals.size else in_steps(grid, reals)
    low, high, bins = _extent([taken] if floats is None else [floats, taken], grid.limits)
    edges = np.linspace(low - 0.5, high + 0.5, bins + 1)
    found = [None if v is None else np.histogram(np.clip(v, low, high), edges)[0] for v in (taken, floats)]
    assert found[0] is not None
    return edges, found[0], found[1]


def beyond(reals: Array, grid: Grid) -> float:
    """The share of real numbers that are more than half a step outside of the grid: these are clamped."""
    count = np.count_nonzero(np.isfinite(reals))
    return sum(outside(grid, reals)) / count if count else 0.0


def scatter(label: str, x: Array, y: Array) -> str:
    """Points (float, dequantized), and the line on which they should be."""
    x, y = (np.asarray(v, np.float64).reshape(-1) for v in (x, y))
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    some = slice(None, None, max(1, -(-x.size // POINTS)))
    x, y = x[some], y[some]
    if not x.size:
        return ""
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    span = (high - low) or 1.0
    across = LEFT + (x - low) / span * (WIDTH - LEFT - RIGHT)
    up = HEIGHT - BOTTOM - (y - low) / span * (HEIGHT - TOP - BOTTOM)
    spots = sorted({f"M{a:.0f} {b:.1f}h0" for a, b in zip(across, up, strict=True)})
    ends = f"M{LEFT} {HEIGHT - BOTTOM}L{WIDTH - RIGHT} {TOP}"
    ticks = [(LEFT, _number(low)), (WIDTH - RIGHT, _number(high))]
    return _svg(
        label, [f'<path class="ideal" d="{ends}"/>', f'<path class="dots" d="{"".join(spots)}"/>', _axis(ticks)]
    )


def steps(label: str, counts: Mapping[int, int]) -> str:
    """How many elements are off by how many steps, as bars; logarithmic."""
    most = max(3, *(abs(s) for s in counts)) if counts else 3
    room = (WIDTH - LEFT - RIGHT) / (2 * most + 1)
    top = np.log1p(max(counts.values(), default=1))
    bars = []
    for step, count in counts.items():
        tall = float(np.log1p(count) / top) * (HEIGHT - TOP - BOTTOM)
        at = LEFT + (step + most) * room
        bars.append(f"M{at:.1f} {HEIGHT - BOTTOM}v{-tall:.1f}h{max(room - 1, 0.5):.1f}v{tall:.1f}Z")
    ends = f"{'≤ ' if most == ENDS else ''}−{most}", f"{'≥ ' if most == ENDS else ''}{most}"
    ticks = [(LEFT + room / 2, ends[0]), (WIDTH / 2, "0"), (WIDTH - RIGHT - room / 2, ends[1])]
    return _svg(label, [f'<path class="bars errors" d="{"".join(bars)}"/>', _axis(ticks)])


def _extent(values: Sequence[Array], limits: tuple[int, int]) -> tuple[int, int, int]:
    """The grid, and what is beyond it, within reason; and how many bins, each of the same whole number of steps."""
    low, high = limits
    some = [v for v in values if v.size]
    least, most = min((v.min() for v in some), default=low), max((v.max() for v in some), default=high)
    wide = (high - low) * BEYOND
    low = int(np.rint(max(min(least, low), low - wide)))
    high = int(np.rint(min(max(most, high), high + wide)))
    width = -(-(high - low + 1) // BINS)
    bins = -(-(high - low + 1) // width)
    return low, low + bins * width - 1, bins


def _outline(counts: Array) -> str:
    """The upper edge of a histogram from the axis and back to it; heights are logarithmic."""
    top = np.log1p(counts.max()) or 1.0
    room = (WIDTH - LEFT - RIGHT) / counts.size
    bottom = HEIGHT - BOTTOM
    path = [f"M{LEFT} {bottom}"]
    for i, count in enumerate(counts):
        path.append(f"V{bottom - np.log1p(count) / top * (bottom - TOP):.1f}H{LEFT + (i + 1) * room:.1f}")
    return "".join([*path, f"V{bottom}"])


def _place(q: float, low: float, high: float) -> float:
    return LEFT + (q - low + 0.5) / (high - low + 1) * (WIDTH - LEFT - RIGHT)


def _outside(limits: tuple[int, int], low: int, high: int) -> str:
    """What lies beyond the grid, shaded."""
    first, last = _place(limits[0] - 0.5, low, high), _place(limits[1] + 0.5, low, high)
    tall = HEIGHT - TOP - BOTTOM
    spans = [(LEFT, first), (last, WIDTH - RIGHT)]
    shaded = (f'<rect x="{a:.1f}" y="{TOP}" width="{b - a:.1f}" height="{tall}"/>' for a, b in spans if b - a > 0.5)
    return f'<g class="beyond">{"".join(shaded)}</g>'


def _ruler(grid: Grid, low: int, high: int) -> str:
    """The grid itself: a tick for each of its points, or for some, and numbers at its ends and its zero."""
    least, most = grid.limits
    gap = max(1, (most - least + 1) // FEW_STEPS)
    bottom = HEIGHT - BOTTOM
    marks = "".join(f"M{_place(q, low, high):.1f} {bottom}v5" for q in range(least, most + 1, gap))
    return f'<path class="grid" d="{marks}"/>{_axis(list(_grid_ticks(grid, low, high)))}'


def _grid_ticks(grid: Grid, low: int, high: int) -> Iterator[tuple[float, str]]:
    """The ends of the grid and its zero, unless that is close to an end."""
    least, most = grid.limits
    zero = int(grid.zero_points[0])
    points = [least, zero, most] if min(zero - least, most - zero) > (high - low) / 6 else [least, most]
    for q in points:
        real = "" if grid.axis is not None else f" = {_number(float(grid.scales[0]) * (q - zero))}"
        yield _place(q, low, high), f"{q}{real}".replace("-", "−")


def _axis(ticks: Sequence[tuple[float, str]]) -> str:
    bottom = HEIGHT - BOTTOM
    texts = []
    for x, text in ticks:
        half = len(text) * 3.3
        anchor = "start" if x - half < LEFT else "end" if x + half > WIDTH - RIGHT else "middle"
        at = {"start": max(x - 4, 2), "end": min(x + 4, WIDTH - 2), "middle": x}[anchor]
        texts.append(f'<text x="{at:.1f}" y="{bottom + 20}" text-anchor="{anchor}">{escape(text)}</text>')
    return f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>{"".join(texts)}'


def _svg(label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def _number(value: float) -> str:
    return f"{value + 0.0:.3g}".replace("-", "−")
