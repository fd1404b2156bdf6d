"""What LiteRT refuses for reasons that lie in the file alone, we refuse in the same words, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import ModelError
from minilite.model import Buffer, Metadata, Model, OperatorCode, Quantization, Signature
from minilite.schema import make_options
from minilite.soundness import check
from tests.oracle import OracleDied, OracleError, oracle
from tests.small_models import add

MAX = 2**31 - 1


def tensor(index: int, **fields: Any) -> Callable[[Model], Model]:
    """Change one tensor: 0 is the input x of shape (1, 4), 2 the constant c of shape (4,) in buffer 1."""

    def change(model: Model) -> Model:
        subgraph = model.subgraphs[0]
        tensors = list(subgraph.tensors)
        tensors[index] = dataclasses.replace(tensors[index], **fields)
        return dataclasses.replace(model, subgraphs=(dataclasses.replace(subgraph, tensors=tuple(tensors)),))

    return change


def whole(**fields: Any) -> Callable[[Model], Model]:
    return lambda model: dataclasses.replace(model, **fields)


def quantized(index: int = 0, scales: Any = (1,), zero_points: Any = (0,), **fields: Any) -> Callable[[Model], Model]:
    scales = None if scales is None else np.array(scales, np.float32)
    zero_points = None if zero_points is None else np.array(zero_points, np.int64)
    return tensor(index, quantization=Quantization(scales, zero_points, **fields))


def detailed(table: str, **fields: Any) -> Callable[[Model], Model]:
    return tensor(0, quantization=Quantization(details=make_options(table, **fields)))


def sparse(*dimensions: Any, order: Any = (0,)) -> Callable[[Model], Model]:
    return tensor(2, sparsity=make_options("SparsityParameters", traversal_order=order, dim_metadata=dimensions))


INDICES = make_options("Uint8Vector", values=np.array([0, 4], np.uint8))
CSR = make_options("DimensionMetadata", format="SPARSE_CSR", array_segments=INDICES, array_indices=INDICES)
MULTI = {"scales": 2, "zero_points": -1, "quantized_dimensions": (1,)}

REFUSED = {
    "another version": (whole(version=2), "Model provided is schema version 2 not equal to supported version 3."),
    "no subgraph": (whole(subgraphs=()), "No subgraph in the model."),
    "a nameless custom operator": (
        whole(operator_codes=(*add().operator_codes, OperatorCode("CUSTOM"))),
        "Operator with CUSTOM builtin_code has no custom_code.",
    ),
    "a signature without a key": (whole(signatures=(Signature(),)), "Missing exported method name for SignatureDef"),
    "a constant too short": (tensor(2, shape=(5,)), "Tensor 2 is invalidly specified in schema."),
    "a constant of nothing": (
        whole(buffers=(Buffer(), Buffer(np.zeros(0, np.uint8)))),
        "Tensor 2 is invalidly specified in schema.",
    ),
    "4 bits, one too many": (tensor(2, type="INT4", shape=(33,)), "Tensor 2 is invalidly specified in schema."),
    "2 bits, one too many": (tensor(2, type="INT2", shape=(65,)), "Tensor 2 is invalidly specified in schema."),
    "a negative dimension": (tensor(0, shape=(-1, 4)), "BytesRequired number of elements overflowed."),
    "a constant's too": (tensor(2, shape=(-4,)), "BytesRequired number of elements overflowed."),
    "too many elements": (tensor(0, shape=(MAX, MAX, MAX)), "BytesRequired number of elements overflowed."),
    "too many, then none": (tensor(0, shape=(MAX, MAX, MAX, 0)), "BytesRequired number of elements overflowed."),
    "too many bytes": (
        tensor(0, type="FLOAT64", shape=(MAX, MAX, 3)),
        "BytesRequired number of bytes overflowed.",
    ),
    "a variable constant": (
        tensor(2, is_variable=True),
        "Tensor 2 is a variable tensor with buffer or external buffer.",
    ),
    "an external constant": (
        tensor(2, external_buffer=1),
        "Tensor 2 is a variable tensor with buffer or external buffer.",
    ),
    "a variable string": (tensor(0, type="STRING", is_variable=True), "String variable tensor isn't supported."),
    "scales without zero points": (
        quantized(zero_points=None),
        "Quantization parameters has non-null scale but null zero_point.",
    ),
    "more scales than zero points": (
        quantized(scales=(1, 1, 1, 1), quantized_dimension=1),
        "QuantizationParam has 1 zero_point values and 4 scale values. Must have same number.",
    ),
    "a dimension beyond": (quantized(quantized_dimension=2), "quantized_dimension must be in range [0, 2). Was 2."),
    "a dimension below": (quantized(quantized_dimension=-1), "quantized_dimension must be in range [0, 2). Was -1."),
    "scales for no dimension": (
        quantized(scales=(1, 2), zero_points=(0, 0), quantized_dimension=1),
        "num_scales must be 1 for per-layer quantization, or 4 for per-axis quantization, but got 2.",
    ),
    "multi-axis without axes": (
        detailed("MultiAxisQuantization", **{**MULTI, "quantized_dimensions": None}),
        "Invalid MultiAxisQuantization parameters.",
    ),
    "multi-axis with no axes": (
        detailed("MultiAxisQuantization", **{**MULTI, "quantized_dimensions": ()}),
        "MultiAxisQuantization must have at least one quantized dimension.",
    ),
    "multi-axis scales nowhere": (
        detailed("MultiAxisQuantization", **{**MULTI, "scales": 3}),
        "MultiAxisQuantization scales tensor index must be in range [0, 3)",
    ),
    "multi-axis zero points nowhere": (
        detailed("MultiAxisQuantization", **{**MULTI, "zero_points": -2}),
        "MultiAxisQuantization zero_points tensor index must be in range [0, 3)",
    ),
    "a negative block": (
        detailed("MultiAxisQuantization", **MULTI, block_size=-1),
        "MultiAxisQuantization block_size must be non-negative. Was -1.",
    ),
    "an axis beyond": (
        detailed("MultiAxisQuantization", **{**MULTI, "quantized_dimensions": (0, 2)}),
        "MultiAxisQuantization quantized_dimensions must be in range [0, 2). Value 2",
    ),
    "sparse without an order": (sparse(CSR, order=None), "Invalid sparsity parameter."),
    "sparse of a strange format": (
        sparse(make_options("DimensionMetadata", format=7)),
        "The 0th dimension has unknown type: 7.",
    ),
    "sparse without segments": (
        sparse(make_options("DimensionMetadata", format="SPARSE_CSR", array_indices=INDICES)),
        "The 0th sparse dimension has invalid parameters.",
    ),
    "sparse with empty vectors": (
        sparse(
            make_options(
                "DimensionMetadata",
                format="SPARSE_CSR",
                array_segments=make_options("Int32Vector"),
                array_indices=INDICES,
            )
        ),
        "The 0th sparse dimension has invalid parameters.",
    ),
}

CARRIED = {
    "nothing changed": lambda model: model,
    "a constant longer than its shape": tensor(2, shape=(3,)),
    "a constant without a shape": tensor(2, shape=None),
    "4 bits, just enough": tensor(2, type="INT4", shape=(32,)),
    "2 bits, just enough": tensor(2, type="INT2", shape=(64,)),
    "4 unsigned bits": tensor(2, type="UINT4", shape=(31,)),
    "float8": tensor(2, type="FLOAT8_E4M3FN", shape=(16,)),
    "bfloat16": tensor(2, type="BFLOAT16", shape=(8,)),
    "strings of any size": tensor(2, type="STRING", shape=(1000,)),
    "resources of any shape": tensor(0, type="RESOURCE", shape=(-1,)),
    "a variable": tensor(0, is_variable=True),
    "an external tensor": tensor(0, external_buffer=1),
    "a first buffer with data": whole(buffers=(Buffer(np.zeros(4, np.uint8)), *add().buffers[1:])),
    "zero points without scales": quantized(scales=None),
    "no scales, no dimension": quantized(scales=(), zero_points=(), quantized_dimension=9),
    "one scale along many": quantized(quantized_dimension=1),
    "scales for an unknown shape": tensor(
        0, shape=None, quantization=Quantization(np.ones(3, np.float32), np.zeros(3, np.int64), quantized_dimension=7)
    ),
    "a scale that is no number": quantized(scales=(np.nan,)),
    "multi-axis": detailed("MultiAxisQuantization", **MULTI),
    "blockwise, scales nowhere": detailed("BlockwiseQuantization", scales=99, block_size=32),
    "sparse, too long by its shape": lambda model: tensor(2, shape=(5,))(sparse(CSR)(model)),
    "sparsity of what is no constant": tensor(0, sparsity=make_options("SparsityParameters")),
    "metadata nowhere": whole(metadata=(Metadata("m", 77),)),
    "a signature nowhere": whole(signatures=(Signature("s", (("x", 77),), (), 5),)),
}


def litert_says(model: Model) -> str:
    """What LiteRT says of the model; empty when it constructs an interpreter."""
    try:
        oracle().run(model.to_bytes(), "reference", [])
    except OracleError as error:
        return str(error)
    except OracleDied:
        return "died after construction"
    return ""


@pytest.mark.parametrize("case", REFUSED)
def test_what_litert_refuses_is_refused_in_its_words(case: str) -> None:
    change, sentence = REFUSED[case]
    model = minilite.read(change(add()).to_bytes())
    with pytest.raises(ModelError) as raised:
        check(model)
    assert str(raised.value).startswith(sentence)
    assert len(str(raised.value)) > len(sentence) + 10, "more than LiteRT says: where it is"


@pytest.mark.parametrize("case", REFUSED)
def test_litert_refuses_it_in_these_words(case: str) -> None:
    pytest.importorskip("ai_edge_litert")
    change, sentence = REFUSED[case]
    words = litert_says(change(add()))
    assert words.startswith("ValueError: ")
    assert sentence.split(". Value ")[0] in words


@pytest.mark.parametrize("case", CARRIED)
def test_what_litert_carries_is_carried(case: str) -> None:
    model = CARRIED[case](add())
    check(minilite.read(model.to_bytes()))


@pytest.mark.parametrize("case", CARRIED)
def test_litert_carries_it(case: str) -> None:
    pytest.importorskip("ai_edge_litert")
    words = litert_says(CARRIED[case](add()))
    assert not any(sentence in words for _, sentence in REFUSED.values())
    assert "construct" not in words or words == "died after construction"


def test_a_model_built_by_hand_is_checked_for_references_too() -> None:
    with pytest.raises(ModelError, match="specifies out of range buffer 9"):
        check(tensor(0, buffer=9)(add()))
