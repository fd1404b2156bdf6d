"""Compiled kernels where the rows' own cases do not reach: wide layers, many blocks, large images, two threads.

Every case is compared with the definitions: integers bit for bit in every set, floats bit for bit in ``reference``.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minilite
from minilite.cases import Call, Case, Draw, Graph, Value, activated, constant, data
from minilite.engines import is_disabled
from minilite.spec import Definition, Op
from minilite.testing.graph_model import graph_model
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.strategies import HypothesisDraw

linked = pytest.importorskip("minilite.engines.numba.linked")
arena = pytest.importorskip("minilite.engines.numba.arena")
objects = pytest.importorskip("minilite.engines.numba.objects")
kinds = pytest.importorskip("minilite.engines.numba.kinds")
packing = pytest.importorskip("minilite.engines.numba.packing")
blocks_of = pytest.importorskip("minilite.engines.numba.lowering.products")

SETS = ("reference", "builtin", "xnnpack")
CHANNELS = (1, 3, 8, 15, 16, 17, 24, 32, 33, 40, 48, 56, 63, 64, 65, 72, 80, 100, 130)


def window(draw: Draw, filter_: tuple[int, int]) -> dict[str, object]:
    return {
        "padding": draw.choice(("SAME", "VALID")),
        "stride_h": draw.integer(1, 2),
        "stride_w": draw.integer(1, 2),
        "dilation_h_factor": draw.choice((1, 1, 2)) if filter_[0] < 4 else 1,
        "dilation_w_factor": draw.choice((1, 1, 2)) if filter_[1] < 4 else 1,
    }


def image(draw: Draw, channels: int, filter_: tuple[int, int]) -> tuple[int, ...]:
    height, width = (max(2 * f, draw.choice((1, 5, 9, 26, 40))) for f in filter_)
    return (draw.choice((1, 1, 2)), height, width, channels)


def conv(draw: Draw) -> Case:
    filter_ = draw.choice(((1, 1), (3, 3), (1, 4), (5, 2), (7, 7)))
    depth, units = draw.choice(CHANNELS), draw.choice(CHANNELS)
    options = window(draw, filter_) | activated(draw)
    weights = data((units, *filter_, depth), constant=True)
    return Case((data(image(draw, depth, filter_)), weights, data((units,), constant=True)), options)


def depthwise(draw: Draw) -> Case:
    filter_ = draw.choice(((3, 3), (5, 5), (3, 1), (2, 4), (4, 3), (9, 9)))
    depth, multiplier = draw.choice((*((c, 1) for c in CHANNELS), (1, 8), (3, 21), (16, 2)))
    options = window(draw, filter_) | activated(draw) | {"depth_multiplier": multiplier}
    weights = data((1, *filter_, depth * multiplier), constant=True)
    return Case((data(image(draw, depth, filter_)), weights, data((depth * multiplier,), constant=True)), options)


def dense(draw: Draw) -> Case:
    terms, units = draw.choice((1, 3, 64, 130, 515)), draw.choice(CHANNELS)
    rows_ = draw.choice((1, 2, 7, 33, 60, 121))
    weights = data((units, terms), constant=True)
    return Case((data((rows_, terms)), weights, data((units,), constant=True)), activated(draw))


def pool(draw: Draw) -> Case:
    filter_ = draw.choice(((2, 2), (3, 3), (7, 5)))
    options = {"filter_height": filter_[0], "filter_width": filter_[1], "padding": draw.choice(("SAME", "VALID"))}
    options |= {"stride_h": draw.integer(1, 3), "stride_w": draw.integer(1, 3)} | activated(draw)
    return Case((data(image(draw, draw.choice(CHANNELS), filter_)),), options)


def mean(draw: Draw) -> Case:
    shape = (draw.integer(1, 2), draw.choice((1, 7, 12)), draw.choice((1, 7)), draw.choice(CHANNELS))
    axes = draw.choice(([1, 2], [1, 2], [3], [2, 3]))
    return Case((data(shape, low=0.0), constant(axes)), {"keep_dims": draw.choice((True, False))})


def products(draw: Draw) -> Case:
    leading, other = draw.choice((((), ()), ((3,), (3,)), ((2, 3), (1, 3)))), draw.choice((True, False))
    rows_, terms, columns = draw.choice((1, 3, 4, 9)), draw.choice((1, 7, 64)), draw.choice((1, 16, 17, 31, 32, 70))
    lhs = (terms, rows_) if other else (rows_, terms)
    return Case((data((*leading[0], *lhs)), data((*leading[1], terms, columns))), {"adj_x": other})


def moved(draw: Draw) -> Case:
    order = draw.choice(((2, 0, 1), (1, 2, 0), (0, 2, 1), (2, 1, 0), (1, 0, 2)))
    shape = tuple(draw.choice((1, 2, 5, 16, 33)) for _ in order)
    return Case((data(shape), constant(list(order))))


def pair(draw: Draw) -> Case:
    shape = [draw.choice((1, 3)), draw.choice((1, 40)), draw.choice((1, 30)), draw.choice((1, 16, 33, 100))]
    other = [d if draw.choice((True, True, False)) else 1 for d in shape]
    first, second = (tuple(s) for s in ((shape, other) if draw.choice((True, False)) else (other, shape)))
    return Case((data(first), data(second)), activated(draw))


def one(draw: Draw) -> Case:
    return Case((data((draw.choice((1, 63, 64, 5000)), draw.choice((1, 10)))),))


def softmax(draw: Draw) -> Case:
    return Case((data((draw.choice((1, 30)), draw.choice((1, 10, 257, 1001)))),), {"beta": 1.0})


def resized(draw: Draw) -> Case:
    shape = (draw.integer(1, 2), draw.integer(1, 9), draw.integer(1, 9), draw.choice(CHANNELS))
    size = [draw.choice((1, 2, 7, 16, 33)) for _ in range(2)]
    aligned, centred = draw.choice(((False, False), (True, False), (False, True)))
    return Case((data(shape), constant(size)), {"align_corners": aligned, "half_pixel_centers": centred})


DRAWN = {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": dense,
    "AVERAGE_POOL_2D": pool,
    "MAX_POOL_2D": pool,
    "MEAN": mean,
    "ADD": pair,
    "SUB": pair,
    "MUL": pair,
    "LOGISTIC": one,
    "GELU": one,
    "TANH": one,
    "RELU": one,
    "SOFTMAX": softmax,
    "BATCH_MATMUL": products,
    "TRANSPOSE": moved,
    "RESIZE_BILINEAR": resized,
}
ROWS = [
    pytest.param(op, definition, id=f"{op.name}-{definition.label}")
    for op, definition in rows()
    if op.name in DRAWN and definition.label in ("int8", "uint8", "float32")
]


def drawn(draw: st.DrawFn, op: Op, definition: Definition) -> OneOperator:
    source = HypothesisDraw(draw)
    return build(source, op, definition, DRAWN[op.name](source))


def ran(case: OneOperator, kernels: str, used: list[Any] | None = None, **arguments: Any) -> list[np.ndarray]:
    """The outputs; ``used`` receives the kinds of the kernels that computed them."""
    interpreter = minilite.Interpreter(model_content=case.model.to_bytes(), kernels=kernels, **arguments)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), case.inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    if used is not None:
        linked_plan: Any = interpreter._main.plan.linked()
        if linked_plan is None:
            pytest.skip("nothing is compiled: NUMBA_DISABLE_JIT is set")
        used += [call.kind for program in linked_plan.programs for call in program.calls]
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def assert_same(case: OneOperator, kernels: str, slow: list[np.ndarray], fast: list[np.ndarray]) -> None:
    for a, b in zip(slow, fast, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.dtype == np.float32 and kernels == "reference" and case.definition.ulp:
            np.testing.assert_array_max_ulp(b, a, maxulp=case.definition.ulp)
        elif a.dtype == np.float32 and kernels != "reference":
            scale = max(case.terms, float(np.abs(a).max(initial=0)))
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6 * scale)
        else:
            assert (a + a.dtype.type(0)).tobytes() == (b + b.dtype.type(0)).tobytes()  # but for the sign of 0


@pytest.mark.parametrize("op, definition", ROWS)
@given(data=st.data())
def test_kernels_equal_definitions(op: Op, definition: Definition, data: st.DataObject) -> None:
    case, kernels = data.draw(st.composite(drawn)(op, definition)), data.draw(st.sampled_from(SETS))
    slow = ran(case, kernels, engine="numpy")
    assert_same(case, kernels, slow, ran(case, kernels, engine="numba"))


@pytest.mark.parametrize("op, definition", [r for r in ROWS if r.id.split("-")[0] in ("CONV_2D", "DEPTHWISE_CONV_2D")])
@given(data=st.data())
def test_a_processor_without_extras(op: Op, definition: Definition, data: st.DataObject) -> None:
    """The portable kernels, which any processor runs."""
    case = data.draw(st.composite(drawn)(op, definition))
    with mock.patch("minilite.engines.numba.lowering.matmul.dot", return_value="portable"):
        fast = ran(case, "xnnpack", engine="numba")
    assert_same(case, "xnnpack", ran(case, "xnnpack", engine="numpy"), fast)


def tiled(draw: Draw) -> Case:
    """A layer that is computed in tiles of 2 or 4 outputs on a side."""
    depth, units, filter_ = draw.choice((32, 48, 144)), draw.choice((32, 64, 80, 112)), (3, 3)
    shape = (draw.choice((1, 2)), draw.integer(6, 21), draw.integer(6, 21), depth)
    options = {"padding": draw.choice(("SAME", "VALID")), "stride_h": 1, "stride_w": 1} | activated(draw)
    weights = data((units, *filter_, depth), constant=True)
    return Case((data(shape), weights, data((units,), constant=True)), options)


FLOAT_CONV = next(r.values for r in ROWS if r.id == "CONV_2D-float32")


@pytest.mark.parametrize("op, definition", [r for r in ROWS if r.id.startswith("RESIZE_BILINEAR")])
@given(data=st.data())
def test_resizing_is_compiled_in_every_set(op: Op, definition: Definition, data: st.DataObject) -> None:
    case, used = data.draw(st.composite(drawn)(op, definition)), []
    ran(case, data.draw(st.sampled_from(SETS)), used, engine="numba")
    assert [kind[:2] for kind in used] == [("resize_bilinear", definition.label)]


@pytest.mark.parametrize("size", ["2", "4"])
@given(data=st.data())
def test_tiles_equal_definitions(size: str, data: st.DataObject) -> None:
    """3 x 3 convolutions whose floats may be added in any order."""

    def one(draw: st.DrawFn) -> OneOperator:
        source = HypothesisDraw(draw)
        return build(source, *FLOAT_CONV, tiled(source))

    case, threads = data.draw(st.composite(one)()), data.draw(st.sampled_from((1, 2)))
    slow, kinds_used = ran(case, "xnnpack", engine="numpy"), list[Any]()
    with (
        mock.patch("minilite.engines.numba.lowering.winograd.LEAST_TILES", 1 if size == "4" else 50),
        mock.patch("minilite.engines.numba.calls.WORTH_SHARING", 0),
    ):
        fast = ran(case, "xnnpack", kinds_used, engine="numba", num_threads=threads)
    if size == "4" or ("winograd", "2", "none") in kinds_used:
        assert kinds_used == [("winograd", size, "none")]
    assert_same(case, "xnnpack", slow, fast)


@pytest.mark.parametrize("beta", [-0.5, 0.0, float("nan")])
@pytest.mark.parametrize("kernels", SETS)
def test_softmax_of_unusual_beta(beta: float, kernels: str) -> None:
    """Exponentials are of numbers of 0 or less unless beta is negative."""
    shape = (3, 20)
    values = (Value("float32", shape), Value("float32", shape))
    graph = Graph(values, (Call("SOFTMAX", (0,), (1,), {"beta": beta}),), (0,), (1,))
    content = graph_model([graph]).to_bytes()
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32) * 100
    found = []
    for engine in ("numpy", "numba"):
        interpreter = minilite.Interpreter(model_content=content, kernels=kernels, engine=engine)
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, x)
        interpreter.invoke()
        found.append(interpreter.get_tensor(1))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-7)


@given(data=st.data())
def test_two_threads_compute_the_same(data: st.DataObject) -> None:
    op, definition = data.draw(st.sampled_from(ROWS)).values
    case = data.draw(st.composite(drawn)(op, definition))
    with mock.patch("minilite.engines.numba.calls.WORTH_SHARING", 0):
        one_thread = ran(case, "xnnpack", engine="numba", num_threads=1)
        two = ran(case, "xnnpack", engine="numba", num_threads=2)
    assert [a.tobytes() for a in one_thread] == [b.tobytes() for b in two]


@given(data=st.data())
def test_nothing_is_written_beside_outputs(data: st.DataObject) -> None:
    """What lies between the tensors of an arena is left alone, and so is every input."""
    op, definition = data.draw(st.sampled_from(ROWS)).values
    case = data.draw(st.composite(drawn)(op, definition))
    interpreter = minilite.Interpreter(model_content=case.model.to_bytes(), kernels="xnnpack", engine="numba")
    interpreter.allocate_tensors()
    plan = interpreter._main.plan
    found = plan.linked()
    if found is None:
        return
    found.arena[:] = 0xA5
    for detail, array in zip(interpreter.get_input_details(), case.inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    known = np.zeros(found.arena.size, bool)
    base = found.arena.ctypes.data
    for program in found.programs:
        for view in (*(v for _, v in program.inputs), *program.outputs.values()):
            start = view.ctypes.data - base
            known[start : start + view.nbytes] = True
    assert (found.arena[~known] == 0xA5).all()
    for (tensor, view), array in zip(found.programs[0].inputs, case.inputs, strict=False):
        assert tensor in plan.subgraph.inputs
        assert view.tobytes() == np.ascontiguousarray(array).tobytes()


# ---- code on disk ----------------------------------------------------------------------------------------------------


THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


@pytest.mark.parametrize("kind", kinds.every()[:: 1 if THOROUGH else 8], ids="-".join)
def test_every_kernel_can_be_kept(kind: tuple[str, ...]) -> None:
    """Compiled code calls nothing that is not there without Numba, so that it may be loaded without."""
    numba = pytest.importorskip("numba")
    if is_disabled():
        pytest.skip("nothing is compiled: NUMBA_DISABLE_JIT is set")
    with mock.patch.object(objects, "_keep") as keep, mock.patch.object(objects, "_kept", []):
        objects._compile(kind)
    assert keep.call_count == 1, f"compiled by Numba {numba.__version__} it needs more than itself"


SCRIPT = """
import os, sys, numpy as np, minilite
for kernels in os.environ.get("KERNELS", "xnnpack").split():
    i = minilite.Interpreter(sys.argv[1], engine=sys.argv[2], kernels=kernels)
    i.allocate_tensors(); d = i.get_input_details()[0]
    i.set_tensor(d["index"], np.arange(np.prod(d["shape"])).reshape(d["shape"]).astype(d["dtype"]))
    i.invoke()
    print(i.get_tensor(i.get_output_details()[0]["index"]).tolist(), "numba" in sys.modules)
"""
MODEL = Path(minilite.__file__).parent / "demo" / "fashion_int8.tflite"


def script(cache: Path, engine: str = "numba", **extra: str) -> str:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0", "MINILITE_CACHE": str(cache), **extra}
    command = [sys.executable, "-c", SCRIPT, str(MODEL), engine]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kept_code_runs_without_numba(tmp_path: Path) -> None:
    first, second = script(tmp_path), script(tmp_path)
    assert "True" in first
    assert "False" in second
    assert first.split("]")[0] == second.split("]")[0] == script(tmp_path, "numpy").split("]")[0]
    for file in tmp_path.iterdir():  # cut short, as by a full disk
        file.write_bytes(file.read_bytes()[:-100])
    assert script(tmp_path) == first
    nowhere = tmp_path / "file"
    nowhere.write_text("not a folder")
    assert script(nowhere) == first


def test_code_of_several_processes_lives_together(tmp_path: Path) -> None:
    """Each process names what it compiles first alike."""
    sets = ("xnnpack", "reference")
    alone = [script(tmp_path, KERNELS=kernels) for kernels in sets]
    both = script(tmp_path, KERNELS=" ".join(sets)).splitlines()
    assert [line.split("]")[0] for line in both] == [text.split("]")[0] for text in alone]
    assert "True" not in "".join(both)


def test_no_compiling_when_numba_is_told_not_to(tmp_path: Path) -> None:
    assert "False" in script(tmp_path, "auto", NUMBA_DISABLE_JIT="1")
    assert not list(tmp_path.iterdir())


def test_threads_of_their_own(tmp_path: Path) -> None:
    """One interpreter a thread: each computes its own."""
    wrong: list[int] = []

    def work(seed: int) -> None:
        interpreter = minilite.Interpreter(MODEL, engine="numba", kernels="xnnpack", num_threads=2)
        detail, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        x = np.random.default_rng(seed).integers(-128, 128, detail["shape"]).astype(np.int8)
        interpreter.set_tensor(detail["index"], x)
        answers = set()
        for _ in range(200):
            interpreter.invoke()
            answers.add(interpreter.get_tensor(output["index"]).tobytes())
        alone = minilite.Interpreter(MODEL, engine="numpy", kernels="xnnpack")
        alone.set_tensor(detail["index"], x)
        alone.invoke()
        if answers != {alone.get_tensor(output["index"]).tobytes()}:
            wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- memory ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_tensors_that_live_together_lie_apart(tensors: list[tuple[int, int, int]]) -> None:
    sizes = {i: size for i, (size, _, _) in enumerate(tensors)}
    lives = {i: (min(a, b), max(a, b)) for i, (_, a, b) in enumerate(tensors)}
    offsets, total = arena.places(sizes, lives)
    for a in sizes:
        assert offsets[a] % arena.ALIGNMENT == 0
        assert offsets[a] + sizes[a] + arena.SLACK <= total
        for b in sizes:
            together = lives[a][0] <= lives[b][1] and lives[b][0] <= lives[a][1]
            if a < b and together:
                apart = offsets[a] + sizes[a] + arena.SLACK <= offsets[b]
                assert apart or offsets[b] + sizes[b] + arena.SLACK <= offsets[a]


def test_memory_is_shared_over_time() -> None:
    sizes = dict.fromkeys(range(4), 1000)
    _, total = arena.places(sizes, {i: (i, i + 1) for i in range(4)})
    assert total <= 2 * math.ceil((1000 + arena.SLACK) / arena.ALIGNMENT) * arena.ALIGNMENT


@given(st.sampled_from(list(packing.HEIGHTS.values())), st.integers(1, 500))
def test_tiles_of_two_heights(heights: tuple[int, int], count: int) -> None:
    """As the kernels take them: no other number of small tiles computes fewer rows twice."""
    tall, low = heights
    assume(count >= tall)

    def computed(small: int) -> int:
        return small * low + -(-max(count - small * low, 0) // tall) * tall

    small = packing.few(count, tall, low)
    assert count <= computed(small) == min(computed(n) for n in range(tall))


@given(st.sampled_from(list(packing.HEIGHTS.values())), st.integers(1, 20_000), st.integers(1, 2000))
def test_blocks_keep_two_threads_busy(heights: tuple[int, int], count: int, steps: int) -> None:
    """Of two threads, each from its end, none has a block more than half of the rows; of images of the usual sizes
    none has more."""

    def half(count: int) -> int:
        block = int(blocks_of.rows_of_a_block(count, 56, heights, steps))
        assert 1 <= block <= min(56, count)
        return block * math.ceil(math.ceil(count / block) / 2)

    assert half(count) <= count / 2 + 56
    for side in (7, 14, 28, 56):
        assert half(side * side) <= 1.15 * (side * side + 1) / 2
