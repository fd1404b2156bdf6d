"""Where minilite's quantizer does not do as TFLiteConverter's and litert-quantizer: faults of theirs, or gaps.

:func:`excused` says for every operand that differs whether it is one of these. Whatever else differs is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from minilite.model import Model
from minilite.ops import OPS
from tests.quantized_form import Operand

NO_FLOAT_RESULT = "an operator without float results stays float if its operand is also an output, or read by float"
REVERSED = "int8 REVERSE_V2 keeps its result's own range, though its kernel moves integers as they are"
SUMMED = "int16 SUM takes its operand's scale, and saturates"
NO_KERNEL = "int16 SQUARED_DIFFERENCE is written, and no LiteRT runs it"
GAP = "the older quantizer does not know the operator, though LiteRT has an int16 kernel"
ZERO_SCALE = "a channel of zeros gets the scale 0"
ZERO_RANGE = "a tensor of zeros gets a tiny scale, on which ADD ends LiteRT's process and XNNPACK refuses CONV_2D"
TWICE = "int16 constants of operators with one scale are rounded twice: on their own scale, then on the result's"

WRAPPED = "litert-quantizer turns biases beyond int32 into -2**31, whatever their sign"
PER_AXIS = "litert-quantizer gives BATCH_MATMUL constants a scale for each column, which LiteRT 2.3 takes for 0"

SMALL_CELL = "an int8 LSTM's cell state gets a scale below 2**-15, with which LiteRT's kernel computes garbage"

GAPS = frozenset({"LESS", "NEG", "SELECT_V2", "SQRT"})
LEAST = {"int8": 2.0001e-6 / 255, "int16x8": 1.2e-38, "ema int8": 1.001e-9 / 255, "ema int16x8": 1.001e-9 / 32767}
"""The scales of tensors of zeros."""

JOINING = ("CONCATENATION", "PACK", "MAXIMUM", "MINIMUM")


def compared(
    model: Model, scheme: str, theirs: Sequence[Operand], ours: Sequence[Operand]
) -> tuple[list[tuple[Operand, Operand]], list[str]]:
    """Operands that differ without excuse, as (theirs, ours); and the reasons why others do."""
    assert [o.where for o in theirs] == [o.where for o in ours]
    pairs = [(a, b) for a, b in zip(theirs, ours, strict=True) if a.type and a != b]
    spoilt = _spoilt(model, scheme, theirs)
    bad, reasons = [], []
    for a, b in pairs:
        reason = (
            _moving_average(model, a, b, spoilt) if scheme.startswith("ema") else excused(model, scheme, a, b, spoilt)
        )
        if reason:
            reasons.append(reason)
        else:
            bad.append((a, b))
    return bad, reasons


def excused(model: Model, scheme: str, theirs: Operand, ours: Operand, spoilt: dict[str, str]) -> str | None:
    """Why two operands may differ; None if there is no reason."""
    name = theirs.where.split()[1]
    if scheme == "int8":
        if (theirs.type, ours.type) == ("FLOAT32", "INT8") and name in ("ARG_MAX", "LESS"):
            return NO_FLOAT_RESULT
        if name == "UNIDIRECTIONAL_SEQUENCE_LSTM" and theirs.type == "INT16" and theirs.scales[0] < 2**-15:
            return SMALL_CELL
        return _follows(theirs, spoilt)
    if (theirs.type, ours.type) == ("FLOAT32", "INT16") and name in GAPS:
        return GAP
    if (theirs.type, ours.type) == ("INT16", "FLOAT32") and name == "SQUARED_DIFFERENCE":
        return NO_KERNEL
    if 0.0 in theirs.scales and _equal_but_zero(theirs, ours):
        return ZERO_SCALE
    if name in JOINING and theirs.data and _without_data(theirs) == _without_data(ours):
        return TWICE if _rounded_twice(model, theirs) == theirs.data else None
    return _follows(theirs, spoilt)


def _moving_average(model: Model, theirs: Operand, ours: Operand, spoilt: dict[str, str]) -> str | None:
    """The same for litert-quantizer."""
    _, name, side, position, tensor = theirs.where.split(maxsplit=4)
    if (name, side, position) == ("BATCH_MATMUL", "in", "1") and theirs.data and len(theirs.scales) > 1:
        return PER_AXIS
    if theirs.type in ("INT32", "INT64") and _without_data(theirs) == _without_data(ours):
        beyond = np.abs(_values(model, tensor)) / np.array(theirs.scales) > 2**31 - 1
        return WRAPPED if beyond.any() else _follows(theirs, spoilt)
    return _follows(theirs, spoilt)


def _values(model: Model, name: str) -> np.ndarray:
    """The float constant of that name, flat."""
    tensor = next(t for t in model.subgraphs[0].tensors if t.name == name)
    data = model.buffers[tensor.buffer].data
    assert data is not None
    return data.view(np.float32)


def _rounded_twice(model: Model, theirs: Operand) -> int:
    """The checksum of an int16 constant rounded on its own scale, and then on theirs."""
    values = _values(model, theirs.where.split(maxsplit=4)[4])
    own = np.float32(np.abs(values).max()) / np.float32(32767)
    once = np.rint(values / own) * own
    twice = np.clip(np.rint(once / np.float32(theirs.scales[0])), -32768, 32767)
    return zlib.crc32(twice.astype("<i2").tobytes())


def _follows(theirs: Operand, spoilt: dict[str, str]) -> str | None:
    """Why an operand follows from a fault elsewhere."""
    index, _, side, _, tensor = theirs.where.split(maxsplit=4)
    return spoilt.get(tensor) or (spoilt.get(f"constants of {index}") if theirs.data and side == "in" else None)


def _equal_but_zero(theirs: Operand, ours: Operand) -> bool:
    pairs = zip(theirs.scales, ours.scales, strict=True)
    same = (theirs.type, theirs.zero_points, theirs.data) == (ours.type, ours.zero_points, ours.data)
    return same and all(a in (0.0, b) for a, b in pairs)


def _without_data(operand: Operand) -> tuple[object, ...]:
    return operand.type, operand.scales, operand.zero_points, operand.axis


def _spoilt(model: Model, scheme: str, theirs: Iterable[Operand]) -> dict[str, str]:
    """Tensors whose scale follows from a fault, and operators whose constants do."""
    kinds = {"int8": {"REVERSE_V2": REVERSED}, "int16x8": {"SUM": SUMMED}}.get(scheme, {})
    graph = model.subgraphs[0]
    names = [str(t.name) for t in graph.tensors]
    tiny = {o.where.split()[4] for o in theirs if any(0 < s <= LEAST[scheme] for s in o.scales) and not o.data}
    spoilt = dict.fromkeys(sorted(tiny), ZERO_RANGE)
    for index, operator in enumerate(graph.operators):
        name = model.operator_codes[operator.opcode_index].name
        inner = [spoilt[names[i]] for i in operator.inputs or () if i >= 0 and names[i] in spoilt]
        for i in operator.outputs or ():
            if name in kinds:
                spoilt.setdefault(names[i], kinds[name])
            elif inner and any(o.same_as for o in (*OPS[name].inputs, *OPS[name].outputs)):
                spoilt.setdefault(names[i], inner[0])
        if inner:
            spoilt[f"constants of {index}"] = inner[0]
    return spoilt
