"""Tables that stand for a function of one quantized number.

8 bits: an entry for every input, all in float32.

    table[q] = clip(int(round(f(s_in * (q - z_in)) * (1 / s_out)) + z_out))

    ``"half away"``  rounds the product half away from zero, then adds the zero point (LiteRT's own kernels);
    ``"half even"``  adds first and rounds half to even (XNNPACK).

16 bits: 512 steps over the whole range and one more entry to interpolate towards, all in float32. A step's entry is
moved by half of what interpolation would miss in its middle. The upper 9 bits of an input choose the step, the lower 7
the place in it:

    output = table[i] + ((table[i + 1] - table[i]) * (q & 127) + 64 >> 7),  i = 256 + (q >> 7)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.fixed_point import round_half_away, saturate
from minilite.ops.elementary import Array, Function, to_int32
from minilite.spec import INTEGER_RANGE, TensorInfo

STEPS = 512


def table(function: Function, input: TensorInfo, output: TensorInfo, rounding: str | None = None) -> Array:
    """The table of a function (float32 to float32) between two quantized tensors: 256 or 513 entries by type."""
    with np.errstate(all="ignore"):
        if input.type == "int16":
            return _table16(function, input, output)
        return _table8(function, input, output, rounding or "half away")


def _table8(function: Function, input: TensorInfo, output: TensorInfo, rounding: str) -> Array:
    low, high = INTEGER_RANGE[input.type]
    reals = function(input.scale * np.arange(low - input.zero_point, high + 1 - input.zero_point).astype(np.float32))
    scaled, zero_point = reals * (np.float32(1) / output.scale), np.float32(output.zero_point)
    steps = np.rint(scaled + zero_point) if rounding == "half even" else round_half_away(scaled) + zero_point
    return np.asarray(np.trunc(saturate(steps, output.type)).astype(output.type))


def _table16(function: Function, input: TensorInfo, output: TensorInfo) -> Array:
    return interpolation_table(function, *_ends(input), *_ends(output))


def interpolation_table(function: Function, first: Any, last: Any, bottom: Any, top: Any) -> Array:
    """The 513 entries for arguments in [first, last] and results in [bottom, top], in the precision of these."""
    real = type(first)
    step = (last - first) / real(STEPS)
    inverse = real(65536) / (top - bottom)
    places = first + np.arange(STEPS + 1).astype(real) * step
    samples = function(places) * inverse
    starts, ends = round_half_away(samples[:-1]), samples[1:]
    middles = round_half_away(function(places[:-1] + step / real(2)) * inverse)
    missed = round_half_away((ends + starts) / real(2)) - middles
    entries = starts - round_half_away(missed / real(2))
    final = round_half_away(function(last[None]) * inverse)
    return np.asarray(to_int32(saturate(np.concatenate([entries, final]), "int16")).astype(np.int16).astype(np.int64))


def _ends(info: TensorInfo) -> tuple[np.float32, np.float32]:
    """The real numbers at both ends of an int16 tensor's range."""
    low, high = INTEGER_RANGE["int16"]
    return info.scale * np.float32(low - info.zero_point), info.scale * np.float32(high - info.zero_point)


def look_up(table: Array, x: Array) -> Array:
    """The entries for quantized numbers, interpolated for 16 bits."""
    if x.dtype != np.int16:
        return np.asarray(table[x.astype(np.intp) - INTEGER_RANGE[x.dtype.name][0]])
    q = x.astype(np.int64)
    start = 256 + (q >> 7)
    slope = (table[start + 1] - table[start]).astype(np.int16).astype(np.int64)
    return np.asarray((table[start] + ((slope * (q & 127) + 64) >> 7)).astype(np.int16))
