"""How far two results are apart, and how far they may be."""

from __future__ import annotations

import numpy as np


def steps_apart(a: np.ndarray, b: np.ndarray) -> int:
    """Largest difference of two integer (or bool) arrays; -1 when shapes or types differ."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return -1
    return int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max(initial=0))


def ulps_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Representable numbers between two float arrays of one type, element by element; NaN equals NaN."""
    whole = np.dtype(f"i{a.dtype.itemsize}")

    def ordered(x: np.ndarray) -> np.ndarray:
        bits = np.ascontiguousarray(x).view(whole)
        return np.where(bits < 0, -(bits & np.iinfo(whole).max), bits).astype(
            object if whole.itemsize > 4 else np.int64
        )

    apart = np.abs(ordered(a) - ordered(b))
    return np.where(np.isnan(a) & np.isnan(b), 0, apart)


def relative_to_range(a: np.ndarray, b: np.ndarray, terms: float = 0.0) -> float:
    """Largest difference divided by the largest magnitude expected, or by ``terms`` if what was summed is larger than
    what was left of it; infinities and NaN must agree exactly."""
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    a64, b64 = a[finite].astype(np.complex128), b[finite].astype(np.complex128)
    reach = max(np.abs(b64).max(), terms)
    return float(np.abs(a64 - b64).max() / reach) if reach else float(np.abs(a64 - b64).max())
