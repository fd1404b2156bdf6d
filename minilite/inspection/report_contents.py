"""What a report says, as plain data: :func:`contents` measures it, :mod:`minilite.inspection.report` shows it."""

from __future__ import annotations

import math
import os
import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minilite import __version__
from minilite.constants import constant_array
from minilite.inspection.alignment import inputs
from minilite.inspection.compare import Compared, Comparison, compare
from minilite.inspection.measuring import Difference
from minilite.inspection.overflow import OperatorOverflow, Overflow, overflow
from minilite.inspection.overflow_findings import Finding
from minilite.inspection.reals import grid_of
from minilite.inspection.recorded import Recorded
from minilite.inspection.sources import Key, Minilite, source
from minilite.inspection.summary import OperatorSummary, Summary, summarize
from minilite.model import Model, Tensor
from minilite.quantization.inputs import Inputs
from minilite.quantization.lint import Finding as LintFinding
from minilite.quantization.representative import Sample


@dataclass(frozen=True)
class Row:
    """An operator of the quantized model. ``compared`` is its result with the least SQNR, None where the float model
    has no counterpart; ``inputs`` are the operators (or the model's inputs, as tensors' keys) that it reads from."""

    key: Key
    summary: OperatorSummary
    tensor: str
    output: Tensor
    compared: Compared | None
    overflow: OperatorOverflow | None
    findings: tuple[Finding, ...]
    constant_bytes: int

    @property
    def id(self) -> str:
        return f"op-{self.key[0]}-{self.key[1]}"

    @property
    def number(self) -> str:
        """``"5"``; ``"1:5"`` in another subgraph than the first."""
        return str(self.key[1]) if self.key[0] == 0 else f"{self.key[0]}:{self.key[1]}"

    @property
    def isolated(self) -> Difference | None:
        return None if self.compared is None else self.compared.isolated

    @property
    def accumulated(self) -> Difference | None:
        return None if self.compared is None else self.compared.accumulated

    @property
    def hints(self) -> tuple[str, ...]:
        """What may be wrong with its scales, and is not among the findings."""
        said = {f.message for f in self.findings}
        return () if self.compared is None else tuple(h for h in self.compared.hints if h not in said)

    @property
    def worth(self) -> float:
        """What rows are ordered by, the worst first: isolated SQNR, or accumulated where there is none."""
        found = self.isolated or self.accumulated
        return math.inf if found is None or math.isnan(found.sqnr) else found.sqnr


@dataclass(frozen=True)
class Contents:
    """All that is in a report. ``worst`` are rows in the order of their own error, only those that make any."""

    a: Recorded
    b: Recorded
    comparison: Comparison
    overflow: Overflow
    summary: Summary
    rows: tuple[Row, ...]
    worst: tuple[Row, ...]
    sizes: tuple[int, int]
    lint: tuple[LintFinding, ...]
    settings: tuple[tuple[str, str], ...]
    kernels: str


@np.errstate(all="ignore")  # a damaged file's scales may be anything
def contents(
    float_model: Any,
    quantized_model: Any,
    data: Any,
    kernels: str,
    engine: str,
    samples: int | None,
    lint: Iterable[LintFinding],
) -> Contents:
    """Run both models on the data and measure; see :func:`minilite.inspection.report.report`."""
    first = source(float_model, kernels, engine)
    a, b = Recorded(first), Recorded(source(quantized_model, kernels, engine, same_as=first))
    whose = b.inner.kernels if isinstance(b.inner, Minilite) else kernels
    compared = compare(a, b, data, samples=samples)
    counted = overflow(b.model, _given(a, b), kernels=whose, engine=engine)
    summary = summarize(b.model)
    rows = tuple(_rows(b.model, summary, compared, counted))
    worst = sorted((r for r in rows if r.worth < math.inf), key=lambda r: r.worth)
    sizes = _size(float_model, a.model), _size(quantized_model, b.model)
    settings = _settings(a, b, kernels, engine, compared.samples, a.model is b.model)
    return Contents(a, b, compared, counted, summary, rows, tuple(worst), sizes, tuple(lint), tuple(settings), whose)


def _given(a: Recorded, b: Recorded) -> list[Any]:
    """The samples for ``b``: real numbers, where ``a`` has such, so that those beyond the grids of inputs are seen."""
    found = []
    for theirs, ours in zip(a.samples, b.samples, strict=True):
        arrays = dict(ours.arrays)
        for j, i in inputs(a.model, b.model, ours.subgraph).items():
            if theirs.arrays[i].dtype.kind == "f":
                arrays[j] = theirs.arrays[i]
        found.append(_as_data(b.model, Sample(ours.subgraph, arrays)))
    return found


def given_to(side: Recorded) -> list[Any]:
    """The samples that one side was given, as representative data."""
    return [_as_data(side.model, sample) for sample in side.samples]


def _as_data(model: Model, sample: Sample) -> Any:
    """A sample as representative data: arrays in the model's order, for its signature if there is one."""
    for signature in model.signatures:
        key = signature.key or ""
        entered = Inputs.of(model, key)
        if entered.subgraph == sample.subgraph:
            return key, [sample.arrays[t] for t in entered.indices]
    return [sample.arrays[t] for t in model.subgraphs[sample.subgraph].inputs]


def _rows(model: Model, summary: Summary, compared: Comparison, counted: Overflow) -> Iterable[Row]:
    counts = {o.key: o for o in counted.operators}
    found: dict[Key, Compared] = {}
    for one in compared.tensors:
        if one.operator is not None and (one.operator not in found or _sqnr(one) < _sqnr(found[one.operator])):
            found[one.operator] = one
    for graph in summary.subgraphs:
        tensors = model.subgraphs[graph.index].tensors
        for operator in graph.operators:
            key = graph.index, operator.index
            result = found[key].b[1] if key in found else next((t for t in operator.outputs if t >= 0), None)
            output = Tensor() if result is None else tensors[result]
            yield Row(
                key,
                operator,
                output.name or ("" if result is None else f"tensor {result}"),
                output,
                found.get(key),
                counts.get(key),
                tuple(f for f in counted.findings if f.key == key),
                sum(
                    {
                        graph.tensors[t].buffer: graph.tensors[t].constant_bytes for t in operator.inputs if t >= 0
                    }.values()
                ),
            )


def _sqnr(row: Compared) -> float:
    found = row.isolated or row.accumulated
    return math.inf if math.isnan(found.sqnr) else found.sqnr


def _size(given: Any, model: Model) -> int:
    """Bytes of a file."""
    if isinstance(given, str | os.PathLike) and Path(given).is_file():
        return Path(given).stat().st_size
    return len(given if isinstance(given, bytes) else model.to_bytes())


def _settings(
    a: Recorded, b: Recorded, kernels: str, engine: str, samples: int, same: bool
) -> Iterable[tuple[str, str]]:
    yield ("yardstick" if same else "float model"), a.name
    yield ("compared with it" if same else "quantized model"), b.name
    yield "scheme", scheme(b.model)
    yield "kernel set", kernels
    yield "engine", engine
    yield "samples", str(samples)
    yield "minilite", __version__
    yield "NumPy", np.__version__
    yield "Python", f"{platform.python_version()} on {platform.machine()}"


def scheme(model: Model) -> str:
    """What the operators' results and constants are made of: ``"results INT8 ×9; weights INT8 per channel ×4"``."""
    results, weights = Counter[str](), Counter[str]()
    for graph in model.subgraphs:
        computed = {t for o in graph.operators for t in o.outputs or () if t >= 0}
        results.update(str(graph.tensors[t].type) for t in computed)
        used = {t for o in graph.operators for t in o.inputs or () if t >= 0} - computed
        weights.update(_granularity(t) for t in (graph.tensors[i] for i in used) if _is_weights(model, t))
    parts = (("results", results), ("weights", weights))
    return "; ".join(f"{n} {', '.join(f'{k} ×{c}' for k, c in kinds.most_common())}" for n, kinds in parts if kinds)


def _is_weights(model: Model, tensor: Tensor) -> bool:
    kind = str(tensor.type) in ("FLOAT32", "FLOAT16") or (grid_of(tensor) is not None and tensor.type != "INT32")
    return (
        kind and len(tensor.shape or ()) >= 2 and bool(tensor.buffer) and model.buffers[tensor.buffer].data is not None
    )


def _granularity(tensor: Tensor) -> str:
    grid = grid_of(tensor)
    return f"{tensor.type}{'' if grid is None else ' per tensor' if grid.axis is None else ' per channel'}"


def weights(found: Contents, row: Row) -> tuple[np.ndarray | None, np.ndarray, Tensor] | None:
    """An operator's weights: as reals of the float model (None where they cannot be told), as integers, and their
    tensor in the quantized model. None for an operator without quantized weights."""
    s, i = row.key
    graph = found.b.model.subgraphs[s]
    for position, read in enumerate(graph.operators[i].inputs or ()):
        t = _behind_dequantize(found.b.model, s, read)
        if t >= 0 and grid_of(graph.tensors[t]) is not None and _is_weights(found.b.model, graph.tensors[t]):
            integers = constant_array(found.b.model, graph.tensors[t], t)
            if integers is not None:
                return _float_weights(found, row, position, integers.shape), integers, graph.tensors[t]
    return None


def _behind_dequantize(model: Model, subgraph: int, tensor: int) -> int:
    """The tensor itself; of one that DEQUANTIZE makes, what it is made from."""
    graph = model.subgraphs[subgraph]
    for operator in graph.operators:
        if tensor >= 0 and tensor in (operator.outputs or ()):
            is_it = model.operator_codes[operator.opcode_index].name == "DEQUANTIZE"
            return (operator.inputs or (tensor,))[0] if is_it else tensor
    return tensor


def _float_weights(found: Contents, row: Row, position: int, shape: tuple[int, ...]) -> np.ndarray | None:
    if row.compared is None:
        return None
    s, t = row.compared.a
    graph = found.a.model.subgraphs[s]
    makers = [o for o in graph.operators if t in (o.outputs or ()) and len(o.inputs or ()) > position]
    index = (makers[-1].inputs or ())[position] if makers else -1
    if index < 0:
        return None
    value = constant_array(found.a.model, graph.tensors[index], index)
    return value if value is not None and value.shape == shape and value.dtype.kind == "f" else None
