"""Measures how far every row is from LiteRT and writes ``docs/conformance.md``.

    python -m tests.conformance                      everything: 1,000 cases a quantized cell, 300 another (an hour)
    python -m tests.conformance --only CONV --cases 50
    python -m tests.conformance --stale              only rows whose code has changed since they were measured
    python -m tests.conformance --models             only the real models of MINILITE_MODELS
    python -m tests.conformance --sets tflm          only these kernel sets
    python -m tests.conformance --runtime tf         TensorFlow's own interpreter instead (extra `tensorflow`)
    python -m tests.conformance --render             only write the page anew from docs/conformance.json

Measurements are kept in ``docs/conformance.json``; a run replaces the cells it measures and leaves the others.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from rich.progress import track

import minilite
from minilite.errors import Error
from minilite.spec import QUANTIZED, Definition, Op
from minilite.testing.comparison import relative_to_range, steps_apart, ulps_apart
from minilite.testing.kit import rows
from minilite.testing.one_operator import OneOperator
from minilite.testing.ours import compute
from minilite.testing.strategies import one_operator
from tests import models
from tests.broken_oracles import ABORTS, BROKEN, stand_in
from tests.known_differences import DIFFERENCES, UNDEFINED
from tests.micro import askable, has, narrowed
from tests.oracle import OracleDied, OracleError, installed, oracle, runtime_of
from tests.row_hash import row_hash

DOCS = Path(__file__).parent.parent / "docs"
DATA = DOCS / "conformance.json"
DEATHS = {"litert": 100, "tf": 5, "tflm": 100}
"""How often a runtime may end its process before a cell is given up: starting TensorFlow again takes seconds."""
LITERT = ("reference", "builtin", "xnnpack")
SETS = (*LITERT, "tflm")


@dataclass
class Cell:
    """What was measured of one operator, type and kernel set.

    ``exact`` cases were equal bit for bit. ``largest`` is the largest difference in ``unit``: steps (integers), ULP
    (floats in `reference` and `tflm`), of range (floats elsewhere). ``refused`` cases the runtime did not run,
    ``errors`` we did not. ``died`` counts how often the runtime's process ended.
    """

    cases: int = 0
    exact: int = 0
    refused: int = 0
    errors: int = 0
    died: int = 0
    largest: float = 0.0
    unit: str = ""
    oracle: str = ""
    hash: str = ""


# ---- measuring -----------------------------------------------------------------------------------------------------


def measure(op: Op, definition: Definition, cases: int, runtime: str, sets: tuple[str, ...]) -> dict[str, Cell]:
    """Run ``cases`` drawn cases of a row through every kernel set and count, a cell a set. TFLite Micro, which has
    fewer types and needs more constants, draws its own."""
    cells = {}
    litert = [k for k in sets if k in LITERT]
    if litert:
        cells.update(_measure_together(op, definition, cases, runtime, litert))
    if "tflm" in sets and has(op, definition, "tflm"):
        cells.update(_measure_together(*narrowed(op, definition), cases, runtime, ["tflm"]))
    return cells


def _measure_together(op: Op, definition: Definition, cases: int, runtime: str, sets: list[str]) -> dict[str, Cell]:
    modes = {k: stand_in(op.name, definition.label, k) for k in sets}
    cells = {k: Cell(oracle=mode or "none", hash=row_hash(op, definition, k)) for k, mode in modes.items()}

    @settings(
        max_examples=cases,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(one_operator(op, definition) if sets != ["tflm"] else one_operator(op, definition).filter(askable))
    def one_case(one: OneOperator) -> None:
        content = one.model.to_bytes()
        for kernels, mode in modes.items():
            if mode is not None:
                one_set(cells[kernels], definition, one, content, kernels, mode, runtime)

    one_case()
    return cells


def one_set(
    cell: Cell, definition: Definition, one: OneOperator, content: bytes, kernels: str, mode: str, runtime: str
) -> None:
    """One case in one kernel set."""
    if cell.died >= DEATHS[runtime_of(mode, runtime)]:
        return
    try:
        expected = oracle(runtime_of(mode, runtime)).run(content, mode, one.inputs, again=one.again)
    except OracleError:
        cell.refused += 1
        return
    except OracleDied:
        cell.died += 1
        return
    try:
        count(cell, definition, kernels, compute(one.model, kernels, one.inputs, again=one.again), expected, one.terms)
    except Error as error:
        cell.errors += 1
        print(f"{one!r}\n{error}", file=sys.stderr)


def count(
    cell: Cell, definition: Definition, kernels: str, found: list[Any], expected: list[Any], terms: float = 0.0
) -> None:
    """Enter one case into its cell."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(found, expected, strict=True)]
    cell.cases += 1
    cell.exact += all(_same(a, b) for a, b in pairs)
    for got, want in pairs:
        cell.unit, apart = distance(got, want, kernels, definition, terms)
        cell.largest = max(cell.largest, apart)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    return np.array_equal(a, b) if a.dtype == object else a.tobytes() == b.tobytes()


def distance(
    got: np.ndarray, want: np.ndarray, kernels: str, definition: Definition, terms: float = 0.0
) -> tuple[str, float]:
    """The unit a difference is told in, and the largest one; infinite where type or shape differ."""
    if (got.dtype, got.shape) != (want.dtype, want.shape):
        return "type or shape", float("inf")
    if got.dtype.kind in "iub":
        return "steps", float(steps_apart(got, want))
    if got.dtype.kind == "f" and kernels in ("reference", "tflm"):
        ulps = ulps_apart(got, want)
        with np.errstate(invalid="ignore"):  # infinities
            near = np.abs(got.astype(np.float64) - want) <= definition.atol
        return "ULP", float(np.where(near, 0, ulps).max(initial=0))
    if got.dtype.kind in "fc":
        return "of range", relative_to_range(got, want, terms)
    return "", 0.0


Job = tuple[str, str, int, str, tuple[str, ...]]
"""Operator, label, cases, runtime, kernel sets."""


def _measure_named(job: Job) -> dict[str, Cell]:
    name, label, cases, runtime, sets = job
    op, definition = next((o, d) for o, d in rows() if (o.name, d.label) == (name, label))
    cells = measure(op, definition, cases, runtime, sets)
    return {f"{name}|{label}|{kernels}": cell for kernels, cell in cells.items()}


def jobs(options: argparse.Namespace, known: dict[str, Any]) -> list[Job]:
    """The rows whose name matches and, with ``--stale``, whose measurement is missing, old or smaller."""
    return [
        (op.name, definition.label, options.cases or enough(definition), options.runtime, tuple(options.sets))
        for op, definition in rows()
        if re.search(options.only, f"{op.name}|{definition.label}")
        and any(has(op, definition, k) for k in options.sets)
        and not (
            options.stale
            and all(fresh(op, definition, k, known, options.cases or enough(definition)) for k in options.sets)
        )
    ]


def enough(definition: Definition) -> int:
    """How many cases a published cell is measured with."""
    quantized = definition.quantized is not False and any(t.strip("?*") in QUANTIZED for t in definition.input_types)
    return 1000 if quantized else 300


def fresh(op: Op, definition: Definition, kernels: str, known: dict[str, Any], cases: int) -> bool:
    """Whether a cell was measured with the present code and at least that many cases."""
    cell = known.get(f"{op.name}|{definition.label}|{kernels}")
    if not has(op, definition, kernels):
        return True
    if cell is None or cell["hash"] != row_hash(op, definition, kernels):
        return False
    tried = cell["cases"] + cell["refused"] + cell["errors"] + cell.get("died", 0)
    return cell["oracle"] == "none" or tried >= cases or cell.get("died", 0) >= min(DEATHS.values())


# ---- the page ------------------------------------------------------------------------------------------------------


def load() -> dict[str, Any]:
    """What has been measured so far."""
    found: dict[str, Any] = {"cells": {}, "tf": {}, "models": {}}
    found |= json.loads(DATA.read_text()) if DATA.exists() else {}
    for place in ("cells", "tf"):
        found[place] = {key: asdict(Cell(**cell)) for key, cell in found[place].items()}
    return found


def save(measured: dict[str, Any]) -> None:
    """Write the measurements, a cell or model a line, without what is zero or empty."""
    places = []
    for name, value in measured.items():
        if name in ("cells", "tf"):
            text = _lines("{}", [f"{json.dumps(k)}: {_brief(cell)}" for k, cell in sorted(value.items())])
        elif name in ("models", "tf_models"):
            sets = [f"{json.dumps(k)}: {_lines('[]', map(_brief, outcomes))}" for k, outcomes in value.items()]
            text = _lines("{}", sets)
        else:
            text = json.dumps(value)
        places.append(f"{json.dumps(name)}: {text}")
    DATA.write_text(_lines("{}", places) + "\n")


def _lines(ends: str, items: Iterable[str]) -> str:
    return ends[0] + "\n" + ",\n".join(items) + "\n" + ends[1]


def _brief(record: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in record.items() if value})


def render(measured: dict[str, Any]) -> str:
    """docs/conformance.md from the measurements."""
    lines = [
        "# Conformance",
        "",
        "Generated by `python -m tests.conformance` from measurements in `conformance.json`; do not edit.",
        "",
        f"Oracle: {measured.get('oracle', 'not measured')}; for `tflm`: {measured.get('tflm_oracle', 'not measured')}.",
        "",
        "Cases are drawn by Hypothesis from each row's own description of what is valid. A cell says how the results",
        "compare: **exact** (bit for bit), or the largest difference and the share of cases with any; then the number",
        "of cases. Differences are steps of integers and units in the last place (ULP) of floats in `reference` and",
        "`tflm`. An empty cell is of a type that the set's runtime does not have, which minilite refuses in that set.",
        "Elsewhere floats are told as a fraction of the output's range or, for sums of products, of the largest sum of",
        "their magnitudes if that is more: what another order of adding can change is in proportion to that.",
        "",
        "| operator | types | reference | builtin | xnnpack | tflm |",
        "|---|---|---|---|---|---|",
    ]
    for op, definition in rows():
        cells = {k: measured["cells"].get(f"{op.name}|{definition.label}|{k}") for k in SETS}
        shown = [_shown(cell) if has(op, definition, k) else "" for k, cell in cells.items()]
        lines.append(f"| {op.name} | {definition.label} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, "", *_differences(), *_broken(), *_second(measured), *_models(measured)])


def _shown(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not measured"
    if cell["oracle"] == "none":
        return "no oracle"
    parts = [f"**{cell['errors']:,} errors of minilite**"] if cell["errors"] else []
    parts += [f"{cell['refused']:,} refused by the runtime"] if cell["refused"] else []
    parts += [f"{cell['died']:,} ended its process"] if cell.get("died") else []
    if cell["cases"]:
        share = 1 - cell["exact"] / cell["cases"]
        apart = f"{cell['largest']:.2g} {cell['unit']} ({share:.1%} of cases)"
        parts.insert(0, f"{'exact' if share == 0 else apart}, {cell['cases']:,}")
    return ", ".join(parts)


def _differences() -> list[str]:
    lines = ["## Integer results that differ, and why", ""]
    lines += [f"- {d.op} {d.label} in `{d.kernels}`: up to {d.steps} steps. {d.why}" for d in DIFFERENCES]
    lines += [*(["None."] if not DIFFERENCES else []), ""]
    lines += ["Not drawn, because LiteRT's result depends on where in the tensor an element stands:", ""]
    lines += [f"- {u.op} {u.label} where {u.where}: {u.why}. minilite: {u.value}." for u in UNDEFINED]
    return [*lines, ""]


def _broken() -> list[str]:
    lines = [
        "## Oracles that are wrong or missing",
        "",
        "| operator | types | set | what | compared with instead | thread |",
        "|---|---|---|---|---|---|",
    ]
    for b in BROKEN:
        instead = f"LiteRT's `{b.instead}`" if b.instead else "nothing"
        lines.append(f"| {b.op} | {b.label} | {b.kernels} | {b.what} | {instead} | {b.thread} |")
    lines += ["", "Valid models that end LiteRT's process; minilite computes them:", "", *_aborts("litert")]
    lines += ["", "Valid models that end TFLite Micro's process, and of which it is therefore not asked:", ""]
    lines += _aborts("tflm")
    return [*lines, ""]


def _aborts(runtime: str) -> list[str]:
    return [f"- {a.op} {a.label}: {a.what} (thread: {a.thread})" for a in ABORTS if a.runtime == runtime]


def _second(measured: dict[str, Any]) -> list[str]:
    """Where TensorFlow's interpreter and LiteRT's do not say the same, told by row and set."""
    cells = {key: cell for key, cell in sorted((measured.get("tf") or {}).items()) if key in measured["cells"]}
    if not cells:
        return []
    tried = [cell["cases"] + cell["refused"] + cell.get("died", 0) for cell in cells.values()]
    lines = [
        "## Where TensorFlow's own interpreter says otherwise",
        "",
        f"{measured.get('tf_oracle', '')}: {len(cells)} cells, {min(tried)} to {max(tried)} cases each.",
        "A cell in which its process ended five times was given up. LiteRT 2.3 has newer kernels than TensorFlow 2.21.",
        "",
    ]
    refused = [key for key, cell in cells.items() if not cell["cases"]]
    lines += _by_row("It runs none of the cases of", refused)
    lines += _by_row(
        "Its process ended on some cases of", [k for k, c in cells.items() if c["cases"] and c.get("died")]
    )
    apart = [key for key, cell in cells.items() if cell["cases"] and _farther(cell, measured["cells"][key])]
    return [*lines, *_second_models(measured), *_table_of(apart, cells), ""]


def _table_of(keys: list[str], cells: dict[str, Any]) -> list[str]:
    """A row for each operator, combination of types and difference."""
    sets: dict[tuple[str, str], list[str]] = {}
    for key in keys:
        row, _, kernels = key.rpartition("|")
        sets.setdefault((row.replace("|", " "), _shown(cells[key])), []).append(kernels)
    if not keys:
        return []
    lines = [f"| {row} | {', '.join(found)} | {shown} |" for (row, shown), found in sets.items()]
    return ["", "| results are not minilite's in | sets | by |", "|---|---|---|", *lines]


def _farther(cell: dict[str, Any], litert: dict[str, Any]) -> bool:
    """Whether minilite is farther from TensorFlow than from LiteRT, and not by the order of float sums alone."""
    if cell["unit"] == "of range":
        return bool(cell["largest"] > max(1e-5, litert["largest"]))
    return bool(cell["largest"] > litert["largest"])


def _by_row(what: str, keys: list[str]) -> list[str]:
    """One line: the rows of these cells, and their sets unless it is all of them."""
    sets: dict[str, list[str]] = {}
    for key in keys:
        row, _, kernels = key.rpartition("|")
        sets.setdefault(row, []).append(kernels)
    names = [
        row.replace("|", " ") + ("" if len(found) == len(LITERT) else f" ({', '.join(found)})")
        for row, found in sets.items()
    ]
    return [f"- {what}: {'; '.join(names)}."] if names else []


def _second_models(measured: dict[str, Any]) -> list[str]:
    lines = []
    for kernels, outcomes in (measured.get("tf_models") or {}).items():
        litert = {o["file"]: o["verdict"] for o in measured["models"][kernels]}
        other = [o for o in outcomes if o["verdict"] != litert.get(o["file"])]
        lines.append(
            f"- Real models in `{kernels}`: {len(outcomes)} run, {len(other)} with another verdict than LiteRT's."
        )
        lines += [
            f"    - {o['file']}: {o['verdict']}, {litert.get(o['file'])} with LiteRT. {o.get('detail', '')[:150]}"
            for o in other
        ]
    return [line.replace("\n", " ") for line in lines]


def _models(measured: dict[str, Any]) -> list[str]:
    lines = ["## Real models", ""]
    for kernels, outcomes in measured["models"].items():
        verdicts = Counter(o["verdict"] for o in outcomes)
        lines.append(f"- `{kernels}`: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()))
        lines += [
            f"    - {o['verdict']}: {o['file']}: {o.get('detail', '')}".replace("\n", " ")
            for o in outcomes
            if o["verdict"] in ("different", "error", "explained", "alone")
        ]
    return [*lines, ""]


def oracle_text(runtime: str) -> str:
    """Runtime, version and machine of a measurement."""
    package = {"litert": "ai-edge-litert", "tf": "tensorflow-cpu", "tflm": "tflite-micro"}[runtime]
    machine = f"{platform.system()} {platform.machine()} ({_cpu()})"
    return f"{package} {version(package)} on {machine}, one thread, minilite {minilite.__version__}"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    found = re.search(r"model name\s*: (.*)", text)
    features = [f for f in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if f in text]
    return ", ".join([found[1] if found else platform.processor(), *features])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="regular expression over 'OPERATOR|type'")
    parser.add_argument("--cases", type=int, help="of every cell (1,000 where types are quantized, else 300)")
    parser.add_argument("--runtime", choices=("litert", "tf"), default="litert")
    parser.add_argument("--models", action="store_true", help="measure the real models only")
    parser.add_argument("--stale", action="store_true", help="measure only what is not up to date")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*LITERT, *(["tflm"] if installed("tflm") else [])])
    options = parser.parse_args()
    if options.runtime == "tf":
        options.sets = [k for k in options.sets if k in LITERT]
    measured = load()
    if options.models:
        place = measured.setdefault("models" if options.runtime == "litert" else "tf_models", {})
        place |= _measure_models(options.runtime, options.sets)
    elif not options.render:
        _measure_cells(measured, options)
    known = {f"{op.name}|{d.label}|{k}" for op, d in rows() for k in SETS}
    measured["cells"] = {k: c for k, c in sorted(measured["cells"].items()) if k in known}
    save(measured)
    (DOCS / "conformance.md").write_text(render(measured))


def _measure_cells(measured: dict[str, Any], options: argparse.Namespace) -> None:
    place = measured["cells"] if options.runtime == "litert" else measured["tf"]
    work = jobs(options, place)
    if set(LITERT) & set(options.sets):
        measured["oracle" if options.runtime == "litert" else "tf_oracle"] = oracle_text(options.runtime)
    if "tflm" in options.sets:
        measured["tflm_oracle"] = oracle_text("tflm")
    with ProcessPoolExecutor(options.workers) as pool:
        for cells in track(pool.map(_measure_named, work), "rows", total=len(work)):
            for key, cell in cells.items():
                place[key] = asdict(cell)
                if cell.largest or cell.refused or cell.errors:
                    print(key, cell)
            save(measured)  # an interrupted run keeps what it has


def _measure_models(runtime: str, sets: list[str]) -> dict[str, list[dict[str, str]]]:
    return {
        kernels: [asdict(models.run_one(f, kernels, runtime)) for f in track(models.files(), kernels)]
        for kernels in sets
    }


if __name__ == "__main__":
    main()
