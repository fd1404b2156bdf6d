"""An explanation is made of lines: a formula, the same with the actual numbers, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Line:
    """``name = formula = numbers = value``. ``note`` says why, or what to look at."""

    name: str
    formula: str
    numbers: str
    value: Any
    note: str = ""


def shown(value: Any) -> str:
    """A number as a person reads it: float32 with the digits that tell it from its neighbours."""
    if isinstance(value, np.float32):
        return f"{value:.9g}" if abs(value) < 1e16 else f"{value:.6g}"
    if isinstance(value, float | np.floating):
        return f"{value:.12g}"
    if isinstance(value, int | np.integer) and abs(int(value)) >= 100_000:
        return f"{int(value):,}"
    return str(value)


def signed(value: Any) -> str:
    """A number behind an operator: negative ones in brackets."""
    return f"({shown(value)})" if value < 0 else shown(value)
