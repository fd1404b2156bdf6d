"""The notebooks of ``docs/lessons`` run without Jupyter, each in a namespace of its own.

    python -m tests.lessons              run them all, and say how long each takes
    python -m tests.lessons 03           those whose name begins so
    python -m tests.lessons --write      and keep what they print and draw in the notebooks
    python -m tests.lessons --students FOLDER    copies without solutions and results

Two tags matter: ``answer`` is the cell in which a reader answers the exercise, by giving ``answer`` a value;
``solution`` gives ``solution`` one. ``check``, which the lesson defines, takes either.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "lessons"
Notebook = dict[str, Any]


@dataclass
class Result:
    """What a run leaves: the variables, and for each code cell what it printed and drew (PNG files)."""

    variables: dict[str, Any]
    printed: list[str] = field(default_factory=list)
    drawn: list[list[bytes]] = field(default_factory=list)


def paths() -> list[Path]:
    """The notebooks, in order."""
    return sorted(FOLDER.glob("*.ipynb"))


def load(path: Path) -> Notebook:
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def save(path: Path, notebook: Notebook) -> None:
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def code(notebook: Notebook) -> list[Notebook]:
    """The code cells."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tagged(cell: Notebook, tag: str) -> bool:
    return tag in cell["metadata"].get("tags", ())


def source(cell: Notebook) -> str:
    return "".join(cell["source"])


def run(path: Path) -> Result:
    """Run a notebook from top to bottom. Figures are drawn with Agg, and closed."""
    import matplotlib

    matplotlib.use("Agg")
    result = Result({"__name__": "__main__"})
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "FigureCanvasAgg is non-interactive"
        )  # show() says so where there is a screen
        for number, cell in enumerate(code(load(path)), 1):
            _run(cell, f"{path.name}, code cell {number}", result)
    return result


def _run(cell: Notebook, name: str, result: Result) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source(cell), name, "exec"), result.variables)
    result.printed.append(printed.getvalue())
    result.drawn.append(list(_figures()))


def _figures() -> Iterator[bytes]:
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        file = io.BytesIO()
        pyplot.figure(number).savefig(file, format="png", dpi=72, metadata={"Software": None})
        yield file.getvalue()
    pyplot.close("all")


def stored(cell: Notebook) -> str:
    """What the notebook says that a cell prints."""
    return "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")


def keep(path: Path, result: Result) -> None:
    """Write into the notebook what its cells printed and drew."""
    notebook = load(path)
    for cell, printed, drawn in zip(code(notebook), result.printed, result.drawn, strict=True):
        cell["outputs"] = [*_stream(printed), *map(_picture, drawn)]
    save(path, notebook)


def _stream(printed: str) -> list[Notebook]:
    lines = printed.splitlines(keepends=True)
    return [{"name": "stdout", "output_type": "stream", "text": lines}] if printed else []


def _picture(png: bytes) -> Notebook:
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": ["<Figure>"]}
    return {"data": data, "metadata": {}, "output_type": "display_data"}


def for_students(path: Path, folder: Path) -> None:
    """A copy without solution and results."""
    notebook = load(path)
    notebook["cells"] = [cell for cell in notebook["cells"] if not tagged(cell, "solution")]
    for cell in code(notebook):
        cell["outputs"] = []
    save(folder / path.name, notebook)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lessons")
    parser.add_argument("which", nargs="*", help="how their names begin; all by default")
    parser.add_argument("--write", action="store_true", help="keep what they print and draw in the notebooks")
    parser.add_argument("--students", type=Path, metavar="FOLDER", help="write copies without solutions instead")
    wanted = parser.parse_args()
    for path in paths():
        if wanted.which and not path.name.startswith(tuple(wanted.which)):
            continue
        if wanted.students:
            wanted.students.mkdir(parents=True, exist_ok=True)
            for_students(path, wanted.students)
            continue
        began = time.perf_counter()
        result = run(path)
        print(f"{path.name}: {time.perf_counter() - began:.1f} s")
        if wanted.write:
            keep(path, result)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
