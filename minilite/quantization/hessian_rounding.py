"""Rounding for what comes in: integers that make the error of a layer's results least, not that of its weights.

A row of weights ``w`` meets inputs ``x``; its results are off by ``(w - v) x`` with ``v`` what is stored. Their
expected square is ``(w - v) H (w - v)`` with ``H = E[x x^T]``. :func:`rounded` makes it small one column after the
other: round, then let the columns that are not rounded yet make up for the error,

    e = (w_j - v_j) / U_jj        w_k -= e * U_jk  for k > j        U^T U = H^-1, U upper triangular

Columns whose inputs have the most energy come first. Source: Frantar et al. 2022, "GPTQ: Accurate post-training
quantization for generative pre-trained transformers".
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minilite.quantization.grid import Array

FRACTIONS = {4: np.linspace(1.05, 0.4, 14), 8: np.linspace(1.0, 0.92, 5)}
"""Of the scale that reaches the largest magnitude, by bits: what is worth trying."""

BLOCK = 64
"""Columns whose errors are handed on to all later columns at once."""


class Factor:
    """The order of columns and the factor ``U`` of an energy [terms, terms], which must be positive definite."""

    def __init__(self, h: Array):
        self.order = np.argsort(-np.diag(h), kind="stable")
        self.upper = np.linalg.cholesky(np.linalg.inv(h[np.ix_(self.order, self.order)])).T


def rounded(w: Array, factor: Factor, scales: Array, limits: tuple[int, int]) -> Array:
    """The integers of rows ``w`` [rows, terms]. ``scales`` has one for each row [rows, 1], or each value."""
    order, upper = factor.order, factor.upper
    left = np.array(w[:, order], np.float64)
    scales = np.broadcast_to(scales, w.shape)[:, order].astype(np.float64)
    q = np.empty_like(left)
    for start in range(0, left.shape[1], BLOCK):
        block = slice(start, min(start + BLOCK, left.shape[1]))
        off = _round_block(left[:, block], upper[block, block], scales[:, block], limits, q[:, block])
        left[:, block.stop :] -= off @ upper[block, block.stop :]
    result = np.empty_like(q)
    result[:, order] = q
    return result


def _round_block(left: Array, upper: Array, scales: Array, limits: tuple[int, int], q: Array) -> Array:
    """Round the columns of a block into ``q``; the errors, in units of the factor's diagonal."""
    off = np.empty_like(left)
    for j in range(left.shape[1]):
        q[:, j] = np.clip(np.rint(left[:, j] / scales[:, j]), *limits)
        off[:, j] = (left[:, j] - q[:, j] * scales[:, j]) / upper[j, j]
        left[:, j + 1 :] -= off[:, j : j + 1] * upper[j, j + 1 :]
    return off


def errors(w: Array, h: Array, scales: Array, q: Array) -> Array:
    """``(w - v) H (w - v)`` of each row."""
    off = w - q * scales
    return np.einsum("rt,rt->r", off @ h, off)


def best_of(
    tries: Iterable[Array], w: Array, h: Array, limits: tuple[int, int], together: bool = False
) -> tuple[Array, Array]:
    """Integers and scales [rows, terms] of rows, each with the scale of least error among some, given as columns;
    ``together`` chooses one of them for all rows."""
    factor = Factor(h)
    least, q, scales = np.full(len(w), np.inf), np.zeros(w.shape), np.ones(w.shape, np.float32)
    for tried in tries:
        integers = rounded(w, factor, tried, limits)
        error = errors(w, h, tried, integers)
        better = np.full(len(w), error.sum() < least.sum()) if together else error < least
        least, q[better] = np.where(better, error, least), integers[better]
        scales[better] = np.broadcast_to(tried, w.shape)[better]
    return q, scales
