"""Drawn operands of LSTM cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Arg, Draw, boolean, constant, data
from minilite.ops import hybrid
from minilite.spec import Definition, Shape

GATES = range(4)


@dataclass(frozen=True)
class Parts:
    """Sizes of a cell and which of its parts are there."""

    terms: int
    cells: int
    outputs: int
    coupled: bool
    peephole: bool
    projection: bool
    norm: bool
    diagonal: bool = False


def parts(draw: Draw, definition: Definition, diagonal: bool = False) -> Parts:
    """Any combination that the definition's types allow; whether recurrent floats may be diagonals."""
    cells, terms = draw.choice((1, 2, 3, 4, 5, 8, 16, 17)), draw.choice((1, 2, 3, 4, 8, 17, 20))
    coupled, peephole, projection, norm = (boolean(draw) for _ in range(4))
    if definition.label == "int8 8x8_8":
        coupled, peephole, projection, norm = True, False, True, True
    types = definition.input_types
    if definition.arithmetic == "micro":  # TFLite Micro has a plain cell only
        return Parts(terms, cells, cells, False, False, False, False)
    of_floats = types[1].rstrip("?") == "float32"  # an optional operand
    diagonal = diagonal and types[6] == "float32" and (not of_floats or draw.choice((False, False, True)))
    outputs = draw.integer(1, cells) if projection and not diagonal else cells
    return Parts(terms, cells, outputs, coupled, peephole, projection, norm, diagonal)


def options(draw: Draw, definition: Definition) -> dict[str, Any]:
    """The options all LSTM operators have."""
    found: dict[str, Any] = {
        "fused_activation_function": draw.choice(("TANH", "TANH", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "SIGN_BIT")),
        "cell_clip": draw.choice((0.0, 0.0, 10.0, 0.4)),
        "proj_clip": draw.choice((0.0, 0.0, 0.3)),
    }
    if definition.arithmetic == "micro":
        found["fused_activation_function"] = "TANH"
    if definition.label.startswith("hybrid"):
        found["asymmetric_quantize_inputs"] = boolean(draw)
    return found


def operands(
    draw: Draw, types: Sequence[str], p: Parts, leading: Shape, batch: int, narrow: bool = False
) -> tuple[Arg | None, ...]:
    """All 24 operands of LSTM and UNIDIRECTIONAL_SEQUENCE_LSTM, of these types; ``narrow`` products are int8."""
    types = [t.rstrip("?") for t in types]
    input = data((*leading, p.terms), -2.0, 2.0, scale=0.02 if types[0] == "int8" else None)
    matrices = [weights(draw, types[1], (p.cells, p.terms), p.coupled and g == 0) for g in GATES]
    recurrent_shape = (p.cells,) if p.diagonal else (p.cells, p.outputs)
    recurrent = [weights(draw, types[6], recurrent_shape, p.coupled and g == 0) for g in GATES]
    peephole = [weights(draw, types[9], (p.cells,), not p.peephole or (p.coupled and g == 0)) for g in GATES if g != 2]
    biases = [_bias(draw, types[13], p.cells, p.coupled and g == 0) for g in GATES]
    projection = weights(draw, types[16], (p.outputs, p.cells), not p.projection)
    bias = _bias(draw, types[17], p.outputs, not p.projection or (not narrow and boolean(draw)))
    norm = [weights(draw, types[20], (p.cells,), not p.norm or (p.coupled and g == 0)) for g in GATES]
    states = _states(draw, types[18], batch, p, narrow)
    return (input, *matrices, *recurrent, *peephole, *biases, projection, bias, *states, *norm)


def weights(draw: Draw, type_: str, shape: Shape, absent: bool) -> Arg | None:
    """Weights whose sums the gates' functions are not flat for."""
    if absent:
        return None
    reach = draw.choice((1.0, 3.0, 0.3)) / (shape[1] if len(shape) > 1 else 1) ** 0.5
    if type_ == "float32":
        return data(shape, -reach, reach)
    if type_ == "int16":
        return data(shape, scale=reach / 32767)
    values = hybrid.weights_case(draw, shape, type_, False, True)
    return Arg(shape, values.value, constant=True, per_axis=False, zero_point=0, scale=reach / 127)


def _bias(draw: Draw, type_: str, size: int, absent: bool) -> Arg | None:
    if absent:
        return None
    if type_ == "float32":
        return data((size,), -1.0, 1.0)
    reach = 1 << draw.choice((4, 10, 12, 14))
    return constant(draw.random.integers(-reach, reach, size))


def _states(draw: Draw, type_: str, batch: int, p: Parts, narrow: bool) -> tuple[Arg, Arg]:
    if type_ != "int8":
        return data((batch, p.outputs)), data((batch, p.cells))
    bits = 0 if narrow else draw.integer(0, 6)
    scale = draw.random.uniform(0.7, 1.5) / 128
    output = data((batch, p.outputs), scale=scale, zero_point=draw.integer(-20, 20))
    return output, data((batch, p.cells), scale=2.0 ** (bits - 15))


def intermediates(draw: Draw, definition: Definition) -> tuple[tuple[float, int], ...]:
    """Scales and zero points for the definitions that read them."""
    random = draw.random
    if definition.label == "int8":
        sums = [(float(np.float32(2.0**-12 * random.uniform(0.5, 2))), 0) for _ in GATES]
        return (*sums, (float(np.float32(random.uniform(0.7, 1.5) / 128)), draw.integer(-20, 20)))
    if definition.label != "int8 8x8_8":
        return ()
    scales = random.uniform(0.5, 2, (4, 3)) * (2.0**-10, 2.0**-5, 2.0**-5)
    return tuple((float(np.float32(s)), draw.integer(-20, 20)) for s in scales.reshape(-1))
