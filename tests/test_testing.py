"""The conformance kit, as somebody with a runtime of their own uses it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilite
from minilite import testing

DOCS = Path(__file__).parent.parent / "docs"


class Ours:
    """minilite as the runtime under test, with its last bit turned on request."""

    def __init__(self, kernels: str = "reference", fault: int = 0):
        self.kernels, self.fault = kernels, fault

    def run(self, model: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
        interpreter = minilite.Interpreter(model_content=model, kernels=self.kernels)
        for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
        outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
        return [np.asarray(o ^ o.dtype.type(self.fault)) if self.fault else o for o in outputs]


@pytest.mark.parametrize("row", testing.rows("CONV_2D int8|ADD|SOFTMAX"), ids=str)
@given(data=st.data())
def test_a_right_runtime_passes(row: testing.Row, data: st.DataObject) -> None:
    testing.check(Ours("builtin"), data.draw(testing.cases(row)), kernels="builtin")


@pytest.mark.parametrize("row", testing.rows("CONV_2D int8|ADD int16"), ids=str)
def test_a_fault_is_found_and_described(row: testing.Row) -> None:
    case = testing.seeded_case(row, 0)
    with pytest.raises(testing.Difference, match=rf"output 0 of {row.op.name}, kernel set 'reference': 1 steps apart"):
        testing.check(Ours(fault=1), case)
    testing.check(Ours(fault=1), case, steps=1)


def test_a_row_prints_as_its_name() -> None:
    (row,) = testing.rows("ADD int8")
    assert f"{row}" == f"{row!r}" == "ADD int8"


def test_another_arithmetic_is_found() -> None:
    """XNNPACK's ADD is not the reference kernel's: among a few hundred cases some differ."""
    (row,) = testing.rows("ADD int8")
    apart = 0
    for seed in range(200):
        try:
            testing.check(Ours("xnnpack"), testing.seeded_case(row, seed), kernels="reference")
        except testing.Difference:
            apart += 1
    assert 0 < apart < 200


def test_rows_are_chosen_by_name() -> None:
    names = [str(r) for r in testing.rows("ADD|MUL int8")]
    assert "ADD int8" in names
    assert "MUL int8" in names
    assert not [n for n in names if n.startswith(("ADD_N", "MUL int16"))]
    assert len(testing.rows()) > 500


def test_unsupported_cases_are_left_out() -> None:
    class Nothing:
        def run(self, model: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
            raise testing.Unsupported("nothing is supported")

    testing.check(Nothing(), testing.seeded_case(testing.rows("ADD int8")[0], 0))


def test_a_wrong_shape_and_a_wrong_type_are_told() -> None:
    class Flat(Ours):
        def run(self, model: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
            return [o.reshape(-1)[None] for o in super().run(model, inputs)]

    class Wide(Ours):
        def run(self, model: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
            return [o.astype(np.int32) for o in super().run(model, inputs)]

    case = testing.seeded_case(testing.rows("CONV_2D int8")[0], 0)
    with pytest.raises(testing.Difference, match="shape"):
        testing.check(Flat(), case)
    with pytest.raises(testing.Difference, match="type int32, expected int8"):
        testing.check(Wide(), case)


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    """The first block of docs/testing.md is a test file that passes."""
    pytest.importorskip("ai_edge_litert")
    first = re.findall(r"```python\n(.*?)```", (DOCS / "testing.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    (tmp_path / "test_it.py").write_text(first, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-k", "int8", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    here = {**os.environ, "PYTHONPATH": str(DOCS.parent)}
    done = subprocess.run([*command, "test_it.py"], cwd=tmp_path, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
