"""Generated pages are fresh, and the architecture's import rule holds."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS = (
    ("interrupts", "mapped", "output_types", "terminal", "writing"),
    ("archives", "errors", "resources"),
    ("spec",),
    ("bfloat16", "cases", "destinations", "fixed_point", "flexbuffers", "locating", "row_table", "wiring"),
    ("custom", "gemmlowp"),
    ("ops",),
    ("model", "kernel_sets", "delegate", "refusals", "tflm"),
    ("limits", "references"),
    ("schema", "soundness", "sparsity", "memory"),
    ("reader", "writer", "constants"),
    ("engines", "ideal"),
    ("resolve",),
    ("plan",),
    ("program",),
    ("interpreter",),
    ("watching",),
    ("quantization", "demo", "testing"),
    ("inspection",),
    ("commands",),
    ("cli",),
)
"""A module may import from its own layer and the layers above it in this list."""

ELSEWHERE = {
    ("model", "writer"),
    ("model", "schema"),
    ("model", "inspection"),
    ("engines", "resolve"),
    ("engines", "plan"),
    ("resolve", "program"),
    ("plan", "program"),
}
"""Imports made inside a function or for type checking only."""


def test_operators_page_is_fresh() -> None:
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], cwd=ROOT, env=here, check=False)
    assert done.returncode == 0, "docs/operators.md is stale: run `make docs`"


def modules() -> list[Path]:
    return sorted((ROOT / "minilite").rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    rank = {name: level for level, names in enumerate(LAYERS) for name in names}
    own = path.relative_to(ROOT / "minilite").parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return
    for target in sorted(imported(path)):
        if (own, target) not in ELSEWHERE and target != own:
            assert rank[target] < rank[own], f"{own} must not import {target}"


def imported(path: Path) -> set[str]:
    """The modules of minilite that a file imports, by their first name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("minilite.")}
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "minilite":
            rest = node.module.split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
    return {
        name for name in found if (ROOT / "minilite" / name).exists() or (ROOT / "minilite" / f"{name}.py").exists()
    }


def test_definitions_know_neither_models_nor_numba() -> None:
    for path in (ROOT / "minilite" / "ops").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "numba" not in text, path
        assert not imported(path) & {"model", "reader", "writer", "schema", "plan"}, path
