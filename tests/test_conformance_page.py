"""The published table: complete for all kernel sets, about the present code, saying what was measured."""

from __future__ import annotations

import pytest

from minilite.spec import Definition, Op
from minilite.testing.kit import rows
from tests.conformance import DOCS, SETS, enough, load, render
from tests.known_differences import SHORT, Short, allowed_steps, allowed_ulps
from tests.micro import has
from tests.row_hash import row_hash

MEASURED = load()
CELLS = [(op, definition, kernels) for op, definition in rows() for kernels in SETS if has(op, definition, kernels)]
AGAIN = "run `python -m tests.conformance --stale --sets reference builtin xnnpack tflm`"


def cell(name: str, label: str, kernels: str) -> dict[str, object]:
    """What was measured, or nothing."""
    found: dict[str, object] = MEASURED["cells"].get(f"{name}|{label}|{kernels}", {})
    return found


def number(found: dict[str, object], field: str) -> float:
    return float(str(found.get(field, 0)))


def test_every_row_type_and_set_has_a_cell() -> None:
    missing = [f"{op.name} {d.label} {k}" for op, d, k in CELLS if not cell(op.name, d.label, k)]
    assert not missing, f"{len(missing)} cells are missing, {missing[:5]}...: {AGAIN}"


def test_no_row_changed_since_it_was_measured() -> None:
    stale = [
        f"{op.name} {d.label} {k}" for op, d, k in CELLS if cell(op.name, d.label, k).get("hash") != row_hash(op, d, k)
    ]
    assert not stale, f"{len(stale)} cells are of other code, {stale[:5]}...: {AGAIN}"


def shortcomings(op: Op, definition: Definition, kernels: str) -> list[str]:
    """What keeps a cell from being one that users can rely on."""
    found = cell(op.name, definition.label, kernels)
    tried, wanted = sum(number(found, k) for k in ("cases", "refused", "died")), enough(definition)
    apart, unit = number(found, "largest"), found.get("unit")
    said = []
    if found.get("oracle") != "none" and tried < wanted:
        said.append(f"{tried:g} cases tried of {wanted}")
    if found.get("oracle") != "none" and kernels == "tflm" and not number(found, "cases"):
        said.append("none compared")
    if unit == "steps" and apart > allowed_steps(op.name, definition.label, kernels):
        said.append(f"{apart:g} steps apart and not in tests/known_differences.py")
    if kernels == "tflm" and unit == "ULP":
        limit = max(definition.ulp, allowed_ulps(op.name, definition.label, kernels))
        said += [f"{apart:g} ULP apart, allowed are {limit}"] if apart > limit else []
    if unit == "type or shape":
        said.append("results of another type or shape")
    if number(found, "errors"):
        said.append(f"{found['errors']} errors of ours")
    return said


@pytest.mark.parametrize("kernels", SETS)
def test_cells_do_not_fall_short_unless_listed(kernels: str) -> None:
    """300 cases tried, and 1,000 of quantized types (those that the runtime refuses count); integers exact; no errors
    of ours; floats of ``tflm`` as near as the row says, or the list of known differences."""
    listed = {(s.op, s.label, s.kernels) for s in SHORT}
    short = {
        f"{op.name} {d.label}": found
        for op, d, k in CELLS
        if k == kernels and (op.name, d.label, k) not in listed and (found := shortcomings(op, d, k))
    }
    assert not short, f"{len(short)} cells of {kernels}: {dict(list(short.items())[:5])}..."


@pytest.mark.parametrize("entry", SHORT, ids=lambda e: f"{e.op}-{e.label}-{e.kernels}")
def test_what_is_listed_still_falls_short(entry: Short) -> None:
    matching = [(o, d, k) for o, d, k in CELLS if (o.name, d.label, k) == (entry.op, entry.label, entry.kernels)]
    assert matching, "the entry speaks of no cell"
    assert shortcomings(*matching[0]), "the entry is stale"


def test_the_page_is_fresh() -> None:
    page = (DOCS / "conformance.md").read_text(encoding="utf-8")
    assert page == render(MEASURED), "docs/conformance.md is stale: run `python -m tests.conformance --render`"
