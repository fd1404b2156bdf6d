"""``minilite.inspection.plots``: what is drawn is what was measured, on the axes that were given."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import demo
from minilite.errors import ArgumentError
from minilite.inspection import plots
from minilite.inspection.observed import Observed
from minilite.inspection.recorded import Recorded
from minilite.inspection.samples import paired_samples
from minilite.inspection.sources import source
from minilite.model import Quantization
from tests import broken_pairs
from tests.broken_pairs import FLOAT, INT8, images
from tests.small_models import Builder, one

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

INTEGERS = minilite.read(INT8)
RESULT = 21


@pytest.fixture
def ax() -> Iterator[Any]:
    figure, axes = plt.subplots()
    yield axes
    figure.canvas.draw()  # nothing of it only breaks when it is shown
    plt.close(figure)


def outlines(ax: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The histograms on the axes: counts and edges."""
    return {p.get_label(): (p.get_data().values, p.get_data().edges) for p in ax.patches if hasattr(p, "get_data")}


def three(scale: float, zero_point: int) -> minilite.Model:
    """y = x + constant, the constant having the integers -128, 0, 0 and 127."""
    b = Builder()
    q = Quantization(np.float32([scale]), np.int64([zero_point]))
    x, y = (b.tensor(n, (1, 4), "INT8", quantization=q) for n in "xy")
    c = b.constant("c", np.int8([[-128, 0, 0, 127]]), quantization=q)
    return one(b, "ADD", (x, c), (y,), "AddOptions")


# ---- histograms ------------------------------------------------------------------------------------------------------


def test_values_stand_where_they_are_on_the_axis(ax: Any) -> None:
    assert plots.histogram(three(0.5, -28), "c", ax=ax) is ax
    ((counts, edges),) = outlines(ax).values()
    middles = (edges[:-1] + edges[1:])[counts > 0] / 2
    assert counts[counts > 0].tolist() == [1, 2, 1]
    assert np.abs(middles - 0.5 * (np.array([-128, 0, 127]) + 28)).max() <= 0.5 * 4 / 2  # bins are four steps wide
    (grid,) = (line for line in ax.lines if line.get_marker() == "|")
    assert (grid.get_xdata()[0], np.diff(grid.get_xdata())[0]) == (-50, 2)
    assert ax.get_title() == "c"
    assert not [p for p in ax.patches if not hasattr(p, "get_data")]  # nothing lies beyond the grid


def test_weights_of_many_channels_are_drawn_in_steps(ax: Any) -> None:
    weights = broken_pairs.operand(INTEGERS, 5, 1)
    plots.histogram(INT8, weights, ax=ax)
    ((counts, edges),) = outlines(ax).values()
    assert counts.sum() == 64 * 64
    assert (edges[0], edges[-1]) == (-128.5, 127.5)
    assert "in steps of each channel" in ax.get_xlabel()


def test_what_is_beyond_the_grid_is_shaded_and_kept(ax: Any) -> None:
    broken = broken_pairs.scaled(INTEGERS, RESULT, 0.25)
    floats = Observed(minilite.read(FLOAT), "reference", images(1)).value((0, RESULT))
    plots.histogram(broken, RESULT, images(1), floats=floats, ax=ax)
    found = outlines(ax)
    assert {name: int(counts.sum()) for name, (counts, _) in found.items()} == {
        "int8": floats.size,
        "float": floats.size,
    }
    low, high = -2.2833, 3.0578
    shades = [p.get_extents().transformed(ax.transData.inverted()) for p in ax.patches if not hasattr(p, "get_data")]
    below, above = shades
    assert (below.x1, above.x0) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))
    counts, edges = found["int8"]
    assert not counts[(edges[1:] < low - 0.2) | (edges[:-1] > high + 0.2)].any()


def test_runs_that_were_made_already(ax: Any) -> None:
    observed = Observed(INTEGERS, "reference", images(1))
    plots.histogram(observed, RESULT, ax=ax)
    assert next(iter(outlines(ax).values()))[0].sum() == 49 * 64
    ax.clear()
    first = source(INT8)
    recorded = Recorded(first)
    for sample, _ in paired_samples(first, first, images(2)):
        recorded.run(sample)
    plots.histogram(recorded, RESULT, ax=ax)
    assert next(iter(outlines(ax).values()))[0].sum() == 2 * 512  # some of each run's elements
    ax.clear()
    plots.histogram(recorded, broken_pairs.operand(INTEGERS, 5, 1), ax=ax)  # a constant


def test_floats_and_biases_have_no_grid_to_be_on(ax: Any) -> None:
    for model, tensor in ((FLOAT, RESULT), (INT8, broken_pairs.operand(INTEGERS, 5, 2))):
        ax.clear()
        plots.histogram(model, tensor, images(1), ax=ax)
        assert not [line for line in ax.lines if line.get_marker() == "|"]
        assert ax.get_xlim()[1] < 20


# ---- noise and scatter -----------------------------------------------------------------------------------------------


def test_bars_are_isolated_and_the_line_is_accumulated(ax: Any) -> None:
    found = minilite.compare(FLOAT, INT8, images(2))
    rows = [t for t in found.tensors if t.operator is not None]
    assert plots.noise(found, ax=ax) is ax
    top = ax.get_ylim()[1]
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx([min(t.isolated.sqnr, top) for t in rows])
    (line,) = (line for line in ax.lines if len(line.get_xdata()) > 1)
    assert line.get_ydata() == pytest.approx([t.accumulated.sqnr for t in rows])
    endless = [line for line in ax.lines if line.get_marker() == "^"]
    assert len(endless) == sum(math.isinf(t.isolated.sqnr) for t in rows) == 1  # the pool
    assert [t.get_text() for t in ax.get_xticklabels()][5] == "5 CONV_2D"


def test_noise_without_isolated_runs_or_without_any(ax: Any) -> None:
    plots.noise(minilite.compare(FLOAT, INT8, images(1), isolated=False), ax=ax)
    assert np.isnan([bar.get_height() for bar in ax.patches]).all()
    ax.clear()
    plots.noise(minilite.compare(INT8, "builtin", images(1)), ax=ax)


def test_points_are_the_elements_of_both(ax: Any) -> None:
    broken = broken_pairs.scaled(INTEGERS, 19, 4)
    assert plots.scatter(INT8, broken, 19, images(2), ax=ax) is ax
    (points,) = ax.collections
    x, y = points.get_offsets().T
    assert x.size == 2 * 512
    assert np.asarray(y) == pytest.approx(4 * np.asarray(x))  # the pool hands integers on
    assert ax.get_xlabel() == "fashion_int8.tflite (reference)"


def test_a_grid_that_is_too_small_ends_within(ax: Any) -> None:
    plots.scatter(FLOAT, broken_pairs.scaled(INTEGERS, RESULT, 0.25), RESULT, images(2), ax=ax)
    ends = sorted(line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":")
    assert ends == pytest.approx([-2.2833, 3.0578], abs=1e-3)
    (points,) = ax.collections
    assert points.get_offsets()[:, 1].min() == pytest.approx(ends[0])


# ---- mistakes, and the page ------------------------------------------------------------------------------------------


def test_mistakes_are_said_and_leave_no_figures() -> None:
    before = plt.get_fignums()
    for call, said in (
        (lambda: plots.histogram(INT8, "conv_9/Relu"), "did you mean"),
        (lambda: plots.histogram(INT8, RESULT), "is no constant: .* Give inputs="),
        (lambda: plots.histogram(INT8, "MEAN"), "expected a tensor, got the operator"),
        (lambda: plots.scatter(FLOAT, INT8, broken_pairs.operand(INTEGERS, 5, 1), images(1)), "has no counterpart"),
    ):
        with pytest.raises(ArgumentError, match=said):
            call()
    assert plt.get_fignums() == before


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(minilite.Error, match=r"a plot needs .* pip install 'minilite-interpreter\[plots\]'"):
        plots.noise(minilite.compare(FLOAT, INT8, images(1), isolated=False))


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parent.parent / "docs" / "report.md").read_text(encoding="utf-8")
    section = page[page.index("## Plots in a notebook") : page.index("## For other viewers")]
    demo.copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    variables: dict[str, Any] = {}
    before = len(plt.get_fignums())
    try:
        for block in re.findall(r"```python\n(.*?)```", section, re.S):
            exec(block, variables)
        assert len(plt.get_fignums()) == before + 5  # a figure each
        assert variables["ax"].get_title() == "Where the noise comes from"
    finally:
        plt.close("all")
