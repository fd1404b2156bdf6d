"""LiteRT's names for delegates. minilite has none: its kernels are its own."""

from __future__ import annotations

from typing import Any

from minilite.errors import DelegateError

_ADVICE = "Leave experimental_delegates out; kernels='xnnpack' computes what LiteRT's XNNPACK delegate computes."


class Delegate:
    """A native plug-in that would take operators over. Constructing one always fails."""

    def __init__(self, library: Any, options: Any = None):
        """Raises :class:`DelegateError`, which is an OSError as for a library that is missing, and a ValueError as
        for one that does not load."""
        raise DelegateError(f"{library}: minilite has no delegates and loads no native libraries. {_ADVICE}")


def load_delegate(library: Any, options: Any = None) -> Delegate:
    """Always raises :class:`DelegateError`; a script's fallback to the CPU then runs."""
    return Delegate(library, options)


def refuse_delegates(delegates: Any) -> None:
    """Raises :class:`DelegateError` unless the list is empty or None."""
    if delegates:
        raise DelegateError(f"experimental_delegates={delegates!r}: minilite has no delegates. {_ADVICE}")
