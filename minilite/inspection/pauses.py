"""Where a debugged run is, and where it is to stop."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from minilite.errors import ArgumentError, StateError


class NotComputed(StateError):
    """A tensor that has no value yet was asked for."""


@dataclass(frozen=True)
class DebuggedOperator:
    """An operator of the subgraph: its number in the file, its kind, and the tensors it reads and writes. ``known``
    ones were computed while planning, because all they need is constant, and are no steps."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    known: bool


@dataclass(frozen=True)
class Pause:
    """Why and where the run stopped. ``next`` is the operator that comes next, None at the end; ``last`` the one that
    was computed before, None at the beginning. ``condition`` is the watch or breakpoint that was met."""

    reason: Literal["start", "step", "breakpoint", "watch", "end"]
    last: int | None
    next: int | None
    condition: str = ""


@dataclass
class Stops:
    """Breakpoints, as positions of the run, and watches, as expressions or functions; both by name."""

    breaks: dict[str, Collection[int]] = field(default_factory=dict)
    watches: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.breaks, *self.watches)

    def clear(self, name: str | None) -> None:
        """Take one away, or all. Raises :class:`ArgumentError` for a name that there is not."""
        if name is not None and name not in self.names:
            known = f"there are: {', '.join(self.names)}" if self.names else "there is none"
            raise ArgumentError(f"no breakpoint or watch is called {name!r}; {known}.")
        for kept in (self.breaks, self.watches):
            for each in [n for n in kept if name in (None, n)]:
                del kept[each]

    def met(self, position: int, holds: Callable[[Any], bool], before: dict[str, bool]) -> tuple[str, str] | None:
        """The watch that became true, or the breakpoint at the position: ``("watch" or "breakpoint", name)``.
        ``before`` says which watches held, and is brought up to date."""
        for name, watch in self.watches.items():
            was, before[name] = before[name], holds(watch)
            if before[name] and not was:
                return "watch", name
        return next((("breakpoint", name) for name, places in self.breaks.items() if position in places), None)
