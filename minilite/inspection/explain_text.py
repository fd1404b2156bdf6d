"""An :class:`~minilite.inspection.explain.Explanation` as text, section by section."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

import numpy as np

from minilite.inspection.accumulators import Bounds
from minilite.inspection.arithmetic import Arithmetic, Quantized
from minilite.inspection.element import Element
from minilite.inspection.explain import Explanation, OperatorExplanation, TensorExplanation
from minilite.inspection.lines import Line, shown
from minilite.inspection.listing import Section, columns
from minilite.terminal import printable

WIDTH = 78
CONTRADICTED = "Scales in the file that contradict each other"


def text(explanation: Explanation) -> str:
    """All sections, each heading over its lines."""
    parts = ([heading, *(f"  {line}" for line in lines)] for heading, lines in sections(explanation))
    return printable("\n".join(line for part in parts for line in part))


def sections(explanation: Explanation) -> Iterator[Section]:
    """The explanation as headings and lines."""
    if explanation.tensor is not None:
        yield from _tensor(explanation.tensor)
    if explanation.operator is not None:
        yield from _operator(explanation.operator)
    if explanation.element is not None:
        yield from _element(explanation.element, explanation.kernels)


def _tensor(t: TensorExplanation) -> Iterator[Section]:
    shape = "[?]" if t.shape is None else str(list(t.shape))
    yield f"Tensor {t.key[1]}: {t.type} {shape}, {t.producer}", _wrapped(_short(t.name))
    yield "Where its scale and zero point come from", [*_wrapped(t.origin.summary), *_lines(t.origin.lines)]
    if t.contradictions:
        yield CONTRADICTED, [line for c in t.contradictions for line in _wrapped(c)]


def _operator(o: OperatorExplanation) -> Iterator[Section]:
    yield f"Operator {o.key[1]}: {o.name}", columns([(name, _short(said)) for name, said in o.operands])
    if o.contradictions:
        yield CONTRADICTED, [line for c in o.contradictions for line in _wrapped(c)]
    if o.formula:
        yield "Formula", o.formula.splitlines()
    a = o.arithmetic
    if not (a.word or a.multipliers or a.rounding):
        return
    yield f"Arithmetic in kernel set {a.kernels!r}", list(_words(a))
    if a.multipliers:
        yield (
            "Multipliers, real = s_input · s_weights / s_output" if a.accumulator else "Multipliers",
            _table(a.multipliers),
        )
    if a.accumulator is not None:
        yield "Accumulator, over all inputs that there can be", list(_bounds(a.accumulator))


def _words(a: Arithmetic) -> Iterator[str]:
    if a.kernels == "xnnpack":
        yield (
            "the XNNPACK delegate takes this node" if a.delegated else "the delegate does not take this node: builtin's"
        )
    word = a.rounding or a.word
    yield from _wrapped(f"{word}: {a.meaning}" if a.meaning else f"{word} (docs/arithmetic.md)")
    if a.clamp is not None:
        yield f"clamped to [{a.clamp[0]}, {a.clamp[1]}]"


def _table(multipliers: Iterable[Quantized]) -> list[str]:
    rows = [("", "real", "q", "e", "relative error", "worst, in steps")]
    for m in multipliers:
        stands = (f"{m.q:,}", str(m.e)) if m.q is not None and m.e is not None else ("float", "")
        worst = f"{m.rounding:.4g} rounding" + (f", {m.error:.4g} in all" if m.error is not None else "")
        rows.append((m.name, f"{m.real:.9g}", *stands, f"{m.relative:.2g}", worst))
    return columns(rows, right=(1, 2, 3, 4))


def _bounds(b: Bounds) -> Iterator[str]:
    c = b.channel
    kind = "int64" if b.wide else "int32"
    yield f"{b.terms:,} products a sum; the widest channel is {c}: {int(b.low[c]):,} to {int(b.high[c]):,}"
    yield f"{b.bits} bits with the sign, of the {64 if b.wide else 32} that accumulators of {kind} have"
    if b.bias is not None and b.bias.size:
        largest = int(b.bias[np.abs(b.bias).argmax()])
        share = "" if b.wide else f": {100 * b.bias_share:.3g} % of what int32 holds"
        yield f"the largest bias is {largest:,}{share}"
    if b.overflows:
        yield "OVERFLOW: some inputs make this accumulator wrap around"


def _element(e: Element, kernels: str) -> Iterator[Section]:
    heading = f"Why element {list(e.index)} is {shown(e.computed)}"
    if e.stepwise:
        yield f"{heading}, in kernel set {kernels!r}", _lines(e.lines)
    else:
        yield heading, ["no step-by-step explanation for this operator and these types in this kernel set"]
    yield "Beside it", list(_beside(e))


def _beside(e: Element) -> Iterator[str]:
    if e.stepwise:
        same = "the same" if e.agrees else f"NOT THE SAME: {shown(e.value)}"
        yield f"the interpreter computed {shown(e.computed)}; these steps give {same}"
    if e.others:
        yield f"on the same operands: {', '.join(f'{shown(value)} in {name}' for name, value in e.others)}"
    if e.real is not None and e.definition is not None:
        yield f"it stands for {e.real:.9g}; the float definition on the same operands gives"
        yield f"{e.definition:.9g}: {e.real - e.definition:+.3g} apart{_in_steps(e)}"


def _in_steps(e: Element) -> str:
    if not e.step or e.real is None or e.definition is None:
        return ""
    return f", {(e.real - e.definition) / e.step:+.2f} steps of the output"


def _lines(lines: Iterable[Line]) -> list[str]:
    """Name, value and note on a line, formula and numbers below."""
    found = []
    lines = list(lines)
    wide = max((len(line.name) for line in lines), default=0)
    for line in lines:
        formula = " = ".join(part for part in (line.formula, line.numbers) if part)
        found += textwrap.wrap(
            f"{line.name:<{wide}} = {shown(line.value)}" + (f"   ({line.note})" if line.note else ""),
            WIDTH,
            subsequent_indent=" " * (wide + 3),
        )
        found += textwrap.wrap(formula, WIDTH, initial_indent=" " * (wide + 3), subsequent_indent=" " * (wide + 5))
    return found


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(printable(line), WIDTH) or [""]


def _short(name: str) -> str:
    """The first of the names that a converter joined with semicolons."""
    first, _, rest = name.partition(";")
    return f"{first}; ..." if rest else first
