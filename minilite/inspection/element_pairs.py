"""One output of ADD, SUB or MUL: two numbers, brought to one scale."""

from __future__ import annotations

import numpy as np

from minilite.fixed_point import (
    rounding_divide_by_pot,
    rounding_shift_half_up,
    saturate,
    saturating_rounding_doubling_high_mul,
    wrap32,
)
from minilite.inspection.lines import Line, signed
from minilite.inspection.requantizing import ROUNDINGS as WAYS
from minilite.inspection.requantizing import At, finished, multiplied, real_at, requantized, rounding_at
from minilite.ops import add, mul
from minilite.ops.broadcast import in_vectors, runs
from minilite.resolve import Step

Array = np.ndarray
Arrays = tuple[Array | None, ...]
Found = tuple[list[Line], int]
VECTOR = "this element is computed in a vector"


def both(step: Step, arrays: Arrays, index: tuple[int, ...]) -> tuple[int, int]:
    """The two operands' integers at an output's place."""
    shape = step.node.outputs[0].shape
    a, b = (int(np.broadcast_to(x, shape)[index]) for x in arrays if x is not None)
    return a, b


def centred(values: tuple[int, int], zeros: tuple[int, int]) -> tuple[list[Line], tuple[int, int]]:
    """Operands without their zero points."""
    names = ("input1", "input2")
    found = tuple(v - z for v, z in zip(values, zeros, strict=True))
    lines = [
        Line(f"{n} - z", f"{n} - z_{n}", f"{v} - {signed(z)}", f)
        for n, v, z, f in zip(names, values, zeros, found, strict=True)
    ]
    return lines, (found[0], found[1])


def sum_(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """ADD and SUB as the reference kernel has them, or in a vector."""
    p = step.prepared
    if isinstance(p, add.Shifts):
        return _shifted(step, arrays, index)
    lines, values = centred(both(step, arrays, index), p.zero_points)
    in_vector = step.definition is not None and step.definition.compute in (
        add.integer_in_vectors,
        add.int16_in_vectors,
    )
    folded = _vector(step, index) if in_vector else None
    scaled = []
    for name, x, m in zip(("input1", "input2"), values, p.multipliers, strict=True):
        more, result = _scaled(p, name, x, m, folded)
        lines += more
        scaled.append(result)
    total = scaled[0] + p.sign * scaled[1]
    sign = "+" if p.sign > 0 else "-"
    lines.append(Line("sum", f"a {sign} b", f"{scaled[0]:,} {sign} {signed(scaled[1])}", total))
    more, steps = multiplied(total, p.output)
    lines += more
    if folded is not None and p.type != "int16":
        more, steps = _lanes(steps, p.output_zero_point)
        lines += more
    more, output = finished(steps, p.output_zero_point, p.low, p.high, _activation(step))
    return [*lines, *more], output


def _vector(step: Step, index: tuple[int, ...]) -> bool | None:
    """None where the scalar loop computes the element, else whether the vector folds the two shifts."""
    p = step.prepared
    shape1, shape2 = (t.shape for t in step.node.inputs if t is not None)
    run = runs(shape1, shape2)
    if run is None or p.output.e > 0 or (p.type == "int16" and shape1 != shape2):
        return None
    length, against_one = run
    folded = p.type == "int16" or (p.type == "int8" and not against_one)
    inside = in_vectors(step.node.outputs[0].shape, length, 16 if folded else 8)[index]
    return folded if inside else None


def _scaled(p: add.Prepared, name: str, x: int, m: add.Multiplier, folded: bool | None) -> Found:
    """An operand on the common scale."""
    q, e = int(m.q), int(m.e)
    if folded is None:
        more, result = multiplied(x << p.left_shift, m)
        return [
            Line(name, "(x << L) · s / T", f"({x} << {p.left_shift}) · {q:,} · 2^({e} - 31)", result, more[-1].note)
        ], result
    if folded:
        shift = p.left_shift + e
        start = int(wrap32(x << max(shift, 0))) >> max(-shift, 0)
        result = int(saturating_rounding_doubling_high_mul(start, q))
        note = f"{VECTOR}: only the product is rounded"
        return [Line(name, "high(x << (L + e), q)", f"high({x} << {shift}, {q:,})", result, note)], result
    high = int(saturating_rounding_doubling_high_mul(x << p.left_shift, q))
    result = int(wrap32(high << max(e, 0))) >> max(-e, 0)
    note = f"{VECTOR}: rounded down by the shift"
    return [Line(name, "high(x << L, q) >> -e", f"high({x} << {p.left_shift}, {q:,}) >> {-e}", result, note)], result


def _lanes(steps: int, zero_point: int) -> Found:
    narrow = int(np.int64(steps).astype(np.int16))
    result = int(np.int64(narrow + zero_point).astype(np.int16)) - zero_point
    note = "" if result == steps else "wraps at 16 bits"
    return ([Line("in 16 bits", "the low 16 bits", f"{steps}", result, note)] if note else []), result


def one_shift(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """ADD and SUB as XNNPACK has them: two products, one rounding."""
    p = step.prepared
    lines, (a, b) = centred(both(step, arrays, index), p.zero_points)
    k1, k2 = (int(m.q) for m in p.multipliers)
    sign, shift = "+" if p.sign > 0 else "-", -int(p.output.e)
    total = a * k1 + p.sign * b * k2
    steps = int(rounding_shift_half_up(total, shift))
    ratio = f"k = rint(s / s_output · 2^{shift})"
    lines.append(Line("sum", f"a · k1 {sign} b · k2", f"{a} · {k1:,} {sign} {signed(b)} · {k2:,}", total, ratio))
    lines.append(
        Line("steps", f"(sum + 2^{shift - 1}) >> {shift}", f"{total:,} / 2^{shift}", steps, "one rounding, up")
    )
    more, output = finished(steps, p.output_zero_point, p.low, p.high, _activation(step))
    return [*lines, *more], output


def _shifted(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """int16 with scales that are powers of two."""
    p = step.prepared
    parts = [int(rounding_divide_by_pot(x, s)) for x, s in zip(both(step, arrays, index), p.right, strict=True)]
    total = parts[0] + p.sign * parts[1]
    sign = "+" if p.sign > 0 else "-"
    lines = [Line("sum", f"(x >> {p.right[0]}) {sign} (y >> {p.right[1]})", f"{parts[0]} {sign} {parts[1]}", total)]
    more, output = finished(total, 0, p.low, p.high, _activation(step))
    return [*lines, *more], output


def product(step: Step, arrays: Arrays, index: tuple[int, ...]) -> Found:
    """MUL."""
    p = step.prepared
    lines, (a, b) = centred(both(step, arrays, index), p.zero_points)
    at = At.of(index, step.node.outputs[0].shape)
    acc = a * b
    lines.append(Line("product", "a · b", f"{a} · {signed(b)}", acc))
    if step.definition is None or step.definition.compute is not mul.integer_in_vectors:
        more, output = requantized(p.requantize, acc, at, _activation(step))
        return [*lines, *more], output
    r = p.requantize
    more, steps = WAYS[rounding_at(r.rounding, at)](acc, real_at(r.real, at.channel))
    lines += more
    if (narrow := _mul_vector(step, index, steps)) is not None:
        more, steps = _lanes(narrow, r.zero_point)
        lines += more
    more, output = finished(steps, r.zero_point, r.low, r.high, _activation(step))
    return [*lines, *more], output


def _mul_vector(step: Step, index: tuple[int, ...], steps: int) -> int | None:
    """The steps as a vector holds them in 16 bits; None where the scalar loop computes the element."""
    r = step.prepared.requantize
    run = runs(*(t.shape for t in step.node.inputs if t is not None))
    if run is None:
        return None
    length, against_one = run
    if not in_vectors(step.node.outputs[0].shape, length, 16 if r.type == "int8" else 8)[index]:
        return None
    return int(saturate(steps, "int16")) if r.type == "int8" or not against_one else steps


def _activation(step: Step) -> str:
    return str(step.node.options.get("fused_activation_function", "NONE"))
