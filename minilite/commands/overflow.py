"""What ``minilite overflow`` does: samples from files, and the counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minilite.commands.quantize import samples
from minilite.errors import ArgumentError
from minilite.inspection.overflow import Overflow, overflow
from minilite.reader import read


def overflow_file(path: Path, files: Sequence[str], settings: dict[str, Any]) -> Overflow:
    """Count over samples from ``[NAME=]FILE``\\ s. Raises :class:`ArgumentError` where there are none."""
    data = samples(files)
    if data is None:
        raise ArgumentError("overflow counts over real data: give samples with --data, as for `minilite quantize`.")
    return overflow(read(path), data, **settings)
