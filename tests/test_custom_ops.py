"""Custom operators of the caller's: functions and rows."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite import Interpreter, cases
from minilite.kernel_sets import KERNEL_SETS
from minilite.model import Model, Operator, OperatorCode, Quantization
from minilite.ops import OPS
from minilite.spec import Definition, Op, activation, same_shape
from minilite.testing.one_operator import build
from minilite.testing.seeded import SeededDraw
from tests.small_models import Builder, add, operator

OPTIONS = {"factor": 3, "names": ["a", "b"]}


def model(
    options: bytes | None = flexbuffers.Dumps(OPTIONS),
    outputs: tuple[str, ...] = ("FLOAT32",),
    inputs: tuple[int, ...] | None = None,
    name: str = "Mine",
    version: int = 1,
) -> Model:
    """One custom operator of x [2, 2] and the constant c [2], and a NEG of its first result."""
    b = Builder()
    x = b.tensor("x", (2, 2))
    c = b.constant("c", np.array([10, 20], np.float32))
    results = tuple(b.tensor(f"y{i}", (2, 2), t) for i, t in enumerate(outputs))
    custom = Operator(
        0,
        (x, c) if inputs is None else inputs,
        results,
        custom_options=None if options is None else np.frombuffer(options, np.uint8),
    )
    operators = [custom]
    if outputs[:1] == ("FLOAT32",):
        operators.append(Operator(1, results[:1], (b.tensor("z", (2, 2)),)))
    codes = (OperatorCode("CUSTOM", version, name), OperatorCode("NEG"))
    last = operators[-1].outputs or ()
    return Model(codes, (b.subgraph((x,), (*last, *results[1:]), *operators),), tuple(b.buffers))


X = np.array([[1, 2], [3, 4]], np.float32)


def scaled(options: Any, x: np.ndarray, c: np.ndarray) -> np.ndarray:
    return x * np.float32(options["factor"]) + c


def test_a_function() -> None:
    found = minilite.run(model(), X, custom_ops={"Mine": scaled})
    assert np.array_equal(found["z"], -(X * 3 + [10, 20]))


def test_an_interpreter_again_and_again() -> None:
    interpreter = Interpreter(model(), custom_ops={"Mine": scaled})
    for factor in (1, 2):
        found = minilite.run(interpreter, X * factor)["z"]
        assert np.array_equal(found, -(X * factor * 3 + [10, 20]))
    (details, _) = interpreter.get_operator_details()
    assert (details["op_name"], details["custom_options"]) == ("Mine", flexbuffers.Dumps(OPTIONS))


@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack", "ideal"])
@pytest.mark.parametrize("name", ["CONV_2D", "ADD"])
def test_a_name_that_a_builtin_operator_has_too(kernels: str, name: str) -> None:
    """Its kernels, delegate and compiled steps have nothing to do with it."""
    found = minilite.run(model(name=name), X, custom_ops={name: scaled}, kernels=kernels)
    assert np.array_equal(found["z"], -(X * 3 + [10, 20]))


def test_builtin_operators_stay_what_they_are() -> None:
    found = minilite.run(add(), {"x": np.zeros((1, 4), np.float32)}, custom_ops={"ADD": scaled})
    assert np.array_equal(found["y"], [[1, 2, 3, 4]])


def test_shapes_are_told_by_the_results() -> None:
    interpreter = Interpreter(model(), custom_ops={"Mine": lambda options, x, c: x[:, :1]})
    assert np.array_equal(minilite.run(interpreter, X)["z"], -X[:, :1])
    assert interpreter.get_output_details()[0]["shape"].tolist() == [2, 1]


def test_several_results_and_none() -> None:
    two = model(outputs=("FLOAT32", "INT64"))
    found = minilite.run(two, X, custom_ops={"Mine": lambda options, x, c: (x, np.arange(3))})
    assert np.array_equal(found["z"], -X)
    assert np.array_equal(found["y1"], [0, 1, 2])
    seen = []
    assert minilite.run(model(outputs=()), X, custom_ops={"Mine": lambda options, x, c: seen.append(x)}) == {}
    assert len(seen) == 1


@pytest.mark.parametrize(
    "content, seen", [(None, None), (b"\1\0\0\0", b"\1\0\0\0"), (flexbuffers.Dumps([1, 2.5]), [1, 2.5])]
)
def test_options(content: bytes | None, seen: Any) -> None:
    got = []
    minilite.run(model(content), X, custom_ops={"Mine": lambda options, x, c: (got.append(options), x)[1]})
    assert got == [seen]


def test_an_absent_input_is_none() -> None:
    def takes_none(options: Any, x: np.ndarray, absent: None) -> np.ndarray:
        assert absent is None
        return x

    assert np.array_equal(minilite.run(model(inputs=(0, -1)), X, custom_ops={"Mine": takes_none})["z"], -X)


def test_strings() -> None:
    words = np.array([b"one", b"two"], object)
    found = minilite.run(model(outputs=("STRING",)), X, custom_ops={"Mine": lambda *_: words})
    assert found["y0"].tolist() == [b"one", b"two"]


def test_any_version() -> None:
    assert np.array_equal(minilite.run(model(version=7), X, custom_ops={"Mine": lambda o, x, c: x})["z"], -X)


@pytest.mark.parametrize(
    "outputs, function, said",
    [
        (
            ("FLOAT32",),
            lambda o, x, c: x.astype(np.float64),
            r"tensor 2 'y0': expected a result of float32, got float64",
        ),
        (("FLOAT32",), lambda o, x, c: (x, x), "expected 1 results of its function, got 2"),
        (("FLOAT32", "INT8"), lambda o, x, c: x, "expected 2 results of its function, got 1"),
        (("FLOAT32",), lambda o, x, c: None, "expected a result of float32, got object"),
        (("STRING",), lambda o, x, c: np.array(["text"], object), "expected bytes objects"),
        (("INT4",), lambda o, x, c: np.array([8], np.int8), "expected values from -8 to 7, got 8 to 8"),
        (("VARIANT",), lambda o, x, c: x, "expected a type that NumPy can hold, got variant"),
        (("FLOAT32",), lambda o, x: x, "TypeError: .* takes 2 positional arguments but 3 were given"),
        (("FLOAT32",), lambda o, x, c: np.add(x, 1, out=x), "read-only"),
    ],
)
def test_what_a_function_must_not_do(outputs: tuple[str, ...], function: Any, said: str) -> None:
    with pytest.raises(minilite.OperatorError, match=rf"^Mine \(operator 0 of subgraph 0\): .*{said}"):
        minilite.run(model(outputs=outputs), X, custom_ops={"Mine": function})


def test_what_a_function_raises_is_the_cause() -> None:
    def breaks(options: Any, *arrays: np.ndarray) -> np.ndarray:
        raise LookupError("no such thing")

    with pytest.raises(minilite.OperatorError, match=r"^Mine .*LookupError: no such thing") as caught:
        minilite.run(model(), X, custom_ops={"Mine": breaks})
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_function_may_keep_and_change_its_result() -> None:
    kept = np.zeros((2, 2), np.float32)

    def accumulates(options: Any, x: np.ndarray, c: np.ndarray) -> np.ndarray:
        np.add(kept, x, out=kept)
        return kept

    interpreter = Interpreter(
        model(outputs=("FLOAT32",)), custom_ops={"Mine": accumulates}, experimental_preserve_all_tensors=True
    )
    minilite.run(interpreter, X)
    first = interpreter.get_tensor(2)
    kept[:] = 0
    assert np.array_equal(interpreter.get_tensor(2), first)


@pytest.mark.parametrize("wrong", [[("Mine", scaled)], {"Mine": 3}, {"Mine": None}, {3: scaled}, "Mine"])
def test_arguments_of_a_wrong_type(wrong: Any) -> None:
    with pytest.raises(minilite.ArgumentTypeError, match="custom_ops"):
        Interpreter(model(), custom_ops=wrong)


def test_an_operator_without_a_name() -> None:
    with pytest.raises(minilite.ArgumentError, match="custom_ops"):
        Interpreter(model(), custom_ops={"": scaled})


def test_an_interpreter_has_its_operators_already() -> None:
    with pytest.raises(minilite.ArgumentError, match="custom_ops already"):
        minilite.run(Interpreter(add()), X, custom_ops={"Mine": scaled})


def test_without_the_operator_the_message_says_how_to_give_it() -> None:
    with pytest.raises(minilite.UnresolvedCustomError, match=r"custom op: Mine.*custom_ops=\{'Mine': function\}"):
        minilite.run(model(), X, custom_ops={"Other": scaled})


@pytest.mark.parametrize("condition, expected", [(True, X[:1]), (False, X + 1)])
def test_inside_of_called_subgraphs(condition: bool, expected: np.ndarray) -> None:
    """Whose shapes are then told by the results, too."""
    main = Builder()
    inputs = main.tensor("condition", (), "BOOL"), main.tensor("x", (2, 2))
    y, z = main.tensor("y", (2, 2)), main.tensor("z", (2, 2))
    graphs = [
        main.subgraph(
            inputs, (z,), operator(0, inputs, (y,), "IfOptions", then_subgraph_index=1, else_subgraph_index=2)
        )
    ]
    graphs = [dataclasses.replace(graphs[0], operators=(*graphs[0].operators, Operator(3, (y,), (z,))))]
    for code in (1, 2):
        b = Builder(main.buffers)
        x, result = b.tensor("x", (2, 2)), b.tensor("result", (2, 2))
        graphs.append(b.subgraph((x,), (result,), Operator(code, (x,), (result,))))
    codes = (
        OperatorCode("IF"),
        OperatorCode("CUSTOM", 1, "First"),
        OperatorCode("CUSTOM", 1, "Next"),
        OperatorCode("NEG"),
    )
    calls = Model(codes, tuple(graphs), tuple(main.buffers))
    rows = {"First": lambda options, x: x[:1], "Next": lambda options, x: x + 1}
    found = minilite.run(calls, [np.array(condition), X], custom_ops=rows)
    assert np.array_equal(found["z"], -expected)


def test_quantized_tensors_come_as_integers_in_every_set() -> None:
    b = Builder()
    quantization = Quantization(scales=np.array([0.5], np.float32), zero_points=np.array([3]))
    x, y = (b.tensor(name, (3,), "INT8", quantization=quantization) for name in "xy")
    codes = (OperatorCode("CUSTOM", 1, "Mine"),)
    quantized = Model(codes, (b.subgraph((x,), (y,), Operator(0, (x,), (y,))),), tuple(b.buffers))
    for kernels in KERNEL_SETS:
        found = minilite.run(quantized, np.int8([1, -5, 100]), kernels=kernels, custom_ops={"Mine": lambda o, x: -x})
        assert found["y"].tolist() == [-1, 5, -100]


def test_the_documented_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parent.parent / "docs" / "interpreter.md").read_text(encoding="utf-8")
    example = page.partition("## Custom operators")[2].partition("```python\n")[2].partition("```")[0]
    assert "leaky" in example
    model(flexbuffers.Dumps({"alpha": 0.5}), inputs=(0,), name="Leaky").save(tmp_path / "model.tflite")
    monkeypatch.chdir(tmp_path)
    variables: dict[str, Any] = {"image": X - 2}
    exec(compile(example, "docs/interpreter.md", "exec"), variables)
    assert variables["outputs"]["z"].tolist() == [[0.5, 0], [-1, -2]]


def test_flex_operators_are_named_unless_they_are_given() -> None:
    with pytest.raises(minilite.UnresolvedCustomError, match="FlexErf"):
        minilite.run(model(name="FlexErf"), X)
    assert np.array_equal(
        minilite.run(model(name="FlexErf"), X, custom_ops={"FlexErf": scaled})["z"], -(X * 3 + [10, 20])
    )


CUSTOM = sorted(name for name, op in OPS.items() if op.custom)


@pytest.mark.parametrize("name", CUSTOM)
@given(
    seed=st.integers(0, 1000),
    damage=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 80),
)
def test_damaged_options_are_computed_or_refused(name: str, seed: int, damage: list[tuple[int, int]], cut: int) -> None:
    draw, op = SeededDraw(seed), OPS[name]
    definition = draw.choice(op.definitions)
    case = op.cases(draw, definition)
    content = bytearray(case.custom_options)
    for at, byte in damage:
        content[at % len(content)] = byte
    one = build(draw, op, definition, case)
    (graph,) = one.model.subgraphs
    custom = np.frombuffer(content[: len(content) - cut], np.uint8)
    operator = dataclasses.replace(graph.operators[0], custom_options=custom)
    damaged = dataclasses.replace(one.model, subgraphs=(dataclasses.replace(graph, operators=(operator,)),))
    with contextlib.suppress(minilite.OperatorError):
        found = minilite.run(Interpreter(damaged, limits=minilite.Limits(max_memory=2**26)), one.inputs)
        assert len(found) == len(graph.outputs)


# ---- rows ----------------------------------------------------------------------------------------------------------


def row(**rest: Any) -> Op:
    return Op(
        "Mine",
        inputs=(activation("input"), activation("other", optional=True)),
        outputs=(activation("output"),),
        definitions=(Definition("float32 float32? -> float32", lambda node, x, c=None: x + len(node.custom_options)),),
        shapes=same_shape,
        cases=cases.unary,
        **rest,
    )


def test_a_row() -> None:
    interpreter = Interpreter(model(b"abc"), custom_ops={"Mine": row()})
    interpreter.allocate_tensors()
    assert np.array_equal(minilite.run(interpreter, X)["z"], -(X + 3))


def test_a_row_of_another_version_is_not_taken() -> None:
    with pytest.raises(minilite.UnresolvedCustomError):
        minilite.run(model(version=2), X, custom_ops={"Mine": row()})
    assert minilite.run(model(b"", version=2), X, custom_ops={"Mine": row(version=2)})["z"].shape == (2, 2)


@pytest.mark.parametrize("name", CUSTOM)
def test_the_caller_comes_before_our_own_rows(name: str) -> None:
    found = minilite.run(model(name=name), X, custom_ops={name: scaled})
    assert np.array_equal(found["z"], -(X * 3 + [10, 20]))


def test_a_builtin_row_is_not_taken_for_a_custom_code() -> None:
    with pytest.raises(minilite.UnresolvedCustomError):
        minilite.run(model(name="ADD"), X)


def test_a_custom_row_is_not_taken_for_a_builtin_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "ADD", dataclasses.replace(OPS["ADD"], custom=True))
    with pytest.raises(minilite.UnsupportedBuiltinError):
        Interpreter(add())
