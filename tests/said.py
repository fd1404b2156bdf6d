"""Whether a program says what a page says that it does."""

from __future__ import annotations

import re

import numpy as np

NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w])")


def alike(now: str, page: str, relative: float = 0.02, whole: float = 0.0) -> bool:
    """The same words, and the same numbers but for rounding.

    Numbers with a point may be ``relative`` or a unit of their last digit apart, for float sums are the machine's in
    their last bits; integers so many as ``whole`` says. Spaces only part words."""
    if _words(now) != _words(page):
        return False
    pairs = zip(NUMBER.findall(now), NUMBER.findall(page), strict=True)
    return all(_close(mine, theirs, relative, whole) for mine, theirs in pairs)


def _words(text: str) -> list[str]:
    return NUMBER.sub("#", text).split()


def _close(mine: str, theirs: str, relative: float, whole: float) -> bool:
    x, y = (float(number.replace(",", "")) for number in (mine, theirs))
    if "." not in mine + theirs and "e" not in mine + theirs:
        return abs(x - y) <= max(whole, relative * abs(y) if whole else 0)
    digits = min(len(n.partition("e")[0].partition(".")[2]) for n in (mine, theirs))
    last = 10.0**-digits if "e" not in mine + theirs else 0
    return bool(np.isclose(x, y, rtol=relative, atol=1.01 * last))
