"""The published table: complete for LiteRT's kernel sets, about the present code, saying what was measured."""

from __future__ import annotations

import pytest

from minilite.spec import Definition
from minilite.testing.kit import rows
from tests.conformance import DOCS, LITERT, enough, load, render
from tests.known_differences import allowed_steps
from tests.row_hash import row_hash

MEASURED = load()
CELLS = [(op, definition, kernels) for op, definition in rows() for kernels in LITERT]
AGAIN = "run `python -m tests.conformance --stale`"


def cell(name: str, label: str, kernels: str) -> dict[str, object]:
    """What was measured, or nothing."""
    found: dict[str, object] = MEASURED["cells"].get(f"{name}|{label}|{kernels}", {})
    return found


def test_every_row_type_and_set_has_a_cell() -> None:
    missing = [f"{op.name} {d.label} {k}" for op, d, k in CELLS if not cell(op.name, d.label, k)]
    assert not missing, f"{len(missing)} cells are missing, {missing[:5]}...: {AGAIN}"


def test_no_row_changed_since_it_was_measured() -> None:
    stale = [
        f"{op.name} {d.label} {k}" for op, d, k in CELLS if cell(op.name, d.label, k).get("hash") != row_hash(op, d, k)
    ]
    assert not stale, f"{len(stale)} cells are of other code, {stale[:5]}...: {AGAIN}"


def test_cells_have_enough_cases() -> None:
    """300, and 1,000 for quantized types; cases that the runtime refuses count as tried."""
    few = [f"{op.name} {d.label} {k}" for op, d, k in CELLS if not _enough(cell(op.name, d.label, k), d)]
    assert not few, f"{len(few)} cells have too few cases, {few[:5]}...: {AGAIN}"


def _enough(found: dict[str, object], definition: Definition) -> bool:
    tried = sum(int(str(found.get(k, 0))) for k in ("cases", "refused", "died"))
    return found.get("oracle") == "none" or tried >= enough(definition)


@pytest.mark.parametrize("kernels", LITERT)
def test_integers_are_exact_unless_listed(kernels: str) -> None:
    wrong = []
    for op, d, k in CELLS:
        found = cell(op.name, d.label, k)
        if k == kernels and found.get("unit") == "steps":
            apart = float(str(found["largest"]))
            wrong += [f"{op.name} {d.label}: {apart:g}"] if apart > allowed_steps(op.name, d.label, k) else []
    assert not wrong, f"steps apart and not in tests/known_differences.py: {wrong}"


def test_nothing_of_ours_failed() -> None:
    failed = [key for key, found in MEASURED["cells"].items() if found["errors"]]
    assert not failed


def test_the_page_is_fresh() -> None:
    page = (DOCS / "conformance.md").read_text(encoding="utf-8")
    assert page == render(MEASURED), "docs/conformance.md is stale: run `python -m tests.conformance --render`"
