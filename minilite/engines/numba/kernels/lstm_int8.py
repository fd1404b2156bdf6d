"""LSTM cells of int8 activations, int16 gates and int16 cell states, over a whole sequence.

Gates lie beside each other: 16 cells' sums of the input, forget, cell and output gate are four vectors, so that the
weights of a block of 16 cells are one panel of 64 channels. Both products of a gate are rounded to int16. What is left
is some multiplications for each cell, and gates' functions, which are tables of what their definitions answer to all
int16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic, register_jitable

from minilite.engines.numba.kernels.normalizing import normalize, place
from minilite.engines.numba.kernels.rounding import Fixed
from minilite.engines.numba.kernels.rows import copy
from minilite.engines.numba.kernels.scalars import saturated, scaled
from minilite.engines.numba.kernels.tiles import integer_sums, one_row
from minilite.engines.numba.kernels.vectors import (
    I32,
    INT64,
    Builder,
    Value,
    clip,
    constant,
    get_i16,
    get_i32,
    get_i64,
    load,
    put_i16,
    put_i32,
    put_u8,
    splat,
    store,
    vector,
)
from minilite.engines.numba.packing import CHANNEL_BYTES

GATES = INPUT, FORGET, CELL, OUTPUT = range(4)
BLOCK = len(GATES) * CHANNEL_BYTES["fixed"]
"""Bytes of a table of channels for 16 cells."""
LOW, HIGH = -(1 << 15), (1 << 15) - 1

# The row. Addresses: input, output, both states; weights and channels of W, of R, and of the projection, 0 if there is
# none; channels of nothing; what the tables of the gates' logistic and tanh and of the cell state's tanh have for 0;
# weights and multipliers of peepholes, 0 if there are none; weights, biases and numbers of the normalization, the same;
# multipliers of f * c, of i * g and of o * tanh(c).
X, OUT, H, C, X_WEIGHTS, X_TABLE, H_WEIGHTS, H_TABLE, P_WEIGHTS, P_TABLE, NO_TABLE = range(0, 88, 8)
LOGISTIC, TANH, TANH_OF_C, PEEPHOLES, TO_PEEPHOLES, NORM, NORM_BIAS, NORM_NUMBERS, PRODUCTS = range(88, 160, 8)
# Numbers: whether 1 - f is i; steps of time; bytes from step to step and from row to row of input and output; terms,
# cells, outputs; the limit of a gate's second product; the ends of c; what is added to o * tanh(c), and to the
# projection; the ends of h.
COUPLED, TIME, X_STEP, X_ROW, OUT_STEP, OUT_ROW, TERMS, CELLS, OUTPUTS, LIMIT, C_LOW, C_HIGH = range(160, 256, 8)
HIDDEN_ZERO, H_ZERO, H_LOW, H_HIGH = range(256, 288, 8)


def rounded(builder: Builder, dot: str, x: Value, steps: Value, weights: Value, table: Value) -> list[Value]:
    """The product of a row with 64 channels, rounded."""
    offsets = [gate * CHANNEL_BYTES["fixed"] for gate in GATES]
    tile = one_row(x, steps, weights)
    sums = integer_sums(builder, tile, dot, 1, [load(builder, vector(I32), table, o, 4) for o in offsets])[0]
    return [Fixed(builder, table, o).steps(builder, acc) for acc, o in zip(sums, offsets, strict=True)]


def _both_products(dot: str) -> Any:
    """``both_products(out, x, steps, weights, table, h, h_steps, h_weights, h_table, limit)``, of 64 channels:
    ``clip16(clip16(round(W x)) + clip(round(R h), ~limit, limit))`` as int32."""

    @intrinsic
    def both_products(typing: Any, out: Any, x: Any, steps: Any, weights: Any, table: Any, h: Any, h_steps: Any,
                      h_weights: Any, h_table: Any, limit: Any) -> Any:  # fmt: skip
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            out, *inputs, limit = arguments
            ends = [constant(vector(I32), end) for end in (LOW, HIGH)]
            bound = splat(builder, builder.trunc(limit, I32))
            first = rounded(builder, dot, *inputs[:4])
            second = rounded(builder, dot, *inputs[4:])
            for gate, (a, b) in enumerate(zip(first, second, strict=True)):
                b = clip(builder, b, builder.not_(bound), bound)
                total = clip(builder, builder.add(clip(builder, a, *ends), b), *ends)
                store(builder, total, out, 64 * gate)
            return context.get_dummy_value()

        return types.void(*[INT64] * 10), generate

    return both_products


@register_jitable
def _look(row: int, c: int, sums: int, gate: int) -> None:
    """What is between a gate's products and its function: peepholes, normalization."""
    cells = get_i64(row + CELLS)
    rows, peepholes, norm = 8 * gate * cells, get_i64(row + PEEPHOLES), get_i64(row + NORM)
    if peepholes != 0 and gate != CELL:
        multiplier = get_i64(row + TO_PEEPHOLES) + 16 * gate
        for cell in range(cells):
            product = get_i64(peepholes + rows + 8 * cell) * get_i16(c + 2 * cell)
            total = get_i32(place(sums, gate, cell)) + scaled(product, multiplier)
            put_i32(place(sums, gate, cell), saturated(total, LOW, HIGH))
    if norm != 0:
        numbers = get_i64(row + NORM_NUMBERS) + 24 * gate
        normalize(sums, gate, cells, norm + rows, get_i64(row + NORM_BIAS) + rows, numbers)


@register_jitable
def _remember(row: int, c: int, sums: int) -> None:
    """The new cell state, from the sums of three gates."""
    logistic, tanh, products = get_i64(row + LOGISTIC), get_i64(row + TANH), get_i64(row + PRODUCTS)
    coupled, low, high = get_i64(row + COUPLED), get_i64(row + C_LOW), get_i64(row + C_HIGH)
    for cell in range(get_i64(row + CELLS)):
        at = place(sums, INPUT, cell)
        f, g = get_i16(logistic + 2 * get_i32(at + 64 * FORGET)), get_i16(tanh + 2 * get_i32(at + 64 * CELL))
        i = HIGH - f if coupled != 0 else get_i16(logistic + 2 * get_i32(at))
        kept = saturated(scaled(f * get_i16(c + 2 * cell), products), LOW, HIGH)
        new = saturated(scaled(i * g, products + 16), LOW, HIGH)
        put_i16(c + 2 * cell, saturated(saturated(kept + new, LOW, HIGH), low, high))


@register_jitable
def _hidden(row: int, c: int, sums: int, cell: int) -> int:
    """``o * tanh(c)`` as an int8."""
    o = get_i16(get_i64(row + LOGISTIC) + 2 * get_i32(place(sums, OUTPUT, cell)))
    m = o * get_i16(get_i64(row + TANH_OF_C) + 2 * get_i16(c + 2 * cell))
    return saturated(scaled(m, get_i64(row + PRODUCTS) + 32) + get_i64(row + HIDDEN_ZERO), -128, 127)


@register_jitable
def _put(out: int, state: int, unsigned: int, h: int) -> None:
    put_u8(out, h)
    put_u8(state, h)
    put_u8(unsigned, h ^ 128)


def kernel(dot: str) -> Callable[[int, int, int, int], None]:
    """A unit is a row of the batch. Scratch memory has a row of the input, h and the hidden m, each with 64 bytes more,
    and the sums of four gates or of the projection."""
    both_products = _both_products(dot)

    @register_jitable
    def gates(row: int, sums: int, x: int, h: int) -> None:
        steps, h_steps = (get_i64(row + TERMS) + 3) >> 2, (get_i64(row + OUTPUTS) + 3) >> 2
        weights, h_weights = get_i64(row + X_WEIGHTS), get_i64(row + H_WEIGHTS)
        for block in range((get_i64(row + CELLS) + 15) >> 4):
            table, h_table = get_i64(row + X_TABLE) + BLOCK * block, get_i64(row + H_TABLE) + BLOCK * block
            both_products(sums + 256 * block, x, steps, weights, table, h, h_steps, h_weights, h_table,
                          get_i64(row + LIMIT))  # fmt: skip
            weights += 256 * steps
            h_weights += 256 * h_steps

    @register_jitable
    def projection(row: int, sums: int, m: int) -> None:
        steps, weights = (get_i64(row + CELLS) + 3) >> 2, get_i64(row + P_WEIGHTS)
        for block in range((get_i64(row + OUTPUTS) + 63) >> 6):
            table = get_i64(row + P_TABLE) + BLOCK * block
            both_products(sums + 256 * block, m, 0, weights, get_i64(row + NO_TABLE), m, steps, weights, table,
                          get_i64(row + LIMIT))  # fmt: skip
            weights += 256 * steps

    @register_jitable
    def step(row: int, x: int, out: int, h: int, c: int, scratch: int) -> None:
        """One step of a row; ``scratch`` begins with h as unsigned numbers."""
        cells, outputs = get_i64(row + CELLS), get_i64(row + OUTPUTS)
        m = scratch + outputs + 64
        unsigned = m + cells + 64
        sums = unsigned + get_i64(row + TERMS) + 64
        copy(unsigned, x, get_i64(row + TERMS), 128)
        gates(row, sums, unsigned, scratch)
        for gate in (INPUT, FORGET, CELL):
            _look(row, c, sums, gate)
        _remember(row, c, sums)
        _look(row, c, sums, OUTPUT)
        if get_i64(row + P_WEIGHTS) == 0:
            for cell in range(cells):
                _put(out + cell, h + cell, scratch + cell, _hidden(row, c, sums, cell))
            return
        for cell in range(cells):
            put_u8(m + cell, _hidden(row, c, sums, cell) ^ 128)
        projection(row, sums, m)
        for i in range(outputs):
            value = saturated(
                get_i32(sums + 4 * i) + get_i64(row + H_ZERO), get_i64(row + H_LOW), get_i64(row + H_HIGH)
            )
            _put(out + i, h + i, scratch + i, value)

    def lstm_int8(row: int, first: int, last: int, scratch: int) -> None:
        cells, outputs = get_i64(row + CELLS), get_i64(row + OUTPUTS)
        for unit in range(first, last):
            x, out = get_i64(row + X) + unit * get_i64(row + X_ROW), get_i64(row + OUT) + unit * get_i64(row + OUT_ROW)
            h, c = get_i64(row + H) + unit * outputs, get_i64(row + C) + 2 * unit * cells
            copy(scratch, h, outputs, 128)
            for t in range(get_i64(row + TIME)):
                step(row, x + t * get_i64(row + X_STEP), out + t * get_i64(row + OUT_STEP), h, c, scratch)

    return lstm_int8
