"""IF, WHILE, CALL_ONCE, STABLEHLO_CASE, STABLEHLO_COMPOSITE: operators that call other subgraphs of the model.

    IF                   cond, inputs...  -> the results of the then subgraph when cond is true, else of the other one
    WHILE                inputs...        -> body(body(...body(inputs))), for as long as cond(values) is true
    CALL_ONCE                             -> nothing; computes its subgraph in the first invoke of an interpreter only
    STABLEHLO_CASE       index, inputs... -> the results of branch ``index``; if there is none, of the last
    STABLEHLO_COMPOSITE  inputs...        -> the results of its decomposition

``cond``, and what the cond subgraph of a WHILE gives, is one bool; ``index`` one int32. A subgraph takes its caller's
operands, whatever their shapes, and knows nothing else of its caller. Output shapes are known beforehand where every
subgraph that may be computed says the same; the body of a WHILE must keep its values' shapes for that.

Source: TensorFlow Lite's if, while, call_once, stablehlo_case and stablehlo_composite kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minilite.cases import Call, Case, Draw, Graph, Value
from minilite.errors import OperatorError
from minilite.spec import Definition, Node, Op, Shape, Subroutine, TensorInfo, activation, parameter

Array = np.ndarray
Shapes = list[Shape | None]


def called(node: Node, index: int, inputs: Sequence[TensorInfo | None]) -> tuple[Subroutine, Shapes]:
    """The subgraph ``index``, ready for such inputs, and the shapes of its outputs."""
    assert node.runtime is not None
    subgraph = node.runtime.subgraph(index)
    given = [i for i in inputs if i is not None]
    node.need(len(given) == len(inputs), "a tensor for every input", "one that is absent (index -1)")
    found = subgraph.prepare(given)
    node.need(len(found) == len(node.outputs), f"{len(node.outputs)} outputs of subgraph {index}", len(found))
    for info, type_ in zip(node.outputs, subgraph.output_types, strict=True):
        info.need(info.type == type_, f"{type_}, as subgraph {index} gives", info.type)
    return subgraph, found


def agreed(alternatives: Sequence[Shapes]) -> Shapes:
    """The shapes that all alternatives have in common; if one differs, all of them are open."""
    first = alternatives[0]
    return first if all(a == first for a in alternatives) else [None] * len(first)


# ---- IF and STABLEHLO_CASE -------------------------------------------------------------------------------------------


def branches_if(node: Node) -> list[int]:
    return [node.options.else_subgraph_index, node.options.then_subgraph_index]


def branches_case(node: Node) -> list[int]:
    found = list(node.options.branch_subgraph_indices or ())
    node.need(bool(found), "at least one branch", "none")
    return found


def shapes_branches(branches: Callable[[Node], list[int]]) -> Callable[..., Shapes]:
    """``shapes`` of an operator that computes one of several subgraphs."""

    def shapes(node: Node, selector: TensorInfo, *inputs: TensorInfo | None) -> Shapes:
        selector.need(int(np.prod(selector.shape)) == 1, "one element", selector.shape)
        return agreed([called(node, i, inputs)[1] for i in branches(node)])

    return shapes


def prepare_branches(branches: Callable[[Node], list[int]]) -> Callable[..., list[Subroutine]]:
    """The subgraphs to choose from."""

    def prepare(node: Node, selector: TensorInfo, *operands: TensorInfo | None) -> list[Subroutine]:
        inputs = operands[: len(operands) - len(node.outputs)]
        return [called(node, i, inputs)[0] for i in branches(node)]

    return prepare


def choose(branches: list[Subroutine], selector: Array, *inputs: Array) -> tuple[Array, ...]:
    index = int(selector.reshape(-1)[0])
    return branches[index if 0 <= index < len(branches) else -1](*inputs)


# ---- WHILE -----------------------------------------------------------------------------------------------------------


def shapes_while(node: Node, *inputs: TensorInfo | None) -> Shapes:
    _condition(node, inputs)
    _, found = called(node, node.options.body_subgraph_index, inputs)
    return found if found == [i.shape for i in inputs if i is not None] else [None] * len(found)


def _condition(node: Node, inputs: Sequence[TensorInfo | None]) -> Subroutine:
    assert node.runtime is not None
    cond = node.runtime.subgraph(node.options.cond_subgraph_index)
    shapes = cond.prepare([i for i in inputs if i is not None])
    node.need(cond.output_types == ["bool"], "a cond subgraph with one output, bool", cond.output_types)
    node.need(shapes[0] is None or int(np.prod(shapes[0])) == 1, "one element of cond", shapes[0])
    return cond


def prepare_while(node: Node, *operands: TensorInfo | None) -> tuple[Subroutine, Subroutine]:
    inputs = operands[: len(operands) - len(node.outputs)]
    body, _ = called(node, node.options.body_subgraph_index, inputs)
    return _condition(node, inputs), body


def loop(prepared: tuple[Subroutine, Subroutine], *values: Array) -> tuple[Array, ...]:
    cond, body = prepared
    while _truth(cond.compute(*values)[0]):
        values = body(*values)
    return values


def _truth(answer: Array) -> bool:
    if answer.size != 1:
        raise OperatorError(f"expected one element of the cond subgraph, got shape {answer.shape}.")
    return bool(answer.reshape(-1)[0])


# ---- CALL_ONCE and STABLEHLO_COMPOSITE -------------------------------------------------------------------------------


def shapes_once(node: Node) -> Shapes:
    called(node, node.options.init_subgraph_index, ())
    return []


def once(node: Node) -> tuple[Array, ...]:
    assert node.runtime is not None
    index = node.options.init_subgraph_index
    done: set[int] = node.runtime.resources.setdefault("initialized", set())
    if index not in done:
        node.runtime.subgraph(index)()
        done.add(index)
    return ()


def shapes_composite(node: Node, *inputs: TensorInfo | None) -> Shapes:
    return called(node, node.options.decomposition_subgraph_index, inputs)[1]


def prepare_composite(node: Node, *operands: TensorInfo | None) -> Subroutine:
    inputs = operands[: len(operands) - len(node.outputs)]
    return called(node, node.options.decomposition_subgraph_index, inputs)[0]


def composite(decomposition: Subroutine, *inputs: Array) -> tuple[Array, ...]:
    return decomposition(*inputs)


# ---- cases -----------------------------------------------------------------------------------------------------------


def _branch(draw: Draw, sizes: tuple[int, int]) -> Graph:
    """Two float32 vectors and what some arithmetic makes of them; one may come out longer, or as it went in."""
    rows, columns = sizes
    values = [Value("float32", sizes), Value("float32", sizes)]
    kind = draw.choice(("sum", "twice", "longer", "input", "constant"))
    result = Value("float32", (2 * rows, columns) if kind == "longer" else sizes)
    call = {
        "sum": Call("ADD", (0, 1), (2,)),
        "twice": Call("MUL", (0, 0), (2,)),
        "longer": Call("CONCATENATION", (0, 1), (2,)),
    }.get(kind)
    if kind == "constant":
        result = Value("float32", sizes, draw.random.normal(size=sizes).astype(np.float32))
    if kind == "input":
        return Graph((*values, Value("float32", sizes)), (Call("SUB", (0, 1), (2,)),), (0, 1), (2, 0))
    second = Value("float32", sizes)
    calls = (*([call] if call else []), Call("MAXIMUM", (0, 1), (3,)))
    return Graph((*values, result, second), calls, (0, 1), (2, 3))


def _sizes(draw: Draw) -> tuple[int, int]:
    return draw.integer(1, 4), draw.integer(1, 5)


def case_if(draw: Draw, definition: Definition) -> Case:
    sizes = _sizes(draw)
    branches = (_branch(draw, sizes), _branch(draw, sizes))
    selector = Value("bool", draw.choice(((), (1,))))
    options = {"then_subgraph_index": 1, "else_subgraph_index": 2}
    return Case((), main=_caller("IF", options, selector, branches, sizes), subgraphs=branches)


def _caller(op: str, options: dict[str, Any], selector: Value, branches: Sequence[Graph], sizes: Shape) -> Graph:
    both = [b.values[b.outputs[0]].shape for b in branches]
    data = Value("float32", sizes)
    values = (selector, data, data, Value("float32", both[0]), data)
    return Graph(values, (Call(op, (0, 1, 2), (3, 4), options),), (0, 1, 2), (3, 4))


def case_case(draw: Draw, definition: Definition) -> Case:
    sizes = _sizes(draw)
    branches = tuple(_branch(draw, sizes) for _ in range(draw.integer(1, 3)))
    selector = Value("int32", (), low=-1, high=len(branches))
    options = {"branch_subgraph_indices": list(range(1, len(branches) + 1))}
    return Case((), main=_caller("STABLEHLO_CASE", options, selector, branches, sizes), subgraphs=branches)


def case_while(draw: Draw, definition: Definition) -> Case:
    """Counts up to a limit while the values change, and grow in some cases."""
    sizes = _sizes(draw)
    grows = draw.choice((False, True))
    counter, one = Value("int32", (1,), low=0, high=6), Value("int32", (1,), np.array([1], np.int32))
    limit = Value("int32", (1,), np.array([draw.integer(0, 6)], np.int32))
    data = Value("float32", sizes)
    extra = Value("float32", (1, sizes[1]), draw.random.normal(size=(1, sizes[1])).astype(np.float32))
    cond = Graph((counter, data, limit, Value("bool", (1,))), (Call("LESS", (0, 2), (3,)),), (0, 1), (3,))
    result = Value("float32", (sizes[0] + 1, sizes[1])) if grows else data
    step = Call("CONCATENATION" if grows else draw.choice(("ADD", "MUL", "SUB")), (1, 3), (5,))
    body = Graph((counter, data, one, extra, counter, result), (Call("ADD", (0, 2), (4,)), step), (0, 1), (4, 5))
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    main = Graph((counter, data, counter, data), (Call("WHILE", (0, 1), (2, 3), options),), (0, 1), (2, 3))
    return Case((), main=main, subgraphs=(cond, body))


def case_once(draw: Draw, definition: Definition) -> Case:
    """A variable that is given its first value once, and then counts."""
    sizes = _sizes(draw)
    handle, data = Value("resource", ()), Value("float32", sizes)
    first = Value("float32", sizes, draw.random.normal(size=sizes).astype(np.float32))
    name = {"shared_name": "state", "container": ""}
    start = Graph((handle, first), (Call("VAR_HANDLE", (), (0,), name), Call("ASSIGN_VARIABLE", (0, 1), ())), (), ())
    calls = (
        Call("CALL_ONCE", (), (), {"init_subgraph_index": 1}),
        Call("VAR_HANDLE", (), (1,), name),
        Call("READ_VARIABLE", (1,), (2,)),
        Call("ADD", (2, 0), (3,)),
        Call("ASSIGN_VARIABLE", (1, 3), ()),
    )
    return Case((), main=Graph((data, handle, data, data), calls, (0,), (3,)), subgraphs=(start,), runs=3)


def case_composite(draw: Draw, definition: Definition) -> Case:
    sizes = _sizes(draw)
    body = _branch(draw, sizes)
    data, result = Value("float32", sizes), body.values[body.outputs[0]]
    no_attributes = np.frombuffer(b"\x00\x00\x01\x00\x00\x24\x01", np.uint8)  # a flexbuffer, an empty map
    options = {"name": "minilite.pair", "decomposition_subgraph_index": 1, "composite_attributes": no_attributes}
    call = Call("STABLEHLO_COMPOSITE", (0, 1), (2, 3), options)
    main = Graph((data, data, Value("float32", result.shape), data), (call,), (0, 1), (2, 3))
    return Case((), main=main, subgraphs=(body,))


INPUTS = activation("inputs", variadic=True)
OUTPUTS = (activation("outputs", variadic=True),)

IF = Op(
    "IF",
    inputs=(parameter("cond"), INPUTS),
    outputs=OUTPUTS,
    definitions=(Definition("bool any* -> any*", choose, prepare_branches(branches_if), quantized=False),),
    shapes=shapes_branches(branches_if),
    cases=case_if,
    foldable=False,
)
STABLEHLO_CASE = Op(
    "STABLEHLO_CASE",
    inputs=(parameter("index"), INPUTS),
    outputs=OUTPUTS,
    definitions=(Definition("int32 any* -> any*", choose, prepare_branches(branches_case), quantized=False),),
    shapes=shapes_branches(branches_case),
    cases=case_case,
    foldable=False,
)
WHILE = Op(
    "WHILE",
    inputs=(INPUTS,),
    outputs=OUTPUTS,
    definitions=(Definition("any* -> any*", loop, prepare_while, quantized=False),),
    shapes=shapes_while,
    cases=case_while,
    foldable=False,
)
CALL_ONCE = Op(
    "CALL_ONCE",
    inputs=(),
    outputs=(),
    definitions=(Definition("->", once, label="none", quantized=False),),
    shapes=shapes_once,
    cases=case_once,
    foldable=False,
)
STABLEHLO_COMPOSITE = Op(
    "STABLEHLO_COMPOSITE",
    inputs=(INPUTS,),
    outputs=OUTPUTS,
    definitions=(Definition("any* -> any*", composite, prepare_composite, quantized=False),),
    shapes=shapes_composite,
    cases=case_composite,
    foldable=False,
)
