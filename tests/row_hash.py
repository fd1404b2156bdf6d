"""A fingerprint of the code that computes a row, to tell whether a measurement of it is still about that code.

Everything is followed by name, from the row to the functions, classes and constants it uses, across the modules of
minilite. A function added to a shared module therefore changes the fingerprint of nothing else.

What draws the cases is in it only as far as the row says it: its ``cases`` function and :mod:`minilite.cases`. The code
of :mod:`minilite.testing` that turns a case into a model (scales, zero points, data) is not, because every change to it
would make every measurement of every row old. Who changes it so that other cases are drawn measures anew, without
``--stale``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from minilite import delegate
from minilite.kernel_sets import ARITHMETIC
from minilite.spec import Definition, Op
from tests.micro import narrowed

FRAMEWORK = ("minilite.spec", "minilite.output_types", "minilite.errors", "minilite.model", "minilite.schema")
"""What every row is written in, and no row's arithmetic. So are the classes of :mod:`minilite.cases`."""


@dataclass
class Unit:
    """A definition at the top of a module: its text, and the names and ``module.name``\\ s it uses."""

    text: str
    names: set[str]
    dotted: set[tuple[str, str]]


@dataclass
class Source:
    """A module: its units by name, and where its imported names come from (None: a module as a whole)."""

    units: dict[str, Unit]
    imports: dict[str, tuple[str, str | None]]


@cache
def source(module: str) -> Source:
    """A module of ours, taken apart."""
    text = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    lines = text.splitlines()
    found = Source({}, {})
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            found.imports.update({(a.asname or a.name): (a.name, None) for a in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole in sys.modules
                origin = (whole, None) if is_module else (node.module, alias.name)
                found.imports[alias.asname or alias.name] = origin
        else:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            unit = Unit("\n".join(lines[first - 1 : node.end_lineno]), *_used(node))
            found.units.update(dict.fromkeys(_defined(node), unit))
    return found


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [n.id for t in targets if t is not None for n in ast.walk(t) if isinstance(n, ast.Name)]


def _used(node: ast.AST) -> tuple[set[str], set[tuple[str, str]]]:
    inner = list(ast.walk(node))
    names = {n.id for n in inner if isinstance(n, ast.Name)}
    dotted = {(n.value.id, n.attr) for n in inner if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    return names, dotted


def reached(*roots: tuple[str, str]) -> set[tuple[str, str]]:
    """Every (module, name) that the roots use, themselves included."""
    seen: set[tuple[str, str]] = set()
    waiting = list(roots)
    while waiting:
        module, name = here = waiting.pop()
        if here in seen or not module.startswith("minilite.") or module.startswith(FRAMEWORK):
            continue
        if module == "minilite.cases" and name[0].isupper():
            continue
        unit = source(module).units.get(name)
        imported = source(module).imports.get(name)
        if unit is None:
            waiting += [imported] if imported and imported[1] else []
            continue
        seen.add(here)
        waiting += [(module, n) for n in unit.names]
        whole = {a: m for a, (m, n) in source(module).imports.items() if n is None}
        waiting += [(whole[alias], attribute) for alias, attribute in unit.dotted if alias in whole]
    return seen


def row_hash(op: Op, definition: Definition, kernels: str) -> str:
    """The fingerprint of a cell: operands, types, the table's words, and all code reached from the row's functions."""
    if kernels == "tflm":
        op, definition = narrowed(op, definition)
    alternatives = [d for d in op.definitions if d.label == definition.label and _may_choose(op, d, kernels)]
    functions = [op.shapes, op.cases, *(f for d in alternatives for f in (d.compute, d.prepare))]
    if kernels == "xnnpack" and op.name in delegate.TAKES:
        functions.append(delegate.TAKES[op.name])
    places = [place for function in functions for place in _places(function)]
    said = (op.inputs, op.outputs, [d.types for d in alternatives], _words(op, kernels), kernels)
    digest = hashlib.sha256(repr(said).encode())
    for module, name in sorted(reached(*places)):
        digest.update(f"{module}.{name}\n{source(module).units[name].text}\n".encode())
    return digest.hexdigest()[:16]


def _words(op: Op, kernels: str) -> tuple[str, ...] | None:
    """The table's words for LiteRT's three sets, or for TFLite Micro. None where LiteRT's say nothing."""
    words = ARITHMETIC.get(op.name)
    if words is None or kernels == "tflm":
        return words and words[3:]
    return words[:3] if len(set(words[:3])) > 1 else None


def _may_choose(op: Op, definition: Definition, kernels: str) -> bool:
    """Whether the sets of one kind, LiteRT's or TFLite Micro's, may take this definition for its arithmetic."""
    words = ARITHMETIC.get(op.name, ())
    return definition.arithmetic in (None, *(words[3:] if kernels == "tflm" else words[:3]))


def _places(function: Any) -> Iterator[tuple[str, str]]:
    """Where a function is written, and those it was made from."""
    if isinstance(function, partial):
        for part in (function.func, *function.args, *function.keywords.values()):
            yield from _places(part)
    elif callable(function) and hasattr(function, "__qualname__"):
        name = function.__qualname__.partition(".")[0]
        module = function.__module__
        yield from [(module, name)] if name in source(module).units else [(module, n) for n in source(module).units]
        for cell in getattr(function, "__closure__", None) or ():
            yield from _places(cell.cell_contents)
