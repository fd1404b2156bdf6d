"""STABLEHLO_SCATTER: a tensor with slices of updates combined into it.

    output = input, then, for every index u of updates in row-major order:
    output[start(s) + full(w)] = f(output[start(s) + full(w)], updates[u])

An index of updates is split in two: ``w``, at ``update_window_dims``, runs over a slice, ``s``, all others, over the
slices. full(w) is ``w`` with a 0 put in at each of ``inserted_window_dims``. start(s) is read from ``scatter_indices``
along ``index_vector_dim``; its element k belongs to dimension ``scatter_dims_to_operand_dims[k]`` of the input,
dimensions without one start at 0. Updates whose place is outside the input are left out, one by one.

f is subgraph ``update_computation_subgraph_index``; as in LiteRT, it is not computed but known by its operators: none
(the update replaces), or one out of STABLEHLO_ADD, STABLEHLO_MULTIPLY, STABLEHLO_MAXIMUM and STABLEHLO_MINIMUM.

Source: the StableHLO specification, "scatter".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minilite.cases import Call, Case, Draw, Graph, Value, boolean, shape
from minilite.ops import stablehlo_elementwise as elementwise
from minilite.ops.stablehlo_gather import check_dims, check_index_vectors, index_vectors, vectors
from minilite.ops.stablehlo_pad import numbers
from minilite.ops.stablehlo_reduce_window import body_graph
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
Combine = Callable[[Node, Array, Array], Array]


def replace(node: Node, old: Array, new: Array) -> Array:
    return new


COMPUTATIONS: dict[str, Combine] = {
    "": replace,
    "STABLEHLO_ADD": elementwise.add,
    "STABLEHLO_MULTIPLY": elementwise.multiply,
    "STABLEHLO_MAXIMUM": elementwise.maximum,
    "STABLEHLO_MINIMUM": elementwise.minimum,
}
"""By the subgraph's operator."""


@dataclass(frozen=True)
class Scatter:
    """The options as numbers, and the function that combines."""

    node: Node
    combine: Combine
    window_dims: Shape
    inserted: Shape
    index_map: Shape
    index_vector_dim: int


def shapes(node: Node, input: TensorInfo, scatter_indices: TensorInfo, updates: TensorInfo) -> tuple[Shape]:
    options = node.options
    window_dims, inserted = numbers(options.update_window_dims), numbers(options.inserted_window_dims)
    check_dims(node, "update_window_dims", window_dims, updates.rank)
    check_dims(node, "inserted_window_dims", inserted, input.rank)
    kept = input.rank - len(inserted)
    node.need(len(window_dims) == kept, f"{kept} update_window_dims", window_dims)
    along, map_ = int(options.index_vector_dim), numbers(options.scatter_dims_to_operand_dims)
    check_index_vectors(node, scatter_indices, along, map_, input.rank)
    slices = scatter_indices.shape[:along] + scatter_indices.shape[along + 1 :]
    found = tuple(d for i, d in enumerate(updates.shape) if i not in window_dims)
    updates.need(found == slices, f"{slices} in the dimensions that number the slices", found)
    return (input.shape,)


def prepare(node: Node, *operands: TensorInfo) -> Scatter:
    assert node.runtime is not None
    options = node.options
    body = node.runtime.subgraph(options.update_computation_subgraph_index).operators
    fits = len(body) < 2 and "".join(body) in COMPUTATIONS
    node.need(
        fits,
        f"an update computation without operators or with one out of {', '.join(filter(None, COMPUTATIONS))}",
        body,
    )
    return Scatter(
        node,
        COMPUTATIONS["".join(body)],
        numbers(options.update_window_dims),
        numbers(options.inserted_window_dims),
        numbers(options.scatter_dims_to_operand_dims),
        int(options.index_vector_dim),
    )


def scatter(p: Scatter, input: Array, scatter_indices: Array, updates: Array) -> Array:
    targets, inside = _targets(p, input.shape, vectors(scatter_indices, p.index_vector_dim), updates.shape)
    output = input.reshape(-1).copy()
    targets, values = targets[inside], updates[inside]
    for turn in _turns(targets):
        at = targets[turn]
        output[at] = p.combine(p.node, output[at], values[turn])
    return output.reshape(input.shape)


def _targets(p: Scatter, input: Shape, starts: Array, updates: Shape) -> tuple[Array, Array]:
    """For every update its place in the input, counted through, and whether it has one."""
    slices = [i for i in range(len(updates)) if i not in p.window_dims]
    kept = iter(p.window_dims)
    places, inside = np.zeros(updates, np.int64), np.ones(updates, bool)
    for dim, size in enumerate(input):
        place = np.zeros(updates, np.int64)
        if dim in p.index_map:
            first = starts[..., p.index_map.index(dim)].astype(np.int64)
            place += first.reshape([updates[i] if i in slices else 1 for i in range(len(updates))])
        if dim not in p.inserted:
            along = next(kept)
            place += np.arange(updates[along]).reshape([-1 if i == along else 1 for i in range(len(updates))])
        inside &= (place >= 0) & (place < size)
        places = places * size + place
    return places, inside


def _turns(targets: Array) -> list[Array]:
    """The updates in groups that have no place twice; of those with one place, each comes after the one before it."""
    order = np.argsort(targets, kind="stable")
    ordered = targets[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    counts = np.diff(np.append(starts, len(ordered)))
    turn = np.arange(len(ordered)) - np.repeat(starts, counts)
    by_turn = order[np.argsort(turn, kind="stable")]
    return np.split(by_turn, np.cumsum(np.bincount(turn))[:-1]) if len(turn) else []


def case(draw: Draw, definition: Definition) -> Case:
    """Slices inside, across the edge and outside; several on one place; every computation."""
    type_, index_type = definition.input_types[:2]
    dims = shape(draw, 1, 4, 4)
    indexed = [d for d in draw.random.permutation(len(dims)).tolist() if boolean(draw)]
    inserted = [d for d in range(len(dims)) if boolean(draw)]
    starts, along = index_vectors(draw, len(indexed), max(dims), index_type)
    slices = list(starts.shape[:along] + starts.shape[along + 1 :])
    windows = [draw.integer(1, n) for d, n in enumerate(dims) if d not in inserted]
    window_dims = sorted(draw.random.permutation(len(slices) + len(windows))[: len(windows)].tolist())
    updates = list(slices)
    for at, size in zip(window_dims, windows, strict=True):
        updates.insert(at, size)
    options = {
        "update_window_dims": window_dims,
        "inserted_window_dims": inserted,
        "scatter_dims_to_operand_dims": indexed,
        "index_vector_dim": along,
        "update_computation_subgraph_index": 1,
    }
    body = draw.choice(list(COMPUTATIONS))
    values = (Value(type_, dims), Value(index_type, starts.shape, starts), Value(type_, tuple(updates)))
    main = Graph((*values, Value(type_, dims)), (Call("STABLEHLO_SCATTER", (0, 1, 2), (3,), options),), (0, 2), (3,))
    return Case((), main=main, subgraphs=(body_graph(type_, *[body] * bool(body)),))


STABLEHLO_SCATTER = Op(
    "STABLEHLO_SCATTER",
    inputs=(activation("input"), parameter("scatter_indices"), activation("updates", same_as="input")),
    outputs=(activation("output", same_as="input"),),
    definitions=tuple(
        Definition(f"{t} {i} {t} -> {t}", scatter, prepare, label="other" if t in elementwise.UNUSUAL else t)
        for t in elementwise.NUMBERS
        for i in ("int32", "int64")
    ),
    shapes=shapes,
    cases=case,
)
