"""How an operator rescales: its real multipliers, the integers that stand for them, how they are rounded, and how far
that can be from the exact product.

    real multiplier      M = s_input * s_weights / s_output, in the precision the kernel forms it
    quantized            q * 2**(e - 31), with q of 31 bits;   relative error (q * 2**(e - 31) - M) / M
    rounding             half a step of the output for the last rounding; the high product before it adds 2**(e - 1)
    together             |output - exact| <= rounding + |accumulator| * |q * 2**(e - 31) - M|
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.fixed_point import Multiplier, Requantizer
from minilite.inspection.accumulators import Bounds, bounds
from minilite.ops import add, mean
from minilite.resolve import Step

WORDS = {
    "double rounding": "fixed point, rounded twice: the high product (ties up), then the shift (ties away from zero)",
    "half up": "fixed point, rounded twice: the high product, then the shift, both with ties up",
    "half up by eights": "whole vectors of 8 channels with ties up, the channels left over with double rounding",
    "half up by sixteens": "whole vectors of 16 elements with ties up, those left over with double rounding",
    "int64": "int64 accumulators, a multiplier of 16 bits, one rounding, ties up",
    "float64": "float64 product, one rounding, ties away from zero",
    "float32": "float32 product, one rounding, ties to even",
    "one shift": "products with 21-bit ratios, added exactly, one rounding shift, ties up",
    "vectors": "whole vectors round the operands once less than the scalar loop",
    "spatial": "float32 multipliers and ties up in whole vectors of 16 channels",
    "table": "a table of all 256 answers, computed in float32, rounded half away from zero",
    "half even": "a table of all 256 answers, computed in float32, rounded half to even",
    "division": "float32 quotient, half away from zero",
    "reciprocal": "float32 product with 1 / scale, half to even",
    "blocks": "blocks of 8 by the reciprocal, half to even; what is left over by a float64 quotient",
}
"""What the words of :mod:`minilite.kernel_sets` mean, in short; docs/arithmetic.md has the formulas."""
FLOATS_TOO = frozenset(("REDUCE_MAX", "REDUCE_MIN", "LOCAL_RESPONSE_NORMALIZATION", "SVDF"))
"""Operators whose word may be about floats; the others' words are about integers."""
HYBRID = (
    "integer weights, and the input is quantized to int8 at run time, {}; integer sums, scaled back to floats by "
    "s_input · s_weights"
)
WAYS = {
    "symmetric": "a scale per row of max|x| / 127, no zero point, ties away from zero",
    "asymmetric": "a scale per row of (max - min) / 255 and a zero point, ties away from zero",
    "xnnpack": "a scale per row of (max - min) / 255 and a zero point, in float32, ties to even",
}
"""How a row is quantized: the words of :mod:`minilite.ops.hybrid`."""


@dataclass(frozen=True)
class Quantized:
    """One real multiplier and what stands for it. ``q`` and ``e`` are None where the kernel multiplies in floats.

    ``relative`` is the relative error of what stands for it; ``rounding`` the largest error of the roundings and
    ``error`` of all together, in steps of the output (None where the accumulators' bounds are not known)."""

    name: str
    real: float
    q: int | None
    e: int | None
    relative: float
    rounding: float
    error: float | None = None


@dataclass(frozen=True)
class Arithmetic:
    """How an operator computes in a kernel set. ``word`` is the set's word for it, ``rounding`` the one that its
    requantizer uses, ``delegated`` whether XNNPACK takes the node. Of many channels, ``multipliers`` holds the
    smallest, the largest, and the one with the largest error."""

    kernels: str
    word: str | None
    rounding: str | None
    meaning: str
    delegated: bool
    multipliers: tuple[Quantized, ...]
    clamp: tuple[int, int] | None
    accumulator: Bounds | None


def arithmetic(step: Step) -> Arithmetic:
    """The arithmetic of a prepared step."""
    requantizer = _requantizer(step.prepared)
    found = bounds(step)
    rounding = requantizer.rounding if requantizer else None
    word, meaning = _said(step, rounding)
    if word in ("float", "hybrid", "integers"):
        return Arithmetic(step.node.kernels, word, None, meaning, step.node.delegated, (), None, None)
    if step.node.kernels == "tflm" and word == "fixed point":
        meaning = "gemmlowp's fixed-point functions"
    clamp = (requantizer.low, requantizer.high) if requantizer else _limits(step.prepared)
    with np.errstate(all="ignore"):
        multipliers = tuple(_multipliers(step, requantizer, found))
    return Arithmetic(step.node.kernels, word, rounding, meaning, step.node.delegated, multipliers, clamp, found)


def _said(step: Step, rounding: str | None) -> tuple[str | None, str]:
    """The set's word for a step and what it means; ``float`` and ``hybrid`` where no integers are rescaled."""
    word = step.node.arithmetic
    kind = number_kind(step)
    if step.node.kernels == "ideal":
        return (word and "ideal") or None, "float64 throughout, one rounding, ties away from zero"
    if kind == "hybrid":
        return kind, HYBRID.format(_way(step))
    own = step.definition is not None and word is not None and step.definition.arithmetic == word
    if kind == "float" and not own and step.op.name not in FLOATS_TOO:
        types = dict.fromkeys(t.type for t in step.node.outputs if t is not None)
        return kind, f"computed in {', '.join(types)}: nothing is quantized, rescaled or rounded to a grid"
    if kind == "plain" and word is not None and not own and step.op.name not in FLOATS_TOO:
        return "integers", "they stand for themselves: nothing is rescaled"
    return word, WORDS.get(rounding or word or "", "")


def _way(step: Step) -> str:
    """How a hybrid step quantizes its input; the recurrent operators keep that in what they prepare for each cell."""
    return WAYS.get(getattr(step.prepared, "way", ""), "a scale per row")


def number_kind(step: Step) -> str:
    """``float`` where floats come out of floats, ``hybrid`` where floats come out of floats and of integer weights,
    ``plain`` where nothing has a scale and nothing is a float, and else ``integer``."""
    inputs, results = ([t for t in ts if t is not None] for ts in (step.node.inputs, step.node.outputs))
    if not any("float" in t.type for t in inputs) or not results or not all("float" in t.type for t in results):
        scaled = any(t.quantized or "float" in t.type for t in (*inputs, *results))
        return "integer" if scaled else "plain"
    return "hybrid" if any(t.quantized and "float" not in t.type for t in inputs) else "float"


def _requantizer(prepared: Any) -> Requantizer | None:
    if isinstance(prepared, Requantizer):
        return prepared
    if not dataclasses.is_dataclass(prepared):
        return None
    values = (getattr(prepared, f.name) for f in dataclasses.fields(prepared))
    return next((v for v in values if isinstance(v, Requantizer)), None)


def _limits(prepared: Any) -> tuple[int, int] | None:
    low, high = getattr(prepared, "low", None), getattr(prepared, "high", None)
    return (low, high) if isinstance(low, int) and isinstance(high, int) else None


def _multipliers(step: Step, r: Requantizer | None, found: Bounds | None) -> Iterator[Quantized]:
    p = step.prepared
    if r is not None:
        yield from _of_channels(r, found)
    elif isinstance(p, add.Prepared):
        yield from _of_sum(step, p)
    elif isinstance(p, mean.Spatial | mean.Prepared):
        yield _of_mean(step, p.inner if isinstance(p, mean.Spatial) else p)


def _of_channels(r: Requantizer, found: Bounds | None) -> Iterator[Quantized]:
    reals = np.asarray(r.real).reshape(-1)
    each = [_quantized(_channel(c, reals.size), real, r.rounding, _largest(found, c)) for c, real in enumerate(reals)]
    chosen = [int(reals.argmin()), int(reals.argmax())]
    chosen.append(int(np.argmax([m.error or m.rounding for m in each])))
    yield from (each[c] for c in dict.fromkeys(chosen))


def _channel(c: int, count: int) -> str:
    return "M" if count == 1 else f"M[{c}]"


def _largest(found: Bounds | None, c: int) -> float | None:
    if found is None:
        return None
    c = c if found.high.size > 1 else 0
    return float(max(abs(int(found.high[c])), abs(int(found.low[c]))))


def _quantized(name: str, real: Any, rounding: str, largest: float | None) -> Quantized:
    """A multiplier, what stands for it, and the worst that both can do."""
    exact = float(real)
    if rounding in ("float32", "float64"):
        unit = 2.0**-24 if rounding == "float32" else 2.0**-53
        held = unit if rounding == "float32" and (largest is None or largest > 2**24) else 0.0
        error = None if largest is None else 0.5 + largest * exact * (unit + held)
        return Quantized(name, exact, None, None, unit + held, 0.5, error)
    m = Multiplier.of(real)
    q, e = int(m.q), int(m.e)
    stands = q * 2.0 ** (e - 31)
    if rounding == "int64":
        q = (q + (1 << 15)) >> 16 if q < 0x7FFF0000 else 0x7FFF
        stands = q * 2.0 ** (e - 15)
    once = 0.5 if e >= 0 or rounding == "int64" else 0.5 + 2.0 ** (e - 1)
    error = None if largest is None else once + largest * abs(stands - exact)
    return Quantized(name, exact, q, e, _relative(stands, exact), once, error)


def _of_sum(step: Step, p: add.Prepared) -> Iterator[Quantized]:
    """ADD and SUB: the ratio of each operand's scale, and the way back to the output's."""
    first, second, output = (np.float64(t.scale) for t in (*step.node.inputs, *step.node.outputs) if t is not None)
    if not p.left_shift:  # XNNPACK: both ratios are to the output's scale, and there is one rounding
        shift = int(p.output.e)
        for name, real, m in zip(("M1", "M2"), (first / output, second / output), p.multipliers, strict=True):
            stands = int(m.q) * 2.0**shift
            yield Quantized(name, float(real), int(m.q), shift + 31, _relative(stands, real), 0.5)
        return
    twice = 2 * max(first, second)
    inner = [_held(n, s / twice, m) for n, s, m in zip(("M1", "M2"), (first, second), p.multipliers, strict=True)]
    last = _held("M_output", twice / (2**p.left_shift * output), p.output)
    yield from inner
    yield dataclasses.replace(last, error=last.rounding + last.real * sum(m.rounding for m in inner))


def _held(name: str, real: float, m: Multiplier) -> Quantized:
    q, e = int(m.q), int(m.e)
    stands = q * 2.0 ** (e - 31)
    return Quantized(name, float(real), q, e, _relative(stands, real), 0.5 if e >= 0 else 0.5 + 2.0 ** (e - 1))


def _relative(stands: float, real: float) -> float:
    """The relative error of what stands for a multiplier: 0 of 0 by 0, and NaN where a scale is no number."""
    return 0.0 if stands == real else float(np.float64(stands - real) / np.float64(real))


def _of_mean(step: Step, p: mean.Prepared) -> Quantized:
    info = step.node.inputs[0]
    assert info is not None
    count = p.reduction.count if step.op.name == "MEAN" else 1
    real = np.float64(info.scale) / np.float64(step.node.outputs[0].scale) / max(count, 1)
    if isinstance(p.multiplier, Multiplier):
        return _held("M", real, p.multiplier)
    return Quantized("M", float(real), None, None, _relative(float(p.multiplier), real), 0.5)
