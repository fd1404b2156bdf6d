"""Where a model's time goes, operator by operator: what ``minilite profile`` shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from minilite.commands.run import draw_all
from minilite.errors import ArgumentError
from minilite.inspection.macs import macs
from minilite.interpreter import Interpreter
from minilite.resolve import Step
from minilite.spec import Node


@dataclass(frozen=True)
class Timing:
    """A step's time, the least of several runs, in seconds; what computes it (``numba`` or ``numpy``; ``fused`` where
    other steps do); and its multiply-accumulates, 0 where there are none to count."""

    node: Node
    engine: str
    seconds: float
    macs: int

    @property
    def gops(self) -> float:
        """Billions of operations a second, two for each multiply-accumulate."""
        return 2e-9 * self.macs / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Profile:
    """The steps in their order, and the time of ``invoke()`` as a whole, in seconds.

    Steps are timed one by one, each with the call that starts it (a microsecond or less)."""

    steps: list[Timing]
    seconds: float


def profile(interpreter: Interpreter, repeat: int = 20) -> Profile:
    """Time every step of an interpreter whose inputs are set."""
    interpreter.invoke()
    session = interpreter._main
    plan = session.plan
    least: dict[int, tuple[str, float]] = {}
    for _ in range(repeat):
        with np.errstate(all="ignore"):
            for step, engine, seconds in plan.timed(dict(session.values), session.keep):
                before = least.get(id(step), (engine, seconds))[1]
                least[id(step)] = engine, min(seconds, before)
    steps = [_timing(step, *least.get(id(step), ("fused", 0.0))) for step in plan.schedule]
    return Profile(steps, min(_seconds(interpreter) for _ in range(repeat)))


def _seconds(interpreter: Any) -> float:
    start = time.perf_counter()
    interpreter.invoke()
    return time.perf_counter() - start


def _timing(step: Step, engine: str, seconds: float) -> Timing:
    inputs = [None if i is None else i.shape for i in step.node.inputs]
    count = macs(step.node.op, step.node.options, inputs, [o.shape for o in step.node.outputs])
    return Timing(step.node, engine, seconds, count or 0)


def rows(found: Profile) -> Iterator[tuple[str, ...]]:
    """The rows of a table: index, operator, output shape, time, share, GOP/s, engine."""
    total = sum(t.seconds for t in found.steps) or 1.0
    for timing in found.steps:
        share = timing.seconds / total
        shape = "x".join(map(str, timing.node.outputs[0].shape)) if timing.node.outputs else ""
        rate = f"{timing.gops:.1f}" if timing.macs and timing.seconds else ""
        yield (
            str(timing.node.index),
            timing.node.op,
            shape,
            f"{timing.seconds * 1e6:,.1f}",
            f"{share:.1%}",
            rate,
            timing.engine,
        )


def measure(
    interpreter: Interpreter, model: Path, kernels: str, threads: int, repeat: int, seed: int, against: str | None
) -> tuple[Profile, float | None]:
    """The profile on random inputs; and the seconds of LiteRT's own run of the same, in turn with ours."""
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    drawn = draw_all(details, seed, interpreter._program.limits)
    arrays = {d["index"]: array for d, array in zip(details, drawn, strict=True)}
    for index, array in arrays.items():
        interpreter.set_tensor(index, array)
    found = profile(interpreter, repeat)
    return found, _litert(model, kernels, threads, repeat, arrays) if against else None


RESOLVERS = {"reference": "BUILTIN_REF", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "BUILTIN"}


def _litert(model: Path, kernels: str, threads: int, repeat: int, arrays: dict[int, np.ndarray]) -> float:
    """LiteRT's time in its mode of a kernel set. Raises :class:`ArgumentError` where it is not installed."""
    if kernels not in RESOLVERS:
        raise ArgumentError(f"LiteRT has no mode that is kernel set {kernels!r}; there are: {', '.join(RESOLVERS)}")
    try:
        from ai_edge_litert import interpreter as litert
    except ImportError as error:
        raise ArgumentError(f"--against litert needs LiteRT ({error}). Install the package ai-edge-litert.") from error
    resolver = getattr(litert.OpResolverType, RESOLVERS[kernels])
    theirs = litert.Interpreter(str(model), num_threads=threads, experimental_op_resolver_type=resolver)
    theirs.allocate_tensors()
    for index, array in arrays.items():
        theirs.set_tensor(index, array)
    theirs.invoke()
    return min(_seconds(theirs) for _ in range(repeat))


def show(console: Console, found: Profile, theirs: float | None) -> None:
    """A table of all steps, and the sums under it."""
    table = Table(box=None, pad_edge=False)
    for name in ("#", "operator", "output", "us", "share", "GOP/s", "engine"):
        table.add_column(name, justify="left" if name in ("operator", "output", "engine") else "right")
    for row in rows(found):
        table.add_row(*map(escape, row))
    console.print(table)
    console.print(f"invoke: {found.seconds * 1e6:,.1f} us", soft_wrap=True)
    if theirs is not None:
        ratio = theirs / found.seconds
        console.print(f"LiteRT: {theirs * 1e6:,.1f} us, {ratio:.2f} times minilite's", soft_wrap=True)
