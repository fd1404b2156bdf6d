"""What sensitivity and mixed precision begin with: a float model, calibrated once, and what to compare on."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from minilite.errors import ArgumentError
from minilite.inspection.trials import Assignment, Place, Score, Setup, Trials, assigned
from minilite.model import Model
from minilite.quantization.arguments import is_method
from minilite.quantization.calibration import Calibration
from minilite.quantization.graph import Graph, graph
from minilite.quantization.quantizer import Ranges, calibrated
from minilite.quantization.representative import RepresentativeDataset
from minilite.quantization.source import as_model, check_float, with_float32_constants
from minilite.quantization.static_model import Decision


@dataclass(frozen=True)
class Comparing:
    """How trials are made: ranges, what is compared and by what, where. See :func:`minilite.sensitivity`."""

    calibration: str | Calibration | os.PathLike[str]
    ranges: Ranges | None
    per_channel: bool
    score: Score | None
    samples: int
    kernels: str
    engine: str
    executor: Executor | None
    progress: bool


@dataclass(frozen=True)
class Prepared:
    """A calibrated float model and its trials."""

    model: Model
    calibration: Calibration
    setup: Setup
    trials: Trials

    @cached_property
    def graphs(self) -> list[Graph]:
        """The model's subgraphs as the quantizer sees them."""
        return [graph(self.model, i) for i in range(len(self.model.subgraphs))]

    def uniform(self, scheme: str) -> Assignment:
        """The same scheme for every operator."""
        return {(g.index, n.index): scheme for g in self.graphs for n in g.nodes}

    def written(self, assignment: Assignment, types: Mapping[str, str] | None = None) -> tuple[Model, list[Decision]]:
        """The model by an assignment, and what became of each operator."""
        return assigned(self.setup, self.model, assignment, **(types or {}))

    def name(self, place: Place) -> str:
        """The operator's name."""
        return self.graphs[place[0]].nodes[place[1]].name


def prepared(model: Model | bytes | str | os.PathLike[str], data: Any, scheme: str, how: Comparing) -> Prepared:
    """Calibrate a float model for a scheme, and make ready for trials."""
    floats = with_float32_constants(as_model(model))
    check_float(floats)
    if how.samples < 1:
        raise ArgumentError(f"samples: expected 1 or more to compare on, got {how.samples}.")
    if data is None:
        raise ArgumentError("outputs are compared on samples: give data, even where ranges are known.")
    measured = data if is_method(how.calibration) else None
    found = calibrated(floats, scheme, measured, how.calibration, how.ranges, how.executor, how.progress)
    samples = tuple(itertools.islice(RepresentativeDataset(floats, data), how.samples))
    if how.score is None:
        _check_outputs(floats, {sample.subgraph for sample in samples})
    setup = Setup(
        floats.to_bytes(),
        dict(found.ranges),
        samples,
        found.method == "ema",
        how.per_channel,
        how.kernels,
        how.engine,
        how.score is not None,
    )
    return Prepared(floats, found, setup, Trials(setup, how.score, how.executor, how.progress))


def _check_outputs(model: Model, subgraphs: set[int]) -> None:
    types = {str(model.subgraphs[s].tensors[t].type) for s in subgraphs for t in model.subgraphs[s].outputs}
    if not types & {"FLOAT32", "FLOAT16", "FLOAT64"}:
        raise ArgumentError(
            f"the model's outputs are {', '.join(sorted(types))}: there is no SQNR of what is no real number. Give "
            "score=, a function of the outputs that says how good they are."
        )
