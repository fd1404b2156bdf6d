"""LSTM cells of float activations, over a whole sequence; the weights are floats, or int8 (hybrid).

Gates lie beside each other as in :mod:`minilite.engines.numba.kernels.lstm_int8`: the weights of 16 cells are one panel
of 64 channels, whose sums are kept in scratch memory until all gates have theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels import cell_functions, functions
from minilite.engines.numba.kernels.cell_sums import HYBRID, both_products, quantizing, table_size
from minilite.engines.numba.kernels.functions import FLOATS
from minilite.engines.numba.kernels.normalizing import place
from minilite.engines.numba.kernels.vectors import (
    F32,
    I16,
    I64,
    INT64,
    LANES,
    Builder,
    Value,
    call,
    constant,
    get_f32,
    get_i64,
    least,
    load,
    put_f32,
    splat,
    store,
    store_some,
)

GATES = INPUT, FORGET, CELL, OUTPUT = range(4)

# The row. Addresses: input, output, both states; weights and channels of W, of R, and of the projection, 0 if there is
# none; channels of nothing; which lanes of the gates' logistic are alone, an int16 for each gate of 16 cells of each
# row; numbers; of R, where it is a diagonal, else 0; weights of peepholes, 0 if there are none; weights and biases of
# the normalization, the same.
X, OUT, H, C, X_WEIGHTS, X_TABLE, H_WEIGHTS, H_TABLE, P_WEIGHTS, P_TABLE, NO_TABLE = range(0, 88, 8)
ALONE, NUMBERS, DIAGONALS, PEEPHOLES, NORM, NORM_BIAS = range(88, 136, 8)
# Numbers: whether 1 - f is i; steps of time; bytes from step to step and from row to row of input and output; terms,
# cells, outputs.
COUPLED, TIME, X_STEP, X_ROW, OUT_STEP, OUT_ROW, TERMS, CELLS, OUTPUTS = range(136, 208, 8)
# At NUMBERS, float32: what sums are clipped to; the clips of c and of the projection, 0 for none; how many cells there
# are; what is added to variances; 1.
LIMIT, C_CLIP, P_CLIP, COUNT, EPSILON, ONE = range(0, 24, 4)


def _clipped(builder: Builder, x: Value, numbers: Value, which: int) -> Value:
    """Within a clip if there is one; NaN becomes its upper end."""
    clip = load(builder, F32, numbers, which)
    top = splat(builder, clip)
    inside = least(builder, x, builder.fneg(top), most=True)
    bounded = builder.select(builder.fcmp_ordered("<", x, top), inside, top)
    return builder.select(builder.fcmp_ordered(">", clip, constant(F32, 0.0)), bounded, x)


def _functions(how: str) -> tuple[Callable[..., Value], Callable[..., Value]]:
    """The logistic function and tanh: Eigen's, or exact."""
    if how == "exact":
        return functions.sigmoid, lambda builder, x: functions.tanh(builder, x, None)
    return cell_functions.logistic, cell_functions.tanh


def _remember(how: str) -> Any:
    """``remember(c, sums, alone, coupled, numbers, left)``: the new state of up to 16 cells."""
    logistic, tanh = _functions(how)

    @intrinsic
    def remember(typing: Any, c: Any, sums: Any, alone: Any, coupled: Any, numbers: Any, left: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            place, sums, alone, coupled, numbers, left = arguments
            f, i = (
                logistic(builder, load(builder, FLOATS, sums, 64 * gate), load(builder, I16, alone, 2 * gate))
                for gate in (FORGET, INPUT)
            )
            no_input = builder.icmp_signed("!=", coupled, constant(I64, 0))
            i = builder.select(no_input, builder.fsub(constant(FLOATS, 1.0), f), i)
            g = tanh(builder, load(builder, FLOATS, sums, 64 * CELL))
            c = builder.fadd(builder.fmul(f, load(builder, FLOATS, place)), builder.fmul(i, g))
            store_some(builder, _clipped(builder, c, numbers, C_CLIP), place, left)
            return context.get_dummy_value()

        return types.void(*[INT64] * 6), generate

    return remember


def _hidden(how: str) -> Any:
    """``hidden(m, c, sums, alone)``: ``o * tanh(c)`` of 16 cells."""
    logistic, tanh = _functions(how)

    @intrinsic
    def hidden(typing: Any, m: Any, c: Any, sums: Any, alone: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            m, c, sums, alone = arguments
            gate = load(builder, FLOATS, sums, 64 * OUTPUT)
            o = logistic(builder, gate, load(builder, I16, alone, 2 * OUTPUT))
            store(builder, builder.fmul(o, tanh(builder, load(builder, FLOATS, c))), m)
            return context.get_dummy_value()

        return types.void(*[INT64] * 4), generate

    return hidden


@intrinsic
def _put(typing: Any, out: Any, h: Any, values: Any, numbers: Any, projected: Any, left: Any) -> Any:
    """Up to 16 outputs, after the projection's clip if they are projected."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        out, h, values, numbers, projected, left = arguments
        x = load(builder, FLOATS, values)
        is_projected = builder.icmp_signed("!=", projected, constant(I64, 0))
        x = builder.select(is_projected, _clipped(builder, x, numbers, P_CLIP), x)
        for address in (out, h):
            store_some(builder, x, address, left)
        return context.get_dummy_value()

    return types.void(*[INT64] * 6), generate


@intrinsic
def _root(typing: Any, x: Any) -> Any:
    """The square root. (Python's is a call of the C library's, which code that is kept cannot make.)"""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        return call(builder, "llvm.sqrt.f32", F32, arguments[0])

    return types.float32(types.float32), generate


@register_jitable
def _normalize(sums: int, gate: int, cells: int, weights: int, biases: int, numbers: int) -> None:
    """Layer normalization of a gate's sums; sums over cells go from the first to the last."""
    count, one = get_f32(numbers + COUNT), get_f32(numbers + ONE)
    total = get_f32(place(sums, gate, 0))
    for cell in range(1, cells):
        total += get_f32(place(sums, gate, cell))
    mean = total / count
    centred = get_f32(place(sums, gate, 0)) - mean
    squares = centred * centred
    for cell in range(1, cells):
        centred = get_f32(place(sums, gate, cell)) - mean
        squares += centred * centred
    factor = one / _root(squares / count + get_f32(numbers + EPSILON))
    for cell in range(cells):
        x = (get_f32(place(sums, gate, cell)) - mean) * factor
        put_f32(place(sums, gate, cell), x * get_f32(weights + 4 * cell) + get_f32(biases + 4 * cell))


@register_jitable
def _add(sums: int, gate: int, cells: int, weights: int, x: int) -> None:
    """Add each cell's weight times its number to its sum."""
    for cell in range(cells):
        at = place(sums, gate, cell)
        put_f32(at, get_f32(at) + get_f32(weights + 4 * cell) * get_f32(x + 4 * cell))


@register_jitable
def _look(row: int, h: int, c: int, sums: int, gate: int) -> None:
    """What is between a gate's products and its function: a diagonal, peepholes, normalization."""
    cells = get_i64(row + CELLS)
    rows, norm = 4 * gate * cells, get_i64(row + NORM)
    if get_i64(row + DIAGONALS) != 0:
        _add(sums, gate, cells, get_i64(row + DIAGONALS) + rows, h)
    if get_i64(row + PEEPHOLES) != 0 and gate != CELL:
        _add(sums, gate, cells, get_i64(row + PEEPHOLES) + rows, c)
    if norm != 0:
        _normalize(sums, gate, cells, norm + rows, get_i64(row + NORM_BIAS) + rows, get_i64(row + NUMBERS))


def kernel(products: str, how: str) -> Callable[[int, int, int, int], None]:
    """The kernel of a kind. Products are ``fused``, or in the order ``lanes`` or ``sequential``, and the functions
    ``eigen`` or ``exact``; or they are hybrid, ``symmetric`` or ``asymmetric``, and ``how`` is the dot product.

    A unit is a row of the batch. Scratch memory has, if they are hybrid, a row of the input, h and m as bytes, each
    with 8 bytes before it for its numbers and 64 behind; m in floats, with 64 bytes more; and the sums of four gates or
    of the projection."""
    is_hybrid = products in HYBRID
    functions_ = "eigen" if is_hybrid else how
    taken, both, table_bytes = quantizing(products), both_products(products, how), table_size(products)
    remember, hidden = _remember(functions_), _hidden(functions_)

    @register_jitable
    def steps_of(count: int) -> int:
        return (count + 3) >> 2 if is_hybrid else count

    @register_jitable
    def gates(row: int, sums: int, x: int, h: int) -> None:
        steps = steps_of(get_i64(row + TERMS))
        h_steps = 0 if get_i64(row + DIAGONALS) != 0 else steps_of(get_i64(row + OUTPUTS))
        weights, h_weights = get_i64(row + X_WEIGHTS), get_i64(row + H_WEIGHTS)
        limit = get_i64(row + NUMBERS)
        for block in range((get_i64(row + CELLS) + 15) >> 4):
            skipped = table_bytes * block
            both(sums + 256 * block, x, steps, weights, get_i64(row + X_TABLE) + skipped, h, h_steps, h_weights,
                 get_i64(row + H_TABLE) + skipped, limit)  # fmt: skip
            weights += 256 * steps
            h_weights += 256 * h_steps

    @register_jitable
    def projection(row: int, sums: int, m: int) -> None:
        steps, weights, none = steps_of(get_i64(row + CELLS)), get_i64(row + P_WEIGHTS), get_i64(row + NO_TABLE)
        for block in range((get_i64(row + OUTPUTS) + 63) >> 6):
            table = get_i64(row + P_TABLE) + table_bytes * block
            both(sums + 256 * block, m, steps, weights, table, m, 0, weights, none, get_i64(row + NUMBERS))
            weights += 256 * steps

    @register_jitable
    def step(row: int, x: int, out: int, h: int, c: int, alone: int, scratch: int) -> None:
        terms, cells, outputs, numbers = (
            get_i64(row + TERMS), get_i64(row + CELLS), get_i64(row + OUTPUTS), get_i64(row + NUMBERS)
        )  # fmt: skip
        h_bytes = scratch + terms + 72
        m_bytes = h_bytes + outputs + 72
        m = m_bytes + cells + 72 if is_hybrid else scratch
        sums = m + 4 * cells + 64
        gates(row, sums, taken(scratch, x, terms), taken(h_bytes, h, outputs))
        for gate in (INPUT, FORGET, CELL):
            _look(row, h, c, sums, gate)
        for cell in range(0, cells, LANES):
            remember(c + 4 * cell, sums + 16 * cell, alone + (cell >> 1), get_i64(row + COUPLED), numbers, cells - cell)
        _look(row, h, c, sums, OUTPUT)
        for cell in range(0, cells, LANES):
            hidden(m + 4 * cell, c + 4 * cell, sums + 16 * cell, alone + (cell >> 1))
        found, projected = m, 0
        if get_i64(row + P_WEIGHTS) != 0:
            projection(row, sums, taken(m_bytes, m, cells))
            found, projected = sums, 1
        for i in range(0, outputs, LANES):
            _put(out + 4 * i, h + 4 * i, found + 4 * i, numbers, projected, outputs - i)

    def lstm(row: int, first: int, last: int, scratch: int) -> None:
        cells = get_i64(row + CELLS)
        for unit in range(first, last):
            x, out = get_i64(row + X) + unit * get_i64(row + X_ROW), get_i64(row + OUT) + unit * get_i64(row + OUT_ROW)
            h, c = get_i64(row + H) + 4 * unit * get_i64(row + OUTPUTS), get_i64(row + C) + 4 * unit * cells
            alone = get_i64(row + ALONE) + 8 * unit * ((cells + 15) >> 4)
            for t in range(get_i64(row + TIME)):
                step(row, x + t * get_i64(row + X_STEP), out + t * get_i64(row + OUT_STEP), h, c, alone, scratch)

    return lstm
