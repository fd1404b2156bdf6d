"""Fingerprint64: FarmHash's stable 64-bit hash of byte strings, many of one length at a time.

All arithmetic is on unsigned 64-bit integers that wrap. Strings of up to 16, 32 and 64 bytes each have a mixture of
their own; longer ones are taken 64 bytes at a time.

Source: FarmHash, namespace farmhashna, ``Hash64``; Pike and Alakuijala, "Introducing FarmHash", 2014.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray
U64 = np.uint64

K0, K1, K2 = U64(0xC3A5C85C97CB3127), U64(0xB492B66FBE98F273), U64(0x9AE16A3B2F90404F)


def fingerprint64(keys: Array) -> Array:
    """The fingerprints (uint64) of the rows of ``keys`` [count, length], uint8."""
    length = keys.shape[1]
    if length > 64:
        return _long(keys)
    mix = _up_to_16 if length <= 16 else _up_to_32 if length <= 32 else _up_to_64
    with np.errstate(over="ignore"):
        return mix(keys)


def _fetch(keys: Array, at: int) -> Array:
    """The 8 bytes from ``at``, which counts from the end when negative."""
    at %= keys.shape[1]
    return np.ascontiguousarray(keys[:, at : at + 8]).view("<u8")[:, 0]


def _fetch32(keys: Array, at: int) -> Array:
    at %= keys.shape[1]
    return np.ascontiguousarray(keys[:, at : at + 4]).view("<u4")[:, 0].astype(U64)


def _rotate(x: Array, bits: int) -> Array:
    return (x >> U64(bits)) | (x << U64(64 - bits))


def _shift_mix(x: Any) -> Any:
    return x ^ (x >> U64(47))


def _of_two(u: Array, v: Array, factor: Any) -> Array:
    a = _shift_mix((u ^ v) * factor)
    return np.asarray(_shift_mix((v ^ a) * factor) * factor)


def _factor(keys: Array) -> Any:
    return K2 + U64(2 * keys.shape[1])


def _up_to_16(keys: Array) -> Array:
    length = keys.shape[1]
    if length >= 8:
        factor = _factor(keys)
        a, b = _fetch(keys, 0) + K2, _fetch(keys, -8)
        return _of_two(_rotate(b, 37) * factor + a, (_rotate(a, 25) + b) * factor, factor)
    if length >= 4:
        first = U64(length) + (_fetch32(keys, 0) << U64(3))
        return _of_two(first, _fetch32(keys, -4), _factor(keys))
    if length == 0:
        return np.full(len(keys), K2)
    a, b, c = (keys[:, at].astype(U64) for at in (0, length >> 1, length - 1))
    y, z = a + (b << U64(8)), U64(length) + (c << U64(2))
    return np.asarray(_shift_mix(y * K2 ^ z * K0) * K2)


def _up_to_32(keys: Array) -> Array:
    factor = _factor(keys)
    a, b = _fetch(keys, 0) * K1, _fetch(keys, 8)
    c, d = _fetch(keys, -8) * factor, _fetch(keys, -16) * K2
    return _of_two(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + K2, 18) + c, factor)


def _up_to_64(keys: Array) -> Array:
    factor = _factor(keys)
    a, b = _fetch(keys, 0) * K2, _fetch(keys, 8)
    c, d = _fetch(keys, -8) * factor, _fetch(keys, -16) * K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _of_two(y, a + _rotate(b + K2, 18) + c, factor)
    e, f = _fetch(keys, 16) * factor, _fetch(keys, 24)
    g, h = (y + _fetch(keys, -32)) * factor, (z + _fetch(keys, -24)) * factor
    return _of_two(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, factor)


Pair = tuple[Any, Any]


def _weak(keys: Array, at: int, a: Any, b: Any) -> Pair:
    """Two words out of 32 bytes and two seeds."""
    w, x, y, z = (_fetch(keys, at + 8 * i) for i in range(4))
    a = a + w
    b = _rotate(b + a + z, 21)
    middle = a + x + y
    return middle + z, b + _rotate(middle, 44) + a


class _State:
    """What a long string's 64-byte blocks are stirred into."""

    def __init__(self) -> None:
        self.x: Any = U64(81)
        self.y: Any = U64(81) * K1 + U64(113)
        self.z: Any = _shift_mix(self.y * K2 + U64(113)) * K2
        self.v: Pair = (U64(0), U64(0))
        self.w: Pair = (U64(0), U64(0))

    def stir(self, keys: Array, at: int, factor: Any, nine: Any) -> None:
        """One block; ``nine`` is how often v and w count (9 in the last block)."""
        x = _rotate(self.x + self.y + self.v[0] + _fetch(keys, at + 8), 37) * factor
        y = _rotate(self.y + self.v[1] + _fetch(keys, at + 48), 42) * factor
        x = x ^ (self.w[1] * nine)
        y = y + self.v[0] * nine + _fetch(keys, at + 40)
        z = _rotate(self.z + self.w[0], 33) * factor
        self.v = _weak(keys, at, self.v[1] * factor, x + self.w[0])
        self.w = _weak(keys, at + 32, z + self.w[1], y + _fetch(keys, at + 16))
        self.x, self.y, self.z = z, y, x


def _long(keys: Array) -> Array:
    length = keys.shape[1]
    with np.errstate(over="ignore"):
        state = _State()
        state.x = state.x * K2 + _fetch(keys, 0)
        for at in range(0, (length - 1) // 64 * 64, 64):
            state.stir(keys, at, K1, U64(1))
        factor = K1 + ((state.z & U64(0xFF)) << U64(1))
        w = state.w[0] + U64((length - 1) & 63)
        v = state.v[0] + w
        state.v, state.w = (v, state.v[1]), (w + v, state.w[1])
        state.stir(keys, length - 64, factor, U64(9))
        first = _of_two(state.v[0], state.w[0], factor) + _shift_mix(state.y) * K0 + state.z
        return _of_two(first, _of_two(state.v[1], state.w[1], factor) + state.x, factor)
