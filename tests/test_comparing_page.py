"""docs/comparing.md says what really comes out: its examples are run from top to bottom, and the output compared."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from minilite import cli, demo

PAGE = Path(__file__).parent.parent / "docs" / "comparing.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command prints at 80 columns."""
    monkeypatch.setattr(sys, "argv", shlex.split(line.removeprefix("$ ")))
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        sys.exit(cli.main())
    captured = capsys.readouterr()
    assert not exit_.value.code, captured.err
    return captured.out


def run_page(text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The page with what its commands print now."""
    names: dict[str, object] = {}

    def replaced(block: re.Match[str]) -> str:
        kind, content = block.groups()
        if kind == "python":
            exec(content, names)
            return block[0]
        line = content.split("\n", 1)[0]
        return f"```console\n{line}\n{shown(line, capsys, monkeypatch)}```"

    return BLOCK.sub(replaced, text)


def test_the_page_shows_what_comes_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    text = PAGE.read_text(encoding="utf-8")
    fresh = run_page(text, capsys, monkeypatch)
    if os.environ.get("MINILITE_WRITE_DOCS"):
        PAGE.write_text(fresh, encoding="utf-8")
        return
    assert fresh == text, "docs/comparing.md is stale: MINILITE_WRITE_DOCS=1 pytest tests/test_comparing_page.py"
