"""Plots for notebooks and papers, drawn with Matplotlib (``pip install 'minilite-interpreter[plots]'``).

    from minilite.inspection import plots

    plots.histogram("int8.tflite", "conv_1/Relu", image)         # a tensor's values on its grid
    plots.noise(minilite.compare("float.tflite", "int8.tflite", images))
    plots.scatter("float.tflite", "int8.tflite", "conv_1/Relu", images)

Each draws on the ``ax`` it is given, or on a new figure's, and returns it, so that titles, limits and colours can be
changed afterwards. Colours are those of Matplotlib's style.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minilite.errors import ArgumentError
from minilite.inspection.alignment import align
from minilite.inspection.compare import Compared, Comparison
from minilite.inspection.extras import needed
from minilite.inspection.observed import Observed
from minilite.inspection.places import Key, find, tensor_name
from minilite.inspection.reals import dequantized, grid_of
from minilite.inspection.recorded import RUNS, Recorded
from minilite.inspection.report_plots import FEW_STEPS, binned
from minilite.inspection.samples import paired_samples
from minilite.inspection.sources import source
from minilite.inspection.tensor_names import short
from minilite.model import Model
from minilite.quantization.grid import Grid
from minilite.quantization.source import as_model

Array = np.ndarray
NAMED = 24
"""Operators up to which an axis says their names, and not their numbers alone."""
BINS = 64
WIDE = ("int32", "int64")
"""Types of biases: their grids go far beyond whatever is on them."""
TITLE = 48


def histogram(
    model: Any,
    tensor: str | int,
    inputs: Any = None,
    *,
    floats: Any = None,
    kernels: str = "reference",
    ax: Any = None,
) -> Any:
    """How often a tensor has which values, over the grid that it is quantized on. Heights are logarithmic.

    model    a model, its path or bytes; or one that was run already: :class:`~minilite.inspection.observed.Observed`,
             :class:`~minilite.inspection.recorded.Recorded`
    tensor   its name, a part of it that no other has, or its index
    inputs   of one run, for a tensor that is no constant, as :func:`minilite.explain` takes them
    floats   real numbers to be drawn filled behind it: what the float model has there
    kernels  whose arithmetic

    With one scale the axis is real numbers, ``scale * (q - zero_point)``; with several it is ``real / scale +
    zero_point``, in steps of each. Marks below are points of the grid, all or some; what is shaded is beyond it.
    Raises :class:`ArgumentError` for a tensor that there is not, that has no values, or is no numbers."""
    held, key = _where(model, tensor)
    declared = held.subgraphs[key[0]].tensors[key[1]]
    values = _values(model, held, key, inputs, kernels)
    if values.dtype.kind not in "fiub" or not values.size:
        raise ArgumentError(f"{tensor_name(held, key)!r} is no numbers ({values.dtype}, {values.size} of them).")
    grid, ax = grid_of(declared), _axes(ax)
    if grid is None or grid.type in WIDE:
        _plain(ax, dequantized(grid, values), floats)
    else:
        _on_grid(ax, values, floats, grid)
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("elements")
    ax.set_title(short(tensor_name(held, key), TITLE))
    if floats is not None:
        ax.legend()
    return ax


def noise(comparison: Comparison, *, ax: Any = None) -> Any:
    """The noise of a :class:`Comparison`, operator by operator in the order of execution: SQNR in dB, more is better.

    Bars are the operators by themselves, the line is the results in the whole run. Where there is no noise at all, the
    bar or the line ends at the upper edge, and a triangle says so. Raises :class:`ArgumentError` where nothing can be
    drawn."""
    rows = [t for t in comparison.tensors if t.operator is not None and not math.isnan(t.accumulated.sqnr)]
    if not rows:
        raise ArgumentError("the comparison has no results of operators that are numbers: there is no noise to draw.")
    ax = _axes(ax)
    places = np.arange(len(rows))
    alone = np.array([math.nan if t.isolated is None else t.isolated.sqnr for t in rows])
    whole = np.array([t.accumulated.sqnr for t in rows])
    finite = np.concatenate([alone, whole])
    finite = finite[np.isfinite(finite)]
    low, top = min(finite.min(initial=0), 0) * 1.1, max(finite.max(initial=0), 1) * 1.15
    ax.bar(places, np.clip(alone, low, top), color="C0", alpha=0.6, label="by itself")
    ax.plot(places, np.clip(whole, low, top), "o-", color="C1", markersize=4, label="in the run")
    none = [(p, "C0") for p in places[np.isposinf(alone)]] + [(p, "C1") for p in places[np.isposinf(whole)]]
    for place, color in none:
        ax.plot(place, top, "^", color=color, clip_on=False)
    ax.set_ylim(low, top)
    ax.set_xlim(-0.7, len(rows) - 0.3)
    ax.set_ylabel("SQNR in dB")
    ax.set_title(short(f"{comparison.b} against {comparison.a}", 2 * TITLE), fontsize="medium")
    _name_operators(ax, rows)
    ax.legend(loc="lower right")
    return ax


def scatter(
    a: Any,
    b: Any,
    tensor: str | int,
    inputs: Any = None,
    *,
    kernels: str = "reference",
    samples: int = RUNS,
    ax: Any = None,
) -> Any:
    """A tensor of two runs, element by element: ``a`` across (the float model, say), and up what ``b``'s integers stand
    for.

    On the line they agree; a cloud is noise, another slope a wrong scale, level ends are what the grid (dotted) cuts
    off. Drawn are some elements, the same of both, of at most so many ``samples``.

    a, b, inputs  as for :func:`minilite.compare`
    tensor        of ``b``: its name, a part of it that no other has, or its index

    Raises :class:`ArgumentError` for a tensor that there is not, or that has no counterpart; what compare raises."""
    first = source(a, kernels)
    sides = Recorded(first), Recorded(source(b, kernels, same_as=first))
    key = _tensor(sides[1].model, tensor)
    counterpart = align(sides[0].model, sides[1].model).counterparts.get(key)
    name = tensor_name(sides[1].model, key)
    if counterpart is None:
        raise ArgumentError(f"{name!r} has no counterpart in {sides[0].name}: no tensor of that name or producer.")
    for one, other in itertools.islice(paired_samples(*sides, inputs), samples):
        sides[0].run(one)
        sides[1].run(other)
    x, y = (_reals(side, k) for side, k in zip(sides, (counterpart, key), strict=True))
    if not x.size or x.size != y.size:
        raise ArgumentError(f"{name!r} was not computed by both, or not in the same shape: there is nothing to draw.")
    ax = _axes(ax)
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    ax.plot([low, high], [low, high], color="0.5", linewidth=1, zorder=1)
    ax.scatter(x, y, s=6, alpha=0.4, linewidths=0, zorder=2)
    _draw_ends(ax, grid_of(sides[1].model.subgraphs[key[0]].tensors[key[1]]), low, high)
    ax.set_xlabel(sides[0].name)
    ax.set_ylabel(sides[1].name)
    ax.set_title(short(name, TITLE))
    return ax


# ---- values ----------------------------------------------------------------------------------------------------------


def _where(model: Any, tensor: str | int) -> tuple[Model, Key]:
    held = model.model if isinstance(model, Observed | Recorded) else as_model(model)
    return held, _tensor(held, tensor)


def _tensor(model: Model, tensor: str | int) -> Key:
    """A tensor of the first subgraph. Raises :class:`ArgumentError` that names the nearest."""
    wanted = f"tensor {tensor}" if isinstance(tensor, int) and not isinstance(tensor, bool) else tensor
    place = find(model, wanted)
    if place.kind != "tensor":
        raise ArgumentError(f"expected a tensor, got the operator {tensor!r}; a tensor by its number: 'tensor 3'.")
    return place.key


def _values(run: Any, model: Model, key: Key, inputs: Any, kernels: str) -> Array:
    """Raw values: a constant's, or those of a run."""
    if isinstance(run, Recorded):
        found = run.elements(key)
        return found if found.size else np.asarray(_constant(Observed(model, kernels), key))
    if isinstance(run, Observed):
        return np.asarray(run.computed(key))
    return np.asarray(_constant(Observed(model, kernels, inputs), key))


def _constant(run: Observed, key: Key) -> Array:
    found = run.value(key)
    if found is None:
        name = tensor_name(run.model, key)
        raise ArgumentError(f"{name!r} is no constant: its values are those of a run. Give inputs= to make one.")
    return found


def _reals(side: Recorded, key: Key) -> Array:
    grid = grid_of(side.model.subgraphs[key[0]].tensors[key[1]])
    if grid is not None and grid.axis is not None:
        raise ArgumentError(f"{tensor_name(side.model, key)!r} has several scales: draw a histogram of it.")
    return np.asarray(dequantized(grid, side.elements(key)), np.float64)


# ---- drawing ---------------------------------------------------------------------------------------------------------


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    return needed("matplotlib.pyplot", "a plot", "plots").subplots(figsize=(7, 3.6), layout="constrained")[1]


def _plain(ax: Any, values: Array, floats: Any) -> None:
    """A tensor without a grid."""
    x = np.asarray(values, np.float64).reshape(-1)
    x = x[np.isfinite(x)]
    edges = np.histogram_bin_edges(x, BINS)
    if floats is not None:
        ax.hist(np.clip(np.ravel(floats), edges[0], edges[-1]), edges, alpha=0.4, label="float")
    ax.hist(x, edges, histtype="step", label=str(values.dtype))
    ax.set_xlabel("real numbers")


def _on_grid(ax: Any, values: Array, floats: Any, grid: Grid) -> None:
    reals = None if floats is None else np.asarray(floats)
    edges, counts, behind = binned(values, reals, grid)
    if behind is not None:
        ax.stairs(behind, _position(edges, grid), fill=True, alpha=0.4, label="float")
    ax.stairs(counts, _position(edges, grid), label=grid.type)
    low, high = grid.limits
    first, last = _position(np.array([low - 0.5, high + 0.5]), grid)
    for end, stop in ((_position(edges[:1], grid)[0], first), (last, _position(edges[-1:], grid)[0])):
        if stop > end:
            ax.axvspan(end, stop, color="0.5", alpha=0.2, linewidth=0)
    gap = max(1, (high - low + 1) // FEW_STEPS)
    points = _position(np.arange(low, high + 1, gap), grid)
    ax.plot(points, np.zeros(points.size), "|", color="0.4", transform=ax.get_xaxis_transform(), clip_on=False)
    ax.set_xlabel("real numbers" if grid.axis is None else "real / scale + zero point, in steps of each channel")


def _position(q: Array, grid: Grid) -> Array:
    """Where an integer lies on the axis."""
    if grid.axis is not None:
        return np.asarray(q, np.float64)
    return (np.asarray(q, np.float64) - int(grid.zero_points[0])) * float(grid.scales[0])


def _draw_ends(ax: Any, grid: Grid | None, low: float, high: float) -> None:
    """Where a grid ends, if that is among what is drawn."""
    for end in () if grid is None else grid.range:
        if low <= end <= high:
            ax.axhline(end, color="0.5", linewidth=1, linestyle=":", zorder=1)


def _name_operators(ax: Any, rows: Sequence[Compared]) -> None:
    names = list(_operators(rows))
    if len(rows) <= NAMED:
        ax.set_xticks(range(len(rows)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize="small")
        return
    every = -(-len(rows) // NAMED)
    ax.set_xticks(range(0, len(rows), every), [n.partition(" ")[0] for n in names[::every]])
    ax.set_xlabel("operator")


def _operators(rows: Sequence[Compared]) -> Iterator[str]:
    """``"5 CONV_2D"``; ``"1:5 ADD"`` in another subgraph than the first."""
    for row in rows:
        assert row.operator is not None
        s, i = row.operator
        yield f"{i if s == 0 else f'{s}:{i}'} {row.op}"
