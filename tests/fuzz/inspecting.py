"""The target ``inspection``: a model is explained, compared, taken apart, counted, reported and stepped through."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import warnings
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
from rich.console import Console

import minilite
from minilite.commands import compare as compare_command
from minilite.inspection import report, report_contents
from minilite.model import Model
from minilite.quantization.inputs import Inputs
from minilite.quantization.lint import CalibrationWarning
from minilite.spec import DTYPES
from tests.fuzz.mutants import inputs_for

FEW = 8
"""Operators of a model that is worth measuring one by one."""


@dataclasses.dataclass
class Inspected:
    """A model, two kernel sets, and one sample for it as ``minilite.run`` and as representative data."""

    model: Model
    random: Random
    kernels: tuple[str, str]
    signature: str | None
    named: list[tuple[str, np.ndarray]]

    @property
    def arrays(self) -> list[np.ndarray]:
        return [array for _, array in self.named]

    @property
    def samples(self) -> list[Any]:
        return [self.arrays if self.signature is None else (self.signature, self.arrays)]

    @property
    def inputs(self) -> Any:
        return self.arrays if self.signature is None else dict(self.named)

    @property
    def operator(self) -> int:
        return self.random.randrange(max(len(self.model.subgraphs[0].operators), 1) if self.model.subgraphs else 1)


def inspection(content: bytes, kernel_sets: tuple[str, ...], limits: minilite.Limits) -> None:
    """Everything that takes a model apart. What meets a limit is not: what inspects has the limits of every day."""
    model, random = minilite.read(content), Random(zlib.crc32(content))
    kernels = random.choice(kernel_sets), random.choice(kernel_sets)
    inspected = Inspected(model, random, kernels, *drawn(model, random))
    with contextlib.suppress(minilite.Error):
        tensor(inspected)
    if meets_a_limit(inspected, limits):
        return
    for look in looks(inspected):
        with contextlib.suppress(minilite.Error):
            look(inspected)


def drawn(model: Model, random: Random) -> tuple[str | None, list[tuple[str, np.ndarray]]]:
    """One of the signatures, if there are any, and values for its inputs by name, in the model's order."""
    key = random.choice(model.signatures).key or "" if model.signatures else None
    try:
        entered = Inputs.of(model, key)
    except IndexError:  # for minilite itself, signatures and models have been looked at by then
        return None, []
    declared = [(i, entered.tensor(i)) for i in dict.fromkeys(entered.indices)]
    details = [
        {"index": i, "shape": t.shape or (), "dtype": DTYPES.get(str(t.type).lower(), np.object_)} for i, t in declared
    ]
    variable = {i for i, t in declared if t.is_variable}  # which begin anew in what compares
    return key, [(entered.name(i), array * (i not in variable)) for i, array in inputs_for(details, 0)]


def meets_a_limit(i: Inspected, limits: minilite.Limits) -> bool:
    """Whether a run takes more than the fuzzer has."""
    try:
        minilite.run(
            minilite.Interpreter(i.model, kernels=i.kernels[0], engine="numpy", limits=limits),
            i.inputs,
            signature=i.signature,
        )
    except minilite.Error as error:
        return any(limit.name in str(error) for limit in dataclasses.fields(limits))
    return False


def looks(inspected: Inspected) -> Iterator[Callable[[Inspected], object]]:
    """What is cheap, and one of what is not."""
    yield from (operator, compared, carved, counted, stepped)
    if len(inspected.model.subgraphs) and len(inspected.model.subgraphs[0].operators) <= FEW:
        yield inspected.random.choice((reported, measured))


def tensor(i: Inspected) -> None:
    tensors = i.model.subgraphs[0].tensors if i.model.subgraphs else ()
    told(minilite.explain(i.model, f"tensor {i.random.randrange(max(len(tensors), 1))}", kernels=i.kernels[0]))


def operator(i: Inspected) -> None:
    inputs = i.arrays if i.random.random() < 0.9 else None
    told(minilite.explain(i.model, i.operator, inputs, kernels=i.kernels[0], signature=i.signature))


def told(found: Any) -> None:
    str(found)
    found._repr_html_()


def compared(i: Inspected) -> None:
    found = minilite.compare(
        i.model, i.model, i.samples, kernels=i.kernels[0], against=i.kernels[1], engine="numpy", isolated=True
    )
    compare_command.show(Console(file=io.StringIO()), found)
    json.loads(compare_command.to_json(found))
    found._repr_html_()


def carved(i: Inspected) -> None:
    ends = sorted((i.operator, i.operator))
    inputs = i.samples if i.random.random() < 0.7 else None
    found = minilite.carve(i.model, range(ends[0], ends[1] + 1), inputs=inputs, kernels=i.kernels[0])
    again = minilite.read(found.model.to_bytes())
    if found.arrays:
        minilite.run(minilite.Interpreter(again, kernels=i.kernels[0], engine="numpy"), list(found.arrays.values()))


def counted(i: Inspected) -> None:
    told(minilite.overflow(i.model, i.samples, kernels=i.kernels[0], engine="numpy", signature=i.signature))


def stepped(i: Inspected) -> None:
    debugger = minilite.Debugger(i.model, i.inputs, i.kernels[0], signature=i.signature)
    for _ in range(3):
        debugger.step()
    debugger.back()


def reported(i: Inspected) -> None:
    found = report_contents.contents(i.model, i.model, i.samples, i.kernels[0], "numpy", 1, ())
    report.shown(found, 1)


def measured(i: Inspected) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # of few samples, as is said on purpose
        minilite.sensitivity(i.model, i.samples, kernels=i.kernels[0], engine="numpy", samples=1, progress=False)
