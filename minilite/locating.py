"""Errors within operators: told as the operator's, with LiteRT's words behind."""

from __future__ import annotations

import signal
import traceback
from typing import Any, NoReturn

from minilite.errors import Error, OperatorError
from minilite.spec import Node, ValueNeeded

LEVELS = 3
"""How many of the operators that were calling each other an error names: the innermost ones, and the outermost."""


def say_where(error: Exception, node: Node, what: str) -> NoReturn:
    """Raise the error with the operator's name in front and LiteRT's words behind; exceptions of others become ours.

    What a signal handler raises while an operator is computed is not the operator's, and passes."""
    if isinstance(error, ValueNeeded) or (isinstance(error, Error) and not isinstance(error, OperatorError)):
        raise error
    if is_of_a_signal_handler(error):
        raise error
    inner = _Inner.of(error)
    left_out = f"... {inner.depth - LEVELS} operators that call each other ...: " if inner.depth > LEVELS else ""
    ours = OperatorError(f"{node}: {left_out}{inner.said} Node number {node.index} ({node.op}) {what}.")
    ours.inner = _Inner(inner.depth + 1, inner.said if inner.depth >= LEVELS else str(ours))
    raise ours from error.__cause__ or error


class _Inner:
    """How many operators an error has come through, and what the innermost of them said."""

    def __init__(self, depth: int, said: str):
        self.depth, self.said = depth, said

    @classmethod
    def of(cls, error: Exception) -> _Inner:
        if not isinstance(error, OperatorError):
            return cls(0, f"{type(error).__name__}: {error}.")
        return error.inner or cls(0, str(error))


def is_of_a_signal_handler(error: Exception) -> bool:
    """Whether the error was raised in, or below, a function that handles a signal in this process."""
    codes = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def _code(handler: Any) -> Any:
    """The code of a Python function, a method, or an object that can be called; None of anything else."""
    if not callable(handler) or hasattr(handler, "__code__"):
        return getattr(handler, "__code__", None)
    return getattr(type(handler).__call__, "__code__", None)
