"""One thread at a time for an interpreter, as many interpreters at once as one likes, and processes of every kind."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.engines import compiling
from minilite.model import Operator, OperatorCode
from tests import small_models as models

MODEL = Path(minilite.__file__).parent / "demo" / "fashion_int8.tflite"
ENGINES = ("numpy", compiling()) if compiling() != "numpy" else ("numpy",)
SECONDS = 120
"""After which a child that hangs is given up."""


# ---- threads ---------------------------------------------------------------------------------------------------------


def with_custom_operator(wait: Callable[[], None], engine: str) -> minilite.Interpreter:
    """x + 1, a custom operator that waits and changes nothing, and + 1 again; the ADDs may be compiled."""
    model = models.chain()
    (graph,) = model.subgraphs
    first, second = graph.operators
    between = Operator(1, (1,), (len(graph.tensors),))
    second = dataclasses.replace(second, inputs=(len(graph.tensors), second.inputs[1]))
    tensors = (*graph.tensors, dataclasses.replace(graph.tensors[1], name="after"))
    graph = dataclasses.replace(graph, tensors=tensors, operators=(first, between, second))
    codes = (*model.operator_codes, OperatorCode("CUSTOM", 1, "Wait"))
    signature = minilite.model.Signature("serving_default", (("x", 0),), (("y", 2),))
    model = dataclasses.replace(model, operator_codes=codes, subgraphs=(graph,), signatures=(signature,))

    def waits(options: object, x: np.ndarray) -> np.ndarray:
        wait()
        return x.copy()

    interpreter = minilite.Interpreter(model, engine=engine, custom_ops={"Wait": waits})
    interpreter.allocate_tensors()
    return interpreter


X = np.ones((2, 2), np.float32)
CALLS: dict[str, Callable[[minilite.Interpreter], Any]] = {
    "invoke": lambda i: i.invoke(),
    "set_tensor": lambda i: i.set_tensor(0, X),
    "get_tensor": lambda i: i.get_tensor(2),
    "tensor": lambda i: i.tensor(2)(),
    "resize_tensor_input": lambda i: i.resize_tensor_input(0, [3, 2]),
    "allocate_tensors": lambda i: i.allocate_tensors(),
    "reset_all_variables": lambda i: i.reset_all_variables(),
    "signature": lambda i: i.get_signature_runner()(x=X),
    "run": lambda i: minilite.run(i, X),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_no_other_thread_touches_an_interpreter_that_computes(engine: str) -> None:
    begun, done = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert done.wait(SECONDS)

    interpreter = with_custom_operator(wait, engine)
    interpreter.set_tensor(0, X)
    thread = threading.Thread(target=interpreter.invoke)
    thread.start()
    assert begun.wait(SECONDS)
    try:
        for call in CALLS.values():
            with pytest.raises(minilite.StateError, match="Another thread is using this interpreter"):
                call(interpreter)
        assert interpreter.get_input_details()[0]["shape"].tolist() == [2, 2]
    finally:
        done.set()
        thread.join(SECONDS)
    assert interpreter.get_tensor(2).tolist() == [[3, 3], [3, 3]]
    for call in CALLS.values():  # nothing is left of it
        call(interpreter)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_operator_may_not_invoke_its_own_interpreter(engine: str) -> None:
    found: list[Any] = []

    def again() -> None:
        found.append(interpreter.get_tensor(0))  # the same thread may look
        interpreter.invoke()

    interpreter = with_custom_operator(again, engine)
    interpreter.set_tensor(0, X)
    with pytest.raises(minilite.OperatorError, match="from within itself"):
        interpreter.invoke()
    assert np.array_equal(found[0], X)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_that_fight_over_an_interpreter(engine: str) -> None:
    """Whatever two threads do to it at once, it is refused or done, and the interpreter computes afterwards."""
    interpreter = minilite.Interpreter(models.add(), engine=engine)
    interpreter.allocate_tensors()
    others: list[BaseException] = []

    def play(seed: int) -> None:
        random = np.random.default_rng(seed)
        calls: list[Callable[[], Any]] = [
            interpreter.invoke,
            interpreter.allocate_tensors,
            lambda: interpreter.get_tensor(1),
            lambda: interpreter.set_tensor(0, np.ones((2, 4), np.float32)),
            lambda: interpreter.resize_tensor_input(0, [int(random.integers(1, 3)), 4]),
        ]
        for _ in range(1500):
            try:
                calls[random.integers(len(calls))]()
            except (minilite.StateError, minilite.ArgumentError):  # a turn taken, or a shape of the other's
                continue
            except BaseException as error:
                others.append(error)

    threads = [threading.Thread(target=play, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not others
    interpreter.resize_tensor_input(0, [1, 4])
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.ones((1, 4), np.float32))
    interpreter.invoke()
    assert interpreter.get_tensor(1).tolist() == [[2, 3, 4, 5]]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_thread_its_own_interpreter(engine: str) -> None:
    wanted = minilite.run(MODEL, picture(0)), minilite.run(MODEL, picture(1))
    found: dict[int, bool] = {}

    def work(seed: int) -> None:
        interpreter = minilite.Interpreter(MODEL, engine=engine)
        found[seed] = all(
            same(minilite.run(interpreter, picture(k)), wanted[k]) for k in (seed, 1 - seed, seed) for _ in range(5)
        )

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert found == {0: True, 1: True}


def picture(seed: int) -> np.ndarray:
    """An input of the model."""
    return np.random.default_rng(seed).integers(-128, 128, (1, 28, 28, 1)).astype(np.int8)


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Whether outputs are equal."""
    return all(np.array_equal(a[k], b[k]) for k in a)


# ---- processes -------------------------------------------------------------------------------------------------------


def test_a_model_can_be_pickled(tmp_path: Path) -> None:
    """One whose constants lie in a file, too: the file need not be there any more."""
    path = tmp_path / "copy.tflite"
    path.write_bytes(MODEL.read_bytes())
    content = pickle.dumps(minilite.read(path))
    path.unlink()
    model = pickle.loads(content)
    assert model == minilite.read(MODEL)
    assert same(minilite.run(model, picture(0)), minilite.run(MODEL, picture(0)))


def test_an_interpreter_says_why_it_cannot_be_pickled() -> None:
    interpreter = minilite.Interpreter(models.add())
    for thing in (interpreter, interpreter.get_signature_runner()):
        with pytest.raises(TypeError, match="make another one from the same model"):
            pickle.dumps(thing)


def compute(model: minilite.Model, engine: str) -> bytes:
    """The output for the first picture, in a process that was given the model."""
    interpreter = minilite.Interpreter(model, engine=engine, num_threads=2)
    return b"".join(a.tobytes() for a in minilite.run(interpreter, picture(0)).values())


def test_spawned_processes_compute() -> None:
    wanted = b"".join(a.tobytes() for a in minilite.run(MODEL, picture(0)).values())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.starmap_async(compute, [(minilite.read(MODEL), engine) for engine in ENGINES]).get(SECONDS)
    assert found == [wanted] * len(ENGINES)


FORKED = """
import os, sys, threading, time, signal
import numpy as np, minilite
from minilite.engines.numba import calls
calls.WORTH_SHARING = 0  # every step is for two threads
signal.alarm(100)
model = minilite.read(sys.argv[1])
x = np.random.default_rng(0).integers(-128, 128, (1, 28, 28, 1)).astype(np.int8)
interpreter = minilite.Interpreter(model, engine="numba", num_threads=2)
(wanted,) = minilite.run(interpreter, x).values()
for turn in range(40):
    until = time.perf_counter() + 0.002
    while time.perf_counter() < until:  # the second thread is awake, and waiting for work
        interpreter.invoke()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        for again in (interpreter, minilite.Interpreter(model, engine="numba", num_threads=2)):
            for _ in range(20):
                if not np.array_equal(list(minilite.run(again, x).values())[0], wanted):
                    os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"child {turn} failed")
"""

CLOSED = """
import os, sys, time, signal
import numpy as np, minilite
from minilite.engines.numba import calls
from minilite.engines.numba.team import team
calls.WORTH_SHARING = 0
signal.alarm(100)
x = np.random.default_rng(0).integers(-128, 128, (1, 28, 28, 1)).astype(np.int8)
interpreter = minilite.Interpreter(sys.argv[1], engine="numba", num_threads=2)
(wanted,) = minilite.run(interpreter, x).values()
def again():
    closed = team._pipe
    while team._pipe == closed:
        assert np.array_equal(list(minilite.run(interpreter, x).values())[0], wanted)
        time.sleep(0.001)
    interpreter.invoke()
for turn in range(20):
    for end in team._pipe:
        os.close(end)
    again()
own = open(sys.argv[1], "rb")
ends = list(team._pipe)
for end in ends:
    os.dup2(own.fileno(), end)  # the numbers are other files' now, and stay theirs
again()
assert all(os.path.samestat(os.fstat(own.fileno()), os.fstat(end)) for end in ends)
assert team.block[7] == 0, "a runner is counted that is gone"
"""
EXHAUSTED = """
import os, resource, sys
import numpy as np, minilite
interpreter = minilite.Interpreter(sys.argv[1], engine="numba", num_threads=2)
interpreter.allocate_tensors()
alone = minilite.Interpreter(sys.argv[1], engine="numba")
alone.invoke()
interpreter._main.plan.linked()
lowest = os.dup(0)  # what is to be opened next would have a number from here on
os.close(lowest)
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
interpreter.invoke()
assert np.array_equal(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]),
                      alone.get_tensor(alone.get_output_details()[0]["index"]))
"""


def child(source: str, *arguments: str, **environment: str) -> str:
    """What a script printed."""
    surroundings = {**os.environ, "NUMBA_DISABLE_JIT": "0", **environment}
    command = [sys.executable, "-W", "ignore", "-c", source, *arguments]
    done = subprocess.run(
        command,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr or done.returncode
    return done.stdout


needs_numba = pytest.mark.skipif(len(ENGINES) == 1, reason="needs Numba")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_numba
@needs_fork
def test_a_forked_process_has_a_second_thread_of_its_own() -> None:
    child(FORKED, str(MODEL))


FORKED_WHILE_COMPILING = """
import os, sys, threading, signal
import minilite
from minilite.engines.numba import objects
signal.alarm(100)
held, go = threading.Event(), threading.Event()
def compiling():
    with objects._lock:
        held.set()
        go.wait()
thread = threading.Thread(target=compiling)
thread.start()
held.wait()
threading.Timer(0.2, go.set).start()
child = os.fork()
if child == 0:
    signal.alarm(20)
    with objects._lock:
        os._exit(0)
thread.join()
sys.exit(os.waitpid(child, 0)[1] != 0)
"""


@needs_numba
def test_a_second_thread_whose_pipe_was_closed() -> None:
    """By a program that closes all files it did not open. The next run has another."""
    child(CLOSED, str(MODEL))


@needs_numba
@needs_fork
def test_two_threads_without_a_file_descriptor_left() -> None:
    """One computes it then."""
    child(EXHAUSTED, str(MODEL))


@needs_numba
@needs_fork
def test_a_fork_waits_for_what_is_being_compiled() -> None:
    child(FORKED_WHILE_COMPILING)
