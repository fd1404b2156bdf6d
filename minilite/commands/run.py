"""What ``minilite run`` does: arrays from files or at random, one run, and the outputs described."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minilite.archives import key
from minilite.errors import ArgumentError
from minilite.inspection.listing import Section, columns
from minilite.interpreter import Interpreter, run
from minilite.limits import Limits, too_many_elements
from minilite.memory import too_much

Detail = dict[str, Any]
"""What the interpreter says of an input or output: its ``name``, ``shape``, ``dtype``, ``quantization`` ..."""

DRAWN = 8
"""Bytes of a random number before it gets an input's type."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run: the outputs by name, and ``(scale, zero_point)`` of those that have one."""

    outputs: dict[str, np.ndarray]
    quantization: dict[str, tuple[float, int]]


def run_files(interpreter: Interpreter, files: Sequence[str], seed: int | None, signature: str | None = None) -> Run:
    """Run a model on arrays from files, each ``[NAME=]FILE``.

    Files without a name go to the inputs in order. Inputs without a file are drawn at random from ``seed``; without a
    seed they are an :class:`ArgumentError`.
    """
    named = given_inputs(interpreter, files, seed, signature)
    outputs = ends(interpreter, signature)[1]
    results = run(interpreter, named, signature=signature)
    quantization = {name: detail["quantization"] for name, detail in outputs if detail["quantization"][0]}
    return Run(results, quantization)


def given_inputs(
    interpreter: Interpreter, files: Sequence[str], seed: int | None, signature: str | None = None
) -> dict[str, np.ndarray] | list[np.ndarray]:
    """The arrays of :func:`run_files` as :func:`minilite.run` takes them: by a signature's names, else in order."""
    named = named_inputs(interpreter, files, seed, signature)
    return dict(named) if interpreter.get_signature_list() else [array for _, array in named]


def named_inputs(
    interpreter: Interpreter, files: Iterable[str], seed: int | None, signature: str | None = None
) -> list[tuple[str, np.ndarray]]:
    """Every input's name (tensors' may be alike) and its array. Raises :class:`ArgumentError` for one without a file
    when there is no seed."""
    inputs = ends(interpreter, signature)[0]
    arrays = place(load_all(files), [{*names, *map(key, names)} for names in ((n, d["name"]) for n, d in inputs)])
    missing = {i: detail for i, (_, detail) in enumerate(inputs) if i not in arrays}
    if missing and seed is None:
        names = ", ".join(repr(inputs[i][0]) for i in missing)
        raise ArgumentError(f"no file for input {names}; give one with --input, or --random")
    arrays |= dict(zip(missing, draw_all(missing.values(), seed, interpreter._program.limits), strict=True))
    return [(name, arrays[i]) for i, (name, _) in enumerate(inputs)]


def ends(interpreter: Interpreter, signature: str | None) -> tuple[list[tuple[str, Detail]], list[tuple[str, Detail]]]:
    """Inputs and outputs with their names: the signature's if there is any, else the tensors'."""
    signatures = interpreter.get_signature_list()
    if len(signatures) > 1 and signature is None:
        raise ArgumentError(
            f"the model has {len(signatures)} signatures; choose one with --signature: {', '.join(signatures)}"
        )
    if signatures:
        runner = interpreter.get_signature_runner(signature)
        return list(runner.get_input_details().items()), list(runner.get_output_details().items())
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    return [(detail["name"], detail) for detail in inputs], [(detail["name"], detail) for detail in outputs]


def place(arrays: Iterable[tuple[str | None, np.ndarray]], names: Sequence[set[str]]) -> dict[int, np.ndarray]:
    """Arrays by the position of their input: named ones where the name belongs, the others in order."""
    placed: dict[int, np.ndarray] = {}
    for name, array in arrays:
        position = _position(name, names, placed)
        if position in placed:
            raise ArgumentError(f"input {name!r} was given twice")
        placed[position] = array
    return placed


def _position(name: str | None, names: Sequence[set[str]], taken: Mapping[int, np.ndarray]) -> int:
    free = [i for i in range(len(names)) if (i not in taken if name is None else name in names[i])]
    if not free:
        known = "; ".join(" or ".join(sorted(n)) for n in names)
        wrong = "more files than inputs" if name is None else f"no input is called {name!r}"
        raise ArgumentError(f"{wrong}; the model has: {known}")
    return free[0]


def load_all(arguments: Iterable[str]) -> Iterator[tuple[str | None, np.ndarray]]:
    for argument in arguments:
        name, separator, file = argument.partition("=")
        if separator and not Path(argument).exists():
            yield name, load(Path(file))
        elif Path(argument).suffix == ".npz":
            yield from load_npz(Path(argument))
        else:
            yield None, load(Path(argument))


def load(path: Path) -> np.ndarray:
    """The array of a .npy file. Raises :class:`ArgumentError` saying why it is none."""
    try:
        with path.open("rb") as file:
            if file.read(2) not in (b"\x93N", b"PK"):
                raise ArgumentError(f"cannot read an array from {str(path)!r}: it is neither a .npy nor an .npz file")
            file.seek(0)
            array = np.load(file, allow_pickle=False)
            if isinstance(array, np.ndarray):
                return array
            array.close()
    except ArgumentError:
        raise
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise ArgumentError(f"cannot read an array from {str(path)!r}: {error}") from None
    raise ArgumentError(f"{str(path)!r} holds several arrays; give a .npy file, or the .npz without a name")


def load_npz(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of an .npz file by their names."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield from arrays.items()
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise ArgumentError(f"cannot read arrays from {str(path)!r}: {error}") from None


def draw_all(details: Iterable[Detail], seed: int | None, limits: Limits) -> list[np.ndarray]:
    """Random arrays for inputs. Raises :class:`ArgumentError` for inputs that are larger than ``limits`` allow."""
    generator, limit = np.random.default_rng(seed), limits.max_memory
    details = list(details)
    for detail in details:
        too_many = too_many_elements(tuple(map(int, detail["shape"])), limits)
        if too_many:
            raise ArgumentError(f"input {detail['name']!r}: {too_many}")
    needed = sum(math.prod(map(int, d["shape"])) * (np.dtype(d["dtype"]).itemsize + DRAWN) for d in details)
    if limit is not None and needed > limit:
        raise ArgumentError(f"random inputs take {needed / 2**30:.1f} GiB: {too_much(limit)} Or give files.")
    return [draw(detail, generator) for detail in details]


def draw(detail: Detail, generator: np.random.Generator) -> np.ndarray:
    """A random array for an input: floats in [0, 1), quantized integers of the type's whole range, others 0 or 1."""
    dtype: np.dtype[Any] = np.dtype(detail["dtype"])
    shape = tuple(detail["shape"])
    if dtype.kind in "fc":
        return np.asarray(generator.random(shape)).astype(dtype)
    if dtype.kind not in "biu":
        raise ArgumentError(f"input {detail['name']!r} is of type {dtype.name}, which --random cannot draw")
    if dtype.kind == "b" or not detail["quantization_parameters"]["scales"].size:
        return np.asarray(generator.integers(0, 2, shape)).astype(dtype)
    info = np.iinfo(detail["dtype"])
    return np.asarray(generator.integers(info.min, info.max, shape, dtype, endpoint=True))


def describe(result: Run) -> Iterator[Section]:
    """Each output with its type, shape, extremes, mean and first values; quantized ones as real numbers too."""
    for name, array in result.outputs.items():
        array = np.asarray(array)
        rows = [("", "min", "max", "mean", "first values"), ("stored", *_statistics(array))]
        if name in result.quantization and array.dtype.kind in "iu":
            scale, zero_point = result.quantization[name]
            rows.append(("real", *_statistics(scale * (array.astype(np.int64) - zero_point))))
        yield f"{name}  {array.dtype} {list(array.shape)}", columns(rows, right=(1, 2, 3))


def _statistics(array: np.ndarray) -> tuple[str, str, str, str]:
    first = " ".join(_number(value) for value in array.ravel()[:6])
    more = " ..." if array.size > 6 else ""
    if array.size == 0 or array.dtype.kind not in "fiu":
        return "", "", "", first + more
    return _number(array.min()), _number(array.max()), _number(array.mean(dtype=np.float64)), first + more


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
