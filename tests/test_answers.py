"""Every block of ``docs/answers.md`` runs, and prints what the page says."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

from tests import answers
from tests.said import alike

pytest.importorskip("jinja2")  # which `minilite report` needs

TEXT = answers.PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[answers.Said]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("answers"))
        return list(answers.run(TEXT))


def test_the_page_says_what_its_blocks_say(said: list[answers.Said]) -> None:
    for each in said:
        if not alike(each.now, each.block.text):
            lines = (each.block.text.splitlines(), each.now.splitlines())
            line = TEXT[: each.block.start].count("\n") + 1
            pytest.fail(
                f"docs/answers.md, line {line}: run `python -m tests.answers`\n"
                + "\n".join(difflib.unified_diff(*lines, "the page", "now", lineterm=""))
            )


def test_nothing_fails_unless_it_should(said: list[answers.Said]) -> None:
    failed = [
        each.now.splitlines()[0] for each in said if re.search("^(minilite: |error|Usage|.*Error)", each.now, re.M)
    ]
    assert failed == ["$ minilite inspect broken.tflite"]


def test_twenty_questions_each_with_its_thread_and_an_answer() -> None:
    questions = re.split(r"^### ", TEXT, flags=re.M)[1:]
    assert len(questions) >= 20
    for number, question in enumerate(questions, 1):
        assert question.startswith(f"{number}. ")
        assert re.search(r"\[[\w.-]+#\d+\]\(https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+\)", question)
        assert re.search(r"^```(console|text)\n.+\n", question, re.M), question


def test_links_name_the_thread_they_lead_to() -> None:
    for name, number, repository, target in re.findall(
        r"\[([\w.-]+)#(\d+)\]\(https://github\.com/[\w.-]+/([\w.-]+)/\w+/(\d+)\)", TEXT
    ) + re.findall(r"\[(zhenhuaw-me/tflite)#(\d+)\]\(https://github\.com/([\w.-]+/[\w.-]+)/\w+/(\d+)\)", TEXT):
        assert (name, number) == (repository, target)
    for path in re.findall(r"\]\(((?!http)[^)#]+)", TEXT):
        assert (Path(answers.PAGE).parent / path).exists(), path


@pytest.mark.parametrize(
    "now, page, same",
    [
        ("off by 3 dB", "off by 3 dB", True),
        ("off by 3 dB", "off by 4 dB", False),
        ("a  1,000", "a 1,001", False),
        ("30.14 dB", "30.2 dB", True),
        ("30.1 dB", "35.2 dB", False),
        ("1.5e-07", "1.51e-07", True),
        ("1.5e-07", "1.5e-06", False),
        ("float32 x", "float64 x", False),
        ("inf dB", "30 dB", False),
        ("-0.1", "0.1", False),
        ("3 4", "3", False),
    ],
)
def test_numbers_are_compared_as_what_they_are(now: str, page: str, same: bool) -> None:
    assert alike(now, page) is same


def test_a_command_may_be_fed_and_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (
        "```console\n$ minilite demo --save . | grep -E 'int8|npz' | head -n 1\nold\n```\n"
        "```python\nprint(2 + 2)\n```\n```text\n5\n```\n"
        "```console\n$ minilite debug fashion_int8.tflite --random <<'END'\nnext 1\nEND\n```\n"
    )
    fresh = answers.fresh(page)
    assert "| head -n 1\nfashion_int8.tflite\n```" in fresh
    assert "```text\n4\n```" in fresh
    assert "END\n11 operators." in fresh
    assert answers.fresh(fresh) == fresh
