"""Tests of the tests: drawn cases must exercise what they are meant to exercise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from minilite.spec import INTEGER_RANGE, QUANTIZED, Definition, Op
from minilite.testing.kit import rows
from minilite.testing.one_operator import build
from minilite.testing.ours import compute
from minilite.testing.seeded import SeededDraw

ROOT = Path(__file__).parent.parent
QUANTIZED_ROWS = [
    pytest.param(op, d, id=f"{op.name}-{d.label}")
    for op, d in rows()
    if d.quantized is not False
    and any(t.rstrip("*") in QUANTIZED for t in d.output_types[:1])
    and any(t.rstrip("?*") in QUANTIZED for t in d.input_types)
    and op.cases(SeededDraw(0), d).main is None  # in a graph around it integers have no scale
]


@pytest.mark.parametrize("op, definition", QUANTIZED_ROWS)
def test_few_outputs_are_saturated(op: Op, definition: Definition) -> None:
    """Outputs at an end of their range say little. Scales drawn blindly leave nine in ten there; here it must be less
    than three in four on average (S-shaped functions are flat for most arguments), and nearly none in many cases. (Of
    a case with few outputs the range fits exactly, so that they stand at its ends without being clipped: those are
    left out.)"""
    shares = []
    seen: Counter[int] = Counter()
    for seed in range(60):
        draw = SeededDraw(seed)
        one = build(draw, op, definition, op.cases(draw, definition))
        for info, array in zip(one.node.outputs, compute(one.model, "reference", one.inputs), strict=False):
            if array.size >= 12 and info.quantized:
                shares.append(float(np.isin(array, INTEGER_RANGE[array.dtype.name]).mean()))
                seen.update(np.unique(array).tolist())
    assert np.mean(shares) <= 0.75, f"{np.mean(shares):.0%} of a case's outputs are saturated"
    assert np.mean(np.less(shares, 0.25)) >= 0.15, "hardly a case has few saturated outputs"
    assert len(seen) > 10, f"outputs take only {len(seen)} values"


def test_cases_reach_every_branch_of_the_rows(tmp_path: Path) -> None:
    """Drawing and computing cases runs nearly every line and branch of ``minilite/ops`` but those that refuse."""
    report = tmp_path / "coverage.json"
    environment = {**os.environ, "COVERAGE_FILE": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    environment.pop("COV_CORE_SOURCE", None)
    run = [sys.executable, "-m", "coverage"]
    subprocess.run(
        [*run, "run", "--branch", "--source", "minilite/ops", "-m", "tests.draw", "9"],
        check=True,
        cwd=ROOT,
        env=environment,
    )
    subprocess.run([*run, "json", "-q", "-o", str(report)], check=True, cwd=ROOT, env=environment)
    files = json.loads(report.read_text())["files"]
    low = {f: d["summary"]["percent_covered"] for f, d in files.items() if d["summary"]["percent_covered"] < 85}
    assert not low, f"cases leave much of these files alone: {low}"
