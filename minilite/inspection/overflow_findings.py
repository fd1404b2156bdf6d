"""What is wrong in the counts of :mod:`minilite.inspection.overflow`: findings that point at an operator.

Certain, whatever the data:

``scale``       scales in the file contradict each other (:mod:`.inconsistencies`).
``wraps``       accumulators went beyond int32 and wrapped around.
``bias``        a bias is at an end of int32: it was saturated when it was quantized.

The operator's own fault, or the effect of another one before it:

``clamped``     more than 1 % of an input's samples lie outside of its grid.
``saturates``   the type cut off more than 1 % of an operator's results, or half of a channel: its scale is too small.
``unused``      less than 30 % of a result's integers are used: its scale is too large.
``may wrap``    no accumulator went beyond int32, but other inputs could make it.

Worth knowing, and often the network's own:

``constant``    a channel has always been the same number, other than 0.
``dead``        a channel has always been 0.

They are listed in these three groups, and in each in the order of execution: a cause stands before its effects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minilite.constants import constant_array
from minilite.inspection.blame import verdicts
from minilite.inspection.feeding import single_grid
from minilite.inspection.places import Key, operator_name
from minilite.model import Model
from minilite.ops import OPS
from minilite.spec import INTEGER_RANGE, Operand

if TYPE_CHECKING:
    from minilite.inspection.overflow import Accumulators, InputUse, OperatorOverflow, TensorUse

SATURATED = 0.01
SATURATED_CHANNEL = 0.5
UNUSED = 0.3
ENOUGH = 16
"""Values of a channel from which it can be told that it never changes."""
GROUPS = (("scale", "wraps", "bias"), ("clamped", "saturates", "unused", "may wrap"), ("constant", "dead"))
CERTAIN = GROUPS[0]


@dataclass(frozen=True)
class Finding:
    """One suspicion: its ``kind`` (see the module), the operator, its result's name, how much, and in words. What is
    wrong with an input of the model stands at the operator that reads it first, with the input's name."""

    kind: str
    key: Key
    operator: str
    tensor: str
    amount: float
    message: str

    @property
    def certain(self) -> bool:
        """Whether it is a fault whatever the data, and whatever the operators before."""
        return self.kind in CERTAIN


def findings(
    model: Model, operators: Sequence[OperatorOverflow], tensors: Sequence[TensorUse], inputs: Sequence[InputUse]
) -> tuple[Finding, ...]:
    """All findings, group by group, each in the order of execution."""
    found = list(_of_file(model, operators, tensors, inputs))
    found += [f for i in inputs for f in _of_input(model, i)]
    found += [f for o in operators for f in _of_operator(model, o)]
    found += [f for t in tensors for f in _of_tensor(model, t)]
    return tuple(sorted(found, key=_place))


def _place(found: Finding) -> tuple[int, Key, int]:
    group = next(i for i, kinds in enumerate(GROUPS) if found.kind in kinds)
    return group, found.key, GROUPS[group].index(found.kind)


def _of_file(
    model: Model, operators: Sequence[OperatorOverflow], tensors: Sequence[TensorUse], inputs: Sequence[InputUse]
) -> Iterator[Finding]:
    """What the file contradicts itself in, at the operator whose scale the data speak against."""
    names = {(t.maker, t.name): t.key for t in tensors}
    cut = {names[o.key, o.output]: o.saturated for o in operators if o.below is not None and (o.key, o.output) in names}
    for v in verdicts(
        model, {t.key: _needed(model, t) for t in tensors}, {**cut, **{i.key: i.clamped for i in inputs}}
    ):
        name = operator_name(model, model.subgraphs[v.at[0]].operators[v.at[1]])
        yield Finding("scale", v.at, name, v.tensor, v.factor, v.said(v.at))


def _of_input(model: Model, i: InputUse) -> Iterator[Finding]:
    """Samples beyond the grid of an input."""
    readers = [n for n, o in enumerate(model.subgraphs[i.key[0]].operators) if i.key[1] in (o.inputs or ())]
    if i.clamped <= SATURATED or not readers:
        return
    key = i.key[0], readers[0]
    name = operator_name(model, model.subgraphs[key[0]].operators[key[1]])
    message = (
        f"{i.clamped:.2%} of the samples' numbers lie outside of what the input's grid holds ({i.below:.2%} below, "
        f"{i.above:.2%} above) and were clamped: the data are scaled otherwise than those it was calibrated with, or "
        "its scale is wrong."
    )
    yield Finding("clamped", key, name, i.name, i.clamped, message)


def _of_operator(model: Model, o: OperatorOverflow) -> Iterator[Finding]:
    def finding(kind: str, amount: float, message: str) -> Finding:
        return Finding(kind, o.key, o.name, o.output, amount, message)

    a = o.accumulators
    if a is not None and a.wrapped:
        yield finding("wraps", a.seen_share or 0.0, _wrapping(a))
    if a is not None and a.bias_at_limit:
        message = f"{_channels(a.bias_at_limit)}: the bias is at the end of int32: it did not fit its scale."
        yield finding("bias", len(a.bias_at_limit), message)
    if o.saturated > SATURATED or (o.worst_share > SATURATED_CHANNEL and o.values >= ENOUGH):
        yield finding("saturates", max(o.saturated, o.worst_share / o.channels), _saturation(o))
    if o.values >= ENOUGH:
        if o.constant:
            yield finding("constant", len(o.constant) / o.channels, f"{_channels(o.constant)}: always the same number.")
        if o.dead:
            message = f"{_channels(o.dead)} of {o.channels}: always 0."
            yield finding("dead", len(o.dead) / o.channels, message + _weightless(model, o))
    if a is not None and not a.wrapped and not a.wide and (a.bound_share or 0.0) > 1:
        message = (
            f"some inputs would take accumulators to {a.bound_share:.3g} times the largest int32; these took them to "
            f"{a.seen_share or 0:.3g} of it."
        )
        yield finding("may wrap", a.bound_share or 0.0, message)


def _wrapping(a: Accumulators) -> str:
    low, high = a.seen or (0, 0)
    furthest = low if -low > high else high
    most = INTEGER_RANGE["int32"][1]
    return (
        f"{a.wrapped:,} accumulators do not fit int32 and wrapped around: the furthest should be {furthest:,}, and "
        f"int32 ends at {most if furthest > 0 else -most - 1:,}."
    )


def _saturation(o: OperatorOverflow) -> str:
    below, above = o.below or 0.0, o.above or 0.0
    channel = f"; of channel {o.worst_channel} {o.worst_share:.1%}" if o.channels > 1 else ""
    return (
        f"the type cuts off {below + above:.2%} of the results ({below:.2%} below, {above:.2%} above{channel}): "
        "the scale of the result is too small for this data."
    )


def _weightless(model: Model, o: OperatorOverflow) -> str:
    """Whether dead channels have no weights at all."""
    graph = model.subgraphs[o.key[0]]
    index = (graph.operators[o.key[1]].inputs or (-1, -1))[1]
    weights = constant_array(model, graph.tensors[index], index) if index >= 0 else None
    if weights is None or weights.ndim < 2:
        return ""
    channels = np.moveaxis(weights, 3, 0) if o.name == "DEPTHWISE_CONV_2D" else weights
    bare = [c for c in o.dead if not channels[c].any()]
    return f" Without any weights: {_channels(tuple(bare))}." if bare else ""


def _channels(channels: Sequence[int]) -> str:
    listed = ", ".join(map(str, channels[:5])) + (f" and {len(channels) - 5} more" if len(channels) > 5 else "")
    return f"channel{'s' if len(channels) > 1 else ''} {listed}"


def _of_tensor(model: Model, t: TensorUse) -> Iterator[Finding]:
    """Results that use little of their range, unless the operator does not choose their scale."""
    used = _needed(model, t)
    if t.maker is None or used >= UNUSED:
        return
    operator = model.subgraphs[t.maker[0]].operators[t.maker[1]]
    name = operator_name(model, operator)
    position = (operator.outputs or ()).index(t.key[1])
    operand = OPS[name].of(operator.options).result(position) if name in OPS else Operand("")
    if operand.same_as or any(type_ == t.type for type_, _, _ in operand.fixed):
        return
    wider = f"the scale could be {1 / used:.1f} times finer" if used > 0 else "it is always 0"
    message = f"only {used:.1%} of the integers are used ({t.low} to {t.high}): {wider}."
    yield Finding("unused", t.maker, name, t.name, 1 - used, message)


def _needed(model: Model, t: TensorUse) -> float:
    """The share of the integers from the lowest to the highest; the zero point, which every grid holds, among them."""
    grid = single_grid(model.subgraphs[t.key[0]].tensors[t.key[1]])
    zero = t.low if grid is None else int(grid.zero_points[0])
    least, most = INTEGER_RANGE[t.type]
    return (max(t.high, zero) - min(t.low, zero)) / (most - least)
