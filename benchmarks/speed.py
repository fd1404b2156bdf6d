"""Times minilite beside LiteRT, on the same models and inputs, in turn, one at a time; prints ratios.

    python benchmarks/make_models.py models/     once; needs the extra `tensorflow`
    python benchmarks/speed.py models/ [more folders or files] [--threads 1 2] [--kernels xnnpack reference]

A ratio is LiteRT's time divided by minilite's: above 1, minilite is faster. Each is the least of many runs, taken in
turn so that a busy machine disturbs both. `equal` says how many output elements are the same bit for bit (integers), or
how far apart floats are, of the output's range. Cold start and peak memory are of new processes (`--cold`).
onnxruntime is timed beside both where it is installed and a model lies beside the .tflite file as .onnx.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

for pool in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # three pools of threads on two cores would fight
    os.environ.setdefault(pool, "1")

import numpy as np  # noqa: E402  # its BLAS reads the number of threads when it is imported

RESOLVERS = {"reference": "BUILTIN_REF", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "BUILTIN"}


def models(paths: list[Path]) -> Iterator[Path]:
    """The files, and those of the folders."""
    for path in paths:
        yield from sorted(path.rglob("*.tflite")) if path.is_dir() else [path]


def litert(path: Path, kernels: str, threads: int) -> Any:
    """LiteRT's interpreter in its mode of a kernel set."""
    from ai_edge_litert import interpreter

    resolver = getattr(interpreter.OpResolverType, RESOLVERS[kernels])
    return interpreter.Interpreter(str(path), num_threads=threads, experimental_op_resolver_type=resolver)


def minilite(path: Path, kernels: str, threads: int) -> Any:
    """minilite's, compiled."""
    from minilite import Interpreter

    return Interpreter(path, num_threads=threads, kernels=kernels, engine="numba")


def onnxruntime(path: Path, threads: int, given: list[np.ndarray]) -> Callable[[], Any] | None:
    """A call of the same network by onnxruntime, where both are there."""
    model = path.with_suffix(".onnx")
    if not model.exists() or importlib.util.find_spec("onnxruntime") is None:
        return None
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # its threads would slow the others
    session = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    if len(names) != len(given):  # a converter that makes inputs of constants
        return None
    fed = dict(zip(names, given, strict=True))
    return functools.partial(session.run, None, fed)


def inputs(interpreter: Any) -> dict[int, np.ndarray]:
    """Random values for all inputs."""
    rng = np.random.default_rng(0)
    found = {}
    for detail in interpreter.get_input_details():
        shape, dtype = detail["shape"], np.dtype(detail["dtype"])
        if dtype.kind == "f":
            found[detail["index"]] = rng.normal(size=shape).astype(dtype)
        else:
            limits = np.iinfo(dtype) if detail["quantization"][0] else np.iinfo(np.int8)
            low = limits.min if detail["quantization"][0] else 0
            found[detail["index"]] = rng.integers(low, min(limits.max, 1 << 15), shape, endpoint=True).astype(dtype)
    return found


def least(calls: list[Callable[[], None]], seconds: float) -> list[float]:
    """The least time of each, run in turn for about so many seconds."""
    found = [math.inf] * len(calls)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 5 or time.perf_counter() < end:
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            found[i] = min(found[i], time.perf_counter() - start)
        rounds += 1
    return found


def distance(a: np.ndarray, b: np.ndarray) -> str:
    """How equal two outputs are."""
    if a.dtype.kind != "f":
        return "equal" if np.array_equal(a, b) else f"{np.mean(a == b):.1%} equal"
    apart = np.abs(a.astype(np.float64) - b).max(initial=0) / max(float(np.ptp(a)), 1e-30)
    return "equal" if a.tobytes() == b.tobytes() else f"{apart:.0e}"


def compare(path: Path, kernels: str, threads: int, seconds: float) -> dict[str, Any]:
    """Both runtimes on one model."""
    both = [litert(path, kernels, threads), minilite(path, kernels, threads)]
    given = None
    for interpreter in both:
        interpreter.allocate_tensors()
        given = inputs(interpreter) if given is None else given
        for index, array in given.items():
            interpreter.set_tensor(index, array)
        interpreter.invoke()
    outputs = [[i.get_tensor(d["index"]) for d in both[0].get_output_details()] for i in both]
    apart = ", ".join(dict.fromkeys(distance(a, b) for a, b in zip(*outputs, strict=True)))
    assert given is not None
    third = onnxruntime(path, threads, list(given.values())) if kernels == "xnnpack" else None
    theirs, ours, *others = least([*(i.invoke for i in both), *([third] if third else [])], seconds)
    macs = sum(t.macs for t in _steps(both[1]))
    return {"model": path.stem, "kernels": kernels, "threads": threads, "theirs": theirs, "ours": ours,
            "ratio": theirs / ours, "equal": apart, "mmac": macs / 1e6,
            "onnxruntime": f"{others[0] * 1e6:.1f}" if others else ""}  # fmt: skip


def _steps(interpreter: Any) -> Any:
    from minilite.commands.profile import profile

    return profile(interpreter, 1).steps


COLD = """
import time; start = time.perf_counter()
import numpy as np, sys, resource, json
if sys.argv[1] == "litert":
    from ai_edge_litert.interpreter import Interpreter
    i = Interpreter(sys.argv[2])
else:
    from minilite import Interpreter
    i = Interpreter(sys.argv[2], kernels="xnnpack")
i.allocate_tensors()
d = i.get_input_details()[0]
i.set_tensor(d["index"], np.zeros(d["shape"], d["dtype"])); i.invoke()
i.get_tensor(i.get_output_details()[0]["index"])
print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def cold(path: Path, times: int = 5) -> dict[str, tuple[float, float]]:
    """Seconds to the first output in a new process, and its peak memory in MB; the least of several, in turn."""
    found: dict[str, tuple[float, float]] = {}
    for _ in range(times):
        for who in ("litert", "minilite"):
            run = subprocess.run(
                [sys.executable, "-c", COLD, who, str(path)], capture_output=True, text=True, check=True
            )
            seconds, memory = json.loads(run.stdout.splitlines()[-1])
            before = found.get(who, (math.inf, math.inf))
            found[who] = min(before[0], seconds), min(before[1], memory)
    return found


def main() -> None:
    """Print a line for each model, kernel set and number of threads, then the geometric means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--kernels", nargs="+", choices=list(RESOLVERS), default=["xnnpack"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line")
    parser.add_argument("--cold", action="store_true", help="cold start and peak memory instead")
    arguments = parser.parse_args()
    if arguments.cold:
        print("| model | LiteRT s | minilite s | LiteRT MB | minilite MB |\n| --- | --- | --- | --- | --- |")
        for path in models(arguments.paths):
            found = cold(path)
            (s1, m1), (s2, m2) = found["litert"], found["minilite"]
            print(f"| {path.stem} | {s1:.2f} | {s2:.2f} | {m1:.0f} | {m2:.0f} |", flush=True)
        return
    print("| model | MMAC | kernels | threads | LiteRT us | minilite us | ratio | outputs | onnxruntime us |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    lines = []
    for path in models(arguments.paths):
        for kernels in arguments.kernels:
            for threads in arguments.threads:
                try:
                    line = compare(path, kernels, threads, arguments.seconds)
                except (RuntimeError, ValueError) as error:
                    print(f"| {path.stem} | | {kernels} | {threads} | {str(error).splitlines()[0][:60]} |")
                    continue
                lines.append(line)
                print("| {model} | {mmac:.1f} | {kernels} | {threads} |".format(**line)
                      + f" {line['theirs'] * 1e6:.1f} | {line['ours'] * 1e6:.1f} |"
                      + " {ratio:.2f} | {equal} | {onnxruntime} |".format(**line), flush=True)  # fmt: skip
    for kernels in arguments.kernels:
        for threads in arguments.threads:
            for kind in ("int8", "float"):
                ratios = [r["ratio"] for r in lines if (r["kernels"], r["threads"]) == (kernels, threads)
                          and ("int8" in r["model"]) == (kind == "int8") and r["mmac"] > 5]  # fmt: skip
                if ratios:
                    mean = math.exp(np.mean(np.log(ratios)))
                    print(f"{kernels}, {threads} threads, {kind} models above 5 MMAC: geometric mean {mean:.2f} of "
                          f"{len(ratios)}, least {min(ratios):.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
