"""Names in a file are text, whatever a terminal would make of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from minilite.cli import app
from minilite.terminal import visible
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
