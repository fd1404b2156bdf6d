"""LSTMs of int8 activations."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Word
from minilite.engines.numba.lowering.cells import FORGET, GATES, Cells
from minilite.engines.numba.lowering.task import value
from minilite.engines.numba.objects import dot
from minilite.fixed_point import Multiplier
from minilite.spec import TensorInfo

Array = np.ndarray


def call(cells: Cells) -> Call | None:
    """A sequence through a cell, or None where there is no kernel for it."""
    numbers = _numbers_of(cells)
    return None if numbers is None else _call(cells, numbers)


class Pair(NamedTuple):
    """A multiplier of 1 at most as the kernel reads it: q, and how far is shifted to the right."""

    q: int
    right: int

    @classmethod
    def of(cls, m: Multiplier) -> Pair | None:
        """None of a multiplier above 1."""
        return cls(int(m.q), -int(m.e)) if m.e <= 0 else None


class _Numbers(NamedTuple):
    """The integers of a cell, whichever definition computes it.

    ``limit`` is that of a gate's second product, ``hidden`` what is added to ``o * tanh(c)``, ``ends`` those of c and
    of h."""

    weights: Sequence[Multiplier | None]
    recurrent: Sequence[Multiplier | None]
    zero_points: tuple[int, int]
    tables: tuple[Array, Array, Array]
    products: tuple[Pair | None, ...]
    limit: int
    hidden: int
    ends: tuple[int, int, int, int]
    peephole: Sequence[Pair | None] = ()
    norm: Sequence[Pair | None] = ()
    guards: Sequence[int] = ()


FAR = 1 << 30
"""Beyond whatever is added to an int16."""
SHIFT_ALONE = 1 << 31
"""The multiplier that rounds nothing."""


def _numbers_of(s: Cells) -> _Numbers | None:
    """None for a cell that has no kernel: 8x8_8, and multipliers that are hardly there."""
    p = s.task.prepared.numbers
    makers: dict[str, Any] = {"lstm_integer": _of_cells, "lstm_micro": _of_micro}
    maker = makers.get(type(p).__module__.rpartition(".")[2])
    found: _Numbers | None = None if maker is None else maker(s, p)
    if found is None or None in (*found.products, *found.peephole, *found.norm):
        return None
    small = all(m is None or m.e <= 30 for m in (*found.weights, *found.recurrent))
    return found if small and (not found.peephole or s.cells == s.outputs) else None


def _of_cells(s: Cells, p: Any) -> _Numbers:
    gates = [p.gates[g] for g in GATES]
    there = [g for g in gates if g is not None]
    nothing = Pair(0, 0)
    peephole: list[Pair | None] = []
    norm: list[Pair | None] = []
    if s.cell.peephole[FORGET] is not None:
        peephole = [nothing if g is None or g.peephole is None else Pair.of(g.peephole) for g in gates]
    if there[0].norm is not None:
        norm = [nothing if g is None else Pair.of(Multiplier(g.norm.q, g.norm.e + 12)) for g in gates]
    h_ends = (-p.proj_clip, p.proj_clip) if p.projection is not None and 0 < p.proj_clip < 128 else (-128, 127)
    return _Numbers(
        [g and g.weights for g in gates],
        [g and g.recurrent for g in gates],
        (p.input_zero_point, p.output_zero_point),
        (_gemmlowp("logistic", 3), _gemmlowp("tanh", 3), _gemmlowp("tanh", p.cell_bits)),
        (Pair(SHIFT_ALONE, 15), Pair(SHIFT_ALONE, 15 + p.cell_bits), Pair.of(p.hidden)),
        FAR,
        p.hidden_zero_point if p.projection is None else -p.hidden_zero_point,
        (*_c_ends(p.cell_clip), *h_ends),
        peephole,
        norm,
        [1 if g is None else g.guard for g in gates],
    )


def _of_micro(s: Cells, p: Any) -> _Numbers:
    from minilite.ops import logistic, lstm_micro

    gates = _table(logistic.logistic16, lstm_micro.GATE), _table(logistic.tanh16, lstm_micro.GATE)
    return _Numbers(
        p.weights,
        p.recurrent,
        (p.input_zero_point, p.state_zero_point),
        (*gates, _table(logistic.tanh16, p.tanh)),
        tuple(Pair.of(m) for m in (p.kept, p.new, p.hidden)),
        (1 << 15) - 1,
        p.state_zero_point,
        (*_c_ends(p.clip), -128, 127),
    )


def _c_ends(clip: int) -> tuple[int, int]:
    return (-clip, clip) if clip > 0 else (-(1 << 15), (1 << 15) - 1)


def _gemmlowp(name: str, bits: int) -> Array:
    from minilite import gemmlowp

    return _table(getattr(gemmlowp, name), bits)


@functools.cache
def _table(function: Any, how: Any) -> Array:
    """What a function of int16 answers to all of them, from the answer to 0 on; those to negative ones lie before."""
    every = np.arange(-(1 << 15), 1 << 15, dtype=np.int16)
    found = function(every, how) if isinstance(how, int) else function(how, every)
    return np.ascontiguousarray(found, np.int16)[1 << 15 :]


def _call(s: Cells, n: _Numbers) -> Call:
    cell, norm = s.cell, bool(n.norm)
    bias = [b and np.zeros(s.cells, np.int64) if norm else b and value(b) for b in cell.bias]
    weights, recurrent = ([w and value(w) for w in ws] for ws in (cell.weights, cell.recurrent))
    none = [b if b is None else np.zeros(s.cells, np.int64) for b in cell.bias]
    row: tuple[Word, ...] = (
        *s.places,
        packing.in_panels(s.by_gate(weights), 4, in_order=True),
        _channels(s, weights, bias, n.weights, n.zero_points[0]),
        packing.in_panels(s.by_gate(recurrent), 4, in_order=True),
        _channels(s, recurrent, none, n.recurrent, n.zero_points[1]),
        *_projection(s),
        np.zeros(4 * packing.CHANNEL_BYTES["fixed"], np.uint8),
        *n.tables,
        *((_rows(cell.peephole), np.array(n.peephole, np.int64)) if n.peephole else (0, 0)),
        *((_rows(cell.norm), _rows(cell.bias), _norm_numbers(n)) if norm else (0, 0, 0)),
        np.array(n.products, np.int64),
        *(int(cell.coupled), s.time, *s.strides(1), s.terms, s.cells, s.outputs),
        *(n.limit, *n.ends[:2], n.hidden, n.zero_points[1], *n.ends[2:]),
    )
    sums = max(packing.padded(s.cells, 16) * 16, packing.padded(s.outputs, 64) * 4)
    scratch = s.outputs + s.cells + s.terms + 3 * 64 + sums
    return Call(("lstm_int8", dot()), s.batch, row, scratch, s.work(0.02))


def _channels(
    s: Cells,
    weights: Sequence[Array | None],
    biases: Sequence[Array | None],
    multipliers: Sequence[Multiplier | None],
    zero_point: int,
) -> Array:
    """The gates' channels of one of their products."""
    parts = [
        None if w is None or b is None or m is None else fixed(w, b, m, zero_point).T
        for w, b, m in zip(weights, biases, multipliers, strict=True)
    ]
    return packing.in_blocks("fixed", s.by_gate(parts).T)


def fixed(weights: Array, bias: Array, m: Multiplier, zero_point: int) -> Array:
    """Channels of a matrix, whose rows are stored as unsigned numbers ``a + 128``."""
    start = bias - (128 + zero_point) * weights.sum(axis=1, dtype=np.int64)
    return packing.channel_table("fixed", "double rounding", start, float(m.q) * 2.0 ** float(m.e - 31))


def _projection(s: Cells) -> tuple[Word, Word]:
    """Weights and channels of the projection. What it is given is stored less its zero point, plus 128."""
    info, p = s.cell.projection, s.task.prepared.numbers
    if info is None:
        return 0, 0
    matrix = np.zeros((packing.padded(s.outputs, 64), s.cells), np.int8)
    matrix[: s.outputs] = value(info)
    bias = np.zeros(len(matrix), np.int64)
    if s.cell.projection_bias is not None:
        bias[: s.outputs] = value(s.cell.projection_bias)
    table = fixed(matrix, bias, p.projection, -p.hidden_zero_point)
    return packing.in_panels(matrix, 4, in_order=True), packing.in_blocks("fixed", table)


def _rows(infos: Sequence[TensorInfo | None]) -> Array:
    """Numbers of the gates, one gate after the other."""
    (size,) = {i.shape[0] for i in infos if i is not None}
    return np.array([np.zeros(size) if i is None else value(i) for i in infos], np.int64)


def _norm_numbers(n: _Numbers) -> Array:
    return np.array([(guard, *pair) for guard, pair in zip(n.guards, n.norm, strict=True) if pair], np.int64)
