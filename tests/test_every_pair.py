"""Every 8-bit value, and every pair of them, against LiteRT: scales at which the roundings differ, one big tensor each.

Random cases seldom meet a tie, a sum that wraps, or the edge of what the XNNPACK delegate takes. These are built to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilite.cases import Arg, Case
from minilite.ops import OPS
from minilite.spec import INTEGER_RANGE
from minilite.testing.one_operator import build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from tests.oracle import oracle

pytest.importorskip("ai_edge_litert")

SETS = ("reference", "builtin", "xnnpack")
FLAT, AGAINST_ONE = "same shape", "against single values"
SUMS = [
    (1.0, 1 / 3, 2 / 3),  # half of the sums are ties, up to the rounding of a third
    (1 / 7, 1.0, 2 / 7),
    (0.5, 0.25, 0.5),
    (0.5, 0.125, 1.0),
    (0.31, 0.0173, 0.43),
    (1.0, 1.0, 1 / 300),  # sums beyond 16 bits
    (0.013, 1.0, 0.0071),
    (0.5, 2.0**-9 * 1.01, 1.0),  # the smallest ratios the delegate takes ...
    (0.5, 2.0**-10 * 1.01, 1.0),
    (0.5, 2.0**-10 * 0.99, 1.0),  # ... and does not
    (200.0, 1.0, 1.0),
    (257.0, 1.0, 1.0),
]
PRODUCTS = [
    (0.5, 0.25, 1.0),  # ties
    (1.0, 1.0, 128.0),
    (0.37, 0.021, 0.61),
    (1.0, 1.0, 1 / 3),  # products beyond 16 bits
    (1.0, 1.0, 1.0),
    (2.0**-9, 2.0**-6, 1.01),  # the smallest ratio the delegate takes, and one it does not
    (2.0**-9, 2.0**-7, 0.99),
    (2.0**-9, 2.0**-7, 1.01),
    (16.0, 16.0, 1.01),
    (16.0, 16.0, 0.99),
]
SQUARES = [(0.5, 0.5, 16.0), (0.5, 0.25, 8.0), (0.37, 0.021, 40.0), (1.0, 1 / 3, 100.0)]
QUOTIENTS = [
    (0.5, 0.5, 2.0**-6),
    (0.5, 0.25, 2.0**-5),
    (0.37, 0.37, 1 / 65),
    (1.0, 1.0, 1.0),  # shifts by more than 31 bits ...
    (0.37, 1.0, 1000.0),
    (0.5, 0.021, 2.0**-24),  # ... and by less than 0
]
SCALES = {"ADD": SUMS, "SUB": SUMS, "MUL": PRODUCTS, "SQUARED_DIFFERENCE": SQUARES, "DIV": QUOTIENTS}


def pairs(type_: str, layout: str) -> tuple[np.ndarray, np.ndarray]:
    every = np.arange(256) + INTEGER_RANGE[type_][0]
    a, b = (every[:, None], every[None, :])
    if layout == FLAT:
        a, b = (x.ravel() for x in np.broadcast_arrays(a, b))
    return a.astype(type_), b.astype(type_)


def agrees(op: str, type_: str, kernels: str, *inputs: Arg, **case: Any) -> None:
    definition = next(d for d in OPS[op].definitions if d.label == type_)
    one = build(SeededDraw(0), OPS[op], definition, Case(inputs, **case))
    got = compute(one.model, kernels, one.inputs)[0]
    wanted = oracle("litert").run(one.model.to_bytes(), kernels, one.inputs)[0]
    apart = np.argwhere(got != wanted)
    first = tuple(apart[0]) if len(apart) else ()
    assert not len(apart), f"{len(apart)} of {got.size}, first at {first}: {got[first]} for {wanted[first]}"


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("layout", [FLAT, AGAINST_ONE])
@pytest.mark.parametrize(
    "op, type_, scales",
    [
        pytest.param(op, type_, scales, id=f"{op}-{type_}-{scales[0]:.3g},{scales[1]:.3g},{scales[2]:.3g}")
        for op, all_scales in SCALES.items()
        for type_ in (("int8",) if op == "SQUARED_DIFFERENCE" else ("int8", "uint8"))
        for scales in all_scales
    ],
)
def test_every_pair(op: str, type_: str, scales: tuple[float, float, float], layout: str, kernels: str) -> None:
    zeros = (-3, 7, -20) if type_ == "int8" else (125, 135, 108)
    operands = [
        Arg(x.shape, x, constant=False, scale=s, zero_point=z, nonzero=op == "DIV")
        for x, s, z in zip(pairs(type_, layout), scales, zeros, strict=False)
    ]
    agrees(op, type_, kernels, *operands, output_scale=scales[2], output_zero_point=zeros[2])


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("scales", [(1.0, 1 / 3, 64 / 3), (0.37, 0.0021, 1.3), (3 * 2.0**-9, 2.0**-9, 2.0**-8)])
def test_int16(op: str, scales: tuple[float, float, float], kernels: str) -> None:
    random = np.random.default_rng(5)
    values = random.integers(-32768, 32767, (2, 100_003), endpoint=True).astype(np.int16)
    values[:, :2] = -32768
    operands = [Arg(x.shape, x, constant=False, scale=s) for x, s in zip(values, scales, strict=False)]
    output = scales[2] if op != "MUL" else scales[0] * scales[1] * 2.0**14
    agrees(op, "int16", kernels, *operands, output_scale=output)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("type_", ["int8", "uint8"])
@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0, 0.5, 0.37, 3.1, 1 / 255.5, 1 / 256.5, 127.0, 129.0])
@pytest.mark.parametrize("alpha", [0.5, 0.125, 0.2, 1.0, 0.0, -0.5, -0.125, -0.3, -1.0, 1.5])
def test_leaky_relu(alpha: float, ratio: float, type_: str, kernels: str) -> None:
    every = (np.arange(256) + INTEGER_RANGE[type_][0]).astype(type_)
    zero = every.item(100)
    operand = Arg(every.shape, every, constant=False, scale=ratio, zero_point=zero)
    agrees("LEAKY_RELU", type_, kernels, operand, options={"alpha": alpha}, output_scale=1.0, output_zero_point=zero)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("alpha", [0.5, 0.2, -0.5, -0.25, -0.3, -1.5])
def test_leaky_relu_int16(alpha: float, kernels: str) -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    operand = Arg(every.shape, every, constant=False, scale=0.5)
    agrees("LEAKY_RELU", "int16", kernels, operand, options={"alpha": alpha}, output_scale=1.0)


@pytest.mark.parametrize("op", ["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "ABS"])
@pytest.mark.parametrize("scales", [(0.5, 1.0), (0.25, 1.0), (0.1, 0.03), (0.03, 0.1), (2.0**-6, 2.0**-5)])
def test_one_operand(op: str, scales: tuple[float, float]) -> None:
    every = np.arange(-128, 128).astype(np.int8)
    operand = Arg(every.shape, every, constant=False, scale=scales[0], zero_point=-5)
    agrees(op, "int8", "reference", operand, output_scale=scales[1], output_zero_point=11)


@pytest.mark.parametrize("type_", ["int8", "uint8"])
@pytest.mark.parametrize("scales", [(0.5, 0.25, 1.0), (0.5, 2.0**-7, 0.25), (0.1, 0.03, 0.07)])
def test_prelu(scales: tuple[float, float, float], type_: str) -> None:
    zero = INTEGER_RANGE[type_][0] + 120
    operands = (
        Arg(x.shape, x, constant=False, scale=s, zero_point=zero)
        for x, s in zip(pairs(type_, FLAT), scales, strict=False)
    )
    agrees("PRELU", type_, "reference", *operands, output_scale=scales[2], output_zero_point=zero)
