"""Mutants by number: read, allocate and invoke each, in minilite's engines or in LiteRT, in a child that may die.

    MINILITE_MODELS=models python -m tests.fuzz.mutants minilite --to 100000 --log minilite.jsonl
    MINILITE_MODELS=models python -m tests.fuzz.mutants litert --to 10000 --log litert.jsonl
    python -m tests.fuzz.mutants table minilite.jsonl litert.jsonl

A log has a line for each run; the same command goes on where its log ends. ``--only NUMBER`` runs one mutant here, in
this process, and ``--save FILE`` writes it. What became of a run:

    result     outputs were there
    error      minilite.Error; of LiteRT the exceptions its wheel documents: ValueError, RuntimeError and the like
    foreign    another exception
    crash      the process ended; ``after others`` where it does not when this mutant is its first
    hang       no answer within a minute
    memory     it took more than its limit and :data:`MARGIN`
    differs    minilite only: the compiled engine gave other numbers than the definitions
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import select
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 60
MEMORY = 2**28
"""Bytes that minilite is told to keep to."""
MARGIN = 2**27
"""Bytes beyond that are the process's own: code that is compiled, what an allocator holds back."""
MOST = 8 * 2**30
"""Bytes of data that LiteRT may have before the system refuses more."""

# ---- one mutant ------------------------------------------------------------------------------------------------------


def inputs_for(details: list[dict[str, Any]], number: int) -> Iterator[tuple[int, np.ndarray]]:
    """Data for inputs as they are described, the same for everybody; large ones stay zero."""
    random = np.random.default_rng(number)
    for detail in details:
        dtype, shape = np.dtype(detail["dtype"]), tuple(detail["shape"])
        if (
            np.prod([max(d, 1) for d in shape], dtype=float) > 2**24
            or min(shape, default=0) < 0
            or dtype.kind not in "fiub"
        ):
            continue
        if dtype.kind == "f":
            yield detail["index"], random.normal(size=shape).astype(dtype)
        else:
            high = 2 if dtype.kind == "b" else 4 if dtype.itemsize > 2 else np.iinfo(dtype).max
            yield detail["index"], random.integers(0, high, shape).astype(dtype)


def used(interpreter: Any, number: int) -> list[np.ndarray]:
    """What a script does with an interpreter: its outputs after two invokes."""
    interpreter.allocate_tensors()
    for index, array in inputs_for(interpreter.get_input_details(), number):
        interpreter.set_tensor(index, array)
    interpreter.invoke()
    interpreter.invoke()
    interpreter.get_tensor_details()
    interpreter.get_signature_list()
    return [np.asarray(interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()]


class Minilite:
    """Both engines, the kernel sets in turn. Compiled kernels run between fences, but for every eighth time."""

    phases = ("numpy", "numba")
    foreign = True

    def __init__(self) -> None:
        import minilite

        self.module, self.errors = minilite, (minilite.Error,)
        self.found: list[np.ndarray] = []

    def run(self, phase: str, number: int, content: bytes) -> str:
        from tests.fuzz.fences import fences

        kernels = ("reference", "builtin", "xnnpack", "tflm")[number // 2 % 4]
        fenced = phase == "numba" and number // 8 % 8
        with fences() if fenced else contextlib.nullcontext():
            limits = self.module.Limits(max_memory=MEMORY, max_seconds=10)
            found = used(
                self.module.Interpreter(model_content=content, kernels=kernels, engine=phase, limits=limits), number
            )
            if phase == "numba":
                return self.compared(found, kernels == "reference")
            self.found = found
        return "result"

    def compared(self, found: list[np.ndarray], exact: bool) -> str:
        """``differs`` unless integers, and floats in ``reference``, are what the definitions gave."""
        for a, b in zip(self.found, found, strict=True):
            same = a.dtype == b.dtype and a.shape == b.shape
            floats = a.dtype.kind in "fcO"
            if not same or ((exact or not floats) and not np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")):
                return "differs"
        return "result"


class Litert:
    """LiteRT's Python interpreter as it is by default, on one thread."""

    phases = ("litert",)

    def __init__(self) -> None:
        import resource

        from ai_edge_litert import interpreter

        resource.setrlimit(resource.RLIMIT_DATA, (MOST, MOST))
        self.module = interpreter
        self.errors = (ValueError, RuntimeError, TypeError, OSError, MemoryError)

    def run(self, phase: str, number: int, content: bytes) -> str:
        used(self.module.Interpreter(model_content=content, num_threads=1), number)
        return "result"


RUNTIMES: dict[str, Any] = {"minilite": Minilite, "litert": Litert}

# ---- the child -------------------------------------------------------------------------------------------------------


def peak() -> tuple[int, int]:
    """Bytes of memory the process has now, and the most since the last :func:`forget_peak`."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, most = (int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def measured(runtime: Any, phase: str, number: int, content: bytes) -> dict[str, Any]:
    """What became of a run, its seconds and the bytes it took at most."""
    forget_peak()
    before, start, said = peak()[0], time.perf_counter(), ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error" if isinstance(runtime, Minilite) else "ignore")
            became = runtime.run(phase, number, content)
    except runtime.errors as error:
        became, said = "error", f"{type(error).__name__}: {error}"
        cause = error.__cause__
        if isinstance(runtime, Minilite) and cause is not None and not isinstance(cause, runtime.errors):
            said = f"retold {type(cause).__name__}: {said}"
    except BaseException as error:
        became, said = "foreign", "".join(traceback.format_exception(error)[-3:])
    taken = peak()[1] - before
    if taken > MEMORY + MARGIN:
        became, said = "memory", f"{taken >> 20} MiB; {became} {said}"
    return {"became": became, "seconds": round(time.perf_counter() - start, 3), "mib": taken >> 20, "said": said[:600]}


def serve(name: str, start: int, stop: int) -> None:
    """Run mutants, and say before each which one it is, afterwards what became of it."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from tests.fuzz.seeds import mutant

    runtime = RUNTIMES[name]()
    for number in range(start, stop):
        what, content = mutant(number)
        for phase in runtime.phases:
            print(json.dumps({"number": number, "phase": phase, "what": what}), file=out, flush=True)
            print(json.dumps(measured(runtime, phase, number, content)), file=out, flush=True)


# ---- the parent ------------------------------------------------------------------------------------------------------


class Child:
    """A child at work on the mutants from ``start`` on."""

    def __init__(self, name: str, start: int, stop: int):
        command = [sys.executable, "-m", "tests.fuzz.mutants", "--serve", name, "--from", str(start), "--to", str(stop)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout
        self.pipe = self.process.stdout
        self.rest = b""

    def line(self, seconds: float) -> dict[str, Any] | None:
        """What it says next; None when it ended. Raises TimeoutError."""
        while b"\n" not in self.rest:
            if not select.select([self.pipe], [], [], seconds)[0]:
                raise TimeoutError
            more = os.read(self.pipe.fileno(), 65536)
            if not more:
                return None
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        said: dict[str, Any] = json.loads(line)
        return said

    def end(self) -> int:
        self.process.kill()
        return self.process.wait()


def runs(name: str, start: int, stop: int, retry: bool = True) -> Iterator[dict[str, Any]]:
    """Every run of the mutants, whatever ends the child."""
    while start < stop:
        child, first, at = Child(name, start, stop), start, None
        try:
            while (at := child.line(SECONDS)) is not None:
                start = at["number"]
                became = child.line(SECONDS)
                if became is None:
                    break
                yield at | became
            code = child.process.wait()
            if at is None and code == 0:
                return
            yield from ended(name, at or {"number": start, "phase": "?", "what": "?"}, code, retry and start != first)
        except TimeoutError:
            assert at is not None, "the child does not answer at all"
            yield at | {"became": "hang", "seconds": SECONDS, "mib": 0, "said": ""}
        finally:
            child.end()
        start += 1


def ended(name: str, at: dict[str, Any], code: int, again: bool) -> Iterator[dict[str, Any]]:
    """A crash; one that came after others is tried again as the first of a process."""
    if again:
        alone = [run for run in runs(name, at["number"], at["number"] + 1, retry=False) if run["phase"] == at["phase"]]
        if alone and alone[0]["became"] != "crash":
            yield alone[0] | {"said": f"after others: exit {code}; alone: {alone[0]['said']}", "after_others": True}
            return
    yield at | {"became": "crash", "seconds": 0, "mib": 0, "said": f"exit {code}"}


def last_number(log: Path) -> int:
    """The mutant that a log ends with, or -1; a line cut short is dropped."""
    if not log.exists():
        return -1
    lines = log.read_text().splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    last: int = json.loads(lines[-1])["number"] if lines else -1
    log.write_text(
        "".join(line for line in lines if json.loads(line)["number"] < last)
    )  # its other engine may be missing
    return last - 1


def table(logs: list[Path]) -> Iterator[str]:
    """Counts by phase, and the mutants of which one engine makes something else than the other."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    worst: dict[str, float] = collections.defaultdict(float)
    became: dict[tuple[str, int], set[str]] = collections.defaultdict(set)
    for log in logs:
        for line in log.read_text().splitlines():
            run = json.loads(line)
            became[log.name, run["number"]].add(run["became"])
            counts[run["phase"]][run["became"]] += 1
            counts[run["phase"]]["after others"] += bool(run.get("after_others"))
            counts[run["phase"]]["retold"] += run["said"].startswith("retold")
            worst[run["phase"]] = max(worst[run["phase"]], run["seconds"])
    for phase, count in counts.items():
        total = sum(n for what, n in count.items() if what not in ("after others", "retold"))
        yield f"{phase}: {total} runs; {dict(count)}; slowest {worst[phase]} s"
    for (log_name, number), what in became.items():
        if len(what) > 1:
            yield f"{log_name}: mutant {number} became {' and '.join(sorted(what))}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", nargs="?", choices=(*RUNTIMES, "table"))
    parser.add_argument("logs", nargs="*", type=Path)
    parser.add_argument("--serve", choices=RUNTIMES, help=argparse.SUPPRESS)
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--to", dest="stop", type=int, default=1000)
    parser.add_argument("--log", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--only", type=int)
    parser.add_argument("--save", type=Path)
    told = parser.parse_args()
    if told.serve:
        serve(told.serve, told.start, told.stop)
    elif told.runtime == "table":
        print("\n".join(table(told.logs)))
    elif told.only is not None:
        only(told.runtime, told.only, told.save)
    else:
        start = max(last_number(told.log) + 1, told.start)
        with told.log.open("a") as log:
            for run in runs(told.runtime, start, told.stop):
                print(json.dumps(run), file=log, flush=True)
        print("\n".join(table([told.log])))


def only(name: str, number: int, save: Path | None) -> None:
    """One mutant, with its traceback."""
    from tests.fuzz.seeds import mutant

    what, content = mutant(number)
    print(what, len(content), "bytes")
    if save:
        save.write_bytes(content)
    runtime = RUNTIMES[name]()
    for phase in runtime.phases:
        print(phase, measured(runtime, phase, number, content))


if __name__ == "__main__":
    main()
