"""LSTMs of float activations, whose weights are floats or int8 (hybrid)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minilite.engines.numba import packing
from minilite.engines.numba.calls import Call, Word
from minilite.engines.numba.lowering.cells import CELL, FORGET, GATES, INPUT, OUTPUT, Cells
from minilite.engines.numba.lowering.hybrid import MOST_TERMS
from minilite.engines.numba.lowering.task import value
from minilite.engines.numba.objects import Kind, dot
from minilite.spec import TensorInfo

Array = np.ndarray
PLACES = (INPUT, CELL, FORGET, OUTPUT)
"""The order in which LiteRT keeps the gates' sums."""
SMALL_PRODUCT = 20
"""Below this sum of its sizes a product of several rows is added up in an order that has no kernel
(:func:`minilite.ops.accumulate.eigen_dot`)."""


def call(s: Cells) -> Call | None:
    """A sequence through a cell, or None where there is no kernel for it."""
    kind = _kind(s)
    if kind is None or str(s.task.node.options.fused_activation_function) != "TANH":
        return None
    cell, norm = s.cell, s.cell.norm[FORGET] is not None
    peephole = cell.peephole[FORGET] is not None
    none = [b and np.zeros(s.cells, np.float32) for b in cell.bias]
    bias = none if norm else [b and value(b) for b in cell.bias]
    row: tuple[Word, ...] = (
        *s.places,
        *_gates(s, cell.weights, bias),
        *(_nothing(s) if _is_diagonal(s) else _gates(s, cell.recurrent, none)),
        *((0, 0) if cell.projection is None else _projection(s)),
        np.zeros(4 * packing.CHANNEL_BYTES["product"], np.uint8),
        _alone(s, kind),
        _numbers(s),
        _rows(cell.recurrent, s.cells) if _is_diagonal(s) else 0,
        _rows(cell.peephole, s.cells) if peephole else 0,
        *((_rows(cell.norm, s.cells), _rows(cell.bias, s.cells)) if norm else (0, 0)),
        *(int(cell.coupled), s.time, *s.strides(4), s.terms, s.cells, s.outputs),
    )
    sums = max(packing.padded(s.cells, 16) * 16, packing.padded(s.outputs, 64) * 4)
    scratch = s.terms + s.outputs + 5 * s.cells + 5 * 72 + sums
    return Call(kind, s.batch, row, scratch, s.work(0.02 if _is_hybrid(s) else 0.03))


def _is_hybrid(s: Cells) -> bool:
    return s.task.computed_by == "lstm.hybrid_"


def _is_diagonal(s: Cells) -> bool:
    return bool(s.cell.recurrent[OUTPUT].rank == 1)


def _kind(s: Cells) -> Kind | None:
    node = s.task.node
    if _is_hybrid(s):
        fits = max(s.terms, s.outputs, s.cells) <= MOST_TERMS
        way = "asymmetric" if node.options.asymmetric_quantize_inputs else "symmetric"
        return ("lstm", way, dot()) if fits else None
    if s.task.computed_by == "lstm.micro":
        return ("lstm", "sequential", "exact")
    order = "fused" if node.sums != "sequential" else _order(s)
    return None if order is None else ("lstm", order, "eigen")


def _order(s: Cells) -> str | None:
    """The order of all the products' sums where it is Eigen's; None where one is small or differs."""
    rows = s.batch if s.together else 1
    products = [(s.terms, s.cells)] if _is_diagonal(s) else [(s.terms, s.cells), (s.outputs, s.cells)]
    if s.cell.projection is not None:
        products.append((s.cells, s.outputs))
    small = any(units == 1 or (rows > 1 and terms + rows + units < SMALL_PRODUCT) for terms, units in products)
    return None if small else "sequential" if rows > 1 else "lanes"


def _numbers(s: Cells) -> Array:
    options = s.task.node.options
    limit = np.inf if s.task.computed_by == "lstm.micro" else np.finfo(np.float32).max
    return np.array([limit, options.cell_clip, options.proj_clip, s.cells, 1e-8, 1], np.float32)


def _rows(infos: Sequence[TensorInfo | None], cells: int) -> Array:
    """Real numbers of the gates, one gate after the other."""
    return np.stack([np.zeros(cells, np.float32) if i is None else _real(i) for i in infos])


def _real(info: TensorInfo) -> Array:
    array = value(info)
    return array if array.dtype == np.float32 else np.float32(info.scale) * array.view(np.int8).astype(np.float32)


def _alone(s: Cells, kind: Kind) -> Array:
    """A bit for each lane whose logistic is not computed four at a time, ``[rows, blocks of 16 cells, gates]``. Where a
    gate lies in LiteRT's memory decides which those are; where floats may be added in any order there are none."""
    wide = np.zeros((len(GATES), s.batch, packing.padded(s.cells, packing.LANES)), bool)
    if kind[1] != "fused" and kind[2] != "exact":
        size = s.cells * (s.batch if s.together else 1)
        for gate in (FORGET, OUTPUT) if s.cell.coupled else (INPUT, FORGET, OUTPUT):
            begin = (PLACES.index(gate) - s.cell.coupled) * s.batch * s.cells
            places = begin + np.arange(s.batch * s.cells).reshape(-1, size)
            start = np.minimum(-places[:, :1] % 4, size)
            stop = start + (size - start) // 4 * 4
            within = np.arange(size)
            wide[gate, :, : s.cells] = ((within < start) | (within >= stop)).reshape(s.batch, s.cells)
    bits = np.packbits(wide, axis=-1, bitorder="little").view("<u2")
    return np.ascontiguousarray(bits.transpose(1, 2, 0))


# ---- weights and channels --------------------------------------------------------------------------------------------


def _gates(s: Cells, infos: Sequence[TensorInfo | None], biases: Sequence[Array | None]) -> tuple[Word, Word]:
    """Weights and channels of a product of all gates."""
    matrix, scales = (s.by_gate([None if i is None else of(i) for i in infos]) for of in (_matrix, _scales))
    return packed(matrix, scales, s.by_gate(biases))


def _nothing(s: Cells) -> tuple[Word, Word]:
    """Weights that nobody reads, and channels of nothing for all gates."""
    return 0, np.zeros(packing.padded(s.cells, packing.LANES) * 48, np.uint8)


def _projection(s: Cells) -> tuple[Word, Word]:
    """Weights and channels of the projection."""
    info, bias, count = s.cell.projection, s.cell.projection_bias, packing.padded(s.outputs, 64) - s.outputs
    matrix, scales = _matrix(info), _scales(info)
    biases = np.zeros(s.outputs, np.float32) if bias is None else value(bias)
    return packed(np.pad(matrix, ((0, count), (0, 0))), np.pad(scales, (0, count)), np.pad(biases, (0, count)))


def _matrix(info: TensorInfo) -> Array:
    """The weights as the kernel multiplies them."""
    array = value(info)
    return array if array.dtype == np.float32 else array.view(np.int8)


def _scales(info: TensorInfo) -> Array:
    """A scale for each channel."""
    return np.full(info.shape[0], info.scale if info.type != "float32" else 1, np.float32)


def packed(matrix: Array, scales: Array, biases: Array) -> tuple[Word, Word]:
    """Weights and channels, a multiple of 64: of floats their biases."""
    if matrix.dtype == np.float32:
        return packing.in_panels(matrix, 1), biases
    table = packing.hybrid_table(matrix.sum(axis=1, dtype=np.int64), scales, biases)
    return packing.in_panels(matrix, 4, in_order=True), table
