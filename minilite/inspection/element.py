"""Why an output has the value it has: one element, computed step by step with the actual numbers.

The steps are those of the kernel set, with the prepared multipliers that the interpreter itself uses; what they come to
is put beside what the interpreter computed, and beside the operator's float definition on the same operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import ideal
from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.fixed_point import round_half_away
from minilite.inspection import element_others, element_pairs, element_sums
from minilite.inspection.element_sums import Terms
from minilite.inspection.lines import Line, shown, signed
from minilite.inspection.observed import Observed
from minilite.inspection.places import Key
from minilite.kernel_sets import KERNEL_SETS
from minilite.ops import (
    add,
    batch_matmul,
    conv_2d,
    depthwise_conv_2d,
    dequantize,
    fully_connected,
    lookup,
    mean,
    mul,
    pool,
    quantize,
    transpose_conv,
)
from minilite.plan import WITHIN
from minilite.resolve import Step
from minilite.spec import INTEGER_RANGE

Way = Callable[[Step, Any, tuple[int, ...]], tuple[Any, ...]]

WAYS: dict[Callable[..., Any], Way] = {
    conv_2d.integer: element_sums.convolution,
    depthwise_conv_2d.integer: element_sums.depthwise,
    fully_connected.integer: element_sums.layer,
    transpose_conv.integer: element_sums.transposed,
    batch_matmul.integer: element_sums.matrices,
    add.integer: element_pairs.sum_,
    add.int16: element_pairs.sum_,
    add.integer_in_vectors: element_pairs.sum_,
    add.int16_in_vectors: element_pairs.sum_,
    add.integer_one_shift: element_pairs.one_shift,
    mul.integer: element_pairs.product,
    mul.integer_in_vectors: element_pairs.product,
    pool.mean: element_others.average,
    pool.maximum: element_others.largest,
    mean.integers: element_others.mean_,
    mean.optimized: element_others.mean_,
    mean.in_float32: element_others.mean_,
    mean.with_bias: element_others.mean_,
    quantize.quantize: element_others.quantize,
    quantize.rescale: element_others.rescale,
    dequantize.dequantize: element_others.dequantize,
}
"""How to follow a definition, by the function that computes it."""


@dataclass(frozen=True)
class Element:
    """One element of an operator's first result.

    ``value`` is what the ``lines`` come to, ``computed`` what the interpreter has; ``stepwise`` says that there are
    such lines, and else ``value`` is ``computed``. ``real`` is the number that it stands for, ``definition`` what the
    float definition gives on the real numbers that the operands stand for; None where that means nothing. ``step`` is
    the output's scale, ``others`` what other kernel sets make of the same operands."""

    index: tuple[int, ...]
    value: Any
    computed: Any
    stepwise: bool
    lines: tuple[Line, ...]
    real: float | None = None
    definition: float | None = None
    terms: Terms | None = None
    step: float | None = None
    others: tuple[tuple[str, Any], ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the steps come to what the interpreter computed."""
        return bool(self.value == self.computed)


def element(observed: Observed, key: Key, index: Sequence[int] | None) -> Element:
    """Element ``index`` of an operator's first result; one in the middle where None is given.

    Raises :class:`ArgumentError` for a place that the result does not have, and for an operator without results."""
    if not has_result(observed, key):
        raise ArgumentError(f"{observed.step(key).node} has no result, so there is no element to explain.")
    step = observed.step(key)
    output = observed.computed((key[0], step.outputs[0]))
    at = _telling(output) if index is None else _checked(index, output.shape)
    arrays, info = observed.arrays(key), step.node.outputs[0]
    with np.errstate(all="ignore"):
        definition = _definition(observed, key, at)
    computed = output[at].item() if output.dtype.kind in "iub" else output[at]
    real = float(np.asarray(ideal.real(info, output))[at]) if output.dtype.kind in "iuf" else None
    scale = float(info.scale) if info.type in INTEGER_RANGE and info.scales.size == 1 else None
    way = _way(step)
    if way is not None:
        lines, value, *terms = way(step, arrays, at)
        return Element(at, value, computed, True, tuple(lines), real, definition, terms[0] if terms else None, scale)
    if _is_ideal(step) and definition is not None and scale is not None:
        lines, value = _rounded_once(definition, info)
        return Element(at, value, computed, True, tuple(lines), real, definition, None, scale)
    return Element(at, computed, computed, False, (), real, definition, None, scale)


def has_result(observed: Observed, key: Key) -> bool:
    """Whether an operator computes anything that has elements to explain; CALL_ONCE, say, has no results."""
    return next(iter(observed.step(key).outputs), -1) >= 0


def in_other_sets(observed: Observed, key: Key, at: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """The element as the other kernel sets compute it from the same operands; those that refuse the model have none."""
    arrays, mine = observed.arrays(key), observed.step(key)
    if mine.node.outputs[0].type not in INTEGER_RANGE:
        return
    shape = observed.computed((key[0], mine.outputs[0])).shape
    for kernels in KERNEL_SETS:
        if kernels == mine.node.kernels:
            continue
        try:
            step = Observed(observed.model, kernels).step(key)
            if step.call is None or step.node.outputs[0].shape != mine.node.outputs[0].shape:
                continue
            with np.errstate(all="ignore"):
                found = step.call(*arrays)
        except WITHIN:
            continue
        values = np.asarray(found[0] if isinstance(found, tuple) else found)
        if values.shape == shape:
            yield kernels, values[at].item()


def _way(step: Step) -> Way | None:
    if step.definition is None:
        return None
    if step.definition.compute is lookup.look_up:
        is_table = isinstance(step.prepared, np.ndarray) and step.prepared.size == 256
        return element_others.looked_up if is_table else None
    return WAYS.get(step.definition.compute)


def _is_ideal(step: Step) -> bool:
    return step.definition is not None and step.definition.compute is ideal.compute


def _rounded_once(real: float, info: Any) -> tuple[list[Line], int]:
    """The ideal kernel set's way from a real number to an integer."""
    quotient = np.float64(real) / np.float64(info.scale)
    low, high = INTEGER_RANGE[info.type]
    if np.isnan(quotient):
        return [Line("output", "what is not a number is 0", "", 0)], 0
    steps = round_half_away(quotient)  # perhaps infinite
    output = int(min(max(steps + info.zero_point, low), high))
    return [
        Line("quotient", "definition / scale", f"{shown(real)} / {shown(info.scale)}", float(quotient)),
        Line("steps", "round(quotient)", f"round({shown(float(quotient))})", float(steps), "the only rounding"),
        Line(
            "output",
            "clamp(steps + z)",
            f"clamp({shown(float(steps))} + {signed(info.zero_point)}, {low}, {high})",
            output,
        ),
    ], output


def _definition(observed: Observed, key: Key, at: tuple[int, ...]) -> float | None:
    found = observed.real_values(key)
    if found is None or found.dtype.kind not in "fiu" or len(at) != found.ndim:
        return None
    if any(i >= d for i, d in zip(at, found.shape, strict=True)):  # a damaged file's shapes may be anything
        return None
    return float(found[at])


def _telling(output: np.ndarray) -> tuple[int, ...]:
    """An element that tells something: the first from the middle on that is neither the largest nor the smallest."""
    if not output.size:
        raise ArgumentError(f"the result has no elements: its shape is {list(output.shape)}.")
    flat, middle = output.reshape(-1), int(np.ravel_multi_index([d // 2 for d in output.shape], output.shape))
    between = (flat != flat.min()) & (flat != flat.max()) if flat.dtype.kind in "iuf" else np.zeros(flat.size, bool)
    later = np.flatnonzero(between[middle:])
    chosen = middle + int(later[0]) if later.size else middle
    return tuple(int(i) for i in np.unravel_index(chosen, output.shape))


def _checked(index: Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index, counted from the front."""
    if isinstance(index, str) or not isinstance(index, Sequence | np.ndarray):
        raise ArgumentTypeError(f"expected an element's indices, one for each of {list(shape)}; got {index!r}.")
    at = tuple(int(i) for i in index)
    if len(at) != len(shape) or any(not -d <= i < d for i, d in zip(at, shape, strict=True)):
        wanted = ", ".join(f"0..{d - 1}" for d in shape)
        raise ArgumentError(f"expected an element of a result of shape {list(shape)} ({wanted}), got {list(at)}.")
    return tuple(i % d for i, d in zip(at, shape, strict=True))
