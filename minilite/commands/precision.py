"""What ``minilite sensitivity`` and ``minilite mix`` do: samples from files, workers, and what is shown."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from minilite.commands.quantize import samples
from minilite.errors import ArgumentError
from minilite.inspection.listing import Section
from minilite.inspection.mixing import Mixed, mixed_precision
from minilite.inspection.mixing_text import of_mixed, of_sensitivity
from minilite.inspection.sensitivity import sensitivity
from minilite.quantization.lint import CalibrationWarning
from minilite.reader import read


def sensitivity_file(
    path: Path, files: Sequence[str], scheme: str, workers: int, top: int, settings: dict[str, Any]
) -> Iterator[Section]:
    """Measure the operators of a file with samples from ``[NAME=]FILE``\\ s."""
    with _quietly(workers) as executor:
        found = sensitivity(read(path), _given(files), scheme, executor=executor, **settings)
    yield from of_sensitivity(found, top or None)
    yield from _findings(found.calibration.findings)


def mix_file(
    path: Path, files: Sequence[str], candidates: str | None, workers: int, settings: dict[str, Any]
) -> tuple[Mixed, list[Section]]:
    """Search the schemes of a file's operators; what was found, and what is shown of it."""
    if candidates is not None:
        settings = {**settings, "candidates": [name.strip() for name in candidates.split(",") if name.strip()]}
    model = read(path)
    with _quietly(workers) as executor:
        found = mixed_precision(model, _given(files), executor=executor, **settings)
    names = {
        (s, i): (model.operator_codes[o.opcode_index].name, g.tensors[(o.outputs or (0,))[0]].name or "")
        for s, g in enumerate(model.subgraphs)
        for i, o in enumerate(g.operators)
    }
    return found, [*of_mixed(found, names), *_findings(found.calibration.findings)]


def _given(files: Sequence[str]) -> Any:
    data = samples(files)
    if data is None:
        raise ArgumentError("outputs are compared on samples: give some with --data.")
    return data


def _findings(findings: Sequence[Any]) -> Iterator[Section]:
    if findings:
        yield "Look at the calibration", [f.message for f in findings]


@contextmanager
def _quietly(workers: int) -> Iterator[Executor | None]:
    """Processes to measure in, None for this one; warnings of the calibration are shown from its findings."""
    pool: Any = nullcontext() if workers == 1 else ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    with warnings.catch_warnings(), pool as executor:
        warnings.simplefilter("ignore", CalibrationWarning)
        yield executor
