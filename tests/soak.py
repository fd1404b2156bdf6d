"""What takes too long for the suite: ``python -m tests.soak [sequences | invokes | audio | interrupts]``, or all.

    sequences    10,000 random sequences of calls beside LiteRT (tests/any_order.py)
    invokes      a million invokes of a small model in each engine: the same bits, the same memory
    audio        an hour of a sound's features through wake-word models in MINILITE_MODELS, held against LiteRT's bits
    interrupts   thousands of Ctrl-C at any moment of an invoke, in both engines and with two threads

Each prints its progress and its figures, and fails with an AssertionError. docs/robustness.md has the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minilite
from minilite.engines import compiling

MODEL = Path(minilite.__file__).parent / "demo" / "fashion_int8.tflite"
GROWTH = 1 << 20
"""Bytes by which memory may grow after the first hundredth of a run: pools and statistics of Python's own."""
HOUR = 3600.0
HOP = 0.02
"""Seconds of sound from one frame of 40 features to the next, as the first of these models were trained."""


def resident() -> int:
    """Bytes of memory this process has now."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def steps(count: int, what: str) -> Iterator[int]:
    """0, 1, ... with the progress on stderr; afterwards memory must not have grown since the first hundredth."""
    start, before, watched = time.perf_counter(), 0, sys.stderr.isatty()
    for step in range(count):
        if step == count // 100:
            before = resident()
        if watched and step % max(1, count // 100) == 0:
            print(f"\r{what}: {step:,} of {count:,}", end="", file=sys.stderr, flush=True)
        yield step
    growth, seconds = resident() - before, time.perf_counter() - start
    print("\r" * watched + f"{what}: {count:,} in {seconds:.0f} s; memory grew by {growth >> 10} KiB", flush=True)
    assert growth < GROWTH, f"{what}: memory grew by {growth} bytes"


def sequences(count: int) -> None:
    """Random sequences of calls."""
    from hypothesis import HealthCheck, settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.any_order import SEEN, AnyOrder, remote

    start = time.perf_counter()
    options: dict[str, Any] = {"stateful_step_count": 30, "deadline": None, "database": None, "print_blob": True}
    options["suppress_health_check"] = list(HealthCheck)
    run_state_machine_as_test(AnyOrder, settings=settings(max_examples=count, derandomize=False, **options))
    remote.close()
    print(f"sequences: {count:,} in {time.perf_counter() - start:.0f} s, {sum(SEEN.values()):,} calls and differences:")
    for what, times in sorted(SEEN.items()):
        print(f"    {times:9,} {what}")


def invokes(count: int) -> None:
    """The same 16 pictures again and again."""
    random = np.random.default_rng(0)
    pictures = random.integers(-128, 128, (16, 1, 28, 28, 1)).astype(np.int8)
    wanted = [answer(minilite.Interpreter(MODEL, engine="numpy"), picture) for picture in pictures]
    for engine, times in ((compiling(), count), ("numpy", count // 50)):
        interpreter = minilite.Interpreter(MODEL, engine=engine)
        wrong = sum(
            answer(interpreter, pictures[step % 16]) != wanted[step % 16]
            for step in steps(times, f"invokes of {MODEL.name} ({engine})")
        )
        assert wrong == 0, f"{wrong} answers differ"


def answer(interpreter: Any, *arrays: np.ndarray) -> bytes:
    """The bytes of all outputs."""
    for detail, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return b"".join(interpreter.get_tensor(d["index"]).tobytes() for d in interpreter.get_output_details())


def audio(seconds: float) -> None:
    """Wake-word models on one long sound, in minilite's engines and in LiteRT."""
    from tests.test_streaming import loaded, streaming

    files = [str(file) for file in streaming() if "wake-word" in str(file)]
    assert files, "needs MINILITE_MODELS with the models of esphome/micro-wake-word-models"
    for file in files[:: max(1, len(files) // 3)]:
        content, model = loaded(file)
        shape = tuple(model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shape or ())
        count = round(seconds / HOP / shape[1])
        for engine, frames in ((compiling(), count), ("numpy", count // 50)):
            wanted = listened(theirs(content), shape, frames, f"{file} (LiteRT)")
            found = listened(ours(content, engine), shape, frames, f"{file} ({engine})")
            assert found == wanted, f"{file} ({engine}) drifts"
            print(f"    equal: {found[:16]}")


def ours(content: bytes, engine: str) -> Any:
    return minilite.Interpreter(model_content=content, engine=engine)


def theirs(content: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    return interpreter


def listened(interpreter: Any, shape: tuple[int, ...], count: int, what: str) -> str:
    """The digest of everything a model said: its outputs, and what it read from its variables."""
    said = hashlib.sha256()
    random = np.random.default_rng(1)
    inputs = [d["index"] for d in interpreter.get_input_details()]
    outputs = [d["index"] for d in interpreter.get_output_details()]
    for _ in steps(count, what):
        loudness = random.integers(1, 128)
        interpreter.set_tensor(inputs[0], random.integers(-128, loudness, shape).astype(np.int8))
        interpreter.invoke()
        for index in outputs:
            said.update(interpreter.get_tensor(index).tobytes())
    return said.hexdigest()


def interrupts(count: int) -> None:
    """Ctrl-C."""
    from tests.test_interrupts import interrupted

    for engine, threads, times in ((compiling(), 1, count), (compiling(), 2, count), ("numpy", 1, count // 10)):
        start = time.perf_counter()
        met = interrupted(engine, threads, times)
        print(f"interrupts: {met:,} in {engine} with {threads} threads, {time.perf_counter() - start:.0f} s")
        assert met == times


PARTS: dict[str, tuple[Callable[[Any], None], Any]] = {
    "sequences": (sequences, 10_000),
    "invokes": (invokes, 1_000_000),
    "audio": (audio, HOUR),
    "interrupts": (interrupts, 5_000),
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all if none is given")
    parser.add_argument("--count", type=float, help="how many, or how many seconds of sound")
    arguments = parser.parse_args()
    for name in arguments.parts or PARTS:
        part, usual = PARTS[name]
        part(type(usual)(arguments.count or usual))


if __name__ == "__main__":
    main()
