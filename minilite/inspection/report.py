"""``report``: one page about what quantizing a model has done to it, to be opened in any browser.

    minilite.report("float.tflite", "int8.tflite", images, "report.html")

The page needs no network and holds everything: what to look at, the graph with the errors coloured on it, all operators
in a table, and of the worst ones histograms of weights and results on their grids and floats against integers. What it
says is measured by :func:`minilite.compare` and :func:`minilite.overflow`; :mod:`minilite.inspection.report_contents`
has it as data.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from minilite.destinations import check_folder
from minilite.inspection import report_plots as plots
from minilite.inspection import report_sections as sections
from minilite.inspection.extras import needed
from minilite.inspection.measuring import ENDS, Difference
from minilite.inspection.model_explorer import model_explorer
from minilite.inspection.reals import dequantized, grid_of
from minilite.inspection.report_contents import Contents, Row, contents, given_to, weights
from minilite.inspection.report_graph import NODE, WIDTH, drawing
from minilite.inspection.tensor_names import short
from minilite.quantization.calibration import Calibration
from minilite.terminal import brief, visible
from minilite.writing import replacing

DETAILED = 24
"""Operators with plots, the worst ones, if not said otherwise."""
LEVELS = (40.0, 30.0, 20.0, 10.0)
"""dB from which an error has the colour of level 0, 1, 2, 3; below the last one it is level 4."""


@np.errstate(all="ignore")  # a damaged file's scales may be anything
def report(
    float_model: Any,
    quantized_model: Any,
    data: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    kernels: str = "reference",
    engine: str = "auto",
    samples: int | None = None,
    calibration: Calibration | str | os.PathLike[str] | None = None,
    graph: str | os.PathLike[str] | None = None,
    detailed: int = DETAILED,
    sensitivity: bool | str = False,
) -> str:
    """A page of HTML about a float model and what quantizing has made of it; written to ``path``, too, if given.

    float_model, quantized_model  models, their paths or bytes; or whatever else compare takes: an int8 model and
                 ``"xnnpack"``, say, for a page about what another kernel set makes of it
    data         samples as for :func:`minilite.compare`
    kernels      the kernel set of both, ``engine`` what computes it
    samples      so many at most
    calibration  the ranges that the model was quantized with, or the file that they were saved to: what is suspicious
                 about them is on the page
    graph        a file for the quantized model's graph with the errors, for Google's Model Explorer (.json)
    detailed     so many operators have plots: the worst ones
    sensitivity  also what quantizing each operator of the float model costs, by :func:`minilite.sensitivity`: True, or
                 the scheme (``int8`` if not said). The model is quantized and run twice for each operator, which takes
                 its time

    Raises :class:`MissingPackageError` when Jinja2 is not installed (``pip install 'minilite-interpreter[report]'``),
    :class:`ArgumentError` for a path that cannot be written; what compare and overflow raise."""
    template = _template()
    check_folder(path, graph)
    found = contents(float_model, quantized_model, data, kernels, engine, samples, _lint(calibration))
    costs = _costs(found, sensitivity, calibration, {"kernels": kernels, "engine": engine})
    page = visible(template.render({**shown(found, detailed, calibration), "sensitivity": costs}))
    if path is not None:
        with replacing(path) as beside:
            beside.write_text(page, encoding="utf-8")
    if graph is not None:
        text = model_explorer(found.b.model, found.comparison, found.b.label)
        with replacing(graph) as beside:
            beside.write_text(text, encoding="utf-8")
    return page


def _template() -> Any:
    jinja2 = needed("jinja2", "a report", "report")
    folder = Path(__file__).parent / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: brief(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"db": decibels, "level": level, "share": share, "bytes": in_bytes, "short": short}
    environment.filters |= {"sortable": sortable, "most": most, "count": count, "costs": sections.costs}
    return environment.get_template("report.html")


def _costs(found: Contents, wanted: bool | str, calibration: Any, settings: dict[str, Any]) -> Any:
    """What the operators of the float model cost, on the samples of the report; None if nobody asked."""
    if not wanted:
        return None
    scheme = wanted if isinstance(wanted, str) else "int8"
    given = {} if calibration is None else {"calibration": calibration}
    return sections.measured(found.a.model, given_to(found.a), scheme, {**settings, **given})


def _lint(calibration: Any) -> Any:
    if calibration is None:
        return ()
    return (calibration if isinstance(calibration, Calibration) else Calibration.load(calibration)).findings


def shown(found: Contents, detailed: int, calibration: Any = None) -> dict[str, Any]:
    """What the template is given."""
    model = found.b.model
    compared = found.comparison
    sides = found.a, found.b
    alike = found.a.label == found.b.label
    return {
        "found": found,
        "titles": [side.name if alike else side.label for side in sides],
        "worst": found.worst[0] if found.worst else None,
        "first_low": compared.below(LEVELS[2]),
        "outputs": [t for t in compared.tensors if t.b in compared.outputs],
        "rows": found.rows,
        "rank": {row.key: i for i, row in enumerate(found.worst, 1)},
        "by_key": {row.key: row for row in found.rows},
        "drawings": [drawing(model, s) for s in range(len(model.subgraphs))],
        "node_width": WIDTH,
        "node_height": NODE,
        "levels": LEVELS,
        "figures": {row.key: figures(found, row) for row in found.worst[:detailed]},
        "low": low(found),
        "facts": {row.key: facts(found, row) for row in found.rows},
        "origins": sections.origins(model, found.kernels, [row.key for row in found.rows], calibration),
        "memories": sections.memory(model),
    }


def low(found: Contents) -> list[Row]:
    """The operators that are low by themselves, the worst first; where none is and an output is, the worst three."""
    outputs = [t.accumulated.sqnr for t in found.comparison.tensors if t.b in found.comparison.outputs]
    own = [row for row in found.worst if row.worth < LEVELS[2]]
    return own or (list(found.worst[:3]) if any(sqnr < LEVELS[2] for sqnr in outputs) else [])


def figures(found: Contents, row: Row) -> list[dict[str, str]]:
    """The plots of an operator, each with a title and what is to be seen in it."""
    some = [_weights(found, row), *_results(found, row), _steps(row)]
    return [f for f in some if f is not None]


def _weights(found: Contents, row: Row) -> dict[str, str] | None:
    held = weights(found, row)
    grid = None if held is None else grid_of(held[2])
    if held is None or grid is None:
        return None
    reals, integers, _ = held
    where = "per tensor" if grid.axis is None else f"per channel, {grid.scales.size} scales; in steps of each"
    if reals is None:
        note = f"{where}. The float model has no counterpart of these weights."
    else:
        note = f"{where}. {share(plots.beyond(reals, grid)) or '0'} of the float weights are beyond the grid."
    return _figure("Weights", note, plots.histogram(f"Histogram of the weights: {note}", reals, integers, grid))


def _results(found: Contents, row: Row) -> list[dict[str, str] | None]:
    if row.compared is None:
        return []
    raw_a, raw_b = found.a.elements(row.compared.a), found.b.elements(row.compared.b)
    if raw_a.size != raw_b.size or not raw_b.size or math.isnan(row.compared.accumulated.sqnr):
        return []
    grid = grid_of(row.output)
    s, t = row.compared.a
    reals = dequantized(grid_of(found.a.model.subgraphs[s].tensors[t]), raw_a)
    if grid is not None and grid.axis is not None:
        return []
    steps = []
    if grid is not None:
        note = f"{share(plots.beyond(reals, grid)) or '0'} of the float results are beyond the grid."
        label = f"Histogram of the results: {note}"
        steps.append(_figure("Results", note, plots.histogram(label, reals, raw_b, grid)))
    note = f"up to {plots.POINTS} elements, in the whole run; the line is where they agree."
    picture = plots.scatter(f"Scatter plot, float across, quantized up: {note}", reals, dequantized(grid, raw_b))
    return [*steps, _figure("Float (across) against quantized (up)", note, picture) if picture else None]


def _steps(row: Row) -> dict[str, str] | None:
    error = row.isolated or row.accumulated
    if error is None or not error.steps:
        return None
    whose = "by itself" if row.isolated else "in the whole run"
    note = f"{whose}: {share(error.share) or '0'} of the elements are more than half a step off; logarithmic."
    return _figure("Error in steps", note, plots.steps(f"Histogram of errors in steps, {note}", error.steps))


def _figure(title: str, note: str, picture: str) -> dict[str, str]:
    return {"title": title, "note": note, "picture": picture}


def facts(found: Contents, row: Row) -> list[tuple[str, str]]:
    """An operator in a few words, as (name, value)."""
    shape = "×".join(map(str, row.output.shape or ())) or "scalar"
    said = [("result", row.tensor), ("type and shape", f"{str(row.output.type).lower()} {shape}")]
    grid = grid_of(row.output)
    if grid is not None and grid.axis is None:
        said.append(("scale, zero point", f"{float(grid.scales[0]):.6g}, {int(grid.zero_points[0])}".replace("-", "−")))
        said.append(("real range", " to ".join(f"{v:.4g}".replace("-", "−") for v in grid.range)))
    exact, errors = found.comparison.exact, (("by itself", row.isolated), ("in the run", row.accumulated))
    said += [(name, _error(error, exact)) for name, error in errors if error]
    if row.compared is None:
        said.append(("compared", "no: the float model has no counterpart of the result"))
    elif row.isolated is None:
        said.append(("by itself", f"not compared: {row.compared.reason}"))
    options = ", ".join(f"{k}={v}" for k, v in row.summary.options.items() if v is not None)
    return [*said, *_counts(row), ("options", options or "none")]


def _error(error: Difference, exact: bool) -> str:
    if math.isnan(error.sqnr):
        return f"{share(error.share) or '0'} of the elements differ"
    far = most(error)
    how = (
        ""
        if not far
        else f", by over {far[1:]} steps"
        if far.startswith(">")
        else f", by up to {far} step{'' if far == '1' else 's'}"
    )
    off = f", {share(error.share) or '0'} off{how}" if exact or error.steps is not None else ""
    return f"{decibels(error.sqnr)} dB, cosine {error.cosine:.5f}{off}"


def _counts(row: Row) -> list[tuple[str, str]]:
    o = row.overflow
    if o is None:
        return []
    said = (
        [] if o.below is None else [("saturated", f"{share(o.below) or '0'} below, {share(o.above or 0) or '0'} above")]
    )
    if o.activation:
        said.append(("clamped by the activation", share(o.activation) or "0"))
    if o.accumulators is not None and o.accumulators.seen_share is not None:
        said.append(("accumulators", f"reached {share(o.accumulators.seen_share) or '0'} of int32"))
    if o.dead or o.constant:
        said.append(("channels", f"{len(o.dead)} dead, {len(o.constant)} constant of {o.channels}"))
    return said


# ---- numbers ---------------------------------------------------------------------------------------------------------


def decibels(sqnr: float) -> str:
    """One decimal; ``∞`` for no error at all, nothing for what is no number."""
    if math.isinf(sqnr):
        return "∞" if sqnr > 0 else "−∞"
    return "" if math.isnan(sqnr) else f"{sqnr:.1f}".replace("-", "−")


def level(error: Difference | None) -> str:
    """The colour of an error: 0 to 4, ``none`` where nothing is known."""
    if error is None or math.isnan(error.sqnr):
        return "none"
    return str(sum(error.sqnr < bound for bound in LEVELS))


def share(value: float) -> str:
    """As percent; nothing for 0."""
    return "" if not value else "<0.01 %" if value < 0.0001 else f"{value * 100:.3g} %"


def most(error: Difference | None) -> str:
    """The largest error in steps; nothing for none."""
    step = None if error is None else error.largest_step
    return "" if not step else f">{ENDS - 1}" if step == ENDS else str(step)


def count(number: int) -> str:
    """Three digits and a unit."""
    for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def in_bytes(count: int) -> str:
    """In the unit that fits."""
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def sortable(value: float | int | None) -> str:
    """What a column is sorted by."""
    return "" if value is None or math.isnan(value) else repr(float(value)).replace("inf", "Infinity")
