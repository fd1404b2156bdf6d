"""Kernel set ``tflm`` against the package tflite-micro: every row it has, and that the others are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minilite import tflm
from minilite.cases import Arg, Case
from minilite.errors import OperatorError, UnresolvedCustomError, UnsupportedBuiltinError
from minilite.kernel_sets import ARITHMETIC
from minilite.ops import OPS
from minilite.spec import Definition, Op
from minilite.testing.comparison import steps_apart, ulps_apart
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator, build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw
from minilite.testing.strategies import one_operator
from tests.broken_oracles import ABORTS, Abort
from tests.known_differences import allowed_steps, allowed_ulps
from tests.micro import askable, has, narrowed
from tests.oracle import OracleDied, OracleError, installed, oracle

micro = pytest.mark.skipif(not installed("tflm"), reason="tflite-micro is not installed")
THERE = [pytest.param(*narrowed(op, d), id=f"{op.name}-{d.label}") for op, d in rows() if has(op, d, "tflm")]
LACKING = [pytest.param(op, d, id=f"{op.name}-{d.label}") for op, d in rows() if not has(op, d, "tflm")]


def expected(one: OneOperator) -> list[np.ndarray] | None:
    """What TFLite Micro computes; None where it refuses the model."""
    try:
        return oracle("tflm").run(one.content, "tflm", one.inputs, again=one.again)
    except OracleError:
        return None
    except OracleDied:
        pytest.fail(f"TFLite Micro died; see ABORTS in tests/broken_oracles.py. {one!r}")


@micro
@pytest.mark.parametrize("op, definition", THERE)
@settings(suppress_health_check=list(HealthCheck))  # few models of some rows have nothing but constants
@given(data=st.data())
def test_row_equals_tflite_micro(op: Op, definition: Definition, data: st.DataObject) -> None:
    one: OneOperator = data.draw(one_operator(op, definition).filter(askable))
    want = expected(one)
    if want is None:
        return
    found = compute(one.model, "tflm", one.inputs, again=one.again)
    assert len(found) == len(want)
    for ours, theirs in zip(found, want, strict=True):
        check(op, definition, np.asarray(ours), np.asarray(theirs))


def check(op: Op, definition: Definition, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Integers bit for bit, or as listed; floats within the row's ULP, or those listed, or its atol."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    if ours.dtype.kind in "iub":
        assert steps_apart(ours, theirs) <= allowed_steps(op.name, definition.label, "tflm"), f"{ours}\n{theirs}"
    elif ours.dtype.kind == "f":
        limit = max(definition.ulp, allowed_ulps(op.name, definition.label, "tflm"))
        ulps = ulps_apart(ours, theirs)
        with np.errstate(invalid="ignore"):  # infinities
            close = np.abs(ours.astype(np.float64) - theirs) <= definition.atol
        assert np.all((ulps <= limit) | close), f"{ulps.max()} ULP apart:\n{ours}\n{theirs}"
    else:
        assert np.array_equal(ours, theirs)


@micro
@pytest.mark.parametrize("op, definition", THERE)
def test_table_is_true(op: Op, definition: Definition) -> None:
    """TFLite Micro runs one of the first models drawn of each combination of types that the table gives it."""
    models = filter(askable, (drawn(op, definition, seed) for seed in range(100)))
    assert any(expected(one) is not None for one in models)


def drawn(op: Op, definition: Definition, seed: int) -> OneOperator:
    draw = SeededDraw(seed)
    return build(draw, op, definition, op.cases(draw, definition))


@micro
@pytest.mark.parametrize("op, definition", LACKING)
def test_what_the_table_leaves_out_is_refused_by_tflite_micro(op: Op, definition: Definition) -> None:
    """It refuses the first models drawn of each combination of types that the table does not give it, or computes
    something else."""
    for seed in range(3):
        one = drawn(op, definition, seed)
        try:
            found = oracle("tflm").run(one.content, "tflm", one.inputs, again=one.again)
        except (OracleError, OracleDied):
            continue
        assert (op.name, definition.label) in tflm.WRONG, found


@pytest.mark.parametrize("op, definition", LACKING)
@settings(max_examples=3)
@given(data=st.data())
def test_minilite_refuses_what_tflite_micro_lacks(op: Op, definition: Definition, data: st.DataObject) -> None:
    one: OneOperator = data.draw(one_operator(op, definition))
    if one.node.inputs and tflm.takes(op.name, op.definition(one.node)):
        return  # without its optional operands it is another combination
    wrong = (
        OperatorError if op.name in tflm.KERNELS else UnresolvedCustomError if op.custom else UnsupportedBuiltinError
    )
    with pytest.raises(wrong):
        compute(one.model, "tflm", one.inputs, again=one.again)


@micro
@pytest.mark.parametrize("entry", [a for a in ABORTS if a.runtime == "tflm"], ids=lambda e: f"{e.op}-{e.label}")
def test_tflite_micro_still_aborts(entry: Abort) -> None:
    found = [(o, d) for o, d in rows() if o.name == entry.op and entry.label in (d.label, "*")]
    matching = [narrowed(o, d) for o, d in found if has(o, d, "tflm")]
    models = [drawn(o, d, seed) for o, d in matching for seed in range(50)]
    meant = [one for one in models if entry.when(one.node)]
    assert meant, "the entry speaks of no model"
    assert all(map(dies, meant[:20])), "is the entry stale, or too wide?"


def dies(one: OneOperator) -> bool:
    try:
        oracle("tflm").run(one.content, "tflm", one.inputs, again=one.again)
    except OracleDied:
        return True
    except OracleError:
        pass
    return False


def test_the_table_names_operands_labels_and_words_that_exist() -> None:
    for name, kernel in tflm.KERNELS.items():
        op = OPS[name]
        assert {*kernel.constant} <= {o.name for o in op.inputs}, name
        assert {*kernel.without} <= {d.label for d in op.definitions}, name
        for pattern in kernel.patterns:
            assert any(tflm._fits(pattern, d) for d in op.definitions), f"{name}: {pattern}"
    for name, words in ARITHMETIC.items():
        assert (words[3] == "-") == (name not in tflm.KERNELS), name


# ---- worked by hand ------------------------------------------------------------------------------------------------


def number(value: float, scale: float | list[float], zero_point: int = 0) -> Arg:
    return Arg((1, 1), np.array([[value]], np.int8), constant=False, scale=scale, zero_point=zero_point)


def results(op: str, case: Case, label: str = "int8") -> dict[str, list[float]]:
    """What an operator gives in ``reference`` and in ``tflm``; in tflite-micro, too, where it is installed."""
    definition = next(d for d in OPS[op].definitions if d.label == label)
    one = build(SeededDraw(0), OPS[op], definition, case)
    found = {k: compute(one.model, k, one.inputs)[0].reshape(-1).tolist() for k in ("reference", "tflm")}
    if installed("tflm"):
        assert found["tflm"] == oracle("tflm").run(one.content, "tflm", one.inputs)[0].reshape(-1).tolist()
    return found


def test_dense_layers_round_twice() -> None:
    """5 * 0.298 is 1.49, which one rounding takes to 1. Fixed point doubles it first: 2.98 to 3, and 3 / 2 to 2."""
    case = Case((number(5, 0.298), number(1, 1.0), None), output_scale=1.0, output_zero_point=0)
    assert results("FULLY_CONNECTED", case) == {"reference": [1], "tflm": [2]}


def test_relu6_leaves_the_scale_alone() -> None:
    """100 * 0.05 is 5, in steps of 0.1 that is 50. TFLite Micro clips 100 to 6 / 0.05 = 120."""
    case = Case((number(100, 0.05),), output_scale=0.1, output_zero_point=0)
    assert results("RELU6", case) == {"reference": [50], "tflm": [100]}


def test_tanh_takes_the_output_scale_for_granted() -> None:
    """tanh(100) is 1: 64 steps of 1/64. TFLite Micro gives the largest integer whatever the scale."""
    case = Case((number(100, 1.0),), output_scale=1 / 64, output_zero_point=0)
    assert results("TANH", case) == {"reference": [64], "tflm": [127]}


def test_padding_of_space_to_batch_is_raw_zero() -> None:
    """Zero point 5: the padded row holds 5, which stands for 0. TFLite Micro's holds 0."""
    image = Arg((1, 1, 1, 1), np.array([[[[9]]]], np.int8), constant=False, scale=1.0, zero_point=5)
    block, paddings = np.array([1, 1], np.int32), np.array([[0, 1], [0, 0]], np.int32)
    case = Case((image, Arg((2,), block), Arg((2, 2), paddings)))
    assert results("SPACE_TO_BATCH_ND", case) == {"reference": [9, 5], "tflm": [9, 0]}


def test_the_file_decides_shapes_and_constants() -> None:
    """What TFLite Micro does not work out is refused."""
    values, paddings = np.zeros((2,), np.float32), np.array([[1, 1]], np.int32)
    definition = next(d for d in OPS["PAD"].definitions if d.types == "float32 int32 -> float32")
    fed = Arg((1, 2), paddings, constant=False)
    one = build(SeededDraw(0), OPS["PAD"], definition, Case((Arg((2,), values, constant=False), fed)))
    with pytest.raises(OperatorError, match="expected a constant of the file, got a computed one"):
        compute(one.model, "tflm", one.inputs)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"ellipsis_mask": 1}, "ellipsis_mask 0 (TFLite Micro does not read it), got 1"),
        ({"new_axis_mask": 2}, "new_axis_mask 0 (TFLite Micro does not read it), got 2"),
        ({"offset": True}, "offset 0 (TFLite Micro does not read it), got True"),
    ],
)
def test_masks_that_are_not_read_are_refused(options: dict[str, int], said: str) -> None:
    """TFLite Micro would slice the dimension that the file leaves whole."""
    with pytest.raises(OperatorError, match=re.escape(said)):
        sliced(2, options)


def test_a_slice_names_every_dimension() -> None:
    """TFLite Micro reads an index for each dimension, past the end of those that are there."""
    assert sliced(2, {}).tolist() == [[1, 2]]
    with pytest.raises(OperatorError, match=re.escape("expected 2 elements, one a dimension (TFLite Micro), got (1,)")):
        sliced(1, {})


def sliced(positions: int, options: dict[str, int]) -> np.ndarray:
    """The first row of a matrix by as many positions."""
    image = Arg((2, 2), np.array([[1, 2], [3, 4]], np.float32), constant=False)
    places = [Arg((positions,), np.array(v[:positions], np.int32), constant=True) for v in ([0, 0], [1, 2], [1, 1])]
    definition = next(d for d in OPS["STRIDED_SLICE"].definitions if d.label == "float32")
    one = build(SeededDraw(0), OPS["STRIDED_SLICE"], definition, Case((image, *places), options))
    return compute(one.model, "tflm", one.inputs)[0]
