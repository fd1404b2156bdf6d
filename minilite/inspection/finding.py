"""Things by name, with the nearest name where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from minilite.errors import ArgumentError
from minilite.quantization.inputs import nearest

T = TypeVar("T")


def named(name: str, known: Mapping[str, T], what: str = "no tensor") -> T:
    """The thing of that name, or whose first name it is of several that a converter joined with semicolons.

    Raises :class:`ArgumentError` with the nearest name."""
    if name in known:
        return known[name]
    firsts = [key for key in known if key.partition(";")[0] == name]
    if len(firsts) == 1:
        return known[firsts[0]]
    near = nearest(name, known) or nearest(name, [key.partition(";")[0] for key in known])
    raise ArgumentError(f"{what} is called {name!r}{near}.")
