"""The real runtimes, as oracles, in a child process that may die.

LiteRT ends the process on some inputs (SIGABRT, SIGSEGV), so it runs in a child that is started again when it dies.
``Oracle("litert").run(model_bytes, mode, inputs)`` returns every output, or raises :class:`OracleError` (the runtime
refused) or :class:`OracleDied` (it took its process with it). What a model before wrote beyond a tensor may end the
process only later, so a model dies of itself only if it does so as the first of a process.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import pickle
import select
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

MODES = {"reference": "BUILTIN_REF", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "AUTO", "tflm": ""}
"""LiteRT's resolver for each kernel set. TFLite Micro has one set of kernels only, and is a runtime of its own."""

PACKAGES = {"litert": "ai_edge_litert", "tf": "tensorflow", "tflm": "tflite_micro"}
"""What must be importable for a runtime."""


class OracleError(Exception):
    """The runtime refused the model or its inputs."""


class ForeignError(Exception):
    """minilite, asked as a runtime, raised something that is not a ``minilite.Error``."""


class OracleDied(Exception):
    """The runtime's process ended, or did not answer in time."""


class Oracle:
    """One runtime in one child process: ``litert`` (ai-edge-litert), ``tf`` (tensorflow's tf.lite), ``tflm``
    (tflite-micro) or ``minilite``."""

    module = "tests.oracle_child"

    def __init__(self, runtime: str = "litert", seconds: float = 60.0):
        self.runtime, self.seconds = runtime, seconds
        self.child: subprocess.Popen[bytes] | None = None
        self.served = 0
        atexit.register(self.close)

    def run(
        self,
        model: bytes,
        mode: str,
        inputs: list[np.ndarray],
        *,
        resize: bool = False,
        every: bool = False,
        details: bool = False,
        again: tuple[list[np.ndarray], ...] = (),
    ) -> Any:
        """The outputs of one invoke, and of another one for each of ``again``. ``resize`` resizes inputs to the
        arrays' shapes first; ``every`` returns all readable tensors by index instead; ``details`` returns (outputs,
        operator names after allocation)."""
        request = {
            "model": model,
            "mode": MODES[mode],
            "inputs": inputs,
            "resize": resize,
            "every": every,
            "details": details,
            "again": again,
        }
        try:
            answer = self._answer(request)
        except (EOFError, BrokenPipeError, TimeoutError) as error:
            self.close()
            raise OracleDied(f"{self.runtime} {mode}: {type(error).__name__}") from None
        if "error" in answer:
            if answer["foreign"]:
                raise ForeignError(answer["error"])
            raise OracleError(answer["error"])
        return answer["result"]

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer of the child, or, if that ends and has served others, of a new one; minilite is not excused."""
        try:
            return self._ask(request)
        except (EOFError, BrokenPipeError):
            if self.served == 1 or self.runtime == "minilite":
                raise
            self.close()
            return self._ask(request)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        child = self._child()
        assert child.stdin
        assert child.stdout
        self.served += 1
        payload = pickle.dumps(request)
        child.stdin.write(struct.pack("<Q", len(payload)) + payload)
        child.stdin.flush()
        ready, _, _ = select.select([child.stdout], [], [], self.seconds)
        if not ready:
            raise TimeoutError
        size = struct.unpack("<Q", _exactly(child.stdout, 8))[0]
        return pickle.loads(_exactly(child.stdout, size))

    def _child(self) -> subprocess.Popen[bytes]:
        if self.child is None or self.child.poll() is not None:
            self.child = subprocess.Popen(
                [sys.executable, "-m", self.module, self.runtime],
                cwd=Path(__file__).parent.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self.served = 0
        return self.child

    def close(self) -> None:
        """End the child."""
        if self.child is not None:
            with contextlib.suppress(OSError):
                self.child.kill()
            self.child.wait()
            for pipe in (self.child.stdin, self.child.stdout):
                with contextlib.suppress(OSError):
                    pipe and pipe.close()
            self.child = None


def _exactly(stream: Any, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return data


@functools.cache
def oracle(runtime: str = "litert") -> Oracle:
    """The shared child of this process."""
    return Oracle(runtime)


def runtime_of(mode: str, runtime: str) -> str:
    """The runtime that has the kernels of ``mode``: the one asked for, or TFLite Micro for its own."""
    return "tflm" if mode == "tflm" else runtime


def installed(runtime: str) -> bool:
    """Whether the runtime's package is there."""
    return importlib.util.find_spec(PACKAGES[runtime]) is not None
