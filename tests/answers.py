"""The blocks of ``docs/answers.md``, run again: commands and Python, with what they print.

    python -m tests.answers             write into the page what its blocks print now

A ``console`` block is commands after ``$``, each with its output; ``| head -n 5``, ``| tail -n 5`` and
``| grep -E WORD`` may follow one, and ``<<'END'`` with lines for its standard input. A ``python`` block prints what the
``text`` block after it says. All run in one folder, one after the other, and Python remembers.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from minilite import cli

PAGE = Path(__file__).parent.parent / "docs" / "answers.md"
BLOCK = re.compile(r"^```(console|python|text)\n(.*?)^```$", re.M | re.S)
WIDTH = "100"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and text, and where the text begins and ends in the page."""

    language: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Said:
    """What a block of output says in the page, and what it says now."""

    block: Block
    now: str


def blocks(page: str) -> list[Block]:
    return [Block(m[1], m[2], m.start(2), m.end(2)) for m in BLOCK.finditer(page)]


def run(page: str) -> Iterator[Said]:
    """Run the blocks in the current folder, and compare. What one prints is told before the next one runs."""
    variables: dict[str, Any] = {}
    printed = None
    for block in blocks(page):
        if block.language == "python":
            assert not printed, "a Python block prints something, and no text block follows"
            printed = _python(block.text, variables)
        elif block.language == "text":
            assert printed, "a text block without something printed before it"
            yield Said(block, printed)
            printed = None
        else:
            yield Said(block, "".join(_console(block.text)))


def _python(text: str, variables: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, PAGE.name, "exec"), variables)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _console(text: str) -> Iterator[str]:
    lines = iter(text.splitlines())
    for line in lines:
        if not line.startswith("$ "):
            continue
        yield line + "\n"
        fed = []
        if line.endswith("<<'END'"):
            for typed in lines:
                yield typed + "\n"
                if typed == "END":
                    break
                fed.append(typed + "\n")
        yield from (f"{out.rstrip()}\n" for out in _command(line[2:], "".join(fed)))


def _command(line: str, fed: str) -> list[str]:
    """The lines that a command of minilite prints, after what follows it in the pipe."""
    first, *rest = line.removesuffix("<<'END'").split(" | ")
    name, *arguments = shlex.split(first)
    assert name == "minilite", line
    out = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["minilite", *arguments]),
        mock.patch.object(sys, "stdin", io.StringIO(fed)),
        mock.patch.dict(os.environ, {"COLUMNS": WIDTH, "NO_COLOR": "1"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        contextlib.suppress(SystemExit),
    ):
        cli.main()
    lines = out.getvalue().splitlines()
    for filter_ in rest:
        lines = _filtered(lines, *shlex.split(filter_))
    return lines


def _filtered(lines: list[str], name: str, *arguments: str) -> list[str]:
    if name == "grep":
        return [line for line in lines if re.search(arguments[-1], line)]
    option, count = arguments
    assert option == "-n"
    return {"head": lines[: int(count)], "tail": lines[-int(count) :]}[name]


def fresh(page: str) -> str:
    """The page with what its blocks print now."""
    for said in reversed(list(run(page))):
        page = page[: said.block.start] + said.now + page[said.block.end :]
    return page


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        PAGE.write_text(fresh(page), encoding="utf-8")


if __name__ == "__main__":
    main()
