"""Ranges of tensors by name, from the file itself, a saved calibration, or a .json of ranges, for :mod:`.origins`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minilite.errors import ArgumentError
from minilite.model import Tensor
from minilite.quantization.calibration import Calibration, Statistics, is_saved

SUFFIX = re.compile(r"(_(int8|uint8|int16)(_\d+)?|1)$")
"""What quantizers put behind the float model's names."""


@dataclass(frozen=True)
class Recorded:
    """A range, where it was found, and how its ends came about if that was kept."""

    low: float
    high: float
    source: str
    statistics: Statistics | None = None


@dataclass(frozen=True)
class Ranges:
    """Ranges by tensor name; ``source`` says whose they are."""

    source: str
    found: Mapping[str, Recorded]

    def of(self, tensor: Tensor) -> Recorded | None:
        """The tensor's range: by its name, or by its name in the float model; else what the file itself recorded."""
        name = tensor.name or ""
        return self.found.get(name) or self.found.get(SUFFIX.sub("", name)) or written(tensor)


def written(tensor: Tensor) -> Recorded | None:
    """The range that a quantizer left in the file."""
    q = tensor.quantization
    if q is None or q.min is None or q.max is None or q.min.size != 1 or q.max.size != 1:
        return None
    return Recorded(float(q.min[0]), float(q.max[0]), "recorded in the file")


def ranges(calibration: Calibration | Mapping[str, Any] | str | os.PathLike[str] | None) -> Ranges:
    """A calibration, a mapping ``{name: (lowest, highest)}``, or the path of either. Raises :class:`ArgumentError`."""
    if calibration is None:
        return Ranges("the file", {})
    if isinstance(calibration, str | os.PathLike):
        path = Path(calibration)
        calibration = Calibration.load(path) if is_saved(path) else json.loads(path.read_text(encoding="utf-8"))
    if isinstance(calibration, Calibration):
        return Ranges("the calibration", {calibration.names[k]: _measured(calibration, k) for k in calibration.ranges})
    try:
        return Ranges(
            "the ranges", {str(n): Recorded(float(a), float(b), "given") for n, (a, b) in calibration.items()}
        )
    except (TypeError, ValueError, AttributeError):
        raise ArgumentError(f"expected ranges {{name: [lowest, highest]}}, got {calibration!r:.80}.") from None


def _measured(calibration: Calibration, key: tuple[int, int]) -> Recorded:
    low, high = calibration.ranges[key]
    source = f"calibrated by {calibration.method!r} from {calibration.samples} samples"
    return Recorded(low, high, source, calibration.statistics.get(key))
