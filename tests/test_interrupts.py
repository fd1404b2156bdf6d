"""Ctrl-C at any moment of an invoke: it arrives as KeyboardInterrupt, and the interpreter computes as before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import minilite
from minilite.engines import compiling

FOLDER = Path(__file__).parent.parent
MODEL = Path(minilite.__file__).parent / "demo" / "fashion_int8.tflite"

INTERRUPTED = """
import itertools, signal, sys, time
import numpy as np, minilite
engine, threads, count = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
interpreter = minilite.Interpreter(sys.argv[1], engine=engine, num_threads=threads)
detail = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
pictures = np.random.default_rng(0).integers(-128, 128, (4, 1, 28, 28, 1)).astype(np.int8)

def answer(picture):
    interpreter.set_tensor(detail[0], picture)
    interpreter.invoke()
    return interpreter.get_tensor(detail[1]).tobytes()

wanted = [answer(picture) for picture in pictures]
start = time.perf_counter()
answer(pictures[0])
lasts = time.perf_counter() - start
signal.signal(signal.SIGALRM, signal.default_int_handler)
met = 0
for turn in range(count):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-5 + lasts * (turn * 37 % 97) / 97)  # a little later each time
        for k in itertools.cycle(range(4)):
            answer(pictures[k])
    except KeyboardInterrupt:
        met += 1
    assert [answer(picture) for picture in pictures] == wanted, turn
print(met)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
@pytest.mark.parametrize("engine, threads, count", [("numpy", 1, 20), (compiling(), 1, 80), (compiling(), 2, 80)])
def test_an_interrupt_leaves_a_usable_interpreter(engine: str, threads: int, count: int) -> None:
    """Each a little later; ``python -m tests.soak interrupts`` goes on for longer."""
    assert interrupted(engine, threads, count) == count


def interrupted(engine: str, threads: int, count: int) -> int:
    """How many interrupts arrived, of so many, in a process that computed the same after each."""
    command = [sys.executable, "-c", INTERRUPTED, str(MODEL), engine, str(threads), str(count)]
    done = subprocess.run(command, cwd=FOLDER, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
