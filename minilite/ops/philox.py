"""Philox 4x32-10: random bits from a key and a counter, ten rounds of multiplying and mixing.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
U32, U64 = np.uint32, np.uint64

ROUNDS = 10
FACTORS = U64(0xD2511F53), U64(0xCD9E8D57)
STEPS = 0x9E3779B9, 0xBB67AE85
MASK = 2**32 - 1


def philox(key: tuple[int, int], counters: Array) -> Array:
    """Four random words (uint32) for each counter ``[count, 4]``, uint32, the lowest word first."""
    a, b, c, d = (counters[:, i].astype(U64) for i in range(4))
    for i in range(ROUNDS):
        k0, k1 = (U64((k + i * step) & MASK) for k, step in zip(key, STEPS, strict=True))
        first, second = a * FACTORS[0], c * FACTORS[1]
        a, b, c, d = (second >> U64(32)) ^ b ^ k0, second & U64(MASK), (first >> U64(32)) ^ d ^ k1, first & U64(MASK)
    return np.stack([a, b, c, d], axis=1).astype(U32)


def counted(start: int, count: int, words: int = 4) -> Array:
    """``count`` counters of that many words (2 or 4) from ``start``, wrapping: ``[count, words]``, uint32."""
    low = (np.arange(count, dtype=U64) + U64(start & (2**64 - 1))).astype(U64)
    halves = [low]
    if words == 4:
        high = start >> 64 & (2**64 - 1)
        halves.append(np.where(low < low[:1], U64((high + 1) & (2**64 - 1)), U64(high)))
    return np.stack([half >> U64(shift) & U64(MASK) for half in halves for shift in (0, 32)], axis=1).astype(U32)
