"""What ``minilite compare`` and ``minilite carve`` do: inputs from files or at random, and the findings as tables."""

from __future__ import annotations

import dataclasses
import json
import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from minilite.commands.explain import gathered
from minilite.commands.quantize import samples as samples_in
from minilite.inspection.carve import carve
from minilite.inspection.compare import Compared, Comparison, compare
from minilite.inspection.listing import columns
from minilite.inspection.measuring import ENDS, Difference
from minilite.inspection.reals import grid_of
from minilite.inspection.samples import paired_samples
from minilite.inspection.sources import SavedRun, Source, save_run, source
from minilite.model import Model
from minilite.reader import read

ENOUGH = 20.0
"""dB below which a quantized tensor is worth a look."""


def compare_files(
    a: Path,
    b: str | None,
    against: str | None,
    files: Sequence[str],
    data: Sequence[str],
    seed: int | None,
    settings: dict[str, Any],
    saved: Path | None = None,
) -> Comparison:
    """Compare files, or what else computes the first one, on one sample (``files``, ``seed``) or many (``data``).

    Of a float and a quantized model the float one is the yardstick, in whichever order they come. With ``saved`` the
    yardstick's run is kept in that file."""
    kernels, engine = settings["kernels"], settings["engine"]
    first = source(str(a), kernels, engine)
    second = source(b or against or kernels, kernels, engine, same_as=first)
    if is_quantized(first.model) and not is_quantized(second.model):
        first, second = second, first
    inputs = inputs_of(first, second, files, data, seed, settings["signature"])
    if saved is not None:
        save_run(first, (one for one, _ in paired_samples(first, second, inputs)), saved)
    return compare(first, second, inputs, isolated=settings["isolated"], samples=settings["samples"])


def is_quantized(model: Model) -> bool:
    """Whether a result of an operator is integers that stand for real numbers."""
    results = ((g, t) for g in model.subgraphs for o in g.operators for t in o.outputs or () if t >= 0)
    return any(grid_of(g.tensors[t]) is not None for g, t in results)


def inputs_of(
    first: Source, second: Source, files: Sequence[str], data: Sequence[str], seed: int | None, signature: str | None
) -> Any:
    """Samples from files, or drawn; None where a saved run has its own."""
    if data:
        return samples_in(data)
    if not files and any(isinstance(side, SavedRun) for side in (first, second)):
        return None
    return [one_input(first.model, files, seed, signature)]


def one_input(model: Model, files: Sequence[str], seed: int | None, signature: str | None) -> Any:
    """A sample from files or drawn, with the signature it is for, should there be several."""
    arrays = gathered(model, files, seed, signature)
    return arrays if signature is None else (signature, arrays)


def carve_file(
    path: Path,
    what: str,
    to: str | None,
    files: Sequence[str],
    seed: int | None,
    output: Path,
    settings: dict[str, Any],
) -> Iterator[str]:
    """Carve operators out of a file, and save them. Says what was carved and written."""
    model = read(path)
    signature = settings.pop("signature")
    inputs = [one_input(model, files, seed, signature)] if files or seed is not None else None
    carved = carve(model, what, to, inputs, **settings)
    graph = model.subgraphs[carved.subgraph]
    for number in carved.operators:
        operator = graph.operators[number]
        results = ", ".join(short(graph.tensors[t].name or f"tensor {t}") for t in operator.outputs or ())
        yield f"{number}  {model.operator_codes[operator.opcode_index].name}  {results}"
    yield from map(str, carved.save(output))


# ---- as text ---------------------------------------------------------------------------------------------------------


def show(console: Console, found: Comparison, rows: int | None = 10, ordered: bool = False) -> None:
    """The summary, the table and what has no counterpart. ``ordered``: in the order of execution, all of them."""
    for line in summary(found):
        console.print(line, markup=False, soft_wrap=True)
    chosen = [t for t in found.tensors if t.op] if ordered else _worst(found, rows)
    for line in table(found, chosen, console.width) if chosen else ():
        console.print(line, markup=False, soft_wrap=True)
    for line in why(chosen, console.width):
        console.print(line, markup=False, soft_wrap=True)
    for line in _strangers(found):  # what was not compared
        console.print(line, markup=False, soft_wrap=True)


def summary(found: Comparison) -> Iterator[str]:
    """What was compared, where it begins, and what has become of the outputs."""
    yield f"{found.b} against {found.a}"
    results = [t for t in found.tensors if t.op]
    many = "result of an operator" if len(results) == 1 else "results of operators"
    yield f"{len(results)} {many} on {found.samples} sample{'s' if found.samples != 1 else ''}"
    if found.warning:
        yield from textwrap.wrap(f"Warning: {found.warning}", 80)
    yield ""
    if all(not t.accumulated.different for t in results):
        within = "equal" if found.exact else "within half a step"
        yield f"No difference: every element is {within}."
        return
    yield from _beginning(found)
    for row in found.tensors:
        if row.b in found.outputs:
            yield f"Output {short(row.tensor, 20)}: {_measured(row.accumulated, found.exact)}"
    yield ""


def _beginning(found: Comparison) -> Iterator[str]:
    if found.exact and found.first is not None:
        row, element = found.first, found.first.accumulated.first
        yield f"First difference: {_who(row)}"
        if element is not None:
            place = list(element.index)
            yield f"  sample {element.sample}, {place}: {_number(element.b)} against {_number(element.a)}"
    elif not found.exact:
        low = found.below(ENOUGH)
        yield f"First below {ENOUGH:.0f} dB: {'none' if low is None else _who(low)}"


def _who(row: Compared) -> str:
    number = "" if row.operator is None else f"operator {row.operator[1]} "
    return f"{number}{row.op or 'input'}, {short(row.tensor, 32)}"


def _measured(found: Difference, exact: bool) -> str:
    off = "differ" if exact else "off"
    most = f"by over {ENDS - 1} steps" if found.largest_step == ENDS else f"by up to {found.largest_step} steps"
    steps = f" {most}" if found.largest_step else ""
    share = f", {_share(found.share)} {off}{steps}" if _counts(found, exact) else ""
    return f"{decibels(found.sqnr)} dB, cosine {found.cosine:.4f}{share}"


def table(found: Comparison, rows: Sequence[Compared], width: int = 80) -> list[str]:
    """A line for each tensor, no wider than that, and what the columns are."""
    integers = any(r.accumulated.steps is not None for r in rows)
    measures = ("off", "max") if integers else ("off",)
    cells = [("#", "operator", "alone", *measures, "in all", *measures)]
    for row in rows:
        number = "" if row.operator is None else _operator_number(row.operator)
        both = (*_cells(row.isolated, integers, found.exact), *_cells(row.accumulated, integers, found.exact))
        cells.append((number, row.op, *both))
    right = [i for i in range(len(cells[0])) if i != 1]
    left = columns(cells, right)
    room = max(width - max(map(len, left)) - 2, 12)
    names = ["tensor", *told_apart([row.tensor for row in rows], room)]
    edge = max(map(len, left))
    return [*(f"{line:{edge}}  {name}" for line, name in zip(left, names, strict=True)), "", *_legend(found, integers)]


def _legend(found: Comparison, integers: bool) -> Iterator[str]:
    yield "alone: SQNR in dB of the operator by itself, fed what the yardstick had there;"
    if found.recorded and not found.exact:
        yield "  a saved run cannot compute, so that the rounding of those inputs counts, too;"
    yield "in all: of the result in the whole run;"
    far = "that differ" if found.exact else "that are more than half a step off"
    yield f"off: elements {far}{'; max: by so many steps at most' if integers else ''}."


def why(rows: Sequence[Compared], width: int = 80) -> Iterator[str]:
    """What may be wrong with the operators of a table: their hints."""
    hinted = [row for row in rows if row.operator is not None and row.hints]
    if hinted:
        yield ""
        yield "What may be wrong"
    for row in hinted:
        assert row.operator is not None
        yield f"{_operator_number(row.operator)}  {row.op}"
        for hint in row.hints:
            yield from textwrap.wrap(hint, width - 4, initial_indent="  - ", subsequent_indent="    ")


def _operator_number(operator: tuple[int, int]) -> str:
    return str(operator[1]) if operator[0] == 0 else f"{operator[0]}:{operator[1]}"


def _cells(found: Difference | None, integers: bool, exact: bool) -> list[str]:
    if found is None:
        return ["", "", ""] if integers else ["", ""]
    cells = [decibels(found.sqnr), _share(found.share) if _counts(found, exact) else ""]
    return [*cells, _steps(found)] if integers else cells


def _counts(found: Difference, exact: bool) -> bool:
    """Whether elements that differ are counted. Where not every difference is one, floats that come from no grid have
    no step to be off by."""
    return exact or found.steps is not None or math.isnan(found.sqnr)


def _steps(found: Difference) -> str:
    if found.largest_step is None:
        return ""
    return f">{ENDS - 1}" if found.largest_step == ENDS else str(found.largest_step)


def _worst(found: Comparison, rows: int | None) -> list[Compared]:
    by = "isolated" if any(t.isolated is not None for t in found.tensors) else "accumulated"
    measured = [t for t in found.worst(by=by) if t.op]
    wrong = [t for t in measured if t.accumulated.different or (t.isolated is not None and t.isolated.different)]
    return wrong[:rows]


def _strangers(found: Comparison) -> Iterator[str]:
    for who, names in ((found.a, found.alone_a), (found.b, found.alone_b)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield f"Only in {who}: {', '.join(short(n) for n in names[:3])}{more}"


def decibels(sqnr: float) -> str:
    """One decimal; nothing for what is no number."""
    return "" if math.isnan(sqnr) else f"{sqnr:.1f}"


def _share(share: float) -> str:
    if 0 < share < 0.0005:
        return "<.1%"
    return f"{share:.1%}" if share else "0"


def _number(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def short(name: str, width: int = 40) -> str:
    """The first of the names that a converter joined, and of a long one its end."""
    first = name.partition(";")[0]
    return first if len(first) <= width else f"...{first[3 - width :]}"


def told_apart(names: Sequence[str], width: int) -> list[str]:
    """Names for a column: without the scope that most of them begin with, and cut where they are too long."""
    firsts = [name.partition(";")[0] for name in names]
    scopes = Counter(f.partition("/")[0] for f in firsts if "/" in f).most_common(1)
    scope, count = scopes[0] if scopes else ("", 0)
    if 2 * count > len(firsts):
        firsts = [f.removeprefix(f"{scope}/") for f in firsts]
    return [f if len(f) <= width else f"{f[: width - 3]}..." for f in firsts]


def to_json(found: Comparison) -> str:
    """Everything, as JSON; numbers that are not finite as strings."""
    return json.dumps(_plain(dataclasses.asdict(found)), indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.generic):
        return _plain(value.item())
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
