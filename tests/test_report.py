"""``minilite.report``: what is on the page is what was measured, planted faults are marked, and a browser shows it."""

from __future__ import annotations

import dataclasses
import html
import importlib
import json
import math
import re
import shutil
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import minilite
from minilite import cli
from minilite.errors import ArgumentError
from minilite.inspection import report_plots as plots
from minilite.inspection import report_sections
from minilite.inspection.model_explorer import model_explorer
from minilite.inspection.report_contents import Contents, contents, weights
from minilite.inspection.report_graph import drawing
from minilite.model import Model
from minilite.quantization import lint
from minilite.quantization.grid import per_axis, per_tensor
from tests import broken_pairs, small_models
from tests.broken_pairs import FLOAT, INT8, images
from tests.test_carve import looping
from tests.test_compare import OneKernel, stranger

pytest.importorskip("jinja2")
chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
VOID = {"meta", "link", "input", "br", "img", "hr"}
OPERATORS = [o for o in minilite.read(INT8).subgraphs[0].operators]


class Page(HTMLParser):
    """The elements of a page, each a tag with its attributes and all text in it."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[int] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {[self.found[i][0] for i in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append(len(self.found) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.found[self.open[-1]][0] == tag
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for i in self.open:
            self.found[i][2].append(data)

    def all(self, tag: str, class_: str = "") -> list[tuple[dict[str, str | None], str]]:
        """Attributes and texts of all elements of that tag and class."""
        return [
            (attrs, " ".join("".join(text).split()))
            for t, attrs, text in self.found
            if t == tag and (not class_ or class_ in (attrs.get("class") or "").split())
        ]


def measured(quantized: Model | Path, count: int = 4) -> Contents:
    return contents(FLOAT, quantized, images(count), "reference", "auto", None, ())


@pytest.fixture(scope="module")
def text() -> str:
    return minilite.report(FLOAT, INT8, images(16))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


# ---- what is on the page ---------------------------------------------------------------------------------------------


def test_every_operator_is_in_the_graph_the_table_and_the_details(page: Page) -> None:
    names = [minilite.read(INT8).operator_codes[o.opcode_index].name for o in OPERATORS]
    expected = [f"{i} {name}" for i, name in enumerate(names)]
    rows = [(attrs["data-row"], said) for attrs, said in page.all("tr") if "data-row" in attrs]
    assert [row for row, _ in rows] == [f"op-0-{i}" for i in range(len(names))]
    assert all(said.startswith(start) for (_, said), start in zip(rows, expected, strict=True))
    nodes = page.all("a", "node")
    assert all(said.split(":")[0] == start for (_, said), start in zip(nodes, expected, strict=True))
    ids = [attrs["id"] for attrs, _ in page.all("article")]
    assert ids == [attrs["href"][1:] for attrs, _ in nodes] == [row for row, _ in rows]


def test_numbers_are_those_of_compare_and_overflow(page: Page) -> None:
    compared, counted = minilite.compare(FLOAT, INT8, images(16)), minilite.overflow(INT8, images(16))
    rows = {attrs["data-row"]: said for attrs, said in page.all("tr") if "data-row" in attrs}
    for one in compared.tensors:
        if one.operator is not None and math.isfinite(one.isolated.sqnr):
            said = f"{one.isolated.sqnr:.1f} {one.accumulated.sqnr:.1f}"
            assert said in rows[f"op-0-{one.operator[1]}"]
    for finding in counted.findings:
        assert any(finding.message in said for _, said in page.all("p", "finding"))


def test_the_page_stands_alone(text: str, page: Page) -> None:
    assert "http" not in text
    assert not re.findall(r"url\(|@import|<script src", text)
    for _, attrs, _ in page.found:
        assert not (attrs.get("src") or attrs.get("href") or "#").lstrip().startswith(("/", "//", "file"))
    assert len(text.encode()) < 250_000


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = [attrs["id"] for _, attrs, _ in page.found if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for t, a, _ in page.found if t == "a" and a.get("href", "").startswith("#")}
    labels = {a["aria-labelledby"] for _, a, _ in page.found if "aria-labelledby" in a}
    assert links <= set(ids)
    assert labels <= set(ids)


def test_all_that_can_be_used_has_a_name(page: Page) -> None:
    assert all(said for _, said in page.all("button"))
    assert all(attrs.get("aria-label") for attrs, _ in page.all("svg"))
    assert {"alone", "in all", "saturated", "operator"} <= {said for _, said in page.all("button")}


@pytest.mark.parametrize("operator", [0, 2, 5, 9])
def test_the_broken_operator_is_marked_as_the_worst_and_no_other(operator: int) -> None:
    broken = Page(minilite.report(FLOAT, broken_pairs.weights_off(operator), images()))
    (row,) = broken.all("tr", "worst")
    (node,) = broken.all("a", "worst")
    assert row[0]["data-row"] == node[0]["data-row"] == f"op-0-{operator}"
    assert node[0]["aria-label"].endswith("the worst")
    (tile,) = [said for attrs, said in broken.all("div", "tile") if attrs.get("id") == "worst"]
    assert f"{operator} {minilite.read(INT8).operator_codes[OPERATORS[operator].opcode_index].name}" in tile
    rects = broken.all("rect", "alone")
    assert [i for i, (attrs, _) in enumerate(rects) if "level-4" in attrs["class"]] == [operator]


def test_a_saturating_bias_is_said_at_its_operator() -> None:
    broken = Page(minilite.report(FLOAT, broken_pairs.saturating_bias(minilite.read(INT8), 5), images()))
    (row,) = broken.all("tr", "worst")
    assert row[0]["data-row"] == "op-0-5"
    assert "bias" in row[0]["data-words"]
    findings = [said for _, said in broken.all("p", "finding") if said.startswith("bias")]
    assert any(said.startswith("bias 5 CONV_2D: channel 0") for said in findings)


def test_why_an_operator_is_off_is_said_with_it() -> None:
    """The scale of operator 0's result is wrong, which shows at operator 1."""
    broken = Page(minilite.report(FLOAT, broken_pairs.scaled(minilite.read(INT8), 16, 4), images()))
    assert broken.all("tr", "worst")[0][0]["data-row"] == "op-0-1"
    articles = {attrs["id"]: said for attrs, said in broken.all("article")}
    assert "why the bias's scale is 1/4 of s_input · s_weights" in articles["op-0-1"]
    assert "scale at operator 1 DEPTHWISE_CONV_2D the bias's scale is 1/4" in articles["op-0-0"]
    assert "why the other side's values" in articles["op-0-0"]
    findings = [said for _, said in broken.all("p", "finding") if said.startswith("scale 0 CONV_2D: ")]
    assert len(findings) == 1  # among what to look at


def test_a_kernel_that_rounds_differently_is_marked_wherever_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(minilite.kernel_sets.KERNEL_SETS, "planted", OneKernel("planted", 0, "sequential"))
    page = Page(minilite.report(INT8, "planted", images()))
    levels = {attrs["class"].split()[-1] for attrs, _ in page.all("rect", "alone")}
    assert levels == {"level-0"}  # rounding is little
    numbers = {attrs["data-row"]: said.split() for attrs, said in page.all("tr") if "data-row" in attrs}
    assert [row for row, said in numbers.items() if "∞" not in said[2:5]] == ["op-0-1", "op-0-4"]
    assert page.all("tr", "worst")[0][0]["data-row"] in ("op-0-1", "op-0-4")
    assert page.all("h1")[0][1] == "fashion_int8.tflite (planted) against fashion_int8.tflite (reference)"


def test_names_are_text_not_markup() -> None:
    evil = "<script>alert(1)</script>\"'"
    model = minilite.read(INT8)
    output = model.subgraphs[0].operators[5].outputs[0]
    named = broken_pairs.changed(model, output, lambda t: dataclasses.replace(t, name=evil))
    text = minilite.report(FLOAT, named, images(1))
    assert "<script>alert" not in text
    assert html.escape(evil, quote=False)[:20] in text
    assert len(Page(text).all("script")) == 1


def test_only_the_worst_have_plots(text: str) -> None:
    few = Page(minilite.report(FLOAT, INT8, images(2), detailed=2))
    worst = [row.id for row in measured(INT8, 2).worst[:2]]
    assert len(few.all("figure")) <= 8
    assert {a["id"] for a, said in few.all("article") if "Float (across)" in said} == set(worst)


def test_equal_models_have_no_worst_operator() -> None:
    page = Page(minilite.report(small_models.add(), small_models.add(), np.ones((2, 4), np.float32)))
    (row,) = [said for attrs, said in page.all("tr") if "data-row" in attrs]
    assert row.startswith("0 ADD ∞ ∞")
    assert not page.all("tr", "worst")


def test_subgraphs_have_their_own_drawings_and_what_is_no_number_no_noise() -> None:
    text = minilite.report(looping(), looping(), [[np.array([3], np.int32)]])
    page = Page(text)
    assert [said for _, said in page.all("h3") if "Sub" in said] == [f"Subgraph {i}" for i in range(4)]
    rows = [said.split(" ")[:2] for attrs, said in page.all("tr") if "data-row" in attrs]
    assert rows == [["0", "ADD"], ["1", "WHILE"], ["2:0", "LESS"], ["3:0", "ADD"]]
    assert "nan" not in text
    assert "0 of the elements differ" in text


def test_findings_of_the_calibration_are_shown(tmp_path: Path) -> None:
    with pytest.warns(lint.CalibrationWarning):
        calibration = minilite.calibrate(FLOAT, images(2))
    assert calibration.findings
    calibration.save(tmp_path / "ranges.json")
    for given in (calibration, tmp_path / "ranges.json"):
        shown = minilite.report(FLOAT, INT8, images(1), calibration=given)
        assert html.escape(calibration.findings[0].message) in shown


def test_weights_that_only_are_stored_as_integers_have_their_histogram_and_noise_is_said() -> None:
    """Weights lie behind DEQUANTIZE; there is nothing to saturate, and yet something to look at."""
    model = minilite.quantize(FLOAT, "weights_int8")
    graph = model.subgraphs[0]
    maker = {o.outputs[0]: o.inputs[0] for o in graph.operators if len(o.inputs) == 1}
    number, stored = next((i, maker[o.inputs[1]]) for i, o in enumerate(graph.operators) if len(o.inputs) == 3)
    sound, broken = (Page(minilite.report(FLOAT, m, images(2))) for m in (model, broken_pairs.scaled(model, stored, 4)))
    for page in (sound, broken):
        assert "What quantizing has done" in page.all("header")[0][1]
        (article,) = [said for attrs, said in page.all("article") if attrs["id"] == f"op-0-{number}"]
        assert "Weights per" in article
        assert "counterpart of these weights" not in article
    looked = [
        next(said for a, said in page.all("section") if a.get("aria-labelledby") == "findings-heading")
        for page in (sound, broken)
    ]
    assert "Nothing: no overflow" in looked[0]
    assert f"noise {number} CONV_2D: " in looked[1]
    assert "Nothing" not in looked[1]


# ---- memory, origins, costs ------------------------------------------------------------------------------------------


def test_where_an_operators_numbers_come_from_is_what_explain_says(page: Page) -> None:
    articles = {attrs["id"]: said for attrs, said in page.all("article")}
    for i in range(len(OPERATORS)):
        said = articles[f"op-0-{i}"]
        explained = minilite.explain(INT8, i).operator.arithmetic
        for m in explained.multipliers:
            stands = "float" if m.q is None else f"{m.q:,} {m.e}"
            assert f"{m.name} {m.real:.9g} {stands} {m.relative:.2g} {m.rounding:.4g} rounding" in said
        result = minilite.explain(INT8, f"tensor {OPERATORS[i].outputs[0]}").tensor
        assert " ".join(result.origin.summary.split()) in said
    assert "the widest channel is" in articles["op-0-5"]
    assert len(page.all("details", "origins")) == len(OPERATORS)
    floats = Page(minilite.report(FLOAT, FLOAT, images(1)))
    assert not floats.all("details", "origins")


def test_ranges_of_a_calibration_are_the_origins(tmp_path: Path) -> None:
    calibration = minilite.calibrate(FLOAT, images(100))
    said = Page(minilite.report(FLOAT, INT8, images(1), calibration=calibration)).all("details", "origins")[0][1]
    explained = minilite.explain(INT8, f"tensor {OPERATORS[0].outputs[0]}", calibration=calibration)
    assert " ".join(explained.tensor.origin.summary.split()) in said


def test_memory_is_that_of_the_plans(page: Page) -> None:
    (said,) = [said for attrs, said in page.all("section") if attrs.get("id") == "memory"]
    charts = page.all("svg", "arena")
    for runtime, (attrs, _) in zip(("tflm", "litert"), charts, strict=True):
        plan = minilite.memory_plan(INT8, runtime=runtime)
        assert f"{plan.arena_bytes:,} bytes" in said
        assert f"most in use{plan.live_bytes:,} bytes at operator {plan.peak[0].operator} " in said.replace(
            "use ", "use"
        )
        assert "the peak" in attrs["aria-label"]
        assert f"{plan.arena_bytes:,}" in attrs["aria-label"]


def test_a_chart_has_a_rectangle_for_each_buffer_at_its_place() -> None:
    plan = minilite.memory_plan(INT8)
    picture = report_sections.chart(plan, "x")
    number = r'="([\d.]+)"'
    boxes = re.findall(rf'class="(\w+)" x{number} y{number} width{number} height{number}><title>([^<]*)', picture)
    drawn = [b for b in plan.buffers if any(b.first <= m.time <= b.last for m in plan.moments)]
    assert len(boxes) == len(drawn) > len(OPERATORS)
    room = report_sections.HEIGHT - report_sections.BOTTOM - report_sections.TOP
    held = {plan.buffers[i].name for i in plan.peak[0].buffers}
    assert sum(kind == "held" for kind, *_ in boxes) == len(plan.peak[0].buffers) == len(held)
    for (_, _, y, _, height, title), buffer in zip(boxes, drawn, strict=True):
        assert title.endswith(f": {buffer.size:,} bytes at {buffer.offset:,}")
        assert float(height) == pytest.approx(max(buffer.size / plan.arena_bytes * room, 0.5), abs=0.06)
        assert float(y) + float(height) == pytest.approx(
            report_sections.HEIGHT - report_sections.BOTTOM - buffer.offset / plan.arena_bytes * room, abs=0.6
        )


def test_memory_that_cannot_be_planned_says_why() -> None:
    page = Page(minilite.report(looping(), looping(), [[np.array([3], np.int32)]]))
    (said,) = [said for attrs, said in page.all("section") if attrs.get("id") == "memory"]
    for runtime in ("tflm", "litert"):
        try:
            expected = f"{minilite.memory_plan(looping(), runtime=runtime).arena_bytes:,} bytes"
        except minilite.Error as error:
            expected = f"No plan: {error}"
        assert " ".join(expected.split()) in said


def test_what_operators_cost_is_measured_when_asked_for(page: Page) -> None:
    assert "What each operator costs" not in {said for _, said in page.all("h2")}
    shown = Page(minilite.report(FLOAT, INT8, images(100), samples=4, sensitivity=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = minilite.sensitivity(FLOAT, images(4))
    (said,) = [said for attrs, said in shown.all("section") if attrs.get("id") == "sensitivity"]
    for one in found.operators:
        assert f"{one.operator}{one.name}{one.alone.sqnr:.1f}{one.spared.sqnr:.1f}" in said.replace(" ", "")
    assert said.index(found.alone(1)[0].name) < 400
    with pytest.raises(minilite.Error, match="already quantized"):
        minilite.report(INT8, "xnnpack", images(1), sensitivity=True)


# ---- plots -----------------------------------------------------------------------------------------------------------


def test_the_share_beyond_the_grid() -> None:
    grid = per_tensor("int8", 0.5, 3)  # -65.5 to 62
    reals = np.float32([-65.5, -65.7, -65.8, 62, 62.2, 62.3, 0, 1000, np.nan])
    assert plots.beyond(reals, grid) == pytest.approx(3 / 8)
    channels = per_axis("int8", np.float32([1, 0.5]), 0)
    assert plots.beyond(np.float32([[100, 127], [100, 10]]), channels) == 0.25


def heights(picture: str, class_: str) -> list[float]:
    path = re.search(rf'class="{class_}" d="([^"]*)"', picture)[1]
    bottom = plots.HEIGHT - plots.BOTTOM
    return [bottom - float(v) for v in re.findall(r"V([\d.]+)H", path)]


def test_bars_are_where_the_numbers_are() -> None:
    grid = per_tensor("int8", 0.1, 0)
    picture = plots.histogram("x", np.float32([-12.8, -12.8, -12.8, 12.7]), np.int8([-128, -128, -128, 127]), grid)
    for class_ in ("bars", "line"):
        tall = heights(picture, class_)
        assert len(tall) == 64
        assert tall[0] == plots.HEIGHT - plots.BOTTOM - plots.TOP
        assert tall[-1] == pytest.approx(tall[0] / 2, abs=0.1)  # log(1 + 1) is half of log(1 + 3)
        assert not any(tall[1:-1])
    assert "−128 = −12.8" in picture
    assert "<rect" not in picture
    assert "<rect" in plots.histogram("x", np.float32([20]), np.int8([127]), grid)


def test_points_on_the_line_are_on_the_line() -> None:
    x = np.linspace(-3, 5, 50)
    spots = re.findall(r"M([\d.]+) ([\d.]+)h0", plots.scatter("x", x, x))
    (x0, y0, x1, y1) = map(
        float, re.search(r'"ideal" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', plots.scatter("x", x, x)).groups()
    )
    for a, b in ((float(a), float(b)) for a, b in spots):
        assert b == pytest.approx(y0 + (a - x0) / (x1 - x0) * (y1 - y0), abs=0.3)


def test_weights_are_held_against_those_of_the_float_model() -> None:
    found = measured(INT8, 1)
    reals, integers, tensor = weights(found, found.rows[2])
    scales = tensor.quantization.scales.reshape(-1, 1, 1, 1)
    assert np.abs(reals - integers * scales).max() <= scales.max() * 0.501
    assert weights(found, found.rows[3]) is None


def test_recorded_elements_of_both_sides_are_from_the_same_places() -> None:
    found = measured(INT8)
    one = found.rows[2].compared
    x, q = found.a.elements(one.a), found.b.elements(one.b)
    grid = broken_pairs.minilite.read(INT8).subgraphs[0].tensors[one.b[1]].quantization
    assert x.size == q.size == 4 * 512
    assert np.corrcoef(x, grid.scales[0] * (q.astype(float) - grid.zero_points[0]))[0, 1] > 0.99


def test_skips_are_arcs_and_neighbours_lines() -> None:
    found = drawing(minilite.read(INT8), 0)
    assert len(found.nodes) == len(OPERATORS) + 2
    assert len(found.arcs) == 1  # around 4 and 5, to ADD
    assert found.lines.count("M") == len(OPERATORS) + 1


# ---- what goes wrong, and the command line ---------------------------------------------------------------------------


def test_without_jinja2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(minilite.Error, match=r"pip install 'minilite-interpreter\[report\]'"):
        minilite.report(FLOAT, INT8, images(1))


def test_a_path_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="there is no folder"):
        minilite.report(FLOAT, "no such file", None, tmp_path / "no" / "x.html")


def test_models_that_have_little_in_common_are_warned_of() -> None:
    page = Page(minilite.report(FLOAT, stranger(-1), images()))
    (warning,) = [said for _, said in page.all("p", "finding") if said.startswith("warning")]
    assert "only 1 result has a counterpart" in warning
    assert not [said for _, said in Page(minilite.report(FLOAT, INT8, images())).all("p") if "counterpart;" in said]


def test_models_that_do_not_correspond() -> None:
    with pytest.raises(ArgumentError, match="do not correspond"):
        minilite.report(small_models.add(), INT8, images(1))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", images(3))
    output = tmp_path / "page.html"
    arguments = [
        "report",
        str(INT8),
        str(FLOAT),
        "--data",
        str(tmp_path / "x.npy"),
        "--samples",
        "2",
        "-o",
        str(output),
    ]
    monkeypatch.setattr(sys, "argv", ["minilite", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().out.startswith(str(output))
    written = output.read_text(encoding="utf-8")
    assert written == minilite.report(FLOAT, INT8, images(2))  # whichever comes first; and twice the same


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | None:
    monkeypatch.setattr(sys, "argv", ["minilite", "report", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.parametrize("second", [["--against", "xnnpack"], ["xnnpack"]])
def test_the_command_takes_what_else_computes_a_model(second, tmp_path: Path, monkeypatch, capsys) -> None:
    np.save(tmp_path / "x.npy", images(2))
    assert not command(monkeypatch, INT8, *second, "--data", tmp_path / "x.npy", "-o", tmp_path / "page.html")
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert written == minilite.report(INT8, "xnnpack", images(2))
    assert "yardstick" in written
    assert "float model</dt>" not in written


def test_the_command_wants_one_of_both(tmp_path: Path, monkeypatch, capsys) -> None:
    np.save(tmp_path / "x.npy", images(1))
    rest = ["--data", tmp_path / "x.npy", "-o", tmp_path / "page.html"]
    assert command(monkeypatch, INT8, *rest) == 2
    assert command(monkeypatch, INT8, FLOAT, "--against", "builtin", *rest) == 2
    assert capsys.readouterr().err.count("--against") == 2
    assert command(monkeypatch, INT8, "xnnpak", *rest) == 1
    assert "did you mean 'xnnpack'" in capsys.readouterr().err
    assert command(monkeypatch, FLOAT, INT8, *rest[:-1], tmp_path) == 1
    assert "it is a folder" in capsys.readouterr().err


def test_the_command_wants_data(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["minilite", "report", str(FLOAT), str(INT8), "-o", str(tmp_path / "x.html")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "--data" in capsys.readouterr().err


# ---- in a browser ----------------------------------------------------------------------------------------------------

PROBE = """
<script>
const said = [];
const check = (name, ok) => said.push(`${ok ? "ok" : "FAILED"} ${name}`);
const rows = () => [...document.querySelectorAll("#operators tbody tr")];
const shown = () => [...document.querySelectorAll("article")].filter((a) => a.checkVisibility()).map((a) => a.id);
const press = (element, key) => element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
check("the worst is shown", shown().join() === "op-0-2");
const column = (name) => [...document.querySelectorAll("thead button")].find((b) => b.textContent === name);
column("alone").click();
check("sorted", rows()[0].dataset.row === "op-0-2");
const numbers = rows().map((r) => Number(r.cells[2].dataset.v));
check("ascending", numbers.every((n, i) => !i || numbers[i - 1] <= n));
check("said to be", column("alone").parentElement.getAttribute("aria-sort") === "ascending");
column("alone").click();
check("descending", rows().at(-1).dataset.row === "op-0-2");
column("#").click();
check("in order", rows().map((r) => r.cells[0].dataset.v).join() === "1,2,3,4,5,6,7,8,9,10,11");
const filter = document.getElementById("filter");
filter.value = "depthwise";
filter.dispatchEvent(new Event("input"));
check("filtered", rows().filter((r) => r.checkVisibility()).length === 2);
check("counted", document.getElementById("count").textContent === "2 of 11");
check("one tab stop", rows().filter((r) => r.tabIndex === 0 && !r.hidden).length === 1);
filter.value = "";
filter.dispatchEvent(new Event("input"));
rows()[0].focus();
press(rows()[0], "ArrowDown");
check("arrow", document.activeElement === rows()[1]);
press(rows()[1], "Enter");
document.querySelector("[data-by=all]").click();
check("coloured", getComputedStyle(document.querySelector(".node rect.alone")).display === "none");
setTimeout(() => {
  check("chosen", shown().join() === "op-0-1");
  check("in the graph", document.querySelector("a.chosen").dataset.row === "op-0-1");
  const click = new MouseEvent("click", { bubbles: true, cancelable: true });
  document.querySelector("a.node[data-row=op-0-4]").dispatchEvent(click);
  check("link", shown().join() === "op-0-4" && location.hash === "#op-0-4");
  const more = document.querySelector("#op-0-4 summary");
  more.click();
  check("opens", more.parentElement.open && more.parentElement.querySelector("pre").checkVisibility());
  check("fits", document.documentElement.scrollWidth <= innerWidth);
  const out = document.createElement("pre");
  out.id = "said";
  out.textContent = said.join("\\n");
  document.body.append(out);
}, 300);
</script>
"""


@chromium
@pytest.mark.parametrize("width", [1400, 500])
@pytest.mark.parametrize("dark", [0, 1])
def test_in_chromium(tmp_path: Path, width: int, dark: int) -> None:
    """No errors on the console; the table sorts and filters, operators are chosen by keyboard, nothing overflows."""
    text = minilite.report(FLOAT, broken_pairs.weights_off(2), images(2), sensitivity=bool(dark))
    (tmp_path / "page.html").write_text(text.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    done = subprocess.run(
        [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--blink-settings=preferredColorScheme={1 - dark}",
            f"--window-size={width},900",
            "--virtual-time-budget=3000",
            "--enable-logging=stderr",
            "--dump-dom",
            (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.S)
    assert said, done.stderr[-2000:]
    assert [line for line in said[1].splitlines() if not line.startswith("ok ")] == []
    assert len(said[1].splitlines()) == 16


def test_the_templates_are_in_the_package() -> None:
    folder = Path(importlib.import_module("minilite.inspection").__file__).parent / "templates"
    assert {p.name for p in folder.iterdir()} == {"report.css", "report.html", "report.js"}


# ---- for other viewers -----------------------------------------------------------------------------------------------


def test_the_graph_for_model_explorer(tmp_path: Path) -> None:
    minilite.report(FLOAT, broken_pairs.weights_off(2), images(1), graph=tmp_path / "graph.json")
    found = json.loads((tmp_path / "graph.json").read_text(encoding="utf-8"))
    assert set(found) == {"label", "graphs"}
    (graph,) = found["graphs"]
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert len(nodes) == len(graph["nodes"]) == len(OPERATORS) + 2
    edges = {(edge["sourceNodeId"], id_) for id_, node in nodes.items() for edge in node["incomingEdges"]}
    assert {("3", "4"), ("3", "6"), ("5", "6"), ("input 0", "0"), ("10", "output 0")} <= edges
    assert len(edges) == len(OPERATORS) + 2
    assert [id_ for id_, n in nodes.items() if n.get("style") == {"backgroundColor": "#b81f3a"}] == ["2"]
    for node in nodes.values():
        assert all(isinstance(pair["value"], str) for pair in node["attrs"])
    attrs = {pair["key"]: pair["value"] for pair in nodes["2"]["attrs"]}
    assert float(attrs["SQNR alone, dB"]) < 3
    assert attrs["fused_activation_function"] == "RELU"


def test_subgraphs_are_graphs_that_their_callers_name() -> None:
    found = json.loads(model_explorer(looping()))
    ids = [graph["id"] for graph in found["graphs"]]
    assert len(set(ids)) == len(ids) > 1
    called = [s for graph in found["graphs"] for node in graph["nodes"] for s in node.get("subgraphIds", ())]
    assert called == ids[2:]


def test_notebooks_show_short_tables() -> None:
    model = minilite.read(INT8)
    shown = Page(model._repr_html_())
    assert [said for _, said in shown.all("td")][:3:2] == ["input", "int8 [1, 28, 28, 1], 0.00392157 × (q + 128)"]
    assert "4 × CONV_2D" in shown.all("p")[-1][1]
    compared = minilite.compare(FLOAT, broken_pairs.weights_off(5), images(1))
    rows = Page(compared._repr_html_()).all("tr")
    assert rows[1][1].startswith("5CONV_2D")
    assert len(rows) == 1 + 10
    explained = minilite.explain(INT8, 2)
    assert "Multipliers" in explained._repr_html_()
    assert "What to look at" in minilite.overflow(INT8, images(1))._repr_html_()


def test_notebooks_show_names_as_text() -> None:
    model = broken_pairs.changed(minilite.read(INT8), 0, lambda t: dataclasses.replace(t, name="<b>&"))
    assert "&lt;b&gt;&amp;" in model._repr_html_()
    assert "<b>" not in model._repr_html_()


def test_notebooks_show_tensors() -> None:
    tensors = minilite.read(INT8).subgraphs[0].tensors
    first = [said for _, said in Page(tensors[0]._repr_html_()).all("td")]
    assert first == ["type", "int8", "shape", "[1, 28, 28, 1]", "scales", "0.00392157", "zero points", "-128"]
    many = next(
        t for t in tensors if t.quantization and t.quantization.scales is not None and len(t.quantization.scales) > 10
    )
    assert f"and {len(many.quantization.scales) - 10} more, along dimension" in many._repr_html_()
    plain = minilite.model.Tensor(name="<b>", shape=None)._repr_html_()
    assert "&lt;b&gt;" in plain
    assert "[?]" in plain
    assert "scales" not in plain
