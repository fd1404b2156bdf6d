"""Where a tensor's scale and zero point come from: the rule that holds for it, with the actual numbers.

    range     an activation's: from the lowest and highest value it took while calibrating
    weights   trained values: the largest magnitude of each channel
    constant  another constant: its own lowest and highest value
    bias      the product of the input's and the weights' scales
    fixed     a scale that the operator prescribes for its result
    shared    another tensor's, because an operator moves the integers without rescaling them
    none      no scale: the numbers stand for themselves

Nothing is believed: every formula is computed and compared with what the file says, bit for bit (``agrees``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minilite.constants import dense_constant
from minilite.inspection.feeding import single_grid
from minilite.inspection.inconsistencies import of_operator, prescribed
from minilite.inspection.lines import Line, shown, signed
from minilite.inspection.origin import Origin, declared, held, zero_in_file
from minilite.inspection.origin_constants import bias, constant, weights
from minilite.inspection.places import Key, tensor_name
from minilite.inspection.ranges import Ranges, Recorded
from minilite.model import Model, Tensor
from minilite.quantization.graph import LARGEST_CONSTANT, Graph, Node, Use, graph
from minilite.quantization.grid import Grid
from minilite.quantization.numbers import LITERT, TFLITE, f32
from minilite.spec import INTEGER_RANGE

BY = {"tflite": "TFLiteConverter's formula", "litert": "litert-quantizer's formula"}


def origin(model: Model, key: Key, ranges: Ranges) -> Origin:
    """Where a tensor's scale and zero point come from."""
    tensor, g = model.subgraphs[key[0]].tensors[key[1]], graph(model, key[0])
    q = tensor.quantization
    if q is None or q.scales is None or not q.scales.size or str(tensor.type).lower() not in INTEGER_RANGE:
        return Origin("none", f"{tensor.type} without a scale: the numbers stand for themselves.")
    reader = next(((n, u) for n, u in g.readers.get(key[1], ()) if u.operand.role in ("weight", "bias")), None)
    values = dense_constant(model, tensor, key[1], LARGEST_CONSTANT)
    if reader is not None and reader[1].operand.role == "bias":
        return bias(g, tensor, *reader)
    if values is not None:
        return weights(tensor, values) if reader is not None or q.scales.size > 1 else constant(tensor, values)
    grid = single_grid(tensor)
    if grid is None:
        return Origin("range", f"{q.scales.size} scales along dimension {q.quantized_dimension}.")
    return _fixed(g, key, grid) or _shared(model, g, key, grid, ranges) or _ranged(tensor, grid, ranges.of(tensor))


# ---- activations -----------------------------------------------------------------------------------------------------


def _fixed(g: Graph, key: Key, grid: Grid) -> Origin | None:
    node, use = _made(g, key[1])
    wanted = prescribed(g, node, use) if node is not None and use is not None else None
    if wanted is None:
        return None
    scale, zero = f32(wanted[0]), wanted[1]
    same = (scale, zero) == (grid.scales[0], int(grid.zero_points[0]))
    lines = (
        Line("scale", "prescribed", f"{shown(wanted[0])}", scale),
        Line("zero point", "prescribed", "", zero),
        held(grid),
    )
    verdict = "as the file has it" if same else f"but the file has {declared(grid)}"
    return Origin("fixed", f"{node} prescribes the scale of its {grid.type} result, {verdict}.", lines, agrees=same)


def _made(g: Graph, tensor: int) -> tuple[Node | None, Use | None]:
    node = g.producers.get(tensor)
    return node, next((u for u in node.outputs if u.tensor == tensor), None) if node else None


def _shared(model: Model, g: Graph, key: Key, grid: Grid, ranges: Ranges) -> Origin | None:
    """The tensor that has a range which gives this grid, along operators that share one; else the one that is upstream
    of them all."""
    own = ranges.of(g.subgraph.tensors[key[1]])
    if own is not None and _formula(own, grid):
        return None
    linked = _linked(g, key[1], grid)
    for other, mover in linked:
        found = ranges.of(g.subgraph.tensors[other])
        if found is not None and _formula(found, grid):
            return _following(model, (key[0], other), mover, _ranged(g.subgraph.tensors[other], grid, found))
    node, use = _made(g, key[1])
    if node is None or use is None or not use.operand.same_as:
        return None
    root = next((t for t, _ in linked if not _same(_made(g, t)[1])), None)
    if root is None:
        return _broken(g, node, use, grid)
    return _following(model, (key[0], root), node, origin(model, (key[0], root), ranges))


def _broken(g: Graph, node: Node, use: Use, grid: Grid) -> Origin | None:
    """A grid that should be another tensor's, and is not."""
    found = next((i for i in of_operator(g, node) if i.kind == "shared"), None)
    if found is None:
        return None
    other = next(t for t, _ in found.suspects if t[1] != use.tensor)
    there = single_grid(g.subgraph.tensors[other[1]])
    rule = () if there is None else (Line("scale", f"that of tensor {other[1]}", "", there.scales[0]),)
    summary = f"{node}: {found.message} The file does NOT keep to the rule."
    return Origin("shared", summary, (*rule, zero_in_file(grid), held(grid)), other, agrees=False)


def _same(use: Use | None) -> bool:
    return use is not None and bool(use.operand.same_as)


def _following(model: Model, key: Key, node: Node, there: Origin) -> Origin:
    name = f"tensor {key[1]} {tensor_name(model, key).partition(';')[0]!r}"
    summary = f"{node} moves integers without rescaling them, so the grid is that of {name}. {there.summary}"
    return Origin("shared", summary, there.lines, key, there.agrees)


def _linked(g: Graph, tensor: int, grid: Grid) -> list[tuple[int, Node]]:
    """The tensors that operators keep on the same grid, the nearest first, with the operator beside the tensor."""
    found: dict[int, Node] = {}
    work = [tensor]
    for t in work:
        for node in g.nodes:
            uses = _group(node)
            if any(u.tensor == t for u in uses):
                for u in uses:
                    if (
                        u.tensor != tensor
                        and u.tensor not in found
                        and grid.alike(single_grid(g.subgraph.tensors[u.tensor]))
                    ):
                        found[u.tensor] = node
                        work.append(u.tensor)
    return list(found.items())


def _group(node: Node) -> list[Use]:
    """The operands and results of a node that must share a grid."""
    uses = [*node.inputs, *node.outputs]
    names = {u.operand.name for u in uses if u.operand.same_as} | {u.operand.same_as for u in uses if u.operand.same_as}
    return [u for u in uses if u.operand.name in names]


def _ranged(tensor: Tensor, grid: Grid, found: Recorded | None) -> Origin:
    if found is None:
        lines = (Line("scale", "in the file", "", grid.scales[0]), zero_in_file(grid), held(grid))
        return Origin(
            "range",
            "The range that it came from was not recorded in the file. Give the calibration of the float model to see "
            "it; the grid itself tells what it can hold.",
            lines,
        )
    formula = _formula(found, grid)
    lines_ = tuple(_range_lines(found, grid))
    if formula:
        return Origin(
            "range",
            f"The range ({found.source}) gives the file's numbers by {BY[formula]}, bit for bit.",
            lines_,
            agrees=True,
        )
    verdict = f"they are {declared(grid)}{_factor(found, grid)}"
    text = f"The range ({found.source}) does NOT give the file's numbers: {verdict}."
    return Origin("range", text, lines_, agrees=False)


def _formula(found: Recorded, grid: Grid) -> str | None:
    """Whose formula makes this grid out of a range."""
    for numbers in (TFLITE, LITERT):
        if grid.type in ("int8", "uint8", "int16") and numbers.activation(found.low, found.high, grid.type).alike(grid):
            return numbers.name
    return None


def _factor(found: Recorded, grid: Grid) -> str:
    if grid.type not in ("int8", "uint8", "int16"):
        return ""
    usual = TFLITE.activation(found.low, found.high, grid.type).scales[0]
    return f", {float(grid.scales[0]) / float(usual):.4g} times the scale that follows"


def _range_lines(found: Recorded, grid: Grid) -> Iterator[Line]:
    low, high = f32(found.low), f32(found.high)
    yield Line("range", found.source, "", f"{shown(low)} to {shown(high)}", _samples(found))
    bottom, top = min(low, f32(0)), max(high, f32(0))
    if (bottom, top) != (low, high):
        yield Line("with zero", "min(low, 0), max(high, 0)", "", f"{shown(bottom)} to {shown(top)}", "0 must be exact")
    least, most = INTEGER_RANGE[grid.type]
    if grid.type == "int16":
        wide = max(-bottom, top)
        yield Line("scale", "max |x| / 32767", f"{shown(wide)} / 32767", f32(float(wide) / 32767), "float32; symmetric")
        yield held(grid)
        return
    scale = f32(f32(top - bottom) / f32(most - least))
    span = f"({shown(top)} - {signed(bottom)}) / {most - least}"
    yield Line("scale", f"(high - low) / {most - least}", span, scale, "rounded to float32")
    if scale > 0:
        exact = least - float(bottom) / float(scale)
        yield Line(
            "real zero point", "lowest - low / scale", f"{least} - {signed(bottom)} / {shown(scale)}", round(exact, 4)
        )
        zero = int(np.clip(np.trunc(exact + np.copysign(0.5, exact)), least, most))
        yield Line(
            "zero point",
            "half away from zero",
            f"round({exact:.4f})",
            zero,
            "nudged, so that 0 is an integer" if exact != zero else "",
        )
    yield held(grid)


def _samples(found: Recorded) -> str:
    s = found.statistics
    if s is None:
        return ""
    return (
        f"lowest in sample {s.low_sample} (without it {s.second_low:.6g}), "
        f"highest in sample {s.high_sample} (without it {s.second_high:.6g})"
    )
