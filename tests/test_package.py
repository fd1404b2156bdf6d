"""The package itself: its names are there, though nothing is imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import minilite


@pytest.mark.parametrize("name", minilite.__all__)
def test_every_name_is_there(name: str) -> None:
    found = getattr(minilite, name)
    assert found.__name__ == name
    assert name in dir(minilite)
    assert vars(minilite)[name] is found, "it is looked up once"


@pytest.mark.parametrize("first", ["minilite.errors.Error", "minilite.model.Model", "minilite.interpreter.Interpreter"])
def test_a_module_is_there_without_an_import_of_its_own(first: str) -> None:
    assert subprocess.run([sys.executable, "-c", f"import minilite; {first}"]).returncode == 0


def test_importing_the_package_imports_nothing_large() -> None:
    code = "import sys, minilite; sys.exit(any(m.startswith(('minilite.', 'numpy', 'typer')) for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", ["interprete", "_private", "__wrapped__"])
def test_what_is_not_there(name: str) -> None:
    with pytest.raises(AttributeError, match=f"'minilite' has no attribute '{name}'"):
        getattr(minilite, name)
