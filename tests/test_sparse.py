"""Sparse constants beyond what the rows of DENSIFY and FULLY_CONNECTED draw: every layout, and files that lie."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import schema
from minilite.cases import Sparse
from minilite.errors import ModelError
from minilite.model import Buffer, Model, Operator, OperatorCode, Subgraph, Tensor
from minilite.ops.densify import layout
from minilite.sparsity import dense, stored
from minilite.testing.seeded import SeededDraw
from minilite.testing.sparse import parameters, thinned

SHAPE = (4, 6)
ROWS = Sparse(("DENSE", "SPARSE_CSR"), (0, 1))
BLOCKS = Sparse(("DENSE", "SPARSE_CSR", "DENSE"), (0, 1, 2), (1,), (3,))
THREE = Sparse(("SPARSE_CSR",) * 3 + ("DENSE",) * 3, (2, 0, 1, 4, 5, 3), (0, 1, 2), (2, 3, 4))


def drawn(seed: int, shape: tuple[int, ...], how: Sparse) -> tuple[np.ndarray, Any]:
    draw = SeededDraw(seed)
    array = thinned(draw, draw.random.integers(-9, 9, shape).astype(np.int8), how)
    return array, parameters(draw, array, how)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_stored_becomes_the_tensor_again(seed: int) -> None:
    shape = (4, 6, 8)
    how = THREE if seed % 4 == 0 else layout(SeededDraw(seed), shape)
    array, sparsity = drawn(seed, shape, how)
    assert np.array_equal(dense(stored(array, sparsity, "x"), sparsity, shape, "x"), array)


def test_places_in_a_small_tensor() -> None:
    """Worked out by hand: columns first, blocks of 2 rows."""
    levels = (
        level("DENSE", dense_size=3),
        level("SPARSE_CSR", array_segments=vector(0, 1, 1, 3), array_indices=vector(1, 0, 1)),
        level("DENSE", dense_size=2),
    )
    sparsity = schema.make_options("SparsityParameters", traversal_order=(1, 0, 2), block_map=(0,), dim_metadata=levels)
    found = dense(np.array([1, 2, 3, 4, 5, 6], np.int8), sparsity, (4, 3), "x")
    assert found.tolist() == [[0, 0, 3], [0, 0, 4], [1, 0, 5], [2, 0, 6]]


def level(format_: str, **fields: Any) -> Any:
    return schema.make_options("DimensionMetadata", format=format_, **fields)


def vector(*values: int) -> Any:
    return schema.make_options("Int32Vector", values=np.array(values, np.int32))


def changed(options: Any, **fields: Any) -> Any:
    return schema.make_options(options.table, **{**options, **fields})


def model(shape: tuple[int, ...], sparsity: Any, content: bytes) -> Model:
    tensors = (
        Tensor("stored", "INT8", shape, has_rank=True, buffer=1, sparsity=sparsity),
        Tensor("result", "INT8", shape, has_rank=True),
    )
    return Model(
        operator_codes=(OperatorCode("DENSIFY", 1),),
        subgraphs=(Subgraph(tensors, (), (1,), (Operator(0, (0,), (1,)),), name="main"),),
        buffers=(Buffer(), Buffer(np.frombuffer(content, np.uint8))),
    )


def with_level(sparsity: Any, place: int, **fields: Any) -> Any:
    levels = list(sparsity.dim_metadata)
    levels[place] = changed(levels[place], **fields)
    return changed(sparsity, dim_metadata=tuple(levels))


LIES = {
    "an order that repeats a dimension": lambda s: changed(s, traversal_order=(0, 0, 2)),
    "an order with a dimension too many": lambda s: changed(s, traversal_order=(0, 1, 2, 3)),
    "an order with blocks before dimensions": lambda s: changed(s, traversal_order=(2, 1, 0)),
    "an order of nothing": lambda s: changed(s, traversal_order=()),
    "no map of blocks": lambda s: changed(s, block_map=None),
    "blocks of a dimension that is not there": lambda s: changed(s, block_map=(2,)),
    "blocks of dimension -1": lambda s: changed(s, block_map=(-1,)),
    "a level too few": lambda s: changed(s, dim_metadata=s.dim_metadata[:2]),
    "blocks that do not divide": lambda s: with_level(s, 2, dense_size=4),
    "blocks of nothing": lambda s: with_level(s, 2, dense_size=0),
    "blocks of less than nothing": lambda s: with_level(s, 2, dense_size=-3),
    "sparse blocks": lambda s: with_level(s, 2, format="SPARSE_CSR", array_segments=vector(0), array_indices=vector(0)),
    "rows too many": lambda s: with_level(s, 0, dense_size=5),
    "rows without end": lambda s: with_level(s, 0, dense_size=2**31 - 1),
    "no segments": lambda s: with_level(s, 1, array_segments=vector()),
    "segments too few": lambda s: with_level(s, 1, array_segments=vector(0, 1, 2)),
    "segments that fall": lambda s: with_level(s, 1, array_segments=vector(0, 2, 1, 3, 8)),
    "segments that begin below 0": lambda s: with_level(s, 1, array_segments=vector(-1, 2, 4, 6, 8)),
    "segments beyond the indices": lambda s: with_level(s, 1, array_segments=vector(0, 2, 4, 6, 2**31 - 1)),
    "an index outside": lambda s: with_level(s, 1, array_indices=vector(0, 1, 0, 1, 0, 1, 0, 2)),
    "an index below 0": lambda s: with_level(s, 1, array_indices=vector(0, 1, 0, 1, 0, 1, 0, -1)),
}


def honest() -> tuple[np.ndarray, Any]:
    array = np.arange(1, 25, dtype=np.int8).reshape(SHAPE)
    return array, parameters(SeededDraw(0), array, BLOCKS)


def test_the_model_the_lies_are_told_about_is_sound() -> None:
    array, sparsity = honest()
    interpreter = minilite.Interpreter(model_content=model(SHAPE, sparsity, array.tobytes()).to_bytes())
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert np.array_equal(interpreter.get_tensor(1), array)
    assert np.array_equal(interpreter.get_tensor(0).reshape(-1), stored(array, sparsity, "x"))


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused(name: str) -> None:
    array, sparsity = honest()
    lying = model(SHAPE, LIES[name](sparsity), array.tobytes())
    with pytest.raises(ModelError, match="tensor 0 'stored' has invalid sparsity parameters"):
        minilite.Interpreter(model_content=lying.to_bytes()).allocate_tensors()


def test_too_few_values_are_refused() -> None:
    array, sparsity = honest()
    short = model(SHAPE, sparsity, array.tobytes()[:-1])
    with pytest.raises(ModelError, match="expected at most 23 branches"):
        minilite.Interpreter(model_content=short.to_bytes()).allocate_tensors()


def test_zeros_count_as_memory() -> None:
    rows = 2**20
    levels = (
        level("SPARSE_CSR", array_segments=vector(0, 1), array_indices=vector(5)),
        level("SPARSE_CSR", array_segments=vector(0, 1), array_indices=vector(7)),
    )
    sparsity = schema.make_options("SparsityParameters", traversal_order=(0, 1), block_map=(), dim_metadata=levels)
    content = model((rows, 1024), sparsity, b"\1").to_bytes()
    with pytest.raises(minilite.errors.OperatorError, match=r"sparse tensors take 1\.0 GiB with their zeros"):
        minilite.Interpreter(model_content=content, limits=minilite.Limits(max_memory=2**28)).allocate_tensors()


def test_a_dense_constant_is_not_densified() -> None:
    with pytest.raises(minilite.errors.OperatorError, match="expected a sparse constant"):
        minilite.Interpreter(model_content=model(SHAPE, None, bytes(24)).to_bytes()).allocate_tensors()


@pytest.mark.parametrize("type_", ["INT4", "INT8", "STRING"])
@pytest.mark.parametrize("sparse", [False, True])
def test_shapes_beyond_all_memory_are_refused(type_: str, sparse: bool) -> None:
    """Even without elements."""
    impossible = model((0, 2**31 - 1, 2**31 - 1, 2**31 - 1), honest()[1] if sparse else None, bytes(8))
    graph = impossible.subgraphs[0]
    tensors = tuple(dataclasses.replace(t, type=type_) for t in graph.tensors)
    impossible = dataclasses.replace(impossible, subgraphs=(dataclasses.replace(graph, tensors=tensors),))
    with pytest.raises(ModelError, match=r"that fit memory|overflowed"):
        minilite.Interpreter(model_content=impossible.to_bytes()).allocate_tensors()
