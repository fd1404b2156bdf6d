"""A report's sections beyond the measured errors: where numbers come from, memory, and what each operator costs.

What is said of a number is :func:`minilite.explain`'s, memory is :func:`minilite.memory_plan`'s, and what operators
cost is :func:`minilite.sensitivity`'s.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from minilite.errors import Error
from minilite.inspection.arena import MemoryPlan, PlannedBuffer, memory_plan
from minilite.inspection.explain import Explanation, numbers_of
from minilite.inspection.explain_text import sections
from minilite.inspection.listing import Section
from minilite.inspection.observed import Observed
from minilite.inspection.places import Key
from minilite.inspection.ranges import ranges
from minilite.inspection.sensitivity import Sensitivity, sensitivity
from minilite.inspection.tensor_names import short
from minilite.model import Model
from minilite.quantization.lint import CalibrationWarning

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 200, 8, 22, 6
DRAWN = 400
"""Buffers in a chart, the largest ones, at most."""
LISTED = 8
"""Buffers named at the peak."""


# ---- where an operator's numbers come from ---------------------------------------------------------------------------


def origins(model: Model, kernels: str, keys: Sequence[Key], calibration: Any) -> dict[Key, list[Section]]:
    """Of each operator, as :func:`minilite.explain` has it: the origin of its result's scale and zero point, its
    multipliers, and the bounds of its accumulators. What cannot be told without a run is left out."""
    known = ranges(calibration)
    found: dict[Key, list[Section]] = {}
    try:
        observed = Observed(model, kernels)
    except Error:
        return found
    for key in keys:
        try:
            explained = numbers_of(observed, key, known)
        except Error:
            continue
        if _is_about_integers(explained):
            found[key] = [(heading, list(lines)) for heading, lines in sections(explained)]
    return found


def _is_about_integers(explained: Explanation) -> bool:
    tensor, operator = explained.tensor, explained.operator
    arithmetic = None if operator is None else operator.arithmetic
    said = arithmetic is not None and (arithmetic.multipliers or arithmetic.word == "hybrid")
    return bool(said or (tensor is not None and tensor.origin.rule != "none"))


# ---- memory ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """A plan with its chart and facts; or why there is none."""

    runtime: str
    plan: MemoryPlan | None
    facts: tuple[tuple[str, str], ...] = ()
    picture: str = ""
    why: str = ""


RUNTIMES = {"tflm": "TFLite Micro", "litert": "LiteRT's interpreter"}


def memory(model: Model) -> list[Memory]:
    """The plans of both runtimes."""
    return [_memory(model, runtime) for runtime in RUNTIMES]


def _memory(model: Model, runtime: str) -> Memory:
    try:
        plan = memory_plan(model, runtime=runtime)
    except Error as error:
        return Memory(RUNTIMES[runtime], None, why=str(error))
    return Memory(RUNTIMES[runtime], plan, tuple(_facts(plan)), chart(plan, RUNTIMES[runtime]))


def _facts(plan: MemoryPlan) -> Iterator[tuple[str, str]]:
    gaps = plan.arena_bytes - plan.live_bytes
    yield "arena", f"{plan.arena_bytes:,} bytes" + (f", {gaps:,} of them lost to gaps" if gaps else "")
    if plan.peak:
        at = plan.peak[0]
        others = f" and {len(plan.peak) - 1} more" if len(plan.peak) > 1 else ""
        yield "most in use", f"{plan.live_bytes:,} bytes at operator {_number(at)} {at.name}{others}"
        held = sorted((plan.buffers[i] for i in at.buffers), key=lambda b: -b.size)
        more = f" and {len(held) - LISTED} more" if len(held) > LISTED else ""
        yield "in use there", ", ".join(f"{short(b.name, 24)} {b.size:,}" for b in held[:LISTED]) + more
    yield "constants", f"{plan.constant_bytes:,} bytes, which stay in the file"
    if plan.variable_bytes:
        yield "variables", f"{plan.variable_bytes:,} bytes, kept from run to run"
    if plan.unplanned:
        yield "not planned", f"{len(plan.unplanned)} tensors whose sizes are known before or only while running"


def _number(moment: Any) -> str:
    return str(moment.operator) if moment.subgraph == 0 else f"{moment.subgraph}:{moment.operator}"


def chart(plan: MemoryPlan, runtime: str) -> str:
    """Each buffer as a rectangle: from the first operator that needs it to the last one, at its place in the arena.
    Those of the peak are filled."""
    if not plan.moments or not plan.arena_bytes:
        return ""
    order = {time: i for i, time in enumerate(sorted({m.time for m in plan.moments}))}
    peak = set(plan.peak[0].buffers)
    wide = (WIDTH - 2 * LEFT) / len(order)
    most = sorted(range(len(plan.buffers)), key=lambda i: -plan.buffers[i].size)[:DRAWN]
    drawn = (_rectangle(plan, plan.buffers[i], order, wide, i in peak) for i in sorted(most))
    label = (
        f"Lifetimes in the arena of {runtime}: operators across, bytes up to {plan.arena_bytes:,}; filled is what is "
        f"in use at operator {_number(plan.peak[0])}, the peak"
    )
    bottom = HEIGHT - BOTTOM
    ticks = (
        f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - LEFT}"/>'
        f'<text x="{LEFT}" y="{bottom + 15}">operator {_number(plan.moments[0])}</text>'
        f'<text x="{WIDTH - LEFT}" y="{bottom + 15}" text-anchor="end">{_number(plan.moments[-1])}</text>'
    )
    return (
        f'<svg class="plot arena" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">'
        f"{''.join(drawn)}{ticks}</svg>"
    )


def _rectangle(plan: MemoryPlan, buffer: PlannedBuffer, order: dict[int, int], wide: float, at_peak: bool) -> str:
    used = [i for time, i in order.items() if buffer.first <= time <= buffer.last]
    if not used:
        return ""
    scale = (HEIGHT - BOTTOM - TOP) / plan.arena_bytes
    top = HEIGHT - BOTTOM - (buffer.offset + buffer.size) * scale
    x, width = LEFT + min(used) * wide, (max(used) - min(used) + 1) * wide
    title = f"{escape(short(buffer.name, 40))}: {buffer.size:,} bytes at {buffer.offset:,}"
    return (
        f'<rect class="{"held" if at_peak else "kept"}" x="{x:.1f}" y="{top:.1f}" width="{max(width - 0.5, 0.5):.1f}" '
        f'height="{max(buffer.size * scale, 0.5):.1f}"><title>{title}</title></rect>'
    )


# ---- what each operator costs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """An operator of the float model: dB with only this one quantized, with all but this one, and what that gains."""

    number: str
    name: str
    tensor: str
    alone: float
    spared: float
    gain: float


def measured(model: Model, data: list[Any], scheme: str, settings: dict[str, Any]) -> Sensitivity:
    """What quantizing each operator of the float model costs; how few the samples are is no news here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        return sensitivity(model, data, scheme, progress=False, **settings)


def costs(found: Sensitivity) -> list[Cost]:
    """The operators, those that do most harm by themselves first."""
    return [
        Cost(
            str(o.operator) if o.subgraph == 0 else f"{o.subgraph}:{o.operator}",
            o.name,
            o.tensor,
            o.alone.sqnr,
            o.spared.sqnr,
            0.0 if math.isnan(o.gain) else o.gain,
        )
        for o in found.alone()
    ]
