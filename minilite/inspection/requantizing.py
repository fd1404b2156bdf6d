"""One accumulator on its way to an output integer, rounding by rounding.

The same functions as the kernels' (:mod:`minilite.fixed_point`), on one number, with every intermediate result kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.fixed_point import (
    Multiplier,
    Requantizer,
    round_half_away,
    rounding_divide_by_pot,
    rounding_shift_half_up,
    saturating_rounding_doubling_high_mul,
    wrap32,
)
from minilite.inspection.lines import Line, shown, signed

Lines = list[Line]


@dataclass(frozen=True)
class At:
    """Where an element is in its output: its channel (last axis), its place in the flattened output, and how many of
    each there are."""

    channel: int
    channels: int
    flat: int
    size: int

    @classmethod
    def of(cls, index: tuple[int, ...], shape: tuple[int, ...]) -> At:
        flat = int(np.ravel_multi_index(index, shape)) if shape else 0
        size = int(np.prod(shape))
        return cls(index[-1] if index else 0, shape[-1] if shape else 1, flat, size)


def rounding_at(word: str, at: At) -> str:
    """Which rounding an element gets where vectors have one and what is left over another."""
    if word == "half up by eights":
        return "half up" if at.channel < at.channels // 8 * 8 else "double rounding"
    if word == "half up by sixteens":
        return "half up" if at.flat < at.size // 16 * 16 else "double rounding"
    return word


def real_at(real: Any, channel: int) -> Any:
    """The multiplier of a channel."""
    reals = np.asarray(real).reshape(-1)
    return reals[channel if reals.size > 1 else 0]


def requantized(r: Requantizer, acc: int, at: At, activation: str = "NONE") -> tuple[Lines, int]:
    """From an accumulator to the output: multiplied, rounded, moved by the zero point, clamped."""
    word = rounding_at(r.rounding, at)
    lines, steps = ROUNDINGS[word](acc, real_at(r.real, at.channel))
    more, output = finished(steps, r.zero_point, r.low, r.high, activation)
    return [*lines, *more], output


def finished(steps: int, zero_point: int, low: int, high: int, activation: str = "NONE") -> tuple[Lines, int]:
    """The zero point, and the clamp to what the type and the activation let through."""
    moved = steps + zero_point
    output = min(max(moved, low), high)
    by = "the type" if activation == "NONE" else f"{activation} and the type"
    note = f"clamped by {by}" if output != moved else ""
    return [
        Line("+ zero point", "steps + z_output", f"{steps} + {signed(zero_point)}", moved),
        Line("output", "clamp(low, high)", f"clamp({moved}, {low}, {high})", output, note),
    ], output


def _fixed_point(acc: int, real: Any, by_shift: Callable[[Any, Any], Any], ties: str) -> tuple[Lines, int]:
    return multiplied(acc, Multiplier.of(real), by_shift, ties, real)


def multiplied(
    acc: int,
    m: Multiplier,
    by_shift: Callable[[Any, Any], Any] = rounding_divide_by_pot,
    ties: str = "ties away from zero",
    real: Any = None,
) -> tuple[Lines, int]:
    """MultiplyByQuantizedMultiplier: two roundings."""
    q, e = int(m.q), int(m.e)
    shifted = int(wrap32(np.int64(acc) << max(e, 0)))
    high = int(saturating_rounding_doubling_high_mul(shifted, q))
    steps = int(by_shift(high, max(-e, 0)))
    of = "" if real is None else f"{shown(real)} ≈ {q:,} · 2^({e} - 31)"
    lines = [Line("multiplier", "q · 2^(e - 31)", of, f"q {q:,}, e {e}")] if of else []
    if e > 0:
        lines.append(Line("shift left", "acc · 2^e", f"{shown(acc)} · 2^{e}", shifted, _wrapped(acc << e, shifted)))
    lines.append(
        Line("high product", "(acc · q + 2^30) >> 31", f"({shown(shifted)} · {q:,} + 2^30) >> 31", high, "1st rounding")
    )
    if e < 0:
        second = f"2nd rounding, {ties}{', a tie' if _is_tie(high, -e) else ''}"
        lines.append(Line("shift right", "round(high / 2^-e)", f"round({shown(high)} / 2^{-e})", steps, second))
    return lines, steps


def _wrapped(exact: int, found: int) -> str:
    return "" if exact == found else f"wraps at 32 bits: it should be {exact:,}"


def _is_tie(x: int, shift: int) -> bool:
    return shift > 0 and x & ((1 << shift) - 1) == 1 << (shift - 1)


def _int64(acc: int, real: Any) -> tuple[Lines, int]:
    m = Multiplier.of(real)
    q, e = int(m.q), int(m.e)
    short = (q + (1 << 15)) >> 16 if q < 0x7FFF0000 else 0x7FFF
    steps = int(wrap32(rounding_shift_half_up(np.int64(acc) * short, 15 - e)))
    return [
        Line("multiplier", "q · 2^(e - 31)", f"{shown(real)} ≈ {q:,} · 2^({e} - 31)", f"q {q:,}, e {e}"),
        Line("in 16 bits", "(q + 2^15) >> 16", f"({q:,} + 2^15) >> 16", short, "int64 sums take a shorter multiplier"),
        Line("steps", "(acc · q16 + 2^(14-e)) >> (15-e)", f"({shown(acc)} · {short} + 2^{14 - e}) >> {15 - e}", steps),
    ], steps


def _whole(steps: Any) -> int:
    """Rounded steps as an integer: what is infinite is beyond every clamp, what is no number below every one, as in
    the kernel."""
    far = 2**62
    return int(np.clip(np.nan_to_num(steps, nan=-far, posinf=far, neginf=-far), -far, far))


def _float64(acc: int, real: Any) -> tuple[Lines, int]:
    product = np.float64(acc) * real
    steps = _whole(round_half_away(product))
    return [
        Line("product", "float64(acc) · M", f"{shown(acc)} · {shown(real)}", float(product)),
        Line("steps", "round(product)", f"round({shown(float(product))})", steps, "one rounding, ties away from zero"),
    ], steps


def _float32(acc: int, real: Any) -> tuple[Lines, int]:
    held, m = np.float32(acc), np.float32(real)
    product = held * m
    steps = _whole(np.rint(product))
    lost = f"float32 holds {shown(acc)} as {int(held):,}" if int(held) != acc else ""
    return [
        Line("product", "float32(acc) · float32(M)", f"{shown(acc)} · {shown(m)}", product, lost),
        Line("steps", "rint(product)", f"rint({shown(product)})", steps, "one rounding, ties to even"),
    ], steps


ROUNDINGS: dict[str, Callable[[int, Any], tuple[Lines, int]]] = {
    "double rounding": lambda acc, real: _fixed_point(acc, real, rounding_divide_by_pot, "ties away from zero"),
    "half up": lambda acc, real: _fixed_point(acc, real, rounding_shift_half_up, "ties up"),
    "int64": _int64,
    "float64": _float64,
    "float32": _float32,
}
