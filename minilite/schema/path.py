"""How errors say where in a model something is."""

from __future__ import annotations

from collections.abc import Sequence


def where(path: Sequence[str | int]) -> str:
    """``subgraphs[0].operators[3].inputs`` from its steps, innermost first."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(path))
    return "".join(steps).lstrip(".") or "the root table"
