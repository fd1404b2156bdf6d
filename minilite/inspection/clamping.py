"""Which outputs were cut off, and by what: the fused activation, as the network means it, or the type, which loses
numbers.

Where the steps before the clamp are known (sums of products), they decide. Elsewhere it is the float definition on the
same operands: what it gives beyond the grid's last step by half a step and more was saturated, and an output at the
activation's own bound counts as cut off by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilite.fixed_point import ACTIVATION_BOUNDS, Requantizer, round_half_away
from minilite.resolve import Step
from minilite.spec import INTEGER_RANGE, TensorInfo

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Cut:
    """Which elements were cut off by the activation, and by the type at its lower and its upper end."""

    activation: Array
    below: Array
    above: Array


@dataclass(frozen=True)
class Ends:
    """The integers where an output ends: ``low`` and ``high``, and whether the activation sets them."""

    low: int
    high: int
    low_by_activation: bool
    high_by_activation: bool


def ends(output: TensorInfo, activation: str) -> Ends:
    """Where a quantized output ends. An activation's bound beyond the type does not come into play."""
    least, most = INTEGER_RANGE[output.type]
    bottom, top = ACTIVATION_BOUNDS.get(activation, (None, None))
    low, high = (None if v is None else _step(v, output) for v in (bottom, top))
    return Ends(
        max(least, least if low is None else low),
        min(most, most if high is None else high),
        low is not None and low >= least,
        high is not None and high <= most,
    )


def _step(bound: int, output: TensorInfo) -> int:
    quotient = np.float32(bound) / output.scale
    return output.zero_point + int(round_half_away(quotient)) if abs(quotient) < 2.0**31 else 0


def fused(step: Step) -> str:
    """The step's activation; ``"NONE"`` for operators that have none."""
    options = step.node.options
    return str(options.get("fused_activation_function", "NONE")) if options is not None else "NONE"


def of_steps(r: Requantizer, acc: Array, at: Ends) -> Cut:
    """From accumulators (as the kernel has them, wrapped): the rounded steps say what was cut off."""
    moved = r.steps(acc) + r.zero_point
    return _cut(moved < r.low, moved > r.high, at)


def of_reals(output: TensorInfo, values: Array, reals: Array, at: Ends) -> Cut:
    """From the float definition, which has the activation in it."""
    least, most = INTEGER_RANGE[output.type]
    exact = reals / float(output.scale) + output.zero_point
    below, above = exact <= least - 0.5, exact >= most + 0.5
    cut = _cut(below, above, Ends(least, most, False, False))
    held = (at.low_by_activation & (values == at.low)) | (at.high_by_activation & (values == at.high))
    return Cut(held & ~below & ~above, cut.below, cut.above)


def _cut(below: Array, above: Array, at: Ends) -> Cut:
    nothing = np.zeros_like(below)
    return Cut(
        (below if at.low_by_activation else nothing) | (above if at.high_by_activation else nothing),
        nothing if at.low_by_activation else below,
        nothing if at.high_by_activation else above,
    )
