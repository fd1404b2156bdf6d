"""bfloat16 as its bits: conversion against another implementation, and what callers may pass."""

from __future__ import annotations

import numpy as np
import pytest

import minilite
from minilite.bfloat16 import narrowed, widened
from minilite.errors import ArgumentError
from minilite.model import Buffer, Model, Operator, OperatorCode, Subgraph, Tensor

ml_dtypes = pytest.importorskip("ml_dtypes")


def test_every_bfloat16_keeps_its_value() -> None:
    bits = np.arange(2**16).astype(np.uint16)
    theirs = bits.view(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(widened(bits), theirs, equal_nan=True)
    number = ~np.isnan(theirs)
    assert np.array_equal(narrowed(theirs)[number], bits[number])


def test_rounding() -> None:
    some = np.random.default_rng(0).integers(0, 2**32, 200_000, np.uint32)
    ties = np.arange(0x3F80_0000, 0x3F90_0000, 0x8000, np.uint32)
    x = np.concatenate([some, ties, ties + 1, ties - 1]).view(np.float32)
    with np.errstate(all="ignore"):
        theirs = x.astype(ml_dtypes.bfloat16)
    assert np.array_equal(widened(narrowed(x)), theirs.astype(np.float32), equal_nan=True)


def negation() -> minilite.Interpreter:
    tensors = tuple(Tensor(name, "BFLOAT16", (3,), has_rank=True) for name in ("x", "y"))
    graph = Subgraph(tensors, (0,), (1,), (Operator(0, (0,), (1,)),), name="main")
    model = Model(operator_codes=(OperatorCode("NEG", 1),), subgraphs=(graph,))
    interpreter = minilite.Interpreter(model_content=model.to_bytes())
    interpreter.allocate_tensors()
    return interpreter


@pytest.mark.parametrize("as_bits", [True, False])
def test_bits_and_the_type_of_ml_dtypes_are_taken(as_bits: bool) -> None:
    interpreter = negation()
    value = np.array([1, -2.5, 0], ml_dtypes.bfloat16)
    interpreter.set_tensor(0, value.view(np.uint16) if as_bits else value)
    interpreter.invoke()
    assert interpreter.get_tensor(1).dtype == np.uint16
    assert widened(interpreter.get_tensor(1)).tolist() == [-1, 2.5, 0]


def test_other_types_are_not() -> None:
    with pytest.raises(ArgumentError, match="Got value of type FLOAT32 but expected type BFLOAT16"):
        negation().set_tensor(0, np.zeros(3, np.float32))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float8_e5m2"])
def test_eight_bit_floats_are_moved_as_they_are(dtype: str) -> None:
    interpreter = tiled("FLOAT8_E5M2")
    bits = np.array([0, 0x3C, 0xFF], np.uint8)
    interpreter.set_tensor(0, bits.view(getattr(ml_dtypes, dtype, dtype)))
    interpreter.invoke()
    assert interpreter.get_tensor(2).view(np.uint8).tolist() == [*bits, *bits]


def tiled(type_: str) -> minilite.Interpreter:
    tensors = (
        Tensor("x", type_, (3,), has_rank=True),
        Tensor("multiples", "INT32", (1,), has_rank=True, buffer=1),
        Tensor("y", type_, (6,), has_rank=True),
    )
    graph = Subgraph(tensors, (0,), (2,), (Operator(0, (0, 1), (2,)),), name="main")
    buffers = (Buffer(), Buffer(np.array([2, 0, 0, 0], np.uint8)))
    model = Model(operator_codes=(OperatorCode("TILE", 1),), subgraphs=(graph,), buffers=buffers)
    interpreter = minilite.Interpreter(model_content=model.to_bytes())
    interpreter.allocate_tensors()
    return interpreter
