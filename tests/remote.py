"""One interpreter of LiteRT's in a child process that may die, asked call by call; and minilite's, asked alike."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minilite
from tests.oracle import Oracle


@dataclass(frozen=True)
class Value:
    """What a call returned."""

    value: Any


@dataclass(frozen=True)
class Refused:
    """What a call raised: the built-in class that a script would catch, and the words."""

    error: type[BaseException]
    words: str


@dataclass(frozen=True)
class Died:
    """The process ended, or did not answer."""


Outcome = Value | Refused | Died


class Remote(Oracle):
    """LiteRT's interpreter: ``call("set_tensor", 0, array)``."""

    module = "tests.remote_child"

    def __init__(self, seconds: float) -> None:
        super().__init__("litert", seconds)
        self.calls: list[Any] = []
        self.alone = False

    def call(self, method: str, *args: Any, **options: Any) -> Outcome:
        """What a method of the interpreter does. Calls since ``new`` are made again in a new process if this one ends
        and has served other interpreters, which may have written beyond their memory."""
        if method == "new":
            self.alone = self.child is None
            self.calls = []
        self.calls.append((method, args, options))
        answer: Any = self._try(self.calls[-1:])
        if answer is None and not self.alone:
            self.alone = True
            answer = self._try(self.calls)
        if answer is None:
            return Died()
        if answer[0] == "value":
            return Value(answer[1])
        return Refused(getattr(builtins, answer[1]), answer[2])

    def _try(self, calls: list[Any]) -> Any:
        """The answer to the last of these calls, or None if the process ended."""
        try:
            return [self._ask(call) for call in calls][-1]
        except (EOFError, BrokenPipeError, TimeoutError):
            self.close()
            return None


class Ours:
    """minilite's interpreter, behind the same calls."""

    def __init__(self) -> None:
        self.interpreter: Any = None
        self.views: dict[str, Any] = {}

    def call(self, method: str, *args: Any, **options: Any) -> Outcome:
        """What a method of the interpreter does. Raises what is no ``minilite.Error``, nor Python's own."""
        found: Callable[..., Any] = getattr(self, method, None) or getattr(self.interpreter, method)
        try:
            return Value(found(*args, **options))
        except minilite.Error as error:
            return Refused(type(error), str(error))

    def new(self, content: bytes, resolver: str, **options: Any) -> None:
        self.views.clear()
        chosen = minilite.interpreter.OpResolverType[resolver]
        self.interpreter = minilite.Interpreter(model_content=content, experimental_op_resolver_type=chosen, **options)

    def hold(self, name: str, index: Any) -> Any:
        self.views[name] = self.interpreter.tensor(index)()
        return self.look(name)

    def look(self, name: str) -> Any:
        view = self.views[name]
        return np.array(view), type(view).__name__

    def write(self, name: str, value: np.ndarray) -> None:
        self.views[name][...] = value

    def release(self, name: str) -> None:
        del self.views[name]

    def run_signature(self, key: Any, arrays: dict[str, Any]) -> Any:
        return self.interpreter.get_signature_runner(key)(**arrays)

    def signature_details(self, key: Any) -> Any:
        runner = self.interpreter.get_signature_runner(key)
        return runner.get_input_details(), runner.get_output_details()
