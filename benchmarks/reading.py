"""How long a verified read takes, and how much memory: `python benchmarks/reading.py models/*.tflite`.

Each file is read as the first thing in a process of its own, five times. The least counts: other work on the machine
only adds to it. Memory grows by the model as data; weights stay in the file, and those pages of it are there that were
read. Linux only: it asks /proc.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import minilite
from minilite.reader import read

importlib.import_module("minilite.schema.decode")  # what reading imports, before the clock starts

PROCESSES = 5


def memory() -> list[float]:
    """The process's own memory, and its pages of files, in MB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return [int(status[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")]


def one(path: str) -> list[float]:
    """Milliseconds of a process's first read of the file, and MB that it took of its own and of the file's pages."""
    read(minilite.Model(subgraphs=(minilite.model.Subgraph(),)).to_bytes())  # layouts are worked out once a process
    before, start = memory(), time.perf_counter()
    model = read(path)
    taken = 1000 * (time.perf_counter() - start)
    after = memory()
    assert model.subgraphs, "kept until memory was measured"
    return [taken, *(b - a for a, b in zip(before, after, strict=True))]


def table(paths: list[str]) -> None:
    print("| model | file | tensors | read | memory | pages of the file |\n|---|---|---|---|---|---|")
    for path in paths:
        command = [sys.executable, __file__, "--one", path]
        runs = [json.loads(subprocess.run(command, check=True, stdout=-1).stdout) for _ in range(PROCESSES)]
        taken, own, pages = map(min, zip(*runs, strict=True))
        tensors = sum(len(graph.tensors) for graph in read(path).subgraphs)
        size = Path(path).stat().st_size / 1e6
        what = f"| {Path(path).stem} | {size:.1f} MB | {tensors} |"
        print(f"{what} {taken:.1f} ms | {own:.1f} MB | {pages:.1f} MB |", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(one(sys.argv[2])))
    else:
        table(sys.argv[1:])
