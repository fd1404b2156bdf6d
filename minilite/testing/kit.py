"""What a test of a runtime needs: rows to choose from, cases to draw, one call that compares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from minilite.ops import OPS
from minilite.spec import Definition, Op
from minilite.testing.comparison import relative_to_range, steps_apart, ulps_apart
from minilite.testing.one_operator import OneOperator, alike, build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

FLOAT_LIMIT = {2: 2e-3, 4: 1e-5, 8: 1e-5}
"""How far floats may be apart where sums may be added in any order, by bytes: a share of the largest magnitude."""


class Unsupported(Exception):
    """Raised by a :class:`Runtime` for a model that it does not take. Such a case counts for nothing."""


class Difference(AssertionError):
    """A runtime's results are not the kernel set's."""


class Runtime(Protocol):
    """What is tested: something that computes a model."""

    def run(self, model: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs of one invoke of a .tflite file, in the order of its outputs.

        Raises :class:`Unsupported` for a model that the runtime does not take."""
        ...


@dataclass(frozen=True, eq=False)
class Row:
    """An operator with one combination of types, such as ``CONV_2D int8``."""

    op: Op
    definition: Definition

    def __str__(self) -> str:
        return f"{self.op.name} {self.definition.label}"

    __repr__ = __str__  # what Hypothesis prints before a case

    def __iter__(self) -> Iterator[Any]:
        """Operator and definition, to be unpacked."""
        return iter((self.op, self.definition))


def rows(pattern: str = "") -> list[Row]:
    """Every row whose name, such as ``"CONV_2D int8"``, begins with a match of the regular expression."""
    every = [op for row in OPS.values() for op in (row, *row.kinds)]
    unique = {(op.name, d.label): Row(op, d) for op in every for d in reversed(op.definitions)}
    found = [unique[key] for key in sorted(unique)]
    return [row for row in found if not pattern or re.match(f"(?:{pattern})(?![A-Z0-9_])", str(row))]


def cases(row: Row) -> SearchStrategy[OneOperator]:
    """A Hypothesis strategy for valid cases of a row. Needs ``hypothesis``."""
    from minilite.testing.strategies import one_operator

    return one_operator(row.op, row.definition)


def seeded_case(row: Row, seed: int) -> OneOperator:
    """The same case for the same seed and version of minilite, without Hypothesis."""
    draw = SeededDraw(seed)
    definition = alike(draw, row.op, row.definition)
    return build(draw, row.op, definition, row.op.cases(draw, definition))


def check(runtime: Runtime, case: OneOperator, kernels: str = "reference", steps: int = 0) -> None:
    """Compute a case with the runtime and with a kernel set, and compare the first invoke.

    Integers must be equal, or at most ``steps`` apart. Floats must be within the row's ULP in ``reference`` and within
    1e-5 of the range elsewhere (float16: 2e-3). Raises :class:`Difference` saying where and by how much. A case that
    the runtime says it does not support is left out (under Hypothesis, as if it had not been drawn)."""
    try:
        found = runtime.run(case.content, case.inputs)
    except Unsupported:
        _leave_out()
        return
    wanted = compute(case.model, kernels, case.inputs)
    if len(found) != len(wanted):
        raise Difference(f"{len(found)} outputs, expected {len(wanted)}.\n{case!r}")
    for position, (got, want) in enumerate(zip(found, wanted, strict=True)):
        said = difference(np.asarray(got), want, kernels, case.definition, case.terms, steps)
        if said:
            raise Difference(f"output {position} of {case.node.op}, kernel set {kernels!r}: {said}\n{case!r}")


def _leave_out() -> None:
    try:
        from hypothesis import currently_in_test_context, reject
    except ImportError:
        return
    if currently_in_test_context():
        reject()


def difference(
    got: np.ndarray, want: np.ndarray, kernels: str, definition: Definition, terms: float = 0.0, steps: int = 0
) -> str:
    """What is wrong with a result, or nothing. See :func:`check`."""
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}."
    if want.dtype.kind in "SO":  # a scalar string may come as bytes
        return "" if got.tolist() == want.tolist() else f"\n{got}\nexpected\n{want}"
    if got.dtype != want.dtype:
        return f"type {got.dtype}, expected {want.dtype}."
    if want.dtype.kind in "iub":
        apart = steps_apart(got, want)
        return f"{apart} steps apart.{_where(got, want)}" if apart > steps else ""
    return _floats_differ(got, want, kernels, definition, terms)


def _floats_differ(got: np.ndarray, want: np.ndarray, kernels: str, definition: Definition, terms: float) -> str:
    with np.errstate(invalid="ignore"):  # infinities
        close = np.abs(got.astype(np.complex128) - want) <= definition.atol
    if kernels == "reference" and got.dtype.kind == "f":
        ulps = ulps_apart(got, want)
        wrong = (ulps > definition.ulp) & ~close
        return f"{ulps[wrong].max()} ULP apart.{_where(got, want)}" if wrong.any() else ""
    apart = relative_to_range(got, want, terms)
    limit = FLOAT_LIMIT[got.real.dtype.itemsize]
    return f"{apart:.2g} of the range apart.{_where(got, want)}" if apart > limit and not close.all() else ""


def _where(got: np.ndarray, want: np.ndarray) -> str:
    index = tuple(map(int, np.argwhere(got != want)[0])) if np.any(got != want) else ()
    return f" First at {index}: got {got[index]}, expected {want[index]}."
