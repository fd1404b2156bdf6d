"""The debugger: any moment of a run again bit for bit, patches that equal an edited model, expressions that cannot do
harm, and a terminal session that survives whatever is typed."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite import Debugger, demo
from minilite.cases import Call, Graph, Value
from minilite.commands import debug as debug_command
from minilite.constants import constant_array
from minilite.errors import ArgumentError, OperatorError, StateError
from minilite.inspection.expressions import parse
from minilite.model import Model, OperatorCode
from minilite.schema import make_options
from minilite.testing.graph_model import graph_model
from minilite.watching import watched
from tests import small_models
from tests.small_models import Builder, operator


def demo_input(path=demo.INT8_MODEL, seed=3):
    """One of the demo's pictures, as the model takes it."""
    detail = minilite.Interpreter(path).get_input_details()[0]
    picture = demo.load_samples().images[seed].reshape(detail["shape"]) / np.float32(255)
    if detail["dtype"] == np.float32:
        return picture
    scale, zero_point = detail["quantization"]
    return np.clip(np.rint(picture / scale) + zero_point, -128, 127).astype(np.int8)


def everything(debugger):
    """All tensors that have a value."""
    found = {}
    for index in range(len(debugger.names)):
        try:
            found[index] = debugger.tensor(index)
        except StateError:
            continue
    return found


def same(a, b):
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() and a[k].dtype == b[k].dtype for k in a)


def streaming():
    """Two filters with a state each (SVDF), one after the other."""
    b = Builder()
    random = np.random.default_rng(0)
    x, h, y = b.tensor("x", (1, 3)), b.tensor("h", (1, 4)), b.tensor("y", (1, 4))
    times = b.constant("times", random.normal(size=(4, 5)).astype(np.float32))
    steps = []
    for source, result, width in ((x, h, 3), (h, y, 4)):
        features = b.constant(f"features{width}", random.normal(size=(4, width)).astype(np.float32))
        state = b.tensor(f"state{width}", (1, 20), is_variable=True)
        steps.append(operator(0, (source, features, times, -1, state), (result,), "SVDFOptions", rank=1))
    return Model((OperatorCode("SVDF"),), (b.subgraph((x,), (y,), *steps),), tuple(b.buffers))


def loop():
    """Counts from x up to 10 in a WHILE, then adds x."""
    counter = Value("int32", (1,))
    limit, one = (Value("int32", (1,), np.array([n], np.int32)) for n in (10, 1))
    less = Graph((counter, limit, Value("bool", (1,))), (Call("LESS", (0, 1), (2,)),), (0,), (2,))
    add = Graph((counter, one, counter), (Call("ADD", (0, 1), (2,)),), (0,), (2,))
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    calls = (Call("WHILE", (0,), (1,), options), Call("ADD", (0, 1), (2,)))
    return graph_model((Graph((counter, counter, counter), calls, (0,), (2,)), less, add))


def counting():
    """A resource variable: read, add x, assign, read again."""
    b = Builder()
    x, handle, old, new, y = (
        b.tensor("x", (2,)),
        b.tensor("handle", (1,), "RESOURCE"),
        b.tensor("old", (2,)),
        b.tensor("new", (2,)),
        b.tensor("y", (2,)),
    )
    zero = b.constant("zero", np.zeros(2, np.float32))
    codes = [OperatorCode(n) for n in ("VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE", "ADD")]
    handles = make_options("VarHandleOptions", container="", shared_name="v")
    steps = (
        dataclasses.replace(operator(0, (), (handle,)), options=handles),
        operator(1, (handle, zero), (), "AssignVariableOptions"),
        operator(2, (handle,), (old,), "ReadVariableOptions"),
        operator(3, (old, x), (new,), "AddOptions"),
        operator(1, (handle, new), (), "AssignVariableOptions"),
        operator(2, (handle,), (y,), "ReadVariableOptions"),
    )
    return Model(tuple(codes), (b.subgraph((x,), (y,), *steps),), tuple(b.buffers))


def drawing():
    """Two random operators, one after the other."""
    b = Builder()
    shape = b.constant("shape", np.array([3], np.int32))
    a, c, y = b.tensor("a", (3,)), b.tensor("c", (3,)), b.tensor("y", (3,))
    steps = (
        operator(0, (shape,), (a,), "RandomOptions", seed=1, seed2=2),
        operator(0, (shape,), (c,), "RandomOptions", seed=3, seed2=4),
        operator(1, (a, c), (y,), "AddOptions"),
    )
    return Model(
        (OperatorCode("RANDOM_UNIFORM"), OperatorCode("ADD")), (b.subgraph((), (y,), *steps),), tuple(b.buffers)
    )


def folded():
    """y = x + (one + one): the sum in brackets is known before the run."""
    b = Builder()
    x, total, y = (b.tensor(n, (2,)) for n in ("x", "sum", "y"))
    one = b.constant("one", np.ones(2, np.float32))
    steps = (operator(0, (one, one), (total,), "AddOptions"), operator(0, (x, total), (y,), "AddOptions"))
    return Model((OperatorCode("ADD"),), (b.subgraph((x,), (y,), *steps),), tuple(b.buffers))


RUNS = {
    "int8": lambda: (minilite.read(demo.INT8_MODEL), demo_input()),
    "float": lambda: (minilite.read(demo.FLOAT_MODEL), demo_input(demo.FLOAT_MODEL)),
    "variables": lambda: (streaming(), np.float32([[1, -2, 3]])),
    "resources": lambda: (counting(), np.float32([5, 6])),
    "random": lambda: (drawing(), None),
    "loop": lambda: (loop(), np.int32([3])),
    "dynamic": lambda: (
        small_models.reshaped_by_value(),
        [np.arange(6, dtype=np.float32).reshape(2, 3), np.int32([3, 2])],
    ),
}


# ---- stepping and rewinding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", ["reference", "xnnpack", "ideal"])
@pytest.mark.parametrize("path", [demo.INT8_MODEL, demo.FLOAT_MODEL], ids=["int8", "float"])
def test_every_tensor_is_what_the_interpreter_computes(path, kernels):
    x = demo_input(path)
    interpreter = minilite.Interpreter(path, kernels=kernels, engine="numpy", experimental_preserve_all_tensors=True)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    seen = {}
    with watched(interpreter, lambda subgraph, tensor, array: seen.update({tensor: np.array(array)})):
        interpreter.invoke()
    debugger = Debugger(path, x, kernels)
    assert debugger.run().reason == "end"
    found = everything(debugger)
    assert len(seen) > 11
    for tensor, array in seen.items():
        assert found[tensor].tobytes() == array.tobytes()


@pytest.mark.parametrize("name", RUNS)
def test_rewinding_gives_the_same_bits(name):
    model, inputs = RUNS[name]()
    debugger = Debugger(model, inputs)
    states = [everything(debugger)]
    while debugger.next is not None:
        debugger.step()
        states.append(everything(debugger))
    end = len(states) - 1
    random = np.random.default_rng(0)
    for place in [*random.integers(0, end + 1, 3 * end + 3).tolist(), 0, end]:
        debugger.goto(None)
        debugger.back(end - place)
        assert same(everything(debugger), states[place])
    # computed anew, not only remembered: a patch, even of no element, drops everything after it
    for place in [*range(1, end), *range(1, end)]:
        debugger.goto(None)
        debugger.back(end - place)
        written = next(o for o in debugger.operators if o.index == debugger.last).outputs
        for tensor in written or debugger.model.subgraphs[0].inputs:
            debugger.patch(tensor, 0, np.s_[:0])
        debugger.goto(None)
        assert same(everything(debugger), states[end])
    assert debugger.diff() == ()


@pytest.mark.parametrize("name", ["random", "resources"])
def test_a_planted_fault_in_restoring_is_seen(name, monkeypatch):
    """Without restoring the program, random numbers and resources of a repeated step are others."""
    monkeypatch.setattr("minilite.program.Program.restore", lambda self, state: None)
    with pytest.raises(AssertionError):
        test_rewinding_gives_the_same_bits(name)


def test_variables_go_back_with_the_run():
    debugger = Debugger(streaming(), np.float32([[1, -2, 3]]))
    before = debugger.tensor("state3")
    debugger.step()
    after = debugger.tensor("state3")
    assert not before.any()
    assert after.any()
    debugger.back()
    np.testing.assert_array_equal(debugger.tensor("state3"), before)
    debugger.step()
    np.testing.assert_array_equal(debugger.tensor("state3"), after)


def test_calls_of_subgraphs_are_one_step():
    debugger = Debugger(loop(), np.int32([3]))
    assert debugger.step().next == 1
    assert debugger.tensor(1).tolist() == [10]
    assert debugger.step().reason == "end"
    assert debugger.tensor(2).tolist() == [13]
    debugger.goto(0)
    debugger.patch(0, 7)
    debugger.run()
    assert debugger.tensor(2).tolist() == [17]


def test_where_the_run_is():
    debugger = Debugger(small_models.chain(), np.zeros((2, 2), np.float32))
    assert debugger.pause == minilite.inspection.debugger.Pause("start", None, 0)
    assert debugger.step() == minilite.inspection.debugger.Pause("step", 0, 1)
    assert debugger.step(5) == minilite.inspection.debugger.Pause("end", 1, None)
    assert debugger.outputs["y"].tolist() == [[2, 2], [2, 2]]
    assert debugger.goto("y").next == 1
    assert debugger.goto("hidden").next == 0
    with pytest.raises(StateError, match=r"tensor 1 'hidden' has no value yet: operator 0 ADD writes it"):
        debugger.tensor("hidden")


def test_an_operator_that_fails_leaves_the_run_before_it():
    model = small_models.reshaped_by_value()
    debugger = Debugger(model, [np.zeros((2, 3), np.float32), np.int32([4, 2])])
    for _ in range(2):
        with pytest.raises(OperatorError):
            debugger.step()
        assert debugger.next == 0
    debugger.patch("shape", np.int32([6, 1]))
    debugger.run()
    assert debugger.tensor("y").shape == (6, 1)


def test_other_signatures_and_models_without_operators():
    arrays = {"a": np.float32([[1, 2, 3]]), "b": np.float32([[3, 3, 3]])}
    debugger = Debugger(small_models.two_signatures(), arrays, signature="subtract")
    debugger.run()
    assert debugger.outputs["out"].tolist() == [[-2, -1, 0]]
    debugger.patch("left1", 0)
    debugger.goto(0)
    debugger.patch("left1", 0)
    debugger.run()
    assert debugger.outputs["out"].tolist() == [[-3, -3, -3]]
    assert Debugger(small_models.packed_input(), np.int8([1, 2, 3])).step().reason == "end"
    texts = Debugger(small_models.strings(), np.array([b"a", b"bc", b""], object))
    assert texts.run().reason == "end"
    assert texts.statistics("text").count == 3
    assert texts.diff() == ()


def test_a_shape_is_what_it_is_now():
    debugger = Debugger(small_models.reshaped_by_value(), [np.zeros((2, 3), np.float32), np.int32([3, 2])])
    debugger.run()
    assert debugger.info("y").shape == (3, 2)
    debugger.goto(0)
    debugger.patch("shape", [6, 1])
    debugger.run()
    assert debugger.info("y").shape == (6, 1)
    (_, y) = debugger.diff()
    assert (y.name, y.changed, y.largest) == ("y", 6, None)


# ---- pausing ---------------------------------------------------------------------------------------------------------


def test_watches_and_breakpoints():
    debugger = Debugger(demo.INT8_MODEL, demo_input())
    debugger.run()
    tensors = everything(debugger)
    first = next(o.index for o in debugger.operators if (tensors[o.outputs[0]] > 75).any())
    assert first > 0
    debugger.goto(0)
    assert debugger.until("any(result > 75)").last == first
    debugger.goto(0)
    assert debugger.until(lambda d: (d.tensor(d.operators[first].outputs[0]) > 75).any()).last == first
    debugger.goto(0)
    assert debugger.watch("any(t16 > -128)") == "any(t16 > -128)"
    assert debugger.run() == minilite.inspection.debugger.Pause("watch", 0, 1, "any(t16 > -128)")
    assert debugger.run().reason == "end", "a watch that stays true does not pause again"
    debugger.clear()
    debugger.goto(0)
    debugger.break_at("conv_2d")
    assert [debugger.run().next for _ in range(4)] == [2, 5, 7, None]
    debugger.clear("before CONV_2D")
    debugger.break_at("pool_1/MaxPool2d")
    debugger.goto(0)
    assert debugger.run().last == 3
    debugger.break_at(6)
    assert debugger.run().next == 6
    assert len(debugger.stops) == 2


@pytest.mark.parametrize(
    "text, expected",
    [
        ("max(x) > 6", True),
        ("min(x) == -3", True),
        ("nan(x)", False),
        ("inf(x) or any(x == 127)", True),
        ("all(x > -4) and not nan(x)", True),
        ("x[0, 1]", 127),
        ("x[-1, ...]", [127, 127]),
        ("x * 100 - 1", [[-301, 12699], [12699, 12699]]),
        ("-3 <= x[0, 0] < 0", True),
        ("mean(real(x))", 47.25),
        ('"x" + 0', [[-3, 127], [127, 127]]),
        ("count(abs(x) > 3)", 3),
        ("sum(x) // 7 % 5", 378 // 7 % 5),
    ],
)
def test_expressions(text, expected):
    x = np.array([[-3, 127], [127, 127]], np.int8)

    def look(tensor, real):
        return x.astype(np.float32) / 2 if real else x

    names = {"x": 0}
    np.testing.assert_array_equal(parse(text, names.__getitem__).value(look), expected)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x.dtype",
        "x.__class__",
        "(lambda: 0)()",
        "[i for i in x]",
        "max(x, x)",
        "max(x, axis=0)",
        "x if x else x",
        "x ** 9999999",
        "x @ x",
        "x in x",
        "x is x",
        "f'{x}'",
        "(y := 3)",
        "x[x]",
        "x['a']",
        "1j",
        "b'a'",
        "x[0",
        "",
        "real(x + 1)",
        "eval(x)",
        "1 << 99999999",
        "(" * 500 + "x" + ")" * 500,
        "x" * 2000,
    ],
)
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(ArgumentError):
        parse(text, lambda name: 0).value(lambda tensor, real: np.zeros(3))


def test_expressions_that_have_no_truth():
    debugger = Debugger(small_models.chain(), np.zeros((2, 2), np.float32))
    with pytest.raises(ArgumentError, match=r"say any\(hidden > 0\) or all\(hidden > 0\)"):
        debugger.until("hidden > 0")
    with pytest.raises(ArgumentError, match=r"'hiden'.*did you mean 'hidden'"):
        debugger.watch("max(hiden) > 0")
    with pytest.raises(ArgumentError, match="did you mean 'max'"):
        debugger.until("maxx(hidden) > 0")
    assert debugger.value("x[5:, 0]").size == 0
    with pytest.raises(ArgumentError, match="cannot compute"):
        debugger.value("x[5, 0]")


# ---- patching --------------------------------------------------------------------------------------------------------


def constant_of(model, tensor):
    return constant_array(model, model.subgraphs[0].tensors[tensor], tensor)


def test_a_patched_parameter_equals_an_edited_model(tmp_path):
    x = demo_input()
    debugger = Debugger(demo.INT8_MODEL, x)
    debugger.goto(5)
    node = debugger.operators[2]
    weights = constant_of(debugger.model, node.inputs[1])
    other = np.clip(weights.astype(int) + 3, -127, 127).astype(np.int8)
    assert debugger.patch(node.inputs[1], other) == (2,)
    debugger.patch(node.inputs[2], 7, 0)
    debugger.patch_quantization(node.outputs[0], scale=0.05, zero_point=-100)
    assert debugger.next == 5
    debugger.run()
    debugger.model.save(tmp_path / "edited.tflite")
    expected = minilite.run(tmp_path / "edited.tflite", x, engine="numpy")
    assert same(debugger.outputs, expected)
    assert not same(expected, minilite.run(demo.INT8_MODEL, x, engine="numpy"))
    edited = minilite.read(tmp_path / "edited.tflite")
    assert constant_of(edited, node.inputs[1]).tobytes() == other.tobytes()
    assert constant_of(edited, node.inputs[2])[0] == 7
    changed = {c.tensor for c in debugger.diff()}
    assert {node.inputs[1], node.inputs[2], node.outputs[0]} <= changed
    assert not changed & {o.outputs[0] for o in debugger.operators[:2]}
    debugger.unpatch()
    assert debugger.diff() == ()
    assert same(debugger.outputs, minilite.run(demo.INT8_MODEL, x, engine="numpy"))
    debugger.patch_quantization(0, scale=2 * float(debugger.info(0).scale))
    (input_,) = [c for c in debugger.diff() if c.tensor == 0]
    assert (input_.changed, input_.largest) == (np.count_nonzero(x - debugger.info(0).zero_point), 0.0)
    reals = minilite.inspection.tensor_changes.real(debugger.info(0), x)
    assert input_.largest_real == pytest.approx(np.abs(reals).max() / 2)


def test_a_patched_tensor_changes_what_comes_after_it_only():
    x = demo_input()
    debugger = Debugger(demo.INT8_MODEL, x)
    debugger.goto(7)
    pooled = debugger.operators[3].outputs[0]
    assert debugger.patch(pooled, 3, np.s_[0, 0]) == (), "its readers are computed already"
    debugger.unpatch(pooled)
    debugger.goto(4)
    assert debugger.patch(pooled, 3, np.s_[0, 0]) == (4, 6)
    debugger.run()
    changes = debugger.diff()
    assert [c.operator for c in changes][:2] == [3, 4]
    first = changes[0]
    ours, theirs = debugger.tensor(pooled).astype(int), Debugger(demo.INT8_MODEL, x)
    theirs.run()
    reference = theirs.tensor(pooled).astype(int)
    assert first.changed == np.count_nonzero(ours != reference)
    assert first.largest == np.abs(ours - reference).max()
    assert first.largest_real == pytest.approx(first.largest * debugger.info(pooled).scale, rel=1e-6)
    patched = debugger.outputs
    debugger.goto(2)
    assert debugger.patches == ((3, debugger.names[pooled]),)
    debugger.run()
    assert same(debugger.outputs, patched), "the patch is made again on the way forward"


def test_patching_ahead_waits_for_the_operator():
    debugger = Debugger(small_models.chain(), np.zeros((2, 2), np.float32))
    assert debugger.patch("hidden", 5.0, (0, 1)) == (1,)
    debugger.run()
    assert debugger.outputs["y"].tolist() == [[2, 6], [2, 2]]
    (hidden, y) = debugger.diff()
    assert (hidden.name, hidden.operator, hidden.changed, hidden.largest) == ("hidden", 0, 1, 4.0)
    assert (y.name, y.changed, y.largest_real) == ("y", 1, 4.0)
    debugger.goto(0)
    debugger.patch("x", 1)
    debugger.run()
    assert debugger.outputs["y"].tolist() == [[3, 6], [3, 3]], "one element is patched; the others are computed anew"
    debugger.unpatch("hidden")
    assert debugger.outputs["y"].tolist() == [[3, 3], [3, 3]]


def test_patches_of_shared_buffers_and_of_real_values():
    model = small_models.chain()
    debugger = Debugger(model, np.zeros((2, 2), np.float32))
    debugger.patch("one", 3)
    debugger.run()
    assert debugger.outputs["y"].tolist() == [[6, 6], [6, 6]]
    quantized = Debugger(small_models.stateful_int8(), np.int8([[9, 7]]))
    assert quantized.tensor("x", real=True).tolist() == [[1.0, 0.0]]
    quantized.patch("x", [[2.24, 1e9]], real=True)
    assert quantized.tensor("x").tolist() == [[11, 127]]
    quantized.patch("state", 8)
    quantized.run()
    assert quantized.tensor("y").tolist() == [[12, 127]]


def test_patches_that_do_not_fit():
    debugger = Debugger(small_models.stateful_int8(), np.int8([[9, 7]]))
    with pytest.raises(ArgumentError, match=r"whole numbers from -128 to 127 \(INT8\).*real=True"):
        debugger.patch("x", 128)
    with pytest.raises(ArgumentError, match="whole numbers"):
        debugger.patch("x", np.nan)
    with pytest.raises(ArgumentError, match=r"shape \[1, 2\]"):
        debugger.patch("x", [1, 2, 3])
    with pytest.raises(ArgumentError, match=r"index 5 is out of bounds"):
        debugger.patch("x", 1, (0, 5))
    with pytest.raises(ArgumentError, match="positive scales"):
        debugger.patch_quantization("x", scale=0)
    with pytest.raises(ArgumentError, match="expected 1 whole numbers"):
        debugger.patch_quantization("x", zero_point=1.5)
    with pytest.raises(ArgumentError, match="not patched"):
        debugger.unpatch("x")
    known = Debugger(folded(), np.zeros((2,), np.float32))
    with pytest.raises(ArgumentError, match="computed before the run, from constants"):
        known.patch("sum", 1)
    known.patch("one", 5)
    known.run()
    assert known.outputs["y"].tolist() == [10, 10]
    with pytest.raises(ArgumentError, match="not quantized"):
        Debugger(small_models.chain(), np.zeros((2, 2), np.float32)).patch_quantization("x", scale=1)
    assert debugger.diff() == ()


# ---- the terminal ----------------------------------------------------------------------------------------------------


def session(lines, debugger=None):
    out = io.StringIO()
    debugger = debugger or Debugger(demo.INT8_MODEL, demo_input())
    debug_command.Session(debugger, io.StringIO(lines), out).serve()
    return out.getvalue()


def test_a_session():
    text = session("step\nnext 2\nstats\nback 2\nuntil any(result > 50)\nbreak 3\ngoto 0\nrun\nprint t16[0,0,0,:3]\n")
    assert "0 CONV_2D -> t16 fashion_1/re_lu_1/Relu int8 [1, 14, 14, 32]" in text
    assert "breakpoint: before operator 3" in text
    assert "watch: any(result > 50)" in text
    assert "next: 3 MAX_POOL_2D" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "line, said",
    [
        ("stp", "Did you mean step or stops?"),
        ("print convv", "did you mean 'conv_1'?"),
        ("print conv_9/Relu", "did you mean 'conv_1/Relu'?"),
        ("tensors convv", "no tensor has 'convv' in its name (did you mean 'conv_1'?)"),
        ("break CONV_3D", "no operator and no tensor is called 'CONV_3D' (did you mean 'CONV_2D'?)"),
        ("break re_lu_9", "no tensor is called 're_lu_9' (did you mean 're_lu_1'?)"),
        ("goto 99", "expected an operator's index from 0 to 10, got 99"),
        ("goto CONV2D", "did you mean 'CONV_2D'?"),
        ("print t16", "has no value yet: operator 0 CONV_2D"),
        ("next -1", "expected a number of operators"),
        ("until", "something is missing"),
        ("until max(t16", "is no expression"),
        ("patch t0 1000", "expected whole numbers from -128 to 127"),
        ("patch t0 nothere.npy", "No such file"),
        ("patch t0", "say what and with what"),
        ("patch t0.scale -1", "positive scales"),
        ("print t0[9]", "out of bounds"),
        ("print t0[a]", "numbers and slices"),
        ("print t99", "from 0 to 26"),
        ("clear x", "there is none"),
        ("unpatch t0", "not patched"),
        ("help stp", "Did you mean"),
        ("stats", "there is no result yet"),
        ("print 1/0", "error"),
        ('print ""', "error"),
        ("print 'a' 'b'", "error"),
        ("\x00", "there is no command"),
    ],
)
def test_errors_are_lines_and_the_session_goes_on(line, said):
    text = session(f"{line}\nstep\n")
    assert said in " ".join(text.split())
    assert "-> t16" in text
    assert "Traceback" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_steps_that_end_early_say_so():
    text = session("step 3\nnext 4\n")
    assert text.count(" -> ") == 7
    assert "after" not in text
    text = session("break MEAN\nstep 20\nstep\nstep 20\nstep\n")
    assert text.count(" -> ") == 11
    assert "breakpoint: before MEAN, after 8 of 20 operators\n(8) step" in text
    assert "the run is at its end, after 2 of 20 operators\n" in text
    assert "the run is at its end; `back`, or `goto N`" in text
    text = session("watch any(result > 50)\nstep 20\n")
    assert re.search(r"watch: any\(result > 50\), after \d of 20 operators\n", text)
    assert "breakpoint: before MEAN\n(8)" in session("break MEAN\nstep 8\n")


def test_a_step_may_stop_or_not():
    debugger = Debugger(demo.INT8_MODEL, demo_input())
    name = debugger.break_at(2)
    assert debugger.step(4).last == 3
    debugger.goto(0)
    assert (debugger.step(4, stop=True).condition, debugger.next) == (name, 2)
    assert (debugger.step(1, stop=True).reason, debugger.next) == ("step", 3)
    assert debugger.step(99, stop=True).reason == "end"


def test_patches_and_differences_in_a_session(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 14, 14, 32), np.int8))
    text = session(
        f"step\npatch t16 {tmp_path / 'x.npy'}\npatch t17[0,0] real 1.5\nrun\ndiff\nunpatch\ndiff\nquit\nstep"
    )
    assert "read by operator 1" in text
    assert "t16  " in text
    assert "no tensor differs from the unpatched run" in text
    assert text.rstrip().endswith("quit")
    assert max(len(line) for line in text.splitlines() if str(tmp_path) not in line) <= 80


def test_a_session_over_operators_without_results():
    text = session("next 6\nprint y\nback 4\nstats\nprint result\nbreak ASSIGN_VARIABLE\nrun\n", counting_debugger())
    assert "ASSIGN_VARIABLE" in text
    assert "[5. 6.]" in text
    assert "there is no result yet" in text
    assert "breakpoint: before ASSIGN_VARIABLE" in text
    assert "Traceback" not in text
    empty = session("operators\nstep\nback\ndiff\npatches\n", Debugger(small_models.strings(), np.array([b"a"] * 3)))
    assert "the run is at its end" in empty
    assert "error" not in empty


def counting_debugger():
    return Debugger(counting(), np.float32([5, 6]))


def test_an_interrupt_ends_the_command_and_not_the_session(monkeypatch):
    debugger = Debugger(demo.INT8_MODEL, demo_input())
    monkeypatch.setattr(debugger, "run", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    text = session("run\nstep\n", debugger)
    assert "interrupted" in text
    assert "-> t16" in text


def test_an_interrupt_while_computing_leaves_a_sound_run():
    """Ctrl-C within an operator: it was not computed, and the next `step` computes it."""
    calls = []

    def interrupted(options, x):
        calls.append(x)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return x + 1

    debugger = Debugger(small_models.custom(), np.float32([1, 2]), custom_ops={"MyOp": interrupted})
    text = session("step\nprint x\nstep\nprint y\n", debugger)
    assert "interrupted" in text
    assert text.index("[1. 2.]") < text.index("[2. 3.]")
    assert len(calls) == 2


# ---- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path, monkeypatch):
    """docs/debugging.md, and the demo's files where it expects them."""
    demo.copy(tmp_path)
    np.save(tmp_path / "image.npy", np.float32(demo.load_samples().images[:1, ..., None] / 255))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return (Path(__file__).parent.parent / "docs" / "debugging.md").read_text(encoding="utf-8")


def test_the_page_shows_what_the_commands_print(page):
    blocks = re.findall(r"```console\n\$ minilite (.*)\n([^`]*(?:`[^`]+`[^`]*)*?)\n```", page)
    assert [command.split()[0] for command, _ in blocks] == ["debug", "memory"]
    for command, shown in blocks:
        typed = "\n".join(re.findall(r"(?m)^\(\w+\) (.+)$", shown))
        words = [sys.executable, "-m", "minilite", *command.split()]
        here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(words, input=typed, capture_output=True, text=True, check=True, env=here)
        assert [line.rstrip() for line in done.stdout.rstrip().splitlines()] == shown.splitlines()


def test_the_pages_python_runs(page):
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names = {"minilite": minilite, "image": np.load("image.npy")}
    exec(code, names)
    debugger = names["debugger"]
    changed = [change.name.split(";")[0] for change in debugger.diff()]
    assert [name.split("/")[-1] for name in changed] == ["MatMul", "MatMul", "PartitionedCall:0"]
    assert debugger.tensor("sum_1/Relu").shape == (1, 7, 7, 64)
    assert same(debugger.outputs, minilite.run("patched.tflite", names["image"], engine="numpy"))


def test_the_session_says_what_was_clamped_and_where_to_look() -> None:
    said = session("goto -1\nstats no_such_thing_at_all\npatch t0 real 1e9\npatch t0 real 0.5\n")
    assert re.search(r"goto -1\n.*index\s+from 0 to 10, got -1", said)
    assert re.search(r"`tensors`\s+lists them", said)
    assert said.count("clamped: the tensor's integers reach from 0 to 1") == 1
