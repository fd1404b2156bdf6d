"""Quantization that LiteRT's kernels refuse is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

import minilite
from minilite.kernel_sets import KERNEL_SETS
from minilite.model import Model, Quantization, Tensor
from minilite.refusals import RULES
from minilite.testing.kit import Row, rows, seeded_case
from minilite.testing.ours import compute
from tests.oracle import OracleDied, OracleError, oracle
from tests.small_models import Builder
from tests.small_models import one as one_model

OUTSIDE = {"INT8": -129, "UINT8": -1, "INT16": 2**15}


def _altered(tensor: Tensor) -> Iterator[tuple[str, Quantization | None]]:
    """A tensor's quantization with one thing changed, and what."""
    q = tensor.quantization
    if q is None or q.scales is None:
        return
    points = np.zeros(len(q.scales), np.int64) if q.zero_points is None else q.zero_points
    yield "scale", dataclasses.replace(q, scales=(q.scales * 3).astype(np.float32))
    yield "zero point", dataclasses.replace(q, zero_points=points + np.where(points > 0, -1, 1))
    yield "none", None
    if tensor.type in OUTSIDE:
        yield "outside", dataclasses.replace(q, zero_points=np.full(len(points), OUTSIDE[tensor.type]))
    if len(q.scales) == 1 and tensor.shape and tensor.shape[0] > 1:
        size = tensor.shape[0]
        yield "per-axis", dataclasses.replace(q, scales=np.repeat(q.scales, size), zero_points=np.repeat(points, size))


def altered(model: Model) -> Iterator[tuple[str, Model]]:
    """The models with one thing changed of one tensor's quantization."""
    graph = model.subgraphs[0]
    for index, tensor in enumerate(graph.tensors):
        for what, quantization in _altered(tensor):
            tensors = list(graph.tensors)
            tensors[index] = dataclasses.replace(tensor, quantization=quantization)
            changed = dataclasses.replace(graph, tensors=tuple(tensors))
            yield f"{what} of {tensor.name}", dataclasses.replace(model, subgraphs=(changed, *model.subgraphs[1:]))


def _refusal(model: Model, kernels: str, runtime: str, inputs: list[np.ndarray]) -> str:
    """What LiteRT says of a model that it refuses."""
    try:
        oracle(runtime).run(model.to_bytes(), kernels, inputs)
    except OracleError as error:
        return str(error)
    except OracleDied:
        return ""  # an assertion in a kernel, or worse
    return ""


@pytest.mark.parametrize("row", rows(), ids=str)
def test_what_litert_refuses(runtime: str, row: Row) -> None:
    kernels = "builtin"  # LiteRT has every operator there
    one = seeded_case(row, 3)
    if len(one.model.subgraphs[0].operators) > 1:
        return
    for what, model in altered(one.model):
        try:
            compute(model, kernels, one.inputs)
        except minilite.Error:
            continue
        said = _refusal(model, kernels, runtime, one.inputs)
        assert not said or _refusal(one.model, kernels, runtime, one.inputs), f"{what}: LiteRT says {said}"


@pytest.mark.parametrize("row", [r for r in rows() if r.op.name in RULES], ids=str)
def test_rules_refuse_nothing_else(runtime: str, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a rule alone refuses, LiteRT refuses; but for zero points outside of their type."""
    one = seeded_case(row, 3)
    for what, model in altered(one.model):
        if what.startswith("outside"):
            continue
        refused = []
        for rules in (RULES, {}):
            monkeypatch.setattr("minilite.refusals.RULES", rules)
            try:
                compute(model, "builtin", one.inputs)
            except minilite.Error as error:
                refused.append(str(error))
        if len(refused) == 1:
            assert "expected" in refused[0]
            with pytest.raises((OracleError, OracleDied)):
                oracle(runtime).run(model.to_bytes(), "builtin", one.inputs)


def test_a_bias_of_another_scale() -> None:
    """A real model's fault, in every kernel set: the output's scale is as good as none."""
    b = Builder()
    quantized = [Quantization(np.array([s], np.float32), np.array([0])) for s in (0.004, 0.0002, 0.1, 4.6e-41)]
    x = b.tensor("x", (1, 2), "INT8", quantization=quantized[0])
    w = b.constant("w", np.ones((3, 2), np.int8), quantization=quantized[1])
    bias = b.constant("bias", np.ones(3, np.int32), quantization=quantized[2])
    y = b.tensor("y", (1, 3), "INT8", quantization=quantized[3])
    model = one_model(b, "FULLY_CONNECTED", (x, w, bias), (y,), "FullyConnectedOptions")
    for kernels in KERNEL_SETS:
        with pytest.raises(minilite.OperatorError, match="scale"):
            compute(model, kernels, [np.ones((1, 2), np.int8)])
