"""4-bit matrices with a float16 scale for every block of a row, as LiteRT's hybrid FULLY_CONNECTED has them.

Scales are rounded up to bfloat16, which is what XNNPACK keeps of them, so that all kernels compute with the same ones.
"""

from __future__ import annotations

import numpy as np

from minilite.quantization.clipping import searched
from minilite.quantization.grid import Array
from minilite.quantization.hessian_rounding import Factor, rounded
from minilite.quantization.numbers import LITERT
from minilite.quantization.squant import assumed_energy
from minilite.quantization.weight import Rounded, Weight

LIMITS = (-7, 7)


def divided_into(block_size: int, values: Array, bits: int, name: str) -> int:
    """The block size in which an operator takes a constant when this one is asked for; 0 for a scale for each row."""
    if not block_size or bits != 4 or name != "FULLY_CONNECTED":
        return 0
    units, terms = values.shape
    return block_size if units >= 4 and terms % block_size == 0 else 0


def up_to_bfloat16(scales: Array) -> Array:
    """The next bfloat16 numbers that are not below: the upper half of a float32. Those below float16's smallest normal
    number, 2**-14, become that."""
    scales = np.maximum(np.asarray(scales, np.float32), np.float32(2.0**-14))
    return ((scales.view(np.uint32) + np.uint32(0xFFFF)) & np.uint32(0xFFFF0000)).view(np.float32)


def nearest_in_blocks(weight: Weight, size: int) -> Rounded:
    """Scales that reach the largest magnitude of each block, values rounded to the nearest."""
    blocks = weight.values.reshape(len(weight.values), -1, size)
    scales = up_to_bfloat16(np.abs(blocks).max(axis=2) / np.float32(7))
    q = np.clip(np.rint(weight.values / scales.repeat(size, axis=1)), *LIMITS)
    return as_rounded(weight, q, scales)


def in_blocks(weight: Weight, size: int) -> Rounded:
    """Searched clips, and errors that cancel within rows (:mod:`minilite.quantization.squant`)."""
    energy = assumed_energy(weight.values.shape[1], 0)
    q, scales = for_energy(weight.values.astype(np.float64), energy, size)
    return as_rounded(weight, q, scales)


def for_energy(w: Array, h: Array, size: int) -> tuple[Array, Array]:
    """Integers [rows, terms] and scales [rows, blocks] for inputs of energy ``h``: each block's scale clips best by the
    energy of its inputs, and rounding makes up for the rest."""
    blocks, importance = w.reshape(-1, size), np.tile(np.diag(h).reshape(-1, size), (len(w), 1))
    widest = np.maximum(np.abs(blocks).max(axis=1) / 7, 1e-9).astype(np.float32)
    scales = up_to_bfloat16(searched(blocks, widest, LIMITS, importance)).reshape(len(w), -1)
    return rounded(w, Factor(h), scales.repeat(size, axis=1), LIMITS), scales


def as_rounded(weight: Weight, q: Array, scales: Array) -> Rounded:
    """Integers and scales of blocks; the grid is there for its type only."""
    return Rounded(LITERT.weight(weight.values, 0, 4), q.astype(np.int64), scales)
