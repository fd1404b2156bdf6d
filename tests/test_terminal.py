"""Names in a file are text, whatever a terminal would make of them."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import minilite
from minilite.archives import key, keys, save_arrays
from minilite.cli import app
from minilite.model import Metadata, OperatorCode, Signature
from minilite.terminal import brief, visible
from tests import small_models as models

EVIL = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e[red]"


@pytest.mark.parametrize(
    "command", ["inspect FILE --tensors --operators", "explain FILE 0", "memory FILE", "debug FILE --random"]
)
def test_names_send_nothing_to_the_terminal(command: str, tmp_path: Path) -> None:
    model = models.chain()
    (graph,) = model.subgraphs
    tensors = tuple(dataclasses.replace(t, name=f"{EVIL}{t.name}") for t in graph.tensors)
    graph = dataclasses.replace(graph, tensors=tensors)
    dataclasses.replace(model, subgraphs=(graph,), description=EVIL).save(tmp_path / "evil.tflite")
    words = [str(tmp_path / "evil.tflite") if word == "FILE" else word for word in command.split()]
    printed = CliRunner().invoke(app, words, input="tensors\nbreak 5\nquit\n").output
    assert "\\x1b[2J" in printed
    assert not set(printed) & set("\x1b\x07\x9b\u202e")


def test_an_error_is_text_too(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["carve", str(tmp_path), EVIL, "-o", "x"])
    assert found.exit_code
    assert "\x1b[2J" not in found.output


def test_lines_and_tabs_stay() -> None:
    assert visible("a\tb\nc é 漢") == "a\tb\nc é 漢"


# ---- names that no encoding holds, and very long ones ----------------------------------------------------------------

NAMES = {"strange": "é a\udcf4\udcffb\u202ec\u2066d\u200be\ufefff\0g", "long": "L" * 300_000}
COMMANDS = (
    "inspect FILE --operators --tensors",
    "inspect FILE --json",
    "memory FILE --tensors",
    "memory FILE --json",
    "run FILE --random -o out.npz",
    "compare FILE --against xnnpack --random",
    "compare FILE --against xnnpack --random --json",
    "explain FILE 1 --random",
    "overflow FILE -d x.npy",
    "report FILE --against xnnpack -d x.npy -o page.html --json graph.json",
    "quantize FILE -d x.npy -o int8.tflite --save-calibration ranges.json",
    "profile FILE --repeat 1",
    "carve FILE 1 --random -o carved",
    "debug FILE --random",
)


@pytest.fixture(params=NAMES)
def named(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model in which everything has such a name, as a file in the current folder."""
    name = NAMES[request.param]
    model = models.chain()
    (graph,) = model.subgraphs
    tensors = tuple(dataclasses.replace(t, name=f"{name}{i}") for i, t in enumerate(graph.tensors))
    graph = dataclasses.replace(graph, tensors=tensors, name=name)
    signature = Signature(name, ((name, graph.inputs[0]),), ((name, graph.outputs[0]),))
    model = dataclasses.replace(model, subgraphs=(graph,), signatures=(signature,), description=name)
    dataclasses.replace(model, metadata=(Metadata(name, 0),)).save(tmp_path / "named.tflite")
    np.save(tmp_path / "x.npy", np.ones((2, 2, 2), np.float32))
    monkeypatch.chdir(tmp_path)
    return name


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")
def test_any_name_can_be_told(command: str, named: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Where the encoding is strict, as that of pipes and of most terminals is."""
    words = ["named.tflite" if word == "FILE" else word for word in command.split()]
    found = CliRunner().invoke(app, words, input="tensors\nquit\n")
    assert found.exit_code == 0, found.output[-1000:]
    assert not set(found.output) & set("\0\u202e\u2066\u200b\ufeff\udcf4")
    assert "--json" in words or len(found.output) < 40_000
    for path in Path().glob("*.html"):
        page = path.read_text(encoding="utf-8")
        assert not set(page) & set("\0\u202e\u2066\u200b\ufeff")
    for path in Path().glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("named", ["strange"], indirect=True)
def test_what_an_encoding_lacks_is_written_out(named: str) -> None:
    command = [sys.executable, "-m", "minilite", "explain", "named.tflite", "1", "--random"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii:strict"}  # as of pipes in some places
    found = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert found.returncode == 0, found.stderr
    assert b"Operator 1: ADD" in found.stdout


def test_what_was_carved_runs_with_its_arrays(named: str) -> None:
    for words in ("carve named.tflite 1 --random -o part", "run part.tflite -i part.npz -o again.npz"):
        found = CliRunner().invoke(app, words.split())
        assert found.exit_code == 0, found.output[-1000:]
    with np.load("part_expected.npz") as expected, np.load("again.npz") as again:
        assert [a.tolist() for a in expected.values()] == [a.tolist() for a in again.values()]


def test_outputs_can_be_inputs_again(named: str) -> None:
    arrays = {named: np.arange(4, dtype=np.float32).reshape(2, 2)}
    save_arrays("given.npz", arrays)
    found = CliRunner().invoke(app, ["run", "named.tflite", "-i", "given.npz", "-o", "found.npz"])
    assert found.exit_code == 0, found.output[-1000:]
    with np.load("found.npz") as outputs:
        assert outputs[key(named)].tolist() == [[2, 3], [4, 5]]


@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")
def test_ranges_of_any_name_are_kept(named: str) -> None:
    ranges = minilite.calibrate("named.tflite", np.ones((200, 2, 2), np.float32), progress=False)
    ranges.save("ranges.json")
    assert minilite.Calibration.load("ranges.json").names == ranges.names


def test_keys_are_unique_and_mostly_the_names() -> None:
    assert keys(["a/b:0", "é", "a" * 70_000, "a" * 70_000 + "b" * 0, "\udcff", "\\udcff"])[:2] == ["a/b:0", "é"]
    found = keys(["a" * 70_000, "a" * 70_000, "\udcff", "\\udcff", "\\udcff_"])
    assert len(set(found)) == 5
    assert all(len(name.encode()) < 65_000 for name in found)


def test_errors_are_short_and_plain() -> None:
    model = dataclasses.replace(models.add(), operator_codes=(OperatorCode("CUSTOM", 1, "\udcf4\x1b" + "N" * 100_000),))
    with pytest.raises(minilite.Error) as raised:
        minilite.Interpreter(model).allocate_tensors()
    assert len(str(raised.value)) < 2000
    assert "\\udcf4\\x1bNNN" in str(raised.value)
    assert "...(100,011 characters)..." in str(raised.value)


def test_words_of_a_thousand_letters_stay() -> None:
    assert brief("a" * 1000 + " b") == "a" * 1000 + " b"
    assert brief("a" * 1001 + " b") == "a" * 200 + "...(1,001 characters)..." + "a" * 200 + " b"
