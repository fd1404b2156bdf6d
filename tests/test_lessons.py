"""The notebooks of ``docs/lessons``: they run, print what they say they print, and their exercises can tell."""

from __future__ import annotations

import dataclasses
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilite.quantization.lint import CalibrationWarning
from tests import lessons
from tests.said import alike

pytest.importorskip("matplotlib")

PATHS = lessons.paths()
EXACT = ("01", "02", "03", "09", "10")
"""Lessons whose printed numbers follow from integers alone. In the others float sums have a part, whose last bits are
the machine's."""

WRONG: dict[str, list[tuple[Callable[[dict[str, Any]], Any], str]]] = {
    "01": [
        (lambda v: lambda low, high: ((high - low) / 255, round(-128 - low * 255 / (high - low))), "0 must be in"),
        (lambda v: lambda low, high: (v["solution"](low, high)[0], 0), "zero point is -64, not 0"),
    ],
    "02": [(lambda v: v["as_integer"], "M is 2147483648")],
    "03": [(lambda v: "tflm", "for -10 / 4 tflm gives -3"), (lambda v: "reverence", "choose one of")],
    "04": [
        (lambda v: lambda r1, r2: np.ones(32), "In channel 1 the layers reach 0.00878 and 667"),
        (lambda v: lambda r1, r2: np.sqrt(r2 / r1), "the layers reach"),
        (lambda v: lambda r1, r2: 1 / r1[:3], "32 positive factors"),
    ],
    "05": [
        (lambda v: v["delivered"][:120], "dominated"),
        (lambda v: np.delete(v["delivered"], 33, axis=0), "growing"),
        (lambda v: v["solution"] * 0.3, "no findings, but"),
        (lambda v: v["solution"][0], "of shape"),
    ],
    "06": [(lambda v: [7], "bytes"), (lambda v: [9], "dB in")],
    "07": [
        (lambda v: lambda g, w: g, "a weight of -2.0 scales is clipped"),
        (lambda v: lambda g, w: np.where(np.abs(w) <= v["scale"], g, 0), "a weight of -1.4 scales is not clipped"),
    ],
    "08": [
        (lambda v: (v["solution"][0], 3), "channel 3 is off by"),
        (lambda v: (2, 17), "operator 2 does its own work well"),
        (lambda v: (99, 17), "no operator 99"),
    ],
    "09": [
        (lambda v: dataclasses.replace(v["solution"], definitions=v["SOFTSIGN"].definitions), "in float32"),
        (lambda v: dataclasses.replace(v["solution"], definitions=v["kernels"][:1]), "no kernel for these types"),
        (lambda v: dataclasses.replace(v["solution"], definitions=one_zero_point(v)), "int8, zero point -128"),
    ],
    "10": [
        (lambda v: v["Better"], "1 steps apart"),
        (lambda v: v["Mine"], "steps apart"),
        (lambda v: v["solution"](), "is a class"),
        (lambda v: for_everything(v["solution"]), "it claims to know ADD"),
    ],
}
"""What a reader may well answer, from the lesson's variables, and words of what is said to it."""


def one_zero_point(variables: dict[str, Any]) -> tuple[Any, ...]:
    """Kernels of lesson 9's exercise whose table takes the zero point for 0."""
    reals, integers = variables["kernels"]

    def prepare(node: Any, x: Any, y: Any) -> Any:
        return integers.prepare(node, dataclasses.replace(x, zero_points=np.zeros(1, np.int64)), y)

    return reals, dataclasses.replace(integers, prepare=prepare)


def for_everything(runtime: Any) -> Any:
    """Lesson 10's runtime with an opinion about every operator."""

    class Claims(runtime):
        def run(self, content: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
            return super().run(content, inputs) if inputs else []

    return Claims


def links(text: str) -> list[str]:
    """The files that a page leads to."""
    return re.findall(r"\]\(((?!http)[^)#]+)", text)


def test_there_are_ten() -> None:
    assert [path.name[:2] for path in PATHS] == [f"{i:02d}" for i in range(1, 11)]


def test_the_index_has_them_all() -> None:
    text = (lessons.FOLDER / "README.md").read_text(encoding="utf-8")
    assert links(text) == [path.name for path in PATHS]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_it_runs_and_its_exercise_can_tell(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One test for a lesson, so that it is run once."""
    result = lessons.run(path)
    figures_are_drawn(path, result)
    prints_what_it_shows(path, result)

    def check(answer: Any) -> tuple[bool, str]:
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CalibrationWarning)  # as the lesson about them has it
            found = result.variables["check"](answer)
        return found, capsys.readouterr().out

    found, said = check(result.variables["solution"])
    assert (found, said[:5]) == (True, "Right"), said
    found, said = check(result.variables["answer"])
    assert (found, said[:7]) == (False, "Not yet"), said
    assert WRONG[path.name[:2]]
    for make, words in WRONG[path.name[:2]]:
        found, said = check(make(result.variables))
        assert found is False
        assert words in said


def figures_are_drawn(path: Path, result: lessons.Result) -> None:
    calls = [lessons.source(cell).count("plt.show()") for cell in lessons.code(lessons.load(path))]
    assert [len(pictures) for pictures in result.drawn] == calls
    assert sum(calls) >= 1
    assert all(png.startswith(b"\x89PNG") for pictures in result.drawn for png in pictures)


def prints_what_it_shows(path: Path, result: lessons.Result) -> None:
    for cell, printed in zip(lessons.code(lessons.load(path)), result.printed, strict=True):
        shown = lessons.stored(cell)
        same = printed == shown if path.name.startswith(EXACT) else alike(printed, shown, relative=0.1, whole=3)
        assert same, f"run `python -m tests.lessons --write {path.name[:2]}`; now:\n{printed}\nshown:\n{shown}"


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_it_is_a_notebook_a_class_can_use(path: Path, tmp_path: Path) -> None:
    notebook = lessons.load(path)
    cells = notebook["cells"]
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert sum(len(cell["source"]) for cell in cells) < 165
    assert path.stat().st_size < 100_000
    assert [sum(lessons.tagged(cell, tag) for cell in cells) for tag in ("answer", "solution")] == [1, 1]
    texts = [lessons.source(cell) for cell in cells if cell["cell_type"] == "markdown"]
    assert all((lessons.FOLDER / link).exists() for text in texts for link in links(text))
    lessons.for_students(path, tmp_path)
    text = (tmp_path / path.name).read_text(encoding="utf-8")
    assert "solution" not in text
    assert not any(cell["outputs"] for cell in lessons.code(json.loads(text)))
