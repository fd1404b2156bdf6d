"""What ``minilite explain`` does: inputs from files or at random, and the explanation as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minilite.commands.run import named_inputs
from minilite.errors import ArgumentError
from minilite.inspection.explain import Explanation, explain
from minilite.interpreter import Interpreter
from minilite.model import Model
from minilite.reader import read


def explain_file(
    path: Path, what: str, files: Sequence[str], seed: int | None, element: str | None, settings: dict[str, Any]
) -> Explanation:
    """Explain a tensor or operator of a file; with inputs from ``[NAME=]FILE``\\ s, the others drawn from ``seed``."""
    model = read(path)
    inputs = None
    if files or seed is not None:
        inputs = gathered(model, files, seed, settings.get("signature"))
    return explain(model, what, inputs, element=None if element is None else indices(element), **settings)


def gathered(model: Model, files: Iterable[str], seed: int | None, signature: str | None) -> dict[str, np.ndarray]:
    """An array for every input, by name. Raises :class:`ArgumentError` for one without a file when there is no seed."""
    return dict(named_inputs(Interpreter(model), files, seed, signature))


def indices(text: str) -> tuple[int, ...]:
    """``"0,3,3,7"`` as numbers. Raises :class:`ArgumentError`."""
    try:
        return tuple(int(part) for part in text.strip("[]() ").split(",") if part.strip())
    except ValueError:
        raise ArgumentError(f"--element: expected numbers with commas, such as 0,3,3,7; got {text!r}.") from None
