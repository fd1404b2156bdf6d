"""Memory plans: nothing that is in use lies over anything else, no plan is below what is in use, and the runtimes
themselves need as much: TFLite Micro to the byte, LiteRT tensor by tensor."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minilite
from minilite import Limits, cli, demo, memory_plan
from minilite.cases import Call, Graph, Value
from minilite.errors import ArgumentError, OperatorError
from minilite.inspection.arena_planners import Need, Placed, aligned, best_fit, greedy, top
from minilite.inspection.summary import summarize
from minilite.model import Buffer, Metadata, Model, OperatorCode, Quantization
from minilite.testing.graph_model import graph_model
from minilite.testing.kit import rows
from minilite.testing.one_operator import build
from minilite.testing.seeded import SeededDraw
from tests import small_models
from tests.micro import has, narrowed
from tests.oracle import installed
from tests.small_models import Builder, operator

# ---- networks --------------------------------------------------------------------------------------------------------


def branched():
    """Two branches of other lengths that meet, and results that LiteRT writes over an input."""
    b = Builder()
    x, a, c, d, e, y = (b.tensor(n, (1, 8, 8, 4)) for n in ("x", "a", "c", "d", "e", "y"))
    flat, wide = b.tensor("flat", (1, 256)), b.tensor("wide", (1, 512))
    shape = b.constant("shape", np.array([1, 256], np.int32))
    steps = (
        operator(0, (x,), (a,), "AbsOptions"),
        operator(0, (a,), (c,), "AbsOptions"),
        operator(0, (c,), (d,), "AbsOptions"),
        operator(1, (a, d), (e,), "AddOptions"),
        operator(2, (e, shape), (flat,), "ReshapeOptions"),
        operator(3, (flat, flat), (wide,), "ConcatenationOptions", axis=1),
        operator(0, (e,), (y,), "AbsOptions"),
    )
    codes = tuple(OperatorCode(n) for n in ("ABS", "ADD", "RESHAPE", "CONCATENATION"))
    return Model(codes, (b.subgraph((x,), (y, wide), *steps),), tuple(b.buffers))


def conditional():
    """An IF between other operators, one of its branches with a large intermediate result."""
    flag, value, large = Value("bool", (1,)), Value("float32", (4, 8)), Value("float32", (4, 80))
    pads = Value("int32", (2, 2), np.array([[0, 0], [0, 72]], np.int32))
    options = {"then_subgraph_index": 1, "else_subgraph_index": 2}
    calls = (Call("ABS", (1,), (2,)), Call("IF", (0, 2), (3,), options), Call("ADD", (2, 3), (4,)))
    main = Graph((flag, value, value, value, value), calls, (0, 1), (4,))
    start = Value("int32", (2,), np.array([0, 0], np.int32))
    size = Value("int32", (2,), np.array([4, 8], np.int32))
    then = Graph(
        (value, pads, large, start, size, value),
        (Call("PAD", (0, 1), (2,)), Call("SLICE", (2, 3, 4), (5,))),
        (0,),
        (5,),
    )
    other = Graph((value, value), (Call("NEG", (0,), (1,)),), (0,), (1,))
    return graph_model((main, then, other))


def unused():
    """A large tensor that nothing uses, and a small chain."""
    b = Builder()
    x, y = b.tensor("x", (2, 2)), b.tensor("y", (2, 2))
    b.tensor("forgotten", (100, 10))
    return Model(
        (OperatorCode("ABS"),), (b.subgraph((x,), (y,), operator(0, (x,), (y,), "AbsOptions")),), tuple(b.buffers)
    )


def offline():
    """The chain x -> a -> y, a's place given in the metadata."""
    b = Builder()
    x, a, y = (b.tensor(n, (4, 4)) for n in "xay")
    words = np.array([1, 0, 3, -1, 1024, -1], "<i4")
    b.buffers.append(Buffer(np.frombuffer(words.tobytes(), np.uint8)))
    steps = (operator(0, (x,), (a,), "AbsOptions"), operator(0, (a,), (y,), "AbsOptions"))
    metadata = (Metadata("OfflineMemoryAllocation", len(b.buffers) - 1),)
    return Model((OperatorCode("ABS"),), (b.subgraph((x,), (y,), *steps),), tuple(b.buffers), metadata=metadata)


def four_bits():
    """A dense layer of int8 activations and int4 weights, which TFLite Micro unpacks."""
    b = Builder()
    q = Quantization(np.float32([0.5]), np.int64([0]))
    x, y = b.tensor("x", (1, 64), "INT8", quantization=q), b.tensor("y", (1, 32), "INT8", quantization=q)
    w = b.constant("w", np.zeros(64 * 32 // 2, np.uint8), type_="INT4", shape=(32, 64), quantization=q)
    call = operator(0, (x, w, -1), (y,), "FullyConnectedOptions")
    return Model((OperatorCode("FULLY_CONNECTED", 4),), (b.subgraph((x,), (y,), call),), tuple(b.buffers))


def called_twice(model):
    """The model's subgraph as both branches of an IF."""
    graph = model.subgraphs[0]
    b = Builder(list(model.buffers))
    tensors = [b.tensor("flag", (1,), "BOOL")]
    for index in (*graph.inputs, *graph.outputs):
        t = graph.tensors[index]
        tensors.append(b.tensor(t.name, t.shape, t.type, quantization=t.quantization))
    cut = 1 + len(graph.inputs)
    call = operator(len(model.operator_codes), tensors[:cut], tensors[cut:], "IfOptions", **BOTH_BRANCHES)
    codes = (*model.operator_codes, OperatorCode("IF"))
    return Model(codes, (b.subgraph(tensors[:cut], tensors[cut:], call), graph), tuple(b.buffers))


BOTH_BRANCHES = {"then_subgraph_index": 1, "else_subgraph_index": 1}
MODELS = {
    "int8": lambda: minilite.read(demo.INT8_MODEL),
    "float": lambda: minilite.read(demo.FLOAT_MODEL),
    "branched": branched,
    "conditional": conditional,
    "unused": unused,
    "offline": offline,
    "four bits": four_bits,
    "four bits, called twice": lambda: called_twice(four_bits()),
    "stateful": small_models.stateful,
}
# ---- plans are sound -------------------------------------------------------------------------------------------------


def overlapping(buffers):
    """Pairs that are in use at the same time and share an address."""
    return [
        (a, b)
        for a, b in itertools.combinations(buffers, 2)
        if a.first <= b.last and b.first <= a.last and a.offset < b.offset + b.size and b.offset < a.offset + a.size
    ]


def arenas(plan):
    groups = {}
    for buffer in plan.buffers:
        groups.setdefault(buffer.subgraph if plan.runtime == "litert" else 0, []).append(buffer)
    return list(groups.values())


@pytest.mark.parametrize("runtime", ["tflm", "litert"])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_in_use_is_overwritten(name, runtime):
    plan = memory_plan(MODELS[name](), runtime=runtime)
    assert plan.buffers
    for buffers in arenas(plan):
        assert overlapping(buffers) == []
    assert all(b.offset % plan.alignment == 0 for b in plan.buffers)
    assert all(b.size >= b.bytes > 0 for b in plan.buffers)
    assert plan.arena_bytes >= plan.live_bytes >= max(m.live_bytes for m in plan.moments)
    for moment in plan.moments:
        used = [plan.buffers[i] for i in moment.buffers]
        assert moment.live_bytes == sum(b.size for b in used) <= moment.top <= plan.arena_bytes
        operator_ = MODELS[name]().subgraphs[moment.subgraph].operators[moment.operator]
        there = {t for b in used for t in (b.tensor, *b.shared) if b.subgraph == moment.subgraph}
        planned = {t for b in plan.buffers for t in (b.tensor, *b.shared) if b.subgraph == moment.subgraph}
        assert {*operator_.inputs, *operator_.outputs} & planned <= there, "what an operator reads and writes is there"


needs = st.builds(
    lambda size, first, length: Need(size * 16, first, first + length),
    st.integers(0, 20),
    st.integers(0, 12),
    st.integers(0, 6),
)


def meet(a, b):
    return a.first <= b.last and b.first <= a.last


@given(st.lists(needs, max_size=14))
def test_planners_place_anything_soundly(wanted):
    for offsets in (greedy(wanted), best_fit(wanted, 64)):
        for (a, x), (b, y) in itertools.combinations(zip(wanted, offsets, strict=True), 2):
            if meet(a, b) and a.bytes and b.bytes:
                assert x + a.bytes <= y or y + b.bytes <= x
        most = max((sum(n.bytes for n in wanted if n.first <= t <= n.last) for t in range(20)), default=0)
        assert most <= top(wanted, offsets) <= sum(aligned(n.bytes, 64) for n in wanted)


def one_by_one(wanted, alignment):
    """Both planners in plain words, buffer by buffer: greedy's offsets, and the best fits'."""
    order = [i for i, n in enumerate(wanted) if n.fixed is not None]
    order += sorted((i for i, n in enumerate(wanted) if n.fixed is None), key=lambda i: (-wanted[i].bytes, -i))
    found = []
    for first_gap, places in ((True, order), (False, [i for i, n in enumerate(wanted) if n.bytes])):
        offsets = {}
        for i in places:
            size, begin, best = wanted[i].bytes, 0, None
            for j in sorted(offsets, key=offsets.get):
                if not meet(wanted[i], wanted[j]):
                    continue
                start = begin if first_gap else aligned(begin, alignment)
                fits = offsets[j] - start >= size
                if fits and (best is None or (not first_gap and offsets[j] - start < best[1])):
                    best = start, offsets[j] - begin
                begin = max(begin, offsets[j] + wanted[j].bytes)
            offsets[i] = best[0] if best else begin if first_gap else aligned(begin, alignment)
            offsets[i] = wanted[i].fixed if first_gap and wanted[i].fixed is not None else offsets[i]
        found.append([offsets.get(i, 0) for i in range(len(wanted))])
    return found


placed_by_others = st.builds(
    lambda need, fixed: dataclasses.replace(need, fixed=fixed), needs, st.sampled_from([None, None, None, 0, 16, 64])
)


@settings(max_examples=200)
@given(st.lists(placed_by_others, max_size=14), st.sampled_from([16, 64]))
def test_planners_place_each_where_the_runtimes_do(wanted, alignment):
    assert [greedy(wanted), best_fit(wanted, alignment)] == one_by_one(wanted, alignment)


def test_a_planted_fault_is_seen(monkeypatch):
    """A lifetime that ends one operator early lets buffers overlap that are in use together."""
    add = Placed.add

    def early(self, need, offset):
        return add(self, dataclasses.replace(need, last=need.last - 1), offset)

    monkeypatch.setattr(Placed, "add", early)
    with pytest.raises(AssertionError):
        test_nothing_in_use_is_overwritten("branched", "tflm")


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_a_chain_by_hand():
    plan = memory_plan(small_models.chain())
    by_name = {b.name: b for b in plan.buffers}
    assert {n: (b.first, b.last, b.kind, b.bytes) for n, b in by_name.items()} == {
        "x": (0, 1, "input", 16),
        "hidden": (1, 2, "activation", 16),
        "y": (2, 2, "output", 16),
    }
    assert (plan.arena_bytes, plan.live_bytes, plan.constant_bytes, plan.variable_bytes) == (32, 32, 4, 0)
    assert [m.live_bytes for m in plan.moments] == [32, 32]
    assert len(plan.peak) == 2
    litert = memory_plan(small_models.chain(), runtime="litert")
    assert [(b.name, b.first, b.last) for b in litert.buffers] == [("x", 0, 1), ("hidden", 0, 1), ("y", 1, 1)]
    assert litert.arena_bytes == 128 + 16


def test_what_is_written_in_place_is_one_buffer_in_litert():
    plan = memory_plan(branched(), runtime="litert")
    shared = {b.name: b.shared for b in plan.buffers}
    names = [t.name for t in branched().subgraphs[0].tensors]
    assert shared["d"] == (names.index("e"), names.index("flat"))
    assert not any(b.shared for b in memory_plan(branched()).buffers)


def test_variables_and_constants():
    plan = memory_plan(small_models.stateful())
    assert plan.variable_bytes == 16
    assert {b.name for b in plan.buffers} == {"x", "y"}
    assert memory_plan(demo.INT8_MODEL).constant_bytes == summarize(minilite.read(demo.INT8_MODEL)).constant_bytes


def test_scratch_memory_of_kernels():
    (scratch,) = [b for b in memory_plan(four_bits()).buffers if b.kind == "scratch"]
    assert (scratch.bytes, scratch.operator, scratch.tensor) == (64 * 32, 0, -1)


def test_batches_and_shapes():
    plain, eight = (memory_plan(demo.FLOAT_MODEL, batch=n) for n in (1, 8))
    assert eight.arena_bytes == 8 * plain.arena_bytes == 8 * memory_plan(demo.FLOAT_MODEL).arena_bytes
    wide = memory_plan(demo.FLOAT_MODEL, shapes={"image": (1, 28, 56, 1)})
    assert plain.arena_bytes < wide.arena_bytes <= 2 * plain.arena_bytes
    assert memory_plan(demo.FLOAT_MODEL, shapes={0: (1, 28, 56, 1)}) == wide
    with pytest.raises(
        ArgumentError, match=r"'imge' is no input; the model has: 0 'image' or 'serving_default_image:0'"
    ):
        memory_plan(demo.FLOAT_MODEL, shapes={"imge": (1, 28, 28, 1)})
    with pytest.raises(ArgumentError, match="no input"):
        memory_plan(demo.FLOAT_MODEL, shapes={5: (1, 28, 28, 1)})
    with pytest.raises(OperatorError):
        memory_plan(demo.FLOAT_MODEL, shapes={0: (28, 28, 1)})
    with pytest.raises(ArgumentError, match="tflm, litert"):
        memory_plan(demo.FLOAT_MODEL, runtime="tfml")
    with pytest.raises(ArgumentError, match="batch"):
        memory_plan(demo.FLOAT_MODEL, batch=0)


def test_sizes_that_depend_on_values_are_named():
    plan = memory_plan(small_models.reshaped_by_value(), runtime="litert")
    assert plan.unplanned == ("y",)
    assert {b.name for b in plan.buffers} == {"x", "shape"}


def test_custom_operators_need_no_row():
    assert memory_plan(small_models.custom()).arena_bytes == 32
    assert memory_plan(small_models.custom(), runtime="litert").arena_bytes == 72


def nested(depth):
    """Each subgraph calls the next one, as both branches of an IF."""
    flag, value = Value("bool", (1,)), Value("float32", (1,))
    graphs = []
    for callee in range(1, depth + 1):
        options = {"then_subgraph_index": callee, "else_subgraph_index": callee}
        calls = (Call("ABS", (1,), (2,)), Call("IF", (0, 0, 2), (4, 3), options))
        graphs.append(Graph((flag, value, value, value, flag), calls, (0, 1), (4, 3)))
    return graph_model((*graphs, Graph((flag, value), (), (0, 1), (0, 1))))


@pytest.mark.parametrize("runtime", ["tflm", "litert"])
def test_subgraphs_may_call_each_other_as_deep_as_in_an_interpreter(runtime):
    """Two branches at each of 32 levels are 2**32 visits; a plan looks at each subgraph once."""
    minilite.Interpreter(nested(32)).allocate_tensors()
    plan = memory_plan(nested(32), runtime=runtime)
    assert len(plan.moments) == 64
    assert len(plan.buffers) == 32 * 5 + 2
    for refused in (lambda m: minilite.Interpreter(m).allocate_tensors(), lambda m: memory_plan(m, runtime=runtime)):
        with pytest.raises(OperatorError, match="more than max_depth=32 deep"):
            refused(nested(33))
    assert len(memory_plan(nested(33), runtime=runtime, limits=Limits(max_depth=None)).moments) == 66


def test_visits_that_are_not_listed_are_counted(monkeypatch):
    plan = memory_plan(nested(5))
    assert len(plan.moments) == 2 * (2**5 - 1)
    assert [m.time for m in plan.moments] == sorted({m.time for m in plan.moments})
    monkeypatch.setattr("minilite.inspection.visits.MOST_MOMENTS", 61)
    few = memory_plan(nested(5))
    assert len(few.moments) == 10
    assert few.buffers == plan.buffers
    assert set(few.moments) < set(plan.moments)


def test_more_visits_than_can_be_counted_are_refused():
    with pytest.raises(OperatorError, match="more than 4611686018427387904 operators"):
        memory_plan(nested(70), limits=Limits(max_depth=None))


def fan(branches):
    """Results that are all in use until the last operator adds them up."""
    value = Value("float32", (4,))
    calls = [Call("ABS", (0,), (i,)) for i in range(1, branches + 1)]
    calls.append(Call("ADD_N", tuple(range(1, branches + 1)), (branches + 1,)))
    return graph_model((Graph((value,) * (branches + 2), tuple(calls), (0,), (branches + 1,)),))


@pytest.mark.parametrize("runtime", ["tflm", "litert"])
def test_a_plan_keeps_limits(runtime, monkeypatch):
    entries = sum(len(m.buffers) for m in memory_plan(fan(50), runtime=runtime).moments)
    for limits, said in (
        (Limits(max_memory=8 * entries - 1), r"lists of what is in use .* max_memory=|may take .* max_memory="),
        (Limits(max_seconds=0), r"max_seconds=0 had passed since the beginning\. If the model is to be trusted"),
        (Limits(max_tensors=51), r"has 52 tensors; expected at most max_tensors=51"),
    ):
        with pytest.raises(minilite.Error, match=said):
            memory_plan(fan(50), runtime=runtime, limits=limits)
    with pytest.raises(minilite.ArgumentTypeError, match=r"limits should be a minilite\.Limits"):
        memory_plan(fan(50), runtime=runtime, limits=5)


def test_sizes_that_cannot_be_counted_are_refused():
    with pytest.raises(OperatorError, match="less than 4611686018427387904 bytes altogether, got 18446744056529682436"):
        memory_plan(graph_model((Graph((Value("float32", (2**31 - 1, 2**31 - 1)),), (), (0,), (0,)),)))


# ---- the runtimes themselves -----------------------------------------------------------------------------------------

MICRO = """
import os, re, sys, tempfile
from tflite_micro.python.tflite_micro import runtime
for path in sys.argv[1:]:
    with tempfile.TemporaryFile() as said:
        before = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            runtime.Interpreter.from_file(path, arena_size=2**24).print_allocations()
        except Exception:
            pass
        os.dup2(before, 2)
        os.close(before)
        said.seek(0)
        head = re.search(rb"Arena allocation head (\\d+)", said.read())
    print(int(head[1]) if head else -1, flush=True)
"""
"""Prints what TFLite Micro says of its arena's head for each model, -1 where it refuses the model."""

micro = pytest.mark.skipif(not installed("tflm"), reason="tflite-micro is not installed")


def heads(paths: list[Path]) -> list[int]:
    """TFLite Micro's head of each model; -1 where it refuses it or dies."""
    found: list[int] = []
    while len(found) < len(paths):
        left = [str(p) for p in paths[len(found) :]]
        done = subprocess.run([sys.executable, "-c", MICRO, *left], capture_output=True, text=True, check=False)
        found += map(int, done.stdout.split())
        if len(found) < len(paths) and done.returncode:
            found.append(-1)
    return found


@micro
def test_tflite_micro_needs_exactly_as_much(tmp_path):
    paths = [tmp_path / f"{name}.tflite" for name in MODELS]
    for path, make in zip(paths, MODELS.values(), strict=True):
        make().save(path)
    found = dict(zip(MODELS, heads(paths), strict=True))
    assert found["int8"] == 18816, "the oracle speaks"
    assert {n: memory_plan(p).arena_bytes for n, p in zip(MODELS, paths, strict=True)} == found


@micro
def test_tflite_micro_needs_as_much_for_every_row(tmp_path):
    """A drawn model of each row that TFLite Micro has: tensors, scratch buffers, called subgraphs."""
    paths = []
    for op, definition in rows():
        if has(op, definition, "tflm"):
            row = narrowed(op, definition)
            draw = SeededDraw(len(paths))
            one = build(draw, *row, row[0].cases(draw, row[1]))
            paths.append(tmp_path / f"{len(paths)}_{op.name}.tflite")
            paths[-1].write_bytes(one.content)
    found = heads(paths)
    assert sum(head > 0 for head in found) > len(found) * 0.8
    wrong = [
        (path.name, plan.arena_bytes, head)
        for path, head in zip(paths, found, strict=True)
        if head >= 0 and (plan := memory_plan(path)).arena_bytes != head
    ]
    assert wrong == []


LITERT = """
import json, sys
from ai_edge_litert import interpreter as litert
reference = litert.OpResolverType.BUILTIN_REF
for path in sys.argv[1:]:
    places = {}
    try:
        found = litert.Interpreter(path, num_threads=1, experimental_op_resolver_type=reference)
        found.allocate_tensors()
        details = found.get_tensor_details()
    except (RuntimeError, ValueError):
        details = []
    for detail in details:
        try:
            view = found.tensor(detail["index"])()
        except ValueError:
            continue
        if view.ndim:
            places[detail["index"]] = view.__array_interface__["data"][0]
        del view
    last = max((detail["index"] for detail in details), default=-1)
    print(json.dumps([last, places]), flush=True)
"""
"""Prints the last tensor's index, and the address of every tensor that has dimensions, of each model."""

lite = pytest.mark.skipif(not installed("litert"), reason="LiteRT is not installed")


def addresses(paths: list[Path]) -> list[tuple[int, dict[int, int]]]:
    """The last tensor and all addresses in LiteRT; -1 and none where it refuses the model or dies."""
    found: list[tuple[int, dict[int, int]]] = []
    while len(found) < len(paths):
        left = [str(p) for p in paths[len(found) :]]
        done = subprocess.run([sys.executable, "-c", LITERT, *left], capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            last, places = json.loads(line)
            found.append((last, {int(t): place for t, place in places.items()}))
        if len(found) < len(paths):
            found.append((-1, {}))
    return found


def bases(model, places):
    """The addresses at which the arena begins, by each tensor; one, if every tensor is where the plan has it."""
    plan = memory_plan(model, runtime="litert")
    return {places[t] - b.offset for b in plan.buffers for t in (b.tensor, *b.shared) if t in places}


@lite
def test_litert_places_tensors_there(tmp_path):
    models = {n: MODELS[n]() for n in ("branched", "unused")} | {"chain": small_models.chain(), "without MEAN": cut()}
    paths = [tmp_path / f"{i}.tflite" for i in range(len(models))]
    for path, model in zip(paths, models.values(), strict=True):
        model.save(path)
    for (name, model), (_, places) in zip(models.items(), addresses(paths), strict=True):
        assert len(places) >= 2
        assert len(bases(model, places)) == 1, name


@lite
def test_litert_places_tensors_of_every_row_there(tmp_path):
    """A drawn model of each row, where no kernel has temporary tensors, which the plan leaves out."""
    paths = []
    for op, definition in rows():
        draw = SeededDraw(len(paths))
        one = build(draw, op, definition, op.cases(draw, definition))
        paths.append(tmp_path / f"{len(paths)}_{op.name}.tflite")
        paths[-1].write_bytes(one.content)
    wrong, compared = [], 0
    for path, (last, places) in zip(paths, addresses(paths), strict=True):
        model = minilite.read(path)
        if 0 <= last < len(model.subgraphs[0].tensors) and len(model.subgraphs) == 1:
            compared += 1
            if len(bases(model, places)) > 1:
                wrong.append(path.name)
    assert wrong == []
    assert compared > len(paths) * 0.7


def cut():
    """The int8 demo up to its MEAN, whose kernel has temporary tensors."""
    model = minilite.read(demo.INT8_MODEL)
    graph = model.subgraphs[0]
    end = next(i for i, o in enumerate(graph.operators) if model.operator_codes[o.opcode_index].name == "MEAN")
    outputs = graph.operators[end - 1].outputs
    graph = dataclasses.replace(graph, operators=graph.operators[:end], outputs=outputs)
    return dataclasses.replace(model, subgraphs=(graph,), signatures=())


# ---- the command -----------------------------------------------------------------------------------------------------


def command(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["minilite", "memory", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as exit_:
        sys.exit(cli.main())
    done = capsys.readouterr()
    assert "Traceback" not in done.err
    return exit_.value.code or 0, done.out, done.err


def test_the_command(capsys, monkeypatch):
    status, out, _ = command(capsys, monkeypatch, demo.INT8_MODEL, "--tensors")
    assert status == 0
    assert re.search(r"arena +18,816", out)
    assert "at operator 2 CONV_2D" in out
    assert "t18     12,544       0  2-3        activation" in out
    assert max(map(len, out.splitlines())) <= 80
    status, out, _ = command(capsys, monkeypatch, demo.FLOAT_MODEL, "--runtime", "litert", "--batch", "2", "--json")
    assert json.loads(out)["arena_bytes"] == memory_plan(demo.FLOAT_MODEL, runtime="litert", batch=2).arena_bytes
    status, out, _ = command(capsys, monkeypatch, demo.FLOAT_MODEL, "--shape", "image=1x56x56x1")
    assert status == 0
    for wrong, said in (
        (("--shape", "image"), "expected --shape NAME=1x96x96x3"),
        (("--shape", "imagine=1x2"), "is no input; the model has"),
        (("--runtime", "x"), "tflm, litert"),
    ):
        status, _, err = command(capsys, monkeypatch, demo.FLOAT_MODEL, *wrong)
        assert status == 1
        assert said in " ".join(err.split())


def test_inputs_are_called_as_signatures_call_them_and_lines_end_where_they_end(call) -> None:
    plan = minilite.memory_plan(demo.INT8_MODEL, shapes={"image": (2, 28, 28, 1)})
    assert plan == minilite.memory_plan(demo.INT8_MODEL, batch=2)
    with pytest.raises(minilite.ArgumentError, match="0 'image' or 'serving_default_image:0'"):
        minilite.memory_plan(demo.INT8_MODEL, shapes={"foo": (2, 28, 28, 1)})
    status, out, _ = call("memory", demo.INT8_MODEL, "--tensors")
    assert status == 0
    assert not [line for line in out.splitlines() if line != line.rstrip()]
