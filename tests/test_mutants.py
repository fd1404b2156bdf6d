"""What mutants of real models found (:mod:`tests.fuzz`), each as a small model that shows it; and the mutations."""

from __future__ import annotations

import contextlib
import importlib.util
from random import Random

import numpy as np
import pytest

import minilite
from minilite.cases import Call, Graph, Value
from minilite.engines import compiling
from minilite.model import Model, Quantization
from minilite.schema import make_options
from minilite.testing.graph_model import graph_model
from tests.format_bytes import change
from tests.fuzz.changes import CHANGES, changed, written
from tests.fuzz.damage import damaged, places
from tests.fuzz.seeds import seeds
from tests.oracle import oracle
from tests.small_models import Builder, add, convolution, every_detail, one
from tests.test_limits import chain

ENGINES = ("numpy", *({compiling()} - {"numpy"}))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("table", ["SoftmaxOptions", "StableHLOCompositeOptions"])
def test_options_of_another_operator_are_none(table: str, engine: str) -> None:
    """They once were an AttributeError."""
    parts = {"options": None, "options_2": None}
    parts["options" if table == "SoftmaxOptions" else "options_2"] = make_options(table)
    model = change(add(), "operators", **parts)
    x = np.array([[-2, 0, 1, 3]], np.float32)
    found = minilite.run(minilite.Interpreter(model, engine=engine), x)
    assert [a.tolist() for a in found.values()] == [[[-1, 2, 4, 7]]]
    if importlib.util.find_spec("ai_edge_litert"):
        (expected,) = oracle().run(model.to_bytes(), "reference", [x])
        assert expected.tolist() == [[-1, 2, 4, 7]]


@pytest.mark.skipif(compiling() == "numpy", reason="needs Numba")
def test_a_kernel_that_needs_a_terabyte_of_scratch_memory_is_not_used() -> None:
    """The compiled engine once asked for it, and got a MemoryError."""
    b = Builder()
    scale = Quantization(scales=np.float32([0.5]), zero_points=np.array([0]))
    x, y = (b.tensor(name, (1, 4, 4, 16), "INT8", quantization=scale) for name in ("x", "y"))
    kernel = b.constant("kernel", np.ones((1, 3, 3, 16), np.int8), quantization=scale)
    options = {"stride_w": 2, "stride_h": 2, "dilation_h_factor": 1, "dilation_w_factor": 2**31 - 1, "padding": "SAME"}
    model = one(b, "DEPTHWISE_CONV_2D", (x, kernel), (y,), "DepthwiseConv2DOptions", depth_multiplier=1, **options)
    given = np.ones((1, 4, 4, 16), np.int8)
    want, found = (minilite.run(minilite.Interpreter(model, engine=engine), given) for engine in ("numpy", "numba"))
    assert np.array_equal(want["y"], found["y"])


@pytest.mark.parametrize("order", ["large first", "small first", "an input"])
def test_a_tensor_that_is_written_twice_is_as_large_as_each_operator_takes_it_to_be(order: str) -> None:
    """Compiled kernels once wrote the larger result where there was room for the smaller one. LiteRT dies."""
    large, small = np.arange(4000, dtype=np.float32).reshape(2, 2000), np.float32([[1], [2]])
    values = (
        Value("float32", (2, 2000)),
        Value("float32", (2, 1)),
        Value("float32", (2, 2000)),
        Value("float32", (2, 1)),
    )
    first, second = Call("NEG", (0,), (2,)), Call("NEG", (1,), (2,))
    calls = (second, first) if order == "small first" else (first, second)
    if order == "an input":
        calls = (Call("NEG", (1,), (3,)), Call("NEG", (0,), (1,)), Call("NEG", (3,), (2,)))
    model = graph_model((Graph(values, calls, (0, 1), (2, 1) if order == "an input" else (2,)),))
    found = [minilite.run(minilite.Interpreter(model, engine=engine), [large, small]) for engine in ENGINES]
    want = {"large first": [-small], "small first": [-large], "an input": [small, -large]}[order]
    for each in found:
        assert all(map(np.array_equal, each.values(), want))


@pytest.mark.skipif(compiling() == "numpy", reason="needs Numba")
def test_plans_of_very_many_steps_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding places for a hundred thousand tensors would take an hour."""
    model, x = chain(3), np.ones(3, np.float32)
    monkeypatch.setattr("minilite.engines.numba.linked.MOST_STEPS", 3)
    few = minilite.Interpreter(model, engine="numba")
    expected = minilite.run(few, x)
    assert few._main.plan.linked() is not None
    monkeypatch.setattr("minilite.engines.numba.linked.MOST_STEPS", 2)
    many = minilite.Interpreter(model, engine="numba")
    assert str(minilite.run(many, x)) == str(expected)
    assert many._main.plan.linked() is None


@pytest.mark.skipif(compiling() == "numpy", reason="needs Numba")
@pytest.mark.parametrize("zero_point, scale", [(-32769, 0.05), (128, 0.05), (2**31 - 1, 0.05), (0, np.nan)])
def test_what_is_no_grid_is_the_definitions_own(zero_point: int, scale: float) -> None:
    """Kernels keep a zero point in a byte: around the image they once added something else. Of a scale that is no
    number they once made another integer."""
    b = Builder()
    grid, beyond = (Quantization(scales=np.float32([0.05]), zero_points=np.array([z])) for z in (0, zero_point))
    weights = Quantization(scales=np.float32([0.05] * 15 + [scale]), zero_points=np.zeros(16, np.int64))
    x = b.tensor("x", (1, 8, 8, 16), "INT8", quantization=beyond)
    y = b.tensor("y", (1, 8, 8, 16), "INT8", quantization=grid)
    numbers = np.random.default_rng(0).integers(-127, 128, (16, 3, 3, 16), np.int8)
    kernel = b.constant("kernel", numbers, quantization=weights)
    bias = b.constant("bias", np.zeros(16, np.int32))
    options = {"stride_w": 1, "stride_h": 1, "padding": "SAME"}
    model = one(b, "CONV_2D", (x, kernel, bias), (y,), "Conv2DOptions", **options)
    kernels = "tflm" if zero_point else "builtin"
    given = np.arange(1024, dtype=np.int32).astype(np.int8).reshape(1, 8, 8, 16)
    want, found = (
        minilite.run(minilite.Interpreter(model, kernels=kernels, engine=engine), given)
        for engine in ("numpy", "numba")
    )
    assert np.array_equal(want["y"], found["y"])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(2, 0), (1, 3)])
def test_a_constant_input_of_a_called_subgraph_keeps_its_shape(shape: tuple[int, ...], engine: str) -> None:
    """It once got the caller's shape beside its own value, and kernels believe shapes."""
    with pytest.raises(minilite.OperatorError, match=r"Attempting to resize a fixed-size tensor.*is given \[2, 3\]"):
        minilite.Interpreter(called_with_constant(shape), engine=engine).invoke()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_constant_input_of_a_called_subgraph_keeps_its_value(engine: str) -> None:
    found = minilite.run(
        minilite.Interpreter(called_with_constant((2, 3)), engine=engine), [np.ones((2, 3), np.float32)] * 2
    )
    assert [a.tolist() for a in found.values()] == [[[8.0] * 3] * 2]


def called_with_constant(shape: tuple[int, ...]) -> Model:
    """A composite that adds its inputs, of which the second is a constant, sevens."""
    data = Value("float32", (2, 3))
    options = {"decomposition_subgraph_index": 1, "name": "x"}
    caller = Graph((data,) * 3, (Call("STABLEHLO_COMPOSITE", (0, 1), (2,), options),), (0, 1), (2,))
    constant = Value("float32", shape, np.full(shape, 7, np.float32))
    return graph_model((caller, Graph((data, constant, data), (Call("ADD", (0, 1), (2,)),), (0, 1), (2,))))


@pytest.mark.parametrize("value", [np.float64([1e300]), np.complex64([1j]), np.float32([np.nan]), np.int8([7])])
def test_scales_of_blocks_may_be_of_any_type(value: np.ndarray) -> None:
    """Details once were a RuntimeWarning for numbers beyond float16, and a ComplexWarning."""
    b = Builder()
    scales = b.constant("scales", value)
    details = make_options("BlockwiseQuantization", scales=scales, zero_points=scales, block_size=1)
    x, y = (b.tensor(name, (1,), quantization=Quantization(details=details)) for name in "xy")
    interpreter = minilite.Interpreter(one(b, "NEG", (x,), (y,), ""))
    parameters = interpreter.get_input_details()[0]["quantization_parameters"]
    assert parameters["scales"].dtype == np.float16
    assert parameters["scales"].size == (value.dtype.kind != "c")
    interpreter.get_tensor_details()


def test_outputs_that_nobody_computes_take_memory_too() -> None:
    """They are zeros once somebody asks for them."""
    large = Value("float32", (2**20,))
    model = graph_model((Graph((Value("float32", (1,)), large), (), (0,), (0, 1)),))
    limits = minilite.Limits(max_memory=2**22)
    with pytest.raises(minilite.OperatorError, match=r"outputs that nobody computes take .* max_memory"):
        minilite.Interpreter(model, limits=limits).allocate_tensors()


@pytest.mark.parametrize("mask", [-2, 0b110, 0b11])
def test_several_ellipses_of_a_slice_are_refused(mask: int) -> None:
    """A negative mask has many, though its number has one bit; NumPy once found it out."""
    three = [Value("int32", (3,), np.full(3, n, np.int32)) for n in (0, 1, 1)]
    values = (Value("float32", (2, 2, 2, 2)), *three, Value("float32", (1,)))
    call = Call("STRIDED_SLICE", (0, 1, 2, 3), (4,), {"ellipsis_mask": mask})
    with pytest.raises(minilite.OperatorError, match="expected at most one ellipsis, got"):
        minilite.Interpreter(graph_model((Graph(values, (call,), (0,), (4,)),))).allocate_tensors()


# ---- the mutations themselves ----------------------------------------------------------------------------------------


def test_places_are_where_the_structure_is() -> None:
    content = add().to_bytes()
    offsets, lengths, elements, slots, fields = places(content)
    assert 0 in offsets
    assert all(int.from_bytes(content[p : p + 4], "little") < len(content) for p in lengths)
    assert set(elements).isdisjoint(lengths)
    assert len(slots) > 10
    assert len(fields) > 10
    assert places(b"") == [[]] * 5


def test_damage_and_changes_are_reproducible_and_do_something() -> None:
    content = every_detail().to_bytes()
    found = [damaged(Random(seed), content, add().to_bytes()) for seed in range(100)]
    assert found == [damaged(Random(seed), content, add().to_bytes()) for seed in range(100)]
    assert sum(f != content for f in found) > 90
    changes = [written(changed(Random(seed), every_detail(), add())) for seed in range(100)]
    assert changes == [written(changed(Random(seed), every_detail(), add())) for seed in range(100)]
    assert sum(c not in (b"", content) for c in changes) > 80


@pytest.mark.parametrize("edit", dict.fromkeys(CHANGES), ids=lambda edit: edit.__name__)
def test_every_change_changes_something(edit: object) -> None:
    assert callable(edit)
    models = [every_detail(), convolution(), add()]
    assert any(edit(Random(seed), model, add()) != model for seed in range(20) for model in models)


def test_a_few_mutants_are_harmless() -> None:
    """The bytes and parts of the small models of the tests, a hundred times in both engines."""
    own = [seed for seed in seeds() if len(seed.content) < 3000 and "/" not in seed.name]
    for number in range(100):
        random = Random(number)
        seed, other = random.choice(own), random.choice(own)
        content = (
            damaged(random, seed.content, other.content)
            if number % 2
            else written(changed(random, seed.model, other.model))
        )
        for engine in ENGINES:
            with contextlib.suppress(minilite.Error):
                minilite.Interpreter(model_content=content or b"\0", engine=engine).invoke()
