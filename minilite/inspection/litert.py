"""LiteRT as a source: Google's runtime, in a process of its own, because it may end that.

Every tensor is kept (``experimental_preserve_all_tensors``), for which LiteRT gives its delegate single operators
instead of stretches of them; the numbers of an operator are the same.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import itertools
import pickle
import struct
import subprocess
import sys
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, StateError
from minilite.inspection.sources import Values
from minilite.model import Model
from minilite.quantization.inputs import nearest
from minilite.quantization.representative import Sample

RESOLVERS = ("AUTO", "BUILTIN", "BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
_NUMBERS = itertools.count()


class LiteRT:
    """LiteRT with one of its resolvers, as a :class:`minilite.inspection.sources.Source`.

    Values are those of subgraph 0. Raises :class:`ArgumentError` where ``ai-edge-litert`` is not installed, for another
    resolver, and for what LiteRT refuses; :class:`StateError` when LiteRT ended its process."""

    def __init__(self, model: Model, resolver: str = "AUTO", label: str = "model"):
        if resolver not in RESOLVERS:
            raise ArgumentError(
                f"LiteRT has no resolver {resolver!r}{nearest(resolver, RESOLVERS)}; there are: {', '.join(RESOLVERS)}."
            )
        if importlib.util.find_spec("ai_edge_litert") is None:
            raise ArgumentError("comparing with LiteRT needs LiteRT. Install the package ai-edge-litert.")
        self.model, self.resolver, self.label = model, resolver, label
        self._number = next(_NUMBERS)
        self._home: _Child | None = None
        self._load()

    @property
    def name(self) -> str:
        return f"{self.label} (LiteRT {self.resolver})"

    def run(self, sample: Sample) -> Values:
        if sample.subgraph:
            raise ArgumentError(f"of LiteRT only subgraph 0 is read, and the sample is for subgraph {sample.subgraph}.")
        values = self._load().ask("run", self._number, sample.arrays)
        return {(0, t): array for t, array in values.items() if t < len(self.model.subgraphs[0].tensors)}

    def of(self, model: Model) -> LiteRT:
        return LiteRT(model, self.resolver, self.label)

    def _load(self) -> _Child:
        """The process that has the model; a new one, where another model has ended it."""
        child = _child()
        if child is not self._home:
            child.ask("load", self._number, self.model.to_bytes(), self.resolver)
            self._home = child
        return child


class _Child:
    """The process, and what is said to it: pickles with their lengths before them."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "minilite.inspection.litert_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(self.close)

    def ask(self, *request: Any) -> Any:
        stream, answers = self.process.stdin, self.process.stdout
        assert stream is not None
        assert answers is not None
        try:
            send(stream, request)
            worked, answer = receive(answers)
        except (EOFError, BrokenPipeError, OSError):
            self.close()
            _child.cache_clear()
            raise StateError(
                f"LiteRT ended its process ({_how(self.process.returncode)}): it does not survive this model or these "
                "inputs."
            ) from None
        if not worked:
            raise ArgumentError(f"LiteRT refuses: {answer}")
        return answer

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


@functools.cache
def _child() -> _Child:
    return _Child()


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def send(stream: Any, what: Any) -> None:
    """Write a pickle."""
    content = pickle.dumps(what)
    stream.write(struct.pack("<Q", len(content)) + content)
    stream.flush()


def receive(stream: Any) -> Any:
    """Read a pickle. Raises EOFError when the stream ends."""
    head = stream.read(8)
    if len(head) != 8:
        raise EOFError
    (size,) = struct.unpack("<Q", head)
    content = stream.read(size)
    if len(content) != size:
        raise EOFError
    return pickle.loads(content)


def readable(array: Any) -> np.ndarray | None:
    """An array that a pickle carries and that NumPy alone can read."""
    array = np.asarray(array)
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array
