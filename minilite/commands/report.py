"""What ``minilite report`` does: samples from files, and the page or the graph for Model Explorer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minilite.commands.compare import is_quantized
from minilite.commands.quantize import samples as samples_in
from minilite.errors import ArgumentError
from minilite.inspection.report import report
from minilite.inspection.sources import source


def report_files(a: Path, b: str, data: Sequence[str], output: Path, settings: dict[str, Any]) -> str:
    """Write the page about two files, or about a file and what else computes it (a kernel set, LiteRT). The float model
    may be either of two files. Returns what was written, in words.

    Raises :class:`ArgumentError` without samples."""
    samples = samples_in(data)
    if samples is None:
        raise ArgumentError("a report is about real data: give samples with --data, as for `minilite quantize`.")
    first = source(str(a), settings["kernels"], settings["engine"])
    second = source(b, settings["kernels"], settings["engine"], same_as=first)
    sides: tuple[str, str] = str(a), b
    if is_quantized(first.model) and not is_quantized(second.model):
        sides = b, str(a)
    page = report(*sides, samples, output, **settings)
    return f"{output}: {len(page.encode()) / 1e6:.2f} MB, one file that needs no other"
