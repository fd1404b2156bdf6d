"""What goes wrong between a model and its bytes, with the way to it; the reader and the writer make errors of these."""

from __future__ import annotations


class Problem(Exception):
    """Something wrong. ``path`` leads there, innermost step first: it grows while the exception rises."""

    def __init__(self, what: str):
        self.what = what
        self.path: list[str | int] = []

    @property
    def where(self) -> str:
        """``subgraphs[0].operators[3].inputs``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(self.path))
        return "".join(steps).lstrip(".") or "the model"


class Damage(Problem):
    """The byte at ``position`` is not what it must be."""

    def __init__(self, position: int, what: str):
        super().__init__(what)
        self.position = position


class Unwritable(Problem):
    """A value the schema has no place for."""
