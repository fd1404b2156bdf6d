"""What ``minilite report`` does: samples from files, and the page or the graph for Model Explorer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minilite.commands.compare import is_quantized
from minilite.commands.quantize import samples as samples_in
from minilite.errors import ArgumentError
from minilite.inspection.report import report
from minilite.reader import read


def report_files(a: Path, b: Path, data: Sequence[str], output: Path, settings: dict[str, Any]) -> str:
    """Write the page. The float model may be either of the two. Returns what was written, in words.

    Raises :class:`ArgumentError` without samples."""
    samples = samples_in(data)
    if samples is None:
        raise ArgumentError("a report is about real data: give samples with --data, as for `minilite quantize`.")
    if is_quantized(read(a)) and not is_quantized(read(b)):
        a, b = b, a
    page = report(a, b, samples, output, **settings)
    return f"{output}: {len(page.encode()) / 1e6:.2f} MB, one file that needs no other"
