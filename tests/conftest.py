"""Hypothesis profiles: ``quick`` for every change, ``thorough`` for the published tables. ``--oracle tf`` compares with
TensorFlow's own interpreter (extra ``tensorflow``) instead of LiteRT's."""

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_COMMON = {
    "deadline": None,  # a machine's speed is no property of the code
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "print_blob": True,
}
settings.register_profile("quick", max_examples=10, derandomize=True, database=None, **_COMMON)
settings.register_profile("thorough", max_examples=1000, database=None, **_COMMON)
# Hypothesis's pytest plugin derives a parametrized test's settings from those of the parameter before, and asks the
# whole chain, recursively, for a database: a thousand rows in one worker go beyond the interpreter's limit of 1,000.
sys.setrecursionlimit(10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--oracle", choices=("litert", "tf"), default="litert", help="the runtime to compare with")


@pytest.fixture(scope="session")
def runtime(request: pytest.FixtureRequest) -> str:
    """The oracle's runtime: ``litert`` (ai-edge-litert) or ``tf`` (tensorflow)."""
    name: str = request.config.getoption("--oracle")
    pytest.importorskip({"litert": "ai_edge_litert", "tf": "tensorflow"}[name])
    return name


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, str, str]]:
    """Run the command line in this process, 80 columns wide; gives (exit status, stdout, stderr)."""
    from minilite import cli

    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: Any) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["minilite", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            sys.exit(cli.main())
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return exit_.value.code or 0, captured.out, captured.err

    return run
