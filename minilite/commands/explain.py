"""What ``minilite explain`` does: inputs from files or at random, and the explanation as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minilite.commands.run import draw, ends, load_all, place
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
    inputs, _ = ends(Interpreter(model), signature)
    arrays = place(load_all(files), [{name, detail["name"]} for name, detail in inputs])
    missing = {i: detail for i, (_, detail) in enumerate(inputs) if i not in arrays}
    if missing and seed is None:
        names = ", ".join(repr(inputs[i][0]) for i in missing)
        raise ArgumentError(f"no file for input {names}; give one with --input, or --random")
    generator = np.random.default_rng(seed)
    arrays |= {i: draw(detail, generator) for i, detail in missing.items()}
    return {name: arrays[i] for i, (name, _) in enumerate(inputs)}


def indices(text: str) -> tuple[int, ...]:
    """``"0,3,3,7"`` as numbers. Raises :class:`ArgumentError`."""
    try:
        return tuple(int(part) for part in text.strip("[]() ").split(",") if part.strip())
    except ValueError:
        raise ArgumentError(f"--element: expected numbers with commas, such as 0,3,3,7; got {text!r}.") from None
