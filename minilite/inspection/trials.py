"""A float model with some operators quantized, measured against itself as it was: on the same samples, many times.

An *assignment* says which scheme each operator has. A trial quantizes the model by ranges that are known, runs it, and
compares the outputs with the float model's. Of one output, over all samples,

    noise = sum of (x - y)**2 / sum of x**2        SQNR = -10 log10(noise)  dB

x the float model's values and y the other's; of several outputs the noise is the mean. Trials do not depend on one
another: an executor's workers make them, each with the model, the samples and the float outputs it keeps.
"""

from __future__ import annotations

import math
import pickle
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minilite.interpreter import Interpreter
from minilite.model import Model
from minilite.quantization.executing import Sender
from minilite.quantization.recording import settled
from minilite.quantization.representative import Sample
from minilite.quantization.schemes import STATIC, as_litert
from minilite.quantization.selecting import Pattern
from minilite.quantization.static_model import FLOAT, Decision, quantize_static
from minilite.reader import read

Place = tuple[int, int]
"""A subgraph and an operator in it."""
Assignment = Mapping[Place, str]
"""The scheme of every operator: one of :data:`minilite.quantization.schemes.STATIC`, or ``"float32"``."""
Array = np.ndarray
Score = Callable[[list[list[Array]]], float]
"""How good outputs are, the more the better: from the arrays of each output of each sample."""


@dataclass(frozen=True)
class Measure:
    """What a trial found. ``noise`` and ``sqnr`` are against the float model; ``agreement`` is the share of rows in
    which the first output has its largest value at the same place, None where it is no matrix; ``score`` is the
    caller's, None without."""

    noise: float
    agreement: float | None = None
    score: float | None = None

    @property
    def sqnr(self) -> float:
        """In dB; infinite where outputs are equal."""
        if self.noise == 0:
            return math.inf
        return -10 * math.log10(self.noise) if self.noise < math.inf else -math.inf

    @property
    def quality(self) -> float:
        """What is compared: the score where there is one, else the SQNR."""
        return self.sqnr if self.score is None else self.score


@dataclass(frozen=True)
class Outcome:
    """A trial's measure, the scheme that each operator really has, and the bytes of the constants in the model."""

    measure: Measure
    schemes: dict[Place, str]
    size: int


@dataclass(frozen=True, eq=False)
class Setup:
    """What all trials share: a float model as a file has it, the ranges, and the samples to compare on."""

    content: bytes
    ranges: dict[tuple[int, int], tuple[float, float]]
    samples: tuple[Sample, ...]
    litert: bool = False
    per_channel: bool = True
    kernels: str = "reference"
    engine: str = "auto"
    outputs: bool = False


def constants(model: Model) -> int:
    """The bytes of the constants that a model's tensors refer to, each counted once."""
    used = {t.buffer for graph in model.subgraphs for t in graph.tensors}
    return sum(0 if (data := model.buffers[i].data) is None else data.size for i in used)


def assigned(setup: Setup, model: Model, assignment: Assignment, **types: str) -> tuple[Model, list[Decision]]:
    """The model quantized by an assignment, and what became of each operator that holds floats."""
    names = [name for name in dict.fromkeys(assignment.values()) if name != FLOAT]
    base = STATIC[names[0] if names else "int8"]
    scheme = as_litert(base) if setup.litert else base
    schemes: dict[Pattern, str] = {place: name for place, name in assignment.items() if name != base.name}
    return quantize_static(model, scheme, setup.ranges, per_channel=setup.per_channel, schemes=schemes, **types)


class Bench:
    """Makes trials, one after the other."""

    def __init__(self, setup: Setup):
        self.setup, self.model = setup, read(setup.content)
        self.expected = list(self._run(self.model))

    def trial(self, assignment: Assignment) -> tuple[Outcome, list[list[Array]]]:
        """The outcome, and the outputs if the setup asks for them."""
        written, decisions = assigned(self.setup, self.model, assignment)
        schemes = {(d.subgraph, d.operator): d.scheme for d in decisions}
        sums, outputs = _Sums(), []
        for exact, found in zip(self.expected, self._run(written), strict=True):
            sums.add(exact, found)
            outputs += [found] if self.setup.outputs else []
        return Outcome(sums.measure(), schemes, constants(written)), outputs

    def _run(self, model: Model) -> Iterator[list[Array]]:
        interpreter = Interpreter(model, kernels=self.setup.kernels, engine=settled(self.setup.engine))
        for sample in self.setup.samples:
            session = interpreter._session(sample.subgraph)
            session.feed(sample.arrays)
            session.invoke()
            yield [np.array(session.array(t)) for t in model.subgraphs[sample.subgraph].outputs]


class _Sums:
    """Sums over samples, output by output."""

    def __init__(self) -> None:
        self.signal: dict[int, float] = {}
        self.error: dict[int, float] = {}
        self.rows = self.agreeing = 0

    def add(self, exact: Sequence[Array], found: Sequence[Array]) -> None:
        for i, (x, y) in enumerate(zip(exact, found, strict=True)):
            if x.dtype.kind == "f":
                self._add(i, x.astype(np.float64), y.astype(np.float64))
        if exact and exact[0].dtype.kind == "f" and exact[0].ndim == 2 and exact[0].shape[1] > 1:
            self.rows += len(exact[0])
            same = exact[0].shape == found[0].shape  # shapes may depend on values
            self.agreeing += int((exact[0].argmax(1) == found[0].argmax(1)).sum()) if same else 0

    def _add(self, output: int, x: Array, y: Array) -> None:
        error = float(((x - y) ** 2).sum()) if x.shape == y.shape else math.inf
        self.signal[output] = self.signal.get(output, 0.0) + float((x**2).sum())
        self.error[output] = self.error.get(output, 0.0) + (error if math.isfinite(error) else math.inf)

    def measure(self) -> Measure:
        parts = [_ratio(self.error[i], self.signal[i]) for i in self.error]
        noise = sum(parts) / len(parts) if parts else 0.0
        return Measure(noise, self.agreeing / self.rows if self.rows else None)


def _ratio(error: float, signal: float) -> float:
    if error == 0:
        return 0.0
    return error / signal if signal else math.inf


# ---- many of them ----------------------------------------------------------------------------------------------------


@dataclass
class Trials:
    """Measures assignments here or in an executor's workers, and remembers what it measured."""

    setup: Setup
    score: Score | None = None
    executor: Executor | None = None
    progress: bool = False
    known: dict[frozenset[tuple[Place, str]], Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        content = pickle.dumps(self.setup)
        self._bench = Bench(self.setup) if self.executor is None else None
        self._sender = None if self.executor is None else Sender(self.executor, content, try_out, "the measurement")

    def outcome(self, assignment: Assignment) -> Outcome:
        """The outcome of one assignment."""
        return self.outcomes([assignment])[0]

    def outcomes(self, assignments: Iterable[Assignment], what: str = "Measuring") -> list[Outcome]:
        """The outcomes of assignments, in their order."""
        wanted = [(frozenset(a.items()), dict(a)) for a in assignments]
        new = {key: a for key, a in wanted if key not in self.known}
        with shown(self._made(list(new.values())), len(new), what, self.progress) as made:
            for key, (outcome, outputs) in zip(new, made, strict=True):
                self.known[key] = self._scored(outcome, outputs)
        return [self.known[key] for key, _ in wanted]

    def _made(self, assignments: list[dict[Place, str]]) -> Iterator[tuple[Outcome, list[list[Array]]]]:
        if self._sender is not None:
            return self._sender.results((a,) for a in assignments)
        assert self._bench is not None
        return map(self._bench.trial, assignments)

    def _scored(self, outcome: Outcome, outputs: list[list[Array]]) -> Outcome:
        if self.score is None:
            return outcome
        measure = outcome.measure
        return Outcome(
            Measure(measure.noise, measure.agreement, float(self.score(outputs))), outcome.schemes, outcome.size
        )


@contextmanager
def shown(results: Iterator[Any], count: int, what: str, progress: bool) -> Iterator[Iterable[Any]]:
    """The results; with a bar on stderr that moves as they are taken, if that is a terminal."""
    if not progress or not count or not sys.stderr.isatty():
        yield results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = what, BarColumn(), MofNCompleteColumn(), "models", TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar.track(results, total=count)


# ---- in the workers --------------------------------------------------------------------------------------------------

_LOCAL = threading.local()
"""Each thread's latest bench, by the setup's digest."""


def try_out(
    digest: str, content: bytes | None, assignment: dict[Place, str]
) -> tuple[Outcome, list[list[Array]]] | None:
    """Make a trial; None when this worker has no bench of that setup yet and was not sent it."""
    bench = getattr(_LOCAL, "benches", {}).get(digest)
    if bench is None:
        if content is None:
            return None
        bench = Bench(pickle.loads(content))
        _LOCAL.benches = {digest: bench}
    return bench.trial(assignment)
