"""One output of pooling, MEAN, SUM, QUANTIZE, DEQUANTIZE or of a table of all answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilite.fixed_point import (
    Multiplier,
    multiply_half_up,
    round_half_away,
    rounding_shift_half_up,
    wrap32,
)
from minilite.inspection.lines import Line, shown, signed
from minilite.inspection.requantizing import At, finished, multiplied
from minilite.ops import mean
from minilite.ops.elementary import to_int32
from minilite.resolve import Step
from minilite.spec import INTEGER_RANGE

Array = np.ndarray
Arrays = tuple[Array | None, ...]
Found = tuple[list[Line], Any]


def _first(arrays: Arrays) -> Array:
    assert arrays[0] is not None
    return arrays[0]


# ---- means -----------------------------------------------------------------------------------------------------------


def average(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """AVERAGE_POOL_2D: raw numbers, because input and output share scale and zero point."""
    p, (n, y, x, c) = step.prepared, index
    row, column = _inside(p.rows, y), _inside(p.columns, x)
    window = _first(arrays)[n, row, column, c].astype(np.int64)
    total, count = int(window.sum()), window.size
    steps = (1 if total >= 0 else -1) * ((abs(total) + count // 2) // count)
    lines = [
        Line("sum", "Σ input", _listed(window.ravel()), total, f"{count} elements inside of the image"),
        Line("mean", "round(sum / n)", f"round({total} / {count})", steps, "half away from zero"),
    ]
    more, output = finished(steps, 0, p.low, p.high, str(step.node.options.fused_activation_function))
    return [*lines, more[-1]], output


def largest(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """MAX_POOL_2D: the largest raw number."""
    p, (n, y, x, c) = step.prepared, index
    window = _first(arrays)[n, _inside(p.rows, y), _inside(p.columns, x), c].astype(np.int64)
    found = int(window.max())
    lines = [Line("largest", "max(input)", _listed(window.ravel(), ", "), found, f"of {window.size} elements")]
    more, output = finished(found, 0, p.low, p.high, str(step.node.options.fused_activation_function))
    return [*lines, more[-1]], output


def _inside(window: Any, position: int) -> slice:
    start = position * window.stride - window.before
    return slice(max(start, 0), min(start + window.filter, window.size))


def _listed(values: Array, between: str = " + ") -> str:
    return between.join(signed(int(v)) for v in values[:4]) + (f"{between}..." if values.size > 4 else "")


def mean_(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """MEAN and SUM by the kernel set's word."""
    prepared = step.prepared
    p = prepared.inner if isinstance(prepared, mean.Spatial) else prepared
    at = At.of(index, step.node.outputs[0].shape)
    terms = p.reduction.terms(_first(arrays))[:, at.flat].astype(np.int64)
    total = int(wrap32(terms.sum()))
    lines = [Line("sum", "Σ input", _listed(terms), total, f"{terms.size} elements")]
    assert step.definition is not None
    more, moved = _MEANS[step.definition.compute](prepared, total, at)
    lines += more
    low, high = INTEGER_RANGE[p.type]
    output = min(max(moved, low), high)
    lines.append(Line("output", "clamp(low, high)", f"clamp({moved}, {low}, {high})", output))
    return lines, output if terms.size else 0


def _by_integers(p: mean.Prepared, total: int, at: At) -> tuple[list[Line], int]:
    centre = int(wrap32(total - p.bias))
    lines = [Line("sum - n · z", "sum - n · z_input", f"{total:,} - {signed(int(p.bias))}", centre)]
    m = p.multiplier
    over = "q / n as an integer" if p.reduction.count > 1 else ""
    lines.append(
        Line("multiplier", "q · 2^(e - 31)", "s_input / (s_output · n)", f"q {int(m.q):,}, e {int(m.e)}", over)
    )
    more, steps = multiplied(centre, m)
    moved = int(wrap32(steps + p.zero_point))
    return [*lines, *more, Line("+ zero point", "steps + z_output", f"{steps} + {signed(p.zero_point)}", moved)], moved


def _optimized(p: Any, total: int, at: At) -> tuple[list[Line], int]:
    if not isinstance(p, mean.Spatial):
        return _by_integers(p, total, at)
    m, bias = p.inner.multiplier, int(p.inner.bias)
    whole = at.channel < at.channels // 16 * 16
    lines, steps = multiplied(total, m)
    if whole:
        steps = int(multiply_half_up(total, m))
        lines = [
            Line("steps", "sum · q · 2^(e - 31)", f"{total:,} · {int(m.q):,} · 2^({int(m.e)} - 31)", steps, "ties up")
        ]
    moved = steps + bias
    note = "z_output - round(z_input · s_input / s_output)"
    return [*lines, Line("+ bias", "steps + bias", f"{steps} + {signed(bias)}", moved, note)], moved


def _in_float32(p: mean.Prepared, total: int, at: At) -> tuple[list[Line], int]:
    product = np.float32(total) * p.multiplier
    real = product + p.bias
    moved = int(np.rint(real))
    return [
        Line("product", "float32(sum) · M", f"{total:,} · {shown(p.multiplier)}", product),
        Line("+ bias", "product + (z_output - n · z_input · M)", f"{shown(product)} + {signed(p.bias)}", real),
        Line("rounded", "rint", f"rint({shown(real)})", moved, "one rounding, ties to even"),
    ], moved


def _with_bias(p: mean.Prepared, total: int, at: At) -> tuple[list[Line], int]:
    real = np.float32(total) * p.multiplier + p.bias
    steps = int(round_half_away(real))
    moved = steps + p.zero_point
    return [
        Line("scaled", "sum · M - n · z_input · M", f"{total:,} · {shown(p.multiplier)} + {signed(p.bias)}", real),
        Line("+ zero point", "round(scaled) + z_output", f"{steps} + {signed(p.zero_point)}", moved),
    ], moved


_MEANS = {
    mean.integers: _by_integers,
    mean.optimized: _optimized,
    mean.in_float32: _in_float32,
    mean.with_bias: _with_bias,
}


# ---- conversions -----------------------------------------------------------------------------------------------------


def quantize(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """QUANTIZE of a real number."""
    p, x = step.prepared, _first(arrays)[index]
    scale, zero = (np.broadcast_to(v, step.node.outputs[0].shape)[index] for v in (p.scale, p.zero_point))
    at = At.of(index, step.node.outputs[0].shape)
    word = p.arithmetic
    if word == "blocks":
        word = "reciprocal64" if at.flat < at.size // 8 * 8 else "division64"
    quotient, rounded, note = _QUOTIENTS[word](x, scale)
    low, high = INTEGER_RANGE[p.type]
    if word == "reciprocal":
        rounded = np.clip(rounded, low - zero, high - zero)
    steps = int(rounded) if word == "reciprocal" else int(to_int32(np.asarray(rounded)))
    lines = [Line("quotient", "input / scale", f"{shown(x)} / {shown(scale)}", quotient, note)]
    lines.append(Line("steps", "round(quotient)", f"round({shown(quotient)})", steps))
    more, output = finished(int(wrap32(steps + int(zero))) - int(zero), int(zero), low, high)
    return [*lines, *more], output


def _division(x: Any, scale: Any) -> tuple[Any, Any, str]:
    return x / scale, round_half_away(x / scale), "float32, then half away from zero"


def _division64(x: Any, scale: Any) -> tuple[Any, Any, str]:
    quotient = np.float64(x) / np.float64(scale)
    return quotient, round_half_away(quotient), "left over from the blocks of 8: float64, half away from zero"


def _reciprocal(x: Any, scale: Any) -> tuple[Any, Any, str]:
    product = x * (np.float32(1) / scale)
    product = np.float32(np.inf) if np.isnan(product) else product
    return product, np.rint(product), "float32 product with 1 / scale, ties to even"


def _reciprocal64(x: Any, scale: Any) -> tuple[Any, Any, str]:
    product = x * np.float32(1 / np.float64(scale))
    return product, np.rint(product), "in a block of 8: float32 product with 1 / scale, ties to even"


_QUOTIENTS = {
    "division": _division,
    "division64": _division64,
    "reciprocal": _reciprocal,
    "reciprocal64": _reciprocal64,
}


def rescale(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """QUANTIZE of an integer: from one scale to another."""
    p, x = step.prepared, int(_first(arrays)[index])
    at = At.of(index, step.node.outputs[0].shape)
    centre = int(wrap32(x - p.input_zero_point))
    lines = [Line("input - z", "input - z_input", f"{x} - {signed(p.input_zero_point)}", centre)]
    if p.arithmetic == "reciprocal":
        steps = (centre * int(p.real) + 128) >> 8
        lines.append(
            Line("steps", "(x · m + 128) >> 8", f"({centre} · {int(p.real)} + 128) >> 8", steps, "one rounding")
        )
    elif p.arithmetic == "blocks" and at.flat < at.size // 16 * 16:
        more, steps = multiplied(centre, Multiplier.of(p.real), rounding_shift_half_up, "ties up", p.real)
        lines += more
    else:
        more, steps = multiplied(centre, Multiplier.of(p.real), real=p.real)
        lines += more
    moved = int(wrap32(steps + p.output_zero_point)) - p.output_zero_point
    more, output = finished(moved, p.output_zero_point, *INTEGER_RANGE[p.type])
    return [*lines, *more], output


def dequantize(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """DEQUANTIZE: the product, rounded to float32."""
    p, x = step.prepared, _first(arrays)[index]
    shape = step.node.outputs[0].shape
    scale, zero = (np.broadcast_to(v, shape)[index] for v in (p.scale, p.zero_point))
    value = np.float32(scale * np.float32(np.int32(x) - zero))
    return [Line("output", "scale · (input - z)", f"{shown(scale)} · ({x} - {signed(int(zero))})", value)], value


# ---- tables ----------------------------------------------------------------------------------------------------------


def looked_up(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """An operator of 8 bits whose 256 answers are a table."""
    info, out, table = step.node.inputs[0], step.node.outputs[0], step.prepared
    assert info is not None
    x, lowest = int(_first(arrays)[index]), INTEGER_RANGE[info.type][0]
    output = int(table[x - lowest])
    real = info.scale * np.float32(x - info.zero_point)
    entry = f"an entry for each of the 256 inputs: round(f(real) / {shown(out.scale)}) + {signed(out.zero_point)}"
    return [
        Line(
            "real input",
            "s_input · (input - z_input)",
            f"{shown(info.scale)} · ({x} - {signed(info.zero_point)})",
            real,
        ),
        Line("output", "table[input - lowest]", f"table[{x} - {signed(lowest)}]", output, entry),
    ], output
