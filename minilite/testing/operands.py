"""The operands of a drawn case: their scales, which of them are constants, and their data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from minilite.bfloat16 import narrowed
from minilite.cases import Arg, Case, Draw
from minilite.program import initial
from minilite.spec import INTEGER_RANGE, QUANTIZED, Op, Operand, TensorInfo
from minilite.testing.one_model import is_fed
from minilite.testing.sparse import parameters, thinned

NARROW = {"int8": 127, "int4": 7, "int2": 1, "int16": 32767}


def product_of_scales(operand: Operand, before: Sequence[TensorInfo | None]) -> np.ndarray:
    parts = [b for b in before if b is not None and b.name in operand.scale_of and b.quantized]
    scales = np.prod(np.broadcast_arrays(*[p.scales for p in parts]), axis=0) if parts else np.empty(0)
    return scales.astype(np.float32)


def drawn_operand(
    draw: Draw, operand: Operand, arg: Arg, type_: str, before: list[TensorInfo | None], op: Op, index: int
) -> tuple[TensorInfo, np.ndarray]:
    scales, zero_points = _quantization(draw, operand, arg, type_, before, op)
    axis = (operand.axis or 0) % len(arg.shape) if scales.size > 1 else 0
    info = TensorInfo(index, operand.name, type_, arg.shape, scales, zero_points, axis, is_variable=operand.state)
    if operand.state:
        return info, initial(info)
    if arg.block:
        info = _in_blocks(draw, info, arg.block)
    array = arg.value if arg.value is not None else drawn_data(draw, operand, arg, info)
    if arg.nonzero:
        array = _without_zeros(info, array)
    if arg.sparse is not None:
        array = thinned(draw, array, arg.sparse)
        info = dataclasses.replace(info, sparsity=parameters(draw, array, arg.sparse))
    fixed = arg.constant if arg.constant is not None else _is_constant(draw, operand, arg)
    return dataclasses.replace(info, value=array if fixed else None, constant=fixed), array


def _in_blocks(draw: Draw, info: TensorInfo, size: int) -> TensorInfo:
    """The operand quantized in blocks instead."""
    scales = draw.random.uniform(0.01, 1.0, (*info.shape[:-1], info.shape[-1] // size)).astype(np.float16)
    bare = dataclasses.replace(info, scales=np.empty(0, np.float32), zero_points=np.empty(0, np.int64), axis=0)
    return dataclasses.replace(bare, block_size=size, block_scales=scales)


def other_data(
    draw: Draw, op: Op, case: Case, infos: list[TensorInfo | None], arrays: list[np.ndarray | None]
) -> list[np.ndarray | None]:
    """The operands of another run: those that are fed and have no value of their own hold other data."""
    return [
        drawn_data(draw, op.operand(i), arg, info) if arg and info and arg.value is None and is_fed(info) else array
        for i, (arg, info, array) in enumerate(zip(case.inputs, infos, arrays, strict=True))
    ]


def intermediates(case: Case) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(
            -1, f"intermediate{i}", "int16", (0,), np.array([scale], np.float32), np.array([zero_point], np.int64)
        )
        for i, (scale, zero_point) in enumerate(case.intermediates)
    )


def _without_zeros(info: TensorInfo, array: np.ndarray) -> np.ndarray:
    zeros = {0, info.zero_point}
    other = next(v for v in (1, 2, 3) if v not in zeros)
    return np.where(np.isin(array, list(zeros)), other, array).astype(array.dtype)


def _is_constant(draw: Draw, operand: Operand, arg: Arg) -> bool:
    if arg.value is not None or operand.role == "bias":
        return True
    return draw.choice((True, True, True, False)) if operand.role == "weight" else False


def _quantization(
    draw: Draw, operand: Operand, arg: Arg, type_: str, before: list[TensorInfo | None], op: Op
) -> tuple[np.ndarray, np.ndarray]:
    if operand.role == "bias" and type_ in ("int32", "int64") and arg.scale is None:
        scales = product_of_scales(operand, before)
        return scales, np.zeros(scales.size, np.int64)
    if (type_ not in (*QUANTIZED, "int4", "uint4", "int2") and arg.scale is None) or operand.role == "parameter":
        return np.empty(0, np.float32), np.empty(0, np.int64)
    if operand.same_as and arg.scale is None:
        other = next((b for b in before if b is not None and b.name == operand.same_as), None)
        if other is not None:
            return other.scales, other.zero_points
    for fixed_type, scale, zero_point in operand.fixed:
        if fixed_type == type_:
            return np.array([scale], np.float32), np.array([zero_point], np.int64)
    count = arg.shape[operand.axis or 0] if _per_axis(draw, operand, arg, type_) else 1
    low, high = INTEGER_RANGE[type_]
    base = draw.choice((0.02, 0.1, 1.0, 0.003, 7.0)) * (1 + draw.random.random())
    if arg.low is not None and arg.high is not None:  # the range asked for should take most of the integers
        base = (arg.high - arg.low) / (high - low) * draw.choice((1.0, 2.0, 0.5))
    scales = (base * draw.random.uniform(0.3, 1.0, count)).astype(np.float32)
    if arg.scale is not None:
        scales = np.full(count, arg.scale, np.float32)
    symmetric = type_ in ("int16", "int4", "int2") or (operand.symmetric and type_ != "uint8")
    zero_point = (
        0 if symmetric else draw.choice((0, low, high, -1, 5, 100)) if type_ == "int8" else draw.integer(0, high)
    )
    return scales, np.full(count, zero_point if arg.zero_point is None else arg.zero_point, np.int64)


def _per_axis(draw: Draw, operand: Operand, arg: Arg, type_: str) -> bool:
    if operand.axis is None or type_ in ("uint8", "int16"):
        return False
    return draw.choice((True, False)) if arg.per_axis is None else arg.per_axis


def drawn_data(draw: Draw, operand: Operand, arg: Arg, info: TensorInfo) -> np.ndarray:
    random = draw.random
    if info.type == "bool":
        return random.integers(0, 2, arg.shape).astype(bool)
    if info.type == "string":
        words = [b"", b"a", b"two words", b"\xc3\xa9"]  # an empty one alone LiteRT's Python API cannot be given
        return np.asarray(random.choice(np.array(words if arg.shape else words[1:], object), arg.shape))
    if info.type.startswith("complex"):
        return (random.normal(size=arg.shape) + 1j * random.normal(size=arg.shape)).astype(info.dtype)
    if info.type == "bfloat16":
        return narrowed(_floats(draw, arg) + 0.0)  # no -0.0: bits are compared, and kernels may take it for 0.0
    if info.type.startswith("float8"):
        return random.integers(-128, 128, arg.shape).astype(np.int8)
    if info.type.startswith("float"):
        return _floats(draw, arg).astype(info.dtype)
    if operand.role == "bias":
        reach = 1 << draw.choice((4, 10, 14, 18))
        return random.integers(-reach, reach, arg.shape).astype(info.dtype)
    return _integers(draw, operand, arg, info)


def _floats(draw: Draw, arg: Arg) -> np.ndarray:
    random = draw.random
    if arg.low is not None or arg.high is not None:
        low = arg.low if arg.low is not None else (arg.high or 0.0) - 10.0
        high = arg.high if arg.high is not None else low + 10.0
        return random.uniform(low, high, arg.shape)
    spread = draw.choice((1.0, 4.0, 0.01, 50.0))
    values = random.normal(0, spread, arg.shape)
    return np.where(random.random(arg.shape) < 0.1, np.round(values), values)


def _integers(draw: Draw, operand: Operand, arg: Arg, info: TensorInfo) -> np.ndarray:
    bits_low, bits_high = INTEGER_RANGE.get(info.type, (0, 100))
    if operand.role == "weight" and info.type in NARROW and draw.choice((True, True, False)):
        bits_low = -NARROW[info.type]
    if not info.quantized:
        bits_low, bits_high = max(bits_low, -100), min(bits_high, 100)
    scale, zero = (float(info.scales[0]), int(info.zero_points[0])) if info.quantized else (1.0, 0)
    low = bits_low if arg.low is None else max(bits_low, int(np.ceil(arg.low / scale)) + zero)
    high = bits_high if arg.high is None else min(bits_high, int(np.floor(arg.high / scale)) + zero)
    high = max(low, high)
    values = draw.random.integers(low, high, arg.shape, endpoint=True)
    extremes = draw.random.choice([low, high], arg.shape)
    return np.where(draw.random.random(arg.shape) < draw.choice((0.05, 0.0, 0.5)), extremes, values).astype(info.dtype)
