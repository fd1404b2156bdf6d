"""What ``minilite quantize`` does: samples from files, a quantized model, and what changed."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minilite.commands.run import load_all
from minilite.destinations import check_folder
from minilite.errors import ArgumentError
from minilite.inspection.compare import Comparison, compare
from minilite.inspection.listing import Section, columns
from minilite.model import Model
from minilite.quantization import Quantized, quantized
from minilite.quantization.arguments import WEIGHTS, uses_samples
from minilite.quantization.lint import CalibrationWarning
from minilite.quantization.source import with_float32_constants
from minilite.quantization.static_model import FLOAT
from minilite.reader import read

WORST = 5
COMPARED = 16
"""Samples that the worst tensors are looked for with."""

WIDTH = 78
"""Characters of a line, beside its indent of two."""


@dataclass(frozen=True)
class Result:
    """What came out, the sizes of both files in bytes, and both models compared where samples were given."""

    found: Quantized
    before: int
    after: int
    compared: Comparison | None


def quantize_file(path: Path, scheme: str, files: Sequence[str], settings: dict[str, Any]) -> Result:
    """Quantize a file with samples from ``[NAME=]FILE``\\ s. Warnings of the calibration are in its findings."""
    floats = read(path)
    data = samples(files)
    used = uses_samples(scheme, settings["calibration"], settings["bias_correction"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # shown from the findings
        found = quantized(floats, scheme, data if used else None, **settings)
    return Result(found, path.stat().st_size, len(found.model.to_bytes()), _compared(floats, found.model, data))


def check_outputs(scheme: str, output: Path, calibration: Path | None) -> None:
    """Raise :class:`ArgumentError` where nothing could be written at last."""
    check_folder(output, calibration)
    if calibration is not None and scheme in WEIGHTS:
        raise ArgumentError(f"--save-calibration: {scheme} measures no ranges")


def write(result: Result, output: Path, calibration: Path | None) -> None:
    """Write the model, and the ranges if a path is given for them."""
    if calibration is not None and result.found.calibration is not None:
        result.found.calibration.save(calibration)
    result.found.model.save(output)


def patterns(texts: Sequence[str]) -> list[str | int]:
    """Operators to leave out: digits alone are an operator's number."""
    return [int(text) if text.isdecimal() else text for text in texts]


def samples(files: Sequence[str]) -> Any:
    """Arrays (N, ...) for the inputs, by name or in order; None without files."""
    arrays = list(load_all(files))
    if not arrays:
        return None
    named = {name: array for name, array in arrays if name is not None}
    if len(named) == len(arrays):
        return next(iter(named.values())) if len(named) == 1 else named
    if len(arrays) > 1:
        raise ArgumentError("give the inputs' names where there are several files: --data NAME=FILE")
    return arrays[0][1]


def _compared(floats: Model, written: Model, data: Any) -> Comparison | None:
    if data is None:
        return None
    return compare(with_float32_constants(floats), written, data, isolated=False, samples=COMPARED)


def describe(result: Result) -> Iterator[Section]:
    """Sizes, operators by what became of them, those left float and why, the worst tensors, the findings."""
    yield f"{result.before:,} bytes became {result.after:,} ({result.before / result.after:.2f} times smaller)", []
    decisions = result.found.decisions
    if decisions:
        counts = Counter(d.scheme for d in decisions)
        yield "Operators", [f"{count} x {scheme}" for scheme, count in counts.most_common()]
    left = [d for d in decisions if d.scheme == FLOAT]
    if left:
        rows = [(str(d.operator), d.name, d.reason) for d in left]
        yield "Left float", _fitted(rows)
    if result.compared is not None:
        yield from _worst(result.compared)
    if result.found.calibration is not None and result.found.calibration.findings:
        yield "Look at the calibration", [f.message for f in result.found.calibration.findings]


def _worst(found: Comparison) -> Iterator[Section]:
    ordered = [t for t in found.worst(by="accumulated") if t.op and t.accumulated.different][:WORST]
    if ordered:
        lines = [(f"{t.accumulated.sqnr:.1f} dB", t.op, _short(t.tensor)) for t in ordered]
        yield (
            f"Tensors with the most noise, over {found.samples} samples",
            _fitted([("SQNR", "operator", "tensor"), *lines]),
        )


def _fitted(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Aligned columns within :data:`WIDTH`: what is too long in the last one loses its middle."""
    room = WIDTH - sum(max(len(row[i]) for row in rows) + 2 for i in (0, 1))
    return columns([(first, second, _without_middle(last, room)) for first, second, last in rows], right=(0,))


def _without_middle(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    end = (room - 3) // 2
    return f"{text[: room - 3 - end]}...{text[-end:]}"


def _short(name: str) -> str:
    """The first of the names that a converter joined with semicolons."""
    first, _, rest = name.partition(";")
    return f"{first}; ..." if rest else first
