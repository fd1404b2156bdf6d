"""What is wrong with the weights and the bias of a layer, seen from those of the other model's layer.

Constants that were quantized are off by half a step of their grid, and on purpose by a little more: rounding that
minimizes the error of results moves weights by whole steps, a corrected bias makes up for what the weights have lost,
clipped weights lose their ends. What is said here is far beyond all that:

    weights  a channel whose error is more than :data:`STEPS` steps (root mean square), and that has more noise than
             :data:`NOISE` allows or is the other side's times a constant
    bias     0 where the other side has some that shows in the result, the other's times a constant or in another order,
             or further off than half of what the result can hold
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minilite.inspection.constant_pairs import Pair
from minilite.inspection.inconsistencies import times

Array = np.ndarray
STEPS = 2.0
NOISE = 0.04
"""Of the power of the weights: 14 dB."""
ALIKE, SAME = 0.99, 0.95
"""Cosines from which numbers are others' times a constant, and from which they are others in another order."""
GAIN, BIAS_GAIN = 0.1, 0.5
RARE = 50
"""A bias of so many steps is not corrected to exactly 0."""
ENOUGH = 8
"""Channels whose biases tell a factor, or an order."""
TRIED = 8
"""So many channels are looked for at other places."""


def weights_said(pair: Pair) -> Iterator[str]:
    """What is wrong with the weights, in words."""
    odd = _odd(pair)
    if not odd.any():
        return
    empty = odd & ~pair.b.any(axis=1)
    if empty.any():
        most = np.abs(pair.a[empty]).max()
        yield f"the weights{_where(empty)} are 0, where the other side has up to {most:.3g}."
    rest = np.flatnonzero(odd & ~empty)
    if rest.size:
        gains, cosines = _gains(pair.a[rest], pair.b[rest])
        alike = np.abs(cosines) > ALIKE
        if alike.mean() > 0.5:
            yield _gain_said(pair, np.isin(np.arange(len(odd)), rest[alike]), gains[alike])
        else:
            where = _where(np.isin(np.arange(len(odd)), rest))
            yield f"the weights{where} are {_order(pair, rest)}."


def _odd(pair: Pair) -> Array:
    """Which channels are not those of the other side, whatever quantized them."""
    error, power = ((v**2).sum(axis=1) for v in (pair.b - pair.a, pair.a))
    gains, cosines = _gains(pair.a, pair.b)
    constant = (np.abs(gains - 1) > GAIN) & (np.abs(cosines) > ALIKE)
    far = np.sqrt(error / pair.a.shape[1]) > STEPS * pair.step
    return np.asarray(far & ((error > NOISE * power) | constant) & (error > 0))


def _gains(x: Array, y: Array) -> tuple[Array, Array]:
    """The factor by which rows of ``y`` are those of ``x``, as nearly as can be, and their cosines."""
    xx, yy, xy = ((p * q).sum(axis=1) for p, q in ((x, x), (y, y), (x, y)))
    with np.errstate(all="ignore"):
        gains, cosines = xy / xx, xy / np.sqrt(xx * yy)
    return np.where(np.isfinite(gains), gains, 0.0), np.where(np.isfinite(cosines), cosines, 0.0)


def _gain_said(pair: Pair, odd: Array, gains: Array) -> str:
    low, high = float(gains.min()), float(gains.max())
    if high - low <= 0.05 * abs(high + low) / 2:
        return f"the weights{_where(odd)} are {_times(float(np.median(gains)))} the other side's."
    order = ": their scales are in another order" if _shuffled(pair) else ""
    return f"the weights{_where(odd)} are {low:.3g} to {high:.3g} times the other side's{order}."


def _shuffled(pair: Pair) -> bool:
    """Whether the scales are those that the other side's weights ask for, in another order."""
    if pair.grid is None or pair.grid.axis is None:
        return False
    wanted = np.sort(np.abs(pair.a).max(axis=1) / pair.grid.limits[1])
    return bool((np.abs(np.sort(pair.step) - wanted) <= GAIN * wanted).mean() > 0.9)


def _order(pair: Pair, odd: Array) -> str:
    """Where weights may have come from that are not alike: ``"the other side's in another order"``, say."""
    x, y = pair.a.reshape(pair.shape), pair.b.reshape(pair.shape)
    for said, moved in _moved(x, pair.axis):
        if moved.shape == y.shape and _cosine(moved.reshape(len(x), -1)[odd], pair.b[odd]) > SAME:
            return f"the other side's {said}"
    if _shifted(pair, odd):
        return "the other side's plus a constant: their zero point is wrong"
    if _elsewhere(pair.a, pair.b, odd):
        return "the other side's with their channels in another order"
    first, second = (np.moveaxis(v, -1, 0).reshape(v.shape[-1], -1) for v in (x, y))
    if pair.axis == 0 and _elsewhere(first, second, np.arange(len(first))):
        return "the other side's with their input channels in another order"
    return f"not the other side's (cosine {_cosine(pair.a[odd], pair.b[odd]):.3f})"


def _moved(x: Array, axis: int) -> Iterator[tuple[str, Array]]:
    """The other ways round that weights are written in."""
    if x.ndim == 4:
        height, width = (1, 2) if axis == 0 else (2, 3)
        if max(x.shape[height], x.shape[width]) > 1:
            yield "with height and width flipped", np.flip(x, (height, width))
            yield "with height flipped", np.flip(x, height)
            yield "with width flipped", np.flip(x, width)
            yield "with height and width swapped", np.swapaxes(x, height, width)
    if x.ndim == 2:
        yield "transposed", x.T


def _shifted(pair: Pair, odd: Array) -> bool:
    """Whether all of a channel's weights are off by the same."""
    error = pair.b[odd] - pair.a[odd]
    return bool((error.std(axis=1) <= STEPS * pair.step[odd]).mean() > 0.5)


def _elsewhere(x: Array, y: Array, odd: Array) -> bool:
    """Whether rows of ``y`` are other rows of ``x``."""
    tried = odd[np.linspace(0, odd.size - 1, min(TRIED, odd.size)).astype(int)]
    tried = tried[np.any(y[tried] != 0, axis=1)]
    if tried.size < 2 or x.shape[1] < 4:
        return False
    with np.errstate(all="ignore"):
        cosines = np.nan_to_num(y[tried] @ x.T / np.outer(_length(y[tried]), _length(x)))
    best = cosines.argmax(axis=1)
    found = (cosines.max(axis=1) > SAME) & (cosines[np.arange(tried.size), tried] < SAME)
    return bool(found.mean() > 0.5 and np.unique(best[found]).size > 1)


def _length(x: Array) -> Array:
    return np.sqrt((x**2).sum(axis=1))


def _cosine(x: Array, y: Array) -> float:
    length = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / length if length else 0.0


# ---- biases ----------------------------------------------------------------------------------------------------------


def bias_said(bias: Pair, weights: Pair, reach: float, room: float) -> Iterator[str]:
    """What is wrong with the bias, in words. ``reach`` is how far from 0 inputs can be, ``room`` from where to where
    the results are; each is 0 where that is not known."""
    x, y = bias.a[:, 0], bias.b[:, 0]
    shows = np.abs(x - y) > np.maximum(2 * bias.step, room / 512)
    empty = shows & (y == 0) & ((np.abs(x) > RARE * bias.step) | ~y.any())
    if empty.any():
        yield f"the bias{_where(empty)} is 0, where the other side has up to {np.abs(x[empty]).max():.3g}."
    odd = shows & ~empty
    if odd.sum() >= ENOUGH and (said := _bias_of_other(x[odd], y[odd])):
        yield f"the bias{_where(odd)} is {said}."
    elif reach and room:
        allowed = np.maximum(_lost(weights) * reach, max(room / 2, float(np.abs(x).max())))
        yield from _bias_far(x, y, odd & (np.abs(x - y) > allowed))


def _lost(weights: Pair) -> Array:
    """The most that quantization can have taken from the weights of a channel together."""
    return np.asarray(np.minimum(np.abs(weights.a - weights.b), weights.step[:, None]).sum(axis=1))


def _bias_far(x: Array, y: Array, far: Array) -> Iterator[str]:
    if far.any():
        c, count = int(np.abs(np.where(far, x - y, 0)).argmax()), int(far.sum())
        more = "" if count == 1 else f" ({count - 1} more are off)"
        yield f"the bias in channel {c} is {y[c]:.4g}, where the other side has {x[c]:.4g}{more}."


def _bias_of_other(x: Array, y: Array) -> str:
    """Whether it is the other's times a constant, or in another order."""
    (gain,), (cosine,) = _gains(x[None], y[None])
    if abs(cosine) > ALIKE and abs(gain - 1) > BIAS_GAIN:
        return f"{_times(float(gain))} the other side's"
    if _cosine(np.sort(x)[None], np.sort(y)[None]) > 0.999 and cosine < SAME:
        return "the other side's in another order"
    return ""


def _times(gain: float) -> str:
    return times(gain) if gain > 0 else f"{gain:.4g} times"


def _where(which: Array) -> str:
    """``""`` for all channels, ``" in channel 7"``, ``" in 3 of 64 channels, the first is 7,"``."""
    found = np.flatnonzero(which)
    if found.size == which.size:
        return ""
    some = f" in {found.size} of {which.size} channels, the first is {found[0]},"
    return f" in channel {found[0]}" if found.size == 1 else some
